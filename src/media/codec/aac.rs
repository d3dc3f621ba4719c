//! AAC by libav's own encoder, or by libfdk_aac for the profiles that only it has.

use reelmill::model::work::AudioEncode;

use super::{AudioEncoder, Options};

/// The codec.
pub struct Aac;

impl AudioEncoder for Aac {
    fn encoders(&self) -> &'static [&'static str] {
        &["aac", "libfdk_aac"]
    }

    fn sample_rates(&self) -> &'static [u32] {
        &[7350, 8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000]
    }

    fn max_channels(&self) -> u16 {
        8
    }

    fn options(&self, encode: &AudioEncode) -> Options {
        let bitrate = encode.bitrate_bps.map(|rate| ("b", rate.to_string()));
        let profile = encode.profile.clone().map(|profile| ("profile", profile));
        bitrate.into_iter().chain(profile).collect()
    }
}
