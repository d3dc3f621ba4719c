//! Sizes: from a source's picture and what was asked for to how it is scaled, cut and padded.
//!
//! Pure arithmetic. **Invariant**: every size that comes out is even and at least 2 × 2, the picture's shape is kept
//! unless stretching was asked for, and nothing is larger than the source unless enlarging was asked for.

use reelmill::model::work::{Fit, Length, Overlay, ReferencePosition, Size};

/// A width and a height in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pixels {
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

impl Pixels {
    /// Of that width and height.
    #[must_use]
    pub const fn new(width: u32, height: u32) -> Self {
        Self { width, height }
    }

    /// Width and height exchanged.
    #[must_use]
    pub const fn turned(self) -> Self {
        Self { width: self.height, height: self.width }
    }
}

/// What is done to an upright picture, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fitted {
    /// Scaled to this.
    pub scale: Pixels,
    /// Cut from or padded to this, centred.
    pub out: Pixels,
}

/// Sample aspect ratios beyond this, either way, are damage.
const MAX_ASPECT: f64 = 16.0;

/// Longest side there is.
const MAX_SIDE: f64 = 16_384.0;

/// Shape of a source's picture with square pixels: its height, and the width that it is shown with.
fn square(source: Pixels, sample_aspect: f64) -> (f64, f64) {
    let sane = sample_aspect.is_finite() && (1.0 / MAX_ASPECT..=MAX_ASPECT).contains(&sample_aspect);
    let aspect = if sane { sample_aspect } else { 1.0 };
    (f64::from(source.width) * aspect, f64::from(source.height))
}

/// Fits an upright picture of `source` stored pixels, each `sample_aspect` times as wide as high.
#[must_use]
pub fn fit(source: Pixels, sample_aspect: f64, size: Size, fit: Fit, upscale: bool) -> Fitted {
    let (width, height) = square(source, sample_aspect);
    let cap = |factor: f64| if upscale { factor } else { factor.min(1.0) };
    let scaled = |factor: f64| {
        let scale = even(width * cap(factor), height * cap(factor));
        Fitted { scale, out: scale }
    };
    match size {
        Size::Source | Size::Box { width: None, height: None } => scaled(1.0),
        Size::ShortSide(pixels) => scaled(f64::from(pixels) / width.min(height)),
        Size::LongSide(pixels) => scaled(f64::from(pixels) / width.max(height)),
        Size::Box { width: Some(w), height: None } => scaled(f64::from(w) / width),
        Size::Box { width: None, height: Some(h) } => scaled(f64::from(h) / height),
        Size::Box { width: Some(w), height: Some(h) } => {
            let (across, down) = (f64::from(w) / width, f64::from(h) / height);
            into_box((width, height), (f64::from(w), f64::from(h)), (across, down), fit, upscale)
        }
    }
}

fn into_box(source: (f64, f64), target: (f64, f64), (across, down): (f64, f64), fit: Fit, upscale: bool) -> Fitted {
    // How much of the box a source that may not be enlarged fills; the box shrinks to it, shape kept.
    let shrunk = |needed: f64| if upscale { 1.0 } else { (1.0 / needed).min(1.0) };
    let boxed = |share: f64| even(target.0 * share, target.1 * share);
    match fit {
        Fit::Rescale => {
            let factor = if upscale { across.min(down) } else { across.min(down).min(1.0) };
            let scale = even(source.0 * factor, source.1 * factor);
            Fitted { scale, out: scale }
        }
        Fit::Crop => {
            let share = shrunk(across.max(down));
            let out = boxed(share);
            let factor = across.max(down) * share;
            let scale = even(source.0 * factor, source.1 * factor);
            let scale = Pixels::new(scale.width.max(out.width), scale.height.max(out.height));
            Fitted { scale, out }
        }
        Fit::Pad => {
            let share = shrunk(across.min(down));
            let out = boxed(share);
            let factor = across.min(down) * share;
            let scale = even(source.0 * factor, source.1 * factor);
            let scale = Pixels::new(scale.width.min(out.width), scale.height.min(out.height));
            Fitted { scale, out }
        }
        Fit::None => {
            let out = boxed(shrunk(across.max(down)));
            Fitted { scale: out, out }
        }
    }
}

/// The nearest even size; halfway goes down, so that an odd source is not enlarged.
fn even(width: f64, height: f64) -> Pixels {
    Pixels::new(even_side(width), even_side(height))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 2..=16384 before")]
fn even_side(side: f64) -> u32 {
    let pairs = (side.clamp(2.0, MAX_SIDE) / 2.0 - 0.5).ceil();
    (pairs.max(1.0) as u32) * 2
}

/// Where a picture is laid over an output, in pixels from its top left corner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// Size it is scaled to.
    pub size: Pixels,
    /// From the left.
    pub x: i64,
    /// From the top.
    pub y: i64,
}

