//! Durations and frame rates: headers compared with packets.
//!
//! **Invariant**: pure arithmetic, no reading. A header is believed as long as the packets do not contradict it, because
//! it knows better than they do (priming, padding, edit lists).

use ffmpeg_next::Rational;
use reelmill::model::media::Ratio;

/// How far header and packets may be apart before the packets win, in seconds.
const TOLERANCE_S: f64 = 0.15;

/// The same as a share of the duration.
const TOLERANCE_SHARE: f64 = 0.02;

/// Frame rates above this are clocks, not rates.
const MAX_FRAME_RATE: f64 = 300.0;

/// How far rounding to ticks moves a distance at most, with some room for what computes in floating point.
const ROUNDING_TICKS: f64 = 1.5;

/// Rates that measured ones are rounded to.
const STANDARD_RATES: [(i32, i32); 14] = [
    (24_000, 1_001),
    (30_000, 1_001),
    (60_000, 1_001),
    (120_000, 1_001),
    (5, 1),
    (10, 1),
    (12, 1),
    (15, 1),
    (24, 1),
    (25, 1),
    (30, 1),
    (50, 1),
    (60, 1),
    (120, 1),
];

/// The duration to believe, in seconds.
#[must_use]
pub fn believed(header_s: Option<f64>, measured_s: Option<f64>) -> Option<f64> {
    let header_s = header_s.filter(|s| s.is_finite() && *s > 0.0);
    let measured_s = measured_s.filter(|s| s.is_finite() && *s > 0.0);
    match (header_s, measured_s) {
        (Some(header), Some(measured)) => {
            let tolerance = TOLERANCE_S.max(TOLERANCE_SHARE * measured);
            Some(if (header - measured).abs() <= tolerance { header } else { measured })
        }
        (header, measured) => header.or(measured),
    }
}

/// The distances between frames.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cadence {
    /// Frames per second, gaps left out.
    pub rate: f64,
    /// Frames per second over everything looked at.
    pub mean_rate: f64,
    /// Share by which rounding to ticks can make `rate` wrong.
    pub precision: f64,
    /// Whether the distances vary.
    pub variable: bool,
    /// Frames looked at.
    pub frames: usize,
}

/// Measures the cadence of frames from their times, in any order; absent for fewer than two.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "media times are far below 2^52 ticks")]
pub fn cadence(times: &[i64], base: Rational) -> Option<Cadence> {
    let tick_s = f64::from(base.numerator()) / f64::from(base.denominator());
    let mut shown = times.to_vec();
    shown.sort_unstable();
    let typical = median(&steps(&shown))?;
    // Frames that are never shown (of VP9 and AV1) stand right beside others.
    let hidden = (0.1 * typical).floor();
    shown.dedup_by(|next, kept| next.saturating_sub(*kept) as f64 <= hidden);
    let steps = steps(&shown);
    let typical = median(&steps)?;
    if !tick_s.is_finite() || tick_s <= 0.0 || typical <= 0.0 {
        return None;
    }
    // Times are rounded to ticks, which moves each end of a distance by up to one.
    let tolerance = (0.1 * typical).max(ROUNDING_TICKS);
    let (even, odd): (Vec<f64>, Vec<f64>) = steps.iter().partition(|step| (**step - typical).abs() <= tolerance);
    // A few gaps are splices and lost frames, not a cadence.
    let variable = odd.len() > 2 && odd.len() * 20 > steps.len();
    let counted = if variable { &steps } else { &even };
    let ticks = |steps: &[f64]| steps.iter().sum::<f64>();
    let rate = |steps: &[f64]| steps.len() as f64 / (ticks(steps) * tick_s);
    let precision = ROUNDING_TICKS / ticks(counted);
    Some(Cadence { rate: rate(counted), mean_rate: rate(&steps), precision, variable, frames: shown.len() })
}

/// Distances between sorted times that differ.
#[expect(clippy::cast_precision_loss, reason = "media times are far below 2^52 ticks")]
fn steps(sorted: &[i64]) -> Vec<f64> {
    let steps = sorted.windows(2).map(|pair| pair[1].saturating_sub(pair[0]) as f64);
    steps.filter(|step| *step > 0.0).collect()
}

fn median(values: &[f64]) -> Option<f64> {
    let mut ordered = values.to_vec();
    ordered.sort_by(f64::total_cmp);
    ordered.get(ordered.len() / 2).copied()
}

/// The frame rate to believe: the header's average or base rate where the frames bear it out, or what they say.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts of frames are small")]
pub fn frame_rate(average: Rational, base: Rational, cadence: Option<Cadence>) -> Option<Ratio> {
    let stated = [average, base].map(|rate| Ratio { num: rate.numerator(), den: rate.denominator() });
    let mut stated = stated.into_iter().filter(|rate| rate.den > 0 && rate.num > 0 && rate.value() <= MAX_FRAME_RATE);
    let Some(cadence) = cadence else { return stated.next() };
    // An average counts the last frame, which the end of a clip cuts short; between frames that come evenly there is none.
    let exact = |rate: &Ratio| (rate.value() / cadence.rate - 1.0).abs() <= cadence.precision;
    if let Some(rate) = stated.clone().find(exact).filter(|_| !cadence.variable) {
        return Some(rate);
    }
    // The fewer frames, the more the length of the last one weighs.
    let tolerance = 0.02_f64.max(1.5 / cadence.frames as f64);
    let near = |rate: f64, measured: f64| (rate / measured - 1.0).abs() <= tolerance;
    stated
        .find(|rate| near(rate.value(), cadence.rate) || near(rate.value(), cadence.mean_rate))
        .or_else(|| rounded(cadence.rate))
}

