//! Substitution of values that are known when a workflow is loaded: `each`, and facts of templates. This freezes the plan:
//! later changes of templates do not affect running executions.

use serde_json::Value;

use super::{ExpressionProblem, TextPiece, evaluate, outside_strings, pieces};
use crate::model::Code;
use crate::template::Templates;
use crate::yaml::is_deferred;

/// Values that are known when a workflow is loaded.
pub struct KnownValues<'a> {
    /// The element of `for_each`.
    pub each: Option<&'a Value>,
    /// Templates.
    pub templates: &'a Templates,
}

impl KnownValues<'_> {
    fn lookup(&self) -> impl Fn(&str) -> Option<Value> {
        let each = self.each.cloned();
        move |name| if name == "each" { each.clone() } else { None }
    }
}

/// Substitutes known values in a text: expressions over `each` alone become their value, and `template(…)` the facts of the
/// template. Other expressions stay.
pub fn fold(text: &str, known: &KnownValues<'_>) -> Result<Value, Box<ExpressionProblem>> {
    let Ok(pieces) = pieces(text) else { return Ok(Value::from(text)) };
    let lookup = known.lookup();
    let mut folded = String::new();
    for piece in &pieces {
        match piece {
            TextPiece::Text(text) => folded.push_str(text),
            TextPiece::Escape => folded.push_str("$${"),
            TextPiece::Expression(source, start) => {
                let source = fold_templates(source, known)
                    .map_err(|p| Box::new(ExpressionProblem { start: p.start + start, end: p.end + start, ..*p }))?;
                match known_value(&source, &lookup) {
                    Some(value) if pieces.len() == 1 => return Ok(escaped(value)),
                    Some(Value::String(text)) => folded.push_str(&text.replace("${", "$${")),
                    Some(value @ (Value::Number(_) | Value::Bool(_))) => folded.push_str(&value.to_string()),
                    _ => folded.extend(["${", source.as_str(), "}"]),
                }
            }
        }
    }
    Ok(Value::String(folded))
}

/// Returns the value of an expression that uses only known values.
fn known_value(source: &str, lookup: &dyn Fn(&str) -> Option<Value>) -> Option<Value> {
    evaluate(source, lookup).ok()
}

/// Escapes a value so that it is not rendered again.
fn escaped(value: Value) -> Value {
    match value {
        Value::String(text) if is_deferred(&text) => Value::String(text.replace("${", "$${")),
        value => value,
    }
}

/// Replaces each `template(…)` in an expression by facts of the template: `template("h264-720p").short_side` → `720`.
pub fn fold_templates(source: &str, known: &KnownValues<'_>) -> Result<String, Box<ExpressionProblem>> {
    let mut folded = String::new();
    let mut at = 0;
    while let Some(call) = next_call(source, at) {
        folded.push_str(&source[at..call.start]);
        let problem = |code, message: String, hint| {
            Box::new(ExpressionProblem { code, start: call.start, end: call.end, message, hint })
        };
        let argument = &source[call.argument.0..call.argument.1];
        let Ok(Value::String(name)) = evaluate(argument, &known.lookup()) else {
            let message = "the name of a template must be known when the workflow is loaded".to_owned();
            let hint = Some("write the name itself, or `${each}`".to_owned());
            return Err(problem(Code::new("WF0210"), message, hint));
        };
        let template = known.templates.lookup(&name).map_err(|m| problem(m.code, m.message, Some(m.hint)))?;
        let facts = serde_json::to_value(template.facts()).unwrap_or_default();
        let field = source[call.end..].strip_prefix('.').map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            &rest[..end]
        });
        at = call.end;
        match field {
            None => folded.push_str(&facts.to_string()),
            Some(field) => {
                let Some(value) = facts.get(field) else {
                    let known = facts.as_object().map(|o| o.keys().cloned().collect::<Vec<_>>()).unwrap_or_default();
                    let message = format!("a template has no field `{field}`");
                    return Err(problem(
                        Code::new("WF0208"),
                        message,
                        Some(format!("its fields are {}", known.join(", "))),
                    ));
                };
                folded.push_str(&value.to_string());
                at += 1 + field.len();
            }
        }
    }
    folded.push_str(&source[at..]);
    Ok(folded)
}

/// A call of `template`, in bytes.
struct TemplateCall {
    start: usize,
    end: usize,
    argument: (usize, usize),
}

/// The first call of `template` at or after `from`.
fn next_call(source: &str, from: usize) -> Option<TemplateCall> {
    const NAME: &str = "template";
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let outside: Vec<_> = outside_strings(source).collect();
    let start = outside.iter().map(|&(i, _)| i).find(|&i| {
        i >= from
            && source[i..].starts_with(NAME)
            && !source[..i].ends_with(|c: char| is_name(c) || c == '.')
            && source[i + NAME.len()..].trim_start().starts_with('(')
    })?;
    let mut depth = 0_usize;
    let mut open = None;
    for &(i, c) in outside.iter().filter(|&&(i, _)| i >= start + NAME.len()) {
        match c {
            '(' => {
                depth += 1;
                open = open.or(Some(i + 1));
            }
            ')' => depth = depth.saturating_sub(1),
            _ => continue,
        }
        if depth == 0 {
            return Some(TemplateCall { start, end: i + 1, argument: (open?, i) });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::on_large_stack;
    use super::*;

    fn folded(text: &str) -> Result<Value, Code> {
        let each = json!("h264-720p");
        on_large_stack(|| {
            let templates = Templates::presets();
            fold(text, &KnownValues { each: Some(&each), templates: &templates }).map_err(|e| e.code)
        })
        .unwrap()
    }

    #[test]
    fn what_is_known_is_filled_in_and_the_rest_stays() {
        for (text, expected) in [
            ("${each}.mp4", json!("h264-720p.mp4")),
            ("${each}", json!("h264-720p")),
            ("${object.stem}/${each}.mp4", json!("${object.stem}/h264-720p.mp4")),
            ("${object.stem + each}", json!("${object.stem + each}")),
            ("${template(each).short_side}", json!(720)),
            ("${template( 'aac-64k' ).audio_bitrate + probe.x}", json!("${64000 + probe.x}")),
            ("${\"template(each)\"}", json!("template(each)")),
            ("$${each}", json!("$${each}")),
        ] {
            assert_eq!(folded(text), Ok(expected), "{text}");
        }
        assert_eq!(folded("${template('nope').width}"), Err(Code::new("TPL0006")));
        assert_eq!(folded("${template(each).size}"), Err(Code::new("WF0208")));
        assert_eq!(folded("${template(params.t).width}"), Err(Code::new("WF0210")));
    }
}
