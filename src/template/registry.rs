//! Registry of templates, and the parameters of each.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Serialize;

use super::shapes::{OVERLAY, PRESET, TEMPLATE};
use super::{encode, rules};
use crate::model::Code;
use crate::model::codec::VideoInfo;
use crate::model::plan::ActivityKind;
use crate::yaml::{self, Budget, Diagnostic, Entry, Node, ParseCodes, Sink, Span, Value, nearest};

const PARSE: ParseCodes =
    ParseCodes { syntax: Code::new("TPL0001"), budget: Code::new("TPL0002"), duplicate: Code::new("TPL0003") };
const BUDGET: Budget = Budget { bytes: 256 * 1024, nodes: 10_000, depth: 16 };

/// Code of the use of a template whose own mistakes are told with its file.
pub const BROKEN: Code = Code::new("TPL0013");

/// Longest chain of `extends`.
const MAX_EXTENDS: usize = 16;

/// Keys of a template that are not parameters.
const ABOUT: &[&str] = &["name", "description", "extends", "locked"];

/// Keys of a template and of an activity that set how it encodes.
pub(super) const ENCODING: &[&str] =
    &["container", "video", "audio", "subtitles", "metadata", "chapters", "if_source_lower"];

/// A template.
#[derive(Clone, Debug, PartialEq)]
pub struct Template {
    /// Its name.
    pub name: String,
    /// Purpose.
    pub description: Option<String>,
    /// True if it comes with Reelmill.
    pub preset: bool,
    /// True if activities may not override its parameters.
    pub locked: bool,
    /// Parameters, including those of the template it extends.
    pub parameters: Node,
}

/// Facts about a template, for `template(name)` in expressions. Sizes are those of a 16:9 source; zero where the template
/// leaves them to the source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Facts {
    /// Shorter side in pixels.
    pub short_side: u32,
    /// Longer side in pixels.
    pub long_side: u32,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Video bit rate in bit/s: the average, or the cap of a constant quality.
    pub bitrate: u64,
    /// Audio bit rate in bit/s.
    pub audio_bitrate: u64,
    /// Container: `mp4`.
    pub container: String,
    /// Video codec; empty without video, `copy` for what is taken as it is.
    pub video_codec: String,
    /// Audio codec; empty without audio, `copy` for what is taken as it is.
    pub audio_codec: String,
}

/// Error that a template is missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Stable code.
    pub code: Code,
    /// One sentence.
    pub message: String,
    /// Hint: what to do.
    pub hint: String,
}

/// Every template by its name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Templates {
    by_name: BTreeMap<String, Template>,
    /// Templates with mistakes of their own, and the file of each.
    broken: BTreeMap<String, String>,
}

static PRESETS: LazyLock<(Templates, Vec<Diagnostic>)> = LazyLock::new(|| {
    let text = include_str!("presets.yaml");
    let mut sink = Sink::new("presets.yaml", text);
    let root = yaml::parse(&mut sink, BUDGET, PARSE).unwrap_or(Node::empty_map(Span::default()));
    root.entries().iter().for_each(|e| yaml::check(&e.value, &PRESET, &mut sink));
    let draft =
        |e: &Entry| Draft { name: e.key.clone(), span: e.key_span, node: e.value.clone(), file: 0, preset: true };
    let mut sinks = [sink];
    let mut templates = Templates::default();
    templates.add(root.entries().iter().map(draft).collect(), &mut sinks);
    (templates, sinks.into_iter().flat_map(Sink::finish).collect())
});

/// A template as written, before what it extends is laid under it.
struct Draft {
    name: String,
    span: Span,
    node: Node,
    /// Index of the file it stands in.
    file: usize,
    preset: bool,
}

