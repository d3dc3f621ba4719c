//! Parsing of a text into a tree, within limits.

use std::collections::HashMap;

use serde_yaml::granit_parser::{Event, Parser, ScalarStyle, Tag, options};

use super::{Entry, Node, Sink, Span, Value};
use crate::model::Code;

/// Limits of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes of text.
    pub bytes: usize,
    /// Values and keys, those that aliases repeat included.
    pub nodes: usize,
    /// Lists and mappings within each other.
    pub depth: usize,
}

/// Codes of what can be wrong with the text itself.
#[derive(Clone, Copy, Debug)]
pub struct ParseCodes {
    /// It is not YAML.
    pub syntax: Code,
    /// It is larger, deeper or more repetitive than the budget.
    pub budget: Code,
    /// A key stands twice in one mapping.
    pub duplicate: Code,
}

/// Reads one document. Answers `None`, and says why in `sink`, where there is no tree to go on with.
pub fn parse(sink: &mut Sink<'_>, budget: Budget, codes: ParseCodes) -> Option<Node> {
    let text = sink.text();
    if text.len() > budget.bytes {
        let message = format!("the file has {} bytes; at most {} are allowed", text.len(), budget.bytes);
        sink.error(codes.budget, Span::default(), message);
        return None;
    }
    let mut builder = Builder {
        text,
        budget,
        codes,
        nodes: 0,
        depth: 0,
        anchors: HashMap::new(),
        sink,
        parser: events(text, codes.syntax),
    };
    let root = match builder.document() {
        Ok(node) => node,
        Err(Stop { code, span, message }) => {
            sink.error(code, span, message).hint = unquoted(text, span).map(str::to_owned);
            return None;
        }
    };
    if root.is_none() {
        sink.error(codes.syntax, Span::default(), "the file is empty");
    }
    root
}

fn events(text: &str, code: Code) -> impl Iterator<Item = Result<(Event<'_>, Span), Stop>> {
    let options = options! { emit_comments: false, flow_nesting_limit: 64, block_nesting_limit: 64 };
    Parser::new_from_str_with_options(text, options).map(move |event| match event {
        Ok((event, span)) => Ok((event, span.byte_range().map_or(Span::default(), |r| Span::new(r.start, r.end)))),
        Err(e) => {
            let at = e.marker().byte_offset().unwrap_or(text.len()).min(text.len());
            let rest = text.get(at..).unwrap_or_default();
            let end = at + rest.chars().next().map_or(0, char::len_utf8);
            Err(Stop { code, span: Span::new(at, end), message: format!("invalid YAML: {}", e.info()) })
        }
    })
}

/// Hint for a line that cannot be parsed: quotes around characters that have a meaning in YAML.
fn unquoted(text: &str, span: Span) -> Option<&'static str> {
    let start = text.get(..span.start)?.trim_end_matches('\n').rfind('\n').map_or(0, |i| i + 1);
    let line = text.get(start..)?.lines().next()?;
    if line.trim_start_matches(' ').starts_with('\t') {
        return Some("indent with spaces, not with tabs");
    }
    // Every second part stands between quotes.
    let bare: String = line.split(['"', '\'']).step_by(2).collect();
    [
        ("${", "write texts with `${…}` in quotes, like \"${object.stem}.mp4\""),
        ("{{", "expressions are written in quotes, like \"${object.stem}.mp4\""),
        ("*", "write texts that begin with `*` in quotes, like \"*.mp4\""),
    ]
    .iter()
    .find(|(mark, _)| bare.contains(mark))
    .map(|(_, hint)| *hint)
}

/// Reason why no tree can be built.
struct Stop {
    code: Code,
    span: Span,
    message: String,
}

struct Builder<'a, 's, 't, I> {
    text: &'t str,
    budget: Budget,
    codes: ParseCodes,
    nodes: usize,
    depth: usize,
    anchors: HashMap<usize, (Node, usize)>,
    sink: &'a mut Sink<'s>,
    parser: I,
}

