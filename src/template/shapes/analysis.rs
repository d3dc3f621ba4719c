//! Keys of `analysis`.

use super::{NAME, RULES};
use crate::yaml::{Field, Kind, Shape};

const LEAST: Field =
    Field::new("least", Kind::Duration { min_s: 0.05, max_s: 3_600.0 }, "Shortest interval; 2s is the default.");

pub(super) static ANALYSIS: Shape = Shape {
    name: "`analysis`",
    id: "Analysis",
    doc: "Media information. Everything beyond headers is measured in one pass over the source.",
    rules: &RULES,
    fields: &[
        Field::new("loudness", Kind::Bool, "Measure loudness to EBU R 128 (decodes the main audio stream)."),
        Field::new("black", Kind::OneOf(&[Kind::Bool, Kind::Map(&BLACK)]), "Find intervals of black picture."),
        Field::new("silence", Kind::OneOf(&[Kind::Bool, Kind::Map(&SILENCE)]), "Find intervals of silence."),
        Field::new(
            "freeze",
            Kind::OneOf(&[Kind::Bool, Kind::Map(&FREEZE)]),
            "Find intervals in which the picture does not change.",
        ),
        Field::new("scenes", Kind::OneOf(&[Kind::Bool, Kind::Map(&CHANGES)]), "Find scene changes."),
        Field::new("crop", Kind::Bool, "Find the picture without black bars."),
        Field::new("interlace", Kind::Bool, "Detect interlaced pictures, independent of headers."),
        Field::new("gop", Kind::Bool, "Measure groups of pictures: keyframes, lengths, B frames."),
        Field::new("bitrate", Kind::OneOf(&[Kind::Bool, Kind::Map(&BITRATE)]), "Bit rate over time."),
        Field::new(
            "chart",
            Kind::OneOf(&[Kind::Bool, Kind::Text { max: NAME }]),
            "Publish a chart of bit rate and loudness over time (SVG), with this name if one is given.",
        ),
    ],
    later: &[],
};

static BLACK: Shape = Shape {
    name: "`black`",
    id: "AnalysisBlack",
    doc: "Definition of black.",
    rules: &RULES,
    fields: &[LEAST, Field::new("threshold", Kind::Percent, "Highest luma of a black pixel; 10% is the default.")],
    later: &[],
};

static SILENCE: Shape = Shape {
    name: "`silence`",
    id: "AnalysisSilence",
    doc: "Definition of silence.",
    rules: &RULES,
    fields: &[
        LEAST,
        Field::new(
            "noise",
            Kind::Number { min: -120.0, max: 0.0 },
            "Highest level of silence, in dB; -60 is the default.",
        ),
    ],
    later: &[],
};

static FREEZE: Shape = Shape {
    name: "`freeze`",
    id: "AnalysisFreeze",
    doc: "Definition of a frozen picture.",
    rules: &RULES,
    fields: &[
        LEAST,
        Field::new(
            "noise",
            Kind::Number { min: -120.0, max: 0.0 },
            "Largest change of a frozen picture, in dB; -60 is the default.",
        ),
    ],
    later: &[],
};

static CHANGES: Shape = Shape {
    name: "`scenes`",
    id: "AnalysisScenes",
    doc: "Definition of a scene change.",
    rules: &RULES,
    fields: &[Field::new(
        "threshold",
        Kind::Percent,
        "Smallest difference from the previous frame; 10% is the default.",
    )],
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
