//! `reelmill jobs`: submit, list, show, cancel, priority.

use clap::{Args, Subcommand};
use reqwest::Method;
use serde_json::{Map, Value};

use super::client::Client;
use super::executions::{place, second, state, states, waits, warnings, with_warnings};
use super::named::Named;
use super::output::Output;
use super::{CliError, DaemonArgs, Exit, local};
use crate::api::executions::{InputBody, PriorityPatch};
use crate::api::jobs::{JobBody, JobPage, JobView, OutputBody};
use crate::model::plan::{ActivityKind, IfExists};
use crate::model::{ExecutionStatus, JobId, JobState};

/// Submit, list, show and cancel single jobs, without a workflow, and change their priority.
///
/// A job is an execution of one activity: `reelmill logs JOB` and `reelmill executions show JOB --follow` work too.
#[derive(Debug, Args)]
pub(super) struct JobsArgs {
    #[command(flatten)]
    daemon: DaemonArgs,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Submit a job
    Submit(SubmitArgs),
    /// List jobs, newest first
    List {
        /// Only jobs of this type: analysis, template-analysis, transcode, remux, snapshot, watermark, package
        #[arg(long = "type", value_parser = kind)]
        kind: Option<ActivityKind>,
        /// Only jobs in these states, comma-separated
        #[arg(long, value_delimiter = ',', value_parser = state())]
        state: Vec<ExecutionStatus>,
        /// Only jobs that have warnings
        #[arg(long)]
        warnings: bool,
        /// Most jobs to list, 1 to 1000
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
        limit: u32,
    },
    /// Show a job and its result
    Show {
        /// Identifier of the job, its first characters (at least 4), or @last for the newest
        job: Named<JobId>,
        /// Wait this long for the job to end, 60s at most; exit code 1 if it does not succeed in time
        #[arg(long)]
        wait: Option<String>,
    },
    /// Cancel a job
    Cancel {
        /// Identifier of the job, its first characters (at least 4), or @last for the newest
        job: Named<JobId>,
    },
    /// Change the priority of a job that has not ended
    Priority {
        /// Identifier of the job, its first characters (at least 4), or @last for the newest
        job: Named<JobId>,
        /// Priority, 1 to 10; 10 runs first
        #[arg(value_parser = clap::value_parser!(u8).range(1..=10))]
        priority: u8,
    },
}

/// Code of work without a place for its outputs.
const NO_OUTPUT: &str = "WF0121";

/// Path of the list of jobs.
const LIST: &str = "/v1/jobs";

fn kind(text: &str) -> Result<ActivityKind, String> {
    ActivityKind::ALL.iter().copied().find(|kind| kind.as_str() == text).ok_or_else(|| {
        let names: Vec<&str> = ActivityKind::ALL.iter().map(|kind| kind.as_str()).collect();
        format!("expected one of {}", names.join(", "))
    })
}

fn if_exists(text: &str) -> Result<IfExists, String> {
    IfExists::parse(text).ok_or_else(|| {
        let names: Vec<&str> = IfExists::ALL.iter().map(|choice| choice.as_str()).collect();
        format!("expected one of {}", names.join(", "))
    })
}

#[derive(Debug, Args)]
struct SubmitArgs {
    /// Type of the job: analysis, template-analysis, transcode, remux, snapshot, watermark, package
    #[arg(value_parser = kind)]
    kind: ActivityKind,
    /// Input: s3://bucket/key
    input: String,
    /// Template that gives the parameters; --set overrides them
    #[arg(long)]
    template: Option<String>,
    /// Set a parameter, as in `video.crf=20`: nested names with dots, value as in YAML; repeat for several
    #[arg(long, value_name = "PATH=VALUE", value_parser = super::run::pair)]
    set: Vec<(String, String)>,
    /// Bucket and prefix of the outputs: s3://bucket/prefix; their names are those of the input unless `name` is set
    #[arg(long)]
    output: Option<String>,
    /// Handling of an existing object made from another upload: warn (replace and warn), fail, replace
    #[arg(long, value_parser = if_exists, requires = "output")]
    if_exists: Option<IfExists>,
    /// Queue of the job [default: default]
    #[arg(long)]
    queue: Option<String>,
    /// Priority, 1 to 10; 10 runs first [default: 6]
    #[arg(long, value_parser = clap::value_parser!(u8).range(1..=10))]
    priority: Option<u8>,
    /// Longest that one attempt may take, like 30m
    #[arg(long)]
    timeout: Option<String>,
    /// Text to repeat in notifications
    #[arg(long)]
    user_data: Option<String>,
    /// Wait this long for the result, 60s at most; exit code 1 if the job does not succeed in time
    #[arg(long)]
    wait: Option<String>,
    /// Key of this request: sending it again with the same key submits no second job
    #[arg(long)]
    idempotency_key: Option<String>,
}

