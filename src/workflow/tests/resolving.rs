//! Activities made into work.

use std::collections::BTreeMap;

use petgraph::graph::NodeIndex;
use serde_json::{Value, json};

use super::*;
use crate::engine::{ActivityState, Evaluate, Execution, Facts};
use crate::model::media::{AudioStream, MediaInfo, VideoStream};
use crate::model::work::{
    Audio, BurnIn, Clip, Color, Container, FileRole, Gop, IfIncomplete, Length, MediaOutput, Moment, Output,
    OverlayContent, Package, RateControl, Size, SnapshotTimes, Video, VideoEncode, Work,
};
use crate::model::{ExecutionId, Failure, InputObject, ObjectLocation, OutputObject, Timestamp};
use crate::template::KeySource;

/// An upload of that key.
fn upload(key: &str) -> InputObject {
    InputObject {
        location: ObjectLocation { bucket: "uploads".to_owned(), key: key.to_owned() },
        size_bytes: Some(1_000),
        etag: None,
        version: None,
        metadata: BTreeMap::from([("title".to_owned(), "A/B".to_owned())]),
    }
}

fn succeeded(result: Value, outputs: Vec<OutputObject>) -> ActivityState {
    ActivityState::Succeeded { attempt: 1, result: Arc::new(result), outputs: outputs.into() }
}

fn published(key: &str, media: Option<MediaInfo>) -> OutputObject {
    OutputObject {
        location: ObjectLocation { bucket: "media".to_owned(), key: key.to_owned() },
        size_bytes: 10,
        content_type: "video/mp4".to_owned(),
        role: FileRole::Media,
        media,
    }
}

fn source(width: u32, height: u32, bit_rate: u64) -> MediaInfo {
    let video = VideoStream {
        width,
        height,
        short_side: width.min(height),
        long_side: width.max(height),
        bit_rate: Some(bit_rate),
        ..VideoStream::default()
    };
    MediaInfo { video: vec![video], audio: vec![AudioStream::default()], ..MediaInfo::default() }
}

/// One execution, of which some activities have ended.
struct Run {
    plan: Arc<Plan>,
    state: Execution,
    input: InputObject,
    params: BTreeMap<String, Value>,
}

impl Run {
    fn new(text: &str, key: &str) -> Self {
        let plan = workflow(text).plan;
        let params = params(&plan, &BTreeMap::new(), &BTreeMap::new()).unwrap();
        Self { state: Execution::new(&plan), plan, input: upload(key), params }
    }

    fn ended(mut self, name: &str, state: ActivityState) -> Self {
        self.state.activities[self.plan.find(name).unwrap().index()] = state;
        self
    }

    fn resolve(&self, name: &str) -> Result<Resolved, Failure> {
        let cx = ResolveContext {
            execution: ExecutionId(uuid::Uuid::nil()),
            created_at: Timestamp(0),
            input: &self.input,
            params: &self.params,
            state: &self.state,
        };
        resolve(&self.plan, self.plan.find(name).unwrap().index(), &cx)
    }

    fn when(&self, name: &str) -> Result<bool, Failure> {
        let facts = Facts {
            execution: ExecutionId(uuid::Uuid::nil()),
            created_at: Timestamp(0),
            input: &self.input,
            params: &self.params,
        };
        let index: NodeIndex = self.plan.find(name).unwrap();
        Evaluator.when(&self.plan, index, &self.state, &facts)
    }
}

fn media(resolved: &Resolved) -> &MediaOutput {
    let Work::Pipeline(p) = &resolved.work else { panic!("{resolved:?}") };
    match p.outputs.as_slice() {
        [Output::Media(output)] => output,
        other => panic!("{other:?}"),
    }
}

fn video(resolved: &Resolved) -> &VideoEncode {
    match &media(resolved).video {
        Some(Video::Encode(video)) => video,
        other => panic!("{other:?}"),
    }
}

const VOD: &str = include_str!("../../../workflows/vod.yaml");

