//! The task that owns the writing connection.
//!
//! It takes as many commands as are waiting, runs them as one [`batch`](super::batch) in one transaction, and only after
//! its commit answers. **Invariant**: no answer before its commit; a batch that fails has changed nothing, in memory
//! neither.

use std::sync::Arc;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::sync::{broadcast, mpsc, oneshot};

use super::Time;
use super::batch::{Batch, Command, Reply};
use super::fault::Fault;
use super::load::Cache;
use super::open::payload;
use crate::engine::Evaluate;
use crate::store::{Hint, StoreError};

/// Most commands in one transaction: bounds how long the first of them waits.
const BATCH: usize = 512;

/// How often a batch that lost against another daemon's is tried again.
const TRIES: usize = 5;

/// The way to the task, which ends with it.
#[derive(Debug)]
pub(super) struct WriterHandle {
    commands: mpsc::UnboundedSender<Command>,
}

impl WriterHandle {
    /// Starts the task.
    pub(super) fn spawn(
        options: PgConnectOptions,
        evaluate: Arc<dyn Evaluate + Send + Sync>,
        time: Time,
        channel: String,
        hints: broadcast::Sender<Hint>,
    ) -> Self {
        let (commands, inbox) = mpsc::unbounded_channel();
        let writer = Writer { options, db: None, cache: Cache::new(evaluate), time, channel, hints };
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
        self.commands.send(command(Reply::new(operation, answer))).map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }
}

struct Writer {
    options: PgConnectOptions,
    db: Option<PgConnection>,
    cache: Cache,
    time: Time,
    channel: String,
    hints: broadcast::Sender<Hint>,
}

impl Writer {
    async fn serve(mut self, mut inbox: mpsc::UnboundedReceiver<Command>) {
        let mut commands = Vec::with_capacity(BATCH);
        while inbox.recv_many(&mut commands, BATCH).await > 0 {
            let lost = match self.run(&mut commands).await {
                Ok(hints) => {
                    for hint in hints {
                        // An error means that nobody listens.
                        let _ = self.hints.send(hint);
                    }
                    None
                }
                Err(Fault::Sql(error)) => Some(error.to_string()),
                Err(Fault::Store(error)) => Some(error.to_string()),
            };
            for command in commands.drain(..) {
                command.answer(lost.as_deref());
            }
        }
    }

    /// Runs commands in one transaction, again where another daemon's got in its way.
    async fn run(&mut self, commands: &mut [Command]) -> Result<Vec<Hint>, Fault> {
        for _ in 1..TRIES {
            match self.attempt(commands).await {
                Err(fault) if fault.is_passing() => tracing::debug!(?fault, "a batch is tried again"),
                other => return other,
            }
        }
        self.attempt(commands).await
    }

    async fn attempt(&mut self, commands: &mut [Command]) -> Result<Vec<Hint>, Fault> {
        let mut db = match self.db.take() {
            Some(db) => db,
            None => PgConnection::connect_with(&self.options).await?,
        };
        let outcome = transact(&mut db, &mut self.cache, self.time, &self.channel, commands).await;
        match &outcome {
            Ok(_) => self.db = Some(db),
            Err(fault) => {
                self.cache.clear();
                // After an error of its own the database can go on; otherwise the connection is not to be trusted.
                if matches!(fault, Fault::Store(_) | Fault::Sql(sqlx::Error::Database(_))) && db.ping().await.is_ok() {
                    self.db = Some(db);
                }
            }
        }
        outcome
    }
}

async fn transact(
    db: &mut PgConnection,
    cache: &mut Cache,
    time: Time,
    channel: &str,
    commands: &mut [Command],
) -> Result<Vec<Hint>, Fault> {
    let mut transaction = db.begin().await?;
    let mut batch = Batch::begin(&mut transaction, cache, time).await?;
    batch.run(commands).await?;
    let hints = batch.end();
    let payload = payload(&hints);
    if !payload.is_empty() {
        sqlx::query("SELECT pg_notify($1, $2)").bind(channel).bind(payload).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(hints)
}
