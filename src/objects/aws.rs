//! Settings of the AWS SDK, for AWS and services with its protocols: shared by object storage, queues and
//! notifications.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::config::Credentials;

use super::proxy;

/// Settings that replace the AWS SDK's own; where none is set, the environment decides.
#[derive(Clone, Default)]
pub struct AwsOptions {
    /// Region; absent: the SDK's chain, and `us-east-1` where that has none.
    pub region: Option<String>,
    /// Address of the service, for storage and queues that are not Amazon's.
    pub endpoint: Option<String>,
    /// Access key id and secret; absent: the SDK's chain.
    pub credentials: Option<(String, String)>,
}

impl std::fmt::Debug for AwsOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AwsOptions")
            .field("region", &self.region)
            .field("endpoint", &self.endpoint)
            .field("access_key_id", &self.credentials.as_ref().map(|(id, _)| id))
            .finish_non_exhaustive()
    }
}

/// The SDK's configuration with `options` applied.
pub async fn sdk_config(options: &AwsOptions) -> SdkConfig {
    let timeouts =
        TimeoutConfig::builder().connect_timeout(Duration::from_secs(5)).read_timeout(Duration::from_secs(60)).build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(proxy::http_client())
        .timeout_config(timeouts)
        .retry_config(RetryConfig::standard().with_max_attempts(4));
    if let Some((id, secret)) = &options.credentials {
        loader = loader.credentials_provider(Credentials::new(id, secret, None, None, "reelmill"));
    }
    if let Some(endpoint) = &options.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    if let Some(region) = &options.region {
        loader = loader.region(Region::new(region.clone()));
    }
    let config = loader.load().await;
    match config.region() {
        Some(_) => config,
        None => config.into_builder().region(Region::from_static("us-east-1")).build(),
    }
}
