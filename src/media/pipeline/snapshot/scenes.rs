//! Where one scene ends and the next begins, by libav's `scdet`.

use ffmpeg_next::Rational;
use ffmpeg_next::frame::Video as Frame;

use crate::error::MediaError;
use crate::libav;
use crate::pipeline::graph::{Graph, Input};
use crate::raw;

/// Finds the first frames of scenes.
pub struct Scenes {
    threshold: f64,
    base: Rational,
    graph: Option<(Graph, (u32, u32))>,
}

impl Scenes {
    /// A change counts from `threshold`, 0–1, on; times of frames are in `base`.
    #[must_use]
    pub const fn new(threshold: f64, base: Rational) -> Self {
        Self { threshold, base, graph: None }
    }

    /// Whether a scene begins with this frame.
    pub fn begins(&mut self, frame: &Frame) -> Result<bool, MediaError> {
        let size = (frame.width(), frame.height());
        let first = self.graph.is_none();
        if self.graph.as_ref().is_none_or(|(_, built_for)| *built_for != size) {
            // A change of size is a new beginning for the filter, too.
            let text = format!("[in]scale=320:-2:flags=fast_bilinear,scdet=threshold={}[out]", self.threshold * 100.0);
            self.graph = Some((Graph::new(&[Input::video("in", frame, self.base)], &text)?, size));
        }
        let Some((graph, _)) = &mut self.graph else { return Ok(first) };
        graph.push("in", &raw::share(frame).map_err(super::shared)?)?;
        let mut begins = first;
        while let Some(seen) = graph.pull()? {
            begins |= libav::frame_tags(&seen).contains_key("lavfi.scd.time");
        }
        Ok(begins)
    }
}
