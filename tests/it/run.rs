//! `reelmill run`: where outputs land, and what is left behind when it is interrupted.

use std::process::{Command, Stdio};

use crate::support::{files, fixture, last_json, reelmill, repository, run, run_ok, run_workflow, wait_for, workflow};

const TWO_BUCKETS: &str = "
name: two
output: { bucket: m1 }
activities:
  a: { snapshot: { at: 0s, name: m2/s.jpg, width: 160 } }
  b: { output: { bucket: m2 }, snapshot: { at: 50%, name: s.jpg, width: 128 } }
";

#[test]
fn outputs_to_two_buckets_never_land_on_each_other() {
    let (folder, file) = workflow(TWO_BUCKETS);
    let output = folder.path().join("made");
    let (exit, execution) = run_workflow(&file, &fixture("normal/tiny_aac_180p.mp4"), &output);
    assert_eq!((exit, execution["state"].as_str()), (0, Some("succeeded")), "{execution:#}");
    assert_eq!(files(&output), ["m1/m2/s.jpg", "m2/s.jpg"]);
    let shown =
        run_ok(reelmill().arg("run").arg(&file).arg(fixture("normal/tiny_aac_180p.mp4")).arg("-o").arg(&output));
    assert!(shown.contains(&output.join("m1/m2/s.jpg").display().to_string()), "no path of a file: {shown}");
}

#[test]
fn outputs_may_go_to_the_bucket_of_the_uploads() {
    let (folder, file) = workflow(
        "
name: same
trigger: { bucket: uploads, key: 'in/**' }
output: { bucket: uploads, prefix: 'done/' }
activities:
  a: { snapshot: { at: 0s, name: s.jpg, width: 160 } }
",
    );
    let output = folder.path().join("made");
    let (exit, execution) = run_workflow(&file, &fixture("normal/tiny_aac_180p.mp4"), &output);
    assert_eq!((exit, execution["state"].as_str()), (0, Some("succeeded")), "{execution:#}");
    assert_eq!(files(&output), ["done/s.jpg"]);
}

#[test]
fn wrong_usage_is_told_before_anything_runs() {
    let (folder, file) = workflow(TWO_BUCKETS);
    let clip = fixture("normal/tiny_aac_180p.mp4");
    std::fs::write(folder.path().join("afile"), "").unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    for args in [
        vec![file.display().to_string(), clip.display().to_string(), "-o".into(), path("afile/m1")],
        vec![
            file.display().to_string(),
            clip.display().to_string(),
            "--bucket".into(),
            format!("m1={}", path("afile")),
        ],
        vec![
            file.display().to_string(),
            clip.display().to_string(),
            "--bucket".into(),
            "m1=x".into(),
            "--bucket".into(),
            "m2=x".into(),
        ],
        vec![path(""), clip.display().to_string()],
        vec![file.display().to_string(), path("")],
    ] {
        let result = run(reelmill().arg("run").args(&args).current_dir(folder.path()));
        assert_eq!(result.status.code(), Some(2), "{args:?}: {result:?}");
    }
}

#[test]
fn a_signal_ends_a_run_and_leaves_nothing_in_the_temporary_folder() {
    let (folder, file) = workflow(
        "
name: slow
output: { bucket: media }
activities:
  film: { transcode: { template: h264-720p, video: { preset: veryslow }, name: film.mp4 } }
",
    );
    for (signal, json) in [("-TERM", true), ("-INT", false)] {
        let temporary = folder.path().join("tmp");
        std::fs::create_dir_all(&temporary).unwrap();
        let child = reelmill()
            .args(if json { &["run", "--json"][..] } else { &["run"] })
            .arg(&file)
            .arg(fixture("sintel_dragon_720p_18s.mp4"))
            .arg("--output")
            .arg(folder.path().join("made"))
            .env("TMPDIR", &temporary)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        wait_for("its scratch folder", || files(&temporary).iter().any(|name| name.contains("scratch")).then_some(()));
        run_ok(Command::new("kill").args([signal, &child.id().to_string()]));
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(130), "{ended:?}");
        assert_eq!(std::fs::read_dir(&temporary).unwrap().count(), 0, "{:?}", files(&temporary));
        let told = String::from_utf8(ended.stderr).unwrap();
        if json {
            assert_eq!(last_json(&told)["error"]["code"], "CLI0010", "{told}");
        } else {
            assert!(told.contains("error[CLI0010]"), "{told}");
        }
    }
}

