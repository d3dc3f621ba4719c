//! Page of the ledger: upload events, and why each started a workflow or did not.

use axum::Extension;
use axum::extract::State;
use maud::{Markup, html};
use serde::Deserialize;

use super::Context;
use super::auth::Visitor;
use super::format::{Ago, bytes, count, part};
use super::page::{Page, Part, nothing};
use crate::api::{ParameterPlace, Problem, events, extract};
use crate::model::{ObjectLocation, Timestamp};
use crate::store::{EventFilter, EventRecord, MatchDecision};

/// Entries per page.
const PAGE: u32 = 100;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    bucket: String,
    key: String,
    /// `s3://bucket/key`, as typed.
    object: String,
    /// Only entries older than this one.
    before: Option<i64>,
}

impl Asked {
    /// Returns the object to show events of; `None` for all.
    fn object(&self) -> Result<Option<ObjectLocation>, Problem> {
        let location = |bucket: &str, key: &str| ObjectLocation { bucket: bucket.to_owned(), key: key.to_owned() };
        let text = self.object.trim();
        if !text.is_empty() {
            let parts = text.strip_prefix("s3://").unwrap_or(text).split_once('/').filter(|(_, key)| !key.is_empty());
            let (bucket, key) = parts.ok_or_else(|| {
                let detail = format!("`{text}` is not s3://bucket/key");
                Problem::invalid(ParameterPlace::Query, "object", detail)
            })?;
            return Ok(Some(location(bucket, key)));
        }
        Ok((!self.bucket.is_empty() && !self.key.is_empty()).then(|| location(&self.bucket, &self.key)))
    }
}

pub(super) async fn list(
    State(context): State<Context>,
    Extension(visitor): Extension<Visitor>,
    extract::Asked(asked): extract::Asked<Asked>,
) -> Result<Markup, Problem> {
    let object = asked.object()?;
    let filter = EventFilter { object: object.clone(), before: asked.before, limit: PAGE };
    let (entries, next) = events::page(&context, filter).await?;
    let now = context.clock.now();
    let shown = object.as_ref().map(ToString::to_string).unwrap_or_default();
    let content = html! {
        div.head { h1 { "Events" } }
        form.filters method="get" action="/events" role="search" {
            label.grow { span { "Object" }
                input #search type="search" name="object" value=(shown) placeholder="s3://bucket/key";
            }
            button type="submit" { "Explain" }
            @if object.is_some() { a.plain href="/events" { "Reset" } }
        }
        section #list data-swap {
            @for file in context.intake.catalog.broken().iter() {
                p.notice { a href={ "/workflows/" (part(&file.workflow)) } { (file.workflow) } ": " (file)
                    @if file.is_active { "; uploads start an earlier version" } @else { "; uploads do not start it" } }
            }
            @if entries.is_empty() { (none(object.as_ref())) }
            @for entry in &entries { (row(entry, now)) }
            @if let Some(next) = next {
                p.more { a.button href={ "/events?object=" (part(&shown)) "&before=" (next) } rel="next" { "Older" } }
            }
        }
    };
    let live = Some(String::new());
    let page = Page { title: "Events", part: Some(Part::Events), visitor: Some(visitor), scripts: &[], live };
    Ok(page.with(&content))
}

fn none(object: Option<&ObjectLocation>) -> Markup {
    match object {
        None => nothing("No upload event yet.", &html! { a href="/upload" { "Upload a file" } }),
        Some(object) => nothing(
            &format!("No event of {object}."),
            &html! { "The bucket sends no events, no workflow has a trigger for it, or the event was pruned (" code { "retention.events" } ")." },
        ),
    }
}

fn row(entry: &EventRecord, now: Timestamp) -> Markup {
    let started = !entry.executions.is_empty();
    html! {
        article.panel.event {
            header {
                @match &entry.event {
                    Some(event) => {
                        h2 { a href={
                            "/events?bucket=" (part(&event.object.location.bucket)) "&key=" (part(&event.object.location.key))
                        } { (event.object.location) } }
                        p.hint {
                            (Ago { at: entry.at, now }) " · " (event.name) " (" (event.shape) ")"
                            @if let Some(size) = event.object.size_bytes { " · " (bytes(size)) }
                            @if entry.duplicates > 0 { " · " (count(usize::try_from(entry.duplicates).unwrap_or(usize::MAX), "duplicate")) " ignored" }
                        }
                    }
                    None => {
                        h2 { "Message in an unknown format" }
                        p.hint { (Ago { at: entry.at, now }) @if let Some(why) = &entry.unreadable { " · " (why) } }
                    }
                }
                @if started { span.state.succeeded { span aria-hidden="true" { "✓" } " started" } }
                @else { span.state.skipped { span aria-hidden="true" { "–" } " started nothing" } }
            }
            (decisions(entry))
            @for id in &entry.executions { p { a href={ "/executions/" (id) } { "Execution " code { (id) } } } }
            @if let Some(body) = &entry.body { details { summary { "Message" } pre { (body) } } }
        }
    }
}

/// Lists the decision of each workflow. If some were started, the others are folded.
fn decisions(entry: &EventRecord) -> Markup {
    let list = |decisions: &[&MatchDecision]| {
        html! {
            ul.decisions {
                @for decision in decisions {
                    li.matched[decision.matched] {
                        a href={ "/workflows/" (part(&decision.workflow)) } { (decision.workflow) } ": " (decision.reason)
                    }
                }
            }
        }
    };
    let (matched, others): (Vec<_>, Vec<_>) = entry.decisions.iter().partition(|decision| decision.matched);
    html! {
        @if !matched.is_empty() { (list(&matched)) }
        @if !others.is_empty() {
            @if matched.is_empty() { (list(&others)) }
            @else { details { summary { (others.len()) " more did not match" } (list(&others)) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_named_as_people_write_them() {
        let asked = |object: &str| Asked { object: object.to_owned(), ..Asked::default() }.object();
        let key = |object: &str| asked(object).ok().flatten().map(|found| found.to_string());
        assert_eq!(key(" s3://b/a/c d.mp4 ").as_deref(), Some("s3://b/a/c d.mp4"));
        assert_eq!(key("b/k").as_deref(), Some("s3://b/k"));
        assert_eq!(key(""), None);
        assert!(asked("s3://b/").is_err() && asked("b").is_err());
    }
}
