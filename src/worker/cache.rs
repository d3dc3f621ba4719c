//! The first blocks that are read of an object, kept for whoever reads it again: headers, tables and samples are read several
//! times by one worker, and again by the worker of the next job.
//!
//! **Invariant**: what is kept is never read again, also not ahead of need, and there is a bound to it. Deliberately absent:
//! which objects are kept, and for how long (`daemon`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;

use super::input::{RangeRead, ReadError};

/// Limit on the bytes kept of one object. What analyses read of a large file before they stop is less.
pub const OBJECT_BYTES: u64 = 32 << 20;

/// An object of which the first blocks read are kept.
pub struct RangeCache {
    object: Arc<dyn RangeRead>,
    blocks: Mutex<Blocks>,
}

impl RangeCache {
    /// Makes an empty cache over an object.
    #[must_use]
    pub fn new(object: Arc<dyn RangeRead>) -> Self {
        Self { object, blocks: Mutex::default() }
    }

    /// Returns how many bytes it keeps.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.blocks().bytes
    }

    fn blocks(&self) -> MutexGuard<'_, Blocks> {
        self.blocks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl RangeRead for RangeCache {
    /// Reads at most `length` bytes from `offset`: as many as are kept there, or up to what is kept.
    async fn read_range(&self, offset: u64, length: u64) -> Result<Bytes, ReadError> {
        let found = self.blocks().find(offset, length);
        let missing = match found {
            Found::Kept(bytes) => return Ok(bytes),
            Found::Missing(length) => length,
        };
        let bytes = self.object.read_range(offset, missing).await?;
        self.blocks().keep(offset, &bytes);
        Ok(bytes)
    }
}

/// Result of looking for an offset.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// These bytes.
    Kept(Bytes),
    /// Nothing, for so many bytes.
    Missing(u64),
}

/// Blocks by their offset; they do not overlap.
#[derive(Default)]
struct Blocks {
    blocks: BTreeMap<u64, Bytes>,
    bytes: u64,
}

impl Blocks {
    fn find(&self, offset: u64, length: u64) -> Found {
        if let Some((start, block)) = self.blocks.range(..=offset).next_back() {
            let skipped = usize::try_from(offset - start).unwrap_or(usize::MAX);
            if skipped < block.len() {
                let wanted = usize::try_from(length).unwrap_or(usize::MAX).min(block.len() - skipped);
                return Found::Kept(block.slice(skipped..skipped + wanted));
            }
        }
        let next = self.blocks.range(offset..).next().map(|(start, _)| start - offset);
        Found::Missing(next.map_or(length, |next| next.min(length)))
    }

    /// Keeps a block where there is room for it. Of two workers that read the same, one was first.
    fn keep(&mut self, offset: u64, block: &Bytes) {
        let length = block.len() as u64;
        let is_new = length > 0 && self.find(offset, length) == Found::Missing(length);
        if is_new && self.bytes + length <= OBJECT_BYTES {
            self.bytes += length;
            self.blocks.insert(offset, block.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An object of zeros that counts what is read of it.
    #[derive(Default)]
    struct Counting(Mutex<Vec<(u64, u64)>>);

    #[async_trait]
    impl RangeRead for Counting {
        async fn read_range(&self, offset: u64, length: u64) -> Result<Bytes, ReadError> {
            self.0.lock().unwrap().push((offset, length));
            let bytes: Vec<u8> = (offset..offset + length).map(|at| u8::try_from(at % 251).unwrap()).collect();
            Ok(bytes.into())
        }
    }

    #[tokio::test]
    async fn what_is_kept_is_not_read_again_and_nothing_is_read_into_it() {
        let object = Arc::new(Counting::default());
        let cache = RangeCache::new(Arc::clone(&object) as Arc<dyn RangeRead>);
        for (offset, length, answered) in [
            (1_000, 500, 500),
            (0, 4_000, 1_000),
            (200, 4_000, 800),
            (1_100, 100, 100),
            (1_400, 900, 100),
            (1_500, 9, 9),
        ] {
            let bytes = cache.read_range(offset, length).await.unwrap();
            assert_eq!(bytes.len(), answered, "{offset}");
            assert!((offset..).zip(&bytes).all(|(at, &byte)| at % 251 == u64::from(byte)), "{offset}");
        }
        assert_eq!(*object.0.lock().unwrap(), [(1_000, 500), (0, 1_000), (1_500, 9)]);
        assert_eq!(cache.bytes(), 1_509);
    }

    #[tokio::test]
    async fn no_more_is_kept_than_there_is_room_for() {
        let object = Arc::new(Counting::default());
        let cache = RangeCache::new(Arc::clone(&object) as Arc<dyn RangeRead>);
        let (most, small) = (OBJECT_BYTES - 10, 8);
        cache.read_range(100, most).await.unwrap();
        for _ in 0..2 {
            assert_eq!(cache.read_range(0, 40).await.unwrap().len(), 40, "kept by nobody");
            assert_eq!(cache.read_range(90, small).await.unwrap().len(), 8, "there is room");
        }
        assert_eq!(object.0.lock().unwrap().len(), 4);
        assert_eq!(cache.bytes(), OBJECT_BYTES - 2);
    }
}
