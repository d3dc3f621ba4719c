//! Follows the headers that come in a stream's packets, to notice where packets that nobody decodes change their pictures or
//! their sound: a picture is decoded only where a header is another one than before, and sound never.
#![expect(unsafe_code, reason = "ffmpeg-next does not wrap filters of bit streams")]

mod sizes;

use std::ptr;

use ffmpeg_next::codec::{Context, Parameters, decoder};
use ffmpeg_next::packet::side_data::Type;
use ffmpeg_next::packet::{Mut, Ref};
use ffmpeg_next::{Dictionary, Packet, Rational, codec, ffi, media};

use super::replaced::Replaced;
use super::watch::Watch;
use crate::libav;
use crate::raw;
use crate::shape::{Shape, shape};
use crate::sound;
use crate::source::MAX_PIXELS;

/// Longest header that is kept, in bytes.
const MAX_HEADER_BYTES: usize = 64 * 1024;

/// Follows one stream.
pub struct Headers {
    parameters: Parameters,
    base: Rational,
    filter: Option<Filter>,
    last: Option<Vec<u8>>,
    /// What is declared of sound whose packets have no headers.
    declared: Option<Shape>,
    watch: Watch,
    replaced: Replaced,
}

impl Headers {
    /// Of a stream with these parameters and times in `base`, of a source that begins at `start`; `None` where it is neither
    /// video nor sound.
    pub fn follow(parameters: &Parameters, base: Rational, start: i64) -> Option<Self> {
        let video = parameters.medium() == media::Type::Video;
        (video || parameters.medium() == media::Type::Audio).then(|| Self {
            // Where parts have their lengths in front of them, it finds nothing and complains.
            filter: video
                .then(|| Filter::new(parameters))
                .flatten()
                .filter(|_| libav::extradata(raw::parameters(parameters)).first() != Some(&1)),
            parameters: parameters.clone(),
            base,
            last: None,
            declared: sound::of_configuration(libav::extradata(raw::parameters(parameters)))
                .filter(|_| parameters.id() == codec::Id::AAC),
            watch: Watch::new(start),
            replaced: Replaced::new(parameters.id(), start),
        })
    }

    /// Takes notice of a packet.
    pub fn see(&mut self, packet: &Packet) {
        if self.parameters.medium() == media::Type::Audio {
            return self.hear(packet);
        }
        if !packet.is_key() {
            return;
        }
        let own = new_header(packet);
        let sets = || parameter_sets(&self.parameters, packet);
        let sizes = || sizes::header(self.parameters.id(), packet.data()?);
        let header = own.or_else(sets).or_else(sizes).or_else(|| self.filter.as_mut()?.header(packet));
        // The first picture is the one that others differ from.
        let first = self.last.is_none();
        let Some(header) = header.or_else(|| first.then(Vec::new)) else { return };
        if self.last.as_ref() == Some(&header) {
            return;
        }
        self.last = Some(header);
        self.decode(packet);
    }

    /// What the stream has changed under way, in words.
    pub fn change(&self) -> Option<String> {
        self.replaced.change(self.base).or_else(|| self.watch.change(self.base))
    }

    /// The same of a change that has only just begun.
    pub fn begun(&self) -> Option<String> {
        self.replaced.change(self.base).or_else(|| self.watch.begun(self.base))
    }

    /// Whether nothing plays what comes after a change where packets are stored without their own headers: players know
    /// the channels of AAC from the start.
    pub fn breaks(&self) -> bool {
        self.parameters.id() == codec::Id::AAC && self.watch.changes_channels()
    }

    /// Whether the rest of the stream is of another codec than the container will say.
    pub fn is_replaced(&self) -> bool {
        self.replaced.is_there()
    }

    /// Takes notice of a packet of sound.
    fn hear(&mut self, packet: &Packet) {
        self.replaced.see(packet);
        let codec = self.parameters.id();
        if codec == codec::Id::AAC
            && let Some(header) = new_header(packet)
        {
            self.declared = sound::of_configuration(&header);
        }
        if let Some(shape) = packet.data().and_then(|data| sound::of_packet(codec, data)).or(self.declared) {
            self.watch.see(shape, packet.pts().or(packet.dts()).unwrap_or_default());
        }
    }

