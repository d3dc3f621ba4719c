//! Sources that were cut short, and parts of sources that lie beyond their end.

use reelmill::model::Coded;
use reelmill::model::Failure;
use reelmill::model::failure::{Blame, Class};
use reelmill::model::media::MediaInfo;
use reelmill::model::work::{Analysis, Animation, AnimationFormat, IfIncomplete, Package, Part, SegmentFormat};
use reelmill::worker::protocol::Message;

use super::*;
use crate::package;
use crate::testing::{Clip as File, analyse_if, run_if};

/// Length of the clips of these tests, in seconds.
const LENGTH_S: f64 = 6.0;

const PICTURE: [&str; 4] = ["-f", "lavfi", "-i", "testsrc2=d=6:r=25:s=192x108"];
const TONE: [&str; 4] = ["-f", "lavfi", "-i", "anoisesrc=d=6:r=48000:a=0.3"];
const H264: [&str; 8] = ["-c:v", "libx264", "-g", "25", "-preset", "ultrafast", "-c:a", "aac"];

/// Containers, and how they are written; those of sound alone come last.
const KINDS: [(&str, &[&str], bool); 20] = [
    ("a.mp4", &["-movflags", "faststart"], true),
    ("a.mov", &["-movflags", "faststart"], true),
    ("keyframes.mp4", &["-movflags", "frag_keyframe"], true),
    ("dash.mp4", &["-movflags", "frag_keyframe+empty_moov+default_base_moof+global_sidx"], true),
    ("a.mkv", &[], true),
    ("a.webm", &["-c:v", "libvpx", "-deadline", "realtime", "-c:a", "libopus"], true),
    ("a.avi", &["-c:a", "libmp3lame"], true),
    ("a.flv", &[], true),
    ("plain.flv", &["-flvflags", "no_duration_filesize"], true),
    ("a.wmv", &["-c:v", "wmv2", "-c:a", "wmav2"], true),
    ("a.mxf", &["-c:v", "mpeg2video", "-s", "720x576", "-c:a", "pcm_s16le"], true),
    ("a.ogv", &["-c:v", "libtheora", "-c:a", "libvorbis"], true),
    ("a.wav", &["-c:a", "pcm_s16le"], false),
    ("a.mp3", &["-c:a", "libmp3lame"], false),
    ("tagged.mp3", &["-c:a", "libmp3lame", "-q:a", "4", "-metadata", "title=A title"], false),
    ("a.flac", &["-c:a", "flac"], false),
    ("a.ogg", &["-c:a", "libvorbis"], false),
    ("a.au", &["-c:a", "pcm_s16be"], false),
    ("a.caf", &["-c:a", "pcm_s16le"], false),
    ("a.tta", &["-c:a", "tta"], false),
];

fn made(name: &str, options: &[&str], picture: bool) -> File {
    let mut arguments = Vec::new();
    if picture {
        arguments.extend(PICTURE);
    }
    arguments.extend(TONE);
    if picture {
        arguments.extend(H264);
    }
    arguments.extend(options);
    generate(&arguments, name)
}

/// The first `share` of a file.
fn cut(file: &Path, share: f64) -> tempfile::NamedTempFile {
    let bytes = std::fs::read(file).unwrap();
    let cut = tempfile::NamedTempFile::new().unwrap();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a share of a small size"
    )]
    std::fs::write(cut.path(), &bytes[..(bytes.len() as f64 * share) as usize]).unwrap();
    cut
}

fn analysed(path: &Path, if_incomplete: IfIncomplete) -> (Result<MediaInfo, Failure>, Vec<Message>) {
    let said = std::cell::RefCell::new(Vec::new());
    let tell = |message: &Message| said.borrow_mut().push(message.clone());
    let found = analyse_if(&source_of(path), &Analysis::default(), &tell, if_incomplete);
    (found, said.into_inner())
}

fn warning<'a>(said: &'a [Message], wanted: &str) -> Option<&'a str> {
    said.iter().find_map(|said| match said {
        Message::Warning { code, message } if code == wanted => Some(message.as_str()),
        _ => None,
    })
}

/// Seconds that stand in a message.
fn seconds(message: &str) -> Vec<f64> {
    let words = message.split_whitespace().collect::<Vec<_>>();
    words.windows(2).filter(|pair| pair[1].starts_with('s')).filter_map(|pair| pair[0].parse().ok()).collect()
}

