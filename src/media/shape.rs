//! What frames are that later ones of their stream may not be: sizes and shapes of pictures, channels and rates of sound.
#![expect(unsafe_code, reason = "libav's frames have fields that ffmpeg-next does not wrap for frames of any kind")]

use ffmpeg_next::{Frame, Rational};

/// What a frame is that later ones may not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A picture: width, height, and shape of its pixels.
    Picture {
        /// Width in pixels.
        width: i32,
        /// Height in pixels.
        height: i32,
        /// Width of a pixel over its height, in lowest terms.
        aspect: (i32, i32),
    },
    /// Sound.
    Sound {
        /// Samples per second.
        rate: i32,
        /// Number of channels.
        channels: i32,
    },
}

impl std::fmt::Display for Shape {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Picture { width, height, aspect: (1, 1) } => write!(f, "{width}x{height}"),
            Self::Picture { width, height, aspect: (num, den) } => {
                write!(f, "{width}x{height} (pixels {num}:{den})")
            }
            Self::Sound { rate, channels } => write!(f, "{channels} channels at {rate} Hz"),
        }
    }
}

/// The shape of a decoded frame.
#[must_use]
pub fn shape(frame: &Frame) -> Shape {
    // SAFETY: the frame is allocated.
    let raw = unsafe { &*frame.as_ptr() };
    if raw.width > 0 {
        let ratio = Rational::from(raw.sample_aspect_ratio);
        let aspect = if ratio.numerator() > 0 && ratio.denominator() > 0 { ratio.reduce() } else { Rational(1, 1) };
        let aspect = (aspect.numerator(), aspect.denominator());
        return Shape::Picture { width: raw.width, height: raw.height, aspect };
    }
    Shape::Sound { rate: raw.sample_rate, channels: raw.ch_layout.nb_channels }
}
