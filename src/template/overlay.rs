//! Watermarks as media work.

use super::encode::{count, seconds};
use super::registry::{self, Templates, Use};
use super::treatment::{color, length};
use crate::model::plan::ActivityKind;
use crate::model::work::{Border, Color, Length, Overlay, OverlayContent, OverlayText, ReferencePosition};
use crate::yaml::{Node, Sink, Value};

/// Default size of text, in pixels.
const FONT_SIZE: u32 = 16;

/// Keys that only a text has.
const TEXT_ONLY: &[&str] = &["font", "font_size", "adaptive", "color", "alpha", "border"];

/// Watermarks of an activity; the first picture is input `first`. Returns the references of pictures too, each
/// once.
pub(super) fn read(kind: ActivityKind, spec: &Node, first: usize) -> (Vec<Overlay>, Vec<String>) {
    let own = (kind == ActivityKind::Watermark).then_some(spec);
    let listed = spec.get("watermarks").map(Node::elements).unwrap_or_default();
    let mut images: Vec<String> = Vec::new();
    let overlays = own.into_iter().chain(listed).map(|node| {
        let content = text(node).map_or_else(
            || {
                let image = node.get("image").and_then(Node::scalar_text).unwrap_or_default();
                let place = images.iter().position(|known| *known == image).unwrap_or_else(|| {
                    images.push(image);
                    images.len() - 1
                });
                OverlayContent::Image { input: first + place }
            },
            OverlayContent::Text,
        );
        overlay(node, content)
    });
    (overlays.collect(), images)
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

fn overlay(node: &Node, content: OverlayContent) -> Overlay {
    let distance = |key| node.get(key).and_then(length);
    let share = |key| node.get(key).and_then(Node::as_f64);
    Overlay {
        content,
        position: match node.get("position").and_then(Node::as_str) {
            Some("top_left") => ReferencePosition::TopLeft,
            Some("bottom_right") => ReferencePosition::BottomRight,
            Some("bottom_left") => ReferencePosition::BottomLeft,
            Some("center") => ReferencePosition::Center,
            _ => ReferencePosition::TopRight,
        },
        dx: distance("dx").unwrap_or(Length::Pixels(0)),
        dy: distance("dy").unwrap_or(Length::Pixels(0)),
        width: distance("width"),
        height: distance("height"),
        opacity: share("alpha").or(share("opacity")).unwrap_or(1.0),
        start_s: node.get("start").and_then(seconds).unwrap_or(0.0),
        duration_s: node.get("duration").and_then(seconds),
    }
}

fn text(node: &Node) -> Option<OverlayText> {
    let border = |border: &Node| Border {
        width: count(border, "width").unwrap_or(1),
        color: color(border, "color").unwrap_or(Color::new(0, 0, 0)),
    };
    Some(OverlayText {
        text: node.get("text")?.scalar_text()?,
        font: node.get("font").and_then(Node::scalar_text),
        font_size: count(node, "font_size").unwrap_or(FONT_SIZE),
        adaptive: node.get("adaptive").and_then(Node::as_bool).unwrap_or(false),
        color: color(node, "color").unwrap_or(Color::new(255, 255, 255)),
        border: node.get("border").map(border).filter(|border| border.width > 0),
    })
}

/// Holds the parameters of a watermark against each other; `name` is what the message calls it.
pub(super) fn check(node: &Node, name: &str, sink: &mut Sink<'_>) {
    match (node.entry("image"), node.entry("text")) {
        (None, None) => {
            sink.error("TPL0212", node.span, format!("{name} has neither `image` nor `text`"))
                .hint("`image: s3://bucket/key`, or a key in the bucket of the uploaded object; or `text: \"…\"`");
        }
        (Some(image), Some(text)) => {
            sink.error("TPL0212", text.key_span, format!("{name} cannot have both `image` and `text`"))
                .also(image.key_span, "the other");
        }
        (Some(_), None) => {
            if let Some(entry) = TEXT_ONLY.iter().find_map(|key| node.entry(key)) {
                let hint = if entry.key == "alpha" { "use `opacity` for a picture" } else { "use it with `text`" };
                sink.error("TPL0212", entry.key_span, format!("`{}` does not apply to a picture", entry.key))
                    .hint(hint);
            }
        }
        (None, Some(_)) => {
            if let Some(entry) = ["width", "height"].iter().find_map(|key| node.entry(key)) {
                sink.error("TPL0212", entry.key_span, format!("`{}` does not apply to a text", entry.key))
                    .hint("use `font_size`");
            }
            if let (Some(alpha), Some(opacity)) = (node.entry("alpha"), node.entry("opacity")) {
                sink.error(
                    "TPL0212",
                    opacity.key_span,
                    "`alpha` and `opacity` of a text are the same: use one of them",
                )
                .also(alpha.key_span, "the other");
            }
        }
    }
}