impl<'t, I: Iterator<Item = Result<(Event<'t>, Span), Stop>>> Builder<'_, '_, 't, I> {
    fn document(&mut self) -> Result<Option<Node>, Stop> {
        let mut root = None;
        loop {
            let Some((event, span)) = self.next()? else { return Ok(root) };
            match event {
                Event::DocumentStart(..) if root.is_some() => {
                    return Err(self.syntax(span, "only one document per file is allowed: split the file at `---`"));
                }
                Event::StreamStart | Event::StreamEnd | Event::DocumentStart(..) | Event::DocumentEnd => {}
                event => root = Some(self.node(event, span)?),
            }
        }
    }

    fn next(&mut self) -> Result<Option<(Event<'t>, Span)>, Stop> {
        self.parser.next().transpose()
    }

    fn must_next(&mut self, span: Span) -> Result<(Event<'t>, Span), Stop> {
        self.next()?.ok_or_else(|| self.syntax(span, "this has no end"))
    }

    fn syntax(&self, span: Span, message: &str) -> Stop {
        Stop { code: self.codes.syntax, span, message: message.to_owned() }
    }

    fn count(&mut self, nodes: usize, span: Span) -> Result<(), Stop> {
        self.nodes += nodes;
        if self.nodes <= self.budget.nodes {
            return Ok(());
        }
        let message =
            format!("the file has more than {} values, including those repeated by aliases", self.budget.nodes);
        Err(Stop { code: self.codes.budget, span, message })
    }

    fn enter(&mut self, span: Span) -> Result<(), Stop> {
        self.depth += 1;
        if self.depth <= self.budget.depth {
            return Ok(());
        }
        let message = format!("more than {} lists and mappings are nested", self.budget.depth);
        Err(Stop { code: self.codes.budget, span, message })
    }

    fn node(&mut self, event: Event<'t>, span: Span) -> Result<Node, Stop> {
        let before = self.nodes;
        self.count(1, span)?;
        let (anchor, node) = match event {
            Event::Scalar(text, style, anchor, tag) => (anchor, self.scalar(&text, style, tag.as_deref(), span)?),
            Event::SequenceStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), span)?;
                (anchor, self.sequence(span)?)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.refuse_tag(tag.as_deref(), span)?;
                (anchor, self.mapping(span)?)
            }
            Event::Alias(id) => return self.alias(id, span),
            _ => return Err(self.syntax(span, "a value is missing here")),
        };
        if anchor != 0 {
            self.anchors.insert(anchor, (node.clone(), self.nodes - before));
        }
        Ok(node)
    }

    fn alias(&mut self, id: usize, span: Span) -> Result<Node, Stop> {
        let Some(size) = self.anchors.get(&id).map(|(_, size)| *size) else {
            return Err(self.syntax(span, "an alias cannot be inside the value that it repeats"));
        };
        self.count(size, span)?;
        Ok(self.anchors[&id].0.moved_to(span))
    }

    fn sequence(&mut self, start: Span) -> Result<Node, Stop> {
        self.enter(start)?;
        let mut nodes = Vec::new();
        loop {
            let (event, span) = self.must_next(start)?;
            if matches!(event, Event::SequenceEnd) {
                self.depth -= 1;
                return Ok(Node { span: self.cover(start, span), value: Value::Seq(nodes) });
            }
            nodes.push(self.node(event, span)?);
        }
    }

    fn mapping(&mut self, start: Span) -> Result<Node, Stop> {
        self.enter(start)?;
        let mut entries: Vec<Entry> = Vec::new();
        loop {
            let (event, key_span) = self.must_next(start)?;
            let key = match event {
                Event::MappingEnd => {
                    self.depth -= 1;
                    return Ok(Node { span: self.cover(start, key_span), value: Value::Map(entries) });
                }
                Event::Scalar(key, ..) => key.into_owned(),
                _ => return Err(self.syntax(key_span, "a key must be a word, not a list, a mapping or an alias")),
            };
            let (event, span) = self.must_next(start)?;
            let value = self.node(event, span)?;
            match entries.iter().find(|e| e.key == key) {
                Some(first) => {
                    let first = first.key_span;
                    self.sink
                        .error(self.codes.duplicate, key_span, format!("duplicate key `{key}`"))
                        .also(first, "first here");
                }
                None => entries.push(Entry { key, key_span, value }),
            }
        }
    }

    /// From a start to an end, without the blank space that follows it.
    fn cover(&self, start: Span, end: Span) -> Span {
        let whole = self.text.get(start.start..end.end.max(start.end)).unwrap_or("");
        Span::new(start.start, start.start + whole.trim_end().len())
    }

    fn refuse_tag(&self, tag: Option<&Tag>, span: Span) -> Result<(), Stop> {
        match tag {
            None => Ok(()),
            Some(_) => Err(self.syntax(span, "tags (`!…`) are not supported: write the value itself")),
        }
    }

    fn scalar(&self, text: &str, style: ScalarStyle, tag: Option<&Tag>, span: Span) -> Result<Node, Stop> {
        self.refuse_tag(tag, span)?;
        let value = if style == ScalarStyle::Plain { plain(text) } else { Value::String(text.to_owned()) };
        Ok(Node { span: self.cover(span, span), value })
    }
}

