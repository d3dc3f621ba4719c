//! What sound becomes: channels, rates, loudness, mixes. Judged by `ffmpeg`'s meters and by tones in decoded samples.

use reelmill::model::work::{AudioCodec, Level, LoudnessMethod, LoudnessTarget, Mix};

use super::*;

const RATE: f64 = 48_000.0;

/// Decoded samples of a channel, by `ffmpeg`, at 48 kHz.
pub(super) fn samples(path: &Path, channel: u32) -> Vec<f32> {
    let pan = format!("pan=mono|c0=c{channel}");
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(path)
        .args(["-map", "0:a:0", "-af", &pan, "-ar", "48000", "-f", "f32le", "-"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

/// The part of samples at 48 kHz that goes with the sine and the cosine of a tone which began `start` samples before.
fn parts(samples: &[f32], hertz: f64, start: f64) -> (f64, f64) {
    let step = std::f64::consts::TAU * hertz / RATE;
    let (mut with_sin, mut with_cos) = (0.0, 0.0);
    for (n, sample) in (0_u32..).zip(samples) {
        let (sin, cos) = (step * (start + f64::from(n))).sin_cos();
        with_sin += f64::from(*sample) * sin;
        with_cos += f64::from(*sample) * cos;
    }
    (with_sin, with_cos)
}

/// Amplitude of a tone.
pub(super) fn tone(samples: &[f32], hertz: f64) -> f64 {
    let (sin, cos) = parts(samples, hertz, 0.0);
    2.0 * sin.hypot(cos) / f64::from(u32::try_from(samples.len()).unwrap())
}

/// By how much a tone that began `start` samples before is late or early, in radians: one sample of 1 kHz is 0.13.
fn phase(samples: &[f32], hertz: f64, start: f64) -> f64 {
    let (sin, cos) = parts(samples, hertz, start);
    cos.atan2(sin)
}

/// Integrated loudness, range and true peak as `ffmpeg`'s own meter says.
pub(super) fn loudness(path: &Path) -> (f64, f64, f64) {
    let output = Command::new("ffmpeg")
        .args(["-hide_banner", "-nostats", "-i"])
        .arg(path)
        .args(["-map", "0:a:0", "-af", "ebur128=peak=true", "-f", "null", "-"])
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    let summary = log.split("Summary:").nth(1).unwrap_or_else(|| panic!("{log}"));
    let number = |key: &str| -> f64 {
        let rest = summary.split(key).nth(1).unwrap_or_else(|| panic!("{summary}"));
        rest.split_whitespace().next().unwrap().parse().unwrap()
    };
    (number("I:"), number("LRA:"), number("Peak:"))
}

fn sound(container: Container, encode: AudioEncode) -> Output {
    with(|media| {
        media.container = container;
        media.video = None;
        media.audio = Some(Audio::Encode(encode));
    })
}

fn flac(change: impl FnOnce(&mut AudioEncode)) -> Output {
    let mut encode = AudioEncode { codec: AudioCodec::Flac, bitrate_bps: None, ..aac() };
    change(&mut encode);
    sound(Container::Flac, encode)
}

/// Six tones, one for each channel of 5.1.
const TONES: [f64; 6] = [400.0, 600.0, 1_000.0, 60.0, 1_400.0, 1_800.0];

#[test]
fn surround_becomes_stereo_by_the_standard_matrix_and_does_not_clip() {
    let tones: Vec<String> = TONES.iter().map(|hertz| format!("0.9*sin({hertz}*2*PI*t)")).collect();
    let source = format!("aevalsrc='{}':c=5.1:d=1:s=48000", tones.join("|"));
    let clip = lavfi(&[&source], &["-c:a", "pcm_f32le"], "a.mka");
    let trial = Trial::new(&clip, &[flac(|encode| encode.channels = Some(2))]);
    assert_eq!(trial.ffprobe("out.mp4", "a", "stream=channels,channel_layout"), ["2,stereo"]);
    let (left, right) = (samples(&trial.path("out.mp4"), 0), samples(&trial.path("out.mp4"), 1));
    assert_eq!(left.len(), 48_000);
    let front = tone(&left, TONES[0]);
    // 1 : √½ : √½, the sum of which is full scale.
    let expected = 0.9 / (1.0 + 2.0 * std::f64::consts::FRAC_1_SQRT_2);
    assert!((front - expected).abs() < 0.005, "{front} {expected}");
    for (heard, hertz, share) in [
        (&left, TONES[1], 0.0),
        (&left, TONES[2], std::f64::consts::FRAC_1_SQRT_2),
        (&left, TONES[3], 0.0),
        (&left, TONES[4], std::f64::consts::FRAC_1_SQRT_2),
        (&left, TONES[5], 0.0),
        (&right, TONES[0], 0.0),
        (&right, TONES[1], 1.0),
        (&right, TONES[2], std::f64::consts::FRAC_1_SQRT_2),
        (&right, TONES[5], std::f64::consts::FRAC_1_SQRT_2),
    ] {
        let found = tone(heard, hertz) / front;
        assert!((found - share).abs() < 0.01, "{hertz} Hz: {found} instead of {share}");
    }
    let peak = left.iter().chain(&right).fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
    assert!(peak < 1.0, "{peak}");
}

#[test]
fn channels_and_rates_are_what_is_asked_for_and_the_source_s_otherwise() {
    let mono = lavfi(&["sine=f=1000:d=1:r=44100"], &["-c:a", "flac"], "a.flac");
    let made = |change: fn(&mut AudioEncode)| {
        let trial = Trial::new(&mono, &[flac(change)]);
        let audio = trial.made.media().audio[0].clone();
        let levels: Vec<f64> =
            (0..u32::from(audio.channels)).map(|n| tone(&samples(&trial.path("out.mp4"), n), 1_000.0)).collect();
        ((audio.channels, audio.sample_rate), levels)
    };
    let (same, level) = made(|_| ());
    assert_eq!(same, (1, 44_100));
    let (stereo, levels) = made(|encode| (encode.channels, encode.sample_rate) = (Some(2), Some(48_000)));
    assert_eq!(stereo, (2, 48_000));
    assert!((levels[0] - levels[1]).abs() < 1e-4, "both the same: {levels:?}");
    // Two loudspeakers with the power of one.
    assert!((levels[0] / level[0] - std::f64::consts::FRAC_1_SQRT_2).abs() < 0.01, "{levels:?} {level:?}");
}

#[test]
fn volume_is_a_gain() {
    let clip = lavfi(&["aevalsrc='0.25*sin(1000*2*PI*t)':d=1:s=48000"], &["-c:a", "flac"], "a.flac");
    let level = |gain| {
        let trial = Trial::new(&clip, &[flac(|encode| encode.level = Level::Gain(gain))]);
        let samples = samples(&trial.path("out.mp4"), 0);
        assert_eq!(samples.len(), 48_000);
        (tone(&samples, 1_000.0), samples.iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs())))
    };
    assert!((level(-6.0206).0 - 0.125).abs() < 0.001);
    assert!((level(6.0206).0 - 0.5).abs() < 0.002);
    assert!(level(30.0).1 < 1.0, "what would be over full scale is limited, not clipped");
}

/// Pink noise at two levels, with pulses far above them where `peaks`.
fn programme(quiet: f64, peaks: bool) -> crate::testing::Clip {
    let pulses = if peaks { "+0.9*lt(mod(t,2),0.002)*sin(3000*2*PI*t)" } else { "" };
    let source = format!(
        "aevalsrc='(0.05*(random(0)-0.5)+0.1*sin(500*2*PI*t))*if(lt(mod(t,8),4),{quiet},1){pulses}':d=16:s=48000,\
         aformat=channel_layouts=stereo"
    );
    lavfi(&[&source], &["-c:a", "pcm_s16le"], "a.wav")
}

pub(super) fn target(integrated_lufs: f64, range_lu: Option<f64>, method: LoudnessMethod) -> Level {
    Level::Loudness(LoudnessTarget { integrated_lufs, true_peak_dbtp: -1.5, range_lu, method })
}

#[test]
fn loudness_reaches_its_target_below_the_highest_peak() {
    let auto = LoudnessMethod::Auto;
    let (plain, peaked) = (programme(0.7, false), programme(0.7, true));
    for (name, clip, lufs) in [("louder", &plain, -14.0), ("softer", &plain, -31.0), ("limited", &peaked, -16.0)] {
        let trial = Trial::new(clip, &[flac(|encode| encode.level = target(lufs, None, auto))]);
        let (integrated, _, peak) = loudness(&trial.path("out.mp4"));
        assert!((integrated - lufs).abs() <= 0.5, "{name}: {integrated}");
        assert!(peak <= -1.5, "{name}: {peak}");
        assert!(trial.made.warnings().is_empty(), "{:?}", trial.made.warnings());
        assert_eq!(samples(&trial.path("out.mp4"), 0).len(), 16 * 48_000, "{name}: not a sample more or less");
    }
    // A lossy codec, with a video beside it.
    let video = lavfi(&["testsrc2=d=16:r=5:s=64x64"], &["-i", plain.to_str().unwrap(), "-c:a", "aac"], "a.mp4");
    let lossy = with(|media| {
        media.audio = Some(Audio::Encode(AudioEncode { level: target(-14.0, None, auto), ..aac() }));
    });
    let trial = Trial::new(&video, &[lossy]);
    let (integrated, _, peak) = loudness(&trial.path("out.mp4"));
    assert!((integrated + 14.0).abs() <= 0.5 && peak <= -1.5, "{integrated} {peak}");
    // LAME makes sound softer, by as much as depends on the bit rate.
    for bitrate_bps in [128_000, 192_000, 224_000, 256_000].map(Some) {
        let mp3 = with(|media| {
            (media.video, media.container) = (None, Container::Mp3);
            let level = target(-20.0, None, auto);
            media.audio = Some(Audio::Encode(AudioEncode {
                codec: AudioCodec::Mp3,
                bitrate_bps,
                channels: Some(2),
                level,
                ..aac()
            }));
        });
        let trial = Trial::new(&plain, &[mp3]);
        let (integrated, _, peak) = loudness(&trial.path("out.mp4"));
        assert!((integrated + 20.0).abs() <= 0.15 && peak <= -1.5, "{bitrate_bps:?}: {integrated} {peak}");
    }
}

#[test]
fn one_gain_keeps_the_range_and_a_dynamic_one_narrows_it() {
    let wide = programme(0.1, false);
    let (_, before, _) = loudness(&wide);
    let linear = Trial::new(&wide, &[flac(|e| e.level = target(-20.0, None, LoudnessMethod::Linear))]);
    let (integrated, range, _) = loudness(&linear.path("out.mp4"));
    assert!((integrated + 20.0).abs() <= 0.5 && (range - before).abs() < 0.3, "{integrated} {range} {before}");
    let dynamic = Trial::new(&wide, &[flac(|e| e.level = target(-20.0, Some(6.0), LoudnessMethod::Auto))]);
    let (integrated, range, peak) = loudness(&dynamic.path("out.mp4"));
    assert!((integrated + 20.0).abs() <= 0.5 && peak <= -1.5, "{integrated} {peak}");
    assert!(range < before - 2.0, "{range} after {before}");
    assert_eq!(samples(&dynamic.path("out.mp4"), 0).len(), 16 * 48_000);
}

#[test]
fn one_gain_stops_at_the_peak_and_says_so() {
    let clip = programme(0.7, true);
    let trial = Trial::new(&clip, &[flac(|e| e.level = target(-10.0, None, LoudnessMethod::Linear))]);
    let (integrated, _, peak) = loudness(&trial.path("out.mp4"));
    assert!(integrated < -12.0 && peak <= -1.4, "{integrated} {peak}");
    assert_eq!(trial.made.warnings()[0].0, "MEDIA0111");
}

#[test]
fn silence_is_left_alone() {
    let clip = lavfi(&["anullsrc=r=48000:cl=stereo:d=2"], &["-c:a", "flac"], "a.flac");
    let trial = Trial::new(&clip, &[flac(|e| e.level = target(-16.0, None, LoudnessMethod::Auto))]);
    assert!(samples(&trial.path("out.mp4"), 0).iter().all(|sample| *sample == 0.0));
}

fn mixed(mix: Mix) -> impl FnOnce(&mut AudioEncode) {
    move |encode| encode.mix = Some(mix)
}

#[test]
fn music_is_laid_under_from_its_start_and_cut_or_repeated() {
    let speech = lavfi(&["aevalsrc='0.3*sin(1000*2*PI*t)':d=4:s=48000"], &["-c:a", "flac"], "a.flac");
    let music = lavfi(&["aevalsrc='0.4*sin(440*2*PI*t)':d=1:s=44100:c=stereo"], &["-c:a", "pcm_s16le"], "b.wav");
    let mix = Mix { input: 1, gain_db: -6.0206, start_s: 0.5, repeat: false };
    let heard = |mix| {
        let trial = Trial::with(&[&*speech, &*music], &[flac(mixed(mix))]);
        let samples = samples(&trial.path("out.mp4"), 0);
        assert_eq!(samples.len(), 4 * 48_000);
        let at = |from: usize, hertz| tone(&samples[from * 480..(from + 40) * 480], hertz);
        ([5, 60, 160, 300].map(|from| at(from, 440.0)), at(60, 1_000.0))
    };
    let (music_at, speech_at) = heard(mix);
    // Music in both channels becomes one of the same level; after 1.5 s it is over.
    let near = |found: [f64; 4], expected: [f64; 4]| found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 0.01);
    assert!(near(music_at, [0.0, 0.2, 0.0, 0.0]), "{music_at:?}");
    assert!((speech_at - 0.3).abs() < 0.005, "{speech_at}");
    let (music_at, _) = heard(Mix { repeat: true, ..mix });
    assert!(near(music_at, [0.0, 0.2, 0.2, 0.2]), "{music_at:?}");
}

