//! Every codec in every container that holds it, judged by `ffprobe` and decoded by `ffmpeg`.

use reelmill::model::codec::{AudioCodec, Rates, VideoCodec};
use reelmill::model::work::RateControl;

use super::*;

/// Quick, whatever the codec.
fn quick(codec: VideoCodec) -> VideoEncode {
    let info = codec.info();
    let rate_control = match info.rates {
        Rates::Crf { default, .. } => RateControl::Crf { crf: default, maxrate_bps: None, bufsize_bits: None },
        Rates::Quality(_) | Rates::Profile => encoded().rate_control,
    };
    let quickest = if info.presets.contains(&"ultrafast") { info.presets.first() } else { info.presets.last() };
    VideoEncode { codec, rate_control, preset: quickest.map(|&p| p.to_owned()), ..encoded() }
}

fn in_container(container: Container, video: VideoEncode) -> Output {
    let audio = container.info().audio.filter(|_| container.info().video.is_some());
    with(|media| {
        media.file = format!("out.{}", container.info().name);
        media.container = container;
        media.video = Some(Video::Encode(video));
        media.audio = audio.map(|codec| Audio::Encode(AudioEncode { codec, bitrate_bps: None, ..aac() }));
    })
}

/// Decodes a file with the `ffmpeg` command, which may not complain.
fn decodes(trial: &Trial, file: &str) {
    let path = trial.path(file);
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-xerror", "-i"])
        .arg(path)
        .args(["-map", "0", "-f", "null", "-"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{file}: {said}");
}

#[test]
fn every_video_codec_goes_into_every_container_that_holds_it() {
    let clip = lavfi(&["testsrc2=d=1:r=25:s=192x108", "sine=d=1:r=48000"], &["-c:a", "pcm_s16le"], "a.mkv");
    for &codec in VideoCodec::ALL.iter().filter(|&&codec| codec != VideoCodec::Webp) {
        let info = codec.info();
        for &container in info.containers {
            let output = in_container(container, quick(codec));
            let trial = Trial::new(&clip, &[output]);
            let file = format!("out.{}", container.info().name);
            let seen = trial.ffprobe(&file, "v", "stream=codec_name,width,height,pix_fmt,codec_tag_string");
            let tag = match (codec, container) {
                (VideoCodec::H265, Container::Mp4 | Container::Mov) => "hvc1",
                (VideoCodec::H264, Container::Mp4 | Container::Mov) => "avc1",
                (VideoCodec::Av1, Container::Mp4) => "av01",
                (VideoCodec::Vp9, Container::Mp4) => "vp09",
                (VideoCodec::Prores, Container::Mov) => "apcn",
                (VideoCodec::Mjpeg, Container::Mov) => "jpeg",
                _ => "",
            };
            // `pal8` is told as what it decodes to.
            let format = if codec == VideoCodec::Gif { "bgra" } else { info.pixel_formats[0] };
            let seen = seen.first().unwrap_or_else(|| panic!("{codec:?} in {file}: {:?}", trial.made.failure()));
            let fields: Vec<&str> = seen.split(',').collect();
            assert_eq!(
                [fields[0], fields[2], fields[3], fields[4]],
                [info.libav, "192", "108", format],
                "{file}: {seen}"
            );
            assert!(fields[1].contains(tag), "{codec:?} in {file}: {seen}");
            let media = trial.made.media();
            let duration = media.format.duration_s.unwrap();
            assert!((duration - 1.0).abs() < 0.05, "{codec:?} in {file}: {duration}");
            assert_eq!(trial.times(&file, "v").len(), 25, "{codec:?} in {file}");
            decodes(&trial, &file);
        }
    }
}

#[test]
fn animations_have_every_picture_and_its_time() {
    let clip = lavfi(&["testsrc2=d=1.6:r=60:s=192x108", "sine=d=1.6"], &["-c:a", "aac"], "a.mp4");
    let webp = VideoEncode { frame_rate: FrameRate::Max(Ratio { num: 12, den: 1 }), ..quick(VideoCodec::Webp) };
    let outputs = [in_container(Container::Webp, webp), in_container(Container::Gif, quick(VideoCodec::Gif))];
    let trial = Trial::new(&clip, &outputs);
    let produced = trial.made.produced();
    let (webp, gif) = (&produced[0].files[0], &produced[1].files[0]);
    assert_eq!((webp.content_type.as_str(), gif.content_type.as_str()), ("image/webp", "image/gif"));
    let webp = &webp.media.as_ref().unwrap().video[0];
    assert_eq!((webp.width, webp.height), (192, 108));
    assert!((19..=20).contains(&webp.frames.unwrap()), "{webp:?}");
    assert!((webp.duration_s.unwrap() - 1.6).abs() < 0.1, "{webp:?}");
    // A GIF shows fifty frames a second at most.
    let times = trial.times("out.gif", "v");
    assert!((79..=80).contains(&times.len()), "{times:?}");
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] > 0.015), "{times:?}");
    decodes(&trial, "out.gif");
}