/// The name that a template file most likely gives: its own, where nobody can know better.
fn stem(file: &str) -> &str {
    let name = file.rsplit_once('/').map_or(file, |(_, name)| name);
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

impl Draft {
    fn extends(&self) -> Option<&Node> {
        self.node.get("extends")
    }
}

impl FromIterator<Template> for Templates {
    fn from_iter<I: IntoIterator<Item = Template>>(templates: I) -> Self {
        let by_name = templates.into_iter().map(|template| (template.name.clone(), template)).collect();
        Self { by_name, broken: BTreeMap::new() }
    }
}

impl Templates {
    /// The built-in templates.
    #[must_use]
    pub fn presets() -> Self {
        PRESETS.0.clone()
    }

    /// The built-in templates and those of `files` (name of each, and text where it can be read), with what is wrong with
    /// the texts. A file with errors adds nothing but the knowledge that its template is broken.
    #[must_use]
    pub fn load(files: &[(&str, Option<&str>)]) -> (Self, Vec<Diagnostic>) {
        let mut templates = Self::presets();
        let mut sinks: Vec<_> = files.iter().map(|(name, text)| Sink::new(name, text.unwrap_or_default())).collect();
        let mut drafts: Vec<Draft> = Vec::new();
        // What files with mistakes extend: wrong or not, they are told all of them.
        let mut bases: Vec<(usize, Node)> = Vec::new();
        for (file, sink) in sinks.iter_mut().enumerate() {
            let (file_name, text) = files[file];
            let node = text.and_then(|_| yaml::parse(sink, BUDGET, PARSE));
            let name = node.as_ref().and_then(|node| node.get("name")?.scalar_text());
            let extends = node.as_ref().and_then(|node| node.get("extends").cloned());
            if let Some(draft) = node.and_then(|node| draft(node, file, &templates, &drafts, sink)) {
                drafts.push(draft);
            } else {
                templates.set_aside(name.as_deref().unwrap_or_else(|| stem(file_name)), file_name);
                bases.extend(extends.map(|extends| (file, extends)));
            }
        }
        templates.add(drafts, &mut sinks);
        for (file, extends) in bases {
            templates.base_exists(&extends, &mut sinks[file]);
        }
        (templates, sinks.into_iter().flat_map(Sink::finish).collect())
    }

    /// Records that `file` has mistakes, so that its template is broken, unless there is another template of that name.
    fn set_aside(&mut self, name: &str, file: &str) {
        if !self.by_name.contains_key(name) {
            self.broken.insert(name.to_owned(), file.to_owned());
        }
    }

    /// The template of that name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Template> {
        self.by_name.get(name)
    }

    /// Every template, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Template> {
        self.by_name.values()
    }

    /// The template of that name, or why there is none and which was perhaps meant.
    pub fn lookup(&self, name: &str) -> Result<&Template, Missing> {
        self.get(name).ok_or_else(|| self.missing(name))
    }

    fn missing(&self, name: &str) -> Missing {
        const COMING: &[&str] = &["nb-", "nbhd-"];
        if let Some(file) = self.broken.get(name) {
            return Missing {
                code: BROKEN,
                message: format!("template `{name}` has errors"),
                hint: format!("correct {file}"),
            };
        }
        let lower = name.to_lowercase();
        let known = || self.by_name.keys().map(String::as_str);
        if let Some(family) = COMING.iter().find(|f| lower.starts_with(**f)) {
            let twin = format!("h264-{}", &lower[family.len()..]);
            let instead = nearest(&twin, known()).unwrap_or("h264-720p");
            return Missing {
                code: Code::new("TPL0007"),
                message: format!("templates `{family}…` are not supported by this version"),
                hint: format!("use `{instead}`"),
            };
        }
        Missing { code: Code::new("TPL0006"), message: format!("unknown template `{name}`"), hint: self.meant(&lower) }
    }

    /// Suggestions for an unknown name, in lower case: one with another word for its codec, one with
    /// a slip of the finger, or those of the same size.
    fn meant(&self, name: &str) -> String {
        const PACKAGED: [&str; 3] = ["hls", "dash", "cmaf"];
        let known = || self.by_name.keys().map(String::as_str);
        let (family, size) = name.rsplit_once('-').unwrap_or(("", name));
        let named = |name: &str| format!("did you mean `{name}`?");
        if let Some(codec) = yaml::synonym(family)
            && let Some(found) = nearest(&format!("{codec}-{size}"), known())
        {
            return named(found);
        }
        let families = known().filter_map(|known| Some(known.rsplit_once('-')?.0));
        let is_family =
            family.is_empty() || families.clone().any(|known| strsim::damerau_levenshtein(known, family) <= 1);
        if let Some(found) = nearest(name, known()).filter(|_| is_family) {
            return named(found);
        }
        let same: Vec<_> = known().filter(|known| known.rsplit_once('-').is_some_and(|(_, of)| of == size)).collect();
        let packaged = PACKAGED.contains(&family).then_some("for HLS, DASH and CMAF, add an activity `package`");
        let listed = match same.as_slice() {
            [] => "`reelmill templates list` shows all templates".to_owned(),
            same => format!("the templates are `{}`", same.iter().take(6).copied().collect::<Vec<_>>().join("`, `")),
        };
        packaged.into_iter().map(str::to_owned).chain([listed]).collect::<Vec<_>>().join("; ")
    }

    /// Adds drafts, each after the one that it extends; `sinks` has one per file.
    fn add(&mut self, drafts: Vec<Draft>, sinks: &mut [Sink<'_>]) {
        let mut waiting = drafts;
        for _ in 0..MAX_EXTENDS {
            let (ready, later): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|draft| self.is_ready(draft));
            waiting = later;
            for draft in ready {
                let (name, sink) = (draft.name.clone(), &mut sinks[draft.file]);
                self.insert(draft, sink);
                self.set_aside(&name, sink.file());
            }
        }
        // What extends something that is not among those that wait waits for nothing.
        let base = |draft: &Draft| draft.extends().and_then(Node::scalar_text).unwrap_or_default();
        while let Some(at) = waiting.iter().position(|draft| waiting.iter().all(|other| other.name != base(draft))) {
            let draft = waiting.remove(at);
            let sink = &mut sinks[draft.file];
            if let Some(extends) = draft.extends() {
                self.base_exists(extends, sink);
            }
            self.set_aside(&draft.name, sink.file());
        }
        for draft in waiting {
            let sink = &mut sinks[draft.file];
            if let Some(extends) = draft.extends() {
                let message =
                    format!("`{}` extends `{}` in a circle, or over too many templates", draft.name, base(&draft));
                sink.error("TPL0008", extends.span, message);
            }
            self.set_aside(&draft.name, sink.file());
        }
    }

    /// Reports that the template that is extended does not exist; if it is broken, the mistakes of its file are reported instead.
    fn base_exists(&self, extends: &Node, sink: &mut Sink<'_>) {
        let Some(base) = extends.scalar_text().filter(|base| !self.broken.contains_key(base)) else { return };
        if let Err(missing) = self.lookup(&base) {
            sink.error(missing.code, extends.span, missing.message).hint(missing.hint);
        }
    }

    fn is_ready(&self, draft: &Draft) -> bool {
        draft.extends().is_none_or(|e| e.scalar_text().is_some_and(|base| self.by_name.contains_key(&base)))
    }

    fn insert(&mut self, draft: Draft, sink: &mut Sink<'_>) {
        let base = draft.extends().and_then(Node::scalar_text).and_then(|base| self.by_name.get(&base));
        if let Some(base) = base.filter(|b| b.locked) {
            sink.error("TPL0009", draft.span, format!("`{}` is locked and cannot be extended", base.name));
            return;
        }
        let own = draft.node.clone().without(ABOUT);
        let parameters = match base {
            Some(base) => overlay_parameters(own, base.parameters.moved_to(draft.span)),
            None => own,
        };
        let watermark = parameters.get("watermark").is_some();
        if watermark && ENCODING.iter().any(|k| parameters.get(k).is_some()) {
            let message = "a template can have parameters of a watermark or of transcoding, not both";
            sink.error("TPL0010", draft.span, message);
            return;
        }
        if !watermark {
            rules::check(ActivityKind::Transcode, &parameters, sink);
        }
        if sink.has_errors() {
            return;
        }
        let template = Template {
            description: draft.node.get("description").and_then(Node::scalar_text),
            locked: draft.node.get("locked").and_then(Node::as_bool).unwrap_or(false),
            preset: draft.preset,
            parameters: parameters.moved_to(Span::default()),
            name: draft.name,
        };
        self.by_name.insert(template.name.clone(), template);
    }
}

