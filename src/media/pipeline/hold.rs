//! A last frame that is shown longer than others, in containers that do not store the duration of its packet, or store
//! it wrongly.
//!
//! Matroska, WebM and transport streams store no duration of the last frame: it is repeated right before its end. MP4
//! and MOV store one, but libav's muxer adds durations up in order of decoding, and an encoder with B-frames puts
//! another packet last: the frame is repeated as often as decoding is ahead, and once more. **Invariant**: repeated
//! frames lie between the last frame and its end.

use ffmpeg_next::frame::Video as Frame;
use ffmpeg_next::{Rational, Rescale};

use crate::error::MediaError;
use crate::raw;

/// Muxers of containers that keep how long the last frame is shown.
const KEEPS_DURATIONS: [&str; 4] = ["mp4", "mov", "gif", "webp"];

/// Longest time of the last one that is added, in milliseconds: players and probes go by the start of a last frame.
const MAX_LAST_MS: i64 = 100;

/// The last frame of an output, and how it is held.
pub struct Hold {
    /// Frames by which decoding is ahead of what is shown, where the container keeps durations.
    ahead: usize,
    span: Span,
    last: Option<Frame>,
}

/// Times of frames, on the encoder's clock.
#[derive(Debug, Default)]
struct Span {
    /// Of the first frames: one more than decoding is ahead.
    first: Vec<i64>,
    /// Of the last one, and when it is no longer shown.
    last: (i64, i64),
}

impl Hold {
    /// For the output of `muxer`, by an encoder whose decoding is ahead by that many frames; `None` where the duration of
    /// the last packet is enough.
    pub fn new(muxer: &str, ahead: usize) -> Option<Self> {
        let keeps = KEEPS_DURATIONS.contains(&muxer);
        let ahead = if keeps { ahead } else { 0 };
        (!keeps || ahead > 0).then(|| Self { ahead, span: Span::default(), last: None })
    }

    /// Keeps a frame, which may be the last, shown from `time` for `duration`.
    pub fn keep(&mut self, frame: &Frame, time: i64, duration: i64) -> Result<(), MediaError> {
        let shared = raw::share(frame).map_err(|source| MediaError::Libav { doing: "share a frame", source })?;
        self.last = Some(Frame::from(shared));
        self.span.last = (time, time.saturating_add(duration));
        if self.span.first.len() <= self.ahead {
            self.span.first.push(time);
        }
        Ok(())
    }

    /// The last frame, the times at which it comes again, and for how long each time.
    pub fn again(self, frame_duration: i64, time_base: Rational) -> Option<(Frame, Vec<i64>, i64)> {
        let longest = MAX_LAST_MS.rescale((1, 1000), time_base);
        let duration = frame_duration.min(longest).max(1);
        let times = self.span.again(self.ahead, frame_duration, duration);
        self.last.map(|frame| (frame, times, duration))
    }
}

impl Span {
    /// Times of the frames that are added, each of `duration`; none where the last one is not held.
    fn again(&self, ahead: usize, frame_duration: i64, duration: i64) -> Vec<i64> {
        let (time, end) = self.last;
        if end - frame_duration - time <= frame_duration / 2 {
            return Vec::new();
        }
        let last = end - duration;
        let ahead = i64::try_from(ahead).unwrap_or(0);
        let step = self.step(ahead, last);
        (0..=ahead).rev().map(|left| last - left * step).filter(|again| *again > time).collect()
    }

    /// Distance of the frames that are added, the last of them at `last`. Encoders let decoding begin as long before the
    /// first frame as that is before the one of number `ahead` (x264's and x265's `bframe_delay_time`). With this
    /// distance it ends as long before the last one, so that durations add up to the same in both orders.
    fn step(&self, ahead: i64, last: i64) -> i64 {
        if ahead == 0 {
            return 0;
        }
        let begin = self.first.first().copied().unwrap_or(last);
        let known = i64::try_from(self.first.len()).unwrap_or(0);
        let step = match self.first.get(usize::try_from(ahead).unwrap_or(0)) {
            Some(frame) => (frame - begin) / ahead,
            // The first frame that is not decoded ahead is one of those that are added.
            None => (last - begin) / (ahead + known),
        };
        step.min((last - self.last.0) / (ahead + 1)).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sum of durations in order of decoding, as x264 orders, for packets shown at `times` until `end`.
    fn decoded(times: &[i64], ahead: usize, end: i64) -> i64 {
        let begin = times[0] - (times[ahead] - times[0]);
        let last = times.len() - 1;
        times[last - ahead] - begin + (end - times[last])
    }

    fn total(times: &[i64], end: i64, ahead: usize) -> i64 {
        let first = times.iter().copied().take(ahead + 1).collect();
        let span = Span { first, last: (times[times.len() - 1], end) };
        let added = span.again(ahead, 10, 10);
        assert_eq!(added.last(), Some(&(end - 10)), "{added:?}");
        let all: Vec<i64> = times.iter().copied().chain(added).collect();
        assert!(all.is_sorted_by(|a, b| a < b), "{all:?}");
        decoded(&all, ahead, end)
    }

    #[test]
    fn durations_add_up_to_the_same_in_order_of_decoding() {
        let even: Vec<i64> = (0..20).map(|n| n * 10).collect();
        for ahead in [1, 2, 4] {
            assert_eq!(total(&even, 390, ahead), 390, "{ahead}");
            assert!((total(&[0], 300, ahead) - 300).abs() <= 8, "a single frame, {ahead}");
            assert!((total(&[0, 10], 300, ahead) - 300).abs() <= 8, "two frames, {ahead}");
        }
        assert_eq!(total(&[0, 10, 60, 80], 230, 2), 230, "as in animations");
        // Too short for as many: never less than it is.
        assert!(total(&[0, 100, 200, 300], 330, 2) >= 330);
    }

    #[test]
    fn what_keeps_no_duration_has_the_frame_once_more() {
        let span = Span { first: vec![0], last: (190, 390) };
        assert_eq!(span.again(0, 10, 10), [380]);
        let span = Span { first: vec![0], last: (190, 200) };
        assert_eq!((span.again(0, 10, 10), span.again(2, 10, 10)), (vec![], vec![]), "it is not held");
        assert!(Hold::new("mp4", 0).is_none() && Hold::new("gif", 0).is_none());
        assert!(Hold::new("mp4", 2).is_some() && Hold::new("matroska", 0).is_some());
    }
}
