//! Activities: declared, then expanded by `for_each`, each with its own parameters.

use serde_json::Value as Json;

use super::definition::{JobDefaults, Target, WorkflowHead, defaults, is_identifier, target};
use super::expression::{KnownValues, fold, fold_templates};
use super::names::{ActivityMention, NameTable, means_something_else};
use super::view::element_name;
use super::{Limits, places, shapes};
use crate::model::plan::ActivityKind;
use crate::template::{self, Files, Templates};
use crate::yaml::{self, Entry, Node, Sink, Span, Value, is_deferred, nearest};

/// An activity as written.
pub struct DeclaredActivity<'a> {
    pub name: String,
    pub span: Span,
    pub kind: ActivityKind,
    pub elements: Option<Vec<Json>>,
    node: &'a Node,
    spec: Node,
}

/// A reference to an activity by its name.
#[derive(Clone, Debug)]
pub struct ActivityReference {
    pub name: String,
    pub span: Span,
}

/// An activity of the plan, before it is linked.
pub struct ActivityDraft {
    pub name: String,
    pub group: Option<String>,
    pub each: Option<Json>,
    pub span: Span,
    pub kind: ActivityKind,
    /// Parameters, with templates applied and known values substituted.
    pub spec: Node,
    pub when: Option<String>,
    /// Expanded names of the activities that it reads from.
    pub from: Option<Vec<ActivityReference>>,
    /// Expanded names of other activities that it waits for.
    pub needs: Vec<ActivityReference>,
    /// Expanded names of the activities in its `failed(…)`.
    pub handles: Vec<String>,
    pub output: Target,
    pub defaults: JobDefaults,
}

impl ActivityDraft {
    /// Returns whether it publishes objects.
    pub fn publishes(&self) -> bool {
        !self.kind.only_looks() || !self.files().main.is_empty()
    }

    /// Returns whether other activities can read its output.
    pub const fn makes_media(&self) -> bool {
        matches!(self.kind, ActivityKind::Transcode | ActivityKind::Remux | ActivityKind::Watermark)
    }

    /// Returns the names of the files it writes.
    pub fn files(&self) -> Files {
        let inputs: Vec<_> = self.from.iter().flatten().map(|f| f.name.clone()).collect();
        template::files(self.kind, &template::base_of_activity(&self.name), &self.spec, &inputs)
    }
}

/// Reads the declared activities.
pub fn declare<'a>(root: &'a Node, sink: &mut Sink<'_>) -> Vec<DeclaredActivity<'a>> {
    let Some(activities) = root.get("activities") else { return Vec::new() };
    if activities.entries().is_empty() && matches!(activities.value, Value::Map(_)) {
        sink.error("WF0102", activities.span, "`activities` is empty: a workflow needs at least one activity");
    }
    activities.entries().iter().filter_map(|entry| declare_one(entry, sink)).collect()
}

fn declare_one<'a>(entry: &'a Entry, sink: &mut Sink<'_>) -> Option<DeclaredActivity<'a>> {
    good_name(entry, sink);
    let node = &entry.value;
    places::output(node, sink);
    let of_kind = |kind: &ActivityKind| Some((*kind, node.entry(kind.as_str())?));
    let mut kinds = ActivityKind::ALL.iter().filter_map(of_kind);
    let Some((kind, spec)) = kinds.next() else {
        let known = ActivityKind::ALL.iter().map(|k| k.as_str());
        if matches!(node.value, Value::Map(_)) && !misnamed(node) {
            sink.error("WF0113", entry.key_span, format!("activity `{}` has no type", entry.key))
                .hint(format!("add one of the keys {}", known.collect::<Vec<_>>().join(", ")));
        }
        return None;
    };
    for (other, second) in kinds {
        let message = format!("activity `{}` has two types; only one is allowed", entry.key);
        sink.error("WF0114", second.key_span, message)
            .also(spec.key_span, format!("`{}` here", kind.as_str()))
            .hint(format!("move `{}` to an activity of its own", other.as_str()));
    }
    Some(DeclaredActivity {
        name: entry.key.clone(),
        span: entry.key_span,
        kind,
        elements: node.get("for_each").map(|list| elements(list, sink)),
        node,
        spec: match spec.value.value {
            Value::Map(_) => spec.value.clone(),
            _ => Node::empty_map(spec.key_span),
        },
    })
}

/// Returns whether a key was reported as a misspelt type, or one that this version does not support.
fn misnamed(node: &Node) -> bool {
    let shape = &shapes::ACTIVITY;
    let known = |key: &str| shape.fields.iter().any(|f| f.key == key);
    let later = |key: &str| shape.later.iter().any(|(k, _)| *k == key);
    let kinds = || ActivityKind::ALL.iter().map(|k| k.as_str());
    node.entries().iter().any(|e| !known(&e.key) && (later(&e.key) || nearest(&e.key, kinds()).is_some()))
}

