//! Jobs that run as one group: their outputs are made from one decoding of their common input.
//!
//! A claimed job takes along waiting jobs of its execution that read the same input, in one slot. Each keeps its own
//! lease, attempt, limits, log, progress, failure and publication; only the worker is common. **Invariant**: a
//! group takes no second attempt: where its worker crashed, the jobs that had not ended are tried again one by one, so
//! that the guilty one is found.

use std::time::{Duration, Instant};

use futures::future::join_all;
use petgraph::Direction::Incoming;
use petgraph::graph::NodeIndex;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::Host;
use super::scheduler::{HEARTBEAT, see_through};
use crate::engine::LogEvent;
use crate::model::plan::{Activity, ActivityKind, Plan};
use crate::model::work::{Output, sharing};
use crate::model::{Coded, Failure, JobId, JobState};
use crate::store::{Claim, Heartbeat, Hint};
use crate::worker::WorkerError;
use crate::worker::admission::{self, Need};
use crate::worker::supervisor::{self, Answer, Assignment};
use crate::workflow::ResolvedInput;

/// Longest wait of a group for media information that another slot is reading: it takes milliseconds, and frees jobs
/// which then join.
const PATIENCE: Duration = Duration::from_secs(5);

/// Kind of a group in what estimates learn from.
const GROUP: &str = "group";

/// A job that is ready for a worker.
pub(super) struct Candidate {
    /// The job, and its attempt.
    pub(super) attempt: (JobId, u32),
    /// Name of its activity.
    pub(super) activity: String,
    /// Its estimated need, as if it ran alone.
    pub(super) need: Need,
    /// Its first input.
    pub(super) source: Option<ResolvedInput>,
    /// Task for the worker.
    pub(super) assignment: Assignment,
    /// Channel of its result.
    pub(super) answer: Answer,
}

impl Candidate {
    /// Returns whether both can be done by one worker: outputs made in one pass of the same input.
    fn goes_with(&self, other: &Self) -> bool {
        self.source == other.source && self.assignment.work.is_one_pass() && other.assignment.work.is_one_pass()
    }
}

/// The place of a job in a group; dropping it leaves the group.
pub(super) struct Seat(mpsc::UnboundedSender<Candidate>);

impl Seat {
    /// Joins the group with what there is to do.
    pub(super) fn take(self, candidate: Candidate) {
        // A group that is gone answers by dropping the candidate.
        let _ = self.0.send(candidate);
    }
}

/// Runs a claimed job, and with it those that can share its decoding. Their leases hold at least `until`.
pub(super) async fn run(host: &Host, claim: Claim, until: Instant, hard: &CancellationToken) {
    let beside = if host.fusion > 1 && claim.attempt == 1 { companions(&claim) } else { Vec::new() };
    if beside.is_empty() {
        return see_through(host, claim, until, hard, None).await;
    }
    let until = holding(host, &claim, until, first_information(host, &claim, hard)).await;
    let mut members = vec![(claim, until)];
    let lease = Instant::now() + host.lease;
    let wanted = (beside.as_slice(), host.fusion - 1);
    let joined = host.store.claim_beside(&members[0].0, wanted, &host.claimant, host.lease, host.clock.now()).await;
    match joined {
        Ok(claims) => members.extend(claims.into_iter().map(|claim| (claim, lease))),
        Err(error) => tracing::warn!(error = %error.with_code(), "cannot claim jobs of the same source"),
    }
    see_together(host, members, hard).await;
}

/// Activities that could be done from the same decoding as that of `claim`, apart from it.
fn companions(claim: &Claim) -> Vec<usize> {
    let graph = &claim.plan.graph;
    let own = &graph[NodeIndex::new(claim.activity)];
    let fits = |activity: &Activity| decodes(activity) && activity.input == own.input;
    if !decodes(own) {
        return Vec::new();
    }
    let fresh = |index: usize| claim.state.activities.get(index).is_some_and(|state| state.attempt() == 0);
    let others = graph.node_indices().filter(|node| node.index() != claim.activity && fits(&graph[*node]));
    others.map(NodeIndex::index).filter(|&index| fresh(index)).collect()
}

fn decodes(activity: &Activity) -> bool {
    match activity.kind {
        ActivityKind::Transcode | ActivityKind::Remux | ActivityKind::Snapshot | ActivityKind::Watermark => true,
        ActivityKind::Analysis => !activity.reads_headers(),
        ActivityKind::TemplateAnalysis | ActivityKind::Package => false,
    }
}

/// Media information of the same input on which activities of the group depend, by node index.
fn information(plan: &Plan, claim: &Claim) -> Vec<usize> {
    let own = &plan.graph[NodeIndex::new(claim.activity)];
    let needed = |node: NodeIndex| {
        plan.graph.neighbors(node).any(|next| decodes(&plan.graph[next]) && plan.graph[next].input == own.input)
    };
    let ended = |node: NodeIndex| claim.state.activity(node).is_none_or(|state| state.name().is_ended());
    let unneeded = |node: NodeIndex| plan.graph.neighbors_directed(node, Incoming).next().is_none();
    let nodes = plan.graph.node_indices().filter(|&node| {
        let activity = &plan.graph[node];
        activity.reads_headers() && activity.input == own.input && unneeded(node) && needed(node) && !ended(node)
    });
    nodes.map(NodeIndex::index).collect()
}

