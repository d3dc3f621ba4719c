//! AES-128 over whole segments (RFC 8216, 4.3.2.4), and which key which segment has.
//!
//! **Invariant**: keys appear in no message and in no playlist; an initialisation vector is never used twice with one key.
#![expect(unsafe_code, reason = "ffmpeg-next does not wrap libav's AES")]

use std::fmt::Write;
use std::ptr;

use ffmpeg_next::ffi;
use reelmill::model::work::Encryption;
use sha2::{Digest, Sha256};

use crate::error::MediaError;
use crate::source::Source;

/// Bytes of a key and of a block.
const BLOCK: usize = 16;

/// Shortest seed of generated keys, in bytes.
const MIN_SEED: usize = 16;

/// Most bytes that are read of a key.
const MAX_KEY_BYTES: usize = 1024;

type Block = [u8; BLOCK];

/// The keys of a package.
pub struct Keys {
    made_of: MadeOf,
    rotate: Option<u32>,
    key_uri: Option<String>,
    folder: String,
}

enum MadeOf {
    Given(Vec<Block>),
    Seed(Vec<u8>),
}

/// What a segment was encrypted with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locked {
    /// Number of its key, from 1.
    pub key: usize,
    /// Initialisation vector as playlists write it: `0x…`.
    pub iv: String,
}

impl Keys {
    /// Reads the keys of `encryption` from the inputs of the job.
    pub fn read(encryption: &Encryption, inputs: &[Source]) -> Result<Self, MediaError> {
        let bytes = |index: &usize| {
            let input = inputs.get(*index).ok_or_else(|| MediaError::Job("it has no key".to_owned()))?;
            input.first_bytes(MAX_KEY_BYTES)
        };
        let held: Vec<Vec<u8>> = encryption.keys.iter().map(bytes).collect::<Result<_, _>>()?;
        let made_of = if encryption.generated {
            let seed = held.into_iter().next().filter(|seed| seed.len() >= MIN_SEED);
            MadeOf::Seed(seed.ok_or_else(|| MediaError::Job("it has no seed for its keys".to_owned()))?)
        } else {
            let keys: Option<Vec<Block>> = held.iter().map(|bytes| key(bytes)).collect();
            let keys = keys.filter(|keys| !keys.is_empty()).ok_or_else(|| {
                let problem = "invalid key: hls-aes-128 needs 16 bytes, or 32 hexadecimal digits";
                MediaError::Parameter(problem.to_owned())
            })?;
            MadeOf::Given(keys)
        };
        Ok(Self {
            made_of,
            rotate: encryption.rotate,
            key_uri: encryption.key_uri.clone(),
            folder: encryption.folder.clone(),
        })
    }

    /// Number, from 1, of the key of a track's segment with that place, from 0.
    #[must_use]
    pub fn number(&self, segment: usize) -> usize {
        let turns = self.rotate.map_or(0, |rotate| segment / (rotate.max(1) as usize));
        match &self.made_of {
            MadeOf::Given(keys) => turns % keys.len() + 1,
            MadeOf::Seed(_) => turns + 1,
        }
    }

    /// Encrypts the bytes of a segment called `name` under the key of that number.
    pub fn lock(&self, number: usize, name: &str, bytes: &[u8]) -> Result<(Vec<u8>, Locked), MediaError> {
        let key = self.key(number);
        let iv = digest(&[&key, name.as_bytes()]);
        let locked = encrypt(&key, iv, bytes)?;
        let mut text = "0x".to_owned();
        for byte in iv {
            // Writing to a string cannot fail.
            let _infallible = write!(text, "{byte:02x}");
        }
        Ok((locked, Locked { key: number, iv: text }))
    }

    /// Where players find the key of that number, as given.
    #[must_use]
    pub fn given_uri(&self, number: usize) -> Option<String> {
        let uri = self.key_uri.as_ref()?;
        let Some(start) = uri.find('#') else { return Some(uri.clone()) };
        let digits = uri[start..].bytes().take_while(|&byte| byte == b'#').count();
        Some(format!("{}{number:0digits$}{}", &uri[..start], &uri[start + digits..]))
    }

    /// File in scratch of a generated key, and its bytes; none for keys that were given.
    #[must_use]
    pub fn file(&self, number: usize) -> Option<(String, Block)> {
        match self.made_of {
            MadeOf::Given(_) => None,
            MadeOf::Seed(_) => Some((format!("{}/key-{number}.key", self.folder), self.key(number))),
        }
    }

