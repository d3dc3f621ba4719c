//! Values of declared parameters.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::model::Failure;
use crate::model::plan::{Param, ParamType, Plan};
use crate::yaml::nearest;

/// Longest value of a text, in bytes.
const MAX_TEXT_BYTES: usize = 4096;

/// Returns the values of all declared parameters: given with the request, else in the object's metadata, else the default.
/// Other metadata is ignored; parameters of a request must be declared.
pub fn params(
    plan: &Plan,
    given: &BTreeMap<String, String>,
    metadata: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, Value>, Failure> {
    all_declared(plan, given)?;
    plan.params.iter().map(|(name, param)| Ok((name.clone(), value(name, param, given, metadata)?))).collect()
}

/// Returns the values of the parameters in a request only.
pub fn given_params(plan: &Plan, given: &BTreeMap<String, String>) -> Result<BTreeMap<String, Value>, Failure> {
    all_declared(plan, given)?;
    let declared = plan.params.iter().filter(|(name, _)| given.contains_key(*name));
    declared.map(|(name, param)| Ok((name.clone(), value(name, param, given, &BTreeMap::new())?))).collect()
}

fn all_declared(plan: &Plan, given: &BTreeMap<String, String>) -> Result<(), Failure> {
    if let Some(unknown) = given.keys().find(|name| !plan.params.contains_key(*name)) {
        let known = || plan.params.keys().map(String::as_str);
        let hint = match nearest(unknown, known()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if plan.params.is_empty() => "it declares none".to_owned(),
            None => format!("its parameters are {}", known().collect::<Vec<_>>().join(", ")),
        };
        let message = format!("workflow `{}` has no parameter `{unknown}`; {hint}", plan.workflow);
        return Err(Failure::definition("WF0405", message));
    }
    Ok(())
}

fn value(
    name: &str,
    param: &Param,
    given: &BTreeMap<String, String>,
    metadata: &BTreeMap<String, String>,
) -> Result<Value, Failure> {
    let (text, origin) = match (given.get(name), metadata.get(name)) {
        (Some(text), _) => (text, "given with the request"),
        (None, Some(text)) => (text, "in the object's metadata"),
        (None, None) => {
            return param.default.clone().ok_or_else(|| {
                let message = format!("parameter `{name}` is missing: it has no default");
                Failure::definition("WF0405", message)
            });
        }
    };
    let refuse = |why: &str| Failure::input("WF0405", format!("parameter `{name}`, {origin}, {why}"));
    if text.len() > MAX_TEXT_BYTES {
        return Err(refuse(&format!("has {} bytes; at most {MAX_TEXT_BYTES} are allowed", text.len())));
    }
    parsed(param.kind, text).ok_or_else(|| refuse(&format!("is not {}", type_name(param.kind))))
}

fn parsed(kind: ParamType, text: &str) -> Option<Value> {
    match kind {
        ParamType::String => Some(text.into()),
        ParamType::Int => text.trim().parse::<i64>().ok().map(Value::from),
        ParamType::Float => text.trim().parse::<f64>().ok().filter(|n| n.is_finite()).map(Value::from),
        ParamType::Bool => text.trim().parse::<bool>().ok().map(Value::from),
    }
}

/// Converts a value of a definition to `kind`; `None` if it has another type.
pub fn typed(kind: ParamType, value: &Value) -> Option<Value> {
    match kind {
        ParamType::String => match value {
            Value::String(_) => Some(value.clone()),
            Value::Number(n) => Some(n.to_string().into()),
            _ => None,
        },
        ParamType::Int => value.as_i64().map(Value::from),
        ParamType::Float => value.as_f64().map(Value::from),
        ParamType::Bool => value.as_bool().map(Value::from),
    }
}

/// Returns the name of a type for messages.
pub const fn type_name(kind: ParamType) -> &'static str {
    match kind {
        ParamType::String => "text",
        ParamType::Int => "a whole number",
        ParamType::Float => "a number",
        ParamType::Bool => "true or false",
    }
}

#[cfg(test)]
mod tests {
    use petgraph::graph::DiGraph;
    use serde_json::json;

    use super::*;
    use crate::model::plan::OutputTarget;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    #[test]
    fn values_rise_from_default_over_metadata_to_what_is_given() {
        let declared = [
            ("width", ParamType::Int, Some(json!(640))),
            ("title", ParamType::String, None),
            ("fast", ParamType::Bool, Some(json!(false))),
        ];
        let plan = Plan {
            workflow: "w".to_owned(),
            digest: String::new(),
            graph: DiGraph::new(),
            output: OutputTarget::default(),
            notify: Vec::new(),
            deadline: None,
            params: declared.map(|(n, kind, default)| (n.to_owned(), Param { kind, default })).into(),
        };
        let metadata = map(&[("title", "from metadata"), ("width", "800"), ("unrelated", "x")]);
        let values = params(&plan, &map(&[("width", "1280")]), &metadata).unwrap();
        assert_eq!(json!(values), json!({"fast": false, "title": "from metadata", "width": 1280}));
        assert_eq!(params(&plan, &map(&[("title", "t")]), &map(&[])).unwrap()["width"], 640);
        for given in [map(&[]), map(&[("widht", "1"), ("title", "t")]), map(&[("title", "t"), ("width", "wide")])] {
            assert_eq!(params(&plan, &given, &map(&[])).unwrap_err().code, "WF0405");
        }
    }
}
