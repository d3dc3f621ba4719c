//! `/v1/executions/{id}/stream`: the log from its beginning and progress as it happens, as server-sent events.
//!
//! Events: `log` (a line of the log, whose number is its `id`), `progress` (a mark), and last `end` (the execution, whole).

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

/// Hints can be missed; this is how long a line may then wait.
const POLL: Duration = Duration::from_secs(1);
/// Lines asked of the store at once.
const BATCH: u32 = 500;

/// The log of an execution from its beginning, and its progress as it happens, until it ends.
#[utoipa::path(get, path = "/v1/executions/{id}/stream", tag = "executions", operation_id = "follow_execution",
    params(
        ("id" = ExecutionId, Path, description = "Its identifier"),
        ("Last-Event-ID" = Option<u64>, Header, description = "Number of the last line that is known: the log goes on after it"),
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
    // A bounded channel: a slow client slows down its own follower and nobody else.
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

/// Number of the last line that the client has.
fn known(headers: &HeaderMap) -> Result<u64, Problem> {
    let Some(last) = headers.get("last-event-id") else { return Ok(0) };
    let number = last.to_str().ok().and_then(|last| last.parse().ok());
    number.ok_or_else(|| {
        let detail = "expected is the number of a line, which its `id` tells";
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
        // Read before the log: what ended before the log was read has its last line in it.
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

/// Passes on progress until the execution may have changed; false where the client has gone.
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
                // Missing a mark is better than falling behind.
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
