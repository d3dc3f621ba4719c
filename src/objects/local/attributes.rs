//! Attributes that a file system does not keep with a file: entity tag, media type, user metadata, place in the order
//! of events.
//!
//! Each object has one small JSON file beside the buckets (`.reelmill/meta`). **Invariant**: attributes speak for
//! exactly the bytes they were written with (same inode, size and time); a file put or changed by hand has derived
//! ones.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use super::Placement;
use crate::model::{ObjectLocation, Timestamp};
use crate::objects::checksum::Checksum;
use crate::objects::{Head, OCTET_STREAM};

/// Attributes of an object that only the endpoint returns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EndpointAttributes {
    /// Headers of the upload, by their names in lower case; each character of a value stands for one byte.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Checksum that the upload was sent with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Checksum>,
    /// Parts of a multipart upload, in their order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<KeptPart>,
}

/// A part of an object that was uploaded in parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptPart {
    /// Its number, from 1.
    pub number: u32,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Its checksum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Checksum>,
}

/// Attributes of one object.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Attributes {
    key: String,
    bytes: Fingerprint,
    /// Entity tag without quotes.
    pub etag: String,
    /// Media type.
    pub content_type: String,
    /// User metadata, names in lower case.
    pub metadata: BTreeMap<String, String>,
    /// Place in the order of the key's uploads.
    pub sequencer: String,
    /// Attributes that only the endpoint returns.
    #[serde(default)]
    pub kept: EndpointAttributes,
}

/// Distinguishes the bytes of two uploads of one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Fingerprint {
    inode: u64,
    size_bytes: u64,
    modified_ns: i64,
}

impl Fingerprint {
    fn of(file: &Metadata) -> Self {
        Self { inode: file.ino(), size_bytes: file.size(), modified_ns: nanoseconds(file) }
    }
}

fn nanoseconds(file: &Metadata) -> i64 {
    file.mtime().saturating_mul(1_000_000_000).saturating_add(file.mtime_nsec())
}

impl Attributes {
    /// Attributes of `file`, which is about to become `object`.
    pub fn new(
        object: &ObjectLocation,
        file: &Metadata,
        etag: String,
        placement: Placement,
        sequencer: String,
    ) -> Self {
        let Placement { content_type, metadata, kept, .. } = placement;
        Self { key: object.key.clone(), bytes: Fingerprint::of(file), etag, content_type, metadata, sequencer, kept }
    }

    /// Returns whether they are the attributes that `placement` would store for the same bytes.
    pub fn is_of(&self, placement: &Placement) -> bool {
        self.content_type == placement.content_type
            && self.metadata == placement.metadata
            && self.kept == placement.kept
    }

    /// Returns the path of the attributes of `object` below `meta`. Keys are hashed: they may be longer than a file
    /// name.
    pub fn path(meta: &Path, object: &ObjectLocation) -> PathBuf {
        let digest = hex(&Md5::digest(object.key.as_bytes()));
        meta.join(&object.bucket).join(&digest[..2]).join(format!("{digest}.json"))
    }

    /// Reads the attributes of `object`; `None` if they were written for other bytes than those of `file`.
    pub fn load(meta: &Path, object: &ObjectLocation, file: &Metadata) -> Option<Self> {
        let text = std::fs::read(Self::path(meta, object)).ok()?;
        let attributes: Self = serde_json::from_slice(&text).ok()?;
        (attributes.key == object.key && attributes.bytes == Fingerprint::of(file)).then_some(attributes)
    }

    /// Writes them to a new file at `path`.
    pub fn write(&self, path: &Path) -> io::Result<File> {
        let mut file = File::create_new(path)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        Ok(file)
    }
}

/// Answers `head` for a file with or without attributes.
pub fn head(file: &Metadata, attributes: Option<Attributes>) -> Head {
    let modified_ns = nanoseconds(file);
    let (etag, content_type, metadata) = match attributes {
        Some(a) => (a.etag, a.content_type, a.metadata),
        // Not a digest, and no client takes it for one: digesting would mean to read the whole file first.
        None => (format!("{modified_ns:x}.{:x}", file.size()), OCTET_STREAM.to_owned(), BTreeMap::new()),
    };
    Head {
        size_bytes: file.size(),
        etag,
        version: None,
        content_type,
        metadata,
        last_modified: Timestamp(modified_ns / 1_000),
    }
}

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    format!("{:x}", bytes::Bytes::copy_from_slice(bytes))
}

/// Decodes hexadecimal digits; invalid pairs are skipped.
#[must_use]
pub fn unhex(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks_exact(2);
    digits.filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
