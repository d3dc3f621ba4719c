//! H.265 by libx265.

use super::options::{Bits, Options, Setting, escaped, words};
use super::{Hardware, Rates, VideoInfo, h264};
use crate::model::work::{Container, RateControl};

/// Seconds over which an average is held in one pass.
const AVERAGE_OVER_S: u64 = 2;

/// The codec.
pub const CODEC: VideoInfo = VideoInfo {
    name: "h265",
    title: "H.265",
    libav: "hevc",
    encoder: "libx265",
    hardware: &[
        (Hardware::Nvenc, "hevc_nvenc"),
        (Hardware::Qsv, "hevc_qsv"),
        (Hardware::Vaapi, "hevc_vaapi"),
        (Hardware::Videotoolbox, "hevc_videotoolbox"),
    ],
    containers: &[Container::Mp4, Container::Mov, Container::Mkv, Container::Ts],
    profiles: &[
        ("main", &["yuv420p"]),
        ("main10", &["yuv420p10le", "yuv420p"]),
        ("main422_10", &["yuv422p10le", "yuv422p", "yuv420p10le"]),
        ("main444_8", &["yuv444p"]),
        ("main444_10", &["yuv444p10le", "yuv444p"]),
    ],
    levels: &["1", "2", "2.1", "3", "3.1", "4", "4.1", "5", "5.1", "5.2", "6", "6.1", "6.2"],
    presets: h264::PRESETS,
    tunes: &["grain", "animation", "fastdecode", "zerolatency"],
    pixel_formats: &["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le"],
    rates: Rates::Crf {
        max: 51.0,
        default: 26.0,
        modes: &["crf", "abr", "vbr", "cbr"],
        capped: &["crf", "abr", "vbr"],
        two_passes: true,
    },
    b_frames: Some(16),
    refs: Some(16),
    groups: true,
    options,
    ..VideoInfo::BLANK
};

fn options(setting: &Setting<'_>) -> Options {
    let encode = setting.encode;
    let mut options = words(&[("preset", encode.preset.as_ref()), ("tune", encode.tune.as_ref())]);
    if let Some(profile) = &encode.profile {
        options.push(("profile", profile.replace('_', "-")));
    }
    if let RateControl::Crf { crf, .. } = encode.rate_control {
        options.push(("crf", crf.to_string()));
    }
    options.extend(bits(setting).options());
    options.push(("g", setting.gop(true).to_string()));
    options.push(("forced-idr", "1".to_owned()));
    options.extend(encode.b_frames.map(|count| ("bf", count.to_string())));
    options.extend(encode.refs.map(|count| ("refs", count.to_string())));
    options.push(("x265-params", parameters(setting)));
    options
}

/// Bit rates that x265 is told. Of an average alone it takes little notice: one that is to be met in a single pass is
/// bounded by a buffer, which no cap above the average leaves more room than was asked for.
fn bits(setting: &Setting<'_>) -> Bits {
    let bits = Bits::of(setting.encode.rate_control);
    match (setting.encode.rate_control, bits.average) {
        (RateControl::Abr { .. }, Some(average)) if setting.pass.is_none() => {
            let buffer = average.saturating_mul(AVERAGE_OVER_S);
            Bits { max: Some(average), buffer: Some(bits.buffer.map_or(buffer, |asked| asked.min(buffer))), ..bits }
        }
        _ => bits,
    }
}

/// Parameters by x265's own names.
fn parameters(setting: &Setting<'_>) -> String {
    let encode = setting.encode;
    // It writes to standard error by itself; what matters there are its complaints.
    let mut parameters = vec!["log-level=warning".to_owned(), "open-gop=0".to_owned()];
    parameters.extend(encode.level.as_ref().map(|level| format!("level-idc={level}")));
    if encode.gop.is_some() {
        parameters.push("scenecut=0".to_owned());
    }
    if matches!(encode.rate_control, RateControl::Cbr { .. }) {
        parameters.push("strict-cbr=1".to_owned());
    }
    if let Some(hdr) = setting.hdr {
        let steps = |value: f64, per_unit: f64| (value * per_unit).round().to_string();
        parameters.push("hdr10=1".to_owned());
        parameters.extend(hdr.display.map(|display| format!("master-display={}", display.text(steps))));
        parameters.extend(hdr.light.map(|(pixel, picture)| format!("max-cll={pixel},{picture}")));
    }
    if setting.threads > 0 {
        parameters.push(format!("pools={}", setting.threads));
    }
    if let Some(pass) = setting.pass {
        parameters.push(format!("pass={}", if pass.first { 1 } else { 2 }));
        parameters.push(format!("stats={}", escaped(pass.stats)));
    }
    parameters.join(":")
}
