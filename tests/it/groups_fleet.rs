//! Three daemons over one PostgreSQL, S3 and SQS, with job groups and without: the same outputs, each job done once.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::postgres;
use crate::sqs::Fleet;
use crate::support::{Daemon, fixture, run_ok};

/// Encodes of constant quality without a cap: with one, x264's threads make other bytes in each run.
const WORKFLOW: &str = "
name: ladder
trigger: { bucket: BUCKET-in, key: 'in/**' }
output: { bucket: BUCKET-out, prefix: '${object.stem}/' }
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
notify:
  - sqs: NOTIFY
    on: [started, succeeded, failed]
";

const NAMES: [&str; 6] = ["probe", "small", "large", "poster", "film", "sheet"];

/// Uploads of each fleet.
const UPLOADS: usize = 4;

/// What became of one execution.
struct Life {
    /// Who ran each activity.
    ran_on: BTreeMap<String, String>,
    /// Which others its log says ran with it.
    beside: BTreeMap<String, BTreeSet<String>>,
}

/// Reads the log of an execution, in which each job is claimed and succeeds once.
fn life(daemon: &Daemon, execution: &Value) -> Life {
    let text = run_ok(&mut daemon.cli(&["logs", execution["id"].as_str().unwrap()]));
    assert_eq!(execution["state"], "succeeded", "{text}");
    let log: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut life = Life { ran_on: BTreeMap::new(), beside: BTreeMap::new() };
    for name in NAMES {
        let of = |kind: &str| -> Vec<&Value> {
            let is_it = |line: &&Value| line["activity"] == name && line["event"]["type"] == kind;
            log.iter().filter(is_it).map(|line| &line["event"]).collect()
        };
        let (claimed, succeeded) = (of("claimed"), of("succeeded"));
        assert_eq!((claimed.len(), succeeded.len()), (1, 1), "{name} is done once: {text}");
        life.ran_on.insert(name.to_owned(), claimed[0]["worker"].as_str().unwrap().to_owned());
        for note in of("note") {
            let said = note["message"].as_str().unwrap();
            let Some((_, others)) = said.split_once("decoded once, together for ") else { continue };
            let others = others.split(", ").map(str::to_owned).collect();
            assert!(life.beside.insert(name.to_owned(), others).is_none(), "{name} is in one group: {text}");
        }
    }
    life
}

/// The members of a group name each other, and ran on the same daemon.
fn check_groups(life: &Life) {
    let group = |name: &String| -> BTreeSet<String> { life.beside[name].iter().chain([name]).cloned().collect() };
    for (name, others) in &life.beside {
        for other in others {
            assert_eq!(life.ran_on[other], life.ran_on[name], "{name} and {other} ran together");
            assert_eq!(group(other), group(name), "{name} and {other} name the same group");
        }
    }
}

/// Runs the uploads through three daemons; answers the lives of their executions, and the outputs by key.
async fn run(name: &str, fusion: &str) -> Option<(Vec<Life>, BTreeMap<String, Vec<u8>>)> {
    let fleet = Fleet::with(name, WORKFLOW).await?;
    let store = postgres::empty().await;
    let worker = format!("slots: 1, fusion: {fusion}");
    let daemons: Vec<Daemon> = (0..3).map(|n| fleet.start_beside(n, &store, &worker)).collect();
    for n in 0..UPLOADS {
        fleet.put(&fixture("normal/tiny_aac_180p.mp4"), &format!("in/{n}.mp4")).await;
    }
    let ended = daemons[0].ended(UPLOADS);
    assert_eq!(ended.len(), UPLOADS, "each upload starts one execution");
    let lives = ended.iter().map(|execution| life(&daemons[0], execution)).collect();
    let told = fleet.told(2 * UPLOADS).await;
    let mut ends: Vec<&str> = told
        .iter()
        .filter(|event| event["type"] == "reelmill.execution.succeeded.v1")
        .filter_map(|event| event["id"].as_str())
        .collect();
    ends.sort_unstable();
    ends.dedup();
    assert_eq!((told.len(), ends.len()), (2 * UPLOADS, UPLOADS), "each is told once: {told:#?}");
    fleet.until_no_message_waits().await;
    for (n, daemon) in daemons.into_iter().enumerate() {
        assert_eq!(daemon.end(), Some(0));
        let left: Vec<_> = std::fs::read_dir(fleet.folder().join(format!("scratch-{n}"))).unwrap().collect();
        assert!(left.is_empty(), "scratch holds {left:?}");
    }
    let mut made = BTreeMap::new();
    for key in fleet.outputs().await {
        made.insert(key.clone(), fleet.output(&key).await);
    }
    Some((lives, made))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_makes_the_same_with_groups_and_without_and_each_group_runs_on_one_daemon() {
    let Some((fused, together)) = run("grouped", "on").await else { return };
    fused.iter().for_each(check_groups);
    assert!(fused.iter().any(|life| life.beside.len() > 1), "no group at all");
    assert!(fused.iter().all(|life| !life.beside.contains_key("probe")), "headers are read before");

    let Some((alone, apart)) = run("single", "off").await else { return };
    assert!(alone.iter().all(|life| life.beside.is_empty()), "groups are off");
    let spread = |life: &&Life| life.ran_on.values().collect::<BTreeSet<_>>().len() > 1;
    eprintln!("{} of {UPLOADS} executions on several daemons", alone.iter().filter(spread).count());

    assert_eq!(together.keys().collect::<Vec<_>>(), apart.keys().collect::<Vec<_>>());
    for (key, bytes) in &together {
        assert!(bytes == &apart[key], "{key} differs: {} bytes and {}", bytes.len(), apart[key].len());
    }
}
