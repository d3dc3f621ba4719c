//! HLS playlists: one for each rendition, and the master playlist over them.
//!
//! **Invariant**: everything in them is measured; URIs are relative and percent-encoded, whatever names users give.

use std::collections::HashMap;

use m3u8_rs::{
    Map, MasterPlaylist, MediaPlaylist, MediaPlaylistType, MediaSegment, QuotedOrUnquoted, Resolution, VariantStream,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reelmill::model::media::Hdr;

use super::bandwidth;
use super::rendition::{INIT, Rendition, Segment};
use crate::error::MediaError;

/// Version that fragmented MP4 needs.
const VERSION: usize = 7;

/// What stands for itself in a part of a path.
const UNRESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Duration that no segment is longer than, in whole seconds, as players round.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
pub fn target_duration(rendition: &Rendition) -> u64 {
    let longest = rendition.segments.iter().map(|segment| segment.duration_s).fold(0.0, f64::max);
    (longest.round() as u64).max(1)
}

/// The playlist of a rendition.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "the library keeps durations in single precision")]
pub fn media(rendition: &Rendition) -> MediaPlaylist {
    let segment = |(position, segment): (usize, &Segment)| MediaSegment {
        uri: segment.name.clone(),
        duration: segment.duration_s as f32,
        map: (position == 0).then(|| Map { uri: INIT.to_owned(), ..Map::default() }),
        ..MediaSegment::default()
    };
    MediaPlaylist {
        version: Some(VERSION),
        target_duration: target_duration(rendition),
        playlist_type: Some(MediaPlaylistType::Vod),
        independent_segments: rendition.independent,
        segments: rendition.segments.iter().enumerate().map(segment).collect(),
        end_list: true,
        ..MediaPlaylist::default()
    }
}

/// A rendition in the master playlist, with its `CODECS`.
#[must_use]
pub fn variant(rendition: &Rendition, codecs: &str, uri: String) -> VariantStream {
    let sizes: Vec<_> = rendition.segments.iter().map(|s| (s.file.size_bytes, s.duration_s)).collect();
    let video = rendition.info.video.first();
    #[expect(clippy::cast_precision_loss, reason = "a small number")]
    let target_s = target_duration(rendition) as f64;
    let range = match video.and_then(|video| video.hdr) {
        None => None,
        Some(Hdr::Hlg) => Some("HLG"),
        Some(Hdr::Hdr10 | Hdr::Hdr10Plus | Hdr::DolbyVision) => Some("PQ"),
    };
    let range = range.map(|r| HashMap::from([("VIDEO-RANGE".to_owned(), QuotedOrUnquoted::Unquoted(r.to_owned()))]));
    VariantStream {
        uri,
        bandwidth: bandwidth::peak(&sizes, target_s),
        average_bandwidth: Some(bandwidth::average(&sizes)),
        codecs: Some(codecs.to_owned()),
        resolution: video.map(|v| Resolution { width: v.width.into(), height: v.height.into() }),
        frame_rate: video.map(|v| (v.frame_rate * 1_000.0).round() / 1_000.0).filter(|rate| *rate > 0.0),
        other_attributes: range,
        ..VariantStream::default()
    }
}

/// The master playlist.
#[must_use]
pub fn master(variants: Vec<VariantStream>, independent: bool) -> MasterPlaylist {
    MasterPlaylist { version: Some(VERSION), independent_segments: independent, variants, ..MasterPlaylist::default() }
}

/// A playlist as bytes.
pub fn bytes(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>, file: &str) -> Result<Vec<u8>, MediaError> {
    let mut bytes = Vec::new();
    write(&mut bytes).map_err(|source| MediaError::Scratch { path: file.into(), source })?;
    Ok(bytes)
}

/// URI of one file in scratch as seen from another.
#[must_use]
pub fn relative_uri(from: &str, to: &str) -> String {
    let from: Vec<&str> = from.split('/').collect();
    let to: Vec<&str> = to.split('/').collect();
    let folders = &from[..from.len() - 1];
    let shared = folders.iter().zip(&to[..to.len() - 1]).take_while(|(a, b)| a == b).count();
    let up = folders[shared..].iter().map(|_| "..".to_owned());
    let down = to[shared..].iter().map(|part| utf8_percent_encode(part, &UNRESERVED).to_string());
    up.chain(down).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_relative_and_escaped() {
        for (from, to, uri) in [
            ("master.m3u8", "360p/index.m3u8", "360p/index.m3u8"),
            ("hls/master.m3u8", "hls/360p/index.m3u8", "360p/index.m3u8"),
            ("hls/master.m3u8", "360p/index.m3u8", "../360p/index.m3u8"),
            ("m.m3u8", "a b?#%/ü/index.m3u8", "a%20b%3F%23%25/%C3%BC/index.m3u8"),
            ("m.m3u8", "file:x/index.m3u8", "file%3Ax/index.m3u8"),
        ] {
            assert_eq!(relative_uri(from, to), uri);
        }
    }
}