pub(super) async fn jobs(args: JobsArgs, output: Output) -> Result<Exit, CliError> {
    let client = Client::new(&args.daemon)?;
    let (job, waited): (JobView, bool) = match args.action {
        Action::List { kind, state, warnings, limit } => {
            let mut query = vec![("limit", limit.to_string())];
            query.extend(kind.map(|kind| ("type", kind.as_str().to_owned())));
            query.extend(states(&state));
            query.extend(warnings.then(|| ("warnings", "true".to_owned())));
            list(&client.get("/v1/jobs", &query).await?, output);
            return Ok(Exit::Done);
        }
        Action::Submit(args) => {
            let wait = args.wait.clone();
            let key = args.idempotency_key.clone();
            let query: Vec<_> = wait.clone().map(|wait| ("wait", wait)).into_iter().collect();
            let headers: Vec<_> = key.as_deref().map(|key| ("idempotency-key", key)).into_iter().collect();
            let submitted = client.call_with(Method::POST, "/v1/jobs", &query, &headers, &body(args)?).await;
            (submitted.map_err(without_output)?, wait.is_some())
        }
        Action::Show { job, wait } => {
            let job = job.find(&client, LIST).await?;
            let query: Vec<_> = wait.clone().map(|wait| ("wait", wait)).into_iter().collect();
            (client.get(&format!("/v1/jobs/{job}"), &query).await?, wait.is_some())
        }
        Action::Cancel { job } => {
            let job = job.find(&client, LIST).await?;
            (client.post(&format!("/v1/jobs/{job}/cancel")).await?, false)
        }
        Action::Priority { job, priority } => {
            let job = job.find(&client, LIST).await?;
            (client.call(Method::PATCH, &format!("/v1/jobs/{job}"), &PriorityPatch { priority }).await?, false)
        }
    };
    show(&job, output);
    let failed = waited && job.state.is_ended() && job.state != JobState::Succeeded;
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

/// Adds to the error of a job without an output bucket which option sets it.
fn without_output(error: CliError) -> CliError {
    if error.code != NO_OUTPUT {
        return error;
    }
    let message = "no bucket is set for the outputs: add `--output s3://bucket/prefix/`".to_owned();
    CliError { message, ..error }
}

fn body(args: SubmitArgs) -> Result<JobBody, CliError> {
    let location = |text: &str| {
        let wrong = || CliError::usage(format!("`{text}` is not an object: write s3://bucket/key"));
        local::parse_location(text).unwrap_or_else(|| Err(wrong()))
    };
    let input = location(&args.input)?;
    let output = args.output.as_deref().map(target).transpose()?;
    let output = output.map(|output| OutputBody { if_exists: args.if_exists, ..output });
    let mut parameters = Map::new();
    for (path, value) in args.set {
        set(&mut parameters, &path, serde_yaml::from_str(&value).unwrap_or(Value::String(value)))
            .ok_or_else(|| CliError::usage(format!("--set: `{path}` is inside a value that another --set gave")))?;
    }
    Ok(JobBody {
        kind: args.kind,
        input: InputBody { bucket: input.bucket, key: input.key, version: None },
        template: args.template,
        parameters,
        output,
        queue: args.queue,
        priority: args.priority,
        timeout: args.timeout,
        user_data: args.user_data,
    })
}

/// Parses `s3://bucket/prefix`, whose prefix may be empty.
fn target(text: &str) -> Result<OutputBody, CliError> {
    let (bucket, prefix) = text
        .strip_prefix("s3://")
        .map(|rest| rest.split_once('/').unwrap_or((rest, "")))
        .filter(|(bucket, _)| !bucket.is_empty())
        .ok_or_else(|| CliError::usage(format!("--output: `{text}` is invalid: write s3://bucket/prefix")))?;
    let prefix = Some(prefix.to_owned()).filter(|prefix| !prefix.is_empty());
    Ok(OutputBody { bucket: bucket.to_owned(), prefix, if_exists: None })
}

/// Sets the value at a dotted path; `None` if a part of the path is not a mapping.
fn set(map: &mut Map<String, Value>, path: &str, value: Value) -> Option<()> {
    match path.split_once('.') {
        None => {
            map.insert(path.to_owned(), value);
            Some(())
        }
        Some((first, rest)) => {
            let below = map.entry(first).or_insert_with(|| Value::Object(Map::new()));
            set(below.as_object_mut()?, rest, value)
        }
    }
}

fn list(page: &JobPage, output: Output) {
    if output.json {
        output.json_line(page);
        return;
    }
    let row = |item: &crate::api::jobs::JobSummary| {
        [
            item.id.to_string(),
            item.kind.as_str().to_owned(),
            with_warnings(waits(item.state, &item.waiting), item.warning_count),
            item.queue.clone(),
            item.priority.to_string(),
            second(&item.created_at),
            item.input.location.to_string(),
        ]
    };
    let rows: Vec<[String; 7]> = page.items.iter().map(row).collect();
    output.table(["JOB", "TYPE", "STATE", "QUEUE", "PRIORITY", "CREATED (UTC)", "OBJECT"], &rows);
    if page.next.is_some() {
        output.note("more jobs match: raise --limit, or filter with --type, --state or --warnings");
    }
}

fn show(job: &JobView, output: Output) {
    if output.json {
        output.json_line(job);
        return;
    }
    output.line(format_args!("job        {}", job.id));
    output.line(format_args!("type       {}", job.kind.as_str()));
    output.line(format_args!("object     {}", job.input.location));
    output.line(format_args!("queue      {}, priority {}", job.queue, job.priority));
    let state = waits(job.state, &job.waiting);
    match &job.stopping {
        None => output.line(format_args!("state      {state}")),
        Some(why) => output.line(format_args!("state      {state}, stopping: {why}")),
    }
    output.line(format_args!("created    {} UTC", second(&job.created_at)));
    if let Some(ended_at) = &job.ended_at {
        output.line(format_args!("ended      {} UTC", second(ended_at)));
    }
    if let Some(failure) = &job.error {
        output.line(format_args!("error      {failure}"));
    }
    warnings(&job.warnings, job.warning_count, output);
    for made in &job.outputs {
        output.line(format_args!("made       {}", place(made)));
    }
    if !job.result.is_null() {
        output.line("");
        output.json_block(&job.result);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn parameters_are_nested_by_dots() {
        let mut map = Map::new();
        for (path, value) in [("name", json!("a.mp4")), ("video.crf", json!(20)), ("video.codec", json!("h264"))] {
            set(&mut map, path, value).unwrap();
        }
        assert_eq!(Value::Object(map.clone()), json!({"name": "a.mp4", "video": {"crf": 20, "codec": "h264"}}));
        assert!(set(&mut map, "name.x", json!(1)).is_none());
    }

    #[test]
    fn outputs_go_to_a_bucket_and_a_prefix() {
        let parts = |text| target(text).ok().map(|target| (target.bucket, target.prefix));
        assert_eq!(parts("s3://media/a/b/"), Some(("media".to_owned(), Some("a/b/".to_owned()))));
        assert_eq!(parts("s3://media"), Some(("media".to_owned(), None)));
        assert!(parts("media/a").is_none() && parts("s3:///a").is_none());
    }
}
