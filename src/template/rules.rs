//! Parameters that do not go together.
//!
//! Each rule looks only at what is known: a parameter with `${…}` is judged when it has been rendered.

use super::encode::{self, bits, container, is_audio_only, seconds};
use super::{codecs, merge, overlay, package, snapshot, sound, subtitles, treatment};
use crate::model::plan::ActivityKind;
use crate::model::work::{Container, VideoCodec};
use crate::yaml::{Node, Sink, Span, is_deferred};

/// Holds well-formed parameters against the rules of their activity.
pub(super) fn check(kind: ActivityKind, spec: &Node, sink: &mut Sink<'_>) {
    match kind {
        ActivityKind::Analysis | ActivityKind::TemplateAnalysis => {}
        ActivityKind::Package => package::rules(spec, sink),
        ActivityKind::Snapshot => snapshot_rules(spec, sink),
        ActivityKind::Transcode | ActivityKind::Remux | ActivityKind::Watermark => media(kind, spec, sink),
    }
}

fn media(kind: ActivityKind, spec: &Node, sink: &mut Sink<'_>) {
    if spec.get("container").is_none_or(|c| !c.has_deferred()) {
        container_rules(kind, spec, sink);
    }
    let known = |key: &str| spec.get(key).filter(|n| !n.has_deferred());
    if let Some(video) = known("video") {
        if kind == ActivityKind::Remux {
            no_encoding(video, "video", sink);
        }
        video_rules(encode::video_codec(spec), video, sink);
    }
    if let Some(audio) = known("audio") {
        if kind == ActivityKind::Remux {
            no_encoding(audio, "audio", sink);
        }
        audio_rules(spec, audio, sink);
    }
    let twice = spec.get("video").and_then(|v| v.get("passes")).filter(|p| p.scalar_text().as_deref() == Some("2"));
    if let Some(passes) = twice.filter(|_| ["opening", "merge", "tail"].iter().any(|key| spec.get(key).is_some())) {
        sink.error("TPL0202", passes.span, "`merge` does not support two-pass encoding").hint("write `passes: 1`");
    }
    if let Some(clip) = known("clip") {
        clip_rules(clip, sink);
    }
    merge::rules(spec, sink);
    if known("subtitles").is_some() {
        subtitles::rules(kind, spec, sink);
    }
    if kind == ActivityKind::Watermark {
        watermark_rules(spec, sink);
    }
    for watermark in spec.get("watermarks").map(Node::elements).unwrap_or_default() {
        if !watermark.entries().is_empty() {
            overlay::check(watermark, "a watermark", sink);
        }
    }
    if let Some(video) = spec.get("video").filter(|_| spec.get("watermarks").is_some()) {
        must_encode(video, "watermarks need video that is encoded", sink);
    }
}

/// Returns whether the value is the word `none`.
pub(super) fn is_none(node: Option<&Node>) -> bool {
    node.and_then(Node::as_str) == Some("none")
}

/// Returns whether packets are taken as they are.
pub(super) fn is_copy(node: &Node) -> bool {
    node.as_str() == Some("copy") || node.get("codec").and_then(Node::as_str) == Some("copy")
}

fn container_rules(kind: ActivityKind, spec: &Node, sink: &mut Sink<'_>) {
    let container = container(spec);
    let info = container.info();
    let name = info.name;
    let place = |key: &str| spec.get(key).map_or(spec.span, |n| n.span);
    let (video, audio) = (spec.get("video"), spec.get("audio"));
    if encode::is_subtitles(container) {
        for key in ["video", "audio"] {
            if let Some(entry) = spec.entry(key).filter(|entry| !is_none(Some(&entry.value))) {
                sink.error("TPL0203", entry.key_span, format!("a {name} file can contain subtitles only"));
            }
        }
        name_rules(spec, container, sink);
        return;
    }
    let no_video = is_none(video) || video.is_none() && is_audio_only(container);
    if no_video && is_none(audio) {
        sink.error("TPL0207", place("audio"), "the output has neither video nor audio")
            .hint("remove `none` from one of the two");
    }
    let encodes_video = video.is_some_and(|v| !is_none(video) && !is_copy(v) && !v.has_deferred());
    if is_audio_only(container) && video.is_some() && !is_none(video) {
        sink.error("TPL0203", place("video"), format!("a {name} file can contain audio only"))
            .hint("write `video: none`, or choose a container such as mp4");
    } else if encodes_video && kind != ActivityKind::Remux {
        let codec = encode::video_codec(spec).info();
        if !codec.containers.contains(&container) {
            let place = video.and_then(|v| v.get("codec")).map_or_else(|| place("video"), |n| n.span);
            sink.error("TPL0203", place, format!("a {name} file cannot contain {}", codec.title))
                .hint(codecs::goes_with(container, &container.video_codecs(), "video"));
        }
    }
    let wants_audio = audio.is_some() && !is_none(audio);
    if wants_audio && info.audio.is_none() {
        sink.error("TPL0203", place("audio"), format!("a {name} file can contain video only"))
            .hint("write `audio: none`, or choose a container such as mp4");
    }
    let encodes_audio = wants_audio && kind != ActivityKind::Remux && audio.is_some_and(|a| !is_copy(a));
    let codec = encode::audio_codec(spec).info();
    let held = codec.containers.contains(&container);
    if encodes_audio && info.audio.is_some() && audio.is_some_and(|a| !a.has_deferred()) && !held {
        sink.error("TPL0203", place("audio"), format!("a {name} file cannot contain {}", codec.name))
            .hint(codecs::goes_with(container, &container.audio_codecs(), "audio"));
    }
    let profile = audio.and_then(|a| a.get("profile"));
    let word = profile.and_then(Node::scalar_text);
    if let Some(profile) = profile.filter(|_| held && !codec.limits_of(word.as_deref()).are_held_by(container)) {
        let word = word.unwrap_or_default();
        sink.error("TPL0203", profile.span, format!("a {name} file cannot contain {word}"))
            .hint("mp4, mov, mkv and m4a do");
    }
    name_rules(spec, container, sink);
}

