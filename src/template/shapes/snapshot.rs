//! Keys of `snapshot`.

use super::{MOMENT, NAME, OUTPUT_NAME, RULES};
use crate::yaml::{Choice, Field, Kind, Shape};

const INSTANT: Kind = Kind::OneOf(&[Kind::Percent, MOMENT]);

const PICTURE_SIDE: Kind = Kind::Int { min: 16, max: 4096 };

pub(super) static SNAPSHOT: Shape = Shape {
    name: "`snapshot`",
    id: "Snapshot",
    doc: "Pictures at times of the source.",
    rules: &RULES,
    fields: &[
        OUTPUT_NAME,
        Field::new(
            "at",
            Kind::OneOf(&[INSTANT, Kind::List { of: &INSTANT, max: 100 }]),
            "Times of pictures, or shares of the duration; 10% is the default.",
        ),
        Field::new("every", Kind::Duration { min_s: 0.1, max_s: 86_400.0 }, "Interval of pictures."),
        Field::new("count", Kind::Int { min: 1, max: 10_000 }, "Number of pictures, evenly spread."),
        Field::new(
            "format",
            Kind::Choice(&Choice { now: &["jpg", "png", "webp", "gif", "mp4"], later: &[("avif", "")] }),
            "Picture format; by default that of the name, or jpg. Animations are gif (their default), webp or mp4.",
        ),
        Field::new(
            "scenes",
            Kind::OneOf(&[Kind::Bool, Kind::Map(&SCENES_SHAPE)]),
            "Take the first picture of each scene.",
        ),
        Field::new(
            "best",
            Kind::Bool,
            "Take the best picture for a cover: sharp, rich in contrast and colour, not black.",
        ),
        Field::new("animation", Kind::Map(&ANIMATION_SHAPE), "Make an animation of short pieces instead of pictures."),
        Field::new(
            "frame_type",
            Kind::Choice(&Choice { now: &["normal", "intra"], later: &[] }),
            "Frames to use: normal (all, the default), or intra (the last keyframe at or before each time).",
        ),
        Field::new(
            "black_level",
            Kind::Int { min: 30, max: 100 },
            "Share of black pixels from which a picture is skipped for the next one.",
        ),
        Field::new("width", PICTURE_SIDE, "Width in pixels."),
        Field::new("height", PICTURE_SIDE, "Height in pixels."),
        Field::new("short_side", PICTURE_SIDE, "Shorter side in pixels."),
        Field::new("long_side", PICTURE_SIDE, "Longer side in pixels."),
        Field::new("quality", Kind::Int { min: 1, max: 100 }, "Quality of jpg and webp; 85 is the default."),
        Field::new("sprite", Kind::Map(&SPRITE_SHAPE), "Put the pictures on sprite sheets."),
        Field::new(
            "vtt",
            Kind::OneOf(&[Kind::Bool, Kind::Text { max: NAME }]),
            "Write a WebVTT thumbnail track, with this name if one is given.",
        ),
    ],
    later: &[("clip", "use `at` or `every`")],
};

static SPRITE_SHAPE: Shape = Shape {
    name: "`sprite`",
    id: "Sprite",
    doc: "Sprite sheets.",
    rules: &RULES,
    fields: &[
        Field::new("columns", Kind::Int { min: 1, max: 100 }, "Columns; 10 is the default."),
        Field::new("rows", Kind::Int { min: 1, max: 100 }, "Rows; 10 is the default."),
        Field::new("width", Kind::Int { min: 16, max: 640 }, "Width of a picture in pixels; 160 is the default."),
        Field::new("height", Kind::Int { min: 16, max: 640 }, "Height of a picture in pixels."),
        Field::new("margin", Kind::Int { min: 0, max: 256 }, "Pixels around all pictures; 0 is the default."),
        Field::new("padding", Kind::Int { min: 0, max: 256 }, "Pixels between pictures; 0 is the default."),
        Field::new("color", Kind::Color, "Colour between and around the pictures; black is the default."),
        Field::new(
            "sheets",
            Kind::Choice(&Choice { now: &["many", "one"], later: &[] }),
            "Sheets of `rows` rows (the default), or one sheet with all rows.",
        ),
        Field::new("cell_step", Kind::Int { min: 1, max: 1000 }, "Put every n-th picture on a sheet."),
        Field::new("keep_cells", Kind::Bool, "Publish each picture too."),
    ],
    later: &[],
};

static SCENES_SHAPE: Shape = Shape {
    name: "`scenes`",
    id: "Scenes",
    doc: "Find scene changes.",
    rules: &RULES,
    fields: &[
        Field::new(
            "threshold",
            Kind::Percent,
            "Smallest difference from the previous frame at a scene change; 10% is the default.",
        ),
        Field::new("most", Kind::Int { min: 1, max: 10_000 }, "Largest number of pictures; 100 is the default."),
    ],
    later: &[],
};

static ANIMATION_SHAPE: Shape = Shape {
    name: "`animation`",
    id: "Animation",
    doc: "An animated preview.",
    rules: &RULES,
    fields: &[
        Field::new(
            "pieces",
            Kind::Int { min: 1, max: 50 },
            "Number of pieces, spread over the source; 5 is the default.",
        ),
        Field::new("length", Kind::Duration { min_s: 0.1, max_s: 60.0 }, "Length of a piece; 1s is the default."),
        Field::new("start", MOMENT, "Start of a single piece, instead of several."),
        Field::new("fps", Kind::Number { min: 1.0, max: 30.0 }, "Frames per second; 10 is the default."),
    ],
    later: &[],
};
