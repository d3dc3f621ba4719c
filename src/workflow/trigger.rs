//! Triggers: uploads that start a workflow.

use std::fmt;

use globset::{GlobBuilder, GlobMatcher};

use super::pattern::Pattern;
use super::places;
use crate::model::{InputObject, units};
use crate::yaml::{Node, Sink};

/// Uploads that start a workflow.
#[derive(Clone, Debug)]
pub struct Trigger {
    /// Bucket of the uploads.
    pub bucket: String,
    /// Globs for the key, as written; empty for all keys.
    pub globs: Vec<String>,
    /// Smallest size in bytes.
    pub min_bytes: Option<u64>,
    /// Largest size in bytes.
    pub max_bytes: Option<u64>,
    matchers: Vec<GlobMatcher>,
}

/// Decision whether an upload starts a workflow, with the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MatchReason {
    /// It does, because of this glob (`**` if the trigger has none).
    Matched {
        /// The glob.
        glob: String,
    },
    /// It is in another bucket.
    OtherBucket {
        /// The trigger's.
        expected: String,
    },
    /// No glob matches its key.
    NoGlob {
        /// The trigger's.
        globs: Vec<String>,
    },
    /// It is too small or too large.
    Size {
        /// Its size in bytes.
        size_bytes: u64,
        /// Smallest that matches.
        min_bytes: Option<u64>,
        /// Largest that matches.
        max_bytes: Option<u64>,
    },
}

impl MatchReason {
    /// Returns whether the upload starts the workflow.
    #[must_use]
    pub const fn is_match(&self) -> bool {
        matches!(self, Self::Matched { .. })
    }
}

impl fmt::Display for MatchReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Matched { glob } => write!(f, "the key matches `{glob}`"),
            Self::OtherBucket { expected } => write!(f, "the trigger is for bucket `{expected}`"),
            Self::NoGlob { globs } => write!(f, "the key does not match `{}`", globs.join("`, `")),
            Self::Size { size_bytes, min_bytes, max_bytes } => {
                write!(f, "{size_bytes} bytes are ")?;
                match (min_bytes, max_bytes) {
                    (Some(min), _) if size_bytes < min => write!(f, "below the trigger's minimum of {min}"),
                    (_, Some(max)) => write!(f, "above the trigger's maximum of {max}"),
                    _ => write!(f, "outside the trigger's range"),
                }
            }
        }
    }
}

impl Trigger {
    /// Decides whether an upload starts the workflow. An unknown size matches.
    #[must_use]
    pub fn matches(&self, object: &InputObject) -> MatchReason {
        if object.location.bucket != self.bucket {
            return MatchReason::OtherBucket { expected: self.bucket.clone() };
        }
        let glob = match self.matchers.iter().position(|m| m.is_match(&object.location.key)) {
            Some(index) => self.globs[index].clone(),
            None if self.matchers.is_empty() => "**".to_owned(),
            None => return MatchReason::NoGlob { globs: self.globs.clone() },
        };
        let fits = |size: u64| self.min_bytes.is_none_or(|m| size >= m) && self.max_bytes.is_none_or(|m| size <= m);
        match object.size_bytes {
            Some(size_bytes) if !fits(size_bytes) => {
                MatchReason::Size { size_bytes, min_bytes: self.min_bytes, max_bytes: self.max_bytes }
            }
            _ => MatchReason::Matched { glob },
        }
    }

    /// Returns the keys that match, as patterns.
    pub(super) fn patterns(&self) -> Vec<Pattern> {
        match self.globs.as_slice() {
            [] => Pattern::of_glob("**"),
            globs => globs.iter().flat_map(|g| Pattern::of_glob(g)).collect(),
        }
    }
}

/// Reads `trigger`. Invalid keys are left out; they are reported here or by the check of the shape.
pub(super) fn read(node: &Node, sink: &mut Sink<'_>) -> Option<Trigger> {
    let bucket = node.get("bucket")?;
    places::bucket(bucket, sink);
    let bucket = bucket.scalar_text()?;
    let mut globs = Vec::new();
    let mut matchers = Vec::new();
    for glob in node.get("key").map(Node::elements).unwrap_or_default() {
        let Some(text) = glob.scalar_text() else { continue };
        match matcher(&text) {
            Ok(matcher) => matchers.push(matcher),
            Err(error) => {
                sink.error("WF0106", glob.span, format!("invalid glob: {}", error.kind()))
                    .hint("like `incoming/**/*.{mp4,mov}`");
                continue;
            }
        }
        if text.starts_with('/') {
            sink.warning("WF0107", glob.span, "keys do not begin with `/`, so this glob matches almost no uploads");
        }
        globs.push(text);
    }
    let bytes = |key| {
        let text = node.get("size")?.get(key)?.scalar_text()?;
        units::parse_bytes(&text).ok()
    };
    let (min_bytes, max_bytes) = (bytes("min"), bytes("max"));
    if let (Some(min), Some(max), Some(size)) = (min_bytes, max_bytes, node.get("size"))
        && min > max
    {
        sink.error("WF0104", size.span, "`min` is larger than `max`");
    }
    Some(Trigger { bucket, globs, min_bytes, max_bytes, matchers })
}

