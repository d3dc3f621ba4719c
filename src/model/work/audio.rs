//! What sound is asked for.

use serde::{Deserialize, Serialize};

/// Audio of a media output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Audio {
    /// Take the packets as they are.
    Copy {
        /// Which streams.
        tracks: Tracks,
    },
    /// Decode, filter, encode.
    Encode(AudioEncode),
}

/// Audio codecs that can be encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AudioCodec {
    /// AAC.
    Aac,
    /// MP3 (libmp3lame).
    Mp3,
    /// Opus (libopus).
    Opus,
    /// FLAC.
    Flac,
}

/// How audio is encoded.
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
    /// Number of channels; absent keeps the source's. Never more than the source has.
    pub channels: Option<u16>,
    /// Which streams.
    pub tracks: Tracks,
}

/// Which of several streams of one kind.
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