#[test]
fn a_parameter_of_the_wrong_type_is_wrong_usage() {
    let (_folder, file) = workflow(
        "
name: sized
params: { width: { type: int, default: 160 } }
output: { bucket: media }
activities:
  a: { snapshot: { at: 0s, name: s.jpg, width: \"${params.width}\" } }
",
    );
    let result = run(reelmill().arg("run").arg(&file).arg(fixture("logo.png")).args(["--set", "width=abc"]));
    assert_eq!(result.status.code(), Some(2), "{result:?}");
    let vod = repository("workflows/vod.yaml");
    let none = run(reelmill().arg("run").arg(&vod).arg(fixture("logo.png")).args(["--set", "nope=1"]));
    assert_eq!(none.status.code(), Some(2), "{none:?}");
}

#[test]
fn a_plan_says_what_would_run_and_makes_nothing() {
    let (folder, file) = workflow(
        "name: planned\noutput: { bucket: media, prefix: '${object.stem}/' }\nparams: { width: { type: int, default: 160 } }\n\
         activities:\n  probe: { analysis: {} }\n  film: { transcode: { template: h264-360p, name: film.mp4 } }\n  \
         large: { when: probe.video.short_side >= 2160, transcode: { template: h264-360p, name: large.mp4 } }\n  \
         poster: { snapshot: { at: 0s, width: '${params.width}', name: poster.jpg } }\n  \
         hls: { package: { from: film, protocol: hls } }\n",
    );
    let clip = fixture("normal/tiny_aac_180p.mp4");
    let plan = |more: &[&str]| {
        let mut command = reelmill();
        last_json(&run_ok(command.args(["plan", "--json"]).arg(&file).arg(&clip).args(more).current_dir(folder.path())))
    };
    let planned = plan(&["--set", "width=80"]);
    let of = |name: &str| {
        let steps = planned["activities"].as_array().unwrap();
        steps.iter().find(|step| step["activity"] == name).unwrap_or_else(|| panic!("{planned:#}")).clone()
    };
    assert_eq!(of("film")["makes"][0], "s3://media/tiny_aac_180p/film.mp4");
    assert_eq!(of("large")["remark"], "skipped: its condition is false");
    assert_eq!(
        of("poster")["work"]["pipeline"]["outputs"][0]["snapshot"]["size"]["box"]["width"],
        80,
        "{:#}",
        of("poster")
    );
    assert!(of("hls")["makes"][0].as_str().unwrap().ends_with(".m3u8"), "{:#}", of("hls"));
    assert_eq!(files(folder.path()), ["workflow.yaml"], "nothing was made");
    let text = run_ok(reelmill().args(["plan"]).arg(&file).arg(&clip));
    assert!(text.starts_with("ACTIVITY") && text.contains("s3://media/tiny_aac_180p/poster.jpg"), "{text}");
}

#[test]
fn a_plan_shows_what_jobs_over_the_upload_share() {
    let rung = |height: u32, codec: &str| {
        let video = format!("{{ codec: {codec}, height: {height}, denoise: light }}");
        format!(
            "{{ transcode: {{ name: '{codec}-{height}.mp4', video: {video}, audio: {{ codec: aac, bitrate: 64k }} }} }}"
        )
    };
    let (folder, file) = workflow(&format!(
        "name: rungs\noutput: {{ bucket: media, prefix: '' }}\nactivities:\n  one: {}\n  two: {}\n  three: {}\n",
        rung(180, "h264"),
        rung(128, "h264"),
        rung(128, "h265"),
    ));
    let clip = fixture("normal/tiny_aac_180p.mp4");
    let mut command = reelmill();
    let planned = last_json(&run_ok(command.args(["plan", "--json"]).arg(&file).arg(&clip).current_dir(folder.path())));
    let shares = |place: usize| planned["activities"][place]["shares"].clone();
    assert_eq!(shares(0), serde_json::Value::Null);
    assert_eq!(shares(1)[0], "`two` shares its first filters and its sound with `one`");
    assert_eq!(shares(2)[0], "`three` shares its pictures with `two`, its sound with `one`");
    let text = run_ok(reelmill().args(["plan"]).arg(&file).arg(&clip));
    assert!(text.contains("\nin one group of jobs: `three` shares its pictures with `two`"), "{text}");
}

#[test]
fn newcomer_a_plan_says_which_box_is_not_reached() {
    let (folder, file) = workflow(
        "name: social\noutput: { bucket: media, prefix: '${object.stem}/' }\nactivities:\n  \
         story: { transcode: { video: { width: 1080, height: 1920, fit: crop }, name: story.mp4 } }\n  \
         rung: { transcode: { template: h264-1080p, name: rung.mp4 } }\n",
    );
    let clip = fixture("normal/tiny_aac_180p.mp4");
    let mut command = reelmill();
    let planned = last_json(&run_ok(command.args(["plan", "--json"]).arg(&file).arg(&clip).current_dir(folder.path())));
    let warnings = |place: usize| planned["activities"][place]["warnings"].to_string();
    assert!(warnings(0).contains("1080×1920 is not reached: the source is 320×180"), "{planned:#}");
    assert_eq!(warnings(1), "null", "{planned:#}");
    let text = run_ok(reelmill().args(["plan"]).arg(&file).arg(&clip));
    assert!(text.contains("warning: story: 1080×1920 is not reached"), "{text}");
}
