//! Packets of a file in order of decoding time, however far apart the file stores its streams.
//!
//! **Invariant**: within a stream packets keep their order; between streams the earlier decoding time comes first, as
//! long as no more than [`MAX_WAITING_BYTES`] wait for a stream that has nothing.

use std::collections::VecDeque;

use ffmpeg_next::{Packet, Rational};

use crate::error::MediaError;
use crate::libav;
use crate::probe::seconds;
use crate::source::Opened;

/// Bytes that wait for another stream before they are let through.
const MAX_WAITING_BYTES: usize = 256 << 20;

/// How far each stream is read ahead, in seconds: what is left of it is known from then on.
const AHEAD_S: f64 = 3.0;

/// A packet of one of the chosen streams.
pub struct Next {
    /// Which of the chosen streams.
    pub slot: usize,
    /// The packet, in its stream's time base, with a duration wherever one can be told.
    pub packet: Packet,
    /// How long the stream goes on from the packet's time on, in seconds; `None` while its end is not in sight.
    pub left_s: Option<f64>,
}

/// Chosen streams of a file, read side by side.
pub struct Interleaved {
    opened: Opened,
    slots: Vec<Slot>,
    at_end: bool,
    waiting_bytes: usize,
}

struct Slot {
    stream: usize,
    time_base: Rational,
    waiting: VecDeque<Packet>,
    usual_duration: i64,
    last_dts: Option<i64>,
}

impl Interleaved {
    /// The streams of a freshly opened file with these indices.
    pub fn new(mut opened: Opened, streams: &[usize]) -> Result<Self, MediaError> {
        opened.read_only(streams);
        let slot = |index: &usize| {
            let stream = opened.demuxer().stream(*index).ok_or(MediaError::NoStreams("media data"))?;
            let (time_base, waiting) = (stream.time_base(), VecDeque::new());
            Ok(Slot { stream: *index, time_base, waiting, usual_duration: 0, last_dts: None })
        };
        let slots = streams.iter().map(slot).collect::<Result<_, MediaError>>()?;
        Ok(Self { opened, slots, at_end: false, waiting_bytes: 0 })
    }

    /// Whether nothing more comes of a chosen stream.
    pub fn has_ended(&self, slot: usize) -> bool {
        self.at_end && self.slots.get(slot).is_none_or(|slot| slot.waiting.is_empty())
    }

    /// The next packet; `None` at the end.
    pub fn next(&mut self) -> Result<Option<Next>, MediaError> {
        // At least two of each, so that a packet without a duration can take it from the next one's time.
        while !self.at_end && self.waiting_bytes <= MAX_WAITING_BYTES && self.slots.iter().any(Slot::wants) {
            self.read()?;
        }
        let times = self.slots.iter().enumerate().filter_map(|(index, slot)| Some((slot.next_time_s()?, index)));
        let Some((_, slot)) = times.min_by(|(a, _), (b, _)| a.total_cmp(b)) else { return Ok(None) };
        let Some(packet) = self.slots[slot].take() else { return Ok(None) };
        self.waiting_bytes = self.waiting_bytes.saturating_sub(packet.size());
        let left_s = self.at_end.then(|| self.slots[slot].left_s(&packet));
        Ok(Some(Next { slot, packet, left_s }))
    }

    fn read(&mut self) -> Result<(), MediaError> {
        let mut packet = Packet::empty();
        if !self.opened.read(&mut packet)? {
            self.at_end = true;
            return Ok(());
        }
        let Some(slot) = self.slots.iter_mut().find(|slot| slot.stream == packet.stream()) else { return Ok(()) };
        self.waiting_bytes += packet.size();
        slot.add(packet)
    }
}

impl Slot {
    /// Whether the next packet cannot be told yet.
    fn wants(&self) -> bool {
        let span = || Some(self.waiting.back()?.dts()? - self.waiting.front()?.dts()?);
        self.waiting.len() < 2
            || self.waiting.front().is_some_and(|packet| packet.dts().is_none())
            || span().is_none_or(|span| seconds(span, self.time_base) < AHEAD_S)
    }

    /// Seconds from the time of `packet` to the end of the packets that wait behind it.
    fn left_s(&self, packet: &Packet) -> f64 {
        let end = |packet: &Packet| {
            let duration = if packet.duration() > 0 { packet.duration() } else { self.usual_duration };
            packet.pts().unwrap_or_default() + duration
        };
        let shown = self.waiting.iter().filter(|packet| !libav::is_discarded(packet));
        let last = shown.map(end).chain([end(packet)]).max().unwrap_or_default();
        seconds(last - packet.pts().unwrap_or_default(), self.time_base)
    }

    /// Takes in a packet. Containers that store no decoding times leave them out where reordering begins: those packets
    /// get theirs from the first that has one.
    fn add(&mut self, mut packet: Packet) -> Result<(), MediaError> {
        let Some(pts) = packet.pts().or(packet.dts()) else {
            return Err(MediaError::Damaged { kind: "rendition", detail: "a packet has no time".to_owned() });
        };
        packet.set_pts(Some(pts));
        if let (None, Some(last)) = (packet.dts(), self.last_dts) {
            packet.set_dts(Some((last + packet.duration().max(1)).min(pts)));
        }
        // Times that stand still or run back, as where recordings were joined, make muxers fail.
        if let (Some(dts), Some(last)) = (packet.dts(), self.last_dts)
            && dts <= last
        {
            packet.set_dts(Some(last + 1));
            packet.set_pts(packet.pts().map(|pts| pts.max(last + 1)));
        }
        self.last_dts = packet.dts().or(self.last_dts);
        self.waiting.push_back(packet);
        let Some(known) = self.waiting.iter().position(|packet| packet.dts().is_some()) else { return Ok(()) };
        for position in (0..known).rev() {
            let next = self.waiting[position + 1].dts();
            let packet = &mut self.waiting[position];
            packet.set_dts(next.map(|next| next - packet.duration().max(1)));
        }
        Ok(())
    }

    fn next_time_s(&self) -> Option<f64> {
        let packet = self.waiting.front()?;
        Some(seconds(packet.dts().or(packet.pts())?, self.time_base))
    }

    fn take(&mut self) -> Option<Packet> {
        let mut packet = self.waiting.pop_front()?;
        packet.set_dts(packet.dts().or(packet.pts()));
        // What the file says yields to what the next packet shows: segments follow each other without a gap.
        let until_next =
            self.waiting.front().and_then(|next| Some(next.dts()? - packet.dts()?)).filter(|ticks| *ticks > 0);
        let said = if packet.duration() > 0 { packet.duration() } else { self.usual_duration };
        packet.set_duration(until_next.unwrap_or(said).max(0));
        self.usual_duration = packet.duration();
        Some(packet)
    }
}
