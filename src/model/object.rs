//! Objects in buckets, and the events that announce them.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Timestamp;
use super::media::MediaInfo;

/// Address of an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ObjectLocation {
    /// Name of the bucket.
    pub bucket: String,
    /// Key, not URL-encoded.
    pub key: String,
}

impl fmt::Display for ObjectLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

/// Input object of an execution, as it was when the execution started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct InputObject {
    /// Address.
    #[serde(flatten)]
    pub location: ObjectLocation,
    /// Size in bytes, if known from the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_bytes: Option<u64>,
    /// Entity tag without quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Version, in versioned buckets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// User metadata (`x-amz-meta-…`), names in lower case.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

impl InputObject {
    /// The last part of the key: `a/b/clip.final.mp4` → `clip.final.mp4`.
    #[must_use]
    pub fn name(&self) -> &str {
        let key = &self.location.key;
        key.rsplit_once('/').map_or(key.as_str(), |(_, name)| name)
    }

    /// The name without its extension: `clip.final`.
    #[must_use]
    pub fn stem(&self) -> &str {
        match self.name().rsplit_once('.') {
            Some((stem, _)) if !stem.is_empty() => stem,
            _ => self.name(),
        }
    }

    /// The extension without its dot, as written: `mp4`; empty where there is none.
    #[must_use]
    pub fn ext(&self) -> &str {
        match self.name().rsplit_once('.') {
            Some((stem, ext)) if !stem.is_empty() => ext,
            _ => "",
        }
    }

    /// The key up to its last slash, without it: `a/b`; empty at the top.
    #[must_use]
    pub fn dir(&self) -> &str {
        self.location.key.rsplit_once('/').map_or("", |(dir, _)| dir)
    }
}

/// "An object was created", in one form whatever announced it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectEvent {
    /// The object.
    pub object: InputObject,
    /// Operation that created it, without prefix: `Put`, `Post`, `Copy`, `CompleteMultipartUpload`.
    pub name: String,
    /// S3's per-key ordering token, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sequencer: Option<String>,
    /// Time of the event, by the storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// The shape it arrived in: `s3`, `sns`, `eventbridge`, `minio`, `oss`, `embedded`, `manual`.
    pub shape: String,
}

/// An object that an activity published.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputObject {
    /// Address.
    #[serde(flatten)]
    pub location: ObjectLocation,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Media type: `video/mp4`.
    pub content_type: String,
    /// Role in its activity.
    pub role: super::work::FileRole,
    /// Media information, for media files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<MediaInfo>,
}
