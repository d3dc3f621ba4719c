//! The workflow language: one YAML file, checked as a whole, becomes one frozen [`Plan`]; and when an execution runs, an
//! activity of that plan becomes [work](crate::model::work).
//!
//! [`compile()`] parses the file into a tree with spans, checks it against the [`shapes`], expands `for_each`, applies
//! templates, checks every expression, links the activities, and checks for keys that collide or would start the workflow
//! again. Passes continue after errors of earlier ones, so that all errors are reported at once.
//!
//! **Invariant**: pure, without I/O or clock. A plan depends only on its text and the templates, and [`resolve()`] only on
//! the plan and the execution. Any text results in a plan or in diagnostics. Values are not interpreted: characters of an
//! object's name are used in keys unchanged, or rejected.
//!
//! Deliberately missing: scheduling of activities (`engine`), files and reloading (`daemon`).

mod activities;
mod compile;
mod definition;
mod evaluator;
mod expression;
pub mod graph;
mod installed;
mod keys;
mod limits;
mod link;
mod names;
mod params;
mod pattern;
mod places;
mod resolve;
mod set;
mod shapes;
mod single;
mod starter;
mod switch;
mod trigger;
mod view;

use std::sync::Arc;

use crate::model::plan::Plan;
use crate::yaml::{self, Diagnostic, Place};

pub use compile::{compile, digest};
pub use evaluator::Evaluator;
pub use keys::publishes;
pub use limits::Limits;
pub use params::{given_params, params};
pub use resolve::{ResolveContext, Resolved, ResolvedInput, ResultKind, resolve};
pub use set::{check_set, holder, same_name};
pub use single::{Single, compile_single};
pub use starter::{STARTER, starter};
pub use switch::with_enabled;
pub use trigger::{MatchReason, Trigger};

/// A workflow.
#[derive(Clone, Debug)]
pub struct Workflow {
    /// Name of the workflow.
    pub name: String,
    /// Purpose, for people.
    pub description: Option<String>,
    /// True if uploads start it.
    pub enabled: bool,
    /// Uploads that start it; `None` if it is started by hand only.
    pub trigger: Option<Trigger>,
    /// Plan of its activities.
    pub plan: Arc<Plan>,
    /// Digest of its text: SHA-256, in hex.
    pub digest: String,
    /// File that it was read from, for diagnostics of several workflows.
    pub file: String,
    /// Position of its name in the file.
    pub place: Place,
}

impl Workflow {
    /// Returns the buckets that it names without expressions: those of its trigger and its outputs.
    pub fn buckets(&self) -> impl Iterator<Item = &str> {
        let outputs = self.plan.graph.node_weights().map(|activity| self.plan.output_of(activity).bucket.as_str());
        let all = self.trigger.iter().map(|trigger| trigger.bucket.as_str()).chain(outputs);
        all.filter(|bucket| !bucket.is_empty() && !bucket.contains("${"))
    }
}

/// Result of compiling a text.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The workflow; `None` if there are errors.
    pub workflow: Option<Workflow>,
    /// Errors and warnings, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

/// The JSON Schema of workflow files.
#[must_use]
pub fn schema() -> schemars::Schema {
    yaml::schema(&shapes::WORKFLOW, "Reelmill workflow")
}

#[cfg(test)]
mod tests;
