//! Opus by libopus.

use reelmill::model::work::AudioEncode;

use super::{AudioEncoder, Options};

/// The codec.
pub struct Opus;

impl AudioEncoder for Opus {
    fn encoders(&self) -> &'static [&'static str] {
        &["libopus"]
    }

    /// It has lower ones too, but decodes at 48 kHz whatever went in.
    fn sample_rates(&self) -> &'static [u32] {
        &[48_000]
    }

    fn max_channels(&self) -> u16 {
        8
    }

    fn options(&self, encode: &AudioEncode) -> Options {
        encode.bitrate_bps.map(|rate| ("b", rate.to_string())).into_iter().collect()
    }
}
