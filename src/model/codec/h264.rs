//! H.264 by libx264.

use super::options::{Bits, Options, Setting, words};
use super::{Hardware, Rates, VideoInfo};
use crate::model::work::{Container, RateControl};

/// The codec.
pub const CODEC: VideoInfo = VideoInfo {
    name: "h264",
    title: "H.264",
    libav: "h264",
    encoder: "libx264",
    hardware: &[
        (Hardware::Nvenc, "h264_nvenc"),
        (Hardware::Qsv, "h264_qsv"),
        (Hardware::Vaapi, "h264_vaapi"),
        (Hardware::Videotoolbox, "h264_videotoolbox"),
    ],
    containers: &[Container::Mp4, Container::Mov, Container::Mkv, Container::Ts, Container::Flv],
    profiles: &[
        ("baseline", &["yuv420p"]),
        ("main", &["yuv420p"]),
        ("high", &["yuv420p"]),
        ("high10", &["yuv420p10le", "yuv420p"]),
        ("high422", &["yuv422p", "yuv422p10le", "yuv420p", "yuv420p10le"]),
        ("high444", &["yuv444p", "yuv444p10le", "yuv422p", "yuv422p10le", "yuv420p", "yuv420p10le"]),
    ],
    levels: &[
        "1", "1.0", "1.1", "1.2", "1.3", "2", "2.0", "2.1", "2.2", "3", "3.0", "3.1", "3.2", "4", "4.0", "4.1", "4.2",
        "5", "5.0", "5.1", "5.2", "6", "6.0", "6.1", "6.2",
    ],
    presets: PRESETS,
    tunes: &["film", "animation", "grain", "stillimage", "fastdecode", "zerolatency"],
    pixel_formats: &["yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuv422p10le", "yuv444p10le"],
    rates: Rates::Crf {
        max: 51.0,
        default: 23.0,
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

/// Presets of x264, and of x265, which took them over.
pub(super) const PRESETS: &[&str] =
    &["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow"];

fn options(setting: &Setting<'_>) -> Options {
    let encode = setting.encode;
    let mut options = words(&[
        ("preset", encode.preset.as_ref()),
        ("tune", encode.tune.as_ref()),
        ("profile", encode.profile.as_ref()),
        ("level", encode.level.as_ref()),
    ]);
    match encode.rate_control {
        RateControl::Crf { crf, .. } => options.push(("crf", crf.to_string())),
        RateControl::Cbr { bitrate_bps, .. } => {
            options.push(("minrate", bitrate_bps.to_string()));
            options.push(("nal-hrd", "cbr".to_owned()));
        }
        // Else it lets a source that grows harder have a quarter more than was asked for, and takes a minute to notice.
        RateControl::Abr { .. } if setting.pass.is_none() => {
            options.push(("x264-params", "ratetol=0.1".to_owned()));
        }
        RateControl::Abr { .. } => {}
    }
    options.extend(Bits::of(encode.rate_control).options());
    options.push(("g", setting.gop(true).to_string()));
    options.push(("forced-idr", "1".to_owned()));
    let pass = setting.pass.map_or("", |pass| if pass.first { "+pass1" } else { "+pass2" });
    options.push(("flags", format!("+cgop{pass}")));
    if let Some(pass) = setting.pass {
        options.push(("stats", pass.stats.to_owned()));
    }
    // Where a distance is given, keyframes come exactly there, so that rungs of a ladder align.
    if encode.gop.is_some() {
        options.push(("sc_threshold", "0".to_owned()));
    }
    options.extend(encode.b_frames.map(|count| ("bf", count.to_string())));
    options.extend(encode.refs.map(|count| ("refs", count.to_string())));
    options
}
