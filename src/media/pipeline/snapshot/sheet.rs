//! Sheets of small pictures.

use ffmpeg_next::Rational;
use ffmpeg_next::color::Range;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video as Frame;
use reelmill::model::work::{Color, Sprite};

use crate::error::MediaError;
use crate::geometry::Pixels;
use crate::pipeline::graph::{Graph, Input};
use crate::pipeline::picture;

/// Longest side of a sheet, in pixels: what every picture format holds.
const MAX_SIDE: u32 = 16_000;

/// Pixels and matrix of pictures that become JPEG.
const JPEG: &str = "yuv420p";
const JPEG_MATRIX: &str = "smpte170m";

/// Pictures on their way to sheets.
pub struct Sheets {
    sprite: Sprite,
    cells: Vec<Frame>,
    moments: Vec<f64>,
}

/// A full sheet, or the last one.
pub struct Sheet {
    /// The picture.
    pub frame: Frame,
    /// Size of a cell.
    pub cell: Pixels,
    /// Moments of its cells, row by row.
    pub moments: Vec<f64>,
    sprite: Sprite,
}

impl Sheets {
    /// As `sprite` says.
    #[must_use]
    pub const fn new(sprite: Sprite) -> Self {
        Self { sprite, cells: Vec::new(), moments: Vec::new() }
    }

    /// Adds a picture; a sheet when it is the last that fits.
    pub fn add(&mut self, picture: Frame, moment: f64) -> Result<Option<Sheet>, MediaError> {
        let Sprite { margin, padding, one_sheet, .. } = self.sprite;
        let most = MAX_SIDE.saturating_sub(2 * margin) / (picture.height() + padding).max(1);
        let rows = if one_sheet { most } else { self.sprite.rows };
        self.cells.push(picture);
        self.moments.push(moment);
        let room = u64::from(self.sprite.columns.max(1)) * u64::from(rows.max(1));
        if (self.cells.len() as u64) < room { Ok(None) } else { self.rest() }
    }

    /// A sheet of what is left, with no more rows than it needs.
    pub fn rest(&mut self) -> Result<Option<Sheet>, MediaError> {
        let Some(first) = self.cells.first() else { return Ok(None) };
        let columns = self.sprite.columns.max(1);
        let cell = Pixels::new(first.width(), first.height());
        let rows = self.cells.len().div_ceil(columns as usize);
        let input = Input::video("in", first, Rational(1, 25));
        let Sprite { margin, padding, color: Color { red, green, blue }, .. } = self.sprite;
        let tile =
            format!("tile={columns}x{rows}:margin={margin}:padding={padding}:color=0x{red:02x}{green:02x}{blue:02x}");
        let bare = margin > 0 || padding > 0 || !self.cells.len().is_multiple_of(columns as usize);
        let graph = if bare && is_full_range(first) { picture::in_rgb(&tile, JPEG, JPEG_MATRIX, true) } else { tile };
        let mut graph = Graph::new(&[input], &format!("[in]{graph}[out]"))?;
        for (time, mut cell) in (0..).zip(self.cells.drain(..)) {
            cell.set_pts(Some(time));
            graph.push("in", &cell)?;
        }
        graph.finish("in")?;
        let moments = std::mem::take(&mut self.moments);
        Ok(graph.pull()?.map(|frame| Sheet { frame: Frame::from(frame), cell, moments, sprite: self.sprite }))
    }
}

/// Whether a picture is one of JPEG's, of which `tile` takes black for a dark grey.
fn is_full_range(picture: &Frame) -> bool {
    picture.format() == Pixel::YUV420P && picture.color_range() == Range::JPEG
}

impl Sheet {
    /// Left and top of the `n`-th cell.
    #[must_use]
    pub const fn corner(&self, n: u32) -> (u32, u32) {
        let Sprite { columns, margin, padding, .. } = self.sprite;
        let columns = if columns == 0 { 1 } else { columns };
        let (column, row) = (n % columns, n / columns);
        (margin + column * (self.cell.width + padding), margin + row * (self.cell.height + padding))
    }
}
