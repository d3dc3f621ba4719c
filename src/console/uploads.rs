//! Page to upload files to a bucket of a workflow's trigger, and to follow the executions that they start.
//!
//! **Invariant**: bytes are sent to the storage as they arrive; nothing is written to a bucket without a trigger; an
//! object is replaced only on request.

use std::time::Duration;

use axum::BoxError;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use futures::{Stream, StreamExt};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::Context;
use super::auth::Visitor;
use super::page::{Page, Part, nothing};
use super::problem::of_object;
use super::workflows::none_yet;
use crate::api::extract::{Asked, Place};
use crate::api::{ParameterPlace, Problem};
use crate::config::Scope;
use crate::intake::Catalog;
use crate::model::{ObjectLocation, Timestamp};
use crate::objects::{Incoming, OCTET_STREAM, Revision};
use crate::store::{EventFilter, EventRecord};
use crate::workflow::Workflow;

/// Longest key, in bytes; the limit of S3.
const KEY_BYTES: usize = 1_024;

/// Largest upload, in bytes. An upload to S3 holds a ten-thousandth of it in memory.
const LARGEST_BYTES: u64 = 1 << 40;

/// Timeout for the next bytes of a body.
const STANDSTILL: Duration = Duration::from_secs(60);

/// Most uploads at once, each of which holds a part in memory; more wait.
static UPLOADS: Semaphore = Semaphore::const_new(16);

/// Newest ledger entries of an object that are searched for an upload.
const ENTRIES: u32 = 20;

/// Largest difference between the clocks of a daemon and its database.
const SKEW: Duration = Duration::from_secs(60);

/// A destination of uploads.
struct Target {
    workflow: String,
    bucket: String,
    /// Prefix of keys.
    prefix: String,
    globs: String,
}

/// Returns the destinations at which uploads start a workflow.
fn targets(context: &Context) -> Vec<Target> {
    let target = |workflow: &std::sync::Arc<Workflow>| {
        let trigger = workflow.trigger.as_ref().filter(|_| workflow.enabled)?;
        let globs = if trigger.globs.is_empty() { "**".to_owned() } else { trigger.globs.join(", ") };
        let prefix = literal_folder(trigger.globs.first().map_or("", String::as_str)).to_owned();
        Some(Target { workflow: workflow.name.clone(), bucket: trigger.bucket.clone(), prefix, globs })
    };
    context.catalog.active().iter().filter_map(target).collect()
}

/// Returns the folders of a glob that have no wildcards: `incoming/` of `incoming/**/*.mp4`.
fn literal_folder(glob: &str) -> &str {
    let literal = glob.find(['*', '?', '{', '[', '\\']).map_or(glob, |open| &glob[..open]);
    literal.rfind('/').map_or("", |slash| &literal[..=slash])
}

pub(super) async fn page(State(context): State<Context>, Extension(visitor): Extension<Visitor>) -> Markup {
    let targets = targets(&context);
    let content = html! {
        div.head { h1 { "Upload" } }
        @if context.catalog.definitions().is_empty() {
            (none_yet(&context, visitor))
        } @else if targets.is_empty() {
            (nothing("No enabled workflow has a trigger.", &html! { "Add a " code { "trigger" } " to one of the " a href="/workflows" { "workflows" } ", or enable one." }))
        } @else if visitor.scope < Scope::Submit {
            (nothing("Your token does not permit uploads.", &html! { "Sign in with a token that has the scope " code { "submit" } "." }))
        } @else {
            (zone(&targets))
        }
    };
    let page =
        Page { title: "Upload", part: Some(Part::Upload), visitor: Some(visitor), scripts: &["upload.js"], live: None };
    page.with(&content)
}

fn zone(targets: &[Target]) -> Markup {
    html! {
        form #upload {
            div.filters {
                label.grow { span { "Workflow" }
                    select #target {
                        @for target in targets {
                            option data-bucket=(target.bucket) data-prefix=(target.prefix) {
                                (target.workflow) " (" (target.bucket) "/" (target.globs) ")"
                            }
                        }
                    }
                }
                label { span { "Folder" } input #prefix type="text" value=(targets[0].prefix) autocomplete="off" spellcheck="false"; }
            }
            label.drop #drop for="file" {
                span.arrow aria-hidden="true" { "↑" }
                strong { "Drop files here" }
                span { "or click to choose files" }
                input #file type="file" multiple;
            }
        }
        noscript { p.notice { "This page needs JavaScript. Without it, use " code { "reelmill put FILE s3://bucket/key" } "." } }
        ul.uploads #uploads aria-live="polite" {}
    }
}

/// Returns the object that an upload goes to; fails if uploads may not go there.
fn destination(context: &Context, (bucket, key): (String, String)) -> Result<ObjectLocation, Problem> {
    if !targets(context).iter().any(|target| target.bucket == bucket) {
        let detail = format!("no enabled workflow has a trigger for bucket {bucket}");
        return Err(Problem::invalid(ParameterPlace::Path, "bucket", detail));
    }
    if !is_plain(&key) {
        let detail = "a key needs 1 to 1024 bytes, no control characters or `\\`, and no empty, `.` or `..` part";
        return Err(Problem::invalid(ParameterPlace::Path, "key", detail));
    }
    Ok(ObjectLocation { bucket, key })
}

