//! HLS playlists: one for each track, and the master playlist over them.
//!
//! **Invariant**: everything in them is measured; URIs are relative and percent-encoded, whatever names users give.

use std::collections::HashMap;

use m3u8_rs::{
    AlternativeMedia, AlternativeMediaType, ByteRange, Key, KeyMethod, Map, MasterPlaylist, MediaPlaylist,
    MediaPlaylistType, MediaSegment, QuotedOrUnquoted, Resolution, VariantStream,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reelmill::model::media::{Hdr, VideoStream};

use super::bandwidth;
use super::iframes::IFrames;
use super::keys::Keys;
use super::menu::{Entry, Group};
use super::segmenter::Form;
use super::shelf::Piece;
use super::subtitle::Text;
use super::track::{Segment, Track, spans};
use crate::error::MediaError;

/// Version that fragmented MP4 needs.
const MP4_VERSION: usize = 7;

/// Version that fractions, ranges of bytes and I-frame playlists need.
const TS_VERSION: usize = 4;

/// Group of all subtitles.
const SUBTITLES: &str = "subtitles";

/// What stands for itself in a part of a path.
const UNRESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Duration that no segment is longer than, in whole seconds, as players round.
#[must_use]
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small positive number")]
pub fn target_duration(segments: &[Segment]) -> u64 {
    let longest = spans(segments).map(|(_, duration_s)| duration_s).fold(0.0, f64::max);
    (longest.round() as u64).max(1)
}

/// The playlist of a track. `target` is that of all tracks of the package, which must agree.
#[must_use]
pub fn media(track: &Track, target: u64, keys: Option<&Keys>) -> MediaPlaylist {
    let file = track.playlist();
    MediaPlaylist {
        independent_segments: track.independent,
        ..list(track.form, track.init.as_ref(), &track.segments, target, |piece| key(piece, keys, &file))
    }
}

/// The playlist of a track's keyframes.
#[must_use]
pub fn iframes(track: &Track, iframes: &IFrames, keys: Option<&Keys>) -> MediaPlaylist {
    let file = format!("{}/{}", track.folder, track.names.iframe_playlist());
    let target = target_duration(&iframes.frames);
    let list = list(track.form, iframes.init.as_ref(), &iframes.frames, target, |piece| key(piece, keys, &file));
    MediaPlaylist { i_frames_only: true, ..list }
}

/// The playlist of a text.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "the library keeps durations in single precision")]
pub fn text(text: &Text) -> MediaPlaylist {
    let segment = |(name, duration_s): &(String, f64)| MediaSegment {
        uri: name.clone(),
        duration: *duration_s as f32,
        ..MediaSegment::default()
    };
    let longest = text.segments.iter().map(|(_, duration_s)| *duration_s).fold(0.0, f64::max);
    #[expect(clippy::cast_sign_loss, reason = "a small positive number")]
    let target_duration = (longest.round() as u64).max(1);
    MediaPlaylist {
        version: Some(TS_VERSION),
        target_duration,
        playlist_type: Some(MediaPlaylistType::Vod),
        segments: text.segments.iter().map(segment).collect(),
        end_list: true,
        ..MediaPlaylist::default()
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the library keeps durations in single precision")]
fn list(
    form: Form,
    init: Option<&Piece>,
    segments: &[Segment],
    target: u64,
    key: impl Fn(&Piece) -> Option<Key>,
) -> MediaPlaylist {
    let map = |init: &Piece| Map { uri: init.name.clone(), byte_range: range(init), ..Map::default() };
    let segment = |(place, (segment, (_, duration_s))): (usize, (&Segment, (f64, f64)))| MediaSegment {
        uri: segment.piece.name.clone(),
        duration: duration_s as f32,
        byte_range: range(&segment.piece),
        // The library writes it ahead of the key, which therefore does not apply to it.
        map: init.filter(|_| place == 0).map(map),
        key: key(&segment.piece),
        ..MediaSegment::default()
    };
    MediaPlaylist {
        version: Some(if form == Form::Ts { TS_VERSION } else { MP4_VERSION }),
        target_duration: target,
        playlist_type: Some(MediaPlaylistType::Vod),
        segments: segments.iter().zip(spans(segments)).enumerate().map(segment).collect(),
        end_list: true,
        ..MediaPlaylist::default()
    }
}

fn range(piece: &Piece) -> Option<ByteRange> {
    piece.offset.map(|offset| ByteRange { length: piece.size_bytes, offset: Some(offset) })
}

/// How players decrypt a piece, said in the playlist `file`.
fn key(piece: &Piece, keys: Option<&Keys>, file: &str) -> Option<Key> {
    let (locked, keys) = (piece.locked.as_ref()?, keys?);
    let published = || keys.file(locked.key).map(|(key, _)| relative_uri(file, &key));
    let uri = keys.given_uri(locked.key).or_else(published);
    Some(Key { method: KeyMethod::AES128, uri, iv: Some(locked.iv.clone()), ..Key::default() })
}

/// What a variant is made of besides its own track.
#[derive(Default)]
pub struct Parts<'a> {
    /// `CODECS` of everything that can be played with it, its own first.
    pub codecs: Vec<&'a str>,
    /// Peak and average of everything together, in bit/s.
    pub rates: (u64, u64),
    /// The group of sounds that it is heard with.
    pub group: Option<&'a Group>,
    /// Whether there are subtitles.
    pub texts: bool,
    /// Whether ranges of brightness are told apart: one that says nothing is taken for standard by some players, and for
    /// any by others.
    pub ranges: bool,
}

/// A track in the master playlist.
#[must_use]
pub fn variant(track: &Track, parts: &Parts<'_>, uri: String) -> VariantStream {
    let mut codecs: Vec<&str> = Vec::new();
    for codec in parts.codecs.iter().flat_map(|codecs| codecs.split(',')) {
        if !codecs.contains(&codec) {
            codecs.push(codec);
        }
    }
    let video = track.video.as_ref();
    VariantStream {
        uri,
        bandwidth: parts.rates.0,
        average_bandwidth: Some(parts.rates.1),
        codecs: Some(codecs.join(",")),
        resolution: video.map(resolution),
        frame_rate: video.map(|_| (track.frame_rate * 1_000.0).round() / 1_000.0).filter(|rate| *rate > 0.0),
        audio: parts.group.map(|group| group.id.clone()),
        subtitles: parts.texts.then(|| SUBTITLES.to_owned()),
        other_attributes: range_of(video, parts.ranges),
        ..VariantStream::default()
    }
}

/// A track's keyframes in the master playlist; `codecs` are those of the whole track, and `ranges` whether ranges of
/// brightness are told apart.
#[must_use]
pub fn iframe_variant(track: &Track, iframes: &IFrames, codecs: &str, ranges: bool, uri: String) -> VariantStream {
    let sizes: Vec<_> = iframes.frames.iter().map(|frame| (frame.piece.size_bytes, frame.duration_s)).collect();
    let video = track.video.as_ref();
    VariantStream {
        is_i_frame: true,
        uri,
        bandwidth: bandwidth::peak(&sizes, whole(target_duration(&iframes.frames))),
        average_bandwidth: Some(bandwidth::average(&sizes)),
        codecs: codecs.split(',').next().map(str::to_owned),
        resolution: video.map(resolution),
        other_attributes: range_of(video, ranges),
        ..VariantStream::default()
    }
}

/// Entries of a group of sounds, each with the URI of its playlist and its number of channels.
pub fn sounds<'a>(
    group: &'a Group,
    of: impl Fn(usize) -> (String, u16) + 'a,
) -> impl Iterator<Item = AlternativeMedia> + 'a {
    group.members.iter().map(move |(place, entry)| {
        let (uri, channels) = of(*place);
        AlternativeMedia {
            channels: (channels > 0).then(|| channels.to_string()),
            ..alternative(AlternativeMediaType::Audio, &group.id, entry, uri)
        }
    })
}

