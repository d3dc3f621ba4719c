//! Names that expressions can use, and checks of expressions against them.

use std::collections::{BTreeMap, BTreeSet};

use cel::ExecutionError;
use serde_json::{Map, Value, json};

use super::activities::DeclaredActivity;
use super::expression::{
    EvaluateError, ExpressionProblem, FUNCTIONS, KnownValues, NamePath, TextPiece, evaluate, fold_templates, inspect,
    never_equal, pieces,
};
use super::{Limits, view};
use crate::model::plan::{ActivityKind, Param, ParamType};
use crate::model::{Code, InputObject, ObjectLocation};
use crate::yaml::{Node, Sink, Span, nearest};

/// Names that always exist.
const BUILT_IN: &[&str] = &["object", "execution", "workflow", "params", "each"];

/// Reserved words of CEL.
const KEYWORDS: &[&str] = &[
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "list",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
];

/// Returns whether a name is reserved in expressions.
pub fn means_something_else(name: &str) -> bool {
    [BUILT_IN, KEYWORDS, FUNCTIONS].iter().any(|names| names.contains(&name))
}

/// An activity that an expression refers to.
#[derive(Clone, Debug)]
pub struct ActivityMention {
    /// Name of the activity, or of its group.
    pub name: String,
    /// Position.
    pub span: Span,
    /// True in `failed(…)`.
    pub handled: bool,
}

/// Purpose of an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Part of a text.
    Text,
    /// A whole value, of any type.
    Value,
    /// A condition: true or false.
    Condition,
}

/// The names of one workflow.
pub struct NameTable {
    /// Activities with their type; for a group, also the names of its elements.
    activities: BTreeMap<String, (ActivityKind, Option<Vec<String>>)>,
    /// Activities of which only the name is valid.
    broken: BTreeSet<String>,
    params: Value,
}

impl NameTable {
    /// Makes the names of the declared activities and parameters.
    pub fn new(declared: &[DeclaredActivity<'_>], root: &Node, params: &BTreeMap<String, Param>) -> Self {
        let elements =
            |d: &DeclaredActivity<'_>| d.elements.as_ref().map(|e| e.iter().map(view::element_name).collect());
        let params: Map<_, _> = params.iter().map(|(name, p)| (name.clone(), zero_param(p))).collect();
        let written = root.get("activities").map(Node::entries).unwrap_or_default().iter().map(|e| e.key.clone());
        Self {
            broken: written.filter(|name| declared.iter().all(|d| d.name != *name)).collect(),
            activities: declared.iter().map(|d| (d.name.clone(), (d.kind, elements(d)))).collect(),
            params: Value::Object(params),
        }
    }

    /// Returns the names that `from` and `needs` can have: activities, groups and their elements.
    pub fn of_activities(&self) -> impl Iterator<Item = String> {
        self.activities.iter().flat_map(|(name, (_, elements))| {
            let elements = elements.iter().flatten().map(move |e| format!("{name}.{e}"));
            std::iter::once(name.clone()).chain(elements)
        })
    }

    /// Returns the expanded names of a name; `None` if there is no such activity.
    pub fn expand(&self, name: &str) -> Option<Vec<String>> {
        match self.activities.get(name) {
            Some((_, Some(elements))) => Some(elements.iter().map(|e| format!("{name}.{e}")).collect()),
            Some((_, None)) => Some(vec![name.to_owned()]),
            None if self.broken.contains(name) => Some(Vec::new()),
            None => self.of_activities().find(|known| known == name).map(|known| vec![known]),
        }
    }

    /// Returns the value of a name before anything is known: all its fields, empty.
    fn zero(&self, name: &str, each: Option<&Value>) -> Option<Value> {
        Some(match name {
            "object" => view::object(&InputObject {
                location: ObjectLocation { bucket: String::new(), key: String::new() },
                size_bytes: None,
                etag: None,
                version: None,
                metadata: BTreeMap::new(),
            }),
            "execution" => json!({"id": "", "time": ""}),
            "workflow" => json!(""),
            "params" => self.params.clone(),
            "each" => each?.clone(),
            name if self.broken.contains(name) => Value::Null,
            name => match self.activities.get(name)? {
                (kind, None) => view::zero(*kind),
                (kind, Some(elements)) => view::group(elements.iter().map(|e| (e.clone(), view::zero(*kind)))),
            },
        })
    }

    /// Returns a value of the type of a text with `${…}`; `None` if the type is unknown before rendering.
    pub fn specimen(&self, text: &str, known: &KnownValues<'_>) -> Option<Value> {
        match pieces(text).ok()?.as_slice() {
            [TextPiece::Expression(source, _)] => evaluate(source, &|name| self.zero(name, known.each)).ok(),
            _ => Some(Value::from("")),
        }
    }

    /// Checks every expression in a text, or the text itself if it is a condition. Returns the activities that they
    /// mention.
    pub fn check(
        &self,
        node: &Node,
        condition: bool,
        known: &KnownValues<'_>,
        limits: &Limits,
        sink: &mut Sink<'_>,
    ) -> Vec<ActivityMention> {
        let Some(text) = node.as_str() else { return Vec::new() };
        let mut check = Check { names: self, node, known, limits, sink, mentions: Vec::new() };
        if condition {
            check.expression(text, 0, Purpose::Condition);
            return check.mentions;
        }
        match pieces(text) {
            Err(unclosed) => {
                let span = check.sink.within(node, unclosed.0, text.len());
                check
                    .sink
                    .error("WF0211", span, "`${` without a closing `}`")
                    .hint("write `$${` for the characters themselves");
            }
            Ok(pieces) => {
                check.other_spellings(&pieces);
                let purpose = if pieces.len() == 1 { Purpose::Value } else { Purpose::Text };
                for piece in pieces {
                    if let TextPiece::Expression(source, offset) = piece {
                        check.expression(source, offset, purpose);
                    }
                }
            }
        }
        check.mentions
    }
}

fn zero_param(param: &Param) -> Value {
    param.default.clone().unwrap_or_else(|| match param.kind {
        ParamType::String => json!(""),
        ParamType::Int => json!(0),
        ParamType::Float => json!(0.0),
        ParamType::Bool => json!(false),
    })
}

struct Check<'a, 's> {
    names: &'a NameTable,
    node: &'a Node,
    known: &'a KnownValues<'a>,
    limits: &'a Limits,
    sink: &'a mut Sink<'s>,
    mentions: Vec<ActivityMention>,
}

impl Check<'_, '_> {
    fn expression(&mut self, source: &str, offset: usize, purpose: Purpose) {
        let inspected = match inspect(source, self.limits) {
            Ok(inspected) => inspected,
            Err(problem) => return self.tell(&problem, offset),
        };
        let before = self.sink.len();
        for path in &inspected.paths {
            self.path(path, offset);
        }
        let whole = inspected.paths.iter().all(|p| !self.names.broken.contains(&p.root));
        if whole && self.sink.len() == before {
            self.dry_run(source, offset, purpose);
        }
    }

