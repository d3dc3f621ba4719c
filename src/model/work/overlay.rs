//! Watermarks: pictures and texts over the video.

use serde::{Deserialize, Serialize};

use super::timeline::Length;
use super::treatment::Color;

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
    /// The middle; offsets count to the right and down.
    Center,
}

/// Something laid over the video.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Overlay {
    /// Image or text.
    pub content: OverlayContent,
    /// Place that the offsets count from.
    pub position: ReferencePosition,
    /// Horizontal distance from that place.
    pub dx: Length,
    /// Vertical distance from that place.
    pub dy: Length,
    /// Width of a picture; absent with an absent height: 0.12 of the output's width. Text has its own size.
    pub width: Option<Length>,
    /// Height of a picture; absent keeps the aspect ratio.
    pub height: Option<Length>,
    /// Opacity, 0–1.
    pub opacity: f64,
    /// First moment shown, seconds of output time.
    pub start_s: f64,
    /// Duration in seconds; `None`: to the end.
    pub duration_s: Option<f64>,
}

/// Content of a watermark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OverlayContent {
    /// A picture, or a film, which is repeated as long as it is shown.
    Image {
        /// Index of the input that holds it.
        input: usize,
    },
    /// Text.
    Text(OverlayText),
}

/// Text laid over the video.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OverlayText {
    /// The text, literally. Lines end in a line feed.
    pub text: String,
    /// Family of an installed font; absent: the system's default font.
    pub font: Option<String>,
    /// Size in pixels, from 4 to 120.
    pub font_size: u32,
    /// True if the size is for a shorter side of 720 pixels and scales with the output.
    pub adaptive: bool,
    /// Colour of the letters.
    pub color: Color,
    /// Line around the letters.
    pub border: Option<Border>,
}

/// A line around letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Border {
    /// Width in pixels; follows the output where the font size does.
    pub width: u32,
    /// Colour.
    pub color: Color,
}
