//! Several inputs played one after the other, as if they were one source.
//!
//! ```text
//! piece ─▶ decoders ─▶ slots of one frame rate, samples of one format ─▶ filters and encoders of the output
//! ```
//! **Invariant**: frames come at one constant rate and samples without a gap, and at each seam picture and sound begin
//! together: the shorter of the two is held or silent. Pictures keep their own size and shape; the output's filters fit
//! them.

mod picture;
mod piece;
mod sound;

use ffmpeg_next::{Frame, Packet, Rational};
use reelmill::model::media::Ratio;
use reelmill::model::work::{Audio, FrameRate, MediaOutput, Video};

use self::picture::Slots;
use self::piece::Piece;
use self::sound::Seamless;
use super::JobContext;
use super::decode::Decoder;
use super::flow::{Outlets, Stop};
use super::graph::AudioFormat;
use super::picture::StreamLook;
use super::streams::{Inventory, Track, VideoTrack};
use crate::error::{MediaError, warning};
use crate::geometry::Pixels;
use crate::libav::Orientation;
use crate::raw;
use crate::source::Source;

/// Highest frame rate that is taken over; above it the rate is one of the clock, not of pictures.
const MAX_RATE: f64 = 120.0;

/// Frame rate where nothing is known.
const DEFAULT_RATE: Rational = Rational(25, 1);

/// How far sound may reach beyond the picture without the picture being held for it, in microseconds: the padding of
/// codecs.
const PADDING_US: i64 = 100_000;

/// How long before a clip reading starts, in microseconds.
const RUN_UP_US: i64 = 5_000_000;

/// The pieces of an output, in order.
#[derive(Clone)]
pub struct Splice {
    pieces: Vec<Piece>,
    rate: Rational,
    /// Size of the first picture, for pieces without one.
    size: Pixels,
    format: Option<AudioFormat>,
}

/// What a frame belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The picture.
    Video,
    /// The sound.
    Audio,
}

/// Takes frames of a splice; false when it wants no more of that kind.
pub type Take<'a> = dyn FnMut(Kind, Frame) -> Result<bool, Stop> + 'a;

impl Splice {
    /// The pieces that `output` names; `None` where it is made of the source alone. What audio tracks it has no place for
    /// is said.
    pub fn plan(output: &MediaOutput, inputs: &[Source], context: JobContext<'_>) -> Result<Option<Self>, MediaError> {
        let talk = context.talk;
        if output.parts.is_empty() {
            return Ok(None);
        }
        let with_video = matches!(output.video, Some(Video::Encode(_)));
        let tracks = match &output.audio {
            Some(Audio::Encode(encode)) => Some(&encode.tracks),
            _ => None,
        };
        let open = |part| Piece::open(part, inputs, with_video, tracks, context.if_incomplete);
        let pieces: Vec<Piece> = output.parts.iter().map(open).collect::<Result<_, _>>()?;
        // Of the source it is said already.
        for (code, message) in pieces.iter().filter(|piece| piece.input > 0).flat_map(|piece| &piece.remarks) {
            talk.warn(*code, message.clone());
        }
        if let Some(further) = pieces.iter().map(|piece| piece.further).max().filter(|&further| further > 0) {
            let message = format!(
                "`{}` is merged from several parts and has one audio stream: {further} more of a part were left out",
                output.file
            );
            talk.warn(warning::STREAM_LEFT_OUT, message);
        }
        let first = pieces.iter().find_map(|piece| piece.video.as_ref());
        let own = first.map_or(DEFAULT_RATE, |video| video.track.frame_rate);
        let own = if f64::from(own) > MAX_RATE || f64::from(own) <= 0.0 { DEFAULT_RATE } else { own };
        let rational = |rate: Ratio| Rational(rate.num, rate.den);
        let rate = match &output.video {
            Some(Video::Encode(encode)) => match encode.frame_rate {
                FrameRate::Fixed(rate) => rational(rate),
                FrameRate::Max(max) if max.value() < f64::from(own) => rational(max),
                _ => own,
            },
            _ => own,
        };
        // The sound is that of the source; where it has none, that of the first which has some.
        let source = pieces.iter().find(|piece| piece.input == 0).and_then(|piece| piece.format.clone());
        let format = source.or_else(|| pieces.iter().find_map(|piece| piece.format.clone()));
        let size = first.map_or(Pixels::new(2, 2), |video| video.shown);
        Ok(Some(Self { pieces, rate, size, format }))
    }

    /// What it looks like to an output: a source with at most one stream of each kind.
    pub fn inventory(&self, source: &Inventory) -> Inventory {
        let video = self.pieces.iter().find_map(|piece| piece.video.as_ref()).map(|video| VideoTrack {
            track: Track {
                time_base: self.rate.invert(),
                frame_rate: self.rate,
                side_data: Vec::new(),
                ..video.track.clone()
            },
            // Frames carry what their own stream says.
            look: StreamLook { orientation: Orientation::default(), sample_aspect: None, coded_aspect: None },
            shown: video.shown,
            variable_rate: false,
        });
        let audio = self.pieces.iter().find_map(|piece| piece.audio.as_ref()).zip(self.format.as_ref());
        let audio = audio.map(|(track, format)| Track { time_base: format.base(), ..track.clone() });
        source.replaced(video, audio.into_iter().collect(), self.duration_s(), self.end_known())
    }

    fn end_known(&self) -> bool {
        self.pieces.iter().all(|piece| piece.end_known)
    }

    /// Its length in seconds, where all pieces know theirs.
    pub fn duration_s(&self) -> Option<f64> {
        self.pieces.iter().map(|piece| piece.duration_s).sum()
    }

