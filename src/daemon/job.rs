//! One attempt of one job, from the claim to published outputs.

use petgraph::graph::NodeIndex;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::group::{Candidate, Seat, together};
use super::hold::LeaseGuard;
use super::{Host, inputs, publish};
use crate::engine::ActivityState;
use crate::model::media::MediaInfo;
use crate::model::plan::ActivityKind;
use crate::model::work::Finding;
use crate::model::{Class, Failure, OutputObject};
use crate::store::Claim;
use crate::worker::admission;
use crate::worker::input::Input;
use crate::worker::scratch::Scratch;
use crate::worker::supervisor::{Assignment, JobMessage, Limits, all_or_nothing};
use crate::workflow::{ResolveContext, Resolved, resolve};

/// Result of a successful attempt.
#[derive(Clone, Debug)]
pub(super) struct JobResult {
    /// Result for expressions of later activities.
    pub(super) result: Value,
    /// Published objects.
    pub(super) outputs: Vec<OutputObject>,
}

/// Progress and warnings of an attempt, what ends it, and the lease as long as which it may publish.
pub(super) struct Channels<'a> {
    /// Receives progress and warnings.
    pub(super) words: mpsc::Sender<JobMessage>,
    /// Ends the work.
    pub(super) stop: &'a CancellationToken,
    /// The lease.
    pub(super) hold: &'a LeaseGuard,
}

/// Carries out the job, alone or in its `seat` of a group. Publishing continues as long as the lease is valid. The
/// scratch folder is removed before this returns.
pub(super) async fn run(
    host: &Host,
    claim: &Claim,
    channels: Channels<'_>,
    seat: Option<Seat>,
) -> Result<JobResult, Failure> {
    let context = ResolveContext {
        execution: claim.execution,
        created_at: claim.created_at,
        input: &claim.input,
        params: &claim.params,
        state: &claim.state,
    };
    let resolved = resolve(&claim.plan, claim.activity, &context)?;
    let mut inputs = Vec::with_capacity(resolved.inputs.len());
    for input in &resolved.inputs {
        inputs.push(inputs::open(host, input).await?);
    }
    let scratch = host.scratch.create(claim.job, claim.attempt).map_err(|error| Failure::from(&error))?;
    let made = make(host, claim, &resolved, inputs, &scratch, channels, seat).await;
    match (made, scratch.check()) {
        (Err(failure), Err(gone)) if failure.class != Class::Cancelled => Err(Failure::from(&gone).caused_by(&failure)),
        (made, _) => made,
    }
}

/// Makes what the job is to make in its scratch folder, and publishes it.
async fn make(
    host: &Host,
    claim: &Claim,
    resolved: &Resolved,
    inputs: Vec<Input>,
    scratch: &Scratch,
    Channels { words, stop, hold }: Channels<'_>,
    seat: Option<Seat>,
) -> Result<JobResult, Failure> {
    let activity = &claim.plan.graph[NodeIndex::new(claim.activity)];
    let input_bytes = inputs.iter().map(|input| input.size_bytes).sum();
    let need = admission::estimate(&resolved.work, input_bytes, source_media(claim).as_ref());
    let assignment = Assignment {
        inputs,
        scratch: scratch.path().to_owned(),
        work: resolved.work.clone(),
        limits: Limits { timeout: activity.timeout, stall: host.stall, grace: host.grace },
        words,
        stop: stop.clone(),
    };
    let (answer, answered) = oneshot::channel();
    let candidate = Candidate {
        attempt: (claim.job, claim.attempt),
        activity: activity.name.clone(),
        need,
        source: resolved.inputs.first().cloned(),
        assignment,
        answer,
    };
    let kind = activity.kind.as_str();
    match seat {
        Some(seat) => seat.take(candidate),
        None => together(host, kind, vec![candidate]).await,
    }
    let lost = |_| Err(Failure::bug("WORKER0008", "the job has no result"));
    let report = answered.await.unwrap_or_else(lost)?;
    let fits = resolved.work.fits(&report);
    let produced = all_or_nothing(report)?;
    if !fits {
        return Err(Failure::bug("WORKER0008", "the worker's report does not match its job"));
    }
    let (mut result, mut files) = (Value::Null, Vec::new());
    for made in produced {
        files.extend(made.files);
        if let Some(Finding::Media(info)) = made.finding {
            result = resolved.answer.of(&info)?;
        }
    }
    let outputs = match files.as_slice() {
        [] => Vec::new(),
        _ => publish::publish(host, claim, scratch.path(), resolved, files, hold).await?,
    };
    Ok(JobResult { result, outputs })
}

/// Returns the media information of the job's input, where an analysis of the same input has it.
fn source_media(claim: &Claim) -> Option<MediaInfo> {
    let own = &claim.plan.graph.node_weight(NodeIndex::new(claim.activity))?.input;
    let activities = claim.plan.graph.node_weights().zip(&claim.state.activities);
    let analyses = activities.filter(|(activity, _)| activity.kind == ActivityKind::Analysis && activity.input == *own);
    analyses.map(|(_, state)| state).find_map(|state| match state {
        ActivityState::Succeeded { result, .. } => serde_json::from_value((**result).clone()).ok(),
        _ => None,
    })
}
