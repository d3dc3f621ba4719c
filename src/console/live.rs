//! `/live`: server-sent events for pages whose content may have changed.
//!
//! Events: `change` (fetch the page again) and `progress` (of the execution that is shown). Since hints can be missed, a
//! `change` is sent at least every [`ANYWAY`].

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::Sse;
use axum::response::sse::Event;
use futures::Stream;
use serde::Deserialize;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::Context;
use crate::api::extract;
use crate::daemon::live::Mark;
use crate::model::ExecutionId;
use crate::store::Hint;

/// Shortest time between two `change` events.
const APART: Duration = Duration::from_millis(400);

/// Longest time between two `change` events.
const ANYWAY: Duration = Duration::from_secs(10);

/// Query: the execution to follow. Not set: all.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    execution: Option<ExecutionId>,
}

pub(super) async fn stream(
    State(context): State<Context>,
    extract::Asked(Asked { execution }): extract::Asked<Asked>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    // A bounded channel: a slow client slows down only its own stream.
    let (sender, receiver) = mpsc::channel(16);
    tokio::spawn(follow(context, execution, sender));
    Sse::new(futures::stream::unfold(receiver, |mut receiver| async move {
        receiver.recv().await.map(|event| (Ok(event), receiver))
    }))
}

async fn follow(context: Context, watched: Option<ExecutionId>, client: mpsc::Sender<Event>) {
    let mut hints = context.store.hints();
    let mut marks = context.live.watch();
    let mut told = Instant::now();
    let mut due = told + ANYWAY;
    // The page may have changed between its response and this stream.
    if client.send(change()).await.is_err() {
        return;
    }
    loop {
        tokio::select! {
            hint = hints.recv() => match hint {
                Ok(hint) if !concerns(hint, watched) => {}
                Ok(_) | Err(RecvError::Lagged(_)) => due = due.min(told + APART),
                Err(RecvError::Closed) => return,
            },
            mark = marks.recv() => if let Ok(mark) = mark && watched == Some(mark.execution) {
                // A client that is slow misses progress events.
                let _ = client.try_send(progress(&mark));
            },
            () = client.closed() => return,
            () = sleep_until(due) => {
                if client.send(change()).await.is_err() {
                    return;
                }
                told = Instant::now();
                due = told + ANYWAY;
            }
        }
    }
}

/// Returns whether a hint is about the page that is followed.
fn concerns(hint: Hint, watched: Option<ExecutionId>) -> bool {
    match (hint, watched) {
        (Hint::Execution(changed), Some(watched)) => changed == watched,
        (Hint::Outbox | Hint::Ended(_), _) | (Hint::Queue, Some(_)) => false,
        (_, None) => true,
    }
}

fn change() -> Event {
    // Browsers ignore events without data.
    Event::default().event("change").data("1")
}

fn progress(mark: &Mark) -> Event {
    let event = Event::default().event("progress");
    event.json_data(mark).unwrap_or_else(|_| Event::default().event("progress"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_hears_of_what_it_shows() {
        let [one, other] = [1_u128, 2].map(|n| ExecutionId(uuid::Uuid::from_u128(n)));
        assert!(concerns(Hint::Execution(one), Some(one)));
        assert!(!concerns(Hint::Execution(other), Some(one)));
        assert!(!concerns(Hint::Queue, Some(one)));
        assert!(concerns(Hint::Queue, None) && concerns(Hint::Execution(one), None));
        assert!(!concerns(Hint::Outbox, None));
    }
}
