//! Diagnostics for people: the offending text underlined.

use std::fmt;

use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource};

use super::{Diagnostic, Severity, Span};

/// Draws diagnostics of one file with the lines they stand at.
#[must_use]
pub fn render(diagnostics: &[Diagnostic], source: &str, colour: bool) -> String {
    let theme = if colour { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
    let handler = GraphicalReportHandler::new_themed(theme).with_width(120).with_links(false).with_context_lines(1);
    let mut drawn = String::new();
    for diagnostic in diagnostics {
        if !drawn.is_empty() {
            drawn.push('\n');
        }
        let source = NamedSource::new(&diagnostic.file, source.to_owned());
        if handler.render_report(&mut drawn, &Report { diagnostic, source }).is_err() {
            drawn.push_str(&plain(diagnostic));
        }
    }
    drawn
}

/// One line, for what cannot be drawn.
fn plain(d: &Diagnostic) -> String {
    format!("{}:{}:{}: {}: {}\n", d.file, d.line, d.column, d.code, d.message)
}

#[derive(Debug)]
struct Report<'a> {
    diagnostic: &'a Diagnostic,
    source: NamedSource<String>,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.diagnostic.message)
    }
}

impl std::error::Error for Report<'_> {}

impl miette::Diagnostic for Report<'_> {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.diagnostic.code))
    }

    fn severity(&self) -> Option<miette::Severity> {
        Some(match self.diagnostic.severity {
            Severity::Error => miette::Severity::Error,
            Severity::Warning => miette::Severity::Warning,
        })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.diagnostic.hint.as_ref().map(|h| Box::new(h) as Box<dyn fmt::Display>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        Some(&self.source)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        let label = |span: Span, text: Option<String>| LabeledSpan::new(text, span.start, span.end - span.start);
        let others = self.diagnostic.also.iter().map(move |l| label(l.span, Some(l.message.clone())));
        Some(Box::new(std::iter::once(label(self.diagnostic.span, Some("here".to_owned()))).chain(others)))
    }
}
