//! Questions that change nothing.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};

use super::codec;
use super::execution::load;
use super::fault::Fault;
use crate::engine::LogEntry;
use crate::model::plan::Plan;
use crate::model::{ExecutionId, ExecutionState, InputObject, JobId, JobState, ObjectLocation, Timestamp};
use crate::store::listing::in_state;
use crate::store::publisher::PUBLISHERS;
use crate::store::unit::Seq;
use crate::store::warning::Warnings;
use crate::store::{
    EventFilter, EventRecord, ExecutionFilter, ExecutionRecord, ExecutionSummary, JobRecord, Publisher,
};

/// Most workflows, and executions per object, that a lineage reads.
const LINEAGE: usize = 32;

/// Most executions that a lineage reads in all.
const LINEAGE_EXECUTIONS: usize = 1_024;

/// Largest step back of the clock between two executions.
const CLOCK_SLACK: Duration = Duration::from_secs(3_600);

/// Columns of a summary, in the order [`summary`] reads them.
const SUMMARY: &str = "id, workflow, state, input, created_at, ended_at, warnings,
    (SELECT json_group_array(json_object(
             'queue', queue, 'state', state, 'priority', priority, 'paused', json(iif(paused, 'true', 'false'))))
     FROM (SELECT DISTINCT queue, state, priority, paused FROM jobs LEFT JOIN queues ON name = queue
           WHERE execution = executions.seq))";

/// See [`crate::store::Store::execution`].
pub(super) fn execution(db: &Connection, id: ExecutionId) -> Result<Option<ExecutionRecord>, Fault> {
    let sql = format!("SELECT {SUMMARY}, seq, plan, params, user_data FROM executions WHERE id = ?1");
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query([id.0])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let seq: Seq = row.get(8)?;
    let plan = codec::plan(db, row.get(9)?)?;
    let mut warnings = Warnings::default();
    let state = load(db, seq, &plan, |row| {
        warnings.take(codec::log_entry(row)?);
        Ok(())
    })?;
    let record = ExecutionRecord {
        summary: summary(row)?,
        params: codec::from_json("parameters", &row.get::<_, String>(10)?)?,
        user_data: row.get(11)?,
        warnings: warnings.of_last_attempts(&plan, |node| state.activities[node].attempt()),
        state,
        jobs: jobs(db, seq, &plan)?,
        plan: plan.into(),
    };
    Ok(Some(record))
}

/// See [`crate::store::Store::executions`].
pub(super) fn executions(db: &Connection, filter: &ExecutionFilter) -> Result<Vec<ExecutionSummary>, Fault> {
    let before = match filter.before {
        None => None,
        Some(id) => Some(find(db, id)?),
    };
    let mut statement = db.prepare_cached(&listing(filter, before.is_some()))?;
    // With `since`, the statement has no limit: rows are excluded by their time below.
    let rows_limit = if filter.since.is_some() { -1 } else { i64::from(filter.limit) };
    let mut values: Vec<&dyn ToSql> = vec![&before, &rows_limit];
    values.extend(filter.workflows.iter().map(|workflow| workflow as &dyn ToSql));
    let mut rows = statement.query(values.as_slice())?;
    let limit = usize::try_from(filter.limit).unwrap_or(usize::MAX);
    let mut page = Vec::new();
    while page.len() < limit
        && let Some(row) = rows.next()?
    {
        let summary = summary(row)?;
        // Executions are in order of time, so the first one that is too old ends the list.
        let too_old = filter.since.map(|since| since.since(summary.created_at)).filter(|age| !age.is_zero());
        match too_old {
            None => page.push(summary),
            Some(age) if age > CLOCK_SLACK => break,
            Some(_) => {}
        }
    }
    Ok(page)
}

