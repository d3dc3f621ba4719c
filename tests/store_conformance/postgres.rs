//! Stores in PostgreSQL, and what only several daemons on one database can show.

#[path = "../support/postgres.rs"]
mod server;

pub use server::alone;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use reelmill::engine::LogEvent;
use reelmill::model::{Clock, ExecutionId, SystemClock, Timestamp};
use reelmill::store::postgres::{ClockSource, PostgresStore, look};
use reelmill::store::{Claimant, EventIdentity, EventOutcome, Heartbeat, Hint, Retention, SharedStore, StoreError};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::{Conditions, World, chain, event, identity, matched, one};

/// A database of its own.
pub struct Database {
    pub url: String,
}

impl Database {
    pub async fn new() -> Self {
        Self { url: server::empty().await }
    }

    pub async fn open(&self) -> SharedStore {
        self.open_with(ClockSource::Caller).await
    }

    async fn open_with(&self, time: ClockSource) -> SharedStore {
        Arc::new(PostgresStore::connect(&self.url, time, Arc::new(Conditions)).await.expect("it opens"))
    }

    async fn sql(&self, sql: &str) {
        let mut db = PgConnection::connect(&self.url).await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut db).await.unwrap();
    }
}

const LEASE: Duration = Duration::from_secs(30);

