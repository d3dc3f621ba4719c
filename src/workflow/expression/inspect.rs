//! Checks of an expression before it is evaluated: syntax, size, and the names that it refers to.

use cel::Program;
use cel::common::ast::{CallExpr, EntryExpr, Expr, IdedExpr, LiteralValue};

use super::super::Limits;
use super::outside_strings;
use crate::model::Code;
use crate::yaml::nearest;

/// Error in an expression, with its position in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpressionProblem {
    /// Stable code.
    pub code: Code,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// One sentence.
    pub message: String,
    /// Suggestion for the user.
    pub hint: Option<String>,
}

/// A name that an expression refers to, with fields: `probe.video.height`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePath {
    /// The name.
    pub root: String,
    /// The fields, outermost first.
    pub fields: Vec<String>,
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
    /// Function that has it as its only argument: `failed` in `failed(x)`.
    pub argument_of: Option<String>,
}

/// Names that an expression refers to.
#[derive(Clone, Debug, Default)]
pub struct ExpressionNames {
    /// Names and their fields.
    pub paths: Vec<NamePath>,
}

/// Functions that expressions may call: those of CEL, and Reelmill's.
pub const FUNCTIONS: &[&str] = &[
    "size",
    "contains",
    "startsWith",
    "endsWith",
    "matches",
    "int",
    "uint",
    "double",
    "string",
    "bytes",
    "bool",
    "type",
    "dyn",
    "has",
    "all",
    "exists",
    "exists_one",
    "existsOne",
    "map",
    "filter",
    "failed",
    "succeeded",
    "skipped",
    "template",
];

/// Functions whose argument is the name of an activity.
const OF_ACTIVITIES: &[&str] = &["failed", "succeeded", "skipped"];

/// Checks an expression. Needs a large stack ([`super::on_large_stack`]).
pub fn inspect(source: &str, limits: &Limits) -> Result<ExpressionNames, Box<ExpressionProblem>> {
    let whole =
        |code, message: String| Box::new(ExpressionProblem { code, start: 0, end: source.len(), message, hint: None });
    if source.len() > limits.expression_bytes {
        let message =
            format!("the expression has {} bytes; at most {} are allowed", source.len(), limits.expression_bytes);
        return Err(whole(Code::new("WF0204"), message));
    }
    if source.trim().is_empty() {
        return Err(whole(Code::new("WF0201"), "the expression is empty".to_owned()));
    }
    if deepest(source) > limits.expression_depth {
        let message = format!("more than {} brackets are nested", limits.expression_depth);
        return Err(whole(Code::new("WF0205"), message));
    }
    let program = Program::compile(source).map_err(|errors| Box::new(syntax(source, &errors)))?;
    let mut walk =
        Walk { source, program: &program, bound: Vec::new(), inside: false, found: ExpressionNames::default() };
    walk.expression(program.expression(), None)?;
    Ok(walk.found)
}

fn deepest(source: &str) -> usize {
    let mut depth = 0_usize;
    let mut deepest = 0;
    for (_, c) in outside_strings(source) {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    deepest
}

fn syntax(source: &str, errors: &cel::ParseErrors) -> ExpressionProblem {
    let Some(first) = errors.errors.first() else {
        return ExpressionProblem {
            code: Code::new("WF0201"),
            start: 0,
            end: source.len(),
            message: "this is not a valid expression".to_owned(),
            hint: None,
        };
    };
    let (line, column) = first.pos;
    let line_start: usize =
        source.split_inclusive('\n').take(usize::try_from(line).unwrap_or(1).saturating_sub(1)).map(str::len).sum();
    let rest = source.get(line_start..).unwrap_or_default();
    let column = usize::try_from(column).unwrap_or(1).saturating_sub(1);
    let start = line_start + rest.char_indices().nth(column).map_or(rest.len(), |(i, _)| i);
    let end = start + source[start..].chars().next().map_or(0, char::len_utf8);
    let message = format!("this is not a valid expression (CEL): {}", said(&first.msg));
    ExpressionProblem { code: Code::new("WF0201"), start, end, message, hint: operator(source) }
}

/// Rewrites a message of the parser in plain words.
fn said(message: &str) -> String {
    let what = message.trim_start_matches("Syntax error: ").split(" expecting ").next().unwrap_or_default();
    let quoted = |what: &str| what.trim_matches('\'').trim().replace("<EOF>", "its end");
    for (begins, says) in [
        ("mismatched input ", "is unexpected here"),
        ("no viable alternative at input ", "is unexpected here"),
        ("extraneous input ", "is unexpected here"),
        ("token recognition error at: ", "is not allowed here"),
    ] {
        if let Some(input) = what.strip_prefix(begins) {
            return format!("`{}` {says}", quoted(input));
        }
    }
    what.replace("<EOF>", "its end")
}

/// Suggests CEL's operator for one of other languages in the expression.
fn operator(source: &str) -> Option<String> {
    const SPELLED: [(&str, &str); 3] = [("and", "&&"), ("or", "||"), ("not", "!")];
    const SIGNS: [(&str, &str); 7] =
        [("=>", ">="), ("=<", "<="), ("<>", "!="), ("===", "=="), ("!==", "!="), ("=", "=="), ("&", "&&")];
    let mut plain = " ".repeat(source.len());
    for (at, c) in outside_strings(source) {
        plain.replace_range(at..at + c.len_utf8(), &c.to_string());
    }
    let words = || plain.split(|c: char| !c.is_alphanumeric() && c != '_');
    let signs = || plain.split(|c: char| !"=<>!&|".contains(c));
    let spelled = SPELLED.iter().find(|(word, _)| words().any(|found| found.eq_ignore_ascii_case(word)));
    let sign = SIGNS.iter().find(|(sign, _)| signs().any(|found| found == *sign));
    spelled.or(sign).map(|(theirs, ours)| format!("write `{ours}` for `{theirs}`"))
}

struct Walk<'a> {
    source: &'a str,
    program: &'a Program,
    /// Variables of the enclosing comprehensions.
    bound: Vec<String>,
    inside: bool,
    found: ExpressionNames,
}

