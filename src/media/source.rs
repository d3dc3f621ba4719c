//! Opening an input with libav.
//!
//! **Invariant**: no path and no URL is ever opened. Bytes come from a descriptor through our own AVIO context; nested
//! opens (playlists, reference movies, sequences) are refused by callback, and only demuxers that live on one stream
//! of bytes are allowed at all. Probing is bounded in bytes, media time, packets and wall time.
#![expect(unsafe_code, reason = "libav's demuxing context has fields that ffmpeg-next does not wrap")]

mod clocks;
mod stamps;

use std::ffi::{c_char, c_int};
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use ffmpeg_next::ffi;
use ffmpeg_next::format::context::{Input as Demuxer, StreamIo};
use ffmpeg_next::util::interrupt;
use ffmpeg_next::{Dictionary, Error, Packet, Rescale as _, codec, media, rescale};
use reelmill::worker::protocol;

pub use self::clocks::Clocks;
use self::stamps::Stamps;
use crate::bytes::{Bytes, Reader};
use crate::error::MediaError;
use crate::headerless;
use crate::libav;
use crate::timeline::Timeline;

/// Demuxers that may be used, by libav's names. The demuxer of raw AMR without a header is not among them: it
/// takes any bytes for speech.
const DEMUXERS: &str = "mov,matroska,avi,flv,mpegts,mpeg,asf,ogg,mxf,gxf,nut,rm,dv,wtv,ivf,obu,av1,\
    h264,hevc,vvc,m4v,mpegvideo,mjpeg,dnxhd,dirac,vc1,\
    aac,ac3,eac3,ac4,dts,dtshd,truehd,mlp,mp3,flac,wav,w64,aiff,au,caf,amr,ape,wv,tta,tak,loas,voc,oma,\
    gif,apng,png_pipe,jpeg_pipe,jpegls_pipe,j2k_pipe,jpegxl_pipe,webp_pipe,tiff_pipe,bmp_pipe,qoi_pipe";

/// Demuxers of text subtitles in files of their own.
const TEXT_DEMUXERS: &str = "srt,webvtt,ass";

/// Bytes looked at to tell what an input is.
const PROBE_BYTES: &str = "10000000";

/// Media time looked at, in microseconds.
const ANALYZE_US: &str = "10000000";

/// Streams a file may have.
const MAX_STREAMS: &str = "128";

/// Pixels a picture may have: 16384 × 8192.
pub const MAX_PIXELS: &str = "134217728";

/// Wall time that opening may take; a slow network included.
const OPEN_LIMIT: Duration = Duration::from_secs(120);

/// Damaged places in a row that a demuxer may step over.
const MAX_DAMAGED_READS: u32 = 10_000;

/// Wall time that the longer look may take, which is given up beyond it.
const LATE_LIMIT: Duration = Duration::from_secs(30);

/// AVIO buffer, in bytes.
const BUFFER_BYTES: usize = 64 * 1024;

/// The demuxer of AAC without a container: all of its times are counted from the start, so it is read from there.
const COUNTED: &str = "aac";

/// An input that can be opened as often as needed.
#[derive(Clone, Debug)]
pub struct Source {
    bytes: Arc<Bytes>,
    /// Where its clock starts anew, once somebody needed to know; nowhere in most formats.
    clocks: Arc<OnceLock<Clocks>>,
    /// Whether it is what it was taken for, once that was in doubt.
    proven: Arc<OnceLock<bool>>,
    /// Demuxers that may open it.
    demuxers: &'static str,
    /// Whether it must be looked at for longer to learn of all its streams, once that is known.
    late: Arc<OnceLock<bool>>,
    /// Wall time for the longer look.
    late_limit: Duration,
}

/// How far into a file to look for its streams.
#[derive(Clone, Copy)]
struct Depth {
    bytes: &'static str,
    us: &'static str,
}

const USUAL: Depth = Depth { bytes: PROBE_BYTES, us: ANALYZE_US };

/// Where a stream that is declared begins late.
const LATE: Depth = Depth { bytes: "67108864", us: "1800000000" };

impl Source {
    /// Takes over the descriptor that came with `input`.
    #[must_use]
    pub fn new(fd: OwnedFd, input: &protocol::Input) -> Self {
        Self {
            bytes: Arc::new(Bytes::new(fd, input)),
            clocks: Arc::default(),
            proven: Arc::default(),
            demuxers: DEMUXERS,
            late: Arc::default(),
            late_limit: LATE_LIMIT,
        }
    }

