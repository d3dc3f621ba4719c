//! The list of executions: filtered, searched, newest first.

use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde::Deserialize;

use super::Context;
use super::auth::Visitor;
use super::format::{Ago, bytes, duration, part};
use super::page::{Page, Part, execution_state, nothing, warning_badge};
use crate::api::{ParameterPlace, Problem, extract};
use crate::intake::Catalog;
use crate::model::plan::Plan;
use crate::model::units::parse_duration;
use crate::model::{ExecutionId, ExecutionStatus, Timestamp};
use crate::store::{ExecutionFilter, ExecutionSummary};

/// Executions per page.
const PAGE: usize = 50;

/// Most executions that one search reads.
const SEARCHED: usize = 5_000;

/// Executions per request to the store during a search.
const BATCH: u32 = 500;

/// Choices of the age filter.
const AGES: [(&str, &str); 4] =
    [("1h", "last hour"), ("24h", "last day"), ("168h", "last week"), ("720h", "last month")];

/// Filter of the list. A form sends every field, also empty ones.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    workflow: String,
    state: String,
    age: String,
    warnings: String,
    q: String,
    before: Option<ExecutionId>,
}

impl Asked {
    fn is_everything(&self) -> bool {
        [&self.workflow, &self.state, &self.age, &self.warnings, &self.q].iter().all(|field| field.is_empty())
            && self.before.is_none()
    }

    fn filter(&self, now: Timestamp) -> Result<ExecutionFilter, Problem> {
        let states = match self.state.as_str() {
            "" => Vec::new(),
            name => vec![ExecutionStatus::parse(name).ok_or_else(|| {
                let known: Vec<_> = ExecutionStatus::ALL.iter().map(|state| state.as_str()).collect();
                let detail = format!("`{name}` is not one of {}", known.join(", "));
                Problem::invalid(ParameterPlace::Query, "state", detail)
            })?],
        };
        let since = match self.age.as_str() {
            "" => None,
            age => Some(
                now.before(parse_duration(age).map_err(|error| Problem::invalid(ParameterPlace::Query, "age", error))?),
            ),
        };
        let workflows = Some(self.workflow.clone()).filter(|name| !name.is_empty()).into_iter().collect();
        let warned = !self.warnings.is_empty();
        Ok(ExecutionFilter { workflows, states, warned, since, before: self.before, limit: 0 })
    }

    /// Returns the address of the list of executions older than `id`.
    fn before(&self, id: ExecutionId) -> String {
        let [workflow, state, age, warnings, q] =
            [&self.workflow, &self.state, &self.age, &self.warnings, &self.q].map(|field| part(field));
        format!("/?workflow={workflow}&state={state}&age={age}&warnings={warnings}&q={q}&before={id}")
    }
}

/// A page of the list.
struct Found {
    items: Vec<ExecutionSummary>,
    /// Last execution before the next page; `None` on the last page.
    next: Option<ExecutionId>,
    /// True if the search stopped before the oldest execution.
    cut: bool,
}

pub(super) async fn list(
    State(context): State<Context>,
    Extension(visitor): Extension<Visitor>,
    extract::Asked(asked): extract::Asked<Asked>,
) -> Result<Response, Problem> {
    if let Some(id) = asked.q.trim().parse::<ExecutionId>().ok().filter(|_| asked.before.is_none()) {
        return Ok(Redirect::to(&format!("/executions/{id}")).into_response());
    }
    let now = context.clock.now();
    let found = find(&context, &asked, now).await?;
    let content = html! {
        div.head { h1 { "Executions" } a.button.main href="/upload" { "Upload" } }
        (form(&context, &asked))
        section #list data-swap { (table(&found, &asked, now)) }
    };
    let live = Some(String::new());
    let page = Page { title: "Executions", part: Some(Part::Executions), visitor: Some(visitor), scripts: &[], live };
    Ok(page.with(&content).into_response())
}

async fn find(context: &Context, asked: &Asked, now: Timestamp) -> Result<Found, Problem> {
    let mut filter = asked.filter(now)?;
    let wanted = asked.q.trim().to_lowercase();
    filter.limit = if wanted.is_empty() { u32::try_from(PAGE).unwrap_or(u32::MAX) + 1 } else { BATCH };
    let (mut items, mut looked_at) = (Vec::new(), 0);
    loop {
        let batch = context.store.executions(filter.clone()).await?;
        let ended = batch.len() < filter.limit as usize;
        looked_at += batch.len();
        filter.before = batch.last().map(|last| last.id).or(filter.before);
        items.extend(batch.into_iter().filter(|one| matches(one, &wanted)));
        let cut = looked_at >= SEARCHED;
        if items.len() > PAGE || ended || cut {
            let full = items.len() > PAGE;
            items.truncate(PAGE);
            let last = items.last().map(|last| last.id);
            let next = if full { last } else { filter.before.filter(|_| !ended) };
            return Ok(Found { items, next, cut: cut && !full && !ended });
        }
    }
}