#[test]
fn music_becomes_the_sound_of_a_silent_video() {
    let silent = lavfi(&["testsrc2=d=2:r=25:s=64x64"], &[], "a.mp4");
    let music = lavfi(&["sine=f=440:d=5:r=44100"], &["-c:a", "flac"], "b.flac");
    let output = with(|media| {
        let mix = Some(Mix { input: 1, gain_db: 0.0, start_s: 0.0, repeat: false });
        media.audio = Some(Audio::Encode(AudioEncode { mix, ..aac() }));
    });
    let trial = Trial::with(&[&*silent, &*music], &[output]);
    let samples = samples(&trial.path("out.mp4"), 0);
    assert_eq!(trial.ffprobe("out.mp4", "a", "stream=duration"), ["2.000000"]);
    assert!(tone(&samples, 440.0) > 0.05);

    let broken =
        Trial::with(&[&*music, &*silent], &[flac(mixed(Mix { input: 1, gain_db: 0.0, start_s: 0.0, repeat: true }))]);
    assert_eq!(broken.made.failure().code, "MEDIA0031");
}

#[test]
fn field_case_20_sound_is_encoded_once_and_sample_exact() {
    // 3.3 s is not a multiple of any codec's frame.
    let clip = lavfi(
        &["testsrc2=d=3.3:r=25:s=64x64", "aevalsrc='0.5*sin(1000*2*PI*t)':d=3.3:s=48000"],
        &["-c:a", "pcm_s16le"],
        "a.mov",
    );
    for container in [Container::Mp4, Container::Mov] {
        let trial = Trial::new(&clip, &[with(|media| media.container = container)]);
        let heard = samples(&trial.path("out.mp4"), 0);
        // The padding of the last frame is said to be none of the sound.
        assert_eq!(trial.ffprobe("out.mp4", "a", "stream=duration"), ["3.300000"], "{container:?}");
        assert!((158_400..158_400 + 1_024).contains(&heard.len()), "{container:?}: {}", heard.len());
        // The tone goes through in phase from the first sample to the last: no gap, and no shift by a sample.
        for from in (480..158_400 - 960).step_by(960) {
            let stretch = &heard[from..from + 960];
            let start = f64::from(u32::try_from(from).unwrap());
            let (amplitude, phase) = (tone(stretch, 1_000.0), phase(stretch, 1_000.0, start));
            assert!((amplitude - 0.5).abs() < 0.05, "{container:?} at {from}: {amplitude}");
            assert!(phase.abs() < 0.05, "{container:?} at {from}: {phase}");
        }
    }
}

#[test]
fn tracks_keep_their_flags() {
    let clip = lavfi(
        &["sine=d=1", "sine=f=880:d=1"],
        &[
            "-map",
            "0",
            "-map",
            "1",
            "-c:a",
            "aac",
            "-metadata:s:a:0",
            "language=eng",
            "-metadata:s:a:1",
            "language=deu",
            "-metadata:s:a:1",
            "title=Kommentar",
            "-disposition:a:0",
            "0",
            "-disposition:a:1",
            "default+comment",
        ],
        "a.mkv",
    );
    for audio in [Audio::Copy { tracks: Tracks::All }, Audio::Encode(AudioEncode { tracks: Tracks::All, ..aac() })] {
        let output = with(|media| (media.container, media.audio) = (Container::Mkv, Some(audio.clone())));
        let trial = Trial::new(&clip, &[output]);
        let entries = "stream=index:stream_disposition=default,comment:stream_tags=language,title";
        assert_eq!(trial.ffprobe("out.mp4", "a", entries), ["0,0,0,eng", "1,1,1,deu,Kommentar"], "{audio:?}");
    }
}
