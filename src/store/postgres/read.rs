//! Questions that change nothing.

use std::collections::{HashSet, VecDeque};

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, PgExecutor, PgPool, Row};

use super::codec;
use super::fault::Fault;
use crate::engine::{Execution, LogEntry, Replay};
use crate::model::plan::Plan;
use crate::model::{ExecutionId, ExecutionState, InputObject, JobId, JobState, ObjectLocation, Timestamp};
use crate::store::listing::in_state;
use crate::store::unit::Seq;
use crate::store::warning::Warnings;
use crate::store::{EventFilter, EventRecord, ExecutionFilter, ExecutionRecord, ExecutionSummary, JobRecord};

/// Most workflows, and executions per object, that a lineage reads.
const LINEAGE: usize = 32;

/// Most executions that a lineage reads in all.
const LINEAGE_EXECUTIONS: usize = 1_024;

/// Columns of a summary, in the order [`summary`] reads them.
const SUMMARY: &str = "id, workflow, state, input, created_at, ended_at, warnings,
    (SELECT coalesce(json_agg(json_build_object(
             'queue', queue, 'state', state, 'priority', priority, 'paused', coalesce(paused, FALSE))), '[]')::text
     FROM (SELECT DISTINCT queue, state, priority, paused FROM jobs LEFT JOIN queues ON name = queue
           WHERE execution = executions.seq) AS alike)";

/// The database's time.
pub(super) async fn now(db: impl PgExecutor<'_>) -> Result<Timestamp, Fault> {
    let micros = sqlx::query_scalar("SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").fetch_one(db);
    Ok(Timestamp(micros.await?))
}

/// See [`crate::store::Store::execution`].
pub(super) async fn execution(pool: &PgPool, id: ExecutionId) -> Result<Option<ExecutionRecord>, Fault> {
    // One snapshot: log and jobs belong together.
    let mut db = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let sql = format!(
        "SELECT {SUMMARY}, seq, body, params, user_data FROM executions JOIN plans ON plans.id = plan
         WHERE executions.id = $1"
    )
    .replace("SELECT id,", "SELECT executions.id,");
    let Some(row) = sqlx::query(AssertSqlSafe(sql)).bind(id.0).fetch_optional(&mut *db).await? else {
        return Ok(None);
    };
    let seq: Seq = row.try_get(8)?;
    let plan: Plan = codec::from_json("plan", row.try_get(9)?)?;
    let entries =
        sqlx::query("SELECT seq, at, activity, attempt, event, mark FROM log WHERE execution = $1 ORDER BY seq")
            .bind(seq)
            .fetch_all(&mut *db)
            .await?;
    let mut replay = Replay::new(&plan);
    let mut warnings = Warnings::default();
    let mut last = 0;
    for entry in &entries {
        last = entry.try_get::<i64, _>(0)?.unsigned_abs();
        let read = codec::log_entry(entry, 0)?;
        if entry.try_get(5)? {
            warnings.take(read);
        } else {
            replay.apply(&read).map_err(|error| Fault::corrupt("log", error))?;
        }
    }
    let state = Execution { next_seq: last + 1, ..replay.into_state() };
    let rows = sqlx::query(
        "SELECT id, state, attempt, started_at, ended_at, CASE WHEN state = 'running' THEN progress END,
             priority
         FROM jobs WHERE execution = $1 ORDER BY activity",
    )
    .bind(seq)
    .fetch_all(&mut *db)
    .await?;
    let mut jobs = Vec::with_capacity(rows.len());
    for (row, activity) in rows.iter().zip(plan.graph.node_weights()) {
        let progress: Option<String> = row.try_get(5)?;
        jobs.push(JobRecord {
            id: JobId(row.try_get(0)?),
            activity: activity.name.clone(),
            state: codec::named("job state", row.try_get(1)?, JobState::parse)?,
            priority: row.try_get::<i16, _>(6)?.try_into().unwrap_or_default(),
            attempts: codec::count(row, 2)?,
            started_at: row.try_get::<Option<i64>, _>(3)?.map(Timestamp),
            ended_at: row.try_get::<Option<i64>, _>(4)?.map(Timestamp),
            progress: progress.map(|text| codec::from_json("progress", &text)).transpose()?,
        });
    }
    let record = ExecutionRecord {
        summary: summary(&row)?,
        params: codec::from_json("parameters", row.try_get(10)?)?,
        user_data: row.try_get(11)?,
        warnings: warnings.of_last_attempts(&plan, |node| state.activities[node].attempt()),
        state,
        jobs,
        plan: plan.into(),
    };
    Ok(Some(record))
}

