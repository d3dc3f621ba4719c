//! Holding a finished package against what went into it: playlists read again, segments there and whole, the first of
//! each rendition opened with its initialisation section and decoded.

use std::path::Path;

use m3u8_rs::Playlist;

use super::playlist;
use super::rendition::Rendition;
use crate::error::MediaError;
use crate::{codecs_string, libav, probe, scratch, verify};

/// Longest difference that single precision of durations makes, in seconds for each segment.
const ROUNDING_S: f64 = 0.000_01;

/// Name of the file that a rendition's first segment is opened from.
const FIRST: &str = "check.mp4";

/// Opens a rendition's beginning, sees that it decodes, and answers with the `CODECS` of its streams.
pub fn first_segment(scratch: &Path, rendition: &Rendition) -> Result<String, MediaError> {
    let wrong = |problem: String| MediaError::WrongOutput { file: rendition.init.file.clone(), problem };
    let first = rendition.segments.first().ok_or_else(|| wrong("it has no segments".to_owned()))?;
    let mut bytes = read(scratch, &rendition.init.file)?;
    bytes.extend(read(scratch, &first.file.file)?);
    let path = scratch::place(scratch, &format!("{}/{FIRST}", rendition.folder))?;
    std::fs::write(&path, &bytes).map_err(|error| scratch::failed(&path, error))?;
    let codecs = codecs(&path).map_err(|error| match error {
        MediaError::SourceUnreadable => error,
        other => wrong(format!("its first segment cannot be opened: {other}")),
    })?;
    std::fs::remove_file(&path).map_err(|error| scratch::failed(&path, error))?;
    codecs.ok_or_else(|| wrong("its first segment does not decode".to_owned()))
}

fn codecs(path: &Path) -> Result<Option<String>, MediaError> {
    let mut opened = verify::source(path)?.open()?;
    if !probe::examine(&mut opened)?.decodable {
        return Ok(None);
    }
    let streams = opened.demuxer().streams();
    let codecs: Option<Vec<String>> =
        streams.map(|stream| codecs_string::codecs_string(libav::parameters(&stream))).collect();
    Ok(codecs.map(|codecs| codecs.join(",")))
}

/// Reads a rendition's playlist again.
pub fn media_playlist(scratch: &Path, file: &str, rendition: &Rendition) -> Result<(), MediaError> {
    let wrong = |problem: String| MediaError::WrongOutput { file: file.to_owned(), problem };
    let Ok(Playlist::MediaPlaylist(read_again)) = m3u8_rs::parse_playlist_res(&read(scratch, file)?) else {
        return Err(wrong("it is no media playlist".to_owned()));
    };
    if !read_again.end_list || read_again.segments.len() != rendition.segments.len() {
        return Err(wrong(format!("it lists {} of {} segments", read_again.segments.len(), rendition.segments.len())));
    }
    let total_s: f64 = read_again.segments.iter().map(|segment| f64::from(segment.duration)).sum();
    let tolerance_s = frame_s(rendition) + ROUNDING_S * f64::from(u32::try_from(rendition.segments.len()).unwrap_or(0));
    if (total_s - rendition.duration_s).abs() > tolerance_s {
        return Err(wrong(format!("it lasts {total_s:.3} s instead of {:.3} s", rendition.duration_s)));
    }
    if read_again.segments.iter().any(|s| f64::from(s.duration).round() > f64::from(whole(read_again.target_duration)))
    {
        return Err(wrong("a segment is longer than the target duration".to_owned()));
    }
    for (segment, made) in read_again.segments.iter().zip(&rendition.segments) {
        let path = scratch::place(scratch, &made.file.file)?;
        let size_bytes = std::fs::metadata(&path).map_err(|error| scratch::failed(&path, error))?.len();
        if segment.uri != made.name || size_bytes != made.file.size_bytes || size_bytes == 0 {
            return Err(wrong(format!("`{}` is not the segment that was written", segment.uri)));
        }
    }
    Ok(())
}

/// Reads the master playlist again.
pub fn master_playlist(scratch: &Path, file: &str, playlists: &[String]) -> Result<(), MediaError> {
    let wrong = |problem: &str| MediaError::WrongOutput { file: file.to_owned(), problem: problem.to_owned() };
    let Ok(Playlist::MasterPlaylist(read_again)) = m3u8_rs::parse_playlist_res(&read(scratch, file)?) else {
        return Err(wrong("it is no master playlist"));
    };
    let listed = read_again.variants.iter().map(|variant| variant.uri.clone());
    if !listed.eq(playlists.iter().map(|playlist| playlist::relative_uri(file, playlist))) {
        return Err(wrong("it does not list every rendition"));
    }
    if read_again.variants.iter().any(|variant| variant.bandwidth == 0 || variant.codecs.is_none()) {
        return Err(wrong("a rendition has no bandwidth or codecs"));
    }
    Ok(())
}

/// Duration of a video frame, or of nothing.
fn frame_s(rendition: &Rendition) -> f64 {
    rendition.info.video.first().map(|v| v.frame_rate).filter(|rate| *rate > 0.0).map_or(0.0, |rate| 1.0 / rate)
}

fn whole(seconds: u64) -> u32 {
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

fn read(scratch: &Path, file: &str) -> Result<Vec<u8>, MediaError> {
    let path = scratch::place(scratch, file)?;
    std::fs::read(&path).map_err(|error| scratch::failed(&path, error))
}
