//! What a media file takes from the source: decided before anything is read.
//!
//! **Invariant**: an output that cannot become what was asked for fails here, before work is done; what is left out of
//! it is said in a warning.

use ffmpeg_next::codec::decoder;
use reelmill::model::work::{Audio, MediaOutput, Overlay, Subtitles, Treatment, Video, VideoEncode};

use super::JobContext;
use super::container::{self, Format};
use super::overlay::Laid;
use super::picture::Fields;
use super::sound::{self, Sound};
use super::splice::Splice;
use super::streams::{Inventory, Track, VideoTrack};
use super::subtitles::{self, Burn, Drawn, Text};
use super::window::Window;
use crate::codec as codecs;
use crate::error::{MediaError, warning};
use crate::geometry::Pixels;
use crate::geometry::region::Region;
use crate::libav::Orientation;
use crate::source::Source;
use crate::talk::Talk;

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
    /// Audio streams.
    pub audio: Vec<Sound<'a>>,
    /// Subtitle streams.
    pub subtitles: Vec<Text>,
    /// Attached pictures.
    pub pictures: Vec<Track>,
    /// The inputs that it is put together from, where that is not the source alone.
    pub splice: Option<Splice>,
    /// Start of the source on the container's clock, in microseconds.
    pub origin_us: i64,
    /// Its length in seconds, where it is known.
    pub duration_s: Option<f64>,
    /// Subtitles to draw into the video.
    pub burn: Option<Burn>,
    /// What is taken of the video's pictures.
    pub view: View,
    /// What is laid over the video.
    pub overlays: Vec<Laid>,
}

/// What is taken of the pictures of a video.
#[derive(Clone, Copy, Default)]
pub struct View {
    /// What becomes of fields.
    pub fields: Fields,
    /// Part of the upright picture, and the size of that picture.
    pub crop: Option<(Region, Pixels)>,
}

impl View {
    fn new(inventory: &Inventory, video: &VideoTrack, treatment: &Treatment) -> Result<Self, MediaError> {
        let crop = treatment.crop.map(|crop| inventory.region(video, crop)).transpose()?.flatten();
        Ok(Self { fields: inventory.fields(video, treatment.deinterlace), crop })
    }
}

impl<'a> MediaPlan<'a> {
    /// Of an output over a source.
    pub fn new(
        output: &'a MediaOutput,
        inventory: &Inventory,
        inputs: &[Source],
        context: JobContext<'_>,
    ) -> Result<Self, MediaError> {
        let talk = context.talk;
        let format = container::format(output.container);
        warn_of_languages(output, inventory, talk);
        let splice = Splice::plan(output, inputs, context)?;
        let whole = splice.as_ref().map(|splice| splice.inventory(inventory));
        let inventory = whole.as_ref().unwrap_or(inventory);
        inventory.reaches("the clip", output.clip)?;
        let video = video(output, inventory, &format)?;
        let mut audio = sound::streams(output, inventory, &format, video.is_some(), talk)?;
        let subtitles = subtitles::streams(output, inventory, inputs, &format, talk)?;
        if container::subtitles_only(output.container) {
            if subtitles.is_empty() {
                return Err(MediaError::NoStreams("subtitles"));
            }
        } else if video.is_none() && audio.is_empty() {
            return Err(MediaError::NoStreams(match (&output.video, &output.audio) {
                (Some(_), None) => "video",
                (None, Some(_)) => "audio",
                _ => "audio or video",
            }));
        }
        let pictures = pictures(output, inventory, &format, video.is_some(), talk);
        let encoded = video.as_ref().is_some_and(|(_, encode)| encode.is_some());
        let window = Window::new(inventory.start_us, output.clip);
        let known = &inventory.loudness;
        audio.iter_mut().try_for_each(|sound| sound.level(known, window, splice.as_ref(), inputs, talk))?;
        let drawn =
            if encoded { subtitles::burn(output, inventory, inputs, window, context.scratch, talk)? } else { None };
        let overlays = if encoded { output.overlays.as_slice() } else { &[] };
        if matches!(output.video, Some(Video::Copy)) && matches!(output.audio, Some(Audio::Copy { .. })) {
            for other in &inventory.others {
                talk.warn(warning::STREAM_LEFT_OUT, format!("{other} was left out of `{}`", output.file));
            }
        }
        let view = match &video {
            Some((track, Some(encode))) => View::new(inventory, track, &encode.treatment)?,
            _ => View::default(),
        };
        let mut overlays = laid_over(output, overlays, inputs, talk)?;
        let burn = match drawn {
            Some(Drawn::Text(burn)) => Some(burn),
            Some(Drawn::Pictures(sheets)) => {
                overlays.insert(0, Laid::sheets(sheets));
                None
            }
            None => None,
        };
        Ok(Self {
            output,
            window,
            view,
            overlays,
            origin_us: inventory.start_us,
            duration_s: length_s(output, inventory),
            burn,
            subtitles,
            pictures,
            splice,
            format,
            video,
            audio,
        })
    }

