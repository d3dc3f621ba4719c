//! Decoding one stream once, for everyone who wants its frames.
//!
//! **Invariant**: every frame that leaves has a time in the stream's time base, later than the one before, and pictures
//! say their colour matrix. Damaged packets are stepped over and counted; a stream of which nothing decodes is an error.

use ffmpeg_next::codec::{Context, decoder};
use ffmpeg_next::{Dictionary, Error, Frame, Packet, Rational, Rescale, media};

use super::colors;
use super::flow::{Inlet, Outlets, Stop};
use super::replaced::Replaced;
use super::streams::Track;
use super::watch::Watch;
use crate::error::{MediaError, warning};
use crate::raw;
use crate::shape::shape;
use crate::source::MAX_PIXELS;
use crate::talk::Talk;

/// Most threads of a decoder that chooses itself; libav's own limit.
const MAX_AUTO_THREADS: usize = 16;

/// One thread per processor: libav itself would take one more, and each holds pictures and tables of its own.
fn auto_threads() -> u32 {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    u32::try_from(processors.min(MAX_AUTO_THREADS)).unwrap_or(1)
}

/// An open decoder.
pub struct Decoder {
    opened: decoder::Opened,
    kind: &'static str,
    time_base: Rational,
    frame_rate: Rational,
    last: Option<Timed>,
    packets: u64,
    frames: u64,
    damaged: u64,
    /// Whether it was flushed and has had no keyframe since: what comes before one is not whole.
    awaits_key: bool,
    watch: Watch,
    replaced: Replaced,
}

/// Time and duration of a frame.
#[derive(Clone, Copy)]
struct Timed {
    time: i64,
    duration: i64,
}

impl Decoder {
    /// Opens one for `track` with that many threads (0: one for each processor).
    pub fn open(track: &Track, threads: u32) -> Result<Self, MediaError> {
        let parameters = (*track.parameters).clone();
        let kind = if parameters.medium() == media::Type::Video { "video" } else { "audio" };
        let unsupported = || MediaError::UnsupportedCodec { kind, codec: track.codec.clone() };
        let preferred = track.decoder.and_then(decoder::find_by_name);
        let codec = preferred.or_else(|| decoder::find(parameters.id())).ok_or_else(unsupported)?;
        let mut decoder = Context::from_parameters(parameters)
            .map_err(|source| MediaError::Libav { doing: "set up a decoder", source })?
            .decoder();
        decoder.set_packet_time_base(track.time_base);
        let mut options = Dictionary::new();
        options.set("threads", &if threads == 0 { auto_threads() } else { threads }.to_string());
        options.set("max_pixels", MAX_PIXELS);
        let opened = decoder.open_as_with(codec, options).map_err(|error| MediaError::Damaged {
            kind,
            detail: format!("the decoder rejected its headers: {error}"),
        })?;
        Ok(Self {
            opened,
            kind,
            time_base: track.time_base,
            frame_rate: track.frame_rate,
            last: None,
            packets: 0,
            frames: 0,
            damaged: 0,
            awaits_key: false,
            watch: Watch::new(track.start),
            replaced: Replaced::new(track.parameters.id(), track.start),
        })
    }

    /// Decodes until the packets end, or nobody wants more frames.
    pub fn run(mut self, packets: &Inlet<Packet>, mut frames: Outlets<Frame>, talk: &Talk) -> Result<(), Stop> {
        let mut wanted = true;
        while wanted && let Some(packet) = packets.next()? {
            wanted = self.feed(Some(&packet), |frame| frames.send(|| share(frame)))?;
        }
        if wanted {
            self.feed(None, |frame| frames.send(|| share(frame)))?;
            self.judge(talk)?;
        }
        if let Some(change) = self.change() {
            talk.warn(warning::SOURCE_CHANGES, change);
        }
        frames.end();
        Ok(())
    }

    /// What the stream has changed under way, in words.
    pub fn change(&self) -> Option<String> {
        self.replaced.change(self.time_base).or_else(|| self.watch.change(self.time_base))
    }

    /// Feeds a packet, or the end, and hands on what comes out until `take` wants no more; false when it does not.
    pub fn feed(
        &mut self,
        packet: Option<&Packet>,
        mut take: impl FnMut(&Frame) -> Result<bool, MediaError>,
    ) -> Result<bool, MediaError> {
        let fed = match packet {
            Some(packet) if raw::is_encrypted(packet) => return Err(MediaError::Encrypted),
            Some(packet) if self.awaits_key && !packet.is_key() => return Ok(true),
            Some(packet) => {
                self.packets += 1;
                self.awaits_key = false;
                self.replaced.see(packet);
                self.opened.send_packet(packet)
            }
            None => self.opened.send_eof(),
        };
        if fed.is_err() {
            self.damaged += 1;
        }
        loop {
            let mut frame = raw::blank();
            match self.opened.receive_frame(&mut frame) {
                Ok(()) => {}
                Err(Error::Eof | Error::Other { errno: ffmpeg_next::error::EAGAIN }) => return Ok(true),
                // While draining an error is one lost frame; but a decoder that only errs must come to an end.
                Err(_) => {
                    self.damaged += 1;
                    if packet.is_some() || self.damaged > self.packets + 1 {
                        return Ok(true);
                    }
                    continue;
                }
            }
            self.frames += 1;
            self.time(&mut frame);
            self.watch.see(shape(&frame), frame.pts().unwrap_or(0));
            if self.kind == "video" {
                colors::settle(&mut frame);
            }
            if !take(&frame)? {
                return Ok(false);
            }
        }
    }

    /// Forgets everything, to go on elsewhere in the stream.
    pub fn flush(&mut self) {
        self.opened.flush();
        self.last = None;
        self.awaits_key = self.kind == "video";
        self.watch.jump();
    }

    /// Whether anything was decoded; damage along the way is a warning.
    fn judge(&self, talk: &Talk) -> Result<(), MediaError> {
        if self.packets > 0 && self.frames == 0 {
            let detail = format!("none of its {} packets could be decoded", self.packets);
            return Err(MediaError::Damaged { kind: self.kind, detail });
        }
        if self.damaged > 0 {
            let (kind, damaged, packets) = (self.kind, self.damaged, self.packets);
            talk.warn(warning::DAMAGED, format!("{damaged} of {packets} packets of the {kind} could not be decoded"));
        }
        Ok(())
    }

    /// Gives a frame its time: its own, or the end of the last frame.
    fn time(&mut self, frame: &mut Frame) {
        let audio = self.kind == "audio";
        let own = if audio { frame.pts().or(frame.timestamp()) } else { frame.timestamp() };
        // Times that stand still or run back are damage; but audio may overlap, which its filters sort out.
        let own = own.filter(|&own| audio || self.last.is_none_or(|last| own > last.time));
        let time = own.unwrap_or_else(|| self.last.map_or(0, |last| last.time + last.duration));
        self.last = Some(Timed { time, duration: self.duration(frame).max(1) });
        frame.set_pts(Some(time));
    }

    fn duration(&self, frame: &Frame) -> i64 {
        if self.kind == "audio" {
            let (samples, rate) = raw::samples_and_rate(frame);
            return samples.rescale(Rational(1, rate.max(1)), self.time_base);
        }
        let known = raw::duration(frame);
        if known > 0 { known } else { 1.rescale(self.frame_rate.invert(), self.time_base) }
    }
}

fn share(frame: &Frame) -> Result<Frame, MediaError> {
    raw::share(frame).map_err(|source| MediaError::Libav { doing: "share a frame", source })
}
