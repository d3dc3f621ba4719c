//! The command line, for people and for scripts.
//!
//! **Invariant**: results go to standard output, errors to standard error in one shape; exit codes are those of
//! [`Exit`]; the output of `--json` is stable and documented.

mod brief;
mod bulk;
mod client;
mod doctor;
mod error;
mod events;
mod examples;
mod executions;
mod get;
mod graph;
mod init;
mod jobs;
mod local;
mod logs;
mod named;
mod notifications;
mod output;
mod places;
mod plan;
mod probe;
mod progress;
mod put;
mod queues;
mod run;
mod schema;
mod serve;
mod templates;
#[cfg(test)]
mod tests;
mod validate;
mod workflows;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue};
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};

pub use error::{CliError, Exit};
use output::Output;

/// Upload a file to a bucket, and finished media come out.
#[derive(Debug, Parser)]
#[command(name = "reelmill", version, propagate_version = true, disable_help_subcommand = true)]
struct Cli {
    /// Print JSON: one object, or one object per line from commands that stream
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

/// The commands. Their help is on their arguments: a doc comment here would replace it.
#[derive(Debug, Subcommand)]
enum Command {
    Init(init::InitArgs),
    Serve(serve::ServeArgs),
    Doctor(doctor::DoctorArgs),
    Run(run::RunArgs),
    Validate(validate::ValidateArgs),
    Graph(graph::GraphArgs),
    Plan(plan::PlanArgs),
    Probe(probe::ProbeArgs),
    Templates(templates::TemplatesArgs),
    Put(put::PutArgs),
    Get(get::GetArgs),
    Executions(executions::ExecutionsArgs),
    Jobs(jobs::JobsArgs),
    Workflows(workflows::WorkflowsArgs),
    Events(events::EventsArgs),
    Queues(queues::QueuesArgs),
    Notifications(notifications::NotificationsArgs),
    Logs(logs::LogsArgs),
    Schema(schema::SchemaArgs),
    /// Print the OpenAPI document of the HTTP API
    Openapi,
    /// Print a completion script for a shell
    ///
    /// Save it as ~/.local/share/bash-completion/completions/reelmill (bash), as _reelmill in a folder of $fpath (zsh), or
    /// as ~/.config/fish/completions/reelmill.fish (fish); load it in the profile of PowerShell or elvish.
    Completions {
        /// Shell that the script is for
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

/// Address of a daemon, and access to it.
#[derive(Clone, Debug, Args)]
struct DaemonArgs {
    /// URL of the daemon's API
    #[arg(long, global = true, env = "REELMILL_URL", default_value = "http://127.0.0.1:8080")]
    url: String,
    /// Access token for the daemon's API
    #[arg(long, global = true, env = "REELMILL_TOKEN", hide_env_values = true)]
    token: Option<String>,
}

/// Path of the worker program.
#[derive(Clone, Debug, Args)]
struct WorkerArgs {
    /// Path of the worker program, if it is not in the folder of this program
    #[arg(long, env = "REELMILL_WORKER_PROGRAM", hide = true)]
    worker: Option<PathBuf>,
}

/// A media file to probe.
#[derive(Clone, Debug, Args)]
struct FileArgs {
    /// Media file: a path, or s3://bucket/key
    file: String,
    /// Data folder of the daemon that s3:// files are read from
    #[arg(long, default_value = "reelmill-data", value_name = "DIR")]
    data: PathBuf,
    /// Read s3:// files from the S3 of the AWS environment, even if a daemon runs in the data folder
    #[arg(long)]
    aws: bool,
}

/// Runs the command line of this process.
#[must_use]
pub fn main() -> ExitCode {
    let asked = examples::add(Cli::command()).try_get_matches();
    let cli = match asked.and_then(|mut asked| Cli::from_arg_matches_mut(&mut asked)) {
        Ok(cli) => cli,
        Err(error) => return not_understood(&error),
    };
    let output = Output::new(cli.json);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return output.error(&CliError::new(Exit::Storage, "CLI0001", format!("cannot start: {error}")));
        }
    };
    let done = runtime.block_on(dispatch(cli.command, output));
    // Does not wait for tasks that still run: readers of pipes, and work that was cancelled.
    runtime.shutdown_background();
    match done {
        Ok(exit) => exit.into(),
        Err(error) => output.error(&error),
    }
}

/// Prints help and versions as results, and anything else as a usage error.
fn not_understood(error: &clap::Error) -> ExitCode {
    let json = std::env::args_os().any(|argument| argument == "--json");
    let lacks_command = error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if !error.use_stderr() || lacks_command && !json {
        let _ = error.print();
        return if error.use_stderr() { Exit::Usage } else { Exit::Done }.into();
    }
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
    let first = text.split("\n\n").next().unwrap_or(text).replace("\n  ", " ");
    let text = match tip(error) {
        Some(tip) => format!("{}\n\n  tip: {tip}", text.split("\n\n").next().unwrap_or(text)),
        None => text.to_owned(),
    };
    let message = match (json, lacks_command) {
        (true, true) => "no command given; `reelmill --help` lists the commands",
        (true, false) => &first,
        (false, _) => &text,
    };
    Output::new(json).error(&CliError::usage(message))
}

/// Returns the command for a word that other programs have for it.
fn tip(error: &clap::Error) -> Option<&'static str> {
    let Some(ContextValue::String(word)) = error.get(ContextKind::InvalidSubcommand) else { return None };
    Some(match word.as_str() {
        "upload" | "cp" | "push" => "`reelmill put` uploads files",
        "download" | "ls" | "pull" => "`reelmill get` copies the outputs of an execution",
        "list" | "ps" => "`reelmill executions list`",
        "start" | "up" => "`reelmill serve` runs the daemon, `reelmill executions start` a workflow",
        "status" => "`reelmill queues list` shows waiting and running jobs, `reelmill doctor` checks the setup",
        _ => return None,
    })
}

async fn dispatch(command: Command, output: Output) -> Result<Exit, CliError> {
    match command {
        Command::Init(args) => init::init(&args, output),
        Command::Serve(args) => serve::serve(args, output).await,
        Command::Doctor(args) => doctor::doctor(args, output).await,
        Command::Run(args) => run::run(args, output).await,
        Command::Validate(args) => validate::validate(&args, output).await,
        Command::Graph(args) => graph::graph(&args, output),
        Command::Plan(args) => plan::plan(args, output).await,
        Command::Probe(args) => probe::probe(args, output).await,
        Command::Templates(args) => templates::templates(args, output).await,
        Command::Put(args) => put::put(args, output).await,
        Command::Get(args) => get::get(args, output).await,
        Command::Executions(args) => executions::executions(args, output).await,
        Command::Events(args) => events::events(args, output).await,
        Command::Queues(args) => queues::queues(args, output).await,
        Command::Logs(args) => logs::logs(args, output).await,
        Command::Jobs(args) => jobs::jobs(args, output).await,
        Command::Workflows(args) => workflows::workflows(args, output).await,
        Command::Notifications(args) => notifications::notifications(args, output).await,
        Command::Schema(args) => schema::schema(&args, output),
        Command::Openapi => schema::openapi(output),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "reelmill", &mut script);
            output.block(String::from_utf8_lossy(&script).trim_end());
            Ok(Exit::Done)
        }
    }
}
