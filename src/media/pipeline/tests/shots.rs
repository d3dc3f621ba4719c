//! Which pictures snapshots choose, and previews in motion.

use reelmill::model::work::{Animation, AnimationFormat};

use super::*;

/// Six seconds of scenes of two seconds: red, green, blue; ten frames a second.
fn scenes() -> crate::testing::Clip {
    let colours = ["color=red:d=2:r=10:s=160x90", "color=lime:d=2:r=10:s=160x90", "color=blue:d=2:r=10:s=160x90"];
    lavfi(&colours, &["-filter_complex", "[0][1][2]concat=n=3", "-g", "25"], "scenes.mp4")
}

fn names(trial: &Trial) -> Vec<String> {
    trial.made.produced()[0].files.iter().map(|file| file.file.clone()).collect()
}

#[test]
fn each_scene_gets_a_picture() {
    let clip = scenes();
    let at = SnapshotTimes::Scenes { threshold: 0.1, most: 10 };
    let snapshot = Snapshot { vtt: Some("scenes.vtt".into()), ..shots(at, ImageFormat::Png, "scene-##.png") };
    let trial = Trial::new(&clip, &[Output::Snapshot(snapshot)]);
    assert_eq!(names(&trial), ["scene-01.png", "scene-02.png", "scene-03.png", "scenes.vtt"]);
    for (file, colour) in [("scene-01.png", [255, 0, 0]), ("scene-02.png", [0, 255, 0]), ("scene-03.png", [0, 0, 255])]
    {
        assert!(is_near(trial.colour(file, (0, 0, 160, 90)), colour), "{file}");
    }
    let track = std::fs::read_to_string(trial.path("scenes.vtt")).unwrap();
    assert!(track.contains("00:00:02.000 --> 00:00:04.000\nscene-02.png"), "{track}");
    let most = shots(SnapshotTimes::Scenes { threshold: 0.1, most: 2 }, ImageFormat::Png, "scene-##.png");
    assert_eq!(names(&Trial::new(&clip, &[Output::Snapshot(most)])).len(), 2);
}

#[test]
fn keyframes_are_the_last_at_or_before_the_moment() {
    // A keyframe every second; grey that brightens by 10 levels a frame.
    let clip = lavfi(
        &["nullsrc=d=2:r=10:s=64x64,format=gray,geq=lum='10*N',format=yuv420p"],
        &["-c:v", "libx264", "-g", "10", "-sc_threshold", "0", "-bf", "2", "-qp", "4"],
        "a.mp4",
    );
    let level = |frame_type, at: f64| {
        let at = SnapshotTimes::At(Moment::Seconds(at));
        let snapshot = Snapshot { frame_type, ..shots(at, ImageFormat::Png, "a.png") };
        Trial::new(&clip, &[Output::Snapshot(snapshot)]).colour("a.png", (0, 0, 64, 64))[0]
    };
    let normal = level(FrameType::Normal, 1.55);
    let intra = level(FrameType::Intra, 1.55);
    let first = level(FrameType::Intra, 0.95);
    assert!(normal > intra + 30 && intra > first + 70, "{normal} {intra} {first}");
}

#[test]
fn black_pictures_yield_to_the_next() {
    let parts = ["color=black:d=2:r=10:s=160x90", "color=white:d=2:r=10:s=160x90"];
    let clip = lavfi(&parts, &["-filter_complex", "[0][1]concat=n=2"], "a.mp4");
    let level = |black_level, at: Vec<f64>| {
        let at = SnapshotTimes::List(at.into_iter().map(Moment::Seconds).collect());
        let snapshot = Snapshot { black_level, ..shots(at, ImageFormat::Png, "a-#.png") };
        Trial::new(&clip, &[Output::Snapshot(snapshot)]).colour("a-1.png", (0, 0, 160, 90))[0]
    };
    assert!(level(None, vec![0.0]) < 10);
    assert!(level(Some(90), vec![0.0]) > 240, "the next that is not black");
    assert!(level(Some(90), vec![0.0, 1.0]) < 10, "but never beyond the next moment");
}

