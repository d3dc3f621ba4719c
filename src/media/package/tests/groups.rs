//! Sound and subtitles to choose from.

use m3u8_rs::{AlternativeMedia, AlternativeMediaType};
use reelmill::model::work::SubtitleFile;

use super::*;

const TWO_TONES: [&str; 8] =
    ["-f", "lavfi", "-i", "sine=f=440:d=10:r=48000", "-f", "lavfi", "-i", "sine=f=880:d=10:r=48000"];
const LANGUAGES: [&str; 12] = [
    "-c:a",
    "aac",
    "-metadata:s:a:0",
    "language=eng",
    "-metadata:s:a:1",
    "language=ger",
    "-disposition:a:1",
    "0",
    "-disposition:a:0",
    "default",
    "-b:a",
    "96k",
];

fn of(master: &MasterPlaylist, kind: &AlternativeMediaType) -> Vec<AlternativeMedia> {
    master.alternatives.iter().filter(|media| media.media_type == *kind).cloned().collect()
}

#[test]
fn several_languages_become_a_group_that_every_picture_is_heard_with() {
    let folder = tempfile::tempdir().unwrap();
    let maps = ["-map", "0:v", "-map", "1:a", "-map", "2:a", "-shortest"];
    let large = clip(&[&PICTURE, &TWO_TONES, &maps, &KEYS, &LANGUAGES], "large.mp4");
    let small = clip(&[&PICTURE, &TWO_TONES, &maps, &KEYS, &["-s", "160x90"], &LANGUAGES], "small.mp4");
    let (produced, warnings) = packaged(&[&large, &small], folder.path(), 4.0);
    produced.unwrap();
    assert!(warnings.is_empty(), "{warnings:?}");
    let master = master(folder.path());
    let sounds = of(&master, &AlternativeMediaType::Audio);
    let said: Vec<_> = sounds
        .iter()
        .map(|sound| (sound.name.as_str(), sound.language.as_deref().unwrap(), sound.default, sound.autoselect))
        .collect();
    assert_eq!(said, [("English", "en", true, true), ("Deutsch", "de", false, true)]);
    assert!(sounds.iter().all(|sound| sound.channels.as_deref() == Some("1") && sound.group_id == "audio-1"));
    assert_eq!(sounds[1].uri.as_deref(), Some("rung-0/audio2-index.m3u8"), "the same sound is taken once");
    assert!(!folder.path().join("rung-1/audio-index.m3u8").exists());
    for variant in &master.variants {
        assert_eq!(variant.audio.as_deref(), Some("audio-1"));
        assert!(variant.codecs.as_deref().unwrap().ends_with(",mp4a.40.2"), "{:?}", variant.codecs);
    }
    assert_eq!(play(&folder.path().join("rung-1/video-index.m3u8")), 250);
    // Tones of other heights: each is what it says.
    for (playlist, hz) in [("rung-0/audio-index.m3u8", 440.0), ("rung-0/audio2-index.m3u8", 880.0)] {
        let playlist = folder.path().join(playlist);
        let media = media_at(&playlist);
        assert_eq!((media.segments.len(), media.target_duration), (3, 4), "cut where the picture is");
        assert!((media.segments[0].duration - 4.0).abs() < 0.03, "{}", media.segments[0].duration);
        assert!((pitch(&playlist) - hz).abs() < 5.0, "{} {hz}", pitch(&playlist));
    }
    let (video, audio) = (
        packet_times(&folder.path().join("rung-0/video-index.m3u8"), "v"),
        packet_times(&folder.path().join("rung-0/audio-index.m3u8"), "a"),
    );
    assert!((video[0] - audio[0]).abs() < 0.03, "{} {}", video[0], audio[0]);
}

