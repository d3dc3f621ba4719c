//! Check of a tree against a shape: all mistakes at once.

use std::ops::RangeInclusive;

use super::shape::{Field, Rules};
use super::{Entry, Kind, Node, Shape, Sink, Span, Value, elsewhere, is_deferred, nearest};
use crate::model::units;

/// Checks `node` against `shape`. A text with `${…}` passes wherever a single value is expected: it is checked when
/// it has been rendered.
pub fn check(node: &Node, shape: &'static Shape, sink: &mut Sink<'_>) {
    Check { rules: shape.rules, sink }.value(node, &Kind::Map(shape));
}

/// Values of texts with `${…}` that do not have the form of `shape`, and the expected form. `specimen` gives the
/// value of a text, as far as its form can be known.
pub fn misfits(node: &Node, shape: &'static Shape, specimen: &dyn Fn(&str) -> Option<Value>) -> Vec<(Node, String)> {
    let mut found = Vec::new();
    misfit(node, &Kind::Map(shape), specimen, &mut found);
    found
}

fn misfit(node: &Node, kind: &Kind, specimen: &dyn Fn(&str) -> Option<Value>, found: &mut Vec<(Node, String)>) {
    if let Some(text) = node.as_str().filter(|text| is_deferred(text)) {
        let value = specimen(text).map(|value| Node { span: node.span, value });
        found.extend(value.filter(|value| !fits(value, kind)).map(|value| (value, kind.expected())));
        return;
    }
    match kind {
        Kind::Map(shape) => {
            for entry in node.entries() {
                if let Some(field) = shape.fields.iter().find(|field| field.key == entry.key) {
                    misfit(&entry.value, &field.kind, specimen, found);
                }
            }
        }
        Kind::List { of, .. } => node.elements().iter().for_each(|element| misfit(element, of, specimen, found)),
        Kind::OneOf(kinds) => {
            if let Some(kind) = kinds.iter().find(|kind| fits(node, kind)) {
                misfit(node, kind, specimen, found);
            }
        }
        _ => {}
    }
}

struct Check<'a, 's> {
    rules: &'static Rules,
    sink: &'a mut Sink<'s>,
}

impl Check<'_, '_> {
    fn value(&mut self, node: &Node, kind: &Kind) {
        if !fits(node, kind) {
            self.wrong_kind(node, kind);
            return;
        }
        if node.as_str().is_some_and(is_deferred) {
            match kind {
                Kind::Condition | Kind::OneOf(_) => {}
                Kind::Text { .. } => return,
                Kind::Fixed { .. } => return self.must_be_known(node),
                _ if self.rules.expressions => return,
                _ => return self.must_be_known(node),
            }
        }
        match kind {
            Kind::Bool | Kind::Scalar => {}
            Kind::Int { min, max } => {
                let n = node.as_int().unwrap_or_default();
                self.range(node.span, (*min..=*max).contains(&n), || {
                    format!("{n} is out of range: from {min} to {max}")
                });
            }
            Kind::Number { min, max } => {
                let n = node.as_f64().unwrap_or_default();
                self.range(node.span, (*min..=*max).contains(&n), || {
                    format!("{n} is out of range: from {min} to {max}")
                });
            }
            Kind::Text { max } | Kind::Fixed { max } => self.text(node, *max),
            Kind::Condition => self.condition(node),
            Kind::Duration { min_s, max_s } => {
                if let Some(d) = self.parsed(node, units::parse_duration) {
                    let inside = (*min_s..=*max_s).contains(&d.as_secs_f64());
                    self.range(node.span, inside, || {
                        format!("the duration is out of range: from {min_s} to {max_s} seconds")
                    });
                }
            }
            Kind::FrameRate { max } => {
                if let Some(rate) = self.parsed(node, units::parse_frame_rate) {
                    self.range(node.span, rate.value() <= *max, || format!("{} is above {max}", rate.value()));
                }
            }
            Kind::Percent => drop(self.parsed(node, units::parse_percent)),
            Kind::Gain { min_db, max_db } => {
                if let Some(gain) = self.parsed(node, units::parse_gain) {
                    let inside = (*min_db..=*max_db).contains(&gain);
                    self.range(node.span, inside, || format!("{gain} dB is out of range: from {min_db} to {max_db}"));
                }
            }
            Kind::Bytes => drop(self.parsed(node, units::parse_bytes)),
            Kind::Bits { min, max } => {
                if let Some(n) = self.parsed(node, units::parse_bitrate) {
                    self.bits(node, n, *min..=*max);
                }
            }
            Kind::Color => drop(self.parsed(node, units::parse_color)),
            Kind::Choice(choice) => self.choice(node, choice.now, choice.later),
            Kind::Word(words) => self.choice(node, &words(), &[]),
            Kind::Map(shape) => Check { rules: shape.rules, sink: self.sink }.map(node, shape),
            Kind::Named(kind) => node.entries().iter().for_each(|e| self.value(&e.value, kind)),
            Kind::List { of, max } => self.list(node, of, *max),
            Kind::OneOf(kinds) => {
                let fitting: Vec<_> = kinds.iter().filter(|k| fits(node, k)).collect();
                match (fitting.iter().find(|k| accepts(node, k)), fitting.as_slice()) {
                    (Some(kind), _) => self.value(node, kind),
                    (None, [kind]) => self.only_fitting(node, kind, kinds),
                    (None, [kind, ..]) if node.has_deferred() => self.value(node, kind),
                    (None, several) => self.none_of(node, several),
                }
            }
        }
    }