    fn tell(&mut self, problem: &ExpressionProblem, offset: usize) {
        let span = self.sink.within(self.node, offset + problem.start, offset + problem.end);
        self.sink.error(problem.code, span, problem.message.clone()).hint.clone_from(&problem.hint);
    }

    /// Warns of expressions in the syntax of other languages, which are used as literal text.
    fn other_spellings(&mut self, pieces: &[TextPiece<'_>]) {
        for piece in pieces {
            let TextPiece::Text(text) = piece else { continue };
            let braces =
                text.split_once("{{").and_then(|(_, rest)| rest.split_once("}}")).map(|(inner, _)| inner.trim());
            let dollar = text.match_indices('$').find_map(|(at, _)| {
                let rest = &text[at + 1..];
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"_.".contains(c)).unwrap_or(rest.len());
                let (root, fields) = rest[..end].split_once('.').unwrap_or((&rest[..end], ""));
                let field =
                    fields.split('.').next().filter(|field| !field.is_empty() && !matches!(root, "each" | "workflow"));
                let path = field.map_or_else(|| root.to_owned(), |field| format!("{root}.{field}"));
                BUILT_IN.contains(&root).then_some(path)
            });
            if let Some(inner) = braces.map(str::to_owned).or(dollar) {
                let message = format!("`{inner}` is not an expression here: the text is used literally");
                self.sink.warning("WF0134", self.node.span, message).hint(format!("write `${{{inner}}}`"));
            }
        }
    }

    fn path(&mut self, path: &NamePath, offset: usize) {
        let span = self.sink.within(self.node, offset + path.start, offset + path.end);
        let Some(zero) = self.names.zero(&path.root, self.known.each) else {
            self.unknown_name(path, span);
            return;
        };
        if self.names.activities.contains_key(&path.root) {
            let handled = path.argument_of.as_deref() == Some("failed");
            self.mentions.push(ActivityMention { name: path.root.clone(), span, handled });
        } else if let Some(function) = &path.argument_of {
            let message = format!("`{function}` takes the name of an activity, and `{}` is not one", path.root);
            self.sink.error("WF0207", span, message);
            return;
        }
        let closed = path.root == "params";
        if let Some((field, known)) = unknown_field(&zero, &path.fields, closed) {
            let message = if known.is_empty() && closed {
                format!("unknown parameter `{field}`: the workflow declares none")
            } else if known.is_empty() {
                format!("`{field}` does not exist: the value before it has no fields")
            } else {
                format!("`{}` has no field `{field}`", path.root)
            };
            self.sink.error("WF0208", span, message).hint = nearest(&field, known.iter().map(String::as_str))
                .map(|n| format!("did you mean `{n}`?"))
                .or_else(|| (!known.is_empty()).then(|| format!("its fields are {}", known.join(", "))))
                .or_else(|| closed.then(|| format!("declare it: `params: {{ {field}: {{ type: … }} }}`")));
        }
    }