#[test]
fn a_rung_of_the_ladder_becomes_work() {
    let run = Run::new(VOD, "incoming/holiday.mov");
    let rung = run.resolve("rungs.h264-720p").unwrap();
    assert_eq!((rung.bucket.as_str(), rung.prefix.as_str()), ("media", "vod/incoming/holiday.mov/"));
    assert_eq!(rung.inputs, [ResolvedInput::Object(run.input.clone())]);
    let output = media(&rung);
    assert_eq!((output.file.as_str(), output.container), ("h264-720p.mp4", Container::Mp4));
    let video = video(&rung);
    assert_eq!(video.size, Size::ShortSide(720));
    assert_eq!(
        video.rate_control,
        RateControl::Crf { crf: 23.0, maxrate_bps: Some(2_800_000), bufsize_bits: Some(5_600_000) }
    );
    assert_eq!((video.gop, video.upscale), (Some(Gop::Seconds(2.0)), false));
    let Some(Audio::Encode(audio)) = &output.audio else { panic!("{output:?}") };
    assert_eq!((audio.bitrate_bps, audio.channels), (Some(128_000), Some(2)));
}

#[test]
fn a_remux_into_a_container_of_sound_loses_no_picture_unsaid() {
    let run = Run::new(
        "name: w\noutput: { bucket: media }\nactivities:\n  a: { remux: { container: m4a } }\n  \
         b: { remux: { container: m4a, video: none } }\n  c: { transcode: { container: m4a } }\n",
        "a.mp4",
    );
    let taken = |name| media(&run.resolve(name).unwrap()).video.clone();
    // A copy of video is what the worker refuses where there is some.
    assert_eq!((taken("a"), taken("b"), taken("c")), (Some(Video::Copy), None, None));
}

#[test]
fn pictures_become_work() {
    let run = Run::new(VOD, "incoming/holiday.mov");
    let Work::Pipeline(sprites) = run.resolve("sprites").unwrap().work else { panic!() };
    let [Output::Snapshot(sprites)] = sprites.outputs.as_slice() else { panic!() };
    assert_eq!((sprites.file.as_str(), sprites.vtt.as_deref()), ("sprites-#####.jpg", Some("sprites.vtt")));
    assert_eq!(sprites.at, SnapshotTimes::Every(5.0));
    let sprite = sprites.sprite.unwrap();
    assert_eq!((sprite.columns, sprite.rows, sprite.width, sprite.height), (10, 10, 160, None));
    assert_eq!(
        (sprite.margin, sprite.padding, sprite.color, sprite.step, sprite.one_sheet),
        (0, 0, Color::default(), 1, false)
    );
    let Work::Pipeline(poster) = run.resolve("poster").unwrap().work else { panic!() };
    let [Output::Snapshot(poster)] = poster.outputs.as_slice() else { panic!() };
    assert_eq!(poster.at, SnapshotTimes::At(Moment::Share(0.1)));
    assert_eq!(poster.size, Size::Box { width: Some(1280), height: None });
}

#[test]
fn a_package_takes_the_renditions_that_exist() {
    let skipped = ActivityState::Skipped { attempt: 0, reason: crate::engine::SkipReason::When };
    let run = Run::new(VOD, "incoming/holiday.mov")
        .ended("base", succeeded(Value::Null, vec![published("vod/incoming/holiday.mov/360p.mp4", None)]))
        .ended("rungs.h264-1080p", skipped)
        .ended(
            "rungs.h264-480p",
            succeeded(Value::Null, vec![published("vod/incoming/holiday.mov/h264-480p.mp4", None)]),
        );
    let hls = run.resolve("hls").unwrap();
    let Work::Package(Package { master, renditions, segment_s, .. }) = &hls.work else { panic!() };
    assert_eq!((master.as_deref(), *segment_s), (Some("hls/master.m3u8"), 6.0));
    assert_eq!(renditions, &["hls/base", "hls/rungs-h264-480p"]);
    assert_eq!(hls.inputs.len(), 2);
    assert_eq!(Run::new(VOD, "incoming/x.mov").resolve("hls").unwrap_err().code, "WF0404");
}

