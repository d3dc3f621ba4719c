//! Hints for keys that stand in another place here, or that other tools have: what to write instead.

/// Names of shapes, keys that they do not have, and what to write instead.
type Instead = (&'static [&'static str], &'static [&'static str], &'static str);

const INSTEAD: &[Instead] = &[
    (
        &["Transcode", "Template", "Remux"],
        &["loudness", "loudnorm", "normalize", "normalise"],
        "write `audio: { loudness: { target: -16 } }`",
    ),
    (&["Audio"], &["loudnorm", "normalize", "normalise", "lufs"], "write `loudness: { target: -16 }`"),
    (
        &["Video"],
        &["size", "resolution", "scale", "dimensions"],
        "write `short_side: 720`, or `width: 1280` and `height: 720`",
    ),
    (
        &["Transcode", "Template"],
        &["size", "resolution", "scale", "dimensions", "width", "height", "short_side"],
        "write `video: { short_side: 720 }`, or `width` and `height` there",
    ),
    (&["Trigger"], &["prefix", "suffix", "extension"], "write `key: \"incoming/*.mp4\"`"),
    (
        &["Activity"],
        &["uses", "with", "run", "type", "kind", "action"],
        "the key of an activity is its type: `transcode: { template: h264-720p }`",
    ),
];

/// Returns what to write instead of `key` in the shape called `shape`.
pub fn instead(shape: &str, key: &str) -> Option<&'static str> {
    let key = key.to_ascii_lowercase();
    let found = |(shapes, keys, _): &&Instead| shapes.contains(&shape) && keys.contains(&key.as_str());
    INSTEAD.iter().find(found).map(|(.., hint)| *hint)
}

/// Returns what to write instead of a number where the shape called `shape` is expected.
pub fn instead_of_number(shape: &str, number: &str) -> Option<String> {
    (shape == "Loudness").then(|| format!("write `loudness: {{ target: {number} }}`"))
}
