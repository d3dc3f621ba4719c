//! Parameters of snapshots as media work.

use super::encode::{count, seconds, size};
use super::names::Files;
use crate::model::units;
use crate::model::work::{ImageFormat, Moment, Size, Snapshot, SnapshotTimes, Sprite};
use crate::yaml::Node;

/// Quality of lossy pictures where nothing is said.
const QUALITY: u8 = 85;

/// Pictures as the parameters ask for them.
pub(super) fn read(spec: &Node, files: &Files) -> Snapshot {
    let sprite = spec.get("sprite").map(sprite);
    Snapshot {
        file: files.main.clone(),
        at: times(spec),
        format: format(spec),
        size: if sprite.is_some() { Size::Source } else { size(spec) },
        quality: spec.get("quality").and_then(Node::as_int).and_then(|q| u8::try_from(q).ok()).unwrap_or(QUALITY),
        sprite,
        vtt: files.vtt.clone(),
    }
}

/// Whether more than one picture, or more than one sheet, can come.
pub(super) fn is_series(spec: &Node) -> bool {
    let several = spec.get("at").is_some_and(|at| at.elements().len() > 1);
    several || spec.get("every").is_some() || spec.get("count").is_some_and(|c| c.as_int() != Some(1))
}

/// The format that is asked for: by `format`, by the extension of `name`, or JPEG.
pub(super) fn format(spec: &Node) -> ImageFormat {
    let word = spec.get("format").and_then(Node::as_str).and_then(format_named);
    let by_name = || spec.get("name").and_then(Node::as_str).and_then(format_of_name);
    word.or_else(by_name).unwrap_or_default()
}

/// The picture format that the extension of a name says.
pub(super) fn format_of_name(name: &str) -> Option<ImageFormat> {
    name.rsplit_once('.').and_then(|(_, ext)| format_named(&ext.to_ascii_lowercase()))
}

/// The picture format of that name.
pub(super) fn format_named(word: &str) -> Option<ImageFormat> {
    match word {
        "jpg" | "jpeg" => Some(ImageFormat::Jpg),
        "png" => Some(ImageFormat::Png),
        "webp" => Some(ImageFormat::Webp),
        _ => None,
    }
}

/// The extension of a picture format.
pub(super) const fn extension(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Jpg => "jpg",
        ImageFormat::Png => "png",
        ImageFormat::Webp => "webp",
    }
}

fn times(spec: &Node) -> SnapshotTimes {
    if let Some(every_s) = spec.get("every").and_then(seconds) {
        return SnapshotTimes::Every(every_s);
    }
    if let Some(n) = count(spec, "count") {
        return SnapshotTimes::Count(n);
    }
    let mut moments: Vec<_> =
        spec.get("at").map(|at| at.elements().iter().filter_map(moment).collect()).unwrap_or_default();
    match moments.len() {
        0 => SnapshotTimes::At(Moment::Share(0.1)),
        1 => SnapshotTimes::At(moments.remove(0)),
        _ => SnapshotTimes::List(moments),
    }
}

fn moment(node: &Node) -> Option<Moment> {
    let text = node.scalar_text()?;
    units::parse_percent(&text).ok().map(Moment::Share).or_else(|| seconds(node).map(Moment::Seconds))
}

fn sprite(node: &Node) -> Sprite {
    Sprite {
        columns: count(node, "columns").unwrap_or(10),
        rows: count(node, "rows").unwrap_or(10),
        width: count(node, "width").unwrap_or(160),
        height: count(node, "height"),
    }
}
