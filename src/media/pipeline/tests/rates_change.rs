//! Sound whose sample rate or channels change under way: copied, encoded, and packaged.

use reelmill::model::failure::{Blame, Class};
use reelmill::worker::protocol::Message;

use super::changes::{Parts, joined};
use super::incomplete::hls;
use super::*;
use crate::package;

/// Seconds of each part.
const PART_S: f64 = 3.0;

/// Least length of a gap, in seconds.
const LEAST_GAP_S: f64 = 0.003;

/// Two parts of sound one after the other, as rates and channels, each with a pitch of its own.
fn parts(codec: &[&str], format: &str, sounds: [(u32, u32); 2]) -> Parts {
    let part = |(rate, channels): (u32, u32), pitch: u32, offset: &str| {
        let tone = format!("sine={pitch}:r={rate}:d={PART_S}");
        let count = channels.to_string();
        let picture = ["-f", "lavfi", "-i", "testsrc2=s=160x120:r=25:d=3", "-c:v", "libx264", "-preset", "ultrafast"];
        let clock = ["-output_ts_offset", offset, "-muxdelay", "0"];
        let (picture, clock) = if format == "mpegts" { (&picture[..], &clock[..]) } else { (&[][..], &[][..]) };
        let sound = ["-f", "lavfi", "-i", &tone];
        let rest = ["-ac", &count, "-f", format];
        let plain = if format == "mp3" { &["-write_xing", "0", "-id3v2_version", "0"][..] } else { &[] };
        let (input, encoding) = picture.split_at(picture.len() / 2);
        generate(&[&sound[..], input, encoding, codec, plain, clock, &rest].concat(), "part")
    };
    joined(&[part(sounds[0], 440, "0"), part(sounds[1], 660, "3")], "in")
}

/// A copy of everything.
fn copy(container: Container, video: bool) -> Output {
    with(|output| {
        output.container = container;
        output.video = video.then_some(Video::Copy);
        output.audio = Some(Audio::Copy { tracks: Tracks::Main });
    })
}

fn changes_of(made: &Made) -> Vec<String> {
    let warnings = made.warnings();
    warnings.iter().filter(|(code, _)| *code == "MEDIA0117").map(|(_, text)| (*text).to_owned()).collect()
}

