//! Outputs that are right, and every way of being wrong.

use std::os::unix::fs::FileExt;
use std::path::Path;

use reelmill::model::Failure;
use reelmill::model::failure::{Blame, Class};
use reelmill::model::work::{Audio, AudioCodec, Container, MediaOutput, Subtitles, Video};

use super::{Expected, ExpectedAudio, ExpectedVideo, verify};
use crate::testing::{Clip, aac, encoded, generate};

fn output() -> MediaOutput {
    MediaOutput {
        file: "out.mp4".into(),
        container: Container::Mp4,
        video: Some(Video::Encode(encoded())),
        audio: Some(Audio::Encode(aac())),
        subtitles: Subtitles::None,
        clip: None,
        parts: Vec::new(),
        overlays: Vec::new(),
        subtitle_files: Vec::new(),
        burn: None,
        metadata: true,
        chapters: true,
    }
}

fn expected() -> Expected {
    Expected {
        video: Some(ExpectedVideo { width: 192, height: 108, frames: Some(100), duration_s: Some(4.0) }),
        audio: vec![ExpectedAudio { duration_s: Some(4.0), priming_s: 0.0 }],
        subtitles: 0,
    }
}

/// A right output, or one that more arguments make wrong.
fn made(more: &[&str]) -> Clip {
    let sources = ["-f", "lavfi", "-i", "testsrc2=d=4:r=25:s=192x108", "-f", "lavfi", "-i", "sine=d=4:r=48000"];
    let encode = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "30", "-c:a", "aac", "-movflags", "+faststart"];
    generate(&[&sources[..], &encode, more].concat(), "out.mp4")
}

#[track_caller]
fn refused(path: &Path, expected: &Expected, because: &str) {
    let failure = Failure::from(verify(path, &output(), expected).unwrap_err());
    assert_eq!((failure.code.as_str(), failure.class, failure.blame), ("MEDIA0014", Class::Retry, Blame::Bug));
    assert!(failure.message.contains(because), "{}", failure.message);
}

#[test]
fn a_right_output_is_accepted() {
    let info = verify(&made(&[]), &output(), &expected()).unwrap();
    assert_eq!((info.video.len(), info.audio.len()), (1, 1));
    assert_eq!(info.video[0].frames, Some(100));
}

#[test]
fn other_codecs_and_containers_are_accepted() {
    let silent = MediaOutput { video: None, ..output() };
    for (name, codec) in [
        ("out.mp3", AudioCodec::Mp3),
        ("out.ogg", AudioCodec::Opus),
        ("out.flac", AudioCodec::Flac),
        ("out.m4a", AudioCodec::Aac),
    ] {
        let mut output = silent.clone();
        if let Some(Audio::Encode(encode)) = &mut output.audio {
            encode.codec = codec;
        }
        let encoder = if codec == AudioCodec::Opus { "libopus" } else { codec.info().libav };
        let encoder = if codec == AudioCodec::Mp3 { "libmp3lame" } else { encoder };
        let file = generate(&["-f", "lavfi", "-i", "sine=d=4:r=48000", "-c:a", encoder], name);
        let expected = Expected { video: None, ..expected() };
        verify(&file, &output, &expected).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
    for name in ["out.mkv", "out.ts", "out.mov"] {
        let sources = ["-f", "lavfi", "-i", "testsrc2=d=4:r=25:s=192x108", "-f", "lavfi", "-i", "sine=d=4:r=48000"];
        let file = generate(&[&sources[..], &["-c:v", "libx264", "-g", "30", "-c:a", "aac"]].concat(), name);
        verify(&file, &output(), &expected()).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}

#[test]
fn field_case_12_an_output_without_its_audio_is_refused() {
    refused(&made(&["-an"]), &expected(), "0 audio streams instead of 1");
    refused(&made(&["-vn"]), &expected(), "0 video streams instead of 1");
    let mut two = expected();
    two.audio.push(ExpectedAudio::default());
    refused(&made(&[]), &two, "1 audio streams instead of 2");
}

#[test]
fn field_case_12_an_output_of_the_wrong_size_or_codec_is_refused() {
    refused(&made(&["-s", "96x54"]), &expected(), "96x54 instead of 192x108");
    refused(&made(&["-c:v", "mpeg4"]), &expected(), "mpeg4 instead of h264");
    refused(&made(&["-c:a", "ac3"]), &expected(), "ac3 instead of aac");
}

#[test]
fn field_case_12_an_output_of_the_wrong_duration_is_refused() {
    let uncounted = |duration_s| {
        let mut expected = expected();
        expected.video = Some(ExpectedVideo { frames: None, duration_s, ..expected.video.unwrap() });
        expected
    };
    verify(&made(&[]), &output(), &uncounted(Some(4.03))).unwrap();
    refused(&made(&[]), &uncounted(Some(4.1)), "its video lasts 4.000 s instead of 4.100 s");
    refused(&made(&["-frames:v", "99"]), &expected(), "99 frames instead of 100");
    let mut longer = expected();
    longer.audio[0].duration_s = Some(4.2);
    refused(&made(&[]), &longer, "its audio lasts");
}

#[test]
fn field_case_12_a_truncated_output_is_refused() {
    let file = made(&[]);
    let size = std::fs::metadata(&*file).unwrap().len();
    let cut = |length| std::fs::OpenOptions::new().write(true).open(&*file).unwrap().set_len(length).unwrap();
    cut(size - 2_000);
    let unknown = Expected {
        video: Some(ExpectedVideo { frames: None, duration_s: None, ..expected().video.unwrap() }),
        audio: vec![ExpectedAudio::default()],
        subtitles: 0,
    };
    refused(&file, &unknown, "stops after");
    refused(&file, &expected(), "");
    cut(size / 2);
    refused(&file, &expected(), "");
    cut(20);
    refused(&file, &expected(), "cannot be opened");
    cut(0);
    refused(&file, &expected(), "cannot be opened");
}

#[test]
fn field_case_12_a_damaged_tail_is_refused() {
    let file = made(&["-an"]);
    let size = std::fs::metadata(&*file).unwrap().len();
    let writer = std::fs::OpenOptions::new().write(true).open(&*file).unwrap();
    writer.write_all_at(&[0x5a; 600], size - 600).unwrap();
    let expected = Expected { audio: Vec::new(), ..expected() };
    refused(&file, &expected, "the end of its video does not decode");
}
