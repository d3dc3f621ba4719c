//! Keys of `analysis`.

use super::{NAME, RULES};
use crate::yaml::{Field, Kind, Shape};

const LEAST: Field =
    Field::new("least", Kind::Duration { min_s: 0.05, max_s: 3_600.0 }, "Shortest interval; 2s is the default.");

pub(super) static ANALYSIS: Shape = Shape {
    name: "`analysis`",
    id: "Analysis",
    doc: "Media information; what is asked for beyond headers is found in one pass over the source.",
    rules: &RULES,
    fields: &[
        Field::new("loudness", Kind::Bool, "Measure loudness to EBU R 128 (decodes the main audio stream)."),
        Field::new("black", Kind::OneOf(&[Kind::Bool, Kind::Map(&BLACK)]), "Where the picture is black."),
        Field::new("silence", Kind::OneOf(&[Kind::Bool, Kind::Map(&SILENCE)]), "Where the sound is silent."),
        Field::new("freeze", Kind::OneOf(&[Kind::Bool, Kind::Map(&FREEZE)]), "Where the picture stands still."),
        Field::new("scenes", Kind::OneOf(&[Kind::Bool, Kind::Map(&CHANGES)]), "Where scenes begin."),
        Field::new("crop", Kind::Bool, "What is left of the picture without black bars."),
        Field::new("interlace", Kind::Bool, "Whether the pictures look interlaced, whatever headers say."),
        Field::new("gop", Kind::Bool, "Groups of pictures: keyframes, lengths, B frames."),
        Field::new("bitrate", Kind::OneOf(&[Kind::Bool, Kind::Map(&BITRATE)]), "Bit rate over time."),
        Field::new(
            "chart",
            Kind::OneOf(&[Kind::Bool, Kind::Text { max: NAME }]),
            "Publish a chart of bit rate and loudness over time (SVG), under this name where one is given.",
        ),
    ],
    later: &[],
};

static BLACK: Shape = Shape {
    name: "`black`",
    id: "AnalysisBlack",
    doc: "What counts as black.",
    rules: &RULES,
    fields: &[LEAST, Field::new("threshold", Kind::Percent, "Luma up to which a pixel is black; 10% is the default.")],
    later: &[],
};

static SILENCE: Shape = Shape {
    name: "`silence`",
    id: "AnalysisSilence",
    doc: "What counts as silent.",
    rules: &RULES,
    fields: &[
        LEAST,
        Field::new("noise", Kind::Number { min: -120.0, max: 0.0 }, "Level below which sound is noise, in dB; -60."),
    ],
    later: &[],
};

static FREEZE: Shape = Shape {
    name: "`freeze`",
    id: "AnalysisFreeze",
    doc: "What counts as standing still.",
    rules: &RULES,
    fields: &[
        LEAST,
        Field::new("noise", Kind::Number { min: -120.0, max: 0.0 }, "Change below which it is noise, in dB; -60."),
    ],
    later: &[],
};

static CHANGES: Shape = Shape {
    name: "`scenes`",
    id: "AnalysisScenes",
    doc: "What begins a scene.",
    rules: &RULES,
    fields: &[Field::new("threshold", Kind::Percent, "Difference from the frame before; 10% is the default.")],
    later: &[],
};

static BITRATE: Shape = Shape {
    name: "`bitrate`",
    id: "AnalysisBitrate",
    doc: "Bit rate over time.",
    rules: &RULES,
    fields: &[Field::new("step", Kind::Duration { min_s: 0.1, max_s: 600.0 }, "Length of a step; 1s is the default.")],
    later: &[],
};