/// A film with these codecs and languages of sound, and their titles.
fn film(sounds: &[(&str, &str, &str)], picture: bool, name: &str) -> Clip {
    let mut arguments: Vec<String> = Vec::new();
    let mut add = |parts: &[&str]| arguments.extend(parts.iter().map(|part| (*part).to_owned()));
    add(&PICTURE);
    for number in 1..=sounds.len() {
        add(&["-f", "lavfi", "-i", &format!("sine=f={}:d=10:r=48000", 330 * number)]);
    }
    if picture {
        add(&["-map", "0"]);
        add(&KEYS);
    }
    for (number, (codec, language, title)) in sounds.iter().enumerate() {
        add(&["-map", &(number + 1).to_string(), &format!("-c:a:{number}"), codec]);
        add(&[&format!("-metadata:s:a:{number}"), &format!("language={language}")]);
        add(&[&format!("-metadata:s:a:{number}"), &format!("handler_name={title}")]);
        add(&[&format!("-metadata:s:a:{number}"), &format!("title={title}")]);
    }
    generate(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), name)
}

/// For each variant its group of sounds, its codecs of sound, and the names in the group.
fn heard(master: &MasterPlaylist) -> Vec<(String, String, Vec<String>)> {
    let sounds = of(master, &AlternativeMediaType::Audio);
    let of = |variant: &m3u8_rs::VariantStream| {
        let group = variant.audio.clone().unwrap();
        let codecs = variant.codecs.as_deref().unwrap().split(',').filter(|codec| !codec.starts_with("avc1"));
        let names = sounds.iter().filter(|sound| sound.group_id == group).map(|sound| sound.name.clone()).collect();
        (group, codecs.collect::<Vec<_>>().join(","), names)
    };
    master.variants.iter().map(of).collect()
}

#[test]
fn player_fault_3_each_encoding_of_a_language_has_a_group_and_a_variant_of_its_own() {
    for titles in [["", ""], ["Stereo", "Surround"]] {
        let folder = tempfile::tempdir().unwrap();
        let source = film(&[("aac", "eng", titles[0]), ("ac3", "eng", titles[1])], true, "a.mkv");
        let (produced, warnings) = packaged(&[&source], folder.path(), 4.0);
        produced.unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
        let english = |group: &str, codec: &str| (group.to_owned(), codec.to_owned(), vec!["English".to_owned()]);
        assert_eq!(
            heard(&master(folder.path())),
            [english("audio-1", "mp4a.40.2"), english("audio-2", "ac-3")],
            "{titles:?}"
        );
        let sounds = of(&master(folder.path()), &AlternativeMediaType::Audio);
        assert!(sounds.iter().all(|sound| sound.default && sound.language.as_deref() == Some("en")), "{sounds:?}");
        assert_eq!(play(&folder.path().join("master.m3u8")), 250);
    }
}

#[test]
fn player_fault_3_a_language_in_one_encoding_alone_spoils_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let source = film(&[("aac", "eng", ""), ("aac", "deu", ""), ("ac3", "eng", ""), ("ac3", "fra", "")], true, "a.mkv");
    let (produced, warnings) = packaged(&[&source], folder.path(), 4.0);
    produced.unwrap();
    assert_eq!(warnings, ["MEDIA0136"; 2], "German and French");
    let found = heard(&master(folder.path()));
    let names = |place: usize| found[place].2.iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!((found.len(), names(0), names(1)), (2, vec!["English", "Deutsch"], vec!["English", "Français"]));
    assert_eq!((found[0].1.as_str(), found[1].1.as_str()), ("mp4a.40.2", "ac-3"));
}

