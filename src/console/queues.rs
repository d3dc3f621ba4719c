//! Page of queues: how many jobs wait and run, and forms to pause them and set their concurrency.

use axum::Extension;
use axum::extract::State;
use axum::response::Redirect;
use maud::{Markup, html};
use serde::Deserialize;

use super::Context;
use super::auth::Visitor;
use super::execution::priority;
use super::format::{Ago, part};
use super::page::{Page, Part, button, execution_state, nothing, paused_badge};
use crate::api::extract::{Place, Sent};
use crate::api::queues::MOST;
use crate::api::{Problem, whole};
use crate::config::Scope;
use crate::model::{ExecutionStatus, Timestamp};
use crate::store::{ExecutionFilter, ExecutionRecord, QueueChange, QueueStatus};

/// Most executions whose priority can be set on the page.
const RUNNING: u32 = 20;

pub(super) async fn list(
    State(context): State<Context>,
    Extension(visitor): Extension<Visitor>,
) -> Result<Markup, Problem> {
    let queues = context.store.queues().await?;
    let states = vec![ExecutionStatus::Queued, ExecutionStatus::Running];
    let filter = ExecutionFilter { states, limit: RUNNING, ..ExecutionFilter::default() };
    let mut running = Vec::new();
    for one in context.store.executions(filter).await? {
        running.extend(context.store.execution(one.id).await?);
    }
    let now = context.clock.now();
    let content = html! {
        div.head { h1 { "Queues" } }
        section #list data-swap {
            @if queues.is_empty() {
                (nothing("No queue yet.", &html! { "A queue is listed after its first job." }))
            } @else {
                div.cards { @for queue in &queues { (card(queue, visitor, now)) } }
            }
        }
        section #running data-swap { (priorities(&running, visitor, now)) }
    };
    let live = Some(String::new());
    let page = Page { title: "Queues", part: Some(Part::Queues), visitor: Some(visitor), scripts: &[], live };
    Ok(page.with(&content))
}

fn card(queue: &QueueStatus, visitor: Visitor, now: Timestamp) -> Markup {
    let action = format!("/queues/{}", part(&queue.name));
    let most = if queue.waiting >= u64::from(QueueStatus::COUNTED) { "+" } else { "" };
    html! {
        article.panel.queue data-queue=(queue.name) {
            h2 {
                (queue.name) " "
                @if queue.paused { (paused_badge()) }
            }
            dl.figures {
                div { dt { "waiting" } dd { (queue.waiting) (most) } }
                div { dt { "running" } dd {
                    (queue.running)
                    @if queue.concurrency > 0 { small { " of " (queue.concurrency) } }
                } }
                div { dt { "oldest" } dd.small { @if let Some(at) = queue.oldest { (Ago { at, now }) } @else { "–" } } }
            }
            div.actions {
                form method="post" action=(action) {
                    @if queue.paused {
                        input type="hidden" name="paused" value="false";
                        (button(visitor, Scope::Admin, "main", "Resume"))
                    } @else {
                        input type="hidden" name="paused" value="true";
                        (button(visitor, Scope::Admin, "", "Pause"))
                    }
                }
                form.inline method="post" action=(action) {
                    label { span { "Concurrency" }
                        input type="number" name="concurrency" min="0" max="10000" value=(queue.concurrency)
                            title="Most jobs that run at once, over all daemons; 0: no limit but worker slots";
                    }
                    (button(visitor, Scope::Admin, "", "Set"))
                }
            }
        }
    }
}

fn priorities(running: &[ExecutionRecord], visitor: Visitor, now: Timestamp) -> Markup {
    if running.is_empty() {
        return html! {};
    }
    html! {
        section.panel aria-labelledby="running-title" {
            h2 #running-title { "Executions that run or wait " small { "newest first; priority 10 runs first" } }
            div.scroll {
                table.rows {
                    thead { tr {
                        th scope="col" { "Object" } th scope="col" { "Workflow" } th scope="col" { "State" }
                        th scope="col" { "Created" } th scope="col" { "Priority" }
                    } }
                    tbody { @for record in running {
                        @let one = &record.summary;
                        tr {
                            td { a href={ "/executions/" (one.id) } { (one.input.name()) } }
                            td { (one.workflow) }
                            td { (execution_state(one)) }
                            td { (Ago { at: one.created_at, now }) }
                            td { (priority(record, &html! { span.hidden { "Priority of " (one.input.name()) } }, visitor)) }
                        }
                    } }
                }
            }
        }
    }
}

/// Change of a queue. Fields that are not set stay as they are.
#[derive(Debug, Deserialize)]
pub(super) struct Change {
    paused: Option<bool>,
    #[serde(default, deserialize_with = "whole::optional::<0, MOST, _, _>")]
    concurrency: Option<u32>,
}

pub(super) async fn set(
    State(context): State<Context>,
    Place(name): Place<String>,
    Sent(Change { paused, concurrency }): Sent<Change>,
) -> Result<Redirect, Problem> {
    if !context.store.queues().await?.iter().any(|queue| queue.name == name) {
        return Err(Problem::not_found("queue", &name));
    }
    context.store.set_queue(&name, QueueChange { paused, concurrency }).await?;
    Ok(Redirect::to("/queues"))
}
