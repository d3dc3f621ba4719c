//! Which pictures are taken.

use serde::{Deserialize, Serialize};

use super::video::Size;

/// Pictures to take.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// File name in scratch. Where several pictures can come, a run of `#` stands for the picture's number from 1
    /// (`shot-#####.jpg` → `shot-00001.jpg`).
    pub file: String,
    /// Which moments.
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
}
