//! Which pictures of the source an output takes, at what rate, and what is cleaned of them at their own size: fields are put
//! together, noise is taken out, edges are cut off.
//!
//! **Invariant**: times that come out are output times; where the source begins late or stands still at the start of a clip,
//! a picture is there all the same.

use ffmpeg_next::frame::Video as Frame;
use ffmpeg_next::{Rational, Rescale, rescale};
use reelmill::model::media::Ratio;
use reelmill::model::work::{Denoise, FrameRate, VideoEncode};

use super::{Next, Picture, Stage, drain};
use crate::error::MediaError;
use crate::geometry::Pixels;
use crate::geometry::region::Region;
use crate::pipeline::flow::Stop;
use crate::pipeline::graph::{Graph, Input};
use crate::pipeline::picture::{self as look, Clean, Fields, Look, StreamLook};
use crate::pipeline::plan::MediaPlan;
use crate::pipeline::streams::VideoTrack;
use crate::pipeline::window::{Placed, Window};
use crate::raw;

/// Label of the graph's source.
const FRAMES: &str = "in";

/// Longest time at the start of a clip without a picture of its own, in microseconds.
const MAX_BLANK_US: i64 = 100_000;

/// Parameters of the stage.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepare {
    /// Part of the source.
    window: Window,
    /// Whether the output's length is known.
    bounded: bool,
    /// Frame rate that is asked for, within what the codec has.
    frame_rate: FrameRate,
    /// Frames per second of the source.
    rate: Rational,
    look: StreamLook,
    fields: Fields,
    denoise: Option<Denoise>,
    /// Part of the upright picture to take, and the size of that picture.
    crop: Option<(Region, Pixels)>,
}

impl Prepare {
    /// For the video of an output.
    #[must_use]
    pub fn new(plan: &MediaPlan<'_>, video: &VideoTrack, encode: &VideoEncode) -> Self {
        Self {
            window: plan.window,
            bounded: plan.duration_s.is_some(),
            frame_rate: frame_rate(encode, video),
            rate: video.track.frame_rate,
            look: video.look,
            fields: plan.view.fields,
            denoise: encode.treatment.denoise,
            crop: plan.view.crop,
        }
    }

    /// Begins the stage.
    #[must_use]
    pub const fn begin(self) -> Preparing {
        Preparing { step: self, graph: None, begun: false, last_slot: None, before: None, end: 0 }
    }

    /// The graph for pictures like `frame`; `None` where there is nothing to do.
    fn graph(&self, frame: &Frame, look: &Look, base: Rational) -> Result<Option<Graph>, MediaError> {
        let upright = look.upright();
        let part = self.crop.map(|(region, of)| region.scaled(of, upright));
        let clean = Clean {
            fields: self.fields,
            frame_rate: if let FrameRate::Fixed(rate) = self.frame_rate { Some(rate) } else { None },
            denoise: self.denoise,
            crop: part.map(|part| part.stored(upright, look.orientation())),
        };
        let text = look::clean(look, clean);
        if text.is_empty() {
            return Ok(None);
        }
        Graph::new(&[Input::video(FRAMES, frame, base)], &format!("[{FRAMES}]{text}[out]")).map(Some)
    }

    /// How long a frame is shown, on its own clock: by its own duration, or by the frame rate where it has none or a single
    /// tick.
    fn length_of(&self, frame: &Frame, base: Rational) -> i64 {
        let usual = 1.rescale(self.rate.invert(), base);
        Some(raw::duration(frame)).filter(|&own| own > 1).unwrap_or(usual)
    }

    /// When a frame is no longer shown: at the end of the window at the latest.
    fn end_of(&self, frame: &Frame, base: Rational) -> i64 {
        let end = frame.pts().unwrap_or(0).saturating_add(self.length_of(frame, base));
        self.window.end(base).map_or(end, |window| window.min(end))
    }
}

/// The frame rate that `encode` asks for, within what the codec has.
#[must_use]
pub fn frame_rate(encode: &VideoEncode, video: &VideoTrack) -> FrameRate {
    let asked = encode.frame_rate;
    let Some(most) = encode.codec.info().max_fps.map(|num| Ratio { num, den: 1 }) else { return asked };
    let rate = video.track.frame_rate;
    let source = Ratio { num: rate.numerator(), den: rate.denominator() };
    let lower = |one: Ratio, other: Ratio| if other.value() < one.value() { other } else { one };
    // What is thinned out comes evenly, lest two frames be nearer than the codec's clock can say.
    let bound = match asked {
        FrameRate::Source => most,
        FrameRate::Max(rate) | FrameRate::Fixed(rate) => lower(most, rate),
    };
    let within = source.value() <= bound.value() && !video.variable_rate;
    let even = matches!(asked, FrameRate::Fixed(_)) || !within;
    if even { FrameRate::Fixed(bound) } else { FrameRate::Source }
}

/// The stage.
pub struct Preparing {
    step: Prepare,
    /// What pictures look like now, the graph that cleans those, if any, and what it must leave as it is.
    graph: Option<(Look, Option<Cleaning>)>,
    /// Whether a picture was taken.
    begun: bool,
    /// Last slot of the highest frame rate that a frame was taken for.
    last_slot: Option<i64>,
    /// The last picture before the window, until one in it has come.
    before: Option<Picture>,
    /// When the last frame that was cleaned is no longer shown.
    end: i64,
}

