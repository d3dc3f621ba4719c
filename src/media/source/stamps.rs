//! Times of packets of AAC whose sample rate changes under way.
//!
//! libav gives a time to packets that have none by counting samples, at the rate that came first. Here they are counted at
//! the rate of each packet; times that the stream itself has stay. **Invariant**: until a rate changes nothing is touched.

use std::collections::BTreeMap;

use ffmpeg_next::{Packet, Rational, Rescale};

use crate::sound::adts;

/// By how many ticks counted times may be off by rounding.
const ROUNDING: i64 = 2;

/// The streams of a source so far.
#[derive(Clone, Debug, Default)]
pub struct Stamps(BTreeMap<usize, Stream>);

#[derive(Clone, Copy, Debug)]
struct Stream {
    first_rate: i32,
    changed: bool,
    last: Option<Last>,
}

/// The packet before.
#[derive(Clone, Copy, Debug)]
struct Last {
    /// When the next one would come, by libav's count.
    counted: i64,
    /// When it comes.
    next: i64,
}

impl Stamps {
    /// Forgets when the next packets come: reading goes on elsewhere.
    pub fn elsewhere(&mut self) {
        self.0.values_mut().for_each(|stream| stream.last = None);
    }

    /// Gives a packet with times in `base` its own time and duration.
    pub fn settle(&mut self, packet: &mut Packet, base: Rational) {
        let Some(header) = packet.data().and_then(adts) else { return };
        let Some(given) = packet.pts().or(packet.dts()) else { return };
        let new = Stream { first_rate: header.rate, changed: false, last: None };
        let stream = self.0.entry(packet.stream()).or_insert(new);
        stream.changed |= header.rate != stream.first_rate;
        let counted = given.saturating_add(packet.duration().max(0));
        let mut last = Last { counted, next: counted };
        if stream.changed {
            let duration = header.samples.rescale(Rational(1, header.rate), base);
            let before = stream.last.filter(|last| given.abs_diff(last.counted) <= ROUNDING.unsigned_abs());
            let time = before.map_or(given, |last| last.next);
            let moved = time.saturating_sub(given);
            packet.set_pts(packet.pts().map(|pts| pts.saturating_add(moved)));
            packet.set_dts(packet.dts().map(|dts| dts.saturating_add(moved)));
            packet.set_duration(duration);
            last.next = time.saturating_add(duration);
        }
        stream.last = Some(last);
    }
}