#[test]
fn a_package_reads_subtitles_and_keys_after_its_renditions() {
    let text = with(
        "  a: { transcode: {} }\n  p: { package: { from: a, subtitles: [{ file: en.srt, language: en }], encryption: { key: \
         [env:ONE, file:/two, s3://keys/three], key_uri: \"https://k/#\", rotate: 5 } } }\n  \
         c: { package: { from: a, protocol: cmaf, name: \"x/${object.stem}.m3u8\" } }\n  \
         g: { package: { from: a, encryption: {} } }",
    );
    let run = Run::new(&text, "in/film.mp4").ended("a", succeeded(Value::Null, vec![published("a.mp4", None)]));
    let package = |name| match run.resolve(name).unwrap() {
        Resolved { work: Work::Package(package), inputs, .. } => (package, inputs),
        other => panic!("{other:?}"),
    };
    let (locked, inputs) = package("p");
    assert_eq!((locked.subtitles[0].input, locked.subtitle_folder.as_str()), (1, "p/subtitles"));
    let encryption = locked.encryption.unwrap();
    assert_eq!((encryption.keys, encryption.generated, encryption.rotate), (vec![2, 3, 4], false, Some(5)));
    assert_eq!(inputs[2], ResolvedInput::Key(KeySource::Env("ONE".into())));
    assert_eq!(inputs[3], ResolvedInput::Key(KeySource::File("/two".into())));
    assert_eq!(inputs[4], ResolvedInput::Asset(ObjectLocation { bucket: "keys".into(), key: "three".into() }));
    let (cmaf, _) = package("c");
    assert_eq!((cmaf.master.as_deref(), cmaf.mpd.as_deref()), (Some("x/film.m3u8"), Some("x/film.mpd")));
    let (made, inputs) = package("g");
    assert_eq!(inputs[1], ResolvedInput::Key(KeySource::Generated));
    assert!(made.makes("g/keys/key-1.key") && made.makes("g/a/index.m3u8") && !made.makes("g/subtitles/x.vtt"));
}

#[test]
fn an_analysis_finds_what_is_asked_for_and_publishes_a_chart() {
    let text = with(
        "  a: { analysis: { black: true, silence: { least: 500ms, noise: -40 }, scenes: { threshold: 25% }, bitrate: { step: \
         2s }, crop: true, freeze: false, chart: true } }\n  \
         b: { when: a.measured.crop.width > 0, analysis: {} }",
    );
    let run = Run::new(&text, "in/film.mp4");
    let resolved = run.resolve("a").unwrap();
    let Work::Pipeline(pipeline) = &resolved.work else { panic!() };
    let [Output::Analysis(analysis)] = pipeline.outputs.as_slice() else { panic!() };
    assert_eq!((analysis.black.unwrap().least_s, analysis.freeze), (2.0, None));
    assert_eq!((analysis.silence.unwrap().least_s, analysis.silence.unwrap().noise_db), (0.5, -40.0));
    assert_eq!((analysis.scenes, analysis.bitrate_step_s, analysis.crop), (Some(0.25), Some(2.0), true));
    assert_eq!((analysis.chart.as_deref(), resolved.prefix.as_str()), (Some("a.svg"), "out/film/"));
    assert!(resolved.work.makes("a.svg") && !resolved.work.makes("b.svg"));
    assert_eq!(run.resolve("b").unwrap().bucket, "", "without a chart nothing is published");
}

