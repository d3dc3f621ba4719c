//! The supervisor's end of an input: a file handed over as it is, or ranges served over a socket.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::protocol::{self, Source};
use super::ranges;
use crate::model::{Blame, Class, Failure};

/// Error of reading a range.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct ReadError(Failure);

impl ReadError {
    /// Makes the error of a failure of the storage.
    #[must_use]
    pub const fn new(failure: Failure) -> Self {
        Self(failure)
    }

    /// Returns the failure of the job. A failure that is fatal stays fatal.
    #[must_use]
    pub fn of_job(&self) -> Failure {
        let Failure { class, blame, .. } = self.0;
        Failure::new("WORKER0010", class, blame, "the input could not be read from storage").caused_by(&self.0)
    }
}

/// An object that can be read by ranges.
#[async_trait]
pub trait RangeRead: Send + Sync {
    /// Reads at most `length` bytes from `offset`.
    async fn read_range(&self, offset: u64, length: u64) -> Result<Bytes, ReadError>;
}

/// An input of a job.
pub struct Input {
    /// Source of its bytes.
    pub bytes: InputBytes,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Extension of its name, without dot.
    pub ext: String,
}

/// Source of an input's bytes.
pub enum InputBytes {
    /// A file open for reading: the worker reads it directly.
    File(File),
    /// An object read by ranges on the worker's behalf.
    Ranges(Arc<dyn RangeRead>),
}

/// First error of serving ranges: the worker only learns that there was one.
#[derive(Clone, Debug, Default)]
pub(super) struct RangeErrors {
    first: Arc<Mutex<Option<ReadError>>>,
    /// Ranges that were requested from the storage and have not arrived yet.
    reading: Arc<AtomicUsize>,
}

impl RangeErrors {
    pub(super) fn get(&self) -> Option<ReadError> {
        self.first.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    /// Returns whether a read of the storage is pending.
    pub(super) fn is_reading(&self) -> bool {
        self.reading.load(Ordering::SeqCst) > 0
    }

    fn set(&self, error: ReadError) {
        self.first.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_or_insert(error);
    }
}

/// Makes the descriptor that the worker gets, and starts serving where that is needed. Serving ends with the worker.
pub(super) fn hand_over(input: Input, errors: &RangeErrors) -> std::io::Result<(protocol::Input, OwnedFd)> {
    let Input { bytes, size_bytes, ext } = input;
    let (source, descriptor) = match bytes {
        InputBytes::File(file) => (Source::File, OwnedFd::from(file)),
        InputBytes::Ranges(object) => {
            let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
            ours.set_nonblocking(true)?;
            let ours = UnixStream::from_std(ours)?;
            tokio::spawn(serve(ours, object, size_bytes, errors.clone()));
            (Source::Ranges, OwnedFd::from(theirs))
        }
    };
    Ok((protocol::Input { source, size_bytes, ext }, descriptor))
}

async fn serve(mut socket: UnixStream, object: Arc<dyn RangeRead>, size_bytes: u64, errors: RangeErrors) {
    let mut request = [0; ranges::REQUEST_BYTES];
    while socket.read_exact(&mut request).await.is_ok() {
        let (offset, length) = ranges::decode(request);
        let length = u64::from(length.min(ranges::MAX_RANGE_BYTES)).min(size_bytes.saturating_sub(offset));
        errors.reading.fetch_add(1, Ordering::SeqCst);
        let answer = read(object.as_ref(), offset, length).await;
        errors.reading.fetch_sub(1, Ordering::SeqCst);
        let (status, bytes) = match answer {
            Ok(bytes) => (i32::try_from(bytes.len()).unwrap_or(ranges::FAILED), bytes),
            Err(error) => {
                errors.set(error);
                (ranges::FAILED, Bytes::new())
            }
        };
        if socket.write_all(&status.to_le_bytes()).await.is_err() || socket.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

async fn read(object: &dyn RangeRead, offset: u64, length: u64) -> Result<Bytes, ReadError> {
    if length == 0 {
        return Ok(Bytes::new());
    }
    let bytes = object.read_range(offset, length).await?;
    if bytes.is_empty() {
        let short = format!("the object ended at byte {offset}, which is less than its size");
        return Err(ReadError::new(Failure::new("WORKER0010", Class::Retry, Blame::Bug, short)));
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// A storage that never answers.
    struct Silent;

    #[async_trait]
    impl RangeRead for Silent {
        async fn read_range(&self, _: u64, _: u64) -> Result<Bytes, ReadError> {
            std::future::pending().await
        }
    }

    #[tokio::test]
    async fn field_fault_argo_7349_a_storage_that_owes_an_answer_is_known_by_it() {
        let errors = RangeErrors::default();
        let input = Input { bytes: InputBytes::Ranges(Arc::new(Silent)), size_bytes: 100, ext: "mp4".to_owned() };
        let (_, descriptor) = hand_over(input, &errors).unwrap();
        assert!(!errors.is_reading());
        std::os::unix::net::UnixStream::from(descriptor).write_all(&ranges::encode(0, 10)).unwrap();
        while !errors.is_reading() {
            tokio::task::yield_now().await;
        }
    }

    #[test]
    fn field_fault_argo_7349_a_read_that_failed_is_waited_for_only_where_that_helps() {
        let away = ReadError::new(Failure::infrastructure("OBJ0006", "out of reach")).of_job();
        assert_eq!((away.code.as_str(), away.is_outage()), ("WORKER0010", true));
        assert!(away.chain[0].contains("OBJ0006"), "{:?}", away.chain);
        let replaced = ReadError::new(Failure::input("OBJ0003", "replaced by another upload")).of_job();
        assert_eq!((replaced.class, replaced.blame), (Class::Fatal, Blame::Input));
    }
}
