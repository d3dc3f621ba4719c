//! Parameters of analyses as media work.

use super::encode::seconds;
use super::names::Files;
use crate::model::units;
use crate::model::work::{Analysis, Black, Quiet};
use crate::yaml::{Node, Value};

/// Default shortest interval, in seconds.
const LEAST_S: f64 = 2.0;

/// Default level of noise, in dB.
const NOISE_DB: f64 = -60.0;

/// Default threshold, as a share.
const THRESHOLD: f64 = 0.1;

/// An analysis as the parameters ask for it.
pub(super) fn read(spec: &Node, files: &Files) -> Analysis {
    let asked = |key: &str| spec.get(key).filter(|node| node.as_bool() != Some(false));
    let least_s = |node: &Node| node.get("least").and_then(seconds).unwrap_or(LEAST_S);
    let noise_db = |node: &Node| node.get("noise").and_then(Node::as_f64).unwrap_or(NOISE_DB);
    let share =
        |node: &Node| node.get("threshold").and_then(Node::scalar_text).and_then(|t| units::parse_percent(&t).ok());
    let quiet = |node: &Node| Quiet { least_s: least_s(node), noise_db: noise_db(node) };
    Analysis {
        loudness: asked("loudness").is_some(),
        black: asked("black").map(|node| Black { least_s: least_s(node), threshold: share(node).unwrap_or(THRESHOLD) }),
        silence: asked("silence").map(quiet),
        freeze: asked("freeze").map(quiet),
        scenes: asked("scenes").map(|node| share(node).unwrap_or(THRESHOLD)),
        crop: asked("crop").is_some(),
        interlace: asked("interlace").is_some(),
        gop: asked("gop").is_some(),
        bitrate_step_s: asked("bitrate").map(|node| node.get("step").and_then(seconds).unwrap_or(1.0)),
        chart: Some(files.main.clone()).filter(|name| !name.is_empty()),
    }
}

/// The name of the chart; nothing where none is asked for.
pub(super) fn chart(spec: &Node, base: &str) -> Option<String> {
    match &spec.get("chart")?.value {
        Value::Bool(true) => Some(format!("{base}.svg")),
        Value::String(name) => Some(name.clone()),
        _ => None,
    }
}