/// Claims and ends everything, as one daemon does with several slots.
async fn work_off(store: SharedStore, name: &'static str) -> Vec<(ExecutionId, usize, u32)> {
    let slot = || {
        let store = store.clone();
        async move {
            let mut done = Vec::new();
            let now = SystemClock.now();
            loop {
                // What the other daemon has locked at this moment is passed over: look again before giving up.
                let Some(claim) = store.claim(&Claimant::of_all(name), LEASE, now).await.unwrap() else {
                    if store.is_idle().await.unwrap() {
                        return done;
                    }
                    continue;
                };
                store.succeed(claim.job, claim.attempt, json!(null), Vec::new(), now).await.unwrap();
                done.push((claim.execution, claim.activity, claim.attempt));
            }
        }
    };
    futures::future::join_all((0..4).map(|_| slot())).await.concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn daemons_share_the_queue_and_no_job_is_claimed_twice() {
    let database = Database::new().await;
    let daemons = [database.open().await, database.open().await, database.open().await];
    let world = World::new(database.open().await);
    let plan = chain();
    let mut started = BTreeSet::new();
    for _ in 0..60 {
        started.insert(world.start(&plan).await);
    }
    let [a, b, c] = daemons;
    let (a, b, c) = futures::join!(work_off(a, "a"), work_off(b, "b"), work_off(c, "c"));
    let all: Vec<_> = [a, b, c].concat();
    let distinct: BTreeSet<_> = all.iter().copied().collect();
    assert_eq!((all.len(), distinct.len()), (120, 120));
    assert!(all.iter().all(|(_, _, attempt)| *attempt == 1));
    for id in started {
        assert_eq!(world.words(id).await, "succeeded succeeded succeeded");
    }
}

#[tokio::test]
async fn field_case_22_clocks_that_disagree_by_minutes_change_nothing() {
    let database = Database::new().await;
    let (slow, fast) =
        (database.open_with(ClockSource::Database).await, database.open_with(ClockSource::Database).await);
    let world = World::new(slow.clone());
    let id = world.start(&one("vod")).await;
    let now = SystemClock.now();
    let (early, late) = (now.before(Duration::from_secs(600)), now.after(Duration::from_secs(600)));
    let claim = slow.claim(&Claimant::of_all("slow"), LEASE, early).await.unwrap().expect("a job");
    let (moved, next) = fast.reap(late).await.unwrap();
    assert_eq!(moved, 0, "the lease holds by the database's clock");
    assert!(next.is_some_and(|wait| wait > Duration::from_secs(20) && wait <= LEASE), "{next:?}");
    assert_eq!(slow.heartbeat(claim.job, claim.attempt, LEASE, None, early).await.unwrap(), Heartbeat::Continue);
    assert!(fast.claim(&Claimant::of_all("fast"), LEASE, late).await.unwrap().is_none());
    slow.succeed(claim.job, claim.attempt, json!(null), Vec::new(), Timestamp(0)).await.unwrap();
    let log = fast.log(id, 0, 100).await.unwrap();
    assert!(log.windows(2).all(|pair| pair[0].at <= pair[1].at), "{log:?}");
    assert!(log.iter().all(|entry| entry.at > early && entry.at < late));
}

#[tokio::test]
async fn one_daemon_sees_at_once_what_another_did() {
    let database = Database::new().await;
    let (one_daemon, other) = (database.open().await, database.open().await);
    let mut hints = other.hints();
    let world = World::new(one_daemon.clone());
    let id = world.start(&chain()).await;
    let heard = async { while !matches!(hints.recv().await, Ok(Hint::Queue)) {} };
    tokio::time::timeout(Duration::from_secs(10), heard).await.expect("it is told");
    let claim = other.claim(&Claimant::of_all("other"), LEASE, world.now()).await.unwrap().expect("a job");
    let note = LogEvent::Note { message: "here".to_owned() };
    other.note(claim.job, claim.attempt, note, world.now()).await.unwrap();
    // The first daemon has the execution in memory from its start, and must not go on from that.
    one_daemon.cancel(id, "no longer needed", "me", world.now()).await.unwrap();
    assert_eq!(other.heartbeat(claim.job, claim.attempt, LEASE, None, world.now()).await.unwrap(), Heartbeat::Stop);
    assert_eq!(world.words(id).await, "running running cancelled");
}

#[tokio::test]
async fn field_case_01_two_daemons_that_hear_of_one_upload_start_it_once() {
    let database = Database::new().await;
    let daemons = [database.open().await, database.open().await];
    let world = World::new(daemons[0].clone());
    let plan = one("vod");
    for n in 0..20 {
        let announce = |name: &'static str, companion: &'static str| {
            let mut event = event(&format!("big-{n}.mp4"));
            name.clone_into(&mut event.name);
            event.sequencer = Some(name.to_owned());
            event.object.etag = Some("e-3".to_owned());
            let companion = reelmill::store::Companion { name: companion, etag: event.object.etag.clone() };
            (EventIdentity { companion: Some(companion), ..identity(&event) }, event)
        };
        let pair = [announce("Put", "CompleteMultipartUpload"), announce("CompleteMultipartUpload", "Put")];
        let record = daemons.iter().zip(&pair).map(|(store, (identity, event))| {
            let start = world.execution(&plan, &event.object.location.key);
            store.record_event(identity, event, matched("vod"), vec![start], world.now())
        });
        let outcomes = futures::future::join_all(record).await;
        let new = outcomes.iter().filter(|outcome| matches!(outcome, Ok(EventOutcome::Recorded(_)))).count();
        assert_eq!(new, 1, "{outcomes:?}");
    }
}

#[tokio::test]
async fn a_bounded_queue_stays_bounded_over_all_daemons() {
    let database = Database::new().await;
    let daemons = [database.open().await, database.open().await, database.open().await];
    let world = World::new(daemons[0].clone());
    let plan = super::queued_in("slow", 5);
    for _ in 0..12 {
        world.start(&plan).await;
    }
    let change = reelmill::store::QueueChange { concurrency: Some(4), paused: None };
    daemons[0].set_queue("slow", change).await.unwrap();
    let now = world.now();
    let claims = daemons.iter().flat_map(|store| {
        (0..4).map(move |_| async move { store.claim(&Claimant::of_all("w"), LEASE, now).await.unwrap() })
    });
    let claimed = futures::future::join_all(claims).await.into_iter().flatten().count();
    assert_eq!(claimed, 4);
}

#[tokio::test]
async fn a_store_goes_on_after_its_connections_were_cut() {
    let mut database = Database::new().await;
    // A name of its own: other tests have connections to the same server.
    let name = database.url.rsplit_once("test_").expect("it has a schema").1.to_owned();
    database.url = format!("{}&application_name=cut_{name}", database.url);
    let world = World::new(database.open().await);
    world.start(&one("vod")).await;
    assert!(!world.store.is_idle().await.unwrap());
    let cut = format!(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE application_name = 'cut_{name}' AND pid <> pg_backend_pid()"
    );
    database.sql(&cut).await;
    let mut tries = 0;
    loop {
        tries += 1;
        match world.store.claim(&Claimant::of_all("w"), LEASE, world.now()).await {
            Ok(claim) => break assert!(claim.is_some()),
            Err(error @ StoreError::Database { .. }) => assert!(tries < 5, "{error}"),
            Err(error) => panic!("{error}"),
        }
    }
    // Connections of the pool were cut as well; each is replaced when it is next used.
    let mut asked = world.store.is_idle().await;
    for _ in 0..8 {
        if asked.is_err() {
            asked = world.store.is_idle().await;
        }
    }
    assert!(!asked.unwrap(), "a job runs");
}

#[tokio::test]
async fn many_daemons_can_start_on_an_empty_database_at_once_and_a_newer_one_is_refused() {
    let database = Database::new().await;
    let opened = futures::future::join_all((0..5).map(|_| database.open())).await;
    assert_eq!(opened.len(), 5);
    database.sql("INSERT INTO reelmill_schema (version) VALUES (99)").await;
    let refused = PostgresStore::connect(&database.url, ClockSource::Caller, Arc::new(Conditions)).await;
    assert!(matches!(refused, Err(StoreError::TooNew { found: 99, .. })), "{refused:?}");
    let wrong =
        PostgresStore::connect("postgres://u:secret@127.0.0.1:1/db", ClockSource::Caller, Arc::new(Conditions)).await;
    let error = wrong.unwrap_err();
    assert!(matches!(error, StoreError::Open { .. }) && !error.to_string().contains("secret"), "{error}");
}

#[tokio::test]
async fn who_only_looks_at_a_database_makes_nothing() {
    let database = Database::new().await;
    let seen = look(&database.url).await.unwrap();
    assert_eq!(seen.schema, None);
    let apart = seen.now.unwrap().since(SystemClock.now()).max(SystemClock.now().since(seen.now.unwrap()));
    assert!(apart < Duration::from_secs(600), "{apart:?}");
    assert_eq!(look(&database.url).await.unwrap().schema, None, "looking made a schema");
    drop(database.open().await);
    let seen = look(&database.url).await.unwrap();
    assert_eq!(seen.schema, Some(seen.known));
    let wrong = look("postgres://u:secret@127.0.0.1:1/db").await.unwrap_err();
    assert!(matches!(wrong, StoreError::Open { .. }) && !wrong.to_string().contains("secret"), "{wrong}");
}

/// A database as the first version left it, with work in it, goes on; what is pruned leaves nothing behind.
#[tokio::test]
async fn a_database_of_the_first_version_goes_on() {
    let database = Database::new().await;
    let (plan, id, job) = (one("a"), uuid::Uuid::from_u128(1), uuid::Uuid::from_u128(2));
    database.sql(include_str!("../../src/store/postgres/migrations/0001_first.sql")).await;
    database
        .sql(&format!(
            "CREATE TABLE reelmill_schema (version INTEGER NOT NULL);
             INSERT INTO reelmill_schema VALUES (1);
             INSERT INTO queues (name) VALUES ('default');
             INSERT INTO plans (id, hash, body) VALUES (1, sha256('1'), '{}');
             INSERT INTO executions (seq, id, plan, workflow, state, input, params, created_at)
             VALUES (1, '{id}', 1, 'test', 'running', '{}', '{{}}', 1000000);
             INSERT INTO jobs (execution, activity, id, state, queue, priority)
             VALUES (1, 0, '{job}', 'queued', 'default', 5);
             INSERT INTO log (execution, seq, at, activity, mark, event)
             VALUES (1, 1, 1000000, NULL, FALSE, '{{\"type\":\"started\",\"cause\":\"a test\"}}'),
                    (1, 2, 1000000, 'a', FALSE, '{{\"type\":\"queued\"}}');
             INSERT INTO log (execution, seq, at, activity, attempt, mark, event)
             VALUES (1, 3, 1000000, 'a', 1, TRUE, '{{\"type\":\"warning\",\"code\":\"MEDIA0101\",\"message\":\"seen\"}}');
             SELECT setval(pg_get_serial_sequence('executions', 'seq'), 1)",
            serde_json::to_string(&*plan).unwrap(),
            json!(event("old.mp4").object),
        ))
        .await;
    let world = World::new(database.open().await);
    let old = world.store.execution(ExecutionId(id)).await.unwrap().unwrap();
    assert_eq!(old.summary.warnings, 1, "the migration counts warnings");
    let claim = world.store.claim(&Claimant::of_all("w"), LEASE, world.now()).await.unwrap().expect("it waits");
    assert_eq!((claim.execution.0, claim.job.0), (id, job));
    world.store.succeed(claim.job, claim.attempt, json!(null), Vec::new(), world.now()).await.unwrap();
    let none = Duration::ZERO;
    let old = Retention { executions: none, logs: none, events: none, requests: none };
    let later = world.now().after(LEASE);
    assert_eq!(world.store.prune(old, 10, later).await.unwrap().executions, 1);
    let mut db = PgConnection::connect(&database.url).await.unwrap();
    let left: i64 = sqlx::query_scalar("SELECT (SELECT count(*) FROM log) + (SELECT count(*) FROM jobs)")
        .fetch_one(&mut db)
        .await
        .unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn an_execution_that_cannot_be_read_takes_no_other_with_it() {
    let database = Database::new().await;
    let (other, world) = (database.open().await, World::new(database.open().await));
    let bad = world.start(&one("bad")).await;
    let good = world.start_on(&chain(), "good.mp4").await;
    database
        .sql(&format!(
            "UPDATE log SET event = '{{}}' WHERE execution = (SELECT seq FROM executions WHERE id = '{bad}')"
        ))
        .await;
    let claimant = Claimant::of_all("w");
    let first = other.claim(&claimant, LEASE, world.now());
    let cancel = other.cancel(good, "no longer needed", "me", world.now());
    let (claimed, cancelled) = futures::join!(first, cancel);
    assert!(claimed.is_err(), "{claimed:?}");
    cancelled.unwrap();
    assert_eq!(world.words(good).await, "cancelled cancelled cancelled");
}
