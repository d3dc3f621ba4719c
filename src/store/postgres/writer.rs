//! The task that owns the writing connection.
//!
//! It takes as many commands as are waiting, runs them as one [`batch`](super::batch) in one transaction, and only
//! after its commit answers. **Invariant**: no answer before its commit; a batch that fails has changed nothing, in
//! memory neither.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::sync::{broadcast, mpsc, oneshot};

use super::batch::Batch;
use super::command::{Command, Lost, Reply};
use super::fault::Fault;
use super::load::Cache;
use super::{ClockSource, open};
use crate::engine::Evaluate;
use crate::store::{Hint, StoreError};

/// Most commands in one transaction: bounds how long the first of them waits.
const BATCH: usize = 512;

/// Commands that wait; whoever has another one waits until there is room.
const INBOX: usize = 4 * BATCH;

/// Retries of a batch that conflicted with another daemon's.
const TRIES: usize = 5;

/// Longest wait for any response of the database.
const ANSWER: Duration = Duration::from_secs(5);
/// A connection that was used within this time is not checked before its next use.
const FRESH: Duration = Duration::from_secs(1);
/// Longest time to connect.
const CONNECT: Duration = Duration::from_secs(10);
/// Longest time of a transaction; longer than the server's own limits, for a server that does not respond.
const TRANSACTION: Duration = Duration::from_secs(70);

/// The way to the task, which ends with it.
#[derive(Debug)]
pub(super) struct WriterHandle {
    commands: mpsc::Sender<Command>,
}

impl WriterHandle {
    /// Starts the task.
    pub(super) fn spawn(
        options: PgConnectOptions,
        evaluate: Arc<dyn Evaluate + Send + Sync>,
        time: ClockSource,
        hints: broadcast::Sender<Hint>,
        others: mpsc::Sender<Hint>,
    ) -> Self {
        let (commands, inbox) = mpsc::channel(INBOX);
        let writer = Writer { options, db: None, cache: Cache::new(evaluate), time, hints, others };
        tokio::spawn(writer.serve(inbox));
        Self { commands }
    }

    /// Runs a command in the next transaction and answers after its commit.
    pub(super) async fn call<T>(
        &self,
        operation: &'static str,
        command: impl FnOnce(Reply<T>) -> Command,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.commands.send(command(Reply::new(operation, answer))).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

struct Writer {
    options: PgConnectOptions,
    /// Connection, with the time of its last use.
    db: Option<(PgConnection, Instant)>,
    cache: Cache,
    time: ClockSource,
    /// Receivers of hints in this process.
    hints: broadcast::Sender<Hint>,
    /// Sender of hints to other daemons.
    others: mpsc::Sender<Hint>,
}

impl Writer {
    async fn serve(mut self, mut inbox: mpsc::Receiver<Command>) {
        let mut commands = Vec::with_capacity(BATCH);
        while inbox.recv_many(&mut commands, BATCH).await > 0 {
            match self.run(&mut commands).await {
                // A command that fails must not make the others fail.
                Err(fault) if commands.len() > 1 && !fault.is_connection() => {
                    tracing::warn!(
                        ?fault,
                        commands = commands.len(),
                        "a batch failed; its commands are run one by one"
                    );
                    for command in commands.drain(..) {
                        let mut alone = vec![command];
                        let outcome = self.run(&mut alone).await;
                        self.answer(&mut alone, outcome);
                    }
                }
                outcome => self.answer(&mut commands, outcome),
            }
        }
    }

    fn answer(&self, commands: &mut Vec<Command>, outcome: Result<Vec<Hint>, Fault>) {
        let lost = match outcome {
            Ok(hints) => {
                for hint in hints {
                    // An error only means that there is no receiver.
                    let _ = self.hints.send(hint);
                    if matches!(hint, Hint::Queue | Hint::Outbox) {
                        // One that finds no room is one of many: the others say the same.
                        let _ = self.others.try_send(hint);
                    }
                }
                None
            }
            Err(Fault::Store(StoreError::Bug(why))) => Some(Lost::Bug(why)),
            Err(Fault::Store(error)) => Some(Lost::Database(error.to_string())),
            Err(Fault::Sql(error)) => Some(Lost::Database(error.to_string())),
        };
        for command in commands.drain(..) {
            command.answer(lost.as_ref());
        }
    }

    /// Runs commands in one transaction, again where another daemon's got in its way.
    async fn run(&mut self, commands: &mut [Command]) -> Result<Vec<Hint>, Fault> {
        for _ in 1..TRIES {
            match self.attempt(commands).await {
                Err(fault) if fault.is_passing() => tracing::debug!(?fault, "retrying a batch"),
                other => return other,
            }
        }
        self.attempt(commands).await
    }

    async fn attempt(&mut self, commands: &mut [Command]) -> Result<Vec<Hint>, Fault> {
        let mut db = self.connection().await?;
        let work = AssertUnwindSafe(transact(&mut db, &mut self.cache, self.time, commands)).catch_unwind();
        let outcome = match tokio::time::timeout(TRANSACTION, work).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(Fault::Store(StoreError::Bug("it panicked".to_owned()))),
            Err(_) => Err(Fault::Sql(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))),
        };
        match &outcome {
            Ok(_) => self.db = Some((db, Instant::now())),
            // The connection is dropped, and with it whatever the transaction had done.
            Err(_) => self.cache.clear(),
        }
        outcome
    }

    /// The open connection, if the server still answers on it, else a new one.
    async fn connection(&mut self) -> Result<PgConnection, Fault> {
        if let Some((mut db, used)) = self.db.take()
            && (used.elapsed() < FRESH || in_time(ANSWER, db.ping()).await.is_ok())
        {
            return Ok(db);
        }
        Ok(in_time(CONNECT, open::connect_to_write(&self.options)).await?)
    }
}

async fn in_time<T>(limit: Duration, work: impl Future<Output = Result<T, sqlx::Error>>) -> Result<T, sqlx::Error> {
    let late = |_| sqlx::Error::Io(std::io::ErrorKind::TimedOut.into());
    tokio::time::timeout(limit, work).await.map_err(late)?
}

async fn transact(
    db: &mut PgConnection,
    cache: &mut Cache,
    time: ClockSource,
    commands: &mut [Command],
) -> Result<Vec<Hint>, Fault> {
    let mut transaction = db.begin().await?;
    let mut batch = Batch::begin(&mut transaction, cache, time).await?;
    batch.run(commands).await?;
    let hints = batch.end();
    transaction.commit().await?;
    Ok(hints)
}
