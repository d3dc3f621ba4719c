//! Facts in libav's structures that ffmpeg-next does not wrap, read safely.
//!
//! **Invariant**: text that comes from a file is never trusted to be UTF-8, and never longer than [`MAX_TEXT_BYTES`];
//! lists that come from a file have a limit. Deliberately absent: what the facts mean (`probe`).
#![expect(unsafe_code, reason = "libav's structures have fields that ffmpeg-next does not wrap")]

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char};
use std::ptr;

use ffmpeg_next::format::context::Input as Demuxer;
use ffmpeg_next::{Frame, Packet, Stream, codec, ffi};

/// Bytes of a palette: 256 colours.
const PALETTE_BYTES: usize = 1024;

/// Longest text taken from a file, in bytes; the rest is cut off.
pub const MAX_TEXT_BYTES: usize = 4096;

/// libav's word for a profile or level that is not known.
pub const UNKNOWN: i32 = -99;

/// Most tags taken from one dictionary.
const MAX_TAGS: usize = 256;

/// Version of FFmpeg, as its libraries say it: `5.1.6-0+deb12u1`.
#[must_use]
pub fn version() -> String {
    // SAFETY: the function answers with a static string.
    unsafe { text(ffi::av_version_info()) }.unwrap_or_default()
}

/// Whether this build can write a container, by the name of its muxer.
#[must_use]
pub fn has_muxer(name: &str) -> bool {
    let Ok(name) = CString::new(name) else { return false };
    // SAFETY: a look-up in a static table by a terminated string.
    unsafe { !ffi::av_guess_format(name.as_ptr(), ptr::null(), ptr::null()).is_null() }
}

/// Names of the filters that a graph was built of.
#[must_use]
pub fn filters_of(graph: &mut ffmpeg_next::filter::Graph) -> Vec<String> {
    // SAFETY: the graph is allocated, and has `nb_filters` filters, each of a static kind with a name.
    unsafe {
        let graph = &*graph.as_mut_ptr();
        let filters = (0..graph.nb_filters as usize).map(|n| *graph.filters.add(n));
        filters.filter_map(|filter| text((*(*filter).filter).name)).collect()
    }
}

/// What the container and the first packets say about a stream's codec.
#[must_use]
pub fn parameters<'a>(stream: &'a Stream<'_>) -> &'a ffi::AVCodecParameters {
    // SAFETY: every stream of a format context has parameters that live as long as the context, which `stream` borrows.
    unsafe { &*(*stream.as_ptr()).codecpar }
}

/// libav's name of the demuxer: `mov,mp4,m4a,3gp,3g2,mj2`.
#[must_use]
pub fn demuxer_name(demuxer: &Demuxer) -> String {
    // SAFETY: an opened demuxing context has an input format, a static of the library.
    unsafe { text((*(*demuxer.as_ptr()).iformat).name) }.unwrap_or_default()
}

/// Whether the duration is one that the container states, and not one that libav estimates.
#[must_use]
pub fn is_duration_stated(demuxer: &Demuxer) -> bool {
    // SAFETY: the context is open.
    let method = unsafe { (*demuxer.as_ptr()).duration_estimation_method };
    method == ffi::AVDurationEstimationMethod::AVFMT_DURATION_FROM_STREAM
}

/// Number of video and audio streams that are declared and of which nothing is known: no size, no channels.
#[must_use]
pub fn unknown_streams(demuxer: &Demuxer) -> usize {
    let unknown = demuxer.streams().filter(|stream| {
        let parameters = parameters(stream);
        match parameters.codec_type {
            ffi::AVMediaType::AVMEDIA_TYPE_VIDEO => parameters.width <= 0 || parameters.height <= 0,
            ffi::AVMediaType::AVMEDIA_TYPE_AUDIO => channels(parameters).0 == 0 || parameters.sample_rate <= 0,
            _ => false,
        }
    });
    unknown.count()
}

/// How sure libav is of the format, from 0 to 100.
#[must_use]
pub fn probe_score(demuxer: &Demuxer) -> i32 {
    // SAFETY: the context is open.
    unsafe { (*demuxer.as_ptr()).probe_score }
}

/// Start of the container's clock in microseconds, where it is known.
#[must_use]
pub fn start_time_us(demuxer: &Demuxer) -> Option<i64> {
    // SAFETY: the context is open.
    known(unsafe { (*demuxer.as_ptr()).start_time })
}