    /// Subtitles in UTF-8.
    #[must_use]
    pub fn text(bytes: Arc<[u8]>) -> Self {
        Self {
            bytes: Arc::new(Bytes::in_memory(bytes)),
            clocks: Arc::default(),
            proven: Arc::default(),
            demuxers: TEXT_DEMUXERS,
            late: Arc::default(),
            late_limit: LATE_LIMIT,
        }
    }

    /// All of its bytes, where they are not more than `max`.
    pub fn bytes(&self, max: u64) -> Result<Vec<u8>, MediaError> {
        if self.bytes.size() > max {
            return Err(MediaError::Limit(format!("it has {} bytes; at most {max} are allowed", self.bytes.size())));
        }
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut Reader::new(Arc::clone(&self.bytes)), &mut bytes)
            .map_err(|_| MediaError::SourceUnreadable)?;
        Ok(bytes)
    }

    /// A reader of its bytes, at the start.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(Arc::clone(&self.bytes))
    }

    /// Size in bytes.
    #[must_use]
    pub fn size_bytes(&self) -> u64 {
        self.bytes.size()
    }

    /// Opens it at its start and finds its streams.
    pub fn open(&self) -> Result<Opened, MediaError> {
        self.open_as(self.demuxers)
    }

    fn open_as(&self, demuxers: &str) -> Result<Opened, MediaError> {
        if self.bytes.size() == 0 {
            return Err(MediaError::Empty);
        }
        let opened = self.demuxed(demuxers)?;
        if !headerless::is_doubtful(&opened)? {
            return Ok(opened);
        }
        let proven = if let Some(&proven) = self.proven.get() {
            proven
        } else {
            let proven = headerless::is_media(self.demuxed(demuxers)?)?;
            *self.proven.get_or_init(|| proven)
        };
        if proven { Ok(opened) } else { Err(MediaError::NotMedia(Error::InvalidData)) }
    }

    /// Opens it as what libav takes it for.
    fn demuxed(&self, demuxers: &str) -> Result<Opened, MediaError> {
        let demux = |depth, limit| {
            let io = StreamIo::from_read_seek_with_capacity(Reader::new(Arc::clone(&self.bytes)), BUFFER_BYTES)
                .map_err(|source| MediaError::Libav { doing: "make an I/O context", source })?;
            demux(io, demuxers, depth, limit).map_err(|e| self.blame(e))
        };
        let mut demuxer = demux(if self.late.get() == Some(&true) { LATE } else { USUAL }, OPEN_LIMIT)?;
        // A stream may be declared whose packets begin late: nothing is known of it until they do.
        let unknown = libav::unknown_streams(&demuxer);
        if unknown > 0 && self.late.get().is_none() {
            let longer = match demux(LATE, self.late_limit) {
                Err(MediaError::SourceUnreadable) => return Err(MediaError::SourceUnreadable),
                // What was found at first is good without it.
                longer => longer.ok().filter(|longer| libav::unknown_streams(longer) < unknown),
            };
            if *self.late.get_or_init(|| longer.is_some())
                && let Some(longer) = longer
            {
                demuxer = longer;
            }
        }
        if demuxer.nb_streams() == 0 {
            return Err(self.blame(Error::InvalidData));
        }
        let broadcast = libav::demuxer_name(&demuxer).starts_with("mpeg");
        let timeline = Timeline::new(broadcast);
        Ok(Opened {
            demuxer,
            source: self.clone(),
            damaged_reads: 0,
            broadcast,
            timeline,
            stamps: Stamps::default(),
            wanted: None,
        })
    }

    /// All of its bytes, up to `most`.
    pub fn first_bytes(&self, most: usize) -> Result<Vec<u8>, MediaError> {
        let most = most.min(usize::try_from(self.bytes.size()).unwrap_or(usize::MAX));
        let mut bytes = Vec::new();
        let mut reader = Reader::new(Arc::clone(&self.bytes)).take(most as u64);
        reader.read_to_end(&mut bytes).map_err(|_| MediaError::SourceUnreadable)?;
        Ok(bytes)
    }

    /// Where the clock of the source starts anew; found out once.
    pub fn clocks(&self) -> Result<&Clocks, MediaError> {
        if let Some(found) = self.clocks.get() {
            return Ok(found);
        }
        let found = Clocks::find(self)?;
        Ok(self.clocks.get_or_init(|| found))
    }

    fn blame(&self, error: Error) -> MediaError {
        if self.bytes.failed() {
            return MediaError::SourceUnreadable;
        }
        match error {
            Error::Exit => MediaError::Limit(format!("opening it took longer than {} s", OPEN_LIMIT.as_secs())),
            Error::Other { errno: ffmpeg_next::error::ENOMEM } => MediaError::Limit("it needs too much memory".into()),
            other => MediaError::NotMedia(other),
        }
    }
}

