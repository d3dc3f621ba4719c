//! Calls into libav that ffmpeg-next does not wrap, made safe.
//!
//! **Invariant**: each function upholds libav's rules for whatever it is given; nothing raw leaves this file.
//! Deliberately absent: facts that are only read (`libav`) and demuxing (`source`).
#![expect(unsafe_code, reason = "ffmpeg-next wraps neither sharing of frames nor several properties of encoders")]

use std::ffi::CString;

use ffmpeg_next::{Codec, Error, Frame, Packet, Rational, codec, ffi, filter, format, frame};

/// A second handle to the same frame: its data is shared, its properties are its own.
pub fn share(frame: &Frame) -> Result<Frame, Error> {
    // SAFETY: both frames are allocated, and the new one is blank, as av_frame_ref wants.
    unsafe {
        let mut shared = Frame::empty();
        match ffi::av_frame_ref(shared.as_mut_ptr(), frame.as_ptr()) {
            e if e < 0 => Err(Error::from(e)),
            _ => Ok(shared),
        }
    }
}

/// A frame without data, to receive one.
#[must_use]
pub fn blank() -> Frame {
    // SAFETY: an allocated blank frame is what every receiving function takes.
    unsafe { Frame::empty() }
}

/// A packet that shares the data of another.
#[must_use]
pub fn share_packet(packet: &Packet) -> Packet {
    use ffmpeg_next::packet::{Mut, Ref};
    let mut shared = Packet::empty();
    // SAFETY: both packets are initialised, and the new one is blank. Without memory it stays blank.
    unsafe { ffi::av_packet_ref(shared.as_mut_ptr(), packet.as_ptr()) };
    shared
}

/// A packet like another, with `data` instead of its own.
#[must_use]
pub fn with_data(packet: &Packet, data: &[u8]) -> Packet {
    use ffmpeg_next::packet::{Mut, Ref};
    let mut changed = Packet::copy(data);
    // SAFETY: both packets are initialised; libav copies times and side data, and leaves the payload alone.
    unsafe { ffi::av_packet_copy_props(changed.as_mut_ptr(), packet.as_ptr()) };
    changed
}

/// Whether a packet's payload is encrypted.
#[must_use]
pub fn is_encrypted(packet: &Packet) -> bool {
    packet.side_data().any(|data| data.kind() == ffmpeg_next::packet::side_data::Type::EncryptionInfo)
}

/// Duration that a decoder or filter gave a frame, in the frame's time base; zero where it is not known.
#[must_use]
pub fn duration(frame: &Frame) -> i64 {
    frame.packet().duration.max(0)
}

/// Number of samples in an audio frame, and samples per second.
#[must_use]
pub fn samples_and_rate(frame: &Frame) -> (i64, i32) {
    // SAFETY: the frame is allocated.
    unsafe { (i64::from((*frame.as_ptr()).nb_samples), (*frame.as_ptr()).sample_rate) }
}

/// The bytes of a frame of interleaved samples, of which those of all channels at one time have `stride` bytes.
#[cfg(feature = "fdk-aac")]
#[must_use]
pub fn packed_samples(frame: &Frame, stride: usize) -> &[u8] {
    // SAFETY: a frame of interleaved samples has all of them in its first plane, whose size libav keeps.
    unsafe {
        let raw = &*frame.as_ptr();
        let length = usize::try_from(raw.nb_samples).unwrap_or(0) * stride;
        if raw.data[0].is_null() || length > usize::try_from(raw.linesize[0]).unwrap_or(0) {
            return &[];
        }
        std::slice::from_raw_parts(raw.data[0], length)
    }
}

/// Gives a frame whose channels have no places the layout that players assume for their number.
pub fn assume_layout(frame: &mut frame::Audio) {
    // SAFETY: the frame is allocated; the layout that is replaced owns no memory, being only a number of channels.
    unsafe {
        let layout = &raw mut (*frame.as_mut_ptr()).ch_layout;
        if (*layout).order == ffi::AVChannelOrder::AV_CHANNEL_ORDER_UNSPEC {
            ffi::av_channel_layout_default(layout, (*layout).nb_channels);
        }
    }
}

