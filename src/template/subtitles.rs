//! Subtitles as media work, and their rules.

use super::beside::Beside;
use super::encode::{container, extension, is_subtitles, tracks_of};
use crate::model::plan::ActivityKind;
use crate::model::work::{BurnIn, Container, SubtitleFile, Subtitles, Tracks};
use crate::yaml::{Node, Sink, is_deferred};

/// Subtitle streams of the source that go into the file.
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

/// Subtitles that are drawn into the picture.
pub(super) fn burn(spec: &Node, beside: &mut Beside) -> Option<BurnIn> {
    let node = spec.get("subtitles")?;
    if node.as_str() == Some("burn") {
        return Some(BurnIn::Tracks(Tracks::Main));
    }
    let burn = node.get("burn")?;
    match burn.get("file").and_then(Node::scalar_text) {
        Some(file) => {
            let input = beside.input(file);
            let charset = burn.get("charset").and_then(Node::scalar_text);
            Some(charset.map_or(BurnIn::Input(input), |charset| BurnIn::File { input, charset }))
        }
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
                charset: text("charset"),
            }
        })
        .collect()
}

/// Returns whether a container holds subtitles that are text.
const fn holds_text(container: Container) -> bool {
    matches!(container, Container::Mp4 | Container::Mov | Container::Mkv | Container::Webm)
}

/// Holds the encodings of files of subtitles against those that there are.
pub(super) fn charset_rules(files: &[Node], sink: &mut Sink<'_>) {
    for charset in files.iter().filter_map(|file| file.get("charset")) {
        let name = charset.scalar_text().unwrap_or_default();
        let known = name.eq_ignore_ascii_case("auto") || encoding_rs::Encoding::for_label(name.as_bytes()).is_some();
        if !known && !is_deferred(&name) {
            sink.error("TPL0304", charset.span, format!("unknown text encoding `{name}`"))
                .hint("use `utf-8`, `gbk`, `big5`, `shift_jis`, `windows-1251` or the like, or remove it");
        }
    }
}

/// Holds what is said about subtitles against the rest.
pub(super) fn rules(kind: ActivityKind, spec: &Node, sink: &mut Sink<'_>) {
    let container = container(spec);
    let name = extension(container);
    let Some(node) = spec.entry("subtitles") else { return };
    let (place, node) = (node.key_span, &node.value);
    charset_rules(node.get("files").map(Node::elements).unwrap_or_default(), sink);
    if let Some(burn) = node.get("burn") {
        charset_rules(std::slice::from_ref(burn), sink);
        if let Some(charset) = burn.entry("charset").filter(|_| burn.get("file").is_none()) {
            sink.error(
                "TPL0305",
                charset.key_span,
                "`charset` does not apply to a stream, which declares its encoding",
            )
            .hint("set `file`, or remove it");
        }
    }
    if is_subtitles(container) {
        let none = node.as_str() == Some("none") || node.get("keep").and_then(Node::as_str) == Some("none");
        if none || node.as_str() == Some("burn") {
            sink.error("TPL0222", place, format!("the output has no subtitles, but a {name} file needs some"));
        }
        for key in ["burn", "files"] {
            if let Some(entry) = node.entry(key) {
                let message = format!("`{key}` does not apply: a {name} file contains one stream of the source");
                sink.error("TPL0222", entry.key_span, message);
            }
        }
        return;
    }
    if let Some(files) = node.get("files").filter(|files| !files.elements().is_empty() && !holds_text(container)) {
        sink.error("TPL0222", files.span, format!("a {name} file cannot contain subtitles"))
            .hint("choose mp4, mov, mkv or webm");
    }
    let burns = node.as_str() == Some("burn") || node.get("burn").is_some();
    if burns && kind == ActivityKind::Remux {
        sink.error("TPL0204", place, "burnt-in subtitles need video that is encoded").hint("use `transcode`");
    } else if let Some(video) = spec.get("video").filter(|_| burns) {
        super::rules::must_encode(video, "burnt-in subtitles need video that is encoded", sink);
    }
}
