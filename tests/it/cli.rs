//! The command line: contracts of `--json`, exit codes, errors in one shape.

use std::path::Path;

use serde_json::Value;

use crate::support::{files, fixture, last_json, probe, reelmill, repository, run, run_ok, run_workflow, workflow};

#[test]
fn probe_answers_its_contract() {
    let media = probe(&fixture("sintel_dragon_720p_18s.mp4"));
    assert!(media["format"]["name"].as_str().unwrap().contains("mp4"));
    assert!((media["format"]["duration_s"].as_f64().unwrap() - 18.0).abs() < 1.0, "{media:#}");
    assert!(media["format"]["size_bytes"].as_u64() > Some(1_000_000));
    assert!(media["format"]["bit_rate"].as_u64() > Some(100_000));
    let video = &media["video"][0];
    assert_eq!((video["codec"].as_str(), video["height"].as_u64()), (Some("h264"), Some(720)), "{media:#}");
    for key in ["profile", "width", "rotation", "frame_rate", "pixel_format", "bit_depth", "hdr", "interlaced"] {
        assert!(video.get(key).is_some(), "{key} is missing: {media:#}");
    }
    let audio = &media["audio"][0];
    for key in ["codec", "profile", "sample_rate", "channels", "layout", "language"] {
        assert!(audio.get(key).is_some(), "{key} is missing: {media:#}");
    }
    assert!(media["subtitles"].is_array());
}

#[test]
fn probe_of_what_cannot_be_read_says_so() {
    for (file, exit, code) in [
        (fixture("nonmedia/html.mp4"), 1, "MEDIA"),
        (fixture("zero/zero.mp4"), 1, "MEDIA"),
        (Path::new("/nowhere/at/all.mp4").to_owned(), 4, "CLI0005"),
    ] {
        let result = run(reelmill().args(["probe", "--json"]).arg(&file));
        assert_eq!(result.status.code(), Some(exit), "{}", file.display());
        let error = last_json(&String::from_utf8(result.stderr).unwrap());
        assert!(error["error"]["code"].as_str().unwrap().starts_with(code), "{error:#}");
    }
}

/// Each of `workflows/`, on a real clip.
fn example(name: &str, file: &str) -> (Value, Vec<String>) {
    let output = tempfile::tempdir().unwrap();
    let (exit, execution) = run_workflow(&repository("workflows").join(name), &fixture(file), output.path());
    assert_eq!((exit, execution["state"].as_str()), (0, Some("succeeded")), "{execution:#}");
    assert_eq!(execution["type"], "execution");
    for (name, activity) in execution["activities"].as_object().unwrap() {
        assert!(activity["attempts"].is_u64() && activity["type"].is_string(), "{name}");
        for one in activity["outputs"].as_array().unwrap() {
            let size = std::fs::metadata(one["path"].as_str().unwrap()).unwrap().len();
            assert_eq!(one["size_bytes"].as_u64(), Some(size), "{one:#}");
        }
    }
    (execution, files(output.path()))
}

#[test]
fn the_vod_workflow_makes_a_ladder_a_poster_sprites_and_hls() {
    let (execution, made) = example("vod.yaml", "sintel_dragon_720p_18s.mp4");
    for (suffix, least) in [(".mp4", 3), (".m4s", 6), ("poster.jpg", 1), (".vtt", 1), (".m3u8", 3)] {
        assert!(made.iter().filter(|file| file.ends_with(suffix)).count() >= least, "{suffix}: {made:#?}");
    }
    assert_eq!(execution["activities"]["rungs.h264-1080p"]["state"], "skipped", "never upscales");
}

