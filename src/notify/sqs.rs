//! Delivery to SQS queues.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::DisplayErrorContext;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::NotifyError;
use crate::objects::aws::{AwsOptions, sdk_config};

/// Sends to SQS. The SDK's configuration is loaded with the first notification.
#[derive(Debug, Default)]
pub struct SqsSender {
    options: AwsOptions,
    client: OnceCell<Client>,
}

impl SqsSender {
    /// Makes it with these settings instead of the SDK's own.
    #[must_use]
    pub const fn new(options: AwsOptions) -> Self {
        Self { options, client: OnceCell::const_new() }
    }

    async fn client(&self) -> &Client {
        self.client.get_or_init(|| async { Client::new(&sdk_config(&self.options).await) }).await
    }

    /// Sends `event` to the queue `url`. `group` orders events of one execution in FIFO queues.
    pub(super) async fn send(&self, url: &str, event: &Value, group: &str) -> Result<(), NotifyError> {
        let mut request = self.client().await.send_message().queue_url(url).message_body(event.to_string());
        // The suffix is part of the name of a FIFO queue and always lower case.
        if url.strip_suffix(".fifo").is_some() {
            request =
                request.message_group_id(group).set_message_deduplication_id(event["id"].as_str().map(str::to_owned));
        }
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(NotifyError::Refused {
                to: url.to_owned(),
                reason: DisplayErrorContext(&error).to_string(),
                retry_after: None,
            }),
        }
    }
}
