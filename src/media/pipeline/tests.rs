//! Whole pipelines over clips that the `ffmpeg` command makes. Every output was verified by the pipeline itself;
//! these tests look at what that does not.

use std::path::{Path, PathBuf};
use std::process::Command;

use reelmill::model::media::Ratio;
use reelmill::model::work::{
    Audio, AudioEncode, Clip, Container, FileRole, FrameRate, Gop, ImageFormat, Length, MediaOutput, Moment, Output,
    Overlay, ReferencePosition, Size, Snapshot, SnapshotTimes, Sprite, Subtitles, Tracks, Video, VideoEncode,
};

use crate::testing::{Made, aac, encoded, generate, media_output, run, source_of};

/// A scratch folder and what a pipeline made in it.
struct Trial {
    scratch: tempfile::TempDir,
    made: Made,
}

impl Trial {
    fn new(clip: &Path, outputs: &[Output]) -> Self {
        Self::with(&[clip], outputs)
    }

    fn with(inputs: &[&Path], outputs: &[Output]) -> Self {
        let scratch = tempfile::tempdir().unwrap();
        let sources: Vec<_> = inputs.iter().map(|path| source_of(path)).collect();
        let made = run(outputs, &sources, scratch.path());
        Self { scratch, made }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.scratch.path().join(file)
    }

    /// What `ffprobe` says about `entries` of the streams `select`, one line for each.
    fn ffprobe(&self, file: &str, select: &str, entries: &str) -> Vec<String> {
        let path = self.path(file);
        let arguments = ["-v", "error", "-select_streams", select, "-show_entries", entries, "-of", "csv=p=0"];
        let output = Command::new("ffprobe").args(arguments).arg(path).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| line.trim_end_matches(',').to_owned()).filter(|line| !line.is_empty()).collect()
    }

    fn times(&self, file: &str, select: &str) -> Vec<f64> {
        let lines = self.ffprobe(file, select, "packet=pts_time");
        let mut times: Vec<f64> = lines.iter().map(|line| line.parse().unwrap()).collect();
        times.sort_by(f64::total_cmp);
        times
    }

    /// Mean of red, green and blue of `w`×`h` pixels at `x`, `y` of the first frame.
    fn colour(&self, file: &str, (x, y, w, h): (u32, u32, u32, u32)) -> [u8; 3] {
        let filter = format!("crop={w}:{h}:{x}:{y},scale=1:1:flags=area,format=rgb24");
        let output = Command::new("ffmpeg")
            .args(["-v", "error", "-i"])
            .arg(self.path(file))
            .args(["-frames:v", "1", "-vf", &filter, "-f", "rawvideo", "-"])
            .output()
            .unwrap();
        output.stdout[..3].try_into().unwrap()
    }
}

fn is_near(one: [u8; 3], other: [u8; 3]) -> bool {
    one.iter().zip(other).all(|(&a, b)| a.abs_diff(b) < 30)
}

fn lavfi(sources: &[&str], rest: &[&str], name: &str) -> crate::testing::Clip {
    let inputs = sources.iter().flat_map(|source| ["-f", "lavfi", "-i", *source]);
    generate(&inputs.chain(rest.iter().copied()).collect::<Vec<_>>(), name)
}

/// A copy of an MP4 whose first track says that it is to be shown turned a quarter clockwise.
fn turned(clip: &Path) -> PathBuf {
    const MATRIX_FROM_TYPE: usize = 44;
    const ONE: i32 = 1 << 16;
    let mut bytes = std::fs::read(clip).unwrap();
    let header = bytes.windows(4).position(|window| window == b"tkhd").unwrap();
    let matrix = [0, ONE, 0, -ONE, 0, 0, 0, 0, 1 << 30];
    for (at, number) in (header + MATRIX_FROM_TYPE..).step_by(4).zip(matrix) {
        bytes[at..at + 4].copy_from_slice(&i32::to_be_bytes(number));
    }
    let turned = clip.with_file_name("turned.mp4");
    std::fs::write(&turned, bytes).unwrap();
    turned
}

fn sized(size: Size) -> VideoEncode {
    VideoEncode { size, ..encoded() }
}

