//! Jobs that run as a group: one decode, and each job on its own in everything else.

use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{Daemon, files, fixture, hello, last_json, run_ok};

/// Encodes of constant quality without a cap: with one, x264's threads make other bytes in each run.
const LADDER: &str = "
name: ladder
trigger: { bucket: uploads, key: 'in/**' }
output: { bucket: media, prefix: '' }
retry: { attempts: 1 }
activities:
  probe: { analysis: {} }
  small: { transcode: { video: { codec: h264, preset: ultrafast, crf: 28 }, audio: { codec: aac }, name: small.mp4 } }
  large:
    when: probe.has_video
    transcode: { video: { codec: h264, preset: ultrafast, crf: 22, short_side: 144 }, name: large.mp4 }
  poster: { snapshot: { at: 1s, name: poster.jpg } }
  film: { remux: { name: film.mov } }
  sheet: { snapshot: { every: 1s, width: 64, name: 'sheet-####.jpg' } }
  measured: { analysis: { loudness: true, black: true, silence: true, scenes: true, crop: true, gop: true, chart: true } }
";

/// A folder with a workflow, for a daemon.
pub struct Place {
    folder: TempDir,
}

impl Place {
    pub fn new(workflow: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("workflows")).unwrap();
        std::fs::write(folder.path().join("workflows/w.yaml"), workflow).unwrap();
        Self { folder }
    }

    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn start(&self, worker: &str) -> Daemon {
        self.start_with(worker, "")
    }

    /// Starts a daemon with these settings of its workers, and others.
    pub fn start_with(&self, worker: &str, more: &str) -> Daemon {
        let workflows = self.folder.path().join("workflows");
        let config =
            format!("workflows: {}\ns3_endpoint: 127.0.0.1:0\nworker: {{ {worker} }}\n{more}", workflows.display());
        let path = self.folder.path().join("reelmill.yaml");
        std::fs::write(&path, config).unwrap();
        let environment = HashMap::from([("HOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned())]);
        Daemon::with_config(&path, &self.folder.path().join("data"), &environment)
    }

    /// Uploads a file and waits for its execution.
    fn run(&self, worker: &str, file: &Path) -> (Value, Vec<String>, BTreeMap<String, Vec<u8>>) {
        let daemon = self.start(worker);
        daemon.put(file, "s3://uploads/in/a.mp4");
        let execution = daemon.ended(1).remove(0);
        let log = run_ok(&mut daemon.cli(&["logs", execution["id"].as_str().unwrap()]));
        let media = self.folder.path().join("data/buckets/media");
        let made = files(&media).into_iter().map(|name| (name.clone(), std::fs::read(media.join(name)).unwrap()));
        let made = made.collect();
        assert_eq!(daemon.end(), Some(0));
        let scratch: Vec<_> = std::fs::read_dir(self.folder.path().join("data/scratch")).unwrap().collect();
        assert!(scratch.is_empty(), "scratch holds {scratch:?}");
        (execution, log.lines().map(str::to_owned).collect(), made)
    }
}

/// State, attempts and error code of an activity.
pub fn state(execution: &Value, activity: &str) -> (String, u64, String) {
    let one = &execution["activities"][activity];
    let code = one["error"]["code"].as_str().unwrap_or_default().to_owned();
    (one["state"].as_str().unwrap().to_owned(), one["attempts"].as_u64().unwrap(), code)
}

/// Lines that say which jobs ran together.
pub fn together(log: &[String]) -> Vec<&String> {
    log.iter().filter(|line| line.contains("decoded once, together for")).collect()
}

#[test]
fn jobs_over_one_input_are_decoded_once_and_make_the_same_bytes() {
    let clip = fixture("normal/tiny_aac_180p.mp4");
    let (execution, log, fused) = Place::new(LADDER).run("fusion: on, slots: 1", &clip);
    assert_eq!(execution["state"], "succeeded", "{execution:#}");
    let notes = together(&log);
    assert_eq!(notes.len(), 6, "all but the probe: {log:#?}");
    assert!(notes.iter().all(|line| line.matches(", ").count() >= 3), "{notes:#?}");
    assert!(log.iter().any(|line| line.contains("` shares its sound with `")), "{log:#?}");
    let found = execution["activities"]["measured"]["result"].clone();
    let (execution, log, alone) = Place::new(LADDER).run("fusion: off, slots: 1", &clip);
    assert_eq!(execution["state"], "succeeded", "{execution:#}");
    assert_eq!(execution["activities"]["measured"]["result"], found);
    assert!(found["loudness"]["integrated_lufs"].is_number() && found["measured"]["gop"].is_object(), "{found:#}");
    assert!(together(&log).is_empty(), "{log:#?}");
    assert_eq!(fused.keys().collect::<Vec<_>>(), alone.keys().collect::<Vec<_>>());
    for (name, bytes) in &fused {
        assert!(bytes == &alone[name], "{name} differs: {} bytes and {}", bytes.len(), alone[name].len());
    }
}

#[test]
fn a_group_has_no_more_jobs_than_it_may() {
    let (execution, log, _) = Place::new(LADDER).run("fusion_max: 2, slots: 1", &fixture("normal/tiny_aac_180p.mp4"));
    assert_eq!(execution["state"], "succeeded", "{execution:#}");
    assert!(together(&log).iter().all(|line| !line.contains(", s") && !line.contains(", l")), "{log:#?}");
}

#[test]
fn an_output_that_fails_or_takes_too_long_leaves_the_others_alone() {
    let workflow = "
name: uneven
trigger: { bucket: uploads, key: 'in/**' }
output: { bucket: media, prefix: '' }
retry: { attempts: 1 }
activities:
  small: { transcode: { template: h264-240p, video: { preset: ultrafast }, name: small.mp4 } }
  poster: { snapshot: { at: 1s, name: poster.jpg } }
  late: { on_failure: continue, transcode: { template: h264-240p, clip: { start: 100s }, name: late.mp4 } }
  endless:
    on_failure: continue
    timeout: 1s
    transcode: { template: h264-720p, video: { preset: veryslow }, name: endless.mp4 }
  music: { on_failure: continue, transcode: { template: h264-240p, audio: { mix: { source: 's3://uploads/no.mp3' } }, name: m.mp4 } }
";
    let (execution, log, made) = Place::new(workflow).run("slots: 1", &fixture("sintel_dragon_720p_18s.mp4"));
    assert_eq!(state(&execution, "small"), ("succeeded".into(), 1, String::new()), "{execution:#}");
    assert_eq!(state(&execution, "poster"), ("succeeded".into(), 1, String::new()));
    assert_eq!(state(&execution, "late"), ("failed".into(), 1, "MEDIA0023".into()));
    assert_eq!(state(&execution, "endless"), ("failed".into(), 1, "WORKER0005".into()));
    assert_eq!(state(&execution, "music").0, "failed");
    assert_eq!(made.keys().collect::<Vec<_>>(), ["poster.jpg", "small.mp4"]);
    let at = |text: &str| log.iter().position(|line| line.contains(text)).unwrap_or_else(|| panic!("{text}: {log:#?}"));
    assert!(at("poster.jpg") < at("small.mp4"), "the picture is published before the encode ends: {log:#?}");
}

/// A worker that makes a file for each task, unless one of them is poison: then it kills itself. An analysis takes three
/// seconds and fails.
const POISONED: &str = r#"
import json, os, signal, sys
line = b""
while not line.endswith(b"\n"):
    chunk = os.read(0, 65536)
    if not chunk:
        sys.exit(0)
    line += chunk
job = json.loads(line)
if "analysis" in job["tasks"][0]["work"]:
    # Longer than a lease.
    signal.sigtimedwait([], 3)
    failure = {"code": "MEDIA0003", "class": "fatal", "blame": "input", "message": "nothing is known"}
    print(json.dumps({"task": 0, "type": "failed", "failure": failure}), flush=True)
    sys.exit(0)
names = [task["work"]["pipeline"]["outputs"][0]["snapshot"]["file"] for task in job["tasks"]]
if any("poison" in name for name in names):
    os.kill(os.getpid(), signal.SIGSEGV)
for n, (task, name) in enumerate(zip(job["tasks"], names)):
    with open(os.path.join(task["scratch"], name), "w") as file:
        file.write(name)
    made = {"file": name, "size_bytes": len(name), "content_type": "image/jpeg", "role": "image"}
    print(json.dumps({"task": n, "type": "done", "report": {"outputs": [{"Ok": {"files": [made]}}]}}), flush=True)
"#;

/// A worker program in Python that says hello, and then does `body`.
pub fn python_worker(folder: &Path, body: &str) -> PathBuf {
    let path = folder.join("worker.py");
    let said = hello(&["mjpeg"]);
    let said = said.strip_prefix("echo '").and_then(|said| said.strip_suffix('\'')).unwrap();
    std::fs::write(
        &path,
        format!("#!/usr/bin/env -S PATH=/usr/bin:/bin:/usr/local/bin python3\nprint('''{said}''', flush=True){body}"),
    )
    .unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_job_that_kills_its_worker_is_found_and_the_others_succeed_without_it() {
    let shot = |name: &str| format!("  {name}: {{ snapshot: {{ at: 1s, name: {name}.jpg }} }}\n");
    let names = ["one", "two", "poison", "three", "four"];
    let activities: String = names.iter().map(|name| shot(name)).collect();
    let workflow = format!(
        "name: shots\ntrigger: {{ bucket: uploads, key: 'in/**' }}\noutput: {{ bucket: media, prefix: '' }}\n\
         retry: {{ attempts: 3, backoff: 10ms }}\nactivities:\n{activities}"
    );
    let place = Place::new(&workflow);
    let program = python_worker(place.folder(), POISONED);
    let worker = format!("program: {}, slots: 1", program.display());
    let (execution, log, made) = place.run(&worker, &fixture("normal/tiny_aac_180p.mp4"));
    for name in ["one", "two", "three", "four"] {
        assert_eq!(state(&execution, name), ("succeeded".into(), 2, String::new()), "{log:#?}");
    }
    assert_eq!(state(&execution, "poison"), ("failed".into(), 3, "ENG0002".into()), "{log:#?}");
    assert_eq!(made.len(), 4);
}

/// The ladder with one encode that takes long.
fn slow() -> Place {
    let quick = "preset: ultrafast, crf: 22, short_side: 144";
    assert!(LADDER.contains(quick));
    Place::new(&LADDER.replace(quick, "preset: slow, crf: 22, short_side: 360"))
}

/// Uploads 18 s of video, and waits for a moment at which the slow encode still runs and `ended` have succeeded.
fn in_the_middle(daemon: &Daemon, ended: &[&str]) -> String {
    daemon.put(&fixture("sintel_dragon_720p_18s.mp4"), "s3://uploads/in/a.mp4");
    crate::support::wait_for("a group that runs", || {
        let execution = daemon.executions().first().map(|one| daemon.show(one["id"].as_str().unwrap()))?;
        let activities = &execution["activities"];
        let there = ended.iter().all(|name| activities[*name]["state"] == "succeeded");
        assert_ne!(activities["large"]["state"], "succeeded", "nothing ended before it: {execution:#}");
        (there && activities["large"]["state"] == "running").then(|| execution["id"].as_str().unwrap().to_owned())
    })
}

/// Waits for the one execution to succeed, each job of it after one more attempt at most.
fn succeeds(daemon: Daemon) -> Value {
    let execution = daemon.ended(1).remove(0);
    assert_eq!(execution["state"], "succeeded", "{execution:#}");
    for name in ["small", "large", "poster", "film", "sheet", "measured"] {
        let (state, attempts, _) = state(&execution, name);
        assert!(state == "succeeded" && attempts <= 2, "{name}: {execution:#}");
    }
    let notifications = last_json(&run_ok(&mut daemon.cli(&["executions", "list"])));
    assert_eq!(notifications["items"].as_array().unwrap().len(), 1, "one upload, one execution");
    assert_eq!(daemon.end(), Some(0));
    execution
}

#[test]
fn a_daemon_that_is_killed_with_a_group_starts_each_of_its_jobs_again() {
    let place = slow();
    let daemon = place.start("slots: 1, lease: 2s");
    in_the_middle(&daemon, &[]);
    daemon.kill();
    succeeds(place.start("slots: 1, lease: 2s"));
}

#[test]
fn a_picture_is_published_before_the_encode_ends_and_a_drain_hands_back_the_rest_of_the_group() {
    let place = slow();
    let daemon = place.start("slots: 1, drain: 10ms");
    in_the_middle(&daemon, &["poster"]);
    assert!(place.folder.path().join("data/buckets/media/poster.jpg").exists());
    assert_eq!(daemon.end(), Some(0));
    let execution = succeeds(place.start("slots: 1"));
    assert_eq!(state(&execution, "poster").1, 1, "{execution:#}");
    assert_eq!(state(&execution, "large").1, 2, "{execution:#}");
}

#[test]
fn a_cancelled_group_stops_and_leaves_what_was_published() {
    let place = slow();
    let daemon = place.start("slots: 1");
    let id = in_the_middle(&daemon, &["poster"]);
    run_ok(&mut daemon.cli(&["executions", "cancel", &id]));
    let execution = daemon.ended(1).remove(0);
    assert_eq!(execution["state"], "cancelled", "{execution:#}");
    assert_eq!(state(&execution, "poster").0, "succeeded", "{execution:#}");
    for name in ["large", "film", "sheet", "measured"] {
        assert_eq!(state(&execution, name).0, "cancelled", "{name}: {execution:#}");
    }
    let made = files(&place.folder.path().join("data/buckets/media"));
    assert!(made.iter().all(|name| name == "poster.jpg" || name == "small.mp4"), "{made:?}");
    assert_eq!(daemon.end(), Some(0));
}

#[test]
fn a_job_that_waits_for_media_information_keeps_its_lease() {
    let workflow = "
name: shots
trigger: { bucket: uploads, key: 'in/**' }
output: { bucket: media, prefix: '' }
retry: { attempts: 1 }
activities:
  first: { snapshot: { at: 1s, name: first.jpg } }
  probe: { on_failure: continue, analysis: {} }
  second: { needs: probe, snapshot: { at: 2s, name: second.jpg } }
";
    let place = Place::new(workflow);
    let program = python_worker(place.folder(), POISONED);
    let worker = format!("program: {}, slots: 1, lease: 2s", program.display());
    let (execution, log, _) = place.run(&worker, &fixture("normal/tiny_aac_180p.mp4"));
    for name in ["first", "second"] {
        assert_eq!(state(&execution, name), ("succeeded".into(), 1, String::new()), "{log:#?}");
    }
    assert_eq!(together(&log).len(), 2, "{log:#?}");
}
