//! Outputs that want the same sound share its encode, those whose pictures begin alike the stages, and none of them notices.

use std::path::Path;
use std::process::Command;

use reelmill::model::media::Ratio;
use reelmill::model::work::{
    Audio, AudioEncode, Clip as Part, Color, Container, Deinterlace, Denoise, FrameRate, IfIncomplete, Length,
    LoudnessMethod, MediaOutput, Output, Overlay, OverlayContent, OverlayText, RateControl, ReferencePosition, Size,
    Treatment, VideoCodec, VideoEncode, sharing,
};

use super::Trial;
use super::sound::target;
use crate::pipeline::JobContext;
use crate::pipeline::mux::ports;
use crate::pipeline::plan::MediaPlan;
use crate::pipeline::progress::Position;
use crate::pipeline::stage::{Lay, Root, Step, Tree};
use crate::pipeline::streams::Inventory;
use crate::pipeline::wiring::Wiring;
use crate::probe::examine;
use crate::talk::Talk;
use crate::testing::{Clip, aac, encoded, generate, media_output, source_of};

/// Packets of the streams `map` of a file, with their times and digests.
fn packets(path: &Path, map: &str) -> String {
    let arguments = ["-map", map, "-c", "copy", "-f", "framehash", "-hash", "md5", "-"];
    let output = Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(path).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn source() -> Clip {
    let arguments = ["-f", "lavfi", "-i", "testsrc2=d=4:s=160x90:r=25", "-f", "lavfi", "-i", "aevalsrc=random(0):d=4"];
    generate(&[&arguments[..], &["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"]].concat(), "source.mp4")
}

fn with(output: Output, change: impl FnOnce(&mut MediaOutput)) -> Output {
    let Output::Media(mut media) = output else { panic!("{output:?}") };
    change(&mut media);
    Output::Media(media)
}

/// Outputs that share, and some that nearly do: another bit rate, another part, headers in the packets.
fn ladder() -> Vec<Output> {
    let rung = |file: &str, crf: f32| {
        let rate_control = RateControl::Crf { crf, maxrate_bps: None, bufsize_bits: None };
        media_output(file, VideoEncode { rate_control, ..encoded() })
    };
    vec![
        rung("a.mp4", 20.0),
        rung("b.mp4", 30.0),
        with(rung("c.mkv", 35.0), |media| media.container = Container::Mkv),
        with(rung("d.mp4", 35.0), |media| {
            media.audio = Some(Audio::Encode(AudioEncode { bitrate_bps: Some(48_000), ..aac() }));
        }),
        with(rung("e.mp4", 35.0), |media| media.clip = Some(Part { start_s: 1.0, duration_s: Some(2.0) })),
        with(rung("f.ts", 35.0), |media| media.container = Container::Ts),
    ]
}

fn name(output: &Output) -> &str {
    let Output::Media(media) = output else { panic!("{output:?}") };
    &media.file
}

#[test]
fn what_wants_the_same_sound_of_the_same_part_shares_it() {
    let source = [source_of(&source())];
    let inventory = Inventory::examined(&source[0].open().unwrap(), examine(&mut source[0].open().unwrap()).unwrap());
    let (outputs, talk, scratch) = (ladder(), Talk::new(std::io::sink()), tempfile::tempdir().unwrap());
    let job = JobContext { scratch: scratch.path(), threads: 1, talk: &talk, if_incomplete: IfIncomplete::Warn };
    let media = outputs.iter().filter_map(|output| if let Output::Media(media) = output { Some(media) } else { None });
    let plans: Vec<MediaPlan<'_>> =
        media.map(|media| MediaPlan::new(media, &inventory, &source, job).unwrap()).collect();
    let mut wiring = Wiring::default();
    for (output, plan) in plans.iter().enumerate() {
        wiring.output = output;
        let (mut ports, _mailbox) = ports(1);
        let begun = wiring.share(&plan.audio[0], plan, ports.remove(0), &talk);
        assert_eq!(begun.is_none(), wiring.shares.contains_key(&output));
    }
    // The Matroska file with the two of MP4; the others have another bit rate, another part, and headers in the packets.
    assert_eq!(wiring.shares.into_iter().collect::<Vec<_>>(), [(1, 0), (2, 0)]);
}

/// The filters that level the sound of `outputs`, planned together, and how many measurements that took.
fn levelled(clip: &Path, outputs: &[Output]) -> (Vec<String>, usize) {
    let source = [source_of(clip)];
    let inventory = Inventory::examined(&source[0].open().unwrap(), examine(&mut source[0].open().unwrap()).unwrap());
    let (talk, scratch) = (Talk::new(std::io::sink()), tempfile::tempdir().unwrap());
    let job = JobContext { scratch: scratch.path(), threads: 1, talk: &talk, if_incomplete: IfIncomplete::Warn };
    let level = |output: &Output| {
        let Output::Media(media) = output else { panic!("{output:?}") };
        MediaPlan::new(media, &inventory, &source, job).unwrap().audio[0].level.clone()
    };
    (outputs.iter().map(level).collect(), inventory.loudness.count())
}

#[test]
fn loudness_is_measured_once_for_all_rungs_with_the_same_target() {
    let source = source();
    let level = target(-16.0, None, LoudnessMethod::Dynamic);
    let sound = |output, encode: AudioEncode| with(output, |media| media.audio = Some(Audio::Encode(encode)));
    let rung = |bitrate| {
        let encode = AudioEncode { level, bitrate_bps: Some(bitrate), ..aac() };
        sound(media_output("a.mp4", encoded()), encode)
    };
    let (alone, passes) = levelled(&source, &[rung(96_000)]);
    assert!(alone[0].contains("loudnorm") && passes > 1, "{alone:?}");
    let (together, made) = levelled(&source, &[rung(96_000), rung(128_000), rung(64_000)]);
    assert_eq!((together, made), (vec![alone[0].clone(); 3], passes));

    // Another part, and other samples, are measured for themselves.
    let part = with(rung(96_000), |media| media.clip = Some(Part { start_s: 1.0, duration_s: Some(2.0) }));
    let mono = sound(rung(96_000), AudioEncode { level, channels: Some(1), ..aac() });
    for other in [part, mono] {
        let (alone, own) = levelled(&source, std::slice::from_ref(&other));
        let (together, made) = levelled(&source, &[rung(96_000), other]);
        assert_eq!((&together[1], made), (&alone[0], passes + own));
    }
}

#[test]
fn sound_that_is_shared_is_the_same_packet_for_packet() {
    let source = source();
    let outputs = ladder();
    let together = Trial::new(&source, &outputs);
    together.made.produced();
    for output in &outputs {
        let alone = Trial::new(&source, std::slice::from_ref(output));
        alone.made.produced();
        let file = name(output);
        let (shared, own) = (packets(&together.path(file), "0:a"), packets(&alone.path(file), "0:a"));
        assert!(shared == own && shared.lines().count() > 40, "{file}:\n{shared}\n{own}");
    }
}

#[test]
fn an_output_that_fails_leaves_the_sound_that_it_shares_to_the_others() {
    let source = source();
    let mut outputs = ladder();
    let broken = VideoEncode { preset: Some("nonsense".into()), ..encoded() };
    outputs[0] = media_output("a.mp4", broken);
    let together = Trial::new(&source, &outputs);
    let outcomes = together.made.outcomes.as_ref().unwrap();
    assert!(outcomes[0].is_err());
    for (output, outcome) in outputs.iter().zip(outcomes).skip(1) {
        assert!(outcome.is_ok(), "{outcome:?}");
        let alone = Trial::new(&source, std::slice::from_ref(output));
        let file = name(output);
        assert!(packets(&together.path(file), "0:a") == packets(&alone.path(file), "0:a"), "{file}");
    }
}

/// Fields, noise, edges and another frame rate, and pictures that begin late.
fn woven() -> Clip {
    let video = "testsrc2=d=3:s=352x288:r=25,noise=alls=20:allf=t,setpts=PTS+0.5/TB,tinterlace=interleave_top";
    let codec = ["-c:v", "mpeg2video", "-flags", "+ildct+ilme", "-b:v", "3M"];
    let sound = ["-f", "lavfi", "-i", "sine=d=3.5"];
    generate(&[&["-f", "lavfi", "-i", video], &sound[..], &codec, &["-shortest"]].concat(), "woven.ts")
}

fn treated(file: &str, change: impl FnOnce(&mut VideoEncode)) -> Output {
    let treatment =
        Treatment { deinterlace: Deinterlace::Force, denoise: Some(Denoise::Medium), ..Treatment::default() };
    let mut encode = VideoEncode { size: Size::ShortSide(144), treatment, ..encoded() };
    change(&mut encode);
    media_output(file, encode)
}

/// Outputs, and how many stages each has that no one before it has.
fn pictures() -> Vec<(Output, usize)> {
    let crf = |crf| RateControl::Crf { crf, maxrate_bps: None, bufsize_bits: None };
    let text = OverlayText {
        text: "Reel".into(),
        font: None,
        font_size: 40,
        adaptive: false,
        color: Color::new(255, 255, 255),
        border: None,
    };
    let mark = Overlay {
        content: OverlayContent::Text(text),
        position: ReferencePosition::TopLeft,
        dx: Length::Pixels(0),
        dy: Length::Pixels(0),
        width: None,
        height: None,
        opacity: 1.0,
        start_s: 0.0,
        duration_s: None,
    };
    vec![
        (treated("a.mp4", |_| {}), 2),
        (treated("b.mp4", |encode| encode.rate_control = crf(40.0)), 0),
        (treated("c.mkv", |encode| encode.codec = VideoCodec::H265), 0),
        (treated("d.mp4", |encode| encode.size = Size::ShortSide(96)), 1),
        (treated("e.mp4", |encode| encode.treatment.denoise = None), 2),
        (with(treated("f.mp4", |_| {}), |media| media.overlays = vec![mark.clone()]), 1),
        (with(treated("g.mp4", |_| {}), |media| media.overlays = vec![mark]), 1),
        (with(treated("h.mp4", |_| {}), |media| media.clip = Some(Part { start_s: 1.0, duration_s: None })), 2),
        (treated("i.mp4", |encode| encode.frame_rate = FrameRate::Fixed(Ratio { num: 10, den: 1 })), 2),
    ]
}

#[test]
fn pictures_that_begin_alike_go_through_the_same_stages() {
    let source = [source_of(&woven())];
    let inventory = Inventory::examined(&source[0].open().unwrap(), examine(&mut source[0].open().unwrap()).unwrap());
    let (talk, scratch) = (Talk::new(std::io::sink()), tempfile::tempdir().unwrap());
    let job = JobContext { scratch: scratch.path(), threads: 1, talk: &talk, if_incomplete: IfIncomplete::Warn };
    let wanted = pictures();
    let plans: Vec<MediaPlan<'_>> = wanted
        .iter()
        .map(|(output, _)| {
            let Output::Media(media) = output else { panic!("{output:?}") };
            MediaPlan::new(media, &inventory, &source, job).unwrap()
        })
        .collect();
    let named: Vec<(&str, &Output)> = wanted.iter().map(|(output, _)| (name(output), output)).collect();
    let position = Position::new(None, 1);
    let mut tree = Tree::default();
    for ((plan, (output, expected)), said) in plans.iter().zip(&wanted).zip(sharing(&named)) {
        let Some((video, Some(encode))) = &plan.video else { panic!("{output:?}") };
        let before = tree.stages();
        let lay = Lay::new(plan, video, &position).unwrap();
        let drawn = usize::from(lay.is_some());
        tree.connect(Root::Stream(video.track.index), Step::all(plan, video, encode, lay));
        let own = tree.stages() - before;
        assert_eq!(own, *expected, "{}", name(output));
        // What people are told is true.
        let said = said.join(", ");
        assert_eq!(said.contains("its pictures"), own == drawn, "{}: {said}", name(output));
        assert_eq!(said.contains("its first filters"), own == drawn + 1, "{}: {said}", name(output));
    }
}

#[test]
fn pictures_that_are_shared_are_the_same_packet_for_packet() {
    let source = woven();
    let outputs: Vec<Output> = pictures().into_iter().map(|(output, _)| output).collect();
    let together = Trial::new(&source, &outputs);
    together.made.produced();
    for output in &outputs {
        let alone = Trial::new(&source, std::slice::from_ref(output));
        alone.made.produced();
        let file = name(output);
        let (shared, own) = (packets(&together.path(file), "0:v"), packets(&alone.path(file), "0:v"));
        assert!(shared == own && shared.lines().count() > 20, "{file}:\n{shared}\n{own}");
    }
}

#[test]
fn a_stage_that_fails_fails_those_who_share_it_and_no_other() {
    let bad = |file: &str| treated(file, |encode| encode.pixel_format = Some("yuv 420".into()));
    let outputs = [bad("a.mp4"), treated("b.mp4", |_| {}), bad("c.mp4")];
    let together = Trial::new(&woven(), &outputs);
    let outcomes = together.made.outcomes.as_ref().unwrap();
    let codes: Vec<Option<&str>> =
        outcomes.iter().map(|outcome| outcome.as_ref().err().map(|failure| failure.code.as_str())).collect();
    assert_eq!(codes, [Some("MEDIA0017"), None, Some("MEDIA0017")], "{outcomes:?}");
}