#[test]
fn the_pictures_of_a_gif_have_a_palette_of_their_own() {
    let clip = lavfi(&["color=c=0x3a7bd5:d=1:r=10:s=64x64"], &["-qp", "0", "-pix_fmt", "yuv444p"], "a.mkv");
    let trial = Trial::new(&clip, &[in_container(Container::Gif, quick(VideoCodec::Gif))]);
    let [red, green, blue] = trial.colour("out.gif", (0, 0, 64, 64));
    assert!(red.abs_diff(0x3a) < 4 && green.abs_diff(0x7b) < 4 && blue.abs_diff(0xd5) < 4, "{red} {green} {blue}");
}

#[test]
fn every_audio_codec_goes_into_every_container_that_holds_it() {
    let clip = lavfi(&["sine=d=1:r=48000,aformat=channel_layouts=stereo"], &["-c:a", "pcm_s16le"], "a.wav");
    for &codec in AudioCodec::ALL {
        let info = codec.info();
        for &container in info.containers {
            let file = format!("out.{}", container.info().name);
            let output = with(|media| {
                media.file.clone_from(&file);
                media.container = container;
                media.video = None;
                media.audio = Some(Audio::Encode(AudioEncode { codec, bitrate_bps: None, ..aac() }));
            });
            let trial = Trial::new(&clip, &[output]);
            let seen = trial.ffprobe(&file, "a", "stream=codec_name,sample_rate,channels");
            let seen = seen.first().unwrap_or_else(|| panic!("{codec:?} in {file}: {:?}", trial.made.failure()));
            assert!(seen.starts_with(info.libav) && seen.ends_with(",48000,2"), "{codec:?} in {file}: {seen}");
            let duration = trial.made.media().format.duration_s.unwrap();
            assert!((duration - 1.0).abs() < 0.06, "{codec:?} in {file}: {duration}");
            decodes(&trial, &file);
        }
    }
}

#[test]
fn samples_have_the_depth_that_is_asked_for() {
    let clip = lavfi(&["sine=d=1:r=48000"], &["-c:a", "pcm_s32le"], "a.wav");
    for (codec, container, depth, expected) in [
        (AudioCodec::Pcm, Container::Wav, 16, "pcm_s16le,16,0"),
        (AudioCodec::Pcm, Container::Wav, 24, "pcm_s24le,24,24"),
        (AudioCodec::Pcm, Container::Mov, 32, "pcm_s32le,32,32"),
        (AudioCodec::Flac, Container::Flac, 16, "flac,0,16"),
        (AudioCodec::Flac, Container::Flac, 24, "flac,0,24"),
    ] {
        let output = with(|media| {
            (media.container, media.video) = (container, None);
            media.audio =
                Some(Audio::Encode(AudioEncode { codec, bit_depth: Some(depth), bitrate_bps: None, ..aac() }));
        });
        let trial = Trial::new(&clip, &[output]);
        let seen = trial.ffprobe("out.mp4", "a", "stream=codec_name,bits_per_sample,bits_per_raw_sample");
        assert!(seen[0].replace("N/A", "0").starts_with(&expected[..expected.len() - 2]), "{seen:?} {expected}");
    }
}

