//! The thread that owns the reading connection: questions do not wait for writers.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use rusqlite::{Connection, TransactionBehavior};
use tokio::sync::oneshot;

use super::fault::Fault;
use crate::store::StoreError;

type ReadCommand = Box<dyn FnOnce(&mut Connection) + Send>;

/// The way to the thread.
#[derive(Debug)]
pub(super) struct ReaderHandle {
    questions: Option<Sender<ReadCommand>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl ReaderHandle {
    /// Starts the thread.
    pub(super) fn spawn(mut db: Connection) -> std::io::Result<Self> {
        let (questions, inbox): (_, Receiver<ReadCommand>) = channel();
        let thread = thread::Builder::new().name("store-reader".to_owned()).spawn(move || {
            for question in inbox {
                question(&mut db);
            }
        })?;
        Ok(Self { questions: Some(questions), thread: Some(thread) })
    }

    /// Runs `question` on one snapshot of committed data.
    pub(super) async fn ask<T, F>(&self, doing: &'static str, question: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let in_snapshot = |db: &mut Connection| {
            let snapshot = db.transaction_with_behavior(TransactionBehavior::Deferred)?;
            question(&snapshot)
        };
        let questions = self.questions.as_ref().ok_or(StoreError::Closed)?;
        questions
            .send(Box::new(move |db| {
                // An error only means that the caller was dropped while it waited.
                let _ = answer.send(in_snapshot(db).map_err(|fault| fault.during(doing)));
            }))
            .map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

impl Drop for ReaderHandle {
    /// Waits for running queries, so that the database is closed when the store is dropped.
    fn drop(&mut self) {
        self.questions = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
