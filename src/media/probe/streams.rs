//! Streams as their headers describe them, before any packet is looked at.

use ffmpeg_next::format::context::Input as Demuxer;
use ffmpeg_next::format::stream::Disposition;
use ffmpeg_next::{Stream, ffi, media};
use reelmill::model::media::{AudioStream, Chapter, MediaInfo, Picture, Ratio, SubtitleStream, VideoStream};

use crate::libav::{self, Color, Orientation};

/// Chapters listed.
const MAX_CHAPTERS: usize = 1_000;

/// Everything the headers say.
pub fn describe(demuxer: &mut Demuxer, size_bytes: u64) -> MediaInfo {
    let mut info = MediaInfo::default();
    info.format.name = libav::demuxer_name(demuxer);
    info.format.size_bytes = size_bytes;
    info.format.tags = libav::container_tags(demuxer);
    info.chapters = chapters(demuxer);
    for index in 0..demuxer.streams().len() {
        let aspect = libav::sample_aspect_ratio(demuxer, index).map(|(num, den)| Ratio { num, den });
        let Some(stream) = demuxer.stream(index) else { break };
        add(&mut info, &stream, aspect);
    }
    info
}

fn add(info: &mut MediaInfo, stream: &Stream<'_>, aspect: Option<Ratio>) {
    let Some(codec) = libav::codec_name(libav::parameters(stream)) else { return };
    match stream.parameters().medium() {
        media::Type::Video if stream.disposition().contains(Disposition::ATTACHED_PIC) => {
            info.pictures.push(picture(stream, codec));
        }
        media::Type::Video => info.video.extend(video(stream, codec, aspect)),
        media::Type::Audio => info.audio.extend(audio(stream, codec)),
        media::Type::Subtitle => info.subtitles.push(subtitle(stream, codec)),
        _ => {}
    }
}

/// A video stream; absent where not even its size could be found.
fn video(stream: &Stream<'_>, codec: String, aspect: Option<Ratio>) -> Option<VideoStream> {
    let p = libav::parameters(stream);
    let (width, height) = (positive(p.width)?, positive(p.height)?);
    let tags = libav::stream_tags(stream);
    let color = Color::of_stream(p);
    let format = libav::pixel_format(p.format);
    let mut described = VideoStream {
        index: index(stream),
        codec,
        profile: libav::profile_name(p),
        level: (p.level > 0).then_some(p.level),
        coded_width: width,
        coded_height: height,
        sample_aspect_ratio: Some(aspect.unwrap_or(Ratio { num: 1, den: 1 })),
        bit_depth: depth(p, format.as_ref()),
        // VP8 and VP9 carry alpha beside the picture, where the pixel format does not show it.
        alpha: format.as_ref().is_some_and(|f| f.alpha) || tags.get("alpha_mode").is_some_and(|mode| mode == "1"),
        pixel_format: format.map(|f| f.name),
        color_range: color.range,
        color_space: color.space,
        color_transfer: color.transfer,
        color_primaries: color.primaries,
        field_order: field_order(p.field_order).map(str::to_owned),
        interlaced: !matches!(field_order(p.field_order), None | Some("progressive")),
        bit_rate: rate(p.bit_rate),
        frames: u64::try_from(stream.frames()).ok().filter(|n| *n > 0),
        language: language(&tags),
        title: tags.get("title").cloned(),
        default: stream.disposition().contains(Disposition::DEFAULT),
        ..VideoStream::default()
    };
    orient(&mut described, matrix(stream).unwrap_or_default());
    Some(described)
}

/// Turns the picture's measures the way it is shown.
pub fn orient(video: &mut VideoStream, orientation: Orientation) {
    let sideways = orientation.rotation % 180 == 90;
    let (width, height) = (video.coded_width, video.coded_height);
    (video.width, video.height) = if sideways { (height, width) } else { (width, height) };
    if sideways {
        video.sample_aspect_ratio = video.sample_aspect_ratio.map(|r| Ratio { num: r.den, den: r.num });
    }
    video.short_side = width.min(height);
    video.long_side = width.max(height);
    video.rotation = orientation.rotation;
    video.flipped = orientation.flipped;
}

