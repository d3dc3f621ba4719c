//! Behaviours of the outbox under its pump: slow receivers, and fair shares.

use std::sync::Mutex;
use std::time::Instant;

use async_trait::async_trait;
use reelmill::model::plan::NotifyChannel;
use reelmill::model::{Clock, Code};
use reelmill::notify::{self, DeliveryPolicy, NotifyError, Sender};
use reelmill::store::DueFilter;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::*;

/// That many notifications, of whatever receivers.
pub fn up_to(limit: u32) -> DueFilter {
    DueFilter { limit, per_receiver: limit, ..DueFilter::default() }
}

/// Begins at a time of the test and goes on from there: a delivery that failed for want of the store is lent again.
struct Going(Timestamp, Instant);

impl Clock for Going {
    fn now(&self) -> Timestamp {
        self.0.after(self.1.elapsed())
    }
}

/// Takes everything but what is for `slow`, which never answers, for `busy`, which asks to be left alone for an hour,
/// and for `broken`, whose deliveries panic.
#[derive(Default)]
struct Receivers {
    came: Mutex<Vec<String>>,
    changed: Notify,
}

impl Receivers {
    fn count(&self, name: &str) -> usize {
        self.came.lock().unwrap().iter().filter(|came| *came == name).count()
    }

    /// Waits until so many came to a receiver.
    async fn wait(&self, name: &str, count: usize) {
        loop {
            let changed = self.changed.notified();
            if self.count(name) >= count {
                return;
            }
            changed.await;
        }
    }
}

#[async_trait]
impl Sender for Receivers {
    async fn send(&self, channel: &NotifyChannel, _: &serde_json::Value, _: &str) -> Result<(), NotifyError> {
        self.came.lock().unwrap().push(channel.address().to_owned());
        self.changed.notify_waiters();
        match channel.address() {
            "slow" => std::future::pending().await,
            "broken" => panic!("a delivery panics"),
            "busy" => Err(NotifyError::Refused {
                to: "busy".to_owned(),
                reason: "429".to_owned(),
                retry_after: Some(Duration::from_secs(3_600)),
            }),
            _ => Ok(()),
        }
    }
}

/// Executions that have begun, and tell that to a receiver.
async fn begun(world: &World, receiver: &str, count: usize) {
    let mut plan = plan("told", vec![activity("a")], &[]);
    plan.notify = vec![target(receiver)];
    let plan = Arc::new(plan);
    for _ in 0..count {
        world.start(&plan).await;
    }
}

/// Runs the pump until `done`.
async fn pump(world: &World, receivers: &Arc<Receivers>, done: impl Future<Output = ()>) {
    let hour = Duration::from_secs(3_600);
    let patience = DeliveryPolicy { timeout: hour, backoff: Duration::from_millis(1), max: hour, attempts: 20 };
    let (clock, sender) = (Arc::new(Going(world.now(), Instant::now())), Arc::clone(receivers));
    let running = notify::run(Arc::clone(&world.store), clock, sender, patience, CancellationToken::new());
    tokio::select! {
        () = running => panic!("the pump ended"),
        () = done => {}
    }
}

pub async fn field_fault_owncast_1504_a_receiver_that_never_answers_holds_up_no_other(world: World) {
    begun(&world, "slow", 300).await;
    begun(&world, "quick", 40).await;
    let receivers = Arc::new(Receivers::default());
    pump(&world, &receivers, receivers.wait("quick", 40)).await;
    let slow = receivers.count("slow");
    assert!((1..=8).contains(&slow), "it occupies its own few places: {slow}");
}

pub async fn field_fault_owncast_1504_deliveries_that_panic_free_their_places(world: World) {
    begun(&world, "broken", 200).await;
    let receivers = Arc::new(Receivers::default());
    pump(&world, &receivers, receivers.wait("broken", 9)).await;
    begun(&world, "quick", 40).await;
    pump(&world, &receivers, receivers.wait("quick", 40)).await;
}

