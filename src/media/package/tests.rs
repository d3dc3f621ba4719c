//! Packages made of generated renditions, played back by the `ffmpeg` command.

mod dash;
mod encryption;
mod groups;
mod hls;
mod late;
mod measured;
mod real;

use std::cell::RefCell;
use std::path::Path;
use std::process::Command;

use m3u8_rs::{MasterPlaylist, MediaPlaylist, Playlist};
use reelmill::model::work::{FileRole, Package, Produced, SegmentFormat};
use reelmill::model::{Code, Coded};
use reelmill::worker::protocol::Message;

use super::run;
use crate::error::MediaError;
use crate::testing::{Clip, generate, source_of};

const PICTURE: [&str; 4] = ["-f", "lavfi", "-i", "testsrc2=d=10:r=25:s=320x180"];
const TONE: [&str; 4] = ["-f", "lavfi", "-i", "sine=f=440:d=10:r=48000"];
const KEYS: [&str; 8] = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "50", "-sc_threshold", "0"];

fn clip(parts: &[&[&str]], name: &str) -> Clip {
    generate(&parts.concat(), name)
}

/// HLS of so many renditions in segments of 4 s.
pub fn package(renditions: usize) -> Package {
    Package {
        master: Some("master.m3u8".into()),
        mpd: None,
        segments: SegmentFormat::Fmp4,
        segment_s: 4.0,
        renditions: (0..renditions).map(|n| format!("rung-{n}")).collect(),
        separate_audio: false,
        byte_range: false,
        iframe_playlists: false,
        keep_subtitles: true,
        subtitles: Vec::new(),
        subtitle_folder: "subtitles".into(),
        encryption: None,
        if_incomplete: reelmill::model::work::IfIncomplete::Warn,
    }
}

fn packaged(clips: &[&Clip], folder: &Path, segment_s: f64) -> (Result<Produced, MediaError>, Vec<Code>) {
    packaged_as(clips, folder, &Package { segment_s, ..package(clips.len()) })
}

fn packaged_as(clips: &[&Clip], folder: &Path, package: &Package) -> (Result<Produced, MediaError>, Vec<Code>) {
    ffmpeg_next::log::set_level(ffmpeg_next::log::Level::Error);
    let sources: Vec<_> = clips.iter().map(|clip| source_of(clip)).collect();
    let warnings = RefCell::new(Vec::new());
    let produced = run(&sources, package, folder, &|message| {
        if let Message::Warning { code, .. } = message {
            warnings.borrow_mut().push(*code);
        }
    });
    (produced, warnings.into_inner())
}

fn master(folder: &Path) -> MasterPlaylist {
    match m3u8_rs::parse_playlist_res(&std::fs::read(folder.join("master.m3u8")).unwrap()) {
        Ok(Playlist::MasterPlaylist(master)) => master,
        other => panic!("{other:?}"),
    }
}

fn media(folder: &Path, rendition: &str) -> MediaPlaylist {
    media_at(&folder.join(rendition).join("index.m3u8"))
}

fn media_at(playlist: &Path) -> MediaPlaylist {
    match m3u8_rs::parse_playlist_res(&std::fs::read(playlist).unwrap()) {
        Ok(Playlist::MediaPlaylist(media)) => media,
        other => panic!("{other:?}"),
    }
}

/// Times of all packets of one kind, in seconds, as a player finds them.
fn packet_times(file: &Path, kind: &str) -> Vec<f64> {
    let arguments = ["-v", "error", "-select_streams", kind, "-show_entries", "packet=pts_time", "-of", "csv=p=0"];
    let output = Command::new("timeout").args(["60", "ffprobe"]).args(arguments).arg(file).output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut times: Vec<f64> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| line.trim_end_matches(',').parse().ok())
        .collect();
    times.sort_by(f64::total_cmp);
    times
}

/// Plays a playlist to its end, decoding everything; answers with the number of video frames.
fn play(playlist: &Path) -> usize {
    decode(&["-allowed_extensions", "ALL"], playlist)
}

fn decode(options: &[&str], media: &Path) -> usize {
    let before = ["60", "ffmpeg", "-v", "error", "-xerror"];
    let after = ["-map", "0:v:0?", "-map", "0:a:0?", "-fps_mode", "passthrough", "-f", "framecrc", "-"];
    let output = Command::new("timeout").args(before).args(options).arg("-i").arg(media).args(after).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().filter(|line| line.starts_with("0,")).count()
}

