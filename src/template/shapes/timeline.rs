//! Keys of `clip` and `subtitles`.

use super::{LENGTH, MOMENT, RULES};
use crate::yaml::{Choice, Field, Kind, Shape};

const SUBTITLES_KIND: Kind =
    Kind::OneOf(&[Kind::Choice(&Choice { now: &["none", "keep"], later: &["burn"] }), Kind::Map(&SUBTITLES_SHAPE)]);

pub(super) const SUBTITLES: Field = Field::new(
    "subtitles",
    SUBTITLES_KIND,
    "Subtitle streams: `keep` those that the container holds, or `none`; a remux keeps them unless told otherwise.",
);

pub(super) const CLIP: Field = Field::new("clip", Kind::Map(&CLIP_SHAPE), "Part of the source to take.");

static SUBTITLES_SHAPE: Shape = Shape {
    name: "`subtitles`",
    id: "Subtitles",
    doc: "No key is known yet.",
    rules: &RULES,
    fields: &[],
    later: &[("burn", "`keep` keeps subtitle streams"), ("files", "`keep` keeps subtitle streams")],
};

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
