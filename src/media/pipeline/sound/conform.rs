//! Sound in one format and on one clock, whatever the source does.
//!
//! What is mixed down is lowered so that it does not clip. Where the source changes under way, everything is lowered as what
//! came first was, and what would clip then is limited: a change of channels is no change of level.
//!
//! Two graphs in a row: the first brings what the source has into the target's format and may be built anew when the
//! source changes; the second stays and keeps samples where their times say: gaps are filled, a late start is padded,
//! overlaps are cut.

use ffmpeg_next::frame::Audio as Frame;
use ffmpeg_next::{Rational, Rescale};

use super::Out;
use super::matrix::mixed_peak;
use crate::error::MediaError;
use crate::pipeline::flow::Stop;
use crate::pipeline::graph::{AudioFormat, Graph, Input};
use crate::raw;

/// Label of the graphs' sources.
const FRAMES: &str = "in";

/// How far samples may be from their times before they are moved, in seconds.
const MAX_DRIFT_S: f64 = 0.03;

/// Gains that are nearer to each other than this are one.
const SAME_GAIN: f64 = 0.001;

/// Keeps samples below full scale.
const LIMITER: &str = ",alimiter=limit=1:attack=5:release=50:level=false:latency=true";

/// Brings frames into the target's format, from time zero on.
pub struct Conform {
    target: AudioFormat,
    /// Brings frames of this format into the target's; none where they are in it.
    convert: Option<(AudioFormat, Option<Graph>)>,
    /// What mixed channels are multiplied by, once it is settled.
    gain: Option<f64>,
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
        Ok(Self { target, convert: None, gain: None, align })
    }

    /// Leaves the level of what is mixed as it is: only what would clip is limited.
    #[must_use]
    pub fn at_full_level(mut self) -> Self {
        self.gain = Some(1.0);
        self
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
            let graph = self.conversion(&format, base)?;
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

    /// What brings frames of a format into the target's; `None` where nothing does.
    fn conversion(&mut self, from: &AudioFormat, base: Rational) -> Result<Option<Graph>, MediaError> {
        let peak = mixed_peak(&from.layout, &self.target.layout).max(1.0);
        let lowered = 1.0 / peak;
        let gain = *self.gain.get_or_insert(lowered);
        let target = self.target.filter();
        let text = if (gain - lowered).abs() < SAME_GAIN {
            if *from == self.target {
                return Ok(None);
            }
            // The matrix of ITU-R BS.775, lowered so that loud passages do not clip.
            format!("[in]aresample=rematrix_maxval=1.0,{target}[out]")
        } else {
            let mixed = AudioFormat { samples: "fltp", ..self.target.clone() }.filter();
            let limiter = if gain * peak > 1.0 { LIMITER } else { "" };
            format!(
                "[in]aformat=sample_fmts=fltp,aresample=rematrix_maxval=1000,{mixed},volume={gain:.6}{limiter},{target}[out]"
            )
        };
        Graph::new(&[Input::audio(FRAMES, from, base)], &text).map(Some)
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
