//! `/v1/templates`: list, show.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::extract::Place;
use super::{Context, Problem};
use crate::template::{BROKEN, Template};

/// A template.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TemplateView {
    /// Name of the template.
    pub name: String,
    /// Purpose, in one sentence.
    pub description: Option<String>,
    /// True for built-in templates.
    pub preset: bool,
    /// True if activities may not override its parameters.
    pub locked: bool,
    /// True for watermark templates.
    pub watermark: bool,
    /// Facts that expressions can use, for a 16:9 source; null for a watermark.
    #[schema(value_type = Option<Object>)]
    pub facts: Value,
    /// Parameters, including those of the template it extends; not set in lists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub parameters: Option<Value>,
}

impl From<&Template> for TemplateView {
    fn from(template: &Template) -> Self {
        Self {
            name: template.name.clone(),
            description: template.description.clone(),
            preset: template.preset,
            locked: template.locked,
            watermark: template.is_watermark(),
            facts: if template.is_watermark() { Value::Null } else { json!(template.facts()) },
            parameters: None,
        }
    }
}

/// Every template.
#[derive(Clone, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TemplateList {
    /// Templates, by name.
    pub items: Vec<TemplateView>,
}

/// List all templates, by name.
#[utoipa::path(get, path = "/v1/templates", tag = "templates", operation_id = "list_templates",
    responses((status = 200, body = TemplateList)))]
pub(super) async fn list(State(context): State<Context>) -> Json<TemplateList> {
    Json(TemplateList { items: context.catalog.templates().iter().map(TemplateView::from).collect() })
}

/// Show a template and its parameters.
#[utoipa::path(get, path = "/v1/templates/{name}", tag = "templates", operation_id = "show_template",
    params(("name" = String, Path, description = "Name of the template")), responses((status = 200, body = TemplateView)))]
pub(super) async fn show(
    State(context): State<Context>,
    Place(name): Place<String>,
) -> Result<Json<TemplateView>, Problem> {
    let templates = context.catalog.templates();
    let template = templates.lookup(&name).map_err(|missing| {
        let status = if missing.code == BROKEN { StatusCode::CONFLICT } else { StatusCode::NOT_FOUND };
        Problem::new(status, missing.code, format!("{} ({})", missing.message, missing.hint))
    })?;
    Ok(Json(TemplateView { parameters: Some(template.parameters.to_json()), ..TemplateView::from(template) }))
}
