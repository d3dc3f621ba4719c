//! Several inputs played one after the other: order, seams, sizes, rates, sound.

use reelmill::model::work::{AudioCodec, LoudnessMethod, Part};

use super::sound::{loudness, samples, target, tone};
use super::*;

fn part(input: usize) -> Part {
    Part { input, clip: None }
}

fn clipped(input: usize, start_s: f64, length_s: f64) -> Part {
    Part { input, clip: Some(Clip { start_s, duration_s: Some(length_s) }) }
}

fn merged(parts: &[Part]) -> Output {
    with(|media| media.parts = parts.to_vec())
}

/// Mean colour of the middle of the frame at a moment.
fn colour_at(trial: &Trial, at: &str) -> [u8; 3] {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-ss", at, "-i"])
        .arg(trial.path("out.mp4"))
        .args(["-frames:v", "1", "-vf", "crop=iw/4:ih/4,scale=1:1:flags=area,format=rgb24", "-f", "rawvideo", "-"])
        .output()
        .unwrap();
    output.stdout[..3].try_into().unwrap()
}

/// Amplitudes of 440 Hz and 1 kHz in a tenth of a second from a moment on.
fn tones_at(heard: &[f32], at_s: f64) -> [f64; 2] {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a moment of a test")]
    let from = (at_s * 48_000.0) as usize;
    [440.0, 1_000.0].map(|hertz| tone(&heard[from..from + 4_800], hertz))
}

#[test]
fn parts_of_every_kind_become_one_file() {
    // Red with 440 Hz in stereo; blue, larger, faster and mute; green, turned, with 1 kHz in mono at another rate.
    let red = lavfi(
        &["color=red:s=160x120:r=25:d=2", "aevalsrc='0.5*sin(440*2*PI*t)|0.5*sin(440*2*PI*t)':d=2:s=48000"],
        &["-c:a", "aac"],
        "a.mp4",
    );
    let blue = lavfi(&["color=blue:s=320x180:r=30:d=1.5,setsar=4/3"], &["-c:v", "mpeg2video"], "b.ts");
    let green = lavfi(
        &["color=green:s=120x90:r=30000/1001:d=1", "aevalsrc='0.5*sin(1000*2*PI*t)':d=1:s=22050"],
        &["-pix_fmt", "yuv420p", "-c:a", "aac"],
        "c.mp4",
    );
    let green = turned(&green);
    let parts = [part(0), part(1), part(2), clipped(0, 0.5, 0.5)];
    let trial = Trial::with(&[&*red, &*blue, &green], &[merged(&parts)]);
    let video = &trial.made.media().video[0];
    assert_eq!((video.width, video.height), (160, 120), "the size of the first");
    assert_eq!(video.frame_rate_ratio, Some(Ratio { num: 25, den: 1 }), "its rate");
    assert!(!video.variable_frame_rate);
    // 2 s, 1.5 s, 1 s (30 frames of 1001/30000 s) and 0.5 s.
    assert_eq!(video.frames, Some(125));
    let dark_green = [0, 128, 0];
    for (at, colour) in [
        ("0.1", [254, 0, 0]),
        ("1.9", [254, 0, 0]),
        ("2.1", [0, 0, 254]),
        ("3.4", [0, 0, 254]),
        ("3.6", dark_green),
        ("4.4", dark_green),
        ("4.6", [254, 0, 0]),
        ("4.9", [254, 0, 0]),
    ] {
        let found = colour_at(&trial, at);
        assert!(is_near(found, colour), "{at}: {found:?} instead of {colour:?}");
    }
    let heard = samples(&trial.path("out.mp4"), 1);
    assert_eq!(trial.made.media().audio[0].channels, 2);
    for (at, expected) in
        [(0.5, [0.5, 0.0]), (2.2, [0.0, 0.0]), (3.3, [0.0, 0.0]), (3.8, [0.0, 0.35]), (4.7, [0.5, 0.0])]
    {
        let found = tones_at(&heard, at);
        let near = found.iter().zip(expected).all(|(found, expected): (&f64, f64)| (found - expected).abs() < 0.05);
        assert!(near, "{at}: {found:?} instead of {expected:?}");
    }
    let ends = ["v", "a"].map(|kind| trial.ffprobe("out.mp4", kind, "stream=duration")[0].parse::<f64>().unwrap());
    assert!((ends[0] - ends[1]).abs() < 0.04, "{ends:?}");
}

