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
    let properties: Map<_, _> =
        shape.fields.iter().map(|f| (f.key.to_owned(), property(f, definitions).into())).collect();
    let required: Vec<_> = shape.fields.iter().filter(|f| f.required).map(|f| f.key).collect();
    let mut object = Map::new();
    object.insert("description".to_owned(), shape.doc.into());
    object.insert("type".to_owned(), "object".into());
    object.insert("properties".to_owned(), properties.into());
    if !required.is_empty() {
        object.insert("required".to_owned(), required.into());
    }
    object.insert("additionalProperties".to_owned(), false.into());
    object
}

fn property(field: &Field, definitions: &mut Map<String, Value>) -> Map<String, Value> {
    let mut property = value(&field.kind, definitions);
    // A mapping without keys may be left out altogether: `analysis:`.
    if matches!(field.kind, Kind::Map(_)) && !field.required {
        property = alternatives([property, one("type", "null".into())]);
    }
    property.insert("description".to_owned(), field.doc.into());
    property
}

fn value(kind: &Kind, definitions: &mut Map<String, Value>) -> Map<String, Value> {
    match kind {
        Kind::Bool => or_expression(one("type", "boolean".into())),
        Kind::Int { min, max } => or_expression(bounds("integer", json!(min), json!(max))),
        Kind::Number { min, max } => or_expression(bounds("number", json!(min), json!(max))),
        Kind::Text { .. } | Kind::Fixed { .. } => one("type", json!(["string", "number"])),
        Kind::Condition => one("type", json!(["string", "boolean"])),
        Kind::Duration { .. } => number_or(r"^\s*(\d+(\.\d+)?\s*(ms|s|m|min|h|d)\s*)+$|^\s*\d+(\.\d+)?\s*$|\$\{"),
        Kind::FrameRate { .. } => number_or(r"^\s*\d+(\.\d+)?\s*(/\s*\d+\s*)?$|\$\{"),
        Kind::Percent => one("type", "string".into()).with("pattern", json!(r"^\s*\d+(\.\d+)?\s*%\s*$|\$\{")),
        Kind::Bytes => number_or(r"^\s*\d+(\.\d+)?\s*([kKMGT]i?)?B?\s*$|\$\{"),
        Kind::Bits { .. } => number_or(r"^\s*\d+(\.\d+)?\s*[kKMmG]?\s*$|\$\{"),
        Kind::Choice(choice) => or_expression(one("enum", words(choice.now))),
        Kind::Map(shape) => {
            if !definitions.contains_key(shape.id) {
                definitions.insert(shape.id.to_owned(), Value::Null);
                let object = object(shape, definitions);
                definitions.insert(shape.id.to_owned(), object.into());
            }
            one("$ref", format!("#/$defs/{}", shape.id).into())
        }
        Kind::Named(kind) => one("type", "object".into()).with("additionalProperties", value(kind, definitions).into()),
        Kind::List { of, max } => {
            one("type", "array".into()).with("items", value(of, definitions).into()).with("maxItems", json!(max))
        }
        Kind::OneOf(kinds) => alternatives(kinds.iter().map(|k| value(k, definitions)).collect::<Vec<_>>()),
        Kind::Scalar => one("type", json!(["string", "number", "boolean"])),
    }
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

fn or_expression(schema: Map<String, Value>) -> Map<String, Value> {
    alternatives([schema, one("type", "string".into()).with("pattern", r"\$\{".into())])
}

fn alternatives(schemas: impl IntoIterator<Item = Map<String, Value>>) -> Map<String, Value> {
    one("anyOf", schemas.into_iter().map(Value::from).collect())
}
