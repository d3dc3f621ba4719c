//! Mixing and levelling: what sound that is on its clock goes through before the encoder.
//!
//! **Invariant**: sound is mixed and levelled as floating point, where nothing is over full scale; only what comes out is in
//! the encoder's numbers.

use ffmpeg_next::Rational;
use ffmpeg_next::frame::Audio as Frame;

use super::Out;
use super::bed::Bed;
use super::conform::Conform;
use crate::error::MediaError;
use crate::pipeline::flow::Stop;
use crate::pipeline::graph::{AudioFormat, Graph, Input};

/// Label of the source for the main sound.
const MAIN: &str = "in";

/// Label of the source for what is laid under.
const UNDER: &str = "bed";

/// Samples while they are mixed and levelled.
const SAMPLES: &str = "fltp";

/// The format in which sound for `target` is mixed and levelled.
#[must_use]
pub fn inside(target: &AudioFormat) -> AudioFormat {
    AudioFormat { samples: SAMPLES, ..target.clone() }
}

/// Conformed sound, mixed and levelled where that is asked for.
pub struct Desk {
    conform: Conform,
    mixer: Option<(Graph, Option<Bed>)>,
}

impl Desk {
    /// To `target`, up to `end` in samples; `filters` set the level, and may be empty. What is laid under comes as [`inside`].
    pub fn new(target: &AudioFormat, end: Option<i64>, bed: Option<Bed>, filters: &str) -> Result<Self, MediaError> {
        if bed.is_none() && filters.is_empty() {
            return Ok(Self { conform: Conform::new(target.clone(), end)?, mixer: None });
        }
        let inside = inside(target);
        let conform = Conform::new(inside.clone(), end)?;
        let mut inputs = vec![Input::audio(MAIN, &inside, inside.base())];
        let mut text = String::from("[in]");
        if let Some(bed) = &bed {
            inputs.push(Input::audio(UNDER, &inside, inside.base()));
            let gain = bed.gain_db();
            text = format!(
                "[bed]volume={gain:.3}dB[under];[in][under]amix=inputs=2:duration=first:dropout_transition=0:normalize=0,"
            );
        }
        if !filters.is_empty() {
            text.push_str(filters);
            text.push(',');
        }
        text.push_str(&target.filter());
        text.push_str("[out]");
        Ok(Self { conform, mixer: Some((Graph::new(&inputs, &text)?, bed)) })
    }

    /// Has frames of this many samples come out, but the last.
    pub fn set_frame_size(&mut self, samples: u32) -> Result<(), MediaError> {
        match &mut self.mixer {
            Some((graph, _)) => graph.set_frame_size(samples),
            None => self.conform.set_frame_size(samples),
        }
    }

    /// Takes a frame with its time in `base`.
    pub fn take(&mut self, frame: &Frame, base: Rational, out: &mut Out<'_>) -> Result<(), Stop> {
        let Self { conform, mixer } = self;
        match mixer {
            None => conform.take(frame, base, out),
            Some((graph, bed)) => conform.take(frame, base, &mut |frame| mix(graph, bed.as_mut(), &frame, out)),
        }
    }

    /// No more frames come.
    pub fn finish(&mut self, out: &mut Out<'_>) -> Result<(), Stop> {
        let Self { conform, mixer } = self;
        let Some((graph, bed)) = mixer else { return conform.finish(out) };
        conform.finish(&mut |frame| mix(graph, bed.as_mut(), &frame, out))?;
        graph.finish(MAIN)?;
        if bed.as_ref().is_some_and(|bed| !bed.has_ended()) {
            graph.finish(UNDER)?;
        }
        pull(graph, out)
    }
}

/// Mixes one frame: what lies under it goes in first.
fn mix(graph: &mut Graph, bed: Option<&mut Bed>, frame: &Frame, out: &mut Out<'_>) -> Result<(), Stop> {
    let samples = i64::try_from(frame.samples()).unwrap_or(0);
    let end = frame.pts().unwrap_or(0).saturating_add(samples);
    if let Some(bed) = bed.filter(|bed| !bed.has_ended()) {
        // The mixer takes one frame at a time, and does not ask again for frames that wait at its input.
        bed.until(end, &mut |under| {
            graph.push(UNDER, &under)?;
            pull(graph, out)
        })?;
        if bed.has_ended() {
            graph.finish(UNDER)?;
        }
    }
    graph.push(MAIN, frame)?;
    pull(graph, out)
}

fn pull(graph: &mut Graph, out: &mut Out<'_>) -> Result<(), Stop> {
    while let Some(frame) = graph.pull()? {
        out(Frame::from(frame))?;
    }
    Ok(())
}
