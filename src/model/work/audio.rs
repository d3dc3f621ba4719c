//! Audio of an output.

use serde::{Deserialize, Serialize};

use crate::model::codec::AudioCodec;

/// Audio of a media output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audio {
    /// Take the packets as they are.
    Copy {
        /// Streams to take.
        tracks: Tracks,
    },
    /// Decode, filter, encode.
    Encode(AudioEncode),
}

/// Parameters of an audio encode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AudioEncode {
    /// Codec.
    pub codec: AudioCodec,
    /// Profile: `aac_low`.
    pub profile: Option<String>,
    /// Bit rate in bit/s; absent for lossless codecs.
    pub bitrate_bps: Option<u64>,
    /// Samples per second; absent keeps the source's, or the nearest that the codec has.
    pub sample_rate: Option<u32>,
    /// Bits per sample, for codecs that lose nothing; absent: the codec's usual ones.
    #[serde(default)]
    pub bit_depth: Option<u8>,
    /// Number of channels, mixed down or up; absent keeps the source's. Never more than the codec has.
    pub channels: Option<u16>,
    /// Streams to take.
    pub tracks: Tracks,
    /// Level of the audio.
    pub level: Level,
    /// Sound that is mixed under it.
    pub mix: Option<Mix>,
}

impl AudioEncode {
    /// As the codec usually does: the source's main stream, its rate, channels and loudness.
    #[must_use]
    pub const fn plain(codec: AudioCodec) -> Self {
        Self {
            codec,
            profile: None,
            bitrate_bps: None,
            sample_rate: None,
            bit_depth: None,
            channels: None,
            tracks: Tracks::Main,
            level: Level::Source,
            mix: None,
        }
    }
}

/// Level of the audio.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// As loud as the source.
    #[default]
    Source,
    /// By so many decibels louder, or softer where negative.
    Gain(f64),
    /// To a loudness that is measured first.
    Loudness(LoudnessTarget),
}

/// A loudness to EBU R 128.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoudnessTarget {
    /// Integrated loudness in LUFS.
    pub integrated_lufs: f64,
    /// Highest true peak in dBTP.
    pub true_peak_dbtp: f64,
    /// Widest loudness range in LU; absent leaves it as it is.
    pub range_lu: Option<f64>,
    /// By which means.
    pub method: LoudnessMethod,
}

/// Means of reaching a loudness.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoudnessMethod {
    /// One gain for the whole where peaks and range allow it, else dynamic.
    #[default]
    Auto,
    /// One gain for the whole, less than asked for where peaks would pass the limit.
    Linear,
    /// Gain that follows the programme.
    Dynamic,
}

/// Sound laid under a track, cut to its length.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mix {
    /// Index of the input that holds it: its main audio stream.
    pub input: usize,
    /// Gain in decibels.
    pub gain_db: f64,
    /// Start, in seconds of output time.
    pub start_s: f64,
    /// True if it is repeated to the end of the output.
    pub repeat: bool,
}

/// Selection of streams of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tracks {
    /// The default one, or the first.
    #[default]
    Main,
    /// All, in order, with their languages and titles.
    All,
    /// By position among the streams of the kind, from 0.
    Index(u32),
    /// By language; the main one where there is none.
    Language(String),
}
