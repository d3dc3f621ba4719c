//! The profiles of AAC that only Fraunhofer's encoder has, judged by `ffprobe` and by the decoder of `ffmpeg`.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "counts of samples of a short clip"
)]

use reelmill::model::codec::AudioCodec;

use super::*;
use crate::codec::fdk::{self, Fdk};
use crate::pipeline::encode::Coder;
use crate::pipeline::graph::AudioFormat;
use crate::{libav, raw};

/// Samples per second of every clip here.
const RATE: usize = 48_000;

/// Moment at which the tone of the clip begins, and its length, in seconds.
const TONE: (f64, f64) = (1.0, 0.7);

/// Two seconds and a half of nothing but a tone in their midst.
fn clip(channels: &str) -> crate::testing::Clip {
    let (start, length) = TONE;
    let source = format!(
        "sine=f=1000:d={length}:r={RATE},volume=18dB,adelay={:.0}:all=1,apad=whole_dur=2.5,aformat=channel_layouts={channels}",
        start * 1_000.0
    );
    lavfi(&[&source], &["-c:a", "pcm_s16le"], "a.wav")
}

fn output(container: Container, profile: &str, bitrate_bps: Option<u64>) -> Output {
    with(|media| {
        media.file = format!("out.{}", container.info().name);
        media.container = container;
        media.video = None;
        let profile = Some(profile.to_owned());
        media.audio = Some(Audio::Encode(AudioEncode { profile, bitrate_bps, ..AudioEncode::plain(AudioCodec::Aac) }));
    })
}

/// Channels that FFmpeg decodes. Of one channel of HE-AAC it makes two that are the same, because the second version may
/// begin anywhere.
fn heard(profile: &str, channels: u16) -> u16 {
    if profile.starts_with("aac_he") { 2 } else { channels }
}

/// The first channel as `ffmpeg` decodes it.
fn decoded(trial: &Trial, file: &str) -> Vec<i16> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-xerror", "-i"])
        .arg(trial.path(file))
        .args(["-af", "pan=mono|c0=c0", "-f", "s16le", "-"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{file}: {said}");
    output.stdout.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect()
}

/// First and last moment of something loud, in seconds.
fn loud(samples: &[i16]) -> (f64, f64) {
    let is_loud = |sample: &i16| sample.unsigned_abs() > 4_000;
    let seconds = |at: usize| at as f64 / RATE as f64;
    let first = samples.iter().position(is_loud).expect("the tone is there");
    (seconds(first), seconds(samples.iter().rposition(is_loud).unwrap_or(first)))
}

/// Times in which the level crosses zero, as a frequency.
fn pitch(samples: &[i16], (from, to): (f64, f64)) -> f64 {
    let at = |seconds: f64| (seconds * RATE as f64) as usize;
    let part = &samples[at(from)..at(to)];
    let crossings = part.windows(2).filter(|pair| (pair[0] < 0) != (pair[1] < 0)).count();
    crossings as f64 / 2.0 / (to - from)
}

#[test]
fn each_profile_is_what_it_says_and_sounds_when_the_source_does() {
    for (profile, title, channels, containers) in [
        ("aac_he", "HE-AAC", "mono", &[Container::Mp4, Container::Mkv, Container::M4a][..]),
        ("aac_he", "HE-AAC", "stereo", &[Container::Mp4, Container::Mov, Container::Ts, Container::Flv]),
        ("aac_he_v2", "HE-AACv2", "mono", &[Container::Mp4, Container::Mkv, Container::Ts]),
        ("aac_he_v2", "HE-AACv2", "stereo", &[Container::Mp4, Container::M4a]),
        ("aac_ld", "LD", "mono", &[Container::Mp4, Container::Mkv]),
        ("aac_ld", "LD", "stereo", &[Container::Mov, Container::M4a]),
        ("aac_eld", "ELD", "mono", &[Container::Mp4, Container::Mkv]),
        ("aac_eld", "ELD", "stereo", &[Container::Mov, Container::M4a]),
    ] {
        let clip = clip(channels);
        for &container in containers {
            let trial = Trial::new(&clip, &[output(container, profile, None)]);
            let file = format!("out.{}", container.info().name);
            let what = format!("{profile} {channels} in {file}");
            let seen = trial.ffprobe(&file, "a", "stream=codec_name,profile,sample_rate,channels");
            let seen = seen.first().unwrap_or_else(|| panic!("{what}: {:?}", trial.made.failure()));
            let count = if channels == "mono" { heard(profile, 1) } else { 2 };
            assert_eq!(*seen, format!("aac,{title},{RATE},{count}"), "{what}");
            let samples = decoded(&trial, &file);
            let (first, last) = loud(&samples);
            let (start, length) = TONE;
            // Where there is no edit list, what was primed is heard first, and everything else is told to be later.
            let edited = matches!(container, Container::Mp4 | Container::Mov | Container::M4a);
            let slack = if edited { 0.003 } else { 0.2 };
            assert!((first - start).abs() < slack, "{what}: the tone begins at {first}");
            assert!((last - first - length).abs() < 0.02, "{what}: the tone lasts {}", last - first);
            let pitch = pitch(&samples, (first + 0.1, last - 0.1));
            assert!((pitch - 1_000.0).abs() < 15.0, "{what}: {pitch} Hz");
            let duration = trial.made.media().format.duration_s.unwrap();
            let slack = if edited { 0.003 } else { 0.2 };
            assert!((duration - 2.5).abs() < slack, "{what}: {duration} s");
        }
    }
}

#[test]
fn headers_say_how_many_channels_there_are() {
    for (profile, layout, channels) in [("aac_he", "mono", 1), ("aac_he", "stereo", 2), ("aac_he_v2", "stereo", 1)] {
        let encode = AudioEncode { profile: Some(profile.to_owned()), ..AudioEncode::plain(AudioCodec::Aac) };
        let format = AudioFormat { rate: 48_000, samples: fdk::SAMPLES, layout: layout.to_owned() };
        let parameters = Fdk::open(&encode, &format).unwrap().parameters();
        let header = libav::extradata(raw::parameters(&parameters));
        // After five bits of object type and four of sampling rate.
        assert_eq!(header[1] >> 3 & 0xf, channels, "{profile} {layout}: {header:?}");
    }
}

#[test]
fn every_rate_and_bit_rate_that_is_allowed_is_taken() {
    let clip = clip("stereo");
    let info = AudioCodec::Aac.info();
    for (profile, limits) in &info.profiles[1..] {
        let (least, usual, most) = limits.bitrate.unwrap();
        for &rate in limits.sample_rates {
            for bitrate in [least, usual, most] {
                for channels in limits.channels.0..=limits.channels.1 {
                    let Output::Media(mut media) = output(Container::Mp4, profile, Some(bitrate)) else { continue };
                    let Some(Audio::Encode(encode)) = &mut media.audio else { continue };
                    (encode.sample_rate, encode.channels) = (Some(rate), Some(channels));
                    let trial = Trial::new(&clip, &[Output::Media(media)]);
                    let seen = trial.ffprobe("out.mp4", "a", "stream=sample_rate,channels");
                    let what = format!("{profile} {rate} Hz {bitrate} bit/s {channels} channels");
                    let seen = seen.first().unwrap_or_else(|| panic!("{what}: {:?}", trial.made.failure()));
                    assert_eq!(*seen, format!("{rate},{}", heard(profile, channels)), "{what}");
                    assert!(trial.made.media().format.duration_s.is_some_and(|s| (s - 2.5).abs() < 0.01), "{what}");
                }
            }
        }
    }
}
