//! The pump: sends what is due as there is room for it.
//!
//! **Invariant**: no delivery waits for another receiver's: as soon as one ends, the next takes its place.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use tokio::sync::broadcast;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::deliver::{DeliveryEnd, deliver};
use super::places::DeliverySlots;
use super::{DeliveryPolicy, Sender};
use crate::model::{Clock, Coded};
use crate::store::{Hint, SharedStore};

/// Hints can be missed, and retries become due without one.
const POLL: Duration = Duration::from_secs(1);

/// Sends due notifications until `stop`; deliveries in progress are finished.
pub async fn run(
    store: SharedStore,
    clock: Arc<dyn Clock>,
    sender: Arc<dyn Sender>,
    patience: DeliveryPolicy,
    stop: CancellationToken,
) {
    let mut hints = store.hints();
    let mut places = DeliverySlots::default();
    let mut deliveries: JoinSet<(i64, DeliveryEnd)> = JoinSet::new();
    while !stop.is_cancelled() {
        // Hints of the time before the question say nothing any more.
        hints = hints.resubscribe();
        let filter = places.filter(Instant::now());
        if filter.limit > 0 {
            match store.due_notifications(filter, clock.now()).await {
                Ok(due) => {
                    for notification in due {
                        places.begin(notification.id, notification.target.to.clone());
                        let (store, clock, sender, stop) =
                            (Arc::clone(&store), Arc::clone(&clock), Arc::clone(&sender), stop.clone());
                        deliveries.spawn(async move {
                            let delivery = deliver(&store, &*clock, &*sender, &notification, (patience, &stop));
                            // A delivery that panics must free its place, too.
                            let delivered = AssertUnwindSafe(delivery).catch_unwind().await;
                            (notification.id, delivered.unwrap_or(DeliveryEnd::Unknown))
                        });
                    }
                }
                Err(error) => {
                    tracing::error!(error = %error.with_code(), source = ?std::error::Error::source(&error), "cannot read the outbox; retrying");
                }
            }
        }
        let ended = tokio::select! {
            () = stop.cancelled() => break,
            Some(ended) = deliveries.join_next() => Some(ended),
            () = outbox(&mut hints) => None,
            () = tokio::time::sleep(POLL) => None,
        };
        // All that have ended by now are recorded in one request to the store.
        for (id, delivered) in ended.into_iter().chain(std::iter::from_fn(|| deliveries.try_join_next())).flatten() {
            places.end(id, delivered, Instant::now());
        }
    }
    while deliveries.join_next().await.is_some() {}
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
