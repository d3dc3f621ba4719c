//! One audio stream of one output: frames of the source, resampled, kept in step with their times, and encoded.
//!
//! Two graphs in a row: the first brings whatever the source has into the encoder's format and may be built anew when
//! the source changes; the second stays, keeps samples where their times say (gaps are filled, a late start is padded,
//! overlaps are cut) and cuts them into the encoder's frames. **Invariant**: output time zero is sample zero.

use ffmpeg_next::frame::Audio as Frame;
use ffmpeg_next::{Codec, Rational, Rescale, codec};
use reelmill::model::work::AudioEncode;

use super::encode::{self, Encoding};
use super::flow::{Inlet, Stop};
use super::graph::{AudioFormat, Graph, Input};
use super::mux::{Port, Spec};
use super::streams::Track;
use super::window::{Placed, Window};
use crate::codec as codecs;
use crate::error::{MediaError, warning};
use crate::raw;
use crate::talk::Talk;

/// Label of the graphs' sources.
const FRAMES: &str = "in";

/// How far samples may be from their times before they are moved, in seconds.
const MAX_DRIFT_S: f64 = 0.03;

/// One audio stream of one output.
pub struct AudioBranch<'a> {
    /// How it is encoded.
    pub encode: &'a AudioEncode,
    /// Where it comes from.
    pub track: Track,
    /// Part of the source.
    pub window: Window,
    /// libav's name of the muxer.
    pub muxer: &'static str,
    /// For warnings.
    pub talk: &'a Talk,
}

/// An encoder and the graph that cuts frames for it.
struct Line {
    target: AudioFormat,
    /// Brings frames of this format into the target's; none where they are in it.
    convert: Option<(AudioFormat, Option<Graph>)>,
    align: Graph,
    encoding: Encoding,
}

impl AudioBranch<'_> {
    /// Works until the frames or the window end.
    pub fn run(&self, frames: Inlet<ffmpeg_next::Frame>, port: Port) -> Result<(), Stop> {
        let mut port = Some(port);
        let mut line: Option<Line> = None;
        while let Some(frame) = frames.next()? {
            let mut frame = Frame::from(frame);
            let time = frame.pts().unwrap_or(0);
            let base = self.track.time_base;
            let (samples, rate) = raw::samples_and_rate(&frame);
            let end = time.saturating_add(samples.rescale(Rational(1, rate.max(1)), base));
            match self.window.place(time, base) {
                Placed::After => break,
                // What reaches into the window is cut to the sample further on.
                Placed::Before if self.window.moved(end, base) <= 0 => continue,
                _ => frame.set_pts(Some(self.window.moved(time, base))),
            }
            raw::assume_layout(&mut frame);
            if let Some(port) = port.take() {
                line = Some(self.open(&frame, port)?);
            }
            if let Some(line) = &mut line {
                line.take(&frame, base)?;
            }
        }
        drop(frames);
        match (line, port) {
            (Some(line), _) => line.finish(),
            (None, Some(port)) => {
                self.talk.warn(
                    warning::STREAM_LEFT_OUT,
                    format!("audio stream {} holds nothing there and was left out", self.track.index),
                );
                port.end()
            }
            (None, None) => Ok(()),
        }
    }

    fn open(&self, frame: &Frame, port: Port) -> Result<Line, Stop> {
        let codec = codecs::audio(self.encode.codec);
        let found = codecs::find(codec.encoders())?;
        let channels = raw::channels(frame);
        let wanted = self.encode.channels.unwrap_or(channels).min(channels).min(codec.max_channels()).max(1);
        let target = AudioFormat {
            rate: codec.sample_rate(self.encode.sample_rate.unwrap_or(frame.rate())),
            samples: sample_format(found, frame.format()),
            layout: raw::default_layout(wanted),
        };
        let base = target.base();
        let end = self.window.end(base).map_or_else(String::new, |end| format!(":end_pts={end}"));
        let text = format!(
            "[in]atrim=start_pts=0{end},aresample=async=1:min_hard_comp={MAX_DRIFT_S}:first_pts=0,{}[out]",
            target.filter()
        );
        let mut align = Graph::new(&[Input::audio(FRAMES, &target, base)], &text)?;

        let mut context = codec::Context::new_with_codec(found);
        encode::set_global_header(&mut context, self.muxer);
        let failed = |source| MediaError::Encode { encoder: found.name().to_owned(), source };
        let mut audio = context.encoder().audio().map_err(failed)?;
        audio.set_rate(i32::try_from(target.rate).unwrap_or(i32::MAX));
        audio.set_format(ffmpeg_next::format::Sample::from(target.samples));
        audio.set_time_base(base);
        raw::set_layout(&target.layout, &mut audio).map_err(failed)?;
        let opened = audio.open_with(encode::dictionary(codec.options(self.encode), 1)).map_err(failed)?;
        if !raw::takes_any_frame_size(found) {
            align.set_frame_size(opened.frame_size())?;
        }
        let encoding = Encoding::new(opened.0.0, found.name().to_owned(), port);
        encoding.port().ready(Spec {
            parameters: encoding.parameters(),
            time_base: base,
            side_data: Vec::new(),
            frame_rate: None,
            size: None,
            language: self.track.language.clone(),
            title: self.track.title.clone(),
            disposition: self.track.disposition,
        })?;
        Ok(Line { target, convert: None, align, encoding })
    }
}

