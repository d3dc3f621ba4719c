//! Which audio streams an output takes, and how loud each becomes.

use ffmpeg_next::codec::{Parameters, decoder};
use ffmpeg_next::format::stream::Disposition;
use ffmpeg_next::frame::Audio as Frame;
use ffmpeg_next::{Rescale, rescale};
use reelmill::model::work::{Audio, AudioEncode, MediaOutput, Tracks};

use super::measure::{Measuring, of_track};
use super::silence::{SILENCE_BASE, silence};
use super::{Measurements, level, measure};
use crate::codec as codecs;
use crate::error::{MediaError, warning};
use crate::pipeline::container::{self, Format};
use crate::pipeline::splice::Splice;
use crate::pipeline::streams::{Inventory, Track};
use crate::pipeline::window::Window;
use crate::source::Source;
use crate::talk::Talk;

/// An audio stream that an output takes.
pub struct Sound<'a> {
    /// Where it comes from.
    pub track: Track,
    /// How it is encoded, or absent to copy it.
    pub encode: Option<&'a AudioEncode>,
    /// Filters that set its level.
    pub level: String,
    /// Where there is none in the source and something is laid under it: how much silence takes its place, in units of
    /// [`SILENCE_BASE`].
    pub silence: Option<i64>,
}

/// The streams that `output` takes of a source.
pub fn streams<'a>(
    output: &'a MediaOutput,
    inventory: &Inventory,
    format: &Format,
    with_video: bool,
    talk: &Talk,
) -> Result<Vec<Sound<'a>>, MediaError> {
    let Some(wanted) = &output.audio else { return Ok(Vec::new()) };
    let (tracks, encode) = match wanted {
        Audio::Copy { tracks } => (tracks, None),
        Audio::Encode(encode) => (&encode.tracks, Some(encode)),
    };
    let encoded_id = encode.map(|e| codecs::audio(e).map(|found| found.id())).transpose()?;
    let mut taken = Vec::new();
    let mut undecodable = Vec::new();
    // What is put together of parts has the one track that was chosen of each.
    let tracks = if output.parts.is_empty() { tracks } else { &Tracks::All };
    for track in inventory.audio(tracks)? {
        let id = encoded_id.unwrap_or(track.parameters.id());
        if !container::holds(format, id) {
            let codec = if encode.is_some() { id.name().to_owned() } else { track.codec.clone() };
            return Err(MediaError::NotInContainer { container: format.name, kind: "audio", codec });
        }
        if encode.is_some() && decoder::find(track.parameters.id()).is_none() {
            undecodable.push((track.index, MediaError::UnsupportedCodec { kind: "audio", codec: track.codec.clone() }));
            continue;
        }
        taken.push(Sound { track: track.clone(), encode, level: String::new(), silence: None });
    }
    if container::single_stream(output.container) && taken.len() > 1 {
        let problem = format!("{} files can contain one audio stream, not {}", format.name, taken.len());
        return Err(MediaError::Parameter(problem));
    }
    let alone = taken.is_empty() && !with_video;
    for (index, error) in undecodable {
        if alone {
            return Err(error);
        }
        talk.warn(warning::STREAM_LEFT_OUT, format!("audio stream {index} was left out: {error}"));
    }
    if let Some(encode) = encode.filter(|encode| taken.is_empty() && with_video && encode.mix.is_some()) {
        taken.push(silent(encode, output, inventory)?);
    }
    Ok(taken)
}

/// Silence as long as the output.
fn silent<'a>(encode: &'a AudioEncode, output: &MediaOutput, inventory: &Inventory) -> Result<Sound<'a>, MediaError> {
    let start_s = output.clip.map_or(0.0, |clip| clip.start_s);
    let left_s = inventory.left_s(start_s);
    let length_s = match (left_s, output.clip.and_then(|clip| clip.duration_s)) {
        (Some(left), Some(length)) => Some(left.min(length)),
        (left, length) => left.or(length),
    };
    let unknown = || MediaError::Parameter("audio cannot be mixed in: the duration of the source is unknown".into());
    #[expect(clippy::cast_possible_truncation, reason = "saturates, and media are shorter than 292,000 years")]
    let samples = (length_s.ok_or_else(unknown)? * f64::from(SILENCE_BASE.denominator())).round() as i64;
    Ok(Sound { track: silent_track(), encode: Some(encode), level: String::new(), silence: Some(samples) })
}

/// A stream that no source holds.
pub fn silent_track() -> Track {
    Track {
        index: usize::MAX,
        time_base: SILENCE_BASE,
        start: 0,
        parameters: Parameters::new().into(),
        side_data: Vec::new(),
        codec: "silence".to_owned(),
        decoder: None,
        frame_rate: SILENCE_BASE.invert(),
        language: None,
        title: None,
        disposition: Disposition::DEFAULT,
    }
}

impl Sound<'_> {
    /// Whether it comes from the source alone: not silence, and nothing is laid under it.
    #[must_use]
    pub fn is_of_source(&self) -> bool {
        self.silence.is_none() && self.encode.is_some_and(|encode| encode.mix.is_none())
    }

    /// Whether the encode of both from one part of a source is the same.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let made_of = |sound: &Self| (sound.track.index, sound.silence);
        made_of(self) == made_of(other) && self.encode == other.encode && self.level == other.level
    }

    /// Finds out which filters bring it to the level that is asked for; may read the whole stream, several times. What other
    /// outputs of the source measured is in `known`.
    pub fn level(
        &mut self,
        known: &Measurements,
        window: Window,
        splice: Option<&Splice>,
        inputs: &[Source],
        talk: &Talk,
    ) -> Result<(), MediaError> {
        let Some(encode) = self.encode else { return Ok(()) };
        let source = inputs.first().ok_or_else(|| MediaError::Job("it has no input".into()))?;
        let (track, samples) = (&self.track, self.silence);
        let feed: &measure::Feed<'_> = &|take| match (samples, splice) {
            (Some(samples), _) => silence(0, samples, &mut |frame| take(frame, SILENCE_BASE)),
            (None, Some(splice)) => {
                splice.run((false, true), 1, &mut |_, frame| take(Frame::from(frame), track.time_base))
            }
            (None, None) => of_track(source, track, window, take),
        };
        let window = if samples.is_some() { Window::default() } else { window };
        let measuring = Measuring { encode, feed, window, inputs, talk };
        let is_shared = splice.is_none() && self.is_of_source();
        let mut measure = |filters: &str| {
            let again = || measuring.run(filters);
            if is_shared { known.once(self, window, filters, again) } else { again() }
        };
        self.level = level::filters(encode, &mut measure, talk)?;
        Ok(())
    }
}

/// The part of the silence that the output takes: all of it.
pub fn window_of(sound: &Sound<'_>, window: Window) -> Window {
    if sound.silence.is_none() {
        return window;
    }
    let length_us = sound.silence.map(|samples| samples.rescale(SILENCE_BASE, rescale::TIME_BASE));
    Window::of_length(length_us)
}