#[test]
fn newcomer_a_truncated_upload_is_a_warning_in_every_container() {
    for (name, options, picture) in KINDS {
        let whole = made(name, options, picture);
        let (found, said) = analysed(&whole, IfIncomplete::Fail);
        assert!(found.is_ok() && said.is_empty(), "{name}: {found:?} {said:?}");

        let short = cut(&whole, 0.4);
        let (found, said) = analysed(short.path(), IfIncomplete::Warn);
        let there_s = found.unwrap().format.duration_s.unwrap();
        let message = warning(&said, "MEDIA0115").unwrap_or_else(|| panic!("{name}: {there_s} {said:?}"));
        match seconds(message)[..] {
            [declared, found] => {
                assert!((declared - LENGTH_S).abs() < 0.2, "{name}: {message}");
                assert!((0.3..4.5).contains(&found) && (found - there_s).abs() < 0.3, "{name}: {there_s} {message}");
            }
            // They do not say how long they are.
            [found] if ["keyframes.mp4", "plain.flv", "a.ogg", "a.ogv"].contains(&name) => {
                assert!((found - there_s).abs() < 0.3, "{name}: {message}");
            }
            _ => panic!("{name}: {message}"),
        }
        let failure = analysed(short.path(), IfIncomplete::Fail).0.unwrap_err();
        assert_eq!(failure.code, "MEDIA0022", "{name}");
    }
}

#[test]
fn newcomer_less_than_a_second_is_missed_where_a_container_counts_exactly() {
    for (name, options, picture) in KINDS {
        let exact = [".flac", ".mp3", ".mxf", ".wmv", ".ogg", ".ogv"].iter().any(|kind| name.ends_with(kind));
        if !exact {
            continue;
        }
        let short = cut(&made(name, options, picture), 0.95);
        let (_, said) = analysed(short.path(), IfIncomplete::Warn);
        assert!(warning(&said, "MEDIA0115").is_some(), "{name}: {said:?}");
        assert_eq!(analysed(short.path(), IfIncomplete::Fail).0.unwrap_err().code, "MEDIA0022", "{name}");
    }
}

#[test]
fn newcomer_ogg_that_is_cut_between_two_pages_is_incomplete() {
    for (name, options, picture) in [
        ("a.ogg", &["-c:a", "libvorbis"][..], false),
        ("a.opus", &["-c:a", "libopus"][..], false),
        ("a.ogv", &["-c:v", "libtheora", "-c:a", "libvorbis"][..], true),
    ] {
        let whole = made(name, options, picture);
        let (found, said) = analysed(&whole, IfIncomplete::Fail);
        assert!(found.is_ok() && said.is_empty(), "{name}: {found:?} {said:?}");
        let bytes = std::fs::read(&*whole).unwrap();
        let pages: Vec<usize> = (0..bytes.len() - 4).filter(|&at| &bytes[at..at + 4] == b"OggS").collect();
        // Without the last page, and from the middle on.
        for page in [pages[pages.len() - 1], pages[pages.len() / 2 + 1]] {
            let short = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(short.path(), &bytes[..page]).unwrap();
            let failure = analysed(short.path(), IfIncomplete::Fail).0.unwrap_err();
            assert_eq!(failure.code, "MEDIA0022", "{name} up to {page} of {}", bytes.len());
        }
    }
}

#[test]
fn newcomer_a_truncated_upload_is_said_by_every_activity_that_reads_it() {
    let whole = made("a.mp4", &["-movflags", "faststart"], true);
    let short = cut(&whole, 0.5);
    let picture = shots(SnapshotTimes::At(Moment::Seconds(0.5)), ImageFormat::Jpg, "a.jpg");
    for output in [media_output("out.mp4", encoded()), copied(None), Output::Snapshot(picture)] {
        let outputs = [output];
        let scratch = tempfile::tempdir().unwrap();
        let made = run(&outputs, &[source_of(short.path())], scratch.path());
        assert!(made.outcomes.as_ref().unwrap()[0].is_ok(), "{:?}", made.outcomes);
        let warnings = made.warnings();
        assert!(warnings.iter().any(|(code, text)| *code == "MEDIA0115" && text.contains("6.")), "{warnings:?}");
        let scratch = tempfile::tempdir().unwrap();
        let refused = run_if(&outputs, &[source_of(short.path())], scratch.path(), IfIncomplete::Fail);
        let failure = refused.failure();
        assert_eq!((failure.code.as_str(), failure.class, failure.blame), ("MEDIA0022", Class::Fatal, Blame::Input));
        assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
    }
    let mut work = hls();
    let scratch = tempfile::tempdir().unwrap();
    let said = std::cell::RefCell::new(Vec::new());
    let tell = |message: &Message| said.borrow_mut().push(message.clone());
    package::run(&[source_of(short.path())], &work, scratch.path(), &tell).unwrap();
    assert!(warning(&said.into_inner(), "MEDIA0115").is_some());
    work.if_incomplete = IfIncomplete::Fail;
    let failure = package::run(&[source_of(short.path())], &work, scratch.path(), &|_| {}).unwrap_err();
    assert_eq!(failure.code(), "MEDIA0022");
}

