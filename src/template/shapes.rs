//! The keys of templates and of activities' parameters, with their ranges: the one table behind checks, hints and the
//! JSON Schema.

use crate::model::plan::ActivityKind;
use crate::yaml::{Choice, Field, Kind, Rules, Shape};

/// Rules of mistakes in parameters.
pub static RULES: Rules = Rules {
    unknown_key: "TPL0101",
    missing_key: "TPL0102",
    wrong_kind: "TPL0103",
    out_of_range: "TPL0104",
    later: "TPL0105",
    expressions: true,
};

/// Longest name of an output, in bytes, before it is rendered.
const NAME: usize = 1024;

/// The shape of what stands under an activity's type key.
#[must_use]
pub const fn activity(kind: ActivityKind) -> &'static Shape {
    match kind {
        ActivityKind::Analysis => &ANALYSIS,
        ActivityKind::Transcode => &TRANSCODE,
        ActivityKind::Remux => &REMUX,
        ActivityKind::Snapshot => &SNAPSHOT,
        ActivityKind::Watermark => &WATERMARK,
        ActivityKind::Package => &PACKAGE,
    }
}

/// A preset: a template without a name of its own.
pub static PRESET: Shape = Shape {
    name: "a template",
    id: "Preset",
    doc: "A template.",
    rules: &RULES,
    fields: &[DESCRIPTION, EXTENDS, CONTAINER, VIDEO, AUDIO, SUBTITLES, IF_SOURCE_LOWER],
    later: &[],
};

/// A template file.
pub static TEMPLATE: Shape = Shape {
    name: "a template",
    id: "Template",
    doc: "Parameters of transcoding, or of a watermark, under a name.",
    rules: &RULES,
    fields: &[
        Field::required("name", Kind::Fixed { max: 64 }, "Name by which activities refer to it."),
        DESCRIPTION,
        EXTENDS,
        Field::new("locked", Kind::Bool, "Whether activities may not override its parameters."),
        CONTAINER,
        VIDEO,
        AUDIO,
        SUBTITLES,
        IF_SOURCE_LOWER,
        Field::new("watermark", Kind::Map(&OVERLAY), "Parameters of a watermark, instead of those of transcoding."),
    ],
    later: &[],
};

const DESCRIPTION: Field = Field::new("description", Kind::Fixed { max: 1024 }, "What it is for.");
const EXTENDS: Field =
    Field::new("extends", Kind::Fixed { max: 64 }, "Template whose parameters hold where this one says nothing.");
const CONTAINER_KIND: Kind = Kind::OneOf(&[Kind::Choice(&FORMATS), Kind::Map(&CONTAINER_SHAPE)]);
const CONTAINER: Field = Field::new("container", CONTAINER_KIND, "Container.");
const VIDEO_KIND: Kind = Kind::OneOf(&[Kind::Map(&VIDEO_SHAPE), Kind::Choice(&NONE_OR_COPY)]);
const VIDEO: Field = Field::new("video", VIDEO_KIND, "Video: `none` leaves it out, `copy` takes it as it is.");
const AUDIO_KIND: Kind = Kind::OneOf(&[Kind::Map(&AUDIO_SHAPE), Kind::Choice(&NONE_OR_COPY)]);
const AUDIO: Field = Field::new("audio", AUDIO_KIND, "Audio: `none` leaves it out, `copy` takes it as it is.");
const SUBTITLES_KIND: Kind =
    Kind::OneOf(&[Kind::Choice(&Choice { now: &["none", "keep"], later: &["burn"] }), Kind::Map(&SUBTITLES_SHAPE)]);
const SUBTITLES: Field = Field::new(
    "subtitles",
    SUBTITLES_KIND,
    "Subtitle streams: `keep` those that the container holds, or `none`; a remux keeps them unless told otherwise.",
);
const IF_SOURCE_LOWER: Field = Field::new(
    "if_source_lower",
    Kind::Map(&IF_SOURCE_LOWER_SHAPE),
    "What happens where the source has less than is asked for.",
);
const OUTPUT_NAME: Field =
    Field::new("name", Kind::Text { max: NAME }, "Name of the output, after the prefix; may hold `/` and `${…}`.");
const CLIP: Field = Field::new("clip", Kind::Map(&CLIP_SHAPE), "Part of the source to take.");
const TEMPLATE_NAME: Field = Field::new("template", Kind::Fixed { max: 64 }, "Template whose parameters hold.");

