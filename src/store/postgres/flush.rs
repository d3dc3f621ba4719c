//! Writing the changes of steps, in one statement per table.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use sqlx::PgConnection;

use super::batch::CreatedExecution;
use super::codec;
use super::fault::Fault;
use crate::engine::LogEntry;
use crate::model::{ExecutionState, JobState, ObjectLocation, Timestamp};
use crate::store::Hint;
use crate::store::fault::all_rows;
use crate::store::unit::{CachedExecution, Changes, JobChange, OutboxRow, Seq, column};

/// Writes all changes; `hints` gets the hints to send after the commit.
pub(super) async fn flush(
    db: &mut PgConnection,
    hot: &HashMap<Seq, CachedExecution>,
    mut changes: Changes,
    created: BTreeMap<Seq, CreatedExecution>,
    outputs: BTreeSet<(Seq, ObjectLocation)>,
    hints: &mut Vec<Hint>,
) -> Result<(), Fault> {
    if !created.is_empty() {
        create(db, hot, &mut changes, &created).await?;
    }
    let Changes { log, executions, deadlines, params, running: _, jobs, outbox, warned, hints: more } = changes;
    states(db, &executions).await?;
    for (seq, deadline) in deadlines {
        let sql = "UPDATE executions SET deadline_at = $2 WHERE seq = $1";
        sqlx::query(sql).bind(seq).bind(deadline.map(|at| at.0)).execute(&mut *db).await?;
    }
    for (seq, params) in params {
        let sql = "UPDATE executions SET params = $2 WHERE seq = $1";
        sqlx::query(sql).bind(seq).bind(codec::to_json(&params)?).execute(&mut *db).await?;
    }
    append(db, &log).await?;
    count_warnings(db, warned).await?;
    queue(db, &jobs).await?;
    tell(db, &outbox, &log).await?;
    announce(db, &outputs).await?;
    hints.extend(more);
    Ok(())
}

/// Writes new executions and their jobs as they are after their first step, and takes them out of `changes`.
async fn create(
    db: &mut PgConnection,
    hot: &HashMap<Seq, CachedExecution>,
    changes: &mut Changes,
    created: &BTreeMap<Seq, CreatedExecution>,
) -> Result<(), Fault> {
    let (mut seqs, mut ids, mut events, mut plans, mut workflows) = (vec![], vec![], vec![], vec![], vec![]);
    let (mut states, mut inputs, mut params, mut users) = (vec![], vec![], vec![], vec![]);
    let (mut created_at, mut ended_at, mut deadlines) = (vec![], vec![], vec![]);
    let mut rows = JobRows::default();
    for (&seq, new) in created {
        let Some(hot) = hot.get(&seq) else { continue };
        let (state, ended) = changes.executions.remove(&seq).unwrap_or((ExecutionState::Pending, None));
        seqs.push(seq);
        ids.push(hot.id.0);
        events.push(new.event);
        plans.push(new.plan);
        workflows.push(codec::text(&hot.plan.workflow).into_owned());
        states.push(state.as_str());
        inputs.push(codec::to_json(&hot.input)?);
        params.push(codec::to_json(&hot.params)?);
        users.push(new.user_data.as_deref().map(|text| codec::text(text).into_owned()));
        created_at.push(hot.created_at.0);
        ended_at.push(ended.map(|at| at.0));
        deadlines.push(changes.deadlines.remove(&seq).flatten().map(|at| at.0));
        for (job, node) in new.jobs.iter().zip(hot.plan.graph.node_indices()) {
            let change = changes.jobs.remove(&(seq, column(node))).unwrap_or_default();
            let activity = &hot.plan.graph[node];
            let priority = change.priority.unwrap_or(activity.priority);
            let change = JobChange { to: change.to.or(Some(JobState::Waiting)), priority: Some(priority), ..change };
            rows.push((seq, column(node)), &change);
            rows.ids.push(job.0);
            rows.queues.push(activity.queue.clone());
        }
    }
    sqlx::query(
        "INSERT INTO executions
             (seq, id, event, plan, workflow, state, input, params, user_data, created_at, ended_at, deadline_at)
         SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[],
             $8::text[], $9::text[], $10::bigint[], $11::bigint[], $12::bigint[])",
    )
    .bind(seqs)
    .bind(ids)
    .bind(events)
    .bind(plans)
    .bind(workflows)
    .bind(states)
    .bind(inputs)
    .bind(params)
    .bind(users)
    .bind(created_at)
    .bind(ended_at)
    .bind(deadlines)
    .execute(&mut *db)
    .await?;
    sqlx::query(
        "INSERT INTO jobs
             (execution, activity, id, state, queue, priority, due_at, ended_at, worker, stop, attempt, started_at)
         SELECT execution, activity, id, state, queue, priority, due_at, ended_at, worker, stop, coalesce(attempt, 0),
             started_at
         FROM unnest($1::bigint[], $2::int[], $3::uuid[], $4::text[], $5::text[], $6::smallint[], $7::bigint[],
             $8::bigint[], $9::text[], $10::bool[], $11::int[], $12::bigint[])
             AS j (execution, activity, id, state, queue, priority, due_at, ended_at, worker, stop, attempt, started_at)",
    )
    .bind(rows.executions)
    .bind(rows.activities)
    .bind(rows.ids)
    .bind(rows.states)
    .bind(rows.queues)
    .bind(rows.priorities)
    .bind(rows.due)
    .bind(rows.ended)
    .bind(rows.workers)
    .bind(rows.stops)
    .bind(rows.attempts)
    .bind(rows.started)
    .execute(db)
    .await?;
    Ok(())
}

