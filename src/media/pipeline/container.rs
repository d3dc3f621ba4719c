//! Containers that can be written: libav's muxers, their options and media types.

use ffmpeg_next::codec;
use reelmill::model::work::Container;

use crate::raw;

/// What writing a container takes.
pub struct Format {
    /// libav's muxer.
    pub muxer: &'static str,
    /// Options of the muxer.
    pub options: &'static [(&'static str, &'static str)],
    /// Media type, for files with video and with audio only.
    pub content_type: (&'static str, &'static str),
    /// Short name, for messages.
    pub name: &'static str,
    /// libav's encoder for text subtitles, where the container holds any.
    pub subtitles: Option<&'static str>,
}

/// The index in front; a movie clock on which no sample of sound rounds away; and FLAC, which FFmpeg 5.1 still takes for
/// an experiment in MP4.
const ISO: &[(&str, &str)] = &[("movflags", "+faststart"), ("movie_timescale", "192000"), ("strict", "experimental")];

/// Animations begin again when they have ended.
const FOR_EVER: &[(&str, &str)] = &[("loop", "0")];

/// What MPEG transport streams hold besides what is encoded into them; libav's muxer takes anything and nobody reads it.
const IN_TRANSPORT_STREAMS: &[&str] = &["mpeg2video", "mpeg1video", "aac_latm", "mp2", "dts", "opus"];

/// What Ogg holds besides what is encoded into it; libav's muxer does not say before it writes.
const IN_OGG: &[&str] = &["speex", "theora", "vp8"];

/// The format of a container.
#[must_use]
pub const fn format(container: Container) -> Format {
    match container {
        Container::Mp4 => new("mp4", "mp4", ISO, ("video/mp4", "audio/mp4"), Some("mov_text")),
        Container::Mov => new("mov", "mov", ISO, ("video/quicktime", "video/quicktime"), Some("mov_text")),
        Container::Mkv => new("matroska", "mkv", &[], ("video/x-matroska", "audio/x-matroska"), Some("subrip")),
        Container::Webm => new("webm", "webm", &[], ("video/webm", "audio/webm"), Some("webvtt")),
        Container::Ts => new("mpegts", "ts", &[], ("video/mp2t", "video/mp2t"), None),
        Container::Flv => new("flv", "flv", &[], ("video/x-flv", "video/x-flv"), None),
        Container::M4a => new("ipod", "m4a", ISO, ("audio/mp4", "audio/mp4"), None),
        Container::Mp3 => new("mp3", "mp3", &[], ("audio/mpeg", "audio/mpeg"), None),
        Container::Ogg => new("ogg", "ogg", &[], ("video/ogg", "audio/ogg"), None),
        Container::Flac => new("flac", "flac", &[], ("audio/flac", "audio/flac"), None),
        Container::Wav => new("wav", "wav", &[], ("audio/wav", "audio/wav"), None),
        Container::Srt => text("srt", "srt", "application/x-subrip", "subrip"),
        Container::Vtt => text("webvtt", "vtt", "text/vtt", "webvtt"),
        Container::Ass => text("ass", "ass", "text/x-ssa", "ass"),
        Container::Ttml => text("ttml", "ttml", "application/ttml+xml", "ttml"),
        Container::Gif => new("gif", "gif", &[], ("image/gif", "image/gif"), None),
        Container::Webp => new("webp", "webp", FOR_EVER, ("image/webp", "image/webp"), None),
    }
}

const fn new(
    muxer: &'static str,
    name: &'static str,
    options: &'static [(&'static str, &'static str)],
    content_type: (&'static str, &'static str),
    subtitles: Option<&'static str>,
) -> Format {
    Format { muxer, options, content_type, name, subtitles }
}

const fn text(muxer: &'static str, name: &'static str, content_type: &'static str, encoder: &'static str) -> Format {
    new(muxer, name, &[], (content_type, content_type), Some(encoder))
}

/// Whether a container holds one stream of subtitles and nothing else.
#[must_use]
pub const fn subtitles_only(container: Container) -> bool {
    matches!(container, Container::Srt | Container::Vtt | Container::Ass | Container::Ttml)
}

/// Whether a format holds a codec, as far as that can be told before writing.
#[must_use]
pub fn holds(format: &Format, codec: codec::Id) -> bool {
    if format.muxer == "mpegts" {
        return Container::Ts.encodes(codec.name()) || IN_TRANSPORT_STREAMS.contains(&codec.name());
    }
    if format.muxer == "ogg" {
        return Container::Ogg.encodes(codec.name()) || IN_OGG.contains(&codec.name());
    }
    raw::can_hold(format.muxer, codec) != Some(false)
}

/// Whether a format can say that its pictures are to be turned.
#[must_use]
pub fn holds_rotation(format: &Format) -> bool {
    matches!(format.muxer, "mp4" | "mov")
}

/// Whether a format can hide what lies before its start.
#[must_use]
pub fn has_edit_lists(format: &Format) -> bool {
    matches!(format.muxer, "mp4" | "mov" | "ipod")
}

/// Whether libav writes pictures that are attached to sound, such as a cover, into a format. Its muxer of QuickTime takes
/// them and forgets them.
#[must_use]
pub fn holds_covers(format: &Format, codec: codec::Id) -> bool {
    matches!(format.muxer, "mp4" | "ipod" | "mp3" | "flac") && matches!(codec, codec::Id::MJPEG | codec::Id::PNG)
}

/// Whether a container holds audio only.
#[must_use]
pub const fn audio_only(container: Container) -> bool {
    matches!(container, Container::M4a | Container::Mp3 | Container::Flac | Container::Wav)
}

/// Whether a container holds one stream of audio at most.
#[must_use]
pub const fn single_stream(container: Container) -> bool {
    matches!(container, Container::Mp3 | Container::Flac | Container::Wav | Container::Flv)
}
