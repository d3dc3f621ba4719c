//! Keys of packages, handed to workers as inputs.
//!
//! **Invariant**: what a key is appears nowhere but in the input: no message, no log, no store.

use std::io::Read;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;

use crate::model::Failure;
use crate::template::KeySource;
use crate::worker::input::{Input, InputBytes, RangeRead, ReadError};

/// Most bytes of a key, with room for other ways to write it.
const MAX_BYTES: u64 = 1024;

/// Bytes of the seed that generated keys are made from.
const SEED_BYTES: u64 = 32;

/// Device of the system for random bytes.
const RANDOM: &str = "/dev/urandom";

/// Reads a key, or makes the seed of generated ones.
pub(super) fn open(source: &KeySource) -> Result<Input, Failure> {
    let bytes = match source {
        KeySource::Env(name) => std::env::var(name)
            .map_err(|_| refused(&format!("the environment variable {name} is not set")))?
            .into_bytes(),
        KeySource::File(path) => {
            read(path, MAX_BYTES).map_err(|error| refused(&format!("{path} cannot be read")).caused_by(&error))?
        }
        KeySource::Generated => {
            read(RANDOM, SEED_BYTES).map_err(|error| refused(&format!("{RANDOM} cannot be read")).caused_by(&error))?
        }
        KeySource::Object(_) => return Err(refused("it is an object")),
    };
    let size_bytes = bytes.len() as u64;
    Ok(Input { bytes: InputBytes::Ranges(Arc::new(MemoryBytes(bytes.into()))), size_bytes, ext: String::new() })
}

fn read(path: &str, most: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn refused(why: &str) -> Failure {
    Failure::infrastructure("WF0408", format!("cannot get a key: {why}"))
}

/// Bytes in memory.
struct MemoryBytes(Bytes);

#[async_trait]
impl RangeRead for MemoryBytes {
    async fn read_range(&self, offset: u64, length: u64) -> Result<Bytes, ReadError> {
        let at = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).min(self.0.len());
        Ok(self.0.slice(at(offset)..at(offset.saturating_add(length))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Code;

    #[test]
    fn keys_come_from_files_and_nowhere_are_failures_without_the_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        std::fs::write(&path, "0123456789abcdef").unwrap();
        let file = KeySource::File(path.display().to_string());
        assert_eq!(open(&file).unwrap().size_bytes, 16);
        assert_eq!(open(&KeySource::Generated).unwrap().size_bytes, 32);
        for missing in [KeySource::File("/no/such/key".into()), KeySource::Env("NO_SUCH_KEY".into())] {
            assert_eq!(open(&missing).err().map(|failure| failure.code), Some(Code::new("WF0408")));
        }
    }

    #[tokio::test]
    async fn seeds_differ_and_are_read_in_parts() {
        let bytes = |input: Input| match input.bytes {
            InputBytes::Ranges(held) => held,
            InputBytes::File(_) => panic!("not in memory"),
        };
        let (one, other) = (bytes(open(&KeySource::Generated).unwrap()), bytes(open(&KeySource::Generated).unwrap()));
        let whole = one.read_range(0, 64).await.unwrap();
        assert_eq!(whole.len(), 32);
        assert_ne!(whole, other.read_range(0, 64).await.unwrap());
        assert_eq!(one.read_range(30, 64).await.unwrap(), whole.slice(30..));
    }
}