#[test]
fn a_ladder_becomes_a_package_that_plays() {
    let folder = tempfile::tempdir().unwrap();
    let large = clip(&[&PICTURE, &TONE, &KEYS, &["-c:a", "aac", "-shortest"]], "large.mp4");
    let small = clip(&[&PICTURE, &TONE, &KEYS, &["-s", "160x90", "-c:a", "aac", "-shortest"]], "small.mp4");
    let (produced, warnings) = packaged(&[&large, &small], folder.path(), 4.0);
    let files = produced.unwrap().files;
    assert!(warnings.is_empty(), "{warnings:?}");

    let roles: Vec<FileRole> = files.iter().map(|file| file.role).collect();
    let mut sorted = roles.clone();
    sorted.sort();
    assert_eq!(roles, sorted, "segments, then playlists, then the master playlist");
    assert_eq!(files.last().unwrap().file, "master.m3u8");
    for file in &files {
        assert_eq!(std::fs::metadata(folder.path().join(&file.file)).unwrap().len(), file.size_bytes);
    }
    let written: Vec<_> = std::fs::read_dir(folder.path().join("rung-0")).unwrap().collect();
    assert_eq!(written.len(), 5, "the initialisation section, three segments, the playlist and nothing else");

    let master = master(folder.path());
    assert!(master.independent_segments);
    let [first, second] = &master.variants[..] else { panic!("{master:?}") };
    assert_eq!((first.uri.as_str(), second.uri.as_str()), ("rung-0/index.m3u8", "rung-1/index.m3u8"));
    assert_eq!(first.resolution.unwrap().to_string(), "320x180");
    assert_eq!(first.frame_rate, Some(25.0));
    let codecs = first.codecs.as_deref().unwrap();
    assert!(codecs.starts_with("avc1.64") && codecs.ends_with(",mp4a.40.2"), "{codecs}");
    assert!(first.bandwidth >= first.average_bandwidth.unwrap() && first.bandwidth > second.bandwidth);

    let media = media(folder.path(), "rung-0");
    assert_eq!((media.version, media.target_duration, media.end_list), (Some(7), 4, true));
    let durations: Vec<f32> = media.segments.iter().map(|segment| segment.duration).collect();
    assert!((durations[0] - 4.0).abs() < 1e-4 && (durations[1] - 4.0).abs() < 1e-4, "{durations:?}");
    assert!((durations.iter().sum::<f32>() - 10.0).abs() < 0.04, "{durations:?}");

    assert_eq!(play(&folder.path().join("rung-0/index.m3u8")), 250);
    assert_eq!(play(&folder.path().join("master.m3u8")), 250);
}

#[test]
fn no_packet_is_lost_or_moved() {
    let folder = tempfile::tempdir().unwrap();
    let source = clip(&[&PICTURE, &TONE, &KEYS, &["-c:a", "aac"]], "source.mp4");
    packaged(&[&source], folder.path(), 2.0).0.unwrap();
    for kind in ["v", "a"] {
        let (before, after) =
            (packet_times(&source, kind), packet_times(&folder.path().join("rung-0/index.m3u8"), kind));
        assert_eq!(before.len(), after.len(), "{kind}");
        // Players find the edit of the priming in the initialisation section; the distances are what counts here.
        for (b, a) in before.iter().zip(&after) {
            assert!(((b - before[0]) - (a - after[0])).abs() < 0.001, "{kind}: {b} became {a}");
        }
    }
}

