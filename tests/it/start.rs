//! Starting a daemon: what a first start leaves behind where it fails, and what it warns of.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use crate::support::{Daemon, fixture, last_json, reelmill, run, run_ok, wait_for};

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
    said("upload started no execution");
    said("cannot create a bucket that a workflow names");
    run_ok(reelmill().arg("put").arg(fixture("logo.png")).arg("s3://elsewhere/logo.png").arg("--data").arg(&data));
    said("no workflow names its bucket");
    run_ok(Command::new("kill").args(["-TERM", &daemon.id().to_string()]));
    daemon.wait().unwrap();
}

/// Starts a daemon that has to fail; answers its error.
fn refused(config: &str, data: &std::path::Path) -> serde_json::Value {
    let file = data.with_extension("yaml");
    std::fs::write(&file, config).unwrap();
    let result = run(reelmill().args(["serve", "--json", "--config"]).arg(file).arg("--data").arg(data));
    assert_eq!(result.status.code(), Some(3), "{result:?}");
    last_json(&String::from_utf8(result.stderr).unwrap())["error"].clone()
}

#[test]
fn field_fault_two_daemons_a_second_one_touches_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("workflows")).unwrap();
    let first = Daemon::start(&at("data"), &at("workflows"));
    // What a start sweeps: an attempt's scratch folder and a half-written object.
    let left = [at("data/scratch").join(format!("{}-1", uuid::Uuid::nil())), at("data/buckets/.reelmill/tmp/half")];
    for folder in &left {
        std::fs::create_dir(folder).unwrap();
    }
    for name in ["data", "data/scratch", "data/buckets"] {
        std::os::unix::fs::symlink(at(name), at(&format!("link-{}", name.replace('/', "-")))).unwrap();
    }
    std::os::unix::fs::symlink(at("data/reelmill.db"), at("link.db")).unwrap();
    let path = |name: &str| at(name).display().to_string();
    let ports = "s3_endpoint: 127.0.0.1:0\napi: { listen: '127.0.0.1:0' }\n";
    for (what, data, config) in [
        ("data folder", "link-data", format!("store: 'sqlite:{}'\n", path("own.db"))),
        ("scratch folder", "own-1", format!("worker: {{ scratch: {} }}\n", path("link-data-scratch"))),
        ("folder of local buckets", "own-2", format!("objects: {{ local: {} }}\n", path("link-data-buckets"))),
        ("store", "own-3", format!("store: 'sqlite:{}'\n", path("link.db"))),
    ] {
        let error = refused(&format!("{ports}{config}"), &at(data));
        let message = error["message"].as_str().unwrap();
        assert_eq!(error["code"], if what == "store" { "STORE0003" } else { "CLI0023" }, "{error}");
        assert!(message.contains(what) && message.contains(&format!("process {}", first.ready["pid"])), "{error}");
        assert!(left.iter().all(|left| left.exists()), "{what}: nothing is swept");
    }
    drop(run_ok(
        reelmill().args(["doctor", "--json", "--data"]).arg(at("data")).env("REELMILL_API_LISTEN", "127.0.0.1:0"),
    ));
    first.put(&fixture("logo.png"), "s3://uploads/logo.png");
    first.kill();

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    for port in ["s3_endpoint: 127.0.0.1:0\napi: { listen: 'TAKEN' }\n", "s3_endpoint: TAKEN\n"] {
        let config = port.replace("TAKEN", &taken.local_addr().unwrap().to_string());
        let config = if port.contains("api") { config } else { format!("{config}api: {{ listen: '127.0.0.1:0' }}\n") };
        assert_eq!(refused(&config, &at("data"))["code"], "CLI0011");
        assert!(left.iter().all(|left| left.exists()), "a daemon that cannot listen sweeps nothing");
    }
    let next = Daemon::start(&at("data"), &at("workflows"));
    assert!(
        left.iter().all(|left| !left.exists()),
        "the locks of a killed daemon are gone, and its leavings are swept"
    );
    assert_eq!(next.end(), Some(0));
}
