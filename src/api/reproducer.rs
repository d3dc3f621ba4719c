//! `/v1/executions/{id}/activities/{name}/reproducer`: data to reproduce a failure with.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::executions::record;
use super::extract::Place;
use super::view::LogLine;
use super::{Context, Problem};
use crate::model::ExecutionId;
use crate::workflow::{ResolveContext, ResolvedInput, resolve};

/// Number of last log entries of the activity that are included.
const LOG: usize = 200;

/// Show what reproduces a failed activity: its work, its inputs, its log.
#[utoipa::path(get, path = "/v1/executions/{id}/activities/{name}/reproducer", tag = "executions",
    operation_id = "show_reproducer",
    params(
        ("id" = ExecutionId, Path, description = "Identifier of the execution"),
        ("name" = String, Path, description = "Name of the activity"),
    ),
    responses((status = 200, body = Object)))]
pub(super) async fn reproducer(
    State(context): State<Context>,
    Place((id, name)): Place<(ExecutionId, String)>,
) -> Result<Json<Value>, Problem> {
    let record = record(&context, id).await?;
    let Some(node) = record.plan.find(&name) else {
        let names: Vec<&str> = record.plan.graph.node_weights().map(|activity| activity.name.as_str()).collect();
        let detail = format!("the execution has no activity {name}; its activities are {}", names.join(", "));
        return Err(Problem::new(StatusCode::NOT_FOUND, "STORE0006", detail));
    };
    let resolving = ResolveContext {
        execution: id,
        created_at: record.summary.created_at,
        input: &record.summary.input,
        params: &record.params,
        state: &record.state,
    };
    let (work, inputs) = match resolve(&record.plan, node.index(), &resolving) {
        Ok(resolved) => (json!(resolved.work), resolved.inputs.iter().map(input).collect()),
        // The work is unknown if the activity was never resolved.
        Err(failure) => (json!({ "unresolved": failure }), Vec::new()),
    };
    let log: Vec<LogLine> = context
        .store
        .log(id, 0, u32::MAX)
        .await?
        .iter()
        .filter(|entry| entry.activity.as_deref() == Some(name.as_str()))
        .map(LogLine::from)
        .collect();
    Ok(Json(json!({
        "type": "reproducer",
        "version": env!("CARGO_PKG_VERSION"),
        "execution": id,
        "workflow": record.plan.workflow,
        "activity": record.plan.graph[node],
        "params": record.params,
        "work": work,
        "inputs": inputs,
        "log": &log[log.len().saturating_sub(LOG)..],
    })))
}

fn input(input: &ResolvedInput) -> Value {
    match input {
        ResolvedInput::Object(object) => json!(object),
        ResolvedInput::Output(output) => json!(output.location),
        ResolvedInput::Asset(location) => json!(location),
        ResolvedInput::Key(_) => json!("a key"),
    }
}