    fn range(&mut self, span: Span, inside: bool, message: impl FnOnce() -> String) {
        if !inside {
            self.sink.error(self.rules.out_of_range, span, message());
        }
    }

    /// Checks a bit rate. A number without a unit may have been meant as kilobits.
    fn bits(&mut self, node: &Node, n: u64, allowed: RangeInclusive<u64>) {
        if allowed.contains(&n) {
            return;
        }
        let message = format!("{n} is out of range: from {} to {}", allowed.start(), allowed.end());
        let kilo = node.as_f64().and(n.checked_mul(1_000)).filter(|kilo| allowed.contains(kilo));
        self.sink.error(self.rules.out_of_range, node.span, message).hint =
            kilo.map(|_| format!("did you mean `{n}k`?"));
    }

    fn wrong_kind(&mut self, node: &Node, kind: &Kind) {
        let message = format!("expected {}, found {}", kind.expected(), node.kind_name());
        let found = self.sink.error(self.rules.wrong_kind, node.span, message);
        if let (Kind::Map(shape), Some(_)) = (kind, node.as_f64()) {
            found.hint = elsewhere::instead_of_number(shape.id, &node.scalar_text().unwrap_or_default());
        }
    }

    /// Checks a value against the alternative that has its form, and names the others if it is wrong.
    fn only_fitting(&mut self, node: &Node, kind: &Kind, kinds: &[Kind]) {
        let before = self.sink.len();
        self.value(node, kind);
        let others = kinds.iter().filter(|other| !fits(node, other)).map(Kind::expected).collect::<Vec<_>>();
        if let Some(last) = self.sink.last_since(before)
            && last.hint.is_none()
            && !others.is_empty()
        {
            last.hint(format!("it can also be {}", others.join(", or ")));
        }
    }

    fn none_of(&mut self, node: &Node, kinds: &[&Kind]) {
        let expected: Vec<_> = kinds.iter().map(|kind| kind.expected()).collect();
        let text = node.scalar_text().unwrap_or_default();
        self.sink.error(self.rules.wrong_kind, node.span, format!("`{text}` is not {}", expected.join(", or ")));
    }

    fn parsed<T>(&mut self, node: &Node, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        match parse(&node.scalar_text().unwrap_or_default()) {
            Ok(value) => Some(value),
            Err(message) => {
                self.sink.error(self.rules.wrong_kind, node.span, message);
                None
            }
        }
    }

    fn text(&mut self, node: &Node, max: usize) {
        let length = node.scalar_text().map_or(0, |t| t.len());
        self.range(node.span, length <= max, || format!("the text has {length} bytes; at most {max} are allowed"));
        let nul = node.as_str().is_some_and(|t| t.contains('\0'));
        self.range(node.span, !nul, || "the text contains a NUL byte".to_owned());
    }

    fn must_be_known(&mut self, node: &Node) {
        let message = "`${…}` is not allowed here: the value is needed when the definition is loaded";
        self.sink.error(self.rules.wrong_kind, node.span, message);
    }

    fn condition(&mut self, node: &Node) {
        if let Some(inner) = node.as_str().filter(|t| is_deferred(t)) {
            let bare = inner.trim().strip_prefix("${").and_then(|t| t.strip_suffix('}')).unwrap_or("…").to_owned();
            self.sink
                .error(self.rules.wrong_kind, node.span, "a condition is an expression without `${…}`")
                .hint(format!("write {bare}"));
        }
    }

    fn choice(&mut self, node: &Node, now: &[&str], later: &[(&str, &str)]) {
        let word = node.scalar_text().unwrap_or_default();
        if now.contains(&word.as_str()) {
            return;
        }
        if let Some((_, instead)) = later.iter().find(|(later, _)| *later == word) {
            let hint =
                if instead.is_empty() { format!("supported are {}", now.join(", ")) } else { (*instead).to_owned() };
            self.sink
                .error(self.rules.later, node.span, format!("`{word}` is not supported by this version"))
                .hint(hint);
            return;
        }
        self.sink
            .error(self.rules.out_of_range, node.span, format!("`{word}` is not one of {}", now.join(", ")))
            .hint = nearest(&word, now.iter().copied()).map(|n| format!("did you mean `{n}`?"));
    }

