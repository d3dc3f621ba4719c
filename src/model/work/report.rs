//! Report of a worker.

use serde::{Deserialize, Serialize};

use crate::model::Failure;
use crate::model::media::MediaInfo;

/// Results of a worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Results: of a [`Work::Pipeline`](super::Work::Pipeline), one for each output, in order; of a
    /// [`Work::Package`](super::Work::Package), one in all.
    pub outputs: Vec<Result<Produced, Failure>>,
}

impl Report {
    /// Returns the size of all files, in bytes, as the worker gives it.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        let files = self.outputs.iter().flatten().flat_map(|made| &made.files);
        files.map(|file| file.size_bytes).fold(0, u64::saturating_add)
    }
}

/// Files of one output, verified: opened again and compared with the work.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Produced {
    /// In the order in which they must become visible: manifests last.
    pub files: Vec<ProducedFile>,
    /// Result beside the files, of outputs that measure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<Finding>,
}

impl Produced {
    /// Returns files alone.
    #[must_use]
    pub const fn files(files: Vec<ProducedFile>) -> Self {
        Self { files, finding: None }
    }
}

/// Result of an output that measures, by its kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finding {
    /// Media information of the source, of an [`Output::Analysis`](super::Output::Analysis).
    Media(Box<MediaInfo>),
}

/// A file in scratch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProducedFile {
    /// Name relative to scratch; may hold `/`.
    pub file: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Media type.
    pub content_type: String,
    /// Role of the file.
    pub role: FileRole,
    /// Media information, for media files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<MediaInfo>,
}

/// Role of an output in its activity.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    schemars::JsonSchema,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum FileRole {
    /// A media file; what `from:` takes.
    Media,
    /// A picture.
    Image,
    /// A segment or an initialisation section.
    Segment,
    /// A timed text track.
    Track,
    /// A media playlist.
    Playlist,
    /// A master playlist: published last of all.
    Master,
}
