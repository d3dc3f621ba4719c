//! Connections between whoever reads and decodes a source and the sinks that consume it.
//!
//! **Invariant**: whatever is connected is decoded once, however many connect to it.

use std::collections::BTreeMap;
use std::thread::Scope;

use ffmpeg_next::{Frame, Packet, Rational};

use super::copy::Copying;
use super::demux::Route;
use super::encode;
use super::flow::{Inlet, Outlets};
use super::mux::{Port, Ports};
use super::plan::MediaPlan;
use super::sound::Sound;
use super::stage::{Picture, Root, Step, Tree};
use super::streams::Track;
use super::window::Window;
use crate::talk::Talk;

/// Connections that wait for the demuxer and the decoders.
#[derive(Default)]
pub struct Wiring<'a> {
    /// Packets, by the index of their stream.
    pub routes: BTreeMap<usize, Route>,
    /// Frames, by the index of their stream.
    pub frames: BTreeMap<usize, Outlets<Frame>>,
    /// Index of the output whose sink connects.
    pub output: usize,
    /// Encodes of sound so far.
    pub sounds: Vec<SharedSound<'a>>,
    /// Outputs that take their sound from the encode of another, and that one.
    pub shares: BTreeMap<usize, usize>,
    /// What pictures go through on their way to encoders.
    pub stages: Tree<'a>,
    /// Streams that stages take, with the units of their times.
    treated: BTreeMap<usize, Rational>,
}

/// An encode of sound that further outputs may take.
pub struct SharedSound<'a> {
    /// What it makes of which stream.
    sound: &'a Sound<'a>,
    /// Of which part of the source.
    window: Window,
    /// Whether its muxer wants headers in front.
    global_header: bool,
    /// Output that began it.
    output: usize,
    ports: Ports<'a>,
}

impl<'a> Wiring<'a> {
    /// Packets that may wait for a decoder.
    pub const PACKETS: usize = 64;

    /// Pictures that may wait for filters: they are large.
    pub const PICTURES: usize = 2;

    /// Audio frames that may wait for filters.
    pub const SOUNDS: usize = 64;

    /// What is connected, once nobody connects any more.
    #[must_use]
    pub fn connected(mut self) -> Self {
        self.sounds.clear();
        self
    }

    /// Frames of a stream, of which up to `depth` wait.
    pub fn frames(&mut self, track: &Track, depth: usize) -> Inlet<Frame> {
        self.frames.entry(track.index).or_default().connect(depth)
    }

    /// Pictures of a stream after `steps`, of which those that other outputs want as well are taken once.
    pub fn pictures(&mut self, track: &Track, steps: (Step<'a>, Vec<Step<'a>>)) -> Inlet<Picture> {
        self.treated.insert(track.index, track.time_base);
        self.stages.connect(Root::Stream(track.index), steps)
    }

    /// Pictures after `steps` of what only this output takes, with times in `base`.
    pub fn own_pictures(
        &mut self,
        frames: Inlet<Frame>,
        base: Rational,
        steps: (Step<'a>, Vec<Step<'a>>),
    ) -> Inlet<Picture> {
        self.stages.connect(Root::Own(frames, base), steps)
    }

    /// Starts the stages in `scope`, now that everybody is connected.
    pub fn start_stages<'scope>(&mut self, scope: &'scope Scope<'scope, '_>)
    where
        'a: 'scope,
    {
        let (frames, treated) = (&mut self.frames, &self.treated);
        std::mem::take(&mut self.stages).start(scope, &mut |index| {
            let inlet = frames.entry(index).or_default().connect(Self::PICTURES);
            Some((inlet, *treated.get(&index)?))
        });
    }

    /// Packets of a stream.
    pub fn packets(&mut self, track: &Track) -> Inlet<Packet> {
        self.packets_of(track.index)
    }

    /// Packets of the stream of this index.
    pub fn packets_of(&mut self, index: usize) -> Inlet<Packet> {
        self.routes.entry(index).or_default().packets.connect(Self::PACKETS)
    }

    /// Takes the sound that `plan` wants from an encode that an output before it has begun, if its parameters are the same.
    /// Otherwise returns where to begin one.
    pub fn share(
        &mut self,
        sound: &'a Sound<'a>,
        plan: &MediaPlan<'_>,
        port: Port,
        talk: &'a Talk,
    ) -> Option<Ports<'a>> {
        let (window, global_header) = (plan.window, encode::wants_global_header(plan.format.muxer));
        let alone = plan.splice.is_some() || !sound.is_of_source();
        let equal = |other: &&SharedSound<'_>| {
            (other.window, other.global_header) == (window, global_header) && other.sound.is_same(sound)
        };
        if let Some(other) = self.sounds.iter().find(equal).filter(|_| !alone) {
            other.ports.add(port, talk);
            self.shares.insert(self.output, other.output);
            return None;
        }
        let ports = Ports::default();
        ports.add(port, talk);
        if !alone {
            self.sounds.push(SharedSound { sound, window, global_header, output: self.output, ports: ports.clone() });
        }
        Some(ports)
    }

    /// Copies the packets of a stream of `plan` to `port`.
    pub fn copy(&mut self, track: &Track, plan: &MediaPlan<'_>, port: Port) {
        // A muxer that is gone already says itself why.
        if let Ok(copying) = Copying::start(track.clone(), plan.window, port, &plan.output.file) {
            self.routes.entry(track.index).or_default().copies.push((self.output, copying));
        }
    }
}
