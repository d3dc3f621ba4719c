use super::*;
use crate::model::media::{AudioStream, Format, VideoStream};
use crate::model::plan::ActivityKind;
use crate::model::work::MediaOutput;
use crate::template::{Templates, apply, files, outputs};
use crate::yaml::Sink;

/// A source of 640×360 with these bit rates; nothing says what the streams have where they are `None`.
fn source(video: Option<u64>, audio: Option<u64>, all: u64) -> MediaInfo {
    MediaInfo {
        format: Format { bit_rate: Some(all), ..Format::default() },
        video: vec![VideoStream {
            width: 640,
            height: 360,
            short_side: 360,
            bit_rate: video,
            ..VideoStream::default()
        }],
        audio: vec![AudioStream { bit_rate: audio, channels: 2, ..AudioStream::default() }],
        ..MediaInfo::default()
    }
}

fn resolve(spec: &serde_json::Value, source: &MediaInfo) -> Result<MediaOutput, Failure> {
    let mut sink = Sink::new("a", "");
    let spec = apply(ActivityKind::Transcode, &Node::from_json(spec), &Templates::presets(), &mut sink);
    assert!(sink.finish().is_empty(), "{spec:?}");
    let (mut work, _) = outputs(ActivityKind::Transcode, &spec, &files(ActivityKind::Transcode, "a", &spec, &[]), 1);
    fit(&mut work, &spec, source)?;
    let Work::Pipeline(Pipeline { outputs, .. }) = work else { panic!("{work:?}") };
    let Some(Output::Media(output)) = outputs.into_iter().next() else { panic!() };
    Ok(output)
}

fn spec(template: &str, key: &str, choice: &str) -> serde_json::Value {
    serde_json::json!({ "template": template, "if_source_lower": { key: choice } })
}

fn video(output: &MediaOutput) -> &crate::model::work::VideoEncode {
    let Some(Video::Encode(video)) = &output.video else { panic!("{output:?}") };
    video
}

#[test]
fn a_smaller_source_keeps_its_size_fails_or_is_enlarged() {
    let source = source(Some(500_000), Some(64_000), 570_000);
    let kept = resolve(&spec("h264-720p", "resolution", "keep_source"), &source).unwrap();
    assert!(!video(&kept).upscale);
    assert!(video(&resolve(&spec("h264-720p", "resolution", "ignore"), &source).unwrap()).upscale);
    let failure = resolve(&spec("h264-720p", "resolution", "fail"), &source).unwrap_err();
    assert_eq!(failure.code, "TPL0301");
    assert!(failure.message.contains("640×360"), "{failure}");
    assert!(resolve(&spec("h264-360p", "resolution", "fail"), &source).is_ok(), "the source has just that");
}

#[test]
fn a_lower_video_bit_rate_is_kept_refused_or_ignored() {
    let source = source(Some(500_000), Some(64_000), 570_000);
    let rate = |choice: &str| {
        resolve(&spec("h264-360p", "video_bitrate", choice), &source).map(|output| video(&output).rate_control)
    };
    // The cap of a constant quality stands for a bit rate, and its buffer goes with it.
    let Ok(RateControl::Crf { maxrate_bps, bufsize_bits, .. }) = rate("keep_source") else { panic!() };
    assert_eq!((maxrate_bps, bufsize_bits), (Some(500_000), Some(1_000_000)));
    let Ok(RateControl::Crf { maxrate_bps, bufsize_bits, .. }) = rate("ignore") else { panic!() };
    assert_eq!((maxrate_bps, bufsize_bits), (Some(800_000), Some(1_600_000)));
    assert_eq!(rate("fail").unwrap_err().code, "TPL0301");
    let abr = serde_json::json!({
        "video": { "rate_control": "vbr", "bitrate": "1M", "maxrate": "2M", "bufsize": "4M" },
        "if_source_lower": { "video_bitrate": "keep_source" }
    });
    let kept = video(&resolve(&abr, &source).unwrap()).rate_control;
    let expected =
        RateControl::Abr { bitrate_bps: 500_000, maxrate_bps: Some(1_000_000), bufsize_bits: Some(2_000_000) };
    assert_eq!(kept, expected);
}

#[test]
fn a_lower_audio_bit_rate_is_kept_refused_or_ignored() {
    let source = source(Some(500_000), Some(64_000), 570_000);
    let rate = |choice: &str| {
        resolve(&spec("h264-360p", "audio_bitrate", choice), &source).map(|output| match output.audio {
            Some(Audio::Encode(audio)) => audio.bitrate_bps,
            other => panic!("{other:?}"),
        })
    };
    assert_eq!(rate("keep_source").unwrap(), Some(64_000));
    assert_eq!(rate("ignore").unwrap(), Some(96_000));
    assert_eq!(rate("fail").unwrap_err().code, "TPL0301");
}

#[test]
fn containers_that_tell_only_the_whole_rate_bound_that_of_the_video() {
    let known = source(None, Some(70_000), 570_000);
    assert_eq!((video_rate(&known), audio_rate(&known)), (Some(500_000), Some(70_000)));
    let unknown = source(None, None, 570_000);
    assert_eq!((video_rate(&unknown), audio_rate(&unknown)), (Some(570_000), None));
    assert_eq!(resolve(&spec("h264-360p", "video_bitrate", "fail"), &unknown).unwrap_err().code, "TPL0301");
    assert!(resolve(&spec("h264-360p", "audio_bitrate", "fail"), &unknown).is_ok(), "nothing says that it is lower");
}
