//! Notifications from outside: webhooks that fail, hang and redirect, dead letters, a daemon killed before it is
//! answered.

use std::collections::HashMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use reelmill::model::{Clock, SystemClock};
use serde_json::{Value, json};

use crate::receiver::{Delivery, Receiver};
use crate::support::{Daemon, fixture, last_json, run, run_ok, wait_for};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const LOOPBACK: &str = "allow_private: ['127.0.0.0/8']";

/// A folder with a workflow that tells `receivers`, and a daemon over it.
struct Place(tempfile::TempDir);

impl Place {
    fn new(receivers: &str, more: &str) -> Self {
        let this = Self(tempfile::tempdir().unwrap());
        let at = |name: &str| this.0.path().join(name);
        std::fs::create_dir(at("workflows")).unwrap();
        let workflow = format!(
            "name: told\ntrigger: {{ bucket: uploads, key: 'in/**' }}\noutput: {{ bucket: media }}\n\
             activities:\n  poster: {{ snapshot: {{ at: 0s, width: 160, name: 'poster.jpg' }} }}\nnotify: [ {receivers} ]\n"
        );
        std::fs::write(at("workflows/told.yaml"), workflow).unwrap();
        let config = format!("s3_endpoint: 127.0.0.1:0\nworkflows: {}\n{more}\n", at("workflows").display());
        std::fs::write(at("reelmill.yaml"), config).unwrap();
        this
    }

    fn start(&self) -> Daemon {
        let environment = HashMap::from([("HOOK_SECRET", SECRET.to_owned())]);
        Daemon::with_config(&self.path("reelmill.yaml"), &self.path("data"), &environment)
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        Path::new(self.0.path()).join(name)
    }
}

fn config(webhooks: &str, notifications: &str, queues: &str) -> String {
    format!(
        "webhooks: {{ secret: 'env:HOOK_SECRET', {webhooks} }}\nnotifications: {{ {notifications} }}\nqueues: {{ {queues} }}"
    )
}

fn upload(daemon: &Daemon) -> String {
    daemon.put(&fixture("normal/tiny_aac_180p.mp4"), "s3://uploads/in/a.mp4");
    daemon.ended(1)[0]["id"].as_str().unwrap().to_owned()
}

fn list(daemon: &Daemon, more: &[&str]) -> Vec<Value> {
    let args = [&["notifications", "list"], more].concat();
    last_json(&run_ok(&mut daemon.cli(&args)))["items"].as_array().unwrap().clone()
}

fn signed(delivery: &Delivery) -> bool {
    delivery.header("webhook-signature") == signature(delivery, SECRET)
}

