//! The part of a source that an output takes, on the clock of one stream.
//!
//! Pure arithmetic. Output time is zero at the start of the source, or of the clip; every stream of an output is moved
//! by the same amount, so that they stay in step.

use ffmpeg_next::{Rational, Rescale, rescale};
use reelmill::model::work::Clip;

use crate::error::MediaError;
use crate::probe::seconds;

/// Times this near to an edge are on it, in microseconds: containers round to milliseconds.
const ROUNDING_US: i64 = 1_000;

/// A part of a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Its start on the container's clock, in microseconds.
    start_us: i64,
    /// Its length in microseconds.
    length_us: Option<i64>,
    /// Start of the part of the source, in microseconds from the source's start, where it is less than the whole.
    clip_start: Option<i64>,
}

/// Where a moment lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// Before the window.
    Before,
    /// In it, at this output time.
    At(i64),
    /// After it.
    After,
}

impl Window {
    /// The part `clip` of a source that starts at `start_us`.
    #[must_use]
    pub fn new(start_us: i64, clip: Option<Clip>) -> Self {
        let clip_start = clip.map_or(0, |clip| microseconds(clip.start_s));
        Self {
            start_us: start_us.saturating_add(clip_start),
            length_us: clip.and_then(|clip| clip.duration_s).map(microseconds),
            clip_start: clip.map(|_| clip_start),
        }
    }

    /// From time zero on, of that length in microseconds.
    #[must_use]
    pub const fn of_length(length_us: Option<i64>) -> Self {
        Self { start_us: 0, length_us, clip_start: None }
    }

    /// The same part on a clock that starts at zero with a source that starts at `start_us`.
    #[must_use]
    pub const fn on_own_clock(&self, start_us: i64) -> Self {
        Self { start_us: self.start_us.saturating_sub(start_us), ..*self }
    }

    /// Whether it is less than the whole source.
    #[must_use]
    pub const fn is_clip(&self) -> bool {
        self.clip_start.is_some()
    }

    /// Its start on the container's clock, in microseconds.
    #[must_use]
    pub const fn start_us(&self) -> i64 {
        self.start_us
    }

    /// Its length in microseconds, where it has an end of its own.
    #[must_use]
    pub const fn length_us(&self) -> Option<i64> {
        self.length_us
    }

    /// Why nothing of a stream of that kind lies in it.
    #[must_use]
    pub fn nothing(&self, kind: &'static str) -> MediaError {
        if let Some(start_us) = self.clip_start {
            let start_s = seconds(start_us, rescale::TIME_BASE);
            return MediaError::BeyondEnd { what: "the clip", start_s, end_s: None };
        }
        MediaError::Damaged { kind, detail: "none of it could be decoded".to_owned() }
    }

    /// Output time of a time of the source; below zero before the window.
    #[must_use]
    pub fn moved(&self, time: i64, base: Rational) -> i64 {
        time.saturating_sub(self.start_us.rescale(rescale::TIME_BASE, base))
    }

    /// Output time of the window's end.
    #[must_use]
    pub fn end(&self, base: Rational) -> Option<i64> {
        Some(self.length_us?.rescale(rescale::TIME_BASE, base))
    }

    /// Where a time of the source lies.
    #[must_use]
    pub fn place(&self, time: i64, base: Rational) -> Placed {
        let moved = self.moved(time, base);
        let rounding = ROUNDING_US.rescale(rescale::TIME_BASE, base);
        if moved < -rounding {
            return Placed::Before;
        }
        if self.end(base).is_some_and(|end| moved >= end - rounding) {
            return Placed::After;
        }
        Placed::At(moved.max(0))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "saturates, and media are shorter than 292,000 years")]
fn microseconds(seconds: f64) -> i64 {
    (seconds * 1e6).round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Rational = Rational(1, 1000);

    #[test]
    fn a_clip_starts_and_ends_on_the_frame() {
        let clip = Clip { start_s: 2.0, duration_s: Some(1.0) };
        let window = Window::new(500_000, Some(clip));
        assert_eq!(window.place(2_460, MS), Placed::Before);
        assert_eq!(window.place(2_499, MS), Placed::At(0));
        assert_eq!(window.place(2_500, MS), Placed::At(0));
        assert_eq!(window.place(3_459, MS), Placed::At(959));
        assert_eq!(window.place(3_500, MS), Placed::After);
    }

    #[test]
    fn the_whole_source_only_moves_to_zero() {
        let window = Window::new(1_400_000, None);
        assert_eq!(window.place(1_400, MS), Placed::At(0));
        assert_eq!(window.place(9_000_000, MS), Placed::At(8_998_600));
    }
}
