//! Where the clock of a broadcast file starts anew: a table of places, each with the clocks that hold there.
//!
//! Recordings that were joined, and streams that were interrupted, cannot be sought by time: the same time stands in
//! them twice. A small file is read through once. Of a large one places are looked at that are spread over it; where
//! bytes and times do not go together between two of them, what lies between is looked at more closely, and read through
//! in the end. **Invariant**: a timeline in the table is the one that reading from the start would have had there.
//! Deliberately absent: finding a clock that starts anew twice between two places and comes out as if it had not.

use ffmpeg_next::{Packet, Rescale, media, rescale};

use super::{Opened, Source};
use crate::error::MediaError;
use crate::timeline::Timeline;

/// Files up to this size are read through.
const SMALL_FILE_BYTES: i64 = 16 << 20;

/// Places looked at in a large file.
const PLACES: i64 = 128;

/// Least distance of places, and most that is read through to find one change, in bytes.
const NEAR_BYTES: i64 = 1 << 20;

/// Places looked at, at most.
const MAX_PLACES: usize = 1_024;

/// Packets read at one place to find one with a time.
const MAX_PACKETS: usize = 4_000;

/// Distance of places in what is read through, in microseconds.
const STEP_US: i64 = 250_000;

/// How many times as much, or as little, media time there may be between two places as between others of their distance.
const UNEVEN: f64 = 6.0;

/// Media time between two places that is not worth a closer look, in microseconds, whatever their distance.
const LEAST_US: f64 = 4_000_000.0;

/// A place in a file.
#[derive(Clone, Debug)]
pub struct Place {
    /// Where it is.
    pub byte: i64,
    /// Its time on the one timeline, in microseconds.
    time_us: i64,
    /// The clocks there.
    pub timeline: Timeline,
}

/// The places of a file; none where its clock never starts anew.
#[derive(Debug, Default)]
pub struct Clocks {
    places: Vec<Place>,
}

impl Clocks {
    /// Looks for them.
    pub fn find(source: &Source) -> Result<Self, MediaError> {
        let mut opened = source.open()?;
        if !opened.is_broadcast() {
            return Ok(Self::default());
        }
        let leader = leader(&opened);
        let size = i64::try_from(source.size_bytes()).unwrap_or(i64::MAX);
        let places = if size <= SMALL_FILE_BYTES {
            let mut places = Vec::new();
            read_through(&mut opened, leader, i64::MAX, &mut places)?;
            if opened.timeline().changes() == 0 { Vec::new() } else { places }
        } else {
            Survey { opened, leader, looked: 0 }.places(size)?
        };
        Ok(Self::of(places))
    }

    /// Of places that follow the start, if there are any.
    fn of(mut places: Vec<Place>) -> Self {
        if !places.is_empty() {
            places.insert(0, Place { byte: 0, time_us: i64::MIN, timeline: Timeline::new(true) });
        }
        Self { places }
    }

    /// The last place at or before a time, in microseconds on the clock that the source started with; the first where
    /// there is none. `None` where the file can be sought by time.
    #[must_use]
    pub fn place(&self, time_us: i64) -> Option<&Place> {
        let before = self.places.iter().rev().find(|place| place.time_us <= time_us);
        before.or(self.places.first())
    }

    /// The last place.
    #[must_use]
    pub fn last(&self) -> Option<&Place> {
        self.places.last()
    }
}

/// The stream whose times count: the first of video, or else of sound.
fn leader(opened: &Opened) -> Option<usize> {
    let first = |kind| opened.demuxer().streams().position(|stream| stream.parameters().medium() == kind);
    first(media::Type::Video).or_else(|| first(media::Type::Audio))
}

/// Time of a packet in microseconds.
fn time_us(opened: &Opened, packet: &Packet) -> Option<i64> {
    let base = opened.demuxer().stream(packet.stream())?.time_base();
    Some(packet.dts().or(packet.pts())?.rescale(base, rescale::TIME_BASE))
}

fn position(packet: &Packet) -> Option<i64> {
    i64::try_from(packet.position()).ok().filter(|&position| position >= 0)
}

/// Reads on to byte `until` and notes places on the way: keyframes of the leader.
fn read_through(
    opened: &mut Opened,
    leader: Option<usize>,
    until: i64,
    places: &mut Vec<Place>,
) -> Result<(), MediaError> {
    let mut packet = Packet::empty();
    let mut last_us = None;
    loop {
        // The clocks before the packet: it is read again from there.
        let timeline = opened.timeline().clone();
        if !opened.read(&mut packet)? {
            return Ok(());
        }
        let Some(byte) = position(&packet) else { continue };
        if byte >= until {
            return Ok(());
        }
        let Some(time_us) = time_us(opened, &packet) else { continue };
        let due = last_us.is_none_or(|last: i64| time_us - last >= STEP_US);
        if Some(packet.stream()) == leader && packet.is_key() && due {
            last_us = Some(time_us);
            places.push(Place { byte, time_us, timeline });
        }
    }
}

/// A large file that is being looked at.
struct Survey {
    opened: Opened,
    leader: Option<usize>,
    looked: usize,
}

