//! Keys of `video`.

use super::treatment::{CROP, DEINTERLACE, DENOISE, HDR, PAD, ROTATE};
use super::{NONE_OR_COPY, RULES};
use crate::model::codec::{Hardware, VideoCodec};
use crate::template::codecs;
use crate::yaml::{Choice, Field, Kind, Shape};

const VIDEO_KIND: Kind = Kind::OneOf(&[Kind::Map(&VIDEO_SHAPE), Kind::Choice(&NONE_OR_COPY)]);

pub(super) const VIDEO: Field =
    Field::new("video", VIDEO_KIND, "Video: `none` to leave it out, `copy` to copy it, or parameters of its encoding.");

const LONG_SIDE: Kind = Kind::Int { min: 128, max: 4096 };

static VIDEO_SHAPE: Shape = Shape {
    name: "`video`",
    id: "Video",
    doc: "Parameters of video encoding.",
    rules: &RULES,
    fields: &[
        Field::new(
            "codec",
            Kind::Choice(&Choice { now: VideoCodec::WORDS, later: &[] }),
            "Codec; the default depends on the container.",
        ),
        Field::new(
            "encoder",
            Kind::Choice(&Choice { now: Hardware::WORDS, later: &[] }),
            "Encoder: on the processor (`software`), or on a device.",
        ),
        Field::new("profile", Kind::Word(codecs::profiles), "Profile; the allowed values depend on the codec."),
        Field::new("level", Kind::Word(codecs::levels), "Level; the allowed values depend on the codec."),
        Field::new(
            "preset",
            Kind::Word(codecs::presets),
            "Speed against size: names for h264 and h265, numbers for other codecs.",
        ),
        Field::new("tune", Kind::Word(codecs::tunes), "Kind of content; the allowed values depend on the codec."),
        Field::new(
            "rate_control",
            Kind::Choice(&Choice { now: &["crf", "abr", "vbr", "cbr"], later: &[] }),
            "Rate control: constant quality, or average, variable or constant bit rate.",
        ),
        Field::new(
            "crf",
            Kind::Number { min: 0.0, max: 63.0 },
            "Constant quality; lower is better. Up to 51 for h264 and h265, up to 63 for av1 and vp9.",
        ),
        Field::new("quality", Kind::Int { min: 1, max: 100 }, "Quality of mjpeg and webp; higher is better."),
        Field::new("bitrate", VIDEO_RATE, "Bit rate in bit/s."),
        Field::new("maxrate", VIDEO_RATE, "Highest bit rate, averaged over the buffer, in bit/s."),
        Field::new("bufsize", Kind::Bits { min: 10_000, max: 100_000_000 }, "Size of the buffer, in bits."),
        Field::new(
            "passes",
            Kind::Choice(&Choice { now: &["1", "2"], later: &[] }),
            "Number of passes: two for two-pass encoding, which is closer to the bit rate.",
        ),
        Field::new(
            "gop",
            Kind::OneOf(&[Kind::Duration { min_s: 0.1, max_s: 60.0 }, Kind::Map(&GOP_SHAPE)]),
            "Largest distance between keyframes: a duration, or `frames`.",
        ),
        Field::new("b_frames", Kind::Int { min: 0, max: 16 }, "Largest number of consecutive B frames."),
        Field::new("refs", Kind::Int { min: 1, max: 16 }, "Reference frames."),
        Field::new("width", LONG_SIDE, "Width in pixels."),
        Field::new("height", LONG_SIDE, "Height in pixels."),
        Field::new("short_side", Kind::Int { min: 128, max: 2160 }, "Shorter side in pixels."),
        Field::new("long_side", LONG_SIDE, "Longer side in pixels."),
        Field::new("upscale", Kind::Bool, "If true, a smaller source is enlarged."),
        Field::new(
            "fit",
            Kind::Choice(&Choice { now: &["rescale", "crop", "pad", "none"], later: &[] }),
            "Scale mode for another aspect ratio: rescale (inside the size), crop, pad, or none (stretch).",
        ),
        CROP,
        ROTATE,
        PAD,
        DEINTERLACE,
        DENOISE,
        HDR,
        Field::new("fps", Kind::FrameRate { max: 60.0 }, "Frames per second."),
        Field::new("max_fps", Kind::FrameRate { max: 60.0 }, "Largest number of frames per second."),
        Field::new("pix_fmt", Kind::Word(codecs::pixel_formats), "Pixel format."),
    ],
    later: &[
        ("scan_mode", "output is always progressive; see `deinterlace` for interlaced sources"),
        ("bitrate_bound", "use `maxrate` and `bufsize` to limit the bit rate"),
        ("degrain", "use `denoise`"),
        ("hdr_to_sdr", "use `hdr: sdr`"),
        ("narrowband", "remove it"),
    ],
};

const VIDEO_RATE: Kind = Kind::Bits { min: 10_000, max: 50_000_000 };

static GOP_SHAPE: Shape = Shape {
    name: "`gop`",
    id: "Gop",
    doc: "Distance between keyframes, in frames.",
    rules: &RULES,
    fields: &[Field::required("frames", Kind::Int { min: 1, max: 3_600 }, "Frames from keyframe to keyframe.")],
    later: &[],
};