#[test]
fn an_opening_and_a_tail_stand_around_the_part_asked_for() {
    // Grey that brightens by 4 levels a frame.
    let film = lavfi(
        &["nullsrc=d=2:r=25:s=64x64,format=gray,geq=lum='40+4*N'", "sine=d=2:r=48000"],
        &["-pix_fmt", "yuv420p", "-qp", "1", "-c:a", "pcm_s16le"],
        "a.mov",
    );
    let black =
        lavfi(&["color=black:d=1:r=25:s=64x64", "anullsrc=d=1:r=48000"], &["-shortest", "-c:a", "aac"], "b.mp4");
    let white = lavfi(&["color=white:d=1:r=25:s=64x64"], &[], "c.mp4");
    let output = with(|media| {
        media.parts = vec![part(1), clipped(0, 0.4, 0.8), part(2)];
        media.video = Some(Video::Encode(VideoEncode { tune: None, ..encoded() }));
    });
    let trial = Trial::with(&[&*film, &*black, &*white], &[output]);
    let raw = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(trial.path("out.mp4"))
        .args(["-vf", "scale=1:1:flags=area", "-f", "rawvideo", "-pix_fmt", "gray", "-"])
        .output()
        .unwrap();
    let levels = raw.stdout;
    assert_eq!(levels.len(), 25 + 20 + 25);
    assert!(
        levels[..25].iter().all(|&level| level < 24) && levels[45..].iter().all(|&level| level > 225),
        "{levels:?}"
    );
    // Frames 10 to 29, each of them, in order.
    for (n, &level) in (10_u8..).zip(&levels[25..45]) {
        assert!(level.abs_diff(40 + 4 * n) < 6, "frame {n}: {level}: {levels:?}");
    }
}

#[test]
fn field_case_13_of_several_tracks_one_goes_through_parts_and_the_others_are_named() {
    // 440 Hz in English, 1 kHz in German; a tail with 1 kHz alone.
    let tone = |hertz: u32| format!("aevalsrc='0.5*sin({hertz}*2*PI*t)':d=1:s=48000");
    let (low, high) = (tone(440), tone(1_000));
    let film = lavfi(
        &["color=red:s=64x64:r=25:d=1", &low, &high],
        &["-map", "0", "-map", "1", "-map", "2", "-metadata:s:a:1", "language=ger", "-c:a", "aac"],
        "a.mkv",
    );
    let tail = lavfi(&["color=blue:s=64x64:r=25:d=1", &high], &["-c:a", "aac"], "b.mp4");
    let made = |tracks| {
        let output = with(|media| {
            media.parts = vec![part(0), part(1)];
            media.audio = Some(Audio::Encode(AudioEncode { tracks, ..aac() }));
        });
        Trial::with(&[&*film, &*tail], &[output])
    };
    let all = made(Tracks::All);
    assert_eq!(all.made.warnings().iter().map(|(code, _)| *code).collect::<Vec<_>>(), ["MEDIA0103"]);
    for (tracks, first) in
        [(Tracks::Main, 0), (Tracks::Index(0), 0), (Tracks::Index(1), 1), (Tracks::Language("de".into()), 1)]
    {
        let trial = made(tracks.clone());
        let heard = samples(&trial.path("out.mp4"), 0);
        let (before, after) = (tones_at(&heard, 0.5), tones_at(&heard, 1.5));
        assert!(before[first] > 0.4 && before[1 - first] < 0.1 && after[1] > 0.4, "{tracks:?}: {before:?} {after:?}");
        assert!(trial.made.warnings().is_empty(), "{tracks:?}: {:?}", trial.made.warnings());
    }
    let none = made(Tracks::Index(9));
    let failure = none.made.failure();
    assert!(failure.code == "MEDIA0017" && failure.message.contains("the source has 2"), "{failure}");
}

#[test]
fn a_seam_of_sound_loses_no_sample() {
    // A tone cut into three parts goes on in phase when they are put together.
    let whole = lavfi(&["aevalsrc='0.5*sin(1000*2*PI*t)':d=3:s=48000"], &["-c:a", "flac"], "a.flac");
    let output = with(|media| {
        media.container = Container::Flac;
        media.video = None;
        media.audio = Some(Audio::Encode(AudioEncode { codec: AudioCodec::Flac, bitrate_bps: None, ..aac() }));
        media.parts = vec![clipped(0, 0.0, 1.237), clipped(1, 1.237, 0.4), clipped(1, 1.637, 1.363)];
    });
    let trial = Trial::with(&[&*whole, &*whole], &[output]);
    let (before, after) = (samples(&whole, 0), samples(&trial.path("out.mp4"), 0));
    assert_eq!(after.len(), before.len());
    let worst = before.iter().zip(&after).fold(0.0_f32, |worst, (a, b)| worst.max((a - b).abs()));
    assert!(worst < 0.001, "{worst}");
}

#[test]
fn a_hundred_parts_are_put_together() {
    let short = lavfi(&["testsrc2=d=0.2:r=25:s=64x64", "sine=d=0.2:r=48000"], &["-c:a", "pcm_s16le"], "a.mov");
    let parts: Vec<Part> = (0..100).map(part).collect();
    let inputs = vec![&*short; 100];
    let trial = Trial::with(&inputs, &[merged(&parts)]);
    assert_eq!(trial.made.media().video[0].frames, Some(500));
    assert_eq!(trial.ffprobe("out.mp4", "a", "stream=duration"), ["20.000000"]);
}

