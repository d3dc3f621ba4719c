//! An S3 endpoint over local buckets: what S3 clients and SDKs need to upload, list and download, signed with one key
//! pair. s3s speaks the protocol; [`front`] is the layer before it, [`service`] the operations behind it.
//!
//! **Invariant**: an upload is acknowledged when its object is whole, on disk, and its event persisted; a request that
//! is not signed with the key pair is refused, but for the question of a browser which pages may use the endpoint; what
//! a request asks for is done or refused, and never passed over.
//!
//! Deliberately absent: TLS, users and policies, versions, tags, storage classes, encryption, locks. Who needs those
//! has an S3 already; an upload that asks for one of them is refused.

mod access;
mod answer;
mod buckets;
mod cors;
mod form;
mod front;
mod headers;
mod hosts;
mod keys;
mod list;
mod multipart;
mod objects;
mod policy;
mod receive;
mod rest;
mod service;
mod xml;

use std::time::Duration;

use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::access::Access;
use self::form::Forms;
use self::front::Front;
use self::hosts::BucketHosts;
use self::xml::XmlRoute;
use super::local::LocalBuckets;
use crate::http::{self, Limits};

pub use cors::CorsRule;
pub use keys::KeyPair;

/// Connections at once; more wait.
const MAX_CONNECTIONS: usize = 512;

/// Longest time that open requests may take once the endpoint shuts down.
const DRAIN: Duration = Duration::from_secs(10);

/// Settings of the endpoint.
#[derive(Clone, Debug, Default)]
pub struct EndpointOptions {
    /// Rules for web pages of other origins; without a rule none may use it.
    pub cors: Vec<CorsRule>,
    /// Hosts below which a name is a bucket's, beside `localhost`.
    pub domains: Vec<String>,
}

/// Serves until `shutdown`, then lets requests on their way end.
pub async fn serve(
    listener: TcpListener,
    buckets: LocalBuckets,
    keys: &KeyPair,
    options: EndpointOptions,
    shutdown: CancellationToken,
) {
    let EndpointOptions { cors, domains } = options;
    let hosts = BucketHosts::new(&domains);
    let service = || service::Service::new(buckets.clone(), cors.clone());
    // Checks no signature: it is reached by requests with XML whose signature the other one has checked.
    let mut behind = S3ServiceBuilder::new(service());
    behind.set_host(hosts.clone());
    let mut builder = S3ServiceBuilder::new(service());
    builder.set_route(XmlRoute::new(behind.build(), buckets.clone()));
    builder.set_auth(keys.clone());
    builder.set_access(Access::new(buckets.clone()));
    builder.set_host(hosts.clone());
    let forms = Forms::new(buckets.clone(), keys.clone(), hosts);
    let front = Front::new(builder.build(), buckets, cors, forms);
    let limits = Limits { connections: MAX_CONNECTIONS, drain: DRAIN };
    http::serve("the S3 endpoint", listener, front, limits, shutdown).await;
}
