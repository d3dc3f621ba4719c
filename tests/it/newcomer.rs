//! The first ten minutes: from an empty folder to finished media, with nothing but what the commands say.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use serde_json::json;

use crate::support::{Daemon, fixture, last_json, reelmill, run, run_ok, wait_for};

fn put(daemon: &Daemon, files: &[&Path], to: &str) -> String {
    run_ok(reelmill().arg("put").args(files).arg(to).arg("--data").arg(&daemon.data))
}

#[test]
fn newcomer_init_writes_a_workflow_that_is_right_and_replaces_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let init = |more: &[&str]| run(reelmill().arg("init").args(more).current_dir(folder.path()));
    let first = init(&["--bucket", "masters"]);
    let told = String::from_utf8(first.stdout).unwrap();
    assert!(first.status.success() && told.contains("reelmill put FILE s3://masters/incoming/"), "{told}");
    let path = folder.path().join("workflows/starter.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    run_ok(reelmill().arg("validate").arg(&path));
    let again = init(&[]);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8(again.stderr).unwrap().contains("CLI0031"));
    assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
    assert_eq!(init(&["--bucket", "s3://x", "--workflows", "other"]).status.code(), Some(2));
    assert!(!folder.path().join("other").exists());
}

#[test]
fn newcomer_put_says_what_each_file_started_or_why_nothing_did() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let daemon = Daemon::start(&at("data"), &at("workflows"));
    let explain = |object: &str| {
        let explained = run(reelmill().args(["events", "explain", object, "--url", &daemon.api]));
        (explained.status.code(), String::from_utf8(explained.stdout).unwrap())
    };
    let (one, two) = (at("one.mp4"), at("two.txt"));
    std::fs::copy(fixture("normal/tiny_aac_180p.mp4"), &one).unwrap();
    std::fs::write(&two, "no media").unwrap();

    let told = put(&daemon, &[&one], "s3://uploads/incoming/");
    assert!(told.contains("started nothing: there are no workflows yet; `reelmill init`"), "{told}");
    let (exit, told) = explain("s3://uploads/incoming/one.mp4");
    assert!(exit == Some(4) && told.contains("there are no workflows yet"), "{told}");

    run_ok(reelmill().args(["init", "--workflows"]).arg(at("workflows")));
    wait_for("the workflow", || run_ok(&mut daemon.cli(&["workflows", "list"])).contains("starter").then_some(()));
    let told = put(&daemon, &[&one, &two], "s3://uploads/incoming/");
    let id = told.lines().find_map(|line| line.strip_prefix("  started starter: ")).unwrap_or_else(|| panic!("{told}"));
    assert!(told.contains("started nothing:\n    starter: the key does not match"), "{told}");
    assert_eq!(daemon.show(id)["workflow"], "starter");
    let page = format!("console {}/executions/{id}", daemon.api);
    assert!(told.contains(&page), "{told}");

    let told = put(&daemon, &[&one], "s3://elsewhere/one.mp4");
    assert!(
        told.contains("started nothing: no workflow has a trigger for bucket `elsewhere`, only for `uploads`"),
        "{told}"
    );
    let (exit, told) = explain("s3://uploads/incoming/none.mp4");
    assert!(exit == Some(4) && told.contains("there is no such object"), "{told}");
    let (_, told) = explain("s3://elsewhere/one.mp4");
    assert!(!told.contains("no such object"), "{told}");
    assert!(told.contains("no workflow has a trigger for bucket `elsewhere`"), "{told}");

    std::fs::copy(&two, at("bad.mp4")).unwrap();
    let told = put(&daemon, &[&at("bad.mp4")], "s3://uploads/incoming/");
    let id = told.lines().find_map(|line| line.strip_prefix("  started starter: ")).unwrap_or_else(|| panic!("{told}"));
    daemon.ended(2);
    let told = run_ok(reelmill().args(["executions", "show", id, "--url", &daemon.api]));
    assert!(told.contains("\ncause      the uploaded file; upload another file\n"), "{told}");
    assert!(told.contains(&format!("\nconsole    {}/executions/{id}\n", daemon.api)), "{told}");

    let two_under_one_key =
        run(reelmill().arg("put").args([&one, &two]).arg("s3://uploads/x").arg("--data").arg(&daemon.data));
    assert_eq!(two_under_one_key.status.code(), Some(2));
    std::fs::create_dir(at("other")).unwrap();
    std::fs::copy(&one, at("other/one.mp4")).unwrap();
    let two_of_one_name = run(reelmill()
        .arg("put")
        .args([&one, &at("other/one.mp4")])
        .arg("s3://uploads/x/")
        .arg("--data")
        .arg(&daemon.data));
    assert_eq!(two_of_one_name.status.code(), Some(2));
    assert!(String::from_utf8(two_of_one_name.stderr).unwrap().contains("would overwrite another"));
}