/// See [`crate::store::Store::executions`].
pub(super) async fn executions(pool: &PgPool, filter: &ExecutionFilter) -> Result<Vec<ExecutionSummary>, Fault> {
    let before = match filter.before {
        None => None,
        Some(id) => Some(find(pool, id).await?),
    };
    let workflows: Vec<_> = filter.workflows.iter().map(|name| codec::text(name).into_owned()).collect();
    let rows = sqlx::query(AssertSqlSafe(listing(filter)))
        .bind(workflows)
        .bind(filter.since.map(|at| at.0))
        .bind(before)
        .bind(i64::from(filter.limit))
        .fetch_all(pool)
        .await?;
    rows.iter().map(summary).collect()
}

/// One statement per set of conditions, so that each can use its index; several workflows, or several states of any
/// workflow, are as many walks along theirs.
fn listing(filter: &ExecutionFilter) -> String {
    let mut conditions =
        String::from("($1::text[] IS NULL OR TRUE) AND ($2::bigint IS NULL OR TRUE) AND ($3::bigint IS NULL OR TRUE)");
    for (given, condition) in [
        (filter.since.is_some(), " AND created_at >= $2"),
        (filter.before.is_some(), " AND seq < $3"),
        (filter.warned, " AND warnings > 0"),
    ] {
        if given {
            conditions.push_str(condition);
        }
    }
    let newest = "ORDER BY seq DESC LIMIT $4";
    let states: Vec<String> = filter.states.iter().copied().map(in_state).collect();
    if !filter.workflows.is_empty() {
        let state = if states.is_empty() { String::new() } else { format!(" AND ({})", states.join(" OR ")) };
        return format!(
            "SELECT found.* FROM unnest($1::text[]) AS wanted (name), LATERAL (
                 SELECT {SUMMARY}, seq FROM executions
                 WHERE workflow = wanted.name AND {conditions}{state} {newest}) AS found
             {newest}"
        );
    }
    let of = |condition: &str| format!("SELECT {SUMMARY}, seq FROM executions WHERE {condition}{conditions} {newest}");
    match states.as_slice() {
        [] => of(""),
        [one] => of(&format!("{one} AND ")),
        several => {
            let each: Vec<String> = several.iter().map(|state| format!("({})", of(&format!("{state} AND ")))).collect();
            format!("{} {newest}", each.join(" UNION ALL "))
        }
    }
}

/// See [`crate::store::Store::log`].
pub(super) async fn log(pool: &PgPool, id: ExecutionId, after: u64, limit: u32) -> Result<Vec<LogEntry>, Fault> {
    let seq = find(pool, id).await?;
    let rows = sqlx::query(
        "SELECT seq, at, activity, attempt, event FROM log WHERE execution = $1 AND seq > $2 ORDER BY seq LIMIT $3",
    )
    .bind(seq)
    .bind(codec::bigint(after))
    .bind(i64::from(limit))
    .fetch_all(pool)
    .await?;
    rows.iter().map(|row| codec::log_entry(row, 0)).collect()
}