/// An opened input: a demuxer whose streams are known.
pub struct Opened {
    demuxer: Demuxer,
    source: Source,
    damaged_reads: u32,
    /// Whether the clock of its format may start anew.
    broadcast: bool,
    timeline: Timeline,
    stamps: Stamps,
    /// Streams whose packets are handed over, where that is not all.
    wanted: Option<Vec<usize>>,
}

impl Opened {
    /// The demuxer.
    #[must_use]
    pub const fn demuxer(&self) -> &Demuxer {
        &self.demuxer
    }

    /// The demuxer, to change it.
    pub const fn demuxer_mut(&mut self) -> &mut Demuxer {
        &mut self.demuxer
    }

    /// What it was opened from.
    #[must_use]
    pub const fn source(&self) -> &Source {
        &self.source
    }

    /// Whether the clock of its format may start anew.
    #[must_use]
    pub const fn is_broadcast(&self) -> bool {
        self.broadcast
    }

    /// The clocks of what was read so far.
    #[must_use]
    pub const fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    /// Leaves out the packets of every stream but these. Where clocks may start anew all are still read, so that every
    /// reader finds the same timeline.
    pub fn read_only(&mut self, streams: &[usize]) {
        if !self.broadcast {
            libav::read_only(&mut self.demuxer, streams);
        }
        self.wanted = Some(streams.to_vec());
    }

