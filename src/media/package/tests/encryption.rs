//! Encrypted packages, played by ffmpeg's own demuxer of HLS with the key.

use m3u8_rs::KeyMethod;
use reelmill::model::work::Encryption;

use super::*;

const KEY: &[u8; 16] = b"sixteen bytes !!";

/// Packages a clip with these keys; the playlists' URI of a key is a file in `folder`.
fn locked(segments: SegmentFormat, byte_range: bool, keys: &[&[u8]], rotate: Option<u32>, folder: &Path) -> Produced {
    let source = clip(&[&PICTURE, &TONE, &KEYS, &["-c:a", "aac", "-shortest"]], "a.mp4");
    let generated = keys.len() == 1 && keys[0].len() > 16;
    let encryption = Encryption {
        keys: (1..=keys.len()).collect(),
        generated,
        folder: "keys".into(),
        key_uri: (!generated).then(|| "../given-#".into()),
        rotate,
    };
    let mut sources = vec![source_of(&source)];
    let inputs = tempfile::tempdir().unwrap();
    for (n, key) in (1..).zip(keys) {
        let path = inputs.path().join(n.to_string());
        std::fs::write(&path, key).unwrap();
        sources.push(source_of(&path));
        if !generated {
            std::fs::write(folder.join(format!("given-{n}")), key).unwrap();
        }
    }
    let package = Package {
        segments,
        byte_range,
        iframe_playlists: true,
        segment_s: 2.0,
        encryption: Some(encryption),
        ..package(1)
    };
    ffmpeg_next::log::set_level(ffmpeg_next::log::Level::Error);
    let produced = run(&sources, &package, folder, &|_| {}).unwrap();
    assert!(produced.files.iter().all(|file| package.makes(&file.file)));
    produced
}

/// Frames that a player gets, or none where it fails.
fn frames(playlist: &Path) -> Option<usize> {
    let arguments = ["-v", "error", "-allowed_extensions", "ALL", "-protocol_whitelist", "file,crypto", "-i"];
    let output = Command::new("ffmpeg").args(arguments).arg(playlist).args(["-f", "framecrc", "-"]).output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let count = lines.lines().filter(|line| line.starts_with("0,")).count();
    (output.status.success() && output.stderr.is_empty()).then_some(count)
}

/// Frames of a playlist whose pieces are fetched as a player over HTTP does, each decrypted on its own by ffmpeg: its reader
/// of playlists cannot seek in encrypted files.
fn unlocked(playlist: &Path) -> usize {
    let folder = playlist.parent().unwrap();
    let fetch = |uri: &str, range: Option<&m3u8_rs::ByteRange>| {
        let bytes = std::fs::read(folder.join(uri)).unwrap();
        let Some(range) = range else { return bytes };
        let from = usize::try_from(range.offset.unwrap()).unwrap();
        bytes[from..from + usize::try_from(range.length).unwrap()].to_vec()
    };
    let mut whole = Vec::new();
    let (locked, played) = (folder.join("locked"), folder.join("played"));
    for segment in media_at(playlist).segments {
        if let Some(map) = &segment.map {
            whole.extend(fetch(&map.uri, map.byte_range.as_ref()));
        }
        std::fs::write(&locked, fetch(&segment.uri, segment.byte_range.as_ref())).unwrap();
        let key = segment.key.unwrap();
        let key_bytes = std::fs::read(folder.join(key.uri.unwrap())).unwrap();
        let key_hex = format!("{:032x}", u128::from_be_bytes(key_bytes.try_into().unwrap_or(*KEY)));
        let iv = key.iv.unwrap().trim_start_matches("0x").to_owned();
        let raw = ["-v", "error", "-f", "data", "-key", &key_hex, "-iv", &iv, "-i"];
        let copy = ["-map", "0", "-c", "copy", "-f", "data", "-"];
        let url = format!("crypto:file:{}", locked.display());
        let output = Command::new("ffmpeg").args(raw).arg(url).args(copy).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        whole.extend(output.stdout);
    }
    std::fs::write(&played, whole).unwrap();
    decode(&[], &played)
}