impl Template {
    /// Returns whether it is a watermark rather than a way to transcode.
    #[must_use]
    pub fn is_watermark(&self) -> bool {
        self.parameters.get("watermark").is_some()
    }

    /// Facts for expressions.
    #[must_use]
    pub fn facts(&self) -> Facts {
        encode::facts(&self.parameters)
    }
}

/// The template that a file holds; nothing where it has errors.
fn draft(node: Node, file: usize, templates: &Templates, drafts: &[Draft], sink: &mut Sink<'_>) -> Option<Draft> {
    yaml::check(&node, &TEMPLATE, sink);
    let name = node.get("name").filter(|_| !sink.has_errors())?;
    let (text, span) = (name.scalar_text().unwrap_or_default(), name.span);
    if node.has_deferred() {
        sink.error("TPL0012", node.span, "expressions (`${…}`) are not allowed in templates")
            .hint("use the expression in the activity, which overrides its template");
    } else if let Err(message) = good_name(&text) {
        sink.error("TPL0004", span, message);
    } else if templates.by_name.contains_key(&text) || drafts.iter().any(|d| d.name == text) {
        sink.error("TPL0005", span, format!("duplicate template `{text}`"));
    } else {
        return Some(Draft { name: text, span, node, file, preset: false });
    }
    None
}

