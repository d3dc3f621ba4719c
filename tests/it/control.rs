//! Queues, priorities, refusals, hand-back, and what kills its workers: what an operator does and sees.

use std::collections::HashMap;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::support::{Daemon, fixture, last_json, reelmill, repository, run, run_ok, wait_for, worker_script};

const QUICK: &str = "
name: quick
trigger: { bucket: uploads, key: 'in/**' }
output: { bucket: media, prefix: 'quick/${object.stem}/' }
retry: { attempts: 9, backoff: 10ms, max: 10ms }
params: { width: { type: int, default: 100 } }
activities:
  poster:
    snapshot: { at: 10%, width: '${params.width}', name: 'poster-${params.width}.jpg' }
";

const SLOW: &str = "
name: slow
trigger: { bucket: uploads, key: 'in/**' }
output: { bucket: media, prefix: 'slow/${object.stem}/' }
activities:
  film:
    transcode: { template: h264-360p, video: { preset: slow }, name: film.mp4 }
";

/// A folder with one workflow and a configuration that has more to say than the defaults.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new(workflow: &str, more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name).display().to_string();
        std::fs::create_dir(at("workflows")).unwrap();
        std::fs::write(at("workflows/workflow.yaml"), workflow).unwrap();
        let config = format!("s3_endpoint: 127.0.0.1:0\nworkflows: {}\n{more}\n", at("workflows"));
        std::fs::write(at("reelmill.yaml"), config).unwrap();
        Self { folder }
    }

    fn start(&self) -> Daemon {
        self.start_with(&HashMap::new())
    }

    fn start_with(&self, environment: &HashMap<&str, String>) -> Daemon {
        let path = self.folder.path();
        Daemon::with_config(&path.join("reelmill.yaml"), &path.join("data"), environment)
    }
}

fn tiny() -> PathBuf {
    fixture("normal/tiny_aac_180p.mp4")
}

fn ask(daemon: &Daemon, args: &[&str]) -> Value {
    last_json(&run_ok(&mut daemon.cli(args)))
}

fn refused(daemon: &Daemon, args: &[&str]) -> (Option<i32>, String) {
    let output = run(&mut daemon.cli(args));
    let error = last_json(&String::from_utf8(output.stderr).unwrap());
    (output.status.code(), error["error"]["message"].as_str().unwrap().to_owned())
}

#[test]
fn field_case_29_a_paused_queue_keeps_its_jobs_and_a_resumed_one_runs_them() {
    let place = Place::new(QUICK, "queues: { default: { concurrency: 1 } }");
    let daemon = place.start();
    let paused = ask(&daemon, &["queues", "pause", "default"]);
    assert_eq!((&paused["paused"], &paused["concurrency"]), (&json!(true), &json!(1)));
    daemon.put(&tiny(), "s3://uploads/in/a.mp4");
    daemon.put(&tiny(), "s3://uploads/in/b.mp4");
    let queue = ask(&daemon, &["queues", "list"])["items"][0].clone();
    assert_eq!((&queue["waiting"], &queue["running"]), (&json!(2), &json!(0)), "{queue}");
    assert!(queue["oldest"].is_string(), "{queue}");
    let executions = daemon.executions();
    let second = executions[0]["id"].as_str().unwrap();
    assert_eq!(ask(&daemon, &["executions", "priority", second, "9"])["state"], "queued");
    daemon.kill();

    let daemon = place.start();
    assert_eq!(ask(&daemon, &["queues", "list"])["items"][0]["paused"], true, "a pause outlives the daemon");
    ask(&daemon, &["queues", "set", "default", "--concurrency", "1"]);
    ask(&daemon, &["queues", "resume", "default"]);
    let ended = daemon.ended(2);
    let at = |id: &Value| ended.iter().find(|one| one["id"] == *id).unwrap()["ended_at"].as_str().unwrap().to_owned();
    assert!(at(&executions[0]["id"]) < at(&executions[1]["id"]), "the second was put first: {ended:#?}");
    let (code, message) = refused(&daemon, &["queues", "pause", "defualt"]);
    assert!(code == Some(4) && message.contains("the queues are default"), "{message}");
    let (code, message) = refused(&daemon, &["queues", "set", "default?x", "--concurrency", "1"]);
    assert!(code == Some(4) && message.contains("default?x"), "not another queue: {message}");
}

