use super::*;

fn load(files: &[&str]) -> (Templates, Vec<String>) {
    let names: Vec<_> = (0..files.len()).map(|i| format!("{i}.yaml")).collect();
    let files: Vec<_> = names.iter().zip(files).map(|(name, text)| (name.as_str(), Some(*text))).collect();
    let (templates, found) = Templates::load(&files);
    (templates, found.iter().map(|d| format!("{} {}:{}:{}", d.code, d.file, d.line, d.column)).collect())
}

#[test]
fn presets_have_nothing_wrong_with_them() {
    assert_eq!(PRESETS.1, []);
    let presets = Templates::presets();
    let mut expected: Vec<String> =
        ["240", "360", "480", "720", "1080", "1440", "2160"].map(|p| format!("h264-{p}p")).into();
    expected.extend(["64", "128", "192", "256"].map(|r| format!("aac-{r}k")));
    expected.extend(["128", "192", "320"].map(|r| format!("mp3-{r}k")));
    expected.extend(["64", "96", "128"].map(|r| format!("opus-{r}k")));
    for family in ["h265", "av1", "vp9"] {
        expected.extend(["240", "360", "480", "720", "1080", "1440", "2160"].map(|p| format!("{family}-{p}p")));
    }
    expected.extend(["gif", "webp"].iter().flat_map(|f| ["240", "360", "480"].map(|p| format!("{f}-{p}p"))));
    expected.extend(["proxy", "standard", "hq"].map(|p| format!("prores-{p}")));
    expected.extend(["96", "128", "192"].map(|r| format!("vorbis-{r}k")));
    expected.extend(["flac", "wav"].map(str::to_owned));
    expected.extend(["mp4", "mkv", "mov", "ts", "webm"].map(|c| format!("remux-{c}")));
    expected.sort();
    assert_eq!(presets.iter().map(|t| t.name.clone()).collect::<Vec<_>>(), expected);
    let facts = presets.get("h264-480p").unwrap().facts();
    assert_eq!((facts.width, facts.height, facts.short_side), (854, 480, 480));
    assert_eq!((facts.bitrate, facts.audio_bitrate, facts.container.as_str()), (1_400_000, 128_000, "mp4"));
    let facts = presets.get("opus-64k").unwrap().facts();
    assert_eq!((facts.video_codec.as_str(), facts.audio_codec.as_str(), facts.short_side), ("", "opus", 0));
}

#[test]
fn names_that_are_none_are_answered_with_the_nearest() {
    let presets = Templates::presets();
    for (name, code, hint) in [
        ("h264-720", "TPL0006", "did you mean `h264-720p`?"),
        ("H264-1080P", "TPL0006", "did you mean `h264-1080p`?"),
        ("nb-720p", "TPL0007", "use `h264-720p`"),
    ] {
        let missing = presets.lookup(name).unwrap_err();
        assert_eq!((missing.code.as_str(), missing.hint.as_str()), (code, hint), "{name}");
    }
}

#[test]
fn a_template_extends_another_in_any_order() {
    let (templates, found) = load(&[
        "name: small\nextends: mobile-720p\nvideo: { width: 640 }",
        "name: mobile-720p\nextends: h264-720p\nvideo: { crf: 26, maxrate: 2.5M, bufsize: 5M, max_fps: 30 }\n\
         if_source_lower: { video_bitrate: keep_source }",
    ]);
    assert_eq!(found, Vec::<String>::new());
    let video = templates.get("small").unwrap().parameters.get("video").unwrap();
    assert_eq!(video.get("width").and_then(Node::as_int), Some(640));
    assert_eq!(video.get("short_side"), None);
    assert_eq!(video.get("crf").and_then(Node::as_int), Some(26));
    assert_eq!(video.get("profile").and_then(Node::as_str), Some("high"));
}

#[test]
fn a_bit_rate_replaces_a_quality_and_its_cap() {
    let (templates, found) = load(&["name: fixed\nextends: h264-720p\nvideo: { rate_control: cbr, bitrate: 2M }"]);
    assert_eq!(found, Vec::<String>::new());
    let video = templates.get("fixed").unwrap().parameters.get("video").unwrap();
    assert!(video.get("crf").is_none() && video.get("maxrate").is_none() && video.get("bufsize").is_none());
}

