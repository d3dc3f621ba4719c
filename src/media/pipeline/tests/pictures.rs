//! What pictures look like: snapshots, sprites, watermarks, ranges, fields, alpha.

use super::*;

#[test]
fn full_range_and_interlaced_sources_become_plain_ones() {
    let clip = lavfi(
        &["testsrc2=d=1:r=50:s=128x96,tinterlace=interleave_top,setparams=range=pc"],
        &["-c:v", "libx264", "-flags", "+ildct+ilme", "-x264opts", "tff=1", "-pix_fmt", "yuvj420p"],
        "a.mp4",
    );
    let trial = Trial::new(&clip, &[media_output("out.mp4", encoded())]);
    let video = &trial.made.media().video[0];
    assert!(!video.interlaced);
    assert_eq!(video.color_range.as_deref(), Some("tv"));
    assert_eq!(video.frames, Some(25));
}

#[test]
fn transparent_sources_are_laid_on_black() {
    let clip = lavfi(&["color=white@0.0:d=1:s=64x64,format=yuva444p10le"], &["-c:v", "prores_ks"], "a.mov");
    let trial = Trial::new(&clip, &[media_output("out.mp4", encoded())]);
    let colour = trial.colour("out.mp4", (0, 0, 64, 64));
    assert!(is_near(colour, [0, 0, 0]), "{colour:?}");
}

#[test]
fn watermarks_stand_where_and_when_they_are_told_to() {
    let clip = lavfi(&["color=black:d=2:r=10:s=200x100"], &[], "a.mp4");
    let logo = lavfi(&["color=red:s=40x20,format=rgba"], &["-frames:v", "1"], "logo.png");
    let overlay = |opacity, start_s| Overlay {
        content: OverlayContent::Image { input: 1 },
        position: ReferencePosition::BottomRight,
        dx: Length::Pixels(10),
        dy: Length::Ratio(0.1),
        width: Some(Length::Ratio(0.2)),
        height: None,
        opacity,
        start_s,
        duration_s: None,
    };
    let marked = |overlay: Overlay| {
        let output = with(|media| media.overlays = vec![overlay]);
        Trial::with(&[&*clip, &*logo], &[output])
    };
    let trial = marked(overlay(1.0, 0.0));
    assert!(is_near(trial.colour("out.mp4", (154, 74, 32, 12)), [254, 0, 0]));
    assert!(is_near(trial.colour("out.mp4", (100, 74, 40, 12)), [0, 0, 0]));
    assert!(is_near(marked(overlay(0.5, 0.0)).colour("out.mp4", (154, 74, 32, 12)), [127, 0, 0]));
    assert!(is_near(marked(overlay(1.0, 1.0)).colour("out.mp4", (154, 74, 32, 12)), [0, 0, 0]));

    let broken = Trial::with(&[&*clip, Path::new("/dev/null")], &[with(|m| m.overlays = vec![overlay(1.0, 0.0)])]);
    assert_eq!(broken.made.failure().code, "MEDIA0018");
}

#[test]
fn pictures_come_from_their_moments() {
    // Grey that brightens by 10 levels a frame, 10 frames a second.
    let clip = lavfi(&["nullsrc=d=2:r=10:s=64x64,format=gray,geq=lum='10*N'"], &["-c:v", "ffv1"], "a.mkv");
    let at = |at, file: &str| {
        let trial = Trial::new(&clip, &[Output::Snapshot(shots(at, ImageFormat::Png, file))]);
        let names: Vec<String> = trial.made.produced()[0].files.iter().map(|file| file.file.clone()).collect();
        let levels = names.iter().map(|name| trial.colour(name, (0, 0, 64, 64))[0]).collect::<Vec<_>>();
        (names, levels)
    };
    let near = |levels: &[u8], expected: &[u8]| {
        levels.len() == expected.len() && levels.iter().zip(expected).all(|(a, b)| a.abs_diff(*b) < 4)
    };
    let (names, levels) = at(SnapshotTimes::At(Moment::Seconds(1.25)), "shot.png");
    assert_eq!(names, ["shot.png"]);
    assert!(near(&levels, &[120]), "{levels:?}");
    let (_, levels) = at(SnapshotTimes::At(Moment::Seconds(99.0)), "shot.png");
    assert!(near(&levels, &[190]), "{levels:?}");
    let moments = vec![Moment::Share(1.0), Moment::Seconds(0.3)];
    let (names, levels) = at(SnapshotTimes::List(moments), "shot-##.png");
    assert_eq!(names, ["shot-02.png", "shot-01.png"]);
    assert!(near(&levels, &[30, 190]), "{levels:?}");
    let (names, levels) = at(SnapshotTimes::Every(0.5), "shot.png");
    assert_eq!(names[3], "shot-00004.png");
    assert!(near(&levels, &[0, 50, 100, 150]), "{levels:?}");
}

#[test]
fn sprites_are_laid_out_on_sheets_with_a_track() {
    let clip = lavfi(&["testsrc2=d=5:r=10:s=320x180"], &[], "a.mp4");
    let snapshot = Snapshot {
        sprite: Some(sprite(2, 1, 80)),
        vtt: Some("thumbs.vtt".into()),
        ..shots(SnapshotTimes::Every(1.0), ImageFormat::Jpg, "a sheet.jpg")
    };
    let trial = Trial::new(&clip, &[Output::Snapshot(snapshot)]);
    let names: Vec<_> = trial.made.produced()[0].files.iter().map(|file| file.file.as_str()).collect();
    assert_eq!(names, ["a sheet-00001.jpg", "a sheet-00002.jpg", "a sheet-00003.jpg", "thumbs.vtt"]);
    assert_eq!(trial.ffprobe("a sheet-00001.jpg", "v", "stream=width,height"), ["160,44"]);
    let track = std::fs::read_to_string(trial.path("thumbs.vtt")).unwrap();
    assert!(track.contains("00:00:03.000 --> 00:00:04.000\na%20sheet-00002.jpg#xywh=80,0,80,44"), "{track}");
    assert_eq!(track.matches(" --> ").count(), 5);
}
