//! Notifications in the outbox: content, receiver and delivery state.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::model::plan::{NotifyChannel, NotifyTarget};
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
    /// State of the execution that it reports.
    pub state: ExecutionState,
    /// Time when that state was reached.
    pub at: Timestamp,
    /// Deliveries tried so far.
    pub attempts: u32,
}

/// Delivery state of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Delivery {
    /// It is to be delivered.
    Pending,
    /// Its receiver took it.
    Delivered,
    /// Dead-lettered: all attempts failed; a user can send it again.
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

/// Due notifications that a store reads to find some that can be sent, without receivers that have no room.
pub(super) const CANDIDATES: u32 = 512;

/// Filter of due notifications that a daemon can send now.
#[derive(Clone, Debug, Default)]
pub struct DueFilter {
    /// Largest number of results.
    pub limit: u32,
    /// At most so many at once to one receiver.
    pub per_receiver: u32,
    /// Receivers with less room than that, and how much less.
    pub taken: Vec<(NotifyChannel, u32)>,
    /// Notifications that are being delivered; they are not returned again.
    pub under_way: Vec<i64>,
}

impl DueFilter {
    /// Receivers that have no room, as [`receiver`] names them.
    pub(super) fn full(&self) -> Vec<String> {
        let full = self.taken.iter().filter(|(_, taken)| *taken >= self.per_receiver);
        full.map(|(channel, _)| receiver(channel)).collect()
    }

    /// Due notifications of one receiver that a store reads: beyond those in progress, as many as may be sent.
    pub(super) fn per_receiver_at_most(&self) -> u32 {
        self.per_receiver.saturating_add(u32::try_from(self.under_way.len()).unwrap_or(u32::MAX))
    }

    /// Chooses from candidates, in their order.
    pub(super) fn chooser(&self) -> Chooser {
        Chooser {
            left: self.limit,
            per_receiver: self.per_receiver,
            taken: self.taken.iter().map(|(channel, taken)| (receiver(channel), *taken)).collect(),
            under_way: self.under_way.iter().copied().collect(),
        }
    }
}

/// Prefix of a target's text that names the receiver, without the states.
fn receiver(channel: &NotifyChannel) -> String {
    format!("{{\"to\":{}", serde_json::to_string(channel).unwrap_or_default())
}

/// See [`DueFilter::chooser`].
pub(super) struct Chooser {
    left: u32,
    per_receiver: u32,
    taken: HashMap<String, u32>,
    under_way: HashSet<i64>,
}

impl Chooser {
    /// Returns whether the notification is one to send; `receiver` is the prefix of its target.
    pub(super) fn takes(&mut self, id: i64, receiver: &str) -> bool {
        if self.left == 0 || self.under_way.contains(&id) {
            return false;
        }
        let taken = self.taken.entry(receiver.to_owned()).or_default();
        if *taken >= self.per_receiver {
            return false;
        }
        *taken += 1;
        self.left -= 1;
        true
    }
}

/// Filter of notifications to list, newest first.
#[derive(Clone, Copy, Debug, Default)]
pub struct NotificationFilter {
    /// Filter by execution.
    pub execution: Option<ExecutionId>,
    /// Filter by delivery state.
    pub delivery: Option<Delivery>,
    /// Cursor: only older ones.
    pub before: Option<i64>,
    /// Largest number of results.
    pub limit: u32,
}

/// A notification and the state of its delivery.
#[derive(Clone, Debug, PartialEq)]
pub struct NotificationRecord {
    /// Content and receiver.
    pub notification: Notification,
    /// Delivery state.
    pub delivery: Delivery,
    /// Time when it is tried next, while it is pending.
    pub due_at: Option<Timestamp>,
    /// Error of the last delivery.
    pub error: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::plan::NotifyOn;

    #[test]
    fn a_receiver_is_what_its_target_begins_with() {
        let to = NotifyChannel::Webhook("https://example.com/\",\"on\":[]/x".to_owned());
        let target = NotifyTarget { to: to.clone(), on: vec![NotifyOn::Started] };
        let text = serde_json::to_string(&target).unwrap();
        assert_eq!(text.split(",\"on\":").next(), Some(receiver(&to).as_str()));
    }

    #[test]
    fn each_receiver_gets_its_places_and_no_more() {
        let channel = |name: &str| NotifyChannel::Webhook(name.to_owned());
        let filter = DueFilter {
            limit: 4,
            per_receiver: 2,
            taken: vec![(channel("slow"), 2), (channel("half"), 1)],
            under_way: vec![7],
        };
        assert_eq!(filter.full(), [receiver(&channel("slow"))]);
        let mut chooser = filter.chooser();
        let mut takes = |id, name: &str| chooser.takes(id, &receiver(&channel(name)));
        assert_eq!(
            [takes(1, "slow"), takes(2, "half"), takes(3, "half"), takes(7, "free")],
            [false, true, false, false]
        );
        assert_eq!([takes(4, "free"), takes(5, "free"), takes(6, "free")], [true, true, false]);
        assert_eq!([takes(8, "other"), takes(9, "another")], [true, false], "four in all");
    }
}
