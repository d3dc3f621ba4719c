//! Delivery to SNS topics.

use aws_sdk_sns::Client;
use aws_sdk_sns::error::DisplayErrorContext;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::NotifyError;
use crate::objects::aws::{AwsOptions, sdk_config};

/// Publishes to SNS. The SDK's configuration is loaded with the first notification.
#[derive(Debug, Default)]
pub struct SnsSender {
    options: AwsOptions,
    client: OnceCell<Client>,
}

impl SnsSender {
    /// Makes it with these settings instead of the SDK's own.
    #[must_use]
    pub const fn new(options: AwsOptions) -> Self {
        Self { options, client: OnceCell::const_new() }
    }

    async fn client(&self) -> &Client {
        self.client.get_or_init(|| async { Client::new(&sdk_config(&self.options).await) }).await
    }

    /// Publishes `event` to the topic `arn`. `group` orders events of one execution in FIFO topics.
    pub(super) async fn send(&self, arn: &str, event: &Value, group: &str) -> Result<(), NotifyError> {
        let mut request = self.client().await.publish().topic_arn(arn).message(event.to_string());
        // The suffix is part of the name of a FIFO topic and always lower case.
        if arn.strip_suffix(".fifo").is_some() {
            request =
                request.message_group_id(group).set_message_deduplication_id(event["id"].as_str().map(str::to_owned));
        }
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) => Err(NotifyError::Refused {
                to: arn.to_owned(),
                reason: DisplayErrorContext(&error).to_string(),
                retry_after: None,
            }),
        }
    }
}