fn good_name(name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    if !name.is_empty() && name.chars().all(allowed) && name.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return Ok(());
    }
    Err(format!("`{name}` is not a valid name: use lower case letters, digits, `-`, `_` and `.`"))
}

/// Use of a template.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Parameters of the encode.
    Encode,
    /// Image or text.
    Overlay,
}

/// Lays `own` over the template `name`; what comes from the template stands at `span`, where it is named.
pub(super) fn lay_over(
    own: Node,
    name: &str,
    span: Span,
    used: Use,
    templates: &Templates,
    sink: &mut Sink<'_>,
) -> Node {
    let template = match templates.lookup(name) {
        Ok(template) => template,
        Err(missing) => {
            sink.error(missing.code, span, missing.message).hint(missing.hint);
            return own;
        }
    };
    if template.is_watermark() != (used == Use::Overlay) {
        let what = if template.is_watermark() { "a watermark" } else { "a transcoding template" };
        sink.error("TPL0011", span, format!("`{name}` is {what}, which cannot be used here"));
        return own;
    }
    let overridable = |key: &str| match used {
        Use::Encode => ENCODING.contains(&key),
        Use::Overlay => OVERLAY.fields.iter().any(|f| f.key == key),
    };
    if let Some(entry) = own.entries().iter().find(|e| template.locked && overridable(&e.key)) {
        sink.error("TPL0009", entry.key_span, format!("`{name}` is locked: its parameters cannot be overridden"))
            .also(span, "the template");
    }
    let base = template.parameters.moved_to(span);
    let base = base.get("watermark").cloned().unwrap_or(base);
    overlay_parameters(own, base)
}

/// Keys of `video` of which any one in the upper layer makes those of the lower layer meaningless.
const GROUPS: &[(&[&str], &[&str])] = &[
    (&["width", "height", "short_side", "long_side"], &["width", "height", "short_side", "long_side"]),
    (&["fps", "max_fps"], &["fps", "max_fps"]),
    (&["crf"], &["rate_control", "crf", "bitrate"]),
    (&["bitrate", "rate_control"], &["rate_control", "crf", "bitrate", "maxrate", "bufsize"]),
    (&["encoder"], &["preset", "tune", "level", "refs", "passes"]),
];