#[test]
fn field_fault_02_copied_sound_whose_rate_changes_is_said() {
    let (aac, mp2, mp3, ac3) = (["-c:a", "aac"], ["-c:a", "mp2"], ["-c:a", "libmp3lame"], ["-c:a", "ac3"]);
    for (codec, format, sounds) in [
        (aac, "mpegts", [(48_000, 2), (44_100, 2)]),
        (mp2, "mpegts", [(48_000, 2), (32_000, 1)]),
        (ac3, "mpegts", [(48_000, 2), (48_000, 6)]),
        (mp3, "mp3", [(44_100, 2), (24_000, 2)]),
        (aac, "adts", [(32_000, 1), (48_000, 1)]),
    ] {
        let (_folder, source) = parts(&codec, format, sounds);
        let trial = Trial::new(&source, &[copy(Container::Mkv, format == "mpegts")]);
        assert!(trial.made.outcomes.as_ref().unwrap()[0].is_ok(), "{format}: {:?}", trial.made.outcomes);
        let said = changes_of(&trial.made);
        let [(from, _), (to, channels)] = sounds;
        let (from, to) = (format!("at {from} Hz to "), format!("{channels} channels at {to} Hz after"));
        assert!(said.len() == 1 && said[0].contains(&from) && said[0].contains(&to), "{codec:?}: {said:?}");
        let at_s: f64 = said[0].split("after ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        assert!((at_s - PART_S).abs() < 0.2, "{said:?}");
    }
}

/// Lengths of the gaps in the sound of a file, and its duration, in seconds.
fn gaps(file: &Path) -> (Vec<f64>, f64) {
    let output = Command::new("ffmpeg")
        .arg("-i")
        .arg(file)
        .args(["-vn", "-ac", "1", "-ar", "48000", "-f", "s16le", "-"])
        .output()
        .unwrap();
    let samples: Vec<i16> = output.stdout.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    let seconds = |count: usize| f64::from(u32::try_from(count).unwrap()) / 48_000.0;
    let body = &samples[4_800..samples.len() - 9_600];
    let quiet = body.split(|sample| sample.unsigned_abs() > 300).map(|quiet| seconds(quiet.len()));
    (quiet.filter(|length_s| *length_s > LEAST_GAP_S).collect(), seconds(samples.len()))
}

#[test]
fn field_fault_02_encoded_sound_whose_rate_changes_keeps_its_time() {
    let aac = ["-c:a", "aac"];
    for (format, rates) in [
        ("mpegts", [48_000, 32_000]),
        ("mpegts", [32_000, 48_000]),
        ("mpegts", [48_000, 44_100]),
        ("adts", [32_000, 48_000]),
        ("adts", [48_000, 32_000]),
    ] {
        let (_folder, source) = parts(&aac, format, rates.map(|rate| (rate, 1)));
        let output =
            if format == "mpegts" { media_output("out.mp4", encoded()) } else { with(|output| output.video = None) };
        let trial = Trial::new(&source, &[output]);
        assert!(trial.made.outcomes.as_ref().unwrap()[0].is_ok(), "{format} {rates:?}: {:?}", trial.made.outcomes);
        let (gaps, length_s) = gaps(&trial.path("out.mp4"));
        // Where the parts meet, encoders end with silence and begin with it.
        assert!(gaps.len() <= 1 && gaps.iter().sum::<f64>() < 0.1, "{format} {rates:?}: gaps of {gaps:?} s");
        assert!((length_s - 2.0 * PART_S).abs() < 0.2, "{format} {rates:?}: {length_s} s");
        assert_eq!(changes_of(&trial.made).len(), 1, "{format} {rates:?}");
    }
}

#[test]
fn field_fault_02_sound_that_cannot_be_copied_where_it_changes_is_an_error_of_the_input() {
    let aac = ["-c:a", "aac"];
    for (format, container) in [("adts", Container::Mp4), ("adts", Container::Mkv), ("mpegts", Container::Mp4)] {
        let (_folder, source) = parts(&aac, format, [(48_000, 2), (48_000, 6)]);
        let trial = Trial::new(&source, &[copy(container, format == "mpegts")]);
        let failure = trial.made.outcomes.as_ref().unwrap()[0].as_ref().unwrap_err();
        assert_eq!((failure.code.as_str(), failure.class, failure.blame), ("MEDIA0024", Class::Fatal, Blame::Input));
        assert!(
            failure.message.contains("6 channels at 48000 Hz after ") && failure.message.contains("encode it"),
            "{failure:?}"
        );
    }
}

#[test]
fn field_fault_02_packages_of_uploads_that_change_work_or_say_why() {
    let aac = ["-c:a", "aac"];
    for (second, works) in [((48_000, 2), true), ((44_100, 2), true), ((48_000, 1), false)] {
        let (_folder, source) = parts(&aac, "mpegts", [(48_000, 2), second]);
        let said = std::cell::RefCell::new(Vec::new());
        let tell = |message: &Message| said.borrow_mut().push(format!("{message:?}"));
        let scratch = tempfile::tempdir().unwrap();
        let made = package::run(&[source_of(&source)], &hls(), scratch.path(), &tell);
        let said = said.into_inner().iter().filter(|said| said.contains("MEDIA0117")).count();
        if works {
            assert!(made.is_ok(), "{second:?}: {:?}", made.err());
            assert_eq!(said, usize::from(second.0 != 48_000), "{second:?}");
        } else {
            let failure = reelmill::model::Failure::from(made.unwrap_err());
            assert_eq!((failure.code.as_str(), failure.blame), ("MEDIA0024", Blame::Input), "{failure:?}");
        }
    }
}

#[test]
fn field_fault_01_a_picture_that_is_sought_says_no_wrong_time() {
    let part = |size: &str, offset: &str| {
        let video = format!("testsrc2=s={size}:r=25:d=2");
        let rest = [
            "-c:v",
            "libx264",
            "-preset",
            "ultrafast",
            "-g",
            "25",
            "-output_ts_offset",
            offset,
            "-muxdelay",
            "0",
            "-f",
            "mpegts",
        ];
        generate(&[&["-f", "lavfi", "-i", &video][..], &rest].concat(), "part.ts")
    };
    let (_folder, source) = joined(&[part("640x480", "0"), part("320x240", "2"), part("160x120", "4")], "in.ts");
    for share in [0.1, 0.4, 0.6, 0.85] {
        let picture = shots(SnapshotTimes::At(Moment::Share(share)), ImageFormat::Png, "a.png");
        let trial = Trial::new(&source, &[Output::Snapshot(picture)]);
        assert!(trial.made.outcomes.as_ref().unwrap()[0].is_ok(), "{share}");
        for said in changes_of(&trial.made) {
            let (sizes, at_s) = said.split_once(" after ").unwrap();
            let at_s: f64 = at_s.trim_end_matches(" s").parse().unwrap();
            let first = sizes.ends_with("from 640x480 to 320x240") && (at_s - 2.0).abs() < 0.1;
            let second = sizes.ends_with("from 320x240 to 160x120") && (at_s - 4.0).abs() < 0.1;
            assert!(first || second, "{share}: {said}");
        }
    }
}
