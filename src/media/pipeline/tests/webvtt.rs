//! Texts on their way to WebVTT, in files, in segments and drawn: what is shown is what the author wrote, where he put it.

use reelmill::model::work::{BurnIn, Package, SegmentFormat, SubtitleFile};

use super::*;

/// What an author writes into SRT, and what viewers are to see.
const TEXTS: [(&str, &str); 9] = [
    ("if x < 3 and y > 2 then stop", "if x < 3 and y > 2 then stop"),
    ("I <3 you", "I <3 you"),
    ("R&D; AT&T &amp; <i>friends</i>", "R&D; AT&T & friends"),
    ("111 <<", "111 <<"),
    ("go --> there\nand &lt;back&gt;", "go --> there\nand <back>"),
    ("{braces} & 100 %", "{braces} & 100 %"),
    ("1 <2 & 5> 4 end", "1 <2 & 5> 4 end"),
    ("values <10 or 20> are bad", "values <10 or 20> are bad"),
    ("A <3 & B > C <b>bold</b>", "A <3 & B > C bold"),
];

/// The texts as SRT, one a second.
fn srt() -> String {
    let cue =
        |(n, (text, _)): (usize, &(&str, &str))| format!("{}\n00:00:0{n},100 --> 00:00:0{n},900\n{text}\n\n", n + 1);
    TEXTS.iter().enumerate().map(cue).collect()
}

fn file(name: &str, text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

/// Nine seconds of grey with the subtitles of a file, as `codec`.
fn subtitled(text: &Path, codec: &str, name: &str) -> crate::testing::Clip {
    let picture = ["-f", "lavfi", "-i", "color=gray:d=9:r=5:s=320x180", "-i", text.to_str().unwrap()];
    let rest = ["-c:v", if name.ends_with("webm") { "libvpx-vp9" } else { "libx264" }, "-g", "10", "-c:s", codec];
    generate(&[&picture[..], &rest[..], &["-metadata:s:s:0", "language=eng"]].concat(), name)
}

/// A cue as a parser of WebVTT reads it: its times and settings, and the text that is shown.
fn cues(webvtt: &str) -> Vec<(String, String)> {
    assert!(webvtt.starts_with("WEBVTT"), "{webvtt}");
    let blocks = webvtt.split("\n\n").filter(|block| block.contains("-->"));
    let read = |block: &str| {
        let mut lines = block.trim_matches('\n').lines().skip_while(|line| !line.contains("-->"));
        let times = lines.next().unwrap().to_owned();
        let text = lines.collect::<Vec<_>>().join("\n");
        assert!(!text.contains("-->"), "{webvtt}");
        (times, shown(&text))
    };
    blocks.map(read).collect()
}

/// By the tokenizer of WebVTT: tags go, entities are decoded.
fn shown(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['<', '&']) {
        out.push_str(&rest[..at]);
        let from = &rest[at..];
        let entities = [("&lt;", '<'), ("&gt;", '>'), ("&amp;", '&'), ("&nbsp;", '\u{a0}')];
        rest = if from.starts_with('<') {
            from.split_once('>').map_or("", |(_, after)| after)
        } else if let Some((name, c)) = entities.iter().find(|(name, _)| from.starts_with(name)) {
            out.push(*c);
            &from[name.len()..]
        } else {
            out.push('&');
            &from[1..]
        };
    }
    out + rest
}

fn expected() -> Vec<&'static str> {
    TEXTS.iter().map(|(_, shown)| *shown).collect()
}

fn texts(webvtt: &str) -> Vec<String> {
    cues(webvtt).into_iter().map(|(_, text)| text).collect()
}

fn taken_out(container: Container) -> Output {
    with(|media| {
        (media.container, media.video, media.audio) = (container, None, None);
        media.subtitles = Subtitles::Only(Tracks::Main);
    })
}

fn package(subtitles: Vec<SubtitleFile>) -> Package {
    Package {
        master: Some("master.m3u8".into()),
        mpd: Some("manifest.mpd".into()),
        segments: SegmentFormat::Fmp4,
        segment_s: 2.0,
        renditions: vec!["rung".into()],
        separate_audio: false,
        byte_range: false,
        iframe_playlists: false,
        keep_subtitles: true,
        subtitles,
        subtitle_folder: "subtitles".into(),
        encryption: None,
        if_incomplete: reelmill::model::work::IfIncomplete::Warn,
    }
}

fn plain(input: usize) -> SubtitleFile {
    SubtitleFile { input, language: Some("en".into()), name: None, default: false, forced: false, charset: None }
}

/// The whole text of a package in `folder`, and what its segments hold together.
fn packaged(inputs: &[&Path], package: &Package, folder: &str) -> (String, Vec<(String, String)>) {
    let scratch = tempfile::tempdir().unwrap();
    let sources: Vec<_> = inputs.iter().map(|path| source_of(path)).collect();
    crate::package::run(&sources, package, scratch.path(), &|_| {}).unwrap();
    let folder = scratch.path().join(folder);
    let whole = std::fs::read_to_string(folder.join("text1-whole.vtt")).unwrap();
    let mut all = Vec::new();
    for number in 1.. {
        let Ok(segment) = std::fs::read_to_string(folder.join(format!("text1-seg-{number:05}.vtt"))) else { break };
        all.extend(cues(&segment).into_iter().filter(|cue| !all.contains(cue)).collect::<Vec<_>>());
    }
    (whole, all)
}

