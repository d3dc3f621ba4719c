//! One delivery, from the execution's record to what the store keeps of it.

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::SpanKind;
use tokio_util::sync::CancellationToken;

use super::{DeliveryPolicy, NotifyError, Sender, cloudevent};
use crate::model::plan::NotifyChannel;
use crate::model::{Clock, Coded, Timestamp};
use crate::store::{Notification, SharedStore, StoreError};
use crate::telemetry::metrics::{self, Delivery};
use crate::telemetry::traces;

/// Wait before a delivery is recorded again while the store is unavailable.
pub(super) const AGAIN: Duration = Duration::from_secs(1);

/// End of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeliveryEnd {
    /// The receiver took it.
    Taken,
    /// The receiver did not accept it; with the wait that it requested, if any.
    NotTaken(Option<Duration>),
    /// The store could not be read or written, or the delivery panicked: nothing is known of the receiver. Without a
    /// rest the same would be sent again and again while the store is unavailable.
    Unknown,
}

/// Delivers a notification and records the outcome.
pub(super) async fn deliver(
    store: &SharedStore,
    clock: &dyn Clock,
    sender: &dyn Sender,
    notification: &Notification,
    how: (DeliveryPolicy, &CancellationToken),
) -> DeliveryEnd {
    attempt(store, clock, sender, notification, how).await.unwrap_or_else(|error| {
        tracing::error!(error = %error.with_code(), execution = %notification.execution, "cannot update the outbox; retrying");
        DeliveryEnd::Unknown
    })
}

async fn attempt(
    store: &SharedStore,
    clock: &dyn Clock,
    sender: &dyn Sender,
    notification: &Notification,
    (patience, stop): (DeliveryPolicy, &CancellationToken),
) -> Result<DeliveryEnd, StoreError> {
    let Some(record) = store.execution(notification.execution).await? else {
        // The execution has been pruned, so there is no data to send.
        store.delivered(notification.id, clock.now()).await?;
        return Ok(DeliveryEnd::Taken);
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
        let reason = format!("no response within {:?}", patience.timeout);
        Err(NotifyError::Refused { to: notification.target.to.address().to_owned(), reason, retry_after: None })
    });
    if traces::wanted() {
        trace(notification, record.state.run, kind, (begin, clock.now()), sent.as_ref().err());
    }
    match sent {
        Ok(()) => {
            metrics::notified(kind, Delivery::Delivered);
            note_delivered(store, clock, notification.id, stop).await?;
            Ok(DeliveryEnd::Taken)
        }
        Err(error) => {
            let retry = patience.again(&error, notification.attempts + 1);
            metrics::notified(kind, if retry.is_some() { Delivery::Retried } else { Delivery::SetAside });
            tracing::warn!(error = %error.with_code(), execution = %notification.execution, dead_lettered = retry.is_none(), "notification not delivered");
            store.undelivered(notification.id, &error.with_code(), retry, clock.now()).await?;
            Ok(DeliveryEnd::NotTaken(error.retry_after()))
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
    let name = (format!("notify {channel}"), SpanKind::Producer);
    let times = (begin.into(), end.into());
    let what = error.map(|error| error.code().to_string());
    let span = traces::span(notification.execution.0, (&about, Some(&run)), name, times, attributes, what);
    traces::record(span);
}

/// Writes down that a notification was taken; as long as that fails it is not sent again and again.
async fn note_delivered(
    store: &SharedStore,
    clock: &dyn Clock,
    id: i64,
    stop: &CancellationToken,
) -> Result<(), StoreError> {
    loop {
        match store.delivered(id, clock.now()).await {
            Err(error @ StoreError::Database { .. }) => {
                tracing::error!(error = %error.with_code(), "cannot record a delivery; retrying");
                tokio::select! {
                    () = stop.cancelled() => return Err(error),
                    () = tokio::time::sleep(AGAIN) => {}
                }
            }
            other => return other,
        }
    }
}
