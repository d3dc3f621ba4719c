//! Transport streams whose clock starts anew: one timeline for whatever reads them.

use reelmill::model::Coded;
use reelmill::model::media::MediaInfo;
use reelmill::model::work::{Analysis, Package, Quiet, SegmentFormat};

use super::incomplete::hls;
use super::*;
use crate::package;
use crate::testing::Clip as File;

/// Both halves, and how far the second half's colours are told apart, in seconds.
const HALF_S: f64 = 6.0;

/// 0–6 s red, 6–9 s green, 9–12 s blue, with a tone that changes at 6 s; `second` says how the second half is written.
fn joined(encode: &[&str], second: &[&str], padding: usize) -> File {
    let half = |video: &str, audio: &str, more: &[&str]| {
        let common = ["-c:a", "aac", "-b:a", "128k", "-f", "mpegts"];
        let sources = ["-f", "lavfi", "-i", video, "-f", "lavfi", "-i", audio];
        generate(&[&sources[..], encode, &common, more].concat(), "half.ts")
    };
    let red = half("color=red:s=160x90:r=25:d=6", "sine=440:r=48000:d=6", &[]);
    let other = "color=green:s=160x90:r=25:d=6,drawbox=color=blue:t=fill:enable='gte(t,3)'";
    let rest = half(other, "sine=880:r=48000:d=6", second);
    let mut bytes = padded(&std::fs::read(&*red).unwrap(), padding);
    bytes.extend(padded(&std::fs::read(&*rest).unwrap(), padding));
    // Its folder is that of the first half.
    std::fs::write(&*red, bytes).unwrap();
    red
}

/// The packets of a transport stream with so many null packets after each.
fn padded(packets: &[u8], null: usize) -> Vec<u8> {
    let mut empty = [0xFF; 188];
    empty[..4].copy_from_slice(&[0x47, 0x1F, 0xFF, 0x10]);
    let padded = packets.chunks_exact(188).flat_map(|packet| {
        packet.iter().copied().chain(std::iter::repeat_n(empty, null).flatten()).collect::<Vec<_>>()
    });
    padded.collect()
}

const H264: [&str; 8] = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-bf", "2"];
const MPEG2: [&str; 6] = ["-c:v", "mpeg2video", "-g", "12", "-bf", "2"];

fn analysed(path: &Path, analysis: &Analysis) -> MediaInfo {
    crate::testing::analyse(&source_of(path), analysis, &|_| {}).unwrap()
}

/// What colour a picture has: red, green or blue.
fn colour(trial: &Trial, file: &str) -> &'static str {
    match trial.colour(file, (0, 0, 160, 90)) {
        [r, g, b] if r > 150 && g < 100 && b < 100 => "red",
        [r, g, b] if g > 80 && r < 80 && b < 80 => "green",
        [r, g, b] if b > 150 && r < 100 && g < 100 => "blue",
        other => panic!("{file}: {other:?}"),
    }
}

