//! Outputs with keys that exist already: records the objects to publish, and applies the workflow's `if_exists` to
//! objects made from another upload.
//!
//! **Invariant**: with `if_exists: fail`, an attempt never replaces an object that an execution of another upload
//! recorded before, however close together the two are: both record before they check.

use std::time::Duration;

use futures::future::try_join_all;

use super::Host;
use super::hold::LeaseGuard;
use crate::engine::LogEvent;
use crate::model::plan::IfExists;
use crate::model::{Code, Coded, ExecutionId, Failure, ObjectLocation};
use crate::objects::{ObjectError, Revision};
use crate::store::{Claim, Publisher, StoreError};

/// Wait before a request to the store is repeated.
const AGAIN: Duration = Duration::from_millis(500);
/// Objects that are checked concurrently.
const AT_ONCE: usize = 8;
/// Most warnings of replaced outputs; there is one for each execution that published them.
const NAMED: usize = 5;

/// Outputs of an attempt on their way to be published.
pub(super) struct PendingOutputs<'a> {
    /// The daemon.
    pub(super) host: &'a Host,
    /// The attempt.
    pub(super) claim: &'a Claim,
    /// Hold on its lease: as long as it lasts, a store that is unavailable is no reason to discard finished work.
    pub(super) hold: &'a LeaseGuard,
    /// Every object.
    pub(super) all: &'a [ObjectLocation],
    /// Objects that people and programs name: segments are named by their manifests.
    pub(super) named: &'a [ObjectLocation],
}

impl PendingOutputs<'_> {
    /// Records the objects to publish, and applies `if_exists` to those of other uploads.
    pub(super) async fn make(&self, if_exists: IfExists) -> Result<(), Failure> {
        match if_exists {
            IfExists::Replace => self.begin().await,
            IfExists::Warn => {
                self.begin().await?;
                let others = others(self.claim, &self.publishers().await?);
                // Objects that cannot be checked count as existing, so that there is rather one warning too many.
                let there = there(self.host, &others).await.unwrap_or(others);
                self.warn(&there).await;
                Ok(())
            }
            IfExists::Fail => self.make_new().await,
        }
    }

    async fn make_new(&self) -> Result<(), Failure> {
        let before = self.publishers().await?;
        foreign(self.host, self.named, &before).await?;
        self.begin().await?;
        let others = others(self.claim, &self.publishers().await?);
        let refused = match there(self.host, &others).await {
            Ok(there) if there.is_empty() => return Ok(()),
            Ok(there) => refused(&there),
            Err(error) => Failure::from(error),
        };
        // An earlier attempt may already have published objects that it recorded.
        if !before.iter().any(|publisher| publisher.execution == self.claim.execution) {
            self.withdraw().await?;
        }
        Err(refused)
    }

    async fn begin(&self) -> Result<(), Failure> {
        let Claim { job, attempt, .. } = *self.claim;
        loop {
            let asked = self.host.store.begin_publish(job, attempt, self.all, self.host.clock.now()).await;
            if let Some(answer) = self.answer(asked).await {
                return answer;
            }
        }
    }

    async fn publishers(&self) -> Result<Vec<Publisher>, Failure> {
        loop {
            let asked = self.host.store.publishers(self.named).await;
            if let Some(answer) = self.answer(asked).await {
                return answer;
            }
        }
    }

    async fn withdraw(&self) -> Result<(), Failure> {
        let Claim { job, attempt, .. } = *self.claim;
        loop {
            let asked = self.host.store.withdraw(job, attempt, self.all).await;
            if let Some(answer) = self.answer(asked).await {
                return answer;
            }
        }
    }

    /// Returns the store's answer; `None` if the store is unavailable and the request must be repeated.
    async fn answer<T>(&self, asked: Result<T, StoreError>) -> Option<Result<T, Failure>> {
        match asked {
            Ok(answer) => Some(Ok(answer)),
            Err(error @ StoreError::Database { .. }) if self.hold.holds() => {
                tracing::warn!(error = %error.with_code(), execution = %self.claim.execution, "cannot record the objects to publish; retrying");
                tokio::time::sleep(AGAIN).await;
                None
            }
            Err(error) => {
                let what = "the objects to publish could not be recorded";
                Some(Err(Failure::infrastructure("WORKER0011", what).caused_by_coded(&error)))
            }
        }
    }

    async fn warn(&self, others: &[Publisher]) {
        for (what, several, whose) in by_execution(others).into_iter().take(NAMED) {
            let verb = if several { "replace" } else { "replaces" };
            let event = LogEvent::Warning {
                code: Code::new("OBJ0019"),
                message: format!("{what} {verb} {whose}; {TELL_APART}"),
            };
            let Claim { job, attempt, .. } = *self.claim;
            if let Err(error) = self.host.store.note(job, attempt, event, self.host.clock.now()).await {
                tracing::warn!(error = %error.with_code(), "cannot record a warning");
            }
        }
    }
}

