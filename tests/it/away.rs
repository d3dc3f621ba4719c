//! What a daemon does while something that it needs is away.

use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;

use crate::support::{Daemon, HANG, fixture, reelmill, run_ok, wait_for};

fn workflow(name: &str) -> String {
    format!(
        "name: {name}\ntrigger: {{ bucket: uploads, key: '{name}/**' }}\noutput: {{ bucket: media, prefix: '{name}/' }}\n\
         activities: {{ poster: {{ snapshot: {{ at: 0s, width: 160, name: '${{object.stem}}.jpg' }} }} }}\n"
    )
}

fn tiny() -> std::path::PathBuf {
    fixture("normal/tiny_aac_180p.mp4")
}

/// Asks until `/readyz` answers with `status`; answers its body.
async fn ready(daemon: &Daemon, status: StatusCode) -> String {
    let mut tick = tokio::time::interval(Duration::from_millis(20));
    let asking = async {
        loop {
            tick.tick().await;
            let answer = reqwest::get(format!("{}/readyz", daemon.api)).await.unwrap();
            if answer.status() == status {
                return answer.text().await.unwrap();
            }
        }
    };
    tokio::time::timeout(HANG, asking).await.unwrap_or_else(|_| panic!("waited too long for {status}"))
}

fn upload_starts(daemon: &Daemon, key: &str, count: usize) {
    daemon.put(&tiny(), &format!("s3://uploads/{key}"));
    let ended = daemon.ended(count);
    assert_eq!((&ended[0]["state"], ended.len()), (&Value::from("succeeded"), count), "{:#}", ended[0]);
}

async fn assert_away(daemon: &Daemon) {
    let body = ready(daemon, StatusCode::SERVICE_UNAVAILABLE).await;
    assert!(body.contains("CFG0005"), "{body}");
    let way_out = format!("remove {}", daemon.data.join("workflows.json").display());
    assert!(body.contains(&way_out), "{body}");
    let listed = reqwest::get(format!("{}/v1/workflows", daemon.api)).await.unwrap();
    assert_eq!(listed.status(), StatusCode::OK, "who asks is answered");
}

#[tokio::test]
async fn field_fault_airflow_42111_uploads_go_on_while_the_workflow_folder_is_away() {
    let folder = tempfile::tempdir().unwrap();
    let (data, workflows, aside) =
        (folder.path().join("data"), folder.path().join("workflows"), folder.path().join("aside"));
    std::fs::create_dir(&workflows).unwrap();
    for name in ["vod", "clips"] {
        std::fs::write(workflows.join(format!("{name}.yaml")), workflow(name)).unwrap();
    }
    let start = |workflows: &Path| Daemon::start(&data, workflows);
    let daemon = start(&workflows);
    ready(&daemon, StatusCode::OK).await;
    std::fs::rename(&workflows, &aside).unwrap();
    assert_away(&daemon).await;
    upload_starts(&daemon, "vod/1.mp4", 1);
    std::fs::create_dir(&workflows).unwrap();
    upload_starts(&daemon, "clips/2.mp4", 2);
    assert_eq!(daemon.end(), Some(0));

    let daemon = start(&workflows);
    assert_away(&daemon).await;
    upload_starts(&daemon, "vod/3.mp4", 3);
    for name in ["vod.yaml", "clips.yaml"] {
        std::fs::copy(aside.join(name), workflows.join(name)).unwrap();
    }
    ready(&daemon, StatusCode::OK).await;
    upload_starts(&daemon, "clips/4.mp4", 4);
    assert_eq!(daemon.end(), Some(0));
}

/// The only activity of the newest execution, once it waits for something that is away.
fn waiting(daemon: &Daemon) -> Value {
    wait_for("the activity to wait", || {
        let execution = daemon.executions().first()?["id"].as_str()?.to_owned();
        let activity = daemon.show(&execution)["activities"]["poster"].clone();
        activity["retrying"]["away_since"].is_string().then_some(activity)
    })
}

#[test]
fn field_fault_argo_7349_storage_that_is_away_for_a_while_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (data, workflows) = (folder.path().join("data"), folder.path().join("workflows"));
    std::fs::create_dir(&workflows).unwrap();
    let text = workflow("vod") + "retry: { attempts: 1, backoff: 50ms }\n";
    std::fs::write(workflows.join("vod.yaml"), text).unwrap();
    let daemon = Daemon::start(&data, &workflows);
    upload_starts(&daemon, "vod/0.mp4", 1);
    run_ok(&mut daemon.cli(&["queues", "pause", "default"]));
    daemon.put(&tiny(), "s3://uploads/vod/1.mp4");
    let (buckets, aside) = (data.join("buckets"), data.join("aside"));
    std::fs::rename(&buckets, &aside).unwrap();
    run_ok(&mut daemon.cli(&["queues", "resume", "default"]));
    let activity = wait_for("several attempts", || {
        Some(waiting(&daemon)).filter(|activity| activity["attempts"].as_u64() > Some(4))
    });
    assert_eq!(activity["retrying"]["failure"]["code"], "OBJ0006", "{activity:#}");
    let id = daemon.executions()[0]["id"].as_str().unwrap().to_owned();
    let shown = run_ok(reelmill().args(["executions", "show", &id, "--url", &daemon.api]));
    assert!(shown.contains("waiting for infrastructure since"), "{shown}");
    std::fs::rename(&aside, &buckets).unwrap();
    assert_eq!(daemon.ended(2)[0]["state"], "succeeded");
    assert_eq!(daemon.end(), Some(0));
}

#[tokio::test]
async fn field_fault_airflow_42111_a_folder_that_hangs_is_told_and_holds_up_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let workflows = folder.path().join("workflows");
    std::fs::create_dir(&workflows).unwrap();
    std::fs::write(workflows.join("vod.yaml"), workflow("vod")).unwrap();
    let daemon = Daemon::start(&folder.path().join("data"), &workflows);
    // Who opens it waits for somebody who writes, as one waits for the server of a mount.
    let hangs = workflows.join("hangs.yaml");
    run_ok(Command::new("mkfifo").arg(&hangs));
    let body = ready(&daemon, StatusCode::SERVICE_UNAVAILABLE).await;
    assert!(body.contains("CFG0005") && body.contains("no response"), "{body}");
    upload_starts(&daemon, "vod/1.mp4", 1);
    let mut writer = std::fs::OpenOptions::new().write(true).open(&hangs).unwrap();
    std::fs::remove_file(&hangs).unwrap();
    writer.write_all(workflow("vod").as_bytes()).unwrap();
    drop(writer);
    ready(&daemon, StatusCode::OK).await;
    assert_eq!(daemon.end(), Some(0));
}
