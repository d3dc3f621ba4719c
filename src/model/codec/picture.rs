//! Pictures and animated previews, which are no codec of a media file: the encoder of each.

use crate::model::work::{AnimationFormat, ImageFormat};

/// Encoders that only pictures and animated previews use, each with what it makes.
pub const PICTURE_ENCODERS: &[(&str, &str)] = &[
    ("mjpeg", "JPEG pictures"),
    ("png", "PNG pictures"),
    ("libwebp", "WebP pictures"),
    ("libwebp_anim", "animated WebP"),
];

impl ImageFormat {
    /// libav's encoder.
    #[must_use]
    pub const fn encoder(self) -> &'static str {
        match self {
            Self::Jpg => "mjpeg",
            Self::Png => "png",
            Self::Webp => "libwebp",
        }
    }

    /// Name for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Jpg => "JPEG",
            Self::Png => "PNG",
            Self::Webp => "WebP",
        }
    }
}

impl AnimationFormat {
    /// libav's encoder.
    #[must_use]
    pub const fn encoder(self) -> &'static str {
        match self {
            Self::Gif => "gif",
            Self::Webp => "libwebp_anim",
            Self::Mp4 => "libx264",
        }
    }

    /// Name for people of its content.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Gif => "GIF",
            Self::Webp => "animated WebP",
            Self::Mp4 => "H.264",
        }
    }
}
