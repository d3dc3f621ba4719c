//! Sizes: from a source's picture and what was asked for to how it is scaled, cut and padded; [`region`]: which part of
//! it is taken before.
//!
//! Pure arithmetic. **Invariant**: every size that comes out is even and at least 2 × 2, the picture's shape is kept
//! unless stretching was asked for, and nothing is larger than the source unless enlarging was asked for.

pub mod region;

use reelmill::model::work::{Fit, Length, Overlay, Pad, ReferencePosition, Size};

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
    /// Cut to this, around the middle.
    pub cut: Pixels,
    /// Laid on a canvas of this size.
    pub out: Pixels,
    /// Distance from the canvas's left.
    pub x: u32,
    /// Distance from the canvas's top.
    pub y: u32,
}

impl Fitted {
    /// Scaled to `scale`, then cut or laid on a canvas to be `out`, each side by itself and around the middle.
    const fn centred(scale: Pixels, out: Pixels) -> Self {
        const fn less(one: u32, other: u32) -> u32 {
            if one < other { one } else { other }
        }
        let cut = Pixels::new(less(scale.width, out.width), less(scale.height, out.height));
        Self { scale, cut, out, x: middle(out.width, cut.width), y: middle(out.height, cut.height) }
    }

    /// The same on the canvas `pad`, smaller where that has no room for it.
    #[must_use]
    pub fn padded(self, pad: Pad) -> Self {
        let out = Pixels::new(pad.width, pad.height);
        let room = |side: u32, place: Option<u32>| f64::from(side.saturating_sub(place.unwrap_or(0)).max(2));
        let share = (room(pad.width, pad.x) / f64::from(self.out.width))
            .min(room(pad.height, pad.y) / f64::from(self.out.height))
            .min(1.0);
        let shrunk = |size: Pixels| {
            if share < 1.0 { even(f64::from(size.width) * share, f64::from(size.height) * share) } else { size }
        };
        let (scale, cut) = (shrunk(self.scale), shrunk(self.out));
        let cut = Pixels::new(scale.width.min(cut.width), scale.height.min(cut.height));
        let place = |asked: Option<u32>, side: u32, taken: u32| {
            asked.unwrap_or_else(|| middle(side, taken)).min(side.saturating_sub(taken))
        };
        Self { scale, cut, out, x: place(pad.x, out.width, cut.width), y: place(pad.y, out.height, cut.height) }
    }
}

/// Distance from the edge that puts something of `taken` pixels into the middle of `side`; even, like chroma.
const fn middle(side: u32, taken: u32) -> u32 {
    side.saturating_sub(taken) / 4 * 2
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
        Fitted::centred(scale, scale)
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
            Fitted::centred(scale, scale)
        }
        Fit::Crop => {
            let share = shrunk(across.max(down));
            let out = boxed(share);
            let factor = across.max(down) * share;
            let scale = even(source.0 * factor, source.1 * factor);
            let scale = Pixels::new(scale.width.max(out.width), scale.height.max(out.height));
            Fitted::centred(scale, out)
        }
        Fit::Pad => {
            let share = shrunk(across.min(down));
            let out = boxed(share);
            let factor = across.min(down) * share;
            let scale = even(source.0 * factor, source.1 * factor);
            let scale = Pixels::new(scale.width.min(out.width), scale.height.min(out.height));
            Fitted::centred(scale, out)
        }
        Fit::None => {
            let out = boxed(shrunk(across.max(down)));
            Fitted::centred(out, out)
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
    at(overlay, Pixels::new(whole(width), whole(height)), out)
}

/// Places a text that is drawn on `text` pixels over an output of `out` pixels; smaller where the output has no room for
/// it.
#[must_use]
pub fn place_text(overlay: &Overlay, text: Pixels, out: Pixels) -> Placed {
    let ratio = |side: u32, of: u32| f64::from(of) / f64::from(side.max(1));
    let share = ratio(text.width, out.width).min(ratio(text.height, out.height)).min(1.0);
    let size = Pixels::new(whole(f64::from(text.width) * share), whole(f64::from(text.height) * share));
    at(overlay, size, out)
}

/// Places something of `size` over an output of `out` pixels.
fn at(overlay: &Overlay, size: Pixels, out: Pixels) -> Placed {
    let (dx, dy) = (length(overlay.dx, out.width), length(overlay.dy, out.height));
    let from_right = f64::from(out.width) - f64::from(size.width) - dx;
    let from_bottom = f64::from(out.height) - f64::from(size.height) - dy;
    let (x, y) = match overlay.position {
        ReferencePosition::TopLeft => (dx, dy),
        ReferencePosition::TopRight => (from_right, dy),
        ReferencePosition::BottomLeft => (dx, from_bottom),
        ReferencePosition::BottomRight => (from_right, from_bottom),
        ReferencePosition::Center => {
            let room = |side: u32, taken: u32| (f64::from(side) - f64::from(taken)) / 2.0;
            (room(out.width, size.width) + dx, room(out.height, size.height) + dy)
        }
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
    use reelmill::model::work::OverlayContent;

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
        let square = Pixels::new(720, 720);
        assert_eq!(fitted(Fit::Crop), Fitted { scale: Pixels::new(1280, 720), cut: square, out: square, x: 0, y: 0 });
        let (letterboxed, y) = (Pixels::new(720, 404), 158);
        assert_eq!(fitted(Fit::Pad), Fitted { scale: letterboxed, cut: letterboxed, out: square, x: 0, y });
        assert_eq!(fitted(Fit::None), Fitted { scale: square, cut: square, out: square, x: 0, y: 0 });
    }

    #[test]
    fn a_canvas_holds_the_picture_where_it_is_told_to_and_never_less_than_all_of_it() {
        let fitted = fit(Pixels::new(1920, 1080), 1.0, Size::ShortSide(360), Fit::Rescale, false);
        let pad = Pad { width: 800, height: 600, x: None, y: None };
        let scale = Pixels::new(640, 360);
        let out = Pixels::new(800, 600);
        assert_eq!(fitted.padded(pad), Fitted { scale, cut: scale, out, x: 80, y: 120 });
        let corner = Pad { x: Some(10), y: Some(0), ..pad };
        assert_eq!(fitted.padded(corner), Fitted { scale, cut: scale, out, x: 10, y: 0 });
        let narrow = fitted.padded(Pad { width: 320, height: 320, x: None, y: Some(200) });
        assert_eq!(narrow.scale, Pixels::new(214, 120));
        assert_eq!((narrow.out, narrow.x, narrow.y), (Pixels::new(320, 320), 52, 200));
        let cut = fit(Pixels::new(1920, 1080), 1.0, boxed(720, 720), Fit::Crop, false);
        let small = cut.padded(Pad { width: 400, height: 360, x: None, y: None });
        assert_eq!((small.scale, small.cut), (Pixels::new(640, 360), Pixels::new(360, 360)));
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
            content: OverlayContent::Image { input: 1 },
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
        overlay.position = ReferencePosition::Center;
        assert_eq!(place(&overlay, picture, out), Placed { size: Pixels::new(80, 40), x: 470, y: 280 });
        overlay.position = ReferencePosition::TopRight;
        assert_eq!(
            place_text(&overlay, Pixels::new(100, 30), out),
            Placed { size: Pixels::new(100, 30), x: 890, y: 50 }
        );
        assert_eq!(place_text(&overlay, Pixels::new(2000, 30), out).size, Pixels::new(1000, 15));
    }
}
