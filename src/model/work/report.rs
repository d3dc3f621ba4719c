//! What a worker says it made.

use serde::{Deserialize, Serialize};

use crate::model::Failure;
use crate::model::media::MediaInfo;

/// What a worker made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Report {
    /// Of [`Work::Analysis`](super::Work::Analysis).
    Analysis {
        /// What the source holds.
        info: Box<MediaInfo>,
        /// A chart, where one was asked for.
        files: Vec<ProducedFile>,
    },
    /// Of [`Work::Pipeline`](super::Work::Pipeline), one per output in order; and of [`Work::Package`](super::Work::Package), one in all.
    Outputs(Vec<Result<Produced, Failure>>),
}

/// Files of one output, verified: opened again and held against what was asked for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Produced {
    /// In the order in which they must become visible: manifests last.
    pub files: Vec<ProducedFile>,
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
    /// What it is.
    pub role: FileRole,
    /// What it holds, for media files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media: Option<MediaInfo>,
}

/// What a produced file is in its activity.
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
