//! Loudness of sound that meters fail on: above full scale, very soft, short, late. Judged by `ffmpeg`'s meter, which what
//! is measured is brought into the range of.

use reelmill::model::work::{AudioCodec, LoudnessMethod};

use super::sound::{loudness, samples, target};
use super::*;
use reelmill::model::media::Loudness;
use reelmill::model::work::{Analysis, Quiet};

/// A tone of 997 Hz in both channels, which is as loud in LUFS as its peak is in dBFS.
fn tone(amplitude: f64, seconds: f64, codec: &str) -> crate::testing::Clip {
    let channel = format!("{amplitude}*sin(2*PI*997*t)");
    lavfi(&[&format!("aevalsrc='{channel}|{channel}':s=48000:d={seconds}")], &["-c:a", codec], "tone.mka")
}

fn analysed(path: &Path) -> Loudness {
    let plain = Analysis { loudness: true, ..Analysis::default() };
    let found = crate::testing::analyse(&source_of(path), &plain, &|_| {}).unwrap().loudness.unwrap();
    // Beside other things that are asked for it is the same.
    let more = Analysis { silence: Some(Quiet { least_s: 1.0, noise_db: -60.0 }), ..plain };
    let same = crate::testing::analyse(&source_of(path), &more, &|_| {}).unwrap().loudness.unwrap();
    let near = |one: Option<f64>, other: Option<f64>| match (one, other) {
        (Some(one), Some(other)) => (one - other).abs() < 0.02,
        (one, other) => one == other,
    };
    assert!(near(found.integrated_lufs, same.integrated_lufs), "{found:?} {same:?}");
    assert!(near(found.true_peak_dbtp, same.true_peak_dbtp), "{found:?} {same:?}");
    found
}

#[test]
fn field_fault_17_the_analysis_is_right_above_full_scale_and_far_below_it() {
    for (amplitude, lufs) in [(4.0, 12.0), (31.6, 30.0), (1.0, 0.0), (0.1, -20.0), (0.001, -60.0)] {
        let clip = tone(amplitude, 5.0, "pcm_f32le");
        let Loudness { integrated_lufs, true_peak_dbtp, .. } = analysed(&clip);
        let (found, peak) = (integrated_lufs.unwrap(), true_peak_dbtp.unwrap());
        assert!((found - lufs).abs() < 0.1, "{amplitude}: {found} LUFS");
        assert!((peak - lufs).abs() < 0.1, "{amplitude}: {peak} dBTP");
    }
}

#[test]
fn field_fault_17_the_analysis_knows_silence_what_is_short_mono_and_late() {
    let silence = lavfi(&["anullsrc=r=48000:cl=stereo:d=5"], &["-c:a", "pcm_s16le"], "a.wav");
    assert_eq!(analysed(&silence), Loudness::default());

    // No block of 400 ms, no loudness; but a peak, to the last sample.
    let Loudness { integrated_lufs, true_peak_dbtp, .. } = analysed(&tone(0.5, 0.37, "pcm_s16le"));
    assert_eq!(integrated_lufs, None);
    assert!((true_peak_dbtp.unwrap() + 6.0).abs() < 0.1, "{true_peak_dbtp:?}");
    let burst = "aevalsrc='if(lt(t,0.96),0,0.5*sin(2*PI*997*t))':s=48000:d=0.99";
    let burst = lavfi(&[burst], &["-c:a", "pcm_s16le"], "a.wav");
    assert!((analysed(&burst).true_peak_dbtp.unwrap() + 6.0).abs() < 0.3);

    // One channel alone is half as loud as two.
    let mono = lavfi(&["aevalsrc='0.1*sin(2*PI*997*t)':s=48000:d=5"], &["-c:a", "pcm_s16le"], "a.wav");
    assert!((analysed(&mono).integrated_lufs.unwrap() + 23.0).abs() < 0.1);

    let late = "if(lt(t,10),0,0.05*sin(2*PI*997*t))";
    let late = lavfi(&[&format!("aevalsrc='{late}|{late}':s=48000:d=20")], &["-c:a", "pcm_s16le"], "a.wav");
    let (_, range, _) = loudness(&late);
    let found = analysed(&late);
    assert!((found.integrated_lufs.unwrap() + 26.0).abs() < 0.2, "{found:?}");
    assert!((found.range_lu.unwrap() - range).abs() < 0.5, "{found:?} {range}");
}

fn levelled(container: Container, codec: AudioCodec, lufs: f64, method: LoudnessMethod) -> Output {
    with(|media| {
        (media.container, media.video) = (container, None);
        let bitrate_bps = codec.info().limits.bitrate.map(|_| 192_000);
        media.audio =
            Some(Audio::Encode(AudioEncode { codec, bitrate_bps, level: target(lufs, None, method), ..aac() }));
    })
}

#[test]
fn field_fault_17_the_target_is_met_from_sound_above_full_scale_by_every_method_in_every_codec() {
    use LoudnessMethod::{Auto, Dynamic, Linear};
    for amplitude in [4.0, 31.6] {
        let clip = tone(amplitude, 5.0, "pcm_f32le");
        for (container, codec, methods) in [
            (Container::M4a, AudioCodec::Aac, &[Linear, Dynamic, Auto][..]),
            (Container::Flac, AudioCodec::Flac, &[Linear, Dynamic, Auto]),
            (Container::Mp3, AudioCodec::Mp3, &[Auto]),
            (Container::Wav, AudioCodec::Pcm, &[Linear, Auto]),
            (Container::Ogg, AudioCodec::Opus, &[Auto]),
            (Container::Mkv, AudioCodec::Ac3, &[Auto]),
        ] {
            for &method in methods {
                let trial = Trial::new(&clip, &[levelled(container, codec, -16.0, method)]);
                let (integrated, _, peak) = loudness(&trial.path("out.mp4"));
                let what = format!("{amplitude} as {codec:?}, {method:?}");
                assert!((integrated + 16.0).abs() <= 0.5, "{what}: {integrated}");
                assert!(peak <= -1.5, "{what}: {peak}");
                assert!(trial.made.warnings().is_empty(), "{what}: {:?}", trial.made.warnings());
                // A clean tone: nothing was clipped on the way to whole numbers.
                let heard = samples(&trial.path("out.mp4"), 0);
                let middle = &heard[48_000..96_000];
                let power = middle.iter().map(|sample| f64::from(sample * sample)).sum::<f64>() / 48_000.0;
                let pure = super::sound::tone(middle, 997.0).powi(2) / 2.0;
                assert!(pure / power > 0.99, "{what}: {pure} of {power}");
            }
        }
    }
}

#[test]
fn field_fault_17_sound_without_a_loudness_is_left_alone_with_a_word() {
    let short = tone(0.3, 0.3, "pcm_s16le");
    let trial = Trial::new(&short, &[levelled(Container::Flac, AudioCodec::Flac, -16.0, LoudnessMethod::Auto)]);
    assert!((super::sound::tone(&samples(&trial.path("out.mp4"), 0)[..9_600], 997.0) - 0.3).abs() < 0.02);
    assert_eq!(trial.made.warnings().iter().map(|(code, _)| *code).collect::<Vec<_>>(), ["MEDIA0111"]);
}
