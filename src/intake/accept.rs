//! One event: matched against the active workflows and recorded with the executions that it starts.

use std::collections::BTreeMap;
use std::time::Duration;

use super::identity::identity;
use super::{EARLIER_VERSION, Intake, IntakeError};
use crate::model::{ExecutionId, InputObject, JobId, ObjectEvent, Timestamp};
use crate::objects::{Head, ObjectError, Revision};
use crate::store::{EventOutcome, MatchDecision, NewExecution};
use crate::telemetry::metrics::{self, EventResult};
use crate::workflow::{self, Workflow};

/// Longest time for the storage to answer about an object; other events may wait behind it.
const ANSWER: Duration = Duration::from_secs(10);

/// An event, with the decisions of the workflows about it.
struct DecidedEvent {
    event: ObjectEvent,
    decisions: Vec<MatchDecision>,
    starts: Vec<NewExecution>,
    now: Timestamp,
}

impl Intake {
    /// Records `event` and starts the workflows that it matches. The same event may be delivered again at any time.
    pub async fn accept(&self, event: ObjectEvent) -> Result<EventOutcome, IntakeError> {
        let admitted = async {
            let decided = self.decide_all(event).await?;
            self.admit_all(&decided).await?;
            Ok(decided)
        };
        self.write_down(admitted.await).await
    }

    /// Checks that the queues have space for the jobs that `event` starts, and reserves it; [`Intake::accept_admitted`]
    /// must follow at once.
    pub(super) async fn make_room(&self, event: &ObjectEvent) -> Result<(), IntakeError> {
        let room = self.admit_all(&self.decide_all(event.clone()).await?).await;
        if matches!(room, Err(IntakeError::Full { .. })) {
            metrics::announced(EventResult::Refused);
        }
        room
    }

    /// Like [`Intake::accept`], for an event that has room already.
    pub(super) async fn accept_admitted(&self, event: ObjectEvent) -> Result<EventOutcome, IntakeError> {
        self.write_down(self.decide_all(event).await).await
    }

    async fn write_down(&self, decided: Result<DecidedEvent, IntakeError>) -> Result<EventOutcome, IntakeError> {
        let outcome = match decided {
            Ok(decided) => self.record(decided).await,
            Err(error) => Err(error),
        };
        match &outcome {
            Ok(EventOutcome::Recorded(started)) if started.is_empty() => metrics::announced(EventResult::Unmatched),
            Ok(EventOutcome::Recorded(_)) => metrics::announced(EventResult::Started),
            Ok(EventOutcome::Duplicate) => metrics::announced(EventResult::Duplicate),
            Err(IntakeError::Full { .. }) => metrics::announced(EventResult::Refused),
            Err(_) => {}
        }
        outcome
    }

    /// Returns the decision of each active workflow about `event`.
    async fn decide_all(&self, mut event: ObjectEvent) -> Result<DecidedEvent, IntakeError> {
        let workflows = self.catalog.active();
        let candidates: Vec<&Workflow> =
            workflows.iter().map(AsRef::as_ref).filter(|workflow| may_start(workflow, &event.object)).collect();
        let asks = candidates.iter().any(|workflow| needs_head(workflow, &event.object));
        if asks && let Some(head) = self.head(&event).await? {
            event.object.size_bytes.get_or_insert(head.size_bytes);
            event.object.metadata = head.metadata;
        }
        let lineage =
            if candidates.is_empty() { Vec::new() } else { self.store.lineage(&event.object.location).await? };
        let now = self.clock.now();
        let mut starts = Vec::new();
        let mut decisions = Vec::new();
        let broken = self.catalog.broken();
        for workflow in workflows.iter() {
            let (start, mut reason) = self.decide(workflow, &event, &lineage, now);
            if broken.iter().any(|file| file.workflow == workflow.name && file.is_active) {
                reason = format!("{reason} {EARLIER_VERSION}");
            }
            decisions.push(MatchDecision { workflow: workflow.name.clone(), matched: start.is_some(), reason });
            starts.extend(start);
        }
        decisions.extend(broken.iter().filter(|file| !file.is_active).map(|file| MatchDecision {
            workflow: file.workflow.clone(),
            matched: false,
            reason: file.to_string(),
        }));
        Ok(DecidedEvent { event, decisions, starts, now })
    }