fn with(change: impl FnOnce(&mut MediaOutput)) -> Output {
    let Output::Media(mut media) = media_output("out.mp4", encoded()) else { unreachable!() };
    change(&mut media);
    Output::Media(media)
}

fn shots(at: SnapshotTimes, format: ImageFormat, file: &str) -> Snapshot {
    Snapshot { file: file.into(), at, format, size: Size::Source, quality: 90, sprite: None, vtt: None }
}

#[test]
fn one_source_becomes_many_outputs() {
    let clip = lavfi(&["testsrc2=d=3:r=25:s=320x180", "sine=d=3"], &["-c:a", "aac"], "a.mp4");
    let outputs = [
        media_output("big.mp4", encoded()),
        media_output("small.mp4", sized(Size::ShortSide(90))),
        Output::Snapshot(shots(SnapshotTimes::At(Moment::Share(0.5)), ImageFormat::Jpg, "poster.jpg")),
    ];
    let trial = Trial::new(&clip, &outputs);
    let produced = trial.made.produced();
    let small = produced[1].files[0].media.as_ref().unwrap();
    assert_eq!((small.video[0].width, small.video[0].height), (160, 90));
    assert_eq!(small.video[0].frames, Some(75));
    assert_eq!(produced[2].files[0].role, FileRole::Image);
    assert_eq!(trial.ffprobe("poster.jpg", "v", "stream=width,height"), ["320,180"]);
    assert!(trial.made.warnings().is_empty(), "{:?}", trial.made.warnings());
}

#[test]
fn an_output_that_fails_leaves_the_others_alone() {
    let clip = lavfi(&["testsrc2=d=1:s=64x64"], &[], "a.mp4");
    let wrong = VideoEncode { profile: Some("no-such-profile".into()), ..encoded() };
    let trial = Trial::new(&clip, &[media_output("bad.mp4", wrong), media_output("good.mp4", encoded())]);
    let outcomes = trial.made.outcomes.unwrap();
    assert_eq!(outcomes[0].as_ref().unwrap_err().code, "MEDIA0011");
    assert!(outcomes[1].is_ok());
}

#[test]
fn field_case_11_a_source_without_audio_or_without_video() {
    let silent = lavfi(&["testsrc2=d=1:s=64x64"], &[], "a.mp4");
    let trial = Trial::new(&silent, &[media_output("out.mp4", encoded())]);
    assert_eq!((trial.made.media().video.len(), trial.made.media().audio.len()), (1, 0));

    let sound = lavfi(&["sine=d=1"], &[], "a.mp3");
    let trial = Trial::new(&sound, &[media_output("out.mp4", encoded())]);
    assert_eq!((trial.made.media().video.len(), trial.made.media().audio.len()), (0, 1));
    assert_eq!(trial.made.produced()[0].files[0].content_type, "audio/mp4");

    let nothing = with(|media| media.video = None);
    assert_eq!(Trial::new(&silent, &[nothing]).made.failure().code, "MEDIA0003");
}

#[test]
fn field_case_12_audio_is_never_lost_silently() {
    let clip = lavfi(&["testsrc2=d=2:s=64x64", "sine=d=2"], &["-c:a", "aac"], "a.mp4");
    let trial = Trial::new(&clip, &[media_output("out.mp4", encoded())]);
    assert_eq!(trial.made.media().audio.len(), 1);

    // A codec that nothing decodes: said, and the video goes on.
    let clip = lavfi(&["testsrc2=d=2:s=64x64", "sine=d=2"], &["-c:a", "aac"], "a.mkv");
    let mut bytes = std::fs::read(&*clip).unwrap();
    let at = bytes.windows(5).position(|window| window == b"A_AAC").unwrap();
    bytes[at..at + 5].copy_from_slice(b"A_XYZ");
    let broken = clip.with_file_name("b.mkv");
    std::fs::write(&broken, bytes).unwrap();
    let trial = Trial::new(&broken, &[media_output("out.mp4", encoded())]);
    assert_eq!(trial.made.media().audio.len(), 0);
    assert!(trial.made.warnings().iter().any(|(code, _)| *code == "MEDIA0103"), "{:?}", trial.made.said);
}

