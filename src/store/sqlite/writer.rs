//! The thread that owns the writing connection.
//!
//! It takes as many commands as are waiting, runs them in one transaction, commits once and only then answers.
//! **Invariant**: no answer before its commit; a command that fails undoes only itself.
//!
//! Commands that are refused have written nothing, so there is nothing to undo. Where one fails after it wrote, which
//! only a fault of the database does, the whole transaction is rolled back and its commands run again, each in a
//! savepoint: savepoints for every command would cost more than the writing.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use rusqlite::Connection;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::execution::Cache;
use super::fault::Fault;
use crate::store::{Hint, StoreError};

/// Most commands in one transaction: bounds how long the first of them waits.
const BATCH: usize = 256;

/// Commands that wait; whoever has another one waits until there is room.
const INBOX: usize = 4 * BATCH;

/// Context of an operation.
pub(super) struct Writer {
    /// The connection, inside a transaction.
    pub db: Connection,
    /// Cached executions and plans.
    pub cache: Cache,
    /// Hints to send after the commit.
    pub hints: Vec<Hint>,
}

/// The way to the thread.
#[derive(Debug)]
pub(super) struct WriterHandle {
    commands: Option<mpsc::Sender<Box<dyn Command>>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl WriterHandle {
    /// Starts the thread.
    pub(super) fn spawn(db: Connection, cache: Cache, hints: broadcast::Sender<Hint>) -> std::io::Result<Self> {
        let (commands, inbox) = mpsc::channel(INBOX);
        let writer = Writer { db, cache, hints: Vec::new() };
        let thread =
            thread::Builder::new().name("store-writer".to_owned()).spawn(move || serve(writer, inbox, &hints))?;
        Ok(Self { commands: Some(commands), thread: Some(thread) })
    }

    /// Runs `operation` in the next transaction and answers after its commit.
    pub(super) async fn call<T, F>(&self, doing: &'static str, operation: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnMut(&mut Writer) -> Result<T, Fault> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let command = Call { doing, operation, result: None, answer };
        let commands = self.commands.as_ref().ok_or(StoreError::Closed)?;
        commands.send(Box::new(command)).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

impl Drop for WriterHandle {
    /// Waits for the commands sent so far, so that the database is closed when the store is dropped.
    fn drop(&mut self) {
        self.commands = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Way of undoing the writes of a failed command.
#[derive(Clone, Copy, PartialEq, Eq)]
enum UndoMode {
    /// The transaction.
    Whole,
    /// A savepoint of its own.
    Each,
}

/// A command failed after it wrote, and only the transaction can undo that.
struct Dirty;

/// A command for a transaction, and the channel of its answer.
trait Command: Send {
    /// Does it and keeps the result.
    fn run(&mut self, writer: &mut Writer, undo: UndoMode) -> Result<(), Dirty>;

    /// Sends the result; `lost` is the reason if the transaction was not committed.
    fn answer(self: Box<Self>, lost: Option<&str>);
}

struct Call<T, F> {
    doing: &'static str,
    operation: F,
    result: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, F> Command for Call<T, F>
where
    T: Send,
    F: FnMut(&mut Writer) -> Result<T, Fault> + Send,
{
    fn run(&mut self, writer: &mut Writer, undo: UndoMode) -> Result<(), Dirty> {
        let outcome = match undo {
            UndoMode::Whole => writer.in_transaction(&mut self.operation)?,
            UndoMode::Each => writer.in_savepoint(&mut self.operation),
        };
        self.result = Some(outcome.map_err(|fault| fault.during(self.doing)));
        Ok(())
    }

    fn answer(self: Box<Self>, lost: Option<&str>) {
        let result = match (self.result, lost) {
            (Some(Err(error)), _) => Err(error),
            (Some(Ok(value)), None) => Ok(value),
            (_, lost) => {
                let why = lost.unwrap_or("the operation did not run").to_owned();
                Err(StoreError::Database { operation: self.doing, source: why.into() })
            }
        };
        // An error only means that the caller was dropped while it waited.
        let _ = self.answer.send(result);
    }
}

fn serve(mut writer: Writer, mut inbox: mpsc::Receiver<Box<dyn Command>>, hints: &broadcast::Sender<Hint>) {
    let mut batch = Vec::with_capacity(BATCH);
    while inbox.blocking_recv_many(&mut batch, BATCH) > 0 {
        let lost = writer.transact(&mut batch).err();
        let mut told = BTreeSet::new();
        for hint in writer.hints.drain(..).filter(|&hint| told.insert(hint)) {
            // An error only means that there is no receiver.
            let _ = hints.send(hint);
        }
        for command in batch.drain(..) {
            command.answer(lost.as_deref());
        }
    }
}

impl Writer {
    /// Runs commands in one transaction. An error means that none of them was committed.
    fn transact(&mut self, batch: &mut [Box<dyn Command>]) -> Result<(), String> {
        match self.run_and_commit(batch, UndoMode::Whole) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(Dirty)) => {
                self.roll_back();
                let again = self.run_and_commit(batch, UndoMode::Each);
                again.map(|_| ()).inspect_err(|_| self.roll_back()).map_err(|error| error.to_string())
            }
            Err(error) => {
                self.roll_back();
                Err(error.to_string())
            }
        }
    }

    fn run_and_commit(
        &mut self,
        batch: &mut [Box<dyn Command>],
        undo: UndoMode,
    ) -> Result<Result<(), Dirty>, UncommittedError> {
        self.execute("BEGIN IMMEDIATE")?;
        for command in batch {
            if command.run(self, undo).is_err() {
                return Ok(Err(Dirty));
            }
            if self.db.is_autocommit() {
                return Err(UncommittedError::GivenUp);
            }
        }
        self.execute("COMMIT")?;
        Ok(Ok(()))
    }

    fn roll_back(&mut self) {
        self.cache.clear();
        self.hints.clear();
        if !self.db.is_autocommit() {
            // If even this fails, the next BEGIN fails too and reports the error.
            let _ = self.db.execute_batch("ROLLBACK");
        }
    }

    /// Runs one operation, which is refused before it writes or succeeds.
    fn in_transaction<T>(
        &mut self,
        operation: &mut impl FnMut(&mut Self) -> Result<T, Fault>,
    ) -> Result<Result<T, Fault>, Dirty> {
        let (hints, written) = (self.hints.len(), self.db.total_changes());
        let Some(result) = caught(|| operation(self)) else { return Err(Dirty) };
        if result.is_err() {
            self.hints.truncate(hints);
            if self.db.total_changes() != written {
                return Err(Dirty);
            }
        }
        Ok(result)
    }

    /// Runs one operation so that its failure undoes it, and it alone.
    fn in_savepoint<T>(&mut self, operation: &mut impl FnMut(&mut Self) -> Result<T, Fault>) -> Result<T, Fault> {
        let hints = self.hints.len();
        self.execute("SAVEPOINT command")?;
        let result =
            caught(|| operation(self)).unwrap_or_else(|| Err(StoreError::Bug("it panicked".to_owned()).into()));
        if result.is_err() {
            self.cache.clear();
            self.hints.truncate(hints);
            if self.db.is_autocommit() {
                return result;
            }
            self.execute("ROLLBACK TO command")?;
        }
        self.execute("RELEASE command")?;
        result
    }

    fn execute(&self, sql: &str) -> rusqlite::Result<()> {
        self.db.prepare_cached(sql)?.execute([]).map(|_| ())
    }
}

/// Runs an operation; `None` where it panicked.
fn caught<T>(operation: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(operation)).ok()
}

/// Error of a transaction that was not committed.
#[derive(Debug, thiserror::Error)]
enum UncommittedError {
    #[error("the database rolled back the transaction")]
    GivenUp,
    #[error(transparent)]
    Sql(#[from] rusqlite::Error),
}