    /// Reads the next packet of any stream that is wanted into `packet`, with its times on one timeline; false at the end.
    /// Damaged places are stepped over.
    pub fn read(&mut self, packet: &mut Packet) -> Result<bool, MediaError> {
        while self.read_raw(packet)? {
            self.join(packet);
            if self.wanted.as_ref().is_none_or(|wanted| wanted.contains(&packet.stream())) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Moves a packet onto the clock that the source started with.
    fn join(&mut self, packet: &mut Packet) {
        let Some(stream) = self.demuxer.stream(packet.stream()) else { return };
        let base = stream.time_base();
        if stream.parameters().id() == codec::Id::AAC {
            self.stamps.settle(packet, base);
        }
        let Some(time) = packet.dts().or(packet.pts()) else { return };
        let microseconds = |ticks: i64| ticks.rescale(base, rescale::TIME_BASE);
        let offset = match stream.parameters().medium() {
            media::Type::Video | media::Type::Audio => {
                self.timeline.offset(packet.stream(), microseconds(time), microseconds(packet.duration().max(0)))
            }
            // Subtitles pause as they like: they follow.
            _ => self.timeline.newest(),
        };
        if offset != 0 {
            let ticks = offset.rescale(rescale::TIME_BASE, base);
            packet.set_pts(packet.pts().map(|time| time.saturating_add(ticks)));
            packet.set_dts(packet.dts().map(|time| time.saturating_add(ticks)));
        }
    }

    /// Reads the next packet of any stream as it is.
    fn read_raw(&mut self, packet: &mut Packet) -> Result<bool, MediaError> {
        loop {
            unref(packet);
            match packet.read(&mut self.demuxer) {
                Ok(()) => {
                    self.damaged_reads = 0;
                    return Ok(true);
                }
                Err(_) if self.source.bytes.failed() => return Err(MediaError::SourceUnreadable),
                Err(Error::InvalidData | Error::Other { errno: ffmpeg_next::error::EAGAIN })
                    if self.damaged_reads < MAX_DAMAGED_READS =>
                {
                    self.damaged_reads += 1;
                }
                // Whatever else a demuxer says (a file cut short, for one) nothing comes after it.
                Err(_) => return Ok(false),
            }
        }
    }

    /// Goes to the last keyframe at or before `position_us`, microseconds on the clock that the source started with. Where
    /// the clock starts anew on the way: to a place before it that may be no keyframe.
    pub fn seek(&mut self, position_us: i64) -> Result<(), MediaError> {
        if libav::demuxer_name(&self.demuxer) == COUNTED {
            return Err(MediaError::Libav {
                doing: "seek",
                source: Error::Other { errno: ffmpeg_next::error::ENOSYS },
            });
        }
        self.damaged_reads = 0;
        self.stamps.elsewhere();
        if self.broadcast
            && let Some(place) = self.source.clocks()?.place(position_us)
        {
            return self.seek_byte(place.byte, place.timeline.clone());
        }
        self.timeline = Timeline::new(self.broadcast);
        self.demuxer.seek(position_us, ..position_us).map_err(|source| {
            if self.source.bytes.failed() {
                MediaError::SourceUnreadable
            } else {
                MediaError::Libav { doing: "seek", source }
            }
        })
    }
}

impl Opened {
    /// Goes to the start, which is at `start_us`.
    pub fn rewind(&mut self, start_us: i64) -> Result<(), MediaError> {
        // A seek by time lands behind the first keyframe in formats without an index.
        if self.broadcast { self.seek_byte(0, Timeline::new(true)) } else { self.seek(start_us) }
    }

    /// Goes to a byte of the file, where the clocks are those of `timeline`.
    pub fn seek_byte(&mut self, byte: i64, timeline: Timeline) -> Result<(), MediaError> {
        self.damaged_reads = 0;
        self.stamps.elsewhere();
        self.timeline = timeline;
        // SAFETY: the context is open.
        let sought = unsafe { ffi::av_seek_frame(self.demuxer.as_mut_ptr(), -1, byte, ffi::AVSEEK_FLAG_BYTE) };
        if sought >= 0 {
            return Ok(());
        }
        Err(if self.source.bytes.failed() {
            MediaError::SourceUnreadable
        } else {
            MediaError::Libav { doing: "seek", source: Error::from(sought) }
        })
    }
}

fn unref(packet: &mut Packet) {
    use ffmpeg_next::packet::Mut;
    // SAFETY: a packet of ffmpeg-next is always initialised; unref leaves it empty and valid.
    unsafe { ffi::av_packet_unref(packet.as_mut_ptr()) };
}

fn demux(mut io: StreamIo, demuxers: &str, depth: Depth, limit: Duration) -> Result<Demuxer, Error> {
    let opening = Arc::new(AtomicBool::new(true));
    let deadline = Instant::now() + limit;
    let watched = Arc::clone(&opening);
    let limit = interrupt::new(Box::new(move || watched.load(Ordering::Relaxed) && Instant::now() > deadline));

    let mut options = Dictionary::new();
    options.set("format_whitelist", demuxers);
    options.set("protocol_whitelist", "none");
    options.set("probesize", depth.bytes);
    options.set("analyzeduration", depth.us);
    options.set("max_streams", MAX_STREAMS);

    // SAFETY: the context is ours until it is wrapped; on failure avformat_open_input frees it and nulls the pointer,
    // and its I/O context, marked as custom, stays with `io`. The callbacks outlive it: one is a function, the other is
    // kept by the wrapper.
    let demuxer = unsafe {
        let mut context = ffi::avformat_alloc_context();
        if context.is_null() {
            return Err(Error::Other { errno: ffmpeg_next::error::ENOMEM });
        }
        (*context).pb = io.as_mut_ptr();
        (*context).flags |= ffi::AVFMT_FLAG_CUSTOM_IO;
        (*context).interrupt_callback = limit.interrupt;
        (*context).io_open = Some(refuse_open);
        let mut raw_options = options.disown();
        let opened = ffi::avformat_open_input(&raw mut context, ptr::null(), ptr::null_mut(), &raw mut raw_options);
        drop(Dictionary::own(raw_options));
        if opened < 0 {
            return Err(Error::from(opened));
        }
        Demuxer::wrap_with_custom_io_and_interrupt(context, io, limit.guard)
    };
    let demuxer = find_streams(demuxer)?;
    opening.store(false, Ordering::Relaxed);
    Ok(demuxer)
}

/// Reads the first packets to learn what the headers do not say.
fn find_streams(mut demuxer: Demuxer) -> Result<Demuxer, Error> {
    let mut options: Vec<*mut ffi::AVDictionary> = Vec::new();
    for _ in 0..demuxer.nb_streams() {
        let mut limits = Dictionary::new();
        limits.set("max_pixels", MAX_PIXELS);
        // SAFETY: ownership of the dictionary moves into `options`, which frees it below.
        options.push(unsafe { limits.disown() });
    }
    // SAFETY: one dictionary for each stream there is at the call, as the function wants; each is freed once.
    let found = unsafe {
        let found = ffi::avformat_find_stream_info(demuxer.as_mut_ptr(), options.as_mut_ptr());
        for dictionary in options {
            drop(Dictionary::own(dictionary));
        }
        found
    };
    if found < 0 { Err(Error::from(found)) } else { Ok(demuxer) }
}

/// The `io_open` callback: nothing but what was given is ever opened.
unsafe extern "C" fn refuse_open(
    _context: *mut ffi::AVFormatContext,
    _io: *mut *mut ffi::AVIOContext,
    _url: *const c_char,
    _flags: c_int,
    _options: *mut *mut ffi::AVDictionary,
) -> c_int {
    ffi::AVERROR(ffi::EPERM)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{generate, source_of};
    use reelmill::model::Coded;

    #[test]
    fn a_clip_is_opened_read_and_rewound() {
        let clip = generate(&["-f", "lavfi", "-i", "testsrc2=d=1:r=10:s=64x64", "-c:v", "libx264"], "clip.mp4");
        let mut opened = source_of(&clip).open().unwrap();
        assert_eq!(opened.demuxer().nb_streams(), 1);
        let mut packet = Packet::empty();
        let mut packets = 0;
        while opened.read(&mut packet).unwrap() {
            packets += 1;
        }
        assert_eq!(packets, 10);
        opened.seek(0).unwrap();
        assert!(opened.read(&mut packet).unwrap());
    }

    #[test]
    fn playlists_and_scripts_are_not_media() {
        let folder = tempfile::tempdir().unwrap();
        let clip = generate(&["-f", "lavfi", "-i", "sine=d=1"], "clip.wav");
        for (name, text) in [
            ("a.m3u8", format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n", clip.display())),
            ("a.ffconcat", format!("ffconcat version 1.0\nfile '{}'\n", clip.display())),
            (
                "a.sdp",
                "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 5004 RTP/AVP 96\n".into(),
            ),
        ] {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            let error = source_of(&path).open().map(|_| ()).unwrap_err();
            assert_eq!(error.code(), "MEDIA0001", "{name}: {error}");
        }
    }

    #[test]
    fn field_fault_a_longer_look_that_fails_leaves_what_was_found_at_first() {
        // A transport stream that declares sound, of which nothing comes.
        let picture = ["-f", "lavfi", "-i", "testsrc2=d=8:r=10:s=64x64"];
        let late = ["-itsoffset", "6", "-f", "lavfi", "-i", "sine=d=2", "-map", "0:v", "-map", "1:a"];
        let rest = ["-c:v", "libx264", "-c:a", "aac", "-muxdelay", "0", "-f", "mpegts"];
        let clip = generate(&[&picture[..], &late, &rest].concat(), "late.ts");
        let bytes = std::fs::read(&*clip).unwrap();
        std::fs::write(&*clip, &bytes[..bytes.len() / 3 / 188 * 188]).unwrap();
        let unhurried = source_of(&clip);
        assert_eq!(libav::unknown_streams(unhurried.open().unwrap().demuxer()), 1);

        let hurried = Source { late_limit: Duration::ZERO, ..source_of(&clip) };
        for _ in 0..2 {
            let mut opened = hurried.open().unwrap();
            assert_eq!(opened.demuxer().nb_streams(), 2);
            assert!(opened.read(&mut Packet::empty()).unwrap());
        }
        assert_eq!(hurried.late.get(), Some(&false), "it is not tried again");
    }

    #[test]
    fn an_empty_file_says_so() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert_eq!(source_of(file.path()).open().map(|_| ()).unwrap_err().code(), "MEDIA0002");
    }
}
