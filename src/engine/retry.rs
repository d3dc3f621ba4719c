//! Decisions after the end of an attempt: another attempt, or the end of the activity.

use std::time::Duration;

use super::log::LogEvent;
use super::state::{LONGEST_WAIT, Outage, Tally};
use super::step::Outcome;
use crate::model::plan::RetryPolicy;
use crate::model::{Blame, Class, Code, Failure, Timestamp};

/// Lost attempts after which an activity counts as the cause of the losses and fails with `ENG0001`.
pub const MAX_LOSSES: u32 = 20;

/// Killed workers after which an activity is not tried again, however many attempts its policy has left.
pub const MAX_CRASHES: u32 = 3;

/// Code of an activity that is not tried again because it killed its workers.
pub const POISONOUS: Code = Code::new("ENG0002");

/// Code of an activity whose storage, network or database was unavailable for too long.
pub const GAVE_UP: Code = Code::new("ENG0003");

/// Shortest wait between attempts during an outage.
const SHORTEST_WAIT: Duration = Duration::from_millis(100);

/// Least length that they grow to, however short the waits of the activity are.
const SHORT_WAIT: Duration = Duration::from_secs(10);

/// A running attempt, as far as retrying is concerned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempt<'a> {
    /// Counts of ended attempts of this run.
    pub tally: Tally,
    /// Time of its claim.
    pub claimed: Timestamp,
    /// True if a cancellation was requested.
    pub stop_requested: bool,
    /// The activity's policy.
    pub policy: &'a RetryPolicy,
    /// Differs between attempts: spreads waits that began together.
    pub salt: u64,
}

impl Attempt<'_> {
    /// Returns the event after the end of an attempt.
    pub(super) fn ended(&self, outcome: Outcome, now: Timestamp) -> LogEvent {
        match outcome {
            Outcome::Succeeded { result, outputs } => LogEvent::Succeeded { result, outputs },
            Outcome::Failed { failure, patience } if failure.is_outage() && !patience.is_zero() => {
                self.wait_out(failure, patience, now)
            }
            Outcome::Failed { failure, .. } => self.failed(failure, now),
            Outcome::Lost { reason } => self.lost(reason),
            Outcome::HandedBack { reason } => self.handed_back(reason),
        }
    }

    /// Returns the event after a failure.
    fn failed(&self, failure: Failure, now: Timestamp) -> LogEvent {
        if self.stop_requested {
            return LogEvent::Cancelled;
        }
        if failure.class == Class::Cancelled {
            return self.handed_back("its worker was stopped".to_owned());
        }
        if failure.killed_worker() && self.tally.crashes + 1 >= MAX_CRASHES {
            let message =
                format!("it killed its worker {MAX_CRASHES} times and is not tried again: {}", failure.message);
            return LogEvent::Failed { failure: Failure { chain: failure.chain, ..Failure::bug(POISONOUS, message) } };
        }
        let failures = self.tally.failures + 1;
        let can_help = failure.class == Class::Retry && !matches!(failure.blame, Blame::Input | Blame::Definition);
        if !can_help || failures >= self.policy.attempts {
            return LogEvent::Failed { failure };
        }
        LogEvent::AttemptFailed { failure, retry_at: now.after(wait(self.policy, failures, self.salt)), outage: false }
    }

    /// Returns the event after a failure by an outage: another attempt, until the outage has lasted for `patience` and
    /// has met as many attempts as the policy allows. After an attempt that ran for long, or a long time in the queue,
    /// a new outage begins; it can begin anew as often as the policy has attempts, and for at least `patience` in
    /// total.
    fn wait_out(&self, failure: Failure, patience: Duration, now: Timestamp) -> LogEvent {
        if self.stop_requested {
            return LogEvent::Cancelled;
        }
        let outage = self.tally.away(self.claimed, now).outage.unwrap_or(Outage::new(now));
        let Outage { since, failures, renewals, .. } = outage;
        let (waited, in_all) = (now.since(since), outage.lasted(now));
        let message = if waited >= patience && failures >= self.policy.attempts {
            Some(format!("gave up after waiting {} s for infrastructure: {failure}", waited.as_secs()))
        } else if in_all >= patience && renewals >= self.policy.attempts {
            let times = renewals + 1;
            Some(format!("gave up after {times} outages of infrastructure in {} s: {failure}", in_all.as_secs()))
        } else {
            None
        };
        if let Some(message) = message {
            let given_up = Failure { chain: failure.chain, ..Failure::infrastructure(GAVE_UP, message) };
            return LogEvent::Failed { failure: given_up };
        }
        let backoff = self.policy.backoff.clamp(SHORTEST_WAIT, LONGEST_WAIT);
        let policy = RetryPolicy { backoff, max: self.policy.max.clamp(SHORT_WAIT, LONGEST_WAIT), ..*self.policy };
        LogEvent::AttemptFailed { failure, retry_at: now.after(wait(&policy, failures, self.salt)), outage: true }
    }

    /// Returns the event after a lost attempt. It does not count as an attempt of the policy: the worker was killed;
    /// the work did not fail.
    fn lost(&self, reason: String) -> LogEvent {
        if self.stop_requested {
            return LogEvent::Cancelled;
        }
        if self.tally.losses + 1 < MAX_LOSSES {
            return LogEvent::AttemptLost { reason };
        }
        let message = format!("{MAX_LOSSES} attempts were lost with their workers; the last reason: {reason}");
        LogEvent::Failed { failure: Failure::bug("ENG0001", message) }
    }

    /// Returns the event after the daemon handed the attempt back. It does not count as an attempt of the policy.
    fn handed_back(&self, reason: String) -> LogEvent {
        if self.stop_requested { LogEvent::Cancelled } else { LogEvent::HandedBack { reason } }
    }
}