#[test]
fn field_case_13_tracks_are_chosen_by_language_or_index_and_keep_their_names() {
    let clip = lavfi(
        &["testsrc2=d=1:s=64x64", "sine=d=1", "sine=f=880:d=1"],
        &[
            "-map",
            "0",
            "-map",
            "1",
            "-map",
            "2",
            "-metadata:s:a:0",
            "language=eng",
            "-metadata:s:a:1",
            "language=ger",
            "-metadata:s:a:1",
            "title=Kommentar",
            "-c:a",
            "aac",
        ],
        "a.mkv",
    );
    let take = |tracks: Tracks, container| {
        with(|media| {
            media.container = container;
            media.audio = Some(Audio::Encode(AudioEncode { tracks, ..aac() }));
        })
    };
    let languages = |tracks| {
        let trial = Trial::new(&clip, &[take(tracks, Container::Mkv)]);
        let audio = trial.made.media().audio.clone();
        let named = audio.into_iter().map(|a| [a.language.unwrap_or_default(), a.title.unwrap_or_default()].join(" "));
        named.collect::<Vec<_>>()
    };
    let (english, german) = ("eng ".to_owned(), "ger Kommentar".to_owned());
    for (tracks, expected) in [
        (Tracks::Language("de".into()), vec![&german]),
        (Tracks::Language("fr".into()), vec![&english]),
        (Tracks::Index(1), vec![&german]),
        (Tracks::All, vec![&english, &german]),
    ] {
        assert_eq!(languages(tracks).iter().collect::<Vec<_>>(), expected);
    }
    let trial = Trial::new(&clip, &[take(Tracks::Index(7), Container::Mp4)]);
    assert_eq!(trial.made.failure().code, "MEDIA0017");
}

#[test]
fn field_case_14_subtitles_are_converted_or_left_out_with_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let srt = folder.path().join("a.srt");
    std::fs::write(&srt, "1\n00:00:00,500 --> 00:00:01,500\nHello & <b>world</b>\n").unwrap();
    let srt = srt.to_str().unwrap();
    let clip = generate(
        &["-f", "lavfi", "-i", "testsrc2=d=2:s=64x64", "-i", srt, "-c:s", "ass", "-metadata:s:s:0", "language=eng"],
        "a.mkv",
    );
    for (container, codec) in [(Container::Mp4, "mov_text"), (Container::Mkv, "ass")] {
        let keep = with(|media| (media.container, media.subtitles) = (container, Subtitles::Keep));
        let trial = Trial::new(&clip, &[keep]);
        let subtitles = &trial.made.media().subtitles;
        assert_eq!((subtitles[0].codec.as_str(), subtitles[0].language.as_deref()), (codec, Some("eng")));
        let first = trial.ffprobe("out.mp4", "s", "packet=pts_time,duration_time");
        assert!(first.iter().any(|line| line == "0.500000,1.000000"), "{first:?}");
    }
    let flv = with(|media| (media.container, media.subtitles) = (Container::Flv, Subtitles::Keep));
    let trial = Trial::new(&clip, &[flv]);
    assert_eq!(trial.made.media().subtitles.len(), 0);
    assert_eq!(trial.made.warnings()[0].0, "MEDIA0102");
}

#[test]
fn field_case_15_rotated_sources_come_out_upright() {
    // Red on the left half, blue on the right; shown turned a quarter clockwise, red is on top.
    let flat =
        lavfi(&["color=red:s=160x90:d=1,drawbox=x=80:w=80:h=90:color=blue:t=fill"], &["-pix_fmt", "yuv420p"], "a.mp4");
    let turned = turned(&flat);
    let outputs = [
        media_output("out.mp4", sized(Size::ShortSide(90))),
        Output::Snapshot(shots(SnapshotTimes::At(Moment::Seconds(0.0)), ImageFormat::Png, "shot.png")),
    ];
    let trial = Trial::new(&turned, &outputs);
    let video = &trial.made.media().video[0];
    assert_eq!((video.width, video.height, video.rotation), (90, 160, 0));
    assert!(trial.ffprobe("out.mp4", "v", "stream_side_data=rotation").is_empty());
    for file in ["out.mp4", "shot.png"] {
        let (top, bottom) = (trial.colour(file, (20, 20, 40, 40)), trial.colour(file, (20, 100, 40, 40)));
        assert!(is_near(top, [254, 0, 0]) && is_near(bottom, [0, 0, 254]), "{file}: {top:?} above {bottom:?}");
    }
}

