//! The workflow language: one YAML file, checked as a whole, becomes one frozen [`Plan`]; and when an execution runs, an
//! activity of that plan becomes [work](crate::model::work).
//!
//! [`compile()`] reads the file into a tree with spans, holds it against the [`shapes`], expands `for_each`, lays
//! templates under parameters, checks every expression, links the activities and looks for keys that collide or feed the
//! workflow again. Each pass goes on where an earlier one found mistakes, so that all are told at once.
//!
//! **Invariant**: pure: no I/O, no clock; a plan depends on its text and the templates alone, and nothing outside it but
//! the execution's own facts goes into [`resolve()`]. Any text ends in a plan or in diagnostics. Values are never
//! interpreted: what an object's name holds ends up in keys as it is, or is refused.
//!
//! Deliberately absent: when an activity runs (`engine`), files and reloading (`daemon`).

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
pub use resolve::{Answer, ResolveContext, Resolved, ResolvedInput, resolve};
pub use set::{check_set, holder, same_name};
pub use single::{Single, compile_single};
pub use starter::{STARTER, starter};
pub use switch::with_enabled;
pub use trigger::{MatchReason, Trigger};

/// A workflow.
#[derive(Clone, Debug)]
pub struct Workflow {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// Whether uploads start it.
    pub enabled: bool,
    /// Which uploads do.
    pub trigger: Option<Trigger>,
    /// What it does.
    pub plan: Arc<Plan>,
    /// Digest of its text: SHA-256, in hex.
    pub digest: String,
    /// The file it was read from, for diagnostics over several workflows.
    pub file: String,
    /// Where its name stands there.
    pub place: Place,
}

impl Workflow {
    /// The buckets that it names outright: its trigger's, and those of its outputs.
    pub fn buckets(&self) -> impl Iterator<Item = &str> {
        let outputs = self.plan.graph.node_weights().map(|activity| self.plan.output_of(activity).bucket.as_str());
        let all = self.trigger.iter().map(|trigger| trigger.bucket.as_str()).chain(outputs);
        all.filter(|bucket| !bucket.is_empty() && !bucket.contains("${"))
    }
}

/// What a text turned out to be.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The workflow; absent where there are errors.
    pub workflow: Option<Workflow>,
    /// Everything that is wrong with it, and warnings, in the order of the text.
    pub diagnostics: Vec<Diagnostic>,
}

/// The JSON Schema of workflow files.
#[must_use]
pub fn schema() -> schemars::Schema {
    yaml::schema(&shapes::WORKFLOW, "Reelmill workflow")
}

#[cfg(test)]
mod tests;
