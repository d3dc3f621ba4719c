//! One clock out of several: streams whose times jump are joined together.
//!
//! Recordings and joined transport streams start their clock anew in the middle. Each stream goes over to the new clock
//! where its own packets do, and all of them move by the same amount, so that they stay in step. In any format, a pause
//! beyond reason is taken for a new clock too, unless other streams were there meanwhile: nobody gets years of silence
//! made. Pure arithmetic.

use std::collections::BTreeMap;

/// Longest pause in formats whose clock may start anew, in microseconds.
const BROADCAST_PAUSE_US: i64 = 10_000_000;

/// How much earlier than expected their packets may be, in microseconds.
const BROADCAST_BACK_US: i64 = 500_000;

/// Longest pause in other formats, in microseconds.
const LONGEST_PAUSE_US: i64 = 3_600_000_000;

/// How near to the expected time a clock that another stream went over to must bring a packet, in microseconds.
const NEAR_US: i64 = 2_000_000;

/// The clocks of a source so far.
#[derive(Clone, Debug)]
pub struct Timeline {
    /// How much earlier than expected packets may be.
    back_us: i64,
    /// How much later.
    ahead_us: i64,
    streams: BTreeMap<usize, Clock>,
    /// What the newest clock is ahead by.
    newest_us: i64,
    /// How often a stream has gone over to another clock.
    changes: u32,
}

#[derive(Clone, Copy, Debug)]
struct Clock {
    offset_us: i64,
    /// When its next packet is expected; unknown after a seek.
    next_us: Option<i64>,
}

impl Timeline {
    /// Of a source whose format lets clocks start anew (`broadcast`), or not.
    #[must_use]
    pub const fn new(broadcast: bool) -> Self {
        let (back_us, ahead_us) =
            if broadcast { (BROADCAST_BACK_US, BROADCAST_PAUSE_US) } else { (i64::MAX, LONGEST_PAUSE_US) };
        Self { back_us, ahead_us, streams: BTreeMap::new(), newest_us: 0, changes: 0 }
    }

    /// By how much to move what follows the newest clock, in microseconds.
    #[must_use]
    pub const fn newest(&self) -> i64 {
        self.newest_us
    }

    /// How often a stream has gone over to another clock.
    #[must_use]
    pub const fn changes(&self) -> u32 {
        self.changes
    }

    /// The same clocks elsewhere in the source, where nothing is known of what comes next.
    #[must_use]
    pub fn elsewhere(&self) -> Self {
        let mut elsewhere = self.clone();
        elsewhere.streams.values_mut().for_each(|clock| clock.next_us = None);
        elsewhere
    }

    /// By how much to move a packet of `stream` with this decoding time and duration, in microseconds.
    pub fn offset(&mut self, stream: usize, time_us: i64, duration_us: i64) -> i64 {
        let known = self.streams.get(&stream).copied();
        let mut offset_us = known.map_or(self.newest_us, |clock| clock.offset_us);
        if let Some(expected_us) = known.and_then(|clock| clock.next_us) {
            let early = expected_us.saturating_sub(time_us.saturating_add(offset_us));
            let jumps = !(-self.ahead_us..=self.back_us).contains(&early);
            if jumps && !(early < 0 && self.is_pause(stream, time_us.saturating_add(offset_us))) {
                let fits = |offset: i64| (expected_us - time_us.saturating_add(offset)).abs() <= NEAR_US;
                // A stream never goes over to the clock that it comes from, however short the jump.
                if offset_us == self.newest_us || !fits(self.newest_us) {
                    self.newest_us = expected_us.saturating_sub(time_us);
                }
                self.changes += 1;
                offset_us = self.newest_us;
            }
        }
        let next_us = Some(time_us.saturating_add(offset_us).saturating_add(duration_us));
        self.streams.insert(stream, Clock { offset_us, next_us });
        offset_us
    }