/// The timestamp, unless it is libav's word for none.
#[must_use]
pub fn known(timestamp: i64) -> Option<i64> {
    (timestamp != ffi::AV_NOPTS_VALUE).then_some(timestamp)
}

/// Name of a codec: `h264`; absent where libav does not know it.
#[must_use]
pub fn codec_name(parameters: &ffi::AVCodecParameters) -> Option<String> {
    if parameters.codec_id == ffi::AVCodecID::AV_CODEC_ID_NONE {
        return None;
    }
    // SAFETY: the function answers with a static string for every identifier.
    unsafe { text(ffi::avcodec_get_name(parameters.codec_id)) }
}

/// Whether this build can decode it.
#[must_use]
pub fn has_decoder(parameters: &ffi::AVCodecParameters) -> bool {
    // SAFETY: a look-up in a static table.
    unsafe { !ffi::avcodec_find_decoder(parameters.codec_id).is_null() }
}

/// Whether a subtitle codec is text, not pictures.
#[must_use]
pub fn is_text_subtitle(parameters: &ffi::AVCodecParameters) -> bool {
    // SAFETY: a look-up in a static table.
    let descriptor = unsafe { ffi::avcodec_descriptor_get(parameters.codec_id).as_ref() };
    descriptor.is_some_and(|d| d.props & ffi::AV_CODEC_PROP_TEXT_SUB != 0)
}

/// Name of the profile, or its number where it has none.
#[must_use]
pub fn profile_name(parameters: &ffi::AVCodecParameters) -> Option<String> {
    if parameters.profile == UNKNOWN {
        return None;
    }
    // SAFETY: the function answers with a static string or null.
    let name = unsafe { text(ffi::avcodec_profile_name(parameters.codec_id, parameters.profile)) };
    name.or_else(|| Some(parameters.profile.to_string()))
}

/// The codec's own header, such as `avcC` or an AudioSpecificConfig.
#[must_use]
pub fn extradata(parameters: &ffi::AVCodecParameters) -> &[u8] {
    match usize::try_from(parameters.extradata_size) {
        // SAFETY: libav allocates `extradata_size` bytes and more, and they live as long as the parameters.
        Ok(size) if !parameters.extradata.is_null() => unsafe {
            std::slice::from_raw_parts(parameters.extradata, size)
        },
        _ => &[],
    }
}

/// Sets the tag by which a container names the codec; 0 lets the muxer choose.
pub fn set_tag(parameters: &mut codec::Parameters, tag: u32) {
    // SAFETY: the parameters are allocated.
    unsafe { (*parameters.as_mut_ptr()).codec_tag = tag };
}

/// A pixel format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PixelFormat {
    /// Name: `yuv420p`.
    pub name: String,
    /// Bits per component.
    pub bit_depth: u8,
    /// Whether it has an alpha channel; palettes do not count.
    pub alpha: bool,
    /// Whether it holds red, green and blue, by themselves or in a palette.
    pub rgb: bool,
}

/// The pixel format with libav's number.
#[must_use]
pub fn pixel_format(number: i32) -> Option<PixelFormat> {
    let mut descriptor = ptr::null();
    // SAFETY: the functions walk a static table; comparing by number keeps unknown numbers out of the enum.
    let descriptor = unsafe {
        loop {
            descriptor = ffi::av_pix_fmt_desc_next(descriptor);
            if descriptor.is_null() {
                return None;
            }
            if ffi::av_pix_fmt_desc_get_id(descriptor) as i32 == number {
                break &*descriptor;
            }
        }
    };
    let flags = descriptor.flags;
    let has = |flag: i32| u64::try_from(flag).is_ok_and(|flag| flags & flag != 0);
    let components = descriptor.comp.iter().take(usize::from(descriptor.nb_components));
    Some(PixelFormat {
        // SAFETY: names of formats are static strings.
        name: unsafe { text(descriptor.name) }?,
        bit_depth: components.map(|c| u8::try_from(c.depth).unwrap_or(0)).max().unwrap_or(0),
        alpha: has(ffi::AV_PIX_FMT_FLAG_ALPHA) && !has(ffi::AV_PIX_FMT_FLAG_PAL),
        rgb: has(ffi::AV_PIX_FMT_FLAG_RGB) || has(ffi::AV_PIX_FMT_FLAG_PAL),
    })
}

