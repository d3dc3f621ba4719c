//! What stops a newcomer on the way: settings that are mistyped, files that are elsewhere, commands that say too little.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{Daemon, files, fixture, last_json, reelmill, run, run_ok, wait_for, worker_script};

const LOOK: &str = "name: look\ntrigger: { bucket: uploads, key: 'in/*' }\nactivities: { a: { analysis: {} } }\n";

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Standard output of a command that succeeds in a folder.
fn said(folder: &Path, args: &[&str]) -> String {
    run_ok(reelmill().args(args).current_dir(folder))
}

/// Exit code and standard error of a command in a folder.
fn refused(folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    let output = run(reelmill().args(args).current_dir(folder));
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn newcomer_a_configuration_is_told_all_its_mistakes_in_its_text() {
    let folder = tempfile::tempdir().unwrap();
    let text = "store: postgres://me:hunter2@db/x\nworker:\n  slotz: 3\n  lease: long\nevents: 5\n";
    write(folder.path(), "reelmill.yaml", text);
    let (exit, told) = refused(folder.path(), &["serve", "--config", "reelmill.yaml"]);
    assert_eq!(exit, Some(2), "{told}");
    for said in ["did you mean `slots`?", "worker.lease: ", "events takes a list", "reelmill.yaml:3:3", "3 errors"] {
        assert!(told.contains(said), "{said}: {told}");
    }
    assert!(!told.contains("hunter2"), "{told}");
    let (_, told) = refused(folder.path(), &["serve", "--config", "reelmill.yaml", "--json"]);
    let error = last_json(&told)["error"].clone();
    assert_eq!((&error["code"], error["chain"].as_array().unwrap().len()), (&Value::from("CFG0002"), 3), "{error}");
    let doctor = run(reelmill().args(["doctor", "--config", "reelmill.yaml"]).current_dir(folder.path()));
    assert!(String::from_utf8(doctor.stdout).unwrap().contains("did you mean `slots`?"));
}

#[test]
fn newcomer_a_queue_that_the_configuration_does_not_list_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let workers = worker_script(folder.path(), &[], "exit 0");
    write(
        folder.path(),
        "workflows/look.yaml",
        &LOOK.replace("a: { analysis: {} }", "a: { analysis: {}, queue: premiun }"),
    );
    let doctor = |config: &str| {
        write(folder.path(), "reelmill.yaml", config);
        let mut command = reelmill();
        command.args(["doctor", "--json", "--config", "reelmill.yaml"]).current_dir(folder.path());
        let report =
            last_json(&String::from_utf8(run(command.env("REELMILL_WORKER_PROGRAM", &workers)).stdout).unwrap());
        let checks = report["checks"].as_array().unwrap().clone();
        checks.into_iter().find(|check| check["name"] == "queues")
    };
    let warned = doctor("queues: { premium: {} }\n").unwrap();
    assert_eq!(warned["state"], "warn", "{warned}");
    let message = warned["message"].as_str().unwrap();
    assert!(message.contains("CFG0011") && message.contains("did you mean `premium`?"), "{message}");
    assert_eq!(doctor("queues: { premiun: {} }\n").unwrap()["state"], "ok");
    assert_eq!(doctor("{}\n"), None, "without a list workflows name what they like");
}

#[test]
fn newcomer_templates_and_workflows_of_the_folder_are_found_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let missing = said(at, &["templates", "list"]);
    assert!(missing.contains("h264-720p") && !missing.contains("mobile"), "{missing}");
    write(at, "workflows/templates/mobile.yaml", "name: mobile\nextends: h264-360p\nvideo: { crf: 30 }\n");
    write(at, "workflows/templates/broken.yaml", "name: broken\nextends: mobil\n");
    let small = "name: small\ntrigger: { bucket: uploads, key: 'in/*' }\noutput: { bucket: media }\n\
                 activities: { a: { transcode: { template: mobile, name: a.mp4 } }, info: { analysis: {} } }\n";
    write(at, "workflows/small.yaml", small);
    std::fs::copy(fixture("normal/tiny_aac_180p.mp4"), at.join("clip.mp4")).unwrap();

    let (exit, told) = refused(at, &["validate", "workflows/templates/broken.yaml"]);
    assert!(exit == Some(2) && told.contains("did you mean `mobile`?") && !told.contains("activities"), "{told}");
    std::fs::remove_file(at.join("workflows/templates/broken.yaml")).unwrap();
    assert!(said(at, &["templates", "list"]).contains("mobile"));
    assert!(said(at, &["templates", "show", "mobile"]).contains("crf: 30"));
    assert!(said(at, &["validate", "workflows/templates/mobile.yaml"]).contains("1 file: 0 errors"));
    let (exit, told) = refused(at, &["graph", "workflows/templates/mobile.yaml"]);
    assert!(exit == Some(2) && told.contains("is a template"), "{told}");

    assert!(said(at, &["graph", "small"]).contains("transcode"));
    let plan = said(at, &["plan", "small", "clip.mp4"]);
    assert!(plan.contains("h264 320×180 crf 30, aac ") && !plan.contains("would not start"), "{plan}");
    said(at, &["run", "small", "clip.mp4", "--output", "made"]);
    assert_eq!(files(&at.join("made")), ["a.mp4"]);
    let (exit, told) = refused(at, &["plan", "smal", "clip.mp4"]);
    assert!(exit == Some(4) && told.contains("./workflows (small)"), "{told}");
}

