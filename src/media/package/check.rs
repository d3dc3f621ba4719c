//! Holding a finished package against what went into it: playlists read again, segments there and whole, the first of
//! each track opened with its initialisation section and decoded.

use std::path::Path;

use m3u8_rs::Playlist;

use super::segmenter::Form;
use super::shelf;
use super::track::Track;
use crate::error::MediaError;
use crate::{codecs_string, libav, probe, scratch, verify};

/// Longest difference that single precision of durations makes, in seconds for each segment.
const ROUNDING_S: f64 = 0.000_01;

/// Name of the file that a track's first segment is opened from.
const FIRST: &str = "check.mp4";

/// Opens a track's beginning, sees that it decodes, and answers with the `CODECS` of its streams.
pub fn beginning(scratch: &Path, track: &mut Track) -> Result<String, MediaError> {
    let name = track.segments.first().map(|first| format!("{}/{}", track.folder, first.piece.name)).unwrap_or_default();
    let wrong = |problem: String| MediaError::WrongOutput { file: name.clone(), problem };
    let path = scratch::place(scratch, &format!("{}/{FIRST}", track.folder))?;
    let open = |bytes: &[u8]| {
        std::fs::write(&path, bytes).map_err(|error| scratch::failed(&path, error))?;
        let codecs = codecs(&path).map_err(|error| match error {
            MediaError::SourceUnreadable => error,
            other => wrong(format!("its first segment cannot be opened: {other}")),
        });
        std::fs::remove_file(&path).map_err(|error| scratch::failed(&path, error))?;
        codecs
    };
    // Transport streams do not say as much as MP4 does about their codecs, and cannot be read where they are encrypted.
    let first = track.segments.first().filter(|first| track.form == Form::Ts && first.piece.locked.is_none());
    if let Some(first) = first {
        open(&shelf::read(scratch, &track.folder, &first.piece)?)?
            .ok_or_else(|| wrong("its first segment does not decode".to_owned()))?;
    }
    let codecs = open(&std::mem::take(&mut track.beginning))?;
    codecs.filter(|codecs| !codecs.is_empty()).ok_or_else(|| wrong("its first segment does not decode".to_owned()))
}

/// `CODECS` of a file's streams, as far as they are known; none where nothing of it decodes.
fn codecs(path: &Path) -> Result<Option<String>, MediaError> {
    let mut opened = verify::source(path)?.open()?;
    if !probe::examine(&mut opened)?.decodable {
        return Ok(None);
    }
    let streams = opened.demuxer().streams();
    let codecs = streams.map(|stream| codecs_string::codecs_string(libav::parameters(&stream)));
    Ok(Some(codecs.collect::<Option<Vec<String>>>().unwrap_or_default().join(",")))
}

/// Reads a track's playlist again.
pub fn media_playlist(scratch: &Path, file: &str, track: &Track) -> Result<(), MediaError> {
    let wrong = |problem: String| MediaError::WrongOutput { file: file.to_owned(), problem };
    let Ok(Playlist::MediaPlaylist(read_again)) = m3u8_rs::parse_playlist_res(&read(scratch, file)?) else {
        return Err(wrong("it is not a media playlist".to_owned()));
    };
    if !read_again.end_list || read_again.segments.len() != track.segments.len() {
        return Err(wrong(format!("it lists {} of {} segments", read_again.segments.len(), track.segments.len())));
    }
    let total_s: f64 = read_again.segments.iter().map(|segment| f64::from(segment.duration)).sum();
    let tolerance_s = frame_s(track) + ROUNDING_S * f64::from(u32::try_from(track.segments.len()).unwrap_or(0));
    if (total_s - track.end_s).abs() > tolerance_s {
        return Err(wrong(format!("it lasts {total_s:.3} s instead of {:.3} s", track.end_s)));
    }
    if read_again.segments.iter().any(|s| f64::from(s.duration).round() > f64::from(whole(read_again.target_duration)))
    {
        return Err(wrong("a segment is longer than the target duration".to_owned()));
    }
    for (segment, made) in read_again.segments.iter().zip(&track.segments) {
        let path = scratch::place(scratch, &format!("{}/{}", track.folder, made.piece.name))?;
        let size_bytes = std::fs::metadata(&path).map_err(|error| scratch::failed(&path, error))?.len();
        let whole = match made.piece.offset {
            None => size_bytes == made.piece.size_bytes,
            Some(offset) => size_bytes >= offset + made.piece.size_bytes,
        };
        let range = segment.byte_range.as_ref().map(|range| (range.length, range.offset));
        let fits = range == made.piece.offset.map(|offset| (made.piece.size_bytes, Some(offset)));
        let locked = segment.key.is_some() == made.piece.locked.is_some();
        if segment.uri != made.piece.name || !whole || !fits || !locked || made.piece.size_bytes == 0 {
            return Err(wrong(format!("`{}` is not the segment that was written", segment.uri)));
        }
    }
    Ok(())
}

/// Reads the master playlist again, which lists the playlists with these URIs.
pub fn master_playlist(scratch: &Path, file: &str, uris: &[String]) -> Result<(), MediaError> {
    let wrong = |problem: &str| MediaError::WrongOutput { file: file.to_owned(), problem: problem.to_owned() };
    let Ok(Playlist::MasterPlaylist(read_again)) = m3u8_rs::parse_playlist_res(&read(scratch, file)?) else {
        return Err(wrong("it is not a master playlist"));
    };
    let listed = read_again.variants.iter().filter(|variant| !variant.is_i_frame).map(|variant| &variant.uri);
    if !listed.eq(uris) {
        return Err(wrong("it does not list every rendition"));
    }
    if read_again.variants.iter().any(|variant| variant.bandwidth == 0 || variant.codecs.is_none()) {
        return Err(wrong("a rendition has no bandwidth or codecs"));
    }
    Ok(())
}

/// Duration of a video frame, or of nothing.
fn frame_s(track: &Track) -> f64 {
    track.video.as_ref().map(|v| v.frame_rate).filter(|rate| *rate > 0.0).map_or(0.0, |rate| 1.0 / rate)
}

fn whole(seconds: u64) -> u32 {
    u32::try_from(seconds).unwrap_or(u32::MAX)
}

fn read(scratch: &Path, file: &str) -> Result<Vec<u8>, MediaError> {
    let path = scratch::place(scratch, file)?;
    std::fs::read(&path).map_err(|error| scratch::failed(&path, error))
}
