//! Evaluation of expressions: names and results are JSON values.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use cel::objects::{Key, Map};
use cel::{Context, ExecutionError, Program};
use serde_json::Value;

/// Error of evaluating an expression.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// Invalid expression. Workflows are checked for these when they are loaded.
    #[error("`{source_text}` is not a valid expression")]
    Syntax {
        /// The expression.
        source_text: String,
    },
    /// A `${` has no `}`.
    #[error("`${{` without a closing `}}`")]
    Unclosed,
    /// Error of CEL.
    #[error("cannot evaluate `{source_text}`: {source}")]
    Execution {
        /// The expression.
        source_text: String,
        /// Error of the library.
        source: Box<ExecutionError>,
    },
    /// The value has a type that definitions cannot have.
    #[error("the value of `{source_text}` has an unsupported type")]
    NotData {
        /// The expression.
        source_text: String,
    },
    /// The value cannot be part of a text.
    #[error("the value of `{source_text}` is not text, a number, true or false")]
    NotText {
        /// The expression.
        source_text: String,
    },
    /// The value is not true or false.
    #[error("the value of `{source_text}` is not true or false")]
    NotTruth {
        /// The expression.
        source_text: String,
    },
}

/// Evaluates an expression. `lookup` returns the values of names.
pub fn evaluate(source: &str, lookup: &dyn Fn(&str) -> Option<Value>) -> Result<Value, EvaluateError> {
    let source_text = || source.to_owned();
    let program = compiled(source).ok_or_else(|| EvaluateError::Syntax { source_text: source_text() })?;
    let context = context(&program, lookup);
    let value = program
        .execute(&context)
        .map_err(|e| EvaluateError::Execution { source_text: source_text(), source: Box::new(e) })?;
    from_cel(&value).ok_or_else(|| EvaluateError::NotData { source_text: source_text() })
}

/// Cache of parsed expressions, by their text: parsing takes longer than evaluating, and all executions of a workflow use
/// the same expressions.
static COMPILED: LazyLock<Mutex<HashMap<String, Arc<Program>>>> = LazyLock::new(Mutex::default);

/// Most expressions in the cache.
const KEPT: usize = 1_024;

/// Returns whether the expression is in the cache.
pub fn is_compiled(source: &str) -> bool {
    COMPILED.lock().unwrap_or_else(PoisonError::into_inner).contains_key(source)
}

fn compiled(source: &str) -> Option<Arc<Program>> {
    let kept = || COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(program) = kept().get(source) {
        return Some(Arc::clone(program));
    }
    let program = Arc::new(Program::compile(source).ok()?);
    let mut kept = kept();
    if kept.len() >= KEPT {
        kept.clear();
    }
    kept.insert(source.to_owned(), Arc::clone(&program));
    Some(program)
}

/// Returns the names and functions that an expression can use.
pub fn context(program: &Program, lookup: &dyn Fn(&str) -> Option<Value>) -> Context<'static, 'static> {
    let mut context = Context::default();
    for (name, state, all) in
        [("failed", "failed", false), ("succeeded", "succeeded", true), ("skipped", "skipped", true)]
    {
        let ask = move |view: cel::Value| ended_as(&view, state, all);
        context.add_function(name, ask).expect("the standard library has no such function");
    }
    for name in program.references().variables() {
        if let Some(value) = lookup(name) {
            context.add_variable_from_value(name, to_cel(&value));
        }
    }
    context
}

/// Evaluates a condition.
pub fn truth(source: &str, lookup: &dyn Fn(&str) -> Option<Value>) -> Result<bool, EvaluateError> {
    match evaluate(source, lookup)? {
        Value::Bool(truth) => Ok(truth),
        _ => Err(EvaluateError::NotTruth { source_text: source.to_owned() }),
    }
}

/// Returns whether the activity of a view ended in `state`; for a group, whether all or any of its activities did.
fn ended_as(view: &cel::Value, state: &str, all: bool) -> bool {
    let cel::Value::Map(view) = view else { return false };
    if let Some(cel::Value::String(actual)) = view.get(&Key::from("state")) {
        return actual.as_str() == state;
    }
    let mut members = view.map.values().map(|member| ended_as(member, state, all));
    if all { members.all(|is| is) } else { members.any(|is| is) }
}

fn to_cel(value: &Value) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(b) => cel::Value::Bool(*b),
        Value::Number(n) => match n.as_i64() {
            Some(n) => cel::Value::Int(n),
            None => cel::Value::Float(n.as_f64().unwrap_or(f64::INFINITY)),
        },
        Value::String(s) => cel::Value::String(Arc::new(s.clone())),
        Value::Array(a) => cel::Value::List(Arc::new(a.iter().map(to_cel).collect())),
        Value::Object(o) => {
            let map: HashMap<Key, cel::Value> = o.iter().map(|(k, v)| (Key::from(k.as_str()), to_cel(v))).collect();
            cel::Value::Map(Map { map: Arc::new(map) })
        }
    }
}

fn from_cel(value: &cel::Value) -> Option<Value> {
    Some(match value {
        cel::Value::Null => Value::Null,
        cel::Value::Bool(b) => (*b).into(),
        cel::Value::Int(n) => (*n).into(),
        cel::Value::UInt(n) => (*n).into(),
        cel::Value::Float(n) => Value::Number(serde_json::Number::from_f64(*n)?),
        cel::Value::String(s) => s.as_str().into(),
        cel::Value::List(list) => list.iter().map(from_cel).collect::<Option<Vec<_>>>()?.into(),
        cel::Value::Map(map) => {
            let mut entries: Vec<_> = map
                .map
                .iter()
                .map(|(key, value)| match key {
                    Key::String(key) => Some((key.to_string(), from_cel(value)?)),
                    _ => None,
                })
                .collect::<Option<_>>()?;
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().collect())
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::on_large_stack;
    use super::*;

    fn value(source: &str) -> Result<Value, String> {
        let lookup = |name: &str| match name {
            "probe" => Some(json!({"state": "succeeded", "video": {"height": 720, "rate": 29.97}, "tags": ["a"]})),
            "rungs" => Some(json!({"a": {"state": "failed"}, "b": {"state": "succeeded"}})),
            _ => None,
        };
        on_large_stack(|| evaluate(source, &lookup).map_err(|e| e.to_string())).unwrap()
    }

    #[test]
    fn values_come_back_as_data() {
        for (source, expected) in [
            ("probe.video.height >= 720", json!(true)),
            ("probe.video.rate > 29", json!(true)),
            ("probe.video.height + 1", json!(721)),
            ("'a' in probe.tags ? 'x' : 'y'", json!("x")),
            ("failed(probe)", json!(false)),
            ("failed(rungs)", json!(true)),
            ("succeeded(rungs)", json!(false)),
            ("rungs['a'].state", json!("failed")),
            ("{'b': 1, 'a': [1.5]}", json!({"a": [1.5], "b": 1})),
            ("'clip.mp4'.endsWith('.mp4') && 'a1'.matches('^[a-z][0-9]$')", json!(true)),
        ] {
            assert_eq!(value(source), Ok(expected), "{source}");
        }
    }

    #[test]
    fn errors_say_which_expression() {
        for source in ["nobody", "probe.nothing", "1 / 0", "probe.tags[4]", "1 + 'a'", "1.0 / 0.0", "b'x'"] {
            let error = value(source).unwrap_err();
            assert!(error.contains(source), "{error}");
        }
    }
}
