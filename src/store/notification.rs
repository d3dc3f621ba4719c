//! Notifications in the outbox: what is told to whom, and what became of it.

use serde::{Deserialize, Serialize};

use crate::model::plan::NotifyTarget;
use crate::model::{ExecutionId, ExecutionState, Timestamp};

/// A notification waiting in the outbox.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// Row.
    pub id: i64,
    /// Its execution; notifications of one execution are delivered in order.
    pub execution: ExecutionId,
    /// Receiver.
    pub target: NotifyTarget,
    /// State of the execution that it tells.
    pub state: ExecutionState,
    /// When that state was reached.
    pub at: Timestamp,
    /// Deliveries tried so far.
    pub attempts: u32,
}

/// What became of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// It is to be delivered.
    Pending,
    /// Its receiver took it.
    Delivered,
    /// It was tried often enough; it waits for somebody to send it again.
    SetAside,
}

impl Delivery {
    /// Every one of them.
    pub const ALL: &[Self] = &[Self::Pending, Self::Delivered, Self::SetAside];

    /// The name in stores and interfaces.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::SetAside => "set_aside",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|delivery| delivery.as_str() == text)
    }
}

/// Which notifications to list, newest first.
#[derive(Clone, Copy, Debug, Default)]
pub struct NotificationFilter {
    /// Only those of this execution.
    pub execution: Option<ExecutionId>,
    /// Only those of which this became.
    pub delivery: Option<Delivery>,
    /// Only older than this one (cursor).
    pub before: Option<i64>,
    /// At most so many.
    pub limit: u32,
}

/// A notification and what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct NotificationRecord {
    /// What is told, to whom.
    pub notification: Notification,
    /// What became of it.
    pub delivery: Delivery,
    /// When it is tried next, while it is pending.
    pub due_at: Option<Timestamp>,
    /// Why the last delivery failed.
    pub error: Option<String>,
}
