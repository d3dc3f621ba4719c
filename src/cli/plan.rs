//! `reelmill plan`: the activities and outputs that a workflow would have for a file. Only the file's headers are read.
//!
//! The execution is simulated in a store in memory: an analysis returns what was probed, and every other activity
//! succeeds without running.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use petgraph::Direction::Incoming;
use petgraph::graph::NodeIndex;
use serde::Serialize;
use serde_json::Value;

use super::output::Output;
use super::{CliError, Exit, FileArgs, WorkerArgs, brief, local, probe, validate};
use crate::engine::ActivityState;
use crate::model::media::MediaInfo;
use crate::model::plan::{ActivityInput, ActivityKind, Plan};
use crate::model::work::{self, FileRole, Work};
use crate::model::{
    Clock, ExecutionId, Failure, Ids, InputObject, JobId, ObjectLocation, OutputObject, RandomIds, SystemClock,
};
use crate::objects::OCTET_STREAM;
use crate::store::sqlite::SqliteStore;
use crate::store::{Claim, Claimant, NewExecution, Store};
use crate::template;
use crate::workflow::{self, Evaluator, ResolveContext, Resolved, Workflow, resolve};

/// Bucket of the input file where the workflow names none.
const INPUT_BUCKET: &str = "input";
/// Longer than a plan takes: leases do not expire.
const LEASE: Duration = Duration::from_secs(3_600);

/// Print what a workflow would do with a file: activities, their work (with --json), keys of outputs. Runs nothing.
#[derive(Debug, Args)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    worker: WorkerArgs,
    /// Workflow file, or the name of a workflow in ./workflows
    workflow: PathBuf,
    #[command(flatten)]
    file: FileArgs,
    /// Set a parameter of the workflow; repeat for several
    #[arg(long, value_name = "NAME=VALUE", value_parser = super::run::pair)]
    set: Vec<(String, String)>,
}

/// An activity of the plan.
#[derive(Debug, Serialize)]
struct Step {
    activity: String,
    #[serde(rename = "type")]
    kind: ActivityKind,
    /// Reason why it would not run, or why that is not known beforehand.
    #[serde(skip_serializing_if = "Option::is_none")]
    remark: Option<String>,
    /// Warnings that the user should see.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<String>,
    /// Parts of its work that it shares with activities before it, where their jobs run as one group.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    shares: Vec<String>,
    /// Codec, size and rate in a few words.
    #[serde(skip_serializing_if = "String::is_empty")]
    brief: String,
    /// Outputs, as `s3://bucket/key`; without the segments of packages.
    makes: Vec<String>,
    /// Work that the worker would get.
    #[serde(skip_serializing_if = "Option::is_none")]
    work: Option<Work>,
}

pub(super) async fn plan(args: PlanArgs, output: Output) -> Result<Exit, CliError> {
    let workflow = validate::load(&validate::find(&args.workflow)?, None, output)?;
    let info = probe::look(&args.worker, &args.file, false).await?;
    let input = input(&args.file.file, &info, &workflow)?;
    let given: BTreeMap<String, String> = args.set.into_iter().collect();
    let params = workflow::params(&workflow.plan, &given, &BTreeMap::new())
        .map_err(|failure| CliError { exit: Exit::Usage, ..failure.into() })?;
    let steps = play(&workflow.plan, input.clone(), params, &info).await?;
    let trigger = trigger_note(&args.file.file, &input, &workflow);
    if output.json {
        output.json_line(&serde_json::json!({
            "type": "plan", "workflow": workflow.name, "input": input, "activities": steps, "trigger": trigger,
        }));
        return Ok(Exit::Done);
    }
    let row = |step: &Step| {
        let makes = match (&step.remark, step.makes.as_slice()) {
            (Some(remark), _) => remark.clone(),
            (None, makes) => makes.join(", "),
        };
        [step.activity.clone(), step.kind.as_str().to_owned(), step.brief.clone(), makes]
    };
    output.table(["ACTIVITY", "TYPE", "HOW", "MAKES"], &steps.iter().map(row).collect::<Vec<_>>());
    for step in &steps {
        for warning in &step.warnings {
            output.line(format!("warning: {}: {warning}", step.activity));
        }
        for shares in &step.shares {
            output.line(format!("in one group of jobs: {shares}"));
        }
    }
    if let Some(note) = trigger {
        output.line(note);
    }
    Ok(Exit::Done)
}

