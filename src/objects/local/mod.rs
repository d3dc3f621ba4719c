//! Buckets that are folders of this machine.
//!
//! A bucket is a folder under the root, or any folder mounted under a bucket's name; a key is a path below it. One
//! existing file can be lent as an object for reading. Files put into a bucket by hand are objects too.
//!
//! **Invariant**: an object appears by one rename of a file that is whole and on disk; what is not yet whole lies in
//! `.reelmill`, which is no bucket and under which no key lies; the event of an upload is told after the rename and
//! before the upload is acknowledged, and where it would be refused there is no rename.
//!
//! Deliberately absent: versions, and watching folders for files put by hand.

mod attributes;
mod completion;
mod folder;
mod folders;
mod keys;
mod list;
mod parts;
mod staged;

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt;

use self::folders::Folders;
use super::checksum::{Algorithm, Checksum};
use super::{EventSink, Head, Incoming, Listing, OCTET_STREAM, ObjectError, Objects, Published, Revision};
use crate::model::{Clock, InputObject, ObjectEvent, ObjectLocation, Timestamp};

pub use attributes::{EndpointAttributes, KeptPart, unhex};
pub use completion::{Completed, CompletionRequest, NamedPart};
pub use keys::check_new_bucket;
pub use list::{Page, Query};
pub use parts::{Part, Upload, UploadChecksum, UploadStart};
pub use staged::{Staged, Writer};

/// Folders of the buckets.
#[derive(Clone, Debug, Default)]
pub struct Layout {
    /// Folder whose subfolders are buckets; created if it does not exist.
    pub root: PathBuf,
    /// Folders that are a bucket by another name or at another place; created if they do not exist.
    pub mounts: BTreeMap<String, PathBuf>,
    /// Existing files lent as objects, for reading only.
    pub files: BTreeMap<ObjectLocation, PathBuf>,
}

/// Buckets that are folders. Clones share everything.
#[derive(Clone)]
pub struct LocalBuckets {
    folders: Arc<Folders>,
    sink: Arc<OnceLock<Arc<dyn EventSink>>>,
    clock: Arc<dyn Clock>,
}

/// Settings of publishing a staged file.
#[derive(Clone, Debug)]
pub struct Placement {
    /// Name of the event: `Put`, `Copy`, `Post`, `CompleteMultipartUpload`.
    pub event: &'static str,
    /// Entity tag without quotes; absent: the MD5 of its bytes.
    pub etag: Option<String>,
    /// Media type.
    pub content_type: String,
    /// User metadata, names in lower case.
    pub metadata: BTreeMap<String, String>,
    /// Attributes that only the endpoint returns.
    pub kept: EndpointAttributes,
    /// Condition on the object that is at the key before.
    pub onto: PlaceCondition,
}

/// Condition on the object at a key before it is replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlaceCondition {
    /// Anything, or nothing.
    Anything,
    /// Nothing.
    Nothing,
    /// Any object; if it is the same already, it stays and its event is sent again.
    Same,
    /// An object.
    Object(Tag),
    /// Nothing, or an object with another entity tag.
    Other(String),
}

/// Condition on the entity tag of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tag {
    /// Any.
    Any,
    /// This one, without quotes.
    Is(String),
}

impl Tag {
    /// Returns whether an object's entity tag is one of these.
    #[must_use]
    pub fn is(&self, etag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Is(tag) => tag == etag,
        }
    }
}

/// Condition for deleting an object. If no field is set, it is met by every object, and also if there is no object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteCondition {
    /// Its entity tag.
    pub etag: Option<Tag>,
    /// Its size in bytes.
    pub size_bytes: Option<u64>,
    /// The second in which it was written.
    pub modified_s: Option<i64>,
}

impl DeleteCondition {
    /// Returns whether the condition has any part.
    #[must_use]
    pub fn is_any(&self) -> bool {
        *self == Self::default()
    }

    fn allows(&self, head: &Head) -> bool {
        self.etag.as_ref().is_none_or(|tag| tag.is(&head.etag))
            && self.size_bytes.is_none_or(|size_bytes| size_bytes == head.size_bytes)
            && self.modified_s.is_none_or(|second| second == head.last_modified.as_micros().div_euclid(1_000_000))
    }
}

impl LocalBuckets {
    /// Opens the buckets of `layout`, and removes incomplete files of an earlier run.
    pub fn open(layout: Layout, clock: Arc<dyn Clock>) -> Result<Self, ObjectError> {
        let folders = Arc::new(Folders::open(layout, Arc::clone(&clock))?);
        Ok(Self { folders, sink: Arc::default(), clock })
    }

    /// Sends events of new objects to `sink` from now on. Only the first call has an effect.
    pub fn announce_to(&self, sink: Arc<dyn EventSink>) {
        let _ = self.sink.set(sink);
    }

    /// A number larger than every one before, also over restarts where the clock does not go back.
    pub(crate) fn tick(&self) -> i64 {
        self.folders.tick()
    }

