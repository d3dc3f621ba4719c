//! FLAC by libav's own encoder.

use reelmill::model::work::AudioEncode;

use super::{AudioEncoder, Options};

/// The codec.
pub struct Flac;

impl AudioEncoder for Flac {
    fn encoders(&self) -> &'static [&'static str] {
        &["flac"]
    }

    fn sample_rates(&self) -> &'static [u32] {
        &[]
    }

    fn max_channels(&self) -> u16 {
        8
    }

    fn is_lossless(&self) -> bool {
        true
    }

    fn options(&self, _encode: &AudioEncode) -> Options {
        Options::new()
    }
}