#[test]
fn newcomer_a_broken_file_is_named_wherever_an_upload_is_explained() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("workflows")).unwrap();
    let look = "name: look\ntrigger: { bucket: uploads, key: '*.mp4' }\nactivities: { probe: { analysis: {} } }\n";
    std::fs::write(at("workflows/look.yaml"), look).unwrap();
    std::fs::write(at("workflows/podcast.yaml"), look.replace("look", "podcast").replace("analysis", "anlysis"))
        .unwrap();
    let daemon = Daemon::start(&at("data"), &at("workflows"));
    let (media, text) = (at("one.mp4"), at("two.txt"));
    std::fs::copy(fixture("normal/tiny_aac_180p.mp4"), &media).unwrap();
    std::fs::write(&text, "no media").unwrap();
    let refused = |args: &[&str]| {
        let output = run(reelmill().args(args).args(["--url", &daemon.api]));
        String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
    };
    let why = "podcast: its file has 1 error (reelmill validate";

    let told = put(&daemon, &[&text], "s3://uploads/");
    assert!(told.contains(why), "{told}");
    let told = refused(&["events", "explain", "s3://uploads/two.txt"]);
    assert!(told.contains("podcast: not started: its file has 1 error"), "{told}");
    let told = put(&daemon, &[&text], "s3://elsewhere/");
    assert!(told.contains("podcast: its file has 1 error (reelmill workflows show podcast)"), "{told}");
    let told = refused(&["executions", "start", "podcast", "s3://uploads/one.mp4"]);
    assert!(told.contains("STORE0006") && told.contains("podcast is broken: its file has 1 error"), "{told}");

    let told = put(&daemon, &[&media], "s3://uploads/");
    assert!(told.contains("started look: ") && !told.contains("earlier"), "{told}");
    std::fs::write(at("workflows/look.yaml"), "name: look\n").unwrap();
    wait_for("the broken file", || refused(&["workflows", "list"]).contains("an earlier version").then_some(()));
    let told = put(&daemon, &[&media], "s3://uploads/again.mp4");
    assert!(told.contains("started look: ") && told.contains(" (an earlier version; its file is broken)"), "{told}");
}

#[test]
fn newcomer_the_beginning_of_an_identifier_will_do_and_last_is_the_newest() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("workflows")).unwrap();
    let text = "name: look\ntrigger: { bucket: uploads }\nactivities: { a: { analysis: {} } }\n";
    std::fs::write(at("workflows/look.yaml"), text).unwrap();
    let daemon = Daemon::start(&at("data"), &at("workflows"));
    let shown = |id: &str| run(&mut daemon.cli(&["executions", "show", id]));
    assert_eq!(shown("@last").status.code(), Some(4));
    for key in ["one.mp4", "two.mp4"] {
        daemon.put(&fixture("normal/tiny_aac_180p.mp4"), &format!("s3://uploads/{key}"));
    }
    let ended = daemon.ended(2);
    let newest = ended[0]["id"].as_str().unwrap();
    let id = |output: std::process::Output| last_json(&String::from_utf8(output.stdout).unwrap())["id"].clone();
    assert_eq!(id(shown("@last")), *newest);
    assert_eq!(id(shown(&newest[..35].to_uppercase())), *newest);
    assert!(run_ok(&mut daemon.cli(&["logs", &newest[..35]])).contains("succeeded"));
    // Both began within the same minutes.
    assert_eq!(shown(&newest[..4]).status.code(), Some(2));
    assert_eq!(shown("ffff0000").status.code(), Some(4));
    assert_eq!(shown("latest").status.code(), Some(2));
    run_ok(&mut daemon.cli(&["executions", "list", "--since", "today"]));
    for (since, count) in [("1h", 2), ("2031-01-01", 0)] {
        let page = last_json(&run_ok(&mut daemon.cli(&["executions", "list", "--since", since])));
        assert_eq!(page["items"].as_array().unwrap().len(), count, "{since}");
    }
}

