//! The tables of presets in `docs/templates.md`, held in step with the presets.
//!
//! With `UPDATE_DOCS=1` the test writes them instead.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::fit::rate;
use super::{Template, Templates};
use crate::yaml::Node;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/templates.md");

/// The presets by what they make: families of video codecs, then of audio codecs, then copies.
fn families() -> Vec<(String, Vec<Template>)> {
    let mut families: BTreeMap<(u8, String), Vec<Template>> = BTreeMap::new();
    for template in Templates::presets().iter() {
        let facts = template.facts();
        let key = match facts.video_codec.as_str() {
            "copy" => (2, "Copies".to_owned()),
            "" => (1, facts.audio_codec),
            codec => (0, codec.to_owned()),
        };
        families.entry(key).or_default().push(template.clone());
    }
    let mut families: Vec<_> = families.into_iter().map(|((_, name), list)| (name, list)).collect();
    for (_, list) in &mut families {
        list.sort_by_key(|template| {
            let facts = template.facts();
            (facts.short_side, facts.bitrate, facts.audio_bitrate, template.name.clone())
        });
    }
    families
}

fn value(template: &Template, part: &str, key: &str) -> Option<String> {
    template.parameters.get(part)?.get(key)?.scalar_text()
}

fn rate_control(template: &Template) -> String {
    let key = |key| value(template, "video", key);
    let mut words = match (key("crf"), key("bitrate"), key("quality")) {
        (Some(crf), ..) => format!("crf {crf}"),
        (_, Some(bitrate), _) => format!("{} {bitrate}", key("rate_control").unwrap_or_else(|| "abr".to_owned())),
        (.., Some(quality)) => format!("quality {quality}"),
        _ => "by the codec".to_owned(),
    };
    for name in ["maxrate", "bufsize"] {
        if let Some(value) = key(name) {
            write!(words, ", {name} {value}").unwrap();
        }
    }
    words
}

fn audio(template: &Template) -> String {
    let facts = template.facts();
    match (facts.audio_codec.as_str(), facts.audio_bitrate) {
        ("", _) => "none".to_owned(),
        (codec, 0) => codec.to_owned(),
        (codec, bps) => format!("{codec} {}", rate(bps)),
    }
}

fn presets() -> String {
    let mut text = String::new();
    for (family, list) in families() {
        writeln!(text, "\n### {family}\n").unwrap();
        let video = list.iter().any(|template| !matches!(template.facts().video_codec.as_str(), "" | "copy"));
        if video {
            text.push_str(
                "| template | container | profile | short side | rate control | audio |\n|---|---|---|---|---|---|\n",
            );
        } else {
            text.push_str("| template | container | video | audio | channels |\n|---|---|---|---|---|\n");
        }
        for template in &list {
            let facts = template.facts();
            write!(text, "| `{}` | {} ", template.name, facts.container).unwrap();
            if video {
                let side = if facts.short_side == 0 { "the source's".to_owned() } else { facts.short_side.to_string() };
                let profile = value(template, "video", "profile").unwrap_or_default();
                writeln!(text, "| {profile} | {side} | {} | {} |", rate_control(template), audio(template)).unwrap();
            } else {
                let video = if facts.video_codec.is_empty() { "none" } else { &facts.video_codec };
                let channels = value(template, "audio", "channels").unwrap_or_else(|| "the source's".to_owned());
                writeln!(text, "| {video} | {} | {channels} |", audio(template)).unwrap();
            }
        }
    }
    text.push('\n');
    text
}

/// From half of a preset's highest bit rate to all of it, by short side and codec.
fn ranges() -> String {
    let mut caps: BTreeMap<(u32, String), u64> = BTreeMap::new();
    for template in
        Templates::presets().iter().filter(|template| template.parameters.get("video").is_some_and(has_rate))
    {
        let facts = template.facts();
        caps.insert((facts.short_side, facts.video_codec), facts.bitrate);
    }
    let order = ["h264", "h265", "av1", "vp9"];
    let mut codecs: Vec<&String> = caps.keys().map(|(_, codec)| codec).collect::<BTreeSet<_>>().into_iter().collect();
    codecs.sort_by_key(|codec| order.iter().position(|one| one == codec));
    let mut text = "| short side |".to_owned();
    for codec in &codecs {
        write!(text, " {codec} |").unwrap();
    }
    writeln!(text, "\n|---|{}", "---|".repeat(codecs.len())).unwrap();
    for side in caps.keys().map(|(side, _)| side).collect::<BTreeSet<_>>() {
        write!(text, "| {side} |").unwrap();
        for codec in &codecs {
            let range = caps.get(&(*side, (*codec).clone())).map(|cap| format!("{} – {}", rate(cap / 2), rate(*cap)));
            write!(text, " {} |", range.unwrap_or_default()).unwrap();
        }
        text.push('\n');
    }
    text
}

fn has_rate(video: &Node) -> bool {
    ["maxrate", "bitrate"].iter().any(|key| video.get(key).is_some())
}

#[test]
fn the_document_shows_every_preset() {
    let document = std::fs::read_to_string(PATH).unwrap();
    let mut expected = document.clone();
    for (name, text) in [("bit rates", ranges()), ("presets", presets())] {
        let (begin, end) = (format!("<!-- begin {name} -->\n"), format!("<!-- end {name} -->"));
        let from = expected.find(&begin).expect("the document has a place for it") + begin.len();
        let to = expected.find(&end).expect("the document has a place for it");
        expected.replace_range(from..to, &text);
    }
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(PATH, &expected).unwrap();
        return;
    }
    assert!(
        document == expected,
        "docs/templates.md is out of step; run this test with UPDATE_DOCS=1 and look at the change"
    );
}
