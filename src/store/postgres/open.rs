//! Connections, the schema, and hints from other daemons.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use sqlx::{Connection, Executor, PgConnection, PgPool, Row};
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::{HINTS, url};
use crate::model::Timestamp;
use crate::store::{Hint, StoreError, StoreInfo};

/// Migrations in order; never edited, only added to. Each must leave daemons of the version before it working.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_first.sql"),
    include_str!("migrations/0002_leaner.sql"),
    include_str!("migrations/0003_requests.sql"),
    include_str!("migrations/0004_warnings.sql"),
    include_str!("migrations/0005_receivers.sql"),
];

/// Lock under which the schema is brought up to date: one daemon does it, the others wait.
const MIGRATION_LOCK: i64 = 0x7265_656c_6d69_6c6c;

/// Connections of one daemon, besides its writer's and its listener's.
const CONNECTIONS: u32 = 8;

/// Longest wait for a connection.
const ACQUIRE: Duration = Duration::from_secs(10);

/// Waits between attempts to listen again.
const LISTEN_AGAIN: Duration = Duration::from_secs(2);

/// Settings of every session. The transaction of a daemon that hangs is ended after ten seconds, so that its locks do
/// not block others. They are set by statements: a pooler in between, such as PgBouncer, refuses parameters of the
/// startup packet that it does not know.
const SESSION: &str = "SET idle_in_transaction_session_timeout = '10s'; SET statement_timeout = '60s'";

/// Settings of a writer's session. All its statements look rows up by their keys: one plan is right for all values, and
/// none that reads a whole table is, however small the table was when the plan was made.
const WRITING: &str = "SET plan_cache_mode = 'force_generic_plan'; SET enable_seqscan = 'off'; \
                       SET enable_hashjoin = 'off'; SET enable_mergejoin = 'off'; SET jit = 'off'";

/// Returns the connection options for the database at `url`.
pub(super) fn options(url: &str) -> Result<PgConnectOptions, StoreError> {
    let url = url::checked(url)?;
    let options = PgConnectOptions::from_str(&url).map_err(|source| cannot_open(&url, source))?;
    let named = options.get_application_name().is_some();
    let options = if named { options } else { options.application_name("reelmill") };
    // Since PostgreSQL 12, numbers are read exactly without this setting.
    Ok(options.extra_float_digits(None))
}

/// A connection with the settings of a session.
async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let mut db = PgConnection::connect_with(options).await?;
    db.execute(SESSION).await?;
    Ok(db)
}

/// A connection with the settings of a writer's session.
pub(super) async fn connect_to_write(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let mut db = connect(options).await?;
    db.execute(WRITING).await?;
    Ok(db)
}

/// A pool, the schema brought up to date.
pub(super) async fn pool(options: PgConnectOptions) -> Result<PgPool, StoreError> {
    let name = name(&options);
    let mut first = connect(&options).await.map_err(|source| cannot_open(&name, source))?;
    migrate(&mut first, &name).await?;
    first.close().await.map_err(|source| cannot_open(&name, source))?;
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS).acquire_timeout(ACQUIRE).after_connect(|db, _| {
        Box::pin(async move {
            db.execute(SESSION).await?;
            Ok(())
        })
    });
    Ok(pool.connect_lazy_with(options))
}

/// Reads information about the database at `url`, and changes nothing.
pub async fn look(url: &str) -> Result<StoreInfo, StoreError> {
    let options = options(url)?;
    let name = name(&options);
    let failed = |source| cannot_open(&name, source);
    let mut db = PgConnection::connect_with(&options).await.map_err(failed)?;
    let row = sqlx::query(
        "SELECT to_regclass('reelmill_schema') IS NOT NULL, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint",
    )
    .fetch_one(&mut db)
    .await
    .map_err(failed)?;
    let now = Timestamp(row.try_get(1).map_err(failed)?);
    let mut schema = None;
    if row.try_get(0).map_err(failed)? {
        let found = sqlx::query("SELECT coalesce(max(version), 0) FROM reelmill_schema").fetch_one(&mut db).await;
        let found: i32 = found.and_then(|row| row.try_get(0)).map_err(failed)?;
        schema = Some(found.unsigned_abs());
    }
    db.close().await.map_err(failed)?;
    Ok(StoreInfo { schema, known: u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX), now: Some(now) })
}

/// A database as people may see it named.
fn name(options: &PgConnectOptions) -> String {
    format!("postgres://{}/{}", options.get_host(), options.get_database().unwrap_or_default())
}

