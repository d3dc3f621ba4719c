//! Mistakes of a configuration file: all of them, each with its key, its place and what to do.
//!
//! **Invariant**: what is a mistake is the reader's word (serde); the schema only says which keys there are. So nothing is
//! called wrong here that would have been read.

use serde_json::{Map, Value as Json, json};
use std::fmt::Write as _;

use super::Config;
use crate::model::Code;
use crate::yaml::{self, Budget, Diagnostic, Node, ParseCodes, Sink, Span, Value, nearest};

/// The code of all of them.
const CODE: Code = Code::new("CFG0002");

/// Far more than any configuration has.
const BUDGET: Budget = Budget { bytes: 1 << 20, nodes: 20_000, depth: 32 };

/// The mistakes of `text`, which stands in the file `name`; none where they cannot be told apart.
pub(super) fn find(name: &str, text: &str) -> Vec<Diagnostic> {
    let mut sink = Sink::new(name, text);
    let codes = ParseCodes { syntax: CODE, budget: CODE, duplicate: CODE };
    let Some(root) = yaml::parse(&mut sink, BUDGET, codes) else { return sink.finish() };
    let Ok(schema) = serde_json::to_value(schemars::schema_for!(Config)) else { return Vec::new() };
    Search { schema: &schema, sink: &mut sink, path: Vec::new() }.value(&root, &schema);
    sink.finish()
}

/// The text with what may be secret in it blotted out, byte for byte: places stay where they are.
pub(super) fn blotted(text: &str) -> String {
    text.split_inclusive('\n').map(blotted_line).collect()
}

fn blotted_line(line: &str) -> String {
    let mut secret = Vec::new();
    // The password of an address.
    if let Some((scheme, rest)) = line.split_once("://")
        && let Some(end) = rest.rfind('@')
        && let Some(colon) = rest[..end].find(':')
    {
        let start = scheme.len() + 3;
        secret.push(start + colon + 1..start + end);
    }
    // A token or a secret itself, where a reference to one belongs.
    for key in ["token:", "secret:"] {
        let Some(at) = line.find(key).map(|at| at + key.len()) else { continue };
        let value = line[at..].split(['}', '\n']).next().unwrap_or_default();
        if !["env:", "file:", "sha256:"].iter().any(|reference| value.contains(reference)) {
            secret.push(at..at + value.len());
        }
    }
    secret.extend(line.find("whsec_").map(|at| at..line.trim_end().len()));
    let hidden = |at: usize| secret.iter().any(|part| part.contains(&at));
    let blot = |(at, c): (usize, char)| {
        if hidden(at) && !c.is_whitespace() { "*".repeat(c.len_utf8()) } else { c.to_string() }
    };
    line.char_indices().map(blot).collect()
}

/// A step from a value to one in it.
#[derive(Clone, Debug)]
enum Step {
    Key(String),
    Element(usize),
}

struct Search<'a, 's> {
    schema: &'a Json,
    sink: &'a mut Sink<'s>,
    path: Vec<Step>,
}

impl Search<'_, '_> {
    fn value(&mut self, node: &Node, schema: &Json) {
        let schema = self.resolved(schema);
        if let Some(expected) = expected_instead(node, &schema) {
            let message = format!("{} takes {expected}, not {}", self.name(), node.kind_name());
            let hint = hint(&schema);
            self.sink.error(CODE, node.span, message).hint = hint;
            return;
        }
        let before = self.sink.len();
        match &node.value {
            Value::Map(_) => self.mapping(node, &schema),
            Value::Seq(elements) if schema["items"].is_object() => {
                for (at, element) in elements.iter().enumerate() {
                    self.path.push(Step::Element(at));
                    self.value(element, &schema["items"]);
                    self.path.pop();
                }
            }
            _ => {}
        }
        // An element of a list, or a single value: what can be read only as a whole.
        let whole = !matches!(node.value, Value::Map(_)) || matches!(self.path.last(), Some(Step::Element(_)));
        if self.sink.len() == before && whole {
            self.alone(node, &schema);
        }
    }

    fn mapping(&mut self, node: &Node, schema: &Json) {
        let (properties, others) = (schema["properties"].as_object(), &schema["additionalProperties"]);
        for entry in node.entries() {
            let known = properties.and_then(|properties| properties.get(&entry.key));
            let Some(below) = known.or(Some(others).filter(|others| others.is_object())) else {
                self.unknown(&entry.key, entry.key_span, properties);
                continue;
            };
            self.path.push(Step::Key(entry.key.clone()));
            self.value(&entry.value, below);
            self.path.pop();
        }
    }

    fn unknown(&mut self, key: &str, span: Span, properties: Option<&Map<String, Json>>) {
        let known: Vec<&str> = properties.into_iter().flatten().map(|(key, _)| key.as_str()).collect();
        let message = match self.path.as_slice() {
            [] => format!("the configuration has no key `{key}`"),
            _ => format!("{} has no key `{key}`", self.name()),
        };
        let nearest = nearest(key, known.iter().copied());
        self.sink.error(CODE, span, message).suggest(nearest, || format!("its keys are {}", known.join(", ")));
    }

    /// Reads a configuration that has this value and nothing else: what that is refused for is the value's mistake.
    fn alone(&mut self, node: &Node, schema: &Json) {
        // The list around an element is the setting that is read.
        let inner = self.path.iter().rposition(|step| matches!(step, Step::Key(_))).map_or(0, |at| at + 1);
        let wrap = |value: Json, step: &Step| match step {
            Step::Key(key) => json!({ key: value }),
            Step::Element(_) => json!([value]),
        };
        // A value inside an element is read with its element.
        if self.path[..inner].iter().any(|step| matches!(step, Step::Element(_))) {
            return;
        }
        let text = self.path.iter().rev().fold(node.to_json(), wrap).to_string();
        let Err(error) = serde_yaml::from_str::<Config>(&text) else { return };
        let message = format!("{}: {}", self.name(), reason(&error.to_string()));
        let hint = hint(schema);
        self.sink.error(CODE, node.span, message).hint = hint;
    }

