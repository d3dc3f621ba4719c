//! Any container to any that can hold the streams, over real files: packets as they were, times in order.

use reelmill::model::Code;
use reelmill::model::work::AudioCodec;

use super::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/media").join(name)
}

fn copied(container: Container) -> Output {
    with(|media| {
        media.container = container;
        (media.video, media.audio) = (Some(Video::Copy), Some(Audio::Copy { tracks: Tracks::All }));
        media.subtitles = Subtitles::Keep;
    })
}

/// Packets of the first video stream and of all audio streams, and whether decoding times of each stream rise.
fn packets(path: &Path) -> (usize, usize, bool) {
    let arguments = ["-v", "error", "-show_entries", "packet=codec_type,stream_index,dts_time", "-of", "csv=p=0"];
    let output = Command::new("ffprobe").args(arguments).arg(path).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let mut last = std::collections::BTreeMap::<&str, f64>::new();
    let (mut video, mut audio, mut rise) = (0, 0, true);
    for line in text.lines() {
        let mut fields = line.split(',');
        let (Some(kind), Some(stream)) = (fields.next(), fields.next()) else { continue };
        match kind {
            "video" => video += 1,
            "audio" => audio += 1,
            _ => continue,
        }
        if let Some(time) = fields.next().and_then(|time| time.parse().ok()) {
            rise &= last.insert(stream, time).is_none_or(|last| last <= time);
        }
    }
    (video, audio, rise)
}

/// What `ffmpeg` complains of while it decodes the file.
fn complaints(path: &Path) -> String {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-t", "1", "-fps_mode", "passthrough", "-f", "null", "-"])
        .output()
        .unwrap();
    // What it says of its own output, which has a clock of whole frames, is nothing about the file.
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    said.lines().filter(|line| !line.contains("to muxer in stream")).collect::<Vec<_>>().join("\n")
}

/// Sources by what they are, and for each container the code of the refusal, or nothing.
const TABLE: &[(&str, &[(Container, &str)])] = &[
    (
        "legacy/mpeg4_mp3.avi",
        &[(Container::Mp4, ""), (Container::Mkv, ""), (Container::Ts, "MEDIA0012"), (Container::Webm, "MEDIA0012")],
    ),
    ("ts/sintel_captions_10s.ts", &[(Container::Mp4, ""), (Container::Mkv, ""), (Container::Flv, "")]),
    ("ts/scte35.ts", &[(Container::Mp4, ""), (Container::Ts, "")]),
    (
        "normal/tiny_aac_180p.mp4",
        &[
            (Container::Mov, ""),
            (Container::Mkv, ""),
            (Container::Ts, ""),
            (Container::Flv, ""),
            (Container::Webm, "MEDIA0012"),
            (Container::Ogg, "MEDIA0012"),
        ],
    ),
    ("vpx/bbb_480p_vp9_opus51.webm", &[(Container::Mkv, ""), (Container::Mp4, ""), (Container::Flv, "MEDIA0012")]),
    ("av1/av1_360p.mkv", &[(Container::Mp4, ""), (Container::Webm, ""), (Container::Ts, "MEDIA0012")]),
    ("hevc/bframes_480p.mp4", &[(Container::Mkv, ""), (Container::Ts, ""), (Container::Flv, "MEDIA0012")]),
    ("interlaced/xdcam_ex_1080i50.mov", &[(Container::Mkv, "")]),
    ("rotation/iphone_portrait.MOV", &[(Container::Mp4, ""), (Container::Mkv, "MEDIA0017")]),
    ("multitrack/nasa_2v_2a_2s.mp4", &[(Container::Mkv, ""), (Container::Mov, "")]),
    ("multitrack/srt.mkv", &[(Container::Mp4, ""), (Container::Ts, "")]),
    ("audio/music.m4a", &[(Container::M4a, ""), (Container::Mkv, ""), (Container::Ogg, "MEDIA0012")]),
    ("audio/vorbis.ogg", &[(Container::Mkv, ""), (Container::Ogg, ""), (Container::Webm, "")]),
    ("surround/flac_51.flac", &[(Container::Mkv, ""), (Container::Mp4, ""), (Container::Ogg, "")]),
];

