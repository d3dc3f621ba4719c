//! Notifications: telling queues, topics and webhooks what became of an execution.
//!
//! The store's outbox holds what is to be told, written together with the state that it tells. The [`pump`](run) sends
//! it as CloudEvents until the receiver has taken it.
//!
//! **Invariant**: at least once, after the outputs can be read, in order per execution and receiver; a receiver that
//! does not answer holds up nobody else; what cannot be delivered is set aside, never dropped.

mod address;
mod cloudevent;
mod senders;
mod sns;
mod sqs;
mod webhook;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;
use serde_json::Value;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::model::plan::NotifyChannel;
use crate::model::{Clock, Timestamp};
use crate::store::{Hint, Notification, SharedStore, StoreError};
use crate::telemetry::metrics::{self, Delivery};
use crate::telemetry::traces;

pub use cloudevent::{CloudEvent, cloudevent};
pub use senders::Senders;
pub use sns::SnsSender;
pub use sqs::SqsSender;
pub use webhook::{WebhookOptions, WebhookSender};

/// Notifications under way at once.
const PARALLEL: usize = 32;
/// Notifications asked of the store at once: as many as are sent at once, so that none waits through its lease.
const BATCH: u32 = 32;
/// Hints can be missed, and retries become due without one.
const POLL: Duration = Duration::from_secs(1);

/// How receivers are dealt with that do not take a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How long one delivery may take: a receiver that does not answer holds up the others no longer. Less than
    /// [`DELIVERY_LEASE`](crate::store::DELIVERY_LEASE).
    pub timeout: Duration,
    /// Wait after the first delivery that failed; doubles with each.
    pub backoff: Duration,
    /// Longest wait.
    pub max: Duration,
    /// Deliveries tried before a notification is set aside.
    pub attempts: u32,
}

/// Why a notification was not taken.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The receiver could not be reached, or refused.
    #[error("NOTE0001: {to} did not take the notification: {reason}")]
    Refused {
        /// The receiver.
        to: String,
        /// Its word.
        reason: String,
    },
    /// It is at an address that is not public.
    #[error("NOTE0002: {to} is not at a public address; `webhooks.allow_private` can allow it")]
    Private {
        /// The receiver.
        to: String,
    },
    /// There is nothing to sign a webhook with.
    #[error("NOTE0003: webhooks are signed, and `webhooks.secret` is not set")]
    Unsigned,
}

/// A way to receivers.
#[async_trait]
pub trait Sender: Send + Sync {
    /// Delivers `event` to `channel`. `group` orders events of one execution where the receiver can.
    async fn send(&self, channel: &NotifyChannel, event: &Value, group: &str) -> Result<(), NotifyError>;
}

/// Sends what is due until told to stop.
pub async fn run(
    store: SharedStore,
    clock: Arc<dyn Clock>,
    sender: Arc<dyn Sender>,
    patience: Patience,
    stop: CancellationToken,
) {
    let mut hints = store.hints();
    loop {
        let sent = match store.due_notifications(BATCH, clock.now()).await {
            Ok(due) => deliver_all(&store, &clock, &sender, due, (patience, &stop)).await,
            Err(error) => {
                tracing::error!(%error, source = ?std::error::Error::source(&error), "cannot read the outbox; trying again");
                0
            }
        };
        if sent == 0 {
            tokio::select! {
                () = stop.cancelled() => return,
                () = outbox(&mut hints) => {}
                () = tokio::time::sleep(POLL) => {}
            }
        } else if stop.is_cancelled() {
            return;
        }
    }
}

