//! Analysis of good and bad files; over the whole media folder where there is one.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use reelmill::model::media::{Hdr, Interval, MediaInfo};
use reelmill::model::work::{Analysis, Black, Quiet};
use reelmill::model::{Code, Failure};
use reelmill::worker::protocol::Message;

use crate::testing::analyse as run;
use crate::testing::{generate, source_of};

fn analyse(path: &Path) -> Result<MediaInfo, Failure> {
    run(&source_of(path), &Analysis::default(), &|_| {})
}

fn code(content: &[u8]) -> Code {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content).unwrap();
    analyse(file.path()).unwrap_err().code
}

#[test]
fn bad_files_fail_with_a_code() {
    assert_eq!(code(b""), "MEDIA0002");
    assert_eq!(code(b"<!doctype html><title>Not found</title>"), "MEDIA0001");
    let clip = generate(&["-f", "lavfi", "-i", "testsrc2=d=1:s=64x64", "-c:v", "libx264"], "clip.mp4");
    let whole = std::fs::read(&*clip).unwrap();
    assert_eq!(code(&whole[..whole.len() / 2]), "MEDIA0001", "the index was at the end");
    let movflags = ["-movflags", "+empty_moov+frag_keyframe"];
    let parts = ["-f", "lavfi", "-i", "testsrc2=d=1:s=64x64", "-c:v", "libx264"];
    let parts = generate(&[&parts[..], &movflags].concat(), "parts.mp4");
    let whole = std::fs::read(&*parts).unwrap();
    let fragment = whole.windows(4).position(|window| window == b"moof").unwrap() - 4;
    assert_eq!(code(&whole[..fragment]), "MEDIA0003", "headers without media");
}

#[test]
fn subtitles_alone_are_nothing_to_work_with() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("a.srt");
    std::fs::write(&text, "1\n00:00:00,000 --> 00:00:01,000\nHello\n").unwrap();
    let clip = generate(&["-i", text.to_str().unwrap()], "subtitles.mkv");
    assert_eq!(analyse(&clip).unwrap_err().code, "MEDIA0003");
}

#[test]
fn sources_with_one_kind_of_stream_are_fine() {
    let silent = generate(&["-f", "lavfi", "-i", "testsrc2=d=1:s=64x64"], "silent.mp4");
    let info = analyse(&silent).unwrap();
    assert_eq!((info.video.len(), info.audio.len()), (1, 0));
    let song = generate(&["-f", "lavfi", "-i", "sine=d=1"], "song.mp3");
    let info = analyse(&song).unwrap();
    assert_eq!((info.video.len(), info.audio.len()), (0, 1));
}

#[test]
fn loudness_of_a_known_tone_is_measured() {
    // 997 Hz at −23 dBFS in both channels is −23 LUFS by definition of the meter.
    let tone = "aevalsrc=exprs='0.0707946*sin(997*2*PI*t)|0.0707946*sin(997*2*PI*t)':d=12:s=48000";
    let clip = generate(&["-f", "lavfi", "-i", tone, "-c:a", "pcm_s24le"], "tone.wav");
    let told = std::cell::Cell::new(0);
    let tell = |message: &Message| {
        assert!(matches!(message, Message::Progress { .. }));
        told.set(told.get() + 1);
    };
    let info = run(&source_of(&clip), &Analysis { loudness: true, ..Analysis::default() }, &tell).unwrap();
    let loudness = info.loudness.unwrap();
    assert!((loudness.integrated_lufs.unwrap() + 23.0).abs() < 0.15, "{loudness:?}");
    assert!((loudness.true_peak_dbtp.unwrap() + 23.0).abs() < 0.15, "{loudness:?}");
    assert!(loudness.range_lu.unwrap() < 0.2, "{loudness:?}");

    let silence = generate(&["-f", "lavfi", "-i", "anullsrc=d=2"], "silence.wav");
    let info = run(&source_of(&silence), &Analysis { loudness: true, ..Analysis::default() }, &|_| {}).unwrap();
    assert_eq!(info.loudness.unwrap().integrated_lufs, None);
}