/// One statement per set of conditions, so that each can use its index; several workflows, or several states of any
/// workflow, are as many walks along theirs.
fn listing(filter: &ExecutionFilter, before: bool) -> String {
    let mut and = String::new();
    if before {
        and.push_str(" AND seq < ?1");
    }
    if filter.warned {
        and.push_str(" AND warnings > 0");
    }
    let states: Vec<String> = filter.states.iter().copied().map(in_state).collect();
    // Few have warnings: without another condition these are walked along, and nothing else.
    let warned_only = filter.warned && filter.workflows.is_empty() && states.is_empty();
    let index = if warned_only { " INDEXED BY executions_warned" } else { "" };
    let walks: Vec<String> = if filter.workflows.is_empty() {
        states
    } else {
        let state = if states.is_empty() { String::new() } else { format!(" AND ({})", states.join(" OR ")) };
        (3..3 + filter.workflows.len()).map(|at| format!("workflow = ?{at}{state}")).collect()
    };
    let of = |condition: &str| {
        format!("SELECT {SUMMARY}, seq FROM executions{index} WHERE {condition}{and} ORDER BY seq DESC LIMIT ?2")
    };
    match walks.as_slice() {
        [] => of("1"),
        [one] => of(one),
        several => {
            let each: Vec<String> = several.iter().map(|walk| format!("SELECT * FROM ({})", of(walk))).collect();
            format!("{} ORDER BY seq DESC LIMIT ?2", each.join(" UNION ALL "))
        }
    }
}

/// See [`crate::store::Store::log`].
pub(super) fn log(db: &Connection, id: ExecutionId, after: u64, limit: u32) -> Result<Vec<LogEntry>, Fault> {
    let seq = find(db, id)?;
    let mut statement = db.prepare_cached(
        "SELECT seq, at, activity, attempt, event FROM log WHERE execution = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3",
    )?;
    let mut rows = statement.query(params![seq, codec::count(after), limit])?;
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        page.push(codec::log_entry(row)?);
    }
    Ok(page)
}

/// See [`crate::store::Store::events`].
pub(super) fn events(db: &Connection, filter: &EventFilter) -> Result<Vec<EventRecord>, Fault> {
    const COLUMNS: &str = "SELECT seq, at, event, decisions, duplicates, unreadable, body FROM events WHERE seq < ?1";
    let before = filter.before.unwrap_or(i64::MAX);
    let mut statement;
    let mut rows = if let Some(ObjectLocation { bucket, key }) = &filter.object {
        let sql = format!("{COLUMNS} AND bucket = ?3 AND key = ?4 ORDER BY seq DESC LIMIT ?2");
        statement = db.prepare_cached(&sql)?;
        statement.query(params![before, filter.limit, bucket, key])?
    } else {
        statement = db.prepare_cached(&format!("{COLUMNS} ORDER BY seq DESC LIMIT ?2"))?;
        statement.query(params![before, filter.limit])?
    };
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        let seq: i64 = row.get(0)?;
        let event: Option<String> = row.get(2)?;
        page.push(EventRecord {
            seq,
            at: Timestamp(row.get(1)?),
            event: event.map(|text| codec::from_json("event", &text)).transpose()?,
            decisions: codec::from_json("decisions", &row.get::<_, String>(3)?)?,
            executions: started_by(db, seq)?,
            duplicates: row.get(4)?,
            unreadable: row.get(5)?,
            body: row.get(6)?,
        });
    }
    Ok(page)
}

/// See [`crate::store::Store::lineage`].
pub(super) fn lineage(db: &Connection, object: &ObjectLocation) -> Result<Vec<String>, Fault> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT seq, workflow, input FROM outputs JOIN executions ON seq = execution
         WHERE bucket = ?1 AND key = ?2 ORDER BY seq DESC LIMIT {LINEAGE}"
    ))?;
    let mut workflows: Vec<String> = Vec::new();
    let mut seen = HashSet::new();
    let mut search = VecDeque::from([object.clone()]);
    while let Some(object) = search.pop_front() {
        let mut rows = statement.query(params![object.bucket, object.key])?;
        while let Some(row) = rows.next()? {
            if workflows.len() >= LINEAGE || seen.len() >= LINEAGE_EXECUTIONS {
                return Ok(workflows);
            }
            if !seen.insert(row.get::<_, Seq>(0)?) {
                continue;
            }
            let workflow = row.get(1)?;
            if !workflows.contains(&workflow) {
                workflows.push(workflow);
            }
            let input: InputObject = codec::from_json("input", &row.get::<_, String>(2)?)?;
            search.push_back(input.location);
        }
    }
    Ok(workflows)
}

