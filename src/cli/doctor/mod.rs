//! `reelmill doctor`: checks that everything a daemon with this configuration needs is there.
//!
//! **Invariant**: checks are read-only: they write, migrate, dequeue and lock nothing, so they can run beside a daemon.
//! A check that fails does not prevent the others.
//!
//! Deliberately missing: repairs.

mod places;
mod software;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;
use serde_json::json;

use super::output::Output;
use super::{CliError, Exit};
use crate::config::Config;

/// Check everything a daemon needs: worker, FFmpeg, encoders, store, buckets, disk space, memory, ports.
///
/// Reads the configuration as `serve` does, and changes nothing. Exit code 1 if a check fails; warnings do not change it.
#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// Configuration file
    #[arg(long, env = "REELMILL_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Data folder of the daemon
    #[arg(long, default_value = "reelmill-data", value_name = "DIR")]
    data: PathBuf,
    /// Folder of workflow files [default: that of the configuration, or `workflows`]
    #[arg(long, value_name = "DIR")]
    workflows: Option<PathBuf>,
}

/// Outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// Passed.
    Ok,
    /// A daemon starts, but some features will not work.
    Warn,
    /// A daemon does not start, or cannot run jobs.
    Fail,
}

impl State {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// A check and its outcome.
#[derive(Debug, Serialize)]
struct Check {
    /// Part that was checked.
    name: &'static str,
    /// Outcome.
    state: State,
    /// Finding, in one sentence.
    message: String,
    /// Suggestion for the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

impl Check {
    fn ok(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, state: State::Ok, message: message.into(), hint: None }
    }

    fn warn(name: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { name, state: State::Warn, message: message.into(), hint: Some(hint.into()) }
    }

    fn fail(name: &'static str, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { name, state: State::Fail, message: message.into(), hint: Some(hint.into()) }
    }

    /// Returns a failed check with the code, message and causes of an error.
    fn error(name: &'static str, error: impl Into<CliError>, hint: impl Into<String>) -> Self {
        let error = error.into();
        let said = std::iter::once(error.message).chain(error.chain).collect::<Vec<_>>().join(": ");
        Self::fail(name, format!("{}: {said}", error.code), hint)
    }
}

pub(super) async fn doctor(args: DoctorArgs, output: Output) -> Result<Exit, CliError> {
    let checks = match configuration(&args) {
        Ok(config) => all(&config, &args).await,
        Err(check) => vec![check],
    };
    let failed = checks.iter().any(|check| check.state == State::Fail);
    print(&checks, failed, output);
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

/// Loads the configuration as a daemon does.
fn configuration(args: &DoctorArgs) -> Result<Config, Check> {
    let loaded = Config::load(args.config.as_deref(), Some(&args.data), std::env::vars());
    let checked = loaded.and_then(|config| config.check().map(|()| config));
    let mut config = checked.map_err(|error| {
        Check::error("configuration", error, "correct it first, the other checks need it; see docs/configuration.md")
    })?;
    if let Some(workflows) = &args.workflows {
        config.workflows.clone_from(workflows);
    }
    Ok(config)
}

async fn all(config: &Config, args: &DoctorArgs) -> Vec<Check> {
    let from =
        args.config.as_ref().map_or_else(|| "no file; defaults apply".to_owned(), |file| file.display().to_string());
    let mut checks = vec![Check::ok("configuration", from)];
    let installed = software::worker(config, &mut checks).await;
    checks.push(software::fonts());
    let catalog = software::workflows(config, installed, &mut checks);
    places::store(config, &mut checks).await;
    places::objects(config, catalog.as_ref(), &mut checks).await;
    places::events(config, &mut checks).await;
    places::queues(config, catalog.as_ref(), &mut checks);
    places::webhooks(config, catalog.as_ref(), &mut checks);
    places::scratch(config, &mut checks);
    places::memory(config, &mut checks);
    places::ports(config, &args.data, &mut checks).await;
    checks
}

fn print(checks: &[Check], failed: bool, output: Output) {
    if output.json {
        output.json_line(&json!({ "type": "doctor", "ok": !failed, "checks": checks }));
        return;
    }
    for Check { name, state, message, hint } in checks {
        output.line(format_args!("{:<4}  {name:<13}  {message}", state.word()));
        if let Some(hint) = hint {
            output.line(format_args!("{:21}{hint}", ""));
        }
    }
    let count = |state| checks.iter().filter(|check| check.state == state).count();
    let (warned, failures) = (count(State::Warn), count(State::Fail));
    output.line(format_args!("{} checks: {failures} failed, {warned} warned", checks.len()));
}