#[test]
fn player_fault_4_sound_alone_in_two_languages_is_one_variant_with_a_choice() {
    let both = film(&[("aac", "eng", ""), ("aac", "deu", "")], false, "both.m4a");
    let (one, other) = (film(&[("aac", "eng", "")], false, "en.m4a"), film(&[("aac", "deu", "")], false, "de.m4a"));
    for (clips, second) in [(vec![&both], "rung-0/audio2-index.m3u8"), (vec![&one, &other], "rung-1/audio-index.m3u8")]
    {
        for segments in [SegmentFormat::Fmp4, SegmentFormat::Ts] {
            let folder = tempfile::tempdir().unwrap();
            let package = Package { segments, ..package(clips.len()) };
            let (produced, warnings) = packaged_as(&clips, folder.path(), &package);
            produced.unwrap();
            assert!(warnings.is_empty(), "{warnings:?}");
            let master = master(folder.path());
            let [variant] = &master.variants[..] else { panic!("{master:?}") };
            assert_eq!((variant.uri.as_str(), variant.audio.as_deref()), ("rung-0/audio-index.m3u8", Some("audio-1")));
            let sounds = of(&master, &AlternativeMediaType::Audio);
            let said: Vec<_> = sounds.iter().map(|s| (s.name.as_str(), s.default, s.uri.as_deref().unwrap())).collect();
            assert_eq!(said, [("English", true, "rung-0/audio-index.m3u8"), ("Deutsch", false, second)]);
            // As much as the larger of the two, not as both.
            let sizes = media_at(&folder.path().join("rung-0/audio-index.m3u8")).segments;
            let of = |uri: &str| std::fs::metadata(folder.path().join("rung-0").join(uri)).unwrap().len();
            let most = sizes.iter().map(|s| of(&s.uri) * 8 / 4).max().unwrap();
            assert!(variant.bandwidth < most * 3 / 2, "{} {most}", variant.bandwidth);
        }
    }
}

#[test]
fn player_fault_4_one_sound_at_several_rates_stays_a_ladder() {
    let folder = tempfile::tempdir().unwrap();
    let rungs = ["128k", "64k"]
        .map(|rate| clip(&[&TONE, &["-c:a", "aac", "-b:a", rate, "-metadata:s:a:0", "language=eng"]], "a.m4a"));
    packaged(&[&rungs[0], &rungs[1]], folder.path(), 4.0).0.unwrap();
    let master = master(folder.path());
    assert!(master.alternatives.is_empty() && master.variants.iter().all(|variant| variant.audio.is_none()));
    assert_eq!(master.variants.len(), 2);
}

/// Pitch of a tone, by its zero crossings.
fn pitch(media: &Path) -> f64 {
    let arguments = ["-v", "error", "-allowed_extensions", "ALL", "-i"];
    let raw = ["-t", "2", "-ac", "1", "-ar", "8000", "-f", "s16le", "-"];
    let output = Command::new("ffmpeg").args(arguments).arg(media).args(raw).output().unwrap();
    let samples: Vec<i16> = output.stdout.chunks_exact(2).map(|b| i16::from_le_bytes([b[0], b[1]])).collect();
    let rises = samples.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count();
    f64::from(u32::try_from(rises).unwrap()) / (f64::from(u32::try_from(samples.len()).unwrap()) / 8000.0)
}

#[test]
fn pictures_and_sound_of_different_activities_meet() {
    let folder = tempfile::tempdir().unwrap();
    let picture = clip(&[&PICTURE, &KEYS], "picture.mp4");
    let sound = clip(&[&TONE, &["-c:a", "aac", "-metadata:s:a:0", "language=fra"]], "sound.m4a");
    for segments in [SegmentFormat::Fmp4, SegmentFormat::Ts] {
        let (produced, warnings) = packaged_as(&[&picture, &sound], folder.path(), &Package { segments, ..package(2) });
        produced.unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
        let master = master(folder.path());
        assert_eq!(master.variants.len(), 1);
        let sounds = of(&master, &AlternativeMediaType::Audio);
        assert_eq!((sounds[0].name.as_str(), sounds[0].uri.as_deref()), ("Français", Some("rung-1/audio-index.m3u8")));
        let of = |list: &str, kind| packet_times(&folder.path().join(list), kind)[0];
        let (video, audio) = (of("rung-0/video-index.m3u8", "v"), of("rung-1/audio-index.m3u8", "a"));
        assert!((video - audio).abs() < 0.03, "{segments:?}: {video} {audio}");
    }
}

