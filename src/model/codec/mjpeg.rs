//! Motion JPEG by libav's own encoder.

use super::options::{Options, Setting};
use super::{Rates, VideoInfo};
use crate::model::work::Container;

/// Quality where none is asked for.
const QUALITY: u8 = 85;

/// libav's scale of quantizers: this many for a step of one.
const QUANTIZER_STEP: u32 = 118;

/// The codec.
pub const CODEC: VideoInfo = VideoInfo {
    name: "mjpeg",
    title: "Motion JPEG",
    libav: "mjpeg",
    encoder: "mjpeg",
    containers: &[Container::Mov, Container::Mkv],
    pixel_formats: &["yuvj420p", "yuvj422p", "yuvj444p"],
    rates: Rates::Quality(QUALITY),
    full_range: true,
    bt601: true,
    options,
    ..VideoInfo::BLANK
};

fn options(setting: &Setting<'_>) -> Options {
    let quality = setting.encode.quality.unwrap_or(QUALITY).clamp(1, 100);
    // From 2, the best, to 31.
    let quantizer = 2 + u32::from(100 - quality) * 29 / 99;
    vec![("flags", "+qscale".to_owned()), ("global_quality", (quantizer * QUANTIZER_STEP).to_string())]
}