/// A text in the master playlist.
#[must_use]
pub fn subtitle(text: &Text, uri: String) -> AlternativeMedia {
    AlternativeMedia {
        forced: text.forced,
        ..alternative(AlternativeMediaType::Subtitles, SUBTITLES, &text.entry, uri)
    }
}

fn alternative(media_type: AlternativeMediaType, group: &str, entry: &Entry, uri: String) -> AlternativeMedia {
    AlternativeMedia {
        media_type,
        uri: Some(uri),
        group_id: group.to_owned(),
        language: entry.language.clone(),
        assoc_language: None,
        name: entry.name.clone(),
        default: entry.default,
        autoselect: true,
        forced: false,
        instream_id: None,
        characteristics: None,
        channels: None,
        other_attributes: None,
    }
}

/// Size in square pixels.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a size in pixels")]
fn resolution(video: &VideoStream) -> Resolution {
    let aspect = video.sample_aspect_ratio.map_or(1.0, reelmill::model::media::Ratio::value);
    let aspect = if aspect > 0.0 { aspect } else { 1.0 };
    Resolution { width: (f64::from(video.width) * aspect).round() as u64, height: video.height.into() }
}

fn range_of(video: Option<&VideoStream>, ranges: bool) -> Option<HashMap<String, QuotedOrUnquoted>> {
    let range = match video?.hdr {
        None if !ranges => return None,
        None => "SDR",
        Some(Hdr::Hlg) => "HLG",
        Some(Hdr::Hdr10 | Hdr::Hdr10Plus | Hdr::DolbyVision) => "PQ",
    };
    Some(HashMap::from([("VIDEO-RANGE".to_owned(), QuotedOrUnquoted::Unquoted(range.to_owned()))]))
}

/// The master playlist.
#[must_use]
pub fn master(
    variants: Vec<VariantStream>,
    alternatives: Vec<AlternativeMedia>,
    form: Form,
    independent: bool,
) -> MasterPlaylist {
    let version = Some(if form == Form::Ts { TS_VERSION } else { MP4_VERSION });
    MasterPlaylist { version, independent_segments: independent, variants, alternatives, ..MasterPlaylist::default() }
}

/// A playlist as bytes.
pub fn bytes(write: impl FnOnce(&mut Vec<u8>) -> std::io::Result<()>, file: &str) -> Result<Vec<u8>, MediaError> {
    let mut bytes = Vec::new();
    write(&mut bytes).map_err(|source| MediaError::Scratch { path: file.into(), source })?;
    Ok(bytes)
}

#[expect(clippy::cast_precision_loss, reason = "a small number")]
fn whole(seconds: u64) -> f64 {
    seconds as f64
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