    /// The setting as `docs/configuration.md` writes it.
    fn name(&self) -> String {
        let mut name = String::new();
        for step in &self.path {
            match step {
                Step::Key(key) if name.is_empty() => name.push_str(key),
                Step::Key(key) => {
                    name.push('.');
                    name.push_str(key);
                }
                Step::Element(at) => {
                    let _ = write!(name, "[{at}]");
                }
            }
        }
        if name.is_empty() { "the configuration".to_owned() } else { name }
    }

    /// The schema that `schema` refers to; of several mappings one with the keys of all.
    fn resolved(&self, schema: &Json) -> Json {
        let mut found = if let Some(name) = schema["$ref"].as_str().and_then(|name| name.strip_prefix("#/$defs/")) {
            self.resolved(&self.schema["$defs"][name])
        } else {
            schema.clone()
        };
        let choices = found["oneOf"].as_array().into_iter().flatten();
        let properties: Map<String, Json> =
            choices.filter_map(|choice| choice["properties"].as_object().cloned()).flatten().collect();
        if !properties.is_empty() {
            found = json!({ "type": "object", "properties": properties, "description": found["description"] });
        }
        if let Some(description) = schema.get("description") {
            found["description"] = description.clone();
        }
        found
    }
}

/// The expected form of a value, if the value is of another form.
fn expected_instead(node: &Node, schema: &Json) -> Option<&'static str> {
    let types: Vec<&str> = match &schema["type"] {
        Json::String(one) => vec![one.as_str()],
        Json::Array(several) => several.iter().filter_map(Json::as_str).collect(),
        _ => return None,
    };
    let form = match &node.value {
        Value::Null => return None,
        Value::Seq(_) => "array",
        Value::Map(_) => "object",
        _ => "scalar",
    };
    let fits = |wanted: &str| match wanted {
        "array" | "object" => form == wanted,
        _ => form == "scalar",
    };
    if types.iter().any(|wanted| fits(wanted)) {
        return None;
    }
    match *types.first()? {
        "array" => Some("a list"),
        "object" => Some("a mapping"),
        "integer" => Some("a whole number"),
        "boolean" => Some("true or false"),
        _ => Some("a single value"),
    }
}

/// The reader's message without its line and column, which are not those of the file.
fn reason(error: &str) -> String {
    let line = super::first_line(error);
    let said =
        line.strip_prefix("line ").and_then(|rest| rest.split_once(": ")).map_or(line.as_str(), |(_, said)| said);
    let said = said.split(" at line ").next().unwrap_or(said);
    said.to_owned()
}

/// Says what the setting is, from its description.
fn hint(schema: &Json) -> Option<String> {
    let text = schema["description"].as_str()?.split("\n\n").next()?.replace('\n', " ");
    Some(text).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let found = find("reelmill.yaml", text);
        found.iter().map(|one| format!("{}:{} {}", one.line, one.column, one.message)).collect()
    }

    #[test]
    fn newcomer_all_mistakes_of_a_configuration_are_told_with_key_and_place() {
        let text = "\
workflow: w
events: 5
worker:
  slots: many
  lease: 1 year
queues:
  bulk: { concurency: 1 }
  slow: { concurrency: fast }
api: { listen: here, tokens: [ { name: me, scope: root, token: env:X } ] }
objects: { s3: { path_style: maybe } }
";
        let found = found(text);
        for (line, said) in [
            ("1:1 ", "the configuration has no key `workflow`"),
            ("2:9 ", "events takes a list, not a whole number"),
            ("4:10 ", "worker.slots: `many` is not a number of slots"),
            ("5:10 ", "worker.lease: "),
            ("7:11 ", "queues.bulk has no key `concurency`"),
            ("8:24 ", "queues.slow.concurrency: "),
            ("9:16 ", "api.listen: "),
            ("9:", "api.tokens[0]: "),
            ("10:30 ", "objects.s3.path_style: "),
        ] {
            assert!(found.iter().any(|one| one.starts_with(line) && one.contains(said)), "{line}{said}: {found:#?}");
        }
        assert_eq!(found.len(), 9, "{found:#?}");
    }

    #[test]
    fn newcomer_an_excerpt_of_a_configuration_shows_no_secret() {
        let text = "store: postgres://me:hunter2@db/x\napi: { tokens: [ { token: täglich-neu } ] }\n\
                    webhooks: { secret: [ env:A, whsec_abc ] }\nx: { token: env:NAME }\n";
        let shown = blotted(text);
        assert_eq!(shown.len(), text.len());
        for secret in ["hunter2", "glich", "abc"] {
            assert!(!shown.contains(secret), "{shown}");
        }
        assert!(shown.contains("postgres://me:*******@db/x") && shown.contains("token: env:NAME"), "{shown}");
    }

    #[test]
    fn newcomer_what_can_be_read_is_no_mistake_of_a_configuration() {
        for text in ["worker: { slots: auto }\n", "queues: { a: {} }\ns3_endpoint: null\n", "objects: { local: d }\n"] {
            assert!(found(text).is_empty(), "{:?}", found(text));
        }
        let nearest = find("c.yaml", "retention:\n  executionss: 3d\n");
        assert_eq!(nearest[0].hint.as_deref(), Some("did you mean `executions`?"));
        assert_eq!(found("events: [ { sqs: { wait: 2s } } ]\n").len(), 1, "queue is missing");
    }
}
