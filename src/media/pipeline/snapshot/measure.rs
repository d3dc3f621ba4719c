//! How a picture looks, in numbers: for leaving out black ones, and for finding the best.
//!
//! **Invariant**: measured on a small copy, so that the size of a source changes neither the result nor the cost much.

use ffmpeg_next::Rational;
use ffmpeg_next::frame::Video as Frame;

use crate::error::MediaError;
use crate::pipeline::graph::{Graph, Input};
use crate::raw;

/// Luma below which a pixel is black, of 255.
const BLACK: f64 = 32.0;

/// Luma around which pictures are well exposed.
const EXPOSED: f64 = 118.0;

/// The small copy: 320 pixels at most, in RGB.
const COPY: &str = "scale=320:320:force_original_aspect_ratio=decrease:flags=bilinear,format=rgb24";

/// What was measured of a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    /// Share of black pixels, 0–1.
    pub black: f64,
    /// Mean luma, 0–255.
    pub mean: f64,
    /// Standard deviation of luma.
    pub contrast: f64,
    /// Standard deviation of the Laplacian of luma: low where the picture is blurred.
    pub sharpness: f64,
    /// Colourfulness after Hasler and Süsstrunk.
    pub colour: f64,
}

impl Measured {
    /// Of a frame whose times are in `base`.
    pub fn of(frame: &Frame, base: Rational) -> Result<Self, MediaError> {
        let mut graph = Graph::new(&[Input::video("in", frame, base)], &format!("[in]{COPY}[out]"))?;
        let shared = raw::share(frame).map_err(|source| MediaError::Libav { doing: "share a frame", source })?;
        graph.push("in", &shared)?;
        graph.finish("in")?;
        let copy = graph.pull()?.map(Frame::from).ok_or_else(super::nothing_decoded)?;
        let (width, height) = (copy.width() as usize, copy.height() as usize);
        let (stride, data) = (copy.stride(0), copy.data(0));
        let rows = (0..height).filter_map(|row| data.get(row * stride..row * stride + width * 3));
        Ok(Self::new(&rows.flatten().copied().collect::<Vec<u8>>(), width))
    }

    /// Of packed RGB.
    fn new(rgb: &[u8], width: usize) -> Self {
        let pixels: Vec<[f64; 3]> = rgb.chunks_exact(3).map(|p| [p[0], p[1], p[2]].map(f64::from)).collect();
        let luma: Vec<f64> = pixels.iter().map(|[r, g, b]| 0.299 * r + 0.587 * g + 0.114 * b).collect();
        let (mean, contrast) = spread(luma.iter().copied());
        let black = spread(luma.iter().map(|&y| f64::from(u8::from(y < BLACK)))).0;
        let edges = (0..luma.len()).filter(|&at| {
            let column = at % width.max(1);
            column > 0 && column + 1 < width && at >= width && at + width < luma.len()
        });
        let laplacian =
            edges.map(|at| luma[at - 1] + luma[at + 1] + luma[at - width] + luma[at + width] - 4.0 * luma[at]);
        let sharpness = spread(laplacian).1;
        let (red_green, rg_spread) = spread(pixels.iter().map(|[r, g, _]| r - g));
        let (yellow_blue, yb_spread) = spread(pixels.iter().map(|[r, g, b]| f64::midpoint(*r, *g) - b));
        let colour = rg_spread.hypot(yb_spread) + 0.3 * red_green.hypot(yellow_blue);
        Self { black, mean, contrast, sharpness, colour }
    }

    /// How good a cover it makes, 0–1: sharp, rich in contrast and colour, well exposed, not black.
    #[must_use]
    pub fn score(&self) -> f64 {
        let exposure = (1.0 - (self.mean - EXPOSED).abs() / (255.0 - EXPOSED)).clamp(0.1, 1.0);
        let sharp = (self.sharpness / 40.0).min(1.0);
        let contrast = (self.contrast / 64.0).min(1.0);
        let colour = (self.colour / 80.0).min(1.0);
        (1.0 - self.black) * exposure * (0.5 * sharp + 0.3 * contrast + 0.2 * colour)
    }

    /// Whether at least that share of it, in percent, is black.
    #[must_use]
    pub fn is_black(&self, percent: u8) -> bool {
        self.black * 100.0 >= f64::from(percent)
    }
}

/// Mean and standard deviation.
fn spread(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (count, sum, squares) =
        values.fold((0_u32, 0.0, 0.0), |(n, sum, squares), v| (n + 1, sum + v, squares + v * v));
    if count == 0 {
        return (0.0, 0.0);
    }
    let mean = sum / f64::from(count);
    (mean, (squares / f64::from(count) - mean * mean).max(0.0).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rich_picture_beats_grey_dark_and_flat_ones() {
        let paint = |f: &dyn Fn(usize, usize) -> [u8; 3]| {
            let pixels: Vec<u8> = (0..64 * 64).flat_map(|at| f(at % 64, at / 64)).collect();
            Measured::new(&pixels, 64)
        };
        let rich = paint(&|x, y| if (x / 4 + y / 4) % 2 == 0 { [255, 200, 40] } else { [20, 40, 170] });
        let grey = paint(&|x, y| if (x / 4 + y / 4) % 2 == 0 { [150; 3] } else { [90; 3] });
        let flat = paint(&|_, _| [118; 3]);
        let black = paint(&|_, _| [0; 3]);
        assert!(rich.score() > grey.score() && grey.score() > flat.score() && flat.score() >= black.score());
        assert!(black.is_black(100) && !grey.is_black(30));
        let half = paint(&|x, _| if x < 32 { [0; 3] } else { [200; 3] });
        assert!(half.is_black(50) && !half.is_black(51));
    }
}
