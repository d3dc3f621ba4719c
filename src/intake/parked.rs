//! Messages that wait for one thing while all others go on: room in a queue of jobs, or the storage.
//!
//! **Invariant**: messages of one line are tried again in the order in which they came, and stay in their queue of events
//! until they are taken: what is only in memory here can be lost.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::ObjectEvent;

/// Thing that a message waits for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Line {
    /// Room in a queue of jobs.
    Queue(String),
    /// The storage, which has to be asked about the object.
    Storage,
}

/// A message that waits.
#[derive(Clone, Debug)]
pub(super) struct Waiting {
    /// Receipt by which it is deleted or kept hidden.
    pub(super) receipt: String,
    /// Events of it that are not written down yet.
    pub(super) events: VecDeque<ObjectEvent>,
    /// Set where it is deleted once they are.
    pub(super) delete: bool,
}

/// All messages that wait, by what they wait for.
#[derive(Debug, Default)]
pub(super) struct Parked(Mutex<BTreeMap<Line, VecDeque<Waiting>>>);

impl Parked {
    /// Puts a message at the end of a line; answers whether the line is new.
    pub(super) fn park(&self, line: Line, waiting: Waiting) -> bool {
        let mut lines = self.lines();
        let line = lines.entry(line).or_default();
        line.push_back(waiting);
        line.len() == 1
    }

    /// The first of a line.
    pub(super) fn next(&self, line: &Line) -> Option<Waiting> {
        let mut lines = self.lines();
        let next = lines.get_mut(line)?.pop_front();
        if lines.get(line).is_some_and(VecDeque::is_empty) {
            lines.remove(line);
        }
        next
    }

    /// Gives the first of a line its place back.
    pub(super) fn put_back(&self, line: Line, waiting: Waiting) {
        self.lines().entry(line).or_default().push_front(waiting);
    }

    /// Lines in which messages wait.
    pub(super) fn waited_for(&self) -> Vec<Line> {
        self.lines().keys().cloned().collect()
    }

    /// Receipts of all that wait.
    pub(super) fn receipts(&self) -> Vec<String> {
        self.lines().values().flatten().map(|waiting| waiting.receipt.clone()).collect()
    }

    /// Forgets messages that are no longer this consumer's: they come again by themselves.
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

    fn lines(&self) -> MutexGuard<'_, BTreeMap<Line, VecDeque<Waiting>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_keeps_its_order_and_what_is_lost_is_forgotten() {
        let parked = Parked::default();
        let queue = |name: &str| Line::Queue(name.to_owned());
        let park = |line: Line, receipt: &str| {
            parked.park(line, Waiting { receipt: receipt.to_owned(), events: VecDeque::new(), delete: true })
        };
        assert!(park(queue("a"), "1") && !park(queue("a"), "2") && park(Line::Storage, "3") && !park(queue("a"), "4"));
        assert_eq!(parked.waited_for(), [queue("a"), Line::Storage]);
        let first = parked.next(&queue("a")).unwrap();
        assert_eq!(first.receipt, "1");
        parked.put_back(queue("a"), first);
        parked.forget(&["2".to_owned(), "3".to_owned()]);
        assert_eq!((parked.receipts(), parked.len()), (vec!["1".to_owned(), "4".to_owned()], 2));
        assert!(parked.next(&Line::Storage).is_none());
        assert_eq!([parked.next(&queue("a")), parked.next(&queue("a"))].map(|one| one.unwrap().receipt), ["1", "4"]);
        assert!(parked.waited_for().is_empty());
    }
}
