//! Keys of `video`.

use super::treatment::{CROP, DEINTERLACE, DENOISE, HDR, PAD, ROTATE};
use super::{NONE_OR_COPY, RULES};
use crate::yaml::{Choice, Field, Kind, Shape};

const VIDEO_KIND: Kind = Kind::OneOf(&[Kind::Map(&VIDEO_SHAPE), Kind::Choice(&NONE_OR_COPY)]);

pub(super) const VIDEO: Field =
    Field::new("video", VIDEO_KIND, "Video: `none` leaves it out, `copy` takes it as it is.");

const LONG_SIDE: Kind = Kind::Int { min: 128, max: 4096 };

static VIDEO_SHAPE: Shape = Shape {
    name: "`video`",
    id: "Video",
    doc: "How video is encoded.",
    rules: &RULES,
    fields: &[
        Field::new(
            "codec",
            Kind::Choice(&Choice {
                now: &["h264", "copy"],
                later: &["h265", "av1", "vp9", "prores", "mjpeg", "gif", "webp"],
            }),
            "Codec; h264 is the default.",
        ),
        Field::new(
            "profile",
            Kind::Choice(&Choice { now: &["baseline", "main", "high"], later: &["high10", "high422", "high444"] }),
            "Profile.",
        ),
        Field::new("level", Kind::Choice(&Choice { now: LEVELS, later: &[] }), "Level."),
        Field::new("preset", Kind::Choice(&Choice { now: PRESETS, later: &[] }), "Speed against size."),
        Field::new("tune", Kind::Choice(&Choice { now: TUNES, later: &[] }), "Kind of content."),
        Field::new(
            "rate_control",
            Kind::Choice(&Choice { now: &["crf", "abr", "vbr", "cbr"], later: &[] }),
            "How bits are spent: constant quality, average, variable or constant bit rate.",
        ),
        Field::new("crf", Kind::Number { min: 0.0, max: 51.0 }, "Constant quality; lower is better."),
        Field::new("bitrate", VIDEO_RATE, "Bit rate in bit/s."),
        Field::new("maxrate", VIDEO_RATE, "Highest bit rate over the buffer, in bit/s."),
        Field::new("bufsize", Kind::Bits { min: 10_000, max: 100_000_000 }, "Buffer, in bits."),
        Field::new("passes", Kind::Choice(&Choice { now: &["1"], later: &["2"] }), "Passes over the source."),
        Field::new(
            "gop",
            Kind::OneOf(&[Kind::Duration { min_s: 0.1, max_s: 60.0 }, Kind::Map(&GOP_SHAPE)]),
            "Longest distance of keyframes: a duration, or `frames`.",
        ),
        Field::new("width", LONG_SIDE, "Width in pixels."),
        Field::new("height", LONG_SIDE, "Height in pixels."),
        Field::new("short_side", Kind::Int { min: 128, max: 2160 }, "Shorter side in pixels."),
        Field::new("long_side", LONG_SIDE, "Longer side in pixels."),
        Field::new("upscale", Kind::Bool, "Whether a smaller source is enlarged."),
        Field::new(
            "fit",
            Kind::Choice(&Choice { now: &["rescale", "crop", "pad", "none"], later: &[] }),
            "How a picture of another shape is fitted: inside the size, cut, padded, stretched.",
        ),
        CROP,
        ROTATE,
        PAD,
        DEINTERLACE,
        DENOISE,
        HDR,
        Field::new("fps", Kind::FrameRate { max: 60.0 }, "Frames per second."),
        Field::new("max_fps", Kind::FrameRate { max: 60.0 }, "Most frames per second."),
        Field::new(
            "pix_fmt",
            Kind::Choice(&Choice { now: &["yuv420p"], later: &["yuv422p", "yuv444p", "yuv420p10le"] }),
            "Pixel format.",
        ),
    ],
    later: &[
        ("scan_mode", "output is progressive; `deinterlace` says what becomes of interlaced video"),
        ("bitrate_bound", "`maxrate` and `bufsize` bound the bit rate"),
        ("degrain", "`denoise` does that"),
        ("hdr_to_sdr", "`hdr: sdr` does that"),
        ("narrowband", "leave it out"),
    ],
};

const VIDEO_RATE: Kind = Kind::Bits { min: 10_000, max: 50_000_000 };

const LEVELS: &[&str] = &[
    "1", "1.0", "1.1", "1.2", "1.3", "2", "2.0", "2.1", "2.2", "3", "3.0", "3.1", "3.2", "4", "4.0", "4.1", "4.2", "5",
    "5.0", "5.1", "5.2", "6", "6.0", "6.1", "6.2",
];

const PRESETS: &[&str] =
    &["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"];

const TUNES: &[&str] = &["film", "animation", "grain", "stillimage", "fastdecode", "zerolatency"];

static GOP_SHAPE: Shape = Shape {
    name: "`gop`",
    id: "Gop",
    doc: "Distance of keyframes in frames.",
    rules: &RULES,
    fields: &[Field::required("frames", Kind::Int { min: 1, max: 3_600 }, "Frames from keyframe to keyframe.")],
    later: &[],
};
