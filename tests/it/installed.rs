//! An FFmpeg that lacks what a workflow needs, or a worker that is not there at all: said before anything runs.

use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::{files, last_json, reelmill, run, run_ok, wait_for, worker_script};

/// A workflow that needs an encoder of H.265, in the eighth line, and one that needs none of video.
const H265: &str = "name: h265
trigger: { bucket: uploads, key: 'in/*.mov' }
output: { bucket: media, prefix: 'out/' }
activities:
  a:
    transcode:
      name: a.mp4
      video: { codec: h265 }
      audio: none
";
const SOUND: &str = "name: sound
trigger: { bucket: uploads, key: 'in/*.wav' }
output: { bucket: media, prefix: 'out/' }
activities: { a: { transcode: { name: a.m4a, video: none } } }
";

/// A folder with workflows, and a worker that has no encoder but those of AAC and H.264.
fn place() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("workflows")).unwrap();
    std::fs::write(folder.path().join("workflows/h265.yaml"), H265).unwrap();
    std::fs::write(folder.path().join("workflows/sound.yaml"), SOUND).unwrap();
    let worker = worker_script(folder.path(), &["aac", "libx264"], "");
    (folder, worker)
}

fn validated(folder: &Path, worker: &Path) -> (Option<i32>, Value) {
    let mut command = reelmill();
    command.current_dir(folder).args(["validate", "--json", "workflows", "--worker"]).arg(worker);
    let result = run(&mut command);
    (result.status.code(), last_json(&String::from_utf8(result.stdout).unwrap()))
}

/// What `doctor` finds: exit code and report.
fn examined(folder: &Path, worker: &Path) -> (Option<i32>, Value) {
    let mut command = reelmill();
    command.current_dir(folder).args(["doctor", "--json"]).env("REELMILL_WORKER_PROGRAM", worker);
    command.env("REELMILL_API_LISTEN", "127.0.0.1:0").env("REELMILL_S3_ENDPOINT", "127.0.0.1:0");
    let result = run(&mut command);
    (result.status.code(), last_json(&String::from_utf8(result.stdout).unwrap()))
}

/// The check of that name.
fn check<'a>(report: &'a Value, name: &str) -> &'a Value {
    let found = report["checks"].as_array().unwrap().iter().find(|check| check["name"] == name);
    found.unwrap_or_else(|| panic!("there is no check {name}: {report:#}"))
}

