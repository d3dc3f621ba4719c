//! Inputs of jobs: files of this machine, or objects that are read by ranges and of which the first blocks are kept.
//!
//! **Invariant**: a job reads one revision of an object, and blocks of one revision are never given out for another. The memory
//! of blocks has a bound: [`OBJECT_BYTES`] of each object that a running job reads, and [`IDLE_BYTES`] of others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use super::{Host, key};
use crate::model::{Failure, InputObject, ObjectLocation};
use crate::objects::{ObjectError, Revision, SharedObjects};
#[cfg(doc)]
use crate::worker::cache::OBJECT_BYTES;
use crate::worker::cache::RangeCache;
use crate::worker::input::{Input, InputBytes, RangeRead, ReadError};
use crate::workflow::ResolvedInput;

/// Limit on the bytes kept of objects that no running job reads: an execution reads its upload again in the next job.
const IDLE_BYTES: u64 = 64 << 20;

/// Bytes that an entry counts at least: one that was opened and never read bounds their number too.
const ENTRY_BYTES: u64 = 64 << 10;

/// Caches of the objects that were opened last, for all jobs of a daemon.
#[derive(Clone, Default)]
pub struct InputCache {
    /// Last opened last.
    entries: Arc<Mutex<Vec<Entry>>>,
}

struct Entry {
    object: InputObject,
    ranges: Arc<RangeCache>,
}

impl Entry {
    fn is_of(&self, object: &InputObject) -> bool {
        let own = &self.object;
        (&own.location, &own.version, &own.etag) == (&object.location, &object.version, &object.etag)
    }

    fn is_in_use(&self) -> bool {
        Arc::strong_count(&self.ranges) > 1
    }
}

impl InputCache {
    /// Returns the cache of a revision of an object, and forgets caches beyond the limit.
    fn of(&self, objects: &SharedObjects, object: InputObject) -> Arc<RangeCache> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let found = entries.iter().position(|entry| entry.is_of(&object)).map(|at| entries.remove(at));
        let entry = found.unwrap_or_else(|| {
            let far = RemoteObject { objects: Arc::clone(objects), object: object.clone() };
            Entry { object, ranges: Arc::new(RangeCache::new(Arc::new(far))) }
        });
        let ranges = Arc::clone(&entry.ranges);
        entries.push(entry);
        trim(&mut entries);
        ranges
    }

    /// Forgets caches beyond the limit.
    pub fn trim(&self) {
        trim(&mut self.entries.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn trim(entries: &mut Vec<Entry>) {
    let mut idle_bytes = 0;
    let mut kept: Vec<Entry> = entries.drain(..).rev().collect();
    kept.retain(|entry| {
        idle_bytes += if entry.is_in_use() { 0 } else { entry.ranges.bytes() + ENTRY_BYTES };
        entry.is_in_use() || idle_bytes <= IDLE_BYTES
    });
    entries.extend(kept.into_iter().rev());
}

/// Opens an input of a job.
pub(super) async fn open(host: &Host, input: &ResolvedInput) -> Result<Input, Failure> {
    let object = match input {
        ResolvedInput::Object(object) => object.clone(),
        ResolvedInput::Output(output) => latest(output.location.clone()),
        ResolvedInput::Asset(location) => latest(location.clone()),
        ResolvedInput::Key(source) => return key::open(source),
    };
    Ok(open_object(&host.objects, &object, &host.inputs).await?)
}

/// Opens an object for a worker: as a file where it is one of this machine, else to be read by ranges, by way of `cache`.
pub async fn open_object(
    objects: &SharedObjects,
    object: &InputObject,
    cache: &InputCache,
) -> Result<Input, ObjectError> {
    let revision = Revision::of(object);
    let ext = object.ext().to_owned();
    if let Some(file) = objects.open_local(&object.location, revision).await? {
        let size_bytes = file.metadata().map_or(0, |metadata| metadata.len());
        return Ok(Input { bytes: InputBytes::File(file), size_bytes, ext });
    }
    let head = objects.head(&object.location, revision).await?;
    let object = InputObject { etag: Some(head.etag), ..object.clone() };
    Ok(Input { bytes: InputBytes::Ranges(cache.of(objects, object)), size_bytes: head.size_bytes, ext })
}

const fn latest(location: ObjectLocation) -> InputObject {
    InputObject { location, size_bytes: None, etag: None, version: None, metadata: BTreeMap::new() }
}

/// An object that is read over the network, always the same revision of it.
struct RemoteObject {
    objects: SharedObjects,
    object: InputObject,
}

#[async_trait]
impl RangeRead for RemoteObject {
    async fn read_range(&self, offset: u64, length: u64) -> Result<Bytes, ReadError> {
        let range = offset..offset.saturating_add(length);
        self.objects
            .read(&self.object.location, Revision::of(&self.object), range)
            .await
            .map_err(|error| ReadError::new(Failure::from(error)))
    }
}
