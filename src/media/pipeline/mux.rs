//! Writing one output: packets of several streams become one file.
//!
//! **Invariant**: the header is written once every stream has said what it is (or that it never will); until then
//! packets are held, up to a limit. Packets come out in order of decoding time within their stream. A stream that goes
//! away without an end makes the output fail.

use std::fs::File;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use ffmpeg_next::codec::{self, Parameters};
use ffmpeg_next::format::context::{Output as Muxer, StreamIo};
use ffmpeg_next::format::stream::Disposition;
use ffmpeg_next::{Dictionary, Error, Packet, Rational, Rescale, encoder, format, rescale};

use super::container::Format;
use super::encode::Fed;
use super::flow::Stop;
use super::progress::Position;
use super::window::Window;
use crate::error::{MediaError, warning};
use crate::geometry::Pixels;
use crate::raw::{self, SideData};
use crate::talk::Talk;
use crate::{language, libav};

/// Packets that may wait for the muxer.
const DEPTH: usize = 64;

/// Bytes held while a stream has not said what it is; beyond it is left out.
const MAX_HELD_BYTES: usize = 256 << 20;

/// Write buffer, in bytes.
const BUFFER_BYTES: usize = 256 * 1024;

/// `hvc1`: the tag under which players of Apple's know HEVC.
const HVC1: u32 = u32::from_le_bytes(*b"hvc1");

/// What a stream of an output is.
#[derive(Clone)]
pub struct Spec {
    /// Codec and its parameters.
    pub parameters: Parameters,
    /// Unit of its packets' times.
    pub time_base: Rational,
    /// What packets that are taken as they are need beside them.
    pub side_data: Vec<SideData>,
    /// Frames per second, for video whose frames come evenly.
    pub frame_rate: Option<Rational>,
    /// Pixels, for encoded video.
    pub size: Option<Pixels>,
    /// Language.
    pub language: Option<String>,
    /// Title.
    pub title: Option<String>,
    /// Whether players choose it by default, or force it.
    pub disposition: Disposition,
}

/// A chapter to write; times in microseconds of output time.
pub struct Chapter {
    /// Start; below zero where the output begins in the middle of it.
    pub start_us: i64,
    /// End.
    pub end_us: i64,
    /// Title.
    pub title: String,
}

enum Event {
    Ready(usize, Box<Spec>),
    Packet(usize, Packet),
    Fed(usize, Fed),
    End(usize),
    Broken,
}

/// Input of the muxer for one stream; of several muxers, if their outputs share the stream.
pub struct Port {
    /// Streams, and the muxers that they are in.
    to: Vec<(usize, SyncSender<Event>)>,
    ended: bool,
}

impl Port {
    /// Joins both: the stream goes to the muxers of both.
    #[must_use]
    pub fn and(mut self, mut other: Self) -> Self {
        self.to.append(&mut other.to);
        self
    }

    /// Says what the stream is; comes before its packets.
    pub fn ready(&self, spec: &Spec) -> Result<(), Stop> {
        self.send(|stream| Event::Ready(stream, Box::new(spec.clone())))
    }

    /// Hands a packet on.
    pub fn packet(&self, packet: &Packet) -> Result<(), Stop> {
        self.send(|stream| Event::Packet(stream, raw::share_packet(packet)))
    }

    /// Says what the one packet of the stream was made of.
    pub fn fed(&self, fed: Fed) -> Result<(), Stop> {
        self.send(|stream| Event::Fed(stream, fed))
    }

    /// There are no more packets; a stream that never was ready is left out.
    pub fn end(mut self) -> Result<(), Stop> {
        self.ended = true;
        self.send(Event::End)
    }

    /// Tells every muxer that is still there; fails where none is.
    fn send(&self, event: impl Fn(usize) -> Event) -> Result<(), Stop> {
        let mut heard = false;
        for (stream, muxer) in &self.to {
            heard |= muxer.send(event(*stream)).is_ok();
        }
        if heard { Ok(()) } else { Err(Stop::Upstream) }
    }
}

/// The ports of equal streams of several outputs, with the voices of these, while they connect.
#[derive(Clone, Default)]
pub struct Ports<'a>(Arc<Mutex<Vec<(Port, &'a Talk)>>>);