/// A frame of that many samples of silence at `rate`, in the sample format and the channel layout of these names.
pub fn silent_frame(samples: usize, rate: u32, format: &str, layout: &str) -> Result<frame::Audio, Error> {
    let layout = CString::new(layout).map_err(|_| Error::InvalidData)?;
    let format = ffi::AVSampleFormat::from(format::Sample::from(format_name(format)));
    let mut frame = frame::Audio::empty();
    // SAFETY: the frame is blank; its buffer is allocated for exactly the format whose silence is written into it.
    // Native layouts own no memory.
    let made = unsafe {
        let raw = frame.as_mut_ptr();
        (*raw).format = format as i32;
        (*raw).nb_samples = i32::try_from(samples).map_err(|_| Error::InvalidData)?;
        (*raw).sample_rate = i32::try_from(rate).map_err(|_| Error::InvalidData)?;
        match ffi::av_channel_layout_from_string(&raw mut (*raw).ch_layout, layout.as_ptr()) {
            e if e < 0 => e,
            _ => match ffi::av_frame_get_buffer(raw, 0) {
                e if e < 0 => e,
                _ => {
                    let channels = (*raw).ch_layout.nb_channels;
                    ffi::av_samples_set_silence((*raw).extended_data, 0, (*raw).nb_samples, channels, format)
                }
            },
        }
    };
    if made < 0 { Err(Error::from(made)) } else { Ok(frame) }
}

/// The name, static as ffmpeg-next wants it; `flt` for one that is not known.
fn format_name(name: &str) -> &'static str {
    let names = ["u8", "s16", "s32", "s64", "flt", "dbl", "u8p", "s16p", "s32p", "s64p", "fltp", "dblp"];
    names.into_iter().find(|known| *known == name).unwrap_or("flt")
}

/// Width and height of a picture.
#[must_use]
pub fn size(frame: &Frame) -> (u32, u32) {
    // SAFETY: the frame is allocated.
    let (width, height) = unsafe { ((*frame.as_ptr()).width, (*frame.as_ptr()).height) };
    (u32::try_from(width).unwrap_or(0), u32::try_from(height).unwrap_or(0))
}

/// Has a picture say that its colours have this matrix.
pub fn set_matrix(frame: &mut Frame, space: ffmpeg_next::color::Space) {
    // SAFETY: the frame is allocated.
    unsafe { (*frame.as_mut_ptr()).colorspace = space.into() };
}

/// Has a frame say that its pixels are so many times as wide as high; zero where that is not known.
pub fn set_aspect(frame: &mut Frame, aspect: Rational) {
    // SAFETY: the frame is allocated.
    unsafe { (*frame.as_mut_ptr()).sample_aspect_ratio = aspect.into() };
}

/// Gives a frame a duration, in its own time base.
pub fn set_duration(frame: &mut Frame, duration: i64) {
    // SAFETY: the frame is allocated.
    unsafe {
        #[cfg(ffmpeg_7_0)]
        {
            (*frame.as_mut_ptr()).duration = duration;
        }
        #[cfg(not(ffmpeg_7_0))]
        {
            (*frame.as_mut_ptr()).pkt_duration = duration;
        }
    }
}

/// Gives a frame a tag.
pub fn tag_frame(frame: &mut Frame, name: &str, value: &str) {
    let (Ok(name), Ok(value)) = (CString::new(name), CString::new(value)) else { return };
    // SAFETY: the frame is allocated and owns its tags; both texts are terminated, and copied. Without memory the tag is
    // missing.
    unsafe { ffi::av_dict_set(&raw mut (*frame.as_mut_ptr()).metadata, name.as_ptr(), value.as_ptr(), 0) };
}

/// Gives an encoder the channel layout of that name.
pub fn set_layout(name: &str, encoder: &mut codec::Context) -> Result<(), Error> {
    let name = CString::new(name).map_err(|_| Error::InvalidData)?;
    // SAFETY: the encoder is allocated, and the name terminated; native layouts own no memory.
    let set = unsafe { ffi::av_channel_layout_from_string(&raw mut (*encoder.as_mut_ptr()).ch_layout, name.as_ptr()) };
    if set < 0 { Err(Error::from(set)) } else { Ok(()) }
}

/// Number of channels that an encoder was given.
#[must_use]
pub fn encoder_channels(encoder: &codec::Context) -> u16 {
    // SAFETY: the encoder is allocated.
    u16::try_from(unsafe { (*encoder.as_ptr()).ch_layout.nb_channels }).unwrap_or(0)
}

/// Name of a frame's channel layout, such as `stereo` or `5.1`, as filters read it.
#[must_use]
pub fn layout_name(frame: &frame::Audio) -> String {
    // SAFETY: the frame is allocated; its layout is valid, if only by number of channels.
    unsafe { describe(&(*frame.as_ptr()).ch_layout) }
}

