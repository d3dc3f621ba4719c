//! One input of a splice: which of its streams are taken, and which part of them.

use ffmpeg_next::codec::decoder;
use reelmill::model::Code;
use reelmill::model::work::{IfIncomplete, Part, Tracks};

use crate::error::MediaError;
use crate::pipeline::flow::Stop;
use crate::pipeline::graph::AudioFormat;
use crate::pipeline::streams::{Inventory, Track, VideoTrack};
use crate::pipeline::window::Window;
use crate::source::Source;
use crate::{probe, raw};

/// Samples are floating point at the seams.
const SAMPLES: &str = "fltp";

/// One input, or a part of it.
#[derive(Clone)]
pub struct Piece {
    /// Index of the input.
    pub input: usize,
    /// Where its bytes come from.
    pub source: Source,
    /// Part of it.
    pub window: Window,
    /// Its start on the container's clock, in microseconds.
    pub start_us: i64,
    /// Its picture.
    pub video: Option<VideoTrack>,
    /// Its sound.
    pub audio: Option<Track>,
    /// How many audio tracks were asked for beside that one.
    pub further: usize,
    /// What its sound is, by its headers.
    pub format: Option<AudioFormat>,
    /// Length of the part in seconds, where it is known.
    pub duration_s: Option<f64>,
    /// Whether that is no estimate.
    pub end_known: bool,
    /// What the user should know of the input: codes and messages.
    pub remarks: Vec<(Code, String)>,
}

impl Piece {
    /// Looks into the input that `part` means.
    pub fn open(
        part: &Part,
        inputs: &[Source],
        with_video: bool,
        tracks: Option<&Tracks>,
        if_incomplete: IfIncomplete,
    ) -> Result<Self, MediaError> {
        let missing = || MediaError::Job(format!("there is no input {}", part.input));
        let source = inputs.get(part.input).ok_or_else(missing)?;
        Self::look(part, source, with_video, tracks, if_incomplete).map_err(|error| blamed(part.input, error))
    }

    fn look(
        part: &Part,
        source: &Source,
        with_video: bool,
        tracks: Option<&Tracks>,
        if_incomplete: IfIncomplete,
    ) -> Result<Self, MediaError> {
        let examined = probe::examine(&mut source.open()?)?;
        if examined.encrypted {
            return Err(MediaError::Encrypted);
        }
        let remarks = examined.remarks(&format!("the part (input {})", part.input), if_incomplete)?;
        let mut inventory = Inventory::examined(&source.open()?, examined);
        if let Some(clip) = part.clip.filter(|clip| clip.start_s > 0.0) {
            inventory.measure(&mut source.open()?, clip.start_s)?;
        }
        let video = if with_video { inventory.video()?.cloned() } else { None };
        let wanted = match tracks {
            // Other parts need not have as many tracks as the source, nor its languages.
            Some(tracks) if part.input > 0 => inventory.audio(tracks).or_else(|_| inventory.audio(&Tracks::Main))?,
            Some(tracks) => inventory.audio(tracks)?,
            None => Vec::new(),
        };
        let audio = wanted.first().map(|&track| track.clone());
        let further = wanted.len().saturating_sub(1);
        for (kind, track) in [("video", video.as_ref().map(|video| &video.track)), ("audio", audio.as_ref())] {
            if let Some(track) = track.filter(|track| decoder::find(track.parameters.id()).is_none()) {
                return Err(MediaError::UnsupportedCodec { kind, codec: track.codec.clone() });
            }
        }
        if video.is_none() && audio.is_none() {
            return Err(MediaError::NoStreams("audio or video"));
        }
        let described = audio.as_ref().and_then(|track| {
            inventory.info.audio.iter().find(|audio| usize::try_from(audio.index) == Ok(track.index))
        });
        let format = described.map(|audio| AudioFormat {
            rate: audio.sample_rate,
            samples: SAMPLES,
            layout: raw::default_layout(audio.channels),
        });
        let start_s = part.clip.map_or(0.0, |clip| clip.start_s);
        inventory.reaches("the part", part.clip)?;
        let left_s = inventory.left_s(start_s);
        let length_s = part.clip.and_then(|clip| clip.duration_s);
        Ok(Self {
            input: part.input,
            source: source.clone(),
            window: Window::new(inventory.start_us, part.clip),
            start_us: inventory.start_us,
            video,
            audio,
            further,
            format,
            end_known: inventory.end_known,
            duration_s: match (left_s, length_s) {
                (Some(left), Some(length)) => Some(left.min(length)),
                (left, length) => left.or(length),
            },
            remarks,
        })
    }

    /// A failure of this piece, with its input.
    pub fn blame(&self, stop: Stop) -> Stop {
        match stop {
            Stop::Failed(error) => Stop::Failed(blamed(self.input, error)),
            Stop::Upstream | Stop::Unwanted => stop,
        }
    }
}

/// A failure of the source is its own; one of another input names it.
fn blamed(input: usize, error: MediaError) -> MediaError {
    match error {
        MediaError::Beside { .. } => error,
        error if input == 0 => error,
        error => MediaError::Beside { input, what: "part", source: Box::new(error) },
    }
}

/// Microseconds of seconds.
#[expect(clippy::cast_possible_truncation, reason = "saturates, and media are shorter than 292,000 years")]
pub fn microseconds(seconds: f64) -> i64 {
    (seconds * 1e6).round() as i64
}
