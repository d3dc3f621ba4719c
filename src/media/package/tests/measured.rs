//! Values in manifests compared with measured ones: frame rates, times of segments, ranges of brightness.

use std::collections::BTreeSet;

use m3u8_rs::QuotedOrUnquoted;
use reelmill::model::work::SubtitleFile;

use super::*;

/// Attributes of every element of that name in an MPD.
fn elements(manifest: &Path, name: &str) -> Vec<serde_json::Value> {
    let script = "import json,sys,xml.etree.ElementTree as t\n\
        for e in t.parse(sys.argv[1]).iter('{urn:mpeg:dash:schema:mpd:2011}'+sys.argv[2]): print(json.dumps(e.attrib))";
    let output = Command::new("python3").args(["-c", script]).arg(manifest).arg(name).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn number(element: &serde_json::Value, attribute: &str) -> f64 {
    element[attribute].as_str().unwrap_or_else(|| panic!("{attribute}: {element}")).parse().unwrap()
}

/// Frames that come at thirty a second, and every few of them a gap.
const UNEVEN: [&str; 8] = [
    "-f",
    "lavfi",
    "-i",
    "testsrc2=d=8:r=30:s=320x180",
    "-vf",
    "select='not(eq(mod(n,7),3)+eq(mod(n,60),59)+eq(mod(n,60),1))'",
    "-fps_mode",
    "passthrough",
];

const EVERY_TWO_SECONDS: [&str; 10] = [
    "-c:v",
    "libx264",
    "-pix_fmt",
    "yuv420p",
    "-force_key_frames",
    "expr:gte(t,n_forced*2)",
    "-sc_threshold",
    "0",
    "-enc_time_base",
    "1/90000",
];

#[test]
fn player_fault_7_frames_of_a_variable_rate_keep_their_times() {
    let folder = tempfile::tempdir().unwrap();
    let large = clip(&[&UNEVEN, &EVERY_TWO_SECONDS, &["-bf", "3", "-b_strategy", "0"]], "large.mp4");
    let small = clip(&[&UNEVEN, &EVERY_TWO_SECONDS, &["-bf", "0", "-s", "160x90"]], "small.mp4");
    let package = Package { mpd: Some("manifest.mpd".into()), segment_s: 2.0, ..package(2) };
    let (produced, warnings) = packaged_as(&[&large, &small], folder.path(), &package);
    produced.unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    for (source, rung) in [(&large, "rung-0"), (&small, "rung-1")] {
        let (before, after) =
            (packet_times(source, "v"), packet_times(&folder.path().join(rung).join("video-index.m3u8"), "v"));
        assert_eq!(before.len(), after.len());
        let moved = before.iter().zip(&after).find(|(b, a)| ((*b - before[0]) - (*a - after[0])).abs() > 0.001);
        assert_eq!(moved, None, "{rung}");
    }
    let manifest = folder.path().join("manifest.mpd");
    assert_eq!(elements(&manifest, "AdaptationSet")[0]["segmentAlignment"], "true");
    // The highest rate, not the average.
    let rates: Vec<_> = master(folder.path()).variants.iter().map(|variant| variant.frame_rate.unwrap()).collect();
    assert!(rates.iter().all(|rate| (rate - 30.0).abs() < 0.01), "{rates:?}");
}

#[test]
fn player_fault_7_segments_that_are_out_of_line_are_not_called_aligned() {
    let folder = tempfile::tempdir().unwrap();
    let one = clip(&[&PICTURE, &KEYS], "one.mp4");
    // Its keyframes come a third of a frame later.
    let shifted = [
        "-vf",
        "settb=1/90000,setpts=PTS+gte(N\\,1)*0.013/TB",
        "-fps_mode",
        "passthrough",
        "-enc_time_base",
        "1/90000",
    ];
    let other = clip(&[&PICTURE, &shifted, &KEYS, &["-s", "160x90"]], "other.mp4");
    let package = Package { mpd: Some("manifest.mpd".into()), ..package(2) };
    packaged_as(&[&one, &other], folder.path(), &package).0.unwrap();
    assert_eq!(elements(&folder.path().join("manifest.mpd"), "AdaptationSet")[0]["segmentAlignment"], "false");
}

#[test]
fn player_fault_8_segments_of_sound_begin_where_their_packets_are_heard() {
    for (encoder, name) in [("libopus", "a.mp4"), ("libopus", "a.webm"), ("ac3", "a.mp4"), ("aac", "a.mp4")] {
        let folder = tempfile::tempdir().unwrap();
        let source = clip(&[&TONE, &["-c:a", encoder]], name);
        let package = Package { mpd: Some("manifest.mpd".into()), ..package(1) };
        packaged_as(&[&source], folder.path(), &package).0.unwrap();
        let heard = packet_times(&source, "a");
        let segments = elements(&folder.path().join("manifest.mpd"), "S");
        assert_eq!(segments[0]["t"], "0", "{encoder}");
        assert!(segments.len() > 1, "{encoder}: {segments:?}");
        for segment in &segments[1..] {
            let begins_s = number(segment, "t") / 48_000.0;
            assert!(heard.iter().any(|time| (time - begins_s).abs() < 0.0011), "{encoder} in {name}: {begins_s}");
        }
        // Durations of the playlist are those of the MPD.
        let first = media_at(&folder.path().join("rung-0/audio-index.m3u8")).segments[0].duration;
        assert!((f64::from(first) - number(&segments[1], "t") / 48_000.0).abs() < 0.001, "{encoder}: {first}");
    }
}

#[test]
fn player_fault_8_bandwidth_of_subtitles_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let picture = clip(&[&PICTURE, &KEYS], "a.mp4");
    let texts = folder.path().join("a.srt");
    let cue = |n: u32| format!("{n}\n00:00:0{n},000 --> 00:00:0{n},900\n{}\n\n", "word ".repeat(60));
    std::fs::write(&texts, (1..9).map(cue).collect::<String>()).unwrap();
    let file = SubtitleFile {
        input: 1,
        language: Some("en".into()),
        name: None,
        default: false,
        forced: false,
        charset: None,
    };
    let package = Package { mpd: Some("manifest.mpd".into()), subtitles: vec![file], ..package(1) };
    ffmpeg_next::log::set_level(ffmpeg_next::log::Level::Error);
    run(&[source_of(&picture), source_of(&texts)], &package, folder.path(), &|_| {}).unwrap();
    let size = std::fs::metadata(folder.path().join("subtitles/text1-whole.vtt")).unwrap().len();
    let said = elements(&folder.path().join("manifest.mpd"), "Representation");
    let text = said.iter().find(|of| of["id"].as_str().unwrap().starts_with('t')).unwrap();
    let measured = u32::try_from(size * 8).map(f64::from).unwrap() / 10.0;
    assert!((number(text, "bandwidth") - measured).abs() < measured / 100.0, "{text} {measured}");
}

