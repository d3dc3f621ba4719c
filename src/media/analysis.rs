//! Analysis: media information of a file that can be worked with, or why it cannot.

mod chart;
mod eyes;
mod packets;
mod sweep;
#[cfg(test)]
mod tests;

use std::path::Path;

use ffmpeg_next::{Stream, media};
use reelmill::model::media::MediaInfo;
use reelmill::model::work::{Analysis, FileRole, Finding, Produced, ProducedFile};

pub use self::sweep::Sweep;
use crate::error::MediaError;
use crate::probe::Examined;
use crate::source::Opened;
use crate::{libav, scratch};

/// Fails where nothing of a freshly `opened` source can be worked with: a file with at least one video or audio stream that
/// decodes is good enough.
pub fn judge(opened: &Opened, examined: &Examined) -> Result<(), MediaError> {
    if examined.info.video.is_empty() && examined.info.audio.is_empty() {
        return Err(unusable(opened));
    }
    if examined.packets == 0 {
        return Err(MediaError::NoStreams("media data"));
    }
    if !examined.decodable {
        return Err(undecodable(opened, &examined.info));
    }
    Ok(())
}

/// Result of an analysis that found `info`, with a chart if one is asked for.
pub fn produced(info: MediaInfo, analysis: &Analysis, scratch: &Path) -> Result<Produced, MediaError> {
    let files = files(&info, analysis, scratch)?;
    Ok(Produced { files, finding: Some(Finding::Media(Box::new(info))) })
}

fn files(info: &MediaInfo, analysis: &Analysis, scratch: &Path) -> Result<Vec<ProducedFile>, MediaError> {
    let (Some(name), Some(measured)) = (&analysis.chart, &info.measured) else { return Ok(Vec::new()) };
    let svg = chart::draw(measured, info.loudness, info.format.duration_s.unwrap_or(0.0));
    Ok(vec![scratch::write(scratch, name, svg.as_bytes(), "image/svg+xml", FileRole::Image)?])
}

/// Index of the audio stream that players choose: the default one, or the first.
fn main_audio(info: &MediaInfo) -> Option<usize> {
    let main = info.audio.iter().find(|audio| audio.default).or(info.audio.first())?;
    usize::try_from(main.index).ok()
}

/// Why a file without a described video or audio stream has none.
fn unusable(opened: &Opened) -> MediaError {
    let undescribed = opened.demuxer().streams().find_map(|stream| undescribed(&stream));
    undescribed.unwrap_or(MediaError::NoStreams("video or audio"))
}

/// Why a video or audio stream is not described; absent for other kinds of streams.
pub fn undescribed(stream: &Stream<'_>) -> Option<MediaError> {
    let kind = kind(stream)?;
    let damaged = || {
        let detail = "its headers are incomplete or exceed a limit".to_owned();
        MediaError::Damaged { kind, detail }
    };
    Some(unsupported(stream).unwrap_or_else(damaged))
}

/// Why nothing of the described streams could be decoded.
fn undecodable(opened: &Opened, info: &MediaInfo) -> MediaError {
    let indices = info.video.iter().map(|v| v.index).chain(info.audio.iter().map(|a| a.index));
    let streams = indices.filter_map(|index| opened.demuxer().stream(index as usize));
    streams.into_iter().find_map(|stream| unsupported(&stream)).unwrap_or_else(|| MediaError::Damaged {
        kind: if info.video.is_empty() { "audio" } else { "video" },
        detail: "none of the first packets could be decoded".to_owned(),
    })
}

/// The error for a stream that this build cannot decode.
fn unsupported(stream: &Stream<'_>) -> Option<MediaError> {
    let parameters = libav::parameters(stream);
    let kind = kind(stream)?;
    let codec = libav::codec_name(parameters);
    if codec.is_some() && libav::has_decoder(parameters) {
        return None;
    }
    Some(MediaError::UnsupportedCodec { kind, codec: codec.unwrap_or_else(|| tag(parameters.codec_tag)) })
}

fn kind(stream: &Stream<'_>) -> Option<&'static str> {
    match stream.parameters().medium() {
        media::Type::Video => Some("video"),
        media::Type::Audio => Some("audio"),
        _ => None,
    }
}

/// A container's own four letters for a codec, where they can be read.
fn tag(tag: u32) -> String {
    let letters: String = tag.to_le_bytes().into_iter().filter(u8::is_ascii_graphic).map(char::from).collect();
    if letters.is_empty() { "unknown".to_owned() } else { letters }
}