async fn states(
    db: &mut PgConnection,
    executions: &BTreeMap<Seq, (ExecutionState, Option<Timestamp>)>,
) -> Result<(), Fault> {
    if executions.is_empty() {
        return Ok(());
    }
    let seqs: Vec<Seq> = executions.keys().copied().collect();
    let states: Vec<&str> = executions.values().map(|(state, _)| state.as_str()).collect();
    let ended: Vec<Option<i64>> = executions.values().map(|(_, at)| at.map(|at| at.0)).collect();
    let changed = sqlx::query(
        "UPDATE executions e SET state = u.state, ended_at = u.ended_at
         FROM unnest($1::bigint[], $2::text[], $3::bigint[]) AS u (seq, state, ended_at) WHERE e.seq = u.seq",
    )
    .bind(seqs)
    .bind(states)
    .bind(ended)
    .execute(db)
    .await?;
    Ok(all_rows("execution", changed.rows_affected(), executions.len())?)
}

async fn append(db: &mut PgConnection, log: &[(Seq, LogEntry)]) -> Result<(), Fault> {
    if log.is_empty() {
        return Ok(());
    }
    let (mut executions, mut seqs, mut at, mut activities) = (vec![], vec![], vec![], vec![]);
    let (mut attempts, mut marks, mut events) = (vec![], vec![], vec![]);
    for (execution, entry) in log {
        executions.push(*execution);
        seqs.push(codec::bigint(entry.seq));
        at.push(entry.at.0);
        activities.push(entry.activity.as_deref());
        attempts.push(entry.attempt.map(codec::int));
        marks.push(entry.event.is_mark());
        events.push(codec::to_json(&entry.event)?);
    }
    sqlx::query(
        "INSERT INTO log (execution, seq, at, activity, attempt, mark, event)
         SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], $5::int[], $6::bool[], $7::text[])",
    )
    .bind(executions)
    .bind(seqs)
    .bind(at)
    .bind(activities)
    .bind(attempts)
    .bind(marks)
    .bind(events)
    .execute(db)
    .await?;
    Ok(())
}

/// Recounts the warnings of the last attempts.
async fn count_warnings(db: &mut PgConnection, executions: BTreeSet<Seq>) -> Result<(), Fault> {
    if executions.is_empty() {
        return Ok(());
    }
    sqlx::query(
        "UPDATE executions e SET warnings = (
             SELECT count(*) FROM log l
             JOIN (SELECT activity, max(attempt) AS last FROM log WHERE execution = e.seq GROUP BY activity) a
                 ON a.activity = l.activity AND a.last = l.attempt
             WHERE l.execution = e.seq AND l.mark AND l.event LIKE '{\"type\":\"warning\"%')
         WHERE e.seq = ANY($1)",
    )
    .bind(Vec::from_iter(executions))
    .execute(db)
    .await?;
    Ok(())
}

/// Columns of rows of the queue.
#[derive(Default)]
struct JobRows {
    executions: Vec<Seq>,
    activities: Vec<i32>,
    ids: Vec<uuid::Uuid>,
    states: Vec<Option<&'static str>>,
    queues: Vec<String>,
    priorities: Vec<Option<i16>>,
    due: Vec<Option<i64>>,
    ended: Vec<Option<i64>>,
    workers: Vec<Option<String>>,
    stops: Vec<bool>,
    attempts: Vec<Option<i32>>,
    started: Vec<Option<i64>>,
}