#[test]
fn with_the_key_it_plays_and_without_it_does_not() {
    for (segments, byte_range) in
        [(SegmentFormat::Ts, false), (SegmentFormat::Fmp4, false), (SegmentFormat::Fmp4, true)]
    {
        let folder = tempfile::tempdir().unwrap();
        let produced = locked(segments, byte_range, &[KEY], None, folder.path());
        let playlist = folder.path().join("rung-0/index.m3u8");
        if !byte_range {
            assert_eq!(frames(&playlist), Some(250), "{segments:?}");
        }
        assert_eq!(unlocked(&playlist), 250, "{segments:?} {byte_range}");
        assert_eq!(unlocked(&folder.path().join("rung-0/iframes.m3u8")), 5, "{segments:?} {byte_range}");
        let media = media_at(&playlist);
        let mut vectors: Vec<String> = Vec::new();
        for segment in &media.segments {
            let key = segment.key.as_ref().unwrap();
            assert_eq!((&key.method, key.uri.as_deref()), (&KeyMethod::AES128, Some("../given-1")));
            vectors.push(key.iv.clone().unwrap());
        }
        vectors.sort();
        vectors.dedup();
        assert_eq!(vectors.len(), 5, "every segment has a vector of its own");
        for file in &produced.files {
            let bytes = std::fs::read(folder.path().join(&file.file)).unwrap();
            assert!(!bytes.windows(16).any(|window| window == KEY), "the key stands in {}", file.file);
        }
        std::fs::write(folder.path().join("given-1"), b"another key then").unwrap();
        assert_ne!(frames(&playlist), Some(250), "{segments:?} {byte_range}");
    }
}

#[test]
fn keys_change_as_often_as_asked() {
    let folder = tempfile::tempdir().unwrap();
    let hex = b"000102030405060708090a0b0c0d0e0f";
    let bytes: Vec<u8> = (0..16).collect();
    locked(SegmentFormat::Ts, false, &[KEY, hex], Some(2), folder.path());
    std::fs::write(folder.path().join("given-2"), bytes).unwrap();
    let playlist = folder.path().join("rung-0/index.m3u8");
    let uris: Vec<_> = media_at(&playlist).segments.iter().map(|s| s.key.clone().unwrap().uri.unwrap()).collect();
    assert_eq!(uris, ["../given-1", "../given-1", "../given-2", "../given-2", "../given-1"]);
    assert_eq!(frames(&playlist), Some(250));
}

#[test]
fn generated_keys_are_published_beside_the_playlists() {
    let folder = tempfile::tempdir().unwrap();
    let produced = locked(SegmentFormat::Fmp4, false, &[&[7; 32]], Some(3), folder.path());
    let keys: Vec<&str> = produced.files.iter().map(|f| f.file.as_str()).filter(|f| f.starts_with("keys/")).collect();
    assert_eq!(keys, ["keys/key-1.key", "keys/key-2.key"]);
    assert_eq!(produced.files[0].file, keys[0], "keys are there before what needs them");
    let playlist = folder.path().join("rung-0/index.m3u8");
    assert_eq!(media_at(&playlist).segments[4].key.as_ref().unwrap().uri.as_deref(), Some("../keys/key-2.key"));
    assert_eq!(frames(&playlist), Some(250));
}

#[test]
fn what_is_no_key_fails_without_saying_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let source = clip(&[&PICTURE, &KEYS], "a.mp4");
    let path = folder.path().join("key");
    std::fs::write(&path, "not a key of 16 bytes").unwrap();
    let encryption =
        Encryption { keys: vec![1], generated: false, folder: "keys".into(), key_uri: Some("k".into()), rotate: None };
    let package = Package { encryption: Some(encryption), ..package(1) };
    let error = run(&[source_of(&source), source_of(&path)], &package, folder.path(), &|_| {}).unwrap_err();
    assert_eq!(error.code(), "MEDIA0017");
    assert!(!error.to_string().contains("not a key"), "{error}");
}
