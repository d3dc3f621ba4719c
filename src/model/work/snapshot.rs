//! Work of a snapshot.

use serde::{Deserialize, Serialize};

use super::treatment::Color;
use super::video::Size;

/// Pictures to take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// File name in scratch. Where several pictures can come, a run of `#` stands for the picture's number from 1
    /// (`shot-#####.jpg` → `shot-00001.jpg`).
    pub file: String,
    /// Moments.
    pub at: SnapshotTimes,
    /// Picture format.
    pub format: ImageFormat,
    /// Target size; never enlarged.
    pub size: Size,
    /// Quality 1–100 for lossy formats.
    pub quality: u8,
    /// Lay the pictures out on sheets instead of writing each.
    pub sprite: Option<Sprite>,
    /// File name of a WebVTT thumbnails track over the pictures or sheets.
    pub vtt: Option<String>,
    /// Name of the single pictures where they are kept beside sheets, with a run of `#`.
    pub cells: Option<String>,
    /// Frames that can become pictures.
    pub frame_type: FrameType,
    /// A picture of which at least so much is black, in percent, yields to the next that is not.
    pub black_level: Option<u8>,
    /// Short pieces of the source in motion, instead of pictures.
    pub animation: Option<Animation>,
}

/// Frames that can become pictures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrameType {
    /// Any: the one that is shown at the moment.
    #[default]
    Normal,
    /// Keyframes: the last at or before the moment.
    Intra,
}

/// An animated preview.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Animation {
    /// Format.
    pub format: AnimationFormat,
    /// Number of pieces, spread over the source.
    pub pieces: u32,
    /// Length of each in seconds.
    pub length_s: f64,
    /// Start of a single piece, in seconds; `None`: pieces are spread over the source.
    pub start_s: Option<f64>,
    /// Frames per second.
    pub fps: f64,
}

/// Formats of animated previews.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnimationFormat {
    /// GIF.
    #[default]
    Gif,
    /// Animated WebP.
    Webp,
    /// H.264 in MP4, without sound.
    Mp4,
}

/// Moments of snapshots. A moment beyond the end means the last frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotTimes {
    /// One: seconds or share of the duration.
    At(Moment),
    /// Several.
    List(Vec<Moment>),
    /// Every so many seconds, from 0.
    Every(f64),
    /// So many, evenly spread over the duration.
    Count(u32),
    /// The first of each scene.
    Scenes {
        /// Difference from the frame before that begins a scene, 0–1.
        threshold: f64,
        /// Most pictures.
        most: u32,
    },
    /// The one that makes the best cover.
    Best,
}

/// A moment of the source.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// Seconds from the start.
    Seconds(f64),
    /// Share of the duration, 0–1.
    Share(f64),
}

/// Picture formats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ImageFormat {
    /// JPEG.
    #[default]
    Jpg,
    /// PNG.
    Png,
    /// WebP.
    Webp,
}

/// Sheets of small pictures. Sizes in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sprite {
    /// Pictures beside each other.
    pub columns: u32,
    /// Pictures above each other.
    pub rows: u32,
    /// Width of one picture.
    pub width: u32,
    /// Height of one picture; absent keeps the aspect ratio.
    pub height: Option<u32>,
    /// Around all pictures.
    pub margin: u32,
    /// Between pictures.
    pub padding: u32,
    /// Of what no picture covers.
    pub color: Color,
    /// Of every so many pictures one is laid out.
    pub step: u32,
    /// True for one sheet with as many rows as it needs.
    pub one_sheet: bool,
}