fn matcher(glob: &str) -> Result<GlobMatcher, globset::Error> {
    let any_case = any_case_extension(glob);
    Ok(GlobBuilder::new(&any_case).literal_separator(true).backslash_escape(true).build()?.compile_matcher())
}

/// Makes the extension of a glob case-insensitive: `*.{mp4,MOV}` → `*.{[mM][pP]4,[mM][oO][vV]}`.
fn any_case_extension(glob: &str) -> String {
    let name = glob.rfind('/').map_or(0, |i| i + 1);
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | ',' | '{' | '}');
    let tail = glob[name..]
        .rfind(|c| !plain(c))
        .map_or(name, |i| name + i + glob[name + i..].chars().next().map_or(0, char::len_utf8));
    let tail_text = &glob[tail..];
    let start = match tail_text.find('{') {
        Some(brace) if tail_text[..brace].ends_with('.') => brace,
        Some(brace) if tail_text[brace..].contains('.') => brace,
        _ => tail_text.rfind('.').unwrap_or(tail_text.len()),
    };
    let (kept, extension) = glob.split_at(tail + start);
    let either = |c: char| {
        if c.is_ascii_alphabetic() {
            format!("[{}{}]", c.to_ascii_lowercase(), c.to_ascii_uppercase())
        } else {
            c.to_string()
        }
    };
    kept.chars().map(String::from).chain(extension.chars().map(either)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ObjectLocation;

    fn trigger(yaml: &str) -> Trigger {
        let mut sink = Sink::new("t.yaml", yaml);
        let node =
            crate::yaml::parse(&mut sink, super::super::Limits::default().budget(), super::super::compile::PARSE)
                .unwrap();
        read(&node, &mut sink).unwrap()
    }

    fn object(bucket: &str, key: &str, size_bytes: Option<u64>) -> InputObject {
        InputObject {
            location: ObjectLocation { bucket: bucket.to_owned(), key: key.to_owned() },
            size_bytes,
            etag: None,
            version: None,
            metadata: std::collections::BTreeMap::new(),
        }
    }

    #[test]
    fn field_case_06_case_of_extensions_is_ignored() {
        let t = trigger("{ bucket: uploads, key: 'incoming/**/*.{mp4,MOV,mkv}' }");
        for key in ["incoming/a.MOV", "incoming/a.mov", "incoming/x/y/a.Mp4", "incoming/a b.mKv"] {
            assert!(t.matches(&object("uploads", key, None)).is_match(), "{key}");
        }
        for key in ["Incoming/a.mov", "incoming/a.avi", "incoming/a.mp4.part", "x/incoming/a.mp4"] {
            assert!(!t.matches(&object("uploads", key, None)).is_match(), "{key}");
        }
        for (glob, key, expected) in [
            ("*.MOV", "clip.mov", true),
            ("*{.MOV,.mp4}", "clip.mov", true),
            ("Holiday.mov", "Holiday.MOV", true),
            ("Holiday.mov", "holiday.mov", false),
            ("*", "dir/clip.mov", false),
            ("**", "dir/clip.mov", true),
        ] {
            let t = trigger(&format!("{{ bucket: b, key: '{glob}' }}"));
            assert_eq!(t.matches(&object("b", key, None)).is_match(), expected, "{glob} {key}");
        }
    }

    #[test]
    fn reasons_say_why() {
        let t = trigger("{ bucket: uploads, key: ['a/*', 'b/*'], size: { min: 1KiB, max: 1MiB } }");
        for (object, reason) in [
            (object("uploads", "b/x", Some(2_000)), "the key matches `b/*`"),
            (object("uploads", "b/x", None), "the key matches `b/*`"),
            (object("other", "b/x", None), "the trigger is for bucket `uploads`"),
            (object("uploads", "c/x", None), "the key does not match `a/*`, `b/*`"),
            (object("uploads", "a/x", Some(3)), "3 bytes are below the trigger's minimum of 1024"),
            (object("uploads", "a/x", Some(1 << 21)), "2097152 bytes are above the trigger's maximum of 1048576"),
        ] {
            assert_eq!(t.matches(&object).to_string(), reason);
        }
    }
}
