//! Media information: the result of `analysis` and of `reelmill probe --json`.
//!
//! Terms follow ffprobe's `-show_format -show_streams`; units stand last in the names.

mod measured;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use measured::{BitrateOverTime, Crop, Gops, Interlace, Interval, LoudnessOverTime, Measured};

/// A media file: its container and its streams.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
pub struct MediaInfo {
    /// The container.
    pub format: Format,
    /// Video streams, without attached pictures (cover art).
    pub video: Vec<VideoStream>,
    /// Audio streams.
    pub audio: Vec<AudioStream>,
    /// Subtitle streams.
    pub subtitles: Vec<SubtitleStream>,
    /// Attached pictures (cover art).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pictures: Vec<Picture>,
    /// Chapters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chapters: Vec<Chapter>,
    /// Loudness of the main audio stream to EBU R 128, if it was requested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loudness: Option<Loudness>,
    /// Measurements over the whole source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<Measured>,
}

/// The container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
pub struct Format {
    /// libav's name of the demuxer: `mov,mp4,m4a,3gp,3g2,mj2`.
    pub name: String,
    /// Duration in seconds; that of the packets if header and packets differ.
    pub duration_s: Option<f64>,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Average bit rate in bit/s.
    pub bit_rate: Option<u64>,
    /// Start time in seconds.
    pub start_time_s: Option<f64>,
    /// Container metadata (title, creation time, …).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

/// A rational number, such as a frame rate or an aspect ratio.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
pub struct Ratio {
    /// Numerator.
    pub num: i32,
    /// Denominator, above zero.
    pub den: i32,
}

impl Ratio {
    /// Returns the quotient; zero if the denominator is zero.
    #[must_use]
    pub fn value(self) -> f64 {
        if self.den == 0 { 0.0 } else { f64::from(self.num) / f64::from(self.den) }
    }
}

/// Kinds of high dynamic range (HDR).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Hdr {
    /// PQ (SMPTE ST 2084) with static metadata or none.
    Hdr10,
    /// PQ with dynamic metadata (SMPTE ST 2094-40).
    Hdr10Plus,
    /// Hybrid log-gamma (ARIB STD-B67).
    Hlg,
    /// Dolby Vision.
    DolbyVision,
}

/// A video stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
pub struct VideoStream {
    /// Index of the stream in its file.
    pub index: u32,
    /// Codec: `h264`.
    pub codec: String,
    /// Profile: `High`.
    pub profile: Option<String>,
    /// Level as the codec counts it (H.264 level 4.1 is 41).
    pub level: Option<i32>,
    /// Width in pixels as shown: after rotation, before the sample aspect ratio.
    pub width: u32,
    /// Height in pixels as shown: after rotation.
    pub height: u32,
    /// Width in pixels as coded, before rotation.
    pub coded_width: u32,
    /// Height in pixels as coded, before rotation.
    pub coded_height: u32,
    /// The smaller of width and height.
    pub short_side: u32,
    /// The larger of width and height.
    pub long_side: u32,
    /// Clockwise rotation to show it upright, in degrees: 0, 90, 180 or 270.
    pub rotation: u16,
    /// True if it is also mirrored top to bottom, before that turn.
    #[serde(default)]
    pub flipped: bool,
    /// Sample (pixel) aspect ratio as shown, after rotation; 1:1 if unknown.
    pub sample_aspect_ratio: Option<Ratio>,
    /// Average frame rate in frames per second.
    pub frame_rate: f64,
    /// The same as a fraction.
    pub frame_rate_ratio: Option<Ratio>,
    /// True if the distances between frames vary.
    pub variable_frame_rate: bool,
    /// Pixel format: `yuv420p`.
    pub pixel_format: Option<String>,
    /// Bits per component.
    pub bit_depth: Option<u8>,
    /// `tv` or `pc`.
    pub color_range: Option<String>,
    /// Matrix coefficients: `bt709`.
    pub color_space: Option<String>,
    /// Transfer characteristics: `bt709`.
    pub color_transfer: Option<String>,
    /// Primaries: `bt709`.
    pub color_primaries: Option<String>,
    /// Kind of HDR; not set for SDR.
    pub hdr: Option<Hdr>,
    /// True if frames are coded as two fields.
    pub interlaced: bool,
    /// `progressive`, `tt`, `bb`, `tb`, `bt`.
    pub field_order: Option<String>,
    /// Bit rate in bit/s.
    pub bit_rate: Option<u64>,
    /// Duration in seconds.
    pub duration_s: Option<f64>,
    /// Number of frames, if it is known without decoding.
    pub frames: Option<u64>,
    /// BCP 47 or ISO 639 language.
    pub language: Option<String>,
    /// Title.
    pub title: Option<String>,
    /// True if players choose it by default.
    pub default: bool,
    /// True if it has an alpha channel.
    pub alpha: bool,
}

/// An audio stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
pub struct AudioStream {
    /// Index of the stream in its file.
    pub index: u32,
    /// Codec: `aac`.
    pub codec: String,
    /// Profile: `LC`.
    pub profile: Option<String>,
    /// Samples per second.
    pub sample_rate: u32,
    /// Number of channels.
    pub channels: u16,
    /// Channel layout: `stereo`, `5.1`.
    pub layout: Option<String>,
    /// Sample format: `fltp`.
    pub sample_format: Option<String>,
    /// Bit rate in bit/s.
    pub bit_rate: Option<u64>,
    /// Duration in seconds.
    pub duration_s: Option<f64>,
    /// BCP 47 or ISO 639 language.
    pub language: Option<String>,
    /// Title.
    pub title: Option<String>,
    /// True if players choose it by default.
    pub default: bool,
}

/// A subtitle stream.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
pub struct SubtitleStream {
    /// Index of the stream in its file.
    pub index: u32,
    /// Codec: `subrip`.
    pub codec: String,
    /// True for text, false for pictures.
    pub text: bool,
    /// BCP 47 or ISO 639 language.
    pub language: Option<String>,
    /// Title.
    pub title: Option<String>,
    /// True if players choose it by default.
    pub default: bool,
    /// True if players always show it.
    pub forced: bool,
}

/// An attached picture.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
pub struct Picture {
    /// Index of the stream in its file.
    pub index: u32,
    /// Codec: `mjpeg`.
    pub codec: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
}

/// A chapter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
pub struct Chapter {
    /// Start in seconds.
    pub start_s: f64,
    /// End in seconds.
    pub end_s: f64,
    /// Title.
    pub title: Option<String>,
}

/// Loudness to EBU R 128.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema, utoipa::ToSchema)]
pub struct Loudness {
    /// Integrated loudness in LUFS; not set for silence.
    pub integrated_lufs: Option<f64>,
    /// Loudness range in LU.
    pub range_lu: Option<f64>,
    /// True peak in dBTP.
    pub true_peak_dbtp: Option<f64>,
}