#[test]
fn newcomer_a_part_that_is_truncated_is_named() {
    let whole = made("a.mkv", &[], true);
    let short = cut(&whole, 0.5);
    let output = merged(None);
    let trial = Trial::with(&[&whole, short.path()], std::slice::from_ref(&output));
    let warnings = trial.made.warnings();
    let named = warnings.iter().any(|(code, text)| *code == "MEDIA0115" && text.contains("input 1"));
    assert!(named, "{warnings:?}");
    let scratch = tempfile::tempdir().unwrap();
    let sources = [source_of(&whole), source_of(short.path())];
    let refused = run_if(&[output], &sources, scratch.path(), IfIncomplete::Fail);
    assert!(format!("{:?}", refused.failure()).contains("incomplete"), "{:?}", refused.failure());
}

#[test]
fn newcomer_wrong_headers_of_whole_files_are_no_alarm() {
    // Streams of differing lengths, a clip by an edit list, and a header that claims hours.
    let long = ["-f", "lavfi", "-i", "testsrc2=d=6:r=25:s=192x108", "-f", "lavfi", "-i", "sine=d=2"];
    for name in ["a.mp4", "a.mkv", "a.avi", "a.flv", "a.mov"] {
        let differing = generate(&[&long[..], &["-c:v", "libx264", "-c:a", "aac"]].concat(), name);
        let (found, said) = analysed(&differing, IfIncomplete::Fail);
        assert!(found.is_ok() && said.is_empty(), "{name}: {found:?} {said:?}");
    }
    let whole = made("a.mp4", &[], true);
    for container in ["clip.mp4", "clip.mkv", "clip.mov"] {
        let path = whole.to_str().unwrap();
        let clip = generate(&["-ss", "1.5", "-t", "2", "-i", path, "-c", "copy"], container);
        let (found, said) = analysed(&clip, IfIncomplete::Fail);
        assert!(found.is_ok() && said.is_empty(), "{container}: {found:?} {said:?}");
    }
    let matroska = made("a.mkv", &[], true);
    let bytes = std::fs::read(&*matroska).unwrap();
    // The element Duration, of eight bytes.
    let at = bytes.windows(3).position(|window| window == [0x44, 0x89, 0x88]).unwrap() + 3;
    let claims = tempfile::NamedTempFile::new().unwrap();
    let hours = 7_200_000_f64.to_be_bytes();
    std::fs::write(claims.path(), [&bytes[..at], &hours[..], &bytes[at + 8..]].concat()).unwrap();
    let (found, said) = analysed(claims.path(), IfIncomplete::Fail);
    assert!((found.unwrap().format.duration_s.unwrap() - LENGTH_S).abs() < 0.2 && said.is_empty(), "{said:?}");
}

/// A file that `ffmpeg` writes to a pipe: it cannot come back to its header.
fn piped(format: &str, options: &[&str]) -> tempfile::NamedTempFile {
    let arguments = [&["-v", "error"][..], &PICTURE, &TONE, options, &["-f", format, "-"]].concat();
    let output = std::process::Command::new("ffmpeg").args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), output.stdout).unwrap();
    file
}

#[test]
fn field_fault_files_that_were_written_to_a_pipe_are_no_alarm() {
    for (format, options) in [
        ("avi", &["-c:v", "mpeg4", "-c:a", "libmp3lame"][..]),
        ("avi", &["-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-c:a", "pcm_s16le"]),
        ("flv", &["-c:v", "flv1", "-c:a", "libmp3lame"]),
        ("matroska", &["-c:v", "mpeg4", "-c:a", "aac"]),
        ("wav", &["-vn"]),
        ("au", &["-vn"]),
        ("caf", &["-vn"]),
        ("flac", &["-vn"]),
    ] {
        let whole = piped(format, options);
        let (found, said) = analysed(whole.path(), IfIncomplete::Fail);
        assert!(found.is_ok() && warning(&said, "MEDIA0115").is_none(), "{format}: {found:?} {said:?}");
    }
}

