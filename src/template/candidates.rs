//! Templates that a template analysis chooses from.
//!
//! **Invariant**: they are frozen with the plan, as the templates of other activities are: what is chosen from does not
//! change while an execution runs, and neither does what a preset of another version of Reelmill would be.

use super::registry::{Template, Templates};
use crate::yaml::{Entry, Node, Sink, Value};

/// The parameters with the templates themselves where their names stand; all there are where none stands.
pub(super) fn frozen(spec: &Node, templates: &Templates, sink: &mut Sink<'_>) -> Node {
    let mut chosen: Vec<&Template> = Vec::new();
    match spec.get("templates") {
        None => chosen.extend(templates.iter().filter(|template| !template.is_watermark())),
        Some(names) => {
            for node in names.elements() {
                chosen.extend(named(node, templates, sink));
            }
        }
    }
    let entry = |template: &Template| Entry {
        key: template.name.clone(),
        key_span: spec.span,
        value: template.parameters.moved_to(spec.span),
    };
    let value = Node { span: spec.span, value: Value::Map(chosen.into_iter().map(entry).collect()) };
    let templates = Entry { key: "templates".to_owned(), key_span: spec.span, value };
    Node { span: spec.span, value: Value::Map(vec![templates]) }
}

fn named<'a>(node: &Node, templates: &'a Templates, sink: &mut Sink<'_>) -> Option<&'a Template> {
    let name = node.scalar_text()?;
    match templates.lookup(&name) {
        Ok(template) if template.is_watermark() => {
            sink.error("TPL0011", node.span, format!("`{name}` is a watermark template, which cannot be a candidate"));
            None
        }
        Ok(template) => Some(template),
        Err(missing) => {
            sink.error(missing.code, node.span, missing.message).hint(missing.hint);
            None
        }
    }
}

/// The templates that the parameters of a plan hold.
#[must_use]
pub fn candidates(frozen: &Node) -> Templates {
    let entries = frozen.get("templates").map(Node::entries).unwrap_or_default();
    let template = |entry: &Entry| Template {
        name: entry.key.clone(),
        description: None,
        preset: false,
        locked: false,
        parameters: entry.value.clone(),
    };
    entries.iter().map(template).collect()
}
