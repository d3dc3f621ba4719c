//! Animations whose frames are shown for times of their own: every delay is kept, the last one too.

use reelmill::model::work::{Analysis, Package, SegmentFormat, VideoCodec};

use super::*;

/// Frames in hundredths of a second: as screen recordings and jokes have them, the last is held.
const UNEVEN: [u32; 4] = [10, 50, 20, 150];

/// An animation by `ffmpeg` whose frames are shown for these hundredths of a second.
fn animation(delays: &[u32], name: &str) -> crate::testing::Clip {
    let mut starts = vec![0];
    for delay in delays {
        starts.push(starts[starts.len() - 1] + delay);
    }
    let times =
        (0..delays.len()).rev().fold(String::from("0"), |rest, n| format!("if(eq(N,{n}),{},{rest})", starts[n]));
    let source = format!(
        "nullsrc=s=160x120:r=100:d={},format=rgb24,geq=r='60*N':g='255-60*N':b='80+20*N',settb=1/100,setpts='{times}'",
        f64::from(u32::try_from(delays.len()).unwrap()) / 100.0
    );
    let last = delays[delays.len() - 1];
    let extension = Path::new(name).extension().and_then(|extension| extension.to_str());
    let rest: Vec<String> = if extension == Some("webp") {
        vec!["-c:v".into(), "libwebp_anim".into()]
    } else if extension == Some("png") {
        vec!["-f".into(), "apng".into(), "-final_delay".into(), format!("{last}/100")]
    } else {
        vec!["-final_delay".into(), last.to_string()]
    };
    let mut arguments = vec!["-vsync", "passthrough", "-enc_time_base", "1/100"];
    arguments.extend(rest.iter().map(String::as_str));
    lavfi(&[&source], &arguments, name)
}

/// A screen recording: 19 frames of a tenth of a second, and a last one that is held for two.
fn held() -> Vec<u32> {
    [&[10; 19][..], &[200]].concat()
}

fn seconds(delays: &[u32]) -> f64 {
    f64::from(delays.iter().sum::<u32>()) / 100.0
}

/// Moments at which frames begin, and the end, as `ffprobe` says.
fn starts(trial: &Trial) -> Vec<f64> {
    let lines = trial.ffprobe("out.bin", "v", "packet=pts_time,duration_time");
    let mut frames: Vec<(f64, f64)> = lines
        .iter()
        .map(|line| {
            let (start, length) = line.split_once(',').unwrap();
            (start.parse().unwrap(), length.parse().unwrap_or(0.0))
        })
        .collect();
    frames.sort_by(|one, other| one.0.total_cmp(&other.0));
    let (last, length) = frames[frames.len() - 1];
    let first = frames[0].0;
    frames.iter().map(|(start, _)| start - first).chain([last + length - first]).collect()
}

/// Durations of the pictures of an animated WebP, in milliseconds.
fn webp_delays(path: &Path) -> Vec<u32> {
    let bytes = std::fs::read(path).unwrap();
    let places = (0..bytes.len() - 24).filter(|&at| &bytes[at..at + 4] == b"ANMF");
    places.map(|at| u32::from_le_bytes([bytes[at + 20], bytes[at + 21], bytes[at + 22], 0])).collect()
}

/// Presets that put frames in another order to save bits, as most do.
#[test]
fn field_fault_16_a_last_frame_is_held_whatever_the_encoder_does_with_the_order() {
    for (delays, name) in [(held(), "a.gif"), (held(), "a.png"), (UNEVEN.to_vec(), "a.gif"), (vec![250], "a.gif")] {
        let clip = animation(&delays, name);
        for container in [Container::Mp4, Container::Mov] {
            for codec in [VideoCodec::H264, VideoCodec::H265] {
                let encode = VideoEncode { codec, preset: Some("medium".into()), ..encoded() };
                let Output::Media(media) = media_output("out.bin", encode) else { unreachable!() };
                let trial = Trial::new(&clip, &[Output::Media(MediaOutput { container, audio: None, ..media })]);
                let what = format!("{name} of {} frames as {codec:?} in {container:?}", delays.len());
                let made = trial.made.media().format.duration_s.unwrap();
                assert!((made - seconds(&delays)).abs() < 0.011, "{what}: {made}");
                let found = starts(&trial);
                for (n, start) in found[..delays.len()].iter().enumerate() {
                    assert!((start - seconds(&delays[..n])).abs() < 0.011, "{what}: {found:?}");
                }
                let track: f64 = trial.ffprobe("out.bin", "v", "stream=duration")[0].parse().unwrap();
                assert!((track - seconds(&delays)).abs() < 0.011, "{what}: {track}");
            }
        }
    }
}

