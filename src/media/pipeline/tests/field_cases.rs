//! Faults that users of comparable systems met, by their row in the acceptance list.

use super::*;

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
    let warnings = |language: &str| {
        let trial = Trial::new(&clip, &[take(Tracks::Language(language.into()), Container::Mkv)]);
        trial.made.warnings().iter().map(|(code, _)| (*code).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!((warnings("de"), warnings("fr")), (vec![], vec!["MEDIA0114".to_owned()]));
}

#[test]
fn field_case_13_languages_are_kept_in_every_container() {
    let known = ["eng", "fra", "deu", "nld", "zho", "ell", "isl", "ron", "ces", "slk", "swe", "hrv"];
    let tone = "sine=d=0.2";
    let mut arguments = vec!["-f", "lavfi", "-i", tone, "-c:a", "aac"];
    let labels: Vec<_> =
        known.iter().enumerate().map(|(n, code)| (format!("-metadata:s:a:{n}"), format!("language={code}"))).collect();
    for (key, value) in &labels {
        arguments.extend(["-map", "0:a", key, value]);
    }
    let clip = generate(&arguments, "a.mp4");
    for container in [Container::Mp4, Container::Mov, Container::Mkv, Container::Ts] {
        let copy = with(|media| {
            media.container = container;
            media.audio = Some(Audio::Copy { tracks: Tracks::All });
        });
        let trial = Trial::new(&clip, &[copy]);
        let found: Vec<_> = trial.made.media().audio.iter().map(|a| a.language.clone().unwrap_or_default()).collect();
        let same = found.len() == known.len() && found.iter().zip(known).all(|(a, b)| crate::language::same(a, b));
        assert!(same, "{container:?}: {found:?}");
    }
}

#[test]
fn field_case_13_a_container_of_one_audio_track_refuses_several() {
    let clip = lavfi(
        &["testsrc2=d=1:s=64x64", "sine=d=1", "sine=f=880:d=1"],
        &["-map", "0", "-map", "1", "-map", "2", "-c:a", "aac"],
        "a.mkv",
    );
    let flv = |audio| {
        let output = with(|media| (media.container, media.audio) = (Container::Flv, Some(audio)));
        Trial::new(&clip, &[output])
    };
    let all = flv(Audio::Copy { tracks: Tracks::All });
    let failure = all.made.failure();
    assert_eq!((failure.code.as_str(), failure.message.contains("one audio stream, not 2")), ("MEDIA0017", true));
    assert_eq!(flv(Audio::Copy { tracks: Tracks::Main }).made.media().audio.len(), 1);
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
