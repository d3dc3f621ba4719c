//! Bad files: everything that is wrong, at once, where it stands.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
use crate::model::Code;

/// `CODE line:column message`, one line for each diagnostic, hints behind `→`.
fn told(text: &str) -> String {
    let compiled = compiled(text);
    assert_eq!(compiled.workflow.is_none(), compiled.diagnostics.iter().any(Diagnostic::is_error), "{text}");
    compiled.diagnostics.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn line(d: &Diagnostic) -> String {
    let hint = d.hint.as_ref().map(|h| format!(" → {h}")).unwrap_or_default();
    format!("{} {}:{} {}{hint}", d.code, d.line, d.column, d.message)
}

/// Codes alone, of activities that stand in an otherwise good workflow.
fn codes(activities: &str) -> Vec<Code> {
    compiled(&with(activities)).diagnostics.iter().map(|d| d.code).collect()
}

/// The text that the first diagnostic points at.
fn pointed(activities: &str) -> String {
    let text = with(activities);
    let compiled = compiled(&text);
    let span = compiled.diagnostics.first().expect("something is wrong").span;
    text[span.start..span.end].to_owned()
}

#[test]
fn field_case_30_ten_different_mistakes_are_told_at_once() {
    let text = r#"name: Vod Ladder
trigger: { buckt: uploads, key: "in/*.{mp4" }
output: { bucket: media, prefix: "out/" }
priority: 11
activities:
  probe:
    analysys: {}
  rungs:
    for_each: [h264-720p, h266-720p]
    when: probes.video.height > 100
    transcode: { template: "${each}", video: { crf: 70 } }
  poster:
    snapshot: { at: 10%, name: poster.jpg }
  cover:
    snapshot: { at: 20%, name: poster.jpg }
  hls:
    package: { from: [rungs, poster] }
  odd:
    needs: [hsl]
    transcode: { audio: { codec: aac, bitrate: 128kk } }
notify:
  - sqs: not a url
"#;
    insta::assert_snapshot!(told(text), @r"
    WF0111 1:7 `Vod Ladder` is not a valid name for a workflow → use at most 64 lower case letters, digits, `-` and `_`
    WF0102 2:10 `trigger` has no `bucket` → Bucket whose uploads start the workflow.
    WF0101 2:12 `trigger` has no key `buckt` → did you mean `bucket`?
    WF0104 4:11 11 is out of range: from 1 to 10
    WF0101 7:5 an activity has no key `analysys` → did you mean `analysis`?
    WF0202 10:11 unknown name `probes` → did you mean `probe`?
    TPL0006 11:28 unknown template `h266-720p` → did you mean `h264-720p`?
    TPL0104 11:53 70 is out of range: from 0 to 63
    WF0301 15:32 `poster` and `cover` write the same key `out/poster.jpg` → give one of them another `name`
    WF0119 17:30 `poster` is a snapshot, which has no media file as output → read from a transcode, remux or watermark
    WF0117 19:13 there is no activity `hsl` → did you mean `hls`?
    TPL0103 20:48 `128kk` is not a bit rate: write a number and k or M, like 128k or 2.5M
    WF0122 22:10 this is not the URL of an SQS queue → like https://sqs.eu-west-1.amazonaws.com/123456789012/media-done
    ");
}

#[test]
fn newcomer_mistakes_are_told_with_what_to_write() {
    let line = |text: &str| told(&format!("name: test\noutput: {{ bucket: media }}\n{text}"));
    for (text, expected) in [
        (
            "activities:\n  a:\n    transcode:\n    template: h264-720p\n",
            "WF0101 6:5 an activity has no key `template` → it belongs to `transcode`: indent it",
        ),
        (
            "activities: { a: { transcode: { template: hevc-720p } } }",
            "TPL0006 3:43 unknown template `hevc-720p` → did you mean `h265-720p`?",
        ),
        (
            "activities: { a: { transcode: { template: HLS-1080p } } }",
            "TPL0006 3:43 unknown template `HLS-1080p` → for HLS, DASH and CMAF, add an activity `package`; \
             the templates are `av1-1080p`, `h264-1080p`, `h265-1080p`, `vp9-1080p`",
        ),
        (
            "activities: { a: { transcode: { template: 720p } } }",
            "TPL0006 3:43 unknown template `720p` → the templates are `av1-720p`, `h264-720p`, `h265-720p`, `vp9-720p`",
        ),
        (
            "activities: { a: { transcode: { video: { codec: avc } } } }",
            "TPL0104 3:49 `avc` is not one of h264, h265, av1, vp9, prores, mjpeg, gif, webp, copy → did you mean `h264`?",
        ),
        (
            "activities: { a: { transcode: { audio: { codec: libmp3lame } } } }",
            "TPL0104 3:49 `libmp3lame` is not one of aac, mp3, opus, vorbis, flac, ac3, eac3, pcm, copy → did you mean `mp3`?",
        ),
        (
            "activities: { a: { transcode: { container: hls } } }",
            "TPL0105 3:44 `hls` is not supported by this version → an activity `package` makes HLS, DASH and CMAF: \
             `package: { from: [NAME], protocol: hls }`",
        ),
        (
            "activities: { a: { transcode: { audio: { codec: aac, tracks: eng } } } }",
            "TPL0104 3:62 `eng` is not one of main, all → it can also be a whole number from 0 to 63, or a mapping (language)",
        ),
        (
            "activities: { a: { if: object.size > 1, analysis: {} } }",
            "WF0101 3:20 an activity has no key `if` → did you mean `when`?",
        ),
        (
            "activities: { a: { when: object.size => 1, analysis: {} } }",
            "WF0201 3:38 this is not a valid expression (CEL): `=>` is not allowed here → write `>=` for `=>`",
        ),
        (
            "activities: { a: { when: object.size > 1 and object.size < 5, analysis: {} } }",
            "WF0201 3:42 this is not a valid expression (CEL): `and` is unexpected here → write `&&` for `and`",
        ),
        (
            "activities: { a: { when: object.ext = 'mp4', analysis: {} } }",
            "WF0201 3:37 this is not a valid expression (CEL): `=` is not allowed here → write `==` for `=`",
        ),
        (
            "activities: { a: { when: object.size >= 'x', analysis: {} } }",
            "WF0209 3:26 the types do not match: `>=` does not take a whole number and a text",
        ),
        (
            "activities: { a: { snapshot: { name: '{{ object.stem }}.jpg' } } }",
            "WF0134 3:38 `object.stem` is not an expression here: the text is used literally → write `${object.stem}`",
        ),
        (
            "activities: { a: { snapshot: { name: $object.stem.jpg } } }",
            "WF0134 3:38 `object.stem` is not an expression here: the text is used literally → write `${object.stem}`",
        ),
        (
            "trigger: { bucket: 's3://uploads/in' }\nactivities: { a: { analysis: {} } }",
            "WF0135 3:20 expected the name of a bucket, not a URL → write `uploads`",
        ),
        (
            "trigger: { bucket: My_Media }\nactivities: { a: { analysis: {} } }",
            "WF0136 3:20 `My_Media` is a name that only old buckets of AWS can have; new and local buckets cannot → use \
             3 to 63 lower case letters, digits, `-` and `.`",
        ),
        (
            "activities: { a: { output: { prefix: out }, snapshot: {} } }",
            "WF0137 3:38 the prefix does not end with `/`: keys will be like `outname.mp4` → write `out/` for a folder",
        ),
    ] {
        assert_eq!(line(text), expected, "{text}");
    }
}

#[test]
fn buckets_that_are_no_plain_names_are_left_alone() {
    for bucket in ["arn:aws:s3:eu-west-1:123456789012:accesspoint/media", "tenant:media"] {
        let text = format!("name: test\noutput: {{ bucket: '{bucket}' }}\nactivities: {{ a: {{ snapshot: {{}} }} }}\n");
        assert_eq!(told(&text), "", "{bucket}");
    }
}

#[test]
fn a_workflow_is_not_called_as_what_checks_them() {
    let named = |name: &str| told(&with("  a: { analysis: {} }").replacen("name: test", &format!("name: {name}"), 1));
    let message = "`validate` is not allowed as a name: /v1/workflows/validate is another route of the API → use another name, such as `my-validate`";
    assert_eq!(named("validate"), format!("WF0112 1:7 {message}"));
    assert_eq!(named("validates"), "");
}

#[test]
fn each_mistake_has_its_code() {
    for (activities, expected) in [
        ("  Probe: { analysis: {} }", vec!["WF0111"]),
        ("  each: { analysis: {} }", vec!["WF0112"]),
        ("  in: { analysis: {} }", vec!["WF0112"]),
        ("  a: { when: 'true' }", vec!["WF0113"]),
        ("  a: { webhook: {} }", vec!["WF0105"]),
        ("  a: { analysis: {}, snapshot: {} }", vec!["WF0114"]),
        ("  a: { analysis: [] }", vec!["WF0103"]),
        ("  a: { for_each: [], snapshot: {} }", vec!["WF0115"]),
        ("  a: { for_each: [x, x], snapshot: { name: \"${each}.jpg\" } }", vec!["WF0115"]),
        ("  a: { for_each: [x, y/z], snapshot: { name: \"${each}.jpg\" } }", vec!["WF0115"]),
        ("  a: { from: b, snapshot: {} }", vec!["WF0117"]),
        ("  a: { needs: a, analysis: {} }", vec!["WF0203"]),
        ("  a: { needs: b, analysis: {} }\n  b: { needs: a, analysis: {} }", vec!["WF0118"]),
        ("  a: { snapshot: {} }\n  b: { from: a, remux: {} }", vec!["WF0119"]),
        ("  a: { transcode: {} }\n  b: { remux: {} }\n  c: { from: [a, b], snapshot: {} }", vec!["WF0120"]),
        ("  a: { package: { protocol: hls } }", vec![]),
        ("  a: { retry: { attempts: 11 }, analysis: {} }", vec!["WF0104"]),
        ("  a: { timeout: soon, analysis: {} }", vec!["WF0103"]),
        ("  a: { on_failure: ignore, analysis: {} }", vec!["WF0104"]),
        ("  a: { priority: \"${object.size}\", analysis: {} }", vec!["WF0103"]),
        ("  a: { analysis: {}, analysis: {} }", vec!["WF0003"]),
        ("  a: { when: 'object.size >', analysis: {} }", vec!["WF0201"]),
        ("  a: { when: objekt.size > 1, analysis: {} }", vec!["WF0202"]),
        ("  a: { when: each == 'x', analysis: {} }", vec!["WF0202"]),
        ("  a: { when: a.has_video, analysis: {} }", vec!["WF0203"]),
        ("  a: { when: \"sise('x') > 1\", analysis: {} }", vec!["WF0207"]),
        ("  a: { when: failed(object), analysis: {} }", vec!["WF0207"]),
        ("  p: { analysis: {} }\n  a: { when: p.video.heigth > 1, analysis: {} }", vec!["WF0208"]),
        ("  p: { analysis: {} }\n  a: { when: p.video.height, analysis: {} }", vec!["WF0209"]),
        ("  p: { analysis: {} }\n  a: { when: p.video.height > 'x', analysis: {} }", vec!["WF0209"]),
        ("  a: { when: '${object.size > 1}', analysis: {} }", vec!["WF0103"]),
        ("  a: { snapshot: { name: 'x-${object.stem.jpg' } }", vec!["WF0211"]),
        ("  a: { snapshot: { name: 'x-${object.metadata}.jpg' } }", vec!["WF0209"]),
        ("  a: { when: template(object.stem).width > 1, analysis: {} }", vec!["WF0210"]),
        ("  a: { when: \"[1].map(x, [2].map(y, y)).size() > 0\", analysis: {} }", vec!["WF0206"]),
        ("  a: { snapshot: { name: ../x.jpg } }", vec!["WF0303"]),
        ("  a: { snapshot: { name: \"${object.dir}//x.jpg\" } }", vec!["WF0303"]),
        ("  a: { transcode: { template: h264-721p } }", vec!["TPL0006"]),
        ("  a: { transcode: { template: nb-720p } }", vec!["TPL0007"]),
        ("  a: { transcode: { template: \"${params.t}\" } }", vec!["TPL0103", "WF0208"]),
        ("  a: { transcode: { subtitles: { burn: x } } }", vec!["TPL0104"]),
        ("  a: { transcode: { name: a.srt, subtitles: none } }", vec!["TPL0222"]),
        ("  a: { transcode: { name: a.srt, subtitles: { keep: 0, burn: main } } }", vec!["TPL0222"]),
        ("  a: { transcode: { name: a.srt, audio: { codec: aac } } }", vec!["TPL0203"]),
        ("  a: { transcode: { name: a.ts, subtitles: { files: [{ file: a.srt }] } } }", vec!["TPL0222"]),
        (
            "  a: { transcode: { name: a.mp4, subtitles: { files: [{ file: a.srt, charset: klingon }] } } }",
            vec!["TPL0304"],
        ),
        ("  a: { transcode: { name: a.mp4, subtitles: { burn: { file: a.srt, charset: utf-9 } } } }", vec!["TPL0304"]),
        ("  a: { transcode: { name: a.mp4, subtitles: { burn: { language: en, charset: gbk } } } }", vec!["TPL0305"]),
        ("  a: { transcode: { subtitles: { files: [{ language: en }] } } }", vec!["TPL0102"]),
        ("  a: { transcode: { subtitles: burn, video: copy } }", vec!["TPL0204"]),
        ("  a: { remux: { subtitles: burn } }", vec!["TPL0204"]),
        ("  a: { transcode: { merge: [b.mp4], video: copy } }", vec!["TPL0223"]),
        ("  a: { transcode: { opening: b.mp4, subtitles: keep } }", vec!["TPL0223"]),
        ("  a: { transcode: { tail: { source: b.mp4, start: 5s, end: 2s } } }", vec!["TPL0208"]),
        ("  a: { transcode: { merge: [{ start: 5s }] } }", vec!["TPL0102"]),
        ("  a: { remux: { merge: [b.mp4] } }", vec!["TPL0101"]),
        ("  a: { remux: { metadata: leave } }", vec!["TPL0104"]),
        ("  a: { transcode: { audio: { loudness: { target: -16 }, volume: 2 } } }", vec!["TPL0221"]),
        ("  a: { transcode: { audio: { loudness: { method: linear, range: 7 } } } }", vec!["TPL0221"]),
        ("  a: { transcode: { audio: { loudness: { target: 3 } } } }", vec!["TPL0104"]),
        ("  a: { transcode: { audio: { volume: -70dB } } }", vec!["TPL0104"]),
        ("  a: { transcode: { audio: { volume: loud } } }", vec!["TPL0103"]),
        ("  a: { transcode: { audio: { mix: { volume: 2 } } } }", vec!["TPL0102"]),
        ("  a: { transcode: { audio: { codec: copy, volume: 2 } } }", vec!["TPL0204"]),
        ("  a: { transcode: { video: { codec: h266 } } }", vec!["TPL0104"]),
        ("  a: { transcode: { video: { crf: 60 } } }", vec!["TPL0104"]),
        ("  a: { transcode: { video: { codec: h265, profile: high } } }", vec!["TPL0204"]),
        ("  a: { transcode: { video: { codec: h265, profile: main, pix_fmt: yuv420p10le } } }", vec!["TPL0204"]),
        ("  a: { transcode: { video: { codec: av1, bitrate: 1M, passes: 2 } } }", vec!["TPL0202"]),
        ("  a: { transcode: { video: { codec: av1, tune: film } } }", vec!["TPL0204"]),
        ("  a: { transcode: { video: { codec: av1, bitrate: 1M, maxrate: 2M } } }", vec!["TPL0202"]),
        ("  a: { transcode: { video: { passes: 2 } } }", vec!["TPL0202"]),
        ("  a: { transcode: { container: mov, video: { codec: prores, bitrate: 9M } } }", vec!["TPL0202"]),
        ("  a: { transcode: { container: mov, video: { codec: mjpeg, gop: 2s } } }", vec!["TPL0202"]),
        ("  a: { transcode: { container: gif, video: { fps: 60 } } }", vec!["TPL0206"]),
        ("  a: { transcode: { container: gif, audio: { codec: aac } } }", vec!["TPL0203"]),
        ("  a: { transcode: { container: webm, video: { codec: h264 } } }", vec!["TPL0203"]),
        ("  a: { transcode: { container: webm } }", vec![]),
        ("  a: { transcode: { video: { quality: 80 } } }", vec!["TPL0202"]),
        ("  a: { transcode: { video: { codec: vp9, b_frames: 3 } } }", vec!["TPL0204"]),
        ("  a: { transcode: { video: { profile: baseline, b_frames: 3 } } }", vec!["TPL0204"]),
        ("  a: { transcode: { video: { encoder: nvenc, tune: film } } }", vec!["TPL0214"]),
        ("  a: { transcode: { container: mov, video: { codec: prores, encoder: qsv } } }", vec!["TPL0214"]),
        ("  a: { transcode: { template: h264-720p, video: { encoder: nvenc } } }", vec![]),
        ("  a: { transcode: { template: h264-720p, video: { codec: h265 } } }", vec![]),
        ("  a: { transcode: { template: h264-720p, container: gif, video: { codec: gif }, audio: none } }", vec![]),
        ("  a: { transcode: { audio: { bit_depth: 24 } } }", vec!["TPL0210"]),
        ("  a: { transcode: { container: mkv, audio: { codec: ac3, bitrate: 900k } } }", vec!["TPL0210"]),
        ("  a: { transcode: { video: { bufsize: 1M } } }", vec!["TPL0201"]),
        ("  a: { transcode: { video: { rate_control: cbr } } }", vec!["TPL0202"]),
        ("  a: { transcode: { video: { short_side: 720, width: 1280 } } }", vec!["TPL0205"]),
        ("  a: { transcode: { video: none, audio: none } }", vec!["TPL0207"]),
        ("  a: { snapshot: { at: 1s, every: 2s } }", vec!["TPL0208"]),
        ("  a: { snapshot: { every: 2s, name: x.jpg } }", vec!["TPL0209"]),
        ("  a: { watermark: { position: top_left } }", vec!["TPL0212"]),
        (
            "  a: { transcode: {} }\n  p: { package: { from: a, protocol: dash, iframe_playlists: true } }",
            vec!["TPL0231"],
        ),
        ("  a: { template-analysis: { templates: [h264-721p] } }", vec!["TPL0006"]),
        ("  a: { template-analysis: { template: h264-720p } }", vec!["TPL0101"]),
        ("  a: { template-analysis: {} }\n  b: { from: a, transcode: {} }", vec!["WF0119"]),
        ("  a: { template-analysis: {} }\n  b: { when: a.video.height > 1, transcode: {} }", vec!["WF0208"]),
        ("  a: { snapshot: { best: true, every: 2s } }", vec!["TPL0208"]),
        ("  a: { snapshot: { animation: { start: 1s, pieces: 2 } } }", vec!["TPL0208"]),
        ("  a: { snapshot: { animation: {}, vtt: true } }", vec!["TPL0241", "TPL0208"]),
        ("  a: { snapshot: { format: gif } }", vec!["TPL0241"]),
        ("  a: { snapshot: { every: 2s, sprite: { color: beige-ish } } }", vec!["TPL0103"]),
        ("  a: { transcode: {} }\n  p: { package: { from: a, protocol: dash, segments: ts } }", vec!["TPL0231"]),
        ("  a: { transcode: {} }\n  p: { package: { from: a, protocol: cmaf, encryption: {} } }", vec!["TPL0231"]),
        (
            "  a: { transcode: {} }\n  p: { package: { from: a, encryption: { key: 00112233445566778899aabbccddeeff, key_uri: k } } }",
            vec!["TPL0232"],
        ),
        ("  a: { transcode: {} }\n  p: { package: { from: a, encryption: { key: env:K } } }", vec!["TPL0233"]),
        (
            "  a: { transcode: {} }\n  p: { package: { from: a, encryption: { key: env:K, key_uri: k, rotate: 2 } } }",
            vec!["TPL0233"],
        ),
        (
            "  a: { transcode: {} }\n  p: { package: { from: a, encryption: { key: [env:K, env:L], key_uri: \"k-#\" } } }",
            vec!["TPL0233"],
        ),
        (
            "  a: { transcode: {} }\n  p: { package: { from: a, encryption: { rotate: 2, key_uri: k } } }",
            vec!["TPL0233"],
        ),
        ("  a: { watermark: { text: hello } }", vec![]),
        ("  a: { transcode: { watermarks: [logo] } }", vec!["TPL0006"]),
        ("  a: { transcode: { name: x.mkv, container: mp4 } }", vec!["TPL0213"]),
        ("  a: { snapshot: { name: x.mp4 } }", vec!["TPL0213"]),
        ("  a: { transcode: {} }\n  p: { package: { from: a, protocol: dash, name: x.m3u8 } }", vec!["TPL0213"]),
        ("  a: { snapshot: { name: x.png, format: jpg } }", vec!["TPL0213"]),
        ("  a: { snapshot: { name: \"v1.2/${object.ext}\" } }", vec![]),
        ("  a: { package: { from: [] } }", vec!["WF0102"]),
        ("  a: { from: [], remux: {} }", vec!["WF0102"]),
        ("  a: { snapshot: { width: \"${object.name}\" } }", vec!["WF0209"]),
        ("  a: { snapshot: { width: \"6${object.size}\" } }", vec!["WF0209"]),
        ("  a: { snapshot: { width: \"${object.size}\", at: \"${object.name}\" } }", vec![]),
        ("  a: { snapshot: { width: \"${int(object.metadata.w)}\" } }", vec![]),
        ("  p: { analysis: {} }\n  a: { transcode: { video: { upscale: \"${p.video.codec}\" } } }", vec!["WF0209"]),
        ("  a: { when: object.size == 'a', analysis: {} }", vec!["WF0209"]),
        ("  a: { when: \"object.size > 1 && object.name != 'a'\", analysis: {} }", vec![]),
        ("  a: { snapshot: { at: -5s } }", vec!["TPL0103"]),
    ] {
        assert_eq!(codes(activities), expected, "{activities}\n{}", told(&with(activities)));
    }
}

#[test]
fn what_would_fit_is_said() {
    let said = |activities: &str| told(&with(activities));
    let at = said("  a: { snapshot: { at: -5s } }");
    assert!(at.contains("`-5s` is not a share, like 10%, or a duration, like 500ms"), "{at}");
    let parameter = said("  a: { snapshot: { width: \"${params.w}\" } }");
    assert!(parameter.contains("unknown parameter `w`: the workflow declares none"), "{parameter}");
    let width = said("  a: { snapshot: { width: \"${object.name}\" } }");
    assert!(width.contains("expected a whole number from 16 to 4096, but the expression gives text"), "{width}");
}

#[test]
fn diagnostics_point_at_the_text() {
    for (activities, expected) in [
        ("  p: { analysis: {} }\n  a: { when: 1 < p.video.heigth, analysis: {} }", "p.video.heigth"),
        ("  a: { snapshot: { name: \"ä-${object.stm}.jpg\" } }", "object.stm"),
        ("  a: { transcode: { video: { crf: 52 } } }", "52"),
        ("  a: { transcode: { vidoe: {} } }", "vidoe"),
        ("  a: { for_each: [h264-720p, h264-72p], transcode: { template: \"${each}\" } }", "\"${each}\""),
        ("  a: { needs: [b], analysis: {} }", "b"),
        ("  a:\n    when: >-\n      object.size\n      > 'x'\n    analysis: {}", "object.size\n      > 'x'"),
    ] {
        assert_eq!(pointed(activities), expected);
    }
}

#[test]
fn field_case_28_two_activities_that_write_one_key_are_refused() {
    for activities in [
        "  a: { snapshot: { name: x.jpg } }\n  b: { snapshot: { name: x.jpg } }",
        "  a: { snapshot: { name: \"${object.stem}.jpg\" } }\n  b: { snapshot: { name: \"${object.stem}.jpg\" } }",
        "  a: { for_each: [h264-720p, h264-480p], transcode: { template: \"${each}\", name: x.mp4 } }",
        "  a: { snapshot: { every: 1s, name: t-#.jpg, vtt: a.mp4 } }\n  b: { transcode: { name: a.mp4 } }",
        "  b: { transcode: { name: hls/a/b.mp4 } }\n  a: { transcode: {} }\n  hls: { package: { from: [a] } }",
    ] {
        assert_eq!(codes(activities), ["WF0301"], "{activities}\n{}", told(&with(activities)));
    }
    let numbered = "  a: { snapshot: { name: poster.jpg } }\n  b: { snapshot: { every: 1s, name: p#.jpg } }";
    assert_eq!(codes(numbered), Vec::<&str>::new(), "a run of # is digits only");
    let apart = "  a: { output: { prefix: a/ }, snapshot: { name: x.jpg } }\n  b: { snapshot: { name: x.jpg } }\n  \
                 c: { for_each: [1, 2], snapshot: { name: \"${each}.jpg\" } }";
    assert_eq!(codes(apart), Vec::<&str>::new(), "{}", told(&with(apart)));
}

#[test]
fn field_case_27_an_output_that_starts_the_workflow_again_is_refused() {
    let text = |bucket: &str, prefix: &str, glob: &str| {
        format!(
            "name: w\ntrigger: {{ bucket: uploads, key: '{glob}' }}\noutput: {{ bucket: '{bucket}', prefix: '{prefix}' }}\n\
             activities: {{ a: {{ transcode: {{ name: a.mp4 }} }} }}\n"
        )
    };
    for (bucket, prefix, glob, again) in [
        ("uploads", "in/", "in/**", true),
        ("${object.bucket}", "in/", "in/**", true),
        ("uploads", "${object.dir}/", "in/**", true),
        ("uploads", "out/", "in/**", false),
        ("uploads", "in/", "in/*.mov", false),
        ("media", "in/", "in/**", false),
    ] {
        let found: Vec<_> = compiled(&text(bucket, prefix, glob)).diagnostics.iter().map(|d| d.code).collect();
        assert_eq!(found, if again { vec!["WF0302"] } else { vec![] }, "{bucket} {prefix} {glob}");
    }
}

#[test]
fn workflows_that_overlap_or_feed_each_other_are_warned_of() {
    let one = |name: &str, from: &str, to: &str| {
        workflow(&format!(
            "name: {name}\ntrigger: {{ bucket: media, key: '{from}/**' }}\noutput: {{ bucket: media, prefix: '{to}/' }}\n\
             activities: {{ a: {{ transcode: {{}} }} }}\n"
        ))
    };
    let (a, b, c) = (one("one", "x", "y"), one("two", "y", "x"), one("three", "x/z", "out"));
    let found: Vec<_> = check_set(&[&a, &b, &c]).iter().map(line).collect();
    assert_eq!(
        found,
        [
            "WF0304 1:7 an upload to bucket `media` can start both `one` and `three`",
            "WF0305 1:7 outputs of `one`, `two` start each other in a circle; at run time, an output does not start a workflow that made it",
        ]
    );
    assert_eq!(check_set(&[&a]), []);
}

#[test]
fn a_chart_starts_what_an_analysis_without_one_does_not() {
    let analysis = |chart: &str| {
        workflow(&format!(
            "name: one\ntrigger: {{ bucket: media, key: 'x/**' }}\noutput: {{ bucket: media, prefix: 'y/' }}\n\
             activities: {{ a: {{ analysis: {{ {chart} }} }} }}\n"
        ))
    };
    let other = workflow(
        "name: two\ntrigger: { bucket: media, key: 'y/**' }\noutput: { bucket: media, prefix: 'x/' }\n\
         activities: { a: { transcode: {} } }\n",
    );
    let found = |one| check_set(&[&one, &other]).iter().map(|d| d.code).collect::<Vec<_>>();
    assert_eq!((found(analysis("chart: true")), found(analysis("black: true"))), (vec![Code::new("WF0305")], vec![]));
}

#[test]
fn a_bomb_of_aliases_stops_at_the_budget() {
    let mut bomb = "name: w\nx0: &x0 [a, a, a, a, a, a, a, a, a, a]\n".to_owned();
    for i in 1..15 {
        let again = vec![format!("*x{}", i - 1); 10].join(", ");
        writeln!(bomb, "x{i}: &x{i} [{again}]").unwrap();
    }
    let found: Vec<_> = compiled(&bomb).diagnostics.iter().map(|d| d.code).collect();
    assert_eq!(found, ["WF0002"]);
}

#[test]
fn what_is_too_much_is_refused() {
    for text in ["a: ".repeat(100_000), "[".repeat(10_000), "- ".repeat(5_000)] {
        assert!(compiled(&text).workflow.is_none());
    }
    let many: Vec<_> = (0..300).map(|i| format!("  a{i}: {{ analysis: {{}} }}")).collect();
    assert_eq!(codes(&many.join("\n")), ["WF0116"]);
    let long = format!("  a: {{ when: '{}', analysis: {{}} }}", "true && ".repeat(200) + "true");
    assert_eq!(codes(&long), ["WF0204"]);
    let deep = format!("  a: {{ when: '{}true{}', analysis: {{}} }}", "(".repeat(40), ")".repeat(40));
    assert_eq!(codes(&deep), ["WF0205"]);
}

#[test]
fn only_a_word_of_what_is_empty_or_no_mapping() {
    for text in ["", "# nothing", "just text", "- a\n- b", "{}", "activities: []", "activities: {}", "\u{feff}"] {
        assert!(compiled(text).workflow.is_none(), "{text:?}");
        assert!(!compiled(text).diagnostics.is_empty(), "{text:?}");
    }
}

#[test]
fn drawings_underline_the_text() {
    let text = with("  p: { analysis: {} }\n  a: { when: p.video.heigth > 100, analysis: {} }");
    insta::assert_snapshot!(yaml::render(&compiled(&text).diagnostics, &text, false), @r"
    WF0208

      × `p` has no field `heigth`
       ╭─[test.yaml:6:14]
     5 │   p: { analysis: {} }
     6 │   a: { when: p.video.heigth > 100, analysis: {} }
       ·              ───────┬──────
       ·                     ╰── here
       ╰────
      help: did you mean `height`?
    ");
    assert!(yaml::render(&compiled(&text).diagnostics, &text, true).contains('\u{1b}'));
}

#[test]
fn the_use_of_a_broken_template_is_one_error_and_says_where_to_look() {
    let (templates, _) = Templates::load(&[("t/corner.yaml", Some("name: corner\nwatermark: { imagee: x.png }"))]);
    let text = with("  a: { watermark: { watermark: corner, name: x.mp4 } }");
    let told: Vec<_> =
        compile("w.yaml", &text, &templates, &Limits::default(), None).diagnostics.iter().map(line).collect();
    assert_eq!(told, ["TPL0013 5:32 template `corner` has errors → correct t/corner.yaml"]);
}

#[test]
fn locked_templates_take_no_overrides() {
    let (templates, found) = Templates::load(&[
        ("house.yaml", Some("name: house\nlocked: true\nextends: h264-720p")),
        ("corner.yaml", Some("name: corner\nlocked: true\nwatermark: { image: logo.png, position: top_left }")),
    ]);
    assert_eq!(found, []);
    let codes = |activity: &str| -> Vec<Code> {
        let text = with(&format!("  a: {{ {activity} }}"));
        let compiled = compile("w.yaml", &text, &templates, &Limits::default(), None);
        compiled.diagnostics.iter().map(|d| d.code).collect()
    };
    let nothing: [&str; 0] = [];
    assert_eq!(codes("transcode: { template: house, name: x.mp4, watermarks: [corner] }"), nothing);
    assert_eq!(codes("transcode: { template: house, video: { crf: 30 } }"), ["TPL0009"]);
    assert_eq!(codes("transcode: { template: corner }"), ["TPL0011"]);
    assert_eq!(codes("transcode: { watermarks: [house] }"), ["TPL0011"]);
    assert_eq!(codes("watermark: { watermark: corner, name: x.mp4 }"), nothing);
    assert_eq!(codes("watermark: { watermark: corner, position: top_right }"), ["TPL0009"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// Any text ends in a plan or in diagnostics.
    #[test]
    fn no_text_is_too_much(text in "\\PC{0,200}") {
        prop_assert_eq!(compiled(&text).workflow.is_none(), !compiled(&text).diagnostics.is_empty());
    }

    /// So does a good file with some of it torn out or put elsewhere.
    #[test]
    fn no_damage_is_too_much(at in 0..2_000_usize, length in 0..60_usize, insert in "[\\PC\n]{0,20}") {
        let good: Vec<char> = include_str!("../../../workflows/vod.yaml").chars().collect();
        let at = at.min(good.len());
        let end = (at + length).min(good.len());
        let torn: String = good[..at].iter().chain(insert.chars().collect::<Vec<_>>().iter()).chain(&good[end..]).collect();
        let compiled = compiled(&torn);
        prop_assert_eq!(compiled.workflow.is_none(), compiled.diagnostics.iter().any(Diagnostic::is_error));
        drop(yaml::render(&compiled.diagnostics, &torn, false));
    }

    /// Expressions too.
    #[test]
    fn no_expression_is_too_much(expression in "[-a-z0-9.()\\[\\]{}?:&|!<>=+*/%\"' ,]{0,120}") {
        let quoted = expression.replace('\'', "''");
        drop(compiled(&with(&format!("  a: {{ when: '{quoted}', analysis: {{}} }}"))));
    }
}

#[test]
fn newcomer_what_was_meant_is_told_in_words_that_can_be_written() {
    let hint = |activity: &str| {
        let text = format!("name: x\noutput: {{ bucket: media }}\nactivities: {{ a: {{ {activity} }} }}\n");
        let hints = compiled(&text).diagnostics.into_iter().filter_map(|found| found.hint);
        hints.collect::<Vec<_>>().join("\n")
    };
    let loudness = "write `audio: { loudness: { target: -16 } }`";
    for (activity, expected) in [
        ("transcode: { loudness: -16 }", loudness),
        ("transcode: { normalize: true }", loudness),
        ("transcode: { audio: { loudness: -16 } }", "write `loudness: { target: -16 }`"),
        ("transcode: { video: { resolution: 720p } }", "write `short_side: 720`, or `width: 1280` and `height: 720`"),
        ("transcode: { video: { rate_control: abr, bitrate: 3000 } }", "did you mean `3000k`?"),
        ("uses: transcode", "the key of an activity is its type: `transcode: { template: h264-720p }`"),
        ("package: { protocol: hls, encryption: { method: AES-128 } }", "did you mean `hls-aes-128`?"),
        ("transcode: {}, when: \"object.size == '720'\"", "write 720 without quotes"),
    ] {
        assert!(hint(activity).contains(expected), "{activity}: {}", hint(activity));
    }
    let analysis = hint("transcode: {}, when: probe.video.width > 100");
    assert!(analysis.contains("for properties of the file add an activity `probe: { analysis: {} }`"), "{analysis}");
    let trigger =
        told("name: x\ntrigger: { bucket: b, prefix: in/, suffix: .mp4 }\nactivities: { a: { analysis: {} } }\n");
    assert!(trigger.contains("write `key: \"incoming/*.mp4\"`"), "{trigger}");
}
