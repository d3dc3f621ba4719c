//! What renditions are packaged into.

use serde::{Deserialize, Serialize};

/// Packaging of finished renditions (inputs in order).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Package {
    /// Protocol.
    pub protocol: PackageProtocol,
    /// Target length of a segment in seconds (1–60); cut at the next keyframe.
    pub segment_s: f64,
    /// File name of the master playlist in scratch.
    pub master: String,
    /// One per input: the folder its segments and media playlist go to, named after the activity.
    pub renditions: Vec<String>,
}

/// Packaging protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PackageProtocol {
    /// HTTP Live Streaming, fragmented MP4 segments.
    Hls,
}
