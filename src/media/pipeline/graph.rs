//! A filter graph: named sources, one sink.
//!
//! **Invariant**: graph text is built from numbers and names of our own; nothing a user or a file says gets in. What
//! users say goes in as the value of an option of a [`Step`], where nothing parses it.

use ffmpeg_next::filter::{self, Graph as Raw};
use ffmpeg_next::{Error, Frame, Rational};

use crate::error::MediaError;
use crate::{capabilities, libav, raw};

/// Name of the sink.
const SINK: &str = "out";

/// First major version of libavfilter whose video sources want colour matrix and range.
const COLOR_AWARE_FILTERS: u32 = 10;

/// A configured graph.
pub struct Graph {
    raw: Raw,
    text: String,
}

/// A source of a graph: its label and the arguments of its buffer.
pub struct Input {
    label: String,
    filter: &'static str,
    arguments: String,
}

impl Input {
    /// Video frames like `frame`, with times in `time_base`.
    #[must_use]
    pub fn video(label: &str, frame: &ffmpeg_next::frame::Video, time_base: Rational) -> Self {
        let format = frame.format().descriptor().map_or("yuv420p", |d| d.name());
        let color = if filter::version() >> 16 >= COLOR_AWARE_FILTERS {
            let matrix = frame.color_space().name().unwrap_or("unknown");
            let range = frame.color_range().name().unwrap_or("unknown");
            format!(":colorspace={matrix}:range={range}")
        } else {
            String::new()
        };
        let arguments = format!(
            "video_size={}x{}:pix_fmt={format}:time_base={}/{}:pixel_aspect=1/1{color}",
            frame.width(),
            frame.height(),
            time_base.numerator(),
            time_base.denominator(),
        );
        Self { label: label.to_owned(), filter: "buffer", arguments }
    }

    /// Audio frames in a format, with times in `time_base`.
    #[must_use]
    pub fn audio(label: &str, format: &AudioFormat, time_base: Rational) -> Self {
        let arguments = format!(
            "time_base={}/{}:sample_rate={}:sample_fmt={}:channel_layout={}",
            time_base.numerator(),
            time_base.denominator(),
            format.rate,
            format.samples,
            format.layout,
        );
        Self { label: label.to_owned(), filter: "abuffer", arguments }
    }
}

/// A filter with its options, none of which is parsed.
pub struct Step {
    filter: &'static str,
    options: Vec<(&'static str, String)>,
}

impl Step {
    /// Of a filter and its options, by libav's names.
    #[must_use]
    pub const fn new(filter: &'static str, options: Vec<(&'static str, String)>) -> Self {
        Self { filter, options }
    }
}

/// What audio frames are made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioFormat {
    /// Samples per second.
    pub rate: u32,
    /// libav's name of the sample format: `fltp`.
    pub samples: &'static str,
    /// Channel layout: `stereo`.
    pub layout: String,
}

impl AudioFormat {
    /// Of a frame.
    #[must_use]
    pub fn of(frame: &ffmpeg_next::frame::Audio) -> Self {
        Self { rate: frame.rate(), samples: frame.format().name(), layout: raw::layout_name(frame) }
    }

    /// The clock of its samples.
    #[must_use]
    pub fn base(&self) -> Rational {
        Rational(1, i32::try_from(self.rate).unwrap_or(i32::MAX))
    }

    /// The filter that makes frames so.
    #[must_use]
    pub fn filter(&self) -> String {
        format!("aformat=sample_fmts={}:sample_rates={}:channel_layouts={}", self.samples, self.rate, self.layout)
    }
}

impl Graph {
    /// Builds `text`, which uses the labels of `inputs` and ends in `[out]`.
    pub fn new(inputs: &[Input], text: &str) -> Result<Self, MediaError> {
        let failed = |source| MediaError::Filter { graph: text.to_owned(), source };
        let audio = inputs.iter().any(|input| input.filter == "abuffer");
        let sink = filter_named(if audio { "abuffersink" } else { "buffersink" })?;
        let mut raw = Raw::new();
        for input in inputs {
            let source = filter_named(input.filter)?;
            raw.add(&source, &input.label, &input.arguments).map_err(failed)?;
        }
        raw.add(&sink, SINK, "").map_err(failed)?;
        let mut parser = filter::graph::Parser::new(&mut raw).input(SINK, 0).map_err(failed)?;
        for input in inputs {
            parser = parser.output(&input.label, 0).map_err(failed)?;
        }
        parser.parse(text).map_err(failed)?;
        raw.validate().map_err(failed)?;
        debug_assert_eq!(unlisted(&mut raw), [""; 0]);
        Ok(Self { raw, text: text.to_owned() })
    }