/// Says why an upload of this object would not start the workflow; nothing of a file that has no key yet.
fn trigger_note(file: &str, input: &InputObject, workflow: &Workflow) -> Option<String> {
    local::parse_location(file)?.ok()?;
    let reason = match &workflow.trigger {
        None => "it has no trigger".to_owned(),
        Some(_) if !workflow.enabled => "it is disabled".to_owned(),
        Some(trigger) => {
            let reason = trigger.matches(input);
            if reason.is_match() {
                return None;
            }
            reason.to_string()
        }
    };
    let (location, name) = (&input.location, &workflow.name);
    Some(format!("note: an upload of {location} would not start {name}: {reason}"))
}

fn input(file: &str, info: &MediaInfo, workflow: &Workflow) -> Result<InputObject, CliError> {
    let location = match local::parse_location(file) {
        Some(location) => location?,
        None => ObjectLocation {
            bucket: workflow.trigger.as_ref().map_or(INPUT_BUCKET, |trigger| trigger.bucket.as_str()).to_owned(),
            key: Path::new(file).file_name().unwrap_or_default().to_string_lossy().into_owned(),
        },
    };
    let size_bytes = Some(info.format.size_bytes);
    Ok(InputObject { location, size_bytes, etag: None, version: None, metadata: BTreeMap::new() })
}

/// Simulates an execution; returns its steps in the order of the plan.
async fn play(
    plan: &Arc<Plan>,
    input: InputObject,
    params: BTreeMap<String, Value>,
    info: &MediaInfo,
) -> Result<Vec<Step>, CliError> {
    let store = SqliteStore::open_in_memory(Arc::new(Evaluator))?;
    let now = SystemClock.now();
    let id = ExecutionId(RandomIds.next(now));
    let jobs = plan.graph.node_indices().map(|_| JobId(RandomIds.next(now))).collect();
    let (user_data, cause) = (None, "a plan".to_owned());
    store.start(NewExecution { id, jobs, plan: Arc::clone(plan), input, params, user_data, cause }, now).await?;
    let mut resolved = BTreeMap::new();
    while let Some(claim) = store.claim(&Claimant::of_all("plan"), LEASE, now).await? {
        let made = resolve(&claim.plan, claim.activity, &context(&claim));
        let looks = plan.graph.node_weights().nth(claim.activity).is_some_and(|activity| activity.kind.only_looks());
        let result = match &made {
            Ok(resolved) if looks => resolved.answer.of(info)?,
            _ => Value::Null,
        };
        let outputs = made.as_ref().map(outputs).unwrap_or_default();
        store.succeed(claim.job, claim.attempt, result, outputs, now).await?;
        resolved.insert(claim.activity, made);
    }
    let record = store.execution(id).await?;
    let states = record.map(|record| record.state.activities).unwrap_or_default();
    let order = plan.in_order();
    let mut steps: Vec<Step> = order
        .iter()
        .map(|node| step(plan, node.index(), resolved.remove(&node.index()), states.get(node.index())))
        .map(|step| step.told(plan, info))
        .collect();
    tell_sharing(plan, &mut steps);
    Ok(steps)
}

/// Adds what steps share whose jobs can run as one group: those over the uploaded object, in the same queue, that wait for the
/// same activities beside media information.
fn tell_sharing(plan: &Plan, steps: &mut [Step]) {
    let place = |step: &Step| {
        let node = plan.graph.node_indices().find(|&node| plan.graph[node].name == step.activity)?;
        let activity = &plan.graph[node];
        let needed = plan.graph.neighbors_directed(node, Incoming).filter(|&other| !plan.graph[other].reads_headers());
        let needed: BTreeSet<NodeIndex> = needed.collect();
        (activity.input == ActivityInput::Object).then(|| (activity.queue.clone(), activity.priority, needed))
    };
    let places: Vec<_> = steps.iter().map(place).collect();
    let mut told: Vec<Vec<String>> = vec![Vec::new(); steps.len()];
    for at in places.iter().flatten().collect::<BTreeSet<_>>() {
        let members = steps.iter().enumerate().filter(|(n, _)| places[*n].as_ref() == Some(at));
        let outputs: Vec<(usize, &str, &work::Output)> = members
            .filter_map(|(n, step)| Some((n, step, step.work.as_ref().filter(|work| work.is_one_pass())?)))
            .flat_map(|(n, step, work)| {
                work.named_outputs(&step.activity).into_iter().map(move |(name, output)| (n, name, output))
            })
            .collect();
        let named: Vec<(&str, &work::Output)> = outputs.iter().map(|&(_, name, output)| (name, output)).collect();
        for (shares, (n, name, _)) in work::sharing(&named).into_iter().zip(&outputs) {
            if !shares.is_empty() {
                told[*n].push(format!("`{name}` shares {}", shares.join(", ")));
            }
        }
    }
    for (step, shares) in steps.iter_mut().zip(told) {
        step.shares = shares;
    }
}

