//! Text as a picture with transparency.
//!
//! The text is handed to libav's `drawtext` as the value of an option, which nothing parses: neither a graph nor the
//! filter's own expansion. **Invariant**: the picture holds the letters and nothing around them.

use ffmpeg_next::frame::Video as Frame;
use reelmill::model::work::{Color, OverlayText};

use crate::error::MediaError;
use crate::geometry::Pixels;
use crate::geometry::region::Region;
use crate::pipeline::graph::{Graph, Input, Step};

/// Shorter side that an adaptive size is meant for.
const ADAPTIVE_SIDE: f64 = 720.0;

/// Largest letters, in pixels.
const MAX_FONT: f64 = 512.0;

/// Width of the canvas, in letters' heights for each letter, and its height for each line.
const ROOM: (u32, u32) = (2, 2);

/// Widest canvas.
const MAX_WIDTH: u32 = 16_384;

/// Most pixels of a canvas.
const MAX_PIXELS: u32 = 1 << 25;

/// What of a text can be drawn: control characters have no shape.
pub fn drawable(text: &OverlayText) -> OverlayText {
    let drawn = text.text.replace("\r\n", "\n").replace('\r', "\n").replace('\t', "    ");
    let drawn = drawn.chars().filter(|&c| c == '\n' || !c.is_control()).collect();
    OverlayText { text: drawn, ..text.clone() }
}

/// Draws a text for an output of `out` pixels.
pub fn draw(text: &OverlayText, out: Pixels) -> Result<Frame, MediaError> {
    let scale = if text.adaptive { f64::from(out.width.min(out.height)) / ADAPTIVE_SIDE } else { 1.0 };
    let pixels = |size: u32| whole((f64::from(size) * scale).clamp(0.0, MAX_FONT));
    let font_size = pixels(text.font_size).max(4);
    let border = text.border.map(|border| (pixels(border.width).max(1), border.color));
    let around = border.map_or(0, |(width, _)| width) + font_size;
    let canvas = canvas(&text.text, font_size, around);
    // What is not covered has the colour of what is next to it, lest edges darken.
    let ground = border.map_or(text.color, |(_, color)| color);
    let mut letters = vec![
        ("text", text.text.clone()),
        ("expansion", "none".to_owned()),
        ("fontsize", font_size.to_string()),
        ("fontcolor", hex(text.color)),
        ("x", around.to_string()),
        ("y", around.to_string()),
    ];
    letters.extend(text.font.clone().map(|font| ("font", font)));
    if let Some((width, color)) = border {
        letters.extend([("borderw", width.to_string()), ("bordercolor", hex(color))]);
    }
    let Pixels { width, height } = canvas;
    let steps = [
        Step::new(
            "color",
            vec![
                ("color", format!("{}@0", hex(ground))),
                ("size", format!("{width}x{height}")),
                ("duration", "1".to_owned()),
                ("rate", "1".to_owned()),
            ],
        ),
        Step::new("format", vec![("pix_fmts", "rgba".to_owned())]),
        Step::new("drawtext", letters),
    ];
    let drawn = first(Graph::line(&steps).map_err(|error| match error {
        MediaError::Filter { .. } => {
            let family = text.font.as_deref().unwrap_or("Sans");
            MediaError::Parameter(format!(
                "no font found for the family `{family}`: install a font on the worker's machine"
            ))
        }
        other => other,
    })?)?;
    let Some(Region { x, y, size }) = ink(&drawn) else {
        // Nothing but spaces to its font: a picture that does not show.
        return cut(&drawn, Region { x: 0, y: 0, size: Pixels::new(2, 2) });
    };
    cut(&drawn, Region { x, y, size })
}

/// Room enough for every line.
fn canvas(text: &str, font_size: u32, around: u32) -> Pixels {
    let longest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let side = |count: u32, room: u32| count.saturating_mul(room * font_size).saturating_add(2 * around);
    let width = side(count(longest), ROOM.0).min(MAX_WIDTH);
    let height = side(count(text.lines().count()), ROOM.1).min(MAX_PIXELS / width);
    Pixels::new(width, height)
}

fn first(mut graph: Graph) -> Result<Frame, MediaError> {
    let nothing = || MediaError::Panic("a canvas is empty".to_owned());
    Ok(Frame::from(graph.pull()?.ok_or_else(nothing)?))
}