#[test]
fn an_interval_hardly_longer_than_the_least_ends_where_it_does() {
    let quiet = Quiet { least_s: 2.0, noise_db: -60.0 };
    // Silence from 1 s to 3.01 s, and a picture that stands still from 2 s to 4 s.
    let sound = "aevalsrc='if(between(t,1,3.01),0,sin(2*PI*500*t)*0.3)':d=6:s=44100";
    let sound = generate(&["-f", "lavfi", "-i", sound, "-c:a", "aac"], "quiet.m4a");
    let analysis = Analysis { silence: Some(quiet), ..Analysis::default() };
    let silence = run(&source_of(&sound), &analysis, &|_| {}).unwrap().measured.unwrap().silence.unwrap();
    let pictures = "testsrc2=d=7:r=25:s=64x64,drawbox=t=fill:color=red:enable='between(t,2,3.99)'";
    let pictures = generate(&["-f", "lavfi", "-i", pictures], "still.mp4");
    let analysis = Analysis { freeze: Some(quiet), ..Analysis::default() };
    let freeze = run(&source_of(&pictures), &analysis, &|_| {}).unwrap().measured.unwrap().freeze.unwrap();
    for (found, expected) in [(silence, (1.0, 3.01)), (freeze, (2.0, 4.0))] {
        let [Interval { start_s, end_s }] = found[..] else { panic!("{found:?}") };
        assert!((start_s - expected.0).abs() < 0.05 && (end_s - expected.1).abs() < 0.05, "{found:?}: {expected:?}");
    }
}

#[test]
fn black_for_less_than_the_least_is_none() {
    let dark = |from: &str, to: &str| format!("drawbox=t=fill:color=black:enable='between(t,{from},{to})'");
    let pictures = format!("testsrc2=d=8:r=25:s=64x64,{},{}", dark("1", "1.49"), dark("3", "4.99"));
    let clip = generate(&["-f", "lavfi", "-i", &format!("{pictures},{}", dark("7.5", "9"))], "dark.mp4");
    let analysis = Analysis { black: Some(Black { least_s: 2.0, threshold: 0.1 }), ..Analysis::default() };
    let black = run(&source_of(&clip), &analysis, &|_| {}).unwrap().measured.unwrap().black.unwrap();
    assert_eq!(black, [Interval { start_s: 3.0, end_s: 5.0 }]);
}

/// A row of the media folder's manifest.
struct Row {
    file: String,
    video: String,
    audio: String,
    resolution: String,
    frame_rate: Option<f64>,
    duration_s: Option<f64>,
    labels: Vec<String>,
    expected: String,
}

fn rows() -> Option<(PathBuf, Vec<Row>)> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let beside = || here.ancestors().map(|folder| folder.join("shared/media/public")).find(|folder| folder.is_dir());
    let folder = std::env::var_os("REELMILL_MEDIA").map(PathBuf::from).or_else(beside)?;
    let folder = if folder.join("public").is_dir() { folder.join("public") } else { folder };
    let manifest = std::fs::read_to_string(folder.join("MANIFEST.tsv")).ok()?;
    let row = |line: &str| {
        let columns: Vec<&str> = line.split('\t').collect();
        Row {
            file: columns[0].to_owned(),
            video: columns[4].to_owned(),
            audio: columns[5].to_owned(),
            resolution: columns[7].to_owned(),
            frame_rate: columns[8].parse().ok(),
            duration_s: columns[9].parse().ok(),
            labels: columns[10].split(',').map(str::to_owned).collect(),
            expected: columns[11].to_owned(),
        }
    };
    Some((folder, manifest.lines().skip(1).map(row).collect()))
}

