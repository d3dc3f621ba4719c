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

/// What became of streams that were taken as they are, by the index of the output.
#[derive(Default)]
pub struct Copied {
    /// Outputs that failed on the way.
    pub failed: Vec<(usize, MediaError)>,
    /// Outputs whose streams change under way, and how.
    pub changed: Vec<(usize, String)>,
}

/// Reads `opened` to its end, or until nobody wants more.
/// `talk_of` is the voice about an output.
pub fn run<'a>(
    opened: &mut Opened,
    mut routes: BTreeMap<usize, Route>,
    talk_of: &impl Fn(usize) -> &'a Talk,
) -> Result<Copied, MediaError> {
    opened.read_only(&routes.keys().copied().collect::<Vec<_>>());
    let mut copied = Copied::default();
    let mut packet = Packet::empty();
    while !routes.is_empty() && opened.read(&mut packet)? {
        let index = packet.stream();
        let Some(route) = routes.get_mut(&index) else { continue };
        route.packets.send(|| Ok(raw::share_packet(&packet)))?;
        route.copy(&packet, &mut copied, talk_of);
        if route.is_idle() {
            routes.remove(&index);
        }
    }
    for (_, route) in routes {
        for (output, copy) in route.copies {
            end(output, copy, &mut copied, talk_of(output));
        }
        route.packets.end();
    }
    Ok(copied)
}

impl Route {
    fn copy<'a>(&mut self, packet: &Packet, copied: &mut Copied, talk_of: &impl Fn(usize) -> &'a Talk) {
        for (output, mut copy) in std::mem::take(&mut self.copies) {
            match copy.feed(packet) {
                Ok(true) => self.copies.push((output, copy)),
                Ok(false) => end(output, copy, copied, talk_of(output)),
                Err(stop) => {
                    copied.changed.extend(copy.begun().map(|change| (output, change)));
                    note(output, Err(stop), copied);
                }
            }
        }
    }

    fn is_idle(&self) -> bool {
        self.copies.is_empty() && self.packets.is_idle()
    }
}

/// Ends a copy, and says what its stream has changed under way.
fn end(output: usize, copy: Copying, copied: &mut Copied, talk: &Talk) {
    if let Some(change) = copy.change() {
        let so = if copy.is_video() { "" } else { "; players may play the rest too fast or too slow: encode it" };
        talk.warn(warning::SOURCE_CHANGES, format!("{change}; its packets were copied unchanged{so}"));
        copied.changed.push((output, change));
    }
    if copy.is_left_out() {
        let kind = if copy.is_video() { "video" } else { "audio" };
        talk.warn(warning::STREAM_LEFT_OUT, format!("the clip contains none of the {kind}, which was left out"));
    }
    note(output, copy.finish(), copied);
}

fn note(output: usize, result: Result<(), Stop>, copied: &mut Copied) {
    // A muxer that went away says itself why.
    if let Err(Stop::Failed(error)) = result {
        copied.failed.push((output, error));
    }
}