/// Returns whether the object, workflow or identifier contain each word.
fn matches(one: &ExecutionSummary, wanted: &str) -> bool {
    let known = format!("{} {} {}", one.input.location, one.workflow, one.id).to_lowercase();
    wanted.split_whitespace().all(|word| known.contains(word))
}

fn form(context: &Context, asked: &Asked) -> Markup {
    let mut names: Vec<String> = context.catalog.active().iter().map(|workflow| workflow.name.clone()).collect();
    if !asked.workflow.is_empty() && !names.contains(&asked.workflow) {
        names.push(asked.workflow.clone());
    }
    html! {
        form.filters method="get" action="/" role="search" {
            label.grow { span { "Search" }
                input #search type="search" name="q" value=(asked.q) placeholder="part of a key, workflow or ID";
            }
            label { span { "Workflow" }
                select name="workflow" {
                    option value="" { "all" }
                    @for name in &names { option value=(name) selected[*name == asked.workflow] { (name) } }
                }
            }
            label { span { "State" }
                select name="state" {
                    option value="" { "all" }
                    @for state in ExecutionStatus::ALL {
                        option value=(state) selected[state.as_str() == asked.state] { (state) }
                    }
                }
            }
            label { span { "Created" }
                select name="age" {
                    option value="" { "ever" }
                    @for (age, text) in AGES { option value=(age) selected[age == asked.age] { (text) } }
                }
            }
            label { span { "Warnings" }
                select name="warnings" {
                    option value="" { "all" }
                    option value="true" selected[!asked.warnings.is_empty()] { "with warnings" }
                }
            }
            button type="submit" { "Show" }
            @if !asked.is_everything() { a.plain href="/" { "Reset" } }
        }
    }
}

fn table(found: &Found, asked: &Asked, now: Timestamp) -> Markup {
    if found.items.is_empty() && found.next.is_none() {
        return if asked.is_everything() {
            let hint = html! { "An upload to a bucket of a workflow's trigger starts one: " a href="/upload" { "upload a file" } "." };
            nothing("No execution yet.", &hint)
        } else {
            nothing("No execution matches the filter.", &html! { a href="/" { "Show all" } })
        };
    }
    html! {
        div.scroll {
            table.rows.stack {
                thead { tr {
                    th scope="col" { "Object" } th scope="col" { "Workflow" } th scope="col" { "State" }
                    th scope="col" { "Queue" } th.number scope="col" { "Priority" }
                    th scope="col" { "Created" } th.number scope="col" { "Took" }
                } }
                tbody { @for one in &found.items { (row(one, now)) } }
            }
        }
        @if found.cut { p.hint { "Only the newest " (SEARCHED) " executions were searched." } }
        @if let Some(next) = found.next { p.more { a.button href=(asked.before(next)) rel="next" { "Older" } } }
    }
}

fn row(one: &ExecutionSummary, now: Timestamp) -> Markup {
    let took: Duration = one.ended_at.unwrap_or(now).since(one.created_at);
    let location = &one.input.location;
    html! {
        tr {
            td.object {
                a href={ "/executions/" (one.id) } { (one.input.name()) }
                small { (location.bucket) "/" (one.input.dir()) @if let Some(size) = one.input.size_bytes { " · " (bytes(size)) } }
            }
            td {
                @if Plan::single(&one.workflow).is_some() { (one.workflow) }
                @else { a.quiet href={ "/workflows/" (part(&one.workflow)) } { (one.workflow) } }
            }
            td { (execution_state(one)) @if one.warnings > 0 { " " (warning_badge(one.warnings)) } }
            td data-label="queue" { @for (at, queue) in one.queues().into_iter().enumerate() { @if at > 0 { ", " } (queue) } }
            td.number data-label="priority" { (one.priority()) }
            td { (Ago { at: one.created_at, now }) }
            td.number data-label="took" { (duration(took)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ExecutionState, InputObject, ObjectLocation};

    #[test]
    fn a_search_takes_every_word_in_any_case() {
        let one = ExecutionSummary {
            id: ExecutionId(uuid::Uuid::nil()),
            workflow: "vod".to_owned(),
            state: ExecutionState::Running,
            input: InputObject {
                location: ObjectLocation { bucket: "uploads".to_owned(), key: "in/Holiday 2026.mp4".to_owned() },
                size_bytes: None,
                etag: None,
                version: None,
                metadata: std::collections::BTreeMap::default(),
            },
            created_at: Timestamp(0),
            ended_at: None,
            warnings: 0,
            jobs: Vec::new(),
        };
        for (wanted, found) in [("", true), ("holiday vod", true), ("00000000", true), ("holiday audio", false)] {
            assert_eq!(matches(&one, wanted), found, "{wanted}");
        }
    }
}