#[test]
fn field_case_16_odd_sources_transcode() {
    let clip = lavfi(&["testsrc2=d=1:s=853x481"], &["-pix_fmt", "yuv444p"], "a.mp4");
    let trial = Trial::new(&clip, &[media_output("out.mp4", encoded())]);
    let video = &trial.made.media().video[0];
    assert_eq!((video.width, video.height), (852, 480));
    assert_eq!(video.pixel_format.as_deref(), Some("yuv420p"));
}

#[test]
fn field_case_17_variable_rates_keep_their_times_and_sound_stays_in_step() {
    // Frames 0–24 at 25 a second, then every fourth.
    let clip = lavfi(
        &["testsrc2=d=6:r=25:s=64x64,select='lt(n,25)+not(mod(n,4))'", "sine=d=6"],
        &["-fps_mode", "vfr", "-c:a", "pcm_s16le"],
        "a.mkv",
    );
    let trial = Trial::new(&clip, &[media_output("out.mp4", encoded())]);
    let times = trial.times("out.mp4", "v");
    assert_eq!(times.len(), 25 + 31);
    for (n, time) in times.iter().enumerate() {
        let at = if n < 25 { n } else { 28 + (n - 25) * 4 };
        assert!((time - f64::from(u32::try_from(at).unwrap()) / 25.0).abs() < 0.002, "{n}: {time}");
    }
    let sound = trial.times("out.mp4", "a").last().copied().unwrap();
    assert!((sound - 6.0).abs() < 0.04, "{sound}");

    let fixed = VideoEncode { frame_rate: FrameRate::Fixed(Ratio { num: 30, den: 1 }), ..encoded() };
    let trial = Trial::new(&clip, &[media_output("out.mp4", fixed)]);
    assert_eq!(trial.made.media().video[0].frame_rate_ratio, Some(Ratio { num: 30, den: 1 }));
    assert!(!trial.made.media().video[0].variable_frame_rate);
}

#[test]
fn a_highest_frame_rate_leaves_frames_out_and_never_adds_any() {
    let clip = lavfi(&["testsrc2=d=2:r=60:s=64x64"], &[], "a.mp4");
    let frames = |max| {
        let encode = VideoEncode { frame_rate: FrameRate::Max(Ratio { num: max, den: 1 }), ..encoded() };
        Trial::new(&clip, &[media_output("out.mp4", encode)]).made.media().video[0].frames
    };
    assert_eq!(frames(30), Some(60));
    assert_eq!(frames(25), Some(50));
    assert_eq!(frames(120), Some(120));
}

#[test]
fn field_case_18_hdr_is_tone_mapped() {
    let hdr = [
        "-vf",
        "format=yuv420p10le,setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc:range=tv",
        "-c:v",
        "libx264",
    ];
    // Half of PQ's range is about 100 cd/m²: mid-grey to a viewer, and washed out where it is passed off as SDR.
    let clip = lavfi(&["color=gray:d=1:s=64x64"], &hdr, "a.mp4");
    let outputs = [
        media_output("out.mp4", encoded()),
        Output::Snapshot(shots(SnapshotTimes::At(Moment::Seconds(0.0)), ImageFormat::Png, "shot.png")),
    ];
    let trial = Trial::new(&clip, &outputs);
    assert!(trial.made.warnings().is_empty(), "{:?}", trial.made.warnings());
    let video = &trial.made.media().video[0];
    assert_eq!(video.hdr, None);
    assert_eq!(video.color_transfer.as_deref(), Some("bt709"));
    assert_eq!(video.color_primaries.as_deref(), Some("bt709"));
    let (file, shot) = (trial.colour("out.mp4", (0, 0, 64, 64)), trial.colour("shot.png", (0, 0, 64, 64)));
    assert!(file.iter().all(|&level| level > 150), "{file:?}");
    assert!(is_near(file, shot), "{file:?} {shot:?}");
}