    /// Starts writing a file that will become `object`.
    pub async fn writer(&self, object: &ObjectLocation) -> Result<Writer, ObjectError> {
        self.check_writable(object).await?;
        let stage = self.folders.stage(&object.bucket)?;
        Writer::create(stage).await.map_err(|e| ObjectError::io("write", object, e))
    }

    /// Stages a copy of an open file that will become `object`.
    pub async fn copy(&self, from: File, object: &ObjectLocation) -> Result<Staged, ObjectError> {
        self.check_writable(object).await?;
        let object = object.clone();
        self.blocking(move |folders| {
            let stage = folders.stage(&object.bucket)?;
            Staged::copy(from, stage).map_err(|e| ObjectError::io("write", object, e))
        })
        .await
    }

    /// Fails where nothing can be written to that bucket and key.
    async fn check_writable(&self, object: &ObjectLocation) -> Result<(), ObjectError> {
        let object = object.clone();
        self.blocking(move |folders| {
            folders.writable(&object)?;
            folders.bucket_of(&object).map(drop)
        })
        .await
    }

    /// Names of all buckets, with the times of their creation.
    pub async fn buckets(&self) -> Result<Vec<(String, Timestamp)>, ObjectError> {
        self.blocking(Folders::buckets).await
    }

    /// Makes a bucket in a region that only its clients care for; `false` where it exists.
    pub async fn create_bucket(&self, bucket: &str, region: Option<String>) -> Result<bool, ObjectError> {
        let bucket = bucket.to_owned();
        self.blocking(move |folders| folders.create_bucket(&bucket, region.as_deref())).await
    }

