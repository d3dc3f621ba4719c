//! Job groups whose worker or daemon is killed, at every point of their life.
//!
//! A group of three pictures is made by a program that stops at a point: there it kills itself, or waits for the death of
//! its daemon. Whatever had not ended is done once more, alone, and nothing is lost, done twice or left behind.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::groups::{Place, python_worker, state, together};
use crate::receiver::Receiver;
use crate::support::{Daemon, files, fixture, run_ok, wait_for};

/// Jobs of the group, in the order in which the worker makes them.
const NAMES: [&str; 3] = ["one", "two", "three"];

/// Pictures of the job `many`.
const MANY: usize = 300;

/// Makes one task after the other, in steps. A task alone is only made.
const STEPPING: &str = r#"
import json, os, signal, sys
line = b""
while not line.endswith(b"\n"):
    chunk = os.read(0, 65536)
    if not chunk:
        sys.exit(0)
    line += chunk
tasks = json.loads(line)["tasks"]

def file_of(n):
    return tasks[n]["work"]["pipeline"]["outputs"][0]["snapshot"]["file"]

def place(n):
    return ORDER.index(file_of(n).replace("-####", "").removesuffix(".jpg"))

def say(task, message):
    print(json.dumps({"task": task, **message}), flush=True)

def mark(name):
    os.close(os.open(os.path.join(FOLDER, name), os.O_CREAT))

def at(point):
    if len(tasks) < 2 or point != POINT:
        return
    if VICTIM == "worker":
        os.kill(os.getpid(), signal.SIGKILL)
    mark("reached")
    if VICTIM == "deaf daemon":
        # Until the test has stopped it.
        open(os.path.join(FOLDER, "go")).read()
        return
    # Its end is that of the daemon.
    while os.read(0, 65536):
        pass
    sys.exit(0)

at("taken")
for n, task in enumerate(sorted(range(len(tasks)), key=place)):
    scratch, name = tasks[task]["scratch"], file_of(task)
    say(task, {"type": "progress", "fraction": 0.1, "speed": None, "position_ms": None})
    at(f"begun {n}")
    names = [name.replace('####', '%04d' % number) for number in range(MANY)] if '#' in name else [name]
    made = []
    for name in names:
        with open(os.path.join(scratch, name), "w") as file:
            file.write(name[:2])
            file.flush()
            at(f"half {n}")
            file.write(name[2:])
        made.append({"file": name, "size_bytes": len(name), "content_type": "image/jpeg", "role": "image"})
    at(f"whole {n}")
    say(task, {"type": "done", "report": {"outputs": [{"Ok": {"files": made}}]}})
    if VICTIM == "deaf daemon" and len(tasks) > 1 and f"whole {n}" == POINT:
        mark("said")
    at(f"said {n}")
"#;

/// A place whose worker stops at a point for the sake of a victim, with a receiver of notifications.
struct Scene {
    place: Place,
    program: PathBuf,
    receiver: Receiver,
}

impl Scene {
    fn new(names: &[&str], victim: &str, point: &str) -> Self {
        let shot = |name: &&str| match *name {
            "many" => "  many: { snapshot: { every: 1s, name: 'many-####.jpg' } }\n".to_owned(),
            name => format!("  {name}: {{ snapshot: {{ at: 1s, name: {name}.jpg }} }}\n"),
        };
        let receiver = Receiver::new("");
        let workflow = format!(
            "name: shots\ntrigger: {{ bucket: uploads, key: 'in/**' }}\noutput: {{ bucket: media, prefix: '' }}\n\
             retry: {{ attempts: 2, backoff: 10ms }}\nactivities:\n{}\
             notify: [ {{ webhook: '{}/told', on: [succeeded, failed, cancelled] }} ]\n",
            names.iter().map(shot).collect::<String>(),
            receiver.url
        );
        let place = Place::new(&workflow);
        let folder = place.folder();
        let given =
            format!("POINT, VICTIM, ORDER, FOLDER = {point:?}, {victim:?}, {names:?}, {:?}\n", folder.display());
        let program = python_worker(folder, &format!("\nMANY = {MANY}\n{given}{STEPPING}"));
        Self { place, program, receiver }
    }

    fn start(&self) -> Daemon {
        // A lease that outlasts the test: whoever dies is missed by nobody else.
        let worker = format!("program: {}, slots: 1", self.program.display());
        let secret = "webhooks: { secret: 'env:HOOK_SECRET', allow_private: ['127.0.0.0/8'] }\n";
        self.place.start_with(&worker, secret)
    }

    fn wait_for(&self, mark: &str) {
        let path = self.place.folder().join(mark);
        wait_for(mark, || path.exists().then_some(()));
    }

    fn media(&self) -> PathBuf {
        self.place.folder().join("data/buckets/media")
    }

