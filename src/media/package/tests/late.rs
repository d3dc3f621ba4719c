//! Tracks that begin later than their package, and ends that are too short: as players' own clocks find them.

use reelmill::model::work::Package;

use super::*;

/// A tone that begins half a second after the picture.
fn late_sound(name: &str) -> Clip {
    let parts: [&[&str]; 5] = [
        &PICTURE,
        &["-itsoffset", "0.48"],
        &["-f", "lavfi", "-i", "sine=f=440:d=9.5:r=48000"],
        &KEYS,
        &["-bf", "2", "-c:a", "aac", "-metadata:s:a:0", "language=eng"],
    ];
    clip(&parts, name)
}

/// A picture that begins half a second after the tone.
fn late_picture(name: &str) -> Clip {
    let parts: [&[&str]; 5] = [
        &["-itsoffset", "0.5"],
        &["-f", "lavfi", "-i", "testsrc2=d=9.5:r=25:s=320x180"],
        &TONE,
        &KEYS,
        &["-bf", "2", "-fps_mode", "passthrough", "-c:a", "aac"],
    ];
    clip(&parts, name)
}

/// A box's name and body.
fn boxes(mut bytes: &[u8]) -> Vec<([u8; 4], &[u8])> {
    let mut found = Vec::new();
    while bytes.len() >= 8 {
        let size = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
        found.push((bytes[4..8].try_into().unwrap(), &bytes[8..size]));
        bytes = &bytes[size..];
    }
    found
}

fn inside<'a>(bytes: &'a [u8], path: &[&[u8; 4]]) -> Vec<&'a [u8]> {
    let Some((name, rest)) = path.split_first() else { return vec![bytes] };
    let of = boxes(bytes).into_iter().filter(|(found, _)| found == *name);
    of.flat_map(|(_, body)| inside(body, rest)).collect()
}

/// Times of decoding at which fragments begin, in ticks, a fragment's tracks after each other.
fn decode_times(file: &Path) -> Vec<u64> {
    let bytes = std::fs::read(file).unwrap();
    let times = inside(&bytes, &[b"moof", b"traf", b"tfdt"]);
    times.iter().map(|tfdt| u64::from_be_bytes(tfdt[4..12].try_into().unwrap())).collect()
}

/// Whether an initialisation section delays a track by an edit without media, which browsers do not know.
fn has_empty_edits(file: &Path) -> bool {
    let bytes = std::fs::read(file).unwrap();
    let lists = inside(&bytes, &[b"moov", b"trak", b"edts", b"elst"]);
    let empty = |list: &&[u8]| match list[0] {
        0 => list[8..].chunks_exact(12).any(|edit| edit[4..8] == [0xff; 4]),
        _ => list[8..].chunks_exact(20).any(|edit| edit[8..16] == [0xff; 8]),
    };
    lists.iter().any(empty)
}

#[test]
fn player_fault_1_sound_that_begins_late_keeps_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let source = late_sound("late.mp4");
    let package = Package { mpd: Some("manifest.mpd".into()), ..package(1) };
    let (produced, warnings) = packaged_as(&[&source], folder.path(), &package);
    produced.unwrap();
    assert_eq!(warnings, ["MEDIA0135"]);
    let rung = folder.path().join("rung-0");
    assert!(!has_empty_edits(&rung.join("audio-init.mp4")));
    // The codec's first frame, which the source leaves out, is played ahead of the rest.
    let begins = |name: &str| decode_times(&rung.join(name))[0];
    assert!(begins("audio-seg-00001.m4s").abs_diff(23_040) <= 1_100, "{}", begins("audio-seg-00001.m4s"));
    assert!(begins("audio-seg-00002.m4s").abs_diff(4 * 48_000) <= 2_048, "{}", begins("audio-seg-00002.m4s"));
    // Segments of the sound stand where those of the picture do.
    let durations: Vec<f32> = media_at(&rung.join("audio-index.m3u8")).segments.iter().map(|s| s.duration).collect();
    assert!((durations[0] - 4.0).abs() < 0.03 && (durations.iter().sum::<f32>() - 9.98).abs() < 0.04, "{durations:?}");
    let mpd = std::fs::read_to_string(folder.path().join("manifest.mpd")).unwrap();
    let sound = mpd.split("contentType=\"audio\"").nth(1).unwrap();
    let first: u64 = sound.split("<S t=\"").nth(1).unwrap().split('"').next().unwrap().parse().unwrap();
    assert!(first.abs_diff(23_040) <= 1_100, "{sound}");
    let times = packet_times(&folder.path().join("manifest.mpd"), "a:0");
    assert!((times[0] - 0.48).abs() < 0.03, "{}", times[0]);
}

