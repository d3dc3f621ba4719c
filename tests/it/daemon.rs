//! The embedded daemon: uploads in, finished media out, whatever happens in between.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{Daemon, files, fixture, last_json, probe, reelmill, repository, run, run_ok, wait_for};

const SLOW: &str = "
name: slow
trigger: { bucket: uploads, key: 'in/**/*.mp4' }
output: { bucket: media, prefix: 'slow/${object.stem}/' }
retry: { attempts: 1 }
activities:
  probe:
    analysis: {}
  film:
    transcode: { template: h264-360p, video: { preset: slow }, name: film.mp4 }
  stream:
    package: { from: [film], protocol: hls, segment: 4s }
";

const SMALL: &str = "
name: small
trigger: { bucket: uploads, key: 'in/**' }
output: { bucket: media, prefix: 'small/${object.stem}/' }
retry: { attempts: 2, backoff: 10ms }
activities:
  probe:
    analysis: {}
  poster:
    snapshot: { at: 10%, width: 160, name: poster.jpg }
  marked:
    needs: [probe]
    watermark: { image: 's3://assets/logo.png', width: 20%, video: { preset: ultrafast }, name: marked.mp4 }
";

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(workflow: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("workflows")).unwrap();
        std::fs::write(folder.path().join("workflows/workflow.yaml"), workflow).unwrap();
        Self { folder }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn start(&self) -> Daemon {
        Daemon::start(&self.data(), &self.folder.path().join("workflows"))
    }

    fn scratch(&self) -> Vec<String> {
        files(&self.data().join("scratch"))
    }

    fn assert_nothing_left(&self) {
        let left: Vec<_> = std::fs::read_dir(self.data().join("scratch")).unwrap().collect();
        assert!(left.is_empty(), "scratch holds {left:?}");
    }
}

fn clip() -> PathBuf {
    fixture("sintel_dragon_720p_18s.mp4")
}

fn tiny() -> PathBuf {
    fixture("normal/tiny_aac_180p.mp4")
}

fn states(execution: &Value) -> Vec<(String, String)> {
    let activities = execution["activities"].as_object().unwrap();
    activities.iter().map(|(name, one)| (name.clone(), one["state"].as_str().unwrap().to_owned())).collect()
}

/// The output files of an execution are there, and are what the store says.
fn assert_whole(execution: &Value, data: &Path) {
    for activity in execution["activities"].as_object().unwrap().values() {
        for output in activity["outputs"].as_array().unwrap() {
            let path =
                data.join("buckets").join(output["bucket"].as_str().unwrap()).join(output["key"].as_str().unwrap());
            assert_eq!(path.metadata().unwrap().len(), output["size_bytes"].as_u64().unwrap(), "{}", path.display());
        }
    }
}

#[test]
fn field_case_21_killed_ten_times_in_the_middle_of_a_transcode() {
    let place = Place::new(SLOW);
    let daemon = place.start();
    daemon.put(&clip(), "s3://uploads/in/clip.mp4");
    let id =
        wait_for("the execution", || daemon.executions().first().map(|one| one["id"].as_str().unwrap().to_owned()));
    let mut daemon = daemon;
    for round in 0..10_u32 {
        // Each time a little further into the transcode.
        let threshold = f64::from(round) * 0.03;
        wait_for("progress", || {
            let film = &daemon.show(&id)["activities"]["film"];
            let far = film["progress"]["fraction"].as_f64().is_some_and(|fraction| fraction >= threshold);
            (film["state"] == "running" && far || film["state"] == "succeeded").then_some(())
        });
        daemon.kill();
        daemon = place.start();
    }
    let ended = daemon.ended(1);
    assert_eq!(ended.len(), 1, "one upload, one execution");
    let execution = &ended[0];
    assert_eq!(execution["state"], "succeeded", "{execution:#}");
    assert_whole(execution, &place.data());
    let film = &execution["activities"]["film"]["outputs"][0];
    let path = place.data().join("buckets/media").join(film["key"].as_str().unwrap());
    let (made, source) = (probe(&path), probe(&clip()));
    let duration = |media: &Value| media["format"]["duration_s"].as_f64().unwrap();
    assert!((duration(&made) - duration(&source)).abs() < 0.1, "{made:#}");
    place.assert_nothing_left();
    assert_eq!(daemon.end(), Some(0));
    place.assert_nothing_left();
}