fn every_delay_is_kept(delays: &[u32], name: &str) {
    use VideoCodec::{Gif, H264, Vp9, Webp};
    let clip = animation(delays, name);
    let expected: Vec<f64> = (0..=delays.len()).map(|n| seconds(&delays[..n])).collect();
    let info = crate::testing::analyse(&source_of(&clip), &Analysis::default(), &|_| {}).unwrap();
    assert!((info.format.duration_s.unwrap() - seconds(delays)).abs() < 0.011, "{name}: {:?}", info.format);
    let most = |num| FrameRate::Max(Ratio { num, den: 1 });
    for (container, codec, frame_rate) in [
        (Container::Mp4, H264, FrameRate::Source),
        (Container::Mp4, H264, most(30)),
        (Container::Mov, H264, FrameRate::Source),
        (Container::Mkv, H264, FrameRate::Source),
        (Container::Ts, H264, most(30)),
        (Container::Webm, Vp9, FrameRate::Source),
        (Container::Gif, Gif, most(15)),
        (Container::Webp, Webp, most(15)),
    ] {
        let preset = (codec == H264).then(|| "ultrafast".to_owned());
        let encode = VideoEncode { codec, preset, frame_rate, ..encoded() };
        let Output::Media(media) = media_output("out.bin", encode) else { unreachable!() };
        let trial = Trial::new(&clip, &[Output::Media(MediaOutput { container, audio: None, ..media })]);
        let what = format!("{name} as {container:?}, {frame_rate:?}");
        let made = trial.made.media().format.duration_s;
        // Nobody knows how long the last frame of a transport stream is shown.
        let slack = if container == Container::Ts { 0.21 } else { 0.06 };
        assert!(made.is_some_and(|made| (made - seconds(delays)).abs() < slack), "{what}: {made:?}");
        if container == Container::Webp {
            let found = webp_delays(&trial.path("out.bin"));
            assert_eq!(found, delays.iter().map(|delay| delay * 10).collect::<Vec<_>>(), "{what}");
            continue;
        }
        let found = starts(&trial);
        let frames = &found[..found.len() - 1];
        for (frame, start) in frames.iter().zip(&expected[..delays.len()]) {
            assert!((frame - start).abs() < 0.011, "{what}: {found:?}");
        }
        // What does not say how long a frame is shown has the last one once more.
        let said_again = usize::from(!matches!(container, Container::Mp4 | Container::Mov | Container::Gif));
        assert_eq!(frames.len(), delays.len() + said_again, "{what}: {found:?}");
        if said_again == 0 {
            assert!((found[frames.len()] - expected[delays.len()]).abs() < 0.011, "{what}: {found:?}");
        }
    }
}

#[test]
fn field_fault_16_every_delay_of_a_gif_is_kept_in_every_output() {
    every_delay_is_kept(&UNEVEN, "a.gif");
    every_delay_is_kept(&held(), "a.gif");
}

#[test]
fn field_fault_16_every_delay_of_an_apng_is_kept_in_every_output() {
    every_delay_is_kept(&UNEVEN, "a.png");
    every_delay_is_kept(&held(), "a.png");
}

#[test]
fn field_fault_16_a_last_delay_that_is_shorter_than_others_is_kept() {
    use VideoCodec::{Gif, H264, Webp};
    let delays = [120, 5];
    for name in ["a.gif", "a.png"] {
        let clip = animation(&delays, name);
        for (container, codec) in
            [(Container::Mp4, H264), (Container::Mov, H264), (Container::Gif, Gif), (Container::Webp, Webp)]
        {
            let preset = (codec == H264).then(|| "ultrafast".to_owned());
            let encode = VideoEncode { codec, preset, ..encoded() };
            let Output::Media(media) = media_output("out.bin", encode) else { unreachable!() };
            let trial = Trial::new(&clip, &[Output::Media(MediaOutput { container, audio: None, ..media })]);
            if container == Container::Webp {
                assert_eq!(webp_delays(&trial.path("out.bin")), [1200, 50], "{name}");
                continue;
            }
            let made = trial.made.media().format.duration_s;
            let near = made.is_some_and(|made| (made - seconds(&delays)).abs() < 0.06);
            assert!(near, "{name} as {container:?}: {made:?}");
        }
    }
}

#[test]
fn field_fault_16_packages_and_snapshots_reach_into_the_last_delay() {
    let clip = animation(&UNEVEN, "a.gif");
    let shot = |at, file: &str| Output::Snapshot(shots(SnapshotTimes::At(Moment::Seconds(at)), ImageFormat::Png, file));
    let mp4 = with(|media| media.audio = None);
    let trial = Trial::new(&clip, &[mp4, shot(0.7, "third.png"), shot(2.0, "last.png")]);
    let colour = |file: &str| trial.colour(file, (20, 20, 40, 40));
    assert!(is_near(colour("third.png"), [120, 135, 120]), "{:?}", colour("third.png"));
    assert!(is_near(colour("last.png"), [180, 75, 140]), "{:?}", colour("last.png"));
    for segments in [SegmentFormat::Fmp4, SegmentFormat::Ts] {
        let folder = tempfile::tempdir().unwrap();
        let package = Package {
            master: Some("master.m3u8".into()),
            mpd: None,
            segments,
            segment_s: 6.0,
            renditions: vec!["rung".into()],
            separate_audio: false,
            byte_range: false,
            iframe_playlists: false,
            keep_subtitles: true,
            subtitles: Vec::new(),
            subtitle_folder: "subtitles".into(),
            encryption: None,
            if_incomplete: reelmill::model::work::IfIncomplete::Warn,
        };
        crate::package::run(&[source_of(&trial.path("out.mp4"))], &package, folder.path(), &|_| {}).unwrap();
        let playlist = std::fs::read_to_string(folder.path().join("rung/index.m3u8")).unwrap();
        let lengths = playlist
            .lines()
            .filter_map(|line| line.strip_prefix("#EXTINF:")?.trim_end_matches(',').parse::<f64>().ok());
        assert!((lengths.sum::<f64>() - 2.3).abs() < 0.011, "{segments:?}: {playlist}");
    }
}

#[test]
fn field_fault_16_an_animated_webp_is_refused_as_a_source() {
    let clip = animation(&UNEVEN, "a.webp");
    let trial = Trial::new(&clip, &[with(|media| media.audio = None)]);
    assert_eq!(trial.made.failure().code, "MEDIA0005");
}
