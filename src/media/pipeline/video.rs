//! The video of one output: frames of the source, filtered and encoded.
//!
//! **Invariant**: times that go into the encoder rise; the size that the first frame gave holds to the end, whatever
//! the source turns into; keyframes stand where output time says, so that outputs of one source align.

use ffmpeg_next::format::stream::Disposition;
use ffmpeg_next::frame::Video as Frame;
use ffmpeg_next::frame::side_data::Type as SideData;
use ffmpeg_next::{Rational, Rescale, codec, picture};
use reelmill::model::work::{Fit, FrameRate, Gop, Size, VideoEncode};

use super::encode::{self, Encoding};
use super::flow::{Inlet, Stop};
use super::graph::{self, Graph};
use super::mux::{Port, Spec};
use super::overlay::{self, Picture};
use super::picture::{self as look, Look, Matrix, Target};
use super::streams::VideoTrack;
use super::window::{Placed, Window};
use crate::codec as codecs;
use crate::error::MediaError;
use crate::geometry::{self, Pixels};
use crate::raw;

/// Label of the graph's source for frames.
const FRAMES: &str = "in";

/// Clocks coarser than this, in ticks per second, are rounded: a constant rate is put back in step.
const COARSE_TICKS: i32 = 10_000;

/// Metadata of high dynamic range, untrue of what was tone-mapped, and of rotation, untrue of what is upright.
const UNTRUE: [SideData; 3] =
    [SideData::DisplayMatrix, SideData::MasteringDisplayMetadata, SideData::ContentLightLevel];

/// The video of one output.
pub struct VideoBranch<'a> {
    /// How it is encoded.
    pub encode: &'a VideoEncode,
    /// Pictures laid over it.
    pub overlays: &'a [Picture],
    /// Where it comes from.
    pub source: VideoTrack,
    /// Part of the source.
    pub window: Window,
    /// Threads of the encoder.
    pub threads: u32,
    /// libav's name of the muxer.
    pub muxer: &'static str,
}

/// What a branch is in the middle of.
struct State {
    graph: Option<(Look, Graph)>,
    encoder: Option<Encoder>,
    /// The muxer, until the encoder has it.
    port: Option<Port>,
    /// Last slot of the highest frame rate that a frame was taken for.
    last_slot: Option<i64>,
}

struct Encoder {
    encoding: Encoding,
    size: Pixels,
    time_base: Rational,
    /// Duration of a frame at the frame rate, in the time base.
    frame_duration: i64,
    /// Whether frames know their own better.
    trusts_durations: bool,
    frames: u64,
    last: Option<i64>,
    next_keyframe: f64,
}

