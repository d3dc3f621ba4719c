//! Many ended executions, made of those that are there by copying their rows.

use std::fmt::Write;
use std::path::Path;

use sqlx::{Connection, PgConnection};

/// Executions that are copied.
const TEMPLATE: u64 = 1_000;

/// Fills an SQLite database while its store is idle.
pub fn in_sqlite(database: &Path, ended: u64) {
    let db = rusqlite::Connection::open(database).unwrap();
    db.busy_timeout(std::time::Duration::from_secs(600)).unwrap();
    db.execute_batch("PRAGMA synchronous = OFF; PRAGMA cache_size = -200000").unwrap();
    let times = ended.div_ceil(TEMPLATE);
    // Copies get sequence numbers below those that are there: old executions are at the front.
    db.execute_batch("CREATE TEMP TABLE old (seq INTEGER PRIMARY KEY)").unwrap();
    db.execute(
        "INSERT INTO old SELECT seq FROM executions WHERE ended_at IS NOT NULL ORDER BY seq LIMIT ?1",
        [i64::try_from(TEMPLATE).unwrap()],
    )
    .unwrap();
    let transaction = db.unchecked_transaction().unwrap();
    for n in 1..=i64::try_from(times).unwrap() {
        let shift = -n * 10_000_000;
        for sql in [
            "INSERT INTO executions (seq, id, plan, workflow, state, input, params, created_at, ended_at)
             SELECT seq + ?1, randomblob(16), plan, workflow, state, input, params, created_at, ended_at
             FROM executions WHERE seq IN (SELECT seq FROM old)",
            "INSERT INTO log SELECT execution + ?1, seq, at, activity, attempt, mark, event
             FROM log WHERE execution IN (SELECT seq FROM old)",
            "INSERT INTO jobs SELECT execution + ?1, activity, randomblob(16), state, queue, priority, attempt, worker,
                 due_at, stop, progress, started_at, ended_at FROM jobs WHERE execution IN (SELECT seq FROM old)",
            "INSERT INTO outputs SELECT bucket, key || ?1, execution + ?1
             FROM outputs WHERE execution IN (SELECT seq FROM old)",
            "INSERT INTO outbox (execution, run, position, target, state, at, delivery, attempts, due_at)
             SELECT execution + ?1, run, position, target, state, at, delivery, attempts, due_at
             FROM outbox WHERE execution IN (SELECT seq FROM old)",
        ] {
            transaction.prepare_cached(sql).unwrap().execute([shift]).unwrap();
        }
    }
    transaction.commit().unwrap();
    db.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
}

/// Fills a PostgreSQL schema while its stores are idle.
pub async fn in_postgres(url: &str, ended: u64) {
    let mut db = PgConnection::connect(url).await.unwrap();
    let times = ended.div_ceil(TEMPLATE);
    for sql in [
        "SET statement_timeout = 0",
        "CREATE TEMP TABLE old AS SELECT seq FROM executions WHERE ended_at IS NOT NULL ORDER BY seq LIMIT TEMPLATE",
        "CREATE TEMP TABLE again AS SELECT -n * 10000000::bigint AS shift FROM generate_series(1, TIMES) AS n",
        "INSERT INTO executions (seq, id, plan, workflow, state, input, params, created_at, ended_at)
         SELECT seq + shift, gen_random_uuid(), plan, workflow, state, input, params, created_at, ended_at
         FROM again CROSS JOIN executions WHERE seq IN (SELECT seq FROM old)",
        "INSERT INTO log SELECT execution + shift, seq, at, activity, attempt, mark, event
         FROM again CROSS JOIN log WHERE execution IN (SELECT seq FROM old)",
        "INSERT INTO jobs SELECT execution + shift, activity, gen_random_uuid(), state, queue, priority, attempt, worker,
             due_at, stop, progress, started_at, ended_at FROM again CROSS JOIN jobs
         WHERE execution IN (SELECT seq FROM old)",
        "INSERT INTO outputs SELECT bucket, key || shift, execution + shift FROM again CROSS JOIN outputs
         WHERE execution IN (SELECT seq FROM old)",
        "INSERT INTO outbox (execution, run, position, target, state, at, delivery, attempts, due_at)
         SELECT execution + shift, run, position, target, state, at, delivery, attempts, due_at
         FROM again CROSS JOIN outbox WHERE execution IN (SELECT seq FROM old)",
        "VACUUM ANALYZE",
        "CHECKPOINT",
    ] {
        let sql = sql.replace("TEMPLATE", &TEMPLATE.to_string()).replace("TIMES", &times.to_string());
        sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut db).await.unwrap();
    }
}

/// How the database answers what the queue asks it most, as it plans it beside all those rows.
pub async fn plans(url: &str) -> String {
    let mut db = PgConnection::connect(url).await.unwrap();
    let mut text = String::new();
    for (what, sql) in [
        (
            "the next job of a queue",
            "SELECT j.execution, j.activity, j.id FROM jobs j JOIN executions e ON e.seq = j.execution
             WHERE j.state = 'queued' AND j.queue = 'default'
             ORDER BY j.priority DESC, j.execution, j.activity LIMIT 8 FOR UPDATE SKIP LOCKED",
        ),
        ("jobs of a queue that run", "SELECT count(*) FROM jobs WHERE state = 'running' AND queue = 'default'"),
        ("leases that ran out", "SELECT execution FROM jobs WHERE due_at <= 1 ORDER BY due_at LIMIT 500"),
        (
            "what is to be told",
            "SELECT id FROM outbox WHERE delivery = 'pending' AND due_at <= 1 ORDER BY due_at, id LIMIT 64",
        ),
        ("an execution's log", "SELECT event FROM log WHERE execution = 1 AND NOT mark ORDER BY seq"),
    ] {
        let lines: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(format!("EXPLAIN (COSTS OFF) {sql}")))
            .fetch_all(&mut db)
            .await
            .unwrap();
        writeln!(text, "-- {what}\n{}", lines.join("\n")).unwrap();
    }
    text
}
