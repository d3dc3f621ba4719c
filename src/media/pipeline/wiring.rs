//! Connections between whoever reads and decodes a source and the sinks that consume it.
//!
//! **Invariant**: whatever is connected is decoded once, however many connect to it.

use std::collections::BTreeMap;

use ffmpeg_next::{Frame, Packet};

use super::copy::Copying;
use super::demux::Route;
use super::flow::{Inlet, Outlets};
use super::mux::Port;
use super::plan::MediaPlan;
use super::streams::Track;

/// Connections that wait for the demuxer and the decoders.
#[derive(Default)]
pub struct Wiring {
    /// Packets, by the index of their stream.
    pub routes: BTreeMap<usize, Route>,
    /// Frames, by the index of their stream.
    pub frames: BTreeMap<usize, Outlets<Frame>>,
    /// Index of the output whose sink connects.
    pub output: usize,
}

impl Wiring {
    /// Packets that may wait for a decoder.
    pub const PACKETS: usize = 64;

    /// Pictures that may wait for filters: they are large.
    pub const PICTURES: usize = 2;

    /// Audio frames that may wait for filters.
    pub const SOUNDS: usize = 64;

    /// Frames of a stream, of which up to `depth` wait.
    pub fn frames(&mut self, track: &Track, depth: usize) -> Inlet<Frame> {
        self.frames.entry(track.index).or_default().connect(depth)
    }

    /// Packets of a stream.
    pub fn packets(&mut self, track: &Track) -> Inlet<Packet> {
        self.packets_of(track.index)
    }

    /// Packets of the stream of this index.
    pub fn packets_of(&mut self, index: usize) -> Inlet<Packet> {
        self.routes.entry(index).or_default().packets.connect(Self::PACKETS)
    }

    /// Copies the packets of a stream of `plan` to `port`.
    pub fn copy(&mut self, track: &Track, plan: &MediaPlan<'_>, port: Port) {
        // A muxer that is gone already says itself why.
        if let Ok(copying) = Copying::start(track.clone(), plan.window, port, &plan.output.file) {
            self.routes.entry(track.index).or_default().copies.push((self.output, copying));
        }
    }
}
