//! `?wait=30s`: the response comes when the execution has ended, or after that time.

use std::time::Duration;

use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, timeout_at};

use super::{Context, ParameterPlace, Problem, executions};
use crate::model::ExecutionId;
use crate::model::units::parse_duration;
use crate::store::{ExecutionRecord, Hint};

/// Longest time to wait.
pub(super) const LONGEST: Duration = Duration::from_secs(60);

/// Interval of polling, for hints that were missed.
const POLL: Duration = Duration::from_secs(1);

/// Time to wait for a result.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct Wait {
    /// Time to wait for the end before responding, like `30s`; at most `60s`.
    #[param(required = false, pattern = r"^(([1-5]?[0-9](\.[0-9]+)?|60)s?|([0-9]{1,4}|[1-5][0-9]{4}|60000)ms|1m)$")]
    wait: Option<String>,
}

impl Wait {
    /// Returns the time to wait; zero if it is not set.
    pub(super) fn duration(&self) -> Result<Duration, Problem> {
        let Some(text) = &self.wait else { return Ok(Duration::ZERO) };
        match parse_duration(text) {
            Ok(wait) if wait <= LONGEST => Ok(wait),
            Ok(_) => Err(invalid(format!("`{text}` is more than {}s", LONGEST.as_secs()))),
            Err(error) => Err(invalid(error)),
        }
    }
}

fn invalid(detail: String) -> Problem {
    Problem::invalid(ParameterPlace::Query, "wait", detail)
}

/// Waits until the execution has ended, for `wait` at most, and returns it.
pub(super) async fn ended(context: &Context, id: ExecutionId, wait: Duration) -> Result<ExecutionRecord, Problem> {
    let until = Instant::now() + wait;
    let mut hints = context.store.hints();
    loop {
        let record = executions::record(context, id).await?;
        if record.summary.state.is_ended() || Instant::now() >= until {
            return Ok(record);
        }
        let changed = async {
            loop {
                match hints.recv().await {
                    Ok(Hint::Execution(changed)) if changed == id => return,
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => return,
                    Err(RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        // After a hint, a poll interval or the timeout, the execution is read again.
        let _ = timeout_at(until.min(Instant::now() + POLL), changed).await;
    }
}