#[test]
fn field_fault_09_every_variant_says_its_range_where_one_does() {
    let folder = tempfile::tempdir().unwrap();
    let tags = "format=yuv420p10le,setparams=range=tv:color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc";
    let x265 = "log-level=none:keyint=50:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc";
    let high = ["-vf", tags, "-t", "4", "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", x265];
    let hdr = clip(&[&PICTURE, &high], "hdr.mp4");
    let sdr = clip(&[&PICTURE, &["-t", "4"], &KEYS], "sdr.mp4");
    let ranges = |clips: &[&Clip]| -> Vec<(bool, Option<String>)> {
        let package = Package { iframe_playlists: true, ..package(clips.len()) };
        packaged_as(clips, folder.path(), &package).0.unwrap();
        let said = |variant: &m3u8_rs::VariantStream| match variant.other_attributes.as_ref()?.get("VIDEO-RANGE")? {
            QuotedOrUnquoted::Unquoted(range) => Some(range.clone()),
            QuotedOrUnquoted::Quoted(range) => panic!("{range}"),
        };
        master(folder.path()).variants.iter().map(|variant| (variant.is_i_frame, said(variant))).collect()
    };
    let (pq, standard) = (Some("PQ".to_owned()), Some("SDR".to_owned()));
    let expected = [(false, pq.clone()), (false, standard.clone()), (true, pq), (true, standard)];
    assert_eq!(ranges(&[&hdr, &sdr]).into_iter().collect::<BTreeSet<_>>(), expected.into_iter().collect());
    assert_eq!(ranges(&[&sdr]), [(false, None), (true, None)]);
}
