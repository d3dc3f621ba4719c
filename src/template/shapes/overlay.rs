//! Keys of watermarks.

use super::audio::AUDIO;
use super::container::CONTAINER;
use super::timeline::{CHAPTERS, CLIP, METADATA, SUBTITLES};
use super::video::VIDEO;
use super::{IF_SOURCE_LOWER, LENGTH, MOMENT, NAME, OUTPUT_NAME, RULES, TEMPLATE_NAME};
use crate::yaml::{Choice, Field, Kind, Shape};

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

pub(super) const WATERMARKS: Field =
    Field::new("watermarks", WATERMARKS_KIND, "Watermarks in order: names of templates, or their parameters.");

pub(super) static WATERMARK: Shape = Shape {
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
        METADATA,
        CHAPTERS,
        IF_SOURCE_LOWER,
    ],
    later: TEXT_WATERMARKS,
};
