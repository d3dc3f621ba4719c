//! Events from an SQS queue.
//!
//! **Invariant**: a message is deleted only after its events are written down. One message never blocks another: what
//! is wrong with its object leaves it in the queue, to come again; what no shape fits is kept in the ledger and, where
//! the queue has a dead-letter queue, left for that, else deleted. Where nothing can be taken at all, because the store is
//! out of reach or the workflow's queue is full, messages at hand are kept hidden and no others are received: being
//! received again and again would end in a dead-letter queue.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::DisplayErrorContext;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, QueueAttributeName};
use tokio_util::sync::CancellationToken;

use super::shapes::{Decoded, decode};
use super::{Intake, IntakeError};
use crate::model::ObjectEvent;
use crate::objects::aws::{AwsOptions, sdk_config};
use crate::telemetry::metrics::{self, Announced};

/// Messages asked for at once: as many as SQS gives.
const BATCH: i32 = 10;
/// How long a message is hidden from others while it is worked on; extended while that lasts.
const VISIBILITY: Duration = Duration::from_secs(30);
/// Wait after a first failure to reach the queue; doubles with each.
const FIRST_WAIT: Duration = Duration::from_millis(500);
/// Longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// How often it is looked whether there is a workflow by now.
const NO_WORKFLOW: Duration = Duration::from_secs(1);
/// How often deleting is tried before the messages are left to come again (as duplicates).
const DELETE_TRIES: u32 = 3;

/// A queue.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Its URL.
    pub queue_url: String,
    /// Long poll, at most 20 s.
    pub wait: Duration,
    /// How it is reached.
    pub options: AwsOptions,
}

/// About how many messages wait in the queue at `queue_url`; none is taken. What went wrong, in the service's words.
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
}

impl Consumer {
    /// A consumer of `settings.queue_url`.
    pub async fn new(settings: Settings, intake: Intake) -> Self {
        let client = Client::new(&sdk_config(&settings.options).await);
        Self { client, settings, intake, visibility: VISIBILITY }
    }

    /// With another time for which a message is hidden from others, in whole seconds: when it comes again after a crash.
    #[must_use]
    pub const fn with_visibility(mut self, visibility: Duration) -> Self {
        self.visibility = visibility;
        self
    }

    /// Takes messages until told to stop; what is being worked on is finished.
    pub async fn run(&self, stop: CancellationToken) {
        let mut wait = FIRST_WAIT;
        let mut idle = false;
        loop {
            if self.intake.catalog.active().is_empty() {
                if !idle {
                    tracing::warn!(
                        code = "EVT0006",
                        queue = self.settings.queue_url,
                        "there is no workflow: messages stay in the queue until there is one"
                    );
                }
                idle = true;
                if stop.run_until_cancelled(tokio::time::sleep(NO_WORKFLOW)).await.is_none() {
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
                    self.work(messages, &stop).await;
                }
                Err(reason) => {
                    tracing::warn!(
                        queue = self.settings.queue_url,
                        reason,
                        "EVT0003: the queue cannot be read; trying again"
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

    /// Works on all messages beside each other, and deletes those that are done.
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
        let done = messages.iter().zip(taken).filter(|(_, taken)| *taken);
        self.delete(&done.filter_map(|(message, _)| message.receipt_handle()).collect::<Vec<_>>()).await;
    }

    /// Whether the message is done with.
    async fn take(&self, message: &Message, stop: &CancellationToken) -> bool {
        let body = message.body().unwrap_or_default();
        match decode(body) {
            Decoded::Events(events) => self.accept_all(events, stop).await,
            Decoded::Partly(events, reason) => {
                self.accept_all(events, stop).await && self.set_aside(body, &reason).await
            }
            Decoded::Ignored(reason) => {
                tracing::debug!(reason, "message ignored");
                true
            }
            Decoded::Unreadable(reason) => self.set_aside(body, &reason).await,
        }
    }

    async fn accept_all(&self, events: Vec<ObjectEvent>, stop: &CancellationToken) -> bool {
        for event in events {
            let mut wait = FIRST_WAIT;
            while let Err(error) = self.intake.accept(event.clone()).await {
                let (object, passing) = (&event.object.location, error.is_passing());
                {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(%object, error, waits = passing, "the message stays in the queue");
                }
                let again = stop.run_until_cancelled(tokio::time::sleep(self.jittered(wait)));
                if !passing || again.await.is_none() {
                    return false;
                }
                wait = (wait * 2).min(LONGEST_WAIT);
            }
        }
        true
    }

    async fn set_aside(&self, body: &str, reason: &str) -> bool {
        tracing::warn!(reason, "EVT0004: a message that no shape fits");
        metrics::announced(Announced::Unreadable);
        let now = self.intake.clock.now();
        if let Err(error) = self.intake.store.record_unreadable(body, reason, now).await.map_err(IntakeError::from) {
            tracing::warn!(%error, "the message stays in the queue");
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

    /// Keeps messages hidden from others, for as long as it is polled.
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
                    tracing::debug!(error = %DisplayErrorContext(&error), "a message may come again");
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
                Err(reason) => tracing::debug!(reason, attempt, "messages were not deleted"),
            }
        }
        tracing::warn!(messages = left.len(), "messages could not be deleted; they come again and change nothing");
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
