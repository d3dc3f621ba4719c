//! Subtitles: converted, carried, taken out, from files, and drawn into the picture.

use reelmill::model::work::{BurnIn, SubtitleFile};

use super::*;

const SRT: &str = "1\n00:00:00,500 --> 00:00:01,500\nHello & <i>world</i>\n\n2\n00:00:02,000 --> 00:00:03,000\nGrüße\n";

fn file(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// Four seconds of grey video with English subtitles.
fn subtitled(codec: &str, name: &str) -> crate::testing::Clip {
    let (_folder, srt) = file("a.srt", SRT.as_bytes());
    let inputs = ["-f", "lavfi", "-i", "color=gray:d=4:r=10:s=320x180", "-i", srt.to_str().unwrap()];
    let rest = ["-c:s", codec, "-metadata:s:s:0", "language=eng"];
    generate(&inputs.into_iter().chain(rest).collect::<Vec<_>>(), name)
}

fn taken_out(container: Container) -> Output {
    with(|media| {
        (media.container, media.video, media.audio) = (container, None, None);
        media.subtitles = Subtitles::Only(Tracks::Main);
    })
}

#[test]
fn subtitles_are_taken_out_as_files() {
    let clip = subtitled("mov_text", "a.mp4");
    let text = |container| {
        let trial = Trial::new(&clip, &[taken_out(container)]);
        let made = &trial.made.produced()[0].files[0];
        assert_eq!(made.role, FileRole::Track);
        (std::fs::read_to_string(trial.path("out.mp4")).unwrap(), made.content_type.clone())
    };
    let (srt, kind) = text(Container::Srt);
    assert!(srt.contains("00:00:00,500 --> 00:00:01,500\nHello & <i>world</i>"), "{srt}");
    assert!(srt.contains("00:00:02,000 --> 00:00:03,000\nGrüße"), "{srt}");
    assert_eq!(kind, "application/x-subrip");
    let (vtt, kind) = text(Container::Vtt);
    assert!(vtt.starts_with("WEBVTT") && vtt.contains("00:00.500 --> 00:01.500"), "{vtt}");
    assert_eq!(kind, "text/vtt");
    let (ass, _) = text(Container::Ass);
    assert!(ass.contains("Dialogue: 0,0:00:00.50,0:00:01.50,Default") && ass.contains("{\\i1}world"), "{ass}");
    let (ttml, _) = text(Container::Ttml);
    assert!(ttml.contains("begin=\"00:00:00.500\"") && ttml.contains("Grüße"), "{ttml}");

    let bare = lavfi(&["color=gray:d=1:s=64x64"], &[], "a.mp4");
    assert_eq!(Trial::new(&bare, &[taken_out(Container::Srt)]).made.failure().code, "MEDIA0003");
}

#[test]
fn field_fault_03_empty_lines_do_not_end_a_text_of_srt() {
    let times = "00:00:00,500 --> 00:00:01,500";
    let srt = format!("1\n{times}\nfirst<br><br>second\n\n2\n00:00:02,000 --> 00:00:03,000\n<br>third\n");
    let ass = "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize\n\
        Style: Default,Arial,16\n\n[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, \
        Text\nDialogue: 0,0:00:00.50,0:00:01.50,Default,,0,0,0,,first\\N\\Nsecond\n\
        Dialogue: 0,0:00:02.00,0:00:03.00,Default,,0,0,0,,{\\i1}\\N{\\i0}third\n";
    let clip = lavfi(&["color=gray:d=4:r=10:s=64x64"], &[], "a.mp4");
    for (name, text) in [("a.srt", srt.as_str()), ("a.ass", ass)] {
        let (_folder, path) = file(name, text.as_bytes());
        let listed =
            SubtitleFile { input: 1, language: None, name: None, default: false, forced: false, charset: None };
        for container in [Container::Mkv, Container::Mp4] {
            let output = with(|media| {
                media.container = container;
                media.subtitle_files = vec![listed.clone()];
            });
            let carried = Trial::with(&[&clip, &path], &[output]);
            carried.made.media();
            let trial = Trial::new(&carried.path("out.mp4"), &[taken_out(Container::Srt)]);
            let found = std::fs::read_to_string(trial.path("out.mp4")).unwrap().replace('\r', "");
            let blocks: Vec<&str> = found.trim().split("\n\n").collect();
            assert_eq!(blocks.len(), 2, "{name} {container:?}: {found}");
            assert!(
                blocks[0].contains("first\nsecond") && blocks[1].contains("third"),
                "{name} {container:?}: {found}"
            );
        }
    }
}

#[test]
fn a_clip_cuts_subtitles_to_its_part() {
    let clip = subtitled("subrip", "a.mkv");
    let output = with(|media| {
        media.container = Container::Mkv;
        media.subtitles = Subtitles::Keep;
        media.clip = Some(Clip { start_s: 1.0, duration_s: Some(1.5) });
    });
    let trial = Trial::new(&clip, &[output]);
    let times = trial.ffprobe("out.mp4", "s", "packet=pts_time,duration_time");
    assert_eq!(times, ["0.000000,0.500000", "1.000000,1.000000"]);
}

#[test]
fn files_become_labelled_streams_whatever_their_encoding() {
    let clip = subtitled("subrip", "a.mkv");
    let (_one, vtt) = file("de.vtt", "WEBVTT\n\n00:00.500 --> 00:01.500\nHallo\n".as_bytes());
    let (_two, latin) = file("fr.srt", b"1\n00:00:00,500 --> 00:00:01,500\nD\xe9j\xe0 vu\n");
    let listed = |input, language: &str, forced| SubtitleFile {
        input,
        language: Some(language.into()),
        name: Some("Titel".into()),
        default: false,
        forced,
        charset: None,
    };
    for (container, codecs) in [(Container::Mp4, ["mov_text"; 3]), (Container::Mkv, ["subrip", "webvtt", "subrip"])] {
        let output = with(|media| {
            (media.container, media.subtitles) = (container, Subtitles::Keep);
            media.subtitle_files = vec![listed(1, "de", false), listed(2, "fr", true)];
        });
        let trial = Trial::with(&[&*clip, &vtt, &latin], &[output]);
        let streams = trial.ffprobe("out.mp4", "s", "stream=codec_name:stream_tags=language");
        let names = if container == Container::Mp4 { ["eng", "deu", "fra"] } else { ["eng", "ger", "fre"] };
        let expected: Vec<_> = codecs.iter().zip(names).map(|(codec, name)| format!("{codec},{name}")).collect();
        assert_eq!(streams, expected, "{container:?}");
        let shown = generate(&["-i", trial.path("out.mp4").to_str().unwrap(), "-map", "0:s:2"], "fr.srt");
        assert!(std::fs::read_to_string(&*shown).unwrap().contains("Déjà vu"));
        assert!(trial.made.warnings().iter().any(|(code, _)| *code == "MEDIA0112"), "the encoding was guessed");
        if container == Container::Mkv {
            assert_eq!(trial.ffprobe("out.mp4", "s", "stream_disposition=forced"), ["0", "0", "1"]);
        }
    }
    let junk = with(|media| media.subtitle_files = vec![listed(1, "de", false)]);
    let (_three, noise) = file("x.srt", b"\x00\x01\x02 no subtitles at all");
    assert_eq!(Trial::with(&[&*clip, &noise], &[junk]).made.failure().code, "MEDIA0031");
}

/// The brightest level of the lower third of the picture at a moment.
fn brightest(path: &Path, at: &str) -> u8 {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-ss", at, "-i"])
        .arg(path)
        .args(["-frames:v", "1", "-vf", "crop=iw:ih/3:0:ih*2/3", "-f", "rawvideo", "-pix_fmt", "gray", "-"])
        .output()
        .unwrap();
    output.stdout.into_iter().max().unwrap()
}

fn burnt(burn: BurnIn) -> Output {
    with(|media| media.burn = Some(burn))
}

#[test]
fn subtitles_are_drawn_where_and_when_they_belong() {
    let clip = subtitled("subrip", "a.mkv");
    let (_one, ass) =
        file("a.ass", std::fs::read(&*generate(&["-i", clip.to_str().unwrap()], "b.ass")).unwrap().as_slice());
    let plain = lavfi(&["color=gray:d=4:r=10:s=320x180"], &[], "a.mp4");
    for (what, trial) in [
        ("a stream", Trial::new(&clip, &[burnt(BurnIn::Tracks(Tracks::Main))])),
        ("by language", Trial::new(&clip, &[burnt(BurnIn::Tracks(Tracks::Language("en".into())))])),
        ("a file", Trial::with(&[&*plain, &ass], &[burnt(BurnIn::Input(1))])),
    ] {
        let at = |time| brightest(&trial.path("out.mp4"), time);
        assert!(at("0.2") < 150 && at("1.7") < 150 && at("3.5") < 150, "{what}: nothing is drawn");
        assert!(at("0.8") > 200 && at("2.5") > 200, "{what}: text is drawn: {} {}", at("0.8"), at("2.5"));
        assert_eq!(trial.made.media().subtitles.len(), 0);
    }
    // In a clip they move with the picture; a place with every character that graphs give a meaning is a place.
    let scratch = tempfile::Builder::new().prefix("it's [a] b;c,d:e=\\f").tempdir().unwrap();
    let cut = with(|media| {
        media.burn = Some(BurnIn::Tracks(Tracks::Main));
        media.clip = Some(Clip { start_s: 1.0, duration_s: None });
    });
    let made = run(&[cut], &[source_of(&clip)], scratch.path());
    let trial = Trial { scratch, made };
    assert_eq!(trial.made.produced().len(), 1);
    let at = |time| brightest(&trial.path("out.mp4"), time);
    assert!(at("0.2") > 200 && at("0.7") < 150 && at("1.5") > 200, "{} {} {}", at("0.2"), at("0.7"), at("1.5"));

    let none = Trial::new(&plain, &[burnt(BurnIn::Tracks(Tracks::Main))]);
    assert_eq!(none.made.warnings()[0].0, "MEDIA0102");
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/media").join(name)
}

#[test]
fn field_case_13_real_tracks_and_subtitles_are_kept_and_labelled() {
    let every = with(|media| {
        media.container = Container::Mkv;
        (media.video, media.audio) = (Some(Video::Copy), Some(Audio::Copy { tracks: Tracks::All }));
        media.subtitles = Subtitles::Keep;
    });
    let source = fixture("multitrack/nasa_2v_2a_2s.mp4");
    let trial = Trial::new(&source, &[every]);
    assert_eq!(trial.made.media().audio.len(), 2);
    assert_eq!(trial.ffprobe("out.mp4", "s", "stream=codec_name"), ["subrip", "subrip"]);
    let second = with(|media| {
        (media.container, media.video, media.audio) = (Container::Srt, None, None);
        media.subtitles = Subtitles::Only(Tracks::Index(1));
    });
    let trial = Trial::new(&source, &[second]);
    let text = std::fs::read_to_string(trial.path("out.mp4")).unwrap();
    assert!(text.contains(" --> "), "{text}");
    let far = with(|media| media.subtitles = Subtitles::Only(Tracks::Index(5)));
    assert_eq!(Trial::new(&source, &[far]).made.failure().code, "MEDIA0017");
}

#[test]
fn field_case_14_real_pictures_of_text_are_left_out_with_a_warning() {
    let source = fixture("multitrack/pgs.mkv");
    let keep = |container| with(|media| (media.container, media.subtitles) = (container, Subtitles::Keep));
    let trial = Trial::new(&source, &[keep(Container::Mp4)]);
    assert_eq!(trial.made.media().subtitles.len(), 0);
    assert!(trial.made.warnings().iter().any(|(code, _)| *code == "MEDIA0102"), "{:?}", trial.made.warnings());
    assert_eq!(Trial::new(&source, &[keep(Container::Mkv)]).made.media().subtitles.len(), 1);
    assert_eq!(Trial::new(&source, &[taken_out(Container::Srt)]).made.failure().code, "MEDIA0012");

    let text = Trial::new(&fixture("multitrack/srt.mkv"), &[keep(Container::Mp4)]);
    assert_eq!(text.ffprobe("out.mp4", "s", "stream=codec_name"), ["mov_text"]);
}

#[test]
fn pictures_of_text_are_drawn_where_and_when_they_belong() {
    // One caption, from the first moment to 1.24 s, on a sheet four times as large.
    let pgs = fixture("multitrack/pgs.mkv");
    let film = |codec: &str| {
        let grey = ["-f", "lavfi", "-i", "color=gray:d=2:r=10:s=320x180", "-i", pgs.to_str().unwrap()];
        generate(&[&grey[..], &["-map", "0:v", "-map", "1:s", "-c:s", codec]].concat(), "a.mkv")
    };
    let drawn =
        |clip: Option<Clip>| with(|media| (media.burn, media.clip) = (Some(BurnIn::Tracks(Tracks::Main)), clip));
    let (laid, bare) = ("[1:s]scale=320:-1[s];[1:v][s]overlay=0:H-h", "[1:v]null");
    for codec in ["copy", "dvdsub"] {
        let source = film(codec);
        let trial = Trial::new(&source, &[drawn(None)]);
        assert!(trial.made.warnings().is_empty(), "{:?}", trial.made.warnings());
        let alike = |graph: &str, part: &str| caption_likeness(&trial.path("out.mp4"), &source, graph, part);
        let (with, without) = (alike(laid, "end=1.1"), alike(bare, "end=1.1"));
        assert!(with > 0.95 && without < with - 0.05, "{codec}: {with} with, {without} without");
        // FFmpeg writes no end of a caption that has none of its own into DVD's.
        let after = alike(if codec == "copy" { bare } else { laid }, "start=1.35");
        assert!(after > 0.95, "{codec}: {after} after it");
    }
    // A clip that begins while it shows has it from its first picture.
    let source = film("copy");
    let clip = Clip { start_s: 0.5, duration_s: Some(0.5) };
    let trial = Trial::new(&source, &[drawn(Some(clip))]);
    let likeness = caption_likeness(&trial.path("out.mp4"), &source, laid, "end=0.5");
    assert!(likeness > 0.95, "{likeness}");
}

/// How alike part of a file and what `graph` makes of a source are where captions stand.
fn caption_likeness(file: &Path, source: &Path, graph: &str, part: &str) -> f64 {
    let graph = format!(
        "[0:v]trim={part},setpts=N,settb=1/1000,crop=iw:ih/3:0:ih*2/3[a];{graph},trim={part},setpts=N,settb=1/1000,\
         format=yuv420p,crop=iw:ih/3:0:ih*2/3[b];[a][b]ssim=shortest=1"
    );
    let output = Command::new("ffmpeg")
        .args(["-v", "info", "-i"])
        .arg(file)
        .arg("-i")
        .arg(source)
        .args(["-lavfi", &graph, "-f", "null", "-"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let all = said.split("All:").nth(1).unwrap_or_else(|| panic!("{said}"));
    all.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn metadata_and_chapters_are_kept_or_dropped() {
    let (_folder, chapters) = file(
        "a.txt",
        b";FFMETADATA1\ntitle=A film\nartist=Somebody\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=One\n\
          [CHAPTER]\nTIMEBASE=1/1000\nSTART=1000\nEND=2000\ntitle=Two\n",
    );
    let clip = lavfi(&["testsrc2=d=2:s=64x64"], &["-i", chapters.to_str().unwrap(), "-map_metadata", "1"], "a.mkv");
    let tags = |metadata, chapters| {
        let trial = Trial::new(&clip, &[with(|media| (media.metadata, media.chapters) = (metadata, chapters))]);
        let info = trial.made.media();
        (info.format.tags.get("title").cloned(), info.chapters.len())
    };
    assert_eq!(tags(true, true), (Some("A film".to_owned()), 2));
    assert_eq!(tags(false, true), (None, 2));
    assert_eq!(tags(true, false), (Some("A film".to_owned()), 0));
}