#[test]
fn every_file_of_the_media_folder_is_what_its_manifest_says() {
    let Some((folder, rows)) = rows() else {
        println!("skipped: no media folder (REELMILL_MEDIA, or shared/media beside the checkout)");
        return;
    };
    let mut wrong = Vec::new();
    for row in &rows {
        let begun = Instant::now();
        let result = analyse(&folder.join(&row.file));
        if begun.elapsed() > Duration::from_secs(20) {
            wrong.push(format!("{}: took {:?}", row.file, begun.elapsed()));
        }
        match (row.expected.as_str(), result) {
            ("ok", Ok(info)) => wrong.extend(differences(row, &info).map(|d| format!("{}: {d}", row.file))),
            ("ok", Err(error)) => wrong.push(format!("{}: {} {error}", row.file, error.code)),
            ("must-fail-clean", Ok(_)) => wrong.push(format!("{}: analysed", row.file)),
            _ => {}
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

/// Where the analysis differs from what ffprobe said when the manifest was written.
fn differences(row: &Row, info: &MediaInfo) -> impl Iterator<Item = String> {
    let has = |label: &str| row.labels.iter().any(|l| l == label);
    let value = |prefix: &str| row.labels.iter().find_map(|l| l.strip_prefix(prefix));
    let named = |codec: &str, profile: Option<&str>| match profile {
        Some(profile) => format!("{codec}({profile})"),
        None => codec.to_owned(),
    };
    let video: Vec<String> = info.video.iter().map(|v| named(&v.codec, v.profile.as_deref())).collect();
    let audio: Vec<String> = info
        .audio
        .iter()
        .map(|a| format!("{}/{}ch/{}", named(&a.codec, a.profile.as_deref()), a.channels, a.sample_rate))
        .collect();
    let mut found = vec![("video", row.video.clone(), video.join("+")), ("audio", row.audio.clone(), audio.join("+"))];
    if let Some(first) = info.video.first() {
        found.push(("resolution", row.resolution.clone(), format!("{}x{}", first.coded_width, first.coded_height)));
        let turn: i32 = value("rotation=").map_or(0, |degrees| degrees.parse().unwrap());
        // The manifest counts as ffprobe does: counterclockwise. A photo's EXIF is no display matrix of its stream.
        if !has("exif-orientation") {
            found.push(("rotation", (-turn).rem_euclid(360).to_string(), first.rotation.to_string()));
        }
        let aspect = first.sample_aspect_ratio.map(|r| format!("{}:{}", r.num, r.den));
        found.push(("sar", value("sar=").unwrap_or("1:1").to_owned(), aspect.unwrap_or_default()));
        found.push(("interlaced", has("interlaced").to_string(), first.interlaced.to_string()));
        found.push(("alpha", "true".into(), (first.alpha || !has("alpha")).to_string()));
        let hdr = matches!(first.hdr, Some(Hdr::Hdr10 | Hdr::Hdr10Plus));
        found.push(("hdr10", has("hdr10-pq").to_string(), hdr.to_string()));
        found.push(("hlg", has("hlg").to_string(), (first.hdr == Some(Hdr::Hlg)).to_string()));
        found.push(("10bit", has("10bit").to_string(), (first.bit_depth == Some(10)).to_string()));
        if row.file.starts_with("vfr/") {
            found.push(("vfr", "true".into(), first.variable_frame_rate.to_string()));
        }
        // Above 300 it is a clock's rate, which the analysis does not repeat.
        if let Some(rate) = row.frame_rate.filter(|rate| *rate <= 300.0) {
            found.push(("fps", "near".into(), near(first.frame_rate, rate, 0.001 * rate)));
        }
    }
    let still = has("1-frame") || info.format.name.ends_with("_pipe");
    if let Some(duration) = row.duration_s.filter(|_| !still && !has("bogus-duration")) {
        found.push(("duration", "near".into(), near(info.format.duration_s.unwrap_or(0.0), duration, 0.001)));
    }
    let different = found.into_iter().filter(|(_, expected, found)| expected != found);
    different.map(|(what, expected, found)| format!("{what} is {found} instead of {expected}"))
}

fn near(found: f64, expected: f64, tolerance: f64) -> String {
    if (found - expected).abs() <= tolerance { "near".to_owned() } else { format!("{found}, far from {expected}") }
}

fn measured(clip: &Path, analysis: &Analysis) -> MediaInfo {
    ffmpeg_next::log::set_level(ffmpeg_next::log::Level::Error);
    run(&source_of(clip), analysis, &|_| {}).unwrap()
}

fn lie(found: &[Interval], expected: &[(f64, f64)]) -> bool {
    let close = |a: f64, b: f64| (a - b).abs() < 0.11;
    found.len() == expected.len()
        && found.iter().zip(expected).all(|(f, e)| close(f.start_s, e.0) && close(f.end_s, e.1))
}

/// Two seconds each: moving, black, a still picture, moving; with tone, silence, tone. The clock starts late.
#[test]
fn intervals_are_found_where_they_are() {
    let filter = "[0]trim=0:2[a];[1]trim=0:2[b];[2]trim=0:2[c];[3]trim=0:2[d];[a][b][c][d]concat=n=4,format=yuv420p[v];\
        [4]volume=0:enable='between(t,3,5)'[s]";
    let parts = [
        "-f",
        "lavfi",
        "-i",
        "testsrc2=r=25:s=160x120",
        "-f",
        "lavfi",
        "-i",
        "color=black:r=25:s=160x120",
        "-f",
        "lavfi",
        "-i",
        "smptebars=r=25:s=160x120",
        "-f",
        "lavfi",
        "-i",
        "mandelbrot=r=25:s=160x120",
        "-f",
        "lavfi",
        "-i",
        "sine=f=440:d=8:r=48000",
        "-filter_complex",
        filter,
        "-map",
        "[v]",
        "-map",
        "[s]",
        "-c:v",
        "libx264",
        "-qp",
        "10",
        "-g",
        "50",
        "-bf",
        "2",
        "-sc_threshold",
        "0",
        "-c:a",
        "aac",
        "-output_ts_offset",
        "100",
    ];
    let clip = generate(&parts, "clip.ts");
    let quiet = Some(Quiet { least_s: 1.0, noise_db: -50.0 });
    let all = Analysis {
        black: Some(Black { least_s: 1.0, threshold: 0.1 }),
        silence: quiet,
        freeze: Some(Quiet { least_s: 1.5, noise_db: -60.0 }),
        scenes: Some(0.1),
        gop: true,
        bitrate_step_s: Some(1.0),
        loudness: true,
        ..Analysis::default()
    };
    let info = measured(&clip, &all);
    let found = info.measured.as_ref().unwrap();
    assert!(lie(found.black.as_ref().unwrap(), &[(2.0, 4.0)]), "{found:?}");
    assert!(lie(found.silence.as_ref().unwrap(), &[(3.0, 5.0)]), "{:?}", found.silence);
    assert!(lie(found.freeze.as_ref().unwrap(), &[(2.0, 4.0), (4.0, 6.0)]), "{:?}", found.freeze);
    let scenes = found.scenes.as_ref().unwrap();
    assert!([2.0, 4.0, 6.0].iter().all(|due| scenes.iter().any(|at| (at - due).abs() < 0.05)), "{scenes:?}");
    let gop = found.gop.unwrap();
    assert_eq!((gop.keyframes, gop.longest_frames, gop.constant, gop.reordered), (4, 50, true, true), "{gop:?}");
    assert!((gop.average_s - 2.0).abs() < 0.02 && (gop.longest_s - 2.0).abs() < 0.02, "{gop:?}");
    let bitrate = found.bitrate.as_ref().unwrap();
    assert!((8..=9).contains(&bitrate.video.len()), "{bitrate:?}");
    assert!(bitrate.video[0] > 4 * bitrate.video[3], "black costs less: {bitrate:?}");
    assert!(info.loudness.unwrap().integrated_lufs.is_some());
    assert!(found.crop.is_none() && found.interlace.is_none(), "only what was asked for");
}

#[test]
fn bars_and_fields_are_seen() {
    let barred = [
        "-f",
        "lavfi",
        "-i",
        "mandelbrot=r=25:s=320x180:end_scale=0.05,format=yuv420p,trim=0:2,pad=320:240:0:30",
        "-c:v",
        "libx264",
        "-qp",
        "10",
    ];
    let clip = generate(&barred, "bars.mp4");
    let info = measured(&clip, &Analysis { crop: true, interlace: true, ..Analysis::default() });
    let found = info.measured.unwrap();
    let crop = found.crop.unwrap();
    assert_eq!((crop.width, crop.height, crop.x, crop.y), (320, 180, 0, 30));
    assert!(!found.interlace.unwrap().interlaced, "{:?}", found.interlace);
    let fields = [
        "-f",
        "lavfi",
        "-i",
        "mandelbrot=r=50:s=320x240:end_scale=0.05,format=yuv420p,trim=0:2,tinterlace=interleave_top,fieldorder=tff",
    ];
    let clip = generate(&[&fields[..], &["-c:v", "libx264", "-qp", "10", "-flags", "+ildct"]].concat(), "fields.mp4");
    let found = measured(&clip, &Analysis { interlace: true, ..Analysis::default() }).measured.unwrap();
    let interlace = found.interlace.unwrap();
    assert!(interlace.interlaced && interlace.top_first > interlace.bottom_first, "{interlace:?}");
}

#[test]
fn charts_are_drawn_of_what_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let sound = ["-f", "lavfi", "-i", "sine=f=440:d=5"];
    let picture = ["-f", "lavfi", "-i", "testsrc2=d=5:r=10:s=64x64"];
    for (parts, name, curves) in
        [(&[&sound[..]][..], "a.mp3", 3), (&[&picture[..]], "v.mp4", 2), (&[&picture[..], &sound[..]], "av.mp4", 3)]
    {
        let clip = generate(&parts.concat(), name);
        let analysis = Analysis { chart: Some("chart.svg".into()), ..Analysis::default() };
        let info = measured(&clip, &analysis);
        let files = super::files(&info, &analysis, folder.path()).unwrap();
        assert_eq!(files[0].content_type, "image/svg+xml");
        let svg = std::fs::read_to_string(folder.path().join("chart.svg")).unwrap();
        assert_eq!(svg.matches("<polyline").count(), curves, "{name}");
        let script = "import sys,xml.etree.ElementTree as t; t.parse(sys.argv[1])";
        let path = folder.path().join("chart.svg");
        let read = std::process::Command::new("python3").args(["-c", script]).arg(path).output().unwrap();
        assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    }
}