    /// Waits for the end, and checks that everything is there once; how many attempts each job took.
    fn finish(&self, daemon: Daemon, names: &[&str]) -> BTreeMap<String, u64> {
        let executions = daemon.ended(1);
        assert_eq!(executions.len(), 1, "one upload, one execution");
        let id = executions[0]["id"].as_str().unwrap();
        let text = run_ok(&mut daemon.cli(&["logs", id]));
        assert_eq!(executions[0]["state"], "succeeded", "{text}");
        let log: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let times = |event: &str, name: &str| {
            log.iter().filter(|line| line["event"]["type"] == event && line["activity"] == name).count()
        };
        let mut attempts = BTreeMap::new();
        for name in names {
            let (_, count, _) = state(&executions[0], name);
            assert_eq!(times("succeeded", name), 1, "{name}: {text}");
            assert_eq!(times("claimed", name) as u64, count, "{name}: {text}");
            attempts.insert((*name).to_owned(), count);
        }
        let noted = together(&text.lines().map(str::to_owned).collect::<Vec<_>>()).len();
        assert_eq!(noted, names.len(), "only first attempts are a group: {text}");
        self.check_files(names);
        assert_eq!(self.receiver.wait("/told", 1)[0].event()["type"], "reelmill.execution.succeeded.v1");
        assert_eq!(daemon.end(), Some(0));
        assert_eq!(self.receiver.at("/told").len(), 1, "told once");
        attempts
    }

    /// Each output is whole, and there is no other file.
    fn check_files(&self, names: &[&str]) {
        let mut expected: Vec<String> = Vec::new();
        for name in names {
            match *name {
                "many" => expected.extend((0..MANY).map(|number| format!("many-{number:04}.jpg"))),
                name => expected.push(format!("{name}.jpg")),
            }
        }
        expected.sort();
        assert_eq!(files(&self.media()), expected);
        for name in expected {
            assert_eq!(std::fs::read_to_string(self.media().join(&name)).unwrap(), name);
        }
        for folder in ["data/scratch", "data/buckets/.reelmill/tmp"] {
            let left = list(&self.place.folder().join(folder));
            assert!(left.is_empty(), "{folder} holds {left:?}");
        }
    }
}

fn list(folder: &Path) -> Vec<PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

fn upload(daemon: &Daemon) {
    daemon.put(&fixture("normal/tiny_aac_180p.mp4"), "s3://uploads/in/a.mp4");
}

/// Waits until these jobs have succeeded.
fn succeeded(daemon: &Daemon, names: &[&str]) {
    wait_for("jobs of the group to end", || {
        let id = daemon.executions().first()?["id"].as_str()?.to_owned();
        let execution = daemon.show(&id);
        names.iter().all(|name| state(&execution, name).0 == "succeeded").then_some(())
    });
}

/// Every point of a group, with how many of its jobs have ended there.
fn points() -> Vec<(String, usize)> {
    let of = |n: usize| {
        ["begun", "half", "whole", "said"].map(|step| (format!("{step} {n}"), n + usize::from(step == "said")))
    };
    std::iter::once(("taken".to_owned(), 0)).chain((0..NAMES.len()).flat_map(of)).collect()
}

/// One attempt for those that had ended, two for the others.
fn expected(ended: usize) -> BTreeMap<String, u64> {
    NAMES.iter().enumerate().map(|(n, name)| ((*name).to_owned(), if n < ended { 1 } else { 2 })).collect()
}

#[test]
fn a_worker_that_is_killed_at_any_point_of_a_group_costs_what_had_not_ended_one_attempt() {
    for (point, ended) in points() {
        eprintln!("killed at: {point}");
        let scene = Scene::new(&NAMES, "worker", &point);
        let daemon = scene.start();
        upload(&daemon);
        assert_eq!(scene.finish(daemon, &NAMES), expected(ended), "{point}");
    }
}

#[test]
fn a_daemon_that_is_killed_at_any_point_of_a_group_does_again_what_had_not_ended() {
    for (point, ended) in points() {
        eprintln!("killed at: {point}");
        let scene = Scene::new(&NAMES, "daemon", &point);
        let daemon = scene.start();
        upload(&daemon);
        scene.wait_for("reached");
        succeeded(&daemon, &NAMES[..ended]);
        daemon.kill();
        assert_eq!(scene.finish(scene.start(), &NAMES), expected(ended), "{point}");
    }
}

#[test]
fn a_result_that_the_killed_daemon_never_heard_of_is_made_again() {
    for n in 0..NAMES.len() {
        eprintln!("not heard: {n}");
        let scene = Scene::new(&NAMES, "deaf daemon", &format!("whole {n}"));
        let go = scene.place.folder().join("go");
        run_ok(Command::new("mkfifo").arg(&go));
        let daemon = scene.start();
        upload(&daemon);
        scene.wait_for("reached");
        succeeded(&daemon, &NAMES[..n]);
        daemon.freeze();
        std::fs::write(&go, "").unwrap();
        scene.wait_for("said");
        daemon.kill();
        assert_eq!(scene.finish(scene.start(), &NAMES), expected(n), "{n}");
    }
}

#[test]
fn a_daemon_that_is_killed_while_a_job_of_a_group_is_published_publishes_all_of_it_again() {
    let names = ["one", "many", "three"];
    let scene = Scene::new(&names, "daemon", "said 1");
    let daemon = scene.start();
    upload(&daemon);
    // From the first picture that can be seen to the last, the killed daemon may be anywhere.
    wait_for("a first picture", || files(&scene.media()).iter().any(|name| name.starts_with("many")).then_some(()));
    daemon.kill();
    let attempts = scene.finish(scene.start(), &names);
    assert_eq!((attempts["one"], attempts["three"]), (1, 2), "{attempts:?}");
}