/// Returns the workflow without the parameters of its activities, whose shape is checked when they are expanded.
pub fn without_parameters(root: &Node) -> Node {
    let bare = |activity: &Entry| {
        let mut activity = activity.clone();
        if let Value::Map(entries) = &mut activity.value.value {
            let is_spec = |e: &Entry| ActivityKind::ALL.iter().any(|k| k.as_str() == e.key);
            let specs = entries.iter_mut().filter(|e| is_spec(e) && matches!(e.value.value, Value::Map(_)));
            specs.for_each(|e| e.value.value = Value::Null);
        }
        activity
    };
    let entries = root.entries().iter().map(|entry| match (entry.key.as_str(), &entry.value.value) {
        ("activities", Value::Map(activities)) => Entry {
            value: Node { span: entry.value.span, value: Value::Map(activities.iter().map(bare).collect()) },
            ..entry.clone()
        },
        _ => entry.clone(),
    });
    match root.value {
        Value::Map(_) => Node { span: root.span, value: Value::Map(entries.collect()) },
        _ => root.clone(),
    }
}

fn good_name(entry: &Entry, sink: &mut Sink<'_>) {
    let name = entry.key.as_str();
    if !is_identifier(name) {
        sink.error("WF0111", entry.key_span, format!("`{name}` is not a valid name for an activity"))
            .hint("use lower case letters, digits and `_`, not beginning with a digit");
    } else if means_something_else(name) {
        sink.error("WF0112", entry.key_span, format!("`{name}` is a reserved name in expressions"))
            .hint(format!("use another name, such as `my_{name}`"));
    }
}

/// Reads the elements of `for_each`: short words and numbers, each once.
fn elements(list: &Node, sink: &mut Sink<'_>) -> Vec<Json> {
    let mut elements: Vec<Json> = Vec::new();
    if list.elements().is_empty() {
        sink.error("WF0115", list.span, "`for_each` is empty");
    }
    for node in list.elements() {
        let Some(text) = node.scalar_text() else { continue };
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if text.is_empty() || text.len() > 64 || !text.chars().all(allowed) {
            sink.error(
                "WF0115",
                node.span,
                "invalid element: use a number, or a short word of letters, digits, `-`, `_` and `.`",
            );
        } else if elements.iter().any(|e| element_name(e) == text) {
            sink.error("WF0115", node.span, format!("`{text}` is twice in `for_each`"));
        } else {
            elements.push(node.to_json());
        }
    }
    elements
}