/// Has media information that further jobs of the group wait for read first: here where nobody has begun it, elsewhere
/// for as long as that takes milliseconds.
async fn first_information(host: &Host, claim: &Claim, hard: &CancellationToken) {
    let missing = information(&claim.plan, claim);
    if missing.is_empty() {
        return;
    }
    let mut hints = host.store.hints();
    let lease = Instant::now() + host.lease;
    let read =
        host.store.claim_beside(claim, (&missing, missing.len()), &host.claimant, host.lease, host.clock.now()).await;
    join_all(read.unwrap_or_default().into_iter().map(|claim| see_through(host, claim, lease, hard, None))).await;
    let elsewhere = async {
        loop {
            let Ok(Some(record)) = host.store.execution(claim.execution).await else { return };
            let reading = |&index: &usize| {
                record.state.activities.get(index).is_some_and(|state| state.name() == JobState::Running)
            };
            if !missing.iter().any(reading) {
                return;
            }
            loop {
                match hints.recv().await {
                    Ok(Hint::Execution(id)) if id == claim.execution => break,
                    Ok(_) => {}
                    // A missed hint may have named this execution.
                    Err(RecvError::Lagged(_)) => break,
                    Err(RecvError::Closed) => return,
                }
            }
        }
    };
    let _ = tokio::time::timeout(PATIENCE.min(host.lease / 2), elsewhere).await;
}

/// Prolongs the lease of `claim`, which holds at least `until`, as long as `work` takes; answers until when it holds then.
/// A lease that was lost is noticed by whoever follows the job.
async fn holding(host: &Host, claim: &Claim, mut until: Instant, work: impl Future<Output = ()>) -> Instant {
    let mut work = std::pin::pin!(work);
    loop {
        tokio::select! {
            () = &mut work => return until,
            () = tokio::time::sleep(HEARTBEAT) => {
                let asked = Instant::now();
                let now = host.clock.now();
                if let Ok(Heartbeat::Continue) = host.store.heartbeat(claim.job, claim.attempt, host.lease, None, now).await {
                    until = asked + host.lease;
                }
            }
        }
    }
}

/// Follows each member to its end, beside the worker that does all of them.
async fn see_together(host: &Host, members: Vec<(Claim, Instant)>, hard: &CancellationToken) {
    note_members(host, &members).await;
    let (seats, joining) = mpsc::unbounded_channel();
    let each: Vec<_> = members
        .into_iter()
        .map(|(claim, until)| see_through(host, claim, until, hard, Some(Seat(seats.clone()))))
        .collect();
    drop(seats);
    futures::join!(join_all(each), work(host, joining));
}

/// Writes into the log of each member which jobs run with it.
async fn note_members(host: &Host, members: &[(Claim, Instant)]) {
    if members.len() < 2 {
        return;
    }
    let name = |claim: &Claim| claim.plan.graph[NodeIndex::new(claim.activity)].name.clone();
    for (claim, _) in members {
        let others: Vec<String> =
            members.iter().filter(|(other, _)| other.job != claim.job).map(|(other, _)| name(other)).collect();
        let message = format!("the source is decoded once, together for {}", others.join(", "));
        note(host, (claim.job, claim.attempt), message).await;
    }
}

/// Writes into the log of each job of `batch` what it takes from others.
async fn note_sharing(host: &Host, batch: &[Candidate]) {
    let outputs: Vec<(usize, &str, &Output)> = (0..)
        .zip(batch)
        .flat_map(|(n, candidate)| {
            let named = candidate.assignment.work.named_outputs(&candidate.activity);
            named.into_iter().map(move |(name, output)| (n, name, output))
        })
        .collect();
    let named: Vec<(&str, &Output)> = outputs.iter().map(|&(_, name, output)| (name, output)).collect();
    for (shares, (n, name, _)) in sharing(&named).into_iter().zip(&outputs).filter(|(shares, _)| !shares.is_empty()) {
        note(host, batch[*n].attempt, format!("`{name}` shares {}", shares.join(", "))).await;
    }
}

async fn note(host: &Host, (job, attempt): (JobId, u32), message: String) {
    if let Err(error) = host.store.note(job, attempt, LogEvent::Note { message }, host.clock.now()).await {
        tracing::warn!(error = %error.with_code(), "cannot write a note to the log of a job");
    }
}

/// Waits until every member has joined or left, then does those that go together with one worker, and the rest after it.
async fn work(host: &Host, mut joining: mpsc::UnboundedReceiver<Candidate>) {
    let mut waiting = Vec::new();
    while let Some(candidate) = joining.recv().await {
        waiting.push(candidate);
    }
    while !waiting.is_empty() {
        let first = waiting.remove(0);
        let (with, rest) = waiting.into_iter().partition(|other| first.goes_with(other));
        waiting = rest;
        let batch: Vec<Candidate> = std::iter::once(first).chain::<Vec<_>>(with).collect();
        note_sharing(host, &batch).await;
        together(host, GROUP, batch).await;
    }
}

/// Does `batch` with one worker, once there is room for it. `kind` is what its estimate learns from.
pub(super) async fn together(host: &Host, kind: &'static str, batch: Vec<Candidate>) {
    let needs: Vec<Need> = batch.iter().map(|candidate| candidate.need).collect();
    let stops: Vec<CancellationToken> = batch.iter().map(|candidate| candidate.assignment.stop.clone()).collect();
    let unwanted = join_all(stops.iter().map(CancellationToken::cancelled));
    let admitted = tokio::select! {
        admitted = host.admission.admit(kind, admission::together(&needs)) => admitted,
        _ = unwanted => {
            for candidate in batch {
                let _ = candidate.answer.send(Err(Failure::from(&WorkerError::Stopped)));
            }
            return;
        }
    };
    let tasks = batch.into_iter().map(|candidate| (candidate.assignment, candidate.answer)).collect();
    // Also of jobs that failed: for some of them, needing more than was estimated is why.
    admitted.used(supervisor::run(&host.pool, host.threads, tasks).await);
}