    fn key(&self, number: usize) -> Block {
        match &self.made_of {
            MadeOf::Given(keys) => keys[(number - 1) % keys.len()],
            MadeOf::Seed(seed) => digest(&[seed, b"hls-aes-128", &number.to_be_bytes()]),
        }
    }
}

/// A key as it is, or written in hexadecimal digits.
fn key(bytes: &[u8]) -> Option<Block> {
    if let Ok(key) = Block::try_from(bytes) {
        return Some(key);
    }
    let text = std::str::from_utf8(bytes).ok()?.trim();
    let text = text.strip_prefix("0x").unwrap_or(text);
    if text.len() != 2 * BLOCK || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        // A file of 16 bytes often ends in a line break.
        return Block::try_from(text.as_bytes()).ok();
    }
    Some(u128::from_str_radix(text, 16).ok()?.to_be_bytes())
}

fn digest(parts: &[&[u8]]) -> Block {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    let mut block = Block::default();
    block.copy_from_slice(&hash.finalize()[..BLOCK]);
    block
}

/// AES-128 in CBC mode with padding to whole blocks (PKCS #7).
fn encrypt(key: &Block, mut iv: Block, bytes: &[u8]) -> Result<Vec<u8>, MediaError> {
    let padding = BLOCK - bytes.len() % BLOCK;
    let mut padded = bytes.to_vec();
    padded.resize(bytes.len() + padding, u8::try_from(padding).unwrap_or_default());
    let blocks = i32::try_from(padded.len() / BLOCK)
        .map_err(|_| MediaError::Limit("a segment of more than 32 GiB cannot be encrypted".to_owned()))?;
    let failed = || MediaError::Libav { doing: "set up AES", source: ffmpeg_next::Error::Bug };
    // SAFETY: the context is allocated by libav, used and freed here; the key is 128 bits, the buffer holds `blocks` blocks
    // of 16 bytes and may be both source and target, the vector is one block.
    unsafe {
        let context = ffi::av_aes_alloc();
        if context.is_null() {
            return Err(failed());
        }
        let ready = ffi::av_aes_init(context, key.as_ptr(), 128, 0) >= 0;
        if ready {
            let data = padded.as_mut_ptr();
            ffi::av_aes_crypt(context, data, ptr::from_ref(&*data), blocks, iv.as_mut_ptr(), 0);
        }
        ffi::av_free(context.cast());
        if !ready {
            return Err(failed());
        }
    }
    Ok(padded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_people_keep_them() {
        let block: Block = *b"0123456789abcdef";
        assert_eq!(key(b"0123456789abcdef"), Some(block));
        assert_eq!(key(b"0123456789abcdef\n"), Some(block));
        assert_eq!(key(b"30313233343536373839616263646566\n"), Some(block));
        for bad in [&b""[..], b"short", b"3031323334353637383961626364656z", &[0; 17]] {
            assert_eq!(key(bad), None, "{bad:?}");
        }
    }

    /// The example F.2.1 of NIST SP 800-38A, before our padding.
    #[test]
    fn encryption_is_that_of_the_standard() {
        let hex = |text: &str| u128::from_str_radix(text, 16).unwrap().to_be_bytes();
        let key = hex("2b7e151628aed2a6abf7158809cf4f3c");
        let iv = hex("000102030405060708090a0b0c0d0e0f");
        let locked = encrypt(&key, iv, &hex("6bc1bee22e409f96e93d7e117393172a")).unwrap();
        assert_eq!(locked[..16], hex("7649abac8119b246cee98e9b12e9197d"));
        assert_eq!(locked.len(), 32, "a whole block of padding follows whole blocks");
    }

    #[test]
    fn keys_change_after_so_many_segments() {
        let keys = |made_of| Keys {
            made_of,
            rotate: Some(2),
            key_uri: Some("https://keys/k-##".to_owned()),
            folder: "hls/keys".to_owned(),
        };
        let given = keys(MadeOf::Given(vec![[1; 16], [2; 16]]));
        assert_eq!((0..6).map(|n| given.number(n)).collect::<Vec<_>>(), [1, 1, 2, 2, 1, 1]);
        assert_eq!(given.given_uri(2).unwrap(), "https://keys/k-02");
        assert_eq!(given.file(1), None);
        let made = keys(MadeOf::Seed(vec![7; 32]));
        assert_eq!((0..6).map(|n| made.number(n)).collect::<Vec<_>>(), [1, 1, 2, 2, 3, 3]);
        assert_ne!(made.key(1), made.key(2));
        assert_eq!(made.file(3).unwrap().0, "hls/keys/key-3.key");
    }
}
