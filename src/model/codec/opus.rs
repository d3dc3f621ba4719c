//! Opus by libopus.

use super::options::bitrate;
use super::{AudioInfo, AudioLimits};
use crate::model::work::Container;

/// The codec.
pub const CODEC: AudioInfo = AudioInfo {
    name: "opus",
    libav: "opus",
    containers: &[Container::Mp4, Container::Mkv, Container::Webm, Container::Ogg],
    profiles: &[],
    limits: AudioLimits {
        bitrate: Some((6_000, 96_000, 510_000)),
        // It has lower ones too, but decodes at 48 kHz whatever went in.
        sample_rates: &[48_000],
        channels: (1, 8),
        only_in: &[],
    },
    bit_depths: &[],
    every: &["libopus"],
    encoders: |_| &["libopus"],
    softer_db: |_| 0.0,
    options: bitrate,
};
