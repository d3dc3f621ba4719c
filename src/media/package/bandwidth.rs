//! Bit rates of a rendition as HLS defines them (RFC 8216, 4.3.4.2).
//!
//! **Invariant**: pure arithmetic; rates are bit/s.

/// Size in bytes and duration in seconds of a segment.
pub type Sized = (u64, f64);

/// The average over all segments.
#[must_use]
pub fn average(segments: &[Sized]) -> u64 {
    let (bytes, duration_s) = segments.iter().fold((0, 0.0), |(b, d), (bytes, s)| (b + bytes, d + s));
    rate(bytes, duration_s)
}

/// The largest over any neighbouring segments that last 0.5 to 1.5 times the target duration together.
#[must_use]
pub fn peak(segments: &[Sized], target_s: f64) -> u64 {
    let mut peak = average(segments);
    for first in 0..segments.len() {
        let (mut bytes, mut duration_s) = (0, 0.0);
        for (more, s) in &segments[first..] {
            bytes += more;
            duration_s += s;
            if duration_s > 1.5 * target_s {
                break;
            }
            if duration_s >= 0.5 * target_s {
                peak = peak.max(rate(bytes, duration_s));
            }
        }
    }
    peak
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate")]
fn rate(bytes: u64, duration_s: f64) -> u64 {
    if duration_s > 0.0 { (bytes as f64 * 8.0 / duration_s).ceil() as u64 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_last_segment_does_not_count_alone() {
        let segments = [(6_000, 6.0), (12_000, 6.0), (1_000, 0.1)];
        assert_eq!(average(&segments), 12_562);
        assert_eq!(peak(&segments, 6.0), 17_050, "the second and the third together");
    }

    #[test]
    fn a_single_segment_is_its_own_peak() {
        assert_eq!(peak(&[(1_000, 1.0)], 6.0), 8_000);
        assert_eq!(peak(&[], 6.0), 0);
    }
}