#[test]
fn newcomer_what_was_made_is_fetched_and_a_daemon_elsewhere_is_uploaded_to() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let poster = "name: poster\ntrigger: { bucket: uploads, key: 'in/*.mp4' }\n\
                  output: { bucket: media, prefix: '${object.stem}/' }\n\
                  activities: { poster: { snapshot: { at: 0s, width: 160, name: poster.jpg } } }\n";
    write(at, "workflows/poster.yaml", poster);
    let daemon = Daemon::start(&at.join("data"), &at.join("workflows"));
    let text = std::fs::read_to_string(at.join("data/daemon.json")).unwrap();
    let running: Value = serde_json::from_str(&text).unwrap();
    let text = std::fs::read_to_string(at.join("data/s3-credentials.json")).unwrap();
    let keys: Value = serde_json::from_str(&text).unwrap();
    // As on a machine that has nothing but the addresses and the keys.
    std::fs::create_dir(at.join("elsewhere")).unwrap();
    let remote = |args: &[&str]| -> Command {
        let mut command = reelmill();
        command
            .args(args)
            .current_dir(at.join("elsewhere"))
            .env("AWS_ENDPOINT_URL", running["s3_endpoint"].as_str().unwrap())
            .env("AWS_ACCESS_KEY_ID", keys["access_key_id"].as_str().unwrap())
            .env("AWS_SECRET_ACCESS_KEY", keys["secret_access_key"].as_str().unwrap())
            .env("AWS_REGION", "us-east-1");
        command
    };
    let clip = fixture("normal/tiny_aac_180p.mp4");
    let clip = clip.to_str().unwrap();
    let put = |to: &str| run_ok(remote(&["put", clip, to, "--url", &daemon.api]).env("REELMILL_LOG", "off"));
    let told = put("s3://uploads/in/clip.mp4");
    let id = told.lines().find_map(|line| line.strip_prefix("  started poster: ")).unwrap_or_else(|| panic!("{told}"));
    assert!(put("s3://uploads/out.mp4").contains("started nothing:\n    poster: the key does not match"));
    daemon.ended(1);

    let told = run_ok(&mut remote(&["get", id, "made", "--url", &daemon.api]));
    assert!(told.starts_with("made/clip/poster.jpg  "), "{told}");
    let made = at.join("elsewhere/made/clip/poster.jpg");
    assert_eq!(std::fs::read(&made).unwrap(), std::fs::read(at.join("data/buckets/media/clip/poster.jpg")).unwrap());
    // Beside the daemon its data folder says everything.
    let local =
        last_json(&run_ok(reelmill().args(["get", "@last", "--json"]).current_dir(at).args(["--data", "data"])));
    assert_eq!(local["path"], "./clip/poster.jpg", "{local}");
    let job = run_ok(&mut daemon.cli(&["jobs", "submit", "analysis", "s3://uploads/in/clip.mp4", "--wait", "60s"]));
    let none = run(reelmill().args(["get", last_json(&job)["id"].as_str().unwrap(), "--data"]).arg(at.join("data")));
    assert_eq!(none.status.code(), Some(4));
    assert!(String::from_utf8(none.stderr).unwrap().contains("CLI0034"));

    let plan = |object: &str| said(at, &["plan", "poster", object, "--data", "data"]);
    assert!(!plan("s3://uploads/in/clip.mp4").contains("would not start"));
    let elsewhere = plan("s3://uploads/out.mp4");
    assert!(elsewhere.contains("would not start poster: the key does not match `in/*.mp4`"), "{elsewhere}");
    let (exit, told) = refused(at, &["jobs", "submit", "remux", "s3://uploads/in/clip.mp4", "--url", &daemon.api]);
    assert!(exit == Some(2) && told.contains("--output s3://") && told.lines().count() == 1, "{told}");
    let doctor = run(reelmill().args(["doctor", "--data", "data"]).current_dir(at));
    let told = String::from_utf8(doctor.stdout).unwrap();
    assert!(told.contains(&format!("the daemon of this data folder listens at {}", daemon.api)), "{told}");
}

#[test]
fn newcomer_a_daemon_that_is_asked_to_end_says_what_it_waits_for() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    write(at, "workflows/look.yaml", LOOK);
    let hangs = worker_script(at, &[], "exec sleep 1000");
    write(at, "reelmill.yaml", "s3_endpoint: 127.0.0.1:0\nworker: { slots: 1, drain: 1s, grace: 100ms }\n");
    let log = at.join("log");
    let mut child = reelmill()
        .env("REELMILL_LOG", "info")
        .env("REELMILL_WORKER_PROGRAM", &hangs)
        .args(["serve", "--config", "reelmill.yaml", "--api", "127.0.0.1:0", "--data", "data"])
        .current_dir(at)
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let logged = || std::fs::read_to_string(&log).unwrap();
    let said = |what: &str| wait_for(what, || logged().contains(what).then_some(()));
    wait_for("the daemon", || at.join("data/daemon.json").exists().then_some(()));
    let clip = fixture("normal/tiny_aac_180p.mp4");
    run_ok(reelmill().arg("put").arg(clip).args(["s3://uploads/in/a.mp4", "--data", "data"]).current_dir(at));
    let running: Value = serde_json::from_str(&std::fs::read_to_string(at.join("data/daemon.json")).unwrap()).unwrap();
    let url = running["api"].as_str().unwrap();
    wait_for("the job to run", || {
        let shown = run_ok(reelmill().args(["executions", "show", "@last", "--json", "--url", url]));
        (last_json(&shown)["state"] == "running").then_some(())
    });
    run_ok(Command::new("kill").args(["-TERM", &child.id().to_string()]));
    said("draining: 1 job runs, waiting up to 1 s for it");
    assert!(child.wait().unwrap().success());
    let logged = logged();
    assert!(
        logged.contains("stopping the jobs that still run") && logged.contains("\"message\":\"the daemon ended\""),
        "{logged}"
    );
}
