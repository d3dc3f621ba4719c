use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;

use petgraph::graph::{DiGraph, NodeIndex};
use serde_json::Value;

use super::*;
use crate::engine::{Execution, Facts};
use crate::model::plan::{Activity, ActivityInput, ActivityKind, OnFailure, OutputTarget, Plan, RetryPolicy};
use crate::model::work::IfIncomplete;
use crate::model::{Ids, InputObject, SequentialIds};

const NOW: Timestamp = Timestamp(1_000_000);

struct Unconditional;

impl Evaluate for Unconditional {
    fn when(&self, _: &Plan, _: NodeIndex, _: &Execution, _: &Facts<'_>) -> Result<bool, Failure> {
        Ok(true)
    }
}

fn execution(ids: &SequentialIds) -> NewExecution {
    let mut graph = DiGraph::new();
    graph.add_node(Activity {
        name: "a".to_owned(),
        group: None,
        each: None,
        kind: ActivityKind::Analysis,
        spec: Value::Null,
        input: ActivityInput::Object,
        output: None,
        when: None,
        handles: Vec::new(),
        queue: "default".to_owned(),
        priority: 5,
        timeout: Duration::from_secs(60),
        retry: RetryPolicy::default(),
        on_failure: OnFailure::Fail,
        if_incomplete: IfIncomplete::Warn,
    });
    let plan = Plan {
        workflow: "test".to_owned(),
        digest: "d".to_owned(),
        graph,
        output: OutputTarget { bucket: "out".to_owned(), ..OutputTarget::default() },
        notify: Vec::new(),
        deadline: None,
        params: BTreeMap::new(),
    };
    let location = ObjectLocation { bucket: "in".to_owned(), key: "clip.mp4".to_owned() };
    NewExecution {
        id: ExecutionId(ids.next(NOW)),
        jobs: vec![JobId(ids.next(NOW))],
        plan: Arc::new(plan),
        input: InputObject { location, size_bytes: None, etag: None, version: None, metadata: BTreeMap::new() },
        params: BTreeMap::new(),
        user_data: Some("x".repeat(1_000)),
        cause: "a test".to_owned(),
    }
}

fn open(path: &Path) -> SqliteStore {
    SqliteStore::open(path, Arc::new(Unconditional)).unwrap()
}

async fn set(store: &SqliteStore, pragma: &'static str, value: i64) {
    store.writer.call("test", move |w| Ok(w.db.pragma_update(None, pragma, value)?)).await.unwrap();
}

async fn count(store: &SqliteStore) -> usize {
    store.executions(ExecutionFilter { limit: 10_000, ..ExecutionFilter::default() }).await.unwrap().len()
}

#[tokio::test]
async fn a_full_disk_refuses_whole_commands_and_the_store_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("reelmill.db"));
    set(&store, "max_page_count", 60).await;
    let ids = SequentialIds::default();
    let mut started = 0;
    let refused = loop {
        match store.start(execution(&ids), NOW).await {
            Ok(()) => started += 1,
            Err(error) => break error,
        }
    };
    assert!(matches!(refused, StoreError::Database { operation: "start an execution", .. }), "{refused:?}");
    assert!(started > 0);
    assert_eq!(count(&store).await, started);
    set(&store, "max_page_count", 10_000).await;
    store.start(execution(&ids), NOW).await.unwrap();
    assert_eq!(count(&store).await, started + 1);
    for _ in 0..=started {
        let claim = store.claim(&Claimant::of_all("w"), Duration::from_secs(1), NOW).await.unwrap().unwrap();
        store.succeed(claim.job, claim.attempt, Value::Null, Vec::new(), NOW).await.unwrap();
    }
    assert!(store.is_idle().await.unwrap());
}