/// Name of the layout that players assume for that many channels.
#[must_use]
pub fn default_layout(channels: u16) -> String {
    // SAFETY: the function fills in a layout; default layouts own no memory.
    unsafe {
        let mut layout = std::mem::zeroed();
        ffi::av_channel_layout_default(&raw mut layout, i32::from(channels));
        describe(&layout)
    }
}

/// Number of channels of a frame.
#[must_use]
pub fn channels(frame: &frame::Audio) -> u16 {
    // SAFETY: the frame is allocated.
    u16::try_from(unsafe { (*frame.as_ptr()).ch_layout.nb_channels }).unwrap_or(0)
}

unsafe fn describe(layout: &ffi::AVChannelLayout) -> String {
    let mut name = [0_u8; 128];
    // SAFETY: the caller vouches for the layout; at most the buffer's length is written, terminated.
    unsafe { ffi::av_channel_layout_describe(layout, name.as_mut_ptr().cast(), name.len()) };
    let text = name.split(|&byte| byte == 0).next().unwrap_or_default();
    let name = String::from_utf8_lossy(text).into_owned();
    // A layout that is only a number of channels reads `6 channels`; filters want `6C`.
    match name.strip_suffix(" channels") {
        Some(count) => format!("{count}C"),
        None => name,
    }
}

/// Frame rate that a filter graph gives at its sink; absent where frames come as they may.
#[must_use]
pub fn sink_rate(sink: &filter::Context) -> Option<Rational> {
    // SAFETY: the sink belongs to a configured graph.
    let rate = Rational::from(unsafe { ffi::av_buffersink_get_frame_rate(sink.as_ptr()) });
    (rate.numerator() > 0 && rate.denominator() > 0).then_some(rate)
}

