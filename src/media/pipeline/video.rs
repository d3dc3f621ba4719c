//! The video of one output: frames of the source, filtered and encoded.
//!
//! **Invariant**: times that go into the encoder rise; the size that the first frame gave holds to the end, whatever
//! the source turns into; keyframes stand where output time says, so that outputs of one source align.

use ffmpeg_next::color::Space;
use ffmpeg_next::format::stream::Disposition;
use ffmpeg_next::frame::Video as Frame;
use ffmpeg_next::frame::side_data::Type as SideData;
use ffmpeg_next::{Rational, Rescale, codec, picture, rescale};
use reelmill::model::codec::Setting;
use reelmill::model::media::Ratio;
use reelmill::model::work::{Fit, FrameRate, Gop, HdrMode, Size, VideoEncode};

use super::cadence::Cadence;
use super::encode::{self, Encoding};
use super::flow::{Inlet, Stop};
use super::graph::{self, Graph};
use super::hdr;
use super::hold::Hold;
use super::mux::{Port, Spec};
use super::overlay::Layers;
use super::passes::Round;
use super::picture::{self as look, Look, Matrix, Target};
use super::plan::View;
use super::progress::Position;
use super::streams::VideoTrack;
use super::subtitles::{Burn, Transfer};
use super::window::{Placed, Window};
use crate::codec as codecs;
use crate::error::{MediaError, warning};
use crate::geometry::{self, Pixels};
use crate::raw;
use crate::talk::Talk;

/// Label of the graph's source for frames.
const FRAMES: &str = "in";

/// Longest time at the start of a clip without a picture of its own, in microseconds.
const MAX_BLANK_US: i64 = 100_000;

/// Bits that high dynamic range takes.
const HDR_BITS: u8 = 10;

/// Most bytes of pictures that wait for their palette.
const MAX_PALETTE_BYTES: f64 = 256.0 * 1024.0 * 1024.0;

/// Metadata of high dynamic range, untrue of what was tone-mapped, and of rotation, untrue of what is upright.
const UNTRUE: [SideData; 3] =
    [SideData::DisplayMatrix, SideData::MasteringDisplayMetadata, SideData::ContentLightLevel];

/// The video of one output.
pub struct VideoBranch<'a> {
    /// How it is encoded.
    pub encode: &'a VideoEncode,
    /// What is taken of its pictures.
    pub view: View,
    /// Subtitles to draw into it.
    pub burn: Option<&'a Burn>,
    /// Where it comes from.
    pub source: VideoTrack,
    /// Part of the source.
    pub window: Window,
    /// Threads of the encoder.
    pub threads: u32,
    /// libav's name of the muxer.
    pub muxer: &'static str,
    /// How far its output is.
    pub position: &'a Position,
    /// Which pass of two it is; absent: the only one.
    pub round: Option<Round<'a>>,
    /// Length of the output in seconds, where it is known.
    pub length_s: Option<f64>,
    /// Name of the output in scratch.
    pub file: &'a str,
    /// For warnings.
    pub talk: &'a Talk,
}

/// What a branch is in the middle of.
struct State {
    layers: Layers,
    graph: Option<(Look, Graph)>,
    encoder: Option<Encoder>,
    /// The muxer, until the encoder has it.
    port: Option<Port>,
    /// Last slot of the highest frame rate that a frame was taken for.
    last_slot: Option<i64>,
    /// The last frame before the window, until one in it has come.
    before: Option<Frame>,
    /// When the last frame that was filtered is no longer shown, on the track's clock.
    end: i64,
}

struct Encoder {
    encoding: Encoding,
    size: Pixels,
    space: Space,
    cadence: Cadence,
    /// Whether frames know their durations better than the frame rate.
    trusts_durations: bool,
    /// Whether the source says of every frame how long it is shown, the last one too.
    exact: bool,
    /// How a last frame is held, where the duration of its packet is not enough.
    hold: Option<Hold>,
}