/// See [`crate::store::Store::events`].
pub(super) async fn events(pool: &PgPool, filter: &EventFilter) -> Result<Vec<EventRecord>, Fault> {
    const COLUMNS: &str = "SELECT at, event, decisions, duplicates, unreadable, body,
             ARRAY(SELECT id FROM executions WHERE executions.event = events.seq ORDER BY executions.seq), seq
         FROM events WHERE seq < $1";
    let (before, limit) = (filter.before.unwrap_or(i64::MAX), i64::from(filter.limit));
    let rows = if let Some(ObjectLocation { bucket, key }) = &filter.object {
        let sql = format!(
            "{COLUMNS} AND bucket IS NOT NULL AND md5(bucket || '/' || key) = md5($3 || '/' || $4)
                 AND bucket = $3 AND key = $4 ORDER BY seq DESC LIMIT $2"
        );
        let query = sqlx::query(AssertSqlSafe(sql)).bind(before).bind(limit);
        query.bind(codec::text(bucket).into_owned()).bind(codec::text(key).into_owned()).fetch_all(pool).await?
    } else {
        let sql = format!("{COLUMNS} ORDER BY seq DESC LIMIT $2");
        sqlx::query(AssertSqlSafe(sql)).bind(before).bind(limit).fetch_all(pool).await?
    };
    let mut page = Vec::with_capacity(rows.len());
    for row in &rows {
        let event: Option<String> = row.try_get(1)?;
        page.push(EventRecord {
            seq: row.try_get(7)?,
            at: Timestamp(row.try_get(0)?),
            event: event.map(|text| codec::from_json("event", &text)).transpose()?,
            decisions: codec::from_json("decisions", row.try_get(2)?)?,
            executions: row.try_get::<Vec<uuid::Uuid>, _>(6)?.into_iter().map(ExecutionId).collect(),
            duplicates: codec::count(row, 3)?,
            unreadable: row.try_get(4)?,
            body: row.try_get(5)?,
        });
    }
    Ok(page)
}

/// See [`crate::store::Store::lineage`].
pub(super) async fn lineage(pool: &PgPool, object: ObjectLocation) -> Result<Vec<String>, Fault> {
    let mut workflows: Vec<String> = Vec::new();
    let mut seen = HashSet::new();
    let mut search = VecDeque::from([object]);
    while let Some(object) = search.pop_front() {
        let rows = sqlx::query(
            "SELECT e.seq, e.workflow, e.input FROM outputs o JOIN executions e ON e.seq = o.execution
             WHERE md5(o.bucket || '/' || o.key) = md5($1 || '/' || $2) AND o.bucket = $1 AND o.key = $2
             ORDER BY e.seq DESC LIMIT $3",
        )
        .bind(codec::text(&object.bucket).as_ref())
        .bind(codec::text(&object.key).as_ref())
        .bind(codec::bigint(LINEAGE as u64))
        .fetch_all(pool)
        .await?;
        for row in &rows {
            if workflows.len() >= LINEAGE || seen.len() >= LINEAGE_EXECUTIONS {
                return Ok(workflows);
            }
            if !seen.insert(row.try_get::<Seq, _>(0)?) {
                continue;
            }
            let workflow: String = row.try_get(1)?;
            if !workflows.contains(&workflow) {
                workflows.push(workflow);
            }
            let input: InputObject = codec::from_json("input", row.try_get(2)?)?;
            search.push_back(input.location);
        }
    }
    Ok(workflows)
}

/// See [`crate::store::Store::notifications_waiting`].
pub(super) async fn notifications_waiting(pool: &PgPool) -> Result<u64, Fault> {
    let count: i64 =
        sqlx::query_scalar("SELECT count(*) FROM outbox WHERE delivery = 'pending'").fetch_one(pool).await?;
    Ok(count.unsigned_abs())
}

/// See [`crate::store::Store::is_idle`].
pub(super) async fn is_idle(pool: &PgPool) -> Result<bool, Fault> {
    let busy: bool = sqlx::query_scalar(
        "SELECT EXISTS (SELECT 1 FROM executions WHERE state IN ('pending', 'running'))
             OR EXISTS (SELECT 1 FROM outbox WHERE delivery = 'pending')",
    )
    .fetch_one(pool)
    .await?;
    Ok(!busy)
}

async fn find(pool: &PgPool, id: ExecutionId) -> Result<Seq, Fault> {
    sqlx::query_scalar("SELECT seq FROM executions WHERE id = $1")
        .bind(id.0)
        .fetch_optional(pool)
        .await?
        .ok_or_else(|| Fault::not_found("execution", id))
}

fn summary(row: &PgRow) -> Result<ExecutionSummary, Fault> {
    Ok(ExecutionSummary {
        id: ExecutionId(row.try_get(0)?),
        workflow: row.try_get(1)?,
        state: codec::named("execution state", row.try_get(2)?, ExecutionState::parse)?,
        input: codec::from_json("input", row.try_get(3)?)?,
        created_at: Timestamp(row.try_get(4)?),
        ended_at: row.try_get::<Option<i64>, _>(5)?.map(Timestamp),
        warnings: row.try_get::<i64, _>(6)?.unsigned_abs(),
        jobs: codec::from_json("jobs", row.try_get(7)?)?,
    })
}
