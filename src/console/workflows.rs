//! Pages of workflows: definitions with their errors, graphs, and buttons to enable and disable.

use axum::Extension;
use axum::extract::State;
use axum::response::Redirect;
use maud::{Markup, html};
use serde::Deserialize;

use super::Context;
use super::auth::Visitor;
use super::format::{count, part};
use super::page::{Page, Part, button, drawing};
use crate::api::Problem;
use crate::api::extract::{Place, Sent};
use crate::config::Scope;
use crate::daemon::catalog::{Definition, WorkflowFolder};
use crate::daemon::definitions::{ChangeError, Condition};
use crate::workflow::graph::svg;
use crate::workflow::{STARTER, Trigger, Workflow, starter};
use crate::yaml::{Diagnostic, Severity};

/// Buckets of the starter workflow.
const UPLOADS: &str = "uploads";
const OUTPUT: &str = "media";

pub(super) async fn list(State(context): State<Context>, Extension(visitor): Extension<Visitor>) -> Markup {
    let definitions = context.catalog.definitions();
    let content = html! {
        div.head { h1 { "Workflows" } }
        section #list data-swap {
            @if let Some(why) = context.catalog.away() {
                p.notice { "The workflow folder is unavailable: " (why) ". Its last good workflows stay active." }
            }
            @if definitions.is_empty() {
                (none_yet(&context, visitor))
            } @else {
                div.scroll { table.rows {
                    thead { tr { th scope="col" { "Workflow" } th scope="col" { "Started by" } th scope="col" { "Activities" } th scope="col" { "State" } } }
                    tbody { @for definition in &definitions { (row(definition)) } }
                } }
            }
        }
    };
    let live = Some(String::new());
    let page = Page { title: "Workflows", part: Some(Part::Workflows), visitor: Some(visitor), scripts: &[], live };
    page.with(&content)
}

/// Draws what to do if there is no workflow.
pub(super) fn none_yet(context: &Context, visitor: Visitor) -> Markup {
    let folder = context.catalog.folder();
    html! {
        div.nothing {
            p { "No workflow yet: uploads start nothing." }
            form method="post" action="/workflows" { (button(visitor, Scope::Admin, "main", "Write a first workflow")) }
            p.hint {
                "It makes MP4s, HLS and a poster of each video uploaded to " code { "s3://" (UPLOADS) "/incoming/" } ". "
                "Or save a YAML file in " code { (folder.display()) } ": it is loaded within a second."
            }
        }
    }
}

/// Writes the starter workflow, and shows it.
pub(super) async fn start(State(context): State<Context>) -> Result<Redirect, Problem> {
    let new = Condition { new: true, ..Condition::default() };
    change(&context, move |catalog| catalog.put(STARTER, &starter(UPLOADS, OUTPUT), &new).map(drop)).await?;
    Ok(Redirect::to(&format!("/workflows/{STARTER}")))
}

/// Changes files of workflows on a thread for blocking calls.
async fn change(
    context: &Context,
    change: impl FnOnce(&WorkflowFolder) -> Result<(), ChangeError> + Send + 'static,
) -> Result<(), Problem> {
    let catalog = std::sync::Arc::clone(&context.catalog);
    let changed = tokio::task::spawn_blocking(move || change(&catalog)).await;
    let broken = |_| {
        let detail = "the definition could not be checked";
        Problem::new(axum::http::StatusCode::INTERNAL_SERVER_ERROR, "WF0004", detail)
    };
    changed.map_err(broken)?.map_err(Problem::from)
}

fn row(definition: &Definition) -> Markup {
    let active = definition.active.as_deref();
    html! {
        tr {
            td.object {
                a href={ "/workflows/" (part(&definition.name)) } { (definition.name) }
                @if let Some(text) = active.and_then(|workflow| workflow.description.as_ref()) { small { (text) } }
            }
            td { @if let Some(trigger) = active.and_then(|workflow| workflow.trigger.as_ref()) { (started_by(trigger)) } @else { "–" } }
            td { @if let Some(workflow) = active { (workflow.plan.graph.node_count()) } }
            td { (states(definition)) }
        }
    }
}

fn started_by(trigger: &Trigger) -> Markup {
    html! { code.glob { (trigger.bucket) "/" (if trigger.globs.is_empty() { "**".to_owned() } else { trigger.globs.join(", ") }) } }
}

fn states(definition: &Definition) -> Markup {
    let errors = definition.problems.iter().filter(|problem| problem.is_error()).count();
    let warnings = definition.problems.len() - errors;
    let active = definition.active.as_deref();
    let is_old = active.is_some_and(|workflow| workflow.digest != definition.digest());
    html! {
        @match active {
            Some(workflow) if workflow.enabled => span.state.succeeded { span aria-hidden="true" { "✓" } " enabled" },
            Some(_) => span.state.skipped { span aria-hidden="true" { "–" } " disabled" },
            None => span.state.failed { span aria-hidden="true" { "✕" } " invalid" },
        }
        @if errors > 0 { " " span.state.failed { span aria-hidden="true" { "✕" } " " (count(errors, "error")) } }
        @if warnings > 0 { " " span.state.retrying { span aria-hidden="true" { "!" } " " (count(warnings, "warning")) } }
        @if is_old { " " span.state.retrying { span aria-hidden="true" { "!" } " an earlier version is active" } }
    }
}

