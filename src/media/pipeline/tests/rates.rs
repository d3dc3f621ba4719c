//! Bits per second as measured from the packets of what comes out: averages within a tenth, in two passes within a
//! twentieth, and no more at a time than the buffer holds.

use reelmill::model::work::{RateControl, VideoCodec};

use super::*;

/// Codecs with a rate control.
const CODECS: [VideoCodec; 4] = [VideoCodec::H264, VideoCodec::H265, VideoCodec::Av1, VideoCodec::Vp9];

/// Bits per second to spend on the clips.
const RATE: u64 = 200_000;

/// Seconds of the clips.
const LENGTH_S: u32 = 8;

/// Pictures that grow harder all the time, which single passes see too late.
fn hardening() -> crate::testing::Clip {
    let fractal = format!("mandelbrot=r=25:s=192x108:end_scale=0.002:end_pts=200,trim=duration={LENGTH_S}");
    lavfi(&[&fractal], &["-preset", "ultrafast", "-qp", "4", "-pix_fmt", "yuv420p"], "a.mkv")
}

/// A film: easy and hard scenes with cuts between them.
fn film() -> crate::testing::Clip {
    let film = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/media/sintel_dragon_720p_18s.mp4");
    let (from, length) = ("4", LENGTH_S.to_string());
    generate(
        &["-ss", from, "-i", film, "-t", &length, "-an", "-vf", "scale=192:108", "-preset", "ultrafast", "-qp", "4"],
        "a.mkv",
    )
}

/// An encode with keyframes every two seconds, by a preset that takes its time.
fn asked(codec: VideoCodec, rate_control: RateControl) -> VideoEncode {
    let preset = match codec {
        VideoCodec::Av1 => "9",
        VideoCodec::Vp9 => "5",
        _ => "veryfast",
    };
    VideoEncode { codec, rate_control, preset: Some(preset.into()), gop: Some(Gop::Seconds(2.0)), ..encoded() }
}

fn abr(maxrate_bps: Option<u64>) -> RateControl {
    RateControl::Abr { bitrate_bps: RATE, maxrate_bps, bufsize_bits: maxrate_bps }
}

/// The outputs, by name, in Matroska without sound.
fn encode(clip: &Path, encodes: &[(&str, VideoEncode)]) -> Trial {
    let outputs: Vec<_> = encodes
        .iter()
        .map(|(name, encode)| {
            with(|media| {
                media.file = format!("{name}.mkv");
                media.container = Container::Mkv;
                media.video = Some(Video::Encode(encode.clone()));
                media.audio = None;
            })
        })
        .collect();
    let trial = Trial::new(clip, &outputs);
    for (produced, (name, _)) in trial.made.outcomes.as_ref().unwrap().iter().zip(encodes) {
        assert!(produced.is_ok(), "{name}: {produced:?}");
    }
    trial
}

/// Bits of the packets of a file in the order in which they are decoded, of which each lasts as long as any other.
struct Spent {
    bits: Vec<f64>,
    length_s: f64,
}

impl Spent {
    fn on(trial: &Trial, name: &str) -> Self {
        let lines = trial.ffprobe(&format!("{name}.mkv"), "v", "packet=size");
        let bits = lines.iter().map(|line| line.parse::<f64>().unwrap() * 8.0).collect();
        Self { bits, length_s: f64::from(LENGTH_S) }
    }

    /// Bits per second.
    fn average(&self) -> f64 {
        self.bits.iter().sum::<f64>() / self.length_s
    }

    /// Most bits that a buffer has to hold which each packet fills at once, and which drains at `rate`: what `bufsize`
    /// bounds. With it, no span of time has more bits than it lets through, and the buffer.
    fn fullest(&self, rate: f64) -> f64 {
        let drained = rate * self.length_s / f64::from(u32::try_from(self.bits.len()).unwrap());
        let (mut level, mut fullest) = (0.0_f64, 0.0_f64);
        for bits in &self.bits {
            level += bits;
            fullest = fullest.max(level);
            level = (level - drained).max(0.0);
        }
        fullest
    }
}

#[expect(clippy::cast_precision_loss, reason = "rates are far below 2^52")]
fn number(bits: u64) -> f64 {
    bits as f64
}

/// How far an average is off, as a share of what was asked for.
fn off(spent: &Spent) -> f64 {
    (spent.average() / number(RATE) - 1.0).abs()
}

#[test]
fn averages_are_held_within_a_tenth() {
    let cbr = RateControl::Cbr { bitrate_bps: RATE, bufsize_bits: Some(RATE) };
    let mut wrong = Vec::new();
    for clip in [hardening(), film()] {
        for codec in CODECS {
            let encodes = [("abr", asked(codec, abr(None))), ("cbr", asked(codec, cbr))];
            let trial = encode(&clip, &encodes);
            for (name, _) in &encodes {
                let spent = Spent::on(&trial, name);
                let fullest = spent.fullest(number(RATE));
                println!("{codec:?} {name}: {:.0} bit/s, buffer {fullest:.0}", spent.average());
                let overflows = *name == "cbr" && fullest > number(RATE);
                if off(&spent) > 0.1 || overflows {
                    wrong.push(format!("{codec:?} {name}: {:.0} bit/s, buffer {fullest:.0}", spent.average()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn two_passes_hold_averages_within_a_twentieth() {
    let mut wrong = Vec::new();
    for clip in [hardening(), film()] {
        for codec in [VideoCodec::H264, VideoCodec::H265, VideoCodec::Vp9] {
            let twice = VideoEncode { two_passes: true, ..asked(codec, abr(None)) };
            let spent = Spent::on(&encode(&clip, &[("twice", twice)]), "twice");
            println!("{codec:?}: {:.0} bit/s", spent.average());
            if off(&spent) > 0.05 {
                wrong.push(format!("{codec:?}: {:.0} bit/s", spent.average()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn rates_are_held() {
    let most = RATE * 3 / 2;
    let crf = |codec, cap| {
        let crf = if matches!(codec, VideoCodec::Av1 | VideoCodec::Vp9) { 20.0 } else { 16.0 };
        asked(codec, RateControl::Crf { crf, maxrate_bps: cap, bufsize_bits: cap })
    };
    let clip = hardening();
    let mut wrong = Vec::new();
    for codec in CODECS {
        let mut encodes = vec![("free", crf(codec, None)), ("capped", crf(codec, Some(most)))];
        // The encoder of AV1 caps qualities only, over a buffer of its own choice.
        if codec != VideoCodec::Av1 {
            encodes.push(("abr", asked(codec, abr(Some(most)))));
            encodes.push(("twice", VideoEncode { two_passes: true, ..asked(codec, abr(Some(most))) }));
        }
        let trial = encode(&clip, &encodes);
        let free = Spent::on(&trial, "free").fullest(number(most));
        assert!(free > 2.0 * number(most), "{codec:?}: without a cap, the buffer would hold {free:.0}");
        for (name, _) in &encodes[1..] {
            let spent = Spent::on(&trial, name);
            let fullest = spent.fullest(number(most));
            println!("{codec:?} {name}: {:.0} bit/s, buffer {fullest:.0} of {most}, free {free:.0}", spent.average());
            let wide = match *name {
                "capped" => false,
                "twice" => off(&spent) > 0.05,
                _ => off(&spent) > 0.1,
            };
            if fullest > number(most) || wide {
                wrong.push(format!("{codec:?} {name}: {:.0} bit/s, buffer {fullest:.0}", spent.average()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
