//! Sources that change under way: sizes, shapes of pixels, channels, and streams that begin late.

use reelmill::model::Coded;
use reelmill::model::work::{Analysis, AudioEncode, Black, Fit, Package, SegmentFormat};
use reelmill::worker::protocol::Message;

use super::incomplete::hls;
use super::*;
use crate::package;
use crate::testing::Clip as File;

/// A folder, and a file in it.
pub type Parts = (tempfile::TempDir, PathBuf);

/// Files one after the other.
pub fn joined(parts: &[File], name: &str) -> Parts {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let bytes: Vec<u8> = parts.iter().flat_map(|part| std::fs::read(&**part).unwrap()).collect();
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// Three seconds with a white box that is a square when shown.
fn boxed(size: &str, place: &str, aspect: &str, codec: &[&str], offset: &str) -> File {
    let video = format!("color=0x206040:s={size}:r=25:d=3,drawbox={place}:color=white:t=fill,setsar={aspect}");
    let sources = ["-f", "lavfi", "-i", &video, "-f", "lavfi", "-i", "sine=440:r=48000:d=3"];
    let rest = ["-c:a", "mp2", "-output_ts_offset", offset, "-f", "mpegts"];
    generate(&[&sources[..], codec, &rest].concat(), "part.ts")
}

/// Width over height of what is white in the picture of `file` at a moment, and its height.
fn white(file: &Path, at_s: &str) -> (f64, f64) {
    let arguments = ["-v", "error", "-ss", at_s, "-i"];
    let raw = ["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "gray", "-"];
    let output = Command::new("ffmpeg").args(arguments).arg(file).args(raw).output().unwrap();
    let probe = ["-v", "error", "-select_streams", "v", "-show_entries", "stream=width", "-of", "csv=p=0"];
    let width = Command::new("ffprobe").args(probe).arg(file).output().unwrap();
    let width: usize = String::from_utf8_lossy(&width.stdout).trim().trim_end_matches(',').parse().unwrap();
    let bright: Vec<(usize, usize)> = output
        .stdout
        .iter()
        .enumerate()
        .filter(|(_, grey)| **grey > 180)
        .map(|(n, _)| (n % width, n / width))
        .collect();
    let span = |sides: &mut dyn Iterator<Item = usize>| {
        let (least, most) = sides.fold((usize::MAX, 0), |(least, most), side| (least.min(side), most.max(side)));
        f64::from(u32::try_from(most + 1 - least).unwrap())
    };
    assert!(!bright.is_empty(), "{}: nothing is white at {at_s}", file.display());
    let (across, down) = (span(&mut bright.iter().map(|(x, _)| *x)), span(&mut bright.iter().map(|(_, y)| *y)));
    (across / down, down)
}

fn says_that_it_changes(trial: &Trial, what: &str) {
    let warnings = trial.made.warnings();
    let said = warnings.iter().filter(|(code, text)| *code == "MEDIA0117" && text.contains(what)).count();
    assert_eq!(said, 1, "{warnings:?}");
}

/// A square is one in both halves of a transcode, and in pictures of both.
fn squares_stay_squares(source: &Path) {
    let output = media_output("out.mp4", sized(Size::ShortSide(360)));
    let trial = Trial::new(source, &[output]);
    for at in ["1", "4.5"] {
        let (shape, height) = white(&trial.path("out.mp4"), at);
        assert!((shape - 1.0).abs() < 0.03 && height > 100.0, "at {at}: {shape} {height}");
    }
    says_that_it_changes(&trial, "pictures");
    let copy = with(|output| {
        output.container = Container::Mkv;
        output.video = Some(Video::Copy);
        output.audio = Some(Audio::Copy { tracks: Tracks::Main });
    });
    says_that_it_changes(&Trial::new(source, &[copy]), "copied unchanged");
    for at_s in [1.0, 4.5] {
        let picture = shots(SnapshotTimes::At(Moment::Seconds(at_s)), ImageFormat::Png, "a.png");
        let trial = Trial::new(source, &[Output::Snapshot(picture)]);
        let (shape, _) = white(&trial.path("a.png"), "0");
        assert!((shape - 1.0).abs() < 0.03, "picture at {at_s}: {shape}");
    }
    let sprites = Snapshot {
        sprite: Some(sprite(2, 1, 160)),
        ..shots(SnapshotTimes::List(vec![Moment::Seconds(1.0), Moment::Seconds(4.5)]), ImageFormat::Png, "s.png")
    };
    let trial = Trial::new(source, &[Output::Snapshot(sprites)]);
    assert!(trial.made.outcomes.as_ref().unwrap()[0].is_ok(), "{:?}", trial.made.outcomes);
}

#[test]
fn field_fault_01_pixels_that_change_their_shape_leave_squares_square() {
    let mpeg2 = ["-c:v", "mpeg2video", "-b:v", "2M", "-g", "12", "-bf", "2"];
    let (narrow, wide) = (("x=219:y=138:w=282:h=300", "16/15"), ("x=254:y=138:w=211:h=300", "64/45"));
    for (first, second) in [(narrow, wide), (wide, narrow)] {
        let parts =
            [boxed("720x576", first.0, first.1, &mpeg2, "0"), boxed("720x576", second.0, second.1, &mpeg2, "3")];
        let (_folder, source) = joined(&parts, "in.ts");
        squares_stay_squares(&source);
    }
}

#[test]
fn field_fault_02_a_size_that_changes_leaves_squares_square() {
    let h264 = ["-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-bf", "2", "-pix_fmt", "yuv420p"];
    let small = boxed("720x576", "x=254:y=138:w=211:h=300", "64/45", &h264, "0");
    let large = boxed("1280x720", "x=440:y=160:w=400:h=400", "1", &h264, "3");
    let (_folder, source) = joined(&[small, large], "in.ts");
    squares_stay_squares(&source);
}

#[test]
fn field_fault_01_previews_leave_squares_square() {
    use reelmill::model::work::{Animation, AnimationFormat};
    let mpeg2 = ["-c:v", "mpeg2video", "-b:v", "2M", "-g", "12", "-bf", "2"];
    let narrow = boxed("720x576", "x=219:y=138:w=282:h=300", "16/15", &mpeg2, "0");
    let wide = boxed("720x576", "x=254:y=138:w=211:h=300", "64/45", &mpeg2, "3");
    let upright = boxed("360x640", "x=80:y=220:w=200:h=200", "1", &mpeg2, "3");
    let bytes = |file: &File| std::fs::read(&**file).unwrap();
    for second in [&wide, &upright] {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("in.ts");
        std::fs::write(&source, [bytes(&narrow), bytes(second)].concat()).unwrap();
        let animation =
            Animation { format: AnimationFormat::Mp4, pieces: 1, length_s: 2.0, start_s: Some(2.0), fps: 10.0 };
        let any = SnapshotTimes::At(Moment::Seconds(0.0));
        let snapshot = Snapshot { animation: Some(animation), ..shots(any, ImageFormat::Jpg, "p.mp4") };
        let trial = Trial::new(&source, &[Output::Snapshot(snapshot)]);
        trial.made.produced();
        for at in ["0.5", "1.5"] {
            let (shape, _) = white(&trial.path("p.mp4"), at);
            assert!((shape - 1.0).abs() < 0.04, "at {at}: {shape}");
        }
    }
}

/// A tone of three seconds in a transport stream, with a picture.
fn toned(codec: &str, offset: &str) -> File {
    let sources = ["-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=3", "-f", "lavfi", "-i", "sine=r=48000:d=3"];
    let video = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "25"];
    let rest = ["-c:a", codec, "-muxdelay", "0", "-output_ts_offset", offset, "-f", "mpegts"];
    generate(&[&sources[..], &video, &rest].concat(), "part.ts")
}

#[test]
fn field_fault_02_sound_that_goes_on_in_another_codec_is_said() {
    for (first, second) in [("aac", "ac3"), ("ac3", "aac"), ("mp2", "aac")] {
        let (_folder, source) = joined(&[toned(first, "0"), toned(second, "3")], "in.ts");
        for container in [Container::Ts, Container::Mkv] {
            let copy = with(|output| {
                output.container = container;
                output.video = Some(Video::Copy);
                output.audio = Some(Audio::Copy { tracks: Tracks::Main });
            });
            let trial = Trial::new(&source, &[copy]);
            let failure = trial.made.failure();
            assert_eq!(failure.code, "MEDIA0024", "{first}, {second} {container:?}: {failure:?}");
        }
        for segments in [SegmentFormat::Fmp4, SegmentFormat::Ts] {
            let scratch = tempfile::tempdir().unwrap();
            let work = Package { segments, ..hls() };
            match package::run(&[source_of(&source)], &work, scratch.path(), &|_| {}) {
                Err(error) => assert!(["MEDIA0024", "MEDIA0012"].contains(&error.code().as_str()), "{error:?}"),
                Ok(made) => panic!("{first}, {second} {segments:?}: {made:?}"),
            }
        }
        let trial = Trial::new(&source, &[media_output("out.mp4", encoded())]);
        let warnings = trial.made.warnings();
        let said = warnings.iter().any(|(code, text)| *code == "MEDIA0117" && text.contains("codec of its sound"));
        assert!(said, "{first}, {second}: {warnings:?}");
    }
}

#[test]
fn field_fault_02_copies_of_every_codec_say_that_sizes_change() {
    for (codec, kind) in [("libvpx", "mkv"), ("libvpx-vp9", "mkv"), ("mjpeg", "mkv"), ("mjpeg", "avi")] {
        let part = |size: &str| {
            let video = format!("testsrc2=s={size}:r=25:d=2");
            let rest = ["-c:v", codec, "-g", "25", "-pix_fmt", "yuvj420p"];
            let rest = if codec == "mjpeg" { &rest[..] } else { &rest[..4] };
            generate(&[&["-f", "lavfi", "-i", &video][..], rest].concat(), &format!("part.{kind}"))
        };
        let (first, second) = (part("320x180"), part("180x320"));
        let list = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(list.path(), format!("file '{}'\nfile '{}'\n", first.display(), second.display())).unwrap();
        let arguments = ["-f", "concat", "-safe", "0", "-i", list.path().to_str().unwrap(), "-c", "copy"];
        let source = generate(&arguments, &format!("in.{kind}"));
        let copy = with(|output| {
            (output.container, output.video, output.audio) = (Container::Mkv, Some(Video::Copy), None);
        });
        says_that_it_changes(&Trial::new(&source, &[copy]), "180x320");
    }
}

#[test]
fn field_fault_02_packages_and_analyses_say_that_a_source_changes() {
    let h264 = ["-c:v", "libx264", "-preset", "veryfast", "-g", "25", "-pix_fmt", "yuv420p"];
    let small = boxed("320x240", "x=20:y=20:w=40:h=40", "1", &h264, "0");
    let large = boxed("640x480", "x=20:y=20:w=40:h=40", "1", &h264, "3");
    let (_folder, source) = joined(&[small, large], "in.ts");
    let sound = with(|output| {
        output.container = Container::Mkv;
        output.video = Some(Video::Copy);
    });
    let copied = Trial::new(&source, &[sound]);
    let said = std::cell::RefCell::new(Vec::new());
    let tell = |message: &Message| said.borrow_mut().push(format!("{message:?}"));
    let scratch = tempfile::tempdir().unwrap();
    package::run(&[source_of(&copied.path("out.mp4"))], &hls(), scratch.path(), &tell).unwrap();
    let black = Black { least_s: 0.5, threshold: 0.1 };
    let asked = Analysis { black: Some(black), ..Analysis::default() };
    crate::testing::analyse(&source_of(&source), &asked, &tell).unwrap();
    let said = said.into_inner();
    let changes = said.iter().filter(|said| said.contains("MEDIA0117") && said.contains("640x480"));
    assert_eq!(changes.count(), 2, "{said:?}");
}

#[test]
fn field_fault_02_an_analysis_goes_on_where_a_source_changes() {
    let black = |size: &str, offset: &str| {
        let video = format!("color=white:s={size}:r=25:d=4,drawbox=color=black:t=fill:enable='between(t,1,3)'");
        let rest = ["-c:v", "libx264", "-preset", "ultrafast", "-output_ts_offset", offset, "-f", "mpegts"];
        generate(&[&["-f", "lavfi", "-i", &video][..], &rest].concat(), "part.ts")
    };
    let (_folder, source) = joined(&[black("320x180", "0"), black("640x480", "4")], "in.ts");
    let asked = Analysis { black: Some(Black { least_s: 0.5, threshold: 0.1 }), ..Analysis::default() };
    let found = crate::testing::analyse(&source_of(&source), &asked, &|_| {}).unwrap().measured.unwrap().black.unwrap();
    let starts: Vec<f64> = found.iter().map(|found| found.start_s.round()).collect();
    assert_eq!(starts, [1.0, 5.0], "{found:?}");
}

/// Three seconds of a tone on the left and on the right, in a layout.
fn tone(layout: &str, offset: &str) -> File {
    tone_of(layout, offset, 0.5, 48_000)
}

/// The same at a volume, and as many samples a second.
fn tone_of(layout: &str, offset: &str, volume: f64, rate: u32) -> File {
    let pan = format!("sine=440:r={rate}:d=3,volume={volume},pan={layout}|FL=c0|FR=c0");
    let rest = ["-c:a", "ac3", "-b:a", "384k", "-output_ts_offset", offset, "-f", "mpegts"];
    generate(&[&["-f", "lavfi", "-i", &pan][..], &rest].concat(), "part.ts")
}

/// Mean volume of part of a file, in dB.
fn volume(file: &Path, from_s: &str) -> f64 {
    let output = Command::new("ffmpeg")
        .args(["-ss", from_s, "-t", "1.5", "-i"])
        .arg(file)
        .args(["-af", "volumedetect", "-f", "null", "-"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let mean = said.split("mean_volume: ").nth(1).unwrap_or_else(|| panic!("{said}"));
    mean.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn field_fault_channels_that_change_are_no_change_of_level() {
    for (first, second, channels) in [("stereo", "5.1", None), ("5.1", "stereo", Some(2)), ("5.1", "stereo", None)] {
        let (_folder, source) = joined(&[tone(first, "0"), tone(second, "3")], "in.ts");
        let sound = AudioEncode { channels, ..aac() };
        let trial = Trial::new(&source, &[with(|output| output.audio = Some(Audio::Encode(sound)))]);
        let (one, other) = (volume(&trial.path("out.mp4"), "0.7"), volume(&trial.path("out.mp4"), "3.8"));
        assert!((one - other).abs() < 1.0, "{first}, {second}, {channels:?}: {one} dB, {other} dB");
        says_that_it_changes(&trial, "sound");
    }
}

#[test]
fn field_fault_loudness_is_that_of_the_whole_where_channels_change() {
    let loudness_alone = Analysis { loudness: true, ..Analysis::default() };
    let over_time = Analysis { chart: Some("chart.svg".to_owned()), ..loudness_alone.clone() };
    for (first, second, rate) in [("5.1", "stereo", 48_000), ("stereo", "5.1", 48_000), ("stereo", "stereo", 44_100)] {
        // The first part is so soft that the gate leaves it out beside the second.
        let loud = tone_of(second, "3", 0.5, rate);
        let alone = crate::testing::analyse(&source_of(&loud), &loudness_alone, &|_| {}).unwrap().loudness.unwrap();
        let (_folder, source) = joined(&[tone_of(first, "0", 0.05, 48_000), loud], "in.ts");
        for asked in [&loudness_alone, &over_time] {
            let changes = std::cell::Cell::new(0);
            let tell = |message: &Message| {
                let change = matches!(message, Message::Warning { code, .. } if code == "MEDIA0117");
                changes.set(changes.get() + u32::from(change));
            };
            let info = crate::testing::analyse(&source_of(&source), asked, &tell).unwrap();
            let whole = info.loudness.unwrap();
            let near = |a: Option<f64>, b: Option<f64>| (a.unwrap() - b.unwrap()).abs() < 0.7;
            assert!(near(whole.integrated_lufs, alone.integrated_lufs), "{first}, {second}: {whole:?}, {alone:?}");
            assert!(near(whole.true_peak_dbtp, alone.true_peak_dbtp), "{first}, {second}: {whole:?}, {alone:?}");
            assert_eq!(changes.get(), 1, "{first}, {second}, {rate}");
            assert_eq!(info.measured.is_some(), asked.chart.is_some());
            if let Some(levels) = info.measured.and_then(|measured| measured.loudness) {
                assert!((5..=7).contains(&levels.short_term_lufs.len()), "{levels:?}");
            }
        }
    }
}

#[test]
fn field_fault_a_stream_that_begins_late_is_taken() {
    // 25 s of picture, and sound from 14 s on: later than streams are looked for.
    let arguments = [
        "-f",
        "lavfi",
        "-i",
        "testsrc2=s=320x180:r=25:d=25",
        "-itsoffset",
        "14",
        "-f",
        "lavfi",
        "-i",
        "sine=r=48000:d=11",
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-c:a",
        "aac",
        "-muxdelay",
        "0",
        "-f",
        "mpegts",
    ];
    let source = generate(&arguments, "late.ts");
    let info = crate::testing::analyse(&source_of(&source), &Analysis::default(), &|_| {}).unwrap();
    assert_eq!((info.audio.len(), info.audio[0].channels), (1, 1), "{info:?}");
    assert!((info.format.duration_s.unwrap() - 25.0).abs() < 0.3, "{:?}", info.format);
    let trial = Trial::new(&source, &[media_output("out.mp4", encoded())]);
    assert!(trial.made.warnings().is_empty(), "{:?}", trial.made.warnings());
    assert_eq!(trial.made.media().audio.len(), 1);
    let (before, after) = (volume(&trial.path("out.mp4"), "5"), volume(&trial.path("out.mp4"), "16"));
    assert!(before < -80.0 && after > -30.0, "{before} {after}");
}

#[test]
fn newcomer_a_box_that_is_not_reached_is_said() {
    let clip = lavfi(&["testsrc2=d=1:s=1280x720"], &[], "a.mp4");
    let asked = |size, fit, upscale| {
        let output = media_output("out.mp4", VideoEncode { fit, upscale, ..sized(size) });
        let trial = Trial::new(&clip, &[output]);
        let warnings = trial.made.warnings();
        warnings.iter().filter(|(code, _)| *code == "MEDIA0118").map(|(_, text)| (*text).to_owned()).collect::<Vec<_>>()
    };
    let portrait = Size::Box { width: Some(1080), height: Some(1920) };
    let said = asked(portrait, Fit::Crop, false);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("404×720, not 1080×1920") && said[0].contains("`upscale` is not true"), "{said:?}");
    assert_eq!(asked(portrait, Fit::Crop, true), Vec::<String>::new());
    assert_eq!(asked(Size::Box { width: Some(1920), height: None }, Fit::Rescale, false).len(), 1);
    for reached in [
        Size::ShortSide(1080),
        Size::Source,
        Size::Box { width: Some(640), height: None },
        Size::Box { width: Some(640), height: Some(640) },
    ] {
        assert_eq!(asked(reached, Fit::Rescale, false), Vec::<String>::new(), "{reached:?}");
    }
}

/// Noise at 320 kbit/s that is larger than what is read whole, and then five minutes of near silence at 32 kbit/s, without
/// any header; and how long that is, in seconds.
fn uneven(codec: &str, format: &str) -> (tempfile::TempDir, PathBuf, f64) {
    let written = |source: &str, rate: &str| {
        let rest = ["-ac", "2", "-c:a", codec, "-b:a", rate, "-write_xing", "0", "-id3v2_version", "0", "-f", format];
        let rest = if format == "adts" { [&rest[..6], &rest[10..]].concat() } else { rest.to_vec() };
        generate(&[&["-f", "lavfi", "-i", source][..], &rest].concat(), "part")
    };
    let noise = std::fs::read(&*written("anoisesrc=d=30:r=44100:a=0.5", "320k")).unwrap();
    let quiet = std::fs::read(&*written("sine=200:r=44100:d=300,volume=-40dB", "32k")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("in");
    let times = (16 << 20) / noise.len() + 1;
    std::fs::write(&path, [noise.repeat(times), quiet].concat()).unwrap();
    (folder, path, f64::from(u32::try_from(times).unwrap()) * 30.0 + 300.0)
}

#[test]
fn field_fault_22_large_files_without_an_index_have_their_true_length() {
    for (codec, format) in [("libmp3lame", "mp3"), ("aac", "adts")] {
        let (_folder, source, length_s) = uneven(codec, format);
        let info = crate::testing::analyse(&source_of(&source), &Analysis::default(), &|_| {}).unwrap();
        let duration_s = info.format.duration_s.unwrap();
        assert!((duration_s / length_s - 1.0).abs() < 0.005, "{format}: {duration_s} and not {length_s}");
    }
}

#[test]
fn field_fault_22_what_is_too_large_to_be_read_for_its_length_says_so() {
    let noise = ["-f", "lavfi", "-i", "anoisesrc=d=20:r=44100:a=0.5", "-ac", "2", "-c:a", "ac3", "-b:a", "640k"];
    let noise = generate(&noise, "noise.ac3");
    let bytes = std::fs::read(&*noise).unwrap();
    std::fs::write(&*noise, bytes.repeat((64 << 20) / bytes.len() + 1)).unwrap();
    let said = std::cell::RefCell::new(Vec::new());
    let tell = |message: &Message| said.borrow_mut().push(format!("{message:?}"));
    crate::testing::analyse(&source_of(&noise), &Analysis::default(), &tell).unwrap();
    let said = said.into_inner();
    assert!(said.len() == 1 && said[0].contains("MEDIA0116"), "{said:?}");
}
