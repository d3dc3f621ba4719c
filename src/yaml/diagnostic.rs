//! Diagnostics: mistakes of a text, with their positions.

use serde::{Serialize, Serializer};

use super::{Node, Span};
use crate::model::{Code, Failure, failure};

/// Severity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The definition cannot be used.
    Error,
    /// The definition can be used, but is probably not what was intended.
    Warning,
}

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Range of the text, in bytes of the file.
    pub span: Span,
    /// Line of its beginning, from 1.
    pub line: usize,
    /// Column of its beginning in characters, from 1.
    pub column: usize,
}

impl Default for Place {
    /// The beginning.
    fn default() -> Self {
        Self { span: Span::default(), line: 1, column: 1 }
    }
}

/// An error or a warning.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// Severity.
    pub severity: Severity,
    /// Stable code with an entry in `docs/errors.md`, such as `WF0103`.
    pub code: Code,
    /// One sentence.
    pub message: String,
    /// Name of the file.
    pub file: String,
    /// The offending text, as bytes of the file.
    #[serde(serialize_with = "span")]
    pub span: Span,
    /// Line of its beginning, from 1.
    pub line: usize,
    /// Column of its beginning in characters, from 1.
    pub column: usize,
    /// Hint: what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Related places in the same file.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Label>,
}

/// A place that is related to a diagnostic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Label {
    /// The place.
    #[serde(serialize_with = "span")]
    pub span: Span,
    /// Content.
    pub message: String,
}

fn span<S: Serializer>(span: &Span, serializer: S) -> Result<S::Ok, S::Error> {
    (span.start, span.end).serialize(serializer)
}

impl Diagnostic {
    /// Makes a diagnostic at a known place.
    #[must_use]
    pub fn at(severity: Severity, code: impl Into<Code>, file: &str, place: Place, message: String) -> Self {
        let Place { span, line, column } = place;
        let code = code.into();
        Self { severity, code, message, file: file.to_owned(), span, line, column, hint: None, also: Vec::new() }
    }

    /// Returns whether it is an error.
    #[must_use]
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// Returns all of it on one line: `vod.yaml:3:5: WF0103: …`.
    #[must_use]
    pub fn sentence(&self) -> String {
        let hint = self.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
        format!("{}:{}:{}: {}: {}{hint}", self.file, self.line, self.column, self.code, self.message)
    }

    /// Sets the suggestion for the user.
    pub fn hint(&mut self, hint: impl Into<String>) -> &mut Self {
        self.hint = Some(hint.into());
        self
    }

    /// Suggests `nearest`, if there is one, else `otherwise`.
    pub fn suggest(&mut self, nearest: Option<&str>, otherwise: impl FnOnce() -> String) -> &mut Self {
        self.hint(nearest.map_or_else(otherwise, |n| format!("did you mean `{n}`?")))
    }

    /// Adds a related place.
    pub fn also(&mut self, span: Span, message: impl Into<String>) -> &mut Self {
        self.also.push(Label { span, message: message.into() });
        self
    }

    /// Returns it as a failure, for values that are known only when an execution runs.
    #[must_use]
    pub fn to_failure(&self) -> Failure {
        let hint = self.hint.as_ref().map(|h| format!(" ({h})")).unwrap_or_default();
        Failure::new(self.code, failure::Class::Fatal, failure::Blame::Definition, format!("{}{hint}", self.message))
    }
}

/// Collects the diagnostics of one file.
#[derive(Debug)]
pub struct Sink<'a> {
    file: &'a str,
    text: &'a str,
    found: Vec<Diagnostic>,
}

impl<'a> Sink<'a> {
    /// Makes an empty collection.
    #[must_use]
    pub const fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, found: Vec::new() }
    }

    /// The name of the file.
    #[must_use]
    pub const fn file(&self) -> &'a str {
        self.file
    }

    /// The text of the file.
    #[must_use]
    pub const fn text(&self) -> &'a str {
        self.text
    }

    /// Position of a part of the text of `node`, in bytes of that text: exact if it is written as it is, at the
    /// whole value where it is not (escapes, folded lines, templates).
    #[must_use]
    pub fn within(&self, node: &Node, start: usize, end: usize) -> Span {
        let written = self.text.get(node.span.start..node.span.end).unwrap_or_default();
        let Some(text) = node.as_str() else { return node.span };
        if written == text {
            return node.span.part(start, end);
        }
        let quoted = written.len() == text.len() + 2 && written.get(1..).is_some_and(|w| w.starts_with(text));
        if quoted { node.span.part(start + 1, end + 1) } else { node.span }
    }

    /// Position of a span.
    #[must_use]
    pub fn place(&self, span: Span) -> Place {
        let (line, column) = position(self.text, span.start);
        Place { span, line, column }
    }

    /// Adds an error.
    pub fn error(&mut self, code: impl Into<Code>, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Severity::Error, code, span, message.into())
    }

    /// Adds a warning.
    pub fn warning(&mut self, code: impl Into<Code>, span: Span, message: impl Into<String>) -> &mut Diagnostic {
        self.push(Severity::Warning, code, span, message.into())
    }

    /// Returns whether an error was found.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.found.iter().any(Diagnostic::is_error)
    }

    /// Number of diagnostics.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.found.len()
    }

    /// Returns the last diagnostic, if there are more than `before`.
    pub fn last_since(&mut self, before: usize) -> Option<&mut Diagnostic> {
        if self.found.len() > before { self.found.last_mut() } else { None }
    }

    /// Returns whether nothing was found.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Diagnostics in the order of the text, each once.
    #[must_use]
    pub fn finish(self) -> Vec<Diagnostic> {
        let mut found = self.found;
        found.sort_by(|a, b| (a.span, a.code, &a.message).cmp(&(b.span, b.code, &b.message)));
        found.dedup_by(|a, b| (a.span, a.code, &a.message) == (b.span, b.code, &b.message));
        found
    }

    fn push(&mut self, severity: Severity, code: impl Into<Code>, span: Span, message: String) -> &mut Diagnostic {
        self.found.push(Diagnostic::at(severity, code, self.file, self.place(span), message));
        let last = self.found.len() - 1;
        &mut self.found[last]
    }
}

/// Line and column, from 1, of the byte at `offset`.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |i| i + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}