#[test]
fn newcomer_serve_in_an_empty_folder_names_the_console_and_the_next_step() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = reelmill()
        .args(["serve", "--api", "127.0.0.1:0", "--s3-endpoint", "127.0.0.1:0"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(daemon.stdout.take().unwrap()).lines();
    let mut told = Vec::new();
    for line in lines {
        told.push(line.unwrap());
        if told.last().is_some_and(|line| line.contains("reelmill init")) {
            break;
        }
    }
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    assert!(told[0].starts_with("Console      http://127.0.0.1:"), "{told:?}");
    let place = folder.path().canonicalize().unwrap().join("workflows");
    assert!(told.iter().any(|line| line.contains(&format!("none in {}", place.display()))), "{told:?}");
}

#[test]
fn newcomer_what_waits_is_called_queued_and_its_paused_queue_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("workflows")).unwrap();
    let text =
        "name: look\ntrigger: { bucket: uploads }\nactivities: { a: { analysis: {}, queue: bulk, priority: 4 } }\n";
    std::fs::write(at("workflows/look.yaml"), text).unwrap();
    let config =
        format!("s3_endpoint: 127.0.0.1:0\nworkflows: {}\nqueues: {{ bulk: {{}} }}\n", at("workflows").display());
    std::fs::write(at("reelmill.yaml"), config).unwrap();
    let daemon = Daemon::with_config(&at("reelmill.yaml"), &at("data"), &HashMap::new());
    let said = |args: &[&str]| run_ok(reelmill().args(args).args(["--url", &daemon.api]));
    let json = |args: &[&str]| last_json(&run_ok(&mut daemon.cli(args)));
    said(&["queues", "pause", "bulk"]);
    for key in ["one.mp4", "two.mp4", "three.mp4"] {
        daemon.put(&fixture("normal/tiny_aac_180p.mp4"), &format!("s3://uploads/{key}"));
    }
    let job = json(&["jobs", "submit", "analysis", "s3://uploads/one.mp4", "--queue", "bulk"]);

    let waiting = json!([{ "queue": "bulk", "paused": true }]);
    for list in [&["executions", "list"], &["jobs", "list"]] {
        let items = json(list)["items"].as_array().unwrap().clone();
        assert!(items.iter().all(|one| one["state"] == "queued" && one["waiting"] == waiting), "{items:#?}");
        assert!(said(list).contains("queued, queue bulk is paused  bulk"), "{}", said(list));
    }
    let id = job["id"].as_str().unwrap();
    let shown = json(&["jobs", "show", id]);
    assert_eq!((&shown["state"], &shown["waiting"]), (&json!("queued"), &waiting));
    assert!(said(&["jobs", "show", id]).contains("state      queued, queue bulk is paused"));
    let shown = said(&["executions", "show", "@last"]);
    assert!(shown.contains("state      queued, queue bulk is paused") && shown.contains("bulk   6"), "{shown}");

    let count = |state: &str| json(&["executions", "list", "--state", state])["items"].as_array().unwrap().len();
    assert_eq!((count("queued"), count("running"), count("running,queued")), (4, 0, 4));
    let refused = run(&mut daemon.cli(&["executions", "list", "--state", "waiting"]));
    assert_eq!(refused.status.code(), Some(2));

    // Several at once: by name, or all that fit.
    let ids: Vec<String> = daemon.executions().iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect();
    let cancelled = said(&["executions", "cancel", &ids[1], &ids[2]]);
    assert_eq!(cancelled.lines().count(), 2, "{cancelled}");
    said(&["executions", "cancel", "--all", "--workflow", "look", "--state", "queued"]);
    assert_eq!((count("cancelled"), count("queued"), count("failed,cancelled")), (3, 1, 3));
    let none = run(reelmill().args(["executions", "retry", "--all", "--workflow", "look", "--url", &daemon.api]));
    assert!(none.status.success() && String::from_utf8(none.stderr).unwrap().contains("no execution matches"));
    let retried = json(&["executions", "retry", "--all", "--workflow", "look", "--state", "cancelled"]);
    assert_eq!((&retried["state"], count("queued")), (&json!("queued"), 4));
    let mixed = run(&mut daemon.cli(&["executions", "cancel", &ids[1], "00000000-0000-7000-8000-000000000000"]));
    assert_eq!((mixed.status.code(), count("queued")), (Some(1), 3), "one is unknown, the other is cancelled");
    for wrong in [
        &["executions", "cancel"][..],
        &["executions", "cancel", &ids[1], "--all"],
        &["executions", "retry", "--state", "failed"],
    ] {
        assert_eq!(run(&mut daemon.cli(wrong)).status.code(), Some(2), "{wrong:?}");
    }
    said(&["queues", "resume", "bulk"]);
    assert_eq!(daemon.ended(4).iter().filter(|one| one["state"] == "succeeded").count(), 3);
}