#[test]
fn full_range_and_interlaced_sources_become_plain_ones() {
    let clip = lavfi(
        &["testsrc2=d=1:r=50:s=128x96,tinterlace=interleave_top,setparams=range=pc"],
        &["-c:v", "libx264", "-flags", "+ildct+ilme", "-x264opts", "tff=1", "-pix_fmt", "yuvj420p"],
        "a.mp4",
    );
    let trial = Trial::new(&clip, &[media_output("out.mp4", encoded())]);
    let video = &trial.made.media().video[0];
    assert!(!video.interlaced);
    assert_eq!(video.color_range.as_deref(), Some("tv"));
    assert_eq!(video.frames, Some(25));
}

#[test]
fn transparent_sources_are_laid_on_black() {
    let clip = lavfi(&["color=white@0.0:d=1:s=64x64,format=yuva444p10le"], &["-c:v", "prores_ks"], "a.mov");
    let trial = Trial::new(&clip, &[media_output("out.mp4", encoded())]);
    let colour = trial.colour("out.mp4", (0, 0, 64, 64));
    assert!(is_near(colour, [0, 0, 0]), "{colour:?}");
}

#[test]
fn rungs_of_a_ladder_have_their_keyframes_at_the_same_times() {
    let clip = lavfi(&["testsrc2=d=7:r=30000/1001:s=128x72"], &[], "a.mp4");
    let rung = |side| VideoEncode { gop: Some(Gop::Seconds(2.0)), ..sized(Size::ShortSide(side)) };
    let trial = Trial::new(&clip, &[media_output("a.mp4", rung(72)), media_output("b.mp4", rung(36))]);
    let keyframes = |file| {
        let lines = trial.ffprobe(file, "v", "packet=pts_time,flags");
        lines.into_iter().filter(|line| line.contains('K')).collect::<Vec<_>>()
    };
    assert_eq!(keyframes("a.mp4"), keyframes("b.mp4"));
    let times: Vec<f64> = keyframes("a.mp4").iter().map(|l| l.split(',').next().unwrap().parse().unwrap()).collect();
    assert_eq!(times.len(), 4);
    for (n, time) in (0..).map(f64::from).zip(times) {
        assert!((0.0..0.034).contains(&(time - 2.0 * n)), "{time}");
    }
}

#[test]
fn clips_are_exact() {
    let clip = lavfi(&["testsrc2=d=8:r=25:s=64x64", "sine=d=8"], &["-g", "100", "-c:a", "aac"], "a.mp4");
    let cut = with(|media| media.clip = Some(Clip { start_s: 5.0, duration_s: Some(1.5) }));
    let trial = Trial::new(&clip, &[cut]);
    let media = trial.made.media();
    assert_eq!(media.video[0].frames, Some(38));
    assert!((media.audio[0].duration_s.unwrap() - 1.5).abs() < 0.03, "{:?}", media.audio[0].duration_s);
    let late = with(|media| media.clip = Some(Clip { start_s: 50.0, duration_s: None }));
    assert_eq!(Trial::new(&clip, &[late]).made.failure().code, "MEDIA0017");
}

#[test]
fn late_and_torn_sound_keeps_its_place() {
    // Sound starts a second late, and half a second is missing in the middle.
    let clip = lavfi(
        &["testsrc2=d=5:r=25:s=64x64", "sine=d=4"],
        &["-af", "aselect='not(between(t,1.5,2))',asetpts=PTS+1/TB", "-c:a", "pcm_s16le"],
        "a.mkv",
    );
    let trial = Trial::new(&clip, &[media_output("out.mp4", encoded())]);
    let path = trial.path("out.mp4");
    let detect = ["-af", "silencedetect=n=-50dB:d=0.2", "-f", "null", "-"];
    let output = Command::new("ffmpeg").arg("-i").arg(path).args(detect).output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    let numbers = |key: &str| -> Vec<f64> {
        let after = log.lines().filter_map(|line| line.split(key).nth(1));
        after.map(|rest| rest.split_whitespace().next().unwrap().parse().unwrap()).collect()
    };
    let (starts, ends) = (numbers("silence_start: "), numbers("silence_end: "));
    assert!((ends[0] - 1.0).abs() < 0.04, "{log}");
    assert!((starts[1] - 2.5).abs() < 0.04 && (ends[1] - 3.0).abs() < 0.06, "{log}");
}