#[test]
fn the_fitting_workflow_makes_what_suits_the_source() {
    let (execution, made) = example("fitting.yaml", "normal/tiny_aac_180p.mp4");
    let fit = &execution["activities"]["fit"]["result"];
    assert_eq!((&fit["best"], &fit["fits"][0]["template"]), (&"h264-360p".into(), &"h264-360p".into()), "{fit:#}");
    assert!(fit["fits"][0]["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{fit:#}");
    assert_eq!(made.len(), 1, "{made:#?}");
    let (_, made) = example("fitting.yaml", "audio/music.m4a");
    assert!(made.len() == 1 && made[0].ends_with("sound.m4a"), "{made:#?}");
}

#[test]
fn the_thumbnails_workflow_runs() {
    let (_, made) = example("thumbnails.yaml", "normal/tiny_aac_180p.mp4");
    assert!(made.iter().any(|file| Path::new(file).extension().is_some_and(|ext| ext == "jpg")), "{made:#?}");
}

#[test]
fn the_watermark_workflow_runs() {
    let (_, made) = example("watermark.yaml", "normal/tiny_aac_180p.mp4");
    assert!(made.iter().any(|file| Path::new(file).extension().is_some_and(|ext| ext == "mp4")), "{made:#?}");
}

#[test]
fn the_audio_workflow_runs() {
    let (execution, made) = example("audio.yaml", "audio/music.m4a");
    assert!(!made.is_empty(), "{execution:#}");
}

#[test]
fn the_podcast_workflow_runs() {
    let (_, made) = example("podcast.yaml", "audio/vorbis.ogg");
    assert_eq!(made.len(), 2, "{made:#?}");
}

#[test]
fn the_subtitles_workflow_runs() {
    let (_, made) = example("subtitles.yaml", "multitrack/srt.mkv");
    assert_eq!(made.len(), 3, "{made:#?}");
}

#[test]
fn the_bumpers_workflow_runs() {
    let (execution, made) = example("bumpers.yaml", "normal/tiny_aac_180p.mp4");
    assert_eq!(made.len(), 1, "{made:#?}");
    // The source has 5.014 s, one second before it, half a second after.
    let path = execution["activities"]["show"]["outputs"][0]["key"].as_str().unwrap();
    assert!(path.ends_with("tiny_aac_180p.mp4"), "{execution:#}");
}

#[test]
fn the_remux_workflow_runs() {
    let (execution, made) = example("remux.yaml", "ts/sintel_captions_10s.ts");
    assert!(!made.is_empty(), "{execution:#}");
}

#[test]
fn the_streaming_workflow_makes_cmaf_and_encrypted_hls() {
    let (execution, made) = example("streaming.yaml", "normal/tiny_aac_180p.mp4");
    for suffix in ["/cmaf/master.m3u8", "/cmaf/manifest.mpd", "/low/video-iframes.mp4", "/keys/key-1.key", ".ts"] {
        assert!(made.iter().any(|file| file.ends_with(suffix)), "{suffix}: {made:#?}");
    }
    assert_eq!(execution["activities"]["high"]["state"], "skipped");
}

#[test]
fn the_inspection_workflow_measures_and_draws_a_chart() {
    let (execution, made) = example("inspection.yaml", "normal/tiny_aac_180p.mp4");
    assert!(made.iter().any(|file| file.ends_with("/chart.svg")), "{made:#?}");
    assert_eq!(execution["activities"]["inspect"]["outputs"][0]["content_type"], "image/svg+xml");
}

#[test]
fn run_fails_cleanly_on_what_is_no_media() {
    let output = tempfile::tempdir().unwrap();
    for name in ["nonmedia/html.mp4", "zero/zero.mp4", "corrupt/broken.mp4", "attack/hls_file_passwd.m3u8"] {
        let (exit, execution) = run_workflow(&repository("workflows/vod.yaml"), &fixture(name), output.path());
        assert_eq!((exit, execution["state"].as_str()), (1, Some("failed")), "{execution:#}");
        let error = &execution["activities"]["probe"]["error"];
        assert!(error["code"].as_str().is_some_and(|code| code.starts_with("MEDIA")), "{execution:#}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()));
    }
    assert!(files(output.path()).is_empty(), "{:?}", files(output.path()));
}

#[test]
fn ten_mistakes_are_reported_at_once_with_their_places() {
    let (_folder, file) = workflow(
        "
name: many
trigger: { bucket: uploads, key: 'in/**', syze: 3 }
output: { bucket: media, prefix: out/ }
priority: 11
activities:
  probe:
    analysiss: {}
  base:
    transcode: { template: h264-361p, name: a.mp4 }
  small:
    transcode: { template: h264-360p, video: { crf: 77 }, name: b.mp4 }
  poster:
    when: nope.video.height > 3
    snapshot: { at: 10 apples, name: p.jpg }
  loop_a:
    needs: [loop_b]
    analysis: {}
  loop_b:
    needs: [loop_a, missing]
    analysis: {}
  two:
    analysis: {}
    remux: { format: mkv }
",
    );
    let result = run(reelmill().args(["validate", "--json"]).arg(&file));
    assert_eq!(result.status.code(), Some(2));
    let report = last_json(&String::from_utf8(result.stdout).unwrap());
    let errors: Vec<&Value> =
        report["diagnostics"].as_array().unwrap().iter().filter(|one| one["severity"] == "error").collect();
    assert!(errors.len() >= 10, "{} errors: {report:#}", errors.len());
    for line in [3, 5, 8, 10, 12, 14, 15] {
        assert!(errors.iter().any(|error| error["line"] == line), "nothing in line {line}: {report:#}");
    }
    let plain = run(reelmill().arg("validate").arg(&file));
    let text = String::from_utf8(plain.stderr).unwrap();
    assert!(text.contains("syze") && text.contains("size"), "no hint at the nearest key: {text}");
}

#[test]
fn graphs_and_schemas_are_printed() {
    let vod = repository("workflows/vod.yaml");
    for (format, sign) in [("mermaid", "flowchart"), ("dot", "digraph"), ("svg", "<svg")] {
        let drawing = run_ok(reelmill().args(["graph", "--format", format]).arg(&vod));
        assert!(drawing.contains(sign) && drawing.contains("poster"), "{drawing}");
    }
    for of in ["workflow", "template", "config", "notification", "media-info"] {
        let printed: Value = serde_json::from_str(&run_ok(reelmill().args(["schema", of]))).unwrap();
        let kept = std::fs::read_to_string(repository(&format!("schemas/{of}.schema.json"))).unwrap();
        assert_eq!(printed, serde_json::from_str::<Value>(&kept).unwrap(), "schemas/{of}.schema.json is out of step");
    }
}

#[test]
fn templates_are_listed_shown_and_fitted() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("templates")).unwrap();
    let mine = "name: mine\nextends: h264-360p\nlocked: true\nvideo: { crf: 26 }\n";
    std::fs::write(folder.path().join("templates/mine.yaml"), mine).unwrap();
    let templates = || {
        let mut command = reelmill();
        command.args(["templates", "--json", "--workflows"]).arg(folder.path());
        command
    };
    let list = last_json(&run_ok(templates().arg("list")));
    let all = list["templates"].as_array().unwrap();
    let named = |name: &str| all.iter().find(|t| t["name"] == name).unwrap_or_else(|| panic!("{name}: {list:#}"));
    assert_eq!((named("mine")["preset"].as_bool(), named("mine")["locked"].as_bool()), (Some(false), Some(true)));
    assert_eq!(named("h264-720p")["facts"]["short_side"], 720);
    let shown = last_json(&run_ok(templates().args(["show", "mine"])));
    assert_eq!(
        (&shown["parameters"]["video"]["crf"], &shown["parameters"]["video"]["short_side"]),
        (&26.into(), &360.into())
    );
    let text = run_ok(reelmill().args(["templates", "show", "h264-720p"]));
    assert!(text.contains("name: h264-720p\n") && text.contains("\n  short_side: 720\n"), "{text}");
    let none = run(templates().args(["show", "h264-721p"]));
    assert_eq!(none.status.code(), Some(4));
    assert_eq!(last_json(&String::from_utf8(none.stderr).unwrap())["error"]["code"], "TPL0006");

    let fits = last_json(&run_ok(templates().args(["fit", "--all"]).arg(fixture("sintel_dragon_720p_18s.mp4"))));
    assert_eq!((&fits["best"], &fits["fits"][0]["template"]), (&"h264-720p".into(), &"h264-720p".into()), "{fits:#}");
    let out = fits["left_out"].as_array().unwrap();
    assert!(out.iter().any(|o| o["template"] == "h264-1080p"), "{fits:#}");
    assert!(fits["templates"].as_array().unwrap().contains(&"mine".into()), "{fits:#}");

    std::fs::write(folder.path().join("templates/bad.yaml"), "name: bad\nvideo: { crff: 1 }\n").unwrap();
    let bad = run(templates().arg("list"));
    assert_eq!(bad.status.code(), Some(2));
    let list = last_json(&String::from_utf8(bad.stdout).unwrap());
    assert_eq!(list["diagnostics"][0]["code"], "TPL0101", "{list:#}");
}

