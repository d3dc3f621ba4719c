//! VP9 by libvpx.

use super::options::{Bits, Options, Setting, words};
use super::{Hardware, Rates, VideoInfo};
use crate::model::work::{Container, RateControl};

/// Speed where none is asked for.
const PRESET: &str = "4";

/// Seconds over which an average is held in one pass.
const AVERAGE_OVER_S: u64 = 2;

/// The codec.
pub const CODEC: VideoInfo = VideoInfo {
    name: "vp9",
    title: "VP9",
    libav: "vp9",
    encoder: "libvpx-vp9",
    hardware: &[(Hardware::Qsv, "vp9_qsv"), (Hardware::Vaapi, "vp9_vaapi")],
    containers: &[Container::Mp4, Container::Mkv, Container::Webm],
    profiles: &[
        ("0", &["yuv420p"]),
        ("1", &["yuv444p", "yuv422p"]),
        ("2", &["yuv420p10le"]),
        ("3", &["yuv444p10le", "yuv422p10le"]),
    ],
    levels: &["1", "1.1", "2", "2.1", "3", "3.1", "4", "4.1", "5", "5.1", "5.2", "6", "6.1", "6.2"],
    presets: &["0", "1", "2", "3", "4", "5", "6", "7", "8"],
    tunes: &["screen"],
    pixel_formats: &["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le"],
    rates: Rates::Crf {
        max: 63.0,
        default: 31.0,
        modes: &["crf", "abr", "vbr", "cbr"],
        capped: &["crf", "abr", "vbr"],
        two_passes: true,
    },
    groups: true,
    options,
    ..VideoInfo::BLANK
};

fn options(setting: &Setting<'_>) -> Options {
    let encode = setting.encode;
    let mut options = vec![
        ("deadline", "good".to_owned()),
        ("cpu-used", encode.preset.clone().unwrap_or_else(|| PRESET.to_owned())),
        ("row-mt", "1".to_owned()),
    ];
    options.extend(encode.tune.as_ref().map(|_| ("tune-content", "screen".to_owned())));
    options.extend(words(&[("profile", encode.profile.as_ref()), ("level", encode.level.as_ref())]));
    options.extend(rates(setting));
    options.push(("g", setting.gop(true).to_string()));
    if encode.gop.is_some() {
        // As long at least as at most: nothing but what is asked for becomes a keyframe.
        options.push(("keyint_min", setting.gop(true).to_string()));
    }
    if let Some(pass) = setting.pass {
        options.push(("flags", if pass.first { "+pass1" } else { "+pass2" }.to_owned()));
    }
    options
}

/// Rate control of the encoder. In one pass it meets an average, and keeps to a buffer, only if the
/// rate is constant; a cap on a quality is then a constant rate that better pictures than asked for do not use up.
fn rates(setting: &Setting<'_>) -> Options {
    let bits = Bits::of(setting.encode.rate_control);
    let steady = |rate: u64| {
        let buffer = bits.buffer.unwrap_or(rate.saturating_mul(AVERAGE_OVER_S));
        let mut options = vec![("minrate", rate.to_string())];
        options.extend(Bits { average: Some(rate), max: Some(rate), buffer: Some(buffer) }.options());
        options
    };
    match setting.encode.rate_control {
        RateControl::Crf { crf, .. } => {
            let quality = crf.round().to_string();
            match bits.max {
                // The encoder wants a rate of zero for a quality without a cap.
                None => vec![("crf", quality), ("b", "0".to_owned())],
                Some(max) => [vec![("qmin", quality)], steady(max)].concat(),
            }
        }
        RateControl::Abr { .. } if setting.pass.is_some() => bits.options(),
        RateControl::Abr { bitrate_bps, .. } | RateControl::Cbr { bitrate_bps, .. } => steady(bitrate_bps),
    }
}
