//! Measuring the loudness of sound as it will be encoded: the same conversion, the same mix, no encoder.

use ffmpeg_next::frame::Audio as Frame;
use ffmpeg_next::{Packet, Rational, Rescale, rescale};
use reelmill::model::media::Loudness;
use reelmill::model::work::AudioEncode;
use reelmill::worker::protocol::Message;

use super::bed::Bed;
use super::desk::{self, Desk};
use super::{place, target};
use crate::error::MediaError;
use crate::loudness::{METER, Tally};
use crate::pipeline::decode::Decoder;
use crate::pipeline::flow::Stop;
use crate::pipeline::graph::AudioFormat;
use crate::pipeline::streams::Track;
use crate::pipeline::window::{Placed, Window};
use crate::raw;
use crate::source::Source;
use crate::talk::Talk;

/// Media time between two words about progress, in microseconds.
const TELL_EVERY_US: i64 = 10_000_000;

/// How long before a clip reading starts, in microseconds.
const RUN_UP_US: i64 = 5_000_000;

/// What was measured.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Loudness.
    pub loudness: Loudness,
    /// What it will be encoded from.
    pub target: AudioFormat,
}

/// Gives frames of sound, with times in the unit it says, to whoever takes them while he wants more.
pub type Feed<'a> = dyn Fn(&mut dyn FnMut(Frame, Rational) -> Result<bool, Stop>) -> Result<(), Stop> + 'a;

/// A measurement to make.
pub struct Measuring<'a> {
    /// How the sound will be encoded.
    pub encode: &'a AudioEncode,
    /// Where the sound comes from.
    pub feed: &'a Feed<'a>,
    /// Part of it.
    pub window: Window,
    /// Inputs of the job.
    pub inputs: &'a [Source],
    /// For progress.
    pub talk: &'a Talk,
}

impl Measuring<'_> {
    /// Measures the sound behind `filters`; `None` where there is no sound.
    pub fn run(&self, filters: &str) -> Result<Option<Measured>, MediaError> {
        let filters = if filters.is_empty() { METER.to_owned() } else { format!("{filters},{METER}") };
        let mut line: Option<(Desk, AudioFormat)> = None;
        let (mut tally, mut told_us, mut end_us) = (Tally::default(), 0, 0);
        let mut meter = |frame: Frame| {
            let (_, rate) = raw::samples_and_rate(&frame);
            tally.add(&frame, Rational(1, rate.max(1)));
            Ok(())
        };
        let fed = (self.feed)(&mut |mut frame, base| {
            match place(&mut frame, self.window, base) {
                Placed::After => return Ok(false),
                Placed::Before => return Ok(true),
                Placed::At(time) => {
                    end_us = time.rescale(base, rescale::TIME_BASE);
                    if end_us - told_us >= TELL_EVERY_US {
                        told_us = end_us;
                        self.talk.say(&progress(end_us));
                    }
                }
            }
            if line.is_none() {
                let target = target(self.encode, &frame)?;
                let bed = self.encode.mix.map(|mix| Bed::open(mix, self.inputs, &desk::inside(&target))).transpose()?;
                line = Some((Desk::new(&target, self.window.end(target.base()), bed, &filters)?, target));
            }
            if let Some((desk, _)) = &mut line {
                desk.take(&frame, base, &mut meter)?;
            }
            Ok(true)
        });
        let finished = fed.and_then(|()| line.as_mut().map_or(Ok(()), |(desk, _)| desk.finish(&mut meter)));
        match finished {
            Ok(()) => {}
            Err(Stop::Failed(error)) => return Err(error),
            Err(Stop::Upstream | Stop::Unwanted) => return Ok(None),
        }
        let seconds = crate::probe::seconds(end_us, rescale::TIME_BASE);
        Ok(line.map(|(_, target)| Measured { loudness: tally.loudness(Some(seconds)), target }))
    }
}

fn progress(reached_us: i64) -> Message {
    Message::Progress { fraction: None, speed: None, position_ms: u64::try_from(reached_us / 1_000).ok() }
}

/// Feeds the frames of one stream of `source`.
pub fn of_track(
    source: &Source,
    track: &Track,
    window: Window,
    take: &mut dyn FnMut(Frame, Rational) -> Result<bool, Stop>,
) -> Result<(), Stop> {
    let mut opened = source.open()?;
    if window.is_clip() && opened.seek(window.start_us().saturating_sub(RUN_UP_US)).is_err() {
        opened = source.open()?;
    }
    opened.read_only(&[track.index]);
    let mut decoder = Decoder::open(track, 1)?;
    let mut packet = Packet::empty();
    loop {
        let more = opened.read(&mut packet)?;
        if more && packet.stream() != track.index {
            continue;
        }
        let mut frames = Vec::new();
        decoder.feed(more.then_some(&packet), |frame| {
            frames.push(raw::share(frame).map_err(|source| MediaError::Libav { doing: "share a frame", source })?);
            Ok(true)
        })?;
        for frame in frames {
            if !take(Frame::from(frame), track.time_base)? {
                return Ok(());
            }
        }
        if !more {
            return Ok(());
        }
    }
}