    /// Builds a line of filters, the first of which is a source. Options may hold anything: no text is parsed.
    pub fn line(steps: &[Step]) -> Result<Self, MediaError> {
        let text = steps.iter().map(|step| step.filter).collect::<Vec<_>>().join(",");
        let failed = |source| MediaError::Filter { graph: text.clone(), source };
        let mut raw = Raw::new();
        let mut last: Option<filter::Context> = None;
        for (n, Step { filter, options }) in steps.iter().enumerate() {
            let found = filter_named(filter)?;
            let mut step = raw::add_filter(&mut raw, &found, &format!("step{n}"), options).map_err(failed)?;
            if let Some(last) = &mut last {
                raw::link(last, &mut step).map_err(failed)?;
            }
            last = Some(step);
        }
        let mut sink = raw.add(&filter_named("buffersink")?, SINK, "").map_err(failed)?;
        if let Some(last) = &mut last {
            raw::link(last, &mut sink).map_err(failed)?;
        }
        raw.validate().map_err(failed)?;
        debug_assert_eq!(unlisted(&mut raw), [""; 0]);
        Ok(Self { raw, text })
    }

    /// Feeds a frame to the source `label`; the frame's data moves into the graph.
    pub fn push(&mut self, label: &str, frame: &Frame) -> Result<(), MediaError> {
        self.named(label)?.source().add(frame).map_err(|e| self.failed(e))
    }

    /// Tells the source `label` that no more frames come.
    pub fn finish(&mut self, label: &str) -> Result<(), MediaError> {
        self.named(label)?.source().flush().map_err(|e| self.failed(e))
    }

    /// The same, where the last frame is shown until `end`, on the clock of what went in: filters that make frames of a
    /// constant rate make the last ones of that.
    pub fn finish_at(&mut self, label: &str, end: i64) -> Result<(), MediaError> {
        self.named(label)?.source().close(end).map_err(|e| self.failed(e))
    }

    /// The next frame that comes out; `None` when the graph wants more, or at its end.
    pub fn pull(&mut self) -> Result<Option<Frame>, MediaError> {
        let mut frame = raw::blank();
        match self.named(SINK)?.sink().frame(&mut frame) {
            Ok(()) => Ok(Some(frame)),
            Err(Error::Eof | Error::Other { errno: ffmpeg_next::error::EAGAIN }) => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Has audio come out in frames of this many samples, but the last.
    pub fn set_frame_size(&mut self, samples: u32) -> Result<(), MediaError> {
        self.named(SINK)?.sink().set_frame_size(samples);
        Ok(())
    }

    /// Time base of what comes out.
    pub fn time_base(&mut self) -> Result<Rational, MediaError> {
        Ok(self.named(SINK)?.sink().time_base())
    }

    /// Frame rate of what comes out, where it is constant.
    pub fn frame_rate(&mut self) -> Result<Option<Rational>, MediaError> {
        Ok(raw::sink_rate(&self.named(SINK)?))
    }

    fn named(&mut self, name: &str) -> Result<filter::Context, MediaError> {
        self.raw.get(name).ok_or_else(|| self.failed(Error::FilterNotFound))
    }

    fn failed(&self, source: Error) -> MediaError {
        MediaError::Filter { graph: self.text.clone(), source }
    }
}

/// Filters of a graph that nobody would miss before it is built.
fn unlisted(graph: &mut Raw) -> Vec<String> {
    let names = libav::filters_of(graph);
    names.into_iter().filter(|name| !capabilities::is_listed(name)).collect()
}

/// The filter, or an error that names it.
fn filter_named(name: &str) -> Result<filter::Filter, MediaError> {
    filter::find(name).ok_or_else(|| MediaError::Missing { kind: "filter", name: name.to_owned() })
}

/// Whether this build has all of these filters.
#[must_use]
pub fn has_filters(names: &[&str]) -> bool {
    names.iter().all(|name| filter::find(name).is_some())
}
