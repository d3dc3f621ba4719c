//! Parameters of packaging: checks, file names, and the work.
//!
//! **Invariant**: definitions and work contain the location of a key, never the key itself.

use super::encode::{count, seconds};
use super::names::Files;
use crate::model::work::{Encryption, IfIncomplete, Package, SegmentFormat, SubtitleFile};
use crate::yaml::{Node, Sink, Value, is_deferred};

/// Default length of segments, in seconds.
const SEGMENT_S: f64 = 6.0;

/// Source of the key of an encryption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// An environment variable of the daemon.
    Env(String),
    /// A file of the daemon's machine.
    File(String),
    /// An object: `s3://bucket/key`.
    Object(String),
    /// Generated when the package is made.
    Generated,
}

impl KeySource {
    /// Returns the object of a reference; `None` if it is invalid.
    #[must_use]
    pub fn parse(reference: &str) -> Option<Self> {
        let object = || reference.strip_prefix("s3://").and_then(|rest| rest.split_once('/'));
        match reference.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Some(Self::Env(name.to_owned())),
            Some(("file", path)) if path.starts_with('/') => Some(Self::File(path.to_owned())),
            Some(("s3", _)) if object().is_some_and(|(bucket, key)| !bucket.is_empty() && !key.is_empty()) => {
                Some(Self::Object(reference.to_owned()))
            }
            _ => None,
        }
    }
}

/// Keys that the work needs as inputs, after everything else.
pub(super) fn keys(spec: &Node) -> Vec<KeySource> {
    let Some(encryption) = spec.get("encryption") else { return Vec::new() };
    let Some(key) = encryption.get("key") else { return vec![KeySource::Generated] };
    let texts = key.elements().iter().filter_map(Node::scalar_text);
    texts.filter_map(|text| KeySource::parse(&text)).collect()
}

/// Packaging as the parameters ask for it, and the references of its files of subtitles, which are inputs from
/// `first_input` on; keys come after them.
pub(super) fn read(spec: &Node, files: &Files, first_input: usize) -> (Package, Vec<String>) {
    let (master, mpd) = manifests(spec, files);
    let mut references = Vec::new();
    let mut subtitles = Vec::new();
    for file in subtitle_files(spec) {
        let text = |key| file.get(key).and_then(Node::scalar_text);
        let truth = |key| file.get(key).and_then(Node::as_bool).unwrap_or(false);
        let input = first_input + references.len();
        references.push(text("file").unwrap_or_default());
        let (default, forced) = (truth("default"), truth("forced"));
        let (language, name, charset) = (text("language"), text("name"), text("charset"));
        subtitles.push(SubtitleFile { input, language, name, default, forced, charset });
    }
    let first_key = first_input + references.len();
    let encryption = spec.get("encryption").map(|encryption| Encryption {
        keys: (first_key..first_key + keys(spec).len()).collect(),
        generated: encryption.get("key").is_none(),
        folder: format!("{}keys", folder(&files.main)),
        key_uri: encryption.get("key_uri").and_then(Node::scalar_text),
        rotate: count(encryption, "rotate"),
    });
    let truth = |key: &str| spec.get(key).and_then(Node::as_bool).unwrap_or(false);
    let package = Package {
        master,
        mpd,
        segments: match word(spec, "segments") {
            Some("ts") => SegmentFormat::Ts,
            _ => SegmentFormat::Fmp4,
        },
        segment_s: spec.get("segment").and_then(seconds).unwrap_or(SEGMENT_S),
        renditions: files.renditions.clone(),
        separate_audio: word(spec, "audio") == Some("separate"),
        byte_range: truth("byte_range"),
        iframe_playlists: truth("iframe_playlists"),
        keep_subtitles: word(spec, "subtitles") != Some("none"),
        subtitles,
        subtitle_folder: format!("{}subtitles", folder(&files.main)),
        encryption,
        if_incomplete: IfIncomplete::Warn,
    };
    (package, references)
}

/// Name of the rendition of a package that takes the upload itself.
const UPLOAD: &str = "source";

/// Names that a package writes besides those of its renditions: `name` is the one that was asked for, if any. `inputs` are
/// the activities that it takes; none: it takes the upload.
pub(super) fn files(base: &str, name: Option<String>, spec: &Node, inputs: &[String]) -> Files {
    let protocol = word(spec, "protocol").unwrap_or("hls");
    let own = if protocol == "dash" { "manifest.mpd" } else { "master.m3u8" };
    let named = name.is_some();
    let mut main = name.unwrap_or_else(|| format!("{base}/{own}"));
    let mut also = Vec::new();
    if protocol == "cmaf" {
        let stem = main.strip_suffix(".m3u8").or(main.strip_suffix(".mpd")).unwrap_or(&main).to_owned();
        also.push(if named { format!("{stem}.mpd") } else { format!("{base}/manifest.mpd") });
        main = format!("{stem}.m3u8");
    }
    let folder = folder(&main);
    let inputs: Vec<&str> = if inputs.is_empty() { vec![UPLOAD] } else { inputs.iter().map(String::as_str).collect() };
    let renditions = inputs.iter().map(|input| format!("{folder}{}", input.replace('.', "-"))).collect();
    let mut folders = Vec::new();
    if !subtitle_files(spec).is_empty() {
        folders.push(format!("{folder}subtitles"));
    }
    if spec.get("encryption").is_some_and(|encryption| encryption.get("key").is_none()) {
        folders.push(format!("{folder}keys"));
    }
    Files { main, also, renditions, folders, ..Files::default() }
}