#[test]
fn profiles_and_pixel_formats_are_those_asked_for() {
    let clip = lavfi(&["testsrc2=d=1:r=10:s=96x64"], &["-pix_fmt", "yuv444p"], "a.mkv");
    for (codec, profile, format, expected) in [
        (VideoCodec::H264, "main", "yuv420p", "Main,yuv420p"),
        (VideoCodec::H264, "high10", "yuv420p10le", "High 10,yuv420p10le"),
        (VideoCodec::H264, "high422", "yuv422p", "High 4:2:2,yuv422p"),
        (VideoCodec::H264, "high444", "yuv444p", "High 4:4:4 Predictive,yuv444p"),
        (VideoCodec::H265, "main10", "yuv420p10le", "Main 10,yuv420p10le"),
        (VideoCodec::H265, "main422_10", "yuv422p10le", "Rext,yuv422p10le"),
        (VideoCodec::H265, "main444_8", "yuv444p", "Rext,yuv444p"),
        (VideoCodec::Av1, "main", "yuv420p10le", "Main,yuv420p10le"),
        (VideoCodec::Vp9, "1", "yuv444p", "Profile 1,yuv444p"),
        (VideoCodec::Vp9, "2", "yuv420p10le", "Profile 2,yuv420p10le"),
        (VideoCodec::Prores, "proxy", "yuv422p10le", "Proxy,yuv422p10le"),
        (VideoCodec::Prores, "hq", "yuv422p10le", "HQ,yuv422p10le"),
        // Decoders give 12 bits, whatever went in.
        (VideoCodec::Prores, "4444", "yuv444p10le", "4444,yuv444p12le"),
    ] {
        // x264's ultrafast turns the 8x8 transform off, and with it every profile above main.
        let preset = if codec == VideoCodec::H264 { Some("veryfast".to_owned()) } else { quick(codec).preset };
        let asked =
            VideoEncode { profile: Some(profile.into()), pixel_format: Some(format.into()), preset, ..quick(codec) };
        // Only the tag that QuickTime has for it says ProRes' profile.
        let container = if codec == VideoCodec::Prores { Container::Mov } else { Container::Mkv };
        let trial = Trial::new(&clip, &[in_container(container, asked)]);
        let file = format!("out.{}", container.info().name);
        assert_eq!(trial.ffprobe(&file, "v", "stream=profile,pix_fmt"), [expected], "{codec:?} {profile}");
        decodes(&trial, &file);
    }
}

#[test]
fn levels_are_those_asked_for() {
    let clip = lavfi(&["testsrc2=d=0.5:r=10:s=96x64"], &[], "a.mp4");
    // Decoders count them in tenths and in thirtieths.
    for (codec, level, expected) in
        [(VideoCodec::H264, "4.1", "41"), (VideoCodec::H264, "3.0", "30"), (VideoCodec::H265, "5.1", "153")]
    {
        let asked = VideoEncode { level: Some(level.into()), ..quick(codec) };
        let trial = Trial::new(&clip, &[in_container(Container::Mp4, asked)]);
        assert_eq!(trial.ffprobe("out.mp4", "v", "stream=level"), [expected], "{codec:?} {level}");
    }
    // Streams of VP9 do not say theirs: its encoder refuses pictures that come too fast for it.
    let fast = lavfi(&["testsrc2=d=2:r=25:s=256x144"], &[], "a.mp4");
    for (level, fits) in [("1", false), ("1.1", true)] {
        let asked = VideoEncode { level: Some(level.into()), ..quick(VideoCodec::Vp9) };
        let trial = Trial::new(&fast, &[in_container(Container::Webm, asked)]);
        if fits {
            assert_eq!(trial.made.media().video.len(), 1);
        } else {
            assert_eq!(trial.made.failure().code, "MEDIA0011");
        }
    }
}

/// What `mediainfo` says of the first stream of that kind.
fn mediainfo(path: &Path, kind: &str) -> serde_json::Value {
    let output = Command::new("mediainfo").arg("--Output=JSON").arg(path).output().unwrap();
    let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let tracks = said["media"]["track"].as_array().unwrap_or_else(|| panic!("{said}"));
    tracks.iter().find(|track| track["@type"] == kind).unwrap_or_else(|| panic!("{said}")).clone()
}

#[test]
fn mediainfo_sees_what_was_asked_for_too() {
    let clip = lavfi(&["testsrc2=d=2:r=25:s=192x108", "sine=d=2:r=48000"], &["-c:a", "pcm_s16le"], "a.mkv");
    for (codec, container, name) in [
        (VideoCodec::H264, Container::Mp4, "AVC"),
        (VideoCodec::H265, Container::Mp4, "HEVC"),
        (VideoCodec::Av1, Container::Mkv, "AV1"),
        (VideoCodec::Vp9, Container::Webm, "VP9"),
        (VideoCodec::Prores, Container::Mov, "ProRes"),
    ] {
        let trial = Trial::new(&clip, &[in_container(container, quick(codec))]);
        let path = trial.path(&format!("out.{}", container.info().name));
        let (video, audio) = (mediainfo(&path, "Video"), mediainfo(&path, "Audio"));
        let fields = ["Format", "Width", "Height", "FrameRate"].map(|key| video[key].as_str().unwrap_or_default());
        assert_eq!(fields, [name, "192", "108", "25.000"], "{codec:?}: {video}");
        let length: f64 = mediainfo(&path, "General")["Duration"].as_str().unwrap().parse().unwrap();
        assert!((length - 2.0).abs() < 0.04, "{codec:?}: {length}");
        assert_eq!(audio["SamplingRate"], "48000", "{codec:?}: {audio}");
    }
}