pub async fn field_fault_owncast_1504_a_receiver_that_asks_to_wait_is_left_alone(world: World) {
    begun(&world, "busy", 60).await;
    begun(&world, "quick", 200).await;
    let receivers = Arc::new(Receivers::default());
    pump(&world, &receivers, receivers.wait("quick", 200)).await;
    let busy = receivers.count("busy");
    assert!((1..=8).contains(&busy), "those that were under way when it said so: {busy}");
    let all = NotificationFilter { limit: 1_000, ..NotificationFilter::default() };
    let page = world.store.notifications(all).await.unwrap();
    let put_off: Vec<_> = page.iter().filter(|record| record.error.is_some()).collect();
    assert!(!put_off.is_empty());
    for record in put_off {
        assert!(record.due_at.unwrap().since(world.now()) >= Duration::from_secs(3_600), "its wish, not the backoff");
    }
}

pub async fn field_fault_owncast_1504_what_follows_waits_with_what_is_tried_again(world: World) {
    begun(&world, "down", 1).await;
    let claim = world.claim_one().await;
    world.succeed(&claim).await.unwrap();
    let due = async || world.store.due_notifications(up_to(10), world.now()).await.unwrap();
    let first = due().await;
    assert_eq!(first.len(), 1, "in order");
    let hour = Duration::from_secs(3_600);
    world.store.undelivered(first[0].id, "down", Some(hour), world.now()).await.unwrap();
    let all = NotificationFilter { limit: 10, ..NotificationFilter::default() };
    let times: Vec<_> = world.store.notifications(all).await.unwrap().iter().map(|record| record.due_at).collect();
    assert_eq!((times.len(), times[0]), (2, times[1]), "neither is looked at before");
    world.wait(hour);
    world.store.delivered(due().await[0].id, world.now()).await.unwrap();
    let second = due().await;
    assert_eq!((second.len(), second[0].state), (1, ExecutionState::Succeeded));
}

pub async fn due_notifications_are_chosen_by_the_room_of_their_receivers(world: World) {
    for receiver in ["a", "b", "c"] {
        begun(&world, receiver, 5).await;
    }
    let sqs = |name: &str| NotifyChannel::Sqs(name.to_owned());
    let due = async |filter: DueFilter| world.store.due_notifications(filter, world.now()).await.unwrap();
    let filter = DueFilter { limit: 10, per_receiver: 3, taken: vec![(sqs("a"), 3), (sqs("b"), 1)], under_way: vec![] };
    let first = due(filter.clone()).await;
    let told =
        |due: &[reelmill::store::Notification], name: &str| due.iter().filter(|n| n.target.to == sqs(name)).count();
    assert_eq!(["a", "b", "c"].map(|name| told(&first, name)), [0, 2, 3]);
    let under_way: Vec<i64> = first.iter().map(|notification| notification.id).collect();
    let taken = vec![(sqs("a"), 3), (sqs("b"), 2)];
    let second = due(DueFilter { under_way: under_way.clone(), taken, ..filter }).await;
    assert_eq!(["a", "b", "c"].map(|name| told(&second, name)), [0, 1, 2]);
    assert!(second.iter().all(|notification| !under_way.contains(&notification.id)));
}

/// Warnings are bounded in a notification, whatever they hold; their number is told.
pub async fn newcomer_many_long_warnings_fit_into_a_notification(world: World) {
    let told = async |text: &str| {
        let mut plan = plan("told", vec![activity("a")], &[]);
        plan.notify = vec![target("done")];
        let id = world.start(&Arc::new(plan)).await;
        let claim = world.claim_one().await;
        for _ in 0..30 {
            let event = LogEvent::Warning { code: Code::new("MEDIA0101"), message: text.repeat(2_048) };
            world.store.note(claim.job, claim.attempt, event, world.now()).await.unwrap();
        }
        world.succeed(&claim).await.unwrap();
        let record = world.store.execution(id).await.unwrap().unwrap();
        let of = NotificationFilter { execution: Some(id), limit: 1, ..NotificationFilter::default() };
        let notification = world.store.notifications(of).await.unwrap().remove(0).notification;
        notify::cloudevent(&notification, &record)
    };
    let event = told("x").await;
    assert_eq!((&event["data"]["warning_count"], &event["data"]["truncated"]), (&json!(30), &json!(null)));
    assert_eq!(event["data"]["warnings"].as_array().unwrap().len(), 20);
    let event = told("\u{1}").await;
    assert_eq!((&event["data"]["warning_count"], &event["data"]["truncated"]), (&json!(30), &json!(true)));
    assert!(event.to_string().len() <= 240 * 1024, "each of these is six bytes in JSON");
}
