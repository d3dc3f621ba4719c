//! Comparisons for equality that always have the same result, because the types differ. CEL reports no error for them.

use cel::common::ast::{EntryExpr, Expr, IdedExpr};
use cel::{Context, Program};
use serde_json::Value;

use super::evaluate;

/// Returns the error of the first `==` or `!=` whose sides have different types. `lookup` returns a value of the type of a
/// name.
pub fn never_equal(source: &str, lookup: &dyn Fn(&str) -> Option<Value>) -> Option<String> {
    let program = Program::compile(source).ok()?;
    let context = evaluate::context(&program, lookup);
    find(program.expression(), &context)
}

fn find(node: &IdedExpr, context: &Context<'_, '_>) -> Option<String> {
    match &node.expr {
        Expr::Call(call) => {
            let operator = call.func_name.trim_matches('_');
            let here = match call.args.as_slice() {
                [one, other] if matches!(operator, "==" | "!=") => differing(operator, one, other, context),
                _ => None,
            };
            here.or_else(|| call.target.iter().find_map(|target| find(target, context)))
                .or_else(|| call.args.iter().find_map(|argument| find(argument, context)))
        }
        Expr::Select(select) => find(&select.operand, context),
        Expr::List(list) => list.elements.iter().find_map(|element| find(element, context)),
        Expr::Map(map) => map.entries.iter().find_map(|entry| match &entry.expr {
            EntryExpr::StructField(field) => find(&field.value, context),
            EntryExpr::MapEntry(entry) => find(&entry.key, context).or_else(|| find(&entry.value, context)),
        }),
        _ => None,
    }
}

fn differing(operator: &str, one: &IdedExpr, other: &IdedExpr, context: &Context<'_, '_>) -> Option<String> {
    let type_of = |node| type_name(&cel::Value::resolve(node, context).ok()?);
    let (one, other) = (type_of(one)?, type_of(other)?);
    let answer = if operator == "==" { "never" } else { "always" };
    (one != other).then(|| format!("the types do not match: {one} is {answer} `{operator}` {other}"))
}

/// Returns the name of a value's type for messages. All kinds of numbers have one, since they can be compared.
const fn type_name(value: &cel::Value) -> Option<&'static str> {
    Some(match value {
        cel::Value::Int(_) | cel::Value::UInt(_) | cel::Value::Float(_) => "a number",
        cel::Value::String(_) => "text",
        cel::Value::Bool(_) => "true or false",
        cel::Value::List(_) => "a list",
        cel::Value::Map(_) => "a map",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::on_large_stack;
    use super::*;

    #[test]
    fn sides_of_different_types_are_told_and_unknown_ones_are_not() {
        let lookup = |name: &str| match name {
            "object" => Some(json!({"size": 0, "name": "", "metadata": {}, "rate": 0.0})),
            _ => None,
        };
        for (source, expected) in [
            ("object.size == 'a'", Some("a number is never `==` text")),
            ("object.size > 1 && (object.name != 2 || true)", Some("text is always `!=` a number")),
            ("object.size == 1.5 && object.rate == 2 && object.name == 'x'", None),
            ("object.metadata.x == 1 || object.metadata.x == 'a'", None),
            ("object.name == null", None),
            ("[1, 2].exists(n, n == object.size)", None),
        ] {
            let found = on_large_stack(|| never_equal(source, &lookup)).unwrap();
            assert_eq!(found.as_deref().and_then(|m| m.strip_prefix("the types do not match: ")), expected, "{source}");
        }
    }
}
