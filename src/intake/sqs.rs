//! Events from an SQS queue.
//!
//! **Invariant**: a message is deleted only after its events are recorded. One message never blocks another: what is
//! wrong with its object leaves it in the queue, to come again; what no shape fits is kept in the ledger and, where the
//! queue has a dead-letter queue, left for that, else deleted. A message whose queue of jobs is full, or whose object
//! cannot be asked about, is kept hidden and [`parked`](super::parked), and others go on. Where nothing can be taken at
//! all, because the store is unreachable, received messages are kept hidden and no others are received. Being received
//! again and again would end in a dead-letter queue.

use std::collections::VecDeque;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, Message, QueueAttributeName,
};
use tokio_util::sync::CancellationToken;

use super::parked::{ParkedMessages, WaitReason, WaitingMessage};
use super::shapes::{Decoded, decode};
use super::{Intake, IntakeError};
use crate::model::{Coded, ObjectEvent};
use crate::objects::aws::{AwsOptions, sdk_config};
use crate::telemetry::metrics::{self, EventResult};

/// Messages per request: the maximum of SQS.
const BATCH: i32 = 10;
/// Time for which a message is hidden from other receivers; extended while the message is processed.
const VISIBILITY: Duration = Duration::from_secs(30);
/// Factor by which messages that wait are hidden longer: they are many, and each has to be hidden again in time.
const PARKED: u32 = 4;
/// Most messages that wait before no others are received.
const MOST_PARKED: usize = 10_000;
/// Pause between tries of those that wait.
const AGAIN: Duration = Duration::from_secs(1);
/// Messages of one request, as many as SQS takes.
const REQUEST: usize = 10;
/// Wait after a first failure to reach the queue; doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// Longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Attempts to delete messages before they are left to be delivered again as duplicates.
const DELETE_TRIES: u32 = 3;

/// A queue.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its URL.
    pub queue_url: String,
    /// Long poll, at most 20 s.
    pub wait: Duration,
    /// Settings of the AWS SDK.
    pub options: AwsOptions,
}

/// Approximate number of messages that wait in the queue at `queue_url`; none is received. The error is the text of the
/// service.
pub async fn waiting(queue_url: &str, options: &AwsOptions) -> Result<u64, String> {
    let client = Client::new(&sdk_config(options).await);
    let wanted = QueueAttributeName::ApproximateNumberOfMessages;
    let answer = client.get_queue_attributes().queue_url(queue_url).attribute_names(wanted.clone()).send().await;
    let attributes = answer.map_err(|error| DisplayErrorContext(&error).to_string())?.attributes.unwrap_or_default();
    Ok(attributes.get(&wanted).and_then(|count| count.parse().ok()).unwrap_or(0))
}

/// Takes messages from a queue.
pub struct Consumer {
    client: Client,
    settings: Settings,
    intake: Intake,
    visibility: Duration,
    parked: ParkedMessages,
}

/// Outcome of a message.
enum MessageOutcome {
    /// It can be deleted.
    Done,
    /// It stays in the queue, and is delivered again.
    Left,
    /// It waits for the reason given, with the events that are not accepted yet.
    Waits(WaitReason, VecDeque<ObjectEvent>),
}

impl Consumer {
    /// A consumer of `settings.queue_url`.
    pub async fn new(settings: Settings, intake: Intake) -> Self {
        let client = Client::new(&sdk_config(&settings.options).await);
        Self { client, settings, intake, visibility: VISIBILITY, parked: ParkedMessages::default() }
    }

    /// Sets another visibility timeout, in whole seconds: after a crash, messages are delivered again after that time.
    #[must_use]
    pub const fn with_visibility(mut self, visibility: Duration) -> Self {
        self.visibility = visibility;
        self
    }

    /// Receives and processes messages until `stop`; messages in progress are finished.
    pub async fn run(&self, stop: CancellationToken) {
        let queues = Box::pin(self.try_again(|line| matches!(line, WaitReason::Queue(_)), &stop));
        let storage = Box::pin(self.try_again(|line| matches!(line, WaitReason::Storage), &stop));
        futures::join!(self.take_all(&stop), queues, storage, self.keep_hidden(&stop));
        // They are made visible, because this daemon no longer tries them.
        self.hide(&self.parked.receipts(), Duration::ZERO).await;
    }