#[test]
fn field_case_31_a_missing_encoder_is_named_by_validate_doctor_and_at_start() {
    let (folder, worker) = place();
    let (code, report) = validated(folder.path(), &worker);
    assert_eq!((code, report["diagnostics"].as_array().unwrap().len()), (Some(2), 1), "{report:#}");
    let found = &report["diagnostics"][0];
    assert_eq!((&found["code"], &found["line"]), (&json!("TPL0215"), &json!(8)), "{report:#}");
    assert!(found["message"].as_str().unwrap().contains("libx265"), "{report:#}");
    assert_eq!(report["notes"], json!([]));

    let (data, log) = (folder.path().join("data"), folder.path().join("log"));
    let mut daemon = reelmill()
        .env("REELMILL_LOG", "info")
        .env("REELMILL_WORKER_PROGRAM", &worker)
        .args(["serve", "--api", "127.0.0.1:0", "--s3-endpoint", "127.0.0.1:0", "--data"])
        .arg(&data)
        .arg("--workflows")
        .arg(folder.path().join("workflows"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let said = |what: &str| {
        wait_for(what, || {
            let log = std::fs::read_to_string(&log).unwrap();
            log.lines().find(|line| line.contains(what)).map(str::to_owned)
        })
    };
    let refused = said("TPL0215");
    assert!(refused.contains("h265.yaml:8") && refused.contains("libx265"), "{refused}");
    let loaded = said("workflows loaded");
    assert!(loaded.contains("sound") && !loaded.contains("h265"), "what needs it is refused, the rest runs: {loaded}");
    let (code, doctor) = examined(folder.path(), &worker);
    assert_eq!(code, Some(1), "{doctor:#}");
    let missing = check(&doctor, "encoders");
    assert_eq!(missing["state"], "warn");
    assert!(
        ["libx265 (H.265)", "libopus (opus)"].iter().all(|name| missing["message"].as_str().unwrap().contains(name))
    );
    let workflows = check(&doctor, "workflows");
    assert!(workflows["state"] == "fail" && workflows["message"].as_str().unwrap().contains("TPL0215"), "{workflows}");
    // What changes while the daemon runs is held against the same FFmpeg.
    std::fs::write(folder.path().join("workflows/late.yaml"), H265.replace("h265", "av1")).unwrap();
    assert!(said("late.yaml:8").contains("libsvtav1"));
    run_ok(std::process::Command::new("kill").args(["-TERM", &daemon.id().to_string()]));
    daemon.wait().unwrap();
}

#[test]
fn validate_without_a_worker_says_so_and_fails_nobody() {
    let (folder, _) = place();
    let silent = worker_script(&folder.path().join("workflows"), &[], "");
    std::fs::write(&silent, "#!/bin/sh\necho 'error while loading shared libraries' >&2\nexit 127\n").unwrap();
    for worker in [Path::new("/no/such/worker"), &silent] {
        let (code, report) = validated(folder.path(), worker);
        assert_eq!((code, &report["diagnostics"]), (Some(0), &json!([])), "{report:#}");
        let note = report["notes"][0].as_str().unwrap();
        assert!(note.contains("encoders were not checked"), "{note}");
    }
}

#[test]
fn doctor_finds_nothing_wrong_where_nothing_is_and_changes_nothing() {
    let (folder, _) = place();
    std::fs::remove_file(folder.path().join("workflows/h265.yaml")).unwrap();
    let before = files(folder.path());
    let (code, report) = examined(folder.path(), Path::new(env!("CARGO_BIN_EXE_reelmill-worker")));
    assert_eq!((code, &report["ok"]), (Some(0), &json!(true)), "{report:#}");
    for name in ["worker", "ffmpeg", "workflows", "store", "buckets", "api", "s3 endpoint"] {
        assert_eq!(check(&report, name)["state"], "ok", "{report:#}");
    }
    assert_eq!(files(folder.path()), before, "doctor writes nothing");
}

#[test]
fn doctor_names_each_thing_that_is_wrong_and_goes_on() {
    let (folder, worker) = place();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "not a database, and no folder").unwrap();
    let wrong = |settings: &[(&str, String)]| {
        let mut command = reelmill();
        command.current_dir(folder.path()).args(["doctor", "--json"]).env("REELMILL_WORKER_PROGRAM", &worker);
        command.env("REELMILL_API_LISTEN", "127.0.0.1:0").env("REELMILL_S3_ENDPOINT", "127.0.0.1:0");
        for (name, value) in settings {
            command.env(name, value);
        }
        let result = run(&mut command);
        assert_eq!(result.status.code(), Some(1), "{result:?}");
        last_json(&String::from_utf8(result.stdout).unwrap())
    };
    let failed = |report: &Value, name: &str, code: &str| {
        let check = check(report, name);
        assert_eq!(check["state"], "fail", "{report:#}");
        assert!(check["message"].as_str().unwrap().contains(code) && check["hint"].is_string(), "{check}");
    };
    let report = wrong(&[
        ("REELMILL_WORKER_PROGRAM", "/no/such/worker".to_owned()),
        ("REELMILL_STORE", format!("sqlite:{}", file.display())),
        ("REELMILL_WORKER_SCRATCH", file.join("below").display().to_string()),
        ("REELMILL_API_LISTEN", taken.local_addr().unwrap().to_string()),
    ]);
    failed(&report, "worker", "CLI0009");
    failed(&report, "store", "STORE0001");
    failed(&report, "scratch", "is not writable");
    failed(&report, "api", "CLI0011");
    let report = wrong(&[("REELMILL_STORE", "mysql://x".to_owned())]);
    failed(&report, "configuration", "CFG0004");
}