#[test]
fn usage_errors_and_a_missing_daemon_have_their_exit_codes() {
    assert_eq!(run(reelmill().arg("nonsense")).status.code(), Some(2));
    assert_eq!(run(reelmill().args(["validate", "/nowhere.yaml"])).status.code(), Some(4));
    let away = run(reelmill().args(["executions", "list", "--url", "http://127.0.0.1:1"]));
    assert_eq!(away.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&away.stderr).contains("error[CLI0008]"), "{away:?}");
    let vod = repository("workflows/vod.yaml");
    let missing = run(reelmill().arg("run").arg(&vod).arg("/nowhere.mp4"));
    assert_eq!(missing.status.code(), Some(4));
    let unset = run(reelmill().arg("run").arg(&vod).arg(fixture("logo.png")).args(["--set", "nope=1"]));
    assert_eq!(unset.status.code(), Some(2), "{unset:?}");
}

/// Needs the right to mount; where that is missing it says so.
#[test]
fn a_full_disk_is_said_with_its_code_and_loses_nothing() {
    let (folder, file) = workflow(
        "
name: full
output: { bucket: media, prefix: out/ }
retry: { attempts: 1 }
activities:
  small:
    transcode: { template: h264-240p, video: { preset: ultrafast }, name: small.mp4 }
",
    );
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let script =
        r#"mount -t tmpfs -o size=64k tmpfs "$1" || exit 99; TMPDIR="$1" exec "$2" run --json --output "$3" "$4" "$5""#;
    let result = run(std::process::Command::new("unshare")
        .args(["--mount", "sh", "-c", script, "sh"])
        .arg(&disk)
        .arg(env!("CARGO_BIN_EXE_reelmill"))
        .arg(folder.path().join("made"))
        .arg(&file)
        .arg(fixture("normal/tiny_aac_180p.mp4")));
    if matches!(result.status.code(), Some(1 | 99)) && result.stdout.is_empty() {
        eprintln!("skipped: no right to mount: {}", String::from_utf8_lossy(&result.stderr));
        return;
    }
    assert_eq!(result.status.code(), Some(1), "{}", String::from_utf8_lossy(&result.stderr));
    let execution = last_json(&String::from_utf8(result.stdout).unwrap());
    assert_eq!(execution["activities"]["small"]["error"]["code"], "MEDIA0015", "{execution:#}");
    assert_eq!(execution["activities"]["small"]["error"]["blame"], "infrastructure");
    assert!(files(&folder.path().join("made")).is_empty());
}