impl VideoBranch<'_> {
    /// Works until the frames or the window end, and lays `layers` over them.
    pub fn run(&self, frames: Inlet<ffmpeg_next::Frame>, port: Port, layers: Layers) -> Result<(), Stop> {
        let mut state =
            State { layers, graph: None, encoder: None, port: Some(port), last_slot: None, before: None, end: 0 };
        while let Some(frame) = frames.next()? {
            // An encoder may take long until the muxer has a packet to see this at.
            if self.position.is_stopped() {
                return Err(Stop::Unwanted);
            }
            let mut frame = Frame::from(frame);
            match self.window.place(frame.pts().unwrap_or(0), self.source.track.time_base) {
                Placed::Before => {
                    state.before = Some(frame);
                    continue;
                }
                Placed::After => break,
                Placed::At(time) => {
                    self.fill(&mut state, Some(time))?;
                    self.pad(&mut state, &frame, time)?;
                    frame.set_pts(Some(time));
                }
            }
            if self.skips(&frame, &mut state.last_slot) {
                continue;
            }
            self.filter(&mut state, &frame)?;
        }
        drop(frames);
        if self.window.is_clip() || self.window.length_us().is_some() {
            self.fill(&mut state, None)?;
        }
        self.flush(&mut state)?;
        match state.encoder {
            Some(mut encoder) => {
                encoder.hold()?;
                let seen = encoder.encoding.finish()?;
                if let Some(round) = self.round {
                    round.note(seen);
                }
                Ok(())
            }
            None => Err(self.window.nothing("video").into()),
        }
    }

    /// Where nothing new comes for a while after the start of the window, until `time` or at all, what was shown before
    /// it stays.
    fn fill(&self, state: &mut State, time: Option<i64>) -> Result<(), Stop> {
        let Some(mut frame) = state.before.take() else { return Ok(()) };
        let base = self.source.track.time_base;
        // Where the source may have ended before the window begins, nothing of it is shown.
        let ends = self.window.moved(frame.pts().unwrap_or(0), base).saturating_add(self.length_of(&frame));
        if time.is_none() && self.length_s.is_none() && ends <= 0 {
            return Ok(());
        }
        let frame_us = 1.rescale(self.source.track.frame_rate.invert(), rescale::TIME_BASE);
        if time.is_some_and(|time| time.rescale(base, rescale::TIME_BASE) <= frame_us.min(MAX_BLANK_US)) {
            return Ok(());
        }
        frame.set_pts(Some(0));
        self.filter(state, &frame)
    }

    /// Where the video begins later than the source, at `time`, its first frame is repeated from the start on, as sound is
    /// padded with silence: players begin with what all streams have.
    fn pad(&self, state: &mut State, first: &Frame, time: i64) -> Result<(), Stop> {
        if state.graph.is_some() || state.encoder.is_some() {
            return Ok(());
        }
        let base = self.source.track.time_base;
        let frame = |count: i64| count.rescale(self.source.track.frame_rate.invert(), base);
        let late_us = time.rescale(base, rescale::TIME_BASE);
        if frame(1) <= 0 || late_us <= frame(1).rescale(base, rescale::TIME_BASE).min(MAX_BLANK_US) {
            return Ok(());
        }
        let interval = self.source.track.frame_rate.invert();
        let missing = time.rescale_with(base, interval, ffmpeg_next::Rounding::Down);
        for count in (1..=missing).rev() {
            let again = raw::share(first).map_err(|source| MediaError::Libav { doing: "share a frame", source })?;
            let mut again = Frame::from(again);
            again.set_pts(Some((time - frame(count)).max(0)));
            if !self.skips(&again, &mut state.last_slot) {
                self.filter(state, &again)?;
            }
        }
        Ok(())
    }

    /// Whether a highest frame rate leaves the frame out: each of its slots takes one frame.
    fn skips(&self, frame: &Frame, last_slot: &mut Option<i64>) -> bool {
        let FrameRate::Max(max) = self.frame_rate() else { return false };
        let base = self.source.track.time_base;
        let slots = Rational(max.den, max.num);
        // A little late belongs to the slot that it is late for: times are rounded.
        let slot = frame.pts().unwrap_or(0).saturating_add(1).rescale_with(base, slots, ffmpeg_next::Rounding::Down);
        let taken = last_slot.is_some_and(|last| slot <= last);
        *last_slot = (*last_slot).max(Some(slot));
        taken
    }

    /// The frame rate that is asked for, within what the codec has.
    fn frame_rate(&self) -> FrameRate {
        let asked = self.encode.frame_rate;
        let Some(most) = self.encode.codec.info().max_fps.map(|num| Ratio { num, den: 1 }) else { return asked };
        let rate = self.source.track.frame_rate;
        let source = Ratio { num: rate.numerator(), den: rate.denominator() };
        let lower = |one: Ratio, other: Ratio| if other.value() < one.value() { other } else { one };
        // What is thinned out comes evenly, lest two frames be nearer than the codec's clock can say.
        let bound = match asked {
            FrameRate::Source => most,
            FrameRate::Max(rate) | FrameRate::Fixed(rate) => lower(most, rate),
        };
        let within = source.value() <= bound.value() && !self.source.variable_rate;
        let even = matches!(asked, FrameRate::Fixed(_)) || !within;
        if even { FrameRate::Fixed(bound) } else { FrameRate::Source }
    }

    fn filter(&self, state: &mut State, frame: &Frame) -> Result<(), Stop> {
        let interlaced = state.graph.as_ref().is_some_and(|(look, _)| look.interlaced);
        let look = Look::of(frame, self.source.look, interlaced);
        if state.graph.as_ref().is_none_or(|(current, _)| *current != look) {
            self.flush(state)?;
            let graph = self.graph(frame, &look, state)?;
            state.graph = Some((look, graph));
        }
        let time_us = frame.pts().unwrap_or(0).rescale(self.source.track.time_base, rescale::TIME_BASE);
        state.end = self.end_of(frame);
        if let Some((_, graph)) = &mut state.graph {
            graph.push(FRAMES, frame)?;
        }
        self.drain(state)?;
        while let Some((_, graph)) = &mut state.graph
            && state.layers.advance(graph, time_us)?
        {
            self.drain(state)?;
        }
        Ok(())
    }

    /// Ends the current graph and takes what is still in it.
    fn flush(&self, state: &mut State) -> Result<(), Stop> {
        if let Some((_, graph)) = &mut state.graph {
            state.layers.finish(graph)?;
            graph.finish_at(FRAMES, state.end)?;
        }
        self.drain(state)?;
        state.graph = None;
        Ok(())
    }

    /// When a frame is no longer shown, on the track's clock: at the end of the window at the latest.
    fn end_of(&self, frame: &Frame) -> i64 {
        let end = frame.pts().unwrap_or(0).saturating_add(self.length_of(frame));
        self.window.end(self.source.track.time_base).map_or(end, |window| window.min(end))
    }

    /// How long a frame is shown, on the track's clock: by its own duration, or by the frame rate where it has none or a
    /// single tick.
    fn length_of(&self, frame: &Frame) -> i64 {
        let usual = 1.rescale(self.source.track.frame_rate.invert(), self.source.track.time_base);
        Some(raw::duration(frame)).filter(|&own| own > 1).unwrap_or(usual)
    }

    fn graph(&self, frame: &Frame, look: &Look, state: &mut State) -> Result<Graph, MediaError> {
        let encode = self.encode;
        let treatment = encode.treatment;
        let upright = look.upright();
        let part = self.view.crop.map(|(region, of)| region.scaled(of, upright));
        let crop = part.map(|part| part.stored(upright, look.orientation()));
        let look = &look.clone().turned(treatment.rotate);
        let taken = part.map_or(upright, |part| part.size);
        let taken = if treatment.rotate.is_sideways() { taken.turned() } else { taken };
        let fitted = match &state.encoder {
            None => {
                let fitted = geometry::fit(taken, look.sample_aspect, encode.size, encode.fit, encode.upscale);
                self.warn_of_box(fitted.out);
                treatment.pad.map_or(fitted, |pad| fitted.padded(pad))
            }
            // The file's size is settled; what comes now goes into it.
            Some(encoder) => {
                let size = Size::Box { width: Some(encoder.size.width), height: Some(encoder.size.height) };
                geometry::fit(taken, look.sample_aspect, size, Fit::Pad, true)
            }
        };
        let (format, tone_mapping) = self.pixels(look)?;
        let codec = encode.codec.info();
        let target = Target {
            format,
            matrix: if codec.bt601 {
                Matrix::Bt601
            } else {
                state.encoder.as_ref().map_or(Matrix::Source, Encoder::matrix)
            },
            full_range: codec.full_range,
            frame_rate: if let FrameRate::Fixed(rate) = self.frame_rate() { Some(rate) } else { None },
            tone_mapping,
            fields: self.view.fields,
            denoise: treatment.denoise,
            crop,
            background: treatment.pad_color,
        };
        let mut chain = look::chain(look, fitted, target);
        if let Some(burn) = self.burn {
            let drawing = burn.filter(chain.high_range.and_then(Transfer::named))?;
            chain.text = format!("{},{drawing}", chain.text);
        }
        let last = if codec.palette { self.palette(chain.out) } else { "" };
        state.layers.graph(frame, self.source.track.time_base, &chain, last)
    }

    /// Says that a box that was asked for is not reached.
    fn warn_of_box(&self, out: Pixels) {
        let again = self.round.is_some_and(|round| !round.first);
        if again || self.encode.treatment.pad.is_some() {
            return;
        }
        if let Some(asked) = self.encode.size.missed(self.encode.fit, (out.width, out.height)) {
            let (file, Pixels { width, height }) = (self.file, out);
            let message =
                format!("`{file}` is {width}×{height}, not {asked}: the source is smaller, and `upscale` is not true");
            self.talk.warn(warning::BOX_NOT_REACHED, message);
        }
    }

    /// The pixel format for pictures of this look, and whether they are mapped to standard dynamic range.
    fn pixels(&self, look: &Look) -> Result<(&str, bool), MediaError> {
        let encode = self.encode;
        let codec = encode.codec.info();
        let deep = look.is_hdr() && encode.treatment.hdr == HdrMode::Keep;
        let format = match encode.encoder {
            _ if codec.palette => "yuv444p",
            Some(hardware) => hardware.pixel_format(deep || codec.pixel_format(encode).contains("10")),
            None if deep => codec
                .deep_format(encode.profile.as_deref(), encode.pixel_format.as_deref())
                .unwrap_or(codec.pixel_format(encode)),
            None => codec.pixel_format(encode),
        };
        if !format.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Err(MediaError::Parameter(format!("`{format}` is not a pixel format")));
        }
        if !look.is_hdr() {
            return Ok((format, false));
        }
        let holds = look::depth(format) >= HDR_BITS;
        if deep && !holds {
            return Err(MediaError::Parameter(format!("{format} has too few bits for HDR")));
        }
        let kept = holds && encode.treatment.hdr != HdrMode::Sdr;
        Ok((format, !kept && graph::has_filters(look::TONE_MAPPING)))
    }

    /// Filters that give pictures a palette: one for all, for which all of them are kept until the end, or where they
    /// would fill the memory one for each.
    fn palette(&self, size: Pixels) -> &'static str {
        let rate = match self.frame_rate() {
            FrameRate::Fixed(rate) => rate.value(),
            FrameRate::Max(rate) => rate.value().min(f64::from(self.source.track.frame_rate)),
            FrameRate::Source => f64::from(self.source.track.frame_rate),
        };
        let bytes =
            self.length_s.map(|length_s| length_s * rate * f64::from(size.width) * f64::from(size.height) * 4.0);
        if bytes.is_some_and(|bytes| bytes <= MAX_PALETTE_BYTES) {
            ",split[kept][seen];[seen]palettegen[palette];[kept][palette]paletteuse=diff_mode=rectangle"
        } else {
            ",split[kept][seen];[seen]palettegen=stats_mode=single[palette];[kept][palette]paletteuse=new=1"
        }
    }

    fn drain(&self, state: &mut State) -> Result<(), Stop> {
        let Some((look, graph)) = &mut state.graph else { return Ok(()) };
        let (_, mapped) = self.pixels(look)?;
        let kept = look.is_hdr() && !mapped;
        let base = graph.time_base()?;
        let rate = graph.frame_rate()?;
        while let Some(frame) = graph.pull()? {
            let mut frame = Frame::from(frame);
            for untrue in UNTRUE {
                if untrue == SideData::DisplayMatrix || mapped {
                    frame.remove_side_data(untrue);
                }
            }
            if let Some(port) = state.port.take() {
                state.encoder = Some(self.open(&frame, (base, rate), kept, port)?);
            }
            if let Some(encoder) = &mut state.encoder {
                encoder.encode(frame, base, self.encode.gop, self.window, self.round)?;
            }
        }
        Ok(())
    }

    /// Opens the encoder for frames like `frame`, with times in `base`, at the rate that filters gave them; `kept` where
    /// they are of high dynamic range.
    fn open(
        &self,
        frame: &Frame,
        (base, filtered): (Rational, Option<Rational>),
        kept: bool,
        port: Port,
    ) -> Result<Encoder, Stop> {
        let asked = self.frame_rate();
        let rate = match asked {
            FrameRate::Fixed(rate) => Rational(rate.num, rate.den),
            FrameRate::Max(max) if max.value() < f64::from(self.source.track.frame_rate) => Rational(max.num, max.den),
            _ => self.source.track.frame_rate,
        };
        let cadence = match asked {
            FrameRate::Fixed(_) => Cadence::fixed(filtered.unwrap_or(rate), base),
            FrameRate::Source => Cadence::own(rate, base, !self.source.variable_rate),
            FrameRate::Max(_) => Cadence::own(rate, base, false),
        };

        let found = codecs::video(self.encode)?;
        let mut context = codec::Context::new_with_codec(found);
        encode::set_global_header(&mut context, self.muxer);
        let failed = |source| MediaError::Encode { encoder: found.name().to_owned(), source };
        let mut video = context.encoder().video().map_err(failed)?;
        video.set_width(frame.width());
        video.set_height(frame.height());
        video.set_format(frame.format());
        video.set_aspect_ratio(Rational(1, 1));
        video.set_time_base(cadence.time_base);
        raw::set_frame_ticks(&mut video, cadence.frame_duration);
        video.set_frame_rate(Some(rate));
        video.set_colorspace(frame.color_space());
        video.set_color_range(frame.color_range());
        video.set_color_primaries(frame.color_primaries());
        video.set_color_transfer_characteristic(frame.color_transfer_characteristic());
        if let Some(round) = self.round.filter(|round| !round.first)
            && let Some(seen) = round.notes.text()
        {
            raw::set_stats_in(&mut video, seen);
        }
        let (metadata, side_data) = hdr::metadata(frame, &self.source.track);
        let setting = Setting {
            encode: self.encode,
            frame_rate: f64::from(rate),
            constant_rate: cadence.is_constant(),
            threads: self.threads,
            pass: self.round.as_ref().map(Round::pass),
            hdr: kept.then_some(metadata),
        };
        let options = encode::dictionary(self.encode.codec.info().options_for(&setting), self.threads);
        let opened = video.open_with(options).map_err(failed)?;
        let encoding = Encoding::new(opened.0.0, found.name().to_owned(), port);
        let whole = self.encode.codec.info().one_packet;
        let encoding = if whole { encoding.of_webp(cadence.time_base) } else { encoding };
        let track = &self.source.track;
        let parameters = encoding.parameters();
        let hold = Hold::new(self.muxer, raw::video_delay(&parameters));
        encoding.port().ready(&Spec {
            parameters,
            time_base: cadence.time_base,
            side_data: if kept { side_data } else { Vec::new() },
            frame_rate: (cadence.is_constant() || !self.source.variable_rate).then_some(rate),
            size: Some(Pixels::new(frame.width(), frame.height())),
            language: track.language.clone(),
            title: track.title.clone(),
            disposition: Disposition::DEFAULT,
        })?;
        Ok(Encoder {
            encoding,
            size: Pixels::new(frame.width(), frame.height()),
            space: frame.color_space(),
            // Filters that change the clock leave durations on the old one.
            trusts_durations: !matches!(asked, FrameRate::Fixed(_)) && base == track.time_base,
            exact: matches!(track.codec.as_str(), "gif" | "apng"),
            hold,
            cadence,
        })
    }
}