/// Name of a stream's sample format: `fltp`.
#[must_use]
pub fn sample_format(parameters: &ffi::AVCodecParameters) -> Option<String> {
    use ffmpeg_next::format::Sample;
    let formats = ["u8", "s16", "s32", "s64", "flt", "dbl", "u8p", "s16p", "s32p", "s64p", "fltp", "dblp"];
    let name = formats.into_iter().find(|name| {
        let number = ffi::AVSampleFormat::from(Sample::from(*name)) as i32;
        number == parameters.format
    })?;
    Some(name.to_owned())
}

/// Number of channels and name of their layout: 6 and `5.1`.
#[must_use]
pub fn channels(parameters: &ffi::AVCodecParameters) -> (u16, Option<String>) {
    let count = u16::try_from(parameters.ch_layout.nb_channels).unwrap_or(0);
    if parameters.ch_layout.order == ffi::AVChannelOrder::AV_CHANNEL_ORDER_UNSPEC {
        return (count, None);
    }
    (count, layout_name(&parameters.ch_layout))
}

fn layout_name(layout: &ffi::AVChannelLayout) -> Option<String> {
    let mut name = [0; 128];
    // SAFETY: the layout is a valid one; at most `name.len()` bytes are written, with a final zero.
    let written = unsafe { ffi::av_channel_layout_describe(layout, name.as_mut_ptr(), name.len()) };
    // SAFETY: a success wrote a terminated string.
    if written > 0 { unsafe { text(name.as_ptr()) } } else { None }
}

/// Has the demuxer skip every stream but these.
pub fn read_only(demuxer: &mut Demuxer, indices: &[usize]) {
    for other in (0..demuxer.streams().len()).filter(|other| !indices.contains(other)) {
        // SAFETY: the stream is one of the open context's; the field may change at any time between reads.
        unsafe { (**(*demuxer.as_mut_ptr()).streams.add(other)).discard = ffi::AVDiscard::AVDISCARD_ALL };
    }
}

/// Names of colour properties; absent where they are unspecified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Color {
    /// `tv` or `pc`.
    pub range: Option<String>,
    /// Matrix coefficients: `bt709`.
    pub space: Option<String>,
    /// Transfer characteristics: `bt709`.
    pub transfer: Option<String>,
    /// Primaries: `bt709`.
    pub primaries: Option<String>,
}

impl Color {
    /// Of a stream.
    #[must_use]
    pub fn of_stream(p: &ffi::AVCodecParameters) -> Self {
        Self::new(p.color_range, p.color_space, p.color_trc, p.color_primaries)
    }

    /// Of a decoded frame.
    #[must_use]
    pub fn of_frame(frame: &Frame) -> Self {
        // SAFETY: a frame of ffmpeg-next is always allocated.
        let f = unsafe { &*frame.as_ptr() };
        Self::new(f.color_range, f.colorspace, f.color_trc, f.color_primaries)
    }

    fn new(
        range: ffi::AVColorRange,
        space: ffi::AVColorSpace,
        transfer: ffi::AVColorTransferCharacteristic,
        primaries: ffi::AVColorPrimaries,
    ) -> Self {
        // SAFETY: the functions answer with a static string or null for every value.
        let names = unsafe {
            [
                text(ffi::av_color_range_name(range)),
                text(ffi::av_color_space_name(space)),
                text(ffi::av_color_transfer_name(transfer)),
                text(ffi::av_color_primaries_name(primaries)),
            ]
        };
        let [range, space, transfer, primaries] = names.map(|name| name.filter(|n| n != "unknown" && n != "reserved"));
        Self { range, space, transfer, primaries }
    }
}

/// A frame without data, to receive one.
#[must_use]
pub fn blank_frame() -> Frame {
    // SAFETY: an allocated blank frame is what every receiving function takes.
    unsafe { Frame::empty() }
}

/// Pixel format of a decoded frame, as libav's number.
#[must_use]
pub fn frame_format(frame: &Frame) -> i32 {
    // SAFETY: a frame of ffmpeg-next is always allocated.
    unsafe { (*frame.as_ptr()).format }
}

/// The stream's sample aspect ratio, weighed between container and codec; absent where neither knows.
#[must_use]
pub fn sample_aspect_ratio(demuxer: &mut Demuxer, stream: usize) -> Option<(i32, i32)> {
    // SAFETY: the stream is one of the context's (`stream` checks the index); no frame is given.
    let ratio = unsafe {
        let pointer = demuxer.stream(stream)?.as_ptr().cast_mut();
        ffi::av_guess_sample_aspect_ratio(demuxer.as_mut_ptr(), pointer, ptr::null_mut())
    };
    (ratio.num > 0 && ratio.den > 0).then_some((ratio.num, ratio.den))
}

