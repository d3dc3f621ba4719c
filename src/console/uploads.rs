//! The drop zone: a file goes into a bucket that a workflow watches, and the execution that it starts is followed.
//!
//! **Invariant**: bytes go to the storage as they come; nothing is written to a bucket that no workflow watches, and
//! nothing is replaced unless that was asked for.

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
use crate::api::Problem;
use crate::api::extract::{Asked, Place};
use crate::config::Scope;
use crate::intake::Catalog;
use crate::model::{ObjectLocation, Timestamp};
use crate::objects::{Incoming, OCTET_STREAM, Revision};
use crate::store::{EventFilter, EventRecord};
use crate::workflow::Workflow;

/// Longest key, in bytes, as S3 has it.
const KEY_BYTES: usize = 1_024;

/// Largest upload, in bytes: of one to S3 a ten-thousandth is held in memory.
const LARGEST_BYTES: u64 = 1 << 40;

/// How long a body may stand still.
const STANDSTILL: Duration = Duration::from_secs(60);

/// Uploads at once, each of which holds a part in memory; more wait.
static UPLOADS: Semaphore = Semaphore::const_new(16);

/// Ledger entries of an object among which that of an upload is looked for.
const ENTRIES: u32 = 20;

/// How far the clocks of a daemon and of its database may disagree.
const SKEW: Duration = Duration::from_secs(60);

/// Somewhere to upload to.
struct Target {
    workflow: String,
    bucket: String,
    /// What keys begin with.
    prefix: String,
    globs: String,
}

/// Where uploads start something.
fn targets(context: &Context) -> Vec<Target> {
    let target = |workflow: &std::sync::Arc<Workflow>| {
        let trigger = workflow.trigger.as_ref().filter(|_| workflow.enabled)?;
        let globs = if trigger.globs.is_empty() { "**".to_owned() } else { trigger.globs.join(", ") };
        let prefix = literal_folder(trigger.globs.first().map_or("", String::as_str)).to_owned();
        Some(Target { workflow: workflow.name.clone(), bucket: trigger.bucket.clone(), prefix, globs })
    };
    context.catalog.active().iter().filter_map(target).collect()
}

/// The folders of a glob in which nothing is left open: `incoming/` of `incoming/**/*.mp4`.
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
            (nothing("No workflow waits for uploads.", &html! { "One with a " code { "trigger" } " does: " a href="/workflows" { "workflows" } "." }))
        } @else if visitor.scope < Scope::Submit {
            (nothing("Your token does not allow uploads.", &html! { "One with the scope " code { "submit" } " does." }))
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
                span { "or choose them" }
                input #file type="file" multiple;
            }
        }
        noscript { p.notice { "Uploading here takes JavaScript. " code { "reelmill put FILE s3://bucket/key" } " does it too." } }
        ul.uploads #uploads aria-live="polite" {}
    }
}

/// The place an upload goes to, where it may.
fn destination(context: &Context, (bucket, key): (String, String)) -> Result<ObjectLocation, Problem> {
    if !targets(context).iter().any(|target| target.bucket == bucket) {
        return Err(Problem::bad_request(format!("no workflow watches bucket {bucket}")));
    }
    if !is_plain(&key) {
        return Err(Problem::bad_request(
            "a key has 1 to 1024 bytes, no control characters, and no empty, `.` or `..` part",
        ));
    }
    Ok(ObjectLocation { bucket, key })
}

/// Whether a key can mean nothing but itself, wherever it is kept.
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
        let detail = format!("an upload here has at most {LARGEST_BYTES} bytes; larger ones take an S3 client");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "CLI0003", detail));
    }
    // Before the bytes are sent, as a courtesy; what counts is asked when they are there.
    if !replace {
        match context.intake.objects.head(&object, Revision::LATEST).await {
            Ok(_) => {
                let detail = format!("there is an object {object} already");
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
    // A task of its own: where the browser goes away the body breaks off, and the storage is told so.
    let (objects, target) = (context.intake.objects.clone(), object.clone());
    let received = tokio::spawn(async move {
        let _place = UPLOADS.acquire().await;
        objects.receive(&target, incoming).await
    });
    let received = received.await;
    let broken = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "OBJ0009", "the upload was not finished");
    let published = received.map_err(broken)?.map_err(|error| of_object(&error))?;
    let told =
        json!({ "object": object, "etag": published.etag, "size_bytes": published.size_bytes, "since": since.0 });
    Ok((StatusCode::CREATED, Json(told)).into_response())
}

/// The bytes of a body; one that stands still is broken.
fn in_time(body: Body) -> impl Stream<Item = Result<Bytes, BoxError>> {
    futures::stream::unfold(body.into_data_stream(), async |mut bytes| {
        let chunk = match tokio::time::timeout(STANDSTILL, bytes.next()).await {
            Ok(chunk) => chunk?.map_err(Into::into),
            Err(_) => Err(format!("no byte came for {} s", STANDSTILL.as_secs()).into()),
        };
        Some((chunk, bytes))
    })
}

/// Which upload of an object.
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