impl Encoder {
    /// The colour matrix that the file says it has; where that is one of high dynamic range, pictures keep theirs.
    const fn matrix(&self) -> Matrix {
        match self.space {
            Space::BT709 => Matrix::Settled("bt709"),
            Space::SMPTE170M | Space::BT470BG => Matrix::Settled("smpte170m"),
            _ => Matrix::Source,
        }
    }

    fn encode(
        &mut self,
        mut frame: Frame,
        base: Rational,
        gop: Option<Gop>,
        window: Window,
        round: Option<Round<'_>>,
    ) -> Result<(), Stop> {
        let Some(time) = self.cadence.place(frame.pts().unwrap_or(0), base) else { return Ok(()) };
        let Cadence { time_base, frame_duration, .. } = self.cadence;
        let own = raw::duration(&frame).rescale(base, time_base);
        let left = window.end(time_base).map_or(i64::MAX, |end| (end - time).max(1));
        // It counts for the last frame only; some containers give that one a single tick, and those of a constant rate are
        // rounded.
        let shortest = match (self.exact, self.cadence.is_constant()) {
            (true, _) => 0,
            (_, true) => frame_duration + frame_duration / 2,
            (_, false) => frame_duration / 2,
        };
        let known = self.trusts_durations && own > shortest;
        let duration = if known { own } else { frame_duration }.min(left);
        frame.set_pts(Some(time));
        frame.set_kind(if self.cadence.is_keyframe(gop) { picture::Type::I } else { picture::Type::None });
        if let Some(round) = round.filter(|round| round.first) {
            round.position.reach(0, time.rescale(time_base, rescale::TIME_BASE));
        }
        if let Some(hold) = &mut self.hold {
            hold.keep(&frame, time, duration)?;
        }
        self.encoding.encode(&frame, duration)
    }

    /// Repeats a last frame that is held.
    fn hold(&mut self) -> Result<(), Stop> {
        let Cadence { frame_duration, time_base, .. } = self.cadence;
        let held = self.hold.take().and_then(|hold| hold.again(frame_duration, time_base));
        let Some((mut frame, times, duration)) = held else { return Ok(()) };
        frame.set_kind(picture::Type::None);
        for time in times {
            frame.set_pts(Some(time));
            self.encoding.encode(&frame, duration)?;
        }
        Ok(())
    }
}