impl<'a> Ports<'a> {
    /// One more output has this stream.
    pub fn add(&self, port: Port, talk: &'a Talk) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push((port, talk));
    }

    /// The port of all of them, and their voices; once, as nobody connects after that.
    #[must_use]
    pub fn take(&self) -> Option<(Port, Vec<&'a Talk>)> {
        let all = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let (ports, talks): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        ports.into_iter().reduce(Port::and).map(|port| (port, talks))
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        for (_, muxer) in self.to.iter().filter(|_| !self.ended) {
            // Where the muxer is gone too, it needs no telling.
            let _gone = muxer.send(Event::Broken);
        }
    }
}

/// The ports of an output with that many streams, and where their packets come out.
#[must_use]
pub fn ports(streams: usize) -> (Vec<Port>, Mailbox) {
    let (events, receiver) = sync_channel(DEPTH);
    let ports = (0..streams).map(|stream| Port { to: vec![(stream, events.clone())], ended: false }).collect();
    (ports, Mailbox(receiver))
}

/// Where the packets of an output come out.
pub struct Mailbox(Receiver<Event>);

impl Mailbox {
    /// Takes what comes and keeps nothing, until the one stream has ended.
    pub fn discard(&self) -> Result<(), Stop> {
        loop {
            match self.0.recv().map_err(|_| Stop::Upstream)? {
                Event::End(_) => return Ok(()),
                Event::Broken => return Err(Stop::Upstream),
                Event::Ready(..) | Event::Packet(..) | Event::Fed(..) => {}
            }
        }
    }
}

/// What one stream of a finished file got.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// Whether it is in the file.
    pub written: bool,
    /// Packets.
    pub packets: u64,
    /// Bytes of payload.
    pub bytes: u64,
    /// Packets that are not to be shown.
    pub hidden: u64,
    /// First and last moment shown, in microseconds of output time.
    pub span_us: Option<(i64, i64)>,
    /// Pixels, for video.
    pub size: Option<Pixels>,
}

/// A file to write.
pub struct Muxing<'a> {
    /// Where to.
    pub path: PathBuf,
    /// Its name in scratch.
    pub file: &'a str,
    /// Its format.
    pub format: &'a Format,
    /// Part of the source that goes into it.
    pub window: Window,
    /// Container metadata.
    pub tags: Vec<(String, String)>,
    /// Chapters.
    pub chapters: Vec<Chapter>,
    /// Whether the first stream may begin before zero and is shown from there on, so that chapters move with it.
    pub shows_lead: bool,
    /// How far it is.
    pub position: &'a Position,
    /// For warnings.
    pub talk: &'a Talk,
}

/// A stream on its way into the file.
#[derive(Default)]
struct Lane {
    spec: Option<Box<Spec>>,
    ended: bool,
    /// Index and time base in the file, once the header is written.
    place: Option<(usize, Rational)>,
    last_dts: Option<i64>,
    /// Duration of the last packet, in the file's time base.
    last_duration: Option<i64>,
    totals: Totals,
}

impl Lane {
    /// What was written counts as what it was made of.
    fn was_fed(&mut self, fed: Fed) {
        let base = self.spec.as_ref().map_or(rescale::TIME_BASE, |spec| spec.time_base);
        let us = |time: i64| time.rescale(base, rescale::TIME_BASE);
        self.totals.packets = fed.frames;
        self.totals.span_us = fed.span.map(|(start, end)| (us(start), us(end)));
    }
}

