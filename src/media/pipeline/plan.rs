//! What each output takes from the source: decided before anything is read.
//!
//! **Invariant**: an output that cannot become what was asked for fails here, before work is done; what is left out of
//! it is said in a warning.

use ffmpeg_next::codec::decoder;
use reelmill::model::work::{Audio, AudioEncode, MediaOutput, Output, Snapshot, Video, VideoEncode};

use super::container::{self, Format};
use super::overlay::Picture;
use super::snapshot::Moments;
use super::streams::{Inventory, Track, VideoTrack};
use super::subtitles::{self, Fate};
use super::window::Window;
use crate::codec as codecs;
use crate::error::{MediaError, warning};
use crate::libav::Orientation;
use crate::source::Source;
use crate::talk::Talk;

/// What one output takes.
pub enum Plan<'a> {
    /// A media file.
    Media(Box<MediaPlan<'a>>),
    /// Pictures.
    Shots(ShotPlan<'a>),
}

/// What a media file takes.
pub struct MediaPlan<'a> {
    /// What was asked for.
    pub output: &'a MediaOutput,
    /// Its format.
    pub format: Format,
    /// Part of the source.
    pub window: Window,
    /// Video; how it is encoded, or absent to copy it.
    pub video: Option<(VideoTrack, Option<&'a VideoEncode>)>,
    /// Audio streams; how they are encoded, or absent to copy them.
    pub audio: Vec<(Track, Option<&'a AudioEncode>)>,
    /// Subtitle streams, and the encoder that converts them, or absent to copy them.
    pub subtitles: Vec<(Track, Option<&'static str>)>,
    /// Pictures laid over the video.
    pub overlays: Vec<Picture>,
}

/// What a series of pictures takes.
pub struct ShotPlan<'a> {
    /// What was asked for.
    pub snapshot: &'a Snapshot,
    /// Which moments.
    pub moments: Moments,
    /// Where from.
    pub video: VideoTrack,
    /// The source, whole.
    pub window: Window,
}

impl<'a> Plan<'a> {
    /// Of an output over a source.
    pub fn new(output: &'a Output, inventory: &Inventory, inputs: &[Source], talk: &Talk) -> Result<Self, MediaError> {
        match output {
            Output::Media(media) => Ok(Self::Media(Box::new(MediaPlan::new(media, inventory, inputs, talk)?))),
            Output::Snapshot(snapshot) => {
                let video = inventory.video()?.ok_or(MediaError::NoStreams("video"))?.clone();
                decodable(&video.track, "video")?;
                Ok(Self::Shots(ShotPlan {
                    snapshot,
                    moments: Moments::new(&snapshot.at, inventory.duration_s())?,
                    video,
                    window: Window::new(inventory.start_us, None),
                }))
            }
        }
    }

    /// Streams whose frames it needs.
    #[must_use]
    pub fn decoded(&self) -> Vec<&Track> {
        match self {
            Self::Shots(shots) => vec![&shots.video.track],
            Self::Media(media) => {
                let video = media.video.iter().filter(|(_, encode)| encode.is_some()).map(|(video, _)| &video.track);
                let audio = media.audio.iter().filter(|(_, encode)| encode.is_some()).map(|(audio, _)| audio);
                video.chain(audio).collect()
            }
        }
    }

    /// Whether it takes packets as they are.
    #[must_use]
    pub fn copies(&self) -> bool {
        match self {
            Self::Shots(_) => false,
            Self::Media(media) => {
                media.video.iter().any(|(_, encode)| encode.is_none())
                    || media.audio.iter().any(|(_, encode)| encode.is_none())
            }
        }
    }
}

impl<'a> MediaPlan<'a> {
    fn new(output: &'a MediaOutput, inventory: &Inventory, inputs: &[Source], talk: &Talk) -> Result<Self, MediaError> {
        let format = container::format(output.container);
        let video = video(output, inventory, &format)?;
        let audio = audio(output, inventory, &format, video.is_some(), talk)?;
        if video.is_none() && audio.is_empty() {
            return Err(MediaError::NoStreams(match (&output.video, &output.audio) {
                (Some(_), None) => "video",
                (None, Some(_)) => "audio",
                _ => "audio or video",
            }));
        }
        let encoded = video.as_ref().is_some_and(|(_, encode)| encode.is_some());
        let overlays = if encoded { output.overlays.as_slice() } else { &[] };
        Ok(Self {
            output,
            window: Window::new(inventory.start_us, output.clip),
            overlays: overlays.iter().map(|overlay| Picture::load(overlay, inputs)).collect::<Result<_, _>>()?,
            subtitles: kept_subtitles(output, inventory, &format, talk),
            format,
            video,
            audio,
        })
    }

    /// Number of streams in the file.
    #[must_use]
    pub const fn streams(&self) -> usize {
        self.video.is_some() as usize + self.audio.len() + self.subtitles.len()
    }
}

fn video<'a>(
    output: &'a MediaOutput,
    inventory: &Inventory,
    format: &Format,
) -> Result<Option<(VideoTrack, Option<&'a VideoEncode>)>, MediaError> {
    let Some(wanted) = &output.video else { return Ok(None) };
    let Some(source) = inventory.video()? else { return Ok(None) };
    let (encode, id) = match wanted {
        Video::Copy => (None, source.track.parameters.id()),
        Video::Encode(encode) => {
            decodable(&source.track, "video")?;
            (Some(encode), codecs::find(codecs::video(encode.codec).encoders())?.id())
        }
    };
    if container::audio_only(output.container) || !container::holds(format, id) {
        let codec = encode.map_or_else(|| source.track.codec.clone(), |_| id.name().to_owned());
        return Err(MediaError::NotInContainer { container: format.name, kind: "video", codec });
    }
    if encode.is_none() && source.look.orientation != Orientation::default() && !container::holds_rotation(format) {
        let problem = format!(
            "the video is to be shown turned, which the container {} cannot say: encode it, or choose mp4 or mov",
            format.name
        );
        return Err(MediaError::Parameter(problem));
    }
    Ok(Some((source.clone(), encode)))
}

fn audio<'a>(
    output: &'a MediaOutput,
    inventory: &Inventory,
    format: &Format,
    with_video: bool,
    talk: &Talk,
) -> Result<Vec<(Track, Option<&'a AudioEncode>)>, MediaError> {
    let Some(wanted) = &output.audio else { return Ok(Vec::new()) };
    let (tracks, encode) = match wanted {
        Audio::Copy { tracks } => (tracks, None),
        Audio::Encode(encode) => (&encode.tracks, Some(encode)),
    };
    let encoded_id = encode.map(|e| Ok(codecs::find(codecs::audio(e.codec).encoders())?.id())).transpose()?;
    let mut taken = Vec::new();
    let mut undecodable = Vec::new();
    for track in inventory.audio(tracks)? {
        let id = encoded_id.unwrap_or(track.parameters.id());
        if !container::holds(format, id) {
            let codec = if encode.is_some() { id.name().to_owned() } else { track.codec.clone() };
            return Err(MediaError::NotInContainer { container: format.name, kind: "audio", codec });
        }
        match decodable(track, "audio") {
            Err(error) if encode.is_some() => undecodable.push((track.index, error)),
            _ => taken.push((track.clone(), encode)),
        }
    }
    if container::single_stream(output.container) && taken.len() > 1 {
        let problem = format!("the container {} holds one audio track, not {}", format.name, taken.len());
        return Err(MediaError::Parameter(problem));
    }
    let alone = taken.is_empty() && !with_video;
    for (index, error) in undecodable {
        if alone {
            return Err(error);
        }
        talk.warn(warning::STREAM_LEFT_OUT, format!("audio stream {index} was left out: {error}"));
    }
    Ok(taken)
}

fn kept_subtitles(
    output: &MediaOutput,
    inventory: &Inventory,
    format: &Format,
    talk: &Talk,
) -> Vec<(Track, Option<&'static str>)> {
    if output.subtitles == reelmill::model::work::Subtitles::None {
        return Vec::new();
    }
    let kept = inventory.subtitles.iter().filter_map(|track| match subtitles::fate(track, format) {
        Fate::Copied => Some((track.clone(), None)),
        Fate::Converted(encoder) => Some((track.clone(), Some(encoder))),
        Fate::LeftOut => {
            let message = format!(
                "subtitle stream {} ({}) was left out of `{}`: the container {} cannot hold it",
                track.index, track.codec, output.file, format.name
            );
            talk.warn(warning::SUBTITLE_LEFT_OUT, message);
            None
        }
    });
    kept.collect()
}

fn decodable(track: &Track, kind: &'static str) -> Result<(), MediaError> {
    match decoder::find(track.parameters.id()) {
        Some(_) => Ok(()),
        None => Err(MediaError::UnsupportedCodec { kind, codec: track.codec.clone() }),
    }
}
