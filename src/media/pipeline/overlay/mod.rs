//! Pictures, films and text laid over video.
//!
//! **Invariant**: what a user writes never becomes part of a graph's text; films cost no more memory than two of their
//! frames, however long they are and however often they are repeated.

mod film;
mod letters;
mod player;
mod sheet;

use ffmpeg_next::Rational;
use ffmpeg_next::frame::Video as Frame;
use reelmill::model::work::{Length, Overlay, OverlayContent, OverlayText, ReferencePosition};

use self::film::{Film, Showing};
use self::player::Player;
pub use self::sheet::Sheets;
use self::sheet::Turning;
use super::colors::HDR_TRANSFERS;
use super::graph::{self, Graph, Input};
use super::picture;
use crate::error::MediaError;
use crate::geometry::{self, Pixels, Placed};
use crate::source::Source;
use crate::{libav, raw};

/// Unit of the times of what is laid over: microseconds.
const BASE: Rational = Rational(1, 1_000_000);

/// Luminance of the white of graphics in video of high dynamic range, in cd/m² (BT.2408).
pub const GRAPHICS_WHITE: u32 = 203;

/// Something to lay over the video, found good.
pub struct Laid {
    overlay: Overlay,
    content: Content,
}

enum Content {
    Still(Frame),
    Film(Film),
    Sheets(Sheets),
    Text(OverlayText),
}

impl Laid {
    /// Opens what `overlay` means; `None` of a text that says nothing.
    pub fn load(overlay: &Overlay, inputs: &[Source]) -> Result<Option<Self>, MediaError> {
        let content = match &overlay.content {
            OverlayContent::Text(text) => {
                let text = letters::drawable(text);
                if text.text.trim().is_empty() {
                    return Ok(None);
                }
                Content::Text(text)
            }
            &OverlayContent::Image { input } => {
                let missing = || MediaError::Job(format!("there is no input {input}"));
                let source = inputs.get(input).ok_or_else(missing)?;
                let what = || format!("picture (input {input})");
                let film = Film::open(source)
                    .map_err(|source| MediaError::Overlay { what: what(), source: Box::new(source) })?;
                if film.moves { Content::Film(film) } else { Content::Still(film.first) }
            }
        };
        Ok(Some(Self { overlay: overlay.clone(), content }))
    }

    /// Subtitles that are pictures: as wide as the video, and with it at the bottom.
    #[must_use]
    pub const fn sheets(sheets: Sheets) -> Self {
        let overlay = Overlay {
            content: OverlayContent::Image { input: 0 },
            position: ReferencePosition::BottomLeft,
            dx: Length::Pixels(0),
            dy: Length::Pixels(0),
            width: Some(Length::Ratio(1.0)),
            height: None,
            opacity: 1.0,
            start_s: 0.0,
            duration_s: None,
        };
        Self { overlay, content: Content::Sheets(sheets) }
    }
}

/// What is drawn on: the properties of a video's pictures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Canvas {
    /// Size.
    pub size: Pixels,
    /// Pixel format.
    pub format: String,
    /// Colour matrix, by the name that `scale` knows.
    pub matrix: &'static str,
    /// Transfer of high dynamic range, by the name that `zscale` knows; absent in standard range.
    pub high_range: Option<&'static str>,
}

impl Canvas {
    /// Of a picture that says its colours.
    #[must_use]
    pub fn of(frame: &Frame) -> Self {
        let color = libav::Color::of_frame(frame);
        let transfer = color.transfer.as_deref().unwrap_or_default();
        let format = libav::pixel_format(libav::frame_format(frame));
        Self {
            size: Pixels::new(frame.width(), frame.height()),
            format: format.map_or_else(|| "yuv420p".to_owned(), |format| format.name),
            matrix: picture::scale_matrix(color.space.as_deref().unwrap_or_default()),
            high_range: HDR_TRANSFERS.into_iter().find(|name| *name == transfer),
        }
    }
}

/// What is laid over one video, and how far its films have run.
#[derive(Default)]
pub struct Layers {
    layers: Vec<Layer>,
}

struct Layer {
    overlay: Overlay,
    shown: Shown,
}

enum Shown {
    Still(Frame),
    Film(Player),
    /// A text, and how it is drawn for an output of a size.
    Text(OverlayText, Option<(Pixels, Frame)>),
}

