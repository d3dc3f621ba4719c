//! Default codecs of containers.

use super::{AudioCodec, VideoCodec};
use crate::model::work::Container;

/// A container as parameters see it.
#[derive(Clone, Copy, Debug)]
pub struct ContainerInfo {
    /// The container.
    pub container: Container,
    /// Its word, which is also its extension.
    pub name: &'static str,
    /// The video codec that it is made for; absent where it holds audio only.
    pub video: Option<VideoCodec>,
    /// The audio codec that it is made for; absent where it holds pictures only.
    pub audio: Option<AudioCodec>,
}

const CONTAINERS: &[ContainerInfo] = &[
    new(Container::Mp4, "mp4", Some(VideoCodec::H264), Some(AudioCodec::Aac)),
    new(Container::Mov, "mov", Some(VideoCodec::H264), Some(AudioCodec::Aac)),
    new(Container::Mkv, "mkv", Some(VideoCodec::H264), Some(AudioCodec::Aac)),
    new(Container::Webm, "webm", Some(VideoCodec::Vp9), Some(AudioCodec::Opus)),
    new(Container::Ts, "ts", Some(VideoCodec::H264), Some(AudioCodec::Aac)),
    new(Container::Flv, "flv", Some(VideoCodec::H264), Some(AudioCodec::Aac)),
    new(Container::M4a, "m4a", None, Some(AudioCodec::Aac)),
    new(Container::Mp3, "mp3", None, Some(AudioCodec::Mp3)),
    new(Container::Ogg, "ogg", None, Some(AudioCodec::Opus)),
    new(Container::Flac, "flac", None, Some(AudioCodec::Flac)),
    new(Container::Wav, "wav", None, Some(AudioCodec::Pcm)),
    new(Container::Gif, "gif", Some(VideoCodec::Gif), None),
    new(Container::Webp, "webp", Some(VideoCodec::Webp), None),
    new(Container::Srt, "srt", None, None),
    new(Container::Vtt, "vtt", None, None),
    new(Container::Ass, "ass", None, None),
    new(Container::Ttml, "ttml", None, None),
];

const fn new(
    container: Container,
    name: &'static str,
    video: Option<VideoCodec>,
    audio: Option<AudioCodec>,
) -> ContainerInfo {
    ContainerInfo { container, name, video, audio }
}

impl Container {
    /// Every one.
    pub fn every() -> impl Iterator<Item = Self> {
        CONTAINERS.iter().map(|info| info.container)
    }

    /// Default codec of the container.
    #[must_use]
    pub fn info(self) -> ContainerInfo {
        let found = CONTAINERS.iter().copied().find(|info| info.container == self);
        found.unwrap_or(CONTAINERS[0])
    }

    /// The container of that name, in any case.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        CONTAINERS.iter().find(|info| info.name.eq_ignore_ascii_case(word)).map(|info| info.container)
    }

    /// Words of the video codecs that it holds.
    #[must_use]
    pub fn video_codecs(self) -> Vec<&'static str> {
        let infos = VideoCodec::ALL.iter().map(|codec| codec.info());
        infos.filter(|info| info.containers.contains(&self)).map(|info| info.name).collect()
    }

    /// Returns whether it holds a codec that can be encoded, given by libav's name.
    #[must_use]
    pub fn encodes(self, libav: &str) -> bool {
        let video = VideoCodec::ALL.iter().map(|codec| codec.info());
        let audio = AudioCodec::ALL.iter().map(|codec| codec.info());
        video.into_iter().any(|info| info.libav == libav && info.containers.contains(&self))
            || audio.into_iter().any(|info| libav.starts_with(info.libav) && info.containers.contains(&self))
    }

    /// Words of the audio codecs that it holds.
    #[must_use]
    pub fn audio_codecs(self) -> Vec<&'static str> {
        let infos = AudioCodec::ALL.iter().map(|codec| codec.info());
        infos.filter(|info| info.containers.contains(&self)).map(|info| info.name).collect()
    }
}
