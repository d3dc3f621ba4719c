//! Runs of frames from places of a source that are evenly spread.

use ffmpeg_next::frame::Video as Frame;
use ffmpeg_next::{Packet, Rescale, rescale};

use crate::error::MediaError;
use crate::pipeline::decode::Decoder;
use crate::pipeline::graph::{Graph, Input};
use crate::pipeline::streams::VideoTrack;
use crate::source::{Opened, Source};
use crate::{libav, raw};

/// Packets read at one place before it is given up; those of other streams count.
const MAX_PACKETS: u32 = 2_000;

/// Sources shorter than this are looked at from their start only, in seconds.
const SHORT_S: f64 = 1.0;

/// Where samples come from.
pub struct Samples<'a> {
    /// The source.
    pub source: &'a Source,
    /// Its video.
    pub video: &'a VideoTrack,
    /// Its duration in seconds, where it is known.
    pub duration_s: Option<f64>,
}

/// What a filter says about a frame, by its keys.
pub type Words = std::collections::BTreeMap<String, String>;

impl Samples<'_> {
    /// Runs of `length` frames from `places` go through the filters `chain`; what they say of each frame, run by run. From
    /// the keyframe before a place at most `lead` frames are decoded to come nearer to it.
    pub fn filtered(
        &self,
        places: u32,
        length: usize,
        lead: usize,
        chain: &str,
    ) -> Result<Vec<Vec<Words>>, MediaError> {
        let mut opened = self.source.open()?;
        let mut decoder = Decoder::open(&self.video.track, 0)?;
        let long = self.duration_s.filter(|&duration| duration >= SHORT_S);
        let mut said = Vec::new();
        for place in 0..if long.is_some() { places } else { 1 } {
            let mut from_us = i64::MIN;
            if let Some(duration) = long {
                let moment = duration * (f64::from(place) + 0.5) / f64::from(places);
                from_us = self.start_us(&opened).saturating_add(microseconds(moment));
                if opened.seek(from_us).is_err() {
                    break;
                }
                decoder.flush();
            }
            let frames = self.run(&mut opened, &mut decoder, (length, lead, from_us))?;
            if let Some(first) = frames.first() {
                let input = Input::video("in", first, self.video.track.time_base);
                let mut graph = Graph::new(&[input], &format!("[in]{chain}[out]"))?;
                said.push(listen(&mut graph, frames)?);
            }
        }
        Ok(said)
    }

    fn start_us(&self, opened: &Opened) -> i64 {
        let start = opened.demuxer().stream(self.video.track.index).and_then(|s| libav::known(s.start_time()));
        start.map_or(0, |start| start.rescale(self.video.track.time_base, rescale::TIME_BASE))
    }

    /// The next frames of one size, at most `length`: those from a moment on, or after `lead` others.
    fn run(
        &self,
        opened: &mut Opened,
        decoder: &mut Decoder,
        (length, lead, from_us): (usize, usize, i64),
    ) -> Result<Vec<Frame>, MediaError> {
        let mut frames: Vec<Frame> = Vec::new();
        let mut passed = 0;
        let mut packet = Packet::empty();
        for _ in 0..MAX_PACKETS {
            let more = opened.read(&mut packet)?;
            if more && packet.stream() != self.video.track.index {
                continue;
            }
            let going = decoder.feed(more.then_some(&packet), |frame| {
                let time_us = frame.pts().unwrap_or(0).rescale(self.video.track.time_base, rescale::TIME_BASE);
                if time_us < from_us && passed < lead {
                    passed += 1;
                    return Ok(true);
                }
                let frame =
                    Frame::from(raw::share(frame).map_err(|source| MediaError::Libav { doing: "share", source })?);
                let alike = |first: &Frame| (first.width(), first.height()) == (frame.width(), frame.height());
                if frames.first().is_none_or(alike) {
                    frames.push(frame);
                }
                Ok(frames.len() < length)
            })?;
            if !more || !going {
                break;
            }
        }
        Ok(frames)
    }
}

/// What the graph says of each frame.
fn listen(graph: &mut Graph, frames: Vec<Frame>) -> Result<Vec<Words>, MediaError> {
    let mut said = Vec::new();
    for frame in frames {
        graph.push("in", &frame)?;
        while let Some(frame) = graph.pull()? {
            said.push(libav::frame_tags(&frame));
        }
    }
    graph.finish("in")?;
    while let Some(frame) = graph.pull()? {
        said.push(libav::frame_tags(&frame));
    }
    Ok(said)
}

#[expect(clippy::cast_possible_truncation, reason = "saturates, and media are shorter than 292,000 years")]
fn microseconds(seconds: f64) -> i64 {
    (seconds * 1e6).round() as i64
}
