//! What is found in pictures: black, standing still, new scenes, edges, fields.
//!
//! Black and scenes are averages, for which small pictures are as good as whole ones; edges, fields and stillness hang on every
//! pixel.

use std::collections::BTreeMap;

use ffmpeg_next::frame::Video;
use ffmpeg_next::{Rational, rescale};
use reelmill::model::media::{Crop, Interlace, Measured};
use reelmill::model::work::Analysis;

use super::sweep::{MAX_FOUND, Marks, intervals, note};
use crate::error::MediaError;
use crate::libav;
use crate::pipeline::flow::Stop;
use crate::pipeline::graph::{Graph, Input};
use crate::pipeline::progress::Position;
use crate::pipeline::streams::Track;
use crate::probe::seconds;

/// How far times are rounded, in seconds.
const ROUNDING_S: f64 = 0.001;

/// What of `analysis` needs every pixel.
#[must_use]
pub fn sharp(analysis: &Analysis) -> Analysis {
    Analysis { black: None, scenes: None, ..analysis.clone() }
}

/// What of `analysis` small pictures are enough for.
#[must_use]
pub fn coarse(analysis: &Analysis) -> Analysis {
    Analysis { freeze: None, crop: false, interlace: false, ..analysis.clone() }
}

/// Filters that find what is asked for; `None` where none is needed.
#[must_use]
pub fn filters(analysis: &Analysis) -> Option<String> {
    let mut filters = Vec::new();
    if let Some(black) = analysis.black {
        filters.push(format!("blackdetect=d={}:pix_th={}", black.least_s, black.threshold));
    }
    if let Some(freeze) = analysis.freeze {
        filters.push(format!("freezedetect=d={}:n={}dB", freeze.least_s, freeze.noise_db));
    }
    if let Some(threshold) = analysis.scenes {
        filters.push(format!("scdet=threshold={}", threshold * 100.0));
    }
    if analysis.crop {
        filters.push("cropdetect=limit=24:round=2:reset=0:skip=0".to_owned());
    }
    if analysis.interlace {
        filters.push("idet".to_owned());
    }
    (!filters.is_empty()).then(|| filters.join(","))
}

/// Width, height and pixel format of a picture.
type Form = (u32, u32, i32);

/// Looks at pictures.
pub struct Eyes {
    /// What is asked for of these pictures.
    asked: Analysis,
    base: Rational,
    start_s: f64,
    filters: String,
    graph: Option<(Graph, Form)>,
    /// Brings pictures of another form into that of the first.
    convert: Option<(Form, Graph)>,
    black: Marks,
    freeze: Marks,
    scenes: Vec<f64>,
    last: BTreeMap<String, String>,
}

impl Eyes {
    /// Over pictures of a stream, of which `filters` find what is asked for.
    #[must_use]
    pub fn new(asked: Analysis, track: &Track, filters: String, start_us: i64) -> Self {
        Self {
            asked,
            base: track.time_base,
            start_s: seconds(start_us, rescale::TIME_BASE),
            filters,
            graph: None,
            convert: None,
            black: Marks::new(),
            freeze: Marks::new(),
            scenes: Vec::new(),
            last: BTreeMap::new(),
        }
    }

    /// Looks at all the pictures that `next` gives.
    ///
    /// # Errors
    /// Where a filter fails, or nobody wants to know any more.
    pub fn watch(
        mut self,
        position: &Position,
        mut next: impl FnMut() -> Result<Option<Video>, Stop>,
    ) -> Result<Self, Stop> {
        while let Some(frame) = next()? {
            position.wanted()?;
            self.look(&frame)?;
        }
        self.end()?;
        Ok(self)
    }

    fn look(&mut self, frame: &Video) -> Result<(), MediaError> {
        let form = (frame.width(), frame.height(), libav::frame_format(frame));
        if self.graph.is_none() {
            let text = format!("[in]{}[out]", self.filters);
            self.graph = Some((Graph::new(&[Input::video("in", frame, self.base)], &text)?, form));
        }
        let Some((graph, built_for)) = &mut self.graph else { return Ok(()) };
        if *built_for == form {
            graph.push("in", frame)?;
            return self.pull();
        }
        // Pictures that change their size under way are looked at in that of the first.
        if self.convert.as_ref().is_none_or(|(of, _)| *of != form) {
            let (width, height, format) = *built_for;
            let format = libav::pixel_format(format).map_or_else(|| "yuv420p".to_owned(), |format| format.name);
            let text = format!("[in]scale={width}:{height},format={format}[out]");
            self.convert = Some((form, Graph::new(&[Input::video("in", frame, self.base)], &text)?));
        }
        if let Some((_, convert)) = &mut self.convert {
            convert.push("in", frame)?;
            while let Some(frame) = convert.pull()? {
                graph.push("in", &frame)?;
            }
        }
        self.pull()
    }

    fn end(&mut self) -> Result<(), MediaError> {
        if let Some((graph, _)) = &mut self.graph {
            graph.finish("in")?;
            self.pull()?;
        }
        Ok(())
    }

    fn pull(&mut self) -> Result<(), MediaError> {
        let Some((graph, _)) = &mut self.graph else { return Ok(()) };
        while let Some(frame) = graph.pull()? {
            let tags = libav::frame_tags(&frame);
            let time = |key: &str| tags.get(key)?.parse::<f64>().ok().map(|s| (s - self.start_s).max(0.0));
            note(&mut self.black, time("lavfi.black_start"), time("lavfi.black_end"));
            note(&mut self.freeze, time("lavfi.freezedetect.freeze_start"), time("lavfi.freezedetect.freeze_end"));
            self.scenes.extend(time("lavfi.scd.time").filter(|_| self.scenes.len() < MAX_FOUND));
            self.last.extend(tags);
        }
        Ok(())
    }

    /// Tells what was found in pictures that end at `end_s`; what was not asked for stays as it is.
    pub fn report(&self, end_s: f64, measured: &mut Measured) {
        let count = |key: &str| self.last.get(&format!("lavfi.idet.{key}")).map_or(0, |text| whole(text));
        let side =
            |key: &str| u32::try_from(self.last.get(&format!("lavfi.cropdetect.{key}"))?.parse::<i64>().ok()?).ok();
        if let Some(black) = self.asked.black {
            let mut found = intervals(&self.black, end_s);
            // The filter marks every black frame, however few there are.
            found.retain(|interval| interval.end_s - interval.start_s >= black.least_s - ROUNDING_S);
            measured.black = Some(found);
        }
        if self.asked.freeze.is_some() {
            measured.freeze = Some(intervals(&self.freeze, end_s));
        }
        if self.asked.scenes.is_some() {
            measured.scenes = Some(self.scenes.clone());
        }
        if self.asked.crop {
            let crop = || Some(Crop { x: side("x")?, y: side("y")?, width: side("w")?, height: side("h")? });
            measured.crop = crop().filter(|crop| crop.width > 0 && crop.height > 0);
        }
        if self.asked.interlace {
            let (top_first, bottom_first) = (count("multiple.tff"), count("multiple.bff"));
            let progressive = count("multiple.progressive");
            measured.interlace = Some(Interlace {
                interlaced: top_first + bottom_first > progressive,
                progressive,
                top_first,
                bottom_first,
                undetermined: count("multiple.undetermined"),
                repeated: count("repeated.top") + count("repeated.bottom"),
            });
        }
    }
}

/// A count that a filter writes with places after the point.
fn whole(text: &str) -> u64 {
    text.split('.').next().and_then(|digits| digits.trim().parse().ok()).unwrap_or(0)
}
