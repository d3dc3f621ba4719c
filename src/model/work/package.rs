//! Work of a package.

use serde::{Deserialize, Serialize};

use super::IfIncomplete;

/// Packaging of finished renditions. Inputs come in this order: renditions, files of subtitles, keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Package {
    /// File name of the HLS master playlist in scratch; absent: no HLS.
    pub master: Option<String>,
    /// File name of the MPD in scratch; absent: no DASH. With both, one set of segments serves both (CMAF).
    pub mpd: Option<String>,
    /// Format of segments. DASH takes fragmented MP4 only.
    pub segments: SegmentFormat,
    /// Target length of a segment in seconds (1–60); cut at the next keyframe.
    pub segment_s: f64,
    /// One per rendition: the folder its segments and playlists go to, named after the activity.
    pub renditions: Vec<String>,
    /// True if audio is always in tracks of its own; otherwise only if necessary.
    pub separate_audio: bool,
    /// One file for each track, segments as ranges of bytes.
    pub byte_range: bool,
    /// Playlists of keyframes alone, for seeking.
    pub iframe_playlists: bool,
    /// True if text subtitles of the renditions are kept.
    pub keep_subtitles: bool,
    /// Further subtitles.
    pub subtitles: Vec<SubtitleFile>,
    /// Folder that further subtitles go to.
    pub subtitle_folder: String,
    /// Encryption of segments (HLS only).
    pub encryption: Option<Encryption>,
    /// Policy for an incomplete rendition.
    #[serde(default, skip_serializing_if = "IfIncomplete::is_warn")]
    pub if_incomplete: IfIncomplete,
}

impl Package {
    /// Returns whether it writes a file named `file`: a manifest, or a file directly in one of its folders.
    #[must_use]
    pub fn makes(&self, file: &str) -> bool {
        let in_folder = |folder: &str| {
            let name = file.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/'));
            name.is_some_and(|name| !matches!(name, "" | "." | "..") && !name.contains('/'))
        };
        let keys = self.encryption.as_ref().filter(|encryption| encryption.generated);
        [&self.master, &self.mpd].into_iter().flatten().any(|manifest| manifest == file)
            || self.renditions.iter().any(|folder| in_folder(folder))
            || !self.subtitles.is_empty() && in_folder(&self.subtitle_folder)
            || keys.is_some_and(|keys| in_folder(&keys.folder))
    }
}

/// Formats of segments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SegmentFormat {
    /// Fragmented MP4.
    #[default]
    Fmp4,
    /// MPEG transport stream.
    Ts,
}

/// A file of text subtitles (SRT, ASS, WebVTT), and what players say about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubtitleFile {
    /// Index of the input that holds it.
    pub input: usize,
    /// BCP 47 language.
    pub language: Option<String>,
    /// Name in the players' menu; absent: that of the language.
    pub name: Option<String>,
    /// True if players show it by default.
    pub default: bool,
    /// True if it has only texts that must always be shown.
    pub forced: bool,
    /// Encoding of its text, by name; absent: told by its bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charset: Option<String>,
}

/// AES-128 in CBC mode over whole segments. Keys are inputs: they never stand here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Encryption {
    /// Indices of the inputs that hold keys, used in turn; or of the one that holds the seed of generated ones.
    pub keys: Vec<usize>,
    /// True if keys are generated from a seed and published in `folder`.
    pub generated: bool,
    /// Folder that generated keys go to.
    pub folder: String,
    /// URI of the key, where a run of `#` stands for its number from 1; absent: the published key.
    pub key_uri: Option<String>,
    /// Segments after which the next key comes; absent: one key for all.
    pub rotate: Option<u32>,
}
