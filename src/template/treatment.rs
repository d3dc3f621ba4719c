//! Treatment of a picture besides scaling: from parameters to media work, and its rules.

use super::encode::count;
use crate::model::units;
use crate::model::work::{Color, Crop, Deinterlace, Denoise, HdrMode, Length, Pad, Treatment, Turn, VideoCodec};
use crate::yaml::{Node, Sink};

/// The treatment that the parameters of `video` ask for.
pub(super) fn read(video: &Node) -> Treatment {
    let word = |key| video.get(key).and_then(Node::scalar_text);
    Treatment {
        deinterlace: match word("deinterlace").as_deref() {
            Some("off") => Deinterlace::Off,
            Some("force") => Deinterlace::Force,
            _ => Deinterlace::Auto,
        },
        denoise: match word("denoise").as_deref() {
            Some("light") => Some(Denoise::Light),
            Some("medium") => Some(Denoise::Medium),
            Some("strong") => Some(Denoise::Strong),
            _ => None,
        },
        crop: video.get("crop").and_then(crop),
        rotate: match word("rotate").as_deref() {
            Some("90") => Turn::Quarter,
            Some("180") => Turn::Half,
            Some("270") => Turn::ThreeQuarters,
            _ => Turn::None,
        },
        pad: video.get("pad").and_then(pad),
        pad_color: video.get("pad").and_then(|pad| color(pad, "color")).unwrap_or_default(),
        hdr: match word("hdr").as_deref() {
            Some("sdr") => HdrMode::Sdr,
            Some("keep") => HdrMode::Keep,
            _ => HdrMode::Auto,
        },
    }
}

/// The colour under a key.
pub(super) fn color(node: &Node, key: &str) -> Option<Color> {
    node.get(key).and_then(Node::scalar_text).and_then(|text| units::parse_color(&text).ok())
}

/// A length in pixels or as a share.
pub(super) fn length(node: &Node) -> Option<Length> {
    if let Some(pixels) = node.as_int() {
        return u32::try_from(pixels).ok().map(Length::Pixels);
    }
    node.as_f64().or_else(|| node.as_str().and_then(|t| units::parse_percent(t).ok())).map(Length::Ratio)
}

fn crop(node: &Node) -> Option<Crop> {
    match node.as_str() {
        Some("auto") => return Some(Crop::Auto),
        Some(_) => return None,
        None => {}
    }
    let side = |key| node.get(key).and_then(length);
    Some(Crop::Region { x: side("x"), y: side("y"), width: side("width"), height: side("height") })
}

fn pad(node: &Node) -> Option<Pad> {
    let (width, height) = (count(node, "width")?, count(node, "height")?);
    Some(Pad { width, height, x: count(node, "x"), y: count(node, "y") })
}

/// Width and height of an output whose picture is scaled to these.
pub(super) fn shown_size((width, height): (u32, u32), treatment: &Treatment) -> (u32, u32) {
    treatment.pad.map_or((width, height), |pad| (pad.width, pad.height))
}

/// Checks the parameters of `video` against each other.
pub(super) fn check(codec: VideoCodec, video: &Node, sink: &mut Sink<'_>) {
    if let Some(crop) = video.get("crop") {
        crop_rules(crop, sink);
    }
    if let Some(pad) = video.get("pad") {
        pad_rules(video, pad, sink);
    }
    if let Some(hdr) = video.get("hdr").filter(|hdr| hdr.as_str() == Some("keep")) {
        hdr_rules(codec, video, hdr, sink);
    }
}

fn hdr_rules(codec: VideoCodec, video: &Node, hdr: &Node, sink: &mut Sink<'_>) {
    let word = |key: &str| video.get(key).and_then(Node::scalar_text);
    let info = codec.info();
    if info.deep_format(word("profile").as_deref(), word("pix_fmt").as_deref()).is_none() {
        let message = format!("{} has no 10-bit pixels with these parameters, which HDR needs", info.title);
        let hint = if info.deep_format(None, None).is_some() {
            "remove `profile` and `pix_fmt`, or use `hdr: sdr`"
        } else {
            "use a codec such as h265, av1 or vp9, or `hdr: sdr`"
        };
        sink.error("TPL0220", hdr.span, message).hint(hint);
    }
}

fn crop_rules(crop: &Node, sink: &mut Sink<'_>) {
    if crop.as_str().is_none() && crop.entries().is_empty() {
        sink.error("TPL0205", crop.span, "`crop` is empty")
            .hint("use `auto`, or set `width` or `height`, with `x` and `y` if needed");
    }
    for (place, side) in [("x", "width"), ("y", "height")] {
        let share = |key| match crop.get(key).and_then(length) {
            Some(Length::Ratio(share)) => Some(share),
            _ => None,
        };
        let nothing = |key: &str| {
            crop.get(key).filter(|node| match length(node) {
                Some(Length::Pixels(pixels)) => pixels < 2,
                Some(Length::Ratio(share)) => share <= 0.0,
                None => false,
            })
        };
        if let Some(node) = nothing(side) {
            sink.error("TPL0205", node.span, format!("`{side}` leaves no picture"));
        } else if let (Some(from), Some(node)) = (share(place), crop.get(place))
            && from + share(side).unwrap_or(0.0) > 1.0 + f64::EPSILON
        {
            sink.error("TPL0205", node.span, format!("`{place}` and `{side}` exceed the picture"));
        }
    }
}

fn pad_rules(video: &Node, pad: &Node, sink: &mut Sink<'_>) {
    let sized = pad.get("width").is_some() || pad.get("height").is_some();
    if sized && (pad.get("width").is_none() || pad.get("height").is_none()) {
        sink.error("TPL0205", pad.span, "`pad` needs both `width` and `height`");
    }
    let fills = video.get("fit").is_some_and(|fit| fit.as_str() == Some("pad"));
    if let Some(fit) = video.get("fit").filter(|_| fills && sized) {
        sink.error("TPL0205", pad.span, "`pad` and `fit: pad` both set the size of the output")
            .also(fit.span, "the other")
            .hint("with `fit: pad`, only `color` is allowed in `pad`");
    }
    if !sized && !fills {
        sink.error("TPL0205", pad.span, "`pad` has no effect without `width` and `height`, or `fit: pad`");
    }
    for (place, side) in [("x", "width"), ("y", "height")] {
        for key in [place, side] {
            if let Some(node) = pad.get(key).filter(|n| n.as_int().is_some_and(|n| n % 2 != 0)) {
                sink.error("TPL0205", node.span, format!("`{key}` is odd: width and height must be even in yuv420p"));
            }
        }
        if let (Some(at), Some(length)) = (count(pad, place), count(pad, side))
            && at.saturating_add(2) > length
            && let Some(node) = pad.get(place)
        {
            sink.error("TPL0205", node.span, format!("`{place}` leaves no room for the picture"));
        }
        if let Some(node) = pad.get(place).filter(|_| !sized) {
            sink.error("TPL0205", node.span, format!("`{place}` has no effect without `width` and `height`"));
        }
    }
}
