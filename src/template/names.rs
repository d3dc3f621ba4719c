//! Names of the files that an activity writes.

use super::{analysis, encode, package, snapshot};
use crate::model::plan::ActivityKind;
use crate::yaml::{Node, Value};

/// Names of the files that an activity writes, relative to the output's prefix. A run of `#` stands for a number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// The media file, the picture or pictures, the master playlist, or the chart of an analysis; empty
    /// for an analysis without one.
    pub main: String,
    /// The WebVTT thumbnails track.
    pub vtt: Option<String>,
    /// Other files beside the main one: the second manifest of a package, single pictures of sheets.
    pub also: Vec<String>,
    /// Folders of a package, one per rendition: everything below them is its own.
    pub renditions: Vec<String>,
    /// Its other folders: keys, subtitles.
    pub folders: Vec<String>,
}

impl Files {
    /// Names of files that are known one by one; a run of `#` stands for a number.
    pub fn named(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.main).chain(&self.vtt).chain(&self.also)
    }

    /// Folders below which everything is the activity's own.
    pub fn owned(&self) -> impl Iterator<Item = &String> {
        self.renditions.iter().chain(&self.folders)
    }
}

/// Longest base of a name, in bytes: number and extension find room behind it.
const BASE_BYTES: usize = 200;

/// Default prefix of an activity's output names: its own name, with `-` for `.`.
#[must_use]
pub fn base_of_activity(name: &str) -> String {
    name.replace('.', "-")
}

/// Default prefix of a single job's output names: the name of its source without the extension.
#[must_use]
pub fn base_of_source(stem: &str) -> String {
    // A run of `#` would stand for a number.
    stem[..stem.floor_char_boundary(BASE_BYTES)].replace('#', "-")
}

/// Names of an activity's outputs. The default is `base` and the extension of the output.
/// `inputs` are the names of the activities whose outputs a package takes.
#[must_use]
pub fn files(kind: ActivityKind, base: &str, spec: &Node, inputs: &[String]) -> Files {
    let name = spec.get("name").and_then(Node::scalar_text);
    match kind {
        ActivityKind::Analysis => Files { main: analysis::chart(spec, base).unwrap_or_default(), ..Files::default() },
        ActivityKind::TemplateAnalysis => Files::default(),
        ActivityKind::Transcode | ActivityKind::Remux | ActivityKind::Watermark => {
            let extension = encode::container(spec).info().name;
            Files { main: name.unwrap_or_else(|| format!("{base}.{extension}")), ..Files::default() }
        }
        ActivityKind::Snapshot => {
            let extension = snapshot::made(spec);
            let number = if snapshot::is_series(spec) { "-#####" } else { "" };
            let main = name.unwrap_or_else(|| format!("{base}{number}.{extension}"));
            let also = snapshot::cells(spec, &main).into_iter().collect();
            Files { vtt: vtt(spec, &main), also, main, ..Files::default() }
        }
        ActivityKind::Package => package::files(base, name, spec, inputs),
    }
}

/// The track's own name, or that of the pictures without their number.
fn vtt(spec: &Node, pictures: &str) -> Option<String> {
    match &spec.get("vtt")?.value {
        Value::Bool(true) => {
            let stem = pictures.rsplit_once('.').map_or(pictures, |(stem, _)| stem);
            let stem = stem.replace('#', "");
            Some(format!("{}.vtt", stem.trim_end_matches(['-', '_', '.'])))
        }
        Value::String(name) => Some(name.clone()),
        _ => None,
    }
}
