//! Faults of sources and of the environment.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use reelmill::model::failure::{Blame, Class};
use reelmill::worker::protocol::{Input, Source as Kind};
use reelmill::worker::ranges;

use super::*;
use crate::source::Source;

/// A source that is read by ranges; those that begin at `broken_from` or later fail.
fn by_ranges(path: &Path, broken_from: u64) -> Source {
    let object = std::fs::read(path).unwrap();
    let input = Input { source: Kind::Ranges, size_bytes: object.len() as u64, ext: "mp4".into() };
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    std::thread::spawn(move || {
        let mut request = [0; ranges::REQUEST_BYTES];
        while theirs.read_exact(&mut request).is_ok() {
            let (offset, length) = ranges::decode(request);
            if offset >= broken_from {
                theirs.write_all(&ranges::FAILED.to_le_bytes()).unwrap();
                continue;
            }
            let from = usize::try_from(offset).unwrap().min(object.len());
            let to = (from + length as usize).min(object.len());
            theirs.write_all(&i32::try_from(to - from).unwrap().to_le_bytes()).unwrap();
            theirs.write_all(&object[from..to]).unwrap();
        }
    });
    Source::new(ours.into(), &input)
}

fn attempt(source: Source, outputs: &[Output]) -> Made {
    let scratch = tempfile::tempdir().unwrap();
    run(outputs, &[source], scratch.path())
}

#[test]
fn sources_are_read_by_ranges() {
    let clip = lavfi(&["testsrc2=d=2:s=640x360", "sine=d=2"], &["-c:a", "aac"], "a.mp4");
    let made = attempt(by_ranges(&clip, u64::MAX), &[media_output("out.mp4", encoded())]);
    assert_eq!(made.media().video[0].frames, Some(50));
}

#[test]
fn a_source_that_cannot_be_read_any_further_is_tried_again() {
    let clip =
        lavfi(&["nullsrc=d=3:s=640x360,noise=alls=100"], &["-c:v", "libx264", "-movflags", "faststart"], "a.mp4");
    let size = std::fs::metadata(&*clip).unwrap().len();
    for broken_from in [0, size / 4, size / 3] {
        let failure = attempt(by_ranges(&clip, broken_from), &[media_output("out.mp4", encoded())]).failure().clone();
        assert_eq!((failure.code.as_str(), failure.class), ("MEDIA0008", Class::Retry), "{broken_from}: {failure}");
        assert_eq!(failure.blame, Blame::Infrastructure);
    }
}

#[test]
fn a_source_cut_short_ends_where_its_media_end() {
    let clip = lavfi(&["testsrc2=d=4:s=320x180", "sine=d=4"], &["-c:a", "aac", "-movflags", "faststart"], "a.mp4");
    let bytes = std::fs::read(&*clip).unwrap();
    let cut = clip.with_file_name("cut.mp4");
    std::fs::write(&cut, &bytes[..bytes.len() * 2 / 3]).unwrap();
    let made = attempt(source_of(&cut), &[media_output("out.mp4", encoded())]);
    let frames = made.media().video[0].frames.unwrap();
    assert!((40..95).contains(&frames), "{frames}");
}

#[test]
fn sources_of_noise_fail_with_a_code() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut noise = vec![0; 200_000];
    for byte in &mut noise {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        *byte = state.to_le_bytes()[0];
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), noise).unwrap();
    let failure = attempt(source_of(file.path()), &[media_output("out.mp4", encoded())]).failure().clone();
    assert_eq!((failure.class, failure.blame), (Class::Fatal, Blame::Input), "{failure}");
}

#[test]
fn a_codec_that_nothing_decodes_is_not_passed_over() {
    let clip = lavfi(&["testsrc2=d=1:s=64x64", "sine=d=1"], &["-c:a", "aac"], "a.mkv");
    let mut bytes = std::fs::read(&*clip).unwrap();
    let name = b"V_MPEG4/ISO/AVC";
    let at = bytes.windows(name.len()).position(|window| window == name).unwrap();
    bytes[at..at + name.len()].copy_from_slice(b"V_UNKNOWN/XYZ/1");
    let broken = clip.with_file_name("b.mkv");
    std::fs::write(&broken, bytes).unwrap();
    let failure = attempt(source_of(&broken), &[media_output("out.mp4", encoded())]).failure().clone();
    assert_eq!(failure.code, "MEDIA0004", "{failure}");
    let sound = with(|media| media.video = None);
    assert_eq!(attempt(source_of(&broken), &[sound]).media().audio.len(), 1);
}

#[test]
fn names_outside_scratch_are_refused() {
    let clip = lavfi(&["testsrc2=d=1:s=64x64"], &[], "a.mp4");
    let failure = attempt(source_of(&clip), &[media_output("../out.mp4", encoded())]).failure().clone();
    assert_eq!(failure.code, "MEDIA0017");
}

#[test]
fn joined_transport_streams_play_through() {
    let part = lavfi(&["testsrc2=d=12:r=25:s=64x64", "sine=d=12"], &["-c:a", "aac"], "a.ts");
    let bytes = std::fs::read(&*part).unwrap();
    let joined = part.with_file_name("joined.ts");
    std::fs::write(&joined, [bytes.as_slice(), bytes.as_slice()].concat()).unwrap();
    let made = attempt(source_of(&joined), &[media_output("out.mp4", encoded())]);
    let media = made.media();
    let (video, audio) = (media.video[0].duration_s.unwrap(), media.audio[0].duration_s.unwrap());
    assert!((video - 24.0).abs() < 0.2 && (audio - 24.0).abs() < 0.2, "{video} {audio}");
}
