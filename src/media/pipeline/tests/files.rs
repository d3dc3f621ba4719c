//! What files are made of: clips, copies, sound.

use reelmill::model::work::VideoCodec;

use super::*;

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
fn a_constant_rate_has_as_many_frames_as_the_command_makes_of_it() {
    let even = lavfi(&["testsrc2=d=2:r=25:s=64x64"], &[], "even.mp4");
    let coarse = lavfi(&["testsrc2=d=2:r=24000/1001:s=64x64"], &[], "coarse.mkv");
    let fields = lavfi(&["testsrc2=d=2:r=25:s=64x64"], &["-flags", "+ildct+ilme", "-c:v", "mpeg2video"], "fields.ts");
    let vary = "testsrc2=d=2:r=25:s=64x64,select='lt(n,10)+not(mod(n,4))'";
    let uneven = lavfi(&[vary], &["-fps_mode", "vfr", "-bf", "0"], "uneven.mp4");
    for clip in [&even, &coarse, &fields, &uneven] {
        for rate in [12, 25, 30, 50] {
            let encode = VideoEncode { frame_rate: FrameRate::Fixed(Ratio { num: rate, den: 1 }), ..encoded() };
            let made = Trial::new(clip, &[media_output("out.mp4", encode)]).made.media().video[0].frames.unwrap();
            let filter = format!("fps={rate}");
            let output = Command::new("ffmpeg")
                .args(["-v", "error", "-i"])
                .arg(&**clip)
                .args(["-vf", &filter, "-fps_mode", "passthrough", "-f", "framecrc", "-"])
                .output()
                .unwrap();
            let lines = String::from_utf8(output.stdout).unwrap();
            let frames = lines.lines().filter(|line| !line.starts_with('#')).count();
            assert_eq!(made, frames as u64, "{} at {rate}", clip.display());
        }
    }
    let part = with(|media| {
        media.clip = Some(Clip { start_s: 0.5, duration_s: Some(1.0) });
        let frame_rate = FrameRate::Fixed(Ratio { num: 30, den: 1 });
        media.video = Some(Video::Encode(VideoEncode { frame_rate, ..encoded() }));
    });
    assert_eq!(Trial::new(&uneven, &[part]).made.media().video[0].frames, Some(30));
}

#[test]
fn containers_know_the_rate_of_an_even_source() {
    // Matroska's milliseconds make 30.3 frames per second of 30, and pictures of MJPEG do not say it themselves.
    let clip = lavfi(&["testsrc2=d=1:r=30:s=64x64"], &[], "a.mp4");
    let mut output = media_output("out.mkv", VideoEncode { codec: VideoCodec::Mjpeg, ..encoded() });
    if let Output::Media(media) = &mut output {
        media.container = Container::Mkv;
    }
    let trial = Trial::new(&clip, &[output]);
    assert_eq!(trial.ffprobe("out.mkv", "v", "stream=avg_frame_rate"), ["30/1"]);
}

#[test]
fn clips_are_exact() {
    let clip = lavfi(&["testsrc2=d=8:r=25:s=64x64", "sine=d=8"], &["-g", "100", "-c:a", "aac"], "a.mp4");
    let cut = with(|media| media.clip = Some(Clip { start_s: 5.0, duration_s: Some(1.5) }));
    let trial = Trial::new(&clip, &[cut]);
    let media = trial.made.media();
    assert_eq!(media.video[0].frames, Some(38));
    assert!((media.audio[0].duration_s.unwrap() - 1.5).abs() < 0.03, "{:?}", media.audio[0].duration_s);
    // Its last frame is cut short, and the rate is that of the others.
    let between = with(|media| media.clip = Some(Clip { start_s: 1.01, duration_s: Some(2.49) }));
    let media = Trial::new(&clip, &[between]).made.media().clone();
    assert_eq!((media.video[0].frames, media.video[0].frame_rate_ratio), (Some(62), Some(Ratio { num: 25, den: 1 })));
    let late = with(|media| media.clip = Some(Clip { start_s: 50.0, duration_s: None }));
    assert_eq!(Trial::new(&clip, &[late]).made.failure().code, "MEDIA0023");
}

