//! Each channel's way to its receivers.

use async_trait::async_trait;
use serde_json::Value;

use super::{NotifyError, Sender, SnsSender, SqsSender, WebhookSender};
use crate::model::plan::NotifyChannel;

/// All of them.
pub struct Senders {
    /// To SQS queues.
    pub sqs: SqsSender,
    /// To SNS topics.
    pub sns: SnsSender,
    /// To HTTP receivers.
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
