//! Reading the source once and handing each packet to everyone who wants it.

use std::collections::BTreeMap;

use ffmpeg_next::{Packet, Rescale, media, rescale};

use super::copy::Copying;
use super::flow::{Outlets, Stop};
use super::timeline::Timeline;
use crate::error::MediaError;
use crate::source::Opened;
use crate::{libav, raw};

/// Who wants the packets of one stream.
#[derive(Default)]
pub struct Route {
    /// A decoder, and converters of subtitles.
    pub packets: Outlets<Packet>,
    /// Outputs that take packets as they are.
    pub copies: Vec<(usize, Copying)>,
}

/// Reads `opened` to its end, or until nobody wants more. Says which outputs failed on the way, by index.
pub fn run(opened: &mut Opened, mut routes: BTreeMap<usize, Route>) -> Result<Vec<(usize, MediaError)>, MediaError> {
    for index in 0..opened.demuxer().nb_streams() as usize {
        if !routes.contains_key(&index)
            && let Some(mut stream) = opened.demuxer_mut().stream_mut(index)
        {
            raw::discard(&mut stream);
        }
    }
    let mut timeline = Timeline::new(libav::demuxer_name(opened.demuxer()).starts_with("mpeg"));
    let mut failed = Vec::new();
    let mut packet = Packet::empty();
    while !routes.is_empty() && opened.read(&mut packet)? {
        let index = packet.stream();
        join(&mut packet, opened, &mut timeline);
        let Some(route) = routes.get_mut(&index) else { continue };
        route.packets.send(|| Ok(raw::share_packet(&packet)))?;
        route.copy(&packet, &mut failed);
        if route.is_idle() {
            routes.remove(&index);
        }
    }
    for (_, route) in routes {
        for (output, copy) in route.copies {
            note(output, copy.finish(), &mut failed);
        }
        route.packets.end();
    }
    Ok(failed)
}

/// Moves a packet onto the clock that the source started with.
pub fn join(packet: &mut Packet, opened: &Opened, timeline: &mut Timeline) {
    let Some(stream) = opened.demuxer().stream(packet.stream()) else { return };
    let Some(time) = packet.dts().or(packet.pts()) else { return };
    let base = stream.time_base();
    let microseconds = |ticks: i64| ticks.rescale(base, rescale::TIME_BASE);
    let offset = match stream.parameters().medium() {
        media::Type::Video | media::Type::Audio => {
            timeline.offset(packet.stream(), microseconds(time), microseconds(packet.duration().max(0)))
        }
        // Subtitles pause as they like: they follow.
        _ => timeline.newest(),
    };
    let ticks = offset.rescale(rescale::TIME_BASE, base);
    packet.set_pts(packet.pts().map(|time| time.saturating_add(ticks)));
    packet.set_dts(packet.dts().map(|time| time.saturating_add(ticks)));
}

impl Route {
    fn copy(&mut self, packet: &Packet, failed: &mut Vec<(usize, MediaError)>) {
        for (output, mut copy) in std::mem::take(&mut self.copies) {
            match copy.feed(packet) {
                Ok(true) => self.copies.push((output, copy)),
                Ok(false) => note(output, copy.finish(), failed),
                Err(stop) => note(output, Err(stop), failed),
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.copies.is_empty() && self.packets.is_idle()
    }
}

fn note(output: usize, result: Result<(), Stop>, failed: &mut Vec<(usize, MediaError)>) {
    // A muxer that went away says itself why.
    if let Err(Stop::Failed(error)) = result {
        failed.push((output, error));
    }
}
