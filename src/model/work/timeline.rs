//! Part of a source to take, and selection of its subtitles.

use serde::{Deserialize, Serialize};

use super::audio::Tracks;

/// Treatment of subtitle streams.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subtitles {
    /// None in the output.
    #[default]
    None,
    /// Keep what the container holds, converting text; leave the rest out with a warning.
    Keep,
    /// Keep only these, in the same way.
    Only(Tracks),
}

/// Subtitles that are drawn into the picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BurnIn {
    /// A stream of the source.
    Tracks(Tracks),
    /// The file that this input holds; its times are the source's.
    Input(usize),
    /// The same, where its encoding is said.
    File {
        /// Index of the input.
        input: usize,
        /// Encoding of its text, by name.
        charset: String,
    },
}

/// Part of the source, in seconds of source time from its start.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clip {
    /// First moment taken.
    pub start_s: f64,
    /// Length; absent: to the end.
    pub duration_s: Option<f64>,
}

/// An input, or a part of it, that is played in an output.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Index of the input.
    pub input: usize,
    /// Part of it; absent: all.
    pub clip: Option<Clip>,
}

/// A length in pixels, or as a ratio of the output's width (dx, width) or height (dy, height).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Length {
    /// Pixels of the output.
    Pixels(u32),
    /// In (0, 1).
    Ratio(f64),
}