impl Layers {
    /// Of these, in order.
    pub fn new(laid: &[Laid]) -> Result<Self, MediaError> {
        let layer = |laid: &Laid| {
            let shown = match &laid.content {
                Content::Still(frame) => Shown::Still(share(frame)?),
                Content::Film(film) => Shown::Film(Player::new(Showing::new(film, &laid.overlay)?)),
                Content::Sheets(sheets) => Shown::Film(Player::new(Turning::new(sheets)?)),
                Content::Text(text) => Shown::Text(text.clone(), None),
            };
            Ok(Layer { overlay: laid.overlay.clone(), shown })
        };
        Ok(Self { layers: laid.iter().map(layer).collect::<Result<_, MediaError>>()? })
    }

    /// The graph of a video like `frame`: the filter `first`, then every layer over what it ends in, then the filters `last`.
    ///
    /// # Errors
    /// Where a text cannot be drawn, or the graph cannot be built.
    pub fn graph(
        &mut self,
        frame: &Frame,
        base: Rational,
        canvas: &Canvas,
        first: Option<&str>,
        last: Option<&str>,
    ) -> Result<Graph, MediaError> {
        for layer in &mut self.layers {
            layer.draw(canvas.size)?;
        }
        let labels: Vec<String> = (0..self.layers.len()).map(label).collect();
        let mut inputs = vec![Input::video("in", frame, base)];
        let mut placed = Vec::new();
        for (label, layer) in labels.iter().zip(&self.layers) {
            let (frame, place) = layer.placed(canvas.size)?;
            inputs.push(Input::video(label, frame, BASE));
            let moves = matches!(layer.shown, Shown::Film(_));
            placed.push(Over { place, overlay: &layer.overlay, matrix: picture::matrix_name(frame), moves });
        }
        let text = text(canvas, first, &placed, last);
        let mut graph = Graph::new(&inputs, &text)?;
        for (label, layer) in labels.iter().zip(&mut self.layers) {
            if let Shown::Film(player) = &mut layer.shown {
                player.resume(&mut graph, label)?;
                continue;
            }
            let mut still = share(layer.placed(canvas.size)?.0)?;
            still.set_pts(Some(0));
            graph.push(label, &still)?;
            graph.finish(label)?;
        }
        Ok(graph)
    }