impl JobRows {
    fn push(&mut self, (execution, activity): (Seq, u32), change: &JobChange) {
        self.executions.push(execution);
        self.activities.push(codec::int(activity));
        self.states.push(change.to.map(JobState::as_str));
        self.priorities.push(change.priority.map(i16::from));
        self.due.push(change.due_at.map(|at| at.0));
        self.ended.push(change.ended_at.map(|at| at.0));
        self.workers.push(change.worker.clone());
        self.stops.push(change.stop);
        self.attempts.push(change.attempt.map(codec::int));
        self.started.push(change.started_at.map(|at| at.0));
    }
}

async fn queue(db: &mut PgConnection, jobs: &BTreeMap<(Seq, u32), JobChange>) -> Result<(), Fault> {
    if jobs.is_empty() {
        return Ok(());
    }
    let mut rows = JobRows::default();
    for (&job, change) in jobs {
        rows.push(job, change);
    }
    let changed = sqlx::query(
        "UPDATE jobs j SET
             state = coalesce(u.state, j.state),
             due_at = CASE WHEN u.state IS NULL THEN j.due_at ELSE u.due_at END,
             ended_at = CASE WHEN u.state IS NULL THEN j.ended_at ELSE u.ended_at END,
             worker = CASE WHEN u.state IS NULL THEN j.worker ELSE u.worker END,
             stop = CASE WHEN u.state IS NULL THEN j.stop OR u.stop ELSE u.stop END,
             priority = coalesce(u.priority, j.priority),
             attempt = coalesce(u.attempt, j.attempt),
             started_at = coalesce(j.started_at, u.started_at),
             progress = CASE WHEN u.attempt IS NULL THEN j.progress END
         FROM unnest($1::bigint[], $2::int[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::bool[],
             $8::smallint[], $9::int[], $10::bigint[])
             AS u (execution, activity, state, due_at, ended_at, worker, stop, priority, attempt, started_at)
         WHERE j.execution = u.execution AND j.activity = u.activity",
    )
    .bind(rows.executions)
    .bind(rows.activities)
    .bind(rows.states)
    .bind(rows.due)
    .bind(rows.ended)
    .bind(rows.workers)
    .bind(rows.stops)
    .bind(rows.priorities)
    .bind(rows.attempts)
    .bind(rows.started)
    .execute(db)
    .await?;
    Ok(all_rows("job", changed.rows_affected(), jobs.len())?)
}

async fn tell(db: &mut PgConnection, outbox: &[OutboxRow], log: &[(Seq, LogEntry)]) -> Result<(), Fault> {
    if outbox.is_empty() {
        return Ok(());
    }
    let times: HashMap<Seq, i64> = log.iter().map(|(seq, entry)| (*seq, entry.at.0)).collect();
    let (mut executions, mut runs, mut positions, mut targets) = (vec![], vec![], vec![], vec![]);
    let (mut states, mut at) = (vec![], vec![]);
    for told in outbox {
        executions.push(told.execution);
        runs.push(codec::int(told.run));
        positions.push(codec::int(told.position));
        targets.push(codec::to_json(&told.target)?);
        states.push(told.state.as_str());
        at.push(times.get(&told.execution).copied().unwrap_or_default());
    }
    sqlx::query(
        "INSERT INTO outbox (execution, run, position, target, state, at, due_at)
         SELECT execution, run, position, target, state, at, at
         FROM unnest($1::bigint[], $2::int[], $3::int[], $4::text[], $5::text[], $6::bigint[])
             WITH ORDINALITY AS o (execution, run, position, target, state, at, place) ORDER BY place",
    )
    .bind(executions)
    .bind(runs)
    .bind(positions)
    .bind(targets)
    .bind(states)
    .bind(at)
    .execute(db)
    .await?;
    Ok(())
}

async fn announce(db: &mut PgConnection, outputs: &BTreeSet<(Seq, ObjectLocation)>) -> Result<(), Fault> {
    if outputs.is_empty() {
        return Ok(());
    }
    let buckets: Vec<_> = outputs.iter().map(|(_, output)| codec::text(&output.bucket).into_owned()).collect();
    let keys: Vec<_> = outputs.iter().map(|(_, output)| codec::text(&output.key).into_owned()).collect();
    let executions: Vec<Seq> = outputs.iter().map(|(seq, _)| *seq).collect();
    sqlx::query(
        "INSERT INTO outputs (bucket, key, execution) SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])
         ON CONFLICT DO NOTHING",
    )
    .bind(buckets)
    .bind(keys)
    .bind(executions)
    .execute(db)
    .await?;
    Ok(())
}