#[test]
fn copies_keep_packets_and_turn() {
    let clip = lavfi(&["testsrc2=d=2:r=25:s=64x48", "sine=d=2"], &["-c:a", "aac", "-bf", "2"], "a.mp4");
    let turned = turned(&clip);
    for container in [Container::Mkv, Container::Mp4, Container::Ts] {
        let copy = with(|media| {
            media.container = container;
            media.video = Some(Video::Copy);
            media.audio = Some(Audio::Copy { tracks: Tracks::All });
        });
        let source = if container == Container::Mp4 { turned.as_path() } else { &*clip };
        let trial = Trial::new(source, &[copy]);
        assert_eq!(trial.times("out.mp4", "v").len(), 50, "{container:?}");
        let rotation = trial.made.media().video[0].rotation;
        assert_eq!(rotation, if container == Container::Mp4 { 90 } else { 0 }, "{container:?}");
    }
    let webm = with(|media| {
        media.container = Container::Webm;
        media.video = Some(Video::Copy);
    });
    assert_eq!(Trial::new(&clip, &[webm]).made.failure().code, "MEDIA0012");
}

#[test]
fn watermarks_stand_where_and_when_they_are_told_to() {
    let clip = lavfi(&["color=black:d=2:r=10:s=200x100"], &[], "a.mp4");
    let logo = lavfi(&["color=red:s=40x20,format=rgba"], &["-frames:v", "1"], "logo.png");
    let overlay = |opacity, start_s| Overlay {
        input: 1,
        position: ReferencePosition::BottomRight,
        dx: Length::Pixels(10),
        dy: Length::Ratio(0.1),
        width: Some(Length::Ratio(0.2)),
        height: None,
        opacity,
        start_s,
        duration_s: None,
    };
    let marked = |overlay: Overlay| {
        let output = with(|media| media.overlays = vec![overlay]);
        Trial::with(&[&*clip, &*logo], &[output])
    };
    let trial = marked(overlay(1.0, 0.0));
    assert!(is_near(trial.colour("out.mp4", (154, 74, 32, 12)), [254, 0, 0]));
    assert!(is_near(trial.colour("out.mp4", (100, 74, 40, 12)), [0, 0, 0]));
    assert!(is_near(marked(overlay(0.5, 0.0)).colour("out.mp4", (154, 74, 32, 12)), [127, 0, 0]));
    assert!(is_near(marked(overlay(1.0, 1.0)).colour("out.mp4", (154, 74, 32, 12)), [0, 0, 0]));

    let broken = Trial::with(&[&*clip, Path::new("/dev/null")], &[with(|m| m.overlays = vec![overlay(1.0, 0.0)])]);
    assert_eq!(broken.made.failure().code, "MEDIA0018");
}