    /// The region that a bucket was created with, if one was requested.
    pub async fn region(&self, bucket: &str) -> Result<Option<String>, ObjectError> {
        let bucket = bucket.to_owned();
        self.blocking(move |folders| folders.region(&bucket)).await
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Removes an empty bucket; `false` where it is not empty.
    pub async fn remove_bucket(&self, bucket: &str) -> Result<bool, ObjectError> {
        let bucket = bucket.to_owned();
        self.blocking(move |folders| folders.remove_bucket(&bucket)).await
    }

    /// Fails if there is no such bucket.
    pub async fn check_bucket(&self, bucket: &str) -> Result<(), ObjectError> {
        let bucket = bucket.to_owned();
        self.blocking(move |folders| folders.bucket(&bucket).map(drop)).await
    }

    /// An object's head, and its bytes to read.
    pub async fn open_object(
        &self,
        object: &ObjectLocation,
        revision: Revision<'_>,
    ) -> Result<(Head, File), ObjectError> {
        self.open_kept(object, revision).await.map(|(head, _, file)| (head, file))
    }

    /// Metadata of an object, its stored attributes, and its bytes to read.
    pub async fn open_kept(
        &self,
        object: &ObjectLocation,
        revision: Revision<'_>,
    ) -> Result<(Head, EndpointAttributes, File), ObjectError> {
        let (object, etag) = (object.clone(), revision.etag.map(str::to_owned));
        if revision.version.is_some() {
            return Err(ObjectError::NoObject { object });
        }
        self.blocking(move |folders| {
            let (head, kept, file) = folders.open_object(&object)?;
            match etag {
                Some(etag) if etag != head.etag => Err(ObjectError::Changed { object }),
                _ => Ok((head, kept, file)),
            }
        })
        .await
    }

    /// The checksum of a staged file.
    pub async fn checksum(&self, staged: &Staged, algorithm: Algorithm) -> Result<Checksum, ObjectError> {
        let path = staged.path().to_owned();
        self.blocking(move |_| {
            staged::checksum(&path, algorithm).map_err(|e| ObjectError::io("read", path.display(), e))
        })
        .await
    }

    /// Deletes an object if it meets the condition `only`; does nothing if there is no object.
    pub async fn delete_only(&self, object: &ObjectLocation, only: DeleteCondition) -> Result<(), ObjectError> {
        let object = object.clone();
        self.blocking(move |folders| folders.delete(&object, &only)).await
    }

    /// Makes a staged file visible and sends its event, unless the event would be refused. Returns only after the event
    /// was persisted.
    pub async fn place(
        &self,
        staged: Staged,
        object: &ObjectLocation,
        placement: Placement,
    ) -> Result<Head, ObjectError> {
        let target = object.clone();
        let Some(sink) = self.sink.get() else {
            return self
                .blocking(move |folders| folders.place(&staged, &target, placement))
                .await
                .map(|(head, _)| head);
        };
        let mut event = self.event(&staged, object, &placement).await?;
        sink.admit(&event).await.map_err(|e| ObjectError::Refused { object: object.clone(), source: Box::new(e) })?;
        let (head, sequencer) = self.blocking(move |folders| folders.place(&staged, &target, placement)).await?;
        // Where the same object was there already, its own stay.
        event.object.metadata.clone_from(&head.metadata);
        event.sequencer = Some(sequencer);
        event.time = Some(self.clock.now());
        sink.created(event).await.map_err(|e| ObjectError::Event { object: object.clone(), source: Box::new(e) })?;
        Ok(head)
    }

    /// The event that a staged file will have; its place in the order comes with the object.
    async fn event(
        &self,
        staged: &Staged,
        object: &ObjectLocation,
        placement: &Placement,
    ) -> Result<ObjectEvent, ObjectError> {
        let file = tokio::fs::metadata(staged.path()).await.map_err(|e| ObjectError::io("write", object, e))?;
        Ok(ObjectEvent {
            object: InputObject {
                location: object.clone(),
                size_bytes: Some(file.len()),
                etag: Some(placement.etag.clone().unwrap_or_else(|| staged.md5().to_owned())),
                version: None,
                metadata: placement.metadata.clone(),
            },
            name: placement.event.to_owned(),
            sequencer: None,
            time: None,
            shape: "embedded".to_owned(),
        })
    }

    /// A page of a bucket's keys.
    pub async fn page(&self, bucket: &str, query: Query) -> Result<Page, ObjectError> {
        let bucket = bucket.to_owned();
        self.blocking(move |folders| {
            let folder = folders.bucket(&bucket)?;
            let head = |key: &str| {
                folders
                    .open_object(&ObjectLocation { bucket: bucket.clone(), key: key.to_owned() })
                    .map(|(head, _, _)| head)
            };
            list::page(&folder, &query, head)
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Folders) -> Result<T, ObjectError> + Send + 'static,
    ) -> Result<T, ObjectError> {
        let folders = Arc::clone(&self.folders);
        tokio::task::spawn_blocking(move || work(&folders))
            .await
            .unwrap_or_else(|e| Err(ObjectError::io("finish", "an operation", io::Error::other(e))))
    }
}

#[async_trait]
impl Objects for LocalBuckets {
    async fn head(&self, object: &ObjectLocation, revision: Revision<'_>) -> Result<Head, ObjectError> {
        self.open_object(object, revision).await.map(|(head, _)| head)
    }

    async fn read(
        &self,
        object: &ObjectLocation,
        revision: Revision<'_>,
        range: Range<u64>,
    ) -> Result<Bytes, ObjectError> {
        let (head, file) = self.open_object(object, revision).await?;
        let end = range.end.min(head.size_bytes);
        let length = usize::try_from(end.saturating_sub(range.start)).unwrap_or(usize::MAX);
        let object = object.clone();
        self.blocking(move |_| {
            let mut bytes = vec![0; length];
            file.read_exact_at(&mut bytes, range.start).map_err(|e| ObjectError::io("read", object, e))?;
            Ok(bytes.into())
        })
        .await
    }

    async fn open_local(&self, object: &ObjectLocation, revision: Revision<'_>) -> Result<Option<File>, ObjectError> {
        self.open_object(object, revision).await.map(|(_, file)| Some(file))
    }

    async fn publish(
        &self,
        object: &ObjectLocation,
        file: &Path,
        content_type: &str,
    ) -> Result<Published, ObjectError> {
        let stage = self.folders.stage(&object.bucket)?;
        let (from, target) = (file.to_owned(), object.clone());
        let staged = self
            .blocking(move |_| Staged::adopt(&from, stage).map_err(|e| ObjectError::io("publish", target, e)))
            .await?;
        let placement =
            Placement { content_type: content_type.to_owned(), onto: PlaceCondition::Same, ..Placement::default() };
        let head = self.place(staged, object, placement).await?;
        Ok(Published { etag: head.etag, size_bytes: head.size_bytes })
    }

    async fn receive(&self, object: &ObjectLocation, body: Incoming) -> Result<Published, ObjectError> {
        let Incoming { content_type, size_bytes, only_new, mut bytes } = body;
        let mut writer = self.writer(object).await?;
        while let Some(chunk) = bytes.next().await {
            let chunk = chunk.map_err(|e| Incoming::broken(object, e))?;
            writer.write(&chunk).await.map_err(|e| ObjectError::io("write", object, e))?;
        }
        Incoming::check(size_bytes, writer.size_bytes(), object)?;
        let staged = writer.finish().await.map_err(|e| ObjectError::io("write", object, e))?;
        let onto = if only_new { PlaceCondition::Nothing } else { PlaceCondition::Anything };
        let head = self.place(staged, object, Placement { content_type, onto, ..Placement::default() }).await?;
        Ok(Published { etag: head.etag, size_bytes: head.size_bytes })
    }

    async fn delete(&self, object: &ObjectLocation) -> Result<(), ObjectError> {
        self.delete_only(object, DeleteCondition::default()).await
    }

    async fn list(
        &self,
        bucket: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Listing, ObjectError> {
        let query = Query { prefix: prefix.to_owned(), delimiter: None, after: after.map(str::to_owned), limit };
        let page = self.page(bucket, query).await?;
        Ok(Listing { objects: page.objects, next: page.next })
    }

    async fn ensure_bucket(&self, bucket: &str) -> Result<(), ObjectError> {
        self.create_bucket(bucket, None).await.map(drop)
    }
}

impl Default for Placement {
    fn default() -> Self {
        Self {
            event: "Put",
            etag: None,
            content_type: OCTET_STREAM.to_owned(),
            metadata: BTreeMap::new(),
            kept: EndpointAttributes::default(),
            onto: PlaceCondition::Anything,
        }
    }
}

#[cfg(test)]
mod tests;
