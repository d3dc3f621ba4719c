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

use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use s3s::config::{S3Config, StaticConfigProvider};
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::local::LocalBuckets;

pub use keys::KeyPair;

/// Connections at once; more wait.
const MAX_CONNECTIONS: usize = 512;

/// Largest file in a POST form, in bytes: forms are held in memory. PUT and uploads in parts have no such limit.
const MAX_FORM_FILE_BYTES: u64 = 64 * 1024 * 1024;

/// How long requests on their way may take to end once the endpoint shuts down.
const DRAIN: Duration = Duration::from_secs(10);

/// How long a client may take to send the head of a request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Wait after an accept that failed, such as with no descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown`, then lets requests on their way end.
pub async fn serve(listener: TcpListener, buckets: LocalBuckets, keys: &KeyPair, shutdown: CancellationToken) {
    let mut limits = S3Config::default();
    limits.post_object_max_file_size = MAX_FORM_FILE_BYTES;
    let mut builder = S3ServiceBuilder::new(service::Service::new(buckets));
    builder.set_auth(keys.clone());
    builder.set_config(Arc::new(StaticConfigProvider::new(Arc::new(limits))));
    let service = builder.build();

    let mut http = Builder::new(TokioExecutor::new());
    http.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT);
    let graceful = GracefulShutdown::new();
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = accept(&listener, &places) => accepted,
        };
        let (socket, place) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "the S3 endpoint could not accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let connection = graceful.watch(http.serve_connection(TokioIo::new(socket), service.clone()).into_owned());
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error, "a connection to the S3 endpoint broke off");
            }
            drop(place);
        });
    }
    if tokio::time::timeout(DRAIN, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests to the S3 endpoint were broken off");
    }
}

async fn accept(
    listener: &TcpListener,
    places: &Arc<Semaphore>,
) -> std::io::Result<(tokio::net::TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.map_err(std::io::Error::other)?;
    let (socket, _) = listener.accept().await?;
    Ok((socket, place))
}
