//! Work of an analysis.

use serde::{Deserialize, Serialize};

/// Measurements of an analysis beyond headers and the first packets. All are made in one pass, which decodes
/// only what it needs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Analysis {
    /// Measure loudness (decodes the main audio stream).
    pub loudness: bool,
    /// Find where the picture is black.
    #[serde(default)]
    pub black: Option<Black>,
    /// Find where the sound is silent.
    #[serde(default)]
    pub silence: Option<Quiet>,
    /// Find where the picture stands still.
    #[serde(default)]
    pub freeze: Option<Quiet>,
    /// Find where scenes begin: difference from the frame before that counts, 0–1.
    #[serde(default)]
    pub scenes: Option<f64>,
    /// Find black bars.
    #[serde(default)]
    pub crop: bool,
    /// Find out from the pictures whether they are interlaced.
    #[serde(default)]
    pub interlace: bool,
    /// Structure of the groups of pictures.
    #[serde(default)]
    pub gop: bool,
    /// Bit rate over time, in steps of so many seconds.
    #[serde(default)]
    pub bitrate_step_s: Option<f64>,
    /// File name in scratch of a chart of bit rate and loudness over time (SVG).
    #[serde(default)]
    pub chart: Option<String>,
}

impl Analysis {
    /// Returns whether it asks for nothing but what headers and the first packets tell.
    #[must_use]
    pub fn reads_headers(&self) -> bool {
        *self == Self::default()
    }
}

/// Definition of black.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Black {
    /// Shortest interval, in seconds.
    pub least_s: f64,
    /// Luma up to which a pixel is black, as a share of the range, 0–1.
    pub threshold: f64,
}

/// Definition of silence, or of a frozen picture.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quiet {
    /// Shortest interval, in seconds.
    pub least_s: f64,
    /// Level below which sound, or change, is noise, in dB.
    pub noise_db: f64,
}