/// Keys of `video` that speak to one codec's encoder: another codec makes those of the lower layer meaningless.
const OF_A_CODEC: &[&str] = &[
    "encoder",
    "profile",
    "level",
    "preset",
    "tune",
    "rate_control",
    "crf",
    "quality",
    "bitrate",
    "maxrate",
    "bufsize",
    "passes",
    "gop",
    "b_frames",
    "refs",
    "pix_fmt",
];

/// `own` laid over `base`, keys that exclude each other replaced together.
fn overlay_parameters(own: Node, mut base: Node) -> Node {
    let stale = [("video", stale_video(&own, &base)), ("audio", stale_audio(&own, &base))];
    if let Value::Map(entries) = &mut base.value {
        for (key, stale) in stale {
            for entry in entries.iter_mut().filter(|e| e.key == key) {
                let below = std::mem::replace(&mut entry.value, Node::empty_map(entry.key_span));
                entry.value = below.without(&stale);
            }
        }
    }
    own.over(base)
}

/// Keys of `video` in `base` that mean nothing under `own`.
fn stale_video(own: &Node, base: &Node) -> Vec<&'static str> {
    let Some(video) = own.get("video") else { return Vec::new() };
    let stale = GROUPS.iter().filter(|(set, _)| set.iter().any(|k| video.get(k).is_some()));
    let mut stale: Vec<_> = stale.flat_map(|(_, replaced)| replaced.iter().copied()).collect();
    if video.get("codec").is_some() && encode::video_codec(own) != encode::video_codec(base) {
        stale.extend(OF_A_CODEC.iter().filter(|&&key| key != "gop" || !encode::video_codec(own).info().groups));
    } else if let Some(below) = base.get("video") {
        stale.extend(stale_pixels(encode::video_codec(base).info(), video, below));
    }
    stale
}

/// Keys of `below` about pixels (profile, pixel format) that contradict those of `video`.
fn stale_pixels(codec: &VideoInfo, video: &Node, below: &Node) -> Vec<&'static str> {
    let word = |node: &Node, key: &str| node.get(key).and_then(Node::scalar_text);
    let (profile, pixels) = (word(video, "profile"), word(video, "pix_fmt"));
    let deep = word(video, "hdr").as_deref() == Some("keep");
    let of_profile = |name: &str| codec.profiles.iter().find(|(known, _)| *known == name).map(|(_, pixels)| *pixels);
    let mut stale = Vec::new();
    if let Some(below) = word(below, "pix_fmt").filter(|_| pixels.is_none()) {
        let shallow = codec.deep_format(None, Some(&below)).is_none();
        let lacks = profile.as_deref().is_some_and(|profile| {
            // Who asks for a profile of ten bits means its pixels.
            let deeper = shallow && codec.deep_format(Some(profile), None) == of_profile(profile).map(|of| of[0]);
            deeper || of_profile(profile).is_some_and(|of| !of.contains(&below.as_str()))
        });
        if lacks || deep && shallow {
            stale.push("pix_fmt");
        }
    }
    if let Some(below) = word(below, "profile").filter(|_| profile.is_none()) {
        let lacks = pixels.as_deref().zip(of_profile(&below)).is_some_and(|(pixels, of)| !of.contains(&pixels));
        if lacks || deep && codec.deep_format(Some(&below), None).is_none() {
            stale.push("profile");
        }
    }
    stale
}

/// Keys of `audio` in `base` that another codec in `own` does not have.
fn stale_audio(own: &Node, base: &Node) -> Vec<&'static str> {
    let codec = encode::audio_codec(own);
    let named = own.get("audio").is_some_and(|audio| audio.get("codec").is_some());
    if !named || codec == encode::audio_codec(base) {
        return Vec::new();
    }
    let lossless = codec.info().limits.bitrate.is_none();
    [("profile", true), ("bit_depth", true), ("bitrate", lossless)].iter().filter(|k| k.1).map(|k| k.0).collect()
}

#[cfg(test)]
mod tests;
