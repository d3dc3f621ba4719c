//! Proxies that the environment names: not for this machine.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

use crate::receiver::Receiver;
use crate::support::{Daemon, fixture, last_json, reelmill, run, run_ok, wait_for};

const VARIABLES: [&str; 6] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];

/// A proxy that nobody answers at.
fn dead() -> String {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    format!("http://{address}")
}

#[test]
fn field_fault_a_proxy_of_the_environment_is_not_asked_for_this_machine() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("workflows")).unwrap();
    let workflow = "name: probe\ntrigger: { bucket: uploads }\nactivities: { probe: { analysis: {} } }\n";
    std::fs::write(at("workflows/probe.yaml"), workflow).unwrap();
    let collector = Receiver::new("");
    let config = format!(
        "s3_endpoint: 127.0.0.1:0\nworkflows: {}\ntraces: {{ otlp: '{}' }}\n",
        at("workflows").display(),
        collector.url
    );
    std::fs::write(at("reelmill.yaml"), config).unwrap();
    let proxy = dead();
    let environment: HashMap<&str, String> = VARIABLES.into_iter().map(|name| (name, proxy.clone())).collect();
    let daemon = Daemon::with_config(&at("reelmill.yaml"), &at("data"), &environment);
    let clip = fixture("normal/tiny_aac_180p.mp4");
    run_ok(reelmill().arg("put").arg(clip).args(["s3://uploads/a.mp4", "--data"]).arg(&daemon.data).envs(&environment));
    let ended = wait_for("the execution", || {
        let page = last_json(&run_ok(daemon.cli(&["executions", "list"]).envs(&environment)));
        page["items"].get(0).filter(|one| one["state"] == "succeeded").cloned()
    });
    assert_eq!(ended["workflow"], "probe");
    collector.wait("/v1/traces", 1);
}

/// Whoever is elsewhere is reached through it.
#[test]
fn field_fault_a_proxy_of_the_environment_is_asked_for_other_machines() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    let asked = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        let mut line = String::new();
        BufReader::new(&socket).read_line(&mut line).unwrap();
        socket.write_all(b"HTTP/1.1 502 x\r\ncontent-length: 0\r\n\r\n").unwrap();
        line
    });
    let mut command = reelmill();
    command.args(["executions", "list", "--url", "http://reelmill.example:8080"]).env("HTTP_PROXY", &proxy);
    command.env("http_proxy", &proxy);
    assert!(!run(&mut command).status.success());
    assert!(asked.join().unwrap().contains("http://reelmill.example:8080/"));
}
