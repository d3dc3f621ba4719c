//! Samples as they are, little-endian.

use super::options::Options;
use super::{AudioInfo, AudioLimits};
use crate::model::work::Container;

/// The codec.
pub const CODEC: AudioInfo = AudioInfo {
    name: "pcm",
    libav: "pcm_",
    containers: &[Container::Wav, Container::Mov, Container::Mkv],
    profiles: &[],
    limits: AudioLimits { bitrate: None, sample_rates: &[], channels: (1, 64), only_in: &[] },
    bit_depths: &[16, 24, 32],
    every: &["pcm_s16le", "pcm_s24le", "pcm_s32le"],
    encoders: |encode| match encode.bit_depth {
        Some(32) => &["pcm_s32le"],
        Some(24) => &["pcm_s24le"],
        _ => &["pcm_s16le"],
    },
    softer_db: |_| 0.0,
    options: |_, _| Options::new(),
};