impl Step {
    /// Adds the warnings and the sizes that are known beforehand for a file with `info`.
    fn told(mut self, plan: &Plan, info: &MediaInfo) -> Self {
        let reads_it = plan.graph.node_weights().any(|a| a.name == self.activity && a.input == ActivityInput::Object);
        let Some(work) = &self.work else { return self };
        self.brief = brief::words(work, reads_it.then_some(info));
        let Some(Work::Pipeline(pipeline)) = self.work.as_ref().filter(|_| reads_it) else { return self };
        for asked in pipeline.outputs.iter().filter_map(|output| template::missed_box(output, info)) {
            let (width, height) = info.video.first().map_or((0, 0), |video| (video.width, video.height));
            self.warnings
                .push(format!("{asked} is not reached: the source is {width}×{height}, and `upscale` is not true"));
        }
        self
    }
}

fn context(claim: &Claim) -> ResolveContext<'_> {
    ResolveContext {
        execution: claim.execution,
        created_at: claim.created_at,
        input: &claim.input,
        params: &claim.params,
        state: &claim.state,
    }
}

fn step(plan: &Plan, index: usize, resolved: Option<Result<Resolved, Failure>>, state: Option<&ActivityState>) -> Step {
    let activity = &plan.graph[petgraph::graph::NodeIndex::new(index)];
    let (remark, makes, work) = match (resolved, state) {
        (Some(Ok(resolved)), _) => {
            (None, outputs(&resolved).iter().map(|output| output.location.to_string()).collect(), Some(resolved.work))
        }
        (Some(Err(failure)), _) => (Some(format!("not known before it runs: {failure}")), Vec::new(), None),
        (None, Some(ActivityState::Skipped { reason, .. })) => (Some(format!("skipped: {reason}")), Vec::new(), None),
        (None, Some(ActivityState::Failed { failure, .. })) => {
            (Some(format!("not known before it runs: {failure}")), Vec::new(), None)
        }
        (None, _) => (Some("not reached".to_owned()), Vec::new(), None),
    };
    let (warnings, shares, brief) = (Vec::new(), Vec::new(), String::new());
    Step { activity: activity.name.clone(), kind: activity.kind, remark, warnings, shares, brief, makes, work }
}

/// Returns the outputs of work, as far as their names are known beforehand.
fn outputs(resolved: &Resolved) -> Vec<OutputObject> {
    let files: Vec<(String, FileRole)> = match &resolved.work {
        Work::Pipeline(pipeline) => pipeline
            .outputs
            .iter()
            .filter_map(|output| match output {
                work::Output::Media(media) => Some((media.file.clone(), FileRole::Media)),
                work::Output::Snapshot(snapshot) => Some((snapshot.file.clone(), FileRole::Image)),
                work::Output::Analysis(_) => None,
            })
            .collect(),
        Work::Package(package) => {
            package.master.iter().chain(&package.mpd).map(|file| (file.clone(), FileRole::Master)).collect()
        }
    };
    let object = |(file, role): (String, FileRole)| OutputObject {
        location: ObjectLocation { bucket: resolved.bucket.clone(), key: format!("{}{file}", resolved.prefix) },
        size_bytes: 0,
        content_type: OCTET_STREAM.to_owned(),
        role,
        media: None,
    };
    files.into_iter().map(object).collect()
}
