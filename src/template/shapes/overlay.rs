//! Keys of watermarks.

use super::audio::AUDIO;
use super::container::CONTAINER;
use super::timeline::{CHAPTERS, CLIP, METADATA, SUBTITLES};
use super::video::VIDEO;
use super::{IF_SOURCE_LOWER, LENGTH, MOMENT, NAME, OUTPUT_NAME, RULES, TEMPLATE_NAME};
use crate::yaml::{Choice, Field, Kind, Shape};

const DISTANCE: Kind =
    Kind::OneOf(&[Kind::Percent, Kind::Int { min: 0, max: 4096 }, Kind::Number { min: 0.0, max: 1.0 }]);

/// Longest text of a watermark, in bytes, before it is rendered.
const TEXT_BYTES: usize = 1024;

const IMAGE: Field = Field::new(
    "image",
    Kind::Text { max: NAME },
    "Picture or video (PNG, APNG, GIF, MOV, …): `s3://bucket/key`, or a key in the bucket of the uploaded object.",
);

const TEXT: Field = Field::new("text", Kind::Text { max: TEXT_BYTES }, "Text to draw; may contain `${…}`.");

const FONT: Field = Field::new(
    "font",
    Kind::Text { max: 128 },
    "Family of an installed font; the most similar one if it is not installed.",
);

const FONT_SIZE: Field =
    Field::new("font_size", Kind::Int { min: 4, max: 120 }, "Size of the text in pixels; 16 is the default.");

const ADAPTIVE: Field = Field::new(
    "adaptive",
    Kind::Bool,
    "If true, `font_size` is for a short side of 720 pixels, and scales with that of the output.",
);

const COLOR: Field = Field::new("color", Kind::Color, "Colour of the text; white is the default.");

const ALPHA: Field = Field::new("alpha", Kind::Number { min: 0.0, max: 1.0 }, "Opacity of the text.");

const BORDER: Field = Field::new("border", Kind::Map(&BORDER_SHAPE), "Outline of the letters.");

static BORDER_SHAPE: Shape = Shape {
    name: "`border`",
    id: "Border",
    doc: "Outline of the letters.",
    rules: &RULES,
    fields: &[
        Field::new("width", Kind::Int { min: 0, max: 20 }, "Width in pixels; 1 is the default."),
        Field::new("color", Kind::Color, "Colour; black is the default."),
    ],
    later: &[],
};

const POSITION: Field = Field::new(
    "position",
    Kind::Choice(&Choice { now: &["top_right", "top_left", "bottom_right", "bottom_left", "center"], later: &[] }),
    "Corner that offsets are measured from, or the center.",
);

const DX: Field = Field::new("dx", DISTANCE, "Distance from the side: pixels, or a share of the output's width.");

const DY: Field = Field::new("dy", DISTANCE, "Distance from the edge: pixels, or a share of the output's height.");

const WIDTH: Field =
    Field::new("width", DISTANCE, "Width of a picture: pixels, or a share of the output's; 12% is the default.");

const HEIGHT: Field = Field::new("height", DISTANCE, "Height of a picture: pixels, or a share of the output's.");

const OPACITY: Field = Field::new("opacity", Kind::Number { min: 0.0, max: 1.0 }, "Opacity.");

const START: Field = Field::new("start", MOMENT, "Time in the output at which it appears.");

const DURATION: Field = Field::new(
    "duration",
    Kind::OneOf(&[Kind::Choice(&Choice { now: &["to_end"], later: &[] }), LENGTH]),
    "Time for which it is shown.",
);

/// Something laid over the video.
pub static OVERLAY: Shape = Shape {
    name: "a watermark",
    id: "Overlay",
    doc: "A picture, a video or a text over the video.",
    rules: &RULES,
    fields: &[
        IMAGE, TEXT, FONT, FONT_SIZE, ADAPTIVE, COLOR, ALPHA, BORDER, POSITION, DX, DY, WIDTH, HEIGHT, OPACITY, START,
        DURATION,
    ],
    later: &[],
};

const WATERMARKS_KIND: Kind = Kind::List { of: &Kind::OneOf(&[Kind::Map(&OVERLAY), Kind::Fixed { max: 64 }]), max: 20 };

pub(super) const WATERMARKS: Field =
    Field::new("watermarks", WATERMARKS_KIND, "Watermarks, in order: names of watermark templates, or parameters.");

pub(super) static WATERMARK: Shape = Shape {
    name: "`watermark`",
    id: "Watermark",
    doc: "Re-encode with a picture or a text over the video; takes the parameters of transcoding too.",
    rules: &RULES,
    fields: &[
        Field::new("watermark", Kind::Fixed { max: 64 }, "Watermark template that gives the parameters."),
        IMAGE,
        TEXT,
        FONT,
        FONT_SIZE,
        ADAPTIVE,
        COLOR,
        ALPHA,
        BORDER,
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
    later: &[],
};
