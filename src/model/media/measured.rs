//! Measurements of an analysis over a whole source, each only if it is requested.

use serde::{Deserialize, Serialize};

/// Measurements over the whole source. Those that were not requested, or have no stream to measure, are not set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
pub struct Measured {
    /// Intervals in which the picture is black.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub black: Option<Vec<Interval>>,
    /// Intervals in which the main audio stream is silent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence: Option<Vec<Interval>>,
    /// Intervals in which the picture does not change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub freeze: Option<Vec<Interval>>,
    /// Beginnings of scenes, in seconds; that of the first, at the start, is not listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenes: Option<Vec<f64>>,
    /// The picture without black bars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crop: Option<Crop>,
    /// Interlacing, by the pictures themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interlace: Option<Interlace>,
    /// Groups of pictures of the main video stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gop: Option<Gops>,
    /// Bit rate over time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bitrate: Option<BitrateOverTime>,
    /// Loudness over time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loudness: Option<LoudnessOverTime>,
}

/// An interval of the source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
pub struct Interval {
    /// Start in seconds.
    pub start_s: f64,
    /// End in seconds.
    pub end_s: f64,
}

/// A part of the picture, in pixels of the coded picture.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema,
)]
pub struct Crop {
    /// Left edge.
    pub x: u32,
    /// Upper edge.
    pub y: u32,
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

/// Interlacing of pictures, counted in frames.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema,
)]
pub struct Interlace {
    /// True if most frames that could be classified are interlaced.
    pub interlaced: bool,
    /// Progressive frames.
    pub progressive: u64,
    /// Interlaced frames, top field first.
    pub top_first: u64,
    /// Interlaced frames, bottom field first.
    pub bottom_first: u64,
    /// Frames without a result, since the picture does not move.
    pub undetermined: u64,
    /// Frames with a field repeated from the previous frame (telecine).
    pub repeated: u64,
}

/// Groups of pictures: from one keyframe to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
pub struct Gops {
    /// Number of keyframes.
    pub keyframes: u64,
    /// Average length in seconds.
    pub average_s: f64,
    /// Shortest length in seconds, without the last group.
    pub shortest_s: f64,
    /// Longest length in seconds.
    pub longest_s: f64,
    /// Frames of the longest group.
    pub longest_frames: u64,
    /// True if all but the last have the same length.
    pub constant: bool,
    /// True if frames are decoded in another order than they are shown (B frames).
    pub reordered: bool,
}

/// Bit rate over time, in bit/s.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
pub struct BitrateOverTime {
    /// Length of a step in seconds.
    pub step_s: f64,
    /// Highest bit rate of all streams in a step.
    pub peak: u64,
    /// Bit rate of the main video stream, for each step; empty without video.
    pub video: Vec<u64>,
    /// Bit rate of the main audio stream, for each step; empty without audio.
    pub audio: Vec<u64>,
}

/// Short-term loudness (3 s) over time.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
pub struct LoudnessOverTime {
    /// Length of a step in seconds.
    pub step_s: f64,
    /// LUFS at the end of each step; −70 is silence.
    pub short_term_lufs: Vec<f64>,
}
