//! The trace of an execution: one span for its run, below it one for each activity and one for each attempt, and the
//! way of its event; the notifications add theirs as they are delivered.
//!
//! It is made from the log when the execution ends, by the daemon that ended it: what other daemons did, and what was
//! done before a restart, is in it too. Deliberately absent: a record of what was sent. A daemon that is killed between
//! an end and its trace leaves that execution without one.

use std::collections::BTreeMap;
use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::trace::{Event, SpanKind};
use opentelemetry_sdk::trace::SpanData;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Host;
use crate::engine::{LogEntry, LogEvent};
use crate::model::{Coded, ExecutionId, ExecutionState, Failure, Timestamp};
use crate::store::{EventFilter, EventRecord, ExecutionRecord, Hint, StoreError, whole_log};
use crate::telemetry::traces;

/// Most events of one object that are searched for the one of an execution.
const EVENTS: u32 = 100;

/// Records the trace of each execution that this daemon ends, until `stop`.
pub(super) fn run(host: Arc<Host>, stop: CancellationToken) -> impl Future<Output = ()> + Send + 'static {
    // From now on, not from when it is first polled.
    let mut hints = host.store.hints();
    async move {
        while let Some(hint) = stop.run_until_cancelled(hints.recv()).await {
            match hint {
                Ok(Hint::Ended(id)) => match trace(&host, id).await {
                    Ok(spans) => spans.into_iter().for_each(traces::record),
                    Err(error) => {
                        tracing::warn!(error = %error.with_code(), execution = %id, "cannot read an execution for its trace");
                    }
                },
                Ok(_) => {}
                Err(RecvError::Lagged(hints)) => tracing::warn!(hints, "traces of executions may be missing"),
                Err(RecvError::Closed) => return,
            }
        }
    }
}

async fn trace(host: &Host, id: ExecutionId) -> Result<Vec<SpanData>, StoreError> {
    let Some(record) = host.store.execution(id).await? else { return Ok(Vec::new()) };
    let log = whole_log(host.store.as_ref(), id).await?;
    let object = Some(record.summary.input.location.clone());
    let events = host.store.events(EventFilter { object, before: None, limit: EVENTS }).await?;
    let event = events.iter().find(|event| event.executions.contains(&id));
    Ok(spans(&record, event, &log))
}

/// The spans of the last run that ended.
fn spans(record: &ExecutionRecord, event: Option<&EventRecord>, log: &[LogEntry]) -> Vec<SpanData> {
    let Some(end) = log.iter().rposition(|entry| matches!(entry.event, LogEvent::Ended { .. })) else {
        return Vec::new();
    };
    let (log, last) = (&log[..=end], &log[end]);
    let starts = |entry: &LogEntry| matches!(entry.event, LogEvent::Started { .. } | LogEvent::Restarted { .. });
    let Some(begin) = log.iter().rposition(starts) else { return Vec::new() };
    let number = u32::try_from(log.iter().filter(|entry| starts(entry)).count()).unwrap_or(u32::MAX);
    let mut run = Run {
        record,
        execution: record.summary.id.0,
        about: traces::run(number),
        open: BTreeMap::new(),
        spans: Vec::new(),
    };
    let event = event.filter(|_| number == 1);
    let since = run.announced(event).unwrap_or(log[begin].at);
    log[begin..].iter().for_each(|entry| run.read(entry));
    let LogEvent::Ended { state } = last.event else { return Vec::new() };
    let head = &record.summary;
    let attributes = vec![
        KeyValue::new("reelmill.execution", head.id.to_string()),
        KeyValue::new("reelmill.workflow", head.workflow.clone()),
        KeyValue::new("reelmill.state", state.as_str()),
        KeyValue::new("reelmill.run", i64::from(number)),
        KeyValue::new("aws.s3.bucket", head.input.location.bucket.clone()),
        KeyValue::new("aws.s3.key", head.input.location.key.clone()),
    ];
    let kind = if event.is_some() { SpanKind::Consumer } else { SpanKind::Internal };
    let error = (state == ExecutionState::Failed).then(|| "an activity failed".to_owned());
    let about = run.about.clone();
    let name = (format!("execution {}", head.workflow), kind);
    let mut spans = run.spans;
    spans.push(traces::span(run.execution, (&about, None), name, (since.into(), last.at.into()), attributes, error));
    spans
}

/// A run while its log is read.
struct Run<'a> {
    record: &'a ExecutionRecord,
    execution: Uuid,
    about: String,
    open: BTreeMap<&'a str, Open<'a>>,
    spans: Vec<SpanData>,
}

/// An activity that has begun and not ended.
struct Open<'a> {
    since: Timestamp,
    attempt: Option<Attempt<'a>>,
}

/// An attempt that has begun and not ended.
struct Attempt<'a> {
    number: u32,
    since: Timestamp,
    worker: &'a str,
    warnings: Vec<Event>,
}

