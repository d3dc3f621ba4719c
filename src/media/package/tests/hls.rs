//! What HLS can have besides fragmented MP4 in a file for each segment.

use super::*;

#[test]
fn segments_of_a_transport_stream_stand_alone_and_play_together() {
    let folder = tempfile::tempdir().unwrap();
    let source = clip(&[&PICTURE, &TONE, &KEYS, &["-bf", "2", "-c:a", "aac", "-shortest"]], "a.mp4");
    let package = Package { segments: SegmentFormat::Ts, iframe_playlists: true, ..package(1) };
    let (produced, warnings) = packaged_as(&[&source], folder.path(), &package);
    let files = produced.unwrap().files;
    assert!(warnings.is_empty(), "{warnings:?}");
    let media = media(folder.path(), "rung-0");
    assert_eq!((media.version, media.target_duration, media.segments.len()), (Some(4), 4, 3));
    assert!(media.segments.iter().all(|segment| segment.map.is_none() && segment.uri.starts_with("seg-")));
    let mut frames = 0;
    for segment in &media.segments {
        let path = folder.path().join("rung-0").join(&segment.uri);
        assert_eq!(std::fs::read(&path).unwrap()[0], 0x47);
        frames += decode(&[], &path);
        // A segment's pictures last as long as the playlist says.
        let times = packet_times(&path, "v");
        let shown_s = times.last().unwrap() - times[0] + 0.04;
        assert!((shown_s - f64::from(segment.duration)).abs() < 0.03, "{shown_s} {}", segment.duration);
    }
    assert_eq!(frames, 250);
    assert_eq!(play(&folder.path().join("master.m3u8")), 250);
    let (video, audio) = (
        packet_times(&folder.path().join("rung-0/seg-00001.ts"), "v"),
        packet_times(&folder.path().join("rung-0/seg-00001.ts"), "a"),
    );
    assert!((video[0] - 1.4).abs() < 0.001, "{}", video[0]);
    assert!((audio[0] - video[0]).abs() < 0.03, "{} {}", video[0], audio[0]);
    let variant = &master(folder.path()).variants[0];
    assert!(variant.codecs.as_deref().unwrap().starts_with("avc1.64"), "{:?}", variant.codecs);
    assert!(files.iter().filter(|file| file.role == FileRole::Segment).all(|file| file.content_type == "video/mp2t"));
    assert_eq!(play(&folder.path().join("rung-0/iframes.m3u8")), 5);
}

#[test]
fn sound_alone_ends_with_no_crumb() {
    for (seconds, expected) in [("8.1", vec![4.0, 4.1]), ("8.9", vec![4.0, 4.0, 0.9])] {
        let folder = tempfile::tempdir().unwrap();
        let tone = format!("sine=f=440:d={seconds}:r=48000");
        let source = clip(&[&["-f", "lavfi", "-i", &tone, "-c:a", "aac"]], "a.m4a");
        packaged(&[&source], folder.path(), 4.0).0.unwrap();
        let durations: Vec<f32> = media(folder.path(), "rung-0").segments.iter().map(|s| s.duration).collect();
        let near = durations.len() == expected.len()
            && durations.iter().zip(&expected).all(|(found, expected)| (found - expected).abs() < 0.05);
        assert!(near, "{durations:?} instead of {expected:?}");
    }
}

#[test]
fn keyframes_alone_are_all_there_and_decode() {
    let folder = tempfile::tempdir().unwrap();
    let source = clip(&[&PICTURE, &TONE, &KEYS, &["-bf", "2", "-c:a", "aac"]], "a.mp4");
    let (produced, _) = packaged_as(&[&source], folder.path(), &Package { iframe_playlists: true, ..package(1) });
    produced.unwrap();
    let playlist = folder.path().join("rung-0/iframes.m3u8");
    let media = media_at(&playlist);
    assert!(media.i_frames_only);
    assert_eq!(media.segments.len(), 5);
    assert!(media.segments.iter().all(|frame| (frame.duration - 2.0).abs() < 0.001 && frame.byte_range.is_some()));
    assert_eq!(play(&playlist), 5);
    let times = packet_times(&playlist, "v");
    assert!(times.iter().zip([0.0, 2.0, 4.0, 6.0, 8.0]).all(|(time, due)| (time - due).abs() < 0.001), "{times:?}");
    let master = master(folder.path());
    let iframes: Vec<_> = master.variants.iter().filter(|variant| variant.is_i_frame).collect();
    let [iframes] = iframes[..] else { panic!("{master:?}") };
    assert_eq!(iframes.uri, "rung-0/iframes.m3u8");
    assert_eq!(iframes.resolution.unwrap().to_string(), "320x180");
    assert!(!iframes.codecs.as_deref().unwrap().contains("mp4a"));
    assert!(iframes.bandwidth < master.variants[0].bandwidth);
    assert_eq!(play(&folder.path().join("master.m3u8")), 250);
}

#[test]
fn ranges_of_one_file_play_like_many() {
    for segments in [SegmentFormat::Fmp4, SegmentFormat::Ts] {
        let folder = tempfile::tempdir().unwrap();
        let source = clip(&[&PICTURE, &TONE, &KEYS, &["-c:a", "aac", "-shortest"]], "a.mp4");
        let (produced, _) =
            packaged_as(&[&source], folder.path(), &Package { byte_range: true, segments, ..package(1) });
        let files = produced.unwrap().files;
        assert_eq!(files.len(), 3, "the file, its playlist, the master playlist");
        let media = media(folder.path(), "rung-0");
        let mut at = media.segments[0].map.as_ref().map_or(0, |map| map.byte_range.as_ref().unwrap().length);
        for segment in &media.segments {
            let range = segment.byte_range.as_ref().unwrap();
            assert_eq!(range.offset, Some(at), "{segments:?}");
            at += range.length;
        }
        assert_eq!(at, files[0].size_bytes);
        assert_eq!(play(&folder.path().join("rung-0/index.m3u8")), 250, "{segments:?}");
    }
}

#[test]
fn a_transport_stream_refuses_what_players_do_not_take() {
    let folder = tempfile::tempdir().unwrap();
    let opus = clip(&[&TONE, &["-c:a", "libopus"]], "a.webm");
    let package = Package { segments: SegmentFormat::Ts, ..package(1) };
    assert_eq!(packaged_as(&[&opus], folder.path(), &package).0.unwrap_err().code(), "MEDIA0012");
}

/// Rates in the master playlist are those of the files: the peak that of the worst segment.
#[test]
fn rates_are_measured() {
    let folder = tempfile::tempdir().unwrap();
    // Half of it is noise: much larger segments.
    let noise = ["-vf", "noise=alls=80:allf=t:enable='gte(t,4)*lt(t,8)'"];
    let source = clip(&[&PICTURE, &TONE, &noise, &KEYS, &["-c:a", "aac", "-shortest"]], "a.mp4");
    packaged(&[&source], folder.path(), 4.0).0.unwrap();
    let size = |name: &str| std::fs::metadata(folder.path().join("rung-0").join(name)).unwrap().len();
    let worst = size("seg-00002.m4s") * 8 / 4;
    let variant = &master(folder.path()).variants[0];
    assert!(variant.bandwidth.abs_diff(worst) < worst / 100, "{} {worst}", variant.bandwidth);
    let whole = ["seg-00001.m4s", "seg-00002.m4s", "seg-00003.m4s"].map(size).iter().sum::<u64>() * 8 / 10;
    let average = variant.average_bandwidth.unwrap();
    assert!(average.abs_diff(whole) < whole / 100, "{average} {whole}");
}
