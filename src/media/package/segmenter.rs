//! Segments in memory: fragmented MP4 with its initialisation section, or pieces of a transport stream.
//!
//! **Invariant**: a segment holds exactly the packets between two cuts, with their own times; a piece of a transport
//! stream begins with its tables. All segmenters of a format move times by the same amount, so that tracks that are
//! apart stay in step. What begins late does so by its times of decoding (`tfdt`): libav would say it by an empty edit,
//! which browsers ignore.
#![expect(unsafe_code, reason = "ffmpeg-next does not wrap the flushing of a muxer")]

use std::io::{self, Write};
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

use ffmpeg_next::format::context::{Output as Muxer, StreamIo};
use ffmpeg_next::{Dictionary, Error, Packet, Rational, codec, encoder, ffi, format};

use super::boxes;
use crate::libav;

/// The tag under which Apple's players know HEVC.
const HVC1: u32 = u32::from_le_bytes(*b"hvc1");

/// Fragments where we say, self-contained, with the header held back until the first packets are known (some codecs
/// need them for it, and so do edit lists). With an index in each segment, libav would move the first frame of a segment
/// to where its index says that the one before ends.
const MP4_FLAGS: &str = "frag_custom+dash+skip_sidx+delay_moov+skip_trailer";

/// The brand of CMAF tracks. Its libav flag would also put away with edit lists, for offsets below zero that libav's own
/// reader takes for a delay.
const CMAF_BRAND: &str = "cmfc";

/// How long the clock of a transport stream runs before its first packet is decoded, in microseconds.
const TS_DELAY_US: &str = "700000";

/// Presentation time, on the 90 kHz clock of our transport streams, of what is at zero elsewhere: libav shifts by twice the
/// delay.
pub const TS_ORIGIN: u64 = 126_000;

/// How segments are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Fragmented MP4.
    Mp4,
    /// Fragmented MP4 of one track, as CMAF wants it.
    Cmaf,
    /// MPEG transport stream.
    Ts,
}

/// A stream that goes into segments.
pub struct Stream {
    /// Its codec.
    pub parameters: codec::Parameters,
    /// The clock of its packets.
    pub time_base: Rational,
    /// Its language.
    pub language: Option<String>,
}

/// Writes segments.
pub struct Segmenter {
    form: Form,
    muxer: Muxer,
    written: Written,
    time_bases: Vec<Rational>,
    /// By how much streams begin later than zero, on the muxer's clocks, as far as they have begun.
    delays: Vec<Option<i64>>,
    /// Decoding times of the last packets, on the muxer's clocks.
    last: Vec<Option<i64>>,
}

impl Segmenter {
    /// For these streams.
    pub fn new(form: Form, streams: Vec<Stream>) -> Result<Self, Error> {
        let written = Written::default();
        let name = if form == Form::Ts { "mpegts" } else { "mp4" };
        let mut muxer = format::output_to_stream(StreamIo::from_write(written.clone())?, None, Some(name))?;
        let mut time_bases = Vec::new();
        for Stream { mut parameters, time_base, language } in streams {
            let tag = if parameters.id() == codec::Id::HEVC && form != Form::Ts { HVC1 } else { 0 };
            libav::set_tag(&mut parameters, tag);
            let mut stream = muxer.add_stream(encoder::find(codec::Id::None))?;
            stream.set_parameters(parameters);
            stream.set_time_base(time_base);
            if let Some(language) = language.filter(|language| !language.contains('\0')) {
                let mut tags = Dictionary::new();
                tags.set("language", &language);
                stream.set_metadata(tags);
            }
            time_bases.push(time_base);
        }
        muxer.write_header_with(options(form))?;
        // The muxer turns off the filters that rewrite bit streams from transport streams, because a header written ahead
        // could not tell of it. Ours is held back until after them.
        // SAFETY: the context is open, and the flag is read anew with each packet.
        unsafe { (*muxer.as_mut_ptr()).flags |= ffi::AVFMT_FLAG_AUTO_BSF };
        let (delays, last) = (vec![None; time_bases.len()], vec![None; time_bases.len()]);
        Ok(Self { form, muxer, written, time_bases, delays, last })
    }

    /// Adds a packet of a stream, in that stream's time base.
    pub fn write(&mut self, stream: usize, mut packet: Packet) -> Result<(), Error> {
        let from = self.time_bases.get(stream).copied().ok_or(Error::StreamNotFound)?;
        let to = self.muxer.stream(stream).ok_or(Error::StreamNotFound)?.time_base();
        packet.rescale_ts(from, to);
        if self.form != Form::Ts {
            let begins = packet.pts().unwrap_or_default().max(0);
            let delay = *self.delays[stream].get_or_insert(begins);
            packet.set_pts(packet.pts().map(|pts| pts - delay));
            packet.set_dts(packet.dts().map(|dts| dts - delay));
        }
        // Times that are apart may be one on a coarser clock.
        if let (Some(dts), Some(last)) = (packet.dts(), self.last[stream])
            && dts <= last
        {
            packet.set_dts(Some(last + 1));
            packet.set_pts(packet.pts().map(|pts| pts.max(last + 1)));
        }
        self.last[stream] = packet.dts().or(self.last[stream]);
        packet.set_stream(stream);
        packet.set_position(-1);
        packet.write(&mut self.muxer).map(|_| ())
    }

    /// Ends what was begun, and answers with its bytes: with MP4 at the first cut the initialisation section.
    pub fn cut(&mut self) -> Result<Vec<u8>, Error> {
        // SAFETY: the context is open and its header written; a null packet asks for a flush of what is buffered.
        let flushed = unsafe { ffi::av_write_frame(self.muxer.as_mut_ptr(), ptr::null_mut()) };
        if flushed < 0 {
            return Err(Error::from(flushed));
        }
        // SAFETY: the I/O context belongs to the open muxer.
        unsafe { ffi::avio_flush((*self.muxer.as_mut_ptr()).pb) };
        if self.form == Form::Ts {
            // SAFETY: the muxer's private options live as long as it; the strings are terminated.
            let set = unsafe {
                let options = (*self.muxer.as_mut_ptr()).priv_data;
                ffi::av_opt_set(options, c"mpegts_flags".as_ptr(), c"resend_headers".as_ptr(), 0)
            };
            if set < 0 {
                return Err(Error::from(set));
            }
        }
        let mut bytes = std::mem::take(&mut *self.written.0.lock().unwrap_or_else(PoisonError::into_inner));
        if self.delays.iter().any(|delay| delay.is_some_and(|delay| delay > 0)) {
            let delays: Vec<i64> = self.delays.iter().map(|delay| delay.unwrap_or(0)).collect();
            boxes::delay(&mut bytes, &delays);
        }
        Ok(bytes)
    }
}

fn options(form: Form) -> Dictionary<'static> {
    let mut options = Dictionary::new();
    if form == Form::Ts {
        options.set("max_delay", TS_DELAY_US);
        // Each track would be shifted by what it begins below zero with, and leave the step of the others.
        options.set("avoid_negative_ts", "disabled");
        return options;
    }
    options.set("movflags", MP4_FLAGS);
    if form == Form::Cmaf {
        options.set("brand", CMAF_BRAND);
    }
    // FLAC in MP4 counts as experimental in old releases.
    options.set("strict", "experimental");
    options
}

/// Where the muxer writes.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
