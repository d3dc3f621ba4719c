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
