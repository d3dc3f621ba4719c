//! Reading the source once and handing each packet to everyone who wants it.

use std::collections::BTreeMap;

use ffmpeg_next::Packet;

use super::copy::Copying;
use super::flow::{Outlets, Stop};
use crate::error::{MediaError, warning};
use crate::raw;
use crate::source::Opened;
use crate::talk::Talk;

/// Who wants the packets of one stream.
#[derive(Default)]
pub struct Route {
    /// A decoder, and converters of subtitles.
    pub packets: Outlets<Packet>,
    /// Outputs that take packets as they are.
    pub copies: Vec<(usize, Copying)>,
}

/// Reads `opened` to its end, or until nobody wants more. Says which outputs failed on the way, by index.
pub fn run(
    opened: &mut Opened,
    mut routes: BTreeMap<usize, Route>,
    talk: &Talk,
) -> Result<Vec<(usize, MediaError)>, MediaError> {
    opened.read_only(&routes.keys().copied().collect::<Vec<_>>());
    let mut failed = Vec::new();
    let mut packet = Packet::empty();
    while !routes.is_empty() && opened.read(&mut packet)? {
        let index = packet.stream();
        let Some(route) = routes.get_mut(&index) else { continue };
        route.packets.send(|| Ok(raw::share_packet(&packet)))?;
        route.copy(&packet, &mut failed, talk);
        if route.is_idle() {
            routes.remove(&index);
        }
    }
    for (_, route) in routes {
        for (output, copy) in route.copies {
            end(output, copy, &mut failed, talk);
        }
        route.packets.end();
    }
    Ok(failed)
}

impl Route {
    fn copy(&mut self, packet: &Packet, failed: &mut Vec<(usize, MediaError)>, talk: &Talk) {
        for (output, mut copy) in std::mem::take(&mut self.copies) {
            match copy.feed(packet) {
                Ok(true) => self.copies.push((output, copy)),
                Ok(false) => end(output, copy, failed, talk),
                Err(stop) => note(output, Err(stop), failed),
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.copies.is_empty() && self.packets.is_idle()
    }
}

/// Ends a copy, and says what its stream has changed under way.
fn end(output: usize, copy: Copying, failed: &mut Vec<(usize, MediaError)>, talk: &Talk) {
    if let Some(change) = copy.change() {
        talk.warn(warning::SOURCE_CHANGES, format!("{change}; its packets were copied unchanged"));
    }
    note(output, copy.finish(), failed);
}

fn note(output: usize, result: Result<(), Stop>, failed: &mut Vec<(usize, MediaError)>) {
    // A muxer that went away says itself why.
    if let Err(Stop::Failed(error)) = result {
        failed.push((output, error));
    }
}