#[test]
fn field_case_23_a_failure_is_told_and_retried_from_where_it_failed() {
    let place = Place::new(SMALL);
    let daemon = place.start();
    daemon.put(&tiny(), "s3://uploads/in/tiny.mp4");
    let execution = daemon.ended(1).remove(0);
    assert_eq!(execution["state"], "failed", "the logo is not there yet: {execution:#}");
    let marked = &execution["activities"]["marked"];
    assert!(marked["error"]["code"].as_str().is_some_and(|code| code.starts_with("OBJ")), "{marked:#}");
    place.assert_nothing_left();

    daemon.put(&fixture("logo.png"), "s3://assets/logo.png");
    let id = execution["id"].as_str().unwrap();
    run_ok(&mut daemon.cli(&["executions", "retry", id]));
    let execution = wait_for("the retried execution", || {
        Some(daemon.show(id)).filter(|execution| execution["state"] == "succeeded")
    });
    assert_eq!(execution["activities"]["poster"]["attempts"], 1, "{execution:#}");
    assert_whole(&execution, &place.data());
    place.assert_nothing_left();

    let log = run_ok(&mut daemon.cli(&["logs", id]));
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().enumerate().all(|(at, line)| line["seq"].as_u64() == Some(at as u64 + 1)), "{log}");
    assert_eq!(lines.iter().filter(|line| line["event"]["type"] == "ended").count(), 2, "{log}");
}

#[test]
fn field_fault_two_daemons_a_scratch_folder_that_vanishes_is_tried_again() {
    let place = Place::new(&SLOW.replace("attempts: 1", "attempts: 2, backoff: 10ms"));
    let daemon = place.start();
    daemon.put(&clip(), "s3://uploads/in/clip.mp4");
    let id = daemon.executions()[0]["id"].as_str().unwrap().to_owned();
    wait_for("progress", || {
        let film = &daemon.show(&id)["activities"]["film"];
        film["progress"]["fraction"].as_f64().is_some_and(|fraction| fraction > 0.0).then_some(())
    });
    std::fs::remove_dir_all(place.data().join("scratch")).unwrap();
    let execution = daemon.ended(1).remove(0);
    assert_eq!(execution["state"], "succeeded", "{execution:#}");
    assert_whole(&execution, &place.data());
    let log = run_ok(&mut daemon.cli(&["logs", &id]));
    assert!(log.contains("WORKER0015"), "{log}");
    assert_eq!(daemon.end(), Some(0));
}

#[test]
fn field_case_25_a_cancelled_execution_leaves_nothing_behind() {
    let place = Place::new(SLOW);
    let daemon = place.start();
    daemon.put(&clip(), "s3://uploads/in/clip.mp4");
    let id =
        wait_for("the execution", || daemon.executions().first().map(|one| one["id"].as_str().unwrap().to_owned()));
    wait_for("the transcode", || (daemon.show(&id)["activities"]["film"]["state"] == "running").then_some(()));
    wait_for("its scratch folder", || (!place.scratch().is_empty()).then_some(()));
    run_ok(&mut daemon.cli(&["executions", "cancel", &id]));
    let execution = daemon.ended(1).remove(0);
    assert_eq!(execution["state"], "cancelled", "{execution:#}");
    place.assert_nothing_left();
    assert!(daemon.bucket("media").is_empty(), "{:?}", daemon.bucket("media"));
    let again = run(&mut daemon.cli(&["executions", "cancel", &id]));
    assert_eq!(again.status.code(), Some(1), "cancelling what has ended");
}