/// How a picture is turned before it is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Orientation {
    /// Clockwise turn in degrees: 0, 90, 180 or 270.
    pub rotation: u16,
    /// Whether it is mirrored top to bottom before the turn.
    pub flipped: bool,
}

/// Reads a display matrix as libav stores it: nine 32-bit numbers.
#[must_use]
pub fn orientation(matrix: &[u8]) -> Orientation {
    let mut numbers = [0_i32; 9];
    for (number, bytes) in numbers.iter_mut().zip(matrix.chunks_exact(4)) {
        *number = i32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    // SAFETY: the function reads nine numbers.
    let counterclockwise = unsafe { ffi::av_display_rotation_get(numbers.as_ptr()) };
    if !counterclockwise.is_finite() {
        return Orientation::default();
    }
    let rotation = match (-counterclockwise).rem_euclid(360.0) {
        degrees if degrees < 45.0 => 0,
        degrees if degrees < 135.0 => 90,
        degrees if degrees < 225.0 => 180,
        degrees if degrees < 315.0 => 270,
        _ => 0,
    };
    let [a, b, c, d] = [numbers[0], numbers[1], numbers[3], numbers[4]].map(i64::from);
    Orientation { rotation, flipped: a * d - b * c < 0 }
}

/// A sample that a demuxer's index knows without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// Decoding time, in the stream's time base.
    pub timestamp: i64,
    /// First byte after it in the file.
    pub end_byte: u64,
}

/// Number of samples in a stream's index.
#[must_use]
pub fn index_len(stream: &Stream<'_>) -> usize {
    // SAFETY: the stream belongs to an open context.
    usize::try_from(unsafe { ffi::avformat_index_get_entries_count(stream.as_ptr()) }).unwrap_or(0)
}

/// A sample of a stream's index, in order.
#[must_use]
pub fn index_entry(stream: &Stream<'_>, position: usize) -> Option<IndexEntry> {
    let position = i32::try_from(position).ok()?;
    // SAFETY: the stream belongs to an open context, and the entry is copied before anything else touches it.
    let entry = unsafe { ffi::avformat_index_get_entry(stream.as_ptr().cast_mut(), position).as_ref() }?;
    let end = entry.pos.saturating_add(i64::from(entry.size()));
    Some(IndexEntry { timestamp: entry.timestamp, end_byte: u64::try_from(end).unwrap_or(0) })
}

/// Whether a packet is only there for decoding others (before the start of an edit list) and never shown.
#[must_use]
pub fn is_discarded(packet: &Packet) -> bool {
    use ffmpeg_next::packet::Ref;
    // SAFETY: a packet of ffmpeg-next is always initialised.
    unsafe { (*packet.as_ptr()).flags & ffi::AV_PKT_FLAG_DISCARD != 0 }
}

/// The container's metadata.
#[must_use]
pub fn container_tags(demuxer: &Demuxer) -> BTreeMap<String, String> {
    // SAFETY: the dictionary belongs to the open context.
    unsafe { tags((*demuxer.as_ptr()).metadata) }
}

/// A stream's metadata.
#[must_use]
pub fn stream_tags(stream: &Stream<'_>) -> BTreeMap<String, String> {
    // SAFETY: the dictionary belongs to the stream.
    unsafe { tags((*stream.as_ptr()).metadata) }
}

/// A chapter's metadata.
#[must_use]
pub fn chapter_tags(chapter: &ffmpeg_next::Chapter<'_>) -> BTreeMap<String, String> {
    // SAFETY: the dictionary belongs to the chapter.
    unsafe { tags((*chapter.as_ptr()).metadata) }
}

/// A frame's metadata, as filters write it.
#[must_use]
pub fn frame_tags(frame: &Frame) -> BTreeMap<String, String> {
    // SAFETY: the dictionary belongs to the frame.
    unsafe { tags((*frame.as_ptr()).metadata) }
}