/// Looks at a file through every activity of a pipeline.
fn holds_one_timeline(source: &Path, what: &str) {
    let info = analysed(source, &Analysis::default());
    let duration_s = info.format.duration_s.unwrap();
    assert!((duration_s - 2.0 * HALF_S).abs() < 0.3, "{what}: {duration_s}");
    assert!((info.video[0].duration_s.unwrap() - 2.0 * HALF_S).abs() < 0.3, "{what}: {:?}", info.video[0].duration_s);

    let expected = [(Moment::Seconds(3.0), "red"), (Moment::Seconds(8.0), "green"), (Moment::Seconds(10.5), "blue")];
    let shares = [(Moment::Share(0.25), "red"), (Moment::Share(0.70), "green"), (Moment::Share(0.9), "blue")];
    for (moment, wanted) in expected.into_iter().chain(shares) {
        let normal = shots(SnapshotTimes::At(moment), ImageFormat::Png, "a.png");
        let intra = Snapshot { frame_type: FrameType::Intra, ..normal.clone() };
        for (snapshot, kind) in [(normal, "normal"), (intra, "intra")] {
            let trial = Trial::new(source, &[Output::Snapshot(snapshot)]);
            assert_eq!(colour(&trial, "a.png"), wanted, "{what}: {moment:?} {kind}");
        }
    }
    let stills = shots(SnapshotTimes::Count(5), ImageFormat::Png, "still-#.png");
    let trial = Trial::new(source, &[Output::Snapshot(stills)]);
    let found: Vec<_> = (1..=5).map(|n| colour(&trial, &format!("still-{n}.png"))).collect();
    assert_eq!(found, ["red", "red", "red", "green", "blue"], "{what}");

    for copy in [false, true] {
        let part = with(|output| {
            output.clip = Some(Clip { start_s: 7.0, duration_s: Some(1.0) });
            if copy {
                output.container = Container::Mkv;
                output.video = Some(Video::Copy);
                output.audio = Some(Audio::Copy { tracks: Tracks::Main });
            }
        });
        let trial = Trial::new(source, &[part]);
        assert_eq!(colour(&trial, "out.mp4"), "green", "{what}: clip, copied: {copy}");
        let length_s = trial.made.media().format.duration_s.unwrap();
        assert!((length_s - 1.0).abs() < if copy { 1.2 } else { 0.15 }, "{what}: {length_s}");
    }
    let whole = with(|output| {
        output.video = Some(Video::Copy);
        output.audio = Some(Audio::Copy { tracks: Tracks::Main });
        output.container = Container::Mkv;
    });
    let trial = Trial::new(source, &[whole]);
    let length_s = trial.made.media().format.duration_s.unwrap();
    assert!((length_s - 2.0 * HALF_S).abs() < 0.3, "{what}: remux of {length_s} s");
    packages_one_timeline(source, what);
}

/// Packages a file, where a package holds its codecs.
fn packages_one_timeline(source: &Path, what: &str) {
    for segments in [SegmentFormat::Fmp4, SegmentFormat::Ts] {
        let scratch = tempfile::tempdir().unwrap();
        let work = Package { segments, ..hls() };
        match package::run(&[source_of(source)], &work, scratch.path(), &|_| {}) {
            Err(error) if what == "mpeg2" => assert_eq!(error.code(), "MEDIA0012"),
            made => drop(made.unwrap_or_else(|error| panic!("{what} {segments:?}: {error:?}"))),
        }
        let Ok(list) = std::fs::read_to_string(scratch.path().join("rung/index.m3u8")) else { continue };
        let lengths =
            list.lines().filter_map(|line| line.strip_prefix("#EXTINF:")?.split(',').next()?.parse::<f64>().ok());
        let (count, length_s) = lengths.fold((0, 0.0), |(count, sum), length| (count + 1, sum + length));
        assert!(count >= 5 && (length_s - 2.0 * HALF_S).abs() < 0.3, "{what} {segments:?}: {list}");
    }
}

#[test]
fn field_fault_11_a_clock_that_starts_anew_is_one_timeline_for_every_activity() {
    holds_one_timeline(&joined(&H264, &[], 0), "h264");
    holds_one_timeline(&joined(&MPEG2, &[], 0), "mpeg2");
}

#[test]
fn field_fault_11_large_files_are_one_timeline_too() {
    let source = joined(&H264, &[], 60);
    assert!(std::fs::metadata(&*source).unwrap().len() > 17 << 20);
    holds_one_timeline(&source, "large");
}

#[test]
fn field_fault_11_a_clock_that_jumps_ahead_or_wraps_is_brought_back() {
    holds_one_timeline(&joined(&H264, &["-output_ts_offset", "5000"], 0), "ahead");
    holds_one_timeline(&joined(&H264, &["-output_ts_offset", "5000"], 60), "ahead, large");
    // 33 bits of a 90 kHz clock are 95,443.7 s: it wraps in the middle of the second half.
    holds_one_timeline(&joined(&H264, &["-output_ts_offset", "95440"], 0), "wraps");
}

