//! FLAC by libav's own encoder.

use super::AudioInfo;
use super::options::Options;
use crate::model::work::Container;

/// The codec.
pub const CODEC: AudioInfo = AudioInfo {
    name: "flac",
    libav: "flac",
    containers: &[Container::Mp4, Container::Mkv, Container::Ogg, Container::Flac],
    profiles: &[],
    bitrate: None,
    sample_rates: &[],
    max_channels: 8,
    bit_depths: &[16, 24],
    every: &["flac"],
    encoders: |_| &["flac"],
    options: |_, _| Options::new(),
};
