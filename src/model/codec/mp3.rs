//! MP3 by libmp3lame.

use super::options::bitrate;
use super::{AudioInfo, AudioLimits};
use crate::model::work::{AudioEncode, Container};

/// Default bit rate of libav, in bits per second.
const DEFAULT_BPS: u64 = 128_000;

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
    softer_db,
    options: bitrate,
};

/// LAME scales what it encodes at most bit rates, lest it clip.
fn softer_db(encode: &AudioEncode) -> f64 {
    match encode.bitrate_bps.unwrap_or(DEFAULT_BPS) {
        0..=176_000 => 0.446,
        176_001..=208_000 => 0.265,
        208_001..=240_000 => 0.175,
        _ => 0.0,
    }
}
