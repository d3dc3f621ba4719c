//! MP3 by libmp3lame.

use super::options::bitrate;
use super::{AudioInfo, AudioLimits};
use crate::model::work::Container;

/// The codec.
pub const CODEC: AudioInfo = AudioInfo {
    name: "mp3",
    libav: "mp3",
    containers: &[Container::Mp4, Container::Mov, Container::Mkv, Container::Ts, Container::Flv, Container::Mp3],
    profiles: &[],
    limits: AudioLimits {
        bitrate: Some((8_000, 192_000, 320_000)),
        sample_rates: &[8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000],
        channels: (1, 2),
        only_in: &[],
    },
    bit_depths: &[],
    every: &["libmp3lame"],
    encoders: |_| &["libmp3lame"],
    options: bitrate,
};