async fn migrate(db: &mut PgConnection, name: &str) -> Result<(), StoreError> {
    let failed = |source| cannot_open(name, source);
    let mut transaction = db.begin().await.map_err(failed)?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(MIGRATION_LOCK)
        .execute(&mut *transaction)
        .await
        .map_err(failed)?;
    transaction.execute("SET LOCAL statement_timeout = 0").await.map_err(failed)?;
    transaction
        .execute("CREATE TABLE IF NOT EXISTS reelmill_schema (version INTEGER NOT NULL)")
        .await
        .map_err(failed)?;
    let found: i32 = sqlx::query("SELECT coalesce(max(version), 0) FROM reelmill_schema")
        .fetch_one(&mut *transaction)
        .await
        .and_then(|row| row.try_get(0))
        .map_err(failed)?;
    let known = MIGRATIONS.len();
    let found = usize::try_from(found).unwrap_or(usize::MAX);
    if found > known {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        return Err(StoreError::TooNew { found: number(found), known: number(known) });
    }
    for (version, sql) in (1_i32..).zip(MIGRATIONS).skip(found) {
        transaction.execute(*sql).await.map_err(failed)?;
        sqlx::query("INSERT INTO reelmill_schema (version) VALUES ($1)")
            .bind(version)
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
    }
    transaction.commit().await.map_err(failed)
}

/// The channel of hints.
#[derive(Clone, Debug)]
pub(super) struct Channel {
    /// Its name: one per schema.
    pub(super) name: String,
    /// Identity of this store: it ignores its own hints.
    pub(super) sender: String,
}

/// The channel of this schema.
pub(super) async fn channel(pool: &PgPool) -> Result<Channel, StoreError> {
    let row = sqlx::query("SELECT left(md5(current_schema()), 16), gen_random_uuid()::text")
        .fetch_one(pool)
        .await
        .map_err(|source| cannot_open("the database", source))?;
    let column = |index| row.try_get::<String, _>(index).map_err(|source| cannot_open("the database", source));
    Ok(Channel { name: format!("reelmill_{}", column(0)?), sender: column(1)? })
}

/// Passes on hints of other daemons, until told to stop. `listening` is answered once the first attempt to listen has
/// succeeded or failed.
pub(super) async fn listen(
    options: PgConnectOptions,
    channel: Channel,
    hints: broadcast::Sender<Hint>,
    listening: oneshot::Sender<()>,
    stop: CancellationToken,
) {
    let mut listening = Some(listening);
    let heard = async {
        loop {
            if let Err(error) = hear(&options, &channel, &hints, &mut listening).await {
                tracing::warn!(%error, "cannot listen for changes made by other daemons; polling continues");
            }
            listening = None;
            tokio::time::sleep(LISTEN_AGAIN).await;
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = heard => {}
    }
}

async fn hear(
    options: &PgConnectOptions,
    channel: &Channel,
    hints: &broadcast::Sender<Hint>,
    listening: &mut Option<oneshot::Sender<()>>,
) -> Result<(), sqlx::Error> {
    let pool = PgPoolOptions::new().max_connections(1).connect_with(options.clone()).await?;
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.listen(&channel.name).await?;
    *listening = None;
    loop {
        let heard = listener.recv().await?;
        let Some((sender, letters)) = heard.payload().split_once(' ') else { continue };
        if sender == channel.sender {
            continue;
        }
        for letter in letters.chars() {
            if let Some(hint) = hint(letter) {
                // An error only means that there is no receiver.
                let _ = hints.send(hint);
            }
        }
    }
}

/// Sends hints to other daemons, until the channel is closed. Several hints are one message: of transactions that
/// notify, the whole server commits only one at a time, so none that writes does it.
pub(super) async fn tell(pool: PgPool, channel: Channel, mut hints: mpsc::Receiver<Hint>) {
    let mut waiting = Vec::new();
    while hints.recv_many(&mut waiting, HINTS).await > 0 {
        let payload = format!("{} {}", channel.sender, payload(&waiting));
        waiting.clear();
        let told = sqlx::query("SELECT pg_notify($1, $2)").bind(&channel.name).bind(payload).execute(&pool).await;
        if let Err(error) = told {
            tracing::debug!(%error, "cannot notify other daemons of changes; they find them when they poll");
        }
    }
}

/// Returns the text of a hint for other daemons; progress of executions is not sent, they poll it.
fn payload(hints: &[Hint]) -> String {
    let queue = hints.contains(&Hint::Queue).then_some('q');
    let outbox = hints.contains(&Hint::Outbox).then_some('o');
    queue.into_iter().chain(outbox).collect()
}

fn hint(letter: char) -> Option<Hint> {
    match letter {
        'q' => Some(Hint::Queue),
        'o' => Some(Hint::Outbox),
        _ => None,
    }
}

/// Never shows what may hold a password.
fn cannot_open(url: &str, source: sqlx::Error) -> StoreError {
    let url = url.split('?').next().unwrap_or_default();
    let path = match url.rsplit_once('@') {
        Some((_, rest)) => format!("postgres://{rest}"),
        None => url.to_owned(),
    };
    StoreError::Open { path, source: Box::new(source) }
}