#[test]
fn field_case_06_and_07_every_way_of_creating_an_object_triggers_and_extensions_ignore_case() {
    let place =
        Place::new(&SLOW.replace("h264-360p, video: { preset: slow }", "h264-240p, video: { preset: ultrafast }"));
    let daemon = place.start();
    daemon.put(&tiny(), "s3://uploads/in/deep/er/Tiny Film.MP4");
    daemon.put(&tiny(), "s3://uploads/elsewhere/tiny.mp4");
    let execution = daemon.ended(1).remove(0);
    assert_eq!(execution["state"], "succeeded", "{execution:#}");
    assert_eq!(daemon.executions().len(), 1);
    assert!(daemon.bucket("media").contains(&"slow/Tiny Film/film.mp4".to_owned()), "{:?}", daemon.bucket("media"));
}

#[test]
fn a_bad_file_fails_cleanly_and_harms_nobody() {
    let place = Place::new(
        &SLOW
            .replace("'in/**/*.mp4'", "'in/**'")
            .replace("h264-360p, video: { preset: slow }", "h264-240p, video: { preset: ultrafast }"),
    );
    let daemon = place.start();
    let bad = [
        "zero/zero.mp4",
        "nonmedia/html.mp4",
        "nonmedia/random.mp4",
        "corrupt/broken.mp4",
        "corrupt/empty.flv",
        "attack/hls_file_passwd.mp4",
        "attack/concat_passwd.mp4",
        "attack/sdp_listen.mp4",
    ];
    for name in bad {
        daemon.put(&fixture(name), &format!("s3://uploads/in/{}", name.replace('/', "-")));
    }
    daemon.put(&tiny(), "s3://uploads/in/good.mp4");
    let ended = daemon.ended(bad.len() + 1);
    for execution in &ended {
        let key = execution["input"]["key"].as_str().unwrap();
        if key == "in/good.mp4" {
            assert_eq!(execution["state"], "succeeded", "{execution:#}");
            continue;
        }
        assert_eq!(execution["state"], "failed", "{execution:#}");
        let error = &execution["activities"]["probe"]["error"];
        assert!(error["code"].as_str().is_some_and(|code| code.starts_with("MEDIA")), "{execution:#}");
        assert_eq!(error["blame"], "input", "{execution:#}");
        assert_eq!(execution["activities"]["probe"]["attempts"], 1, "input errors are not tried again");
    }
    place.assert_nothing_left();
}

#[test]
fn field_case_01_an_upload_runs_once_over_restarts_and_again_when_it_is_new() {
    let place = Place::new(&SMALL.replace("s3://assets/logo.png", "s3://uploads/logo.png"));
    let daemon = place.start();
    daemon.put(&fixture("logo.png"), "s3://uploads/logo.png");
    daemon.put(&tiny(), "s3://uploads/in/tiny.mp4");
    assert_eq!(daemon.ended(1).len(), 1);
    daemon.kill();
    let daemon = place.start();
    assert_eq!(daemon.ready["reclaimed"], 0);
    assert_eq!(daemon.executions().len(), 1);
    daemon.put(&tiny(), "s3://uploads/in/tiny.mp4");
    assert_eq!(daemon.ended(2).len(), 2);
}

#[test]
fn a_workflow_that_stops_compiling_stays_active_in_its_last_good_version() {
    let place = Place::new(&SMALL.replace("    needs: [probe]\n    watermark: { image: 's3://assets/logo.png', width: 20%, video: { preset: ultrafast }, name: marked.mp4 }\n", "    snapshot: { at: 1s, name: second.jpg }\n"));
    let daemon = place.start();
    std::fs::write(place.folder.path().join("workflows/workflow.yaml"), "name: [").unwrap();
    daemon.put(&tiny(), "s3://uploads/in/tiny.mp4");
    assert_eq!(daemon.ended(1)[0]["state"], "succeeded");
}