/// See [`crate::store::Store::publishers`].
pub(super) fn publishers(db: &Connection, outputs: &[ObjectLocation]) -> Result<Vec<Publisher>, Fault> {
    let mut statement = db.prepare_cached(&format!(
        "SELECT e.id, e.workflow, e.input, e.ended_at IS NOT NULL FROM outputs JOIN executions e ON e.seq = execution
         WHERE bucket = ?1 AND key = ?2 ORDER BY execution DESC LIMIT {PUBLISHERS}"
    ))?;
    let mut publishers = Vec::new();
    for object in outputs {
        let mut rows = statement.query(params![object.bucket, object.key])?;
        while let Some(row) = rows.next()? {
            let input: InputObject = codec::from_json("input", &row.get::<_, String>(2)?)?;
            publishers.push(Publisher {
                object: object.clone(),
                execution: ExecutionId(row.get(0)?),
                workflow: row.get(1)?,
                input: input.location,
                ended: row.get(3)?,
            });
        }
    }
    Ok(publishers)
}

/// See [`crate::store::Store::notifications_waiting`].
pub(super) fn notifications_waiting(db: &Connection) -> Result<u64, Fault> {
    let count: i64 =
        db.prepare_cached("SELECT count(*) FROM outbox WHERE delivery = 'pending'")?.query_row([], |row| row.get(0))?;
    Ok(count.unsigned_abs())
}

/// See [`crate::store::Store::is_idle`].
pub(super) fn is_idle(db: &Connection) -> Result<bool, Fault> {
    let busy = db
        .prepare_cached(
            "SELECT EXISTS (SELECT 1 FROM executions WHERE state IN ('pending', 'running'))
                 OR EXISTS (SELECT 1 FROM outbox WHERE delivery = 'pending')",
        )?
        .query_row([], |row| row.get::<_, bool>(0))?;
    Ok(!busy)
}

fn find(db: &Connection, id: ExecutionId) -> Result<Seq, Fault> {
    db.prepare_cached("SELECT seq FROM executions WHERE id = ?1")?
        .query_row([id.0], |row| row.get(0))
        .optional()?
        .ok_or_else(|| Fault::not_found("execution", id))
}

fn summary(row: &Row<'_>) -> Result<ExecutionSummary, Fault> {
    Ok(ExecutionSummary {
        id: ExecutionId(row.get(0)?),
        workflow: row.get(1)?,
        state: codec::named("execution state", &row.get::<_, String>(2)?, ExecutionState::parse)?,
        input: codec::from_json("input", &row.get::<_, String>(3)?)?,
        created_at: Timestamp(row.get(4)?),
        ended_at: row.get::<_, Option<i64>>(5)?.map(Timestamp),
        warnings: row.get::<_, i64>(6)?.unsigned_abs(),
        jobs: codec::from_json("jobs", &row.get::<_, String>(7)?)?,
    })
}

fn jobs(db: &Connection, seq: Seq, plan: &Plan) -> Result<Vec<JobRecord>, Fault> {
    let mut statement = db.prepare_cached(
        "SELECT id, state, attempt, started_at, ended_at, iif(state = 'running', progress, NULL), priority
         FROM jobs
         WHERE execution = ?1 ORDER BY activity",
    )?;
    let mut rows = statement.query([seq])?;
    let mut jobs = Vec::with_capacity(plan.graph.node_count());
    for activity in plan.graph.node_weights() {
        let row = rows.next()?.ok_or(rusqlite::Error::QueryReturnedNoRows)?;
        let progress: Option<String> = row.get(5)?;
        jobs.push(JobRecord {
            id: JobId(row.get(0)?),
            activity: activity.name.clone(),
            state: codec::named("job state", &row.get::<_, String>(1)?, JobState::parse)?,
            priority: row.get(6)?,
            attempts: row.get(2)?,
            started_at: row.get::<_, Option<i64>>(3)?.map(Timestamp),
            ended_at: row.get::<_, Option<i64>>(4)?.map(Timestamp),
            progress: progress.map(|text| codec::from_json("progress", &text)).transpose()?,
        });
    }
    Ok(jobs)
}

fn started_by(db: &Connection, event: i64) -> Result<Vec<ExecutionId>, Fault> {
    let ids = db
        .prepare_cached("SELECT id FROM executions WHERE event = ?1 ORDER BY seq")?
        .query_map([event], |row| row.get(0).map(ExecutionId))?
        .collect::<Result<_, _>>()?;
    Ok(ids)
}