/// An audio stream; absent where not even its rate could be found.
fn audio(stream: &Stream<'_>, codec: String) -> Option<AudioStream> {
    let p = libav::parameters(stream);
    let (channels, layout) = libav::channels(p);
    if channels == 0 {
        return None;
    }
    let tags = libav::stream_tags(stream);
    Some(AudioStream {
        index: index(stream),
        codec,
        profile: libav::profile_name(p),
        sample_rate: positive(p.sample_rate)?,
        channels,
        layout,
        sample_format: libav::sample_format(p),
        bit_rate: rate(p.bit_rate),
        duration_s: None,
        language: language(&tags),
        title: tags.get("title").cloned(),
        default: stream.disposition().contains(Disposition::DEFAULT),
    })
}

fn subtitle(stream: &Stream<'_>, codec: String) -> SubtitleStream {
    let tags = libav::stream_tags(stream);
    SubtitleStream {
        index: index(stream),
        text: libav::is_text_subtitle(libav::parameters(stream)),
        codec,
        language: language(&tags),
        title: tags.get("title").cloned(),
        default: stream.disposition().contains(Disposition::DEFAULT),
        forced: stream.disposition().contains(Disposition::FORCED),
    }
}

fn picture(stream: &Stream<'_>, codec: String) -> Picture {
    let p = libav::parameters(stream);
    Picture {
        index: index(stream),
        codec,
        width: positive(p.width).unwrap_or(0),
        height: positive(p.height).unwrap_or(0),
    }
}

fn chapters(demuxer: &Demuxer) -> Vec<Chapter> {
    let seconds = |ticks: i64, base: ffmpeg_next::Rational| seconds(ticks, base);
    let chapters = demuxer.chapters().take(MAX_CHAPTERS);
    chapters
        .map(|chapter| Chapter {
            start_s: seconds(chapter.start(), chapter.time_base()),
            end_s: seconds(chapter.end(), chapter.time_base()),
            title: libav::chapter_tags(&chapter).remove("title"),
        })
        .collect()
}

/// Ticks of a time base in seconds.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "media times are far below 2^52 ticks")]
pub fn seconds(ticks: i64, base: ffmpeg_next::Rational) -> f64 {
    if base.denominator() == 0 {
        return 0.0;
    }
    ticks as f64 * f64::from(base.numerator()) / f64::from(base.denominator())
}

/// How the stream's display matrix turns it.
fn matrix(stream: &Stream<'_>) -> Option<Orientation> {
    use ffmpeg_next::packet::side_data::Type;
    let matrix = stream.side_data().find(|data| data.kind() == Type::DisplayMatrix)?;
    Some(libav::orientation(matrix.data()))
}

/// Whether the stream carries Dolby Vision's configuration.
#[must_use]
pub fn has_dolby_vision(stream: &Stream<'_>) -> bool {
    use ffmpeg_next::packet::side_data::Type;
    stream.side_data().any(|data| data.kind() == Type::DOVI_CONF)
}

fn depth(p: &ffi::AVCodecParameters, format: Option<&libav::PixelFormat>) -> Option<u8> {
    let coded = u8::try_from(p.bits_per_raw_sample).ok().filter(|bits| *bits > 0);
    let format = format.map(|f| f.bit_depth);
    // Some encoders write nonsense into the raw depth; it can only lower what the format has room for.
    match (coded, format) {
        (Some(coded), Some(room)) if coded <= room => Some(coded),
        (_, room) => room,
    }
}

fn field_order(order: ffi::AVFieldOrder) -> Option<&'static str> {
    match order {
        ffi::AVFieldOrder::AV_FIELD_PROGRESSIVE => Some("progressive"),
        ffi::AVFieldOrder::AV_FIELD_TT => Some("tt"),
        ffi::AVFieldOrder::AV_FIELD_BB => Some("bb"),
        ffi::AVFieldOrder::AV_FIELD_TB => Some("tb"),
        ffi::AVFieldOrder::AV_FIELD_BT => Some("bt"),
        ffi::AVFieldOrder::AV_FIELD_UNKNOWN => None,
    }
}

fn language(tags: &std::collections::BTreeMap<String, String>) -> Option<String> {
    let stated = tags.get("language").filter(|language| !language.is_empty() && *language != "und");
    stated.map(|tag| crate::language::read(tag))
}

fn index(stream: &Stream<'_>) -> u32 {
    u32::try_from(stream.index()).unwrap_or(u32::MAX)
}

fn positive(number: i32) -> Option<u32> {
    u32::try_from(number).ok().filter(|n| *n > 0)
}

fn rate(bits_per_second: i64) -> Option<u64> {
    u64::try_from(bits_per_second).ok().filter(|rate| *rate > 0)
}