/// Adds a filter with options as they are: nothing parses their values.
pub fn add_filter(
    graph: &mut filter::Graph,
    filter: &filter::Filter,
    name: &str,
    options: &[(&'static str, String)],
) -> Result<filter::Context, Error> {
    let name = CString::new(name).map_err(|_| Error::InvalidData)?;
    let mut dictionary = ffmpeg_next::Dictionary::new();
    for (key, value) in options {
        if value.contains('\0') {
            return Err(Error::InvalidData);
        }
        dictionary.set(key, value);
    }
    // SAFETY: the graph owns the filter from here on; name and options are terminated strings. The dictionary is given
    // to libav, which leaves what it did not know, and taken back to be freed.
    unsafe {
        let context = ffi::avfilter_graph_alloc_filter(graph.as_mut_ptr(), filter.as_ptr(), name.as_ptr());
        if context.is_null() {
            return Err(Error::Other { errno: ffmpeg_next::error::ENOMEM });
        }
        let mut options = dictionary.disown();
        let done = ffi::avfilter_init_dict(context, &raw mut options);
        drop(ffmpeg_next::Dictionary::own(options));
        if done < 0 { Err(Error::from(done)) } else { Ok(filter::Context::wrap(context)) }
    }
}

/// Has the first output of a filter flow into the first input of another of the same graph.
pub fn link(from: &mut filter::Context, to: &mut filter::Context) -> Result<(), Error> {
    // SAFETY: both belong to a graph that is still being built.
    match unsafe { ffi::avfilter_link(from.as_mut_ptr(), 0, to.as_mut_ptr(), 0) } {
        0 => Ok(()),
        error => Err(Error::from(error)),
    }
}

/// Whether an encoder takes frames of any number of samples.
#[must_use]
pub fn takes_any_frame_size(codec: Codec) -> bool {
    codec.capabilities().contains(codec::Capabilities::VARIABLE_FRAME_SIZE)
}

/// Sets the tag by which the container names the codec; zero has the muxer choose.
pub fn set_tag(parameters: &mut codec::Parameters, tag: u32) {
    // SAFETY: the parameters are allocated.
    unsafe { (*parameters.as_mut_ptr()).codec_tag = tag };
}

/// Whether a muxer says that it can hold a codec; `None` where it does not say.
#[must_use]
pub fn can_hold(muxer: &str, id: codec::Id) -> Option<bool> {
    let name = CString::new(muxer).ok()?;
    // SAFETY: a terminated string, and a static description of a muxer.
    let holds = unsafe {
        let format = ffi::av_guess_format(name.as_ptr(), std::ptr::null(), std::ptr::null());
        ffi::avformat_query_codec(format, id.into(), ffi::FF_COMPLIANCE_NORMAL)
    };
    match holds {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// What the first of two passes saw, where the encoder says it as text; comes once it has ended.
#[must_use]
pub fn stats_out(encoder: &codec::Context) -> Option<CString> {
    // SAFETY: the encoder is allocated; what it says is a terminated string of its own, copied before it goes away.
    unsafe {
        let text = (*encoder.as_ptr()).stats_out;
        (!text.is_null()).then(|| std::ffi::CStr::from_ptr(text).to_owned())
    }
}

/// Tells an encoder what the first of two passes saw. Comes before it is opened; `text` lives as long as the encoder.
pub fn set_stats_in(encoder: &mut codec::Context, text: &std::ffi::CStr) {
    // SAFETY: the encoder is allocated; it only reads the text, and only while it is opened.
    unsafe { (*encoder.as_mut_ptr()).stats_in = text.as_ptr().cast_mut() };
}

/// Sets flags of an encoder beside those that it has by itself, such as that no picture leans over a keyframe.
pub fn add_flags(encoder: &mut codec::Context, flags: codec::Flags) {
    // SAFETY: the encoder is allocated; the field is a plain number.
    unsafe { (*encoder.as_mut_ptr()).flags |= flags.bits().cast_signed() };
}

/// Tells an encoder how many ticks of its clock a frame lasts. From FFmpeg 6.1 on each frame carries its duration.
pub fn set_frame_ticks(encoder: &mut codec::Context, ticks: i64) {
    if cfg!(ffmpeg_6_1) {
        return;
    }
    #[cfg(not(ffmpeg_6_1))]
    // SAFETY: the encoder is allocated; the field is a plain number.
    unsafe {
        (*encoder.as_mut_ptr()).ticks_per_frame = std::ffi::c_int::try_from(ticks).unwrap_or(1).max(1);
    }
}

/// What an open encoder says about its stream.
#[must_use]
pub fn parameters_of(encoder: &codec::Context) -> codec::Parameters {
    let mut parameters = codec::Parameters::new();
    // SAFETY: both are allocated. Without memory the parameters stay blank, which no muxer accepts.
    unsafe { ffi::avcodec_parameters_from_context(parameters.as_mut_ptr(), encoder.as_ptr()) };
    parameters
}

/// Parameters of a codec that several threads read.
#[derive(Clone)]
pub struct SharedParameters(codec::Parameters);

// SAFETY: they own their memory, and nothing writes to it any more: all access is by a shared reference.
unsafe impl Sync for SharedParameters {}

impl From<codec::Parameters> for SharedParameters {
    fn from(parameters: codec::Parameters) -> Self {
        // A copy, which nothing else refers to.
        Self(parameters.clone())
    }
}

impl std::ops::Deref for SharedParameters {
    type Target = codec::Parameters;

    fn deref(&self) -> &codec::Parameters {
        &self.0
    }
}

/// Frames by which decoding may be ahead of what is shown: more than none with B-frames.
pub fn video_delay(parameters: &codec::Parameters) -> usize {
    // SAFETY: they are allocated as long as they live.
    let said = usize::try_from(unsafe { (*parameters.as_ptr()).video_delay }).unwrap_or(0);
    // libx265 does not say it; with its pyramid of B-frames it is two.
    if parameters.id() == codec::Id::HEVC { said.max(2) } else { said }
}

/// What the stream of an encoder that is not libav's is.
#[cfg(feature = "fdk-aac")]
#[derive(Clone, Copy, Debug)]
pub struct AudioParameters<'a> {
    /// Codec.
    pub id: codec::Id,
    /// libav's number of the profile.
    pub profile: i32,
    /// Samples per second.
    pub rate: u32,
    /// Channel layout: `stereo`.
    pub layout: &'a str,
    /// libav's name of the format of the samples that went in.
    pub samples: &'static str,
    /// Bits per second.
    pub bitrate_bps: u64,
    /// Samples per packet.
    pub frame_size: u32,
    /// Samples at the start that are not to be heard.
    pub priming: u32,
    /// The codec's own header.
    pub header: &'a [u8],
}

#[cfg(feature = "fdk-aac")]
impl AudioParameters<'_> {
    /// As libav keeps them.
    pub fn to_parameters(self) -> Result<codec::Parameters, Error> {
        let layout = CString::new(self.layout).map_err(|_| Error::InvalidData)?;
        let number = |n: u32| i32::try_from(n).map_err(|_| Error::InvalidData);
        let padding = usize::try_from(ffi::AV_INPUT_BUFFER_PADDING_SIZE).unwrap_or(64);
        let mut parameters = codec::Parameters::new();
        // SAFETY: the parameters are allocated and blank; the header is a copy that libav allocates, with its padding,
        // and frees with them. Native layouts own no memory.
        unsafe {
            let raw = &mut *parameters.as_mut_ptr();
            let set = ffi::av_channel_layout_from_string(&raw mut raw.ch_layout, layout.as_ptr());
            if set < 0 {
                return Err(Error::from(set));
            }
            raw.codec_type = ffi::AVMediaType::AVMEDIA_TYPE_AUDIO;
            raw.codec_id = self.id.into();
            raw.profile = self.profile;
            raw.format = ffi::AVSampleFormat::from(format::Sample::from(self.samples)) as i32;
            raw.sample_rate = number(self.rate)?;
            raw.bit_rate = i64::try_from(self.bitrate_bps).map_err(|_| Error::InvalidData)?;
            raw.frame_size = number(self.frame_size)?;
            raw.initial_padding = number(self.priming)?;
            let header = ffi::av_mallocz(self.header.len() + padding).cast::<u8>();
            if header.is_null() {
                return Err(Error::Other { errno: ffmpeg_next::error::ENOMEM });
            }
            std::ptr::copy_nonoverlapping(self.header.as_ptr(), header, self.header.len());
            raw.extradata = header;
            raw.extradata_size = i32::try_from(self.header.len()).map_err(|_| Error::InvalidData)?;
        }
        Ok(parameters)
    }
}

/// The parameters themselves.
#[must_use]
pub fn parameters(parameters: &codec::Parameters) -> &ffi::AVCodecParameters {
    // SAFETY: parameters of ffmpeg-next are always allocated.
    unsafe { &*parameters.as_ptr() }
}

/// Has a GIF that is being written show its last picture for so many hundredths of a second; comes before its trailer.
pub fn set_final_delay(muxer: &mut format::context::Output, hundredths: i64) {
    // SAFETY: the context is open, and its private data has the options of the muxer; an option that is not known is refused.
    unsafe {
        let data = (*muxer.as_mut_ptr()).priv_data;
        if !data.is_null() {
            ffi::av_opt_set_int(data, c"final_delay".as_ptr(), hundredths.clamp(1, i64::from(u16::MAX) - 1), 0);
        }
    }
}

/// Marks an output stream as one that players choose by default, or force.
pub fn set_disposition(stream: &mut format::stream::StreamMut<'_>, disposition: format::stream::Disposition) {
    // SAFETY: the stream belongs to the context that `stream` borrows.
    unsafe { (*stream.as_mut_ptr()).disposition = disposition.bits() };
}

/// Gives an output stream what a source's stream says about itself beside its packets, such as how to turn it.
/// From FFmpeg 6.1 on that is part of the parameters.
pub fn add_side_data(stream: &mut format::stream::StreamMut<'_>, side_data: &[SideData]) {
    if cfg!(ffmpeg_6_1) {
        return;
    }
    #[cfg(not(ffmpeg_6_1))]
    for data in side_data {
        // SAFETY: the stream belongs to the context that `stream` borrows; what is allocated has the size asked for.
        unsafe {
            let target = ffi::av_stream_new_side_data(stream.as_mut_ptr(), data.kind.into(), data.bytes.len());
            if !target.is_null() {
                std::ptr::copy_nonoverlapping(data.bytes.as_ptr(), target, data.bytes.len());
            }
        }
    }
}

/// What a stream says about itself beside its packets.
#[derive(Clone)]
pub struct SideData {
    kind: ffmpeg_next::packet::side_data::Type,
    bytes: Vec<u8>,
}

impl SideData {
    /// Of a kind, as libav stores it.
    #[must_use]
    pub const fn new(kind: ffmpeg_next::packet::side_data::Type, bytes: Vec<u8>) -> Self {
        Self { kind, bytes }
    }

    /// Whether it is of that kind.
    #[must_use]
    pub fn is(&self, kind: ffmpeg_next::packet::side_data::Type) -> bool {
        self.kind == kind
    }

    /// It, as libav stores it.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// All of what a stream says about itself beside its packets.
#[must_use]
pub fn side_data(stream: &ffmpeg_next::Stream<'_>) -> Vec<SideData> {
    stream.side_data().map(|data| SideData { kind: data.kind(), bytes: data.data().to_vec() }).collect()
}

/// Has the demuxer fill in presentation times that the container does not store.
pub fn generate_timestamps(demuxer: &mut format::context::Input) {
    // SAFETY: the context is open; the flag may change at any time between reads.
    unsafe { (*demuxer.as_mut_ptr()).flags |= ffi::AVFMT_FLAG_GENPTS };
}

/// A subtitle decoder's style header: the beginning of an ASS file.
#[must_use]
pub fn subtitle_header(decoder: &codec::Context) -> String {
    // SAFETY: the header is `subtitle_header_size` bytes, and lives as long as the decoder.
    let bytes = unsafe {
        let size = usize::try_from((*decoder.as_ptr()).subtitle_header_size).unwrap_or(0);
        match (*decoder.as_ptr()).subtitle_header {
            header if header.is_null() || size == 0 => &[],
            header => std::slice::from_raw_parts(header, size),
        }
    };
    String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned()
}

/// Has the texts of a subtitle be what `change` makes of them.
pub fn change_texts(subtitle: &mut ffmpeg_next::Subtitle, change: &dyn Fn(&str) -> String) {
    // SAFETY: the subtitle has `num_rects` rectangles, whose texts are terminated strings that libav allocated and frees
    // with them; a new one is allocated by libav too, and takes the place of the old.
    unsafe {
        let raw = &*subtitle.as_mut_ptr();
        for n in 0..raw.num_rects as usize {
            let rect = *raw.rects.add(n);
            if (*rect).ass.is_null() {
                continue;
            }
            let text = std::ffi::CStr::from_ptr((*rect).ass).to_string_lossy();
            let Ok(text) = CString::new(change(&text)) else { continue };
            let copy = ffi::av_strdup(text.as_ptr());
            if !copy.is_null() {
                ffi::av_free((*rect).ass.cast());
                (*rect).ass = copy;
            }
        }
    }
}

/// Gives a packet of WebVTT the settings of its cue.
pub fn set_cue_settings(packet: &mut Packet, settings: &str) {
    use ffmpeg_next::packet::Mut;
    // SAFETY: the packet is initialised; what is allocated has the size asked for, and belongs to it.
    unsafe {
        let kind = ffi::AVPacketSideDataType::AV_PKT_DATA_WEBVTT_SETTINGS;
        let data = ffi::av_packet_new_side_data(packet.as_mut_ptr(), kind, settings.len());
        if !data.is_null() {
            std::ptr::copy_nonoverlapping(settings.as_ptr(), data, settings.len());
        }
    }
}

/// Hands a subtitle decoder's style header on to an encoder, which cannot work without.
pub fn copy_subtitle_header(from: &codec::Context, to: &mut codec::Context) {
    // SAFETY: the header is `subtitle_header_size` bytes; the copy, one byte longer for a terminator, is allocated by
    // libav, which frees it with the encoder.
    unsafe {
        let size = usize::try_from((*from.as_ptr()).subtitle_header_size).unwrap_or(0);
        let header = (*from.as_ptr()).subtitle_header;
        if header.is_null() || size == 0 {
            return;
        }
        let copy = ffi::av_mallocz(size + 1).cast::<u8>();
        if copy.is_null() {
            return;
        }
        std::ptr::copy_nonoverlapping(header, copy, size);
        (*to.as_mut_ptr()).subtitle_header = copy;
        (*to.as_mut_ptr()).subtitle_header_size = (*from.as_ptr()).subtitle_header_size;
    }
}

/// Encodes a subtitle into a packet; `None` where it holds nothing that shows.
pub fn encode_subtitle(
    encoder: &mut codec::Context,
    subtitle: &ffmpeg_next::Subtitle,
) -> Result<Option<Packet>, Error> {
    let mut buffer = vec![0_u8; 64 * 1024];
    let size = i32::try_from(buffer.len()).unwrap_or(i32::MAX);
    // SAFETY: the encoder is open and for subtitles; at most `size` bytes are written.
    let written =
        unsafe { ffi::avcodec_encode_subtitle(encoder.as_mut_ptr(), buffer.as_mut_ptr(), size, subtitle.as_ptr()) };
    match usize::try_from(written) {
        Err(_) => Err(Error::from(written)),
        Ok(0) => Ok(None),
        Ok(written) => Ok(Some(Packet::copy(&buffer[..written]))),
    }
}