    /// Receives and processes messages until `stop`.
    async fn take_all(&self, stop: &CancellationToken) {
        let mut wait = FIRST_WAIT;
        let mut idle = false;
        loop {
            let no_workflow = self.intake.catalog.active().is_empty();
            if no_workflow || self.parked.len() >= MOST_PARKED {
                if no_workflow && !idle {
                    tracing::warn!(
                        code = "EVT0006",
                        queue = self.settings.queue_url,
                        "no workflow is active: messages stay in the queue until one is"
                    );
                }
                idle = true;
                if stop.run_until_cancelled(tokio::time::sleep(AGAIN)).await.is_none() {
                    return;
                }
                continue;
            }
            idle = false;
            let received = tokio::select! {
                () = stop.cancelled() => return,
                received = self.receive() => received,
            };
            match received {
                Ok(messages) => {
                    wait = FIRST_WAIT;
                    self.work(messages, stop).await;
                }
                Err(reason) => {
                    tracing::warn!(
                        code = "EVT0003",
                        queue = self.settings.queue_url,
                        reason,
                        "cannot read the event queue; retrying"
                    );
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = tokio::time::sleep(self.jittered(wait)) => {}
                    }
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
            }
        }
    }

    /// Between half of `wait` and all of it, so that daemons that lost a queue together do not come back together.
    fn jittered(&self, wait: Duration) -> Duration {
        let id = self.intake.ids.next(self.intake.clock.now());
        wait.mul_f64(0.5 + f64::from(id.as_bytes()[15]) / 512.0)
    }

    async fn receive(&self) -> Result<Vec<Message>, String> {
        let wait_s = seconds(self.settings.wait).min(20);
        let received = self
            .client
            .receive_message()
            .queue_url(&self.settings.queue_url)
            .max_number_of_messages(BATCH)
            .wait_time_seconds(wait_s)
            .visibility_timeout(seconds(self.visibility))
            .send()
            .await;
        match received {
            Ok(output) => Ok(output.messages.unwrap_or_default()),
            Err(error) => Err(DisplayErrorContext(&error).to_string()),
        }
    }

    /// Processes all messages concurrently, and deletes those that are done.
    async fn work(&self, messages: Vec<Message>, stop: &CancellationToken) {
        if messages.is_empty() {
            return;
        }
        let all: Vec<&str> = messages.iter().filter_map(Message::receipt_handle).collect();
        let work = futures::future::join_all(messages.iter().map(|message| self.take(message, stop)));
        let taken = tokio::select! {
            taken = work => taken,
            () = self.extend(&all) => return,
        };
        let (mut done, mut waiting) = (Vec::new(), Vec::new());
        for (message, (taken, delete)) in messages.iter().zip(taken) {
            let Some(receipt) = message.receipt_handle() else { continue };
            match taken {
                MessageOutcome::Done if delete => done.push(receipt),
                MessageOutcome::Done | MessageOutcome::Left => {}
                MessageOutcome::Waits(line, events) => {
                    let receipt = receipt.to_owned();
                    waiting.push(receipt.clone());
                    self.park(line, WaitingMessage { receipt, events, delete });
                }
            }
        }
        self.hide(&waiting, self.visibility * PARKED).await;
        self.delete(&done).await;
    }

    fn park(&self, line: WaitReason, waiting: WaitingMessage) {
        let queue = &self.settings.queue_url;
        let what = line.clone();
        if self.parked.park(line, waiting) {
            match what {
                WaitReason::Queue(jobs) => tracing::warn!(
                    code = "EVT0005",
                    queue,
                    jobs,
                    "a job queue is full: its messages wait, other messages do not"
                ),
                WaitReason::Storage => {
                    tracing::warn!(
                        code = "EVT0002",
                        queue,
                        "object storage is unavailable: messages that need it wait"
                    );
                }
            }
        }
    }