#[tokio::test]
async fn nobody_is_told_of_a_commit_that_fails() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("reelmill.db"));
    let mut hints = store.hints();
    let ids = SequentialIds::default();
    let (entered, holding) = tokio::sync::oneshot::channel();
    let mut entered = Some(entered);
    let (release, gate) = mpsc::channel::<()>();
    // Holds the writer until the other two wait for it, so that they share a transaction.
    let held = store.writer.call("hold", move |_| {
        entered.take().expect("it runs once").send(()).expect("somebody waits for it");
        gate.recv().expect("it is released");
        Ok(())
    });
    // Checked at the commit only, which therefore fails.
    let bad = store.writer.call("orphan", |w| {
        w.db.pragma_update(None, "defer_foreign_keys", true)?;
        w.db.execute("INSERT INTO outputs (bucket, key, execution) VALUES ('b', 'k', 1000)", [])?;
        Ok(())
    });
    let together = async {
        holding.await.expect("the writer is held");
        futures::join!(store.start(execution(&ids), NOW), bad, async {
            release.send(()).expect("the writer waits");
        })
    };
    let (held, (good, bad, ())) = futures::join!(held, together);
    held.unwrap();
    assert!(matches!(good, Err(StoreError::Database { .. })), "{good:?}");
    assert!(matches!(bad, Err(StoreError::Database { .. })), "{bad:?}");
    assert!(hints.try_recv().is_err());
    assert_eq!(count(&store).await, 0);
    store.start(execution(&ids), NOW).await.unwrap();
    assert_eq!(count(&store).await, 1);
}

#[tokio::test]
async fn a_command_that_fails_after_it_wrote_undoes_itself_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("reelmill.db"));
    let ids = SequentialIds::default();
    let (entered, holding) = tokio::sync::oneshot::channel();
    let mut entered = Some(entered);
    let (release, gate) = mpsc::channel::<()>();
    // Holds the writer until the others wait for it, so that they share a transaction.
    let held = store.writer.call("hold", move |_| {
        if let Some(entered) = entered.take() {
            entered.send(()).expect("somebody waits for it");
            gate.recv().expect("it is released");
        }
        Ok(())
    });
    let bad = store.writer.call("write and fail", |w| {
        w.db.execute("INSERT INTO queues (name) VALUES ('left over')", [])?;
        w.db.execute("INSERT INTO queues (name) VALUES ('left over')", [])?;
        Ok(())
    });
    let together = async {
        holding.await.expect("the writer is held");
        futures::join!(store.start(execution(&ids), NOW), bad, store.start(execution(&ids), NOW), async {
            release.send(()).expect("the writer waits");
        })
    };
    let (held, (before, bad, after, ())) = futures::join!(held, together);
    assert!(held.is_ok() && before.is_ok() && after.is_ok(), "{before:?} {after:?}");
    assert!(matches!(bad, Err(StoreError::Database { .. })), "{bad:?}");
    assert_eq!(count(&store).await, 2);
    assert!(store.queues().await.unwrap().iter().all(|queue| queue.name != "left over"));
}

#[tokio::test]
async fn a_database_of_the_first_version_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("reelmill.db");
    let new = execution(&SequentialIds::default());
    {
        let db = rusqlite::Connection::open(&path).unwrap();
        db.execute_batch(include_str!("migrations/0001_first.sql")).unwrap();
        db.pragma_update(None, "user_version", 1).unwrap();
        db.execute(
            "INSERT INTO plans (id, digest, body) VALUES (1, 'd', ?1)",
            [serde_json::to_string(&*new.plan).unwrap()],
        )
        .unwrap();
        db.execute(
            "INSERT INTO executions (seq, id, plan, workflow, state, input, params, created_at)
             VALUES (1, ?1, 1, 'test', 'running', ?2, '{}', 1000000)",
            rusqlite::params![new.id.0, serde_json::to_string(&new.input).unwrap()],
        )
        .unwrap();
        db.execute(
            "INSERT INTO jobs (execution, activity, id, state, queue, priority) VALUES (1, 0, ?1, 'queued', 'default', 5)",
            [new.jobs[0].0],
        )
        .unwrap();
        for (seq, activity, event) in
            [(1, None, r#"{"type":"started","cause":"a test"}"#), (2, Some("a"), r#"{"type":"queued"}"#)]
        {
            db.execute(
                "INSERT INTO log (execution, seq, at, activity, mark, event) VALUES (1, ?1, 1000000, ?2, 0, ?3)",
                rusqlite::params![seq, activity, event],
            )
            .unwrap();
        }
    }
    let store = open(&path);
    assert_eq!(store.queues().await.unwrap()[0].name, "default");
    let claim = store.claim(&Claimant::of_all("w"), Duration::from_secs(1), NOW).await.unwrap().expect("it waits");
    assert_eq!((claim.execution, claim.job), (new.id, new.jobs[0]));
    store.succeed(claim.job, claim.attempt, Value::Null, Vec::new(), NOW).await.unwrap();
    assert!(store.is_idle().await.unwrap());
}