/// A measured rate as a fraction: a standard one where it is near.
fn rounded(rate: f64) -> Option<Ratio> {
    if !rate.is_finite() || rate <= 0.0 {
        return None;
    }
    let standard = STANDARD_RATES.into_iter().map(|(num, den)| Ratio { num, den });
    if let Some(near) = standard.into_iter().find(|standard| (standard.value() / rate - 1.0).abs() < 0.000_5) {
        return Some(near);
    }
    let ratio = Rational::from(rate).reduce();
    (ratio.numerator() > 0 && ratio.denominator() > 0)
        .then(|| Ratio { num: ratio.numerator(), den: ratio.denominator() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Rational = Rational(1, 1000);

    #[test]
    fn a_header_wins_until_the_packets_contradict_it() {
        assert_eq!(believed(Some(5.014), Some(5.035)), Some(5.014));
        assert_eq!(believed(Some(4_294_967.0), Some(5.0)), Some(5.0));
        assert_eq!(believed(Some(5.0), Some(2.5)), Some(2.5));
        assert_eq!(believed(None, Some(2.5)), Some(2.5));
        assert_eq!(believed(Some(2.5), None), Some(2.5));
        assert_eq!(believed(Some(f64::NAN), None), None);
        assert_eq!(believed(Some(0.0), Some(-1.0)), None);
    }

    #[test]
    fn rounding_to_milliseconds_is_not_a_variable_rate() {
        let times: Vec<i64> = (0..100).map(|n| n * 1000 / 60).collect();
        let cadence = cadence(&times, MS).unwrap();
        assert!(!cadence.variable);
        assert!((cadence.rate - 60.0).abs() < 0.1, "{}", cadence.rate);
    }

    #[test]
    fn reordered_frames_keep_their_cadence() {
        let cadence = cadence(&[0, 160, 80, 40, 120, 320, 240, 200, 280], MS).unwrap();
        assert!(!cadence.variable);
        assert!((cadence.rate - 25.0).abs() < 1e-9);
    }

    #[test]
    fn changing_distances_are_a_variable_rate() {
        let times: Vec<i64> = (0..50).map(|n| if n % 2 == 0 { n * 40 } else { n * 40 + 15 }).collect();
        assert!(cadence(&times, MS).unwrap().variable);
        assert_eq!(cadence(&[7], MS), None);
        assert_eq!(cadence(&[7, 7, 7], MS), None);
        assert!(cadence(&[i64::MIN, i64::MAX], MS).is_some());
    }

    #[test]
    fn lost_and_hidden_frames_do_not_bend_the_rate() {
        let mut times: Vec<i64> = (0..100).filter(|n| *n != 40).map(|n| n * 40).collect();
        times.extend([401, 1201, 2001]);
        let cadence = cadence(&times, MS).unwrap();
        assert!(!cadence.variable);
        assert!((cadence.rate - 25.0).abs() < 0.05, "{}", cadence.rate);
    }

    #[test]
    fn a_last_frame_cut_short_does_not_bend_the_rate() {
        let (tick, film) = (Rational(1, 12_800), Rational(25, 1));
        for frames in [20, 62, 1_000] {
            let even = cadence(&(0..frames).map(|n| n * 512).collect::<Vec<_>>(), tick);
            let frames = i32::try_from(frames).unwrap();
            // The last one lasts a quarter of the others.
            let average = Rational(frames * 100, frames * 4 - 3);
            assert_eq!(frame_rate(average, film, even), Some(Ratio { num: 25, den: 1 }), "{frames}");
        }
        // Where both may be meant, the average is.
        let coarse = cadence(&(0..48).map(|n| n * 1001 / 24).collect::<Vec<_>>(), MS);
        let ntsc = Rational(24_000, 1_001);
        assert_eq!(frame_rate(ntsc, Rational(24, 1), coarse), Some(Ratio { num: 24_000, den: 1_001 }));
    }

    #[test]
    fn clocks_are_not_frame_rates() {
        let cadence = Cadence { rate: 29.97, mean_rate: 29.9, precision: 0.000_01, variable: false, frames: 300 };
        let ntsc = Some(Ratio { num: 30_000, den: 1_001 });
        assert_eq!(frame_rate(Rational(1000, 1), Rational(90_000, 1), Some(cadence)), ntsc);
        assert_eq!(frame_rate(Rational(30_000, 1_001), Rational(60, 1), Some(cadence)), ntsc);
        assert_eq!(frame_rate(Rational(0, 0), Rational(25, 1), None), Some(Ratio { num: 25, den: 1 }));
        assert_eq!(frame_rate(Rational(0, 0), Rational(1000, 1), None), None);
    }
}