    /// Retries messages that wait for the reasons selected by `which`, until `stop`.
    async fn try_again(&self, which: fn(&WaitReason) -> bool, stop: &CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(AGAIN)).await.is_some() {
            for line in self.parked.waited_for().into_iter().filter(which) {
                while self.try_line(&line, stop).await {}
            }
        }
    }

    /// Tries the first messages of a line again; answers whether all of them were taken and more may be.
    async fn try_line(&self, line: &WaitReason, stop: &CancellationToken) -> bool {
        let mut done = Vec::new();
        let mut more = true;
        while more && done.len() < REQUEST {
            more = false;
            if stop.is_cancelled() || !self.has_room(line).await {
                break;
            }
            let Some(mut waiting) = self.parked.first(line) else { break };
            let Err(error) = self.accept_in_order(&mut waiting.events).await else {
                self.parked.forget(std::slice::from_ref(&waiting.receipt));
                done.extend(waiting.delete.then_some(waiting.receipt));
                more = true;
                continue;
            };
            match error.waits_for() {
                Some(line) => self.parked.put_back(line, waiting),
                None if error.stops_all() => self.parked.put_back(line.clone(), waiting),
                // It is delivered again when its visibility timeout ends.
                None => {
                    tracing::warn!(error = %error.with_code(), "event not recorded; its message stays in the queue");
                    self.parked.forget(std::slice::from_ref(&waiting.receipt));
                }
            }
        }
        self.delete(&done.iter().map(String::as_str).collect::<Vec<_>>()).await;
        more
    }

    async fn has_room(&self, line: &WaitReason) -> bool {
        match line {
            WaitReason::Queue(queue) => self.intake.backlog.has_room(&self.intake.store, queue).await.unwrap_or(false),
            WaitReason::Storage => true,
        }
    }

    /// Keeps waiting messages invisible to other consumers, until `stop`.
    async fn keep_hidden(&self, stop: &CancellationToken) {
        let hidden = self.visibility * PARKED;
        while stop.run_until_cancelled(tokio::time::sleep(hidden / 3)).await.is_some() {
            let lost = self.hide(&self.parked.receipts(), hidden).await;
            if !lost.is_empty() {
                tracing::debug!(messages = lost.len(), "waiting messages became visible and are delivered again");
                self.parked.forget(&lost);
            }
        }
    }

    /// Hides messages for so long from now on; answers those that are no longer this consumer's.
    async fn hide(&self, receipts: &[String], time: Duration) -> Vec<String> {
        let mut lost = Vec::new();
        for some in receipts.chunks(REQUEST) {
            let entries = some.iter().enumerate().map(|(index, receipt)| {
                ChangeMessageVisibilityBatchRequestEntry::builder()
                    .id(index.to_string())
                    .receipt_handle(receipt)
                    .visibility_timeout(seconds(time))
                    .build()
            });
            let Ok(entries) = entries.collect::<Result<Vec<_>, _>>() else { continue };
            let request = self.client.change_message_visibility_batch().queue_url(&self.settings.queue_url);
            match request.set_entries(Some(entries)).send().await {
                Ok(answer) => {
                    let failed = answer.failed().iter().filter(|entry| entry.sender_fault());
                    lost.extend(failed.filter_map(|entry| some.get(entry.id().parse::<usize>().ok()?)).cloned());
                }
                Err(error) => {
                    tracing::debug!(error = %DisplayErrorContext(&error), "cannot make messages visible; they become visible by themselves");
                }
            }
        }
        lost
    }

    /// Outcome of the message, and whether it is deleted once it is done.
    async fn take(&self, message: &Message, stop: &CancellationToken) -> (MessageOutcome, bool) {
        let body = message.body().unwrap_or_default();
        match decode(body) {
            Decoded::Events(events) => (self.accept_all(events.into(), stop).await, true),
            Decoded::Partly(events, reason) => {
                let delete = self.set_aside(body, &reason).await;
                (self.accept_all(events.into(), stop).await, delete)
            }
            Decoded::Ignored(reason) => {
                tracing::debug!(reason, "message ignored");
                (MessageOutcome::Done, true)
            }
            Decoded::Unreadable(reason) => (MessageOutcome::Done, self.set_aside(body, &reason).await),
        }
    }

    async fn accept_all(&self, mut events: VecDeque<ObjectEvent>, stop: &CancellationToken) -> MessageOutcome {
        let mut wait = FIRST_WAIT;
        loop {
            if self.parked.holds(&WaitReason::Storage) && events.iter().any(|event| self.intake.asks(event)) {
                // Only the first message of the line asks the storage: if that hangs, it must not delay all of them.
                return MessageOutcome::Waits(WaitReason::Storage, events);
            }
            let Err(error) = self.accept_in_order(&mut events).await else { return MessageOutcome::Done };
            if let Some(line) = error.waits_for() {
                return MessageOutcome::Waits(line, events);
            }
            let waits = error.stops_all();
            {
                let object = events.front().map(|event| event.object.location.to_string());
                let source = std::error::Error::source(&error);
                tracing::warn!(object, error = %error.with_code(), source, waits, "event not recorded; its message stays in the queue");
            }
            let again = stop.run_until_cancelled(tokio::time::sleep(self.jittered(wait)));
            if !waits || again.await.is_none() {
                return MessageOutcome::Left;
            }
            wait = (wait * 2).min(LONGEST_WAIT);
        }
    }

    /// Records events, and removes those that are recorded.
    async fn accept_in_order(&self, events: &mut VecDeque<ObjectEvent>) -> Result<(), IntakeError> {
        while let Some(event) = events.front() {
            self.intake.accept(event.clone()).await?;
            events.pop_front();
        }
        Ok(())
    }

    async fn set_aside(&self, body: &str, reason: &str) -> bool {
        tracing::warn!(code = "EVT0004", reason, "message of an unknown shape");
        metrics::announced(EventResult::Unreadable);
        let now = self.intake.clock.now();
        if let Err(error) = self.intake.store.record_unreadable(body, reason, now).await.map_err(IntakeError::from) {
            tracing::warn!(error = %error.with_code(), "event not recorded; its message stays in the queue");
            return false;
        }
        !self.has_dead_letter_queue().await
    }

    async fn has_dead_letter_queue(&self) -> bool {
        let asked = self
            .client
            .get_queue_attributes()
            .queue_url(&self.settings.queue_url)
            .attribute_names(QueueAttributeName::RedrivePolicy)
            .send()
            .await;
        match asked {
            Ok(answer) => answer.attributes().is_some_and(|all| all.contains_key(&QueueAttributeName::RedrivePolicy)),
            // Left in the queue: nothing is lost by that.
            Err(_) => true,
        }
    }

    /// Keeps messages invisible to other consumers, as long as this future is polled.
    async fn extend(&self, receipts: &[&str]) {
        loop {
            tokio::time::sleep(self.visibility / 3).await;
            for receipt in receipts {
                let extended = self
                    .client
                    .change_message_visibility()
                    .queue_url(&self.settings.queue_url)
                    .receipt_handle(*receipt)
                    .visibility_timeout(seconds(self.visibility))
                    .send()
                    .await;
                if let Err(error) = extended {
                    tracing::debug!(error = %DisplayErrorContext(&error), "cannot keep a message hidden; it may be delivered again");
                }
            }
        }
    }

    async fn delete(&self, receipts: &[&str]) {
        let mut left: Vec<&str> = receipts.to_vec();
        for attempt in 0..DELETE_TRIES {
            if left.is_empty() {
                return;
            }
            match self.delete_batch(&left).await {
                Ok(failed) => left = failed,
                Err(reason) => tracing::debug!(reason, attempt, "cannot delete messages; retrying"),
            }
        }
        tracing::warn!(messages = left.len(), "cannot delete messages; they are delivered again and start nothing");
    }

    /// Answers those that were not deleted.
    async fn delete_batch<'a>(&self, receipts: &[&'a str]) -> Result<Vec<&'a str>, String> {
        let entries = receipts.iter().enumerate().map(|(index, receipt)| {
            DeleteMessageBatchRequestEntry::builder().id(index.to_string()).receipt_handle(*receipt).build()
        });
        let entries: Vec<_> = entries.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
        let answer = self
            .client
            .delete_message_batch()
            .queue_url(&self.settings.queue_url)
            .set_entries(Some(entries))
            .send()
            .await
            .map_err(|error| DisplayErrorContext(&error).to_string())?;
        let failed = answer.failed().iter().filter_map(|entry| receipts.get(entry.id().parse::<usize>().ok()?));
        Ok(failed.copied().collect())
    }
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}
