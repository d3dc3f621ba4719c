//! Live view of a daemon: progress as it happens, and whether the daemon drains. Watchers may miss marks; the store has
//! all that must be kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

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
    jobs: Arc<AtomicUsize>,
}

/// Counts as a running job until it is dropped.
#[derive(Debug)]
pub struct RunningJob(Arc<AtomicUsize>);

impl Drop for RunningJob {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Default for Live {
    fn default() -> Self {
        Self { marks: broadcast::channel(1024).0, draining: CancellationToken::new(), jobs: Arc::default() }
    }
}

impl Live {
    /// Sends it to all watchers.
    pub fn tell(&self, mark: Mark) {
        // An error means only that nobody watches.
        let _ = self.marks.send(mark);
    }

    /// Marks from now on.
    #[must_use]
    pub fn watch(&self) -> broadcast::Receiver<Mark> {
        self.marks.subscribe()
    }

    /// Counts a job that runs here.
    #[must_use]
    pub fn begin_job(&self) -> RunningJob {
        self.jobs.fetch_add(1, Ordering::Relaxed);
        RunningJob(Arc::clone(&self.jobs))
    }

    /// Number of jobs that run in this daemon.
    #[must_use]
    pub fn jobs(&self) -> usize {
        self.jobs.load(Ordering::Relaxed)
    }

    /// Marks the daemon as draining: it claims no more jobs and will end.
    pub fn drain(&self) {
        self.draining.cancel();
    }

    /// Returns whether the daemon is draining.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }
}