/// Expands every declared activity. An error in one does not stop the others.
pub fn expand(
    declared: &[DeclaredActivity<'_>],
    header: &WorkflowHead,
    names: &NameTable,
    templates: &Templates,
    limits: &Limits,
    sink: &mut Sink<'_>,
) -> Vec<ActivityDraft> {
    let total: usize = declared.iter().map(|d| d.elements.as_ref().map_or(1, Vec::len)).sum();
    if let Some(first) = declared.first().filter(|_| total > limits.activities) {
        let message = format!("the workflow has {total} activities; at most {} are allowed", limits.activities);
        sink.error("WF0116", first.span, message);
        return Vec::new();
    }
    let mut expander = Expander { header, names, templates, limits, sink };
    declared.iter().flat_map(|d| expander.declared(d)).collect()
}

struct Expander<'a, 's> {
    header: &'a WorkflowHead,
    names: &'a NameTable,
    templates: &'a Templates,
    limits: &'a Limits,
    sink: &'a mut Sink<'s>,
}

impl Expander<'_, '_> {
    fn declared(&mut self, declared: &DeclaredActivity<'_>) -> Vec<ActivityDraft> {
        match &declared.elements {
            None => vec![self.one(declared, None)],
            Some(elements) => elements.iter().map(|each| self.one(declared, Some(each))).collect(),
        }
    }

    fn one(&mut self, declared: &DeclaredActivity<'_>, each: Option<&Json>) -> ActivityDraft {
        let known = KnownValues { each, templates: self.templates };
        let output = target(declared.node).or(&self.header.output);
        let mut mentions = Vec::new();
        let before = self.sink.len();
        let spec = self.fold_node(&declared.spec, &known, &mut mentions);
        if self.sink.len() == before {
            self.forms(declared.kind, &spec, &known);
        }
        let output = Target {
            bucket: output.bucket.map(|n| self.fold_node(&n, &known, &mut mentions)),
            prefix: output.prefix.map(|n| self.fold_node(&n, &known, &mut mentions)),
            if_exists: output.if_exists,
        };
        let when = declared.node.get("when").and_then(|when| self.condition(when, &known, &mut mentions));
        let spec = template::apply(declared.kind, &spec, self.templates, self.sink);
        let from = self.inputs(declared);
        let mut needs = declared.node.get("needs").map(|n| self.named(n)).unwrap_or_default();
        let mut handles = Vec::new();
        for mention in mentions {
            let expanded = self.names.expand(&mention.name).unwrap_or_default();
            if mention.handled {
                handles.extend(expanded.iter().cloned());
            }
            needs.extend(expanded.into_iter().map(|name| ActivityReference { name, span: mention.span }));
        }
        ActivityDraft {
            name: each.map_or_else(|| declared.name.clone(), |e| format!("{}.{}", declared.name, element_name(e))),
            group: each.map(|_| declared.name.clone()),
            each: each.cloned(),
            span: declared.span,
            kind: declared.kind,
            spec: spec.without(&["from"]),
            when,
            from,
            needs,
            handles,
            output,
            defaults: defaults(declared.node, &self.header.defaults, self.sink),
        }
    }

    /// Checks the expressions of a tree, and substitutes known values.
    fn fold_node(&mut self, node: &Node, known: &KnownValues<'_>, mentions: &mut Vec<ActivityMention>) -> Node {
        let value = match &node.value {
            Value::String(text) => {
                let before = self.sink.len();
                mentions.extend(self.names.check(node, false, known, self.limits, self.sink));
                match fold(text, known) {
                    Ok(value) if self.sink.len() == before => Node::from_json(&value).value,
                    _ => node.value.clone(),
                }
            }
            Value::Seq(nodes) => Value::Seq(nodes.iter().map(|n| self.fold_node(n, known, mentions)).collect()),
            Value::Map(entries) => Value::Map(
                entries
                    .iter()
                    .map(|e| Entry { value: self.fold_node(&e.value, known, mentions), ..e.clone() })
                    .collect(),
            ),
            scalar => scalar.clone(),
        };
        Node { span: node.span, value }
    }

    /// Reports parameters whose expressions give a value of another type than expected.
    fn forms(&mut self, kind: ActivityKind, spec: &Node, known: &KnownValues<'_>) {
        let specimen = |text: &str| self.names.specimen(text, known).map(|value| Node::from_json(&value).value);
        for (value, expected) in yaml::misfits(spec, template::activity_shape(kind), &specimen) {
            let message = format!("expected {expected}, but the expression gives {}", value.kind_name());
            self.sink.error("WF0209", value.span, message);
        }
    }

    fn condition(
        &mut self,
        when: &Node,
        known: &KnownValues<'_>,
        mentions: &mut Vec<ActivityMention>,
    ) -> Option<String> {
        if let Some(truth) = when.as_bool() {
            return Some(truth.to_string());
        }
        if is_deferred(when.as_str()?) {
            return None;
        }
        mentions.extend(self.names.check(when, true, known, self.limits, self.sink));
        fold_templates(when.as_str()?, known).ok()
    }

    /// Reads `from`, which may also be inside of `package`.
    fn inputs(&mut self, declared: &DeclaredActivity<'_>) -> Option<Vec<ActivityReference>> {
        let inner = (declared.kind == ActivityKind::Package).then(|| declared.spec.get("from")).flatten();
        let outer = declared.node.get("from");
        if let (Some(inner), Some(outer)) = (inner, outer) {
            self.sink.error("WF0120", outer.span, "`from` is given twice").also(inner.span, "also here");
        }
        let from = inner.or(outer);
        if let Some(empty) = from.filter(|from| from.elements().is_empty()) {
            self.sink
                .error("WF0102", empty.span, "`from` is empty")
                .hint("name activities, as in `from: [base, rungs]`");
        }
        from.map(|node| self.named(node))
    }

    /// Returns the activities of a name or a list of names.
    fn named(&mut self, node: &Node) -> Vec<ActivityReference> {
        let mut named: Vec<ActivityReference> = Vec::new();
        for element in node.elements() {
            let Some(name) = element.scalar_text() else { continue };
            let Some(expanded) = self.names.expand(&name) else {
                let known: Vec<_> = self.names.of_activities().collect();
                let nearest = nearest(&name, known.iter().map(String::as_str)).map(str::to_owned);
                self.sink
                    .error("WF0117", element.span, format!("there is no activity `{name}`"))
                    .suggest(nearest.as_deref(), || format!("the activities are {}", known.join(", ")));
                continue;
            };
            for name in expanded {
                if named.iter().all(|n| n.name != name) {
                    named.push(ActivityReference { name, span: element.span });
                }
            }
        }
        named
    }
}
