//! Parameters of snapshots as media work.

use super::encode::{count, seconds, size};
use super::names::Files;
use super::treatment::color;
use crate::model::units;
use crate::model::work::{
    Animation, AnimationFormat, FrameType, ImageFormat, Moment, Size, Snapshot, SnapshotTimes, Sprite,
};
use crate::yaml::{Node, Sink};

/// Default quality of lossy pictures.
const QUALITY: u8 = 85;

/// Default width of animations, in pixels.
const ANIMATION_WIDTH: u32 = 480;

/// Default number of pictures of scenes.
const SCENES: (f64, u32) = (0.1, 100);

/// Pictures as the parameters ask for them.
pub(super) fn read(spec: &Node, files: &Files) -> Snapshot {
    let sprite = spec.get("sprite").map(sprite);
    Snapshot {
        file: files.main.clone(),
        at: times(spec),
        format: format(spec),
        size: match (sprite, spec.get("animation"), size(spec)) {
            (Some(_), ..) => Size::Source,
            (None, Some(_), Size::Source) => Size::Box { width: Some(ANIMATION_WIDTH), height: None },
            (.., size) => size,
        },
        quality: spec.get("quality").and_then(Node::as_int).and_then(|q| u8::try_from(q).ok()).unwrap_or(QUALITY),
        sprite,
        vtt: files.vtt.clone(),
        cells: files.also.first().cloned(),
        frame_type: match spec.get("frame_type").and_then(Node::as_str) {
            Some("intra") => FrameType::Intra,
            _ => FrameType::Normal,
        },
        black_level: count(spec, "black_level").and_then(|level| u8::try_from(level).ok()),
        animation: spec.get("animation").map(|node| animation(node, spec)),
    }
}

/// Returns whether more than one picture can come.
pub(super) fn takes_many(spec: &Node) -> bool {
    let several = spec.get("at").is_some_and(|at| at.elements().len() > 1);
    let scenes = spec.get("scenes").is_some_and(|scenes| scenes.as_bool() != Some(false));
    several || scenes || spec.get("every").is_some() || spec.get("count").is_some_and(|c| c.as_int() != Some(1))
}

/// Returns whether more than one picture, or more than one sheet, can come.
pub(super) fn is_series(spec: &Node) -> bool {
    let one = spec.get("sprite").and_then(|sprite| sprite.get("sheets")).and_then(Node::as_str) == Some("one");
    takes_many(spec) && !one
}

/// The name of single pictures that are kept beside sheets of that name.
pub(super) fn cells(spec: &Node, main: &str) -> Option<String> {
    spec.get("sprite")?.get("keep_cells").filter(|keep| keep.as_bool() == Some(true))?;
    if let Some(at) = main.find('#') {
        return Some(format!("{}cell-{}", &main[..at], &main[at..]));
    }
    let (stem, extension) = main.rsplit_once('.').unwrap_or((main, "jpg"));
    Some(format!("{stem}-cell-#####.{extension}"))
}

fn animation(node: &Node, spec: &Node) -> Animation {
    let start_s = node.get("start").and_then(seconds);
    Animation {
        format: animation_format(spec).unwrap_or_default(),
        pieces: if start_s.is_some() { 1 } else { count(node, "pieces").unwrap_or(5) },
        length_s: node.get("length").and_then(seconds).unwrap_or(1.0),
        start_s,
        fps: node.get("fps").and_then(Node::as_f64).unwrap_or(10.0),
    }
}

/// The format of an animation: by `format`, or by the extension of `name`.
pub(super) fn animation_format(spec: &Node) -> Option<AnimationFormat> {
    let named = |word: &str| match word {
        "gif" => Some(AnimationFormat::Gif),
        "webp" => Some(AnimationFormat::Webp),
        "mp4" => Some(AnimationFormat::Mp4),
        _ => None,
    };
    let extension =
        || spec.get("name").and_then(Node::as_str).and_then(|name| name.rsplit_once('.')).map(|(_, ext)| ext);
    let word = spec.get("format").and_then(Node::as_str);
    word.and_then(named).or_else(|| extension().and_then(|ext| named(&ext.to_ascii_lowercase())))
}

/// The extension of the output.
pub(super) fn made(spec: &Node) -> &'static str {
    if spec.get("animation").is_none() {
        return extension(format(spec));
    }
    match animation_format(spec).unwrap_or_default() {
        AnimationFormat::Gif => "gif",
        AnimationFormat::Webp => "webp",
        AnimationFormat::Mp4 => "mp4",
    }
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
    if let Some(scenes) = spec.get("scenes").filter(|scenes| scenes.as_bool() != Some(false)) {
        let percent = scenes.get("threshold").and_then(Node::scalar_text).and_then(|t| units::parse_percent(&t).ok());
        let most = count(scenes, "most").unwrap_or(SCENES.1);
        return SnapshotTimes::Scenes { threshold: percent.unwrap_or(SCENES.0), most };
    }
    if spec.get("best").and_then(Node::as_bool) == Some(true) {
        return SnapshotTimes::Best;
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
        margin: count(node, "margin").unwrap_or(0),
        padding: count(node, "padding").unwrap_or(0),
        color: color(node, "color").unwrap_or_default(),
        step: count(node, "cell_step").unwrap_or(1),
        one_sheet: node.get("sheets").and_then(Node::as_str) == Some("one"),
    }
}

/// Parameters that contradict each other, besides the ways to choose moments.
pub(super) fn rules(spec: &Node, sink: &mut Sink<'_>) {
    let word = spec.get("format").and_then(Node::as_str);
    let moving = matches!(word, Some("gif" | "mp4"));
    let Some(animation) = spec.get("animation") else {
        if let Some(format) = spec.get("format").filter(|_| moving) {
            sink.error("TPL0241", format.span, "this is a format for animations only")
                .hint("add `animation`, or choose jpg, png or webp");
        }
        return;
    };
    for key in ["sprite", "vtt", "black_level", "frame_type"] {
        if let Some(entry) = spec.entry(key) {
            sink.error("TPL0241", entry.key_span, format!("`{key}` does not apply to an animation"))
                .also(animation.span, "the animation");
        }
    }
    if let Some(format) = spec.get("format").filter(|_| !moving && word.is_some_and(|word| word != "webp")) {
        sink.error("TPL0241", format.span, "this is not a format for animations").hint("choose gif, webp or mp4");
    }
    exclusive(animation, "start", "pieces", sink);
}

fn exclusive(node: &Node, one: &str, other: &str, sink: &mut Sink<'_>) {
    if let (Some(one), Some(other)) = (node.entry(one), node.entry(other)) {
        let message = format!("`{}` and `{}` cannot be used together", one.key, other.key);
        sink.error("TPL0208", other.key_span, message).also(one.key_span, "the other");
    }
}
