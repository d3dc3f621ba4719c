//! Faults that users of comparable systems reported, from outside: whole workflows on real files.

use std::path::Path;

use serde_json::Value;

use crate::support::{files, fixture, last_json, probe, reelmill, run, run_workflow, workflow};

const TRANSCODE: &str = "
name: small
output: { bucket: media, prefix: '${object.stem}/' }
activities:
  probe:
    analysis: {}
  small:
    transcode: { template: h264-240p, video: { preset: ultrafast }, name: small.mp4 }
";

/// Runs [`TRANSCODE`] on a fixture and answers what came out.
fn transcoded(file: &Path) -> Value {
    let (_folder, workflow) = workflow(TRANSCODE);
    let output = tempfile::tempdir().unwrap();
    let (exit, execution) = run_workflow(&workflow, file, output.path());
    assert_eq!((exit, execution["state"].as_str()), (0, Some("succeeded")), "{execution:#}");
    let path = execution["activities"]["small"]["outputs"][0]["path"].as_str().unwrap().to_owned();
    probe(Path::new(&path))
}

fn count(media: &Value, kind: &str) -> usize {
    media[kind].as_array().unwrap().len()
}

#[test]
fn field_case_11_a_source_without_audio_gives_video_only() {
    let media = transcoded(&fixture("av1/av1_360p.mkv"));
    assert_eq!((count(&media, "video"), count(&media, "audio")), (1, 0), "{media:#}");
}

#[test]
fn field_case_11_an_audio_only_source_gives_audio_only() {
    let media = transcoded(&fixture("audio/music.m4a"));
    assert_eq!((count(&media, "video"), count(&media, "audio")), (0, 1), "{media:#}");
}

#[test]
fn field_case_15_portrait_comes_out_upright() {
    let source = probe(&fixture("rotation/iphone_portrait.MOV"));
    assert_ne!(source["video"][0]["rotation"], 0, "the fixture is not rotated: {source:#}");
    let media = transcoded(&fixture("rotation/iphone_portrait.MOV"));
    let video = &media["video"][0];
    assert_eq!(video["rotation"], 0, "{media:#}");
    assert!(video["height"].as_u64() > video["width"].as_u64(), "{media:#}");
    assert_eq!(video["height"], video["coded_height"], "{media:#}");
}

#[test]
fn field_case_16_odd_dimensions() {
    let source = probe(&fixture("oddsize/853x481_derived.mp4"));
    assert_eq!(source["video"][0]["width"], 853, "{source:#}");
    let media = transcoded(&fixture("oddsize/853x481_derived.mp4"));
    assert_eq!(media["video"][0]["height"], 240, "{media:#}");
    assert_eq!(media["video"][0]["width"].as_u64().unwrap() % 2, 0, "{media:#}");
}

#[test]
fn field_case_28_outputs_have_the_names_that_expressions_give() {
    let (_folder, workflow) = workflow(
        "
name: names
params: { label: { type: string, default: plain } }
output: { bucket: media, prefix: 'made/${object.stem}/${params.label}/' }
activities:
  poster:
    snapshot: { at: 10%, width: 160, name: '${workflow}-${object.ext}.jpg' }
",
    );
    let output = tempfile::tempdir().unwrap();
    let source = output.path().join("te[s]t_ video ' _ ümläut 中 $(touch pwned);.mp4");
    std::fs::copy(fixture("normal/tiny_aac_180p.mp4"), &source).unwrap();
    let made = output.path().join("out");
    let result = run(reelmill()
        .args(["run", "--json", "--set", "label=a+b%2F&c", "--output"])
        .arg(&made)
        .arg(&workflow)
        .arg(&source));
    let execution = last_json(&String::from_utf8(result.stdout).unwrap());
    assert_eq!(execution["state"], "succeeded", "{execution:#}");
    let key = "made/te[s]t_ video ' _ ümläut 中 $(touch pwned);/a+b%2F&c/names-mp4.jpg";
    assert_eq!(execution["activities"]["poster"]["outputs"][0]["key"], key);
    assert_eq!(files(&made), [key]);
}

#[test]
fn field_case_28_two_activities_that_would_write_one_key_are_refused() {
    let (_folder, workflow) = workflow(
        "
name: twice
output: { bucket: media, prefix: out/ }
activities:
  one:
    snapshot: { at: 1s, name: poster.jpg }
  two:
    snapshot: { at: 2s, name: poster.jpg }
",
    );
    let result = run(reelmill().args(["validate", "--json"]).arg(&workflow));
    assert_eq!(result.status.code(), Some(2));
    let report = last_json(&String::from_utf8(result.stdout).unwrap());
    assert!(report["diagnostics"].to_string().contains("poster.jpg"), "{report:#}");
}

#[test]
fn field_case_30_parameter_errors_are_found_before_anything_runs() {
    let (_folder, workflow) = workflow(
        "
name: wrong
output: { bucket: media, prefix: out/ }
activities:
  small:
    transcode: { template: h264-240p, video: { crf: 99 }, name: small.mp4 }
",
    );
    let result = run(reelmill().args(["validate", "--json"]).arg(&workflow));
    assert_eq!(result.status.code(), Some(2));
    let report = last_json(&String::from_utf8(result.stdout).unwrap());
    let found = &report["diagnostics"][0];
    assert_eq!((found["line"].as_u64(), found["severity"].as_str()), (Some(6), Some("error")), "{report:#}");
    assert!(found["column"].as_u64() > Some(1), "{report:#}");
}
