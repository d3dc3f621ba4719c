//! Live view of a daemon: progress as it happens, and whether the daemon drains. Watching is free
//! to miss marks: the store has what counts.

use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::model::ExecutionId;
use crate::store::Progress;

/// A mark of progress.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Mark {
    /// The execution.
    pub execution: ExecutionId,
    /// The activity's name.
    pub activity: String,
    /// Progress of the job.
    pub progress: Progress,
}

/// Sender and source of receivers of marks.
#[derive(Clone, Debug)]
pub struct Live {
    marks: broadcast::Sender<Mark>,
    draining: CancellationToken,
}

impl Default for Live {
    fn default() -> Self {
        Self { marks: broadcast::channel(1024).0, draining: CancellationToken::new() }
    }
}

impl Live {
    /// Sends it to all watchers.
    pub fn tell(&self, mark: Mark) {
        // Nobody watching is fine.
        let _ = self.marks.send(mark);
    }

    /// Marks from now on.
    #[must_use]
    pub fn watch(&self) -> broadcast::Receiver<Mark> {
        self.marks.subscribe()
    }

    /// Says that the daemon claims no more jobs and will end.
    pub fn drain(&self) {
        self.draining.cancel();
    }

    /// Returns whether draining was announced.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }
}