impl Muxing<'_> {
    /// Writes the file until every stream has ended.
    pub fn run(self, streams: usize, mailbox: &Mailbox) -> Result<Vec<Totals>, Stop> {
        let mut lanes: Vec<Lane> = (0..streams).map(|_| Lane::default()).collect();
        let mut muxer: Option<Muxer> = None;
        let mut held: Vec<(usize, Packet)> = Vec::new();
        let mut held_bytes = 0;
        while lanes.iter().any(|lane| !lane.ended) {
            if self.position.is_stopped() {
                return Err(Stop::Unwanted);
            }
            match mailbox.0.recv().map_err(|_| Stop::Upstream)? {
                Event::Broken => return Err(Stop::Upstream),
                Event::Ready(stream, spec) => lanes[stream].spec = Some(spec),
                Event::End(stream) => lanes[stream].ended = true,
                Event::Fed(stream, fed) => lanes[stream].was_fed(fed),
                Event::Packet(stream, packet) => {
                    if let Some(muxer) = &mut muxer {
                        self.write(muxer, &mut lanes[stream], packet)?;
                        continue;
                    }
                    held_bytes += packet.size();
                    held.push((stream, packet));
                }
            }
            let begun = |stream: usize| lanes[stream].ended || held.iter().any(|(of, _)| *of == stream);
            let any = lanes.iter().any(|lane| lane.spec.is_some());
            let known =
                any && lanes.iter().all(|lane| lane.spec.is_some() || lane.ended) && (!self.shows_lead || begun(0));
            if muxer.is_none() && (known || held_bytes > MAX_HELD_BYTES) {
                let lead_us = self.lead_us(&lanes, &held);
                let mut opened = self.open(&mut lanes, lead_us)?;
                for (stream, packet) in held.drain(..) {
                    self.write(&mut opened, &mut lanes[stream], packet)?;
                }
                muxer = Some(opened);
            }
        }
        let mut muxer = muxer.ok_or_else(|| self.window.nothing("media"))?;
        if let Some(hundredths) =
            lanes.first().and_then(|lane| lane.last_duration).filter(|_| self.format.muxer == "gif")
        {
            raw::set_final_delay(&mut muxer, hundredths);
        }
        muxer.write_trailer().map_err(|e| self.failed(e))?;
        if lanes.iter().all(|lane| lane.totals.packets == 0) {
            return Err(self.window.nothing("media").into());
        }
        Ok(lanes.into_iter().map(|lane| lane.totals).collect())
    }

    /// How long before zero the file begins, in microseconds, where that is shown.
    fn lead_us(&self, lanes: &[Lane], held: &[(usize, Packet)]) -> i64 {
        let first = held.iter().find(|(stream, _)| *stream == 0).filter(|_| self.shows_lead);
        let spec = lanes.first().and_then(|lane| lane.spec.as_ref());
        let start = first.and_then(|(_, packet)| packet.pts().or(packet.dts())).zip(spec);
        start.map_or(0, |(time, spec)| time.rescale(spec.time_base, rescale::TIME_BASE).min(0).saturating_neg())
    }

    /// Writes the header of a file that begins `lead_us` before zero.
    fn open(&self, lanes: &mut [Lane], lead_us: i64) -> Result<Muxer, MediaError> {
        if lanes.iter().all(|lane| lane.spec.is_none()) {
            return Err(self.window.nothing("media"));
        }
        let path = self.path.to_str().ok_or_else(|| MediaError::Parameter("scratch has no plain name".into()))?;
        let file =
            File::create(&self.path).map_err(|source| MediaError::Scratch { path: self.path.clone(), source })?;
        let io = StreamIo::from_write_seek_with_capacity(file, BUFFER_BYTES).map_err(|e| self.failed(e))?;
        let mut muxer =
            format::output_to_stream(io, Some(path), Some(self.format.muxer)).map_err(|e| self.failed(e))?;
        for lane in lanes.iter_mut() {
            let Some(spec) = &lane.spec else {
                if !lane.ended {
                    let message = format!("a stream of `{}` was left out: it had no data for too long", self.file);
                    self.talk.warn(warning::STREAM_LEFT_OUT, message);
                }
                continue;
            };
            lane.place = Some((self.add_stream(&mut muxer, spec)?, spec.time_base));
            (lane.totals.written, lane.totals.size) = (true, spec.size);
        }
        muxer.set_metadata(self.tags.iter().cloned().collect());
        for (id, chapter) in (0_i64..).zip(&self.chapters) {
            let (start_us, end_us) = ((chapter.start_us + lead_us).max(0), chapter.end_us + lead_us);
            if end_us > start_us {
                muxer
                    .add_chapter(id, rescale::TIME_BASE, start_us, end_us, &chapter.title)
                    .map_err(|e| self.failed(e))?;
            }
        }
        let options: Dictionary<'_> = self.format.options.iter().copied().collect();
        drop(muxer.write_header_with(options).map_err(|e| self.failed(e))?);
        for lane in lanes.iter_mut() {
            if let Some((index, base)) = &mut lane.place {
                *base = muxer.stream(*index).map_or(*base, |stream| stream.time_base());
            }
        }
        Ok(muxer)
    }

    fn add_stream(&self, muxer: &mut Muxer, spec: &Spec) -> Result<usize, MediaError> {
        let mut parameters = spec.parameters.clone();
        match parameters.id() {
            codec::Id::HEVC if matches!(self.format.muxer, "mp4" | "mov") => raw::set_tag(&mut parameters, HVC1),
            // Its tag says the profile.
            codec::Id::PRORES if self.format.muxer == "mov" => {}
            _ => raw::set_tag(&mut parameters, 0),
        }
        let mut stream = muxer.add_stream(encoder::find(codec::Id::None)).map_err(|e| self.failed(e))?;
        stream.set_parameters(parameters);
        stream.set_time_base(spec.time_base);
        if let Some(rate) = spec.frame_rate {
            stream.set_avg_frame_rate(rate);
        }
        let language = spec.language.as_deref().map(|tag| match self.format.muxer {
            "mov" => language::in_quicktime(tag),
            muxer => language::three_letters(tag, !matches!(muxer, "mp4" | "ipod")),
        });
        let language = language.map(|language| ("language".to_owned(), language));
        let title = spec.title.clone().map(|title| ("title".to_owned(), title));
        stream.set_metadata(language.into_iter().chain(title).collect());
        raw::add_side_data(&mut stream, &spec.side_data);
        raw::set_disposition(&mut stream, spec.disposition);
        Ok(stream.index())
    }

    fn write(&self, muxer: &mut Muxer, lane: &mut Lane, mut packet: Packet) -> Result<(), MediaError> {
        let (Some((index, base)), Some(spec)) = (lane.place, &lane.spec) else { return Ok(()) };
        packet.rescale_ts(spec.time_base, base);
        packet.set_stream(index);
        packet.set_position(-1);
        // Times that stand still or run back make muxers fail; a tick later nobody sees.
        if let (Some(dts), Some(last)) = (packet.dts(), lane.last_dts)
            && dts <= last
        {
            packet.set_dts(Some(last + 1));
            packet.set_pts(packet.pts().map(|pts| pts.max(last + 1)));
        }
        lane.last_dts = packet.dts().or(lane.last_dts);
        lane.last_duration = Some(packet.duration()).filter(|&duration| duration > 0);
        lane.totals.count(&packet, base);
        if let Some((_, end_us)) = lane.totals.span_us {
            self.position.reach(index, end_us);
        }
        packet.write_interleaved(muxer).map_err(|e| self.failed(e))
    }

    fn failed(&self, source: Error) -> MediaError {
        match source {
            Error::Other { errno: ffmpeg_next::error::ENOSPC | ffmpeg_next::error::EFBIG | DISK_QUOTA } => {
                MediaError::ScratchFull
            }
            // What our own encoders make is valid.
            Error::InvalidData => {
                MediaError::Damaged { kind: "stream", detail: "its packets cannot be copied".to_owned() }
            }
            source => MediaError::Mux { file: self.file.to_owned(), source },
        }
    }
}

/// `EDQUOT`, which ffmpeg-next does not name.
const DISK_QUOTA: i32 = 122;

impl Totals {
    fn count(&mut self, packet: &Packet, base: Rational) {
        self.packets += 1;
        self.bytes += packet.size() as u64;
        self.hidden += u64::from(libav::is_discarded(packet));
        let Some(pts) = packet.pts().or(packet.dts()) else { return };
        let start = pts.rescale(base, rescale::TIME_BASE);
        let end = (pts + packet.duration().max(0)).rescale(base, rescale::TIME_BASE);
        let (first, last) = self.span_us.unwrap_or((start, end));
        self.span_us = Some((first.min(start), last.max(end)));
    }
}
