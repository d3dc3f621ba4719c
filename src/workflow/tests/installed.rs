//! Errors and warnings for missing encoders and devices.

use super::*;
use crate::model::Capabilities;
use crate::model::codec::{AudioCodec, Hardware, VideoCodec};

/// Everything of every codec, but not what `lacks` names.
fn all_but(lacks: &[&str]) -> Capabilities {
    let video = VideoCodec::ALL.iter().flat_map(|codec| codec.info().every_encoder());
    let audio = AudioCodec::ALL.iter().flat_map(|codec| codec.info().every_encoder());
    let all = video.chain(audio).chain(["png", "libwebp", "libwebp_anim"]).filter(|name| !lacks.contains(name));
    Capabilities { ffmpeg: "7.1".to_owned(), encoders: all.map(str::to_owned).collect(), ..Capabilities::default() }
}

/// `CODE line:column message` of what is found in an activity.
fn told(activity: &str, installed: &Capabilities) -> Vec<String> {
    let text = with(&format!("  a: {{ {activity} }}"));
    let compiled = compile("w.yaml", &text, &Templates::presets(), &Limits::default(), Some(installed));
    assert_eq!(compiled.workflow.is_none(), compiled.diagnostics.iter().any(Diagnostic::is_error));
    let line = |d: &Diagnostic| format!("{} {}:{} {}", d.code, d.line, d.column, d.message);
    compiled.diagnostics.iter().map(line).collect()
}

fn codes(activity: &str, installed: &Capabilities) -> Vec<String> {
    told(activity, installed).iter().map(|line| line[..7].to_owned()).collect()
}

#[test]
fn every_codec_without_its_encoder_is_named_where_it_is_asked_for() {
    for codec in VideoCodec::ALL {
        let info = codec.info();
        let container = info.containers[0].info().name;
        let sound = if matches!(container, "gif" | "webp") { "audio: none, " } else { "" };
        let activity = format!("transcode: {{ container: {container}, {sound}video: {{ codec: {} }} }}", info.name);
        assert_eq!(told(&activity, &all_but(&[])), [""; 0], "{activity}");
        let message =
            format!("FFmpeg 7.1 on this machine has no encoder `{}`, which {} needs", info.encoder, info.title);
        let found = told(&activity, &all_but(&[info.encoder]));
        assert!(found.len() == 1 && found[0].starts_with("TPL0215 5:") && found[0].ends_with(&message), "{found:?}");
    }
    for codec in AudioCodec::ALL {
        let info = codec.info();
        let container = info.containers[0].info().name;
        let activity =
            format!("transcode: {{ container: {container}, video: none, audio: {{ codec: {} }} }}", info.name);
        assert_eq!(told(&activity, &all_but(&[])), [""; 0], "{activity}");
        assert_eq!(codes(&activity, &all_but(info.every)), ["TPL0215"], "{activity}");
        assert!(codec.variants().iter().all(|(_, any_of)| all_but(&[]).has_any(any_of)), "{codec:?}");
    }
}

#[test]
fn encoders_that_nobody_wrote_down_are_named_too() {
    let h264 = all_but(&["libx264"]);
    for activity in [
        "transcode: { name: x.mp4 }",
        "transcode: { template: h264-360p, name: x.mp4 }",
        "watermark: { image: 's3://a/b.png', name: x.mp4 }",
        "for_each: [360, 720], transcode: { template: 'h264-${each}p', name: 'x-${each}.mp4' }",
        "snapshot: { animation: {}, name: x.mp4 }",
    ] {
        assert_eq!(codes(activity, &h264), ["TPL0215"], "{activity}");
    }
    let pictures = all_but(&["libwebp", "libwebp_anim"]);
    assert_eq!(codes("snapshot: { at: 10%, name: x.webp }", &pictures), ["TPL0215"]);
    assert_eq!(codes("snapshot: { animation: {}, name: x.webp }", &pictures), ["TPL0215"]);
    assert_eq!(codes("snapshot: { at: 10%, name: x.jpg }", &pictures), [""; 0]);
    let no_aac = all_but(&["aac"]);
    assert_eq!(codes("transcode: { name: x.mp4 }", &no_aac), [""; 0], "another encoder of AAC will do");
}

#[test]
fn profiles_of_aac_need_fraunhofer_s_encoder_and_hold_its_limits() {
    let with_profile = |profile: &str, more: &str, container: &str| {
        format!("transcode: {{ container: {container}, video: none, audio: {{ profile: {profile}{more} }} }}")
    };
    for profile in ["aac_he", "aac_he_v2", "aac_ld", "aac_eld"] {
        let plain = with_profile(profile, "", "mp4");
        let found = told(&plain, &all_but(&["libfdk_aac", "fdk-aac"]));
        assert!(found.len() == 1 && found[0].contains("`libfdk_aac` or `fdk-aac`"), "{found:?}");
        assert!(found[0].ends_with(&format!("which {profile} needs")), "{found:?}");
        assert_eq!(told(&plain, &all_but(&["libfdk_aac", "aac"])), [""; 0], "{profile}");
    }
    let all = all_but(&[]);
    for (profile, more, container, expected) in [
        ("aac_low", ", channels: 6, bitrate: 384k", "mp4", &[][..]),
        ("aac_he", ", channels: 6", "mp4", &["TPL0210"]),
        ("aac_he", ", bitrate: 256k", "mp4", &["TPL0210"]),
        ("aac_he", ", sample_rate: 96000", "mp4", &["TPL0210"]),
        ("aac_he", ", bitrate: 48k", "ts", &[]),
        ("aac_he_v2", ", channels: 1", "mp4", &["TPL0210"]),
        ("aac_he_v2", ", channels: 2, bitrate: 24k", "mp4", &[]),
        ("aac_ld", "", "ts", &["TPL0203"]),
        ("aac_eld", "", "flv", &["TPL0203"]),
        ("aac_eld", ", sample_rate: 24000", "mov", &[]),
    ] {
        assert_eq!(codes(&with_profile(profile, more, container), &all), expected, "{profile}{more} in {container}");
    }
}

#[test]
fn what_is_not_encoded_or_not_known_yet_is_not_asked_about() {
    let nothing = Capabilities::default();
    for activity in [
        "analysis: {}",
        "remux: { name: x.mkv }",
        "transcode: { name: x.mp4, video: copy, audio: none }",
        "transcode: { name: x.mp4, audio: none, video: { codec: '${object.ext}' } }",
        "transcode: { name: 'x.${object.ext}' }",
        "snapshot: { at: 10%, name: 'x.${object.ext}' }",
    ] {
        assert_eq!(told(activity, &nothing), [""; 0], "{activity}");
    }
}

#[test]
fn a_device_is_its_own_encoder_and_is_missed_where_none_is_found() {
    let activity = "transcode: { name: x.mp4, audio: none, video: { codec: h265, encoder: vaapi } }";
    let found = told(activity, &all_but(&["hevc_vaapi"]));
    assert!(found.len() == 1 && found[0].contains("`hevc_vaapi`"), "{found:?}");
    assert_eq!(codes(activity, &all_but(&["libx265"])), ["TPL0216"], "a warning: it may run elsewhere");
    let mut with_device = all_but(&["libx265"]);
    with_device.devices.push(Hardware::Vaapi);
    assert_eq!(codes(activity, &with_device), [""; 0]);
}