impl AudioFormat {
    fn base(&self) -> Rational {
        Rational(1, i32::try_from(self.rate).unwrap_or(i32::MAX))
    }

    fn filter(&self) -> String {
        format!("aformat=sample_fmts={}:sample_rates={}:channel_layouts={}", self.samples, self.rate, self.layout)
    }
}

impl Line {
    fn take(&mut self, frame: &Frame, base: Rational) -> Result<(), Stop> {
        let format = AudioFormat::of(frame);
        if self.convert.as_ref().is_none_or(|(current, _)| *current != format) {
            self.flush_conversion()?;
            let graph = (format != self.target).then(|| self.conversion(&format, base)).transpose()?;
            self.convert = Some((format, graph));
        }
        match &mut self.convert {
            Some((_, Some(graph))) => graph.push(FRAMES, frame)?,
            _ => self.align(Frame::from(raw::share(frame).map_err(shared)?), base)?,
        }
        self.drain_conversion()
    }

    fn conversion(&self, from: &AudioFormat, base: Rational) -> Result<Graph, MediaError> {
        // Mixed down at full level, loud passages would clip.
        let text = format!("[in]aresample=rematrix_maxval=1.0,{}[out]", self.target.filter());
        Graph::new(&[Input::audio(FRAMES, from, base)], &text)
    }

    fn flush_conversion(&mut self) -> Result<(), Stop> {
        if let Some((_, Some(graph))) = &mut self.convert {
            graph.finish(FRAMES)?;
        }
        self.drain_conversion()
    }

    fn drain_conversion(&mut self) -> Result<(), Stop> {
        let mut converted = Vec::new();
        if let Some((_, Some(graph))) = &mut self.convert {
            let base = graph.time_base()?;
            while let Some(frame) = graph.pull()? {
                converted.push((Frame::from(frame), base));
            }
        }
        converted.into_iter().try_for_each(|(frame, base)| self.align(frame, base))
    }

    fn align(&mut self, mut frame: Frame, base: Rational) -> Result<(), Stop> {
        let time = frame.pts().map(|time| time.rescale(base, self.target.base()));
        frame.set_pts(time);
        self.align.push(FRAMES, &frame)?;
        self.encode()
    }

    fn encode(&mut self) -> Result<(), Stop> {
        while let Some(frame) = self.align.pull()? {
            self.encoding.encode(&frame, 0)?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<(), Stop> {
        self.flush_conversion()?;
        self.align.finish(FRAMES)?;
        self.encode()?;
        self.encoding.finish()
    }
}

fn shared(source: ffmpeg_next::Error) -> MediaError {
    MediaError::Libav { doing: "share a frame", source }
}

/// The encoder's sample format that is nearest to the source's: the same numbers, or floating point, or its first.
fn sample_format(encoder: Codec, source: ffmpeg_next::format::Sample) -> &'static str {
    let formats: Vec<_> =
        encoder.audio().ok().and_then(|a| Some(a.formats()?.map(|f| f.name()).collect())).unwrap_or_default();
    let numbers = |name: &str| name.trim_end_matches('p').to_owned();
    let find = |wanted: &str| formats.iter().copied().find(|&name: &&'static str| numbers(name) == wanted);
    find(&numbers(source.name())).or_else(|| find("flt")).or(formats.first().copied()).unwrap_or("fltp")
}
