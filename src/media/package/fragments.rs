//! Fragmented MP4 in memory: an initialisation section, and one fragment for each cut.
//!
//! **Invariant**: a fragment holds exactly the packets between two cuts, with their own times.
#![expect(unsafe_code, reason = "ffmpeg-next does not wrap the flushing of a muxer")]

use std::io::{self, Write};
use std::ptr;
use std::sync::{Arc, Mutex, PoisonError};

use ffmpeg_next::format::context::{Output as Muxer, StreamIo};
use ffmpeg_next::{Dictionary, Error, Packet, Rational, codec, encoder, ffi, format};

use crate::libav;

/// The tag under which Apple's players know HEVC.
const HVC1: u32 = u32::from_le_bytes(*b"hvc1");

/// Fragments where we say, self-contained, with the header held back until the first packets are known (some codecs
/// need them for it, and so do edit lists).
const FLAGS: &str = "frag_custom+dash+delay_moov+skip_trailer";

/// Writes fragments.
pub struct Fragments {
    muxer: Muxer,
    written: Written,
    time_bases: Vec<Rational>,
}

impl Fragments {
    /// For streams with these parameters and time bases.
    pub fn new(streams: Vec<(codec::Parameters, Rational)>) -> Result<Self, Error> {
        let written = Written::default();
        let mut muxer = format::output_to_stream(StreamIo::from_write(written.clone())?, None, Some("mp4"))?;
        let mut time_bases = Vec::new();
        for (mut parameters, time_base) in streams {
            let tag = if parameters.id() == codec::Id::HEVC { HVC1 } else { 0 };
            libav::set_tag(&mut parameters, tag);
            let mut stream = muxer.add_stream(encoder::find(codec::Id::None))?;
            stream.set_parameters(parameters);
            stream.set_time_base(time_base);
            time_bases.push(time_base);
        }
        let mut options = Dictionary::new();
        options.set("movflags", FLAGS);
        // FLAC in MP4 counts as experimental in old releases.
        options.set("strict", "experimental");
        muxer.write_header_with(options)?;
        // The muxer turns off the filters that rewrite bit streams from transport streams, because a header written ahead
        // could not tell of it. Ours is held back until after them.
        // SAFETY: the context is open, and the flag is read anew with each packet.
        unsafe { (*muxer.as_mut_ptr()).flags |= ffi::AVFMT_FLAG_AUTO_BSF };
        Ok(Self { muxer, written, time_bases })
    }

    /// Adds a packet of a stream, in that stream's time base.
    pub fn write(&mut self, stream: usize, mut packet: Packet) -> Result<(), Error> {
        let from = self.time_bases.get(stream).copied().ok_or(Error::StreamNotFound)?;
        let to = self.muxer.stream(stream).ok_or(Error::StreamNotFound)?.time_base();
        packet.rescale_ts(from, to);
        packet.set_stream(stream);
        packet.set_position(-1);
        packet.write(&mut self.muxer).map(|_| ())
    }

    /// Ends what was begun, and answers with its bytes: at the first cut the initialisation section.
    pub fn cut(&mut self) -> Result<Vec<u8>, Error> {
        // SAFETY: the context is open and its header written; a null packet asks for a flush of what is buffered.
        let flushed = unsafe { ffi::av_write_frame(self.muxer.as_mut_ptr(), ptr::null_mut()) };
        if flushed < 0 {
            return Err(Error::from(flushed));
        }
        // SAFETY: the I/O context belongs to the open muxer.
        unsafe { ffi::avio_flush((*self.muxer.as_mut_ptr()).pb) };
        Ok(std::mem::take(&mut *self.written.0.lock().unwrap_or_else(PoisonError::into_inner)))
    }
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