#[test]
fn a_new_workflow_works_at_once_with_its_new_bucket_and_beside_a_file_that_cannot_be_read() {
    let place = Place::new(SMALL);
    let workflows = place.folder.path().join("workflows");
    std::fs::write(workflows.join("latin1.yaml"), b"name: caf\xe9").unwrap();
    let daemon = place.start();
    std::fs::write(
        workflows.join("late.yaml"),
        "
name: late
trigger: { bucket: late-uploads, key: '**' }
output: { bucket: media }
activities: { poster: { snapshot: { at: 10%, width: 160, name: poster.jpg } } }
",
    )
    .unwrap();
    wait_for("the bucket", || place.data().join("buckets/late-uploads").is_dir().then_some(()));
    daemon.put(&tiny(), "s3://late-uploads/tiny.mp4");
    let execution = daemon.ended(1).remove(0);
    assert_eq!((&execution["workflow"], &execution["state"]), (&"late".into(), &"succeeded".into()), "{execution:#}");
}

#[test]
fn two_daemons_cannot_share_a_store_or_a_port() {
    let place = Place::new(SMALL);
    let daemon = place.start();
    let serve = |data: &Path, api: &str| {
        run(reelmill()
            .args(["serve", "--s3-endpoint", "127.0.0.1:0", "--api", api, "--data"])
            .arg(data)
            .arg("--workflows")
            .arg(place.folder.path().join("workflows")))
    };
    let second = serve(&daemon.data, "127.0.0.1:0");
    assert_eq!(second.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&second.stderr).contains("error[STORE0003]"), "{second:?}");
    let port = daemon.api.trim_start_matches("http://").to_owned();
    let second = serve(&place.folder.path().join("other"), &port);
    assert_eq!(second.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&second.stderr).contains("error[CLI0011]"), "{second:?}");
    assert_eq!(daemon.end(), Some(0));
}

#[test]
fn a_missing_bucket_wrong_credentials_and_storage_out_of_reach_are_said_with_their_codes() {
    let place = Place::new(SMALL);
    let daemon = place.start();
    let keys: Value =
        serde_json::from_slice(&std::fs::read(place.data().join("s3-credentials.json")).unwrap()).unwrap();
    let (id, secret) = (keys["access_key_id"].as_str().unwrap(), keys["secret_access_key"].as_str().unwrap());
    let endpoint = daemon.ready["s3_endpoint"].as_str().unwrap();
    for (url, id, secret, object, exit) in [
        (endpoint, id, secret, "s3://nowhere-at-all/a.mp4", 4),
        (endpoint, id, secret, "s3://uploads/nothing.mp4", 4),
        (endpoint, id, "wrong", "s3://uploads/nothing.mp4", 3),
        (endpoint, "wrong", secret, "s3://uploads/nothing.mp4", 3),
        ("http://127.0.0.1:1", id, secret, "s3://uploads/nothing.mp4", 3),
    ] {
        let probed = run(reelmill()
            .args(["probe", "--json", object])
            .env("AWS_ACCESS_KEY_ID", id)
            .env("AWS_SECRET_ACCESS_KEY", secret)
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ENDPOINT_URL", url));
        let error = last_json(&String::from_utf8(probed.stderr).unwrap());
        assert_eq!(probed.status.code(), Some(exit), "{url} {object}: {error}");
        assert!(error["error"]["code"].as_str().unwrap().starts_with("OBJ"), "{error}");
    }
}

#[test]
fn the_example_workflows_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(folder.path(), &repository("workflows"));
    daemon.put(&tiny(), "s3://uploads/incoming/tiny.mp4");
    let execution = daemon.ended(1).remove(0);
    assert_eq!(execution["state"], "succeeded", "{execution:#}");
    assert_eq!(execution["workflow"], "vod");
    assert!(states(&execution).iter().all(|(_, state)| state == "succeeded" || state == "skipped"), "{execution:#}");
    let unknown = run(&mut daemon.cli(&["executions", "show", "00000000-0000-7000-8000-000000000000"]));
    assert_eq!(unknown.status.code(), Some(4));
    assert_eq!(last_json(&String::from_utf8(unknown.stderr).unwrap())["error"]["code"], "STORE0006");
}
