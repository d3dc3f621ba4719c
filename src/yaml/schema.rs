//! Shapes as a JSON Schema, for editors.

use schemars::Schema;
use serde_json::{Map, Value, json};

use super::{Field, Kind, Shape};

/// The JSON Schema (draft 2020-12) of a file whose top is `shape`.
#[must_use]
pub fn schema(shape: &Shape, title: &str) -> Schema {
    let mut definitions = Map::new();
    let mut root = object(shape, &mut definitions);
    root.insert("$schema".to_owned(), "https://json-schema.org/draft/2020-12/schema".into());
    root.insert("title".to_owned(), title.into());
    definitions.sort_keys();
    root.insert("$defs".to_owned(), definitions.into());
    root.into()
}

fn object(shape: &Shape, definitions: &mut Map<String, Value>) -> Map<String, Value> {
    let properties: Map<_, _> = shape
        .fields
        .iter()
        .map(|f| (f.key.to_owned(), property(f, shape.rules.expressions, definitions).into()))
        .collect();
    let required: Vec<_> = shape.fields.iter().filter(|f| f.required).map(|f| f.key).collect();
    let mut object = one("description", shape.doc.into())
        .with("type", "object".into())
        .with("properties", properties.into())
        .with("additionalProperties", false.into());
    if !required.is_empty() {
        object.insert("required".to_owned(), required.into());
    }
    object
}

fn property(field: &Field, expressions: bool, definitions: &mut Map<String, Value>) -> Map<String, Value> {
    let mut property = value(&field.kind, expressions, definitions);
    // A mapping without keys may be left out altogether: `analysis:`.
    if matches!(field.kind, Kind::Map(_)) && !field.required {
        property = alternatives([property, one("type", "null".into())]);
    }
    property.with("description", field.doc.into())
}

/// The schema of a kind of value; `expressions`: a text with `${…}` may stand for it.
fn value(kind: &Kind, expressions: bool, definitions: &mut Map<String, Value>) -> Map<String, Value> {
    let scalar = match kind {
        Kind::Bool => one("type", "boolean".into()),
        Kind::Int { min, max } => bounds("integer", json!(min), json!(max)),
        Kind::Number { min, max } => bounds("number", json!(min), json!(max)),
        Kind::Duration { .. } => number_or(r"^\s*(\d+(\.\d+)?\s*(ms|s|min|m|h|d)\s*)+$|^\s*\d+(\.\d+)?\s*$"),
        Kind::FrameRate { .. } => number_or(r"^\s*\d+(\.\d+)?\s*(/\s*\d+\s*)?$"),
        Kind::Percent => one("type", "string".into()).with("pattern", r"^\s*\d+(\.\d+)?\s*%\s*$".into()),
        Kind::Gain { .. } => {
            one("type", "string".into()).with("pattern", r"^\s*[+-]?\s*\d+(\.\d+)?\s*(dB|db|DB)\s*$".into())
        }
        Kind::Bytes => number_or(r"^\s*\d+(\.\d+)?\s*([kKMGT]i?)?B?\s*$"),
        Kind::Bits { .. } => number_or(r"^\s*\d+(\.\d+)?\s*[kKMmG]?\s*$"),
        Kind::Color => one("type", "string".into()).with("pattern", r"^\s*(#[0-9A-Fa-f]{6}|[A-Za-z]+)\s*$".into()),
        Kind::Choice(choice) => one("enum", words(choice.now)),
        Kind::Word(known) => one("enum", words(&known())),
        Kind::Text { .. } | Kind::Fixed { .. } => return one("type", json!(["string", "number"])),
        Kind::Condition => return one("type", json!(["string", "boolean"])),
        Kind::Scalar => return one("type", json!(["string", "number", "boolean"])),
        Kind::Map(shape) => {
            if !definitions.contains_key(shape.id) {
                definitions.insert(shape.id.to_owned(), Value::Null);
                let object = object(shape, definitions);
                definitions.insert(shape.id.to_owned(), object.into());
            }
            return one("$ref", format!("#/$defs/{}", shape.id).into());
        }
        Kind::Named(kind) => {
            let named = value(kind, expressions, definitions);
            return one("type", "object".into()).with("additionalProperties", named.into());
        }
        Kind::List { of, max } => {
            let items = value(of, expressions, definitions);
            return one("type", "array".into()).with("items", items.into()).with("maxItems", json!(max));
        }
        Kind::OneOf(kinds) => {
            let options: Vec<_> = kinds.iter().map(|k| value(k, false, definitions)).collect();
            return alternatives(options.into_iter().chain(expressions.then(expression)));
        }
    };
    if expressions { alternatives([scalar, expression()]) } else { scalar }
}

/// A text with an expression in it.
fn expression() -> Map<String, Value> {
    one("type", "string".into()).with("pattern", r"\$\{".into())
}

/// Words as YAML reads them: `4.1` is a number there.
fn words(words: &[&str]) -> Value {
    let numbers = words.iter().filter_map(|w| w.parse::<f64>().ok()).map(Value::from);
    words.iter().map(|&w| Value::from(w)).chain(numbers).collect()
}

fn one(key: &str, value: Value) -> Map<String, Value> {
    Map::from_iter([(key.to_owned(), value)])
}

trait With {
    fn with(self, key: &str, value: Value) -> Self;
}

impl With for Map<String, Value> {
    fn with(mut self, key: &str, value: Value) -> Self {
        self.insert(key.to_owned(), value);
        self
    }
}

fn bounds(kind: &str, min: Value, max: Value) -> Map<String, Value> {
    one("type", kind.into()).with("minimum", min).with("maximum", max)
}

fn number_or(pattern: &str) -> Map<String, Value> {
    one("type", json!(["string", "number"])).with("pattern", pattern.into())
}

fn alternatives(schemas: impl IntoIterator<Item = Map<String, Value>>) -> Map<String, Value> {
    one("anyOf", schemas.into_iter().map(Value::from).collect())
}
