//! AV1 by SVT-AV1.

use super::options::{Bits, Options, Setting};
use super::{Hardware, Rates, VideoInfo};
use crate::model::work::{Container, RateControl};

/// Speed where none is asked for.
const PRESET: &str = "8";

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
    let mut parameters = Vec::new();
    match encode.rate_control {
        RateControl::Crf { crf, maxrate_bps, .. } => {
            options.push(("crf", crf.round().to_string()));
            parameters.push("enable-force-key-frames=1".to_owned());
            parameters.extend(maxrate_bps.map(|max| format!("mbr={}", max / 1_000)));
        }
        RateControl::Cbr { .. } => {
            options.extend(Bits { max: None, buffer: None, ..Bits::of(encode.rate_control) }.options());
            // It holds a constant rate only where no frame waits for later ones.
            parameters.extend(["rc=2".to_owned(), "pred-struct=1".to_owned()]);
        }
        RateControl::Abr { .. } => {
            options.extend(Bits::of(encode.rate_control).options());
            parameters.push("rc=1".to_owned());
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
