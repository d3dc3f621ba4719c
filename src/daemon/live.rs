//! Progress as it happens, for whoever watches. Watching is free to miss marks: the store has what counts.

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

/// Sender and source of receivers of marks.
#[derive(Clone, Debug)]
pub struct Live(broadcast::Sender<Mark>);

impl Default for Live {
    fn default() -> Self {
        Self(broadcast::channel(1024).0)
    }
}

impl Live {
    /// Tells whoever watches.
    pub fn tell(&self, mark: Mark) {
        // Nobody watching is fine.
        let _ = self.0.send(mark);
    }

    /// Marks from now on.
    #[must_use]
    pub fn watch(&self) -> broadcast::Receiver<Mark> {
        self.0.subscribe()
    }
}
