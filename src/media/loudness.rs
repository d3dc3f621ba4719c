//! Loudness to EBU R 128 of one audio stream.
//!
//! libav's `ebur128` filter weighs the sound and says how loud each block of it is; gates and ranges are reckoned here,
//! because the filter's own stop at +10 LUFS. **Invariant**: neither very loud nor very soft sound is measured less
//! exactly: the filter gets it lifted, as floating point, and says true peaks in thousandths.

use std::collections::BTreeMap;

use ffmpeg_next::{Frame, Rational, Rescale};
use reelmill::model::media::Loudness;

use crate::error::MediaError;
use crate::libav;
use crate::pipeline::graph::{AudioFormat, Graph, Input};
use crate::probe::seconds;

/// The gate of R 128: what is softer is silence, in LUFS.
pub const GATE_LUFS: f64 = -70.0;

/// Shortest programme a loudness range means something for, in seconds.
const MIN_RANGE_S: f64 = 10.0;

/// By how much sound is lifted while it is measured, in decibels.
const LIFT_DB: f64 = 40.0;

/// How far below the mean of what is not silence sound counts for the loudness, in LU.
const LOUDNESS_GATE_LU: f64 = 10.0;

/// The same for the range.
const RANGE_GATE_LU: f64 = 20.0;

/// Shares of the loudness distribution between which the range lies.
const RANGE: [f64; 2] = [0.10, 0.95];

/// Steps of a count in a LU.
const STEPS: f64 = 100.0;

/// The meter. A little silence at the end has what is left of the sound measured, too.
pub const METER: &str = "apad=pad_dur=0.1,volume=40dB:precision=double,ebur128=peak=true:metadata=1";

/// Label of the graph's source.
const SOUND: &str = "in";

/// The meter over decoded sound, built for the first frame that comes.
#[derive(Default)]
pub struct Meter {
    graph: Option<Graph>,
    /// What was measured so far.
    pub tally: Tally,
}

impl Meter {
    /// Measures a frame of `format`, whose time is in samples, and hands on the blocks that it completes. All frames are
    /// of one format.
    pub fn add(&mut self, frame: &Frame, format: &AudioFormat, each: &mut dyn FnMut(Block)) -> Result<(), MediaError> {
        let graph = if let Some(graph) = &mut self.graph {
            graph
        } else {
            let input = Input::audio(SOUND, format, format.base());
            self.graph.insert(Graph::new(&[input], &format!("[in]{METER}[out]"))?)
        };
        graph.push(SOUND, frame)?;
        self.pull(each)
    }

    /// No more sound comes.
    pub fn finish(&mut self, each: &mut dyn FnMut(Block)) -> Result<(), MediaError> {
        if let Some(graph) = &mut self.graph {
            graph.finish(SOUND)?;
        }
        self.pull(each)
    }

    fn pull(&mut self, each: &mut dyn FnMut(Block)) -> Result<(), MediaError> {
        let Some(graph) = &mut self.graph else { return Ok(()) };
        let base = graph.time_base()?;
        while let Some(frame) = graph.pull()? {
            if let Some(block) = self.tally.add(&frame, base) {
                each(block);
            }
        }
        Ok(())
    }
}

/// A tenth of a second of sound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Block {
    /// Its start in seconds.
    pub start_s: f64,
    /// Loudness of the 400 ms that end with it, in LUFS.
    momentary: f64,
    /// Loudness of the three seconds that end with it, in LUFS; far below the gate before there are as many.
    pub short_term: f64,
}

/// How often each loudness came, in hundredths of a LU.
type Counts = BTreeMap<i64, u64>;

/// What the meter said of sound so far.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    momentary: Counts,
    short_term: Counts,
    /// Highest true peak, where full scale is 1.
    peak: f64,
    /// The newest block, which reaches into what the meter appends where it is the last.
    newest: Option<Block>,
}

impl Tally {
    /// Takes a frame as it comes out of the meter; answers with the block before it.
    pub fn add(&mut self, frame: &Frame, base: Rational) -> Option<Block> {
        let tags = libav::frame_tags(frame);
        let number = |key: &str| tags.get(key)?.parse::<f64>().ok();
        let lufs = |key: &str| number(key).filter(|lufs| lufs.is_finite()).map(|lufs| lufs - LIFT_DB);
        if let Some(peak) = number("lavfi.r128.true_peak").filter(|peak| peak.is_finite()) {
            self.peak = self.peak.max(peak / 10_f64.powf(LIFT_DB / 20.0));
        }
        let start_us = frame.pts().unwrap_or(0).rescale(base, ffmpeg_next::rescale::TIME_BASE);
        let newest = Block {
            start_s: seconds(start_us, ffmpeg_next::rescale::TIME_BASE),
            momentary: lufs("lavfi.r128.M")?,
            short_term: lufs("lavfi.r128.S")?,
        };
        let block = self.newest.replace(newest)?;
        count(&mut self.momentary, block.momentary);
        count(&mut self.short_term, block.short_term);
        Some(block)
    }

