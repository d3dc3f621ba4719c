//! Keyframes of a track alone, each a segment of its own, for fast seeking.
//!
//! They lie in one file, each with headers of its own, so that every one decodes without anything around it. **Invariant**:
//! nothing is re-encoded; a keyframe lasts until the next.

use ffmpeg_next::{Packet, Rational};
use reelmill::model::work::ProducedFile;

use super::segmenter::{Form, Segmenter, Stream};
use super::shelf::{Piece, Shelf};
use super::track::{Manner, Names, Segment, kind, mux};
use crate::error::MediaError;
use crate::libav;
use crate::probe::seconds;

/// Keyframes of a finished track.
pub struct IFrames {
    /// The initialisation section; transport streams have none.
    pub init: Option<Piece>,
    /// Keyframes in order.
    pub frames: Vec<Segment>,
}

/// Collects keyframes as they come.
pub struct KeyFrames<'a> {
    folder: &'a str,
    name: String,
    form: Form,
    segmenter: Segmenter,
    shelf: Shelf<'a>,
    init: Option<Piece>,
    /// The last keyframe: how long it lasts is known when the next comes.
    waiting: Option<(Packet, Rational)>,
    /// Pieces and the moments they begin at.
    taken: Vec<(Piece, f64)>,
}

impl<'a> KeyFrames<'a> {
    /// Of a video stream.
    pub fn new(stream: Stream, folder: &'a str, names: &Names, manner: Manner<'a>) -> Result<Self, MediaError> {
        let name = names.iframes(manner.form);
        let single = Some((name.clone(), kind(true, manner.form).whole));
        Ok(Self {
            segmenter: Segmenter::new(manner.form, vec![stream]).map_err(|source| mux(folder, source))?,
            shelf: Shelf::new(manner.scratch, folder, manner.keys, single)?,
            folder,
            name,
            form: manner.form,
            init: None,
            waiting: None,
            taken: Vec::new(),
        })
    }

    /// Takes a keyframe.
    pub fn add(&mut self, packet: &Packet, time_base: Rational) -> Result<(), MediaError> {
        if libav::is_discarded(packet) {
            return Ok(());
        }
        let mut packet = packet.clone();
        // Nothing stands between keyframes that they would have to be reordered with.
        packet.set_dts(packet.pts());
        let time = packet.pts().unwrap_or_default();
        if let Some((last, _)) = self.waiting.replace((packet, time_base)) {
            self.put(last, time, time_base)?;
        }
        Ok(())
    }

    /// Writes a keyframe that lasts until `end`. The muxer places a fragment where the one before it ended.
    fn put(&mut self, mut packet: Packet, end: i64, time_base: Rational) -> Result<(), MediaError> {
        let failed = |source| mux(self.folder, source);
        let start = packet.pts().unwrap_or_default();
        packet.set_duration((end - start).max(1));
        let start_s = seconds(start, time_base);
        self.segmenter.write(0, packet).map_err(failed)?;
        if self.taken.is_empty() && self.form != Form::Ts {
            let bytes = self.segmenter.cut().map_err(failed)?;
            self.init = Some(self.shelf.put(&self.name, kind(true, self.form).whole, bytes, None)?);
        }
        let bytes = self.segmenter.cut().map_err(failed)?;
        // Every one is locked under a name of its own, for a vector of its own.
        let name = format!("{}#{}", self.name, self.taken.len());
        let piece = self.shelf.put(&name, kind(true, self.form).segment, bytes, Some(self.taken.len()))?;
        self.taken.push((piece, start_s));
        Ok(())
    }

    /// The keyframes of a track that ends at `end_s`, and the file that holds them.
    pub fn finish(mut self, end_s: f64) -> Result<(IFrames, Vec<ProducedFile>), MediaError> {
        if let Some((last, time_base)) = self.waiting.take() {
            let end = last.pts().unwrap_or_default() + last.duration().max(1);
            self.put(last, end, time_base)?;
        }
        if self.taken.is_empty() {
            return Err(MediaError::NoStreams("keyframes"));
        }
        let ends: Vec<f64> = self.taken.iter().skip(1).map(|(_, start)| *start).chain([end_s]).collect();
        let frames = self.taken.into_iter().zip(ends).map(|((piece, from_s), to_s)| Segment {
            piece,
            start_s: from_s.max(0.0),
            duration_s: (to_s - from_s).max(0.0),
        });
        Ok((IFrames { init: self.init, frames: frames.collect() }, self.shelf.finish()))
    }
}
