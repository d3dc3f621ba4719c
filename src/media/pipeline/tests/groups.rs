//! Groups of pictures: where keyframes stand, and that nothing leans over them.

use reelmill::model::codec::Rates;
use reelmill::model::work::{RateControl, VideoCodec};

use super::*;

/// Codecs whose pictures lean on others, but animations.
fn codecs() -> impl Iterator<Item = VideoCodec> {
    VideoCodec::ALL.iter().copied().filter(|codec| codec.info().groups)
}

/// Constant quality, or where that is `None` an average bit rate.
fn asked(codec: VideoCodec, gop: Gop, size: Size, bitrate: Option<u64>) -> VideoEncode {
    let Rates::Crf { default, .. } = codec.info().rates else { panic!("{codec:?} has no quality") };
    let rate_control = match bitrate {
        None => RateControl::Crf { crf: default, maxrate_bps: None, bufsize_bits: None },
        Some(bitrate_bps) => RateControl::Abr { bitrate_bps, maxrate_bps: None, bufsize_bits: None },
    };
    let preset = match codec {
        VideoCodec::Av1 => "11",
        VideoCodec::Vp9 => "8",
        _ => "veryfast",
    };
    VideoEncode { codec, rate_control, preset: Some(preset.into()), gop: Some(gop), size, ..encoded() }
}

fn silent(file: &str, video: VideoEncode) -> Output {
    with(|media| {
        media.file = file.to_owned();
        media.container = Container::Mkv;
        media.video = Some(Video::Encode(video));
        media.audio = None;
    })
}

/// Packets in the order in which they are decoded: when each is shown, in milliseconds, and whether it is a keyframe.
fn packets(trial: &Trial, file: &str) -> Vec<(i64, bool)> {
    let lines = trial.ffprobe(file, "v", "packet=pts,flags");
    let packet = |line: &String| {
        let (time, flags) = line.split_once(',').unwrap();
        (time.parse().unwrap(), flags.contains('K'))
    };
    lines.iter().map(packet).collect()
}

fn keyframes(trial: &Trial, file: &str) -> Vec<i64> {
    packets(trial, file).into_iter().filter(|(_, key)| *key).map(|(time, _)| time).collect()
}

/// What the pictures from `from_s` on look like, one line for each, as decoded without anything before.
fn pictures(trial: &Trial, file: &str, from_s: &str) -> Vec<String> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-xerror", "-ss", from_s, "-i"])
        .arg(trial.path(file))
        .args(["-f", "framemd5", "-"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stderr));
    let lines = String::from_utf8(output.stdout).unwrap();
    let sums = lines.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit(", ").next());
    sums.map(str::to_owned).collect()
}

#[test]
fn rungs_of_a_ladder_have_their_keyframes_at_the_same_times() {
    // A cut in the middle of a group, which tempts every encoder.
    let source = "testsrc2=d=3.3:r=30000/1001:s=192x108[a];mandelbrot=r=30000/1001:s=192x108,trim=duration=3.7[b];\
                  [a][b]concat=n=2,format=yuv420p";
    let clip = lavfi(&[source], &["-preset", "ultrafast"], "a.mp4");
    for codec in codecs() {
        let rung = |side, bitrate| asked(codec, Gop::Seconds(2.0), Size::ShortSide(side), bitrate);
        let outputs = [
            silent("quality.mkv", rung(108, None)),
            silent("low.mkv", rung(72, None)),
            silent("rate.mkv", rung(108, Some(300_000))),
        ];
        let trial = Trial::new(&clip, &outputs);
        let times = keyframes(&trial, "quality.mkv");
        assert_eq!(times.len(), 4, "{codec:?}: {times:?}");
        for (n, time) in (0..).zip(&times) {
            assert!((0..34).contains(&(time - 2_000 * n)), "{codec:?}: {times:?}");
        }
        for file in ["low.mkv", "rate.mkv"] {
            assert_eq!(keyframes(&trial, file), times, "{codec:?}: {file}");
        }
    }
}

#[test]
fn groups_are_as_long_as_asked_and_nothing_leans_over_their_ends() {
    let clip = lavfi(&["mandelbrot=r=25:s=192x108,trim=duration=4,format=yuv420p"], &["-preset", "ultrafast"], "a.mp4");
    for codec in codecs() {
        let trial = Trial::new(&clip, &[silent("out.mkv", asked(codec, Gop::Frames(40), Size::Source, None))]);
        assert_eq!(keyframes(&trial, "out.mkv"), [0, 1_600, 3_200], "{codec:?}");
        let mut start = 0;
        for (time, key) in packets(&trial, "out.mkv") {
            start = if key { time } else { start };
            assert!(time >= start, "{codec:?}: the picture at {time} ms is decoded after the keyframe at {start} ms");
        }
        let (all, tail) = (pictures(&trial, "out.mkv", "0"), pictures(&trial, "out.mkv", "1.6"));
        assert_eq!((all.len(), tail.len()), (100, 60), "{codec:?}");
        assert!(all[40..] == tail[..], "{codec:?}: pictures after the cut are not those of the whole");
    }
}
