//! Results that are not simply green: warnings, and outputs that replace others.

use std::collections::HashMap;
use std::process::Command;

use serde_json::{Value, json};

use crate::receiver::Receiver;
use crate::support::{Daemon, fixture, last_json, run_ok};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A daemon with these workflows, and a receiver that they may name as `RECEIVER`.
struct Place {
    daemon: Daemon,
    receiver: Receiver,
    folder: tempfile::TempDir,
}

impl Place {
    fn new(workflows: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let receiver = Receiver::new("");
        std::fs::create_dir(at("workflows")).unwrap();
        for (name, text) in workflows {
            let text = format!("name: {name}\n{}", text.replace("RECEIVER", &receiver.url));
            std::fs::write(at(&format!("workflows/{name}.yaml")), text).unwrap();
        }
        let config = format!(
            "s3_endpoint: 127.0.0.1:0\nworkflows: {}\n\
             webhooks: {{ secret: 'env:HOOK_SECRET', allow_private: ['127.0.0.0/8'] }}\n",
            at("workflows").display()
        );
        std::fs::write(at("reelmill.yaml"), config).unwrap();
        let environment = HashMap::from([("HOOK_SECRET", SECRET.to_owned())]);
        let daemon = Daemon::with_config(&at("reelmill.yaml"), &at("data"), &environment);
        Self { daemon, receiver, folder }
    }

    fn cli(&self, args: &[&str]) -> Value {
        last_json(&run_ok(&mut self.daemon.cli(args)))
    }

    /// What a command prints for people.
    fn text(&self, args: &[&str]) -> String {
        run_ok(crate::support::reelmill().args(args).args(["--url", &self.daemon.api]))
    }

    fn page(&self, path: &str) -> String {
        run_ok(Command::new("curl").args(["-sf", &format!("{}{path}", self.daemon.api)]))
    }
}

/// A source with two video streams: a remux takes one, and says that it left out the other.
const TWO: &str = "multitrack/nasa_2v_2a_2s.mp4";

#[test]
fn newcomer_warnings_are_in_answers_lists_notifications_and_the_console() {
    let place = Place::new(&[(
        "vod",
        "trigger: { bucket: uploads }\noutput: { bucket: media, prefix: '${object.name}/' }\n\
         activities:\n  copy: { remux: { template: remux-mp4, name: copy.mp4 } }\n\
         notify: [ { webhook: 'RECEIVER/ok', on: [succeeded] } ]\n",
    )]);
    let daemon = &place.daemon;
    daemon.put(&fixture("normal/tiny_aac_180p.mp4"), "s3://uploads/quiet.mp4");
    let quiet = daemon.ended(1)[0].clone();
    daemon.put(&fixture(TWO), "s3://uploads/two.mp4");
    let ended = daemon.ended(2);
    let (two, id) = (&ended[0], ended[0]["id"].as_str().unwrap());
    assert_eq!((&two["state"], &two["warning_count"]), (&json!("succeeded"), &json!(1)), "{two:#}");
    let warning = &two["warnings"][0];
    assert_eq!((&warning["activity"], &warning["code"]), (&json!("copy"), &json!("MEDIA0103")), "{warning}");
    assert_eq!((&quiet["warning_count"], &quiet["warnings"]), (&json!(0), &json!([])));

    let items = |list: &Value| {
        let items = list["items"].as_array().unwrap().iter();
        items.map(|item| (item["id"].clone(), item["warning_count"].clone())).collect::<Vec<_>>()
    };
    let all = place.cli(&["executions", "list"]);
    assert_eq!(items(&all), [(json!(id), json!(1)), (quiet["id"].clone(), json!(0))]);
    assert_eq!(items(&place.cli(&["executions", "list", "--warnings"])), [(json!(id), json!(1))]);
    assert!(place.text(&["executions", "list"]).contains("succeeded, 1 warning"));
    assert!(place.text(&["executions", "show", id]).contains("warning    copy: MEDIA0103: "));

    let schema = serde_json::from_str(include_str!("../../schemas/notification.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let told = place.receiver.wait("/ok", 2);
    let told = told.iter().map(crate::receiver::Delivery::event).find(|event| event["subject"] == id).unwrap();
    schema.validate(&told).unwrap();
    assert_eq!(
        (&told["data"]["warning_count"], &told["data"]["warnings"][0]["code"]),
        (&json!(1), &json!("MEDIA0103"))
    );

    let (list, page) = (place.page("/?warnings=true"), place.page(&format!("/executions/{id}")));
    assert!(list.contains("1 warning") && !list.contains("quiet.mp4"), "{list}");
    assert!(page.contains("1 warning") && page.contains("MEDIA0103") && page.contains("warnings-title"), "{page}");

    let job = place.cli(&[
        "jobs",
        "submit",
        "remux",
        "s3://uploads/two.mp4",
        "--template",
        "remux-mp4",
        "--set",
        "name=job.mp4",
        "--output",
        "s3://media/jobs/",
        "--wait",
        "60s",
    ]);
    assert_eq!((&job["state"], &job["warning_count"]), (&json!("succeeded"), &json!(1)), "{job:#}");
    let job_id = job["id"].as_str().unwrap();
    assert_eq!(job["warnings"][0]["code"], "MEDIA0103");
    assert!(place.text(&["jobs", "show", job_id]).contains("MEDIA0103"));
    assert_eq!(items(&place.cli(&["jobs", "list", "--warnings"])), [(json!(job_id), json!(1))]);
    assert!(place.folder.path().is_dir());
}