/// The smallest part of an RGBA picture that holds all that is not transparent.
fn ink(frame: &Frame) -> Option<Region> {
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let (data, stride) = (frame.data(0), frame.stride(0));
    let (mut left, mut right, mut top, mut bottom) = (width, 0, height, 0);
    for y in 0..height {
        let row = data.get(y * stride..y * stride + 4 * width)?;
        let mut inked = row.chunks_exact(4).enumerate().filter(|(_, pixel)| pixel[3] > 0).map(|(x, _)| x);
        if let Some(first) = inked.next() {
            left = left.min(first);
            right = right.max(inked.next_back().unwrap_or(first));
            top = top.min(y);
            bottom = y;
        }
    }
    if left > right {
        return None;
    }
    let pixels = |n: usize| u32::try_from(n).ok();
    let size = Pixels::new(pixels(right - left + 1)?, pixels(bottom - top + 1)?);
    Some(Region { x: pixels(left)?, y: pixels(top)?, size })
}

fn cut(frame: &Frame, Region { x, y, size }: Region) -> Result<Frame, MediaError> {
    let input = Input::video("in", frame, super::BASE);
    let crop = format!("[in]crop={}:{}:{x}:{y}[out]", size.width, size.height);
    let mut graph = Graph::new(&[input], &crop)?;
    let shared = super::share(frame)?;
    graph.push("in", &shared)?;
    graph.finish("in")?;
    first(graph)
}

fn hex(Color { red, green, blue }: Color) -> String {
    format!("0x{red:02x}{green:02x}{blue:02x}")
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=512 before")]
fn whole(size: f64) -> u32 {
    size.round() as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use reelmill::model::work::Border;

    fn text(text: &str) -> OverlayText {
        OverlayText {
            text: text.to_owned(),
            font: None,
            font_size: 40,
            adaptive: false,
            color: Color::new(255, 0, 0),
            border: None,
        }
    }

    const HD: Pixels = Pixels::new(1280, 720);

    fn size(text: &OverlayText, out: Pixels) -> (u32, u32) {
        let drawn = draw(&drawable(text), out).unwrap();
        (drawn.width(), drawn.height())
    }

    #[test]
    fn letters_are_drawn_and_nothing_around_them() {
        let (width, height) = size(&text("HH"), HD);
        assert!((40..80).contains(&width) && (25..35).contains(&height), "{width}x{height}");
        let drawn = draw(&text("H"), HD).unwrap();
        let pixels = drawn.data(0).chunks_exact(drawn.stride(0)).take(drawn.height() as usize);
        let pixels = pixels.flat_map(|row| row[..4 * drawn.width() as usize].chunks_exact(4));
        assert!(pixels.clone().all(|pixel| pixel[..3] == [255, 0, 0]), "colour bleeds");
        assert!(pixels.clone().any(|pixel| pixel[3] == 255) && pixels.clone().any(|pixel| pixel[3] == 0));
    }

    #[test]
    fn sizes_borders_lines_and_adaptive_text() {
        let plain = size(&text("HH"), HD);
        let border = Some(Border { width: 3, color: Color::new(0, 0, 0) });
        let bordered = size(&OverlayText { border, ..text("HH") }, HD);
        assert!((5..=7).contains(&(bordered.1 - plain.1)), "{bordered:?} {plain:?}");
        assert_eq!(size(&text("HH\nHH"), HD).0, plain.0);
        assert!(size(&text("HH\nHH"), HD).1 > 2 * plain.1);
        let half = size(&OverlayText { adaptive: true, ..text("HH") }, Pixels::new(640, 360));
        assert!(half.1.abs_diff(plain.1 / 2) <= 1, "{half:?} {plain:?}");
    }

    #[test]
    fn what_a_text_says_is_drawn_as_it_stands() {
        // Each is as wide as its letters: nothing of it was taken for an instruction.
        for hostile in ["%{localtime}", "%{pts}", "':text=x:x=0", r"\:\'\\", "[in];[out],null", "${HOME}", "%%"] {
            let wide = size(&text(hostile), HD).0;
            let letters: u32 = hostile.chars().map(|c| size(&text(&c.to_string()), HD).0).sum();
            assert!(wide >= letters, "{hostile}: {wide} of {letters}");
        }
        assert_eq!(drawable(&text("a\u{0}\u{7}b\r\nc\td")).text, "ab\nc    d");
        assert_eq!(size(&text(" "), HD), (2, 2));
        let long = size(&text(&"m".repeat(1024)), HD);
        assert!(long.0 > 10_000, "{long:?}");
    }
}