/// Places a picture of `picture` pixels over an output of `out` pixels.
#[must_use]
pub fn place(overlay: &Overlay, picture: Pixels, out: Pixels) -> Placed {
    const DEFAULT_WIDTH: Length = Length::Ratio(0.12);
    let aspect = f64::from(picture.width.max(1)) / f64::from(picture.height.max(1));
    let (width, height) = match (overlay.width, overlay.height) {
        (Some(width), Some(height)) => (length(width, out.width), length(height, out.height)),
        (None, Some(height)) => (length(height, out.height) * aspect, length(height, out.height)),
        (width, None) => {
            let width = length(width.unwrap_or(DEFAULT_WIDTH), out.width);
            (width, width / aspect)
        }
    };
    let size = Pixels::new(whole(width), whole(height));
    let (dx, dy) = (length(overlay.dx, out.width), length(overlay.dy, out.height));
    let from_right = f64::from(out.width) - f64::from(size.width) - dx;
    let from_bottom = f64::from(out.height) - f64::from(size.height) - dy;
    let (x, y) = match overlay.position {
        ReferencePosition::TopLeft => (dx, dy),
        ReferencePosition::TopRight => (from_right, dy),
        ReferencePosition::BottomLeft => (dx, from_bottom),
        ReferencePosition::BottomRight => (from_right, from_bottom),
    };
    Placed { size, x: nearest(x), y: nearest(y) }
}

fn length(length: Length, of: u32) -> f64 {
    match length {
        Length::Pixels(pixels) => f64::from(pixels),
        Length::Ratio(ratio) => ratio * f64::from(of),
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 1..=16384 before")]
fn whole(side: f64) -> u32 {
    side.clamp(1.0, MAX_SIDE).round() as u32
}

#[expect(clippy::cast_possible_truncation, reason = "far within the range of i64")]
fn nearest(offset: f64) -> i64 {
    offset.round() as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn boxed(width: u32, height: u32) -> Size {
        Size::Box { width: Some(width), height: Some(height) }
    }

    fn out(source: (u32, u32), size: Size, how: Fit, upscale: bool) -> (u32, u32) {
        let fitted = fit(Pixels::new(source.0, source.1), 1.0, size, how, upscale);
        (fitted.out.width, fitted.out.height)
    }

    #[test]
    fn field_case_16_odd_sources_become_even_and_no_larger() {
        assert_eq!(out((853, 481), Size::Source, Fit::Rescale, false), (852, 480));
        assert_eq!(out((1, 1), Size::Source, Fit::Rescale, false), (2, 2));
        assert_eq!(out((321, 241), Size::ShortSide(720), Fit::Rescale, false), (320, 240));
    }

    #[test]
    fn sizes_keep_the_shape_and_portrait_stays_portrait() {
        for (source, size, expected) in [
            ((1920, 1080), Size::ShortSide(720), (1280, 720)),
            ((1080, 1920), Size::ShortSide(720), (720, 1280)),
            ((1920, 1080), Size::ShortSide(480), (854, 480)),
            ((1920, 1080), Size::LongSide(640), (640, 360)),
            ((1080, 1920), Size::LongSide(640), (360, 640)),
            ((1920, 1080), Size::Box { width: Some(320), height: None }, (320, 180)),
            ((1920, 1080), Size::Box { width: None, height: Some(240) }, (426, 240)),
            ((3840, 1600), boxed(1280, 720), (1280, 534)),
        ] {
            assert_eq!(out(source, size, Fit::Rescale, false), expected, "{source:?} {size:?}");
        }
    }

    #[test]
    fn field_case_19_small_sources_are_not_enlarged_unless_asked() {
        for (how, small) in
            [(Fit::Rescale, (320, 180)), (Fit::Crop, (180, 180)), (Fit::Pad, (320, 320)), (Fit::None, (180, 180))]
        {
            assert_eq!(out((320, 180), boxed(1000, 1000), how, false), small, "{how:?}");
        }
        assert_eq!(out((320, 180), Size::ShortSide(720), Fit::Rescale, false), (320, 180));
        assert_eq!(out((320, 180), Size::ShortSide(720), Fit::Rescale, true), (1280, 720));
        assert_eq!(out((320, 180), boxed(1000, 1000), Fit::Rescale, true), (1000, 562));
    }

    #[test]
    fn boxes_are_filled_as_asked() {
        let source = Pixels::new(1920, 1080);
        let fitted = |how| fit(source, 1.0, boxed(720, 720), how, false);
        assert_eq!(fitted(Fit::Crop), Fitted { scale: Pixels::new(1280, 720), out: Pixels::new(720, 720) });
        assert_eq!(fitted(Fit::Pad), Fitted { scale: Pixels::new(720, 404), out: Pixels::new(720, 720) });
        assert_eq!(fitted(Fit::None), Fitted { scale: Pixels::new(720, 720), out: Pixels::new(720, 720) });
    }

    #[test]
    fn oblong_pixels_become_square() {
        let pal = fit(Pixels::new(720, 576), 64.0 / 45.0, Size::Source, Fit::Rescale, false);
        assert_eq!(pal.out, Pixels::new(1024, 576));
        let damaged = fit(Pixels::new(720, 576), 1e9, Size::Source, Fit::Rescale, false);
        assert_eq!(damaged.out, Pixels::new(720, 576));
    }

    #[test]
    fn overlays_stand_at_their_corner() {
        let mut overlay = Overlay {
            input: 1,
            position: ReferencePosition::BottomRight,
            dx: Length::Pixels(10),
            dy: Length::Ratio(0.1),
            width: None,
            height: None,
            opacity: 1.0,
            start_s: 0.0,
            duration_s: None,
        };
        let (picture, out) = (Pixels::new(200, 100), Pixels::new(1000, 500));
        let placed = place(&overlay, picture, out);
        assert_eq!(placed, Placed { size: Pixels::new(120, 60), x: 870, y: 390 });
        overlay.position = ReferencePosition::TopLeft;
        overlay.height = Some(Length::Pixels(40));
        assert_eq!(place(&overlay, picture, out), Placed { size: Pixels::new(80, 40), x: 10, y: 50 });
    }
}