unsafe fn tags(dictionary: *const ffi::AVDictionary) -> BTreeMap<String, String> {
    let mut tags = BTreeMap::new();
    let mut entry: *const ffi::AVDictionaryEntry = ptr::null();
    while tags.len() < MAX_TAGS {
        // SAFETY: the caller vouches for the dictionary; an empty key with this flag walks over all entries.
        let next = unsafe { ffi::av_dict_get(dictionary, c"".as_ptr(), entry, ffi::AV_DICT_IGNORE_SUFFIX).as_ref() };
        let Some(next) = next else { break };
        // SAFETY: keys and values are terminated strings.
        if let (Some(key), Some(value)) = unsafe { (text(next.key), text(next.value)) } {
            tags.insert(key, value);
        }
        entry = next;
    }
    tags
}

/// The terminated string at `pointer`, cut to [`MAX_TEXT_BYTES`].
unsafe fn text(pointer: *const c_char) -> Option<String> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: the caller vouches for a terminated string.
    let bytes = unsafe { CStr::from_ptr(pointer) }.to_bytes();
    Some(String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_TEXT_BYTES)]).into_owned())
}

/// A rectangle of a subtitle that is a picture.
#[derive(Debug, PartialEq, Eq)]
pub struct Painted {
    /// Left and top on the sheet.
    pub at: (usize, usize),
    /// Pixels in a row.
    pub width: usize,
    /// Red, green, blue and opacity of each pixel, row after row.
    pub rgba: Vec<u8>,
}

/// The pixels of a rectangle; `None` where it has none.
#[must_use]
pub fn painted(rect: &ffmpeg_next::codec::subtitle::Bitmap<'_>) -> Option<Painted> {
    // SAFETY: the rectangle lives as long as `rect`.
    let raw = unsafe { &*rect.as_ptr() };
    let side = |number: i32| usize::try_from(number).ok().filter(|&number| number > 0);
    let (width, height, stride) = (side(raw.w)?, side(raw.h)?, side(raw.linesize[0])?);
    if stride < width || raw.data[0].is_null() || raw.data[1].is_null() {
        return None;
    }
    // SAFETY: decoders allocate rows of `linesize` bytes, the last at least as wide as the picture, and 256 colours of four
    // bytes, of which `nb_colors` are set and the others zero.
    let (indices, palette) = unsafe {
        let indices = std::slice::from_raw_parts(raw.data[0].cast_const(), stride * (height - 1) + width);
        (indices, std::slice::from_raw_parts(raw.data[1].cast_const(), PALETTE_BYTES))
    };
    let color = |&index: &u8| {
        let at = usize::from(index) * 4;
        let [alpha, red, green, blue] =
            u32::from_ne_bytes([palette[at], palette[at + 1], palette[at + 2], palette[at + 3]]).to_be_bytes();
        [red, green, blue, alpha]
    };
    let rgba = indices.chunks(stride).flat_map(|row| row[..width].iter().flat_map(color)).collect();
    let at = (usize::try_from(raw.x).unwrap_or(0), usize::try_from(raw.y).unwrap_or(0));
    Some(Painted { at, width, rgba })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(numbers: [i32; 9]) -> Vec<u8> {
        numbers.iter().flat_map(|n| n.to_ne_bytes()).collect()
    }

    #[test]
    fn matrices_turn_clockwise() {
        const ONE: i32 = 1 << 16;
        for (a, b, c, d, rotation, flipped) in [
            (ONE, 0, 0, ONE, 0, false),
            (0, ONE, -ONE, 0, 90, false),
            (-ONE, 0, 0, -ONE, 180, false),
            (0, -ONE, ONE, 0, 270, false),
            (-ONE, 0, 0, ONE, 180, true),
            (ONE, 0, 0, -ONE, 0, true),
        ] {
            let read = orientation(&matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30]));
            assert_eq!(read, Orientation { rotation, flipped }, "{a} {b} {c} {d}");
        }
    }

    #[test]
    fn a_matrix_of_zeros_or_a_short_one_turns_nothing() {
        assert_eq!(orientation(&[0; 36]), Orientation::default());
        assert_eq!(orientation(&[0xff; 5]), Orientation::default());
    }

    #[test]
    fn pixel_formats_are_found_by_number() {
        let number = ffi::AVPixelFormat::AV_PIX_FMT_YUVA444P12LE as i32;
        let format = pixel_format(number).unwrap();
        assert_eq!((format.name.as_str(), format.bit_depth, format.alpha), ("yuva444p12le", 12, true));
        assert_eq!(pixel_format(-1), None);
        assert_eq!(pixel_format(1_000_000), None);
    }
}