/// A graph at work.
struct Cleaning {
    graph: Graph,
    /// Shape of the pixels as stored, of which filters know nothing.
    aspect: Rational,
}

impl Stage for Preparing {
    fn take(&mut self, mut picture: Picture, next: &mut Next<'_>) -> Result<bool, Stop> {
        match self.step.window.place(picture.frame.pts().unwrap_or(0), picture.base) {
            Placed::Before => {
                self.before = Some(picture);
                return Ok(true);
            }
            Placed::After => return Ok(false),
            Placed::At(time) => {
                self.fill(Some(time), next)?;
                self.pad(&picture, time, next)?;
                picture.frame.set_pts(Some(time));
            }
        }
        if !self.skips(&picture) {
            self.clean(picture, next)?;
        }
        Ok(true)
    }

    fn end(&mut self, next: &mut Next<'_>) -> Result<(), Stop> {
        if self.step.window.is_clip() || self.step.window.length_us().is_some() {
            self.fill(None, next)?;
        }
        self.flush(next)
    }
}

impl Preparing {
    /// Where nothing new comes for a while after the start of the window, until `time` or at all, what was shown before
    /// it stays.
    fn fill(&mut self, time: Option<i64>, next: &mut Next<'_>) -> Result<(), Stop> {
        let Some(mut picture) = self.before.take() else { return Ok(()) };
        let base = picture.base;
        // Where the source may have ended before the window begins, nothing of it is shown.
        let begins = self.step.window.moved(picture.frame.pts().unwrap_or(0), base);
        let ends = begins.saturating_add(self.step.length_of(&picture.frame, base));
        if time.is_none() && !self.step.bounded && ends <= 0 {
            return Ok(());
        }
        let frame_us = 1.rescale(self.step.rate.invert(), rescale::TIME_BASE);
        if time.is_some_and(|time| time.rescale(base, rescale::TIME_BASE) <= frame_us.min(MAX_BLANK_US)) {
            return Ok(());
        }
        picture.frame.set_pts(Some(0));
        self.clean(picture, next)
    }

    /// Where the video begins later than the source, at `time`, its first frame is repeated from the start on, as sound is
    /// padded with silence: players begin with what all streams have.
    fn pad(&mut self, first: &Picture, time: i64, next: &mut Next<'_>) -> Result<(), Stop> {
        if self.begun {
            return Ok(());
        }
        let (base, interval) = (first.base, self.step.rate.invert());
        let frame = |count: i64| count.rescale(interval, base);
        let late_us = time.rescale(base, rescale::TIME_BASE);
        if frame(1) <= 0 || late_us <= frame(1).rescale(base, rescale::TIME_BASE).min(MAX_BLANK_US) {
            return Ok(());
        }
        let missing = time.rescale_with(base, interval, ffmpeg_next::Rounding::Down);
        for count in (1..=missing).rev() {
            let mut again = first.share()?;
            again.frame.set_pts(Some((time - frame(count)).max(0)));
            if !self.skips(&again) {
                self.clean(again, next)?;
            }
        }
        Ok(())
    }

    /// Returns whether a highest frame rate leaves the picture out: each of its slots takes one.
    fn skips(&mut self, picture: &Picture) -> bool {
        let FrameRate::Max(max) = self.step.frame_rate else { return false };
        let slots = Rational(max.den, max.num);
        // A little late belongs to the slot that it is late for: times are rounded.
        let time = picture.frame.pts().unwrap_or(0).saturating_add(1);
        let slot = time.rescale_with(picture.base, slots, ffmpeg_next::Rounding::Down);
        let taken = self.last_slot.is_some_and(|last| slot <= last);
        self.last_slot = self.last_slot.max(Some(slot));
        taken
    }

    fn clean(&mut self, picture: Picture, next: &mut Next<'_>) -> Result<(), Stop> {
        self.begun = true;
        let interlaced = self.graph.as_ref().is_some_and(|(look, _)| look.interlaced);
        let look = Look::of(&picture.frame, self.step.look, interlaced);
        if self.graph.as_ref().is_none_or(|(current, _)| *current != look) {
            self.flush(next)?;
            let graph = self.step.graph(&picture.frame, &look, picture.base)?;
            let aspect = picture.frame.aspect_ratio();
            self.graph = Some((look, graph.map(|graph| Cleaning { graph, aspect })));
        }
        self.end = self.step.end_of(&picture.frame, picture.base);
        match &mut self.graph {
            Some((_, Some(cleaning))) => {
                cleaning.graph.push(FRAMES, &picture.frame)?;
                cleaning.drain(next)
            }
            _ => next(picture),
        }
    }

    /// Ends the current graph and takes what is still in it.
    fn flush(&mut self, next: &mut Next<'_>) -> Result<(), Stop> {
        let Some((_, Some(mut cleaning))) = self.graph.take() else { return Ok(()) };
        cleaning.graph.finish_at(FRAMES, self.end)?;
        cleaning.drain(next)
    }
}

impl Cleaning {
    fn drain(&mut self, next: &mut Next<'_>) -> Result<(), Stop> {
        let aspect = self.aspect;
        drain(&mut self.graph, &mut |mut picture| {
            raw::set_aspect(&mut picture.frame, aspect);
            next(picture)
        })
    }
}
