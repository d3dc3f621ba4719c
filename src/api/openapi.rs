//! `/v1/openapi.json`: the OpenAPI document, for generators of clients.
//!
//! **Invariant**: it is generated from the handlers; a test checks that `schemas/openapi.json` is the same.

use axum::Json;
use axum::extract::State;
use serde_json::{Map, Value, json};
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};

use super::problem::MEDIA_TYPE;
use super::{Context, Problem, routes};

/// Head of the document.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Reelmill",
        description = "Media workflows on uploads, and single jobs. Bodies are JSON; errors are problem details \
                       (RFC 9457), each with a code that docs/errors.md explains.",
        license(name = "MIT OR Apache-2.0"),
    ),
    components(schemas(Problem)),
    security((), ("token" = [])),
    modifiers(&Token),
    tags(
        (name = "jobs", description = "Single activities without a workflow"),
        (name = "executions", description = "Executions of workflows"),
        (name = "workflows", description = "Definitions of workflows"),
        (name = "templates", description = "Named sets of parameters"),
        (name = "queues", description = "Queues of jobs"),
        (name = "events", description = "Ledger of upload events"),
        (name = "notifications", description = "Notifications to receivers, and their deliveries"),
        (name = "operation", description = "Health, metrics and this document"),
    ),
)]
pub(super) struct Document;

struct Token;

impl utoipa::Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let token = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        document.components.get_or_insert_default().add_security_scheme("token", SecurityScheme::Http(token));
    }
}

/// Returns the document.
#[must_use]
pub fn document() -> Value {
    let (_, document) = routes().split_for_parts();
    let mut document = serde_json::to_value(document).unwrap_or_default();
    let paths = document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    let operations = paths.filter_map(Value::as_object_mut).flat_map(Map::values_mut);
    for operation in operations {
        for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
            without_null(parameter);
        }
        for response in operation["responses"].as_object_mut().into_iter().flat_map(Map::values_mut) {
            if response["description"].is_null() {
                response["description"] = "Success".into();
            }
        }
        // Every error has the same schema.
        operation["responses"]["default"] = json!({
            "description": "The request was rejected, or it failed",
            "content": { MEDIA_TYPE: { "schema": { "$ref": "#/components/schemas/Problem" } } },
        });
    }
    document
}

/// A header is there or not: it is never `null`.
fn without_null(parameter: &mut Value) {
    if let [kind, null] = parameter["schema"]["type"].as_array().map_or(&[][..], Vec::as_slice)
        && null == "null"
    {
        parameter["schema"]["type"] = kind.clone();
        parameter["required"] = false.into();
    }
}

/// This document; that of a daemon with tokens says that they are needed.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "operation", operation_id = "openapi",
    responses((status = 200, body = Object)))]
pub(super) async fn show(State(context): State<Context>) -> Json<Value> {
    let mut document = document();
    if !context.tokens.is_empty() {
        document["security"] = json!([{ "token": [] }]);
    }
    Json(document)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// `UPDATE_SCHEMAS=1 cargo test openapi` rewrites the file.
    #[test]
    fn the_committed_document_is_in_step() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/openapi.json");
        let text = serde_json::to_string_pretty(&document()).unwrap() + "\n";
        if std::env::var_os("UPDATE_SCHEMAS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == text, "schemas/openapi.json is out of step: run with UPDATE_SCHEMAS=1");
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_schema_is_one() {
        fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
            match value {
                Value::Object(map) => {
                    found.extend(map.get("$ref").and_then(Value::as_str));
                    map.values().for_each(|value| references(value, found));
                }
                Value::Array(values) => values.iter().for_each(|value| references(value, found)),
                _ => {}
            }
        }
        let document = document();
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1") && found.len() > 50, "{found:?}");
        for reference in found {
            let pointer = reference.strip_prefix('#').unwrap();
            let schema = document.pointer(pointer).unwrap_or_else(|| panic!("there is no {reference}"));
            jsonschema::meta::validate(schema).unwrap_or_else(|error| panic!("{reference}: {error}"));
        }
    }
}