fn signature(delivery: &Delivery, secret: &str) -> String {
    let secret = STANDARD.decode(secret.trim_start_matches("whsec_")).unwrap();
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&secret).unwrap();
    let (id, time) = (delivery.header("webhook-id"), delivery.header("webhook-timestamp"));
    mac.update(format!("{id}.{time}.").as_bytes());
    mac.update(&delivery.body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[test]
fn a_webhook_is_signed_told_in_order_and_again_until_it_takes() {
    let receiver = Receiver::new("");
    let url = &receiver.url;
    let place = Place::new(
        &format!("{{ webhook: '{url}/flaky', on: [started, succeeded] }}"),
        &config(
            LOOPBACK,
            "backoff: 10ms, max: 10ms",
            &format!("default: {{ notify: [{{ webhook: '{url}/queue' }}] }}"),
        ),
    );
    let daemon = place.start();
    let id = upload(&daemon);
    let told = receiver.wait("/flaky", 3);
    assert!(told.iter().all(signed), "{told:#?}");
    let words: Vec<_> = told.iter().map(|delivery| delivery.event()["type"].as_str().unwrap().to_owned()).collect();
    let (started, succeeded) = ("reelmill.execution.started.v1", "reelmill.execution.succeeded.v1");
    assert_eq!(words, [started, started, succeeded], "the first was refused once, and what follows waited");
    assert_eq!(told[0].header("webhook-id"), told[1].header("webhook-id"));
    assert_eq!(told[2].header("content-type"), "application/cloudevents+json");
    let schema = serde_json::from_str(include_str!("../../schemas/notification.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    for delivery in &told {
        schema.validate(&delivery.event()).unwrap();
    }
    let event = told[2].event();
    assert_eq!(event["subject"], id.as_str());
    assert_eq!(event["data"]["outputs"][0]["key"], "poster.jpg", "{event:#}");
    assert!(daemon.bucket("media").contains(&"poster.jpg".to_owned()), "it is told once it can be read");
    assert_eq!(receiver.wait("/queue", 1)[0].event()["data"]["workflow"], "told", "the queue's receiver is told too");
}

#[test]
fn what_is_not_taken_is_set_aside_listed_and_sent_again() {
    let elsewhere = Receiver::new("");
    let receiver = Receiver::new(&elsewhere.url);
    let url = &receiver.url;
    let paths = ["fail", "hang", "away", "see-other", "home"];
    let receivers = paths.map(|path| format!("{{ webhook: '{url}/{path}', on: [succeeded] }}")).join(", ");
    let quick = "timeout: 500ms, backoff: 10ms, max: 10ms, attempts: 2";
    let place = Place::new(&receivers, &config(LOOPBACK, quick, ""));
    let daemon = place.start();
    let id = upload(&daemon);
    let aside = wait_for("four dead letters", || {
        Some(list(&daemon, &["--dead-lettered", "--execution", &id])).filter(|aside| aside.len() == 4)
    });
    let why = |path: &str| {
        let of = aside.iter().find(|item| item["to"]["webhook"].as_str().unwrap().ends_with(path)).unwrap();
        assert_eq!((&of["attempts"], &of["delivery"]), (&json!(2), &json!("set_aside")), "{of}");
        of["error"].as_str().unwrap().to_owned()
    };
    assert!(why("/fail").contains("500"), "{}", why("/fail"));
    assert!(why("/hang").contains("no response"), "{}", why("/hang"));
    assert!(why("/away").contains("a redirect") && why("/see-other").contains("a redirect"));
    assert_eq!(elsewhere.at("/ok").len(), 0, "nothing goes to another host");
    assert_eq!(receiver.wait("/home", 1).len(), 1);
    let home = receiver.wait("/ok", 1);
    assert!(home.len() == 1 && signed(&home[0]), "a redirect within the host is followed: {home:#?}");

    let failed = aside.iter().find(|item| item["to"]["webhook"].as_str().unwrap().ends_with("/fail")).unwrap();
    let before = receiver.at("/fail").len();
    run_ok(&mut daemon.cli(&["notifications", "resend", &failed["id"].to_string()]));
    let again = receiver.wait("/fail", before + 1);
    assert_eq!(again[0].header("webhook-id"), again[before].header("webhook-id"));
    let unknown = run(&mut daemon.cli(&["notifications", "resend", "999999"]));
    assert_eq!(unknown.status.code(), Some(4));
}

#[test]
fn a_daemon_killed_before_it_is_answered_tells_again() {
    let receiver = Receiver::new("");
    let url = &receiver.url;
    let place = Place::new(
        &format!("{{ webhook: '{url}/hang', on: [succeeded] }}"),
        &config(LOOPBACK, "timeout: 15s, backoff: 10ms, max: 10ms", ""),
    );
    let daemon = place.start();
    upload(&daemon);
    receiver.wait("/hang", 1);
    daemon.kill();
    let daemon = place.start();
    let told = receiver.wait("/hang", 2);
    assert_eq!(told[0].header("webhook-id"), told[1].header("webhook-id"), "it is told as the same");
    assert_eq!(told[0].body, told[1].body);
    drop(daemon);
}

#[test]
fn a_webhook_reaches_no_private_address_unless_it_may() {
    let receiver = Receiver::new("");
    let port = receiver.url.rsplit_once(':').unwrap().1;
    let hosts = ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433"];
    let receivers = hosts.map(|host| format!("{{ webhook: 'http://{host}:{port}/ok', on: [succeeded] }}")).join(", ");
    let place = Place::new(&receivers, &config("allow_private: []", "backoff: 10ms, max: 10ms, attempts: 1", ""));
    let daemon = place.start();
    upload(&daemon);
    let aside = wait_for("all of them", || Some(list(&daemon, &["--dead-lettered"])).filter(|aside| aside.len() == 4));
    for item in &aside {
        assert!(item["error"].as_str().unwrap().contains("public address"), "{item}");
    }
    assert_eq!(receiver.at("/ok").len(), 0);
}

#[test]
fn a_single_job_is_told_as_one() {
    let receiver = Receiver::new("");
    let queues = format!("bulk: {{ notify: [{{ webhook: '{}/jobs' }}] }}", receiver.url);
    let place = Place::new("", &config(LOOPBACK, "", &queues));
    let daemon = place.start();
    daemon.put(&fixture("normal/tiny_aac_180p.mp4"), "s3://uploads/a.mp4");
    let submit = ["jobs", "submit", "analysis", "s3://uploads/a.mp4", "--queue", "bulk", "--user-data", "mine"];
    let job = last_json(&run_ok(&mut daemon.cli(&submit)));
    let event = receiver.wait("/jobs", 1)[0].event();
    assert_eq!((&event["type"], &event["subject"]), (&json!("reelmill.job.succeeded.v1"), &job["id"]), "{event:#}");
    let data = &event["data"];
    assert_eq!((&data["user_data"], &data["job"]), (&json!("mine"), &job["id"]), "{event:#}");
    assert_eq!(data["activities"]["job"]["result"]["video"][0]["codec"], "h264", "{event:#}");
}

#[test]
fn field_fault_kamu_cli_1339_gone_is_for_good_and_retry_after_is_heeded() {
    let receiver = Receiver::new("");
    let url = &receiver.url;
    let receivers =
        ["gone", "later", "date"].map(|path| format!("{{ webhook: '{url}/{path}', on: [succeeded] }}")).join(", ");
    let place = Place::new(&receivers, &config(LOOPBACK, "backoff: 10ms, max: 10ms", ""));
    let daemon = place.start();
    upload(&daemon);
    let all = wait_for("three refusals", || {
        Some(list(&daemon, &[])).filter(|all| all.len() == 3 && all.iter().all(|item| !item["error"].is_null()))
    });
    let of = |path: &str| all.iter().find(|item| item["to"]["webhook"].as_str().unwrap().ends_with(path)).unwrap();
    let gone = of("/gone");
    assert_eq!((&gone["delivery"], &gone["attempts"]), (&json!("set_aside"), &json!(1)), "{gone}");
    assert!(gone["error"].as_str().unwrap().starts_with("NOTE0004"), "{gone}");
    for path in ["/later", "/date"] {
        let item = of(path);
        assert_eq!((&item["delivery"], &item["attempts"]), (&json!("pending"), &json!(1)), "{item}");
        let due: jiff::Timestamp = item["due_at"].as_str().unwrap().parse().unwrap();
        let now = jiff::Timestamp::from_microsecond(SystemClock.now().0).unwrap();
        let wait = due.duration_since(now).as_secs();
        assert!((3_000..=3_600).contains(&wait), "an hour, which is the longest wish: {item}");
    }
    assert_eq!((receiver.at("/gone").len(), receiver.at("/later").len()), (1, 1));
}

#[test]
fn field_fault_kamu_cli_1339_a_webhook_is_signed_with_every_secret_while_they_are_exchanged() {
    const NEXT: &str = "whsec_c2VjcmV0cyBvZiAyNCBieXRlcyBhbmQgbW9yZSE=";
    let receiver = Receiver::new("");
    let place = Place::new(
        &format!("{{ webhook: '{}/ok', on: [succeeded] }}", receiver.url),
        &format!("webhooks: {{ secret: ['env:HOOK_SECRET', 'env:NEXT_SECRET'], {LOOPBACK} }}"),
    );
    let environment = HashMap::from([("HOOK_SECRET", SECRET.to_owned()), ("NEXT_SECRET", NEXT.to_owned())]);
    let daemon = Daemon::with_config(&place.path("reelmill.yaml"), &place.path("data"), &environment);
    upload(&daemon);
    let told = receiver.wait("/ok", 1);
    let both = format!("{} {}", signature(&told[0], SECRET), signature(&told[0], NEXT));
    assert_eq!(told[0].header("webhook-signature"), both, "who knows one of them is content");
}

#[test]
fn newcomer_a_webhook_without_a_secret_is_said_by_doctor() {
    let examined = |more: &str| {
        let place = Place::new("{ webhook: 'https://example.com/hook' }", more);
        let mut command = crate::support::reelmill();
        command.args(["doctor", "--json", "--config"]).arg(place.path("reelmill.yaml")).arg("--data");
        let report = last_json(
            &String::from_utf8(run(command.arg(place.path("data")).env("HOOK_SECRET", SECRET)).stdout).unwrap(),
        );
        let checks = report["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == "webhooks").cloned().unwrap_or_else(|| panic!("{report:#}"))
    };
    let unsigned = examined("");
    assert_eq!(unsigned["state"], "warn", "{unsigned}");
    assert!(unsigned["message"].as_str().unwrap().contains("NOTE0003"), "{unsigned}");
    assert!(unsigned["hint"].as_str().unwrap().contains("openssl rand"), "{unsigned}");
    assert_eq!(examined("webhooks: { secret: 'env:HOOK_SECRET' }")["state"], "ok");
}
