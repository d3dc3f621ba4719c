//! Keys of `analysis`.

use super::RULES;
use crate::yaml::{Field, Kind, Shape};

pub(super) static ANALYSIS: Shape = Shape {
    name: "`analysis`",
    id: "Analysis",
    doc: "Media information.",
    rules: &RULES,
    fields: &[Field::new("loudness", Kind::Bool, "Measure loudness to EBU R 128 (decodes the main audio stream).")],
    later: &[],
};