static FORMATS: Choice = Choice {
    now: &["mp4", "mov", "mkv", "webm", "ts", "flv", "m4a", "mp3", "ogg", "flac", "wav"],
    later: &["hls", "dash", "cmaf", "gif", "webp"],
};
static NONE_OR_COPY: Choice = Choice { now: &["none", "copy"], later: &[] };
static LOWER: Choice = Choice { now: &["keep_source", "fail", "ignore"], later: &[] };

static CONTAINER_SHAPE: Shape = Shape {
    name: "`container`",
    id: "Container",
    doc: "Container.",
    rules: &RULES,
    fields: &[Field::required("format", Kind::Choice(&FORMATS), "Format of the container.")],
    later: &[],
};

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
            "How a picture of another shape is fitted: inside the size, cut, on black, stretched.",
        ),
        Field::new("fps", Kind::FrameRate { max: 60.0 }, "Frames per second."),
        Field::new("max_fps", Kind::FrameRate { max: 60.0 }, "Most frames per second."),
        Field::new(
            "pix_fmt",
            Kind::Choice(&Choice { now: &["yuv420p"], later: &["yuv422p", "yuv444p", "yuv420p10le"] }),
            "Pixel format.",
        ),
    ],
    later: &[
        ("scan_mode", "output is progressive"),
        ("crop", "`fit: crop` with `width` and `height` cuts to a shape"),
        ("pad", "`fit: pad` with `width` and `height` fills up a shape"),
        ("bitrate_bound", "`maxrate` and `bufsize` bound the bit rate"),
        ("degrain", "leave it out"),
        ("hdr_to_sdr", "leave it out"),
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

static AUDIO_SHAPE: Shape = Shape {
    name: "`audio`",
    id: "Audio",
    doc: "How audio is encoded.",
    rules: &RULES,
    fields: &[
        Field::new(
            "codec",
            Kind::Choice(&Choice {
                now: &["aac", "mp3", "opus", "flac", "copy"],
                later: &["vorbis", "ac3", "eac3", "pcm"],
            }),
            "Codec; what the container is made for is the default.",
        ),
        Field::new(
            "profile",
            Kind::Choice(&Choice { now: &["aac_low"], later: &["aac_he", "aac_he_v2", "aac_ld", "aac_eld"] }),
            "Profile of AAC.",
        ),
        Field::new("bitrate", Kind::Bits { min: 8_000, max: 1_000_000 }, "Bit rate in bit/s."),
        Field::new("sample_rate", Kind::Int { min: 22_050, max: 96_000 }, "Samples per second."),
        Field::new("channels", Kind::Int { min: 1, max: 8 }, "Channels; never more than the source has."),
        Field::new(
            "tracks",
            Kind::OneOf(&[
                Kind::Choice(&Choice { now: &["main", "all"], later: &[] }),
                Kind::Int { min: 0, max: 63 },
                Kind::Map(&TRACKS_SHAPE),
            ]),
            "Which audio streams: the main one, all, one by its number from 0, or one by `language`.",
        ),
    ],
    later: &[
        ("loudness", "leave it out; `analysis: { loudness: true }` measures it"),
        ("volume", "leave it out; `analysis: { loudness: true }` measures it"),
    ],
};

static TRACKS_SHAPE: Shape = Shape {
    name: "`tracks`",
    id: "Tracks",
    doc: "An audio stream by its language.",
    rules: &RULES,
    fields: &[Field::required("language", Kind::Text { max: 35 }, "Language (BCP 47 or ISO 639).")],
    later: &[],
};

static SUBTITLES_SHAPE: Shape = Shape {
    name: "`subtitles`",
    id: "Subtitles",
    doc: "No key is known yet.",
    rules: &RULES,
    fields: &[],
    later: &[("burn", "`keep` keeps subtitle streams"), ("files", "`keep` keeps subtitle streams")],
};

static IF_SOURCE_LOWER_SHAPE: Shape = Shape {
    name: "`if_source_lower`",
    id: "IfSourceLower",
    doc: "What happens where the source has less than is asked for.",
    rules: &RULES,
    fields: &[
        Field::new("resolution", Kind::Choice(&LOWER), "Smaller source: keep its size, fail, or enlarge it."),
        Field::new("video_bitrate", Kind::Choice(&LOWER), "Lower video bit rate: keep it, fail, or spend more."),
        Field::new("audio_bitrate", Kind::Choice(&LOWER), "Lower audio bit rate: keep it, fail, or spend more."),
    ],
    later: &[],
};

const MOMENT: Kind = Kind::Duration { min_s: 0.0, max_s: 360_000.0 };
const LENGTH: Kind = Kind::Duration { min_s: 0.001, max_s: 360_000.0 };

static CLIP_SHAPE: Shape = Shape {
    name: "`clip`",
    id: "Clip",
    doc: "Part of the source.",
    rules: &RULES,
    fields: &[
        Field::new("start", MOMENT, "First moment; the beginning is the default."),
        Field::new("duration", LENGTH, "Length."),
        Field::new("end", LENGTH, "First moment left out; instead of `duration`."),
    ],
    later: &[],
};

const DISTANCE: Kind =
    Kind::OneOf(&[Kind::Percent, Kind::Int { min: 0, max: 4096 }, Kind::Number { min: 0.0, max: 1.0 }]);

const IMAGE: Field = Field::new(
    "image",
    Kind::Text { max: NAME },
    "Picture (PNG): `s3://bucket/key`, or a key in the bucket of the uploaded object.",
);
const POSITION: Field = Field::new(
    "position",
    Kind::Choice(&Choice { now: &["top_right", "top_left", "bottom_right", "bottom_left"], later: &[] }),
    "Corner that offsets count from.",
);
const DX: Field = Field::new("dx", DISTANCE, "Distance from the side: pixels, or a share of the output's width.");
const DY: Field = Field::new("dy", DISTANCE, "Distance from the edge: pixels, or a share of the output's height.");
const WIDTH: Field = Field::new("width", DISTANCE, "Width: pixels, or a share of the output's; 12% is the default.");
const HEIGHT: Field = Field::new("height", DISTANCE, "Height: pixels, or a share of the output's.");
const OPACITY: Field = Field::new("opacity", Kind::Number { min: 0.0, max: 1.0 }, "Opacity.");
const START: Field = Field::new("start", MOMENT, "First moment shown.");
const DURATION: Field = Field::new(
    "duration",
    Kind::OneOf(&[Kind::Choice(&Choice { now: &["to_end"], later: &[] }), LENGTH]),
    "How long it is shown.",
);

const TEXT_WATERMARKS: &[(&str, &str)] = &[
    ("text", "a watermark is an `image`"),
    ("font", "a watermark is an `image`"),
    ("font_size", "a watermark is an `image`"),
    ("color", "a watermark is an `image`"),
    ("alpha", "`opacity` says how much shows through"),
    ("border", "a watermark is an `image`"),
];

/// A picture laid over the video.
pub static OVERLAY: Shape = Shape {
    name: "a watermark",
    id: "Overlay",
    doc: "A picture laid over the video.",
    rules: &RULES,
    fields: &[IMAGE, POSITION, DX, DY, WIDTH, HEIGHT, OPACITY, START, DURATION],
    later: TEXT_WATERMARKS,
};

const WATERMARKS_KIND: Kind = Kind::List { of: &Kind::OneOf(&[Kind::Map(&OVERLAY), Kind::Fixed { max: 64 }]), max: 20 };
const WATERMARKS: Field =
    Field::new("watermarks", WATERMARKS_KIND, "Watermarks in order: names of templates, or their parameters.");

static ANALYSIS: Shape = Shape {
    name: "`analysis`",
    id: "Analysis",
    doc: "Media information.",
    rules: &RULES,
    fields: &[Field::new("loudness", Kind::Bool, "Measure loudness to EBU R 128 (decodes the main audio stream).")],
    later: &[],
};

static TRANSCODE: Shape = Shape {
    name: "`transcode`",
    id: "Transcode",
    doc: "Re-encode. Parameters of a template may stand here and win over it.",
    rules: &RULES,
    fields: &[TEMPLATE_NAME, OUTPUT_NAME, WATERMARKS, CLIP, CONTAINER, VIDEO, AUDIO, SUBTITLES, IF_SOURCE_LOWER],
    later: &[("encryption", "leave it out"), ("merge", "leave it out"), ("rotate", "output is upright")],
};

static REMUX: Shape = Shape {
    name: "`remux`",
    id: "Remux",
    doc: "Another container, the streams as they are.",
    rules: &RULES,
    fields: &[TEMPLATE_NAME, OUTPUT_NAME, CLIP, CONTAINER, VIDEO, AUDIO, SUBTITLES],
    later: &[],
};

static WATERMARK: Shape = Shape {
    name: "`watermark`",
    id: "Watermark",
    doc: "Re-encode with a picture laid over; the parameters of transcoding may stand here too.",
    rules: &RULES,
    fields: &[
        Field::new("watermark", Kind::Fixed { max: 64 }, "Watermark template whose parameters hold."),
        IMAGE,
        POSITION,
        DX,
        DY,
        WIDTH,
        HEIGHT,
        OPACITY,
        START,
        DURATION,
        TEMPLATE_NAME,
        OUTPUT_NAME,
        CLIP,
        CONTAINER,
        VIDEO,
        AUDIO,
        SUBTITLES,
        IF_SOURCE_LOWER,
    ],
    later: TEXT_WATERMARKS,
};

const INSTANT: Kind = Kind::OneOf(&[Kind::Percent, MOMENT]);
const PICTURE_SIDE: Kind = Kind::Int { min: 16, max: 4096 };

static SNAPSHOT: Shape = Shape {
    name: "`snapshot`",
    id: "Snapshot",
    doc: "Pictures of moments.",
    rules: &RULES,
    fields: &[
        OUTPUT_NAME,
        Field::new(
            "at",
            Kind::OneOf(&[INSTANT, Kind::List { of: &INSTANT, max: 100 }]),
            "Moments: a time or a share of the duration, one or several; 10% is the default.",
        ),
        Field::new("every", Kind::Duration { min_s: 0.1, max_s: 86_400.0 }, "A picture every so often."),
        Field::new("count", Kind::Int { min: 1, max: 10_000 }, "So many pictures, evenly spread."),
        Field::new(
            "format",
            Kind::Choice(&Choice { now: &["jpg", "png", "webp"], later: &["avif"] }),
            "Picture format; what the name says, or jpg, is the default.",
        ),
        Field::new("width", PICTURE_SIDE, "Width in pixels."),
        Field::new("height", PICTURE_SIDE, "Height in pixels."),
        Field::new("short_side", PICTURE_SIDE, "Shorter side in pixels."),
        Field::new("long_side", PICTURE_SIDE, "Longer side in pixels."),
        Field::new("quality", Kind::Int { min: 1, max: 100 }, "Quality of jpg and webp; 85 is the default."),
        Field::new("sprite", Kind::Map(&SPRITE_SHAPE), "Lay the pictures out on sheets."),
        Field::new(
            "vtt",
            Kind::OneOf(&[Kind::Bool, Kind::Text { max: NAME }]),
            "Write a WebVTT thumbnails track, under this name where one is given.",
        ),
    ],
    later: &[
        ("frame_type", "leave it out"),
        ("black_level", "leave it out"),
        ("clip", "`at` and `every` choose the moments"),
    ],
};

static SPRITE_SHAPE: Shape = Shape {
    name: "`sprite`",
    id: "Sprite",
    doc: "Sheets of small pictures.",
    rules: &RULES,
    fields: &[
        Field::new("columns", Kind::Int { min: 1, max: 100 }, "Pictures beside each other; 10 is the default."),
        Field::new("rows", Kind::Int { min: 1, max: 100 }, "Pictures above each other; 10 is the default."),
        Field::new("width", Kind::Int { min: 16, max: 640 }, "Width of a picture in pixels; 160 is the default."),
        Field::new("height", Kind::Int { min: 16, max: 640 }, "Height of a picture in pixels."),
    ],
    later: &[
        ("margin", "leave it out"),
        ("padding", "leave it out"),
        ("color", "leave it out"),
        ("cell_step", "`every` chooses the distance of the pictures"),
        ("keep_cells", "take the pictures with a second `snapshot`"),
    ],
};

static PACKAGE: Shape = Shape {
    name: "`package`",
    id: "Package",
    doc: "Adaptive streaming from finished renditions.",
    rules: &RULES,
    fields: &[
        Field::new(
            "from",
            Kind::OneOf(&[Kind::Fixed { max: 64 }, Kind::List { of: &Kind::Fixed { max: 64 }, max: 100 }]),
            "Activities whose outputs are the renditions.",
        ),
        Field::new("protocol", Kind::Choice(&Choice { now: &["hls"], later: &["dash"] }), "Protocol."),
        Field::new("segment", Kind::Duration { min_s: 1.0, max_s: 60.0 }, "Length of segments; 6s is the default."),
        Field::new(
            "name",
            Kind::Text { max: NAME },
            "Name of the master playlist; everything else goes to folders beside it.",
        ),
    ],
    later: &[("encryption", "leave it out"), ("subtitles", "leave it out")],
};
