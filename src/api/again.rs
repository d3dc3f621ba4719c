//! The frozen definition of an execution compared with its workflow now, and starting again with the workflow now.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::executions::{InputBody, look_up};
use super::{Context, Problem};
use crate::model::plan::Plan;
use crate::model::{ExecutionId, InputObject, JobId};
use crate::store::{ExecutionRecord, NewExecution};
use crate::workflow::{self, Workflow};

/// Definition that an execution runs.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DefinitionView {
    /// Digest of the definition that the execution started with; a retry runs the same one.
    pub digest: String,
    /// Digest of the current definition of the workflow; null if no workflow of that name is active.
    pub current: Option<String>,
    /// True if the workflow or a template that it uses has changed since, in a way that changes its work.
    pub changed: bool,
}

/// Returns the definition that an execution runs; `None` for a job without a workflow.
pub(crate) fn definition(context: &Context, plan: &Plan) -> Option<DefinitionView> {
    if Plan::single(&plan.workflow).is_some() {
        return None;
    }
    let current = active(context, &plan.workflow);
    Some(DefinitionView {
        digest: plan.digest.clone(),
        changed: current.as_ref().is_some_and(|current| !current.plan.does_the_same(plan)),
        current: current.map(|current| current.digest.clone()),
    })
}

fn active(context: &Context, workflow: &str) -> Option<Arc<Workflow>> {
    context.intake.catalog.active().iter().find(|known| known.name == workflow).cloned()
}

/// Starts execution `id` of the current definition of `record`'s workflow, on the same object. Parameters that the
/// definition still has are the same, except for those in `changed`. Repeating it with the same `id` changes nothing.
pub(crate) async fn start_again(
    context: &Context,
    record: &ExecutionRecord,
    changed: &BTreeMap<String, String>,
    id: ExecutionId,
    by: &str,
) -> Result<(), Problem> {
    let head = &record.summary;
    if !head.state.is_ended() {
        let detail = format!("execution {} has not ended: wait for its end, or cancel it, then retry", head.id);
        return Err(Problem::new(StatusCode::CONFLICT, "CLI0027", detail));
    }
    if Plan::single(&head.workflow).is_some() {
        let detail = "a job without a workflow has no newer definition: submit a new job";
        return Err(Problem::unprocessable("CLI0028", detail));
    }
    let workflow = active(context, &head.workflow).ok_or_else(|| {
        Problem::unprocessable(
            "CLI0028",
            format!("workflow {} is no longer active: enable it, or retry without `latest`", head.workflow),
        )
    })?;
    let InputObject { location, version, .. } = head.input.clone();
    let body = InputBody { bucket: location.bucket, key: location.key, version: version.filter(|v| v != "null") };
    let input = look_up(context, body).await?;
    let plan = Arc::clone(&workflow.plan);
    let mut given = given(record, &plan);
    given.extend(changed.clone());
    let params = workflow::params(&plan, &given, &input.metadata)?;
    let now = context.clock.now();
    let jobs = plan.graph.node_indices().map(|_| JobId(context.intake.ids.next(now))).collect();
    let (user_data, cause) = (record.user_data.clone(), format!("{by}, again after {}", head.id));
    context.intake.start(NewExecution { id, jobs, plan, input, params, user_data, cause }).await?;
    Ok(())
}

/// Returns the parameters that were given to the execution: not defaults, and not from metadata of the object.
fn given(record: &ExecutionRecord, plan: &Plan) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let declared = record.params.iter().filter(|(name, _)| plan.params.contains_key(*name));
    declared
        .filter(|(name, value)| {
            let default = record.plan.params.get(*name).and_then(|param| param.default.as_ref());
            default != Some(value) && record.summary.input.metadata.get(*name) != Some(&text(value))
        })
        .map(|(name, value)| (name.clone(), text(value)))
        .collect()
}
