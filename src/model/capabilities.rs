//! Capabilities of a worker: the FFmpeg that it is linked with, compared with the parts that Reelmill uses.
//!
//! Said once by every worker when it starts. **Invariant**: plain facts; whether a lack matters is for whoever asks:
//! `workflow` refuses what needs an encoder that is not there, `doctor` names everything.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::codec::Hardware;

/// Capabilities of a worker.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Version of FFmpeg as its libraries say it: `5.1.6-0+deb12u1`.
    pub ffmpeg: String,
    /// Version of libavcodec: `59.37.100`.
    pub libavcodec: String,
    /// Encoders that it has, of those Reelmill uses, by libav's names.
    pub encoders: BTreeSet<String>,
    /// Other parts of libav that Reelmill uses and this one lacks.
    pub lacks: Vec<Part>,
    /// Families of encoders for which a device was found.
    pub devices: Vec<Hardware>,
}

impl Capabilities {
    /// Returns whether it has one of these encoders.
    #[must_use]
    pub fn has_any(&self, encoders: &[&str]) -> bool {
        encoders.iter().any(|name| self.encoders.contains(*name))
    }
}

/// A part of libav.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Its kind.
    pub kind: PartKind,
    /// libav's name of it: `loudnorm`.
    pub name: String,
    /// The parameter that needs it: `loudness`.
    pub used_for: String,
}

/// Kinds of parts of libav.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartKind {
    /// Makes packets of subtitles.
    Encoder,
    /// Makes frames of packets.
    Decoder,
    /// Changes or looks at frames.
    Filter,
    /// Writes a container.
    Muxer,
}

impl PartKind {
    /// Its word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Encoder => "encoder",
            Self::Decoder => "decoder",
            Self::Filter => "filter",
            Self::Muxer => "muxer",
        }
    }
}