/// Returns whether every storage accepts the key unchanged.
fn is_plain(key: &str) -> bool {
    let parts_are_plain = key.split('/').all(|part| !matches!(part, "" | "." | ".."));
    key.len() <= KEY_BYTES && parts_are_plain && !key.contains('\\') && !key.chars().any(char::is_control)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct How {
    replace: bool,
}

pub(super) async fn receive(
    State(context): State<Context>,
    Place(place): Place<(String, String)>,
    Asked(How { replace }): Asked<How>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let object = destination(&context, place)?;
    let text = |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    let size_bytes = text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
    if size_bytes.is_some_and(|size: u64| size > LARGEST_BYTES) {
        let detail = format!("the upload is larger than {LARGEST_BYTES} bytes: use an S3 client");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "CLI0003", detail));
    }
    // Checked before the bytes are sent, to save time. The storage checks again when they have arrived.
    if !replace {
        match context.intake.objects.head(&object, Revision::LATEST).await {
            Ok(_) => {
                let detail = format!("object {object} already exists");
                return Err(Problem::new(StatusCode::CONFLICT, "OBJ0014", detail));
            }
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(of_object(&error)),
        }
    }
    let since = context.clock.now();
    let incoming = Incoming {
        content_type: text(header::CONTENT_TYPE).filter(|kind| !kind.is_empty()).unwrap_or(OCTET_STREAM).to_owned(),
        size_bytes,
        only_new: !replace,
        bytes: in_time(body).boxed(),
    };
    // In its own task: if the browser disconnects, the body fails, and the storage ends the upload.
    let (objects, target) = (context.intake.objects.clone(), object.clone());
    let received = tokio::spawn(async move {
        let _place = UPLOADS.acquire().await;
        objects.receive(&target, incoming).await
    });
    let received = received.await;
    let broken = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "OBJ0009", "the upload did not finish: try again");
    let published = received.map_err(broken)?.map_err(|error| of_object(&error))?;
    let told =
        json!({ "object": object, "etag": published.etag, "size_bytes": published.size_bytes, "since": since.0 });
    Ok((StatusCode::CREATED, Json(told)).into_response())
}

/// Returns the bytes of a body, which fails if none arrive for [`STANDSTILL`].
fn in_time(body: Body) -> impl Stream<Item = Result<Bytes, BoxError>> {
    futures::stream::unfold(body.into_data_stream(), async |mut bytes| {
        let chunk = match tokio::time::timeout(STANDSTILL, bytes.next()).await {
            Ok(chunk) => chunk?.map_err(Into::into),
            Err(_) => Err(format!("no data received for {} s", STANDSTILL.as_secs()).into()),
        };
        Some((chunk, bytes))
    })
}

/// Query: the upload of an object.
#[derive(Debug, Deserialize)]
pub(super) struct Upload {
    etag: String,
    /// Microseconds since the Unix epoch.
    since: i64,
}

pub(super) async fn follow(
    State(context): State<Context>,
    Place(place): Place<(String, String)>,
    Asked(upload): Asked<Upload>,
) -> Result<Json<Value>, Problem> {
    let object = destination(&context, place)?;
    let entries = context.store.events(EventFilter { object: Some(object), before: None, limit: ENTRIES }).await?;
    let entry = entries.into_iter().find(|entry| is_of(entry, &upload));
    let executions = entry.as_ref().map(|entry| &entry.executions);
    let reasons = entry.as_ref().map(|entry| &entry.decisions);
    Ok(Json(json!({ "known": entry.is_some(), "executions": executions, "decisions": reasons })))
}

fn is_of(entry: &EventRecord, upload: &Upload) -> bool {
    let etag = entry.event.as_ref().and_then(|event| event.object.etag.as_deref());
    etag == Some(upload.etag.as_str()) && entry.at >= Timestamp(upload.since).before(SKEW)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_of_a_glob_has_nothing_open_in_it() {
        for (glob, folder) in [
            ("incoming/**/*.mp4", "incoming/"),
            ("a/b{1,2}/*.mp4", "a/"),
            ("*.mp4", ""),
            ("", ""),
            ("a/film.mp4", "a/"),
        ] {
            assert_eq!(literal_folder(glob), folder, "{glob}");
        }
    }

    #[test]
    fn keys_mean_nothing_but_themselves() {
        for good in ["a.mp4", "in/Ünï çødé (1).mp4", "a/...b"] {
            assert!(is_plain(good), "{good}");
        }
        let long = "x".repeat(KEY_BYTES + 1);
        for bad in ["", "/a", "a/", "a//b", "../a", "a/./b", "a\\b", "a\nb", "a\0", long.as_str()] {
            assert!(!is_plain(bad), "{bad:?}");
        }
    }
}