/// Wait after the `failures`-th failure: doubling, capped, shortened by up to an eighth as `salt` says.
fn wait(policy: &RetryPolicy, failures: u32, salt: u64) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    let full = policy.backoff.saturating_mul(doubled).min(policy.max);
    let spread = u32::try_from(salt.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 54).unwrap_or(0);
    full.saturating_sub(full / 8 / 1_024 * spread)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::failure::{KILLED_WORKER, STALLED};

    const POLICY: RetryPolicy =
        RetryPolicy { attempts: 3, backoff: Duration::from_secs(10), max: Duration::from_secs(60) };

    fn attempt(failures: u32, losses: u32) -> Attempt<'static> {
        let tally = Tally { failures, losses, ..Tally::default() };
        Attempt { tally, claimed: Timestamp(0), stop_requested: false, policy: &POLICY, salt: 0 }
    }

    #[test]
    fn waits_double_up_to_the_cap_and_spread_by_an_eighth() {
        let waits: Vec<u64> = (1..=5).map(|n| wait(&POLICY, n, 0).as_secs()).collect();
        assert_eq!(waits, [10, 20, 40, 60, 60]);
        assert_eq!(wait(&POLICY, u32::MAX, 0).as_secs(), 60);
        for salt in 0..1_000 {
            let wait = wait(&POLICY, 1, salt);
            assert!(wait > Duration::from_millis(8_740) && wait <= Duration::from_secs(10), "{salt}: {wait:?}");
        }
    }

    #[test]
    fn only_failures_that_another_attempt_can_help_are_retried() {
        let now = Timestamp(0);
        let passing = passing();
        assert!(matches!(attempt(0, 0).failed(passing.clone(), now), LogEvent::AttemptFailed { .. }));
        assert!(matches!(attempt(2, 0).failed(passing.clone(), now), LogEvent::Failed { .. }));
        for failure in [
            Failure::input("MEDIA0001", "not media"),
            Failure::new("MEDIA0001", Class::Retry, Blame::Input, "not media"),
            Failure::new("WF0001", Class::Retry, Blame::Definition, "no such template"),
            Failure::bug("MEDIA0002", "oops"),
        ] {
            assert!(matches!(attempt(0, 0).failed(failure, now), LogEvent::Failed { .. }));
        }
        let stopping = Attempt { stop_requested: true, ..attempt(0, 0) };
        assert_eq!(stopping.failed(passing, now), LogEvent::Cancelled);
    }

    #[test]
    fn losses_use_up_no_attempt_but_have_an_end() {
        assert!(matches!(attempt(2, MAX_LOSSES - 2).lost("killed".into()), LogEvent::AttemptLost { .. }));
        let LogEvent::Failed { failure } = attempt(0, MAX_LOSSES - 1).lost("killed".into()) else { panic!() };
        assert_eq!(failure.code, "ENG0001");
        let stopped = Failure::new("WORKER0001", Class::Cancelled, Blame::Infrastructure, "drained");
        assert!(matches!(attempt(2, MAX_LOSSES).failed(stopped, Timestamp(0)), LogEvent::HandedBack { .. }));
    }

    #[test]
    fn what_kills_its_worker_three_times_is_set_aside() {
        let crash = || Failure::new(KILLED_WORKER, Class::Retry, Blame::Bug, "the worker died of signal 11");
        let patient = RetryPolicy { attempts: 100, ..POLICY };
        let attempt =
            |crashes| Attempt { tally: Tally { crashes, ..Tally::default() }, policy: &patient, ..attempt(0, 0) };
        assert!(matches!(attempt(1).failed(crash(), Timestamp(0)), LogEvent::AttemptFailed { .. }));
        let LogEvent::Failed { failure } = attempt(2).failed(crash(), Timestamp(0)) else { panic!() };
        assert_eq!(failure.code, POISONOUS);
        assert!(matches!(attempt(2).failed(passing(), Timestamp(0)), LogEvent::AttemptFailed { .. }));
    }

    #[test]
    fn field_fault_argo_7349_infrastructure_is_waited_for_and_uses_up_no_attempts() {
        let hour = Duration::from_secs(3600);
        let (mut now, mut tally, mut waits) = (Timestamp(0), Tally { failures: 2, ..Tally::default() }, Vec::new());
        let ended = |tally: Tally, failure: Failure, now: Timestamp| {
            Attempt { tally, claimed: now, ..attempt(0, 0) }.ended(Outcome::Failed { failure, patience: hour }, now)
        };
        loop {
            match ended(tally, passing(), now) {
                LogEvent::AttemptFailed { retry_at, outage, .. } => {
                    assert!(outage && tally.failures == 2);
                    tally = tally.away(now, now);
                    waits.push(retry_at.since(now).as_secs());
                    now = retry_at;
                }
                LogEvent::Failed { failure } => {
                    assert_eq!((failure.code, failure.blame), (GAVE_UP, Blame::Infrastructure));
                    assert!(
                        failure.message.contains("36")
                            && failure.message.contains(" s for infrastructure")
                            && failure.message.contains("OBJ0001"),
                        "{failure}"
                    );
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(waits[..5], [10, 20, 40, 60, 60], "pauses grow, and stay short enough to notice the end");
        let after = tally.failed(false);
        assert!(matches!(ended(after, passing(), now), LogEvent::AttemptFailed { .. }), "a new outage begins anew");
        assert_eq!((after.failures, after.outage), (3, None));
        assert!(matches!(ended(Tally::default(), Failure::bug("MEDIA0002", "oops"), now), LogEvent::Failed { .. }));
        let stalled = || Failure::infrastructure(STALLED, "stands still");
        assert!(matches!(ended(tally, stalled(), now), LogEvent::Failed { .. }), "a stall may be the work's own");
    }

    #[test]
    fn field_fault_argo_7349_an_attempt_that_worked_for_long_begins_a_new_outage_but_not_for_ever() {
        let hour = Duration::from_secs(3600);
        let (mut tally, mut now, mut long) = (Tally::default(), Timestamp(0), 0);
        let failure = loop {
            let claimed = now;
            now = now.after(3 * hour);
            long += 1;
            let outcome = Outcome::Failed { failure: passing(), patience: hour };
            match (Attempt { tally, claimed, ..attempt(0, 0) }).ended(outcome, now) {
                LogEvent::AttemptFailed { retry_at, outage: true, .. } => {
                    tally = tally.away(claimed, now);
                    assert_eq!(tally.outage.unwrap().since, now);
                    now = retry_at;
                }
                LogEvent::Failed { failure } => break failure,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((long, failure.code), (4, GAVE_UP));
        assert!(failure.message.contains("4 outages of infrastructure"), "{failure}");
    }

    #[test]
    fn field_fault_argo_7349_long_attempts_do_not_shorten_the_wait() {
        let minutes = |n: u64| Duration::from_secs(60 * n);
        let (mut tally, mut now) = (Tally::default(), Timestamp(0));
        let failure = loop {
            let claimed = now;
            now = now.after(minutes(6));
            let outcome = Outcome::Failed { failure: passing(), patience: minutes(60) };
            match (Attempt { tally, claimed, ..attempt(0, 0) }).ended(outcome, now) {
                LogEvent::AttemptFailed { retry_at, outage: true, .. } => {
                    tally = tally.away(claimed, now);
                    now = retry_at;
                }
                LogEvent::Failed { failure } => break failure,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(failure.code, GAVE_UP);
        assert!(now >= Timestamp(0).after(minutes(66)) && now < Timestamp(0).after(minutes(73)), "{now:?}");
    }

    #[test]
    fn field_fault_argo_7349_time_in_the_queue_is_no_outage() {
        let hour = Duration::from_secs(3600);
        let once = RetryPolicy { attempts: 1, ..POLICY };
        let (mut tally, mut claimed) = (Tally::default(), Timestamp(0));
        let mut ended = |claimed: Timestamp| {
            let now = claimed.after(Duration::from_secs(1));
            let outcome = Outcome::Failed { failure: passing(), patience: hour };
            let event = (Attempt { tally, claimed, policy: &once, ..attempt(0, 0) }).ended(outcome, now);
            tally = tally.away(claimed, now);
            match event {
                LogEvent::AttemptFailed { retry_at, .. } => Ok(retry_at),
                LogEvent::Failed { failure } => Err(failure),
                other => panic!("{other:?}"),
            }
        };
        for _ in 0..3 {
            claimed = ended(claimed).unwrap();
        }
        for _ in 0..3 {
            claimed = ended(claimed.after(2 * hour)).expect("the job waited in a paused queue");
        }
        let mut late = 0;
        let failure = loop {
            match ended(claimed.after(hour)) {
                Ok(retry_at) => (claimed, late) = (retry_at, late + 1),
                Err(failure) => break failure,
            }
        };
        assert_eq!(failure.code, GAVE_UP, "but one that never ends is given up");
        assert!((50..60).contains(&late), "{late}");
    }

    fn passing() -> Failure {
        Failure::infrastructure("OBJ0001", "no connection")
    }
}