    /// Sends its frames to whoever wants them.
    pub fn send(&self, mut video: Outlets<Frame>, mut audio: Outlets<Frame>, threads: u32) -> Result<(), Stop> {
        let wanted = (!video.is_idle(), !audio.is_idle());
        self.run(wanted, threads, &mut |kind, frame| {
            let share = || raw::share(&frame).map_err(|source| MediaError::Libav { doing: "share a frame", source });
            Ok(match kind {
                Kind::Video => video.send(share)?,
                Kind::Audio => audio.send(share)?,
            })
        })?;
        video.end();
        audio.end();
        Ok(())
    }

    /// Hands on its frames: of the picture with times in frames, of the sound with times in samples.
    pub fn run(&self, (video, audio): (bool, bool), threads: u32, take: &mut Take<'_>) -> Result<(), Stop> {
        let mut slots = (video && self.pieces.iter().any(|p| p.video.is_some())).then(|| Slots::new(self.rate));
        let mut sound = self.format.clone().filter(|_| audio).map(Seamless::new);
        let mut offset_us = 0;
        for piece in &self.pieces {
            if let Some(slots) = &mut slots {
                slots.begin(offset_us);
            }
            if let Some(sound) = &mut sound {
                sound.begin(offset_us);
            }
            let failed = |stop| piece.blame(stop);
            Self::play(piece, slots.as_mut(), sound.as_mut(), threads, take).map_err(failed)?;
            let length_us = Self::length_us(piece, slots.as_ref(), sound.as_ref());
            offset_us += length_us.ok_or_else(|| piece.blame(piece.window.nothing("media").into()))?;
            if let Some(slots) = &mut slots {
                if piece.video.is_none() {
                    slots.black(self.size)?;
                }
                slots.end(offset_us, take)?;
            }
            if let Some(sound) = &mut sound {
                sound.end(offset_us, take)?;
            }
            let idle = slots.as_ref().is_none_or(|slots| slots.refused) && sound.as_ref().is_none_or(|s| s.refused);
            if idle {
                break;
            }
        }
        Ok(())
    }

    /// Length of a piece that was played, in microseconds: that of its video, or of its audio if that is clearly longer.
    fn length_us(piece: &Piece, slots: Option<&Slots>, sound: Option<&Seamless>) -> Option<i64> {
        let video_us = slots.filter(|_| piece.video.is_some()).map(Slots::length_us);
        let audio_us = sound.filter(|_| piece.audio.is_some()).map(Seamless::length_us);
        match (video_us.filter(|&us| us > 0), audio_us.filter(|&us| us > 0)) {
            (Some(video), Some(audio)) if audio > video + PADDING_US => Some(audio),
            (Some(video), _) => Some(video),
            (None, Some(audio)) => Some(audio),
            (None, None) => piece.duration_s.map(piece::microseconds).filter(|&us| us > 0),
        }
    }

    /// Decodes a piece.
    fn play(
        piece: &Piece,
        mut slots: Option<&mut Slots>,
        mut sound: Option<&mut Seamless>,
        threads: u32,
        take: &mut Take<'_>,
    ) -> Result<(), Stop> {
        let video = piece.video.as_ref().filter(|_| slots.is_some());
        let audio = piece.audio.as_ref().filter(|_| sound.is_some());
        let mut lines: Vec<Line<'_>> = Vec::new();
        if let Some(video) = video {
            lines.push(Line::open(Kind::Video, &video.track, threads)?);
        }
        if let Some(audio) = audio {
            lines.push(Line::open(Kind::Audio, audio, 1)?);
        }
        if lines.is_empty() {
            return Ok(());
        }
        let mut opened = piece.source.open()?;
        let start_us = piece.window.start_us().saturating_sub(RUN_UP_US);
        if piece.window.is_clip() && start_us > piece.start_us && opened.seek(start_us).is_err() {
            opened = piece.source.open()?;
        }
        let indices: Vec<usize> = lines.iter().map(|line| line.track.index).collect();
        opened.read_only(&indices);
        let mut packet = Packet::empty();
        while lines.iter().any(|line| !line.done) {
            let more = opened.read(&mut packet)?;
            for line in lines.iter_mut().filter(|line| !more || line.track.index == packet.stream()) {
                if line.done {
                    continue;
                }
                for frame in line.feed(more.then_some(&packet))? {
                    let wanted = match line.kind {
                        Kind::Video => match (slots.as_deref_mut(), video) {
                            (Some(slots), Some(video)) => slots.take(frame, video, piece.window, take)?,
                            _ => false,
                        },
                        Kind::Audio => match sound.as_deref_mut() {
                            Some(sound) => sound.take(frame, line.track.time_base, piece.window, take)?,
                            None => false,
                        },
                    };
                    if !wanted {
                        line.done = true;
                        break;
                    }
                }
                line.done |= !more;
            }
        }
        Ok(())
    }
}

/// A stream of a piece on its way through its decoder.
struct Line<'a> {
    kind: Kind,
    track: &'a Track,
    decoder: Decoder,
    /// Whether no more of it is wanted, or comes.
    done: bool,
}

impl<'a> Line<'a> {
    fn open(kind: Kind, track: &'a Track, threads: u32) -> Result<Self, MediaError> {
        Ok(Self { kind, track, decoder: Decoder::open(track, threads)?, done: false })
    }

    fn feed(&mut self, packet: Option<&Packet>) -> Result<Vec<Frame>, MediaError> {
        let mut frames = Vec::new();
        self.decoder.feed(packet, |frame| {
            frames.push(raw::share(frame).map_err(|source| MediaError::Libav { doing: "share a frame", source })?);
            Ok(true)
        })?;
        Ok(frames)
    }
}
