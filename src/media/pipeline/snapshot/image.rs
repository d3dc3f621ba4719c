//! Pictures as files: JPEG, PNG, WebP.

use ffmpeg_next::frame::Video as Frame;
use ffmpeg_next::{Dictionary, Packet, Rational, codec, encoder};
use reelmill::model::work::ImageFormat;

use crate::error::MediaError;
use crate::pipeline::picture::Matrix;

/// How a picture format is written.
pub struct Image {
    /// Pixel format that it takes.
    pub pixels: &'static str,
    /// Whether all levels are used.
    pub full_range: bool,
    /// Colour matrix.
    pub matrix: Matrix,
    /// Media type.
    pub content_type: &'static str,
}

/// How `format` is written.
#[must_use]
pub const fn image(format: ImageFormat) -> Image {
    match format {
        ImageFormat::Jpg => new("yuv420p", true, "image/jpeg"),
        ImageFormat::Png => new("rgb24", true, "image/png"),
        ImageFormat::Webp => new("yuv420p", false, "image/webp"),
    }
}

const fn new(pixels: &'static str, full_range: bool, content_type: &'static str) -> Image {
    Image { pixels, full_range, matrix: Matrix::Bt601, content_type }
}

/// Encodes a picture; `quality` from 1 to 100 counts for lossy formats.
pub fn encode(frame: &Frame, format: ImageFormat, quality: u8) -> Result<Vec<u8>, MediaError> {
    let name = format.encoder();
    let failed = |source| MediaError::Encode { encoder: name.to_owned(), source };
    let missing = || MediaError::Missing { kind: "encoder", name: name.to_owned() };
    let found = encoder::find_by_name(name).ok_or_else(missing)?;
    let mut video = codec::Context::new_with_codec(found).encoder().video().map_err(failed)?;
    video.set_width(frame.width());
    video.set_height(frame.height());
    video.set_format(frame.format());
    video.set_color_range(frame.color_range());
    video.set_colorspace(frame.color_space());
    video.set_aspect_ratio(Rational(1, 1));
    video.set_time_base(Rational(1, 25));
    let mut opened = video.open_with(options(format, quality)).map_err(failed)?;
    opened.send_frame(frame).map_err(failed)?;
    opened.send_eof().map_err(failed)?;
    let mut packet = Packet::empty();
    opened.receive_packet(&mut packet).map_err(failed)?;
    Ok(packet.data().unwrap_or_default().to_vec())
}

fn options(format: ImageFormat, quality: u8) -> Dictionary<'static> {
    let mut options = Dictionary::new();
    options.set("threads", "1");
    match format {
        ImageFormat::Jpg => {
            let scale = quantiser(quality).to_string();
            for (name, value) in [("flags", "+qscale"), ("qmin", &scale), ("qmax", &scale), ("huffman", "optimal")] {
                options.set(name, value);
            }
        }
        ImageFormat::Webp => options.set("quality", &quality.clamp(1, 100).to_string()),
        ImageFormat::Png => {}
    }
    options
}

/// JPEG quantiser scale of a quality: 1 (best) to 31.
fn quantiser(quality: u8) -> u32 {
    let lost = 100 - u32::from(quality.clamp(1, 100));
    1 + (lost * 30 + 49) / 99
}

#[cfg(test)]
mod tests {
    use super::quantiser;

    #[test]
    fn quality_becomes_a_quantiser() {
        assert_eq!(quantiser(100), 1);
        assert_eq!(quantiser(1), 31);
        assert_eq!(quantiser(0), 31);
        assert!((5..=8).contains(&quantiser(80)));
    }
}