#[test]
fn conditions_follow_the_source_and_never_fail_for_what_is_missing() {
    let probed = |info: &MediaInfo| Run::new(VOD, "incoming/a.mp4").ended("probe", succeeded(json!(info), vec![]));
    let run = probed(&source(1280, 720, 0));
    assert_eq!(run.when("rungs.h264-720p"), Ok(true));
    assert_eq!(run.when("rungs.h264-1080p"), Ok(false));
    let portrait = probed(&source(1080, 1920, 0));
    assert_eq!(portrait.when("rungs.h264-1080p"), Ok(true));
    let audio_only = probed(&MediaInfo { audio: vec![AudioStream::default()], ..MediaInfo::default() });
    assert_eq!(audio_only.when("rungs.h264-480p"), Ok(false));
    assert_eq!(audio_only.when("poster"), Ok(false));
    let failure = Failure::input("MEDIA0001", "no");
    let failed = Run::new(VOD, "incoming/a.mp4").ended("probe", ActivityState::Failed { attempt: 1, failure });
    assert_eq!(failed.when("poster"), Ok(false));
}

#[test]
fn template_analyses_choose_what_later_activities_make() {
    let text = with(
        "  fit: { template-analysis: { templates: [h264-1080p, h264-720p, h264-360p] } }\n  \
         best: { when: 'fit.best == \"h264-720p\"', transcode: { template: h264-720p } }\n  \
         rungs: { for_each: [h264-1080p, h264-360p], when: each in fit.templates, transcode: { template: '${each}' } }\n  \
         none: { when: fit.best == '', transcode: {} }",
    );
    let run = Run::new(&text, "in/x.mp4");
    let resolved = run.resolve("fit").unwrap();
    let Work::Pipeline(pipeline) = &resolved.work else { panic!() };
    assert!(matches!(pipeline.outputs[..], [Output::Analysis(_)]) && resolved.bucket.is_empty(), "{resolved:?}");
    let of = |info: &MediaInfo| run.resolve("fit").unwrap().answer.of(info).unwrap();
    let answer = of(&source(1280, 720, 9_000_000));
    assert_eq!(answer["templates"], json!(["h264-720p", "h264-360p"]));
    assert!(answer["fits"][0]["reason"].is_string() && answer["left_out"][0]["template"] == "h264-1080p", "{answer}");

    let run = run.ended("fit", succeeded(answer, vec![]));
    let when = |name: &str| run.when(name).unwrap();
    assert_eq!(
        [when("best"), when("rungs.h264-1080p"), when("rungs.h264-360p"), when("none")],
        [true, false, true, false]
    );
    let silent = MediaInfo { audio: vec![AudioStream::default()], ..MediaInfo::default() };
    let answer = run.resolve("fit").unwrap().answer.of(&silent).unwrap();
    let run = run.ended("fit", succeeded(answer, vec![]));
    assert_eq!((run.when("none"), run.when("rungs.h264-360p")), (Ok(true), Ok(false)));
}

#[test]
fn templates_to_choose_from_are_frozen_with_the_plan() {
    let chosen = |spec: &str| match Run::new(&with(spec), "in/x.mp4").resolve("fit").unwrap().answer {
        ResultKind::Fits(templates) => templates.iter().map(|template| template.name.clone()).collect::<Vec<_>>(),
        ResultKind::Media => panic!("media information"),
    };
    assert_eq!(chosen("  fit: { template-analysis: { templates: [h264-360p] } }"), ["h264-360p"]);
    let all: Vec<_> = crate::template::Templates::presets().iter().map(|template| template.name.clone()).collect();
    assert_eq!(chosen("  fit: { template-analysis: {} }"), all);
    let plan = workflow(&with("  fit: { template-analysis: { templates: [h264-360p] } }")).plan;
    let spec = &plan.graph[plan.find("fit").unwrap()].spec;
    assert_eq!(spec["templates"]["h264-360p"]["video"]["short_side"], 360, "{spec}");
}

