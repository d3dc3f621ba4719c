//! Messages that wait for space in a job queue or for the storage, while other messages continue.
//!
//! **Invariant**: messages that wait for a queue are tried again in the order in which they arrived. A message whose
//! object the storage cannot read does not block the others that wait for the storage. All stay in their event queue
//! until they are accepted: what is only in memory here can be lost.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::ObjectEvent;

/// Thing that a message waits for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum WaitReason {
    /// Room in a queue of jobs.
    Queue(String),
    /// The storage, which must answer about the object.
    Storage,
}

/// A message that waits.
#[derive(Clone, Debug)]
pub(super) struct WaitingMessage {
    /// Receipt by which it is deleted or kept hidden.
    pub(super) receipt: String,
    /// Events of it that are not recorded yet.
    pub(super) events: VecDeque<ObjectEvent>,
    /// Set where it is deleted once they are.
    pub(super) delete: bool,
}

/// All waiting messages, by the reason for which they wait.
#[derive(Debug, Default)]
pub(super) struct ParkedMessages(Mutex<BTreeMap<WaitReason, VecDeque<WaitingMessage>>>);

impl ParkedMessages {
    /// Puts a message at the end of a line; answers whether the line is new.
    pub(super) fn park(&self, line: WaitReason, waiting: WaitingMessage) -> bool {
        let mut lines = self.lines();
        let line = lines.entry(line).or_default();
        line.push_back(waiting);
        line.len() == 1
    }

    /// The first of a line, which keeps its place.
    pub(super) fn first(&self, line: &WaitReason) -> Option<WaitingMessage> {
        self.lines().get(line)?.front().cloned()
    }

    /// Puts a message that was tried, and still waits, in its place in a line: the first of its queue's, or the last of
    /// those that need the storage.
    pub(super) fn put_back(&self, line: WaitReason, waiting: WaitingMessage) {
        self.forget(std::slice::from_ref(&waiting.receipt));
        let mut lines = self.lines();
        match &line {
            WaitReason::Queue(_) => lines.entry(line).or_default().push_front(waiting),
            WaitReason::Storage => lines.entry(line).or_default().push_back(waiting),
        }
    }

    /// Returns whether messages wait in a line.
    pub(super) fn holds(&self, line: &WaitReason) -> bool {
        self.lines().contains_key(line)
    }

    /// Lines in which messages wait.
    pub(super) fn waited_for(&self) -> Vec<WaitReason> {
        self.lines().keys().cloned().collect()
    }

    /// Receipts of all that wait.
    pub(super) fn receipts(&self) -> Vec<String> {
        self.lines().values().flatten().map(|waiting| waiting.receipt.clone()).collect()
    }

    /// Forgets messages: they were taken, or are no longer this consumer's and come again by themselves.
    pub(super) fn forget(&self, receipts: &[String]) {
        let mut lines = self.lines();
        for line in lines.values_mut() {
            line.retain(|waiting| !receipts.contains(&waiting.receipt));
        }
        lines.retain(|_, line| !line.is_empty());
    }

    /// Number of messages that wait.
    pub(super) fn len(&self) -> usize {
        self.lines().values().map(VecDeque::len).sum()
    }

    fn lines(&self) -> MutexGuard<'_, BTreeMap<WaitReason, VecDeque<WaitingMessage>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_keeps_its_order_and_what_is_lost_is_forgotten() {
        let parked = ParkedMessages::default();
        let queue = |name: &str| WaitReason::Queue(name.to_owned());
        let park = |line: WaitReason, receipt: &str| {
            parked.park(line, WaitingMessage { receipt: receipt.to_owned(), events: VecDeque::new(), delete: true })
        };
        assert!(
            park(queue("a"), "1") && !park(queue("a"), "2") && park(WaitReason::Storage, "3") && !park(queue("a"), "4")
        );
        assert_eq!(parked.waited_for(), [queue("a"), WaitReason::Storage]);
        let first = parked.first(&queue("a")).unwrap();
        assert_eq!(first.receipt, "1");
        assert_eq!(parked.len(), 4, "what is tried stays hidden");
        parked.put_back(queue("a"), first);
        park(WaitReason::Storage, "5");
        parked.put_back(WaitReason::Storage, parked.first(&WaitReason::Storage).unwrap());
        assert_eq!(parked.first(&WaitReason::Storage).unwrap().receipt, "5", "one object holds up no other");
        parked.forget(&["5".to_owned()]);
        assert!(parked.holds(&WaitReason::Storage));
        parked.forget(&["2".to_owned(), "3".to_owned()]);
        assert_eq!((parked.receipts(), parked.len()), (vec!["1".to_owned(), "4".to_owned()], 2));
        assert!(parked.first(&WaitReason::Storage).is_none() && !parked.holds(&WaitReason::Storage));
        for receipt in ["1", "4"] {
            assert_eq!(parked.first(&queue("a")).unwrap().receipt, receipt);
            parked.forget(&[receipt.to_owned()]);
        }
        assert!(parked.waited_for().is_empty());
    }
}
