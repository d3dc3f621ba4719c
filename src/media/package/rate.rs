//! The highest frame rate of a video, from the times its frames are shown at.
//!
//! **Invariant**: pure arithmetic.

use ffmpeg_next::Rational;

/// Share of the distances between frames that may be shorter than the one that counts: slips of a clock.
const SLIPS: usize = 200;

/// By how much a measured rate may differ from the average one and still be it: times are rounded.
const ROUNDING: f64 = 0.01;

/// Highest frame rate in frames per second of frames that are shown at `times`, in ticks of `base` and in any order; their
/// `average` rate where they come evenly, or where there are too few to tell.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "media times are far below 2^52 ticks")]
pub fn highest(mut times: Vec<i64>, base: Rational, average: f64) -> f64 {
    times.sort_unstable();
    let mut distances: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).filter(|ticks| *ticks > 0).collect();
    distances.sort_unstable();
    let Some(shortest) = distances.get(distances.len() / SLIPS).copied() else { return average };
    // Containers round: distances that are a tick apart are the same one.
    let same = distances.iter().filter(|ticks| (shortest..=shortest + 1).contains(ticks));
    let (sum, count) = same.fold((0, 0_u32), |(sum, count), ticks| (sum + ticks, count + 1));
    let mean_s = sum as f64 / f64::from(count.max(1)) * f64::from(base);
    let rate = if mean_s > 0.0 { 1.0 / mean_s } else { average };
    if average > 0.0 && (rate / average - 1.0).abs() < ROUNDING { average } else { rate }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Rational = Rational(1, 1000);

    #[test]
    fn player_fault_8_the_highest_rate_is_that_of_the_nearest_frames() {
        let fine = Rational(1, 90_000);
        let near = |found: f64, expected: f64| assert!((found - expected).abs() < 0.001, "{found} {expected}");
        // Thirty a second for a while, fifteen for another, in order of decoding.
        near(highest(vec![0, 9_000, 3_000, 6_000, 15_000, 21_000], fine, 21.4), 30.0);
        // Milliseconds of 29.97 frames a second that come evenly, and of 30 that do not.
        near(highest((0..300).map(|n| n * 1001 / 30).collect(), MS, 30_000.0 / 1001.0), 30_000.0 / 1001.0);
        near(highest((0..300).flat_map(|n| [n * 100, n * 100 + 33, n * 100 + 67]).collect(), MS, 24.0), 30.0);
        // One irregular step among many does not count.
        near(highest((0..1000).map(|n| n * 40).chain([41]).collect(), MS, 25.0), 25.0);
        near(highest(vec![0], MS, 25.0), 25.0);
    }
}
