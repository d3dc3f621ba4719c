//! Sound of a splice: samples of one format without a gap.

use std::collections::VecDeque;

use ffmpeg_next::{Frame, Rational, Rescale, frame, rescale};

use super::{Kind, Take};
use crate::error::MediaError;
use crate::pipeline::flow::Stop;
use crate::pipeline::graph::AudioFormat;
use crate::pipeline::sound::{Conform, place};
use crate::pipeline::window::{Placed, Window};
use crate::raw;

/// How much is held back until the end of a piece is known, in seconds.
const HELD_S: i64 = 1;

/// Samples in a frame of silence.
const SILENCE: i64 = 4_096;

/// The samples of an output.
pub struct Seamless {
    format: AudioFormat,
    /// Brings the piece onto its own clock.
    conform: Option<Conform>,
    /// Frames of the piece, with times from its start.
    held: VecDeque<frame::Audio>,
    /// Samples of the piece so far.
    length: i64,
    /// Start of the piece in samples of output time.
    start: i64,
    /// Whether nobody wants more.
    pub refused: bool,
}

impl Seamless {
    /// In that format.
    pub const fn new(format: AudioFormat) -> Self {
        Self { format, conform: None, held: VecDeque::new(), length: 0, start: 0, refused: false }
    }

    /// A piece begins.
    pub fn begin(&mut self, start_us: i64) {
        self.start = self.samples(start_us);
        self.length = 0;
        self.held.clear();
        self.conform = None;
    }

    /// How long the sound of the piece is, in microseconds.
    pub fn length_us(&self) -> i64 {
        self.length.rescale(self.format.base(), rescale::TIME_BASE)
    }

    /// Takes decoded sound; false when no more is wanted.
    pub fn take(&mut self, frame: Frame, base: Rational, window: Window, take: &mut Take<'_>) -> Result<bool, Stop> {
        let mut frame = frame::Audio::from(frame);
        match place(&mut frame, window, base) {
            Placed::Before => return Ok(true),
            Placed::After => return Ok(false),
            Placed::At(_) => {}
        }
        if self.conform.is_none() {
            // Parts are as loud as they are, whatever their channels.
            let conform = Conform::new(self.format.clone(), window.end(self.format.base()))?;
            self.conform = Some(conform.at_full_level());
        }
        let Self { conform, held, length, .. } = self;
        if let Some(conform) = conform {
            conform.take(&frame, base, &mut |frame| {
                hold(frame, held, length);
                Ok(())
            })?;
        }
        let enough = HELD_S * i64::from(self.format.rate);
        while let Some(first) = self.held.front() {
            if self.length - first.pts().unwrap_or(0) < enough {
                break;
            }
            if let Some(first) = self.held.pop_front() {
                self.send(first, take)?;
            }
        }
        Ok(!self.refused)
    }

    /// The piece ends there: what is longer is cut, what is shorter goes on in silence.
    pub fn end(&mut self, end_us: i64, take: &mut Take<'_>) -> Result<(), Stop> {
        let whole = (self.samples(end_us) - self.start).max(0);
        let Self { conform, held, length, .. } = self;
        if let Some(mut conform) = conform.take() {
            conform.finish(&mut |frame| {
                hold(frame, held, length);
                Ok(())
            })?;
        }
        for mut frame in std::mem::take(&mut self.held) {
            let left = whole - frame.pts().unwrap_or(0);
            let Ok(left) = usize::try_from(left) else { break };
            if left == 0 || self.refused {
                break;
            }
            if frame.samples() > left {
                frame.set_samples(left);
            }
            self.send(frame, take)?;
        }
        let mut time = self.length.min(whole);
        while time < whole && !self.refused {
            let count = SILENCE.min(whole - time);
            let mut silent = raw::silent_frame(
                usize::try_from(count).unwrap_or(0),
                self.format.rate,
                self.format.samples,
                &self.format.layout,
            )
            .map_err(|source| MediaError::Libav { doing: "make a frame", source })?;
            silent.set_pts(Some(time));
            self.send(silent, take)?;
            time += count;
        }
        Ok(())
    }

    fn send(&mut self, mut frame: frame::Audio, take: &mut Take<'_>) -> Result<(), Stop> {
        let time = frame.pts().map(|time| time + self.start);
        frame.set_pts(time);
        let shared = raw::share(&frame).map_err(|source| MediaError::Libav { doing: "share a frame", source })?;
        self.refused |= !take(Kind::Audio, shared)?;
        Ok(())
    }

    fn samples(&self, us: i64) -> i64 {
        us.rescale(rescale::TIME_BASE, self.format.base())
    }
}

fn hold(frame: frame::Audio, held: &mut VecDeque<frame::Audio>, length: &mut i64) {
    *length = frame.pts().unwrap_or(*length) + i64::try_from(frame.samples()).unwrap_or(0);
    held.push_back(frame);
}
