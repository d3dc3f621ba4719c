//! FLAC by libav's own encoder.

use super::options::Options;
use super::{AudioInfo, AudioLimits};
use crate::model::work::Container;

/// The codec.
pub const CODEC: AudioInfo = AudioInfo {
    name: "flac",
    libav: "flac",
    containers: &[Container::Mp4, Container::Mkv, Container::Ogg, Container::Flac],
    profiles: &[],
    limits: AudioLimits { bitrate: None, sample_rates: &[], channels: (1, 8), only_in: &[] },
    bit_depths: &[16, 24],
    every: &["flac"],
    encoders: |_| &["flac"],
    softer_db: |_| 0.0,
    options: |_, _| Options::new(),
};
