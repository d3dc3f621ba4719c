//! Opus by libopus.

use super::AudioInfo;
use super::options::bitrate;
use crate::model::work::Container;

/// The codec.
pub const CODEC: AudioInfo = AudioInfo {
    name: "opus",
    libav: "opus",
    containers: &[Container::Mp4, Container::Mkv, Container::Webm, Container::Ogg],
    profiles: &[],
    bitrate: Some((6_000, 96_000, 510_000)),
    // It has lower ones too, but decodes at 48 kHz whatever went in.
    sample_rates: &[48_000],
    max_channels: 8,
    bit_depths: &[],
    every: &["libopus"],
    encoders: |_| &["libopus"],
    options: bitrate,
};
