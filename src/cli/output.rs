//! Printing: for people on a terminal, plain into a pipe, JSON where it is asked for.

use std::fmt::Display;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use serde::Serialize;

use super::CliError;

/// Where and how a command prints.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    /// Print JSON.
    pub(super) json: bool,
    /// Standard error is a terminal of a person who likes colours: progress may be drawn.
    pub(super) live: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self { json, live: !json && !plain && std::io::stderr().is_terminal() }
    }

    /// One line on standard output. A reader that has gone away is no error.
    #[expect(clippy::unused_self, reason = "whoever prints has an Output; how lines are printed is its business")]
    pub(super) fn line(self, text: impl Display) {
        let _ = writeln!(std::io::stdout().lock(), "{text}");
    }

    /// One JSON value on one line.
    pub(super) fn json_line(self, value: &impl Serialize) {
        if let Ok(text) = serde_json::to_string(value) {
            self.line(text);
        }
    }

    /// A line for people beside the result, on standard error.
    #[expect(clippy::unused_self, reason = "whoever prints has an Output; how lines are printed is its business")]
    pub(super) fn note(self, text: impl Display) {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }

    /// An error in its one shape; answers the exit code.
    pub(super) fn error(self, error: &CliError) -> ExitCode {
        if self.json {
            let value = serde_json::json!({
                "type": "error",
                "error": { "code": error.code, "message": error.message, "chain": error.chain },
            });
            self.note(value);
        } else {
            self.note(format_args!("error[{}]: {}", error.code, error.message));
            for cause in &error.chain {
                self.note(format_args!("  because: {cause}"));
            }
        }
        error.exit.into()
    }

    /// A table with a head; columns as wide as their widest cell.
    pub(super) fn table<const N: usize>(self, head: [&str; N], rows: &[[String; N]]) {
        let mut widths = head.map(str::len);
        for row in rows {
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
        for row in rows {
            print(row.each_ref().map(String::as_str));
        }
    }
}
