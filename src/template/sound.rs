//! Level and mix of sound as media work, and the rules of both.

use super::beside::Beside;
use super::encode::seconds;
use crate::model::units;
use crate::model::work::{Level, LoudnessMethod, LoudnessTarget, Mix};
use crate::yaml::{Node, Sink};

/// Defaults: the target and the highest peak of EBU R 128.
const TARGET_LUFS: f64 = -23.0;
const TRUE_PEAK_DBTP: f64 = -1.0;

/// Level that `audio` sets.
pub(super) fn level(audio: &Node) -> Level {
    if let Some(loudness) = audio.get("loudness") {
        let number = |key| loudness.get(key).and_then(Node::as_f64);
        return Level::Loudness(LoudnessTarget {
            integrated_lufs: number("target").unwrap_or(TARGET_LUFS),
            true_peak_dbtp: number("true_peak").unwrap_or(TRUE_PEAK_DBTP),
            range_lu: number("range"),
            method: match loudness.get("method").and_then(Node::as_str) {
                Some("linear") => LoudnessMethod::Linear,
                Some("dynamic") => LoudnessMethod::Dynamic,
                _ => LoudnessMethod::Auto,
            },
        });
    }
    audio.get("volume").and_then(gain_db).map_or(Level::Source, Level::Gain)
}

/// Sound that `audio` mixes under its own.
pub(super) fn mix(audio: &Node, beside: &mut Beside) -> Option<Mix> {
    let mix = audio.get("mix")?;
    Some(Mix {
        input: beside.input(mix.get("source").and_then(Node::scalar_text)?),
        gain_db: mix.get("volume").and_then(gain_db).unwrap_or(0.0),
        start_s: mix.get("start").and_then(seconds).unwrap_or(0.0),
        repeat: mix.get("loop").and_then(Node::as_bool).unwrap_or(false),
    })
}

/// Decibels of a volume: a gain, or a factor.
fn gain_db(node: &Node) -> Option<f64> {
    let factor = || node.as_f64().filter(|factor| *factor > 0.0).map(|factor| 20.0 * factor.log10());
    node.as_str().and_then(|text| units::parse_gain(text).ok()).or_else(factor)
}

/// Checks the parameters of the level of `audio`.
pub(super) fn rules(audio: &Node, sink: &mut Sink<'_>) {
    if let (Some(volume), Some(loudness)) = (audio.entry("volume"), audio.entry("loudness")) {
        sink.error("TPL0221", volume.key_span, "`volume` does not apply: `loudness` sets the level")
            .also(loudness.key_span, "the loudness");
    }
    let linear = audio.get("loudness").filter(|l| l.get("method").and_then(Node::as_str) == Some("linear"));
    if let Some(range) = linear.and_then(|loudness| loudness.entry("range")) {
        sink.error("TPL0221", range.key_span, "`range` does not apply to `method: linear`, which keeps the range");
    }
}
