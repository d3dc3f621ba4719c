//! AAC by libav's own encoder, or by libfdk_aac for the profiles that only it has.

use super::AudioInfo;
use super::options::Options;
use crate::model::work::{AudioEncode, Container};

/// The codec.
pub const CODEC: AudioInfo = AudioInfo {
    name: "aac",
    libav: "aac",
    containers: &[Container::Mp4, Container::Mov, Container::Mkv, Container::Ts, Container::Flv, Container::M4a],
    profiles: &["aac_low"],
    bitrate: Some((8_000, 128_000, 1_000_000)),
    sample_rates: &[7350, 8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000],
    max_channels: 8,
    bit_depths: &[],
    every: &["aac", "libfdk_aac"],
    encoders: |_| &["aac", "libfdk_aac"],
    options,
};

fn options(encode: &AudioEncode, _channels: u16) -> Options {
    let bitrate = encode.bitrate_bps.map(|rate| ("b", rate.to_string()));
    let profile = encode.profile.clone().map(|profile| ("profile", profile));
    bitrate.into_iter().chain(profile).collect()
}
