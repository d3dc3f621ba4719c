//! Encoders of this build of libav.
//!
//! What a codec can do and how its encoder is told stands in [`reelmill::model::codec`]; here is whether libav has it.

use ffmpeg_next::{Codec, encoder};
use reelmill::model::codec::{AudioCodec, AudioInfo, VideoCodec, VideoInfo};
use reelmill::model::work::{AudioEncode, VideoEncode};

use crate::error::MediaError;

/// Encoders of pictures, which are no codec of a media file.
const PICTURES: &[&str] = &["mjpeg", "png", "libwebp"];

/// The encoder of video that is asked for.
pub fn video(encode: &VideoEncode) -> Result<Codec, MediaError> {
    find(&[encode.codec.info().encoder_for(encode.encoder)])
}

/// The encoder of audio that is asked for.
pub fn audio(encode: &AudioEncode) -> Result<Codec, MediaError> {
    find((encode.codec.info().encoders)(encode))
}

/// The first of `names` that this build has.
pub fn find(names: &[&'static str]) -> Result<Codec, MediaError> {
    names.iter().find_map(|name| encoder::find_by_name(name)).ok_or_else(|| MediaError::Missing {
        kind: "encoder",
        name: names.first().copied().unwrap_or_default().to_owned(),
    })
}

/// Names of the encoders that this build has, of those that Reelmill uses.
#[must_use]
pub fn available() -> Vec<String> {
    let video = VideoCodec::ALL.iter().map(|codec| codec.info()).flat_map(VideoInfo::every_encoder);
    let audio = AudioCodec::ALL.iter().map(|codec| codec.info()).flat_map(AudioInfo::every_encoder);
    let mut names: Vec<&str> = video.chain(audio).chain(PICTURES.iter().copied()).collect();
    names.retain(|name| encoder::find_by_name(name).is_some());
    names.sort_unstable();
    names.dedup();
    names.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_build_has_the_encoders_of_every_codec() {
        let available = available();
        for codec in VideoCodec::ALL {
            let name = codec.info().encoder;
            assert!(available.iter().any(|a| a == name), "{name} is missing: {available:?}");
        }
        for name in ["aac", "libmp3lame", "libopus", "libvorbis", "flac", "ac3", "eac3", "pcm_s24le", "png"] {
            assert!(available.iter().any(|a| a == name), "{name} is missing: {available:?}");
        }
    }
}