#[test]
fn a_retry_can_change_a_parameter() {
    let place = Place::new(QUICK, "");
    let daemon = place.start();
    daemon.put(&tiny(), "s3://uploads/in/a.mp4");
    let done = daemon.ended(1).remove(0);
    assert_eq!(done["state"], "succeeded", "{done:#}");
    let id = done["id"].as_str().unwrap();
    let (code, _) = refused(&daemon, &["executions", "retry", id]);
    assert_eq!(code, Some(1), "nothing is left to do");

    daemon.put(&fixture("nonmedia/html.mp4"), "s3://uploads/in/empty.mp4");
    let failed = daemon.ended(2).remove(0);
    let id = failed["id"].as_str().unwrap();
    assert_eq!(failed["state"], "failed");
    let (code, message) = refused(&daemon, &["executions", "retry", id, "--set", "widht=50"]);
    assert!(code == Some(2) && message.contains("did you mean `width`?"), "{message}");
    let again = ask(&daemon, &["executions", "retry", id, "--set", "width=50"]);
    assert_eq!(again["params"]["width"], 50);
    wait_for("the retry", || (daemon.show(id)["state"] == "failed").then_some(()));
    let log = run_ok(&mut daemon.cli(&["logs", id]));
    assert!(log.contains("\"by\":\"API\"") && log.contains("\"width\":50"), "{log}");
}