impl<'a> Run<'a> {
    /// Adds the span of the event that started it, from its time in the storage to the ledger; returns when it began.
    fn announced(&mut self, event: Option<&EventRecord>) -> Option<Timestamp> {
        let event = event?;
        let announced = event.event.as_ref()?;
        // The storage has a clock of its own.
        let since = announced.time.map_or(event.at, |time| time.min(event.at));
        let attributes = vec![
            KeyValue::new("reelmill.event", announced.name.clone()),
            KeyValue::new("reelmill.event.shape", announced.shape.clone()),
        ];
        let about = format!("{}/event", self.about);
        self.put(&about, None, ("event".to_owned(), SpanKind::Consumer), (since, event.at), attributes, None);
        Some(since)
    }

    fn read(&mut self, entry: &'a LogEntry) {
        let Some(activity) = entry.activity.as_deref() else { return };
        let open = self.open.entry(activity).or_insert(Open { since: entry.at, attempt: None });
        match &entry.event {
            LogEvent::Claimed { worker } => {
                let number = entry.attempt.unwrap_or_default();
                open.attempt = Some(Attempt { number, since: entry.at, worker, warnings: Vec::new() });
            }
            LogEvent::Warning { code, message } => {
                let words = vec![KeyValue::new("code", code.to_string()), KeyValue::new("message", message.clone())];
                let warning = Event::new("warning", entry.at.into(), words, 0);
                open.attempt.iter_mut().for_each(|attempt| attempt.warnings.push(warning.clone()));
            }
            LogEvent::AttemptFailed { failure, .. } => self.attempted(activity, entry.at, "failed", Some(failure)),
            LogEvent::AttemptLost { .. } => self.attempted(activity, entry.at, "lost", None),
            LogEvent::HandedBack { .. } => self.attempted(activity, entry.at, "handed_back", None),
            LogEvent::Succeeded { .. } => self.ended(activity, entry.at, "succeeded", None),
            LogEvent::Failed { failure } => self.ended(activity, entry.at, "failed", Some(failure)),
            LogEvent::Skipped { .. } => self.ended(activity, entry.at, "skipped", None),
            LogEvent::Cancelled => self.ended(activity, entry.at, "cancelled", None),
            _ => {}
        }
    }

    fn attempted(&mut self, activity: &str, at: Timestamp, state: &'static str, failure: Option<&Failure>) {
        let Some(attempt) = self.open.get_mut(activity).and_then(|open| open.attempt.take()) else { return };
        let mut attributes = vec![
            KeyValue::new("reelmill.activity", activity.to_owned()),
            KeyValue::new("reelmill.attempt", i64::from(attempt.number)),
            KeyValue::new("reelmill.worker", attempt.worker.to_owned()),
            KeyValue::new("reelmill.state", state),
        ];
        attributes.extend(failure.map(|failure| KeyValue::new("error.type", failure.code.to_string())));
        let above = format!("{}/{activity}", self.about);
        let about = format!("{above}/{}", attempt.number);
        let name = (format!("attempt {}", attempt.number), SpanKind::Internal);
        let error = failure.map(ToString::to_string).or_else(|| (state == "lost").then(|| "lost".to_owned()));
        self.put(&about, Some(&above), name, (attempt.since, at), attributes, error);
        if let Some(span) = self.spans.last_mut() {
            span.events.events = attempt.warnings;
        }
    }

    fn ended(&mut self, activity: &str, at: Timestamp, state: &'static str, failure: Option<&Failure>) {
        self.attempted(activity, at, state, failure);
        let Some(open) = self.open.remove(activity) else { return };
        let mut attributes =
            vec![KeyValue::new("reelmill.activity", activity.to_owned()), KeyValue::new("reelmill.state", state)];
        let plan = &self.record.plan;
        let mut name = activity.to_owned();
        if let Some(planned) = plan.find(activity).map(|node| &plan.graph[node]) {
            name = format!("{} {activity}", planned.kind.as_str());
            attributes.push(KeyValue::new("reelmill.activity.type", planned.kind.as_str()));
            attributes.push(KeyValue::new("reelmill.queue", planned.queue.clone()));
        }
        attributes.extend(failure.map(|failure| KeyValue::new("error.type", failure.code.to_string())));
        let error = failure.map(ToString::to_string);
        let about = format!("{}/{activity}", self.about);
        self.put(&about, None, (name, SpanKind::Internal), (open.since, at), attributes, error);
    }

    /// Adds a span below the one about `above`, or below the run's.
    fn put(
        &mut self,
        about: &str,
        above: Option<&str>,
        name: (String, SpanKind),
        (since, until): (Timestamp, Timestamp),
        attributes: Vec<KeyValue>,
        error: Option<String>,
    ) {
        let places = (about, Some(above.unwrap_or(&self.about)));
        self.spans.push(traces::span(self.execution, places, name, (since.into(), until.into()), attributes, error));
    }
}
