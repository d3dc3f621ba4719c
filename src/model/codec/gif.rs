//! GIF by libav's own encoder, with a palette made for the pictures.

use super::VideoInfo;
use crate::model::work::Container;

/// The codec.
pub const CODEC: VideoInfo = VideoInfo {
    name: "gif",
    title: "GIF",
    libav: "gif",
    encoder: "gif",
    containers: &[Container::Gif],
    pixel_formats: &["pal8"],
    // Times are hundredths of a second, and players take less than two of them for ten.
    max_fps: Some(50),
    palette: true,
    ..VideoInfo::BLANK
};
