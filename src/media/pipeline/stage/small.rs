//! Small pictures, for all that measures without needing every pixel: made once for all of them.
//!
//! Every so many pixels one is taken, as it is: averages over samples stay what they are over all pixels, so that thresholds
//! mean the same in every size, and what is not taken is not read.

use super::{Next, Picture, Stage, drain};
use crate::error::MediaError;
use crate::geometry::Pixels;
use crate::libav;
use crate::pipeline::flow::Stop;
use crate::pipeline::graph::{Graph, Input};

/// Label of the graph's source.
const FRAMES: &str = "in";

/// Largest short side, in pixels.
const SIDE: u32 = 360;

/// Parameters of the stage: none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Small;

/// Width, height and pixel format of a picture.
type Form = (u32, u32, i32);

/// The stage.
#[derive(Default)]
pub struct Shrinking {
    /// Size of what comes out.
    first: Option<Pixels>,
    graph: Option<(Form, Graph)>,
}

impl Stage for Shrinking {
    fn take(&mut self, picture: Picture, next: &mut Next<'_>) -> Result<bool, Stop> {
        let form = (picture.frame.width(), picture.frame.height(), libav::frame_format(&picture.frame));
        if self.graph.as_ref().is_none_or(|(built_for, _)| *built_for != form) {
            self.end(next)?;
            self.graph = Some((form, self.build(&picture)?));
        }
        if let Some((_, graph)) = &mut self.graph {
            graph.push(FRAMES, &picture.frame)?;
            drain(graph, next)?;
        }
        Ok(true)
    }

    fn end(&mut self, next: &mut Next<'_>) -> Result<(), Stop> {
        let Some((_, mut graph)) = self.graph.take() else { return Ok(()) };
        graph.finish(FRAMES)?;
        drain(&mut graph, next)
    }
}

impl Shrinking {
    fn build(&mut self, picture: &Picture) -> Result<Graph, MediaError> {
        let own = Pixels::new(picture.frame.width(), picture.frame.height());
        // Pictures that change their size under way are measured in that of the first.
        let Pixels { width, height } = *self.first.get_or_insert_with(|| small(own));
        let input = Input::video(FRAMES, &picture.frame, picture.base);
        let text = format!("[{FRAMES}]scale={width}:{height}:flags=neighbor:out_range=tv,format=yuv420p[out]");
        Graph::new(&[input], &text)
    }
}

/// The size of a small picture.
fn small(Pixels { width, height }: Pixels) -> Pixels {
    let step = width.min(height).div_ceil(SIDE).max(1);
    let side = |pixels: u32| (pixels / step / 2 * 2).max(2);
    Pixels::new(side(width), side(height))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pictures_are_even_and_never_larger() {
        assert_eq!(small(Pixels::new(3840, 2160)), Pixels::new(640, 360));
        assert_eq!(small(Pixels::new(1080, 1920)), Pixels::new(360, 640));
        assert_eq!(small(Pixels::new(640, 361)), Pixels::new(320, 180));
        assert_eq!(small(Pixels::new(161, 90)), Pixels::new(160, 90));
        assert_eq!(small(Pixels::new(1, 1)), Pixels::new(2, 2));
    }
}