#[test]
fn other_pixels_replace_the_profile_and_the_pixels_that_do_not_fit_them() {
    for (base, own, profile, pixels) in [
        ("h265-1080p", "hdr: keep", None, None),
        // AV1's has ten bits too.
        ("av1-1080p", "hdr: keep", Some("main"), None),
        ("vp9-1080p", "hdr: keep", None, None),
        ("h265-1080p", "profile: main10", Some("main10"), None),
        ("h265-1080p", "pix_fmt: yuv420p10le", None, Some("yuv420p10le")),
        ("h265-1080p", "pix_fmt: yuv420p", Some("main"), Some("yuv420p")),
        ("h264-1080p", "profile: main", Some("main"), Some("yuv420p")),
        ("h264-1080p", "hdr: sdr", Some("high"), Some("yuv420p")),
    ] {
        let (templates, found) = load(&[&format!("name: own\nextends: {base}\nvideo: {{ {own} }}")]);
        assert_eq!(found, Vec::<String>::new(), "{base} {own}");
        let video = templates.get("own").unwrap().parameters.get("video").unwrap();
        let word = |key| video.get(key).and_then(Node::scalar_text);
        assert_eq!((word("profile").as_deref(), word("pix_fmt").as_deref()), (profile, pixels), "{base} {own}");
    }
}

#[test]
fn mistakes_in_templates_are_told_in_their_files() {
    for (files, expected) in [
        (vec!["name: a\nvideo: { crf: 70 }"], vec!["TPL0104 0.yaml:2:15"]),
        (vec!["name: a\nextends: nowhere"], vec!["TPL0006 0.yaml:2:10"]),
        (vec!["name: a\nextends: b", "name: b\nextends: a"], vec!["TPL0008 0.yaml:2:10", "TPL0008 1.yaml:2:10"]),
        (vec!["name: h264-720p"], vec!["TPL0005 0.yaml:1:7"]),
        (vec!["name: Big One"], vec!["TPL0004 0.yaml:1:7"]),
        (vec!["name: a\nextends: b", "name: b\nlocked: true"], vec!["TPL0009 0.yaml:1:7"]),
        (vec!["name: a\nwatermark: { image: x }\nvideo: copy"], vec!["TPL0010 0.yaml:1:7"]),
        (vec!["name: a\nvideo: { crf: \"${params.q}\" }"], vec!["TPL0012 0.yaml:1:1"]),
        (vec!["name: a\nvideo: { codec: prores }"], vec!["TPL0203 0.yaml:2:17"]),
        (vec!["name: a\nvideo: { bufsize: 1M }"], vec!["TPL0201 0.yaml:2:19"]),
        (vec!["name: a\nvideo: {"], vec!["TPL0001 0.yaml:2:8"]),
        (vec!["video: copy"], vec!["TPL0102 0.yaml:1:1"]),
    ] {
        assert_eq!(load(&files).1, expected, "{files:?}");
    }
}

#[test]
fn a_broken_template_is_told_where_it_is_broken_and_known_to_be_so() {
    let files = [
        ("t/m.yaml", Some("name: mobile\nextends: h264-72p\nvideo: { crff: 26 }")),
        ("t/unreadable.yaml", None),
        ("t/syntax.yaml", Some("a: [")),
        ("t/deeper.yaml", Some("name: deeper\nextends: below")),
        ("t/below.yaml", Some("name: below\nextends: mobile")),
        ("t/lost.yaml", Some("name: lost\nextends: h264-72p")),
        ("t/good.yaml", Some("name: good\nextends: h264-720p")),
    ];
    let (templates, found) = Templates::load(&files);
    let told: Vec<_> = found.iter().map(|d| format!("{} {}:{}:{}", d.code, d.file, d.line, d.column)).collect();
    assert_eq!(
        told,
        ["TPL0006 t/m.yaml:2:10", "TPL0101 t/m.yaml:3:10", "TPL0001 t/syntax.yaml:1:4", "TPL0006 t/lost.yaml:2:10"]
    );
    for name in ["mobile", "unreadable", "syntax", "below", "deeper", "lost"] {
        assert_eq!(templates.lookup(name).unwrap_err().code, BROKEN, "{name}");
    }
    assert!(templates.lookup("good").is_ok());
}
