//! Expressions: CEL in conditions, and inside `${…}` in texts.
//!
//! **Invariant**: every expression is checked by [`inspect()`] when its workflow is loaded. Its length, depth and
//! comprehensions are limited, and so is the cost of evaluating it. CEL runs only inside [`on_large_stack`], so neither
//! deep recursion nor a panic of the library reaches the caller.

mod equality;
mod evaluate;
mod fold;
mod inspect;

pub use equality::never_equal;
pub use evaluate::{EvaluateError, evaluate, truth};
pub use fold::{KnownValues, fold, fold_templates};
pub use inspect::{ExpressionProblem, FUNCTIONS, NamePath, inspect};

use serde_json::Value;

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextPiece<'t> {
    /// Literal characters.
    Text(&'t str),
    /// `$${`, which stands for `${`.
    Escape,
    /// An expression, and the byte of the text at which it begins.
    Expression(&'t str, usize),
}

/// A `${` without a `}`, with its position in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unclosed(pub usize);

/// The parts of a text with `${…}`.
pub fn pieces(text: &str) -> Result<Vec<TextPiece<'_>>, Unclosed> {
    let mut pieces = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find("${").map(|i| at + i) {
        let escaped = text[at..found].ends_with('$');
        let before = &text[at..if escaped { found - 1 } else { found }];
        if !before.is_empty() {
            pieces.push(TextPiece::Text(before));
        }
        if escaped {
            pieces.push(TextPiece::Escape);
            at = found + 2;
            continue;
        }
        let start = found + 2;
        let length = end_of_expression(&text[start..]).ok_or(Unclosed(found))?;
        pieces.push(TextPiece::Expression(&text[start..start + length], start));
        at = start + length + 1;
    }
    if at < text.len() {
        pieces.push(TextPiece::Text(&text[at..]));
    }
    Ok(pieces)
}

/// Returns the text after the `${…}` that `text` begins with; empty if that has no end.
pub fn skip(text: &str) -> &str {
    let inner = text.strip_prefix("${").unwrap_or(text);
    end_of_expression(inner).map_or("", |length| &inner[length + 1..])
}

/// Bytes up to the `}` that ends an expression: one outside its strings and its own braces.
fn end_of_expression(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    for (i, c) in outside_strings(text) {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => return Some(i),
            '}' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// The characters of an expression that are not inside its string literals.
pub(super) fn outside_strings(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut quote = None;
    let mut escaped = false;
    text.char_indices().filter(move |&(_, c)| {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(q) if c == q => quote = None,
            Some(_) => {}
            None if c == '"' || c == '\'' => quote = Some(c),
            None => return true,
        }
        false
    })
}

/// Evaluates the expressions in a text. A text that is exactly one expression keeps the type of its value.
pub fn render(text: &str, lookup: &dyn Fn(&str) -> Option<Value>) -> Result<Value, EvaluateError> {
    let pieces = pieces(text).map_err(|_| EvaluateError::Unclosed)?;
    if let [TextPiece::Expression(source, _)] = pieces.as_slice() {
        return evaluate(source, lookup);
    }
    let mut rendered = String::new();
    for piece in pieces {
        match piece {
            TextPiece::Text(text) => rendered.push_str(text),
            TextPiece::Escape => rendered.push_str("${"),
            TextPiece::Expression(source, _) => rendered.push_str(&as_text(source, &evaluate(source, lookup)?)?),
        }
    }
    Ok(Value::String(rendered))
}

/// A value as part of a text.
fn as_text(source: &str, value: &Value) -> Result<String, EvaluateError> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => {
            Err(EvaluateError::NotText { source_text: source.to_owned() })
        }
    }
}

/// Stack for parsing and evaluating, in bytes; unused pages take no memory.
const STACK_BYTES: usize = 64 * 1024 * 1024;

/// Longest expression, in bytes, that can be evaluated on any stack once it was parsed.
const SHORT: usize = 200;

/// Runs `work`, which evaluates only `source`, on a stack that is large enough. `None` if it panicked.
pub fn guarded<T: Send>(source: &str, work: impl FnOnce() -> T + Send) -> Option<T> {
    if source.len() <= SHORT && evaluate::is_compiled(source) {
        return std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).ok();
    }
    on_large_stack(work)
}

/// Runs `work` on a stack for the deepest allowed expression. `None` if it panicked, or if the system could not start a
/// thread.
pub fn on_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().name("expressions".to_owned()).stack_size(STACK_BYTES);
        builder.spawn_scoped(scope, work).ok()?.join().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_fall_into_pieces() {
        use TextPiece::{Escape, Expression, Text};
        for (text, expected) in [
            ("plain", vec![Text("plain")]),
            ("a/${b}.mp4", vec![Text("a/"), Expression("b", 4), Text(".mp4")]),
            ("${ {'k': '}'}['k'] }", vec![Expression(" {'k': '}'}['k'] ", 2)]),
            ("$${a}", vec![Escape, Text("a}")]),
            (r#"${"\"}"}${x}"#, vec![Expression(r#""\"}""#, 2), Expression("x", 10)]),
            ("", vec![]),
        ] {
            assert_eq!(pieces(text).unwrap(), expected, "{text}");
        }
        assert_eq!(pieces("ab${c"), Err(Unclosed(2)));
        assert_eq!(pieces("${'}"), Err(Unclosed(0)));
    }

    #[test]
    fn rendering_keeps_the_type_of_a_lone_expression_and_interprets_no_value() {
        let lookup = |name: &str| match name {
            "n" => Some(Value::from(7)),
            "evil" => Some(Value::from("$(touch pwned);${n}\n..")),
            _ => None,
        };
        let rendered = |text: &str| on_large_stack(|| render(text, &lookup).unwrap()).unwrap();
        assert_eq!(rendered("${n}"), Value::from(7));
        assert_eq!(rendered("${n + 1}p"), Value::from("8p"));
        assert_eq!(rendered("${evil}.mp4"), Value::from("$(touch pwned);${n}\n...mp4"));
        assert_eq!(rendered("$${n}"), Value::from("${n}"));
    }

    #[test]
    fn a_panic_stays_inside() {
        assert_eq!(on_large_stack(|| 1), Some(1));
        assert_eq!(on_large_stack(|| -> u8 { panic!("on purpose") }), None);
    }
}