impl VideoBranch<'_> {
    /// Works until the frames or the window end.
    pub fn run(&self, frames: Inlet<ffmpeg_next::Frame>, port: Port) -> Result<(), Stop> {
        let mut state = State { graph: None, encoder: None, port: Some(port), last_slot: None };
        while let Some(frame) = frames.next()? {
            let mut frame = Frame::from(frame);
            match self.window.place(frame.pts().unwrap_or(0), self.source.track.time_base) {
                Placed::Before => continue,
                Placed::After => break,
                Placed::At(time) => frame.set_pts(Some(time)),
            }
            if self.skips(&frame, &mut state.last_slot) {
                continue;
            }
            self.filter(&mut state, &frame)?;
        }
        drop(frames);
        self.flush(&mut state)?;
        match state.encoder {
            Some(encoder) => encoder.encoding.finish(),
            None => Err(MediaError::Parameter("the clip starts after the end of the video".into()).into()),
        }
    }

    /// Whether a highest frame rate leaves the frame out: each of its slots takes one frame.
    fn skips(&self, frame: &Frame, last_slot: &mut Option<i64>) -> bool {
        let FrameRate::Max(max) = self.encode.frame_rate else { return false };
        let base = self.source.track.time_base;
        let slots = Rational(max.den, max.num);
        // A little late belongs to the slot that it is late for: times are rounded.
        let slot = frame.pts().unwrap_or(0).saturating_add(1).rescale_with(base, slots, ffmpeg_next::Rounding::Down);
        let taken = last_slot.is_some_and(|last| slot <= last);
        *last_slot = (*last_slot).max(Some(slot));
        taken
    }

    fn filter(&self, state: &mut State, frame: &Frame) -> Result<(), Stop> {
        let interlaced = state.graph.as_ref().is_some_and(|(look, _)| look.interlaced);
        let look = Look::of(frame, self.source.look, interlaced);
        if state.graph.as_ref().is_none_or(|(current, _)| *current != look) {
            self.flush(state)?;
            state.graph = Some((look.clone(), self.graph(frame, &look, state)?));
        }
        if let Some((_, graph)) = &mut state.graph {
            graph.push(FRAMES, frame)?;
        }
        self.drain(state)
    }

    /// Ends the current graph and takes what is still in it.
    fn flush(&self, state: &mut State) -> Result<(), Stop> {
        if let Some((_, graph)) = &mut state.graph {
            graph.finish(FRAMES)?;
        }
        self.drain(state)?;
        state.graph = None;
        Ok(())
    }

    fn graph(&self, frame: &Frame, look: &Look, state: &State) -> Result<Graph, MediaError> {
        let encode = self.encode;
        let fitted = match &state.encoder {
            None => geometry::fit(look.upright(), look.sample_aspect, encode.size, encode.fit, encode.upscale),
            // The file's size is settled; what comes now goes into it.
            Some(encoder) => {
                let size = Size::Box { width: Some(encoder.size.width), height: Some(encoder.size.height) };
                geometry::fit(look.upright(), look.sample_aspect, size, Fit::Pad, true)
            }
        };
        let tone_mapping = graph::has_filters(look::TONE_MAPPING);
        let format = encode.pixel_format.as_deref().unwrap_or(codecs::video(encode.codec).pixel_format());
        if !format.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(MediaError::Parameter(format!("`{format}` is not a pixel format")));
        }
        let target = Target {
            format,
            matrix: Matrix::Source,
            full_range: false,
            frame_rate: if let FrameRate::Fixed(rate) = encode.frame_rate { Some(rate) } else { None },
            tone_mapping,
        };
        let chain = look::chain(look, fitted, target);
        overlay::graph(frame, self.source.track.time_base, &chain, self.overlays)
    }

    fn drain(&self, state: &mut State) -> Result<(), Stop> {
        let Some((look, graph)) = &mut state.graph else { return Ok(()) };
        let base = graph.time_base()?;
        let rate = graph.frame_rate()?;
        while let Some(frame) = graph.pull()? {
            let mut frame = Frame::from(frame);
            for untrue in UNTRUE {
                if untrue == SideData::DisplayMatrix || look.is_hdr() {
                    frame.remove_side_data(untrue);
                }
            }
            if let Some(port) = state.port.take() {
                state.encoder = Some(self.open(&frame, base, rate, port)?);
            }
            if let Some(encoder) = &mut state.encoder {
                encoder.encode(frame, base, self.encode.gop, self.window)?;
            }
        }
        Ok(())
    }

    fn open(&self, frame: &Frame, base: Rational, filtered: Option<Rational>, port: Port) -> Result<Encoder, Stop> {
        let rate = match self.encode.frame_rate {
            FrameRate::Fixed(rate) => Rational(rate.num, rate.den),
            FrameRate::Max(max) if max.value() < f64::from(self.source.track.frame_rate) => Rational(max.num, max.den),
            _ => self.source.track.frame_rate,
        };
        let fixed = matches!(self.encode.frame_rate, FrameRate::Fixed(_));
        let rounded = !self.source.variable_rate
            && self.encode.frame_rate == FrameRate::Source
            && base.denominator() / base.numerator().max(1) < COARSE_TICKS;
        let time_base = if fixed {
            filtered.unwrap_or(rate).invert()
        } else if rounded {
            rate.invert()
        } else {
            base
        };

        let encoders = codecs::video(self.encode.codec);
        let found = codecs::find(encoders.encoders())?;
        let mut context = codec::Context::new_with_codec(found);
        encode::set_global_header(&mut context, self.muxer);
        let failed = |source| MediaError::Encode { encoder: found.name().to_owned(), source };
        let mut video = context.encoder().video().map_err(failed)?;
        video.set_width(frame.width());
        video.set_height(frame.height());
        video.set_format(frame.format());
        video.set_aspect_ratio(Rational(1, 1));
        video.set_time_base(time_base);
        video.set_frame_rate(Some(rate));
        video.set_colorspace(frame.color_space());
        video.set_color_range(frame.color_range());
        video.set_color_primaries(frame.color_primaries());
        video.set_color_transfer_characteristic(frame.color_transfer_characteristic());
        let options = encode::dictionary(encoders.options(self.encode, f64::from(rate)), self.threads);
        let opened = video.open_with(options).map_err(failed)?;
        let encoding = Encoding::new(opened.0.0, found.name().to_owned(), port);
        let track = &self.source.track;
        encoding.port().ready(Spec {
            parameters: encoding.parameters(),
            time_base,
            side_data: Vec::new(),
            frame_rate: (fixed || rounded).then_some(rate),
            size: Some(Pixels::new(frame.width(), frame.height())),
            language: track.language.clone(),
            title: track.title.clone(),
            disposition: Disposition::DEFAULT,
        })?;
        Ok(Encoder {
            encoding,
            size: Pixels::new(frame.width(), frame.height()),
            time_base,
            frame_duration: 1.rescale(rate.invert(), time_base).max(1),
            // Filters that change the clock leave durations on the old one.
            trusts_durations: !fixed && !rounded && base == track.time_base,
            frames: 0,
            last: None,
            next_keyframe: 0.0,
        })
    }
}

impl Encoder {
    fn encode(&mut self, mut frame: Frame, base: Rational, gop: Option<Gop>, window: Window) -> Result<(), Stop> {
        let time = frame.pts().unwrap_or(0).rescale(base, self.time_base);
        if self.last.is_some_and(|last| time <= last) {
            return Ok(());
        }
        let own = raw::duration(&frame).rescale(base, self.time_base);
        let left = window.end(self.time_base).map_or(i64::MAX, |end| (end - time).max(1));
        // It counts for the last frame only; some containers give that one a single tick.
        let known = self.trusts_durations && own > self.frame_duration / 2;
        let duration = if known { own } else { self.frame_duration }.min(left);
        self.last = Some(time);
        frame.set_pts(Some(time));
        frame.set_kind(if self.is_keyframe(time, gop) { picture::Type::I } else { picture::Type::None });
        self.frames += 1;
        self.encoding.encode(&frame, duration)
    }

    #[expect(clippy::cast_precision_loss, reason = "media times are far below 2^52 ticks")]
    fn is_keyframe(&mut self, time: i64, gop: Option<Gop>) -> bool {
        match gop {
            None => false,
            Some(Gop::Frames(distance)) => self.frames.is_multiple_of(u64::from(distance.max(1))),
            Some(Gop::Seconds(distance)) => {
                let seconds = time as f64 * f64::from(self.time_base);
                // Half a millisecond early is on time: times are rounded.
                if seconds + 0.000_5 < self.next_keyframe {
                    return false;
                }
                self.next_keyframe = ((seconds + 0.000_5) / distance).floor().mul_add(distance, distance);
                true
            }
        }
    }
}
