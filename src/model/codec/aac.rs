//! AAC: AAC-LC by libav's own encoder; its other profiles by Fraunhofer's, which a build of FFmpeg has as `libfdk_aac`,
//! or a build of Reelmill of its own.

use super::options::Options;
use super::{AudioInfo, AudioLimits};
use crate::model::work::{AudioEncode, Container};

/// Fraunhofer's encoder in a worker that was built with it; no name of libav's.
pub const OWN_FDK: &str = "fdk-aac";

/// Encoders of AAC-LC.
const LOW: &[&str] = &["aac", "libfdk_aac"];

/// Encoders of every other profile.
const FRAUNHOFER: &[&str] = &["libfdk_aac", OWN_FDK];

/// Containers that say in full which profile it is; the others write headers that know only the oldest ones.
const DESCRIBED: &[Container] = &[Container::Mp4, Container::Mov, Container::Mkv, Container::M4a];

/// AAC-LC, and what holds where no profile is asked for.
const LOW_LIMITS: AudioLimits = AudioLimits {
    bitrate: Some((8_000, 128_000, 1_000_000)),
    sample_rates: &[7350, 8000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 64_000, 88_200, 96_000],
    channels: (1, 8),
    only_in: &[],
};

/// Half of the spectrum is told in a few bits: for low bit rates.
const HE_LIMITS: AudioLimits = AudioLimits {
    bitrate: Some((16_000, 64_000, 128_000)),
    sample_rates: &[32_000, 44_100, 48_000],
    channels: (1, 2),
    only_in: &[],
};

/// One channel, and where in the room what of it is: for the lowest bit rates, of two channels only.
const HE_V2_LIMITS: AudioLimits =
    AudioLimits { bitrate: Some((12_000, 32_000, 64_000)), channels: (2, 2), ..HE_LIMITS };

/// Short frames, for conversation.
const LOW_DELAY_LIMITS: AudioLimits = AudioLimits {
    bitrate: Some((24_000, 128_000, 320_000)),
    sample_rates: &[22_050, 24_000, 32_000, 44_100, 48_000],
    channels: (1, 2),
    only_in: DESCRIBED,
};

/// The codec.
pub const CODEC: AudioInfo = AudioInfo {
    name: "aac",
    libav: "aac",
    containers: &[Container::Mp4, Container::Mov, Container::Mkv, Container::Ts, Container::Flv, Container::M4a],
    profiles: &[
        ("aac_low", LOW_LIMITS),
        ("aac_he", HE_LIMITS),
        ("aac_he_v2", HE_V2_LIMITS),
        ("aac_ld", LOW_DELAY_LIMITS),
        ("aac_eld", LOW_DELAY_LIMITS),
    ],
    limits: LOW_LIMITS,
    bit_depths: &[],
    every: &["aac", "libfdk_aac", OWN_FDK],
    encoders: |encode| match encode.profile.as_deref() {
        None | Some("aac_low") => LOW,
        Some(_) => FRAUNHOFER,
    },
    softer_db: |_| 0.0,
    options,
};

fn options(encode: &AudioEncode, channels: u16) -> Options {
    let bitrate = encode.bitrate_bps.map(|rate| ("b", bounded(encode, rate, channels).to_string()));
    let profile = encode.profile.clone().map(|profile| ("profile", profile));
    bitrate.into_iter().chain(profile).collect()
}

/// The bit rate, less where the half spectrum of so few channels has no use for it.
#[must_use]
pub fn bounded(encode: &AudioEncode, bitrate_bps: u64, channels: u16) -> u64 {
    const MOST_PER_CHANNEL: u64 = 64_000;
    match encode.profile.as_deref() {
        Some("aac_he") => bitrate_bps.min(MOST_PER_CHANNEL * u64::from(channels)),
        _ => bitrate_bps,
    }
}
