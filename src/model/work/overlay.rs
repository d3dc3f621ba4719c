//! What is laid over the picture.

use serde::{Deserialize, Serialize};

use super::timeline::Length;

/// Reference positions of a watermark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReferencePosition {
    /// Top right corner.
    #[default]
    TopRight,
    /// Top left corner.
    TopLeft,
    /// Bottom right corner.
    BottomRight,
    /// Bottom left corner.
    BottomLeft,
}

/// A picture laid over the video.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overlay {
    /// Index of the input that holds the picture.
    pub input: usize,
    /// Corner that the offsets count from.
    pub position: ReferencePosition,
    /// Horizontal distance from the corner.
    pub dx: Length,
    /// Vertical distance from the corner.
    pub dy: Length,
    /// Width; absent with an absent height: 0.12 of the output's width.
    pub width: Option<Length>,
    /// Height; absent keeps the aspect ratio.
    pub height: Option<Length>,
    /// Opacity, 0–1.
    pub opacity: f64,
    /// First moment shown, seconds of output time.
    pub start_s: f64,
    /// How long it is shown; absent: to the end.
    pub duration_s: Option<f64>,
}
