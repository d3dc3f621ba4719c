//! Starting a daemon: what a first start leaves behind where it fails, and what it warns of.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use crate::support::{fixture, last_json, reelmill, run, run_ok, wait_for};

#[test]
fn a_first_start_that_fails_makes_no_key_pair_that_nobody_sees() {
    let folder = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (api, s3) in [(taken.as_str(), "127.0.0.1:0"), ("127.0.0.1:0", taken.as_str())] {
        let data = folder.path().join("data");
        let result = run(reelmill().args(["serve", "--json", "--api", api, "--s3-endpoint", s3, "--data"]).arg(&data));
        assert_eq!(result.status.code(), Some(3), "{result:?}");
        assert_eq!(last_json(&String::from_utf8(result.stderr).unwrap())["error"]["code"], "CLI0011");
        assert!(!data.join("s3-credentials.json").exists(), "keys were made and never shown");
    }
}

#[test]
fn what_starts_nothing_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let (data, workflows, log) =
        (folder.path().join("data"), folder.path().join("workflows"), folder.path().join("log"));
    let mut daemon = reelmill()
        .env("REELMILL_LOG", "info")
        .args(["serve", "--api", "127.0.0.1:0", "--s3-endpoint", "127.0.0.1:0", "--data"])
        .arg(&data)
        .arg("--workflows")
        .arg(&workflows)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap())
        .spawn()
        .unwrap();
    let said = |what: &str| {
        let what = what.to_owned();
        let log = log.clone();
        wait_for(&what.clone(), move || std::fs::read_to_string(&log).unwrap().contains(&what).then_some(()));
    };
    said("does not exist");
    wait_for("the daemon", || data.join("daemon.json").exists().then_some(()));
    std::fs::create_dir(&workflows).unwrap();
    let text = "name: w\ntrigger: { bucket: uploads, key: 'in/*.mov' }\nactivities: { a: { analysis: {} } }\n";
    std::fs::write(workflows.join("w.yaml"), text).unwrap();
    let odd = "name: odd\noutput: { bucket: No_Bucket }\nactivities: { a: { snapshot: {} } }\n";
    std::fs::write(workflows.join("odd.yaml"), odd).unwrap();
    said("workflows loaded");
    run_ok(reelmill().arg("put").arg(fixture("logo.png")).arg("s3://uploads/other/logo.png").arg("--data").arg(&data));
    said("an upload started nothing");
    said("a bucket that a workflow names cannot be made");
    run_ok(reelmill().arg("put").arg(fixture("logo.png")).arg("s3://elsewhere/logo.png").arg("--data").arg(&data));
    said("no workflow names its bucket");
    run_ok(Command::new("kill").args(["-TERM", &daemon.id().to_string()]));
    daemon.wait().unwrap();
}