/// A plain scalar by the YAML 1.2 core schema.
fn plain(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.')) {
        return Value::String(text.to_owned());
    }
    let whole = match (text.strip_prefix("0x"), text.strip_prefix("0o")) {
        (Some(hex), _) if hex.starts_with(|c: char| c.is_ascii_hexdigit()) => i64::from_str_radix(hex, 16).ok(),
        (_, Some(octal)) if octal.starts_with(|c: char| c.is_ascii_digit()) => i64::from_str_radix(octal, 8).ok(),
        _ => text.parse().ok(),
    };
    if let Some(n) = whole {
        return Value::Int(n);
    }
    let looks_like_number = text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | 'e' | 'E'));
    match text.parse::<f64>() {
        Ok(n) if looks_like_number && n.is_finite() => Value::Float(n),
        _ => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    const CODES: ParseCodes =
        ParseCodes { syntax: Code::new("TEST0001"), budget: Code::new("TEST0002"), duplicate: Code::new("TEST0003") };
    const BUDGET: Budget = Budget { bytes: 100_000, nodes: 1_000, depth: 20 };

    fn read(text: &str) -> (Option<Node>, Vec<(Code, usize, usize)>) {
        let mut sink = Sink::new("test.yaml", text);
        let node = parse(&mut sink, BUDGET, CODES);
        (node, sink.finish().iter().map(|d| (d.code, d.line, d.column)).collect())
    }

    #[test]
    fn keys_and_values_know_where_they_stand() {
        let text = "a: 1\nbé:\n  - \"x\"\n  - {c: 2.5, d: yes}\n";
        let (node, found) = read(text);
        let node = node.unwrap();
        assert!(found.is_empty());
        let slice = |s: Span| &text[s.start..s.end];
        assert_eq!(slice(node.entry("bé").unwrap().key_span), "bé");
        let list = node.get("bé").unwrap().elements();
        assert_eq!(slice(list[0].span), "\"x\"");
        assert_eq!(slice(list[1].span), "{c: 2.5, d: yes}");
        assert_eq!(list[1].get("c").unwrap().as_f64(), Some(2.5));
        assert_eq!(list[1].get("d").unwrap().as_str(), Some("yes"));
        assert_eq!(slice(node.get("bé").unwrap().span), "- \"x\"\n  - {c: 2.5, d: yes}");
    }

    #[test]
    fn scalars_follow_the_core_schema() {
        for (text, value) in [
            ("~", Value::Null),
            ("True", Value::Bool(true)),
            ("0x1F", Value::Int(31)),
            ("-7", Value::Int(-7)),
            ("1e3", Value::Float(1000.0)),
            ("'12'", Value::String("12".into())),
            ("10s", Value::String("10s".into())),
            ("1.2.3", Value::String("1.2.3".into())),
            (".inf", Value::String(".inf".into())),
            ("2.5M", Value::String("2.5M".into())),
        ] {
            assert_eq!(read(text).0.unwrap().value, value, "{text}");
        }
    }

    #[test]
    fn a_bomb_of_aliases_stops_at_the_budget() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for i in 1..12 {
            let before = i - 1;
            let again = vec![format!("*a{before}"); 10].join(", ");
            writeln!(bomb, "a{i}: &a{i} [{again}]").unwrap();
        }
        let (node, found) = read(&bomb);
        assert!(node.is_none());
        assert_eq!(found.iter().map(|f| f.0).collect::<Vec<_>>(), ["TEST0002"]);
    }

    #[test]
    fn what_is_too_deep_or_too_large_stops_at_the_budget() {
        for text in ["[".repeat(1_000), "- ".repeat(1_000), "{a: ".repeat(200), "x".repeat(100_001)] {
            let (node, found) = read(&text);
            assert!(node.is_none());
            assert_eq!(found.len(), 1, "{found:?}");
        }
        assert_eq!(read(&("[".repeat(40) + &"]".repeat(40))).1[0].0, "TEST0002");
    }

    #[test]
    fn one_mistake_of_syntax_is_one_diagnostic() {
        for (text, line) in [("a: [1, 2\nb: 3\n", 2), ("a: b: c\n", 1), ("a: *nowhere", 1), ("", 1)] {
            let (node, found) = read(text);
            assert!(node.is_none(), "{text}");
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert_eq!((found[0].0.as_str(), found[0].1), ("TEST0001", line), "{text}");
        }
    }

    #[test]
    fn newcomer_texts_that_need_quotes_are_told_so() {
        for (text, hint) in [
            ("a: { name: ${object.stem}.mp4 }", "write texts with `${…}` in quotes, like \"${object.stem}.mp4\""),
            ("a:\n  b: 1\n  key: *.mp4\n", "write texts that begin with `*` in quotes, like \"*.mp4\""),
            ("key: [*.mp4]\n", "write texts that begin with `*` in quotes, like \"*.mp4\""),
            ("name: {{ object.stem }}.mp4", "expressions are written in quotes, like \"${object.stem}.mp4\""),
            ("a:\n\tb: 1", "indent with spaces, not with tabs"),
        ] {
            let mut sink = Sink::new("test.yaml", text);
            parse(&mut sink, BUDGET, CODES);
            let found = sink.finish();
            assert_eq!(found.first().and_then(|d| d.hint.as_deref()), Some(hint), "{text}: {found:?}");
        }
        let mut sink = Sink::new("test.yaml", "a: [\"${x}\", '*.mp4'\nb: 1");
        parse(&mut sink, BUDGET, CODES);
        assert!(sink.finish().iter().all(|d| d.hint.is_none()), "what is in quotes is not at fault");
    }

    #[test]
    fn a_key_that_stands_twice_is_told_and_reading_goes_on() {
        let (node, found) = read("a: 1\nb: 2\na: 3\n");
        assert_eq!(found, [(Code::new("TEST0003"), 3, 1)]);
        assert_eq!(node.unwrap().get("a").unwrap().as_int(), Some(1));
    }
}