impl Walk<'_> {
    fn expression(&mut self, node: &IdedExpr, argument_of: Option<&str>) -> Result<(), Box<ExpressionProblem>> {
        if let Some((root, fields)) = path(node) {
            if !self.bound.contains(&root.1) && !root.1.starts_with('@') {
                let (start, end) = self.extent(root.0, &root.1);
                let argument_of = argument_of.map(str::to_owned);
                self.found.paths.push(NamePath { root: root.1, fields, start, end, argument_of });
            }
            return Ok(());
        }
        match &node.expr {
            Expr::Unspecified | Expr::Literal(_) | Expr::Ident(_) => Ok(()),
            Expr::Call(call) => self.call(node, call),
            Expr::Select(select) => self.expression(&select.operand, None),
            Expr::List(list) => list.elements.iter().try_for_each(|e| self.expression(e, None)),
            Expr::Map(map) => map.entries.iter().try_for_each(|e| self.entry(&e.expr)),
            Expr::Struct(_) => self.refuse(node, "WF0207", "messages are not supported".to_owned(), None),
            Expr::Comprehension(c) => {
                if std::mem::replace(&mut self.inside, true) {
                    let message = "`all`, `exists`, `map` and `filter` cannot be nested".to_owned();
                    return self.refuse(node, "WF0206", message, None);
                }
                self.expression(&c.iter_range, None)?;
                let before = self.bound.len();
                self.bound.extend([c.iter_var.clone(), c.accu_var.clone()]);
                self.bound.extend(c.iter_var2.clone());
                for part in [&c.accu_init, &c.loop_cond, &c.loop_step, &c.result] {
                    self.expression(part, None)?;
                }
                self.bound.truncate(before);
                self.inside = false;
                Ok(())
            }
        }
    }

    fn entry(&mut self, entry: &EntryExpr) -> Result<(), Box<ExpressionProblem>> {
        match entry {
            EntryExpr::StructField(field) => self.expression(&field.value, None),
            EntryExpr::MapEntry(entry) => {
                self.expression(&entry.key, None)?;
                self.expression(&entry.value, None)
            }
        }
    }

    fn call(&mut self, node: &IdedExpr, call: &CallExpr) -> Result<(), Box<ExpressionProblem>> {
        let name = call.func_name.as_str();
        let is_operator = name.contains(|c: char| !c.is_ascii_alphanumeric() && c != '_') || name.starts_with('_');
        if !is_operator && !FUNCTIONS.contains(&name) {
            let hint = nearest(name, FUNCTIONS.iter().copied()).map(|n| format!("did you mean `{n}`?"));
            return self.refuse(node, "WF0207", format!("there is no function `{name}`"), hint);
        }
        let of_activity = OF_ACTIVITIES.contains(&name);
        if of_activity && (call.target.is_some() || !is_name(&call.args)) {
            let message = format!("`{name}` takes the name of an activity: `{name}(probe)`");
            return self.refuse(node, "WF0207", message, None);
        }
        if let Some(target) = &call.target {
            self.expression(target, None)?;
        }
        let argument_of = of_activity.then_some(name);
        call.args.iter().try_for_each(|argument| self.expression(argument, argument_of))
    }

    /// Returns the position of a path: its root, dots, names and constant indices.
    fn extent(&self, root: u64, name: &str) -> (usize, usize) {
        let start = self.program.source_info().offset_for(root).map_or(0, |(start, _)| start as usize);
        let rest = self.source.get(start..).unwrap_or_default();
        let more = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
        let length = rest.find(|c| !more(c)).unwrap_or(rest.len()).max(name.len().min(rest.len()));
        (start, start + rest[..length].trim_end_matches('.').len())
    }

    fn refuse(
        &self,
        node: &IdedExpr,
        code: impl Into<Code>,
        message: String,
        hint: Option<String>,
    ) -> Result<(), Box<ExpressionProblem>> {
        let (start, end) = self.extent(node.id, "");
        let end = if end > start { end } else { self.source.len() };
        Err(Box::new(ExpressionProblem { code: code.into(), start, end, message, hint }))
    }
}