    fn unknown_name(&mut self, path: &NamePath, span: Span) {
        if path.root == "each" {
            self.sink.error("WF0202", span, "`each` exists only in activities with `for_each`");
            return;
        }
        let known = || {
            let activities = self.names.activities.keys().chain(&self.names.broken);
            BUILT_IN.iter().copied().chain(activities.map(String::as_str))
        };
        let analysed = self.names.activities.values().any(|(kind, _)| *kind == ActivityKind::Analysis);
        let hint = match nearest(&path.root, known()) {
            Some(near) => format!("did you mean `{near}`?"),
            // What it is asked for is likely to be a property of the file.
            None if !analysed && !path.fields.is_empty() => {
                let names = known().collect::<Vec<_>>().join(", ");
                format!(
                    "the names are {names}; for properties of the file add an activity `{}: {{ analysis: {{}} }}`",
                    path.root
                )
            }
            None => format!("the names are {}", known().collect::<Vec<_>>().join(", ")),
        };
        self.sink.error("WF0202", span, format!("unknown name `{}`", path.root)).hint(hint);
    }

    /// Evaluates with empty values: types that do not match then never match.
    fn dry_run(&mut self, source: &str, offset: usize, purpose: Purpose) {
        let folded = match fold_templates(source, self.known) {
            Ok(folded) => folded,
            Err(problem) => return self.tell(&problem, offset),
        };
        let message = match evaluate(&folded, &|name| self.names.zero(name, self.known.each)) {
            Err(EvaluateError::Execution { source: error, .. }) => misfit(&error),
            Err(EvaluateError::NotData { .. }) => Some("the value has a type that is not allowed here".to_owned()),
            Ok(Value::Bool(_)) => never_equal(&folded, &|name| self.names.zero(name, self.known.each)),
            Ok(_) if purpose == Purpose::Condition => Some("a condition must be true or false".to_owned()),
            Ok(Value::Array(_) | Value::Object(_) | Value::Null) => {
                Some("expected text, a number, true or false, not a list or a map".to_owned())
            }
            Ok(_) | Err(_) => None,
        };
        if let Some(message) = message {
            let hint = quoted_number(&folded).map(|number| format!("write {number} without quotes"));
            let hint = hint.filter(|_| message.starts_with("the types do not match"));
            let code = Code::new("WF0209");
            self.tell(&ExpressionProblem { code, start: 0, end: source.len(), message, hint }, offset);
        }
    }
}

/// Returns the first number that an expression has in quotes.
fn quoted_number(source: &str) -> Option<&str> {
    let quoted = |quote| source.split(quote).skip(1).step_by(2).find(|text: &&str| text.parse::<f64>().is_ok());
    quoted('\'').or_else(|| quoted('"'))
}

/// Returns the message of an error of types; `None` for an error caused by empty values.
fn misfit(error: &ExecutionError) -> Option<String> {
    match error {
        ExecutionError::NoSuchOverload(overload) => Some(no_overload(overload)),
        ExecutionError::UnexpectedType { .. } | ExecutionError::InvalidArgumentCount { .. } => {
            Some(format!("the types do not match: {error}"))
        }
        ExecutionError::ValuesNotComparable(..) | ExecutionError::UnsupportedBinaryOperator(..) => {
            Some("the types do not match: these values cannot be compared or combined".to_owned())
        }
        ExecutionError::UnsupportedTargetType { .. } | ExecutionError::NotSupportedAsMethod { .. } => {
            Some("the types do not match: there is no such function for this value".to_owned())
        }
        _ => None,
    }
}

/// Returns the message that an operator or function does not take types: "`>=` does not take a whole number and a text".
fn no_overload(overload: &cel::OverloadError) -> String {
    let types: Vec<_> = overload.argument_types().iter().map(|name| type_name(name)).collect();
    format!("the types do not match: `{}` does not take {}", overload.function().trim_matches('_'), types.join(" and "))
}

/// Returns the name of a CEL type for messages.
fn type_name(name: &str) -> &str {
    match name {
        "int" | "uint" => "a whole number",
        "double" => "a number",
        "string" => "a text",
        "bool" => "true or false",
        "list" => "a list",
        "map" => "a mapping",
        "null_type" => "nothing",
        other => other,
    }
}

/// Returns the first field that a value does not have, and the fields it has there. An empty map has any field, unless it is
/// `closed`.
fn unknown_field(zero: &Value, fields: &[String], closed: bool) -> Option<(String, Vec<String>)> {
    let mut value = zero;
    for field in fields {
        let known = match value {
            Value::Null => return None,
            Value::Object(known) if known.is_empty() && !closed => return None,
            Value::Object(known) => known,
            _ => return Some((field.clone(), Vec::new())),
        };
        let Some(next) = known.get(field) else {
            return Some((field.clone(), known.keys().cloned().collect()));
        };
        value = next;
    }
    None
}
