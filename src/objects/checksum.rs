//! Checksums that clients of S3 send along: which there are, and how each is computed.
//!
//! A value is in Base64. **Invariant**: a [`Checksum`] was computed from the bytes it is kept with.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use s3s::crypto::{self, Checksum as _};
use serde::{Deserialize, Serialize};

/// A kind of checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Algorithm {
    /// CRC-32 as in Ethernet.
    Crc32,
    /// CRC-32 with Castagnoli's polynomial.
    Crc32c,
    /// CRC-64 as in NVMe.
    Crc64nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Crc32, Self::Crc32c, Self::Crc64nvme, Self::Sha1, Self::Sha256];

    /// Its name in requests and answers: `CRC32`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The header that carries its value: `x-amz-checksum-crc32`.
    #[must_use]
    pub const fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// The algorithm of that name, in upper or lower case.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    /// Returns whether checksums of parts make one of the whole object.
    #[must_use]
    pub const fn is_crc(self) -> bool {
        matches!(self, Self::Crc32 | Self::Crc32c | Self::Crc64nvme)
    }

    const fn digest_bytes(self) -> usize {
        match self {
            Self::Crc32 | Self::Crc32c => 4,
            Self::Crc64nvme => 8,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// Returns whether `value` is Base64 of the right length; the number of parts behind it (`…-3`) does not count.
    #[must_use]
    pub fn may_be(self, value: &str) -> bool {
        STANDARD.decode(plain(value)).is_ok_and(|bytes| bytes.len() == self.digest_bytes())
    }

    /// Starts computing.
    #[must_use]
    pub fn hasher(self) -> Hasher {
        let state = match self {
            Self::Crc32 => State::Crc32(crypto::Crc32::new()),
            Self::Crc32c => State::Crc32c(crypto::Crc32c::new()),
            Self::Crc64nvme => State::Crc64nvme(crypto::Crc64Nvme::new()),
            Self::Sha1 => State::Sha1(crypto::Sha1::new()),
            Self::Sha256 => State::Sha256(crypto::Sha256::new()),
        };
        Hasher { algorithm: self, state }
    }
}

/// A checksum without the number of parts behind it.
#[must_use]
pub fn plain(value: &str) -> &str {
    value.rsplit_once('-').map_or(value, |(value, _)| value)
}

/// A checksum of an object or a part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checksum {
    /// Its kind.
    pub algorithm: Algorithm,
    /// Base64; of parts' checksums with their number behind it: `…-3`.
    pub value: String,
    /// Returns whether it was computed over the parts' checksums, and not over the bytes.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub composite: bool,
}

impl Checksum {
    /// The checksum of parts' checksums; `None` where one of them is not Base64.
    #[must_use]
    pub fn of_parts<'a>(algorithm: Algorithm, values: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut hasher = algorithm.hasher();
        let mut count = 0_usize;
        for value in values {
            hasher.update(&STANDARD.decode(value).ok()?);
            count += 1;
        }
        Some(Self { algorithm, value: format!("{}-{count}", hasher.finish().value), composite: true })
    }
}

/// A checksum that is being computed.
pub struct Hasher {
    algorithm: Algorithm,
    state: State,
}

enum State {
    Crc32(crypto::Crc32),
    Crc32c(crypto::Crc32c),
    Crc64nvme(crypto::Crc64Nvme),
    Sha1(crypto::Sha1),
    Sha256(crypto::Sha256),
}

impl Hasher {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.state {
            State::Crc32(state) => state.update(bytes),
            State::Crc32c(state) => state.update(bytes),
            State::Crc64nvme(state) => state.update(bytes),
            State::Sha1(state) => state.update(bytes),
            State::Sha256(state) => state.update(bytes),
        }
    }

    /// The checksum of all bytes added.
    #[must_use]
    pub fn finish(self) -> Checksum {
        let value = match self.state {
            State::Crc32(state) => STANDARD.encode(state.finalize()),
            State::Crc32c(state) => STANDARD.encode(state.finalize()),
            State::Crc64nvme(state) => STANDARD.encode(state.finalize()),
            State::Sha1(state) => STANDARD.encode(state.finalize()),
            State::Sha256(state) => STANDARD.encode(state.finalize()),
        };
        Checksum { algorithm: self.algorithm, value, composite: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_those_of_their_specifications() {
        // The check values of the catalogue of CRCs, and of FIPS 180-4 for "abc".
        let of = |algorithm: Algorithm, bytes: &[u8]| {
            let mut hasher = algorithm.hasher();
            bytes.chunks(2).for_each(|chunk| hasher.update(chunk));
            hasher.finish().value
        };
        assert_eq!(of(Algorithm::Crc32, b"123456789"), STANDARD.encode(0xCBF4_3926_u32.to_be_bytes()));
        assert_eq!(of(Algorithm::Crc32c, b"123456789"), STANDARD.encode(0xE306_9283_u32.to_be_bytes()));
        assert_eq!(of(Algorithm::Crc64nvme, b"123456789"), STANDARD.encode(0xAE8B_1486_0A79_9888_u64.to_be_bytes()));
        assert_eq!(of(Algorithm::Sha1, b"abc"), "qZk+NkcGgWq6PiVxeFDCbJzQ2J0=");
        assert_eq!(of(Algorithm::Sha256, b"abc"), "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=");
        for algorithm in Algorithm::ALL {
            let value = of(algorithm, b"x");
            assert!(algorithm.may_be(&value) && algorithm.may_be(&format!("{value}-2")), "{value}");
            assert!(!algorithm.may_be("bad") && !algorithm.may_be(""), "{}", algorithm.name());
            assert_eq!(Algorithm::named(&algorithm.name().to_lowercase()), Some(algorithm));
        }
    }
}