fn name_rules(spec: &Node, container: Container, sink: &mut Sink<'_>) {
    let Some(name) = spec.get("name") else { return };
    let ext = name.as_str().and_then(|n| n.rsplit_once('.')).and_then(|(_, ext)| Container::named(ext));
    let expected = container.info().name;
    if ext.is_some_and(|e| e != container && !(e == Container::M4a && container == Container::Mp4)) {
        sink.warning(
            "TPL0213",
            name.span,
            format!("the name does not end in .{expected}, but the container is {expected}"),
        )
        .hint(format!("end the name in .{expected}, or set `container`"));
    }
}

fn no_encoding(node: &Node, what: &str, sink: &mut Sink<'_>) {
    let allowed = ["codec", "tracks"];
    if let Some(entry) = node.entries().iter().find(|e| !allowed.contains(&e.key.as_str())) {
        sink.error("TPL0204", entry.key_span, format!("`{}` does not apply: `remux` does not encode", entry.key))
            .hint("use `transcode`");
    } else if node.get("codec").is_some_and(|c| c.as_str() != Some("copy")) {
        sink.error("TPL0204", node.span, format!("`remux` cannot encode {what}")).hint("use `transcode`");
    }
}

pub(super) fn must_encode(video: &Node, message: &str, sink: &mut Sink<'_>) {
    if is_none(Some(video)) || is_copy(video) {
        sink.error("TPL0204", video.span, message);
    }
}

fn video_rules(codec: VideoCodec, video: &Node, sink: &mut Sink<'_>) {
    if is_copy(video) {
        if let Some(entry) = video.entries().iter().find(|e| e.key != "codec") {
            let message = format!("`{}` does not apply: the video is copied, not encoded", entry.key);
            sink.error("TPL0204", entry.key_span, message);
        }
        return;
    }
    codecs::video_rules(codec, video, sink);
    rate_rules(video, sink);
    treatment::check(codec, video, sink);
    exclusive(video, &["short_side", "long_side"], "TPL0205", sink);
    exclusive(video, &["short_side", "width"], "TPL0205", sink);
    exclusive(video, &["short_side", "height"], "TPL0205", sink);
    exclusive(video, &["long_side", "width"], "TPL0205", sink);
    exclusive(video, &["long_side", "height"], "TPL0205", sink);
    exclusive(video, &["fps", "max_fps"], "TPL0206", sink);
    let boxed = video.get("width").is_some() && video.get("height").is_some();
    if let Some(fit) = video.get("fit").filter(|f| f.as_str() != Some("rescale") && !boxed) {
        sink.error("TPL0205", fit.span, "this `fit` needs both `width` and `height`");
    }
    for key in ["width", "height", "short_side", "long_side"] {
        if let Some(side) = video.get(key).filter(|n| n.as_int().is_some_and(|n| n % 2 != 0)) {
            sink.error("TPL0205", side.span, format!("`{key}` is odd: width and height must be even"));
        }
    }
}

/// Says that two keys cannot stand together.
fn exclusive(node: &Node, keys: &[&str; 2], code: &'static str, sink: &mut Sink<'_>) {
    if let [Some(first), Some(second)] = keys.map(|k| node.entry(k)) {
        let (first, second) = if first.key_span <= second.key_span { (first, second) } else { (second, first) };
        sink.error(code, second.key_span, format!("`{}` and `{}` cannot be used together", first.key, second.key))
            .also(first.key_span, "the other");
    }
}

