//! MP3 by libmp3lame.

use reelmill::model::work::AudioEncode;

use super::{AudioEncoder, Options};

/// The codec.
pub struct Mp3;

impl AudioEncoder for Mp3 {
    fn encoders(&self) -> &'static [&'static str] {
        &["libmp3lame"]
    }

    fn sample_rates(&self) -> &'static [u32] {
        &[8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000]
    }

    fn max_channels(&self) -> u16 {
        2
    }

    fn options(&self, encode: &AudioEncode) -> Options {
        encode.bitrate_bps.map(|rate| ("b", rate.to_string())).into_iter().collect()
    }
}
