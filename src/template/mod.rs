//! Templates and the parameters of media work: presets, custom templates, and the conversion of parameters to
//! [`crate::model::work`].
//!
//! The same code reads a definition twice: when it is loaded ([`check`] reports all errors), and when an execution runs,
//! with every `${…}` rendered ([`outputs`]). **Invariant**: pure; no parameter is ignored or changed silently: a key that
//! this version does not support is an error.
//!
//! Deliberately missing: activities and their order (`workflow`), and media work itself (`media`).

mod analysis;
mod beside;
mod candidates;
mod codecs;
mod encode;
mod fit;
mod installed;
mod merge;
mod names;
mod overlay;
mod package;
mod registry;
mod rules;
mod shapes;
mod snapshot;
mod sound;
mod source;
mod subtitles;
mod treatment;

use crate::model::plan::ActivityKind;
use crate::model::work;
use crate::yaml::{self, Node, Sink, Span};
use beside::Beside;

pub use candidates::candidates;
pub use fit::{Fit, Fits, LeftOut, fits};
pub use installed::{Needed, encoders};
pub use names::{Files, base_of_activity, base_of_source, files};
pub use package::KeySource;
pub use registry::{BROKEN, Facts, Missing, Template, Templates};
pub use shapes::activity as activity_shape;
pub use source::{fit, missed_box};

/// Returns the effective parameters of an activity: those of its templates, overridden by its own. After errors, the result
/// has as much as is valid.
#[must_use]
pub fn apply(kind: ActivityKind, spec: &Node, templates: &Templates, sink: &mut Sink<'_>) -> Node {
    let before = sink.len();
    yaml::check(spec, activity_shape(kind), sink);
    let applied = with_templates(kind, spec, templates, sink);
    let well_formed = sink.len() == before;
    if well_formed {
        rules::check(kind, &applied, sink);
    }
    applied
}

/// Checks rendered parameters against their shape and rules; the first mistake is the failure.
pub fn check(kind: ActivityKind, rendered: &Node) -> Result<(), Box<yaml::Diagnostic>> {
    // Nothing there is rendered, and by now the templates themselves stand in it.
    if kind == ActivityKind::TemplateAnalysis {
        return Ok(());
    }
    let mut sink = Sink::new("", "");
    yaml::check(rendered, activity_shape(kind), &mut sink);
    if sink.is_empty() {
        rules::check(kind, rendered, &mut sink);
    }
    sink.finish().into_iter().find(yaml::Diagnostic::is_error).map_or(Ok(()), |d| Err(Box::new(d)))
}

/// The work of rendered parameters that [`check`] has passed, and what it reads beside its source (pictures, music,
/// subtitles): the references as written, in the order of the inputs from `first_input`. `files` are the names it writes.
#[must_use]
pub fn outputs(kind: ActivityKind, spec: &Node, files: &Files, first_input: usize) -> (work::Work, Vec<String>) {
    match kind {
        ActivityKind::Analysis => (work::Work::one(work::Output::Analysis(analysis::read(spec, files))), Vec::new()),
        ActivityKind::TemplateAnalysis => {
            (work::Work::one(work::Output::Analysis(work::Analysis::default())), Vec::new())
        }
        ActivityKind::Snapshot => (work::Work::one(work::Output::Snapshot(snapshot::read(spec, files))), Vec::new()),
        ActivityKind::Transcode | ActivityKind::Remux | ActivityKind::Watermark => {
            let (overlays, images) = overlay::read(kind, spec, first_input);
            let mut beside = Beside { first: first_input, references: images };
            let output = encode::read(kind, spec, &files.main, overlays, &mut beside);
            (work::Work::one(work::Output::Media(output)), beside.references)
        }
        ActivityKind::Package => {
            let (package, subtitles) = package::read(spec, files, first_input);
            (work::Work::Package(package), subtitles)
        }
    }
}

/// Keys that the work of rendered parameters needs, as inputs after all others.
#[must_use]
pub fn keys(kind: ActivityKind, spec: &Node) -> Vec<KeySource> {
    if kind == ActivityKind::Package { package::keys(spec) } else { Vec::new() }
}

/// Returns whether a file with these keys at its top defines a template: it has one that no workflow has.
#[must_use]
pub fn is_template<'a>(keys: impl IntoIterator<Item = &'a str>) -> bool {
    let own =
        |key: &str| !matches!(key, "name" | "description") && shapes::TEMPLATE.fields.iter().any(|f| f.key == key);
    let keys: Vec<&str> = keys.into_iter().collect();
    !keys.contains(&"activities") && keys.into_iter().any(own)
}

/// The JSON Schema of template files.
#[must_use]
pub fn schema() -> schemars::Schema {
    yaml::schema(&shapes::TEMPLATE, "Reelmill template")
}

fn with_templates(kind: ActivityKind, spec: &Node, templates: &Templates, sink: &mut Sink<'_>) -> Node {
    if kind == ActivityKind::TemplateAnalysis {
        return candidates::frozen(spec, templates, sink);
    }
    let mut applied = spec.clone();
    if let Some((name, span)) = text(spec, "watermark").filter(|_| kind == ActivityKind::Watermark) {
        let own = applied.without(&["watermark"]);
        applied = registry::lay_over(own, &name, span, registry::Use::Overlay, templates, sink);
    }
    if let Some((name, span)) = text(spec, "template") {
        let own = applied.without(&["template"]);
        applied = registry::lay_over(own, &name, span, registry::Use::Encode, templates, sink);
    }
    overlay::expand(&mut applied, templates, sink);
    applied
}

fn text(spec: &Node, key: &str) -> Option<(String, Span)> {
    let node = spec.get(key)?;
    let text = node.scalar_text().filter(|t| !yaml::is_deferred(t))?;
    Some((text, node.span))
}

#[cfg(test)]
mod tests;