/// Length of a file in seconds as every activity makes it: an analysis, a remux, a transcode, a package.
fn lengths(source: &Path) -> Vec<f64> {
    let mut lengths = vec![analysed(source, &Analysis::default()).format.duration_s.unwrap()];
    let copy = with(|output| {
        output.video = Some(Video::Copy);
        output.audio = Some(Audio::Copy { tracks: Tracks::Main });
    });
    for output in [copy, media_output("out.mp4", encoded())] {
        let trial = Trial::new(source, &[output]);
        let media = trial.made.media();
        lengths.extend([media.video[0].duration_s.unwrap(), media.audio[0].duration_s.unwrap()]);
    }
    for segments in [SegmentFormat::Fmp4, SegmentFormat::Ts] {
        let scratch = tempfile::tempdir().unwrap();
        package::run(&[source_of(source)], &Package { segments, ..hls() }, scratch.path(), &|_| {}).unwrap();
        let list = std::fs::read_to_string(scratch.path().join("rung/index.m3u8")).unwrap();
        let parts =
            list.lines().filter_map(|line| line.strip_prefix("#EXTINF:")?.split(',').next()?.parse::<f64>().ok());
        lengths.push(parts.sum());
    }
    lengths
}

/// A red or blue part of so many seconds whose clock starts there.
fn part(colour: &str, length_s: u32, start_s: &str) -> File {
    let (video, audio) =
        (format!("color={colour}:s=160x90:r=25:d={length_s}"), format!("sine=440:r=48000:d={length_s}"));
    let sources = ["-f", "lavfi", "-i", &video, "-f", "lavfi", "-i", &audio];
    let rest = ["-c:a", "aac", "-output_ts_offset", start_s, "-f", "mpegts"];
    generate(&[&sources[..], &H264, &rest].concat(), "part.ts")
}

#[test]
fn field_fault_11_a_clock_that_goes_back_by_little_is_one_timeline_too() {
    // A first part that is short, and a second one that begins a little before the end of the first.
    for (first_s, second_s, start_s) in [(2, 3, "0"), (1, 4, "0"), (5, 3, "3.5")] {
        let parts = [part("red", first_s, "0"), part("blue", second_s, start_s)];
        let (_folder, source) = super::changes::joined(&parts, "in.ts");
        let whole_s = f64::from(first_s + second_s);
        let found = lengths(&source);
        assert!(found.iter().all(|length| (length - whole_s).abs() < 0.15), "{first_s}+{second_s}: {found:?}");
        for (at_s, wanted) in [(f64::from(first_s) - 0.5, "red"), (f64::from(first_s) + 0.5, "blue")] {
            let picture = shots(SnapshotTimes::At(Moment::Seconds(at_s)), ImageFormat::Png, "a.png");
            let trial = Trial::new(&source, &[Output::Snapshot(picture)]);
            assert_eq!(colour(&trial, "a.png"), wanted, "{first_s}+{second_s} at {at_s}");
        }
    }
}

#[test]
fn field_fault_11_a_package_of_a_clock_that_wraps_is_whole() {
    let found = lengths(&part("red", 6, "95439"));
    assert!(found.iter().all(|length| (length - 6.0).abs() < 0.15), "{found:?}");
}

#[test]
fn field_fault_11_intervals_of_an_analysis_lie_on_the_one_timeline() {
    let common = ["-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-c:a", "mp2", "-f", "mpegts"];
    let half = |mute: &str| {
        let sound = format!("sine=440:r=48000:d=6,volume=0:enable='{mute}'");
        let sources = ["-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=6", "-f", "lavfi", "-i", &sound];
        std::fs::read(&*generate(&[&sources[..], &common].concat(), "half.ts")).unwrap()
    };
    let source = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(source.path(), [half("between(t,1,2)"), half("between(t,2,4)")].concat()).unwrap();
    let analysis = Analysis { silence: Some(Quiet { least_s: 0.5, noise_db: -50.0 }), ..Analysis::default() };
    let found = analysed(source.path(), &analysis).measured.unwrap().silence.unwrap();
    let [first, second] = found[..] else { panic!("{found:?}") };
    for (found, expected) in [(first.start_s, 1.0), (first.end_s, 2.0), (second.start_s, 8.0), (second.end_s, 10.0)] {
        assert!((found - expected).abs() < 0.2, "{first:?} {second:?}");
    }
}