#[test]
fn field_case_14_streams_go_into_any_container_that_holds_them_or_are_refused() {
    let mut wrong = Vec::new();
    for (file, targets) in TABLE {
        let source = fixture(file);
        let (video, audio, _) = packets(&source);
        let clean = complaints(&source).is_empty();
        for (container, refusal) in *targets {
            let trial = Trial::new(&source, &[copied(*container)]);
            let code = match &trial.made.outcomes {
                Ok(outcomes) => outcomes[0].as_ref().err().map(|failure| failure.code),
                Err(failure) => Some(failure.code),
            };
            if code.as_ref().map_or("", Code::as_str) != *refusal {
                wrong.push(format!("{file} to {container:?}: {code:?}"));
                continue;
            }
            if code.is_some() {
                continue;
            }
            let made = trial.path("out.mp4");
            let (after_video, after_audio, rise) = packets(&made);
            // Of several video streams one is taken.
            let several = file.contains("2v");
            if (after_video != video && !several) || after_audio != audio {
                wrong
                    .push(format!("{file} to {container:?}: {after_video}, {after_audio} packets of {video}, {audio}"));
            }
            if !rise {
                wrong.push(format!("{file} to {container:?}: times run back"));
            }
            let said = complaints(&made);
            if clean && !said.is_empty() {
                wrong.push(format!("{file} to {container:?}: {said}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_a_copy_leaves_out_is_said() {
    let trial = Trial::new(&fixture("multitrack/nasa_2v_2a_2s.mp4"), &[copied(Container::Mkv)]);
    assert!(
        trial.made.warnings().iter().any(|(code, text)| *code == "MEDIA0103" && text.starts_with("video stream")),
        "{:?}",
        trial.made.warnings()
    );
    let trial = Trial::new(&fixture("ts/scte35.ts"), &[copied(Container::Mkv)]);
    assert!(
        trial.made.warnings().iter().any(|(code, text)| *code == "MEDIA0103" && text.contains("scte")),
        "{:?}",
        trial.made.warnings()
    );
}

#[test]
fn a_copied_clip_says_where_it_begins() {
    let clip = lavfi(&["testsrc2=d=8:r=25:s=64x64"], &["-g", "50", "-bf", "0"], "a.mp4");
    let cut = |container, start_s| {
        let Output::Media(mut media) = copied(container) else { unreachable!() };
        media.clip = Some(Clip { start_s, duration_s: Some(1.5) });
        Trial::new(&clip, &[Output::Media(media)])
    };
    for container in [Container::Mp4, Container::Mkv] {
        let trial = cut(container, 5.0);
        let warnings = trial.made.warnings();
        assert_eq!(warnings[0].0, "MEDIA0113");
        assert!(warnings[0].1.contains("at 4.000 s, 1.000 s before the clip"), "{warnings:?}");
        // What it says is true: the first of the frames is that of 4 s.
        let hash = |path: &Path, seek: &[&str]| {
            let hashed = Command::new("ffmpeg")
                .args(["-v", "error", "-ignore_editlist", "1"].iter().take(if container == Container::Mp4 {
                    4
                } else {
                    2
                }))
                .args(seek)
                .arg("-i")
                .arg(path)
                .args(["-frames:v", "1", "-f", "framemd5", "-"])
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&hashed.stdout).into_owned();
            text.lines().last().and_then(|line| line.rsplit(',').next()).unwrap_or_default().trim().to_owned()
        };
        let source = Command::new("ffmpeg")
            .args(["-v", "error", "-ss", "4", "-i"])
            .arg(&*clip)
            .args(["-frames:v", "1", "-f", "framemd5", "-"])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&source.stdout).into_owned();
        let expected = text.lines().last().and_then(|line| line.rsplit(',').next()).unwrap().trim().to_owned();
        assert_eq!(hash(&trial.path("out.mp4"), &[]), expected, "{container:?}");
    }
    assert!(cut(Container::Mkv, 4.0).made.warnings().is_empty(), "a cut at a keyframe is exact");
}

/// A film of 8 s with keyframes each 2 s and chapters One to 3 s, Two to 8 s.
fn chaptered(name: &str) -> crate::testing::Clip {
    let mut chapters = tempfile::NamedTempFile::new().unwrap();
    let text = ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=3\ntitle=One\n[CHAPTER]\nTIMEBASE=1/1\nSTART=3\n\
                END=8\ntitle=Two\n";
    std::io::Write::write_all(&mut chapters, text.as_bytes()).unwrap();
    let rest = ["-i", chapters.path().to_str().unwrap(), "-map_metadata", "1", "-g", "50", "-bf", "0"];
    lavfi(&["testsrc2=d=8:r=25:s=64x64"], &rest, name)
}

#[test]
fn chapters_of_a_copied_clip_stay_with_their_pictures() {
    let film = chaptered("a.mkv");
    // From the keyframe at 2 s, which Matroska shows and MP4 hides.
    for (container, expected) in
        [(Container::Mkv, [(0.0, 1.0), (1.0, 2.5)]), (Container::Mp4, [(0.0, 0.5), (0.5, 2.0)])]
    {
        let Output::Media(mut media) = copied(container) else { unreachable!() };
        media.clip = Some(Clip { start_s: 2.5, duration_s: Some(2.0) });
        media.chapters = true;
        let trial = Trial::new(&film, &[Output::Media(media)]);
        let chapters = &trial.made.media().chapters;
        let near = chapters.len() == 2
            && chapters.iter().zip(expected).all(|(chapter, (start_s, end_s))| {
                (chapter.start_s - start_s).abs() < 0.002 && (chapter.end_s - end_s).abs() < 0.002
            });
        assert!(near, "{container:?}: {chapters:?}");
    }
}

#[test]
fn the_text_of_chapters_is_no_stream_that_is_left_out() {
    let film = chaptered("a.mp4");
    let Output::Media(mut media) = copied(Container::Mkv) else { unreachable!() };
    media.chapters = true;
    let trial = Trial::new(&film, &[Output::Media(media)]);
    assert_eq!(trial.made.media().chapters.len(), 2);
    assert!(trial.made.warnings().is_empty(), "{:?}", trial.made.warnings());
}

#[test]
fn what_an_edit_list_hides_is_said_where_it_is_shown() {
    let film = lavfi(&["testsrc2=d=4:r=25:s=64x64"], &["-g", "50", "-bf", "0"], "a.mp4");
    // A copy from 2.5 s on holds the pictures from 2 s on, and hides half a second of them.
    let hiding = generate(&["-ss", "2.5", "-i", film.to_str().unwrap(), "-c", "copy"], "b.mp4");
    let codes = |source: &Path, container| {
        let trial = Trial::new(source, &[copied(container)]);
        trial.made.warnings().iter().map(|(code, _)| (*code).to_owned()).collect::<Vec<_>>()
    };
    for (container, expected) in
        [(Container::Mkv, vec!["MEDIA0113"]), (Container::Ts, vec!["MEDIA0113"]), (Container::Mp4, vec![])]
    {
        assert_eq!(codes(&hiding, container), expected, "{container:?}");
        assert!(codes(&film, container).is_empty(), "{container:?}: nothing is hidden");
    }
}

#[test]
fn a_cover_without_a_place_is_left_out_with_a_warning() {
    let source = fixture("audio/cover_art.mp3");
    for (container, kept) in [(Container::Mp3, true), (Container::Mov, false), (Container::Mkv, false)] {
        let trial = Trial::new(&source, &[copied(container)]);
        let codes: Vec<_> = trial.made.warnings().iter().map(|(code, _)| (*code).to_owned()).collect();
        let expected: &[&str] = if kept { &[] } else { &["MEDIA0103"] };
        assert_eq!(codes, expected, "{container:?}");
        assert_eq!(trial.ffprobe("out.mp4", "v", "stream=index").len(), usize::from(kept), "{container:?}");
    }
}

#[test]
fn covers_go_along_with_sound() {
    let source = fixture("audio/cover_art.mp3");
    let picture = |path: &Path| {
        let arguments = ["-map", "0:v", "-c", "copy", "-f", "image2pipe", "-"];
        Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(path).args(arguments).output().unwrap().stdout
    };
    let cover = picture(&source);
    assert!(!cover.is_empty());
    for (container, codec) in
        [(Container::M4a, AudioCodec::Aac), (Container::Mp3, AudioCodec::Mp3), (Container::Flac, AudioCodec::Flac)]
    {
        let output = |metadata| {
            with(|media| {
                media.container = container;
                media.video = None;
                media.audio = Some(Audio::Encode(AudioEncode { codec, bitrate_bps: None, ..aac() }));
                media.metadata = metadata;
            })
        };
        let trial = Trial::new(&source, &[output(true)]);
        assert!(picture(&trial.path("out.mp4")) == cover, "{container:?}");
        assert_eq!(trial.ffprobe("out.mp4", "v", "stream_disposition=attached_pic"), ["1"], "{container:?}");
        let bare = Trial::new(&source, &[output(false)]);
        assert!(bare.ffprobe("out.mp4", "v", "stream=index").is_empty(), "{container:?}");
    }
}