#[test]
fn watermarks_bring_their_pictures_as_inputs() {
    let text = include_str!("../../../workflows/watermark.yaml");
    let run = Run::new(text, "watermark/clip.mp4");
    let logo = ResolvedInput::Asset(ObjectLocation { bucket: "assets".to_owned(), key: "logo.png".to_owned() });
    let marked = run.resolve("marked").unwrap();
    assert_eq!(marked.inputs[1], logo);
    let overlay = &media(&marked).overlays[0];
    assert_eq!(overlay.content, OverlayContent::Image { input: 1 });
    assert_eq!((overlay.dx, overlay.width), (Length::Ratio(0.02), Some(Length::Ratio(0.1))));
    let teaser = run.resolve("teaser").unwrap();
    assert_eq!(media(&teaser).clip, Some(Clip { start_s: 0.0, duration_s: Some(15.0) }));
    assert_eq!(media(&teaser).overlays[0].width, Some(Length::Pixels(160)));
    let bare = with("  a: { watermark: { image: brand/logo.png } }");
    let at = Run::new(&bare, "in/x.mp4").resolve("a").unwrap().inputs.remove(1);
    assert_eq!(
        at,
        ResolvedInput::Asset(ObjectLocation { bucket: "uploads".to_owned(), key: "brand/logo.png".to_owned() })
    );
}

#[test]
fn parts_music_and_subtitles_become_inputs_in_the_place_of_their_names() {
    let text = with(
        "  a:\n    transcode:\n      opening: s3://assets/open.mp4\n      merge: [two.mp4, { source: three.mp4, start: 1s, end: 3s }]\n      \
         clip: { start: 5s }\n      watermarks: [{ image: s3://assets/logo.png }]\n      \
         audio: { mix: { source: bed.flac, volume: 0.5, loop: true } }\n      \
         subtitles: { burn: { file: burn.srt }, files: [{ file: de.vtt, language: de, forced: true }] }",
    );
    let run = Run::new(&text, "in/x.mp4");
    let resolved = run.resolve("a").unwrap();
    let keys: Vec<String> = resolved.inputs[1..]
        .iter()
        .map(|input| match input {
            ResolvedInput::Asset(location) => format!("{}/{}", location.bucket, location.key),
            other => panic!("{other:?}"),
        })
        .collect();
    let key = |input: usize| keys[input - 1].as_str();
    let output = media(&resolved);
    let OverlayContent::Image { input } = output.overlays[0].content else { panic!("{output:?}") };
    assert_eq!(key(input), "assets/logo.png");
    let parts: Vec<(usize, Option<Clip>)> = output.parts.iter().map(|part| (part.input, part.clip)).collect();
    let clip = |start_s, duration_s| Some(Clip { start_s, duration_s });
    assert_eq!((key(parts[0].0), parts[0].1), ("assets/open.mp4", None));
    assert_eq!(parts[1], (0, clip(5.0, None)), "the source, with its clip");
    assert_eq!((key(parts[2].0), parts[2].1), ("uploads/two.mp4", None));
    assert_eq!((key(parts[3].0), parts[3].1), ("uploads/three.mp4", clip(1.0, Some(2.0))));
    assert_eq!(output.clip, None);
    let Some(Audio::Encode(audio)) = &output.audio else { panic!() };
    let mix = audio.mix.unwrap();
    assert_eq!((key(mix.input), mix.repeat), ("uploads/bed.flac", true));
    assert!((mix.gain_db + 6.02).abs() < 0.01, "{}", mix.gain_db);
    assert_eq!(
        output.burn.as_ref().map(|burn| matches!(burn, BurnIn::Input(n) if key(*n) == "uploads/burn.srt")),
        Some(true)
    );
    let file = &output.subtitle_files[0];
    assert_eq!((key(file.input), file.language.as_deref(), file.forced), ("uploads/de.vtt", Some("de"), true));
    assert_eq!(keys.len(), 7, "{keys:?}");
}

