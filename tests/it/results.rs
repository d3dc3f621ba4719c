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

/// The whole list of an execution's warnings, as `CODE message`.
fn warnings(execution: &Value) -> Vec<String> {
    let text =
        |warning: &Value| format!("{} {}", warning["code"].as_str().unwrap(), warning["message"].as_str().unwrap());
    execution["warnings"].as_array().unwrap().iter().map(text).collect()
}

#[test]
fn newcomer_two_uploads_of_one_stem_are_warned_of_or_refused() {
    let flow = |name: &str, more: &str| {
        format!(
            "trigger: {{ bucket: uploads, key: '{name}/**' }}\n\
             output: {{ bucket: media, prefix: '{name}/${{object.stem}}/'{more} }}\n\
             activities:\n  poster: {{ snapshot: {{ at: 0s, width: 96, name: poster.jpg }} }}\n"
        )
    };
    let (warn, fail, replace) =
        (flow("warn", ""), flow("fail", ", if_exists: fail"), flow("replace", ", if_exists: replace"));
    let place = Place::new(&[("warn", &warn), ("fail", &fail), ("replace", &replace)]);
    let daemon = &place.daemon;
    let mut count = 0;
    let mut upload = |key: &str| {
        daemon.put(&fixture("normal/tiny_aac_180p.mp4"), &format!("s3://uploads/{key}"));
        count += 1;
        daemon.ended(count).remove(0)
    };
    let made = |key: &str| std::fs::metadata(daemon.data.join("buckets/media").join(key)).unwrap().modified().unwrap();

    let first = upload("warn/same.mp4");
    assert_eq!((&first["state"], warnings(&first)), (&json!("succeeded"), vec![]));
    assert_eq!(warnings(&upload("warn/same.mp4")), Vec::<String>::new(), "a newer version of a key is no other upload");
    let second = upload("warn/same.mov");
    let told = warnings(&second);
    assert_eq!((&second["state"], told.len()), (&json!("succeeded"), 1), "{second:#}");
    let names = [
        "OBJ0019 s3://media/warn/same/poster.jpg replaces",
        "(warn), made from s3://uploads/warn/same.mp4",
        "${object",
    ];
    assert!(names.iter().all(|part| told[0].contains(part)), "{told:?}");
    std::fs::remove_file(daemon.data.join("buckets/media/warn/same/poster.jpg")).unwrap();
    assert_eq!(warnings(&upload("warn/same.mkv")), Vec::<String>::new(), "what is gone is not replaced");
    upload("replace/same.mp4");
    assert_eq!(warnings(&upload("replace/same.mov")), Vec::<String>::new(), "it was asked for");

    assert_eq!(upload("fail/same.mp4")["state"], "succeeded");
    let before = made("fail/same/poster.jpg");
    let refused = upload("fail/same.mov");
    let error = &refused["activities"]["poster"]["error"];
    assert_eq!((&refused["state"], &error["code"]), (&json!("failed"), &json!("OBJ0020")), "{refused:#}");
    assert_eq!(refused["activities"]["poster"]["attempts"], 1);
    assert!(error["message"].as_str().unwrap().contains("made from s3://uploads/fail/same.mp4"), "{error}");
    assert_eq!(made("fail/same/poster.jpg"), before, "nothing was published");
    assert_eq!(upload("fail/same.mp4")["state"], "succeeded", "who was refused is in nobody's way");

    daemon.put(&fixture("logo.png"), "s3://media/fail/mine/poster.jpg");
    let refused = upload("fail/mine.mp4");
    let error = &refused["activities"]["poster"]["error"];
    assert_eq!(error["code"], "OBJ0020", "{refused:#}");
    assert!(error["message"].as_str().unwrap().contains("not published by a recorded execution"), "{error}");
    std::fs::remove_file(daemon.data.join("buckets/media/fail/mine/poster.jpg")).unwrap();
    let id = refused["id"].as_str().unwrap();
    place.cli(&["executions", "retry", id]);
    crate::support::wait_for("the retry", || (daemon.show(id)["state"] == "succeeded").then_some(()));
}

#[test]
fn newcomer_a_job_names_its_outputs_like_its_source() {
    let place = Place::new(&[(
        "none",
        "output: { bucket: media }\nactivities:\n  probe: { analysis: {} }\n  poster: { snapshot: { at: 0s } }\n",
    )]);
    let clip = fixture("normal/tiny_aac_180p.mp4");
    for key in ["a/first.take.mov", "a/second.mp4", "a/odd #1.mp4"] {
        place.daemon.put(&clip, &format!("s3://uploads/{key}"));
    }
    let mut keys = Vec::new();
    for (kind, source, more) in [
        ("remux", "a/first.take.mov", "--template=remux-mp4"),
        ("remux", "a/second.mp4", "--template=remux-mp4"),
        ("snapshot", "a/second.mp4", "--set=at=0s"),
        ("snapshot", "a/odd #1.mp4", "--set=at=0s"),
        ("package", "a/second.mp4", "--set=protocol=hls"),
    ] {
        let source = format!("s3://uploads/{source}");
        let job = place.cli(&["jobs", "submit", kind, &source, more, "--output", "s3://media/small/", "--wait", "60s"]);
        assert_eq!(job["state"], "succeeded", "{job:#}");
        keys.push(job["outputs"].as_array().unwrap().last().unwrap()["key"].as_str().unwrap().to_owned());
    }
    let wanted = ["first.take.mp4", "second.mp4", "second.jpg", "odd -1.jpg", "second/master.m3u8"];
    assert_eq!(keys, wanted.map(|name| format!("small/{name}")));
    let fails =
        ["jobs", "submit", "remux", "s3://uploads/a/second.mp4", "--template=remux-mp4", "--set=name=first.take.mp4"];
    let fails = [&fails[..], &["--output", "s3://media/small/", "--if-exists", "fail", "--wait", "60s"]].concat();
    let refused = crate::support::run(&mut place.daemon.cli(&fails));
    let job = last_json(&String::from_utf8_lossy(&refused.stdout));
    assert_eq!((refused.status.code(), &job["error"]["code"]), (Some(1), &json!("OBJ0020")), "{job:#}");
}