#[test]
fn segments_of_every_codec_decode() {
    for (encoder, name, codecs) in [
        (&["-c:v", "libx265", "-x265-params", "log-level=none:keyint=50", "-tag:v", "hev1"][..], "a.mp4", "hvc1.1.6."),
        (&["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "50"], "a.webm", "vp09.00."),
        (&["-c:v", "libx264", "-g", "50", "-bf", "2"], "a.ts", "avc1."),
        (&["-c:v", "libx264", "-g", "50", "-bf", "2"], "a.mkv", "avc1."),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let source = clip(&[&PICTURE, &["-t", "5", "-s", "160x90", "-pix_fmt", "yuv420p"], encoder], name);
        let (produced, _) = packaged(&[&source], folder.path(), 2.0);
        produced.unwrap_or_else(|e| panic!("{name}: {e}"));
        let found = master(folder.path()).variants.remove(0).codecs.unwrap();
        assert!(found.starts_with(codecs), "{name}: {found}");
        assert_eq!(play(&folder.path().join("rung-0/index.m3u8")), 125, "{name}");
        assert_eq!(media(folder.path(), "rung-0").segments.len(), 3, "{name}");
    }
    for (encoder, name, codec) in [
        ("aac", "a.m4a", "mp4a.40.2"),
        ("aac", "a.ts", "mp4a.40.2"),
        ("ac3", "a.mp4", "ac-3"),
        ("eac3", "a.mp4", "ec-3"),
        ("libopus", "a.webm", "Opus"),
        ("flac", "a.flac", "fLaC"),
        ("libmp3lame", "a.mp3", "mp4a.40.34"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let source = clip(&[&TONE, &["-c:a", encoder]], name);
        let (produced, _) = packaged(&[&source], folder.path(), 3.0);
        produced.unwrap_or_else(|e| panic!("{encoder} in {name}: {e}"));
        let variant = master(folder.path()).variants.remove(0);
        assert_eq!(variant.codecs.as_deref(), Some(codec), "{name}");
        assert_eq!(variant.resolution, None);
        let media = media(folder.path(), "rung-0");
        assert_eq!((media.segments.len(), media.target_duration), (4, 3), "{encoder} in {name}");
        assert!(play(&folder.path().join("rung-0/index.m3u8")) > 0);
    }
}

#[test]
fn a_clock_that_does_not_begin_at_zero_does_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let source = clip(&[&PICTURE, &TONE, &KEYS, &["-c:a", "aac", "-output_ts_offset", "3600"]], "source.ts");
    packaged(&[&source], folder.path(), 4.0).0.unwrap();
    let playlist = folder.path().join("rung-0/index.m3u8");
    let (video, audio) = (packet_times(&playlist, "v"), packet_times(&playlist, "a"));
    assert!(video[0] < 0.1 && audio[0] < 0.1, "{} {}", video[0], audio[0]);
    assert_eq!(video.len(), 250);
}

#[test]
fn audio_that_goes_on_after_the_video_is_cut_too() {
    let folder = tempfile::tempdir().unwrap();
    let source = clip(&[&PICTURE, &TONE, &["-filter:v", "trim=end=3"], &KEYS, &["-c:a", "aac"]], "source.mp4");
    packaged(&[&source], folder.path(), 2.0).0.unwrap();
    let media = media(folder.path(), "rung-0");
    assert!(media.target_duration <= 3, "{}", media.target_duration);
    assert!((media.segments.iter().map(|s| s.duration).sum::<f32>() - 10.0).abs() < 0.05);
}

#[test]
fn renditions_with_other_keyframes_are_warned_of() {
    let folder = tempfile::tempdir().unwrap();
    let one = clip(&[&PICTURE, &KEYS], "one.mp4");
    let other = clip(&[&PICTURE, &KEYS, &["-g", "60"]], "other.mp4");
    let (produced, warnings) = packaged(&[&one, &other], folder.path(), 4.0);
    produced.unwrap();
    assert_eq!(warnings, ["MEDIA0105"]);
}

#[test]
fn further_pictures_are_left_out_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let source = clip(&[&PICTURE, &TONE, &KEYS, &["-map", "0", "-map", "0", "-map", "1", "-c:a", "aac"]], "a.mp4");
    let (produced, warnings) = packaged(&[&source], folder.path(), 4.0);
    produced.unwrap();
    assert_eq!(warnings, ["MEDIA0106"]);
}

/// Has an MP4's track header say that the picture is shown upside down.
fn turn(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let matrix = bytes.windows(4).position(|window| window == b"tkhd").unwrap() + 44;
    for offset in [0, 16] {
        bytes[matrix + offset..matrix + offset + 4].copy_from_slice(&(-65_536_i32).to_be_bytes());
    }
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn what_cannot_be_packaged_fails_with_a_code() {
    let folder = tempfile::tempdir().unwrap();
    let code = |clips: &[&Clip], segment_s| packaged(clips, folder.path(), segment_s).0.unwrap_err().code();
    let pictures = clip(&[&PICTURE, &["-c:v", "mjpeg", "-pix_fmt", "yuvj420p"]], "pictures.mov");
    assert_eq!(code(&[&pictures], 4.0), "MEDIA0012");
    let fine = clip(&[&PICTURE, &KEYS], "fine.mp4");
    assert_eq!(code(&[&fine], 0.2), "MEDIA0017");
    assert_eq!(code(&[&fine], f64::NAN), "MEDIA0017");
    assert_eq!(code(&[], 4.0), "MEDIA0020");
    let turned = clip(&[&PICTURE, &KEYS], "turned.mp4");
    turn(&turned);
    assert_eq!(code(&[&turned], 4.0), "MEDIA0017");
    let bytes =
        std::fs::read(&*clip(&[&PICTURE, &KEYS, &["-movflags", "+empty_moov+frag_keyframe"]], "a.mp4")).unwrap();
    let headers = bytes.windows(4).position(|window| window == b"moof").unwrap() - 4;
    let empty = clip(&[&PICTURE, &KEYS], "empty.mp4");
    std::fs::write(&*empty, &bytes[..headers]).unwrap();
    assert_eq!(code(&[&empty], 4.0), "MEDIA0003");
}
