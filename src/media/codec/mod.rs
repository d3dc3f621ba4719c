//! Encoders of this build of libav.
//!
//! What a codec can do and how its encoder is told stands in [`reelmill::model::codec`]; here is whether libav has it.

#[cfg(feature = "fdk-aac")]
pub mod fdk;
pub mod webp;

use std::collections::BTreeSet;

use ffmpeg_next::{Codec, codec, encoder};
use reelmill::model::codec::{AudioCodec, AudioInfo, OWN_FDK, PICTURE_ENCODERS, VideoCodec, VideoInfo};
use reelmill::model::work::{AudioEncode, VideoEncode};

use crate::error::MediaError;

/// The encoder of video that is asked for.
pub fn video(encode: &VideoEncode) -> Result<Codec, MediaError> {
    find(&[encode.codec.info().encoder_for(encode.encoder)])
}

/// An encoder of audio.
pub enum AudioEncoder {
    /// One of libav's.
    Libav(Codec),
    /// Fraunhofer's, of a worker that was built with it.
    #[cfg(feature = "fdk-aac")]
    Fdk,
}

impl AudioEncoder {
    /// What it makes.
    #[must_use]
    pub fn id(&self) -> codec::Id {
        match self {
            Self::Libav(codec) => codec.id(),
            #[cfg(feature = "fdk-aac")]
            Self::Fdk => codec::Id::AAC,
        }
    }

    /// Names of the sample formats that it takes, its usual one first.
    #[must_use]
    pub fn sample_formats(&self) -> Vec<&'static str> {
        match self {
            Self::Libav(codec) => {
                let formats = codec.audio().ok().and_then(|audio| audio.formats());
                formats.into_iter().flatten().map(|format| format.name()).collect()
            }
            #[cfg(feature = "fdk-aac")]
            Self::Fdk => vec![fdk::SAMPLES],
        }
    }
}

/// The encoder of audio that is asked for.
pub fn audio(encode: &AudioEncode) -> Result<AudioEncoder, MediaError> {
    let names = (encode.codec.info().encoders)(encode);
    match find(names) {
        #[cfg(feature = "fdk-aac")]
        Err(_) if names.contains(&OWN_FDK) => Ok(AudioEncoder::Fdk),
        found => found.map(AudioEncoder::Libav),
    }
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
pub fn available() -> BTreeSet<String> {
    let video = VideoCodec::ALL.iter().map(|codec| codec.info()).flat_map(VideoInfo::every_encoder);
    let audio = AudioCodec::ALL.iter().map(|codec| codec.info()).flat_map(AudioInfo::every_encoder);
    let names = video.chain(audio).chain(PICTURE_ENCODERS.iter().map(|(name, _)| *name));
    names.filter(|name| has(name)).map(str::to_owned).collect()
}

fn has(name: &str) -> bool {
    (cfg!(feature = "fdk-aac") && name == OWN_FDK) || encoder::find_by_name(name).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fraunhofer_s_profiles_are_there_where_they_were_built_in() {
        let low = AudioEncode::plain(AudioCodec::Aac);
        let high = AudioEncode { profile: Some("aac_eld".to_owned()), ..low.clone() };
        assert!(audio(&low).is_ok());
        let in_ffmpeg = encoder::find_by_name("libfdk_aac").is_some();
        let built_in = cfg!(feature = "fdk-aac");
        assert_eq!(available().contains(OWN_FDK), built_in);
        assert_eq!(audio(&high).is_ok(), in_ffmpeg || built_in);
    }

    #[test]
    fn this_build_has_the_encoders_of_every_codec() {
        let available = available();
        for codec in VideoCodec::ALL {
            let name = codec.info().encoder;
            assert!(available.contains(name), "{name} is missing: {available:?}");
        }
        for name in ["aac", "libmp3lame", "libopus", "libvorbis", "flac", "ac3", "eac3", "pcm_s24le", "png"] {
            assert!(available.contains(name), "{name} is missing: {available:?}");
        }
    }
}
