//! `/v1/executions/{id}/stream`: the log and the progress of an execution as server-sent events.
//!
//! Events: `log` (a line of the log; its `seq` is the `id`), `progress`, and last `end` (the execution).

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use futures::Stream;
use tokio::sync::{broadcast, mpsc};

use super::extract::Place;
use super::view::LogLine;
use super::{Context, ParameterPlace, Problem, executions};
use crate::model::ExecutionId;
use crate::store::Hint;

/// Interval of polling, for hints that were missed.
const POLL: Duration = Duration::from_secs(1);
/// Lines per request to the store.
const BATCH: u32 = 500;

/// Follow an execution until it ends: its log from the beginning, and its progress.
#[utoipa::path(get, path = "/v1/executions/{id}/stream", tag = "executions", operation_id = "follow_execution",
    params(
        ("id" = ExecutionId, Path, description = "Identifier of the execution"),
        ("Last-Event-ID" = Option<u64>, Header, description = "`seq` of the last line that the client has: the log continues after it"),
    ),
    responses((status = 200, body = String, content_type = "text/event-stream",
        description = "Events `log` (LogLine), `progress`, and last `end` (ExecutionView)")))]
pub(super) async fn stream(
    State(context): State<Context>,
    Place(id): Place<ExecutionId>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let after = known(&headers)?;
    executions::view(&context, id).await?;
    // A bounded channel: a slow client slows down only its own stream.
    let (sender, receiver) = mpsc::channel(64);
    tokio::spawn(async move {
        if let Err(problem) = follow(&context, id, after, &sender).await {
            let _ = sender.send(event("error", &problem)).await;
        }
    });
    let events = futures::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|event| (Ok(event), receiver))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// Returns the number of the last line that the client has; 0 for none.
fn known(headers: &HeaderMap) -> Result<u64, Problem> {
    let Some(last) = headers.get("last-event-id") else { return Ok(0) };
    // Numbers of lines are `int64`.
    let number = last.to_str().ok().and_then(|last| last.parse::<i64>().ok()).and_then(|last| last.try_into().ok());
    number.ok_or_else(|| {
        let detail = "expected the `id` of a log line, which is a whole number";
        Problem::invalid(ParameterPlace::Header, "Last-Event-ID", detail)
    })
}

async fn follow(
    context: &Context,
    id: ExecutionId,
    mut after: u64,
    client: &mpsc::Sender<Event>,
) -> Result<(), Problem> {
    let mut hints = context.store.hints();
    let mut marks = context.live.watch();
    loop {
        // Read before the log: if the execution has ended by now, the log has its last line.
        let view = executions::view(context, id).await?;
        loop {
            let entries = context.store.log(id, after, BATCH).await?;
            let Some(last) = entries.last() else { break };
            after = last.seq;
            for entry in &entries {
                if client.send(event("log", &LogLine::from(entry)).id(entry.seq.to_string())).await.is_err() {
                    return Ok(());
                }
            }
        }
        if view.state.is_ended() {
            let _ = client.send(event("end", &view)).await;
            return Ok(());
        }
        if !changed(id, &mut hints, &mut marks, client).await {
            return Ok(());
        }
    }
}

/// Sends progress until the execution may have changed. Returns false if the client has disconnected.
async fn changed(
    id: ExecutionId,
    hints: &mut broadcast::Receiver<Hint>,
    marks: &mut broadcast::Receiver<crate::daemon::live::Mark>,
    client: &mpsc::Sender<Event>,
) -> bool {
    let poll = tokio::time::sleep(POLL);
    tokio::pin!(poll);
    loop {
        tokio::select! {
            hint = hints.recv() => match hint {
                Ok(Hint::Execution(changed)) if changed != id => {}
                Ok(Hint::Queue | Hint::Outbox | Hint::Ended(_)) => {}
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => return true,
                Err(broadcast::error::RecvError::Closed) => return false,
            },
            mark = marks.recv() => if let Ok(mark) = mark && mark.execution == id {
                // A client that is slow misses progress events.
                let _ = client.try_send(event("progress", &mark));
            },
            () = client.closed() => return false,
            () = &mut poll => return true,
        }
    }
}

fn event(name: &str, data: &impl serde::Serialize) -> Event {
    Event::default().event(name).json_data(data).unwrap_or_else(|_| Event::default().event(name))
}
