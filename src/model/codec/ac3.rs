//! AC-3 (Dolby Digital) by libav's own encoder.

use super::options::bitrate;
use super::{AudioInfo, AudioLimits};
use crate::model::work::Container;

/// The codec.
pub const CODEC: AudioInfo = AudioInfo {
    name: "ac3",
    libav: "ac3",
    containers: &[Container::Mp4, Container::Mov, Container::Mkv, Container::Ts],
    profiles: &[],
    // Its encoder knows better what is usual, by the number of channels.
    limits: AudioLimits {
        bitrate: Some((32_000, 0, 640_000)),
        sample_rates: &[32_000, 44_100, 48_000],
        channels: (1, 6),
        only_in: &[],
    },
    bit_depths: &[],
    every: &["ac3"],
    encoders: |_| &["ac3"],
    softer_db: |_| 0.0,
    options: bitrate,
};
