//! Sound in one format and on one clock, whatever the source does.
//!
//! Two graphs in a row: the first brings what the source has into the target's format and may be built anew when the
//! source changes; the second stays and keeps samples where their times say: gaps are filled, a late start is padded,
//! overlaps are cut.

use ffmpeg_next::frame::Audio as Frame;
use ffmpeg_next::{Rational, Rescale};

use super::Out;
use crate::error::MediaError;
use crate::pipeline::flow::Stop;
use crate::pipeline::graph::{AudioFormat, Graph, Input};
use crate::raw;

/// Label of the graphs' sources.
const FRAMES: &str = "in";

/// How far samples may be from their times before they are moved, in seconds.
const MAX_DRIFT_S: f64 = 0.03;

/// Brings frames into the target's format, from time zero on.
pub struct Conform {
    target: AudioFormat,
    /// Brings frames of this format into the target's; none where they are in it.
    convert: Option<(AudioFormat, Option<Graph>)>,
    align: Graph,
}

impl Conform {
    /// To `target`, up to `end` in samples where there is one.
    pub fn new(target: AudioFormat, end: Option<i64>) -> Result<Self, MediaError> {
        let end = end.map_or_else(String::new, |end| format!(":end_pts={end}"));
        let text = format!(
            "[in]atrim=start_pts=0{end},aresample=async=1:min_hard_comp={MAX_DRIFT_S}:first_pts=0,{}[out]",
            target.filter()
        );
        let align = Graph::new(&[Input::audio(FRAMES, &target, target.base())], &text)?;
        Ok(Self { target, convert: None, align })
    }

    /// Has frames of this many samples come out, but the last.
    pub fn set_frame_size(&mut self, samples: u32) -> Result<(), MediaError> {
        self.align.set_frame_size(samples)
    }

    /// Takes a frame with its time in `base`.
    pub fn take(&mut self, frame: &Frame, base: Rational, out: &mut Out<'_>) -> Result<(), Stop> {
        let format = AudioFormat::of(frame);
        if self.convert.as_ref().is_none_or(|(current, _)| *current != format) {
            self.flush(out)?;
            let graph = (format != self.target).then(|| self.conversion(&format, base)).transpose()?;
            self.convert = Some((format, graph));
        }
        if let Some((_, Some(graph))) = &mut self.convert {
            graph.push(FRAMES, frame)?;
        } else {
            let shared = raw::share(frame).map_err(|source| MediaError::Libav { doing: "share a frame", source })?;
            self.align(Frame::from(shared), base, out)?;
        }
        self.drain(out)
    }

    /// No more frames come.
    pub fn finish(&mut self, out: &mut Out<'_>) -> Result<(), Stop> {
        self.flush(out)?;
        self.align.finish(FRAMES)?;
        self.pull(out)
    }

    fn conversion(&self, from: &AudioFormat, base: Rational) -> Result<Graph, MediaError> {
        // The matrix of ITU-R BS.775, lowered so that loud passages do not clip.
        let text = format!("[in]aresample=rematrix_maxval=1.0,{}[out]", self.target.filter());
        Graph::new(&[Input::audio(FRAMES, from, base)], &text)
    }

    fn flush(&mut self, out: &mut Out<'_>) -> Result<(), Stop> {
        if let Some((_, Some(graph))) = &mut self.convert {
            graph.finish(FRAMES)?;
        }
        self.drain(out)
    }

    fn drain(&mut self, out: &mut Out<'_>) -> Result<(), Stop> {
        let mut converted = Vec::new();
        if let Some((_, Some(graph))) = &mut self.convert {
            let base = graph.time_base()?;
            while let Some(frame) = graph.pull()? {
                converted.push((Frame::from(frame), base));
            }
        }
        converted.into_iter().try_for_each(|(frame, base)| self.align(frame, base, out))
    }

    fn align(&mut self, mut frame: Frame, base: Rational, out: &mut Out<'_>) -> Result<(), Stop> {
        let time = frame.pts().map(|time| time.rescale(base, self.target.base()));
        frame.set_pts(time);
        self.align.push(FRAMES, &frame)?;
        self.pull(out)
    }

    fn pull(&mut self, out: &mut Out<'_>) -> Result<(), Stop> {
        while let Some(frame) = self.align.pull()? {
            out(Frame::from(frame))?;
        }
        Ok(())
    }
}
