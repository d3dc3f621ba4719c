//! Animated WebP by libwebp.

use super::options::{Options, Setting};
use super::{Rates, VideoInfo};
use crate::model::work::Container;

/// Quality where none is asked for.
const QUALITY: u8 = 75;

/// The codec.
pub const CODEC: VideoInfo = VideoInfo {
    name: "webp",
    title: "WebP",
    libav: "webp",
    encoder: "libwebp_anim",
    containers: &[Container::Webp],
    rates: Rates::Quality(QUALITY),
    bt601: true,
    one_packet: true,
    options,
    ..VideoInfo::BLANK
};

fn options(setting: &Setting<'_>) -> Options {
    let quality = setting.encode.quality.unwrap_or(QUALITY);
    vec![("quality", quality.to_string())]
}
