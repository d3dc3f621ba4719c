//! Vorbis by libvorbis.

use super::options::Options;
use super::{AudioInfo, AudioLimits};
use crate::model::work::{AudioEncode, Container};

/// Bits per second and channel between which libvorbis finds a way at its usual sample rates.
const PER_CHANNEL_BPS: (u64, u64) = (32_000, 240_000);

/// The codec.
pub const CODEC: AudioInfo = AudioInfo {
    name: "vorbis",
    libav: "vorbis",
    containers: &[Container::Mkv, Container::Webm, Container::Ogg],
    profiles: &[],
    limits: AudioLimits {
        bitrate: Some((32_000, 128_000, 500_000)),
        // At lower ones it has few bit rates, and refuses the others.
        sample_rates: &[44_100, 48_000],
        channels: (1, 8),
        only_in: &[],
    },
    bit_depths: &[],
    every: &["libvorbis"],
    encoders: |_| &["libvorbis"],
    softer_db: |_| 0.0,
    options,
};

fn options(encode: &AudioEncode, channels: u16) -> Options {
    let (least, most) = PER_CHANNEL_BPS;
    let channels = u64::from(channels.max(1));
    let within = |rate: u64| rate.clamp(least * channels, most * channels);
    encode.bitrate_bps.map(|rate| ("b", within(rate).to_string())).into_iter().collect()
}