#[test]
fn player_fault_1_a_picture_that_begins_late_is_repeated_from_the_start() {
    for name in ["late.mp4", "late.mkv", "late.ts"] {
        let film = ["-itsoffset", "0.6", "-f", "lavfi", "-i", "testsrc2=d=2:r=25:s=320x180", "-f", "lavfi", "-i"];
        let tone = ["sine=d=2.6:r=48000", "-fps_mode", "passthrough", "-c:v", "libx264", "-c:a", "aac"];
        let clip = generate(&[&film[..], &tone, &["-pix_fmt", "yuv420p"]].concat(), name);
        let fixed = with(|media| {
            let frame_rate = FrameRate::Fixed(Ratio { num: 25, den: 1 });
            media.file = "fixed.mp4".into();
            media.video = Some(Video::Encode(VideoEncode { frame_rate, ..encoded() }));
        });
        let trial = Trial::new(&clip, &[with(|media| media.audio = Some(Audio::Encode(aac()))), fixed]);
        for file in ["out.mp4", "fixed.mp4"] {
            let times = trial.times(file, "v");
            assert!(times[0].abs() < 0.041 && times.len().abs_diff(65) <= 1, "{name}: {file}: {times:?}");
            let even = times.windows(2).all(|pair| (pair[1] - pair[0] - 0.04).abs() < 0.002);
            assert!(even, "{name}: {file}: {times:?}");
            assert!((times.last().unwrap() - 2.56).abs() < 0.05, "{name}: {file}: {times:?}");
        }
    }
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

#[test]
fn clips_of_copies_start_at_the_keyframe_before_and_stay_in_step() {
    let clip = lavfi(&["testsrc2=d=8:r=25:s=64x64", "sine=d=8"], &["-g", "50", "-bf", "0", "-c:a", "aac"], "a.mp4");
    let cut = with(|media| {
        media.video = Some(Video::Copy);
        media.audio = Some(Audio::Copy { tracks: Tracks::Main });
        media.clip = Some(Clip { start_s: 5.0, duration_s: Some(1.5) });
    });
    let trial = Trial::new(&clip, &[cut]);
    // From the keyframe at 4 s; what lies before 5 s is hidden by the edit list.
    assert_eq!(trial.times("out.mp4", "v").len(), 63);
    assert!((trial.made.media().format.duration_s.unwrap() - 1.5).abs() < 0.05, "{:?}", trial.made.media().format);
}

#[test]
fn sound_and_picture_stay_in_step_over_a_clip() {
    // A flash and a beep at 6 s.
    let clip = lavfi(
        &[
            "color=black:d=10:r=25:s=64x64,drawbox=color=white:t=fill:enable='between(t,6,6.2)'",
            "sine=d=10,volume=enable='lt(t,6)+gt(t,6.2)':volume=0",
        ],
        &["-g", "250", "-c:a", "aac"],
        "a.mp4",
    );
    let cut = with(|media| media.clip = Some(Clip { start_s: 5.32, duration_s: Some(3.0) }));
    let trial = Trial::new(&clip, &[cut]);
    let detect = ["-vf", "blackdetect=d=0.1", "-af", "silencedetect=n=-40dB:d=0.1", "-f", "null", "-"];
    let output = Command::new("ffmpeg").arg("-i").arg(trial.path("out.mp4")).args(detect).output().unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    let first = |key: &str| -> f64 {
        let rest = log.split(key).nth(1).unwrap();
        rest.split_whitespace().next().unwrap().parse().unwrap()
    };
    let (flash, beep) = (first("black_end:"), first("silence_end: "));
    assert!((flash - 0.68).abs() < 0.021, "flash at {flash}");
    assert!((beep - flash).abs() < 0.04, "flash at {flash}, beep at {beep}");
}

#[test]
fn a_source_that_changes_its_size_keeps_the_first() {
    let small = lavfi(&["testsrc2=d=1:r=25:s=160x120"], &["-c:v", "mpeg2video"], "a.ts");
    let large = lavfi(&["testsrc2=d=1:r=25:s=320x180"], &["-c:v", "mpeg2video"], "b.ts");
    let joined = small.with_file_name("joined.ts");
    std::fs::write(&joined, [std::fs::read(&*small).unwrap(), std::fs::read(&*large).unwrap()].concat()).unwrap();
    let trial = Trial::new(&joined, &[media_output("out.mp4", encoded())]);
    let video = &trial.made.media().video[0];
    assert_eq!((video.width, video.height), (160, 120));
    assert!(video.frames.unwrap() >= 48, "{:?}", video.frames);
}

#[test]
fn a_clip_that_starts_during_a_long_frame_shows_it() {
    let clip = lavfi(&["testsrc2=d=6:r=25:s=64x64,select='not(mod(n,50))'"], &["-fps_mode", "vfr"], "a.mkv");
    let cut = |length| {
        let output = with(|media| media.clip = Some(Clip { start_s: 1.0, duration_s: Some(length) }));
        Trial::new(&clip, &[output]).times("out.mp4", "v")
    };
    let times = cut(2.0);
    assert!(times.len() == 2 && times[0].abs() < 0.002 && (times[1] - 1.0).abs() < 0.002, "{times:?}");
    assert_eq!(cut(0.5).len(), 1);
}

#[test]
fn containers_refuse_what_they_cannot_hold_before_any_work() {
    let clip = lavfi(&["testsrc2=d=1:s=64x64", "sine=d=1"], &["-c:a", "pcm_s16le"], "a.mov");
    let copy = |container| {
        with(|media| {
            media.container = container;
            media.video = Some(Video::Copy);
            media.audio = Some(Audio::Copy { tracks: Tracks::Main });
        })
    };
    let code = |source: &Path, container| Trial::new(source, &[copy(container)]).made.failure().code;
    assert_eq!(code(&clip, Container::Mp4), "MEDIA0012");
    assert_eq!(code(&clip, Container::Ts), "MEDIA0012");
    let film = lavfi(&["testsrc2=d=1:s=64x64", "sine=d=1"], &["-c:a", "aac"], "b.mp4");
    assert_eq!(code(&film, Container::M4a), "MEDIA0012", "its picture");
    assert_eq!(code(&turned(&clip), Container::Mkv), "MEDIA0017");
    let raw = generate(&["-i", clip.to_str().unwrap(), "-c:v", "copy"], "a.h264");
    assert_eq!(code(&raw, Container::Mkv), "MEDIA0005");
}
