//! Parts of every page: head, navigation, signs of states.
//!
//! **Invariant**: no page contains scripts or styles, so the content security policy forbids them; every page can be read
//! without both.

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::assets::address;
use super::auth::Visitor;
use crate::config::Scope;
use crate::model::{ExecutionStatus, JobState};
use crate::store::ExecutionSummary;

/// Parts of the console, in the navigation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    Executions,
    Upload,
    Queues,
    Workflows,
    Templates,
    Events,
}

impl Part {
    const ALL: [Self; 6] =
        [Self::Executions, Self::Upload, Self::Queues, Self::Workflows, Self::Templates, Self::Events];

    const fn name(self) -> &'static str {
        match self {
            Self::Executions => "Executions",
            Self::Upload => "Upload",
            Self::Queues => "Queues",
            Self::Workflows => "Workflows",
            Self::Templates => "Templates",
            Self::Events => "Events",
        }
    }

    const fn address(self) -> &'static str {
        match self {
            Self::Executions => "/",
            Self::Upload => "/upload",
            Self::Queues => "/queues",
            Self::Workflows => "/workflows",
            Self::Templates => "/templates",
            Self::Events => "/events",
        }
    }

    /// Key that opens the part, after `g`.
    const fn key(self) -> &'static str {
        match self {
            Self::Executions => "x",
            Self::Upload => "u",
            Self::Queues => "q",
            Self::Workflows => "w",
            Self::Templates => "t",
            Self::Events => "e",
        }
    }
}

/// A page.
pub struct Page<'a> {
    /// Title of the page.
    pub title: &'a str,
    /// Part that it belongs to.
    pub part: Option<Part>,
    /// Visitor. `None` if unknown: then the page has no navigation.
    pub visitor: Option<Visitor>,
    /// Scripts, in addition to the common one.
    pub scripts: &'a [&'static str],
    /// Execution whose changes the page follows; empty for all, `None` for a page that does not change.
    pub live: Option<String>,
}

impl Page<'_> {
    /// Returns the document with `content`.
    #[must_use]
    pub fn with(&self, content: &Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (self.title) " · Reelmill" }
                    link rel="icon" type="image/svg+xml" href=(address("icon.svg"));
                    link rel="stylesheet" href=(address("console.css"));
                    script type="module" src=(address("console.js")) {}
                    @for script in self.scripts { script type="module" src=(address(script)) {} }
                }
                body data-live=[self.live.as_deref()] {
                    a.skip href="#content" { "Skip to the content" }
                    @if let Some(visitor) = self.visitor { (self.header(visitor)) }
                    main #content tabindex="-1" { (content) }
                    @if self.visitor.is_some() { (help()) }
                }
            }
        }
    }

    fn header(&self, visitor: Visitor) -> Markup {
        html! {
            header.top {
                a.brand href="/" {
                    img src=(address("icon.svg")) alt="" width="26" height="26";
                    span { "Reelmill" }
                }
                nav aria-label="Main" {
                    @for part in Part::ALL {
                        a href=(part.address()) data-go=(part.key()) aria-current=[(self.part == Some(part)).then_some("page")] {
                            (part.name())
                        }
                    }
                }
                div.aside {
                    @if self.live.is_some() { span.pulse #pulse role="status" { } }
                    button.plain type="button" #help-button hidden title="Keyboard shortcuts (?)" aria-label="Keyboard shortcuts" { "?" }
                    @if visitor.signed_in {
                        form method="post" action="/logout" { button.plain type="submit" { "Sign out" } }
                    }
                }
            }
        }
    }
}

fn help() -> Markup {
    let line = |keys: &[&str], does: &str| {
        html! { dt { @for key in keys { kbd { (key) } " " } } dd { (does) } }
    };
    html! {
        dialog #help aria-labelledby="help-title" {
            h2 #help-title { "Keyboard shortcuts" }
            dl.keys {
                @for part in Part::ALL { (line(&["g", part.key()], part.name())) }
                (line(&["/"], "Search"))
                (line(&["j", "k"], "Next, previous row"))
                (line(&["Enter"], "Open the row"))
                (line(&["?"], "Show this list"))
            }
            label.check { input type="checkbox" #keys-on checked; " Use single-letter shortcuts" }
            form method="dialog" { button { "Close" } }
        }
    }
}

/// Returns the sign of a state; each has its own shape, not only a colour.
#[must_use]
pub const fn sign(state: JobState) -> &'static str {
    match state {
        JobState::Waiting => "·",
        JobState::Queued => "⋯",
        JobState::Running => "▸",
        JobState::Retrying => "↻",
        JobState::Succeeded => "✓",
        JobState::Failed => "✕",
        JobState::Skipped => "–",
        JobState::Cancelled => "■",
    }
}

/// Draws a state of an activity.
#[must_use]
pub fn job_state(state: JobState) -> Markup {
    html! { span class={ "state " (state) } { span aria-hidden="true" { (sign(state)) } " " (state) } }
}

/// Draws the state of an execution, and whether a queue in which it waits is paused.
#[must_use]
pub fn execution_state(summary: &ExecutionSummary) -> Markup {
    let state = summary.status();
    let sign = match state {
        ExecutionStatus::Pending | ExecutionStatus::Queued => "⋯",
        ExecutionStatus::Running => "▸",
        ExecutionStatus::Succeeded => "✓",
        ExecutionStatus::Failed => "✕",
        ExecutionStatus::Cancelled => "■",
    };
    html! {
        span class={ "state " (state) } { span aria-hidden="true" { (sign) } " " (state) }
        @if summary.waiting().values().any(|paused| *paused) { " " (paused_badge()) }
    }
}

/// Says that a queue is paused.
#[must_use]
pub fn paused_badge() -> Markup {
    html! { span.state.retrying { span aria-hidden="true" { "‖" } " paused" } }
}

/// Draws the number of warnings of an execution.
#[must_use]
pub fn warning_badge(count: u64) -> Markup {
    let text = super::format::count(usize::try_from(count).unwrap_or(usize::MAX), "warning");
    html! { span.state.warned { span aria-hidden="true" { "!" } " " (text) } }
}

/// Draws a button; disabled if the visitor's scope is too small.
#[must_use]
pub fn button(visitor: Visitor, needed: Scope, class: &str, text: &str) -> Markup {
    let allowed = visitor.scope >= needed;
    let why = (!allowed).then_some("This needs a token with a larger scope");
    html! { button type="submit" class=(class) disabled[!allowed] title=[why] { (text) } }
}

/// Embeds a graph that was drawn by the daemon.
#[must_use]
pub fn drawing(svg: String) -> Markup {
    // The drawing has escaped the names in it.
    html! { div.drawing tabindex="0" role="region" aria-label="Graph of the activities" { (PreEscaped(svg)) } }
}

/// Draws an empty list: a sentence and a suggestion.
#[must_use]
pub fn nothing(said: &str, hint: &Markup) -> Markup {
    html! { div.nothing { p { (said) } p.hint { (hint) } } }
}
