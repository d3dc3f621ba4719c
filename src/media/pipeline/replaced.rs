//! Notices where sound goes on in another codec: transport streams that were joined have both in one stream.
//!
//! Pure. Only codecs whose packets have headers are told apart.

use ffmpeg_next::{Packet, Rational, codec};

use crate::probe::seconds;
use crate::sound;

/// Follows the packets of one stream.
#[derive(Debug)]
pub struct Replaced {
    codec: codec::Id,
    /// When the source begins.
    start: i64,
    /// The other codec, and when it came.
    other: Option<(&'static str, i64)>,
}

impl Replaced {
    /// Of a stream of `codec`, of a source that begins at `start`.
    pub const fn new(codec: codec::Id, start: i64) -> Self {
        Self { codec, start, other: None }
    }

    /// Takes notice of a packet.
    pub fn see(&mut self, packet: &Packet) {
        if self.other.is_none()
            && let Some(name) = packet.data().and_then(|data| sound::other_codec(self.codec, data))
        {
            self.other = Some((name, packet.pts().or(packet.dts()).unwrap_or_default()));
        }
    }

    /// Whether the rest of the stream is of another codec.
    pub const fn is_there(&self) -> bool {
        self.other.is_some()
    }

    /// What changes, in words, where something does. Times are in `base`.
    pub fn change(&self, base: Rational) -> Option<String> {
        let (name, time) = self.other?;
        let at_s = seconds(time.saturating_sub(self.start), base);
        let codec = self.codec.name();
        Some(format!("the source changes the codec of its sound from {codec} to {name} after {at_s:.2} s"))
    }
}
