//! Printing: for people on a terminal, plain into a pipe, JSON where it is asked for.
//!
//! **Invariant**: a printed line is one line without control characters: keys, names and messages come from anyone who may
//! upload.

use std::borrow::Cow;
use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::CliError;
use crate::yaml;

/// Output of a command.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    /// Print JSON.
    pub(super) json: bool,
    /// Standard error is a terminal, and `NO_COLOR` is not set: progress bars may be drawn.
    pub(super) live: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { json, live: !json && !plain && std::io::stderr().is_terminal() }
    }

    /// Prints one line on standard output. A closed pipe is not an error.
    pub(super) fn line(self, text: impl Display) {
        self.block(harmless(&text.to_string()));
    }

    /// Prints trusted text on standard output unchanged: JSON, YAML, a graph.
    #[expect(clippy::unused_self, reason = "whoever prints has an Output; how lines are printed is its business")]
    pub(super) fn block(self, text: impl Display) {
        let _ = writeln!(std::io::stdout().lock(), "{text}");
    }

    /// Prints one JSON value on one line.
    pub(super) fn json_line(self, value: &impl Serialize) {
        if let Ok(text) = serde_json::to_string(value) {
            self.block(ascii_controls(&text));
        }
    }

    /// Prints one JSON value for people, indented.
    pub(super) fn json_block(self, value: &serde_json::Value) {
        self.block(ascii_controls(&format!("{value:#}")));
    }

    /// Prints a line for people on standard error.
    pub(super) fn note(self, text: impl Display) {
        self.note_block(harmless(&text.to_string()));
    }

    /// Prints trusted text on standard error unchanged, including colours.
    #[expect(clippy::unused_self, reason = "whoever prints has an Output; how lines are printed is its business")]
    pub(super) fn note_block(self, text: impl Display) {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }

    /// Prints an error, and returns its exit code.
    pub(super) fn error(self, error: &CliError) -> ExitCode {
        if self.json {
            let value = serde_json::json!({
                "type": "error",
                "error": { "code": error.code, "message": error.message, "chain": error.chain },
            });
            self.note_block(value);
        } else {
            if let Some((mistakes, text)) = &error.drawing {
                self.note_block(yaml::render(mistakes, text, self.live));
            }
            // Messages about arguments have several lines; indent all after the first.
            let mut lines = error.message.split('\n');
            self.note(format_args!("error[{}]: {}", error.code, lines.next().unwrap_or_default()));
            lines.for_each(|line| self.note(format_args!("  {line}").to_string().trim_end()));
            for cause in error.chain.iter().filter(|_| error.drawing.is_none()) {
                self.note(format_args!("  because: {cause}"));
            }
        }
        error.exit.into()
    }

    /// Prints a table with a head; columns are as wide as their widest cell.
    pub(super) fn table<const N: usize>(self, head: [&str; N], rows: &[[String; N]]) {
        let rows: Vec<[Cow<'_, str>; N]> = rows.iter().map(|row| row.each_ref().map(|cell| harmless(cell))).collect();
        let mut widths = head.map(str::len);
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let print = |cells: [&str; N]| {
            let mut line = String::new();
            for (cell, width) in cells.iter().zip(widths) {
                line.push_str(cell);
                line.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count()) + 2));
            }
            self.line(line.trim_end());
        };
        print(head);
        for row in &rows {
            print(row.each_ref().map(AsRef::as_ref));
        }
    }
}

/// Escapes control characters.
pub(super) fn harmless(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if c.is_control() {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Escapes control characters in JSON that `serde_json` leaves unescaped: DEL and those above ASCII.
fn ascii_controls(json: &str) -> Cow<'_, str> {
    let left = |c: char| c.is_control() && c >= '\u{7f}';
    if !json.contains(left) {
        return Cow::Borrowed(json);
    }
    let escape = |c: char| if left(c) { format!("\\u{:04x}", u32::from(c)) } else { c.into() };
    Cow::Owned(json.chars().map(escape).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_keeps_its_value_without_control_characters() {
        let value = serde_json::json!({ "key": "a\u{1b}\u{7f}\u{9b}é" });
        let text = value.to_string();
        let shown = ascii_controls(&text);
        assert!(!shown.contains(char::is_control), "{shown:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }

    #[test]
    fn what_others_write_neither_commands_the_terminal_nor_forges_a_line() {
        assert_eq!(harmless("in/a clip é.mp4"), "in/a clip é.mp4");
        assert_eq!(harmless("in/\u{1b}[31mred\nforged\u{9b}.mp4"), r"in/\u{1b}[31mred\nforged\u{9b}.mp4");
    }
}
