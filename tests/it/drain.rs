//! A daemon that was asked to end while a job runs: who asks is answered until that job has ended.

use std::collections::HashMap;
use std::path::Path;

use reqwest::{Client, Response, StatusCode};
use serde_json::{Value, json};

use crate::support::{Daemon, fixture, worker_script};

const WORKFLOW: &str = "
name: poster
trigger: { bucket: uploads, key: 'in/**' }
output: { bucket: media, prefix: '${object.stem}/' }
activities: { poster: { snapshot: { at: 0s, width: 160, name: poster.jpg } } }
";

/// A daemon whose jobs never end by themselves where `worker` is one that hangs.
fn start(folder: &Path, worker: Option<&Path>) -> Daemon {
    let at = |name: &str| folder.join(name);
    std::fs::create_dir_all(at("workflows")).unwrap();
    std::fs::write(at("workflows/poster.yaml"), WORKFLOW).unwrap();
    let config = format!(
        "s3_endpoint: 127.0.0.1:0\nworkflows: {}\nworker: {{ slots: 1, drain: 10m, grace: 100ms }}\n",
        at("workflows").display()
    );
    std::fs::write(at("reelmill.yaml"), config).unwrap();
    let program = worker.map(|path| ("REELMILL_WORKER_PROGRAM", path.display().to_string()));
    Daemon::with_config(&at("reelmill.yaml"), &at("data"), &HashMap::from_iter(program))
}

async fn json_of(response: Response) -> Value {
    serde_json::from_str(&response.text().await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_daemon_that_drains_answers_takes_work_for_later_and_ends_with_its_last_job() {
    let folder = tempfile::tempdir().unwrap();
    let worker = worker_script(folder.path(), &["mjpeg"], "exec sleep 1000");
    let daemon = start(folder.path(), Some(&worker));
    let http = Client::new();
    let url = |path: &str| format!("{}{path}", daemon.api);
    let get = async |path: &str| http.get(url(path)).send().await.unwrap();
    assert_eq!(get("/readyz").await.status(), StatusCode::OK);
    daemon.put(&fixture("normal/tiny_aac_180p.mp4"), "s3://uploads/in/first.mp4");
    let running = daemon.executions()[0]["id"].as_str().unwrap().to_owned();
    while daemon.show(&running)["activities"]["poster"]["state"] != "running" {
        tokio::task::yield_now().await;
    }

    daemon.ask_to_end();
    while get("/readyz").await.status() == StatusCode::OK {
        tokio::task::yield_now().await;
    }
    let ready = get("/readyz").await;
    assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    let problem = json_of(ready).await;
    assert_eq!(problem["code"], "CLI0022", "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("draining"), "{problem}");
    for path in ["/healthz", "/metrics", "/", &format!("/executions/{running}")] {
        assert_eq!(get(path).await.status(), StatusCode::OK, "{path}");
    }
    // What comes now is kept for the next start.
    daemon.put(&fixture("normal/tiny_aac_180p.mp4"), "s3://uploads/in/second.mp4");
    let job = json!({ "type": "analysis", "input": { "bucket": "uploads", "key": "in/first.mp4" } });
    let taken = http.post(url("/v1/jobs")).json(&job).send().await.unwrap();
    assert_eq!(taken.status(), StatusCode::ACCEPTED);
    let job = json_of(taken).await["id"].as_str().unwrap().to_owned();
    let stream = get(&format!("/v1/executions/{job}/stream")).await;
    let last = get(&format!("/v1/executions/{running}/stream")).await;

    let cancelled = http.post(url(&format!("/v1/executions/{running}/cancel"))).send().await.unwrap();
    assert_eq!(cancelled.status(), StatusCode::ACCEPTED);
    let followed = stream.text().await.expect("a stream that comes to its end");
    assert!(followed.contains("event: log") && !followed.contains("event: end"), "{followed}");
    let followed = last.text().await.unwrap();
    assert!(followed.contains("event: end"), "what ends last is followed to its end: {followed}");
    assert_eq!(daemon.ended_with(), Some(0));

    let daemon = start(folder.path(), None);
    assert_eq!(daemon.ready["reclaimed"], 0, "nothing was left running");
    let ended = daemon.ended(3);
    let states: Vec<_> = ended.iter().map(|one| one["state"].as_str().unwrap()).collect();
    assert_eq!(states, ["succeeded", "succeeded", "cancelled"], "{ended:#?}");
    assert_eq!((&ended[0]["id"], &ended[2]["id"]), (&json!(job), &json!(running)));
}

#[tokio::test]
async fn a_second_request_to_end_ends_the_drain_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let worker = worker_script(folder.path(), &["mjpeg"], "exec sleep 1000");
    let daemon = start(folder.path(), Some(&worker));
    daemon.put(&fixture("normal/tiny_aac_180p.mp4"), "s3://uploads/in/first.mp4");
    let id = daemon.executions()[0]["id"].as_str().unwrap().to_owned();
    while daemon.show(&id)["activities"]["poster"]["state"] != "running" {
        tokio::task::yield_now().await;
    }
    daemon.ask_to_end();
    while reqwest::get(format!("{}/readyz", daemon.api)).await.unwrap().status() == StatusCode::OK {
        tokio::task::yield_now().await;
    }
    assert_eq!(daemon.end(), Some(0));
    let daemon = start(folder.path(), None);
    assert_eq!(daemon.ready["reclaimed"], 0, "it was handed back");
    assert_eq!(daemon.ended(1)[0]["state"], "succeeded");
}
