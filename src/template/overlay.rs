//! Watermarks as media work.

use super::encode::seconds;
use super::registry::{self, Templates, Use};
use crate::model::plan::ActivityKind;
use crate::model::units;
use crate::model::work::{Length, Overlay, ReferencePosition};
use crate::yaml::{Node, Sink, Value};

/// Pictures that an activity lays over its video; the first is input `first`. Answers their references too.
pub(super) fn read(kind: ActivityKind, spec: &Node, first: usize) -> (Vec<Overlay>, Vec<String>) {
    let own = (kind == ActivityKind::Watermark).then_some(spec);
    let listed = spec.get("watermarks").map(Node::elements).unwrap_or_default();
    own.into_iter()
        .chain(listed)
        .enumerate()
        .map(|(i, node)| (overlay(node, first + i), node.get("image").and_then(Node::scalar_text).unwrap_or_default()))
        .unzip()
}

/// Puts the parameters of watermark templates in the place of their names.
pub(super) fn expand(spec: &mut Node, templates: &Templates, sink: &mut Sink<'_>) {
    let Value::Map(entries) = &mut spec.value else { return };
    let Some(Value::Seq(watermarks)) = entries.iter_mut().find(|e| e.key == "watermarks").map(|e| &mut e.value.value)
    else {
        return;
    };
    for watermark in watermarks {
        if let Some(name) = watermark.scalar_text() {
            let own = Node::empty_map(watermark.span);
            *watermark = registry::lay_over(own, &name, watermark.span, Use::Overlay, templates, sink);
        }
    }
}

fn overlay(node: &Node, input: usize) -> Overlay {
    let length = |key| node.get(key).and_then(length);
    Overlay {
        input,
        position: match node.get("position").and_then(Node::as_str) {
            Some("top_left") => ReferencePosition::TopLeft,
            Some("bottom_right") => ReferencePosition::BottomRight,
            Some("bottom_left") => ReferencePosition::BottomLeft,
            _ => ReferencePosition::TopRight,
        },
        dx: length("dx").unwrap_or(Length::Pixels(0)),
        dy: length("dy").unwrap_or(Length::Pixels(0)),
        width: length("width"),
        height: length("height"),
        opacity: node.get("opacity").and_then(Node::as_f64).unwrap_or(1.0),
        start_s: node.get("start").and_then(seconds).unwrap_or(0.0),
        duration_s: node.get("duration").and_then(seconds),
    }
}

fn length(node: &Node) -> Option<Length> {
    if let Some(pixels) = node.as_int() {
        return u32::try_from(pixels).ok().map(Length::Pixels);
    }
    node.as_f64().or_else(|| node.as_str().and_then(|t| units::parse_percent(t).ok())).map(Length::Ratio)
}