pub(super) async fn show(
    State(context): State<Context>,
    Extension(visitor): Extension<Visitor>,
    Place(name): Place<String>,
) -> Result<Markup, Problem> {
    let definition = context.catalog.definition(&name).ok_or_else(|| Problem::not_found("workflow", &name))?;
    let content = html! {
        div #head data-swap { (head(&definition, visitor)) }
        div #problems data-swap { (problems(&definition.problems)) }
        @if let Some(workflow) = &definition.active {
            section.panel aria-labelledby="graph-title" {
                h2 #graph-title { "Graph" }
                div #graph data-swap { (drawing(svg(&workflow.plan))) }
            }
        }
        section.panel aria-labelledby="text-title" {
            h2 #text-title { "Definition " small { (definition.path.display()) } }
            div #text data-swap { (text(&definition)) }
        }
    };
    let live = Some(String::new());
    let page = Page { title: &name, part: Some(Part::Workflows), visitor: Some(visitor), scripts: &[], live };
    Ok(page.with(&content))
}

fn head(definition: &Definition, visitor: Visitor) -> Markup {
    let address = format!("/workflows/{}", part(&definition.name));
    html! {
        div.head {
            div.title {
                p.crumbs { a href="/workflows" { "Workflows" } }
                h1 { (definition.name) " " (states(definition)) }
            }
            div.actions {
                a.button href={ "/?workflow=" (part(&definition.name)) } { "Executions" }
                @if let Some(workflow) = &definition.active {
                    form method="post" action=(address) {
                        input type="hidden" name="enabled" value=(!workflow.enabled);
                        (button(visitor, Scope::Admin, "", if workflow.enabled { "Disable" } else { "Enable" }))
                    }
                }
            }
        }
        @if let Some(workflow) = &definition.active { (facts(workflow)) }
    }
}

fn facts(workflow: &Workflow) -> Markup {
    let output = &workflow.plan.output;
    html! {
        @if let Some(text) = &workflow.description { p { (text) } }
        dl.facts {
            @if let Some(trigger) = &workflow.trigger { div { dt { "Started by" } dd { (started_by(trigger)) } } }
            @if !output.bucket.is_empty() { div { dt { "Publishes to" } dd { code { (output.bucket) "/" (output.prefix) } } } }
            @for (name, param) in &workflow.plan.params {
                div { dt { "param " (name) } dd { code { @if let Some(value) = &param.default { (value) } @else { "required" } } } }
            }
        }
    }
}

fn problems(problems: &[Diagnostic]) -> Markup {
    if problems.is_empty() {
        return html! {};
    }
    html! {
        section.panel.failure aria-labelledby="problems-title" {
            h2 #problems-title { "Errors and warnings" }
            ul.problems { @for problem in problems { li { (told(problem)) } } }
        }
    }
}

fn told(problem: &Diagnostic) -> Markup {
    html! {
        a href={ "#line-" (problem.line) } { "line " (problem.line) ":" (problem.column) } " "
        code { (problem.code) } " " (problem.message)
        @if let Some(hint) = &problem.hint { span.hint { " " (hint) } }
    }
}

/// Draws the text with numbered lines, and each error below its line.
fn text(definition: &Definition) -> Markup {
    html! {
        div.scroll.source tabindex="0" role="region" aria-label="Definition" {
            ol {
                @for (line, number) in definition.text.lines().zip(1..) {
                    @let here: Vec<_> = definition.problems.iter().filter(|problem| problem.line == number).collect();
                    li id={ "line-" (number) } class=[class(&here)] {
                        code { (marked(line, &here)) }
                        @for problem in &here { p.told { code { (problem.code) } " " (problem.message) } }
                    }
                }
            }
        }
    }
}

fn class(problems: &[&Diagnostic]) -> Option<&'static str> {
    let worst = problems.iter().map(|problem| problem.severity).min()?;
    Some(if worst == Severity::Error { "failed" } else { "warned" })
}

/// Draws a line with the text of its first error marked.
fn marked(line: &str, problems: &[&Diagnostic]) -> Markup {
    let Some(problem) = problems.first() else { return html! { (line) } };
    let (start, end) = offending(line, problem);
    html! { (line[..start]) mark { (line[start..end]) } (line[end..]) }
}

/// Returns the bytes of the line that a problem is about, up to the end of the line.
fn offending(line: &str, problem: &Diagnostic) -> (usize, usize) {
    let start = line.char_indices().nth(problem.column.saturating_sub(1)).map_or(line.len(), |(at, _)| at);
    let length = problem.span.end.saturating_sub(problem.span.start).max(1);
    let mut end = start.saturating_add(length).min(line.len());
    while !line.is_char_boundary(end) {
        end += 1;
    }
    (start, end)
}

#[derive(Debug, Deserialize)]
pub(super) struct Switch {
    enabled: bool,
}

pub(super) async fn switch(
    State(context): State<Context>,
    Place(name): Place<String>,
    Sent(Switch { enabled }): Sent<Switch>,
) -> Result<Redirect, Problem> {
    let asked = name.clone();
    change(&context, move |catalog| catalog.switch(&asked, enabled, &Condition::default())).await?;
    Ok(Redirect::to(&format!("/workflows/{}", part(&name))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::{Place, Span};

    #[test]
    fn what_is_wrong_is_marked_in_its_line() {
        let about = |column, start, end| {
            let place = Place { span: Span { start, end }, line: 1, column };
            Diagnostic::at(Severity::Error, "WF0103", "w.yaml", place, "x".to_owned())
        };
        let line = "a: ü <b>";
        let shown = |problem: &Diagnostic| marked(line, &[problem]).into_string();
        assert_eq!(shown(&about(4, 3, 5)), "a: <mark>ü</mark> &lt;b&gt;");
        assert_eq!(shown(&about(6, 6, 500)), "a: ü <mark>&lt;b&gt;</mark>", "it may go on in the next line");
        assert_eq!(shown(&about(4, 3, 4)), "a: <mark>ü</mark> &lt;b&gt;", "never half of a letter");
        assert_eq!(shown(&about(99, 0, 0)), "a: ü &lt;b&gt;<mark></mark>");
    }
}
