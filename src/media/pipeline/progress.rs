//! How far a pipeline is.
//!
//! **Invariant**: progress is said only when something was made since the last time, so that a supervisor that hears
//! nothing knows that the work stands still.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use reelmill::worker::protocol::Message;

use super::flow::Stop;
use crate::talk::Talk;

/// Time between two messages.
const INTERVAL: Duration = Duration::from_millis(200);

/// How far one output is.
pub struct Position {
    reached_us: AtomicI64,
    /// Where it ends, where that is known, in microseconds.
    total_us: Option<i64>,
    /// How often the source is gone through for it.
    passes: i64,
    /// What earlier passes reached.
    before_us: AtomicI64,
    /// Set once nobody wants the output any more.
    stop: Arc<AtomicBool>,
}

impl Position {
    /// At the start of an output of that length, made in so many passes.
    #[must_use]
    pub fn new(total_us: Option<i64>, passes: i64) -> Self {
        let (reached_us, before_us) = (AtomicI64::new(0), AtomicI64::new(0));
        Self { reached_us, total_us, passes, before_us, stop: Arc::default() }
    }

    /// The same; `stop` is set when nobody wants the output any more.
    #[must_use]
    pub fn until(self, stop: Arc<AtomicBool>) -> Self {
        Self { stop, ..self }
    }

    /// Whether nobody wants the output any more.
    pub fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Fails where nobody wants the output any more.
    pub fn wanted(&self) -> Result<(), Stop> {
        if self.is_stopped() { Err(Stop::Unwanted) } else { Ok(()) }
    }

    /// A pass is done, and another begins.
    pub fn begin_again(&self) {
        let before = self.total_us.unwrap_or_else(|| self.reached_us.load(Ordering::Relaxed));
        self.before_us.store(before, Ordering::Relaxed);
        self.reached_us.fetch_max(before, Ordering::Relaxed);
    }

    /// Stream `stream` of the output got as far as `time_us`. The first stream leads.
    pub fn reach(&self, stream: usize, time_us: i64) {
        if stream == 0 {
            let before_us = self.before_us.load(Ordering::Relaxed);
            self.reached_us.fetch_max(before_us.saturating_add(time_us), Ordering::Relaxed);
        }
    }

    /// The output is done.
    pub fn finish(&self) {
        self.reached_us.fetch_max(self.total_us.unwrap_or(0).saturating_mul(self.passes), Ordering::Relaxed);
    }

    fn reached_us(&self) -> i64 {
        self.reached_us.load(Ordering::Relaxed) / self.passes
    }

    fn share(&self) -> Option<f64> {
        let total = self.total_us.filter(|&total| total > 0)?;
        Some((as_f64(self.reached_us()) / as_f64(total)).clamp(0.0, 1.0))
    }
}

/// Says how far each task with its outputs is until `done` closes.
pub fn report(tasks: &[(&Talk, &[Position])], done: &Receiver<()>) {
    let begun = Instant::now();
    let mut last = vec![0; tasks.len()];
    while done.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
        for (last, (talk, positions)) in last.iter_mut().zip(tasks) {
            let sum = positions.iter().map(Position::reached_us).sum();
            if sum != *last {
                *last = sum;
                talk.say(&message(positions, begun.elapsed()));
            }
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a handful of outputs")]
fn message(positions: &[Position], elapsed: Duration) -> Message {
    let shares: Option<Vec<f64>> = positions.iter().map(Position::share).collect();
    let count = positions.len().max(1) as f64;
    let reached_us =
        positions.iter().map(Position::reached_us).sum::<i64>() / i64::try_from(positions.len().max(1)).unwrap_or(1);
    let seconds = elapsed.as_secs_f64();
    Message::Progress {
        fraction: shares.map(|shares| shares.iter().sum::<f64>() / count),
        speed: (seconds > 0.0).then(|| as_f64(reached_us) / 1e6 / seconds),
        position_ms: u64::try_from(reached_us / 1000).ok(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "media times are far below 2^52 microseconds")]
fn as_f64(us: i64) -> f64 {
    us as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_the_mean_of_the_outputs() {
        let positions = [Position::new(Some(10_000_000), 1), Position::new(Some(10_000_000), 1)];
        positions[0].reach(0, 10_000_000);
        positions[1].reach(0, 5_000_000);
        positions[1].reach(1, 9_000_000);
        let Message::Progress { fraction, speed, position_ms } = message(&positions, Duration::from_secs(5)) else {
            panic!("not progress");
        };
        assert_eq!(fraction, Some(0.75));
        assert_eq!(speed, Some(1.5));
        assert_eq!(position_ms, Some(7_500));
    }

    #[test]
    fn two_passes_are_one_whole() {
        let position = Position::new(Some(1_000), 2);
        position.reach(0, 500);
        assert_eq!(position.share(), Some(0.25));
        position.begin_again();
        assert_eq!(position.share(), Some(0.5));
        position.reach(0, 500);
        assert_eq!((position.share(), position.reached_us()), (Some(0.75), 750));
        position.finish();
        assert_eq!(position.share(), Some(1.0));
    }

    #[test]
    fn a_wrong_duration_never_exceeds_the_whole() {
        let position = Position::new(Some(1_000), 1);
        position.reach(0, 5_000_000);
        assert_eq!(position.share(), Some(1.0));
        assert_eq!(Position::new(None, 1).share(), None);
    }
}
