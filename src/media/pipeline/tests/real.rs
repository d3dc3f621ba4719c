//! Field cases of sound over real files. Those of the corpus run where it is.

use reelmill::model::work::AudioCodec;

use super::sound::samples;
use super::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/media").join(name)
}

/// A file of the corpus, where there is one.
fn of_corpus(name: &str) -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os("REELMILL_MEDIA")?).join("public").join(name);
    path.is_file().then_some(path)
}

fn kinds(trial: &Trial) -> (usize, usize) {
    (trial.made.media().video.len(), trial.made.media().audio.len())
}

#[test]
fn field_case_11_real_sources_with_only_one_kind_of_stream() {
    let small = || media_output("out.mp4", sized(Size::ShortSide(90)));
    for name in ["av1/av1_360p.mkv", "hevc/bframes_480p.mp4", "oddsize/h264_444_321x241.mp4"] {
        assert_eq!(kinds(&Trial::new(&fixture(name), &[small()])), (1, 0), "{name}");
    }
    for name in ["audio/cover_art.mp3", "audio/music.m4a", "audio/vorbis.ogg", "surround/flac_51.flac"] {
        assert_eq!(kinds(&Trial::new(&fixture(name), &[small()])), (0, 1), "{name}");
    }
}

#[test]
fn field_case_12_real_sound_is_whole_or_its_loss_is_said() {
    // Every second of the source's sound is in the output.
    for name in ["normal/tiny_aac_180p.mp4", "rotation/iphone_portrait.MOV", "ts/sintel_captions_10s.ts"] {
        let source = fixture(name);
        let trial = Trial::new(&source, &[media_output("out.mp4", sized(Size::ShortSide(90)))]);
        let (before, after) = (samples(&source, 0).len(), samples(&trial.path("out.mp4"), 0).len());
        assert!(before.abs_diff(after) < 4_800, "{name}: {after} samples of {before}");
    }
    // A stream of sound that is declared and holds none; one that cannot be decoded to its end.
    for name in ["ts/segment_no_audio_pid.ts", "corrupt/failing_audio.mp4"] {
        let Some(source) = of_corpus(name) else { continue };
        let trial = Trial::new(&source, &[media_output("out.mp4", sized(Size::ShortSide(90)))]);
        assert!(kinds(&trial).1 == 1 || !trial.made.warnings().is_empty(), "{name}");
    }
}

#[test]
fn field_case_20_real_sound_keeps_its_place_to_the_sample() {
    for name in ["audio/music.m4a", "normal/tiny_aac_180p.mp4", "audio/cover_art.mp3", "surround/flac_51.flac"] {
        let source = fixture(name);
        let output = with(|media| {
            media.video = None;
            media.container = Container::Flac;
            let codec = AudioCodec::Flac;
            media.audio = Some(Audio::Encode(AudioEncode { codec, bitrate_bps: None, ..aac() }));
        });
        let trial = Trial::new(&source, &[output]);
        let (before, after) = (samples(&source, 0), samples(&trial.path("out.mp4"), 0));
        // `ffmpeg` begins with the first sample that is heard, an output at time zero: priming that is not heard is silence.
        let late = after.len().checked_sub(before.len()).unwrap();
        assert!(late <= 1_024, "{name}: {} samples of {}", after.len(), before.len());
        let worst = before.iter().zip(&after[late..]).fold(0.0_f32, |worst, (a, b)| worst.max((a - b).abs()));
        assert!(worst < 0.001, "{name}: {worst}");
    }
}
