//! DASH, and CMAF that HLS and DASH play from one set of segments. `ffprobe` and `ffmpeg` read the manifest on their own.

use serde_json::Value;

use super::*;

fn cmaf() -> Package {
    Package { mpd: Some("manifest.mpd".into()), ..package(2) }
}

fn ladder() -> [Clip; 2] {
    let sound = ["-c:a", "aac", "-b:a", "96k", "-metadata:s:a:0", "language=eng", "-shortest"];
    [
        clip(&[&PICTURE, &TONE, &KEYS, &["-bf", "2"], &sound], "large.mp4"),
        clip(&[&PICTURE, &TONE, &KEYS, &["-bf", "2", "-s", "160x90"], &sound], "small.mp4"),
    ]
}

/// What an independent reader makes of a manifest.
fn streams(manifest: &Path) -> Vec<Value> {
    let arguments = ["-v", "error", "-show_streams", "-of", "json"];
    let output = Command::new("timeout").args(["60", "ffprobe"]).args(arguments).arg(manifest).output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    let read: Value = serde_json::from_slice(&output.stdout).unwrap();
    read["streams"].as_array().unwrap().clone()
}

/// Every element of a manifest with its attributes, by Python's reader of XML.
fn elements(manifest: &Path) -> Vec<(String, Value)> {
    let script = "import json,sys,xml.etree.ElementTree as t\n\
        for e in t.parse(sys.argv[1]).iter(): print(json.dumps([e.tag.split('}')[1], dict(e.attrib, text=e.text)]))";
    let output = Command::new("python3").args(["-c", script]).arg(manifest).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What a parser of manifests that players use makes of it; it may find nothing against the standard.
fn parsed(manifest: &Path) -> dash_mpd_core::MPD {
    let mpd = dash_mpd_core::parse(&std::fs::read_to_string(manifest).unwrap()).unwrap();
    let objections = dash_mpd_core::check_conformity(&mpd);
    assert!(objections.is_empty(), "{objections:?}");
    mpd
}

fn all<'a>(elements: &'a [(String, Value)], name: &'a str) -> Vec<&'a Value> {
    elements.iter().filter(|(tag, _)| tag == name).map(|(_, attributes)| attributes).collect()
}

#[test]
fn one_set_of_segments_serves_both_protocols() {
    let folder = tempfile::tempdir().unwrap();
    let [large, small] = ladder();
    let (produced, warnings) = packaged_as(&[&large, &small], folder.path(), &cmaf());
    let files = produced.unwrap().files;
    assert!(warnings.is_empty(), "{warnings:?}");
    let masters: Vec<&str> = files.iter().rev().take(2).map(|file| file.file.as_str()).collect();
    assert_eq!(masters, ["manifest.mpd", "master.m3u8"]);
    let manifest = folder.path().join("manifest.mpd");
    let found = streams(&manifest);
    let kinds: Vec<_> = found.iter().map(|s| (s["codec_name"].as_str().unwrap(), s["width"].as_u64())).collect();
    assert_eq!(kinds, [("h264", Some(320)), ("h264", Some(160)), ("aac", None)]);
    assert_eq!(found[2]["tags"]["language"], "en");
    assert_eq!(decode(&[], &manifest), 250);
    assert_eq!(play(&folder.path().join("master.m3u8")), 250);
    let times = packet_times(&manifest, "v:0");
    let sounds = packet_times(&manifest, "a:0");
    assert_eq!(times.len(), 250);
    assert!(times[0].abs() < 0.001, "shown from zero on: {}", times[0]);
    assert!((times[0] - sounds[0]).abs() < 0.03, "{} {}", times[0], sounds[0]);
    let source = packet_times(&large, "v");
    assert!(source.iter().zip(&times).all(|(a, b)| ((a - source[0]) - (b - times[0])).abs() < 0.001));
}

#[test]
fn the_manifest_says_what_the_segments_are() {
    let folder = tempfile::tempdir().unwrap();
    let [large, small] = ladder();
    packaged_as(&[&large, &small], folder.path(), &Package { master: None, ..cmaf() }).0.unwrap();
    assert!(!folder.path().join("rung-0/video-index.m3u8").exists(), "no playlists without HLS");
    let elements = elements(&folder.path().join("manifest.mpd"));
    let root = all(&elements, "MPD")[0];
    assert_eq!(root["profiles"], "urn:mpeg:dash:profile:isoff-live:2011");
    assert_eq!(
        (root["type"].as_str(), root["mediaPresentationDuration"].as_str()),
        (Some("static"), Some("PT10.000S"))
    );
    let sets = all(&elements, "AdaptationSet");
    assert_eq!(sets.len(), 2);
    assert_eq!((&sets[0]["segmentAlignment"], &sets[1]["lang"]), (&Value::from("true"), &Value::from("en")));
    let representations = all(&elements, "Representation");
    let codecs = representations[0]["codecs"].as_str().unwrap();
    assert!(codecs.starts_with("avc1.64") && !codecs.contains(','), "{codecs}");
    assert_eq!(
        (&representations[1]["width"], &representations[1]["frameRate"]),
        (&Value::from("160"), &Value::from("25"))
    );
    let bandwidth = |n: usize| representations[n]["bandwidth"].as_str().unwrap().parse::<u64>().unwrap();
    assert!(bandwidth(0) > bandwidth(1) && bandwidth(1) > 0);
    let template = all(&elements, "SegmentTemplate")[0];
    assert_eq!(template["media"], "video-seg-$Number%05d$.m4s");
    // Times of the manifest are those of the segments.
    let timeline = all(&elements, "S");
    assert_eq!(timeline[0]["d"], (4 * 90_000).to_string());
    assert_eq!(timeline[0]["r"], "1");
    assert!(folder.path().join("rung-0/video-seg-00003.m4s").exists());
}

#[test]
fn a_parser_of_manifests_reads_what_was_packaged() {
    let folder = tempfile::tempdir().unwrap();
    let [large, small] = ladder();
    packaged_as(&[&large, &small], folder.path(), &cmaf()).0.unwrap();
    let mpd = parsed(&folder.path().join("manifest.mpd"));
    assert_eq!(mpd.mediaPresentationDuration.unwrap().as_secs(), 10);
    let [period] = &mpd.periods[..] else { panic!("{:?}", mpd.periods) };
    assert!(dash_mpd_core::is_video_adaptation(&&period.adaptations[0]));
    assert!(dash_mpd_core::is_audio_adaptation(&&period.adaptations[1]));
    let sizes: Vec<_> = period.adaptations[0].representations.iter().map(|r| (r.width, r.height)).collect();
    assert_eq!(sizes, [(Some(320), Some(180)), (Some(160), Some(90))]);
    // Every segment that a player would ask for is there, and nothing beside.
    for adaptation in &period.adaptations {
        for representation in &adaptation.representations {
            let template = representation.SegmentTemplate.as_ref().or(adaptation.SegmentTemplate.as_ref()).unwrap();
            let timeline = &template.SegmentTimeline.as_ref().unwrap().segments;
            let repeated = |s: &dash_mpd_core::S| u64::try_from(s.r.unwrap_or(0)).unwrap() + 1;
            let ticks: u64 = timeline.iter().map(|s| s.d * repeated(s)).sum();
            let length_ms = ticks * 1_000 / template.timescale.unwrap();
            assert!(length_ms.abs_diff(10_000) < 40, "{length_ms}");
            let base = representation.BaseURL.first().map_or("", |base| base.base.as_str());
            let there = |name: &str| folder.path().join(base).join(name).is_file();
            assert!(there(template.initialization.as_ref().unwrap()));
            let media = template.media.as_ref().unwrap();
            let count: u64 = timeline.iter().map(repeated).sum();
            let first = template.startNumber.unwrap_or(1);
            let named = |number: u64| media.replace("$Number%05d$", &format!("{number:05}"));
            assert!((first..first + count).all(|number| there(&named(number))), "{base}{media}");
            assert!(!there(&named(first + count)), "{base}{media}");
        }
    }
}

/// The only `sidx` box in a range of bytes: when the first piece is shown and how long each of them is, in ticks, with its
/// size in bytes.
fn index(bytes: &[u8]) -> (u64, Vec<(usize, u64)>) {
    let word = |at: usize| u64::from(u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()));
    assert_eq!((word(0), &bytes[4..8], bytes[8]), (bytes.len() as u64, &b"sidx"[..], 1));
    assert_eq!((word(28), word(32)), (0, 0), "the first piece follows at once");
    let count = usize::from(u16::from_be_bytes(bytes[38..40].try_into().unwrap()));
    let of = |n: usize| (usize::try_from(word(40 + 12 * n)).unwrap(), word(44 + 12 * n));
    (word(20) << 32 | word(24), (0..count).map(of).collect())
}

