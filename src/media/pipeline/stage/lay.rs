//! What is drawn over pictures that are ready otherwise: subtitles, then watermarks; and a palette for formats that have one.
//!
//! It is an output's own, and never shared: films and texts run on its clock.

use ffmpeg_next::{Rational, Rescale, rescale};
use reelmill::model::work::FrameRate;

use super::{Next, Picture, Stage, drain, prepare};
use crate::error::MediaError;
use crate::pipeline::flow::Stop;
use crate::pipeline::graph::Graph;
use crate::pipeline::overlay::{Canvas, Layers};
use crate::pipeline::plan::MediaPlan;
use crate::pipeline::progress::Position;
use crate::pipeline::streams::VideoTrack;
use crate::pipeline::subtitles::{Burn, Transfer};

/// Label of the graph's source.
const FRAMES: &str = "in";

/// Most bytes of pictures that wait for their palette.
const MAX_PALETTE_BYTES: f64 = 256.0 * 1024.0 * 1024.0;

/// What is drawn.
pub struct Lay<'a> {
    layers: Layers,
    burn: Option<&'a Burn>,
    palette: Palette,
    /// How far the output is, and whether anybody wants it.
    position: &'a Position,
}

/// Whether pictures get a palette.
#[derive(Clone, Copy, PartialEq)]
enum Palette {
    /// They keep their colours.
    None,
    /// They do; how many there are, where that is known.
    Of(Option<f64>),
}

impl<'a> Lay<'a> {
    /// For the video of an output; `None` where nothing is drawn.
    ///
    /// # Errors
    /// Where a watermark cannot be opened.
    pub fn new(
        plan: &'a MediaPlan<'_>,
        video: &VideoTrack,
        position: &'a Position,
    ) -> Result<Option<Self>, MediaError> {
        let Some((_, Some(encode))) = &plan.video else { return Ok(None) };
        let rate = match prepare::frame_rate(encode, video) {
            FrameRate::Fixed(rate) => rate.value(),
            FrameRate::Max(rate) => rate.value().min(f64::from(video.track.frame_rate)),
            FrameRate::Source => f64::from(video.track.frame_rate),
        };
        let palette = if encode.codec.info().palette {
            Palette::Of(plan.duration_s.map(|length_s| length_s * rate))
        } else {
            Palette::None
        };
        if plan.overlays.is_empty() && plan.burn.is_none() && palette == Palette::None {
            return Ok(None);
        }
        Ok(Some(Self { layers: Layers::new(&plan.overlays)?, burn: plan.burn.as_ref(), palette, position }))
    }

    /// Begins the stage.
    #[must_use]
    pub const fn begin(self) -> Laying<'a> {
        Laying { step: self, graph: None }
    }
}

/// The stage.
pub struct Laying<'a> {
    step: Lay<'a>,
    /// The graph at work, what it draws on, and the unit of the times that go in.
    graph: Option<(Canvas, Rational, Graph)>,
}

impl Stage for Laying<'_> {
    fn take(&mut self, picture: Picture, next: &mut Next<'_>) -> Result<bool, Stop> {
        let time_us = picture.frame.pts().unwrap_or(0).rescale(picture.base, rescale::TIME_BASE);
        // With one palette for all pictures, nothing comes out before the end at which an encoder would notice.
        self.step.position.wanted()?;
        let canvas = Canvas::of(&picture.frame);
        if self.graph.as_ref().is_none_or(|(current, base, _)| (current, *base) != (&canvas, picture.base)) {
            self.end(next)?;
            let graph = self.build(&picture, &canvas)?;
            self.graph = Some((canvas, picture.base, graph));
        }
        let Some((.., graph)) = &mut self.graph else { return Ok(true) };
        graph.push(FRAMES, &picture.frame)?;
        drain(graph, next)?;
        while self.step.layers.advance(graph, time_us)? {
            drain(graph, next)?;
        }
        Ok(true)
    }

    fn end(&mut self, next: &mut Next<'_>) -> Result<(), Stop> {
        let Some((.., mut graph)) = self.graph.take() else { return Ok(()) };
        self.step.layers.finish(&mut graph)?;
        graph.finish(FRAMES)?;
        drain(&mut graph, next)
    }
}

impl Laying<'_> {
    fn build(&mut self, picture: &Picture, canvas: &Canvas) -> Result<Graph, MediaError> {
        let transfer = canvas.high_range.and_then(Transfer::named);
        let first = self.step.burn.map(|burn| burn.filter(transfer)).transpose()?;
        let last = self.palette(canvas);
        self.step.layers.graph(&picture.frame, picture.base, canvas, first.as_deref(), last)
    }

    /// Filters that give pictures a palette: one for all, for which all of them are kept until the end, or where they
    /// would fill the memory one for each.
    fn palette(&self, canvas: &Canvas) -> Option<&'static str> {
        let Palette::Of(count) = self.step.palette else { return None };
        let bytes = count.map(|count| count * f64::from(canvas.size.width) * f64::from(canvas.size.height) * 4.0);
        Some(if bytes.is_some_and(|bytes| bytes <= MAX_PALETTE_BYTES) {
            "split[kept][seen];[seen]palettegen[palette];[kept][palette]paletteuse=diff_mode=rectangle"
        } else {
            "split[kept][seen];[seen]palettegen=stats_mode=single[palette];[kept][palette]paletteuse=new=1"
        })
    }
}
