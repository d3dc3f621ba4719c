//! Each channel's way to its receivers.

use async_trait::async_trait;
use serde_json::Value;

use super::{NotifyError, Sender, SnsSender, SqsSender, WebhookSender};
use crate::model::plan::NotifyChannel;

/// Senders of all channels.
pub struct Senders {
    /// Sender to SQS queues.
    pub sqs: SqsSender,
    /// Sender to SNS topics.
    pub sns: SnsSender,
    /// Sender to HTTP receivers.
    pub webhook: WebhookSender,
}

#[async_trait]
impl Sender for Senders {
    async fn send(&self, channel: &NotifyChannel, event: &Value, group: &str) -> Result<(), NotifyError> {
        match channel {
            NotifyChannel::Sqs(url) => self.sqs.send(url, event, group).await,
            NotifyChannel::Sns(arn) => self.sns.send(arn, event, group).await,
            NotifyChannel::Webhook(url) => self.webhook.send(url, event).await,
        }
    }
}