    /// Streams whose frames it needs.
    #[must_use]
    pub fn decoded(&self) -> Vec<&Track> {
        if self.splice.is_some() {
            return Vec::new();
        }
        let video = self.video.iter().filter(|(_, encode)| encode.is_some()).map(|(video, _)| &video.track);
        let audio = self.audio.iter().filter(|sound| sound.encode.is_some() && sound.silence.is_none());
        video.chain(audio.map(|sound| &sound.track)).collect()
    }

    /// Whether its video is looked at before it is encoded. Parts are put together as they come, once.
    #[must_use]
    pub fn looks_first(&self) -> bool {
        let twice = self.video.iter().any(|(_, encode)| encode.is_some_and(|encode| encode.two_passes));
        twice && self.splice.is_none()
    }

    /// Whether it takes packets as they are.
    #[must_use]
    pub fn copies(&self) -> bool {
        self.copies_video() || self.audio.iter().any(|sound| sound.encode.is_none())
    }

    /// Whether its video is taken as it is.
    #[must_use]
    pub fn copies_video(&self) -> bool {
        self.video.as_ref().is_some_and(|(_, encode)| encode.is_none())
    }

    /// Number of streams in the file.
    #[must_use]
    pub const fn streams(&self) -> usize {
        self.video.is_some() as usize + self.audio.len() + self.subtitles.len() + self.pictures.len()
    }
}

/// A language that is asked for and not there is said.
fn warn_of_languages(output: &MediaOutput, inventory: &Inventory, talk: &Talk) {
    let audio = match &output.audio {
        Some(Audio::Copy { tracks }) => Some(tracks),
        Some(Audio::Encode(encode)) => Some(&encode.tracks),
        None => None,
    };
    let subtitles = if let Subtitles::Only(tracks) = &output.subtitles { Some(tracks) } else { None };
    for (streams, tracks, what) in [
        (&inventory.audio, audio, "audio is in the language {}: the main stream was used"),
        (&inventory.subtitles, subtitles, "subtitles are in the language {}: none were used"),
    ] {
        if let Some(language) = tracks.and_then(|tracks| Inventory::missing_language(streams, tracks)) {
            let what = what.replace("{}", language);
            talk.warn(warning::LANGUAGE_MISSING, format!("for `{}`, none of the source's {what}", output.file));
        }
    }
}

/// The attached pictures that go into an output: with sound alone, and with everything that is taken as it is. What the
/// format has no place for is said.
fn pictures(output: &MediaOutput, inventory: &Inventory, format: &Format, with_video: bool, talk: &Talk) -> Vec<Track> {
    let alone = !with_video && output.audio.is_some();
    let copied = matches!(output.video, Some(Video::Copy));
    if !output.metadata || !(alone || copied) {
        return Vec::new();
    }
    let held = |track: &&Track| container::holds_covers(format, track.parameters.id());
    let (held, left_out): (Vec<_>, Vec<_>) = inventory.pictures.iter().partition(held);
    for Track { index, codec, .. } in left_out {
        let message = format!(
            "the attached picture {index} ({codec}) was left out of `{}`: {} files cannot contain it",
            output.file, format.name
        );
        talk.warn(warning::STREAM_LEFT_OUT, message);
    }
    held.into_iter().cloned().collect()
}

/// How long an output becomes, in seconds, where that is known.
fn length_s(output: &MediaOutput, inventory: &Inventory) -> Option<f64> {
    let start_s = output.clip.map_or(0.0, |clip| clip.start_s);
    let left_s = inventory.left_s(start_s);
    match (output.clip.and_then(|clip| clip.duration_s), left_s) {
        (Some(length), Some(left)) => Some(length.min(left)),
        (length, left) => length.or(left),
    }
}

fn laid_over(
    output: &MediaOutput,
    overlays: &[Overlay],
    inputs: &[Source],
    talk: &Talk,
) -> Result<Vec<Laid>, MediaError> {
    let mut laid = Vec::new();
    for overlay in overlays {
        match Laid::load(overlay, inputs)? {
            Some(layer) => laid.push(layer),
            None => talk.warn(warning::EMPTY_TEXT, format!("a watermark of `{}` has an empty text", output.file)),
        }
    }
    Ok(laid)
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
            (Some(encode), codecs::video(encode)?.id())
        }
    };
    if container::audio_only(output.container) || !container::holds(format, id) {
        let codec = encode.map_or_else(|| source.track.codec.clone(), |_| id.name().to_owned());
        return Err(MediaError::NotInContainer { container: format.name, kind: "video", codec });
    }
    if encode.is_none() && source.look.orientation != Orientation::default() && !container::holds_rotation(format) {
        let problem = format!(
            "the video has a rotation, which {} files do not support: encode it, or use mp4 or mov",
            format.name
        );
        return Err(MediaError::Parameter(problem));
    }
    Ok(Some((source.clone(), encode)))
}

/// Fails where this build has no decoder for a stream.
pub fn decodable(track: &Track, kind: &'static str) -> Result<(), MediaError> {
    match decoder::find(track.parameters.id()) {
        Some(_) => Ok(()),
        None => Err(MediaError::UnsupportedCodec { kind, codec: track.codec.clone() }),
    }
}