    fn list(&mut self, node: &Node, of: &Kind, max: usize) {
        let elements = node.elements();
        self.range(node.span, elements.len() <= max, || {
            format!("the list has {} elements; at most {max} are allowed", elements.len())
        });
        for element in elements.iter().take(max) {
            self.value(element, of);
        }
    }

    fn map(&mut self, node: &Node, shape: &Shape) {
        for entry in node.entries() {
            match shape.fields.iter().find(|f| f.key == entry.key) {
                Some(field) if entry.value.value == Value::Null && !field.required => {
                    if !matches!(field.kind, Kind::Map(_)) {
                        self.wrong_kind(&Node { span: entry.key_span, value: Value::Null }, &field.kind);
                    }
                }
                Some(field) => self.value(&entry.value, &field.kind),
                None => self.unknown(entry, node, shape),
            }
        }
        for field in shape.fields.iter().filter(|f| f.required && node.entry(f.key).is_none()) {
            self.sink
                .error(self.rules.missing_key, node.span, format!("{} has no `{}`", shape.name, field.key))
                .hint(field.doc);
        }
    }

    fn unknown(&mut self, entry: &Entry, within: &Node, shape: &Shape) {
        let (key, span) = (entry.key.as_str(), entry.key_span);
        if let Some((_, instead)) = shape.later.iter().find(|(k, _)| *k == key) {
            self.sink.error(self.rules.later, span, format!("`{key}` is not supported by this version")).hint(*instead);
            return;
        }
        if let Some(parent) = not_indented(key, within, shape) {
            let message = format!("{} has no key `{key}`", shape.name);
            self.sink.error(self.rules.unknown_key, span, message).hint(format!("it belongs to `{parent}`: indent it"));
            return;
        }
        if let Some(instead) = elsewhere::instead(shape.id, key) {
            let message = format!("{} has no key `{key}`", shape.name);
            self.sink.error(self.rules.unknown_key, span, message).hint(instead);
            return;
        }
        let known = || shape.fields.iter().map(|f| f.key);
        self.sink
            .error(self.rules.unknown_key, span, format!("{} has no key `{key}`", shape.name))
            .suggest(nearest(key, known()), || format!("its keys are {}", known().collect::<Vec<_>>().join(", ")));
    }
}

/// Returns the empty key of `node` whose mapping would have `key`: the line of `key` is not indented.
fn not_indented(key: &str, node: &Node, shape: &Shape) -> Option<&'static str> {
    let empty = |field: &&Field| node.entry(field.key).is_some_and(|entry| entry.value.value == Value::Null);
    let takes = |field: &&Field| match field.kind {
        Kind::Map(inner) => inner.fields.iter().any(|inner| inner.key == key),
        _ => false,
    };
    shape.fields.iter().filter(empty).find(takes).map(|field| field.key)
}

/// Returns whether a value has the form of a kind: whether its content is worth judging by it.
fn fits(node: &Node, kind: &Kind) -> bool {
    let text = node.as_str().is_some();
    let number = node.as_f64().is_some();
    let deferred = node.as_str().is_some_and(is_deferred);
    match kind {
        Kind::Bool => node.as_bool().is_some() || deferred,
        Kind::Int { .. } => node.as_int().is_some() || deferred,
        Kind::Number { .. } => number || deferred,
        Kind::Condition => text || node.as_bool().is_some(),
        Kind::Text { .. }
        | Kind::Fixed { .. }
        | Kind::Duration { .. }
        | Kind::Bytes
        | Kind::Bits { .. }
        | Kind::Color
        | Kind::FrameRate { .. } => text || number,
        Kind::Percent | Kind::Gain { .. } => text,
        Kind::Choice(_) | Kind::Word(_) | Kind::Scalar => text || number || node.as_bool().is_some(),
        Kind::Map(_) | Kind::Named(_) => matches!(node.value, Value::Map(_)),
        Kind::List { .. } => matches!(node.value, Value::Seq(_)),
        Kind::OneOf(kinds) => kinds.iter().any(|k| fits(node, k)),
    }
}

/// Returns whether a value has the form of a kind and, for texts with units and words, can be parsed: distinguishes the
/// alternatives of [`Kind::OneOf`].
fn accepts(node: &Node, kind: &Kind) -> bool {
    let text = node.scalar_text();
    let text = text.as_deref().unwrap_or_default();
    fits(node, kind)
        && match kind {
            Kind::Percent => units::parse_percent(text).is_ok(),
            Kind::Gain { .. } => units::parse_gain(text).is_ok(),
            Kind::Duration { .. } => units::parse_duration(text).is_ok(),
            Kind::Bytes => units::parse_bytes(text).is_ok(),
            Kind::Bits { .. } => units::parse_bitrate(text).is_ok(),
            Kind::Color => units::parse_color(text).is_ok(),
            Kind::Choice(choice) => choice.now.contains(&text) || choice.later.iter().any(|(word, _)| *word == text),
            Kind::Word(words) => words().contains(&text),
            _ => true,
        }
}
