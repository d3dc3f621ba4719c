//! Video of an output.

use serde::{Deserialize, Serialize};

use super::treatment::Treatment;
use crate::model::codec::{Hardware, VideoCodec};
use crate::model::media::Ratio;

/// Video of a media output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Video {
    /// Take the packets as they are.
    Copy,
    /// Decode, filter, encode.
    Encode(VideoEncode),
}

/// Parameters of a video encode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct VideoEncode {
    /// Codec.
    pub codec: VideoCodec,
    /// Device that encodes; absent: the processor.
    #[serde(default)]
    pub encoder: Option<Hardware>,
    /// Profile: `baseline`, `main`, `high`.
    pub profile: Option<String>,
    /// Level: `4.1`.
    pub level: Option<String>,
    /// Encoder preset: `medium`.
    pub preset: Option<String>,
    /// Encoder tune: `film`.
    pub tune: Option<String>,
    /// Rate control.
    pub rate_control: RateControl,
    /// Quality of each picture by itself, from 1 to 100, for codecs that know no other.
    #[serde(default)]
    pub quality: Option<u8>,
    /// True for two-pass encoding.
    #[serde(default)]
    pub two_passes: bool,
    /// Distance of keyframes; absent: the encoder's default of 10 s.
    pub gop: Option<Gop>,
    /// Most B frames in a row; absent: as the encoder likes.
    #[serde(default)]
    pub b_frames: Option<u8>,
    /// Reference frames; absent: as the encoder likes.
    #[serde(default)]
    pub refs: Option<u8>,
    /// Target size.
    pub size: Size,
    /// Scale mode, for a picture of another shape.
    pub fit: Fit,
    /// True if a smaller source may be enlarged.
    pub upscale: bool,
    /// Frame rate.
    pub frame_rate: FrameRate,
    /// Further treatment of the picture.
    pub treatment: Treatment,
    /// Pixel format: `yuv420p`.
    pub pixel_format: Option<String>,
}

/// Rate control. Rates are in bit/s, buffer sizes in bits.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RateControl {
    /// Constant quality; capped where `maxrate_bps` is given.
    Crf {
        /// From 0, the best, to what the codec has; codecs without one take no notice.
        crf: f32,
        /// Cap over the VBV window.
        maxrate_bps: Option<u64>,
        /// VBV window.
        bufsize_bits: Option<u64>,
    },
    /// Average bit rate; constrained where `maxrate_bps` is given.
    Abr {
        /// Average to reach.
        bitrate_bps: u64,
        /// Cap over the VBV window.
        maxrate_bps: Option<u64>,
        /// VBV window.
        bufsize_bits: Option<u64>,
    },
    /// Constant bit rate.
    Cbr {
        /// The rate.
        bitrate_bps: u64,
        /// VBV window.
        bufsize_bits: Option<u64>,
    },
}

/// Distance of keyframes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gop {
    /// In frames.
    Frames(u32),
    /// In seconds of output time.
    Seconds(f64),
}

/// Target size in pixels. Sizes are rounded to even numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Size {
    /// The source's.
    Source,
    /// The smaller side; portrait stays portrait.
    ShortSide(u32),
    /// The larger side.
    LongSide(u32),
    /// Width and height; one absent keeps the aspect ratio.
    Box {
        /// Width.
        width: Option<u32>,
        /// Height.
        height: Option<u32>,
    },
}

impl Size {
    /// The box that was asked for, in words, where a picture of `width` and `height` does not reach it. Sizes that name one
    /// side of any shape are bounds, and never missed.
    #[must_use]
    pub fn missed(self, fit: Fit, (width, height): (u32, u32)) -> Option<String> {
        let Self::Box { width: wide, height: high } = self else { return None };
        // Sizes come out even.
        let short = |asked: Option<u32>, made: u32| asked.is_some_and(|asked| made + 1 < asked);
        let (across, down) = (short(wide, width), short(high, height));
        let (missed, asked) = match (wide, high) {
            (Some(wide), Some(high)) => {
                let missed = if fit == Fit::Rescale { across && down } else { across || down };
                (missed, format!("{wide}×{high}"))
            }
            (Some(wide), None) => (across, format!("{wide} wide")),
            (None, Some(high)) => (down, format!("{high} high")),
            (None, None) => return None,
        };
        missed.then_some(asked)
    }
}

/// Scale mode: how a picture fills a box of another shape.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// Keep the aspect ratio inside the box; the box is an upper bound.
    #[default]
    Rescale,
    /// Fill the box and cut off what stands out.
    Crop,
    /// Keep the aspect ratio and fill up the box.
    Pad,
    /// Stretch.
    None,
}

/// Frame rate of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrameRate {
    /// Every source frame at its own time.
    Source,
    /// Exactly this.
    Fixed(Ratio),
    /// The source's, at most this.
    Max(Ratio),
}