    /// Loudness of the whole, of a programme that lasts `duration_s`.
    #[must_use]
    pub fn loudness(&self, duration_s: Option<f64>) -> Loudness {
        let long = duration_s.is_some_and(|s| s >= MIN_RANGE_S);
        let integrated_lufs =
            mean(&self.momentary).and_then(|lufs| mean(&above(&self.momentary, lufs - LOUDNESS_GATE_LU)));
        let range_lu = mean(&self.short_term).and_then(|lufs| range(&above(&self.short_term, lufs - RANGE_GATE_LU)));
        Loudness {
            integrated_lufs,
            range_lu: range_lu.filter(|_| long && integrated_lufs.is_some()),
            true_peak_dbtp: (self.peak > 0.0).then(|| 20.0 * self.peak.log10()),
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a loudness")]
fn count(counts: &mut Counts, lufs: f64) {
    if lufs > GATE_LUFS {
        *counts.entry((lufs * STEPS).round() as i64).or_default() += 1;
    }
}

/// What is louder than that.
fn above(counts: &Counts, lufs: f64) -> Counts {
    counts.iter().filter(|&(&step, _)| loudness(step) > lufs).map(|(&step, &blocks)| (step, blocks)).collect()
}

/// The mean of the power, as a loudness.
#[expect(clippy::cast_precision_loss, reason = "counts of tenths of a second")]
fn mean(counts: &Counts) -> Option<f64> {
    let (power, blocks) = counts.iter().fold((0.0, 0), |(power, all), (&step, &blocks)| {
        (power + blocks as f64 * 10_f64.powf(loudness(step) / 10.0), all + blocks)
    });
    (blocks > 0).then(|| 10.0 * (power / blocks as f64).log10())
}

/// Between which the middle of the blocks lies, in LU.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of tenths of a second"
)]
fn range(counts: &Counts) -> Option<f64> {
    let all: u64 = counts.values().sum();
    let at = |share: f64| {
        let place = ((all.saturating_sub(1)) as f64 * share).round() as u64;
        let mut passed = 0;
        let found = counts.iter().find(|&(_, &blocks)| {
            passed += blocks;
            passed > place
        });
        found.map(|(&step, _)| loudness(step))
    };
    let [low, high] = RANGE.map(at);
    Some(high? - low?)
}

#[expect(clippy::cast_precision_loss, reason = "a loudness")]
fn loudness(step: i64) -> f64 {
    step as f64 / STEPS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(blocks: &[(f64, u64)]) -> Counts {
        let mut counts = Counts::new();
        for &(lufs, times) in blocks {
            (0..times).for_each(|_| count(&mut counts, lufs));
        }
        counts
    }

    #[test]
    fn gates_leave_out_silence_and_what_is_far_below_the_rest() {
        // As EBU Tech 3341 has them: 10 s at -36, 60 s at -23, 10 s at -36 are -23.0 LUFS; so is it with silence around.
        let momentary = counts(&[(-72.0, 100), (-36.0, 200), (-23.0, 600), (-120.0, 100)]);
        let tally = Tally { momentary, ..Tally::default() };
        let lufs = tally.loudness(None).integrated_lufs.unwrap();
        assert!((lufs + 23.0).abs() < 0.01, "{lufs}");
        // Nothing is too loud to be counted.
        let tally = Tally { momentary: counts(&[(33.5, 50)]), ..Tally::default() };
        assert_eq!(tally.loudness(None).integrated_lufs.map(f64::round), Some(34.0));
        assert_eq!(Tally::default().loudness(None), Loudness::default());
    }

    #[test]
    fn the_range_lies_between_the_tenth_and_the_ninety_fifth_percentile() {
        // EBU Tech 3342: 20 s at -20 and 20 s at -30 are 10 LU.
        let short_term = counts(&[(-20.0, 200), (-30.0, 200)]);
        let tally = Tally { momentary: short_term.clone(), short_term, ..Tally::default() };
        assert_eq!(tally.loudness(Some(40.0)).range_lu, Some(10.0));
        assert_eq!(tally.loudness(Some(5.0)).range_lu, None);
    }
}