#[test]
fn player_fault_6_one_index_says_where_the_segments_of_a_file_are() {
    let folder = tempfile::tempdir().unwrap();
    let [large, small] = ladder();
    let package = Package { byte_range: true, iframe_playlists: true, ..cmaf() };
    packaged_as(&[&large, &small], folder.path(), &package).0.unwrap();
    let manifest = folder.path().join("manifest.mpd");
    let mpd = parsed(&manifest);
    let elements = elements(&manifest);
    assert_eq!(all(&elements, "MPD")[0]["profiles"], "urn:mpeg:dash:profile:isoff-on-demand:2011");
    assert!(all(&elements, "SegmentList").is_empty() && all(&elements, "SegmentTimeline").is_empty());
    let sets = all(&elements, "AdaptationSet");
    assert!(sets.iter().all(|set| set["subsegmentAlignment"] == "true" && set["segmentAlignment"].is_null()));
    let representations = mpd.periods[0].adaptations.iter().flat_map(|set| &set.representations);
    let mut names = Vec::new();
    for (representation, frames) in representations.zip([250, 250, 0]) {
        let base = representation.SegmentBase.as_ref().unwrap();
        let clock = base.timescale.unwrap();
        let file = folder.path().join(&representation.BaseURL[0].base);
        names.push(representation.BaseURL[0].base.clone());
        let bytes = std::fs::read(&file).unwrap();
        let range = |text: &str| -> std::ops::Range<usize> {
            let (from, to) = text.split_once('-').unwrap();
            from.parse().unwrap()..to.parse::<usize>().unwrap() + 1
        };
        let init = range(base.Initialization.as_ref().unwrap().range.as_ref().unwrap());
        let indexed = range(base.indexRange.as_ref().unwrap());
        assert_eq!(init.end, indexed.start);
        let (start, pieces) = index(&bytes[indexed.clone()]);
        assert_eq!((start, pieces.len()), (0, 3));
        let ticks: u64 = pieces.iter().map(|(_, ticks)| ticks).sum();
        assert!((ticks * 1000 / clock).abs_diff(10_000) < 40, "{ticks}");
        assert_eq!(indexed.end + pieces.iter().map(|(size, _)| size).sum::<usize>(), bytes.len());
        // What a player fetches piece by piece plays, and every piece begins with its fragment.
        let mut fetched = bytes[init].to_vec();
        let mut at = indexed.end;
        for (size, _) in pieces {
            assert_eq!(&bytes[at + 4..at + 8], b"moof");
            fetched.extend(&bytes[at..at + size]);
            at += size;
        }
        let played = folder.path().join("fetched.mp4");
        std::fs::write(&played, fetched).unwrap();
        for file in [&played, &file] {
            let decoded = decode(&[], file);
            assert!(if frames > 0 { decoded == frames } else { decoded > 400 }, "{file:?}: {decoded}");
        }
    }
    assert_eq!(names, ["rung-0/video-media.mp4", "rung-1/video-media.mp4", "rung-0/audio-media.mp4"]);
    assert_eq!(play(&folder.path().join("master.m3u8")), 250);
}

#[test]
fn sound_alone_is_dash_too() {
    let folder = tempfile::tempdir().unwrap();
    let sound = clip(&[&TONE, &["-c:a", "aac"]], "a.m4a");
    let package = Package { mpd: Some("manifest.mpd".into()), ..package(1) };
    packaged_as(&[&sound], folder.path(), &package).0.unwrap();
    assert_eq!(streams(&folder.path().join("manifest.mpd")).len(), 1);
    let master = master(folder.path());
    assert_eq!(master.variants[0].uri, "rung-0/audio-index.m3u8");
    assert!(master.alternatives.is_empty());
}