#[test]
fn field_fault_03_texts_of_srt_survive_in_files_of_webvtt() {
    let (_folder, srt) = file("a.srt", &srt());
    for (codec, name) in [("copy", "a.mkv"), ("ass", "a.mkv"), ("mov_text", "a.mp4")] {
        let clip = subtitled(&srt, codec, name);
        let trial = Trial::new(&clip, &[taken_out(Container::Vtt)]);
        let webvtt = std::fs::read_to_string(trial.path("out.mp4")).unwrap();
        let found = texts(&webvtt);
        let literal = codec == "ass" || codec == "mov_text";
        for (n, (found, expected)) in found.iter().zip(expected()).enumerate() {
            // Where another program made the clip, it left entities and braces as they were, and took texts for tags.
            let kept = literal && (found.contains("&amp;") || found.contains("&lt;") || n >= 5);
            assert!(found == expected || kept, "{codec}: {webvtt}");
        }
        assert_eq!(found.len(), TEXTS.len(), "{codec}: {webvtt}");
        assert!(webvtt.contains("<i>friends</i>"), "{codec}: {webvtt}");
    }
}

#[test]
fn field_fault_03_texts_survive_beside_video_and_in_segments() {
    let (_folder, srt) = file("a.srt", &srt());
    let clip = lavfi(&["color=gray:d=9:r=5:s=320x180"], &["-g", "10"], "a.mp4");
    // From a file of its own, through mov_text and WebM, and by a package.
    for (container, name) in [(Container::Mp4, "mp4"), (Container::Webm, "webm"), (Container::Mkv, "mkv")] {
        let beside = with(|media| {
            (media.container, media.audio) = (container, None);
            if container == Container::Webm {
                media.video = Some(Video::Encode(VideoEncode {
                    codec: reelmill::model::work::VideoCodec::Vp9,
                    preset: None,
                    ..encoded()
                }));
            }
            media.subtitle_files = vec![plain(1)];
        });
        let trial = Trial::with(&[&*clip, &srt], &[beside]);
        let made = trial.path("out.mp4");
        let again = Trial::new(&made, &[taken_out(Container::Vtt)]);
        let webvtt = std::fs::read_to_string(again.path("out.mp4")).unwrap();
        assert_eq!(texts(&webvtt), expected(), "{name}");
        if container == Container::Mp4 {
            let (whole, segments) = packaged(&[&made], &package(Vec::new()), "rung");
            assert_eq!(texts(&whole), expected());
            assert_eq!(segments.into_iter().map(|(_, text)| text).collect::<Vec<_>>(), expected());
        }
    }
    let (whole, segments) = packaged(&[&clip, &srt], &package(vec![plain(1)]), "subtitles");
    assert_eq!(texts(&whole), expected());
    assert_eq!(segments.into_iter().map(|(_, text)| text).collect::<Vec<_>>(), expected());
}

#[test]
fn field_fault_03_entities_are_drawn_as_what_they_mean() {
    let clip = lavfi(&["color=gray:d=1:r=5:s=320x180"], &[], "a.mp4");
    let drawn = |text: &str| {
        let (_folder, srt) = file("a.srt", &format!("1\n00:00:00,000 --> 00:00:01,000\n{text}\n"));
        let trial = Trial::with(&[&*clip, &srt], &[with(|media| media.burn = Some(BurnIn::Input(1)))]);
        trial.grey("out.mp4")
    };
    assert_eq!(drawn("R&amp;D &lt;b"), drawn("R&D <b"));
    assert_ne!(drawn("R&amp;D"), drawn("RD"));
    assert_ne!(drawn("{x}y"), drawn("y"));
}

const PLACED: &str = "WEBVTT - a title\n\nSTYLE\n::cue { color: red }\n\nREGION\nid:fred\n\nNOTE a remark\n\n\
    first\n00:00.500 --> 00:01.500 line:10% position:20% align:start size:50%\n<v Bob>Hi &amp; <i>you</i> &lt;3\n\n\
    00:02.000 --> 00:03.500 region:fred vertical:rl\nUp\n\n00:04.000 --> 00:05.000\nPlain\n";

/// Settings of each cue, and its text.
fn places(webvtt: &str) -> Vec<(String, String)> {
    let after_times = |times: &str| times.split_whitespace().skip(3).collect::<Vec<_>>().join(" ");
    cues(webvtt).into_iter().map(|(times, text)| (after_times(&times), text)).collect()
}

