//! Keys of `video` that say what is done to the picture besides giving it its size.

use super::{PIXELS_OR_SHARE, RULES};
use crate::yaml::{Choice, Field, Kind, Shape};

pub(super) const DEINTERLACE: Field = Field::new(
    "deinterlace",
    Kind::Choice(&Choice { now: &["auto", "off", "force"], later: &[] }),
    "Interlaced video: made progressive where flags and pictures say so (the default), left alone, or always.",
);

pub(super) const DENOISE: Field = Field::new(
    "denoise",
    Kind::Choice(&Choice { now: &["none", "light", "medium", "strong"], later: &[] }),
    "How strongly noise and grain are taken out.",
);

const CROP_KIND: Kind =
    Kind::OneOf(&[Kind::Map(&CROP_SHAPE), Kind::Choice(&Choice { now: &["auto", "none"], later: &[] })]);

pub(super) const CROP: Field =
    Field::new("crop", CROP_KIND, "Part of the upright source to take; `auto` cuts off black bars.");

pub(super) const ROTATE: Field = Field::new(
    "rotate",
    Kind::Choice(&Choice { now: &["0", "90", "180", "270"], later: &[] }),
    "Clockwise turn in degrees, after the source has been put upright.",
);

pub(super) const PAD: Field = Field::new("pad", Kind::Map(&PAD_SHAPE), "Canvas that the scaled picture is laid on.");

pub(super) const HDR: Field = Field::new(
    "hdr",
    Kind::Choice(&Choice { now: &["auto", "sdr", "keep"], later: &[] }),
    "High dynamic range: kept where the output has ten bits (the default), mapped to standard range, or kept.",
);

static CROP_SHAPE: Shape = Shape {
    name: "`crop`",
    id: "Crop",
    doc: "Part of the upright source to take.",
    rules: &RULES,
    fields: &[
        Field::new("x", PIXELS_OR_SHARE, "Distance from the left: pixels, or a share; the middle is the default."),
        Field::new("y", PIXELS_OR_SHARE, "Distance from the top: pixels, or a share; the middle is the default."),
        Field::new("width", PIXELS_OR_SHARE, "Width: pixels, or a share; what is left is the default."),
        Field::new("height", PIXELS_OR_SHARE, "Height: pixels, or a share; what is left is the default."),
    ],
    later: &[],
};

const SIDE: Kind = Kind::Int { min: 128, max: 4096 };

const PLACE: Kind = Kind::Int { min: 0, max: 4094 };

static PAD_SHAPE: Shape = Shape {
    name: "`pad`",
    id: "Pad",
    doc: "Canvas that the scaled picture is laid on.",
    rules: &RULES,
    fields: &[
        Field::new("width", SIDE, "Width in pixels."),
        Field::new("height", SIDE, "Height in pixels."),
        Field::new("x", PLACE, "Distance of the picture from the left in pixels; the middle is the default."),
        Field::new("y", PLACE, "Distance of the picture from the top in pixels; the middle is the default."),
        Field::new("color", Kind::Color, "Colour of what the picture does not cover; black is the default."),
    ],
    later: &[],
};