#[test]
fn the_best_picture_is_neither_black_nor_blurred_nor_grey() {
    let parts = [
        "color=black:d=2:r=10:s=320x180",
        "testsrc2=d=2:r=10:s=320x180,gblur=sigma=20",
        "testsrc2=d=2:r=10:s=320x180",
        "testsrc2=d=2:r=10:s=320x180,hue=s=0,eq=contrast=0.4",
    ];
    let clip = lavfi(&parts, &["-filter_complex", "[0][1][2][3]concat=n=4,setsar=1"], "a.mp4");
    let outputs = ["best.png", "sharp.png"].map(|file| {
        let at = if file == "best.png" { SnapshotTimes::Best } else { SnapshotTimes::At(Moment::Seconds(5.0)) };
        Output::Snapshot(shots(at, ImageFormat::Png, file))
    });
    let trial = Trial::new(&clip, &outputs);
    // SSIM says whether it is of the third part, whichever frame.
    let compared = Command::new("ffmpeg")
        .args(["-v", "info", "-i"])
        .arg(trial.path("best.png"))
        .arg("-i")
        .arg(trial.path("sharp.png"))
        .args(["-lavfi", "ssim", "-f", "null", "-"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&compared.stderr).into_owned();
    let ssim: f64 = text.rsplit("All:").next().unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(ssim > 0.6, "{ssim}");
}

#[test]
fn sheets_have_margins_and_the_track_knows() {
    let clip = scenes();
    let snapshot = Snapshot {
        sprite: Some(Sprite { margin: 10, padding: 4, color: Color::new(255, 255, 0), ..sprite(2, 2, 80) }),
        vtt: Some("t.vtt".into()),
        cells: Some("cell-##.png".into()),
        ..shots(SnapshotTimes::Every(2.0), ImageFormat::Png, "s.png")
    };
    let trial = Trial::new(&clip, &[Output::Snapshot(snapshot.clone())]);
    assert_eq!(names(&trial), ["cell-01.png", "cell-02.png", "cell-03.png", "s.png", "t.vtt"]);
    assert_eq!(trial.ffprobe("s.png", "v", "stream=width,height"), ["184,112"]);
    let track = std::fs::read_to_string(trial.path("t.vtt")).unwrap();
    // What each cue points at is the picture of its moment.
    let expected = [[255, 0, 0], [0, 255, 0], [0, 0, 255]];
    let cells: Vec<Vec<u32>> = track
        .lines()
        .filter_map(|line| line.split_once("#xywh="))
        .map(|(_, cell)| cell.split(',').map(|n| n.parse().unwrap()).collect())
        .collect();
    assert_eq!(cells, [[10, 10, 80, 44], [94, 10, 80, 44], [10, 58, 80, 44]]);
    for (cell, colour) in cells.iter().zip(expected) {
        assert!(is_near(trial.colour("s.png", (cell[0], cell[1], cell[2], cell[3])), colour), "{cell:?}");
    }
    assert!(is_near(trial.colour("s.png", (0, 0, 184, 10)), [255, 255, 0]), "the margin");
    assert!(is_near(trial.colour("s.png", (90, 10, 4, 44)), [255, 255, 0]), "the padding");

    let one = Snapshot {
        sprite: Some(Sprite { one_sheet: true, step: 2, ..sprite(2, 1, 40) }),
        cells: None,
        ..shots(SnapshotTimes::Every(0.5), ImageFormat::Png, "one.png")
    };
    let trial = Trial::new(&clip, &[Output::Snapshot(one)]);
    assert_eq!(names(&trial), ["one.png"]);
    assert_eq!(trial.ffprobe("one.png", "v", "stream=width,height"), ["80,66"], "6 of 12 pictures in 3 rows");
}

#[test]
fn what_no_picture_covers_is_black_in_every_format() {
    let clip = lavfi(&["color=white:d=3:r=10:s=96x96"], &[], "a.mp4");
    for (format, file) in [(ImageFormat::Jpg, "s.jpg"), (ImageFormat::Png, "s.png"), (ImageFormat::Webp, "s.webp")] {
        // Three square pictures in four wide cells, a margin around them.
        let snapshot = Snapshot {
            sprite: Some(Sprite { height: Some(48), margin: 16, ..sprite(2, 2, 96) }),
            ..shots(SnapshotTimes::Every(1.0), format, file)
        };
        let trial = Trial::new(&clip, &[Output::Snapshot(snapshot)]);
        for (place, part) in [("margin", (0, 0, 224, 8)), ("padding", (16, 16, 16, 48)), ("missing", (128, 80, 80, 32))]
        {
            let found = trial.colour(file, part);
            assert!(found.iter().all(|&level| level < 4), "{file}: {place}: {found:?}");
        }
        let found = trial.colour(file, (48, 24, 32, 32));
        assert!(found.iter().all(|&level| level > 250), "{file}: {found:?}");
    }
}

#[test]
fn previews_move_through_the_whole_source() {
    let clip = scenes();
    for (format, file) in
        [(AnimationFormat::Gif, "p.gif"), (AnimationFormat::Mp4, "p.mp4"), (AnimationFormat::Webp, "p.webp")]
    {
        let animation = Animation { format, pieces: 3, length_s: 0.5, start_s: None, fps: 10.0 };
        let snapshot = Snapshot {
            animation: Some(animation),
            size: Size::Box { width: Some(80), height: None },
            ..shots(SnapshotTimes::At(Moment::Seconds(0.0)), ImageFormat::Jpg, file)
        };
        let trial = Trial::new(&clip, &[Output::Snapshot(snapshot)]);
        assert_eq!(names(&trial), [file]);
        if format == AnimationFormat::Webp {
            let bytes = std::fs::read(trial.path(file)).unwrap();
            let frames = bytes.windows(4).filter(|window| window == b"ANMF").count();
            assert!((3..=15).contains(&frames), "{frames}");
            continue;
        }
        let frames = trial.ffprobe(file, "v", "stream=width,nb_read_packets");
        let seen = Command::new("ffmpeg")
            .args(["-v", "error", "-i"])
            .arg(trial.path(file))
            .args(["-vf", "fps=10,scale=1:1:flags=area,format=rgb24", "-f", "rawvideo", "-"])
            .output()
            .unwrap()
            .stdout;
        let seen: Vec<[u8; 3]> = seen.chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect();
        assert!((14..=16).contains(&seen.len()), "{file}: {} {frames:?}", seen.len());
        for (at, colour) in [(2, [255, 0, 0]), (7, [0, 255, 0]), (13, [0, 0, 255])] {
            assert!(is_near(seen[at], colour), "{file}: frame {at} is {:?}", seen[at]);
        }
    }
}

/// Formats without an index are sought to places between keyframes.
#[test]
fn field_fault_previews_and_covers_of_streams_without_an_index_are_whole() {
    let colours = ["color=red:d=2:r=25:s=160x90", "color=lime:d=2:r=25:s=160x90", "color=blue:d=2:r=25:s=160x90"];
    let h264 = ["-c:v", "libx264", "-g", "25", "-bf", "2", "-sc_threshold", "0"];
    let h265 = ["-c:v", "libx265", "-x265-params", "log-level=error:keyint=25:scenecut=0"];
    let mpeg2 = ["-c:v", "mpeg2video", "-g", "12", "-bf", "2"];
    for (codec, name) in [(&h264[..], "a.ts"), (&h265[..], "a.ts"), (&mpeg2[..], "a.mpg"), (&mpeg2[..], "a.ts")] {
        let clip = lavfi(&colours, &[&["-filter_complex", "[0][1][2]concat=n=3"][..], codec].concat(), name);
        for (start_s, colour) in [(0.0, [255, 0, 0]), (2.6, [0, 255, 0]), (4.7, [0, 0, 255])] {
            let animation =
                Animation { format: AnimationFormat::Gif, pieces: 1, length_s: 1.0, start_s: Some(start_s), fps: 10.0 };
            let any = SnapshotTimes::At(Moment::Seconds(0.0));
            let snapshot = Snapshot { animation: Some(animation), ..shots(any, ImageFormat::Jpg, "p.gif") };
            let trial = Trial::new(&clip, &[Output::Snapshot(snapshot)]);
            trial.made.produced();
            let length: f64 = trial.ffprobe("p.gif", "v", "format=duration")[0].parse().unwrap();
            assert!((length - 1.0).abs() < 0.15, "{codec:?} {name} at {start_s}: {length}");
            for frame in [0, 5] {
                let found = trial.colour_of("p.gif", frame, (0, 0, 160, 90));
                assert!(is_near(found, colour), "{codec:?} {name} at {start_s}: frame {frame} is {found:?}");
            }
        }
        let best = shots(SnapshotTimes::Best, ImageFormat::Png, "best.png");
        let found = Trial::new(&clip, &[Output::Snapshot(best)]).colour("best.png", (0, 0, 160, 90));
        assert!([[255, 0, 0], [0, 255, 0], [0, 0, 255]].iter().any(|&colour| is_near(found, colour)), "{found:?}");
    }
}

#[test]
fn a_picture_alone_becomes_an_animation_of_one() {
    let still = generate(&["-f", "lavfi", "-i", "color=red:s=160x90", "-frames:v", "1"], "still.png");
    for (format, file) in [(AnimationFormat::Gif, "p.gif"), (AnimationFormat::Mp4, "p.mp4")] {
        let animation = Animation { format, pieces: 5, length_s: 1.0, start_s: None, fps: 10.0 };
        let snapshot = Snapshot {
            animation: Some(animation),
            size: Size::Box { width: Some(80), height: None },
            ..shots(SnapshotTimes::At(Moment::Seconds(0.0)), ImageFormat::Jpg, file)
        };
        let trial = Trial::new(&still, &[Output::Snapshot(snapshot)]);
        assert_eq!(names(&trial), [file]);
        assert!(is_near(trial.colour(file, (10, 10, 40, 20)), [254, 0, 0]), "{file}");
    }
}
