//! The media corpus, where it is there (`REELMILL_MEDIA`, or `../shared/media` beside the checkout): every file does what
//! its manifest expects, through `reelmill run`. The workflow has the shape of `workflows/vod.yaml` with cheap encodes;
//! `make corpus` (`REELMILL_CORPUS=full`) takes that file itself, which is hours of video to encode.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{files, repository, run_workflow, workflow};

/// No file takes longer, however hostile.
const LONGEST: Duration = Duration::from_secs(1_200);

struct File {
    name: String,
    path: PathBuf,
    expected: String,
    video: bool,
}

fn corpus() -> Option<Vec<File>> {
    let root = std::env::var_os("REELMILL_MEDIA").map_or_else(|| repository("../shared/media"), PathBuf::from);
    let public = root.join("public");
    let Ok(manifest) = std::fs::read_to_string(public.join("MANIFEST.tsv")) else {
        eprintln!("skipped: there is no media corpus at {}", root.display());
        return None;
    };
    let mut lines = manifest.lines().map(|line| line.split('\t').collect::<Vec<_>>());
    let head = lines.next().unwrap();
    let column = |name: &str| head.iter().position(|cell| *cell == name).unwrap();
    let (name, video, labels, expected) = (column("file"), column("video"), column("labels"), column("expected"));
    Some(
        lines
            .map(|cells| File {
                name: cells[name].to_owned(),
                path: public.join(cells[name]),
                expected: cells[expected].to_owned(),
                video: !cells[video].is_empty() && !cells[labels].contains("1-frame"),
            })
            .filter(|file| file.path.is_file())
            .collect(),
    )
}

/// Nothing, or what is wrong.
pub type Outcome = Result<(), String>;

/// Runs `check` on every file, two at a time, and reports all that is wrong at once, by name.
pub fn each<T: Send>(files: Vec<T>, name: impl Fn(&T) -> String + Sync, check: impl Fn(&T) -> Outcome + Sync) {
    let wrong = Mutex::new(Vec::new());
    let waiting = Mutex::new(files.into_iter());
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                loop {
                    let Some(file) = waiting.lock().unwrap().next() else { return };
                    let started = Instant::now();
                    let mut outcome = check(&file);
                    if started.elapsed() > LONGEST {
                        outcome = Err(format!("took {} s", started.elapsed().as_secs()));
                    }
                    if let Err(reason) = outcome {
                        wrong.lock().unwrap().push(format!("{}: {reason}", name(&file)));
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} files:\n{}", wrong.len(), wrong.join("\n"));
}

/// What went wrong in an execution: activity, code and message.
pub fn errors(execution: &Value) -> Vec<String> {
    let activities = execution["activities"].as_object().into_iter().flatten();
    activities
        .filter(|(_, activity)| !activity["error"].is_null())
        .map(|(name, activity)| format!("{name}: {} {}", activity["error"]["code"], activity["error"]["message"]))
        .collect()
}

fn named(file: &File) -> String {
    file.name.clone()
}

const CHEAP: &str = "
name: vod
output: { bucket: media, prefix: 'vod/${object.key}/' }
activities:
  probe:
    analysis: {}
  base:
    transcode: { template: h264-240p, video: { preset: ultrafast }, name: 240p.mp4 }
  poster:
    when: probe.has_video
    snapshot: { at: 10%, width: 320, name: poster.jpg }
  hls:
    package: { from: [base], protocol: hls, segment: 6s }
";

fn vod(file: &Path) -> (i32, Value, Vec<String>) {
    let output = tempfile::tempdir().unwrap();
    let (_folder, cheap) = workflow(CHEAP);
    let full = std::env::var_os("REELMILL_CORPUS").is_some_and(|value| value == "full");
    let workflow = if full { repository("workflows/vod.yaml") } else { cheap };
    let (exit, execution) = run_workflow(&workflow, file, output.path());
    (exit, execution, files(output.path()))
}

#[test]
fn vod_works_on_every_ok_video_of_the_corpus() {
    let Some(all) = corpus() else { return };
    let ok = all.into_iter().filter(|file| file.expected == "ok" && file.video).collect();
    each(ok, named, |file| {
        let (exit, execution, made) = vod(&file.path);
        if exit != 0 || execution["state"] != "succeeded" {
            return Err(format!("exit {exit}, {}: {}", execution["state"], errors(&execution).join("; ")));
        }
        if !made.iter().any(|name| name.ends_with(".mp4")) {
            return Err(format!("no MP4 among {made:?}"));
        }
        Ok(())
    });
}

#[test]
fn what_must_fail_fails_cleanly_and_what_may_either_way_never_hangs() {
    let Some(all) = corpus() else { return };
    let doubtful = all.into_iter().filter(|file| file.expected != "ok").collect();
    each(doubtful, named, |file| {
        let (exit, execution, made) = vod(&file.path);
        let errors = errors(&execution);
        match (exit, execution["state"].as_str()) {
            (0, Some("succeeded")) if file.expected == "either-clean" => Ok(()),
            (1, Some("failed")) => {
                let coded = errors.iter().all(|error| error.contains("MEDIA"));
                let leaked = file.expected == "must-fail-clean" && !made.is_empty();
                if errors.is_empty() || !coded {
                    Err(format!("not a failure of the media: {errors:?}"))
                } else if leaked {
                    Err(format!("left {made:?}"))
                } else {
                    Ok(())
                }
            }
            (exit, state) => Err(format!("exit {exit}, {state:?}: {}", errors.join("; "))),
        }
    });
}
