//! How the threads of a pipeline hand things on.
//!
//! Every connection is a bounded channel of [`Feed`]. **Invariant**: a channel that closes before [`Feed::End`] means
//! that the sender failed, and gives the reason where it ends; with [`Feed::Failed`] the reason comes along. Whoever
//! receives either stops and closes its own channels the same way, so that a failure runs down one branch and leaves the
//! others alone. A receiver that goes away just wants no more.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use reelmill::model::Failure;

use crate::error::MediaError;

/// What flows.
pub enum Feed<T> {
    /// One more.
    Item(T),
    /// There are no more, and nothing went wrong.
    End,
    /// There are no more, for this reason.
    Failed(Failure),
}

/// Why a thread of a pipeline stopped early.
#[derive(Debug)]
pub enum Stop {
    /// It failed.
    Failed(MediaError),
    /// What feeds it failed, and says why itself.
    Upstream,
    /// Nobody wants the output any more.
    Unwanted,
}

impl Stop {
    /// Of why several threads stopped, what is to be heard: the first that says why itself.
    pub fn first(stops: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut upstream = None;
        for stop in stops {
            match stop {
                Self::Failed(_) | Self::Unwanted => return Some(stop),
                Self::Upstream => upstream = Some(stop),
            }
        }
        upstream
    }
}

impl From<MediaError> for Stop {
    fn from(error: MediaError) -> Self {
        Self::Failed(error)
    }
}

/// The receiving end of a connection.
pub struct Inlet<T>(Receiver<Feed<T>>);

impl<T> Inlet<T> {
    /// Waits for the next item; `None` at the end.
    pub fn next(&self) -> Result<Option<T>, Stop> {
        match self.0.recv() {
            Ok(Feed::Item(item)) => Ok(Some(item)),
            Ok(Feed::End) => Ok(None),
            Ok(Feed::Failed(failure)) => Err(MediaError::Told(failure).into()),
            Err(_) => Err(Stop::Upstream),
        }
    }
}

/// The sending ends of connections that all get the same.
pub struct Outlets<T>(Vec<SyncSender<Feed<T>>>);

impl<T> Default for Outlets<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Outlets<T> {
    /// A new connection that holds up to `depth` items.
    pub fn connect(&mut self, depth: usize) -> Inlet<T> {
        let (sender, receiver) = sync_channel(depth);
        self.0.push(sender);
        Inlet(receiver)
    }

    /// Sends what `copy` makes to everyone who still wants it; false when nobody does.
    pub fn send(&mut self, mut copy: impl FnMut() -> Result<T, MediaError>) -> Result<bool, MediaError> {
        let mut failed = None;
        self.0.retain(|sender| match copy() {
            Ok(item) => sender.send(Feed::Item(item)).is_ok(),
            Err(error) => {
                failed = Some(error);
                true
            }
        });
        match failed {
            Some(error) => Err(error),
            None => Ok(!self.0.is_empty()),
        }
    }

    /// Gives `item` to everyone who still wants it, the last one the item itself; false when nobody does.
    ///
    /// # Errors
    /// Where it cannot be shared.
    pub fn give(&mut self, item: T, share: impl Fn(&T) -> Result<T, MediaError>) -> Result<bool, MediaError> {
        let Some(last) = self.0.pop() else { return Ok(false) };
        let sent = self.send(|| share(&item));
        if sent.is_err() || last.send(Feed::Item(item)).is_ok() {
            self.0.push(last);
        }
        sent.map(|_| !self.0.is_empty())
    }

    /// Whether nobody wants anything.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells everyone that there is no more.
    pub fn end(self) {
        for sender in self.0 {
            // Who went away needs no telling.
            let _gone = sender.send(Feed::End);
        }
    }

    /// Tells everyone why there is no more.
    pub fn fail(self, failure: &Failure) {
        for sender in self.0 {
            let _gone = sender.send(Feed::Failed(failure.clone()));
        }
    }
}