#[test]
fn newcomer_places_of_webvtt_cues_are_kept_in_files_and_in_packages() {
    let wanted: Vec<(String, String)> =
        [("line:10% position:20% align:start size:50%", "Hi & you <3"), ("vertical:rl", "Up"), ("", "Plain")]
            .map(|(settings, text)| (settings.to_owned(), text.to_owned()))
            .to_vec();
    let (_folder, vtt) = file("a.vtt", PLACED);
    let clip = lavfi(&["color=gray:d=6:r=5:s=320x180"], &["-g", "10"], "a.mp4");
    let (whole, segments) = packaged(&[&clip, &vtt], &package(vec![plain(1)]), "subtitles");
    assert_eq!(places(&whole), wanted);
    assert!(whole.contains("<v Bob>Hi &amp; <i>you</i>"), "marks stay: {whole}");
    let cut = |times: &str| times.split_whitespace().skip(3).collect::<Vec<_>>().join(" ");
    let in_segments: Vec<_> = segments.into_iter().map(|(times, text)| (cut(&times), text)).collect();
    assert_eq!(in_segments, wanted);

    let webm = with(|media| {
        (media.container, media.audio) = (Container::Webm, None);
        let codec = reelmill::model::work::VideoCodec::Vp9;
        media.video = Some(Video::Encode(VideoEncode { codec, preset: None, ..encoded() }));
        media.subtitle_files = vec![plain(1)];
    });
    let trial = Trial::with(&[&*clip, &vtt], &[webm]);
    let made = trial.path("out.mp4");
    let webvtt = Trial::new(&made, &[taken_out(Container::Vtt)]);
    assert_eq!(places(&std::fs::read_to_string(webvtt.path("out.mp4")).unwrap()), wanted);
    let part = with(|media| {
        (media.container, media.video, media.audio) = (Container::Vtt, None, None);
        media.subtitles = Subtitles::Only(Tracks::Main);
        media.clip = Some(Clip { start_s: 1.0, duration_s: Some(2.0) });
    });
    let part = Trial::new(&made, &[part]);
    assert_eq!(places(&std::fs::read_to_string(part.path("out.mp4")).unwrap()), wanted[..2]);
}

#[test]
fn newcomer_places_of_ass_become_those_of_webvtt() {
    let ass = "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize, Bold, Italic, Alignment\n\
        Style: Default,Arial,20,0,0,2\nStyle: Sign,Arial,20,0,-1,8\n\n[Events]\n\
        Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n\
        Dialogue: 0,0:00:00.50,0:00:01.50,Default,,0,0,0,,{\\an7}left & high\n\
        Dialogue: 0,0:00:02.00,0:00:03.00,Sign,,0,0,0,,EXIT\n\
        Dialogue: 0,0:00:04.00,0:00:05.00,Default,,0,0,0,,plain\n";
    let (_folder, ass) = file("a.ass", ass);
    let clip = subtitled(&ass, "ass", "a.mkv");
    let trial = Trial::new(&clip, &[taken_out(Container::Vtt)]);
    let webvtt = std::fs::read_to_string(trial.path("out.mp4")).unwrap();
    let wanted = [("line:0 position:0% align:left", "left & high"), ("line:0", "EXIT"), ("", "plain")];
    assert_eq!(places(&webvtt), wanted.map(|(settings, text)| (settings.to_owned(), text.to_owned())));
    assert!(webvtt.contains("<i>EXIT</i>"), "{webvtt}");
}

#[test]
fn newcomer_a_charset_counts_in_files_packages_and_pictures() {
    // Two words of Ukrainian, too few to tell their encoding by.
    let word = b"1\n00:00:00,000 --> 00:00:05,000\n\xaf\xe6\xe0\xea\n";
    let folder = tempfile::tempdir().unwrap();
    let srt = folder.path().join("a.srt");
    std::fs::write(&srt, word).unwrap();
    let (_folder, plain_srt) = file("b.srt", "1\n00:00:00,000 --> 00:00:05,000\nпЖЮЙ\n");
    let clip = lavfi(&["color=gray:d=6:r=5:s=320x180"], &["-g", "10"], "a.mp4");
    let listed = SubtitleFile { charset: Some("koi8-r".into()), ..plain(1) };
    let (whole, _) = packaged(&[&clip, &srt], &package(vec![listed.clone()]), "subtitles");
    let text = texts(&whole).remove(0);
    assert_eq!(text.chars().count(), 4);
    let beside = with(|media| (media.audio, media.subtitle_files) = (None, vec![listed]));
    let trial = Trial::with(&[&*clip, &srt], &[beside]);
    assert!(trial.made.warnings().is_empty(), "{:?}", trial.made.warnings());
    let again = Trial::new(&trial.path("out.mp4"), &[taken_out(Container::Vtt)]);
    assert_eq!(texts(&std::fs::read_to_string(again.path("out.mp4")).unwrap()), std::slice::from_ref(&text));
    std::fs::write(&plain_srt, format!("1\n00:00:00,000 --> 00:00:05,000\n{text}\n")).unwrap();
    let drawn = |path: &Path, burn| Trial::with(&[&*clip, path], &[with(|m| m.burn = Some(burn))]).grey("out.mp4");
    let said = drawn(&srt, BurnIn::File { input: 1, charset: "koi8-r".into() });
    assert_eq!(said, drawn(&plain_srt, BurnIn::Input(1)));
    assert_ne!(said, drawn(&srt, BurnIn::File { input: 1, charset: "windows-1251".into() }));
}
