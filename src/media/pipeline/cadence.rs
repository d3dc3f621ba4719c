//! Times of frames on their way into an encoder, and where keyframes stand.
//!
//! Pure arithmetic. **Invariant**: times rise. Containers that round times to milliseconds make a constant rate look
//! uneven: frames that are off by no more than that are put back in step, all others keep their own time.

use ffmpeg_next::{Rational, Rescale};
use reelmill::model::work::Gop;

/// Clocks of fewer ticks a second round so much that frames are put back in step.
const COARSE_TICKS: i32 = 10_000;

/// Shortest distance of keyframes, in seconds.
const MIN_GOP_S: f64 = 0.01;

/// Half a millisecond early is on time: times are rounded.
const ROUNDING_S: f64 = 0.000_5;

/// Times of the frames of one output.
#[derive(Clone, Debug)]
pub struct Cadence {
    /// Unit of the times that come out.
    pub time_base: Rational,
    /// Duration of a frame at the frame rate, in that unit.
    pub frame_duration: i64,
    /// Unit of the times that go in.
    base: Rational,
    rate: Rational,
    /// Whether the rate is constant, whatever rounding makes of it.
    steady: bool,
    /// Whether it was made so: frames come exactly at the rate.
    fixed: bool,
    first: Option<i64>,
    last: Option<i64>,
    frames: u64,
    next_keyframe_s: f64,
}

impl Cadence {
    /// Of frames that come exactly at `rate`, with times in `base`.
    #[must_use]
    pub fn fixed(rate: Rational, base: Rational) -> Self {
        Self { fixed: true, ..Self::with(rate.invert(), 1, base, rate, false) }
    }

    /// Of frames that keep their own times; `constant` where their rate is known not to vary.
    #[must_use]
    pub fn own(rate: Rational, base: Rational, constant: bool) -> Self {
        let coarse = base.denominator() / base.numerator().max(1) < COARSE_TICKS;
        if !(constant && coarse) {
            let frame_duration = 1.rescale(rate.invert(), base).max(1);
            return Self::with(base, frame_duration, base, rate, false);
        }
        let mut ticks = rate.numerator().max(1);
        let mut duration = i64::from(rate.denominator());
        while ticks < COARSE_TICKS {
            ticks *= 2;
            duration *= 2;
        }
        Self::with(Rational(1, ticks), duration, base, rate, true)
    }

    const fn with(time_base: Rational, frame_duration: i64, base: Rational, rate: Rational, steady: bool) -> Self {
        Self {
            time_base,
            frame_duration,
            base,
            rate,
            steady,
            fixed: false,
            first: None,
            last: None,
            frames: 0,
            next_keyframe_s: 0.0,
        }
    }

    /// Whether every frame lasts as long as the rate says.
    #[must_use]
    pub fn is_constant(&self) -> bool {
        self.steady || self.fixed
    }

    /// Time of the next frame, whose own is `time` in `base`; `None` where it is no later than the last, and left out.
    pub fn place(&mut self, time: i64, base: Rational) -> Option<i64> {
        let time = time.rescale(base, self.base);
        let first = *self.first.get_or_insert(time);
        let own = time.rescale(self.base, self.time_base);
        let count = time.saturating_sub(first).rescale(self.base, self.rate.invert());
        let in_step = count.rescale(self.rate.invert(), self.base).saturating_add(first);
        let placed = if self.steady && in_step.abs_diff(time) <= 1 {
            first.rescale(self.base, self.time_base).saturating_add(count.saturating_mul(self.frame_duration))
        } else {
            own
        };
        if self.last.is_some_and(|last| placed <= last) {
            return None;
        }
        self.last = Some(placed);
        self.frames += 1;
        Some(placed)
    }

    /// Whether the frame just placed is to be a keyframe.
    pub fn is_keyframe(&mut self, gop: Option<Gop>) -> bool {
        match gop {
            None => false,
            Some(Gop::Frames(distance)) => (self.frames - 1).is_multiple_of(u64::from(distance.max(1))),
            Some(Gop::Seconds(distance)) => {
                let seconds = self.seconds() + ROUNDING_S;
                if seconds < self.next_keyframe_s {
                    return false;
                }
                let distance = distance.max(MIN_GOP_S);
                self.next_keyframe_s = (seconds / distance).floor().mul_add(distance, distance);
                true
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "media times are far below 2^52 ticks")]
    fn seconds(&self) -> f64 {
        self.last.unwrap_or(0) as f64 * f64::from(self.time_base)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Rational = Rational(1, 1000);
    const FILM: Rational = Rational(24_000, 1001);

    #[test]
    fn a_rate_as_fine_as_the_clock_is_no_constant_one() {
        // What phones write for video of a variable rate: 90,000 frames a second.
        let cadence = Cadence::own(Rational(90_000, 1), Rational(1, 90_000), false);
        assert!(!cadence.is_constant());
        assert!(Cadence::fixed(Rational(25, 1), Rational(1, 90_000)).is_constant());
    }

    #[test]
    fn rounded_times_are_put_back_in_step() {
        let mut cadence = Cadence::own(FILM, MS, true);
        assert_eq!((cadence.time_base, cadence.frame_duration), (Rational(1, 24_000), 1001));
        let times: Vec<_> = [20, 62, 103, 145, 187].into_iter().map(|time| cadence.place(time, MS).unwrap()).collect();
        assert_eq!(times, [480, 1481, 2482, 3483, 4484]);
    }

    #[test]
    fn frames_out_of_step_keep_their_own_times() {
        let mut cadence = Cadence::own(Rational(25, 1), MS, true);
        assert_eq!(cadence.time_base, Rational(1, 12_800));
        assert_eq!(cadence.place(0, MS), Some(0));
        assert_eq!(cadence.place(55, MS), Some(704));
        assert_eq!(cadence.place(80, MS), Some(1024));
        assert_eq!(cadence.place(80, MS), None, "times rise");
    }

    #[test]
    fn fine_clocks_and_varying_rates_are_left_alone() {
        let fine = Rational(1, 90_000);
        assert_eq!(Cadence::own(FILM, fine, true).time_base, fine);
        assert_eq!(Cadence::own(FILM, MS, false).time_base, MS);
        assert_eq!(Cadence::fixed(FILM, fine).time_base, FILM.invert());
    }

    #[test]
    fn keyframes_stand_where_output_time_says() {
        let mut cadence = Cadence::fixed(Rational(10, 1), Rational(1, 10));
        let keyframes = |cadence: &mut Cadence, gop| {
            let frames = (0..25)
                .filter(|&time| cadence.place(time, Rational(1, 10)).is_some() && cadence.is_keyframe(Some(gop)));
            frames.collect::<Vec<_>>()
        };
        assert_eq!(keyframes(&mut cadence, Gop::Seconds(0.75)), [0, 8, 15, 23]);
        let mut cadence = Cadence::fixed(Rational(10, 1), Rational(1, 10));
        assert_eq!(keyframes(&mut cadence, Gop::Frames(10)), [0, 10, 20]);
    }
}