#[test]
fn field_fault_the_last_frames_of_flac_are_missed() {
    let whole = made("a.flac", &["-c:a", "flac"], false);
    for share in [0.97, 0.98] {
        let (_, said) = analysed(cut(&whole, share).path(), IfIncomplete::Warn);
        assert!(warning(&said, "MEDIA0115").is_some(), "{share}: {said:?}");
    }
}

#[test]
fn field_fault_the_last_picture_of_a_program_stream_is_no_moment_beyond_its_end() {
    let source = generate(&[&PICTURE[..], &["-c:v", "mpeg2video", "-b:v", "1M"]].concat(), "a.mpg");
    for (at_s, beyond) in [(5.96, false), (6.5, true)] {
        let picture = shots(SnapshotTimes::At(Moment::Seconds(at_s)), ImageFormat::Png, "a.png");
        let trial = Trial::new(&source, &[Output::Snapshot(picture)]);
        let warnings = trial.made.warnings();
        assert_eq!(warnings.iter().any(|(code, _)| *code == "MEDIA0119"), beyond, "{at_s}: {warnings:?}");
    }
}

#[test]
fn field_fault_a_clip_behind_the_end_of_the_video_keeps_the_sound() {
    let sources = ["-f", "lavfi", "-i", "testsrc2=d=3:r=25:s=192x108", "-f", "lavfi", "-i", "sine=d=8"];
    for name in ["a.mp4", "a.mkv", "a.ts"] {
        let source = generate(&[&sources[..], &["-c:v", "libx264", "-g", "25", "-c:a", "aac"]].concat(), name);
        let trial = Trial::new(&source, &[copied(Some(Clip { start_s: 5.0, duration_s: None }))]);
        let media = trial.made.media();
        assert!(media.video.is_empty() && media.audio.len() == 1, "{name}: {media:?}");
        assert!((media.format.duration_s.unwrap() - 3.0).abs() < 0.2, "{name}: {:?}", media.format);
        let warnings = trial.made.warnings();
        assert!(warnings.iter().any(|(code, _)| *code == "MEDIA0103"), "{name}: {warnings:?}");
        let encoded = with(|output| output.clip = Some(Clip { start_s: 5.0, duration_s: None }));
        let trial = Trial::new(&source, &[encoded]);
        let sound_s = trial.made.media().audio[0].duration_s.unwrap();
        assert!((sound_s - 3.0).abs() < 0.2, "{name}: {sound_s}");
    }
}

#[test]
fn newcomer_a_clip_beyond_the_end_is_an_error() {
    for (name, options) in [("a.mp4", &[][..]), ("a.ts", &[][..]), ("live.mkv", &["-live", "1", "-f", "matroska"][..])]
    {
        let source = made(name, options, true);
        let clip = |start_s| Some(Clip { start_s, duration_s: Some(2.0) });
        let encoded = |clip| with(|output| output.clip = clip);
        for output in [encoded(clip(30.0)), copied(clip(30.0)), merged(clip(30.0))] {
            let trial = Trial::with(&[&source, &source], &[output]);
            let failure = trial.made.failure();
            let found = (failure.code.as_str(), failure.class);
            // Of a part the cause is.
            let part = failure.code == "MEDIA0031" && format!("{failure:?}").contains("after the end of the source");
            assert!(found == ("MEDIA0023", Class::Fatal) || part, "{name}: {failure:?}");
        }
        let trial = Trial::new(&source, &[encoded(clip(5.0))]);
        let duration_s = trial.made.media().format.duration_s.unwrap();
        assert!(
            (duration_s - 1.0).abs() < 0.2,
            "{name}: a clip that ends beyond the end is what there is: {duration_s}"
        );
    }
}

/// A file above 16 MiB in hundreds of fragments, which says nowhere how long it is: 12 s.
fn fragments() -> File {
    let noise = ["-f", "lavfi", "-i", "testsrc2=d=12:r=30:s=320x240,noise=alls=100:allf=t"];
    let rest = ["-c:v", "mjpeg", "-q:v", "1", "-movflags", "empty_moov+frag_every_frame+skip_trailer"];
    generate(&[&noise[..], &rest].concat(), "fragments.mp4")
}

#[test]
fn newcomer_a_truncated_upload_of_many_fragments_is_a_warning() {
    let whole = fragments();
    let bytes = std::fs::metadata(&*whole).unwrap().len();
    assert!(bytes > 17 << 20, "{bytes}");
    let (found, said) = analysed(&whole, IfIncomplete::Fail);
    assert!(found.is_ok() && warning(&said, "MEDIA0115").is_none(), "{found:?} {said:?}");
    assert!(warning(&said, "MEDIA0116").is_some(), "{said:?}");

    let short = cut(&whole, 0.9);
    let (_, said) = analysed(short.path(), IfIncomplete::Warn);
    assert!(warning(&said, "MEDIA0115").is_some(), "{said:?}");
    assert_eq!(analysed(short.path(), IfIncomplete::Fail).0.unwrap_err().code, "MEDIA0022");
}

