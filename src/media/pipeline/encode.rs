//! Running one encoder: frames in, packets out to the muxer.

use std::collections::BTreeMap;
use std::ffi::CString;

use ffmpeg_next::codec::{self, Parameters};
use ffmpeg_next::{Dictionary, Error, Frame, Packet, Rational, Rescale, encoder};
use reelmill::model::codec::Options;

use super::flow::Stop;
use super::mux::Port;
use crate::codec::webp;
use crate::error::MediaError;
use crate::raw;

/// Durations remembered of frames that are still in the encoder; more than any encoder holds back.
const MAX_REMEMBERED: usize = 4096;

/// Ticks of any clock by which no decoding time is ahead of its presentation.
const IMPOSSIBLE_DELAY: i64 = 1 << 32;

/// Frames by which x265 decodes ahead, with its pyramid of B-frames.
const X265_AHEAD: i64 = 2;

/// Unit of WebP's durations.
const MILLISECONDS: Rational = Rational(1, 1000);

/// An open encoder.
pub trait Coder {
    /// Takes a frame, or at the end none.
    fn send(&mut self, frame: Option<&Frame>) -> Result<(), Error>;

    /// The next packet; none where it wants another frame, or at its end.
    fn receive(&mut self) -> Result<Option<Packet>, Error>;

    /// What it says about its stream.
    fn parameters(&self) -> Parameters;

    /// What a first pass saw, where it says that; comes at its end.
    fn seen(&self) -> Option<CString> {
        None
    }
}

impl Coder for encoder::Encoder {
    fn send(&mut self, frame: Option<&Frame>) -> Result<(), Error> {
        match frame {
            Some(frame) => self.send_frame(frame),
            None => self.send_eof(),
        }
    }