#[test]
fn player_fault_1_sound_beside_its_picture_in_one_segment_is_as_late() {
    let source = late_sound("late.mkv");
    for segments in [SegmentFormat::Fmp4, SegmentFormat::Ts] {
        let folder = tempfile::tempdir().unwrap();
        packaged_as(&[&source], folder.path(), &Package { segments, ..package(1) }).0.unwrap();
        let playlist = folder.path().join("rung-0/index.m3u8");
        let (video, audio) = (packet_times(&playlist, "v"), packet_times(&playlist, "a"));
        assert!((audio[0] - video[0] - 0.48).abs() < 0.04, "{segments:?}: {} {}", video[0], audio[0]);
        let listed: f32 = media(folder.path(), "rung-0").segments.iter().map(|s| s.duration).sum();
        assert!((listed - 10.0).abs() < 0.04, "{listed}");
        if segments == SegmentFormat::Fmp4 {
            assert!(!has_empty_edits(&folder.path().join("rung-0/init.mp4")));
            let times = decode_times(&folder.path().join("rung-0/seg-00001.m4s"));
            assert!(times[0] == 0 && times[1].abs_diff(23_040) <= 1_100, "{times:?}");
        }
    }
}

#[test]
fn player_fault_1_a_picture_that_begins_late_is_held_from_the_start() {
    for name in ["late.mp4", "late.mkv"] {
        let source = late_picture(name);
        for mpd in [None, Some("manifest.mpd".to_owned())] {
            let folder = tempfile::tempdir().unwrap();
            let rung = folder.path().join("rung-0");
            let prefix = if mpd.is_some() { "video-" } else { "" };
            let package = Package { mpd, iframe_playlists: true, ..package(1) };
            packaged_as(&[&source], folder.path(), &package).0.unwrap();
            assert!(!has_empty_edits(&rung.join(format!("{prefix}init.mp4"))));
            let segment = rung.join(format!("{prefix}seg-00001.m4s"));
            assert_eq!(decode_times(&segment)[0], 0, "{name}");
            let listed: f32 =
                media_at(&rung.join(format!("{prefix}index.m3u8"))).segments.iter().map(|s| s.duration).sum();
            assert!((listed - 10.0).abs() < 0.07, "{listed}");
            // All but the first frame keep their times.
            let (before, after) =
                (packet_times(&source, "v"), packet_times(&rung.join(format!("{prefix}index.m3u8")), "v"));
            assert_eq!(before.len(), after.len());
            assert!((before[0] - 0.5).abs() < 0.05 && after[0].abs() < 0.001, "{} {}", before[0], after[0]);
            let moved = before.iter().zip(&after).skip(1).find(|(before, after)| (*before - *after).abs() > 0.002);
            assert_eq!(moved, None, "{name}");
        }
    }
}

#[test]
fn player_fault_1_files_of_their_own_begin_together_as_one_file_does() {
    let folder = tempfile::tempdir().unwrap();
    let picture = clip(
        &[
            &["-itsoffset", "0.5"],
            &["-f", "lavfi", "-i", "testsrc2=d=9.5:r=25:s=320x180"],
            &KEYS,
            &["-fps_mode", "passthrough"],
        ],
        "picture.mp4",
    );
    let sound = clip(&[&TONE, &["-c:a", "aac"]], "sound.m4a");
    packaged_as(&[&picture, &sound], folder.path(), &package(2)).0.unwrap();
    let times = packet_times(&folder.path().join("rung-0/video-index.m3u8"), "v");
    let own = packet_times(&picture, "v");
    assert!(own[0] > 0.4 && times[0].abs() < 0.001 && (times[1] - own[1]).abs() < 0.002, "{own:?} {times:?}");
}

#[test]
fn player_fault_2_a_picture_ends_with_no_crumb() {
    // Players that reorder frames never see the end of a segment which is over before its first frame is shown.
    for (seconds, name, expected) in [
        ("2.08", "a.mp4", vec![2.08]),
        ("6.04", "a.mkv", vec![2.0, 2.0, 2.04]),
        ("6.6", "a.ts", vec![2.0, 2.0, 2.0, 0.6]),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let picture = format!("testsrc2=d={seconds}:r=25:s=160x90");
        let source = clip(&[&["-f", "lavfi", "-i", &picture], &KEYS, &["-bf", "3"]], name);
        let package = Package { mpd: Some("manifest.mpd".into()), segment_s: 2.0, ..package(1) };
        packaged_as(&[&source], folder.path(), &package).0.unwrap();
        let list = media_at(&folder.path().join("rung-0/video-index.m3u8"));
        let durations: Vec<f32> = list.segments.iter().map(|s| s.duration).collect();
        let near = durations.len() == expected.len()
            && durations.iter().zip(&expected).all(|(found, expected)| (found - expected).abs() < 0.02);
        assert!(near, "{name}: {durations:?} instead of {expected:?}");
    }
}