#[test]
fn newcomer_a_clip_is_not_refused_for_an_end_that_is_estimated() {
    // Its second half is much smaller than its first.
    let noise = "testsrc2=d=12:r=30:s=320x240,noise=alls=100:allf=t:enable='lt(t,6)'";
    let raw = ["-f", "lavfi", "-i", noise, "-c:v", "libx264", "-preset", "ultrafast", "-qp", "1", "-f", "h264"];
    for source in [fragments(), generate(&raw, "raw.h264")] {
        assert!(std::fs::metadata(&*source).unwrap().len() > 17 << 20);
        let clip = |start_s| with(|output| output.clip = Some(Clip { start_s, duration_s: Some(1.0) }));
        let trial = Trial::new(&source, &[clip(10.0)]);
        let duration_s = trial.made.media().format.duration_s.unwrap();
        assert!((duration_s - 1.0).abs() < 0.1, "{duration_s}: {:?}", trial.made.warnings());
        assert_eq!(Trial::new(&source, &[clip(30.0)]).made.failure().code, "MEDIA0023");
        let part = |start_s| merged(Some(Clip { start_s, duration_s: Some(1.0) }));
        let trial = Trial::with(&[&source, &source], &[part(10.0)]);
        assert!(trial.made.outcomes.as_ref().unwrap()[0].is_ok(), "{:?}", trial.made.outcomes);

        let list = vec![Moment::Seconds(1.0), Moment::Seconds(11.0)];
        let listed = shots(SnapshotTimes::List(list), ImageFormat::Png, "list-#.png");
        let trial = Trial::new(&source, &[Output::Snapshot(listed)]);
        assert!(!trial.made.warnings().iter().any(|(code, _)| *code == "MEDIA0119"), "{:?}", trial.made.warnings());
    }
}

#[test]
fn newcomer_a_moment_beyond_the_end_shows_the_last_picture_and_says_so() {
    let source = made("a.mp4", &[], true);
    let late = shots(SnapshotTimes::At(Moment::Seconds(30.0)), ImageFormat::Png, "late.png");
    let list = vec![Moment::Seconds(1.0), Moment::Seconds(8.0)];
    let listed = shots(SnapshotTimes::List(list), ImageFormat::Png, "list-#.png");
    for output in [late, listed] {
        let trial = Trial::new(&source, &[Output::Snapshot(output)]);
        let warnings = trial.made.warnings();
        assert!(warnings.iter().any(|(code, text)| *code == "MEDIA0119" && text.contains("6.0")), "{warnings:?}");
        assert!(trial.made.outcomes.as_ref().unwrap()[0].is_ok());
    }
    let animation =
        Animation { format: AnimationFormat::Gif, pieces: 1, length_s: 1.0, start_s: Some(30.0), fps: 10.0 };
    let any = SnapshotTimes::At(Moment::Share(0.1));
    let animated = Snapshot { animation: Some(animation), ..shots(any, ImageFormat::Jpg, "late.gif") };
    assert_eq!(Trial::new(&source, &[Output::Snapshot(animated)]).made.failure().code, "MEDIA0023");
}

pub fn hls() -> Package {
    Package {
        master: Some("master.m3u8".into()),
        mpd: None,
        segments: SegmentFormat::Fmp4,
        segment_s: 2.0,
        renditions: vec!["rung".into()],
        separate_audio: false,
        byte_range: false,
        iframe_playlists: false,
        keep_subtitles: false,
        subtitles: Vec::new(),
        subtitle_folder: "subtitles".into(),
        encryption: None,
        if_incomplete: IfIncomplete::Warn,
    }
}

/// The source, and after it the second input, or a part of it.
fn merged(clip: Option<Clip>) -> Output {
    with(|output| output.parts = vec![Part { input: 0, clip: None }, Part { input: 1, clip }])
}

/// The streams as they are, or a part of them.
fn copied(clip: Option<Clip>) -> Output {
    with(|output| {
        "copy.mkv".clone_into(&mut output.file);
        output.container = Container::Mkv;
        output.video = Some(Video::Copy);
        output.audio = Some(Audio::Copy { tracks: Tracks::All });
        output.clip = clip;
    })
}
