//! Notifications: telling queues, topics and webhooks what became of an execution.
//!
//! The store's outbox holds notifications, written together with the state that they report. The [`pump`](run()) sends
//! it as CloudEvents until the receiver has taken it.
//!
//! **Invariant**: at least once, after the outputs can be read, in order per execution and receiver; a receiver that
//! does not respond delays no other; what cannot be delivered is dead-lettered, never dropped.

mod address;
mod cloudevent;
mod deliver;
mod places;
mod pump;
mod senders;
mod sns;
mod sqs;
mod webhook;

use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use crate::model::plan::NotifyChannel;
use crate::model::{Code, Coded};

pub use cloudevent::{CloudEvent, cloudevent};
pub use pump::run;
pub use senders::Senders;
pub use sns::SnsSender;
pub use sqs::SqsSender;
pub use webhook::{WebhookOptions, WebhookSender};

/// Retry policy for notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeliveryPolicy {
    /// Timeout of one delivery: a receiver that does not respond delays others no longer than this. Less than
    /// [`DELIVERY_LEASE`](crate::store::DELIVERY_LEASE).
    pub timeout: Duration,
    /// Wait after the first delivery that failed; doubles with each.
    pub backoff: Duration,
    /// Longest wait.
    pub max: Duration,
    /// Deliveries tried before a notification is dead-lettered.
    pub attempts: u32,
}

/// Error of delivering a notification.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The receiver could not be reached, or refused.
    #[error("{to} did not accept the notification: {reason}")]
    Refused {
        /// The receiver.
        to: String,
        /// Reason that it gave.
        reason: String,
        /// Wait that it asks for (`Retry-After`).
        retry_after: Option<Duration>,
    },
    /// The receiver has an address that is not public.
    #[error("{to} has no public address; to allow it, add its network to `webhooks.allow_private`")]
    Private {
        /// The receiver.
        to: String,
    },
    /// No secret to sign a webhook with is set.
    #[error("a webhook needs a signature; set `webhooks.secret`")]
    Unsigned,
    /// The receiver answered 410 Gone.
    #[error("{to} answered 410 Gone: this notification is not retried, later ones are sent")]
    Gone {
        /// The receiver.
        to: String,
    },
}

impl Coded for NotifyError {
    fn code(&self) -> Code {
        Code::new(match self {
            Self::Refused { .. } => "NOTE0001",
            Self::Private { .. } => "NOTE0002",
            Self::Unsigned => "NOTE0003",
            Self::Gone { .. } => "NOTE0004",
        })
    }
}

impl NotifyError {
    /// Returns the wait that the receiver asks for.
    const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// Sender of notifications.
#[async_trait]
pub trait Sender: Send + Sync {
    /// Delivers `event` to `channel`. `group` orders events of one execution where the receiver can.
    async fn send(&self, channel: &NotifyChannel, event: &Value, group: &str) -> Result<(), NotifyError>;
}

impl DeliveryPolicy {
    /// Returns the wait after `failures` deliveries failed; `None` after the last.
    fn retry_after(self, failures: u32) -> Option<Duration> {
        let wait = self.backoff.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(self.max);
        (failures < self.attempts).then_some(wait)
    }

    /// Returns the time of the next delivery of a notification that failed; `None` where no retry can help.
    fn again(self, error: &NotifyError, failures: u32) -> Option<Duration> {
        if matches!(error, NotifyError::Gone { .. }) {
            return None;
        }
        self.retry_after(failures).map(|wait| wait.max(error.retry_after().unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_end() {
        let seconds = Duration::from_secs;
        let patience = DeliveryPolicy { timeout: seconds(10), backoff: seconds(5), max: seconds(900), attempts: 20 };
        let wait = |failures| patience.retry_after(failures).map(|wait| wait.as_secs());
        assert_eq!([wait(1), wait(2), wait(3), wait(19), wait(20)], [Some(5), Some(10), Some(20), Some(900), None]);
    }

    #[test]
    fn field_fault_owncast_1504_what_a_receiver_asks_for_is_heeded() {
        let seconds = Duration::from_secs;
        let patience = DeliveryPolicy { timeout: seconds(10), backoff: seconds(5), max: seconds(900), attempts: 20 };
        let refused = |retry_after| NotifyError::Refused { to: String::new(), reason: String::new(), retry_after };
        let again = |error: &NotifyError, failures| patience.again(error, failures).map(|wait| wait.as_secs());
        assert_eq!(again(&refused(Some(seconds(60))), 1), Some(60));
        assert_eq!(again(&refused(Some(seconds(1))), 2), Some(10), "never sooner than by itself");
        assert_eq!(again(&refused(Some(seconds(60))), 20), None, "nor more often");
        assert_eq!(again(&NotifyError::Gone { to: String::new() }, 1), None);
    }
}
