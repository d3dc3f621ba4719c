//! An S3 endpoint over local buckets: what S3 clients and SDKs need to upload, list and download, signed with one key
//! pair.
//!
//! **Invariant**: an upload is acknowledged when its object is whole, on disk, and its event persisted; a request that is
//! not signed with the key pair is refused.
//!
//! Deliberately absent: TLS, users and policies, versions, tags, storage classes, encryption. Who needs those has an S3
//! already; an upload that asks for one of them is refused.

mod answer;
mod keys;
mod list;
mod receive;
mod service;

use std::sync::Arc;
use std::time::Duration;

use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::local::LocalBuckets;
use crate::http::{self, Limits};

pub use keys::KeyPair;

/// Connections at once; more wait.
const MAX_CONNECTIONS: usize = 512;

/// Largest file in a POST form, in bytes: forms are held in memory. PUT and uploads in parts have no such limit.
const MAX_FORM_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// How long requests on their way may take to end once the endpoint shuts down.
const DRAIN: Duration = Duration::from_secs(10);

/// Serves until `shutdown`, then lets requests on their way end.
pub async fn serve(listener: TcpListener, buckets: LocalBuckets, keys: &KeyPair, shutdown: CancellationToken) {
    let mut limits = S3Config::default();
    limits.post_object_max_file_size = MAX_FORM_FILE_BYTES;
    let mut builder = S3ServiceBuilder::new(service::Service::new(buckets));
    builder.set_auth(keys.clone());
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(limits))));
    let service = builder.build();
    let limits = Limits { connections: MAX_CONNECTIONS, drain: DRAIN };
    http::serve("the S3 endpoint", listener, service, limits, shutdown).await;
}
