//! Progress as it happens, for whoever watches. Watching is free to miss marks: the store has what counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::broadcast;

use crate::model::ExecutionId;
use crate::store::Progress;

/// A mark of progress.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Mark {
    /// The execution.
    pub execution: ExecutionId,
    /// The activity's name.
    pub activity: String,
    /// How far it is.
    pub progress: Progress,
}

/// Sender and source of receivers of marks; and whether the daemon can take jobs.
#[derive(Clone, Debug)]
pub struct Live {
    marks: broadcast::Sender<Mark>,
    full: Arc<AtomicBool>,
}

impl Default for Live {
    fn default() -> Self {
        Self { marks: broadcast::channel(1024).0, full: Arc::default() }
    }
}

impl Live {
    /// Tells whoever watches.
    pub fn tell(&self, mark: Mark) {
        // Nobody watching is fine.
        let _ = self.marks.send(mark);
    }

    /// Whether no job is claimed because the disk of the scratch folder is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    pub(super) fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }

    /// Marks from now on.
    #[must_use]
    pub fn watch(&self) -> broadcast::Receiver<Mark> {
        self.marks.subscribe()
    }
}
