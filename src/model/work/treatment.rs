//! Treatment of pictures besides scaling.

use serde::{Deserialize, Serialize};

use super::timeline::Length;

/// Treatment of a picture, in this order: deinterlaced, denoised, cropped, turned, scaled to its size, mapped to
/// standard dynamic range, padded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Treatment {
    /// Treatment of interlaced video.
    pub deinterlace: Deinterlace,
    /// Strength of noise reduction.
    pub denoise: Option<Denoise>,
    /// Part of the picture to take.
    pub crop: Option<Crop>,
    /// Clockwise turn of the upright picture.
    pub rotate: Turn,
    /// Canvas that the scaled picture is laid on.
    pub pad: Option<Pad>,
    /// Colour of a canvas, where the picture does not cover it.
    pub pad_color: Color,
    /// Treatment of high dynamic range.
    pub hdr: HdrMode,
}

/// Treatment of interlaced video.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Deinterlace {
    /// Deinterlaced where flags and pictures say that it is interlaced.
    #[default]
    Auto,
    /// Fields stay woven together.
    Off,
    /// Every frame is deinterlaced.
    Force,
}

/// Strength of noise reduction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Denoise {
    /// Fine grain.
    Light,
    /// Noise of an ordinary camera in poor light.
    Medium,
    /// Heavy noise; costs detail.
    Strong,
}

/// Part of the upright picture to take.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Crop {
    /// Without the black bars that are there all the time.
    Auto,
    /// A rectangle. Pixels are the source's.
    Region {
        /// Distance from the left; absent: in the middle.
        x: Option<Length>,
        /// Distance from the top; absent: in the middle.
        y: Option<Length>,
        /// Width; absent: what there is to the right of `x`.
        width: Option<Length>,
        /// Height; absent: what there is below `y`.
        height: Option<Length>,
    },
}

/// A clockwise turn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Turn {
    /// None.
    #[default]
    None,
    /// A quarter.
    Quarter,
    /// Upside down.
    Half,
    /// Three quarters.
    ThreeQuarters,
}

impl Turn {
    /// In degrees: 0, 90, 180 or 270.
    #[must_use]
    pub const fn degrees(self) -> u16 {
        match self {
            Self::None => 0,
            Self::Quarter => 90,
            Self::Half => 180,
            Self::ThreeQuarters => 270,
        }
    }

    /// Returns whether width and height are swapped.
    #[must_use]
    pub const fn is_sideways(self) -> bool {
        matches!(self, Self::Quarter | Self::ThreeQuarters)
    }
}

/// A canvas that the scaled picture is laid on. A picture that is too large for it is made smaller. In pixels, even.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pad {
    /// Width of the canvas.
    pub width: u32,
    /// Height of the canvas.
    pub height: u32,
    /// Distance of the picture from the left; absent: in the middle.
    pub x: Option<u32>,
    /// Distance of the picture from the top; absent: in the middle.
    pub y: Option<u32>,
}

/// Treatment of high dynamic range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HdrMode {
    /// Kept where the output's pixels have ten bits or more, else mapped to standard range.
    #[default]
    Auto,
    /// Mapped to standard range.
    Sdr,
    /// Kept, with its metadata.
    Keep,
}

/// An opaque colour (sRGB).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Color {
    /// Red.
    pub red: u8,
    /// Green.
    pub green: u8,
    /// Blue.
    pub blue: u8,
}

impl Color {
    /// Of that red, green and blue.
    #[must_use]
    pub const fn new(red: u8, green: u8, blue: u8) -> Self {
        Self { red, green, blue }
    }
}