/// The master playlist and the MPD.
fn manifests(spec: &Node, files: &Files) -> (Option<String>, Option<String>) {
    match word(spec, "protocol") {
        Some("dash") => (None, Some(files.main.clone())),
        Some("cmaf") => (Some(files.main.clone()), files.also.first().cloned()),
        _ => (Some(files.main.clone()), None),
    }
}

fn subtitle_files(spec: &Node) -> &[Node] {
    match spec.get("subtitles") {
        Some(node) if matches!(node.value, Value::Seq(_)) => node.elements(),
        _ => &[],
    }
}

fn folder(file: &str) -> String {
    file.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"))
}

fn word<'a>(spec: &'a Node, key: &str) -> Option<&'a str> {
    spec.get(key).and_then(Node::as_str)
}

/// Parameters that contradict each other.
pub(super) fn rules(spec: &Node, sink: &mut Sink<'_>) {
    super::subtitles::charset_rules(subtitle_files(spec), sink);
    let dash = word(spec, "protocol").is_some_and(|protocol| matches!(protocol, "dash" | "cmaf"));
    if let Some(segments) = spec.get("segments").filter(|segments| dash && segments.as_str() == Some("ts")) {
        sink.error("TPL0231", segments.span, "DASH supports only `segments: fmp4`")
            .hint("remove it, or use `protocol: hls`");
    }
    if let Some(encryption) = spec.entry("encryption").filter(|_| dash) {
        sink.error("TPL0231", encryption.key_span, "encryption is supported for HLS only").hint("`protocol: hls`");
    }
    let iframes = spec.entry("iframe_playlists").filter(|entry| entry.value.as_bool() == Some(true));
    if let Some(iframes) = iframes.filter(|_| word(spec, "protocol") == Some("dash")) {
        sink.error("TPL0231", iframes.key_span, "I-frame playlists are supported for HLS only")
            .hint("use `protocol: cmaf`, or remove it");
    }
    if let Some(name) = spec.get("name") {
        let text = name.as_str().unwrap_or_default();
        let fits = |ext: &str| text.ends_with(ext) || is_deferred(text) && text.ends_with('}');
        let (good, hint) = match word(spec, "protocol") {
            Some("dash") => (fits(".mpd"), "end the name in .mpd"),
            Some("cmaf") => (fits(".m3u8") || fits(".mpd"), "end the name in .m3u8 or .mpd"),
            _ => (fits(".m3u8"), "end the name in .m3u8"),
        };
        if !good {
            sink.warning("TPL0213", name.span, "the name does not have the extension of a manifest").hint(hint);
        }
    }
    if let Some(encryption) = spec.get("encryption") {
        encryption_rules(encryption, sink);
    }
}

/// Messages and hints name places, never what stands there: it may be a key by mistake.
fn encryption_rules(encryption: &Node, sink: &mut Sink<'_>) {
    let rotate = encryption.get("rotate");
    let uri = encryption.get("key_uri");
    let numbered = uri.and_then(Node::as_str).is_none_or(|uri| uri.contains('#') || is_deferred(uri));
    let Some(entry) = encryption.entry("key") else {
        if let Some(uri) = uri.filter(|_| rotate.is_some() && !numbered) {
            sink.error("TPL0233", uri.span, "`key_uri` is the same for all keys")
                .hint("add a `#` for the number of the key");
        }
        return;
    };
    let references = entry.value.elements();
    let wrong = |node: &&Node| {
        let text = node.scalar_text().unwrap_or_default();
        !is_deferred(&text) && KeySource::parse(&text).is_none()
    };
    if references.iter().any(|node| wrong(&node)) {
        sink.error("TPL0232", entry.key_span, "`key` must be the location of the key, not the key itself")
            .hint("write `env:NAME`, `file:/path` or `s3://bucket/key`");
    }
    if uri.is_none() {
        sink.error("TPL0233", entry.key_span, "`key_uri` is missing: players need it to get the key")
            .hint("add `key_uri`");
    }
    match (rotate, references.len()) {
        (None, 2..) => {
            sink.error("TPL0233", entry.key_span, "several keys need `rotate`: the number of segments per key");
        }
        (Some(rotate), 0 | 1) => {
            sink.error("TPL0233", rotate.span, "`rotate` needs more than one key")
                .hint("list several keys, or remove `key`");
        }
        _ => {}
    }
    if let Some(uri) = uri.filter(|_| references.len() > 1 && !numbered) {
        sink.error("TPL0233", uri.span, "`key_uri` is the same for several keys")
            .hint("add a `#` for the number of the key");
    }
}
