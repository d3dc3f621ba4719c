//! The video of one output: pictures that are ready, encoded.
//!
//! **Invariant**: times that go into the encoder rise; keyframes stand where output time says, so that outputs of one source
//! align.

use ffmpeg_next::format::stream::Disposition;
use ffmpeg_next::{Rational, Rescale, codec, picture, rescale};
use reelmill::model::codec::Setting;
use reelmill::model::work::{FrameRate, Gop, VideoEncode};

use super::cadence::Cadence;
use super::colors::HDR_TRANSFERS;
use super::encode::{self, Encoding};
use super::flow::{Inlet, Stop};
use super::hdr;
use super::hold::Hold;
use super::mux::{Port, Spec};
use super::passes::Round;
use super::progress::Position;
use super::stage::{Picture, frame_rate};
use super::streams::VideoTrack;
use super::window::Window;
use crate::codec as codecs;
use crate::error::{MediaError, warning};
use crate::geometry::Pixels;
use crate::talk::Talk;
use crate::{libav, raw};

/// The video of one output.
pub struct VideoBranch<'a> {
    /// How it is encoded.
    pub encode: &'a VideoEncode,
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
    /// Name of the output in scratch.
    pub file: &'a str,
    /// For warnings.
    pub talk: &'a Talk,
}

struct Encoder {
    encoding: Encoding,
    cadence: Cadence,
    /// Unit of times in which frames know their durations better than the frame rate does, if any.
    own_base: Option<Rational>,
    /// Whether the source says of every frame how long it is shown, the last one too.
    exact: bool,
    /// How a last frame is held, where the duration of its packet is not enough.
    hold: Option<Hold>,
}

impl VideoBranch<'_> {
    /// Encodes until the pictures end.
    pub fn run(&self, pictures: &Inlet<Picture>, port: Port) -> Result<(), Stop> {
        let (mut port, mut encoder) = (Some(port), None);
        while let Some(picture) = pictures.next()? {
            // An encoder may take long until the muxer has a packet to see this at.
            self.position.wanted()?;
            if let Some(port) = port.take() {
                encoder = Some(self.open(&picture, port)?);
            }
            if let Some(encoder) = &mut encoder {
                encoder.encode(picture, self.encode.gop, self.window, self.round)?;
            }
        }
        let mut encoder: Encoder = encoder.ok_or_else(|| self.window.nothing("video"))?;
        encoder.hold()?;
        let seen = encoder.encoding.finish()?;
        if let Some(round) = self.round {
            round.note(seen);
        }
        Ok(())
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

    /// Opens the encoder for pictures like `picture`.
    fn open(&self, picture: &Picture, port: Port) -> Result<Encoder, Stop> {
        let &Picture { ref frame, base } = picture;
        self.warn_of_box(Pixels::new(frame.width(), frame.height()));
        let transfer = libav::Color::of_frame(frame).transfer;
        let kept = transfer.is_some_and(|transfer| HDR_TRANSFERS.contains(&transfer.as_str()));
        let asked = frame_rate(self.encode, &self.source);
        let rate = match asked {
            FrameRate::Fixed(rate) => Rational(rate.num, rate.den),
            FrameRate::Max(max) if max.value() < f64::from(self.source.track.frame_rate) => Rational(max.num, max.den),
            _ => self.source.track.frame_rate,
        };
        let cadence = match asked {
            FrameRate::Fixed(_) => Cadence::fixed(rate, base),
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
            // Filters that change the clock leave durations on the old one.
            own_base: Some(track.time_base).filter(|_| !matches!(asked, FrameRate::Fixed(_))),
            exact: matches!(track.codec.as_str(), "gif" | "apng"),
            hold,
            cadence,
        })
    }
}

impl Encoder {
    fn encode(
        &mut self,
        Picture { mut frame, base, .. }: Picture,
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
        let known = self.own_base == Some(base) && own > shortest;
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
