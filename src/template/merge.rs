//! Parts that are played one after the other, as media work, and their rules.

use super::beside::Beside;
use super::encode::{clip_of, container, is_subtitles};
use super::rules::{clip_rules, is_copy, is_none};
use crate::model::work::Part;
use crate::yaml::{Node, Sink};

/// Keys that name parts beside the source.
const KEYS: [&str; 3] = ["opening", "merge", "tail"];

/// Returns whether there are parts beside the source.
pub(super) fn has_parts(spec: &Node) -> bool {
    KEYS.iter().any(|key| spec.get(key).is_some_and(|node| !listed(node).is_empty()))
}

/// The parts in order, the source among them; empty where there is only the source.
pub(super) fn parts(spec: &Node, beside: &mut Beside) -> Vec<Part> {
    if !has_parts(spec) {
        return Vec::new();
    }
    let mut of = |key| -> Vec<Part> {
        let nodes = spec.get(key).map(listed).unwrap_or_default();
        nodes.into_iter().map(|node| part(node, beside)).collect()
    };
    let (opening, merged, tail) = (of("opening"), of("merge"), of("tail"));
    let source = Part { input: 0, clip: spec.get("clip").map(clip_of) };
    opening.into_iter().chain([source]).chain(merged).chain(tail).collect()
}

fn part(node: &Node, beside: &mut Beside) -> Part {
    let reference = node.get("source").unwrap_or(node).scalar_text().unwrap_or_default();
    let clipped = ["start", "duration", "end"].iter().any(|key| node.get(key).is_some());
    Part { input: beside.input(reference), clip: clipped.then(|| clip_of(node)) }
}

/// Elements of a list, or the one thing that stands instead of it.
fn listed(node: &Node) -> Vec<&Node> {
    if node.elements().is_empty() && (node.get("source").is_some() || node.as_str().is_some()) {
        return vec![node];
    }
    node.elements().iter().collect()
}

/// Checks parts against the other parameters.
pub(super) fn rules(spec: &Node, sink: &mut Sink<'_>) {
    let Some(entry) = KEYS.iter().find_map(|key| spec.entry(key)) else { return };
    for node in KEYS.iter().filter_map(|key| spec.get(key)).flat_map(listed) {
        clip_rules(node, sink);
    }
    if is_subtitles(container(spec)) {
        sink.error("TPL0223", entry.key_span, "`merge` does not support subtitle files");
        return;
    }
    for key in ["video", "audio"] {
        if let Some(node) = spec.get(key).filter(|node| !is_none(Some(node)) && is_copy(node)) {
            sink.error(
                "TPL0223",
                node.span,
                format!("`{key}: copy` is not possible with several parts: they must be encoded"),
            )
            .also(entry.key_span, "the parts");
        }
    }
    let Some(subtitles) = spec.get("subtitles") else { return };
    let word = subtitles.as_str().filter(|&word| word != "none");
    let keeps = subtitles.get("keep").filter(|keep| keep.as_str() != Some("none"));
    let burns = subtitles.get("burn").filter(|burn| burn.get("file").is_none());
    if let Some(node) = word.map(|_| subtitles).or(keeps).or(burns) {
        sink.error("TPL0223", node.span, "subtitle streams of several parts cannot be merged")
            .hint("use `burn: { file: … }` or `files`, with times that count from the start of the output");
    }
}
