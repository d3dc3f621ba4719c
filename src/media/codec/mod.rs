//! Codecs that can be encoded: one file each, and one line in [`video`] or [`audio`].
//!
//! A codec says which encoders of libav it can use, in order of preference, and how parameters become their options.
//! **Invariant**: nothing else knows an encoder by name.

mod aac;
mod flac;
mod h264;
mod mp3;
mod opus;

use ffmpeg_next::{Codec, encoder};
use reelmill::model::work::{AudioCodec, AudioEncode, VideoCodec, VideoEncode};

use crate::error::MediaError;

/// Options of an encoder, by libav's names.
pub type Options = Vec<(&'static str, String)>;

/// A video codec.
pub trait VideoEncoder: Sync {
    /// Names of encoders, the best first.
    fn encoders(&self) -> &'static [&'static str];

    /// Pixel format where none is asked for.
    fn pixel_format(&self) -> &'static str;

    /// Options for `encode` at `frame_rate` frames per second.
    fn options(&self, encode: &VideoEncode, frame_rate: f64) -> Options;
}

/// An audio codec.
pub trait AudioEncoder: Sync {
    /// Names of encoders, the best first.
    fn encoders(&self) -> &'static [&'static str];

    /// Sample rates it has, ascending; empty where any will do.
    fn sample_rates(&self) -> &'static [u32];

    /// Most channels it has.
    fn max_channels(&self) -> u16;

    /// Options for `encode`.
    fn options(&self, encode: &AudioEncode) -> Options;

    /// Whether what is decoded is what was encoded.
    fn is_lossless(&self) -> bool {
        false
    }

    /// The sample rate to encode at: the one asked for or the source's, or the nearest above it that the codec has.
    fn sample_rate(&self, wanted: u32) -> u32 {
        let rates = self.sample_rates();
        rates.iter().copied().find(|&rate| rate >= wanted).or_else(|| rates.last().copied()).unwrap_or(wanted)
    }
}

/// The video codec.
#[must_use]
pub fn video(codec: VideoCodec) -> &'static dyn VideoEncoder {
    match codec {
        VideoCodec::H264 => &h264::H264,
    }
}

/// The audio codec.
#[must_use]
pub fn audio(codec: AudioCodec) -> &'static dyn AudioEncoder {
    match codec {
        AudioCodec::Aac => &aac::Aac,
        AudioCodec::Mp3 => &mp3::Mp3,
        AudioCodec::Opus => &opus::Opus,
        AudioCodec::Flac => &flac::Flac,
    }
}

/// The first of `names` that this build has.
pub fn find(names: &'static [&'static str]) -> Result<Codec, MediaError> {
    names.iter().find_map(|name| encoder::find_by_name(name)).ok_or_else(|| MediaError::Missing {
        kind: "encoder",
        name: names.first().copied().unwrap_or_default().to_owned(),
    })
}

/// Names of the encoders that this build has, of those that Reelmill uses.
#[must_use]
pub fn available() -> Vec<String> {
    let video = [VideoCodec::H264].map(|codec| video(codec).encoders());
    let audio = [AudioCodec::Aac, AudioCodec::Mp3, AudioCodec::Opus, AudioCodec::Flac].map(|c| audio(c).encoders());
    let pictures: [&[&str]; 3] = [&["mjpeg"], &["png"], &["libwebp"]];
    let all = video.into_iter().chain(audio).chain(pictures).flatten();
    all.filter(|name| encoder::find_by_name(name).is_some()).map(|&name| name.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sample_rates_go_to_the_nearest_the_codec_has() {
        let mp3 = audio(AudioCodec::Mp3);
        assert_eq!(mp3.sample_rate(44_100), 44_100);
        assert_eq!(mp3.sample_rate(96_000), 48_000);
        assert_eq!(mp3.sample_rate(23_000), 24_000);
        assert_eq!(audio(AudioCodec::Opus).sample_rate(44_100), 48_000);
        assert_eq!(audio(AudioCodec::Flac).sample_rate(96_000), 96_000);
    }

    #[test]
    fn this_build_has_the_encoders_of_the_first_templates() {
        let available = available();
        for name in ["libx264", "aac", "mjpeg", "png"] {
            assert!(available.iter().any(|a| a == name), "{name} is missing: {available:?}");
        }
    }
}
