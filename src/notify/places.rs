//! Limit of notifications that are being delivered to one receiver.
//!
//! **Invariant**: a receiver that does not answer occupies its own few places; one that failed last has a single place
//! until it takes something again, and none while it asks to be left alone.

use std::collections::HashMap;
use std::time::Instant;

use super::deliver::{AGAIN, DeliveryEnd};
use crate::model::plan::NotifyChannel;
use crate::store::DueFilter;

/// Notifications under way at once.
pub(super) const PLACES: u32 = 128;
/// Notifications under way at once to one receiver.
const PER_RECEIVER: u32 = 8;
/// Receivers whose failures are kept in memory.
const REMEMBERED: usize = 4_096;

/// Deliveries in progress, and the state of receivers.
#[derive(Debug, Default)]
pub(super) struct DeliverySlots {
    under_way: HashMap<i64, NotifyChannel>,
    /// Receivers whose last delivery failed, with the end of the wait that they requested.
    failed: HashMap<NotifyChannel, Option<Instant>>,
}

impl DeliverySlots {
    /// Returns the filter of notifications that can be sent now.
    pub(super) fn filter(&self, now: Instant) -> DueFilter {
        let mut taken: HashMap<&NotifyChannel, u32> = HashMap::new();
        for channel in self.under_way.values() {
            *taken.entry(channel).or_default() += 1;
        }
        for (channel, until) in &self.failed {
            let alone = until.is_some_and(|until| until > now);
            *taken.entry(channel).or_default() += if alone { PER_RECEIVER } else { PER_RECEIVER - 1 };
        }
        DueFilter {
            limit: PLACES.saturating_sub(u32::try_from(self.under_way.len()).unwrap_or(PLACES)),
            per_receiver: PER_RECEIVER,
            taken: taken.into_iter().map(|(channel, taken)| (channel.clone(), taken)).collect(),
            under_way: self.under_way.keys().copied().collect(),
        }
    }

    /// A notification is on its way.
    pub(super) fn begin(&mut self, id: i64, channel: NotifyChannel) {
        self.under_way.insert(id, channel);
    }

    /// It is no longer: this became of it.
    pub(super) fn end(&mut self, id: i64, delivered: DeliveryEnd, now: Instant) {
        let Some(channel) = self.under_way.remove(&id) else { return };
        let alone = match delivered {
            DeliveryEnd::Taken => {
                self.failed.remove(&channel);
                return;
            }
            DeliveryEnd::NotTaken(alone) => alone,
            DeliveryEnd::Unknown => Some(AGAIN),
        };
        if self.failed.len() >= REMEMBERED {
            self.failed.retain(|_, until| until.is_some_and(|until| until > now));
        }
        let until = alone.map(|wait| now + wait);
        let known = self.failed.entry(channel).or_default();
        *known = until.max(*known);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn channel(name: &str) -> NotifyChannel {
        NotifyChannel::Webhook(name.to_owned())
    }

    fn taken(places: &DeliverySlots, name: &str, now: Instant) -> u32 {
        let filter = places.filter(now);
        filter.taken.iter().find(|(known, _)| *known == channel(name)).map_or(0, |(_, taken)| *taken)
    }

    #[test]
    fn a_receiver_that_failed_has_one_place_until_it_takes_something() {
        let (mut places, now) = (DeliverySlots::default(), Instant::now());
        for id in 0..3 {
            places.begin(id, channel("a"));
        }
        assert_eq!((taken(&places, "a", now), places.filter(now).limit), (3, PLACES - 3));
        places.end(0, DeliveryEnd::NotTaken(None), now);
        assert_eq!(taken(&places, "a", now), PER_RECEIVER + 1, "two are under way, and one place is too few for them");
        places.end(1, DeliveryEnd::Taken, now);
        places.end(2, DeliveryEnd::Taken, now);
        assert_eq!((taken(&places, "a", now), places.filter(now).limit), (0, PLACES));
    }

    #[test]
    fn a_receiver_is_left_alone_as_long_as_it_asks() {
        let (mut places, now) = (DeliverySlots::default(), Instant::now());
        let minute = Duration::from_secs(60);
        places.begin(1, channel("a"));
        places.begin(2, channel("a"));
        places.end(1, DeliveryEnd::NotTaken(Some(minute)), now);
        places.end(2, DeliveryEnd::NotTaken(None), now);
        assert_eq!(taken(&places, "a", now), PER_RECEIVER, "the longest wish counts");
        assert_eq!(taken(&places, "a", now + minute), PER_RECEIVER - 1);
        assert_eq!(taken(&places, "b", now), 0);
    }
}