    fn receive(&mut self) -> Result<Option<Packet>, Error> {
        let mut packet = Packet::empty();
        match self.receive_packet(&mut packet) {
            Ok(()) => Ok(Some(packet)),
            Err(Error::Eof | Error::Other { errno: ffmpeg_next::error::EAGAIN }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn parameters(&self) -> Parameters {
        raw::parameters_of(self)
    }

    fn seen(&self) -> Option<CString> {
        raw::stats_out(self)
    }
}

/// An open encoder with the muxer behind it.
pub struct Encoding {
    encoder: Box<dyn Coder>,
    name: String,
    port: Port,
    /// Durations of the frames inside, by time: encoders do not keep them.
    durations: BTreeMap<i64, i64>,
    /// Frames that went in, and the first and last moment shown.
    fed: Fed,
    packets: u64,
    times: DecodingTimes,
    /// Unit of times, where the one packet is a file of WebP.
    webp: Option<Rational>,
}

/// What went into an encoder that makes one packet of all of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Fed {
    /// Frames.
    pub frames: u64,
    /// First and last moment shown, in the encoder's time base.
    pub span: Option<(i64, i64)>,
}

impl Encoding {
    /// Of an open encoder called `name`.
    #[must_use]
    pub fn new(encoder: impl Coder + 'static, name: String, port: Port) -> Self {
        Self {
            encoder: Box::new(encoder),
            name,
            port,
            durations: BTreeMap::new(),
            fed: Fed { frames: 0, span: None },
            packets: 0,
            times: DecodingTimes::default(),
            webp: None,
        }
    }

    /// The same, where it makes one packet of all pictures, a whole file of WebP, and its times are in this unit.
    #[must_use]
    pub fn of_webp(self, time_base: Rational) -> Self {
        Self { webp: Some(time_base), ..self }
    }

    /// The muxer behind it.
    #[must_use]
    pub const fn port(&self) -> &Port {
        &self.port
    }

    /// What the encoder says about its stream.
    #[must_use]
    pub fn parameters(&self) -> Parameters {
        self.encoder.parameters()
    }

    /// Encodes a frame that is shown for `duration` of the encoder's time base (0: as the encoder says).
    pub fn encode(&mut self, frame: &Frame, duration: i64) -> Result<(), Stop> {
        if let Some(time) = frame.pts() {
            let start = self.fed.span.map_or(time, |(start, _)| start);
            self.fed = Fed { frames: self.fed.frames + 1, span: Some((start, time.saturating_add(duration))) };
        }
        if let Some(time) = frame.pts()
            && duration > 0
        {
            self.durations.insert(time, duration);
            if self.durations.len() > MAX_REMEMBERED {
                self.durations.pop_first();
            }
        }
        self.encoder.send(Some(frame)).map_err(|e| self.failed(e))?;
        self.drain()
    }

    /// Takes what is still inside, and ends the stream. Answers what a first pass saw, where the encoder says it.
    pub fn finish(mut self) -> Result<Option<CString>, Stop> {
        self.encoder.send(None).map_err(|e| self.failed(e))?;
        self.drain()?;
        let seen = self.encoder.seen();
        if self.packets == 1 && self.fed.frames > 1 {
            self.port.fed(self.fed)?;
        }
        self.port.end()?;
        Ok(seen)
    }

    fn drain(&mut self) -> Result<(), Stop> {
        while let Some(mut packet) = self.encoder.receive().map_err(|e| self.failed(e))? {
            if let Some(duration) = packet.pts().and_then(|time| self.durations.remove(&time)) {
                packet.set_duration(duration);
            }
            if let (Some(pts), Some(dts)) = (packet.pts(), packet.dts()) {
                packet.set_dts(Some(self.times.settle(pts, dts, packet.duration())));
            }
            if let (Some(base), Some((start, end)), Some(bytes)) = (self.webp, self.fed.span, packet.data_mut()) {
                webp::set_length(bytes, u64::try_from((end - start).rescale(base, MILLISECONDS)).unwrap_or(0));
            }
            self.packets += 1;
            self.port.packet(&packet)?;
        }
        Ok(())
    }

    fn failed(&self, source: Error) -> MediaError {
        MediaError::Encode { encoder: self.name.clone(), source }
    }
}

/// Decoding times of packets that can be true: each is later than the one before, and not after its presentation.
///
/// x265 subtracts a delay from the first ones that it never set where there are fewer frames than it decodes ahead:
/// memory that held something else.
#[derive(Clone, Copy, Debug, Default)]
struct DecodingTimes {
    /// Presentation of the first packet.
    first: Option<i64>,
    last: Option<i64>,
    packets: i64,
}

impl DecodingTimes {
    /// The decoding time of the next packet, which the encoder says is `dts`.
    fn settle(&mut self, pts: i64, dts: i64, duration: i64) -> i64 {
        let first = *self.first.get_or_insert(pts);
        let rises = self.last.is_none_or(|last| dts > last);
        let settled = if rises && dts <= pts && dts > pts.saturating_sub(IMPOSSIBLE_DELAY) {
            dts
        } else {
            let ahead = first - (X265_AHEAD - self.packets).max(0) * duration.max(1);
            self.last.map_or(ahead, |last| ahead.max(last + 1)).min(pts)
        };
        self.last = Some(settled);
        self.packets += 1;
        settled
    }
}

/// Options as libav takes them, with the flags that the muxer wants.
#[must_use]
pub fn dictionary(options: Options, threads: u32) -> Dictionary<'static> {
    let mut dictionary = Dictionary::new();
    dictionary.set("threads", &if threads == 0 { "auto".to_owned() } else { threads.to_string() });
    for (name, value) in options {
        dictionary.set(name, &value);
    }
    dictionary
}

/// Has the encoder put its headers beside the stream, where the container wants them there.
pub fn set_global_header(context: &mut codec::Context, muxer: &str) {
    if wants_global_header(muxer) {
        raw::add_flags(context, codec::Flags::GLOBAL_HEADER);
    }
}

/// Returns whether a muxer stores codec headers once, before the packets, and not in them.
#[must_use]
pub fn wants_global_header(muxer: &str) -> bool {
    muxer != "mpegts"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settled(packets: &[(i64, i64)]) -> Vec<i64> {
        let mut times = DecodingTimes::default();
        packets.iter().map(|&(pts, dts)| times.settle(pts, dts, 10)).collect()
    }

    #[test]
    fn decoding_times_that_are_true_stay_and_others_are_put_right() {
        assert_eq!(settled(&[(0, -20), (30, -10), (10, 0), (20, 10)]), [-20, -10, 0, 10]);
        assert_eq!(settled(&[(0, 0), (10, 10)]), [0, 10]);
        let anything = 0x7f12_3456_789a;
        assert_eq!(settled(&[(0, anything), (10, anything)]), [-20, -10]);
        assert_eq!(settled(&[(0, -anything), (10, -anything)]), [-20, -10]);
        assert_eq!(settled(&[(0, 1), (250, 251), (240, 0)]), [-20, -10, 0], "small, and still not true");
        assert_eq!(settled(&[(5, 9)]), [-15]);
    }
}