    async fn admit_all(&self, decided: &DecidedEvent) -> Result<(), IntakeError> {
        for start in &decided.starts {
            if let Some((queue, waiting)) = self.backlog.admit(&self.store, &start.plan).await? {
                return Err(IntakeError::Full { queue, waiting });
            }
        }
        Ok(())
    }

    async fn record(
        &self,
        DecidedEvent { event, decisions, starts, now }: DecidedEvent,
    ) -> Result<EventOutcome, IntakeError> {
        let nothing = starts.is_empty().then(|| reasons(&decisions));
        let outcome = self.store.record_event(&identity(&event), &event, decisions, starts, now).await?;
        tracing::debug!(object = %event.object.location, shape = event.shape, ?outcome, "recorded an event");
        if let (EventOutcome::Recorded(_), Some(reasons)) = (&outcome, nothing) {
            tracing::info!(object = %event.object.location, reasons, "upload started no execution");
        }
        Ok(outcome)
    }

    /// Returns whether the object's metadata must be read from storage before the event can be accepted.
    pub(super) fn asks(&self, event: &ObjectEvent) -> bool {
        let workflows = self.catalog.active();
        workflows.iter().any(|workflow| may_start(workflow, &event.object) && needs_head(workflow, &event.object))
    }

    /// The object's head; nothing where the object has gone or was replaced in the meantime.
    async fn head(&self, event: &ObjectEvent) -> Result<Option<Head>, ObjectError> {
        let asked = self.objects.head(&event.object.location, Revision::of(&event.object));
        let answer = tokio::time::timeout(ANSWER, asked).await.unwrap_or_else(|_| {
            Err(ObjectError::Unreachable { source: format!("no response within {} s", ANSWER.as_secs()).into() })
        });
        match answer {
            Ok(head) => Ok(Some(head)),
            Err(error) if error.is_not_found() || matches!(error, ObjectError::Changed { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn decide(
        &self,
        workflow: &Workflow,
        event: &ObjectEvent,
        lineage: &[String],
        now: Timestamp,
    ) -> (Option<NewExecution>, String) {
        let Some(trigger) = &workflow.trigger else { return (None, "the workflow has no trigger".to_owned()) };
        let reason = trigger.matches(&event.object);
        if !reason.is_match() {
            return (None, reason.to_string());
        }
        if event.object.location.key.ends_with('/') {
            return (None, "the key ends in `/`: it is a folder".to_owned());
        }
        if !workflow.enabled {
            return (None, format!("{reason}, but the workflow is disabled"));
        }
        if lineage.contains(&workflow.name) {
            return (
                None,
                format!("{reason}, but this workflow made the object: it would start itself again and again"),
            );
        }
        let params = match workflow::params(&workflow.plan, &BTreeMap::new(), &event.object.metadata) {
            Ok(params) => params,
            Err(failure) => return (None, format!("{reason}, but {failure}")),
        };
        let start = NewExecution {
            id: ExecutionId(self.ids.next(now)),
            jobs: workflow.plan.graph.node_indices().map(|_| JobId(self.ids.next(now))).collect(),
            plan: workflow.plan.clone(),
            input: event.object.clone(),
            params,
            user_data: None,
            cause: format!("event {} ({})", event.name, event.shape),
        };
        (Some(start), reason.to_string())
    }
}

/// Returns the reasons for which nothing starts, one for each workflow.
fn reasons(decisions: &[MatchDecision]) -> String {
    let each = |decision: &MatchDecision| format!("{}: {}", decision.workflow, decision.reason);
    let reasons: Vec<_> = decisions.iter().map(each).collect();
    if reasons.is_empty() { "there are no workflows".to_owned() } else { reasons.join("; ") }
}

/// Returns whether the event may start the workflow, judged by the event alone.
fn may_start(workflow: &Workflow, object: &InputObject) -> bool {
    workflow.enabled && workflow.trigger.as_ref().is_some_and(|trigger| trigger.matches(object).is_match())
}

/// Returns whether the workflow needs the object's metadata or size, and the event has none.
fn needs_head(workflow: &Workflow, object: &InputObject) -> bool {
    let sized = workflow.trigger.as_ref().is_some_and(|t| t.min_bytes.is_some() || t.max_bytes.is_some());
    (sized && object.size_bytes.is_none()) || (!workflow.plan.params.is_empty() && object.metadata.is_empty())
}
