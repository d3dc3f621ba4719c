//! The colour matrix of pictures that do not say theirs: one guess, made where frames are decoded.
//!
//! **Invariant**: every decoded picture of luma and chroma says its matrix. So whatever reads it (a filter, a converter
//! that libav puts between two filters, an encoder) reads the same colours.

use ffmpeg_next::Frame;
use ffmpeg_next::color::Space;

use crate::geometry::Pixels;
use crate::libav::{self, Color};
use crate::raw;

/// Transfers of high dynamic range: PQ and HLG.
pub const HDR_TRANSFERS: [&str; 2] = ["smpte2084", "arib-std-b67"];

/// Size from which untagged video is taken to be high definition: either side.
const HD: Pixels = Pixels::new(1280, 720);

/// The matrix of a picture of luma and chroma: its tag, or BT.2020 for high dynamic range, BT.709 for high definition and
/// BT.601 for anything smaller.
#[must_use]
pub fn matrix(pixels: Pixels, color: &Color) -> &str {
    // Luma and chroma have a matrix: a tag that says otherwise is an encoder's mistake.
    if let Some(tagged) = color.space.as_deref().filter(|&space| space != "gbr") {
        return tagged;
    }
    match color.transfer.as_deref() {
        Some(transfer) if HDR_TRANSFERS.contains(&transfer) => "bt2020nc",
        _ if pixels.width >= HD.width || pixels.height >= HD.height => "bt709",
        _ => "smpte170m",
    }
}

/// Has a decoded picture say its matrix, where it does not.
pub fn settle(frame: &mut Frame) {
    let color = Color::of_frame(frame);
    if color.space.as_deref().is_some_and(|space| space != "gbr") {
        return;
    }
    if libav::pixel_format(libav::frame_format(frame)).is_none_or(|format| format.rgb) {
        return;
    }
    let (width, height) = raw::size(frame);
    let space = match matrix(Pixels::new(width, height), &color) {
        "bt2020nc" => Space::BT2020NCL,
        "bt709" => Space::BT709,
        _ => Space::SMPTE170M,
    };
    raw::set_matrix(frame, space);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_fault_14_the_guess_goes_by_size_and_range_and_tags_are_believed() {
        let tagged = |space: Option<&str>, transfer: Option<&str>| Color {
            space: space.map(str::to_owned),
            transfer: transfer.map(str::to_owned),
            ..Color::default()
        };
        for (width, height, space, transfer, expected) in [
            (720, 576, None, None, "smpte170m"),
            (1024, 576, None, None, "smpte170m"),
            (1280, 536, None, None, "bt709"),
            (960, 720, None, None, "bt709"),
            (3840, 2160, None, None, "bt709"),
            (3840, 2160, None, Some("smpte2084"), "bt2020nc"),
            (640, 360, None, Some("arib-std-b67"), "bt2020nc"),
            (1920, 1080, Some("bt470bg"), None, "bt470bg"),
            (320, 180, Some("bt709"), None, "bt709"),
            (1920, 1080, Some("gbr"), None, "bt709"),
        ] {
            assert_eq!(matrix(Pixels::new(width, height), &tagged(space, transfer)), expected, "{width}x{height}");
        }
    }
}
