//! Sound laid under a track: the main audio stream of another input, read as it is needed.
//!
//! **Invariant**: it is one unbroken row of samples; times of its own do not count. Repeating, it begins anew at its first
//! sample.

use ffmpeg_next::frame::Audio as Frame;
use ffmpeg_next::{Packet, Rational, Rescale, rescale};
use reelmill::model::work::{Mix, Tracks};

use super::Out;
use super::conform::Conform;
use crate::error::MediaError;
use crate::pipeline::decode::Decoder;
use crate::pipeline::flow::Stop;
use crate::pipeline::graph::AudioFormat;
use crate::pipeline::streams::{Inventory, Track};
use crate::source::{Opened, Source};
use crate::{probe, raw};

/// An input that is laid under.
pub struct Bed {
    mix: Mix,
    source: Source,
    track: Track,
    /// The demuxer and the decoder, while there is more.
    reading: Option<(Opened, Decoder)>,
    conform: Conform,
    /// Output time of the next frame that is decoded, in microseconds.
    next_us: i64,
    /// Output time of the end of what went out, in samples.
    sent: i64,
    /// Samples decoded since it began, or began anew.
    decoded: i64,
    ended: bool,
}

impl Bed {
    /// Opens the input that `mix` means, for frames of `target`.
    pub fn open(mix: Mix, inputs: &[Source], target: &AudioFormat) -> Result<Self, MediaError> {
        let source =
            inputs.get(mix.input).ok_or_else(|| MediaError::Job(format!("there is no input {}", mix.input)))?;
        let input = mix.input;
        let failed = |source| MediaError::Beside { input, what: "sound to mix", source: Box::new(source) };
        let track = main_track(source).map_err(failed)?;
        let reading = Some(open(source, &track).map_err(failed)?);
        #[expect(clippy::cast_possible_truncation, reason = "saturates; a start is held to 100 hours")]
        let start_us = (mix.start_s * 1e6).round() as i64;
        Ok(Self {
            mix,
            source: source.clone(),
            track,
            reading,
            conform: Conform::new(target.clone(), None)?,
            next_us: start_us,
            sent: 0,
            decoded: 0,
            ended: false,
        })
    }

    /// Gain in decibels.
    pub const fn gain_db(&self) -> f64 {
        self.mix.gain_db
    }

    /// Whether nothing more comes.
    pub const fn has_ended(&self) -> bool {
        self.ended
    }

    /// Hands on its sound up to output time `end`, in samples, or as far as it goes.
    pub fn until(&mut self, end: i64, out: &mut Out<'_>) -> Result<(), Stop> {
        while !self.ended && self.sent < end {
            let Some((opened, decoder)) = &mut self.reading else {
                self.restart(out)?;
                continue;
            };
            let mut packet = Packet::empty();
            let more = opened.read(&mut packet)?;
            if more && packet.stream() != self.track.index {
                continue;
            }
            let mut frames = Vec::new();
            decoder.feed(more.then_some(&packet), |frame| {
                let shared =
                    raw::share(frame).map_err(|source| MediaError::Libav { doing: "share a frame", source })?;
                frames.push(Frame::from(shared));
                Ok(true)
            })?;
            for mut frame in frames {
                self.take(&mut frame, out)?;
            }
            if !more {
                self.reading = None;
            }
        }
        Ok(())
    }

    fn take(&mut self, frame: &mut Frame, out: &mut Out<'_>) -> Result<(), Stop> {
        raw::assume_layout(frame);
        let (samples, rate) = raw::samples_and_rate(frame);
        frame.set_pts(Some(self.next_us));
        self.next_us += samples.rescale(Rational(1, rate.max(1)), rescale::TIME_BASE);
        self.decoded += samples;
        let sent = &mut self.sent;
        self.conform.take(frame, rescale::TIME_BASE, &mut |frame| {
            *sent = frame.pts().unwrap_or(*sent) + i64::try_from(frame.samples()).unwrap_or(0);
            out(frame)
        })
    }

    /// After the end: begins anew, or ends.
    fn restart(&mut self, out: &mut Out<'_>) -> Result<(), Stop> {
        // What holds no sound would begin anew for ever.
        if self.mix.repeat && self.decoded > 0 {
            self.decoded = 0;
            self.reading = Some(open(&self.source, &self.track)?);
            return Ok(());
        }
        self.ended = true;
        self.conform.finish(out)
    }
}

fn main_track(source: &Source) -> Result<Track, MediaError> {
    let info = probe::media_info(&mut source.open()?)?;
    let opened = source.open()?;
    let inventory = Inventory::new(&opened, info);
    inventory.audio(&Tracks::Main)?.first().map(|&track| track.clone()).ok_or(MediaError::NoStreams("audio"))
}

fn open(source: &Source, track: &Track) -> Result<(Opened, Decoder), MediaError> {
    let mut opened = source.open()?;
    opened.read_only(&[track.index]);
    Ok((opened, Decoder::open(track, 1)?))
}