fn rate_rules(video: &Node, sink: &mut Sink<'_>) {
    let control = video.get("rate_control");
    let word = control.and_then(Node::as_str);
    let bitrate = video.get("bitrate");
    match (word, control, bitrate) {
        (Some("crf"), Some(control), Some(bitrate)) => {
            sink.error("TPL0202", bitrate.span, "`bitrate` does not apply to constant quality")
                .also(control.span, "quality")
                .hint("use `maxrate` and `bufsize` to limit the bit rate");
        }
        (Some(word @ ("abr" | "vbr" | "cbr")), Some(control), None) => {
            sink.error("TPL0202", control.span, format!("`rate_control: {word}` needs a `bitrate`"));
        }
        _ => {}
    }
    if word != Some("crf") {
        exclusive(video, &["crf", "bitrate"], "TPL0202", sink);
    }
    if let (Some(control), Some(crf)) = (control.filter(|_| word.is_some_and(|w| w != "crf")), video.get("crf")) {
        sink.error("TPL0202", crf.span, "`crf` applies only to `rate_control: crf`").also(control.span, "this one");
    }
    let (maxrate, bufsize) = (video.get("maxrate"), video.get("bufsize"));
    if let Some(maxrate) = maxrate.filter(|_| word == Some("cbr")) {
        sink.error("TPL0202", maxrate.span, "`maxrate` does not apply to a constant bit rate");
    }
    if let Some(bufsize) = bufsize.filter(|_| maxrate.is_none() && word != Some("cbr")) {
        sink.error("TPL0201", bufsize.span, "`bufsize` has no effect without `maxrate`")
            .hint("add `maxrate`; half of `bufsize` is usual");
    }
    if let (Some(rate), Some(max), Some(node)) = (bits(video, "bitrate"), bits(video, "maxrate"), maxrate)
        && max < rate
    {
        sink.error("TPL0211", node.span, "`maxrate` is below `bitrate`");
    }
}

fn audio_rules(spec: &Node, audio: &Node, sink: &mut Sink<'_>) {
    if audio.entries().is_empty() {
        return;
    }
    if is_copy(audio) {
        if let Some(entry) = audio.entries().iter().find(|e| !["codec", "tracks"].contains(&e.key.as_str())) {
            let message = format!("`{}` does not apply: the audio is copied, not encoded", entry.key);
            sink.error("TPL0204", entry.key_span, message);
        }
        return;
    }
    sound::rules(audio, sink);
    codecs::audio_rules(encode::audio_codec(spec), audio, sink);
}

pub(super) fn clip_rules(clip: &Node, sink: &mut Sink<'_>) {
    exclusive(clip, &["duration", "end"], "TPL0208", sink);
    let start = clip.get("start").and_then(seconds).unwrap_or(0.0);
    if let Some(end) = clip.get("end").filter(|e| seconds(e).is_some_and(|end| end <= start)) {
        sink.error("TPL0208", end.span, "`end` is not after `start`");
    }
}

fn watermark_rules(spec: &Node, sink: &mut Sink<'_>) {
    overlay::check(spec, "`watermark`", sink);
    if let Some(video) = spec.get("video") {
        must_encode(video, "a watermark needs video that is encoded", sink);
    }
}

fn snapshot_rules(spec: &Node, sink: &mut Sink<'_>) {
    let ways = ["at", "every", "count", "scenes", "best", "animation"];
    for (place, first) in ways.iter().enumerate() {
        for other in &ways[place + 1..] {
            exclusive(spec, &[*first, *other], "TPL0208", sink);
        }
    }
    snapshot::rules(spec, sink);
    for keys in [["short_side", "long_side"], ["short_side", "width"], ["long_side", "width"]] {
        exclusive(spec, &keys, "TPL0205", sink);
    }
    if let (Some(sprite), Some(entry)) =
        (spec.get("sprite"), ["width", "height", "short_side", "long_side"].iter().find_map(|k| spec.entry(k)))
    {
        sink.error("TPL0205", entry.key_span, "set the size of pictures in a sprite sheet under `sprite`")
            .also(sprite.span, "the sprite");
    }
    if let Some(vtt) = spec.get("vtt").filter(|v| v.as_bool() != Some(false) && !snapshot::takes_many(spec)) {
        sink.error("TPL0208", vtt.span, "a thumbnail track needs several pictures")
            .hint("add `every: 10s`, or `count`");
    }
    if let Some(name) = spec.get("name") {
        picture_name_rules(spec, name.as_str().unwrap_or_default(), name.span, sink);
    }
}

fn picture_name_rules(spec: &Node, name: &str, span: Span, sink: &mut Sink<'_>) {
    let numbered = name.contains('#');
    if snapshot::is_series(spec) && !numbered && !is_deferred(name) {
        sink.error("TPL0209", span, "the name of several pictures needs `#` for their number, as in `thumb-###.jpg`")
            .hint("like `shot-#####.jpg`");
    } else if numbered && !snapshot::is_series(spec) {
        sink.error("TPL0209", span, "`#` in the name does not apply to a single picture");
    }
    if name.split('#').filter(|part| !part.is_empty()).count() > 2 {
        sink.error("TPL0209", span, "only one run of `#` is allowed in a name");
    }
    if spec.get("animation").is_some() {
        return;
    }
    let format = snapshot::format(spec);
    let ext = name.rsplit_once('.').map(|(_, ext)| ext).filter(|ext| !is_deferred(name) || !ext.contains(['{', '}']));
    if ext.is_some_and(|ext| !ext.contains('/') && snapshot::format_named(&ext.to_ascii_lowercase()) != Some(format)) {
        let format = snapshot::extension(format);
        sink.warning("TPL0213", span, format!("the name does not end in .{format}, but the format is {format}"))
            .hint("end the name in .jpg, .png or .webp, or set `format`");
    }
}