async fn outbox(hints: &mut broadcast::Receiver<Hint>) {
    loop {
        match hints.recv().await {
            Ok(Hint::Outbox) | Err(broadcast::error::RecvError::Lagged(_)) => return,
            Ok(_) => {}
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// Answers how many were delivered.
async fn deliver_all(
    store: &SharedStore,
    clock: &Arc<dyn Clock>,
    sender: &Arc<dyn Sender>,
    due: Vec<Notification>,
    how: (Patience, &CancellationToken),
) -> usize {
    futures::stream::iter(due)
        .map(|notification| async move {
            deliver(store, clock.as_ref(), sender.as_ref(), &notification, how).await.unwrap_or_else(|error| {
                tracing::error!(%error, execution = %notification.execution, "the outbox was not kept up; trying again");
                false
            })
        })
        .buffer_unordered(PARALLEL)
        .filter(|delivered| std::future::ready(*delivered))
        .count()
        .await
}

async fn deliver(
    store: &SharedStore,
    clock: &dyn Clock,
    sender: &dyn Sender,
    notification: &Notification,
    (patience, stop): (Patience, &CancellationToken),
) -> Result<bool, StoreError> {
    let Some(record) = store.execution(notification.execution).await? else {
        // Pruned together with its execution: there is nothing left to tell.
        store.delivered(notification.id, clock.now()).await?;
        return Ok(true);
    };
    let event = cloudevent(notification, &record);
    let group = notification.execution.to_string();
    let kind = match &notification.target.to {
        NotifyChannel::Sqs(_) => "sqs",
        NotifyChannel::Sns(_) => "sns",
        NotifyChannel::Webhook(_) => "webhook",
    };
    let begin = clock.now();
    let sending = sender.send(&notification.target.to, &event, &group);
    let sent = tokio::time::timeout(patience.timeout, sending).await.unwrap_or_else(|_| {
        let reason = format!("no answer for {:?}", patience.timeout);
        Err(NotifyError::Refused { to: notification.target.to.address().to_owned(), reason })
    });
    if traces::wanted() {
        trace(notification, record.state.run, kind, (begin, clock.now()), sent.as_ref().err());
    }
    match sent {
        Ok(()) => {
            metrics::notified(kind, Delivery::Delivered);
            note_delivered(store, clock, notification.id, stop).await
        }
        Err(error) => {
            let retry = patience.retry_after(notification.attempts + 1);
            metrics::notified(kind, if retry.is_some() { Delivery::Retried } else { Delivery::SetAside });
            tracing::warn!(%error, execution = %notification.execution, set_aside = retry.is_none(), "not delivered");
            store.undelivered(notification.id, &error.to_string(), retry, clock.now()).await?;
            Ok(false)
        }
    }
}

/// Adds a delivery to the trace of its execution. Addresses of webhooks can hold secrets, so none is in it.
fn trace(
    notification: &Notification,
    run: u32,
    channel: &'static str,
    (begin, end): (Timestamp, Timestamp),
    error: Option<&NotifyError>,
) {
    let run = traces::run(run);
    let attempt = notification.attempts + 1;
    let about = format!("{run}/notification {}/{attempt}", notification.id);
    let attributes = vec![
        KeyValue::new("reelmill.notification.channel", channel),
        KeyValue::new("reelmill.notification.state", notification.state.as_str()),
        KeyValue::new("reelmill.attempt", i64::from(attempt)),
    ];
    let what = error.map(|error| match error {
        NotifyError::Refused { .. } => "NOTE0001",
        NotifyError::Private { .. } => "NOTE0002",
        NotifyError::Unsigned => "NOTE0003",
    });
    let name = (format!("notify {channel}"), SpanKind::Producer);
    let times = (begin.into(), end.into());
    let span =
        traces::span(notification.execution.0, (&about, Some(&run)), name, times, attributes, what.map(str::to_owned));
    traces::record(span);
}

/// Writes down that a notification was taken; as long as that fails it is not sent again and again.
async fn note_delivered(
    store: &SharedStore,
    clock: &dyn Clock,
    id: i64,
    stop: &CancellationToken,
) -> Result<bool, StoreError> {
    loop {
        match store.delivered(id, clock.now()).await {
            Ok(()) => return Ok(true),
            Err(error @ StoreError::Database { .. }) => {
                tracing::error!(%error, "a delivery was not written down; trying again");
                tokio::select! {
                    () = stop.cancelled() => return Err(error),
                    () = tokio::time::sleep(POLL) => {}
                }
            }
            Err(error) => return Err(error),
        }
    }
}

impl Patience {
    /// How long to wait after `failures` deliveries failed; never again after the last.
    fn retry_after(self, failures: u32) -> Option<Duration> {
        let wait = self.backoff.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(self.max);
        (failures < self.attempts).then_some(wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_end() {
        let seconds = Duration::from_secs;
        let patience = Patience { timeout: seconds(10), backoff: seconds(5), max: seconds(900), attempts: 20 };
        let wait = |failures| patience.retry_after(failures).map(|wait| wait.as_secs());
        assert_eq!([wait(1), wait(2), wait(3), wait(19), wait(20)], [Some(5), Some(10), Some(20), Some(900), None]);
    }
}
