//! ProRes by libav's own encoder: its profiles say how many bits are spent.

use super::options::{Options, Setting};
use super::{Rates, VideoInfo};
use crate::model::work::Container;

/// The codec.
pub const CODEC: VideoInfo = VideoInfo {
    name: "prores",
    title: "ProRes",
    libav: "prores",
    encoder: "prores_ks",
    containers: &[Container::Mov, Container::Mkv],
    profiles: &[
        ("proxy", &["yuv422p10le"]),
        ("lt", &["yuv422p10le"]),
        ("standard", &["yuv422p10le"]),
        ("hq", &["yuv422p10le"]),
        ("4444", &["yuv444p10le"]),
        ("4444xq", &["yuv444p10le"]),
    ],
    pixel_formats: &["yuv422p10le", "yuv444p10le"],
    rates: Rates::Profile,
    options,
    ..VideoInfo::BLANK
};

fn options(setting: &Setting<'_>) -> Options {
    let chroma = setting.encode.pixel_format.as_deref() == Some("yuv444p10le");
    let usual = if chroma { "4444" } else { "standard" };
    let profile = setting.encode.profile.clone().unwrap_or_else(|| usual.to_owned());
    // Apple's programs want to know whose encoder it was; `apl0` they know.
    vec![("profile", profile), ("vendor", "apl0".to_owned())]
}