/// The newest publisher of each object that works on another upload.
fn others(claim: &Claim, publishers: &[Publisher]) -> Vec<Publisher> {
    let mut others: Vec<Publisher> = Vec::new();
    for publisher in publishers {
        let own = publisher.execution == claim.execution || publisher.input == claim.input.location;
        if !own && !others.iter().any(|known| known.object == publisher.object) {
            others.push(publisher.clone());
        }
    }
    others
}

/// The publishers whose objects exist, or may exist at any time because their execution still runs.
async fn there(host: &Host, others: &[Publisher]) -> Result<Vec<Publisher>, ObjectError> {
    let mut there = Vec::new();
    for some in others.chunks(AT_ONCE) {
        let found = try_join_all(some.iter().map(|publisher| exists(host, &publisher.object))).await?;
        let kept = some.iter().zip(found).filter(|(publisher, exists)| *exists || !publisher.ended);
        there.extend(kept.map(|(publisher, _)| publisher.clone()));
    }
    Ok(there)
}

async fn exists(host: &Host, object: &ObjectLocation) -> Result<bool, ObjectError> {
    match host.objects.head(object, Revision::LATEST).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Fails where an object exists that no known execution recorded.
async fn foreign(host: &Host, named: &[ObjectLocation], publishers: &[Publisher]) -> Result<(), Failure> {
    let of_nobody = |object: &&ObjectLocation| !publishers.iter().any(|publisher| publisher.object == **object);
    let unknown: Vec<&ObjectLocation> = named.iter().filter(of_nobody).collect();
    let mut found: Vec<&ObjectLocation> = Vec::new();
    for some in unknown.chunks(AT_ONCE) {
        let exist = try_join_all(some.iter().map(|object| exists(host, object))).await?;
        found.extend(some.iter().zip(exist).filter_map(|(object, exists)| exists.then_some(*object)));
    }
    let Some((first, more)) = found.split_first() else { return Ok(()) };
    let what = match more.len() {
        0 => format!("{first} already exists and was"),
        more => format!("{first} and {more} more objects already exist and were"),
    };
    let message = format!(
        "{what} not published by a recorded execution, and `output.if_exists` is `fail`; nothing was published"
    );
    Err(Failure::definition("OBJ0020", message))
}

/// For each execution: `s3://media/a.mp4 and 2 more objects`, whether that is more than one object, and the execution
/// with its input.
fn by_execution(others: &[Publisher]) -> Vec<(String, bool, String)> {
    let mut executions: Vec<ExecutionId> = Vec::new();
    for other in others {
        if !executions.contains(&other.execution) {
            executions.push(other.execution);
        }
    }
    let of = |execution: ExecutionId| {
        let mut made = others.iter().filter(move |other| other.execution == execution);
        let first = made.next()?;
        let more = made.count();
        let what = match more {
            0 => first.object.to_string(),
            1 => format!("{} and 1 more object", first.object),
            more => format!("{} and {more} more objects", first.object),
        };
        let outputs = if more > 0 { "outputs" } else { "an output" };
        let whose = format!("{outputs} of execution {execution} ({}), made from {}", first.workflow, first.input);
        Some((what, more > 0, whose))
    };
    executions.into_iter().filter_map(of).collect()
}

const TELL_APART: &str = "use `${object.name}` or `${object.key}` in prefix or name to keep uploads apart";

fn refused(others: &[Publisher]) -> Failure {
    let (what, _, whose) = by_execution(others).swap_remove(0);
    let message =
        format!("{what} would replace {whose}, and `output.if_exists` is `fail`; nothing was published; {TELL_APART}");
    Failure::definition("OBJ0020", message)
}