#[tokio::test]
async fn a_queue_that_holds_enough_refuses_uploads_for_now_and_stores_nothing_of_them() {
    let place = Place::new(QUICK, "queues: { default: { waiting: 2 } }");
    let daemon = place.start();
    ask(&daemon, &["queues", "pause", "default"]);
    daemon.put(&tiny(), "s3://uploads/in/a.mp4");
    daemon.put(&tiny(), "s3://uploads/in/b.mp4");
    let put = |to: &str| {
        run(crate::support::reelmill().arg("put").arg(tiny()).arg(to).arg("--data").arg(&daemon.data).arg("--json"))
    };
    let third = put("s3://uploads/in/c.mp4");
    assert_eq!(third.status.code(), Some(3), "{third:?}");
    assert!(
        String::from_utf8_lossy(&third.stderr).contains("EVT0005: queue default is full: 2 jobs wait"),
        "{third:?}"
    );
    let (http, url) = (reqwest::Client::new(), format!("{}/uploads/uploads/in/d.mp4", daemon.api));
    let drop_file = async || {
        let request = http.put(&url).header("sec-fetch-site", "same-origin").body(std::fs::read(tiny()).unwrap());
        request.send().await.unwrap()
    };
    // The second time is as the first: nothing is in the way of it.
    for _ in 0..2 {
        let refused = drop_file().await;
        assert_eq!(refused.status(), 503);
        assert!(refused.headers().contains_key("retry-after"), "{refused:?}");
        let problem: Value = serde_json::from_str(&refused.text().await.unwrap()).unwrap();
        assert_eq!(problem["code"], "EVT0005", "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains("nothing was stored"), "{problem}");
    }
    assert_eq!(daemon.executions().len(), 2);
    assert_eq!(daemon.bucket("uploads"), ["in/a.mp4", "in/b.mp4"]);
    ask(&daemon, &["queues", "resume", "default"]);
    daemon.ended(2);
    wait_for("the third", || put("s3://uploads/in/c.mp4").status.success().then_some(()));
    daemon.ended(3);
    while drop_file().await.status() == 503 {
        tokio::task::yield_now().await;
    }
    assert_eq!(daemon.ended(4).len(), 4);
}

#[test]
fn field_case_29_a_daemon_that_ends_hands_its_jobs_back() {
    let place = Place::new(SLOW, "worker: { drain: 0s, grace: 1s }");
    let daemon = place.start();
    daemon.put(&fixture("sintel_dragon_720p_18s.mp4"), "s3://uploads/in/clip.mp4");
    let id =
        wait_for("the execution", || daemon.executions().first().map(|one| one["id"].as_str().unwrap().to_owned()));
    wait_for("the transcode", || (daemon.show(&id)["activities"]["film"]["progress"].is_object()).then_some(()));
    assert_eq!(daemon.end(), Some(0));
    let daemon = place.start();
    assert_eq!(daemon.ready["reclaimed"], 0, "nothing was left running");
    let log = run_ok(&mut daemon.cli(&["logs", &id]));
    assert!(log.contains("\"handed_back\""), "{log}");
    let execution = daemon.ended(1).remove(0);
    assert_eq!((&execution["state"], &execution["activities"]["film"]["attempts"]), (&json!("succeeded"), &json!(2)));
}

#[test]
fn field_case_24_what_kills_its_worker_three_times_is_set_aside_with_its_reproducer() {
    let place = Place::new(QUICK, "");
    let body = "echo 'assertion failed' >&2\nkill -SEGV $$";
    let worker = worker_script(place.folder.path(), &["mjpeg"], body);
    let daemon = place.start_with(&HashMap::from([("REELMILL_WORKER_PROGRAM", worker.display().to_string())]));
    daemon.put(&tiny(), "s3://uploads/in/poison.mp4");
    let execution = daemon.ended(1).remove(0);
    let poster = &execution["activities"]["poster"];
    assert_eq!((&poster["error"]["code"], &poster["attempts"]), (&json!("ENG0002"), &json!(3)), "{execution:#}");
    assert!(poster["error"]["chain"].to_string().contains("assertion failed"), "{poster:#}");
    let id = execution["id"].as_str().unwrap();
    let reproducer = ask(&daemon, &["executions", "reproducer", id, "poster"]);
    assert_eq!(reproducer["inputs"][0]["key"], "in/poison.mp4", "{reproducer:#}");
    assert!(reproducer["work"]["pipeline"]["outputs"][0]["snapshot"].is_object(), "{reproducer:#}");
    assert_eq!(reproducer["log"].as_array().unwrap().iter().filter(|l| l["event"]["type"] == "claimed").count(), 3);
    let (code, message) = refused(&daemon, &["executions", "reproducer", id, "pster"]);
    assert!(code == Some(4) && message.contains("poster"), "{message}");
}

#[test]
fn events_explain_says_what_each_workflow_made_of_an_upload() {
    let place = Place::new(&QUICK.replace("key: 'in/**'", "key: 'in/*.mp4', size: { max: 1GiB }"), "");
    let daemon = place.start();
    daemon.put(&tiny(), "s3://uploads/in/a.mp4");
    let id = daemon.ended(1)[0]["id"].clone();
    daemon.put(&tiny(), "s3://uploads/elsewhere/a.mp4");
    let started = ask(&daemon, &["events", "explain", "s3://uploads/in/a.mp4"])["items"][0].clone();
    assert_eq!((&started["executions"][0], &started["decisions"][0]["matched"]), (&id, &json!(true)), "{started}");
    let not = ask(&daemon, &["events", "explain", "s3://uploads/elsewhere/a.mp4"])["items"][0].clone();
    let reason = not["decisions"][0]["reason"].as_str().unwrap();
    assert!(not["executions"] == json!([]) && reason.contains("in/*.mp4"), "{not}");
    let text = run(&mut daemon.cli(&["events", "explain", "s3://uploads/in/never.mp4"]));
    assert_eq!(text.status.code(), Some(4));
    let all = ask(&daemon, &["events", "list"]);
    assert_eq!(all["items"].as_array().unwrap().len(), 2, "{all}");
    let (code, message) = refused(&daemon, &["events", "explain", "uploads/in/a.mp4"]);
    assert!(code == Some(2) && message.contains("s3://bucket/key"), "{message}");
}

#[test]
fn every_mistake_of_a_workflow_that_is_put_is_told() {
    let place = Place::new(QUICK, "");
    let daemon = place.start();
    let file = place.folder.path().join("wrong.yaml");
    std::fs::write(&file, "name: wrong\ncolour: red\nactivities:\n  a: { snapshto: {} }\n").unwrap();
    let output = run(&mut daemon.cli(&["workflows", "put", "wrong", file.to_str().unwrap()]));
    assert_eq!(output.status.code(), Some(2));
    let error = last_json(&String::from_utf8(output.stderr).unwrap());
    let chain: Vec<&str> =
        error["error"]["chain"].as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
    assert!(chain.len() >= 2 && chain[0].starts_with("2:1: error["), "{error:#}");
    assert!(chain.iter().any(|one| one.starts_with("4:") && one.contains("snapshot")), "{error:#}");
}

#[test]
fn an_object_of_the_embedded_daemon_is_looked_at_by_its_address() {
    let place = Place::new(QUICK, "");
    let daemon = place.start();
    daemon.put(&tiny(), "s3://uploads/other/a.mp4");
    let probed = run(reelmill().args(["probe", "--json", "s3://uploads/other/a.mp4", "--data"]).arg(&daemon.data));
    assert_eq!(probed.status.code(), Some(0), "{probed:?}");
    let info = last_json(&String::from_utf8(probed.stdout).unwrap());
    assert!(info["video"][0]["codec"].is_string(), "{info:#}");
}

#[test]
fn metrics_are_those_of_the_documentation() {
    let place = Place::new(QUICK, "");
    let daemon = place.start();
    daemon.put(&tiny(), "s3://uploads/in/a.mp4");
    daemon.ended(1);
    let scrape = || {
        let answer = std::process::Command::new("curl").args(["-sSf", &format!("{}/metrics", daemon.api)]).output();
        String::from_utf8(answer.unwrap().stdout).unwrap()
    };
    let text = wait_for("the metrics of an ended job", || {
        let text = scrape();
        text.contains("reelmill_executions_total").then_some(text)
    });
    let documented = std::fs::read_to_string(repository("docs/metrics.md")).unwrap();
    let names: Vec<&str> =
        documented.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(name, _)| name)).collect();
    assert!(names.len() > 8, "{names:?}");
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = line.split_whitespace().next().unwrap();
        assert!(names.contains(&name), "{name} is not documented");
        assert!(text.contains(&format!("# HELP {name} ")), "{name} is not explained");
    }
    // A speed has to happen first.
    for name in names.iter().filter(|name| !name.contains("speed_ratio")) {
        assert!(text.contains(&format!("# TYPE {name} ")), "{name} is missing:\n{text}");
    }
    // An alarm sees a count rise only where it has seen it before.
    assert!(text.contains(r#"reelmill_notifications_total{target="webhook",result="set_aside"} 0"#), "{text}");
    assert!(text.contains(r#"reelmill_executions_total{workflow="quick",state="failed"} 0"#), "{text}");
    assert!(text.contains(r#"reelmill_executions_total{workflow="quick",state="succeeded"} 1"#), "{text}");
    assert!(text.contains(r#"reelmill_events_total{result="started"} 1"#), "{text}");
    assert!(text.contains(r#"reelmill_job_duration_seconds_count{type="snapshot",state="succeeded"} 1"#), "{text}");
}

#[test]
fn with_tokens_the_api_asks_who_it_is() {
    let (reader, admin) = ("a-token-that-only-reads", "a-token-that-may-do-everything");
    let place = Place::new(QUICK, "");
    let file = place.folder.path().join("token");
    std::fs::write(&file, admin).unwrap();
    let config = place.folder.path().join("reelmill.yaml");
    let text = std::fs::read_to_string(&config).unwrap();
    let root = file.display();
    let tokens = format!(
        "[{{ name: eye, scope: read, token: 'env:EYE' }}, {{ name: root, scope: admin, token: 'file:{root}' }}]"
    );
    std::fs::write(&config, format!("{text}api: {{ tokens: {tokens} }}\n")).unwrap();
    let daemon = place.start_with(&HashMap::from([("EYE", reader.to_owned())]));
    let list = |token: &str| run(daemon.cli(&["queues", "list"]).env("REELMILL_TOKEN", token));
    assert_eq!(list(reader).status.code(), Some(0));
    let pause = |token: &str| run(daemon.cli(&["queues", "pause", "default"]).env("REELMILL_TOKEN", token));
    let code = |output: std::process::Output| {
        last_json(&String::from_utf8(output.stderr).unwrap())["error"]["code"].as_str().unwrap().to_owned()
    };
    assert_eq!(code(pause(reader)), "CLI0015");
    assert_eq!(code(list("a-token-that-nobody-knows")), "CLI0014");
    assert_eq!(code(run(&mut daemon.cli(&["queues", "list"]))), "CLI0014");
    let paused = pause(admin);
    assert!(paused.status.code() == Some(4), "there is no queue yet: {paused:?}");
    let well = std::process::Command::new("curl").args(["-sSf", &format!("{}/healthz", daemon.api)]).output().unwrap();
    assert_eq!(String::from_utf8(well.stdout).unwrap(), "ok\n");
}