    /// Whether another stream has come to this time meanwhile: `stream` only paused.
    fn is_pause(&self, stream: usize, time_us: i64) -> bool {
        let others = self.streams.iter().filter(|(other, _)| **other != stream);
        others.filter_map(|(_, clock)| clock.next_us).any(|next_us| next_us.abs_diff(time_us) <= NEAR_US.unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000;

    #[test]
    fn a_clock_that_never_jumps_is_left_alone() {
        let mut timeline = Timeline::new(true);
        for n in 0..100 {
            assert_eq!(timeline.offset(0, 5 * SECOND + n * 40_000, 40_000), 0);
        }
        assert_eq!(timeline.offset(0, 18 * SECOND, 40_000), 0, "a pause is not a new clock");
    }

    #[test]
    fn streams_go_over_to_a_new_clock_each_in_its_turn_and_by_the_same_amount() {
        let mut timeline = Timeline::new(true);
        for n in 0..20 {
            assert_eq!(timeline.offset(0, n * SECOND, SECOND), 0);
            assert_eq!(timeline.offset(1, n * SECOND, SECOND), 0);
        }
        assert_eq!(timeline.offset(0, 0, SECOND), 20 * SECOND);
        assert_eq!(timeline.offset(1, 20 * SECOND, SECOND), 0, "the old clock's last packet comes late");
        assert_eq!(timeline.offset(1, 300_000, SECOND), 20 * SECOND);
        assert_eq!(timeline.offset(0, SECOND, SECOND), 20 * SECOND);
    }

    #[test]
    fn a_stream_that_pauses_beside_another_keeps_its_clock() {
        let mut timeline = Timeline::new(true);
        for n in 0..60 {
            assert_eq!(timeline.offset(0, n * SECOND, SECOND), 0);
            if !(10..40).contains(&n) {
                assert_eq!(timeline.offset(1, n * SECOND, SECOND), 0, "{n}");
            }
        }
        assert_eq!(timeline.changes(), 0);
    }

    #[test]
    fn field_fault_11_a_clock_that_goes_back_by_little_is_a_new_one() {
        let mut timeline = Timeline::new(true);
        for n in 0..50 {
            assert_eq!(timeline.offset(0, n * 40_000, 40_000), 0);
            assert_eq!(timeline.offset(1, n * 40_000 + 60_000, 40_000), 0);
        }
        assert_eq!(timeline.offset(0, 500_000, 40_000), 1_500_000);
        assert_eq!(timeline.offset(1, 2_060_000, 40_000), 0, "what is left of the old clock");
        assert_eq!(timeline.offset(1, 480_000, 40_000), 1_500_000, "the streams stay in step");
        assert_eq!(timeline.offset(0, 540_000, 40_000), 1_500_000);
        assert_eq!(timeline.changes(), 2);
    }

    #[test]
    fn elsewhere_streams_keep_their_clocks() {
        let mut timeline = Timeline::new(true);
        timeline.offset(0, 20 * SECOND, SECOND);
        assert_eq!(timeline.offset(0, 0, SECOND), 21 * SECOND);
        let mut elsewhere = timeline.elsewhere();
        assert_eq!(elsewhere.offset(0, 500 * SECOND, SECOND), 21 * SECOND);
        assert_eq!(elsewhere.offset(0, 100 * SECOND, SECOND), 422 * SECOND);
    }

    #[test]
    fn a_clock_far_ahead_is_brought_back() {
        let mut timeline = Timeline::new(true);
        timeline.offset(0, 0, SECOND);
        assert_eq!(timeline.offset(0, 90_000 * SECOND, SECOND), -89_999 * SECOND);
        let mut file = Timeline::new(false);
        file.offset(0, 0, SECOND);
        assert_eq!(file.offset(0, 1_000 * SECOND, SECOND), 0);
        assert_eq!(file.offset(0, 90_000 * SECOND, SECOND), -88_999 * SECOND);
        assert_eq!(file.offset(0, 0, SECOND), -88_999 * SECOND, "times that go back are left to the decoder");
    }
}