#[test]
fn awkward_names_of_objects_end_up_in_keys_as_they_are() {
    let text = with("  a: { snapshot: { name: \"${object.stem}.jpg\" } }");
    for (key, expected) in [
        ("in/$(touch pwned);.mp4", "$(touch pwned);.jpg"),
        ("in/ümläut 中.mp4", "ümläut 中.jpg"),
        ("in/two\nlines.mp4", "two\nlines.jpg"),
        ("in/${object.key}.mp4", "${object.key}.jpg"),
        ("in/a'\"\\b.mp4", "a'\"\\b.jpg"),
        ("in/-rf.mp4", "-rf.jpg"),
    ] {
        let resolved = Run::new(&text, key).resolve("a").unwrap();
        let Work::Pipeline(p) = &resolved.work else { panic!() };
        let [Output::Snapshot(picture)] = p.outputs.as_slice() else { panic!() };
        assert_eq!(picture.file, expected, "{key}");
        assert_eq!(resolved.prefix, format!("out/{}/", Run::new(&text, key).input.stem()));
    }
}

#[test]
fn names_that_are_no_keys_are_refused() {
    for (name, key) in [
        ("${object.metadata.title}/../x.jpg", "in/a.mp4"),
        ("${object.stem}/x.jpg", "in/...mp4"),
        ("/${object.stem}.jpg", "in/a.mp4"),
        ("${object.ext}", "in/a"),
        ("${object.stem}${object.stem}.jpg", &format!("in/{}.mp4", "x".repeat(200))),
    ] {
        let text = with(&format!("  a: {{ snapshot: {{ name: \"{name}\" }} }}"));
        let compiled = compiled(&text);
        let Some(workflow) = compiled.workflow else { continue };
        let mut run = Run::new(&with("  a: { analysis: {} }"), key);
        run.plan = workflow.plan;
        run.state = Execution::new(&run.plan);
        assert_eq!(run.resolve("a").unwrap_err().code, "WF0402", "{name} {key}");
    }
    let long =
        Run::new(&with("  a: { snapshot: { name: \"${object.dir}.jpg\" } }"), &format!("{}x.mp4", "dir/".repeat(255)));
    assert_eq!(long.resolve("a").unwrap_err().code, "WF0402");
}

#[test]
fn a_key_that_another_activity_has_published_is_refused() {
    let text =
        with("  a: { snapshot: { name: \"${object.stem}.jpg\" } }\n  b: { snapshot: { name: \"${object.ext}.jpg\" } }");
    let run =
        Run::new(&text, "in/mp4.mp4").ended("a", succeeded(Value::Null, vec![published("out/mp4/mp4.jpg", None)]));
    assert_eq!(run.resolve("b").unwrap_err().code, "WF0403");
    assert!(run.resolve("a").is_ok());
}

#[test]
fn values_of_expressions_are_held_against_their_kind() {
    let text = |width: &str| {
        format!(
            "{}params: {{ w: {{ type: int, default: {width} }} }}\n",
            with("  a: { snapshot: { width: \"${params.w}\" } }")
        )
    };
    let Work::Pipeline(p) = Run::new(&text("640"), "in/a.mp4").resolve("a").unwrap().work else { panic!() };
    let [Output::Snapshot(picture)] = p.outputs.as_slice() else { panic!() };
    assert_eq!(picture.size, Size::Box { width: Some(640), height: None });
    let failure = Run::new(&text("5000"), "in/a.mp4").resolve("a").unwrap_err();
    assert_eq!(failure.code, "TPL0104");
    assert!(failure.message.contains('a'), "{failure}");
}

#[test]
fn what_a_source_has_less_of_is_kept_refused_or_ignored() {
    let text = |choice: &str| {
        with(&format!(
            "  probe: {{ analysis: {{}} }}\n  a:\n    needs: probe\n    transcode:\n      \
             video: {{ rate_control: abr, bitrate: 2M, short_side: 720 }}\n      \
             if_source_lower: {{ {choice} }}"
        ))
    };
    let run = |choice: &str| {
        Run::new(&text(choice), "in/a.mp4")
            .ended("probe", succeeded(json!(source(640, 360, 500_000)), vec![]))
            .resolve("a")
    };
    let rate = |resolved: Resolved| match video(&resolved).rate_control {
        RateControl::Abr { bitrate_bps, .. } => bitrate_bps,
        other => panic!("{other:?}"),
    };
    assert_eq!(rate(run("video_bitrate: keep_source").unwrap()), 500_000);
    assert_eq!(rate(run("video_bitrate: ignore").unwrap()), 2_000_000);
    assert_eq!(run("video_bitrate: fail").unwrap_err().code, "TPL0301");
    assert_eq!(run("resolution: fail").unwrap_err().code, "TPL0301");
    assert!(video(&run("resolution: ignore").unwrap()).upscale);
    assert!(!video(&run("resolution: keep_source").unwrap()).upscale);
}

