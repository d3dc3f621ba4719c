//! What only a database in a file can show: restarts, kills, locks, versions.

use std::collections::BTreeSet;

use reelmill::store::sqlite::look;

use super::*;

/// A folder with a database in it.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("reelmill.db")
    }

    fn try_open(&self) -> Result<SqliteStore, StoreError> {
        SqliteStore::open(&self.path(), Arc::new(Conditions))
    }

    pub fn open(&self) -> SharedStore {
        Arc::new(self.try_open().unwrap())
    }
}

/// An execution half done: `a` succeeded, `b` is running.
async fn half_done(world: &World) -> (ExecutionId, Claim) {
    let id = world.start(&chain()).await;
    let claim = world.claim_one().await;
    world.succeed(&claim).await.unwrap();
    (id, world.claim_one().await)
}

async fn goes_on(world: &World, id: ExecutionId, lost: &Claim) {
    assert_eq!(world.words(id).await, "running succeeded running");
    world.store.reclaim_all(world.now()).await.unwrap();
    let claim = world.claim_one().await;
    assert_eq!((claim.job, claim.attempt), (lost.job, lost.attempt + 1));
    world.succeed(&claim).await.unwrap();
    assert_eq!(world.words(id).await, "succeeded succeeded succeeded");
}

#[tokio::test]
async fn field_case_21_a_database_that_was_closed_goes_on_where_it_was() {
    let folder = Folder::new();
    let world = World::new(folder.open());
    let (id, running) = half_done(&world).await;
    let World { store, ids, now } = world;
    drop(store);
    let world = World { store: folder.open(), ids, now };
    goes_on(&world, id, &running).await;
}

#[tokio::test]
async fn field_case_21_what_was_answered_survives_a_kill() {
    let (folder, copy) = (Folder::new(), Folder::new());
    let world = World::new(folder.open());
    let (id, running) = half_done(&world).await;
    // What a killed process leaves behind: the files as they are, nothing closed, nothing flushed.
    for suffix in ["", "-wal"] {
        let name = format!("reelmill.db{suffix}");
        std::fs::copy(folder.0.path().join(&name), copy.0.path().join(&name)).unwrap();
    }
    let World { store, ids, now } = world;
    let survivor = World { store: copy.open(), ids, now };
    goes_on(&survivor, id, &running).await;
    drop(store);
}

#[tokio::test]
async fn a_database_belongs_to_one_daemon() {
    let folder = Folder::new();
    let first = folder.open();
    assert!(matches!(folder.try_open(), Err(StoreError::InUse { .. })));
    drop(first);
    folder.try_open().unwrap();
}

#[tokio::test]
async fn what_cannot_be_opened_says_so() {
    let folder = Folder::new();
    std::fs::write(folder.path(), "this is no database, however one looks at it".repeat(100)).unwrap();
    assert!(matches!(folder.try_open(), Err(StoreError::Open { .. })));
    let nowhere = folder.0.path().join("missing/reelmill.db");
    assert!(matches!(SqliteStore::open(&nowhere, Arc::new(Conditions)), Err(StoreError::Open { .. })));
}

#[tokio::test]
async fn a_later_version_is_left_alone() {
    let folder = Folder::new();
    drop(folder.open());
    let database = rusqlite::Connection::open(folder.path()).unwrap();
    database.pragma_update(None, "user_version", 1_000).unwrap();
    assert!(matches!(folder.try_open(), Err(StoreError::TooNew { found: 1_000, .. })));
}

#[tokio::test]
async fn who_only_looks_is_no_second_daemon_and_makes_nothing() {
    let folder = Folder::new();
    assert_eq!(look(&folder.path()).unwrap().schema, None);
    assert!(!folder.path().exists());
    let daemon = folder.open();
    let seen = look(&folder.path()).unwrap();
    assert_eq!((seen.schema, seen.now), (Some(seen.known), None));
    drop(daemon);
    rusqlite::Connection::open(folder.path()).unwrap().pragma_update(None, "user_version", 1_000).unwrap();
    assert_eq!(look(&folder.path()).unwrap().schema, Some(1_000));
    std::fs::write(folder.path(), "this is no database, however one looks at it".repeat(100)).unwrap();
    assert!(matches!(look(&folder.path()), Err(StoreError::Open { .. })));
}

