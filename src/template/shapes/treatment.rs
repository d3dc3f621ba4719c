//! Keys of `video` that say what is done to the picture besides giving it its size.

use super::{PIXELS_OR_SHARE, RULES};
use crate::yaml::{Choice, Field, Kind, Shape};

pub(super) const DEINTERLACE: Field = Field::new(
    "deinterlace",
    Kind::Choice(&Choice { now: &["auto", "off", "force"], later: &[] }),
    "Deinterlacing: if flags and pictures are interlaced (the default), never, or always.",
);

pub(super) const DENOISE: Field = Field::new(
    "denoise",
    Kind::Choice(&Choice { now: &["none", "light", "medium", "strong"], later: &[] }),
    "Strength of noise and grain removal.",
);

const CROP_KIND: Kind =
    Kind::OneOf(&[Kind::Map(&CROP_SHAPE), Kind::Choice(&Choice { now: &["auto", "none"], later: &[] })]);

pub(super) const CROP: Field =
    Field::new("crop", CROP_KIND, "Part of the upright source to use; `auto` removes black bars.");

pub(super) const ROTATE: Field = Field::new(
    "rotate",
    Kind::Choice(&Choice { now: &["0", "90", "180", "270"], later: &[] }),
    "Clockwise rotation in degrees, applied to the upright source.",
);

pub(super) const PAD: Field = Field::new("pad", Kind::Map(&PAD_SHAPE), "Canvas for the scaled picture.");

pub(super) const HDR: Field = Field::new(
    "hdr",
    Kind::Choice(&Choice { now: &["auto", "sdr", "keep"], later: &[] }),
    "HDR: kept if the output has 10 bits (the default), mapped to SDR, or always kept.",
);

static CROP_SHAPE: Shape = Shape {
    name: "`crop`",
    id: "Crop",
    doc: "Part of the upright source to use.",
    rules: &RULES,
    fields: &[
        Field::new("x", PIXELS_OR_SHARE, "Distance from the left: pixels, or a share; the middle is the default."),
        Field::new("y", PIXELS_OR_SHARE, "Distance from the top: pixels, or a share; the middle is the default."),
        Field::new("width", PIXELS_OR_SHARE, "Width: pixels, or a share; the rest is the default."),
        Field::new("height", PIXELS_OR_SHARE, "Height: pixels, or a share; the rest is the default."),
    ],
    later: &[],
};

const SIDE: Kind = Kind::Int { min: 128, max: 4096 };

const PLACE: Kind = Kind::Int { min: 0, max: 4094 };

static PAD_SHAPE: Shape = Shape {
    name: "`pad`",
    id: "Pad",
    doc: "Canvas for the scaled picture.",
    rules: &RULES,
    fields: &[
        Field::new("width", SIDE, "Width in pixels."),
        Field::new("height", SIDE, "Height in pixels."),
        Field::new("x", PLACE, "Distance of the picture from the left in pixels; the middle is the default."),
        Field::new("y", PLACE, "Distance of the picture from the top in pixels; the middle is the default."),
        Field::new("color", Kind::Color, "Colour of the canvas; black is the default."),
    ],
    later: &[],
};