/// Whatever lies where, two uploads have two keys.
#[test]
fn newcomer_example_workflows_keep_uploads_apart() {
    let folders = ["workflows", "infra/kubernetes/overlays/aws/workflows"].map(crate::support::repository);
    let mut seen = 0;
    for folder in folders {
        for name in crate::support::files(&folder).iter().filter(|name| name.ends_with(".yaml") && !name.contains('/'))
        {
            let text = std::fs::read_to_string(folder.join(name)).unwrap();
            let workflow: Value = serde_yaml::from_str(&text).unwrap();
            let prefix = workflow["output"]["prefix"].as_str().unwrap_or_else(|| panic!("{name} has no prefix"));
            assert!(prefix.contains("${object.key}"), "{name}: {prefix}");
            seen += 1;
        }
    }
    assert!(seen > 10, "{seen}");
}

#[test]
fn newcomer_a_retry_says_that_it_runs_the_old_definition() {
    let broken = "trigger: { bucket: uploads }\noutput: { bucket: media, prefix: '${object.key}/' }\n\
                  params: { width: { type: int, default: 160 }, title: { type: string, default: none } }\nactivities:\n  \
                  marked: { watermark: { template: h264-360p, image: 's3://media/none.png', position: top_right } }\n";
    let place = Place::new(&[("vod", broken)]);
    let daemon = &place.daemon;
    daemon.put(&fixture("normal/tiny_aac_180p.mp4"), "s3://uploads/a.mp4");
    daemon.ended(1);
    let started = place.cli(&[
        "executions",
        "start",
        "vod",
        "s3://uploads/a.mp4",
        "--set",
        "width=96",
        "--user-data",
        "order 17",
    ]);
    let id = started["id"].as_str().unwrap().to_owned();
    let failed = daemon.ended(2).remove(0);
    assert_eq!((&failed["state"], &failed["definition"]["changed"]), (&json!("failed"), &json!(false)), "{failed:#}");

    let mended = "name: vod\ntrigger: { bucket: uploads }\noutput: { bucket: media, prefix: '${object.key}/' }\n\
                  params: { width: { type: int, default: 160 }, title: { type: string, default: new } }\nactivities:\n  \
                  poster: { snapshot: { at: 0s, width: '${params.width}' } }\n";
    std::fs::write(place.folder.path().join("workflows/vod.yaml"), mended).unwrap();
    crate::support::wait_for("the mended workflow", || {
        (daemon.show(&id)["definition"]["changed"] == true).then_some(())
    });
    let page = place.page(&format!("/executions/{id}"));
    assert!(
        page.contains("The workflow has changed since") && page.contains(&format!("/executions/{id}/again")),
        "{page}"
    );

    let retried =
        crate::support::run(crate::support::reelmill().args(["executions", "retry", &id, "--url", &daemon.api]));
    let said = String::from_utf8_lossy(&retried.stderr).into_owned();
    assert!(said.contains("the definition that the execution started with"), "{said}");
    assert!(said.contains("workflow vod has changed") && said.contains(&format!("retry {id} --latest")), "{said}");
    let busy = crate::support::wait_for("the retry to end", || {
        let shown = daemon.show(&id);
        (shown["state"] == "failed").then_some(shown)
    });
    assert!(busy["activities"]["marked"]["attempts"].as_u64() > Some(1), "the old definition ran: {busy:#}");

    let new = place.cli(&["executions", "retry", &id, "--latest"]);
    assert_ne!(new["id"], id.as_str());
    assert_eq!((&new["params"]["width"], &new["params"]["title"]), (&json!(96), &json!("new")), "{new:#}");
    assert_eq!((&new["user_data"], &new["definition"]["changed"]), (&json!("order 17"), &json!(false)));
    let new_id = new["id"].as_str().unwrap();
    crate::support::wait_for("the new execution", || (daemon.show(new_id)["state"] == "succeeded").then_some(()));
    let again = format!("{}/executions/{new_id}/again", daemon.api);
    let posted = run_ok(Command::new("curl").args(["-si", "-X", "POST", "-H", "Sec-Fetch-Site: same-origin", &again]));
    assert!(posted.starts_with("HTTP/1.1 303"), "{posted}");
    crate::support::wait_for("a third", || (daemon.executions().len() == 4).then_some(()));
    let third = posted.lines().find_map(|line| line.strip_prefix("location: ")).unwrap_or_else(|| panic!("{posted}"));
    let page = place.page(third.trim());
    assert!(page.contains(&format!("console, again after <a href=\"/executions/{new_id}\">")), "{page}");
    let job = place.cli(&["jobs", "submit", "analysis", "s3://uploads/a.mp4", "--wait", "60s"]);
    let mut of_a_job = daemon.cli(&["executions", "retry", job["id"].as_str().unwrap(), "--latest"]);
    let refused = crate::support::run(&mut of_a_job);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("CLI0028"), "{refused:?}");
}
