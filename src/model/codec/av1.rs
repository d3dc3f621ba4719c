//! AV1 by SVT-AV1.

use super::options::{Bits, Options, Setting};
use super::{Hardware, Rates, VideoInfo};
use crate::model::work::{Container, RateControl};

/// Speed where none is asked for.
const PRESET: &str = "8";

/// Shortest buffer that the encoder takes.
const MIN_BUFFER_MS: u64 = 20;

/// Longest buffer that the encoder takes.
const MAX_BUFFER_MS: u64 = 10_000;

/// The codec.
pub const CODEC: VideoInfo = VideoInfo {
    name: "av1",
    title: "AV1",
    libav: "av1",
    encoder: "libsvtav1",
    hardware: &[(Hardware::Nvenc, "av1_nvenc"), (Hardware::Qsv, "av1_qsv"), (Hardware::Vaapi, "av1_vaapi")],
    containers: &[Container::Mp4, Container::Mkv, Container::Webm],
    profiles: &[("main", &["yuv420p", "yuv420p10le"])],
    presets: &["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13"],
    pixel_formats: &["yuv420p", "yuv420p10le"],
    rates: Rates::Crf {
        max: 63.0,
        default: 35.0,
        modes: &["crf", "abr", "vbr", "cbr"],
        capped: &["crf"],
        two_passes: false,
    },
    groups: true,
    options,
    ..VideoInfo::BLANK
};

fn options(setting: &Setting<'_>) -> Options {
    let encode = setting.encode;
    // Only at constant quality does it make keyframes of the frames that are asked to be; else they are counted.
    let forced = matches!(encode.rate_control, RateControl::Crf { .. });
    let preset = encode.preset.clone().unwrap_or_else(|| PRESET.to_owned());
    let mut options = vec![("preset", preset), ("g", setting.gop(forced).to_string())];
    // Keyframes over which no picture leans; the other kind is not even told to be one.
    let mut parameters = vec!["irefresh-type=2".to_owned()];
    match encode.rate_control {
        RateControl::Crf { crf, maxrate_bps, .. } => {
            options.push(("crf", crf.round().to_string()));
            parameters.push("enable-force-key-frames=1".to_owned());
            // Left alone it takes half as much again for no more than the cap.
            parameters.extend(maxrate_bps.map(|max| format!("mbr={}:mbr-overshoot-pct=0", max / 1_000)));
        }
        RateControl::Cbr { .. } => {
            options.extend(Bits { max: None, buffer: None, ..Bits::of(encode.rate_control) }.options());
            // It holds a constant rate only where no frame waits for later ones.
            parameters.extend(["rc=2".to_owned(), "pred-struct=1".to_owned()]);
            parameters.push(buffer(Bits::of(encode.rate_control)));
        }
        RateControl::Abr { .. } => {
            options.extend(Bits::of(encode.rate_control).options());
            // By its own measure a quarter less, or more, is near enough.
            parameters.push("rc=1:undershoot-pct=5:overshoot-pct=5".to_owned());
        }
    }
    if let Some(hdr) = setting.hdr {
        let plain = |value: f64, _| value.to_string();
        parameters.extend(hdr.display.map(|display| format!("mastering-display={}", display.text(plain))));
        parameters.extend(hdr.light.map(|(pixel, picture)| format!("content-light={pixel},{picture}")));
    }
    if setting.threads > 0 {
        parameters.push(format!("lp={}", setting.threads));
    }
    options.push(("svtav1-params", parameters.join(":")));
    options
}

/// The buffer of a constant rate, in milliseconds, and how full it is at the start and at best.
fn buffer(bits: Bits) -> String {
    let (average, buffer) = (bits.average.unwrap_or(1).max(1), bits.buffer.unwrap_or(0));
    let whole = (buffer.saturating_mul(1_000) / average).clamp(MIN_BUFFER_MS, MAX_BUFFER_MS);
    let kept = whole * 3 / 5;
    format!("buf-sz={whole}:buf-initial-sz={kept}:buf-optimal-sz={kept}")
}