fn is_name(arguments: &[IdedExpr]) -> bool {
    matches!(arguments, [IdedExpr { expr: Expr::Ident(_), .. }])
}

/// A name and the fields taken of it, `x["y"]` being the same as `x.y`: the root's node and name, and the fields. What
/// `has(…)` asks for is not taken.
fn path(node: &IdedExpr) -> Option<((u64, String), Vec<String>)> {
    let mut fields = Vec::new();
    let mut node = node;
    loop {
        match &node.expr {
            Expr::Ident(name) => {
                fields.reverse();
                return Some(((node.id, name.clone()), fields));
            }
            Expr::Select(select) => {
                if select.test {
                    fields.clear();
                } else {
                    fields.push(select.field.clone());
                }
                node = &select.operand;
            }
            Expr::Call(call) if call.func_name == "_[_]" => {
                let [operand, IdedExpr { expr: Expr::Literal(LiteralValue::String(key)), .. }] = call.args.as_slice()
                else {
                    return None;
                };
                fields.push(key.inner().to_owned());
                node = operand;
            }
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::on_large_stack;
    use super::*;

    /// Texts of the paths with their fields; or code and text of the problem.
    type Looked = Result<Vec<(String, Vec<String>)>, (Code, String)>;

    fn look(source: &str) -> Looked {
        let inspected = on_large_stack(|| inspect(source, &Limits::default())).unwrap();
        match inspected {
            Ok(found) => Ok(found.paths.into_iter().map(|p| (source[p.start..p.end].to_owned(), p.fields)).collect()),
            Err(p) => Err((p.code, source[p.start..p.end].to_owned())),
        }
    }

    #[test]
    fn references_are_found_where_they_stand() {
        let found = look("'é' + probe.video.codec == \"x\" && rungs[\"a-b\"].key != params.k").unwrap();
        let texts: Vec<_> = found.iter().map(|f| f.0.as_str()).collect();
        assert_eq!(texts, ["probe.video.codec", "rungs", "params.k"]);
        assert_eq!(found[1].1, ["a-b", "key"]);
        let found = look("probe.audios.exists(a, a.language == each) && has(object.metadata.x)").unwrap();
        let texts: Vec<_> = found.iter().map(|f| f.0.as_str()).collect();
        assert_eq!(texts, ["probe.audios.exists", "each", "object.metadata.x"]);
        assert_eq!(found[2].1, ["metadata"]);
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        assert_eq!(look("a +").unwrap_err().0, "WF0201");
        assert_eq!(look("  ").unwrap_err().0, "WF0201");
        assert_eq!(look("a && && b").unwrap_err(), (Code::new("WF0201"), "&".to_owned()));
        assert_eq!(look("sizze(a) > 1").unwrap_err().0, "WF0207");
        assert_eq!(look("failed('x')").unwrap_err().0, "WF0207");
        assert_eq!(look("[1].map(x, [2].map(y, x))").unwrap_err().0, "WF0206");
        assert_eq!(look("[1].map(x, x).map(y, y)").unwrap_err().0, "WF0206");
    }

    #[test]
    fn bombs_of_depth_and_length_stop_before_the_parser() {
        assert_eq!(look(&format!("{}1{}", "(".repeat(200), ")".repeat(200))).unwrap_err().0, "WF0205");
        assert_eq!(look(&"[".repeat(900)).unwrap_err().0, "WF0205");
        assert_eq!(look(&"a+".repeat(2_000)).unwrap_err().0, "WF0204");
        for deep in ["!".repeat(1_000) + "a", "-".repeat(1_000) + "1", "a?b:".repeat(250) + "c", "a.".repeat(500) + "a"]
        {
            drop(look(&deep));
        }
        assert!(look(&("a+".repeat(500) + "a")).is_ok());
    }
}
