//! Object storage: folders on this machine ([`local`]), S3 and what speaks its protocol ([`s3`]), and an S3 endpoint of
//! our own over the folders ([`endpoint`]).
//!
//! **Invariant**: an object is seen whole or not at all; publishing the same file twice leaves one object; a read that
//! names a [`Revision`] never mixes bytes of two uploads.
//!
//! Deliberately absent: which objects to read and where outputs go (`workflow`), and what an upload starts (`intake`).

pub mod aws;
pub mod checksum;
pub mod endpoint;
mod error;
mod event;
pub mod local;
pub mod proxy;
pub mod s3;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::model::{InputObject, ObjectLocation, Timestamp};

pub use error::{BoxError, ObjectError};
pub use event::EventSink;

/// Object storage, shared.
pub type SharedObjects = Arc<dyn Objects>;

/// Media type of objects without one.
pub const OCTET_STREAM: &str = "application/octet-stream";

/// A revision of a key. Parts that are not set match anything; if none is set, every revision matches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Revision<'a> {
    /// The version, in versioned buckets.
    pub version: Option<&'a str>,
    /// The entity tag without quotes.
    pub etag: Option<&'a str>,
}

impl<'a> Revision<'a> {
    /// Whatever is there.
    pub const LATEST: Revision<'static> = Revision { version: None, etag: None };

    /// The upload that an execution began with.
    #[must_use]
    pub fn of(object: &'a InputObject) -> Self {
        Self { version: object.version.as_deref().filter(|v| *v != "null"), etag: object.etag.as_deref() }
    }
}

/// Properties of an object that are known without reading it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Size in bytes.
    pub size_bytes: u64,
    /// Entity tag without quotes.
    pub etag: String,
    /// Version, in versioned buckets.
    pub version: Option<String>,
    /// Media type.
    pub content_type: String,
    /// User metadata, names in lower case.
    pub metadata: BTreeMap<String, String>,
    /// Time when it was written.
    pub last_modified: Timestamp,
}

/// A published object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// Entity tag without quotes.
    pub etag: String,
    /// Size in bytes.
    pub size_bytes: u64,
}

/// An object in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Entity tag without quotes.
    pub etag: String,
    /// Time when it was written.
    pub last_modified: Timestamp,
}

/// A page of a bucket, in the order of the keys' UTF-8 bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The objects.
    pub objects: Vec<Entry>,
    /// Beginning of the next page (`after` of the next call); `None` on the last one.
    pub next: Option<String>,
}

/// An object on its way in.
pub struct Incoming {
    /// Media type.
    pub content_type: String,
    /// Expected size in bytes, where it is known.
    pub size_bytes: Option<u64>,
    /// True if an object must not be replaced: if there is one, it stays, and the upload fails with
    /// [`ObjectError::Precondition`].
    pub only_new: bool,
    /// They.
    pub bytes: BoxStream<'static, Result<Bytes, BoxError>>,
}

impl Incoming {
    /// The error of a body that broke off.
    fn broken(object: &ObjectLocation, source: BoxError) -> ObjectError {
        ObjectError::io("receive", object, std::io::Error::other(source))
    }

    /// Fails where another number of bytes was received than announced.
    fn check(announced: Option<u64>, came: u64, object: &ObjectLocation) -> Result<(), ObjectError> {
        match announced {
            Some(announced) if announced != came => {
                Err(Self::broken(object, format!("received {came} of {announced} bytes").into()))
            }
            _ => Ok(()),
        }
    }
}

/// A place that holds objects in buckets.
#[async_trait]
pub trait Objects: Send + Sync {
    /// Properties of an object that are known without reading it.
    async fn head(&self, object: &ObjectLocation, revision: Revision<'_>) -> Result<Head, ObjectError>;

    /// Bytes `range` of an object, less where it ends earlier: nothing at or behind its end.
    async fn read(
        &self,
        object: &ObjectLocation,
        revision: Revision<'_>,
        range: Range<u64>,
    ) -> Result<Bytes, ObjectError>;

    /// A descriptor open for reading, where the object is a file of this machine. It stays on the bytes it was opened
    /// on, whatever is published later.
    async fn open_local(
        &self,
        object: &ObjectLocation,
        revision: Revision<'_>,
    ) -> Result<Option<std::fs::File>, ObjectError>;

    /// Makes `file` visible as `object`, all at once. Repeating it after a crash changes nothing. Local storage may
    /// link the file instead of copying it: the caller writes no more to it.
    async fn publish(&self, object: &ObjectLocation, file: &Path, content_type: &str)
    -> Result<Published, ObjectError>;

    /// Stores a stream as an object, which becomes visible at its end, as with any upload. If the stream breaks off, or
    /// does not have the declared length, nothing is stored.
    async fn receive(&self, object: &ObjectLocation, body: Incoming) -> Result<Published, ObjectError>;

    /// Deletes an object; does nothing if there is no object.
    async fn delete(&self, object: &ObjectLocation) -> Result<(), ObjectError>;

    /// Lists at most `limit` objects whose keys begin with `prefix` and come after `after`.
    async fn list(&self, bucket: &str, prefix: &str, after: Option<&str>, limit: usize)
    -> Result<Listing, ObjectError>;

    /// Makes the bucket where it does not exist.
    async fn ensure_bucket(&self, bucket: &str) -> Result<(), ObjectError>;
}