#[test]
fn a_part_without_a_picture_is_black_and_the_whole_has_one_loudness() {
    let film = lavfi(
        &["color=red:d=3:r=10:s=64x64", "aevalsrc='0.02*sin(500*2*PI*t)':d=3:s=48000"],
        &["-c:a", "aac"],
        "a.mp4",
    );
    let speech = lavfi(&["aevalsrc='0.3*sin(500*2*PI*t)':d=3:s=48000"], &["-c:a", "flac"], "b.flac");
    let output = with(|media| {
        media.parts = vec![part(0), part(1)];
        let level = target(-16.0, None, LoudnessMethod::Auto);
        media.audio = Some(Audio::Encode(AudioEncode { level, ..aac() }));
    });
    let trial = Trial::with(&[&*film, &*speech], &[output]);
    assert_eq!(trial.made.media().video[0].frames, Some(60));
    assert!(is_near(colour_at(&trial, "1.5"), [254, 0, 0]) && is_near(colour_at(&trial, "4.5"), [0, 0, 0]));
    let (integrated, _, _) = loudness(&trial.path("out.mp4"));
    assert!((integrated + 16.0).abs() <= 0.5, "{integrated}");
}

#[test]
fn a_part_that_cannot_be_used_is_named() {
    let film = lavfi(&["testsrc2=d=1:s=64x64"], &[], "a.mp4");
    let junk = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/media/nonmedia/random.mp4");
    let failure = Trial::with(&[&*film, &junk], &[merged(&[part(0), part(1)])]).made.failure().clone();
    assert_eq!(failure.code, "MEDIA0031");
    assert!(failure.message.contains("input 1"), "{failure}");
    let late = Trial::with(&[&*film], &[merged(&[part(0), clipped(0, 50.0, 1.0)])]).made.failure().clone();
    assert_eq!(late.code, "MEDIA0023", "{late}");
}

/// Levels of grey of the frames of a file.
fn levels(path: &Path) -> Vec<u8> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-fps_mode", "passthrough", "-vf", "scale=1:1:flags=area", "-f", "rawvideo", "-pix_fmt", "gray", "-"])
        .output()
        .unwrap();
    output.stdout
}

#[test]
fn a_clip_holds_the_frames_and_samples_asked_for_and_no_others() {
    // Grey that brightens by 2 levels a frame, with long groups of pictures and B frames; a tone that rises.
    let film = lavfi(
        &[
            "nullsrc=d=3.3:r=30000/1001:s=64x64,format=gray,geq=lum='30+2*N'",
            "aevalsrc='0.5*sin(2*PI*(300+200*t)*t)':d=3.3:s=48000",
        ],
        &["-pix_fmt", "yuv420p", "-g", "300", "-bf", "3", "-qp", "1", "-c:a", "pcm_s16le"],
        "a.mov",
    );
    let whole = samples(&film, 0);
    let frame_s = 1_001.0 / 30_000.0;
    for (start_s, duration_s) in [(0.0, 0.5), (1.0, 1.0), (1.234, 0.777), (2.9, 5.0)] {
        let output = with(|media| {
            media.container = Container::Mov;
            media.clip = Some(Clip { start_s, duration_s: Some(duration_s) });
            media.audio =
                Some(Audio::Encode(AudioEncode { codec: AudioCodec::Mp3, bitrate_bps: Some(320_000), ..aac() }));
        });
        let trial = Trial::new(&film, &[output]);
        let found = levels(&trial.path("out.mp4"));
        let expected: Vec<u8> = (0_u8..99)
            .filter(|&n| {
                let time = f64::from(n) * frame_s;
                time >= start_s - 0.001 && time < start_s + duration_s - 0.001
            })
            .map(|n| 30 + 2 * n)
            .collect();
        assert_eq!(found.len(), expected.len(), "{start_s} {duration_s}");
        for (found, expected) in found.iter().zip(&expected) {
            assert!(found.abs_diff(*expected) <= 2, "{start_s} {duration_s}: {found} instead of {expected}");
        }
        // The sound of the same part: at no other shift do the samples agree as well.
        let heard = samples(&trial.path("out.mp4"), 0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a moment of a test")]
        let from = (start_s * 48_000.0).round() as usize;
        let error = |shift: usize| -> f32 {
            let source = &whole[from + 4_800 + shift - 10..];
            heard[4_800..9_600].iter().zip(source).map(|(a, b)| (a - b).abs()).sum()
        };
        let best = (0..=20).min_by(|&a, &b| error(a).total_cmp(&error(b))).unwrap();
        assert_eq!(best, 10, "{start_s}: sound is off by {} samples", i64::try_from(best).unwrap() - 10);
    }
}