/// What stands at a place: its byte, and the time there as it is written, in microseconds.
type Seen = (i64, i64);

impl Survey {
    fn places(mut self, size: i64) -> Result<Vec<Place>, MediaError> {
        let step = (size / PLACES).max(NEAR_BYTES);
        let mut seen: Vec<Seen> = Vec::new();
        let mut at = 0;
        while at < size {
            seen.extend(self.look(at)?);
            at += step;
        }
        seen.extend(self.look(size - NEAR_BYTES)?);
        seen.sort_unstable();
        seen.dedup_by_key(|(byte, _)| *byte);
        let mut rates: Vec<f64> = seen.windows(2).map(|pair| rate(pair[0], pair[1])).filter(|r| *r > 0.0).collect();
        rates.sort_by(f64::total_cmp);
        let Some(usual) = rates.get(rates.len() / 2).copied() else { return Ok(Vec::new()) };
        let mut changes = Vec::new();
        for pair in seen.windows(2) {
            self.narrow(pair[0], pair[1], usual, &mut changes)?;
        }
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        self.join(&seen, &changes)
    }

    /// What the first packet of the leader from byte `at` on says.
    fn look(&mut self, at: i64) -> Result<Option<Seen>, MediaError> {
        self.looked += 1;
        let timeline = self.opened.timeline().clone();
        match self.opened.seek_byte(at, timeline) {
            Err(MediaError::SourceUnreadable) => return Err(MediaError::SourceUnreadable),
            Err(_) => return Ok(None),
            Ok(()) => {}
        }
        let mut packet = Packet::empty();
        for _ in 0..MAX_PACKETS {
            if !self.opened.read_raw(&mut packet)? {
                break;
            }
            if Some(packet.stream()) == self.leader
                && let (Some(byte), Some(time)) = (position(&packet), time_us(&self.opened, &packet))
            {
                return Ok(Some((byte, time)));
            }
        }
        Ok(None)
    }

    /// Finds stretches, short enough to be read through, in which bytes and times do not go together.
    fn narrow(&mut self, from: Seen, to: Seen, usual: f64, changes: &mut Vec<(i64, i64)>) -> Result<(), MediaError> {
        if goes_together(from, to, usual) {
            return Ok(());
        }
        let middle = from.0.midpoint(to.0);
        if to.0 - from.0 > NEAR_BYTES && self.looked < MAX_PLACES {
            let between = self.look(middle)?.filter(|seen| seen.0 > from.0 && seen.0 < to.0);
            if let Some(between) = between {
                self.narrow(from, between, usual, changes)?;
                return self.narrow(between, to, usual, changes);
            }
        }
        changes.push((from.0, to.0));
        Ok(())
    }

    /// Reads the stretches through, and gives every place its time on the one timeline.
    fn join(mut self, seen: &[Seen], changes: &[(i64, i64)]) -> Result<Vec<Place>, MediaError> {
        let mut places: Vec<Place> = Vec::new();
        let mut timeline = Timeline::new(true);
        let mut rest = seen.iter().copied().peekable();
        for &(from, to) in changes {
            while let Some((byte, raw_us)) = rest.next_if(|(byte, _)| *byte <= from) {
                places.push(self.place(byte, raw_us, &timeline));
            }
            self.opened.seek_byte(from, timeline.clone())?;
            let before = self.opened.timeline().changes();
            read_through(&mut self.opened, self.leader, to.saturating_add(NEAR_BYTES), &mut places)?;
            if self.opened.timeline().changes() != before {
                timeline = self.opened.timeline().elsewhere();
            }
            while rest.next_if(|(byte, _)| *byte < to.saturating_add(NEAR_BYTES)).is_some() {}
        }
        for (byte, raw_us) in rest {
            places.push(self.place(byte, raw_us, &timeline));
        }
        Ok(if timeline.changes() == 0 { Vec::new() } else { places })
    }

    fn place(&self, byte: i64, raw_us: i64, timeline: &Timeline) -> Place {
        let mut clocks = timeline.clone();
        let offset_us = self.leader.map_or(0, |leader| clocks.offset(leader, raw_us, 0));
        Place { byte, time_us: raw_us.saturating_add(offset_us), timeline: timeline.clone() }
    }
}

/// Microseconds of media for each byte between two places.
#[expect(clippy::cast_precision_loss, reason = "sizes and times are far below 2^52")]
fn rate(from: Seen, to: Seen) -> f64 {
    (to.1 - from.1) as f64 / (to.0 - from.0).max(1) as f64
}

/// Whether the time between two places is about what their distance lets expect.
#[expect(clippy::cast_precision_loss, reason = "sizes and times are far below 2^52")]
fn goes_together(from: Seen, to: Seen, usual: f64) -> bool {
    let (found, expected) = ((to.1 - from.1) as f64, usual * (to.0 - from.0) as f64);
    let even = found <= expected * UNEVEN && found >= expected / UNEVEN;
    found >= 0.0 && (even || (found - expected).abs() < LEAST_US)
}
