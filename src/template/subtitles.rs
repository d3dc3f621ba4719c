//! Subtitles as media work, and their rules.

use super::beside::Beside;
use super::encode::{container, extension, is_subtitles, tracks_of};
use crate::model::plan::ActivityKind;
use crate::model::work::{BurnIn, Container, SubtitleFile, Subtitles, Tracks};
use crate::yaml::{Node, Sink};

/// Which subtitle streams of the source go into the file.
pub(super) fn kept(kind: ActivityKind, spec: &Node) -> Subtitles {
    let node = spec.get("subtitles");
    let keep = node.and_then(|n| n.get("keep").or_else(|| Some(n).filter(|n| n.as_str().is_some())));
    match (keep, keep.and_then(Node::as_str)) {
        (_, Some("none" | "burn")) => Subtitles::None,
        (_, Some("keep" | "all")) if is_subtitles(container(spec)) => Subtitles::Only(Tracks::Main),
        (_, Some("keep" | "all")) => Subtitles::Keep,
        (Some(which), _) => Subtitles::Only(tracks_of(which)),
        (None, _) if is_subtitles(container(spec)) => Subtitles::Only(Tracks::Main),
        (None, _) if kind == ActivityKind::Remux => Subtitles::Keep,
        _ => Subtitles::None,
    }
}

/// What is drawn into the picture.
pub(super) fn burn(spec: &Node, beside: &mut Beside) -> Option<BurnIn> {
    let node = spec.get("subtitles")?;
    if node.as_str() == Some("burn") {
        return Some(BurnIn::Tracks(Tracks::Main));
    }
    let burn = node.get("burn")?;
    match burn.get("file").and_then(Node::scalar_text) {
        Some(file) => Some(BurnIn::Input(beside.input(file))),
        None => Some(BurnIn::Tracks(tracks_of(burn))),
    }
}

/// Files that become subtitle streams.
pub(super) fn files(spec: &Node, beside: &mut Beside) -> Vec<SubtitleFile> {
    let listed = spec.get("subtitles").and_then(|node| node.get("files")).map(Node::elements).unwrap_or_default();
    listed
        .iter()
        .map(|file| {
            let text = |key| file.get(key).and_then(Node::scalar_text);
            let flag = |key| file.get(key).and_then(Node::as_bool).unwrap_or(false);
            SubtitleFile {
                input: beside.input(text("file").unwrap_or_default()),
                language: text("language"),
                name: text("name"),
                default: flag("default"),
                forced: flag("forced"),
            }
        })
        .collect()
}

/// Whether a container holds subtitles that are text.
const fn holds_text(container: Container) -> bool {
    matches!(container, Container::Mp4 | Container::Mov | Container::Mkv | Container::Webm)
}

/// Holds what is said about subtitles against the rest.
pub(super) fn rules(kind: ActivityKind, spec: &Node, sink: &mut Sink<'_>) {
    let container = container(spec);
    let name = extension(container);
    let Some(node) = spec.entry("subtitles") else { return };
    let (place, node) = (node.key_span, &node.value);
    if is_subtitles(container) {
        let none = node.as_str() == Some("none") || node.get("keep").and_then(Node::as_str) == Some("none");
        if none || node.as_str() == Some("burn") {
            sink.error("TPL0222", place, format!("a {name} file holds subtitles, and none are left"));
        }
        for key in ["burn", "files"] {
            if let Some(entry) = node.entry(key) {
                let message = format!("a {name} file holds one stream of the source's: `{key}` has no meaning");
                sink.error("TPL0222", entry.key_span, message);
            }
        }
        return;
    }
    if let Some(files) = node.get("files").filter(|files| !files.elements().is_empty() && !holds_text(container)) {
        sink.error("TPL0222", files.span, format!("a {name} file does not hold subtitles here"))
            .hint("choose mp4, mov, mkv or webm");
    }
    let burns = node.as_str() == Some("burn") || node.get("burn").is_some();
    if burns && kind == ActivityKind::Remux {
        sink.error("TPL0204", place, "subtitles are drawn into video that is encoded").hint("use `transcode`");
    } else if let Some(video) = spec.get("video").filter(|_| burns) {
        super::rules::must_encode(video, "subtitles are drawn into video that is encoded", sink);
    }
}