    /// Gives the graph one more frame of a film that has not reached `time_us`; false where all have.
    pub fn advance(&mut self, graph: &mut Graph, time_us: i64) -> Result<bool, MediaError> {
        for (n, layer) in self.layers.iter_mut().enumerate() {
            if let Shown::Film(player) = &mut layer.shown
                && player.advance(graph, &label(n), time_us)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Tells the graph that films go no further: what was shown last stays.
    pub fn finish(&mut self, graph: &mut Graph) -> Result<(), MediaError> {
        for (n, layer) in self.layers.iter_mut().enumerate() {
            if let Shown::Film(player) = &mut layer.shown {
                player.pause(graph, &label(n))?;
            }
        }
        Ok(())
    }
}

impl Layer {
    /// Draws a text for an output of that size.
    fn draw(&mut self, out: Pixels) -> Result<(), MediaError> {
        if let Shown::Text(text, drawn) = &mut self.shown
            && drawn.as_ref().is_none_or(|(size, _)| *size != out)
        {
            let frame = letters::draw(text, out)
                .map_err(|source| MediaError::Overlay { what: "text".to_owned(), source: Box::new(source) })?;
            *drawn = Some((out, frame));
        }
        Ok(())
    }

    /// Its first frame, and the place of that frame in an output of `out` pixels.
    fn placed(&self, out: Pixels) -> Result<(&Frame, Placed), MediaError> {
        let pixels = |frame: &Frame| Pixels::new(frame.width(), frame.height());
        let picture = |frame| Ok((frame, geometry::place(&self.overlay, pixels(frame), out)));
        match &self.shown {
            Shown::Still(frame) => picture(frame),
            Shown::Film(player) => picture(player.first()),
            Shown::Text(_, Some((_, frame))) => Ok((frame, geometry::place_text(&self.overlay, pixels(frame), out))),
            Shown::Text(_, None) => Err(MediaError::Panic("a text was not drawn".to_owned())),
        }
    }
}

fn label(layer: usize) -> String {
    format!("picture{layer}")
}

fn share(frame: &Frame) -> Result<Frame, MediaError> {
    let shared = raw::share(frame).map_err(|source| MediaError::Libav { doing: "share a frame", source })?;
    Ok(Frame::from(shared))
}

/// A layer on its way into a graph.
struct Over<'a> {
    place: Placed,
    overlay: &'a Overlay,
    /// Colour matrix of its pictures, by the name that `scale` knows.
    matrix: &'static str,
    /// Whether it is a film, whose frames go with the video's and make none of their own.
    moves: bool,
}

/// Text of the graph. Pictures are scaled with their colours weighed by alpha, lest what is transparent bleed in.
fn text(canvas: &Canvas, first: Option<&str>, layers: &[Over<'_>], last: Option<&str>) -> String {
    let Some(highest) = layers.len().checked_sub(1) else {
        let filters: Vec<&str> = [first, last].into_iter().flatten().collect();
        return format!("[in]{}[out]", filters.join(","));
    };
    let last = last.map_or_else(String::new, |last| format!(",{last}"));
    let (mode, pixels) = blending(&canvas.format);
    let range = canvas.high_range.map_or_else(String::new, high_range);
    let rgb = if range.is_empty() { "rgba" } else { "gbrap16le" };
    let mut parts: Vec<String> = first.map(|first| format!("[in]{first}[video0]")).into_iter().collect();
    for (n, Over { place, overlay, matrix: from, moves }) in layers.iter().enumerate() {
        let Pixels { width, height } = place.size;
        let (opacity, matrix) = (overlay.opacity.clamp(0.0, 1.0), canvas.matrix);
        parts.push(format!(
            "[picture{n}]scale=in_color_matrix={from},format=gbrap,premultiply=inplace=1,\
             scale={width}:{height}:flags=bicubic,format=gbrap,unpremultiply=inplace=1,{range}format={rgb},\
             colorchannelmixer=aa={opacity},scale=out_color_matrix={matrix}:out_range=tv,format={pixels}[over{n}]"
        ));
        let from = overlay.start_s.max(0.0);
        let until = overlay.duration_s.map_or_else(String::new, |s| format!("*lt(t,{})", from + s));
        let end = if *moves { "pass" } else { "repeat" };
        let out =
            if n == highest { format!(",format={}{last}[out]", canvas.format) } else { format!("[video{}]", n + 1) };
        let under = if n == 0 && first.is_none() { "in".to_owned() } else { format!("video{n}") };
        parts.push(format!(
            "[{under}][over{n}]overlay=x={}:y={}:format={mode}:eof_action={end}:enable='gte(t,{from}){until}'{out}",
            place.x, place.y,
        ));
    }
    parts.join(";")
}

/// The filters that bring pictures of standard range into high range with this transfer, each followed by a comma: white
/// as bright as graphics are in it (203 cd/m², BT.2408), where the film's own highlights are brighter. Without `zscale`
/// they shine as the brightest that there is.
fn high_range(transfer: &str) -> String {
    if !graph::has_filters(&["zscale"]) {
        return String::new();
    }
    format!(
        "format=gbrap16le,zscale=tin=iec61966-2-1:pin=bt709:min=gbr:rin=pc:\
         t={transfer}:p=bt2020:m=gbr:r=pc:npl={GRAPHICS_WHITE},"
    )
}

/// How `overlay` blends pictures over video in `format`, and the pixels that it wants of them.
fn blending(format: &str) -> (&'static str, &'static str) {
    match format {
        "yuv420p10le" => ("yuv420p10", "yuva420p10le"),
        f if f.contains("p10") || f.contains("p12") => ("yuv422p10", "yuva422p10le"),
        _ => ("auto", "yuva420p"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reelmill::model::work::{Length, ReferencePosition};

    #[test]
    fn pictures_are_laid_one_over_the_other() {
        let overlay = Overlay {
            content: OverlayContent::Image { input: 1 },
            position: ReferencePosition::TopLeft,
            dx: Length::Pixels(0),
            dy: Length::Pixels(0),
            width: None,
            height: None,
            opacity: 0.5,
            start_s: 1.0,
            duration_s: Some(2.0),
        };
        let place = Placed { size: Pixels::new(20, 10), x: 3, y: 4 };
        let canvas = Canvas { size: Pixels::new(100, 50), format: "yuv420p".into(), matrix: "bt709", high_range: None };
        assert_eq!(text(&canvas, Some("hflip"), &[], Some("vflip")), "[in]hflip,vflip[out]");
        let layers = [Over { place, overlay: &overlay, matrix: "auto", moves: false }];
        let text = text(&canvas, None, &layers, None);
        assert!(text.starts_with("[picture0]scale=in_color_matrix=auto,format=gbrap,"), "{text}");
        assert!(text.contains("scale=20:10:"), "{text}");
        assert!(text.contains("[in][over0]overlay=x=3:y=4:format=auto:"), "{text}");
        assert!(text.ends_with("enable='gte(t,1)*lt(t,3)',format=yuv420p[out]"), "{text}");
    }
}