/// Every earlier schema, filled as that version filled it, must come up to date with everything in it.
#[tokio::test]
async fn every_earlier_version_migrates() {
    let schemas = [
        include_str!("../../src/store/sqlite/migrations/0001_first.sql"),
        include_str!("../../src/store/sqlite/migrations/0002_queues.sql"),
        include_str!("../../src/store/sqlite/migrations/0003_leaner.sql"),
        include_str!("../../src/store/sqlite/migrations/0004_requests.sql"),
    ];
    for version in 0..=schemas.len() {
        let folder = Folder::new();
        let database = rusqlite::Connection::open(folder.path()).unwrap();
        for schema in &schemas[..version] {
            database.execute_batch(schema).unwrap();
        }
        database.pragma_update(None, "user_version", u32::try_from(version).unwrap()).unwrap();
        drop(database);
        let world = World::new(folder.open());
        let (id, running) = half_done(&world).await;
        goes_on(&world, id, &running).await;
    }
}

/// Warnings that a version without their number wrote are counted when its database is opened.
#[tokio::test]
async fn newcomer_warnings_of_an_earlier_version_are_counted() {
    let folder = Folder::new();
    let database = rusqlite::Connection::open(folder.path()).unwrap();
    database.execute_batch(include_str!("../../src/store/sqlite/migrations/0001_first.sql")).unwrap();
    let (id, job) = (uuid::Uuid::from_u128(7), uuid::Uuid::from_u128(8));
    let plan = serde_json::to_string(&*one("old")).unwrap();
    database.execute("INSERT INTO plans (id, digest, body) VALUES (1, 'd', ?1)", [plan]).unwrap();
    database
        .execute(
            "INSERT INTO executions (seq, id, plan, workflow, state, input, params, created_at, ended_at)
             VALUES (1, ?1, 1, 'old', 'succeeded', ?2, '{}', 1, 2)",
            (id, json!(object("old.mp4")).to_string()),
        )
        .unwrap();
    database
        .execute(
            "INSERT INTO jobs (execution, activity, id, state, queue, priority, attempt, ended_at)
             VALUES (1, 0, ?1, 'succeeded', 'default', 6, 2, 2)",
            [job],
        )
        .unwrap();
    let warning = |n: u32| json!({"type": "warning", "code": format!("MEDIA010{n}"), "message": "seen"});
    let log = [
        (None, None, json!({"type": "started", "cause": "a test"})),
        (Some("a"), None, json!({"type": "queued"})),
        (Some("a"), Some(1), json!({"type": "claimed", "worker": "w"})),
        (Some("a"), Some(1), warning(1)),
        (Some("a"), Some(1), json!({"type": "attempt_lost", "reason": "killed"})),
        (Some("a"), Some(2), json!({"type": "claimed", "worker": "w"})),
        (Some("a"), Some(2), warning(1)),
        (Some("a"), Some(2), warning(3)),
        (Some("a"), Some(2), json!({"type": "succeeded", "result": null, "outputs": []})),
        (None, None, json!({"type": "ended", "state": "succeeded"})),
    ];
    for (seq, (activity, attempt, event)) in (1_u32..).zip(log) {
        database
            .execute(
                "INSERT INTO log (execution, seq, at, activity, attempt, mark, event) VALUES (1, ?1, 1, ?2, ?3, ?4, ?5)",
                (seq, activity, attempt, event["type"] == "warning", serde_json::to_string(&log_event(&event)).unwrap()),
            )
            .unwrap();
    }
    database.pragma_update(None, "user_version", 1).unwrap();
    drop(database);
    let record = folder.open().execution(ExecutionId(id)).await.unwrap().unwrap();
    let codes: Vec<_> = record.warnings.iter().map(|warning| warning.code.as_str()).collect();
    assert_eq!((record.summary.warnings, codes), (2, vec!["MEDIA0101", "MEDIA0103"]));
}

/// As it is written: the type first.
fn log_event(event: &serde_json::Value) -> LogEvent {
    serde_json::from_value(event.clone()).unwrap()
}

#[tokio::test]
async fn states_in_the_schema_are_the_states_of_the_model() {
    let schema = include_str!("../../src/store/sqlite/migrations/0003_leaner.sql");
    let words = |table: &str| {
        let (_, from) = schema.split_once(&format!("CREATE TABLE {table} (")).unwrap();
        let (_, check) = from.split_once("state TEXT NOT NULL CHECK (").unwrap();
        let (check, _) = check.split_once("),").unwrap();
        let words = check.split(" OR ").map(|term| term.trim().trim_matches(['(', ')']).trim());
        words.map(|term| term.strip_prefix("state = ").unwrap().trim_matches('\'').to_owned()).collect::<BTreeSet<_>>()
    };
    assert_eq!(words("new_executions"), ExecutionState::ALL.iter().map(|state| state.as_str().to_owned()).collect());
    assert_eq!(words("new_jobs"), JobState::ALL.iter().map(|state| state.as_str().to_owned()).collect());
}