#[test]
fn pictures_come_from_their_moments() {
    // Grey that brightens by 10 levels a frame, 10 frames a second.
    let clip = lavfi(&["nullsrc=d=2:r=10:s=64x64,format=gray,geq=lum='10*N'"], &["-c:v", "ffv1"], "a.mkv");
    let at = |at, file: &str| {
        let trial = Trial::new(&clip, &[Output::Snapshot(shots(at, ImageFormat::Png, file))]);
        let names: Vec<String> = trial.made.produced()[0].files.iter().map(|file| file.file.clone()).collect();
        let levels = names.iter().map(|name| trial.colour(name, (0, 0, 64, 64))[0]).collect::<Vec<_>>();
        (names, levels)
    };
    let near = |levels: &[u8], expected: &[u8]| {
        levels.len() == expected.len() && levels.iter().zip(expected).all(|(a, b)| a.abs_diff(*b) < 4)
    };
    let (names, levels) = at(SnapshotTimes::At(Moment::Seconds(1.25)), "shot.png");
    assert_eq!(names, ["shot.png"]);
    assert!(near(&levels, &[120]), "{levels:?}");
    let (_, levels) = at(SnapshotTimes::At(Moment::Seconds(99.0)), "shot.png");
    assert!(near(&levels, &[190]), "{levels:?}");
    let moments = vec![Moment::Share(1.0), Moment::Seconds(0.3)];
    let (names, levels) = at(SnapshotTimes::List(moments), "shot-##.png");
    assert_eq!(names, ["shot-02.png", "shot-01.png"]);
    assert!(near(&levels, &[30, 190]), "{levels:?}");
    let (names, levels) = at(SnapshotTimes::Every(0.5), "shot.png");
    assert_eq!(names[3], "shot-00004.png");
    assert!(near(&levels, &[0, 50, 100, 150]), "{levels:?}");
}

#[test]
fn sprites_are_laid_out_on_sheets_with_a_track() {
    let clip = lavfi(&["testsrc2=d=5:r=10:s=320x180"], &[], "a.mp4");
    let snapshot = Snapshot {
        sprite: Some(Sprite { columns: 2, rows: 1, width: 80, height: None }),
        vtt: Some("thumbs.vtt".into()),
        ..shots(SnapshotTimes::Every(1.0), ImageFormat::Jpg, "a sheet.jpg")
    };
    let trial = Trial::new(&clip, &[Output::Snapshot(snapshot)]);
    let names: Vec<_> = trial.made.produced()[0].files.iter().map(|file| file.file.as_str()).collect();
    assert_eq!(names, ["a sheet-00001.jpg", "a sheet-00002.jpg", "a sheet-00003.jpg", "thumbs.vtt"]);
    assert_eq!(trial.ffprobe("a sheet-00001.jpg", "v", "stream=width,height"), ["160,44"]);
    let track = std::fs::read_to_string(trial.path("thumbs.vtt")).unwrap();
    assert!(track.contains("00:00:03.000 --> 00:00:04.000\na%20sheet-00002.jpg#xywh=80,0,80,44"), "{track}");
    assert_eq!(track.matches(" --> ").count(), 5);
}

#[test]
fn progress_reaches_the_end_and_never_passes_it() {
    let clip = lavfi(&["testsrc2=d=20:r=30:s=640x360"], &["-preset", "ultrafast"], "a.mp4");
    let trial = Trial::new(&clip, &[media_output("out.mp4", encoded())]);
    let mut last = 0.0;
    for said in &trial.made.said {
        if let reelmill::worker::protocol::Message::Progress { fraction: Some(fraction), .. } = said {
            assert!((last..=1.0).contains(fraction), "{fraction} after {last}");
            last = *fraction;
        }
    }
}

#[test]
fn audio_becomes_what_each_container_takes() {
    use reelmill::model::work::AudioCodec;
    let clip = lavfi(&["sine=d=1:r=96000,aformat=channel_layouts=5.1"], &["-c:a", "flac"], "a.flac");
    for (container, codec, rate, channels) in [
        (Container::M4a, AudioCodec::Aac, 96_000, 6),
        (Container::Mp3, AudioCodec::Mp3, 48_000, 2),
        (Container::Ogg, AudioCodec::Opus, 48_000, 6),
        (Container::Flac, AudioCodec::Flac, 96_000, 6),
    ] {
        let output = with(|media| {
            media.container = container;
            media.audio = Some(Audio::Encode(AudioEncode { codec, bitrate_bps: None, ..aac() }));
        });
        let trial = Trial::new(&clip, &[output]);
        let audio = &trial.made.media().audio[0];
        assert_eq!((audio.sample_rate, audio.channels), (rate, channels), "{container:?}");
    }
    let stereo = with(|media| media.audio = Some(Audio::Encode(AudioEncode { channels: Some(2), ..aac() })));
    assert_eq!(Trial::new(&clip, &[stereo]).made.media().audio[0].channels, 2);
}
