//! The tree: values with their positions.

use serde_json::Number;

/// A range of bytes in the text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// Makes the span from `start` up to but not including `end`.
    #[must_use]
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// Returns the part of this span from `start` to `end`, both relative to its start.
    #[must_use]
    pub fn part(self, start: usize, end: usize) -> Self {
        let clamp = |n: usize| (self.start + n).min(self.end);
        Self { start: clamp(start), end: clamp(end) }
    }
}

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Position.
    pub span: Span,
    /// Kind.
    pub value: Value,
}

/// Content of a node.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `null`, `~` or nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Text.
    String(String),
    /// A list.
    Seq(Vec<Node>),
    /// A mapping, in the order written.
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Position of the key.
    pub key_span: Span,
    /// The value.
    pub value: Node,
}

/// Returns whether a string holds `${…}` and so has no value before it is rendered.
#[must_use]
pub fn is_deferred(text: &str) -> bool {
    text.contains("${")
}

impl Node {
    /// An empty mapping at `span`.
    #[must_use]
    pub const fn empty_map(span: Span) -> Self {
        Self { span, value: Value::Map(Vec::new()) }
    }

    /// Returns the value of `key` in a mapping; `None` if missing or `null`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Self> {
        self.entry(key).map(|e| &e.value).filter(|n| n.value != Value::Null)
    }

    /// The entry of `key`, in a mapping that has one.
    #[must_use]
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|e| e.key == key)
    }

    /// Entries of a mapping; none for anything else.
    #[must_use]
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// Elements of a list; a single value counts as a list of one.
    #[must_use]
    pub fn elements(&self) -> &[Self] {
        match &self.value {
            Value::Seq(nodes) => nodes,
            _ => std::slice::from_ref(self),
        }
    }

    /// The text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(s) => Some(s),
            _ => None,
        }
    }

    /// The value of a whole number.
    #[must_use]
    pub const fn as_int(&self) -> Option<i64> {
        match self.value {
            Value::Int(n) => Some(n),
            _ => None,
        }
    }

    /// The value of `true` or `false`.
    #[must_use]
    pub const fn as_bool(&self) -> Option<bool> {
        match self.value {
            Value::Bool(b) => Some(b),
            _ => None,
        }
    }

    /// The value of a number.
    #[expect(clippy::cast_precision_loss, reason = "numbers people write are below 2^53")]
    #[must_use]
    pub const fn as_f64(&self) -> Option<f64> {
        match self.value {
            Value::Int(n) => Some(n as f64),
            Value::Float(n) => Some(n),
            _ => None,
        }
    }

    /// A scalar as the text that unit parsers read: `10s`, `2`, `0.5`.
    #[must_use]
    pub fn scalar_text(&self) -> Option<String> {
        match &self.value {
            Value::String(s) => Some(s.clone()),
            Value::Int(n) => Some(n.to_string()),
            Value::Float(n) => Some(n.to_string()),
            Value::Bool(b) => Some(b.to_string()),
            Value::Null | Value::Seq(_) | Value::Map(_) => None,
        }
    }

    /// Returns whether it, or anything below it, is a string with `${…}`.
    #[must_use]
    pub fn has_deferred(&self) -> bool {
        match &self.value {
            Value::String(s) => is_deferred(s),
            Value::Seq(nodes) => nodes.iter().any(Self::has_deferred),
            Value::Map(entries) => entries.iter().any(|e| e.value.has_deferred()),
            _ => false,
        }
    }

    /// Name of its type for people.
    #[must_use]
    pub const fn kind_name(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Int(_) => "a whole number",
            Value::Float(_) => "a number",
            Value::String(_) => "text",
            Value::Seq(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// Returns the same tree with all positions set to `span`.
    #[must_use]
    pub fn moved_to(&self, span: Span) -> Self {
        let value = match &self.value {
            Value::Seq(nodes) => Value::Seq(nodes.iter().map(|n| n.moved_to(span)).collect()),
            Value::Map(entries) => Value::Map(
                entries
                    .iter()
                    .map(|e| Entry { key: e.key.clone(), key_span: span, value: e.value.moved_to(span) })
                    .collect(),
            ),
            scalar => scalar.clone(),
        };
        Self { span, value }
    }

    /// Returns `base` overridden by this mapping: mappings are merged key by key, other values are replaced.
    #[must_use]
    pub fn over(self, base: Self) -> Self {
        let (Value::Map(own), Value::Map(mut merged)) = (&self.value, base.value) else { return self };
        for entry in own {
            match merged.iter_mut().find(|e| e.key == entry.key) {
                Some(existing) => {
                    existing.key_span = entry.key_span;
                    let below = std::mem::replace(&mut existing.value, Self::empty_map(entry.key_span));
                    existing.value = entry.value.clone().over(below);
                }
                None => merged.push(entry.clone()),
            }
        }
        Self { span: self.span, value: Value::Map(merged) }
    }

    /// The same mapping without `keys`.
    #[must_use]
    pub fn without(mut self, keys: &[&str]) -> Self {
        if let Value::Map(entries) = &mut self.value {
            entries.retain(|e| !keys.contains(&e.key.as_str()));
        }
        self
    }

    /// The tree as JSON.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(b) => (*b).into(),
            Value::Int(n) => (*n).into(),
            Value::Float(n) => Number::from_f64(*n).map_or(serde_json::Value::Null, serde_json::Value::Number),
            Value::String(s) => s.clone().into(),
            Value::Seq(nodes) => nodes.iter().map(Self::to_json).collect(),
            Value::Map(entries) => entries.iter().map(|e| (e.key.clone(), e.value.to_json())).collect(),
        }
    }

    /// A tree of JSON, all of it standing nowhere.
    #[must_use]
    pub fn from_json(json: &serde_json::Value) -> Self {
        let value = match json {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(b) => Value::Bool(*b),
            serde_json::Value::Number(n) => match n.as_i64() {
                Some(n) => Value::Int(n),
                None => Value::Float(n.as_f64().unwrap_or(f64::INFINITY)),
            },
            serde_json::Value::String(s) => Value::String(s.clone()),
            serde_json::Value::Array(a) => Value::Seq(a.iter().map(Self::from_json).collect()),
            serde_json::Value::Object(o) => Value::Map(
                o.iter()
                    .map(|(key, v)| Entry { key: key.clone(), key_span: Span::default(), value: Self::from_json(v) })
                    .collect(),
            ),
        };
        Self { span: Span::default(), value }
    }
}