const SRT: &str = "1\n00:00:01,000 --> 00:00:03,500\nHello <i>there</i>\n\n2\n00:00:03,900 --> 00:00:05,000\nBye\n";

#[test]
fn subtitles_come_from_renditions_and_from_files() {
    let texts = tempfile::tempdir().unwrap();
    let srt = texts.path().join("en.srt");
    std::fs::write(&srt, SRT).unwrap();
    let subtitled = |name| {
        let parts: [&[&str]; 5] = [
            &PICTURE,
            &["-i", srt.to_str().unwrap()],
            &KEYS,
            &["-map", "0", "-map", "1", "-c:s", "mov_text", "-metadata:s:s:0", "language=eng"],
            &["-disposition:s:0", "default"],
        ];
        clip(&parts, name)
    };
    let (one, other) = (subtitled("one.mp4"), subtitled("other.mp4"));
    let file =
        SubtitleFile { input: 2, language: Some("de".into()), name: None, default: false, forced: true, charset: None };
    let package = Package { mpd: Some("manifest.mpd".into()), subtitles: vec![file], ..package(2) };
    let folder = tempfile::tempdir().unwrap();
    let sources = [source_of(&one), source_of(&other), source_of(&srt)];
    let files = run(&sources, &package, folder.path(), &|_| {}).unwrap().files;
    assert!(files.iter().all(|file| package.makes(&file.file)), "{files:?}");

    let texts = of(&master(folder.path()), &AlternativeMediaType::Subtitles);
    let said: Vec<_> =
        texts.iter().map(|t| (t.name.as_str(), t.language.as_deref().unwrap(), t.default, t.forced)).collect();
    assert_eq!(said, [("English", "en", true, false), ("Deutsch", "de", false, true)]);
    assert_eq!(master(folder.path()).variants[0].subtitles.as_deref(), Some("subtitles"));
    let media = media_at(&folder.path().join(texts[0].uri.as_ref().unwrap()));
    assert_eq!(media.segments.len(), 3);
    let text = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let (first, second) = (text("rung-0/text1-seg-00001.vtt"), text("rung-0/text1-seg-00002.vtt"));
    assert!(first.starts_with("WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n\n"), "{first}");
    assert!(first.contains("00:00:01.000 --> 00:00:03.500\nHello <i>there</i>\n"), "{first}");
    assert!(first.contains("Bye") && second.contains("00:00:03.900 --> 00:00:05.000\nBye"), "{second}");
    assert_eq!(text("rung-0/text1-seg-00003.vtt"), "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n");

    // An independent reader of WebVTT finds both texts in the whole file.
    let arguments = ["-v", "error", "-show_entries", "packet=pts_time,duration_time", "-of", "csv=p=0"];
    let probed = Command::new("ffprobe").args(arguments).arg(folder.path().join("subtitles/text1-whole.vtt")).output();
    let probed = String::from_utf8(probed.unwrap().stdout).unwrap();
    let lines: Vec<&str> = probed.lines().map(|line| line.trim_end_matches(',')).collect();
    assert_eq!(lines, ["1.000000,2.500000", "3.900000,1.100000"]);
    assert!(text("manifest.mpd").contains("mimeType=\"text/vtt\" lang=\"de\""));
}

#[test]
fn files_of_subtitles_that_are_none_fail_with_a_code() {
    let folder = tempfile::tempdir().unwrap();
    let picture = clip(&[&PICTURE, &KEYS], "picture.mp4");
    let file = SubtitleFile { input: 1, language: None, name: None, default: false, forced: false, charset: None };
    let package = Package { subtitles: vec![file], ..package(1) };
    for bytes in [&b""[..], b"no subtitles at all", &[0; 100]] {
        let path = folder.path().join("bad.srt");
        std::fs::write(&path, bytes).unwrap();
        let sources = [source_of(&picture), source_of(&path)];
        assert_eq!(run(&sources, &package, folder.path(), &|_| {}).unwrap_err().code(), "MEDIA0017", "{bytes:?}");
    }
}
