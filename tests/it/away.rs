//! What a daemon does while something that it needs is away.

use std::path::Path;

use reqwest::StatusCode;
use serde_json::Value;

use crate::support::{Daemon, fixture};

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
    loop {
        let answer = reqwest::get(format!("{}/readyz", daemon.api)).await.unwrap();
        if answer.status() == status {
            return answer.text().await.unwrap();
        }
        tokio::task::yield_now().await;
    }
}

fn upload_starts(daemon: &Daemon, key: &str, count: usize) {
    daemon.put(&tiny(), &format!("s3://uploads/{key}"));
    let ended = daemon.ended(count);
    assert_eq!((&ended[0]["state"], ended.len()), (&Value::from("succeeded"), count), "{:#}", ended[0]);
}

async fn assert_away(daemon: &Daemon) {
    let body = ready(daemon, StatusCode::SERVICE_UNAVAILABLE).await;
    assert!(body.contains("CFG0005"), "{body}");
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
