//! Keys of `snapshot`.

use super::{MOMENT, NAME, OUTPUT_NAME, RULES};
use crate::yaml::{Choice, Field, Kind, Shape};

const INSTANT: Kind = Kind::OneOf(&[Kind::Percent, MOMENT]);

const PICTURE_SIDE: Kind = Kind::Int { min: 16, max: 4096 };

pub(super) static SNAPSHOT: Shape = Shape {
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
            Kind::Choice(&Choice { now: &["jpg", "png", "webp", "gif", "mp4"], later: &[("avif", "")] }),
            "Picture format; what the name says, or jpg, is the default. Animations are gif (their default), webp or mp4.",
        ),
        Field::new("scenes", Kind::OneOf(&[Kind::Bool, Kind::Map(&SCENES_SHAPE)]), "The first picture of each scene."),
        Field::new(
            "best",
            Kind::Bool,
            "The picture that makes the best cover: sharp, rich in contrast and colour, not black.",
        ),
        Field::new("animation", Kind::Map(&ANIMATION_SHAPE), "Short pieces in motion instead of pictures."),
        Field::new(
            "frame_type",
            Kind::Choice(&Choice { now: &["normal", "intra"], later: &[] }),
            "Which frames count: normal, the default, or intra: keyframes only, the last at or before each moment.",
        ),
        Field::new(
            "black_level",
            Kind::Int { min: 30, max: 100 },
            "A picture of which at least so many percent is black yields to the next that is not.",
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
    later: &[("clip", "`at` and `every` choose the moments")],
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
        Field::new("margin", Kind::Int { min: 0, max: 256 }, "Pixels around all pictures; 0 is the default."),
        Field::new("padding", Kind::Int { min: 0, max: 256 }, "Pixels between pictures; 0 is the default."),
        Field::new("color", Kind::Color, "Colour around and between them; black is the default."),
        Field::new(
            "sheets",
            Kind::Choice(&Choice { now: &["many", "one"], later: &[] }),
            "Sheets of `rows` rows, the default, or one with as many rows as it needs.",
        ),
        Field::new("cell_step", Kind::Int { min: 1, max: 1000 }, "Of every so many pictures one is laid out."),
        Field::new("keep_cells", Kind::Bool, "Write each picture as well."),
    ],
    later: &[],
};

static SCENES_SHAPE: Shape = Shape {
    name: "`scenes`",
    id: "Scenes",
    doc: "Where scenes begin.",
    rules: &RULES,
    fields: &[
        Field::new(
            "threshold",
            Kind::Percent,
            "Difference from the frame before that begins a scene; 10% is the default.",
        ),
        Field::new("most", Kind::Int { min: 1, max: 10_000 }, "Most pictures; 100 is the default."),
    ],
    later: &[],
};

static ANIMATION_SHAPE: Shape = Shape {
    name: "`animation`",
    id: "Animation",
    doc: "An animated preview.",
    rules: &RULES,
    fields: &[
        Field::new("pieces", Kind::Int { min: 1, max: 50 }, "Pieces, spread over the source; 5 is the default."),
        Field::new("length", Kind::Duration { min_s: 0.1, max_s: 60.0 }, "Length of each; 1s is the default."),
        Field::new("start", MOMENT, "Where the only piece begins, instead of several."),
        Field::new("fps", Kind::Number { min: 1.0, max: 30.0 }, "Frames per second; 10 is the default."),
    ],
    later: &[],
};