#[test]
fn results_of_what_came_before_can_stand_in_names() {
    let text = with(
        "  probe: { analysis: {} }\n  small: { transcode: {} }\n  a:\n    from: small\n    \
         remux: { name: \"${probe.video.height}-${small.video.width}-${small.key.endsWith('mp4')}.mp4\" }",
    );
    let run = Run::new(&text, "in/a.mov")
        .ended("probe", succeeded(json!(source(1920, 1080, 1)), vec![]))
        .ended("small", succeeded(Value::Null, vec![published("out/a/small.mp4", Some(source(640, 360, 1)))]));
    let resolved = run.resolve("a").unwrap();
    assert_eq!(media(&resolved).file, "1080-640-true.mp4");
    assert!(matches!(&resolved.inputs[0], ResolvedInput::Output(o) if o.location.key == "out/a/small.mp4"));
    assert_eq!(media(&resolved).video, Some(Video::Copy));
}

#[test]
fn newcomer_if_incomplete_holds_for_a_workflow_or_an_activity() {
    let activities = "  probe: { analysis: {} }\n  base: { if_incomplete: warn, transcode: { template: h264-360p } }\n  \
                      poster: { snapshot: {} }\n  hls: { from: base, package: {} }";
    let choice = |resolved: &Resolved| match &resolved.work {
        Work::Pipeline(work) => work.if_incomplete,
        Work::Package(work) => work.if_incomplete,
    };
    let strict = Run::new(&format!("if_incomplete: fail\n{}", with(activities)), "in/a.mp4");
    let made = published("out/a/base.mp4", None);
    let strict = strict.ended("base", succeeded(Value::Null, vec![made]));
    for (name, expected) in [
        ("probe", IfIncomplete::Fail),
        ("base", IfIncomplete::Warn),
        ("poster", IfIncomplete::Fail),
        ("hls", IfIncomplete::Fail),
    ] {
        assert_eq!(choice(&strict.resolve(name).unwrap()), expected, "{name}");
    }
    let plain = Run::new(&with(activities), "in/a.mp4");
    assert_eq!(choice(&plain.resolve("poster").unwrap()), IfIncomplete::Warn);
    // Plans and jobs of before say nothing of it.
    let stored = serde_json::to_string(&*plain.plan).unwrap();
    assert!(!stored.contains("if_incomplete"), "{stored}");
    assert!(serde_json::from_str::<Plan>(&stored).is_ok());
    let misspelt = compiled(&with("  a: { if_incomplete: maybe, analysis: {} }"));
    assert_eq!(misspelt.diagnostics[0].code, "WF0104");
}

#[test]
fn newcomer_a_fail_that_would_never_fail_is_an_error() {
    let found = |choice: &str| {
        let compiled = compiled(&with(&format!("  a: {{ transcode: {{ if_source_lower: {{ {choice} }} }} }}")));
        let diagnostic = compiled.diagnostics.first().map(|found| found.code.to_string());
        (compiled.workflow.is_some(), diagnostic)
    };
    assert_eq!(found("resolution: fail"), (false, Some("WF0308".to_owned())));
    assert_eq!(found("video_bitrate: keep_source"), (true, Some("WF0306".to_owned())));
    assert_eq!(found("video_bitrate: keep_source, audio_bitrate: fail"), (false, Some("WF0308".to_owned())));
    assert_eq!(found("resolution: keep_source"), (true, None));
}
