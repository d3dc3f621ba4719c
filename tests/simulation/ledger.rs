//! What the daemons of a world know: which attempts they were given, with which others, until when, and what became of
//! them. The log has to tell the same.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use reelmill::engine::{LogEntry, LogEvent, Outcome};
use reelmill::model::Timestamp;
use reelmill::model::plan::Plan;
use serde_json::Value;

use crate::data::{Attempt, LEASE};

/// Most jobs of a group.
pub const GROUP_MAX: usize = 4;

/// How often something happened to a group of which some members had ended and others had not.
pub type Seen = BTreeMap<&'static str, u32>;

/// An attempt that a daemon was given.
#[derive(Debug)]
struct Taken {
    attempt: Attempt,
    group: usize,
    /// Until when nobody else may have the job.
    until: Timestamp,
    /// It was reported and accepted, or its daemon died and said so by starting again.
    is_over: bool,
}

/// All attempts that were given to daemons, in order.
#[derive(Debug, Default)]
pub struct Ledger {
    taken: Vec<Taken>,
    /// Activity, attempt and result of each accepted success, in order.
    successes: Vec<(usize, u32, Arc<Value>)>,
    pub seen: Seen,
}

impl Ledger {
    /// A daemon was given `attempts`, to be done with those that `group` has already.
    pub fn take(&mut self, group: usize, attempts: &[Attempt], now: Timestamp) {
        for &attempt in attempts {
            for other in self.taken.iter().filter(|other| other.attempt.activity == attempt.activity) {
                assert!(other.attempt.number < attempt.number, "an attempt is given out twice: {other:?}, {attempt:?}");
                assert!(other.is_over || other.until <= now, "a job is owned by two: {other:?}, {attempt:?} at {now}");
            }
            self.taken.push(Taken { attempt, group, until: now.after(LEASE), is_over: false });
        }
    }

    /// Its lease was prolonged.
    pub fn prolong(&mut self, attempt: Attempt, now: Timestamp) {
        self.entry(attempt).until = now.after(LEASE);
    }

    /// Its report was accepted.
    pub fn end(&mut self, attempt: Attempt, outcome: Outcome) {
        let entry = self.entry(attempt);
        assert!(!entry.is_over, "a report is accepted of what is over: {entry:?}");
        entry.is_over = true;
        if let Outcome::Succeeded { result, .. } = outcome {
            self.successes.push((attempt.activity, attempt.number, result));
        }
    }

    /// The one daemon died with all it had, and started again.
    pub fn clear(&mut self) {
        self.taken.iter_mut().for_each(|taken| taken.is_over = true);
    }

    /// The group in which an attempt was taken.
    pub fn group(&self, attempt: Attempt) -> usize {
        let is_it = |taken: &&Taken| taken.attempt == attempt;
        self.taken.iter().find(is_it).expect("only what was taken is worked on").group
    }

    /// Notes what happens to a group, if some of its members have ended, and some of those in `working` have not.
    pub fn happens(&mut self, what: &'static str, working: &[Attempt]) {
        let is_halfway = working.iter().any(|attempt| {
            let group = self.group(*attempt);
            self.taken.iter().any(|taken| taken.group == group && taken.is_over && !working.contains(&taken.attempt))
        });
        *self.seen.entry(what).or_default() += u32::from(is_halfway);
    }

    fn entry(&mut self, attempt: Attempt) -> &mut Taken {
        self.taken.iter_mut().find(|taken| taken.attempt == attempt).expect("only what was taken is worked on")
    }

    /// Holds what the daemons know against the log of the execution.
    pub fn check(&self, plan: &Plan, log: &[LogEntry]) {
        let place = |entry: &LogEntry| {
            let node = entry.activity.as_deref().and_then(|name| plan.find(name)).expect("it is of the plan");
            (node.index(), entry.attempt.expect("it is of an attempt"))
        };
        let claimed = log.iter().filter(|entry| matches!(entry.event, LogEvent::Claimed { .. })).map(place);
        let taken = self.taken.iter().map(|taken| (taken.attempt.activity, taken.attempt.number));
        assert_eq!(taken.collect::<Vec<_>>(), claimed.collect::<Vec<_>>(), "what is leased is given to a daemon, once");
        let succeeded = log.iter().filter_map(|entry| match &entry.event {
            LogEvent::Succeeded { result, .. } => Some((place(entry).0, place(entry).1, Arc::clone(result))),
            _ => None,
        });
        assert_eq!(self.successes, succeeded.collect::<Vec<_>>(), "each accepted result is kept, and no other");
        check_done_once(log);
        self.check_groups(plan);
    }

    /// Jobs of a group read the same, wait in the same queue with the same priority, and were never tried before: what a
    /// group left unfinished is tried alone.
    fn check_groups(&self, plan: &Plan) {
        let mut groups: BTreeMap<usize, Vec<Attempt>> = BTreeMap::new();
        for taken in &self.taken {
            groups.entry(taken.group).or_default().push(taken.attempt);
        }
        let node = |attempt: &Attempt| &plan.graph[petgraph::graph::NodeIndex::new(attempt.activity)];
        let place = |attempt: &Attempt| (&node(attempt).queue, node(attempt).priority, &node(attempt).input);
        for members in groups.values().filter(|members| members.len() > 1) {
            assert!(members.len() <= GROUP_MAX, "too many: {members:?}");
            assert!(members.iter().all(|member| place(member) == place(&members[0])), "unlike jobs: {members:?}");
            assert!(members.iter().all(|member| member.number == 1), "a second attempt in a group: {members:?}");
        }
    }

    /// Counts the groups of several jobs, and those whose members ended in another order than they were taken.
    pub fn summary(&self) -> Seen {
        let mut seen = self.seen.clone();
        let mut sizes: BTreeMap<usize, u32> = BTreeMap::new();
        for taken in &self.taken {
            *sizes.entry(taken.group).or_default() += 1;
        }
        let groups = sizes.values().filter(|size| **size > 1).count();
        seen.insert("group", u32::try_from(groups).expect("few"));
        let order = |(activity, number, _): &(usize, u32, Arc<Value>)| {
            let is_it = |taken: &Taken| (taken.attempt.activity, taken.attempt.number) == (*activity, *number);
            let at = self.taken.iter().position(is_it).expect("it was taken");
            (self.taken[at].group, at)
        };
        let ends: Vec<_> = self.successes.iter().map(order).collect();
        let overtakes =
            |(at, end): (usize, &(usize, usize))| ends[..at].iter().any(|other| other.0 == end.0 && other.1 > end.1);
        seen.insert("member that overtakes another", u32::from(ends.iter().enumerate().any(overtakes)));
        seen
    }
}

/// An activity that succeeded is not done again, unless somebody starts it again with what it needs.
fn check_done_once(log: &[LogEntry]) {
    let mut done: BTreeSet<&str> = BTreeSet::new();
    for entry in log {
        match (&entry.event, entry.activity.as_deref()) {
            (LogEvent::Succeeded { .. }, Some(name)) => assert!(done.insert(name), "{name} is done twice"),
            (LogEvent::Claimed { .. }, Some(name)) => assert!(!done.contains(name), "{name} is done already"),
            (LogEvent::Restarted { activities, .. }, _) => {
                done.retain(|name| !activities.iter().any(|again| again == name));
            }
            _ => {}
        }
    }
}
