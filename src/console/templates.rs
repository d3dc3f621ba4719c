//! Pages of templates: the list, and the parameters of each.

use axum::Extension;
use axum::extract::State;
use maud::{Markup, html};
use serde_json::Value;

use super::Context;
use super::auth::Visitor;
use super::format::{bit_rate, part};
use super::page::{Page, Part};
use crate::api::Problem;
use crate::api::extract::Place;
use crate::template::{Facts, Template};

pub(super) async fn list(State(context): State<Context>, Extension(visitor): Extension<Visitor>) -> Markup {
    let templates = context.catalog.templates();
    let content = html! {
        div.head { h1 { "Templates" } }
        section #list data-swap {
            div.scroll { table.rows {
                thead { tr {
                    th scope="col" { "Template" } th scope="col" { "From" } th scope="col" { "Video" } th scope="col" { "Audio" } th scope="col" { "Container" }
                } }
                tbody { @for template in templates.iter() { (row(template)) } }
            } }
        }
    };
    let live = Some(String::new());
    let page = Page { title: "Templates", part: Some(Part::Templates), visitor: Some(visitor), scripts: &[], live };
    page.with(&content)
}

const fn from(template: &Template) -> &'static str {
    match (template.preset, template.locked) {
        (true, _) => "built in",
        (false, true) => "locked",
        (false, false) => "custom",
    }
}

fn row(template: &Template) -> Markup {
    let facts = if template.is_watermark() { Facts::default() } else { template.facts() };
    html! {
        tr {
            td.object {
                a href={ "/templates/" (part(&template.name)) } { (template.name) }
                @if let Some(text) = &template.description { small { (text) } }
            }
            td { (from(template)) }
            td { (codec(&facts.video_codec, facts.bitrate)) @if facts.short_side > 0 { " " small { (facts.short_side) "p" } } }
            td { (codec(&facts.audio_codec, facts.audio_bitrate)) }
            td { @if template.is_watermark() { "watermark" } @else { (facts.container) } }
        }
    }
}

fn codec(codec: &str, rate: u64) -> Markup {
    html! { (codec) @if rate > 0 { " " small { (bit_rate(rate)) } } }
}

pub(super) async fn show(
    State(context): State<Context>,
    Extension(visitor): Extension<Visitor>,
    Place(name): Place<String>,
) -> Result<Markup, Problem> {
    let templates = context.catalog.templates();
    let template = templates.get(&name).ok_or_else(|| Problem::not_found("template", &name))?;
    let content = html! {
        div.head { div.title {
            p.crumbs { a href="/templates" { "Templates" } }
            h1 { (template.name) " " small { (from(template)) } }
        } }
        @if let Some(text) = &template.description { p { (text) } }
        section.panel aria-labelledby="parameters-title" {
            h2 #parameters-title { "Parameters " small { "including those of the template it extends" } }
            (tree(&template.parameters.to_json()))
        }
    };
    let page = Page { title: &name, part: Some(Part::Templates), visitor: Some(visitor), scripts: &[], live: None };
    Ok(page.with(&content))
}

/// Draws nested values as nested lists.
fn tree(value: &Value) -> Markup {
    match value {
        Value::Object(map) => html! {
            dl.tree { @for (name, value) in map { div { dt { (name) } dd { (tree(value)) } } } }
        },
        Value::Array(items) => html! { ol { @for item in items { li { (tree(item)) } } } },
        Value::String(text) => html! { code { (text) } },
        other => html! { code { (other) } },
    }
}