    /// Decodes one picture. What does not decode says nothing.
    fn decode(&mut self, packet: &Packet) {
        let Some(codec) = decoder::find(self.parameters.id()) else { return };
        let Ok(context) = Context::from_parameters(self.parameters.clone()) else { return };
        let mut options = Dictionary::new();
        options.set("threads", "1");
        options.set("max_pixels", MAX_PIXELS);
        let Ok(mut decoder) = context.decoder().open_as_with(codec, options) else { return };
        let fed = decoder.send_packet(packet).and_then(|()| decoder.send_eof());
        let mut frame = raw::blank();
        if fed.is_ok() && decoder.receive_frame(&mut frame).is_ok() {
            self.watch.see(shape(&frame), packet.pts().or(packet.dts()).unwrap_or(0));
        }
    }
}

/// The header that a demuxer found beside a packet.
fn new_header(packet: &Packet) -> Option<Vec<u8>> {
    packet.side_data().find(|data| data.kind() == Type::NewExtraData).map(|data| data.data().to_vec())
}

/// Parameter sets of H.264 and H.265 in a packet whose parts have their lengths in front of them, as files store them.
fn parameter_sets(parameters: &Parameters, packet: &Packet) -> Option<Vec<u8>> {
    let stored = libav::extradata(raw::parameters(parameters));
    let (place, is_set): (usize, fn(u8) -> bool) = match parameters.id() {
        codec::Id::H264 => (4, |first| first & 0x1F == 7),
        codec::Id::HEVC => (21, |first| first >> 1 & 0x3F == 33),
        _ => return None,
    };
    let length_bytes = usize::from(stored.get(place).filter(|_| stored.first() == Some(&1))? & 3) + 1;
    let mut rest = packet.data()?;
    let mut sets = Vec::new();
    while let Some((length, after)) = rest.split_at_checked(length_bytes) {
        let length = length.iter().fold(0, |length, &byte| length << 8 | usize::from(byte));
        let Some((part, after)) = after.split_at_checked(length) else { break };
        if part.first().is_some_and(|&first| is_set(first)) && sets.len() < MAX_HEADER_BYTES {
            sets.extend(part);
        }
        rest = after;
    }
    (!sets.is_empty()).then_some(sets)
}

/// libav's filter that finds headers in packets.
struct Filter(*mut ffi::AVBSFContext);

// SAFETY: the context is owned by one `Filter`, and has no ties to the thread that made it.
unsafe impl Send for Filter {}

impl Filter {
    /// For a codec; `None` where the filter knows nothing of it.
    fn new(parameters: &Parameters) -> Option<Self> {
        // SAFETY: a look-up in a static table; the context is freed with the filter, also where setting it up fails.
        unsafe {
            let found = ffi::av_bsf_get_by_name(c"extract_extradata".as_ptr());
            let mut context = ptr::null_mut();
            if found.is_null() || ffi::av_bsf_alloc(found, &raw mut context) < 0 {
                return None;
            }
            let filter = Self(context);
            let copied = ffi::avcodec_parameters_copy((*context).par_in, parameters.as_ptr());
            (copied >= 0 && ffi::av_bsf_init(context) >= 0).then_some(filter)
        }
    }

    /// The header that a packet carries.
    fn header(&mut self, packet: &Packet) -> Option<Vec<u8>> {
        let mut copy = raw::share_packet(packet);
        // SAFETY: the context is initialised; a packet that it takes is left empty, and one that it gives replaces that.
        // Side data live as long as their packet, and are copied.
        unsafe {
            if ffi::av_bsf_send_packet(self.0, copy.as_mut_ptr()) < 0 {
                return None;
            }
            let mut header = None;
            while ffi::av_bsf_receive_packet(self.0, copy.as_mut_ptr()) >= 0 {
                let mut size = 0;
                let kind = ffi::AVPacketSideDataType::AV_PKT_DATA_NEW_EXTRADATA;
                let data = ffi::av_packet_get_side_data(copy.as_ptr(), kind, &raw mut size);
                if !data.is_null() {
                    header = Some(std::slice::from_raw_parts(data, size.min(MAX_HEADER_BYTES)).to_vec());
                }
                ffi::av_packet_unref(copy.as_mut_ptr());
            }
            header
        }
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        // SAFETY: the context is ours, and this is its end.
        unsafe { ffi::av_bsf_free(&raw mut self.0) };
    }
}
