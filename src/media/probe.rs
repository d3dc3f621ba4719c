//! Probes media files: headers, checked against the packets and the first frames.
//!
//! **Invariant**: reads only what it needs, and never more than its limits, whatever the file claims (see `scan`). What
//! headers and packets disagree about is what the packets say. Deliberately absent: whether that is good enough
//! ([`crate::analysis`]) or what was asked for ([`crate::verify`]).

mod extent;
mod incomplete;
mod look;
mod scan;
mod streams;
#[cfg(test)]
mod tests;
mod timing;

use ffmpeg_next::format::context::Input as Demuxer;
use ffmpeg_next::format::stream::Disposition;
use ffmpeg_next::{Rational, Stream, media};
use reelmill::model::Code;
use reelmill::model::media::{Hdr, MediaInfo, VideoStream};
use reelmill::model::work::IfIncomplete;

use self::extent::{Extent, State};
pub use self::incomplete::Incomplete;
use self::look::Seen;
use self::scan::{Scan, Track};
pub use self::streams::seconds;
use crate::error::{MediaError, warning};
use crate::libav;
use crate::source::Opened;

/// What a file holds, and whether that can be worked with.
pub struct Examined {
    /// What it holds.
    pub info: MediaInfo,
    /// Packets seen of video and audio streams.
    pub packets: u64,
    /// Whether a frame of any video or audio stream could be decoded.
    pub decodable: bool,
    /// Whether samples are encrypted.
    pub encrypted: bool,
    /// What is missing of what the container declares.
    pub incomplete: Option<Incomplete>,
    /// Whether the duration is an estimate: nothing states it, and the file is too large to be read for it.
    pub estimated: bool,
    /// Whether the end is where the duration says: it is stated for the whole, or measured.
    pub end_known: bool,
}

impl Examined {
    /// What the user should know of the source, called `what`: codes and messages. Fails where it is incomplete, and
    /// `choice` says to.
    pub fn remarks(&self, what: &str, choice: IfIncomplete) -> Result<Vec<(Code, String)>, MediaError> {
        let mut remarks = Vec::new();
        if let Some(incomplete) = self.incomplete {
            remarks.push(incomplete.judge(what, choice)?);
        }
        if let Some(duration_s) = self.info.format.duration_s.filter(|_| self.estimated) {
            let message = format!(
                "the duration of {what} is an estimate ({duration_s:.0} s): the file does not declare it; remux it into a container that does"
            );
            remarks.push((warning::DURATION_ESTIMATED, message));
        }
        Ok(remarks)
    }
}

/// Files of sound up to this size are read whole where nothing else tells how long they are, in bytes.
const WHOLE_SOUND_BYTES: u64 = 64 << 20;

/// Says what a freshly opened file holds. Its reading position afterwards is anywhere: open it again to read it.
pub fn media_info(opened: &mut Opened) -> Result<MediaInfo, MediaError> {
    examine(opened).map(|examined| examined.info)
}

/// Says what a freshly opened file holds and whether that can be worked with.
pub fn examine(opened: &mut Opened) -> Result<Examined, MediaError> {
    let size_bytes = opened.source().size_bytes();
    let mut info = streams::describe(opened.demuxer_mut(), size_bytes);
    let extent = extent::extent(&info.format.name, &mut opened.source().reader(), size_bytes);
    let scan = scan::scan(opened, wants_whole(opened.demuxer(), extent, size_bytes))?;
    let still = is_still(opened.demuxer(), &info);
    for video in &mut info.video {
        complete_video(video, opened.demuxer(), &scan, still);
    }
    for audio in &mut info.audio {
        let Some(track) = scan.tracks.get(audio.index as usize) else { continue };
        audio.duration_s = duration(audio.index, opened.demuxer(), &scan);
        audio.bit_rate = audio.bit_rate.or_else(|| bit_rate(track.bytes, audio.duration_s.filter(|_| scan.complete)));
    }
    complete_format(&mut info, opened.demuxer(), &scan, still);
    let measured_s = scan.span_s().filter(|_| scan.ended).map(|(start, end)| end.max(end - start));
    let is_broadcast = info.format.name.starts_with("mpeg");
    let indices = info.video.iter().map(|v| v.index).chain(info.audio.iter().map(|a| a.index));
    let tracks: Vec<&Track> = indices.filter_map(|index| scan.tracks.get(index as usize)).collect();
    let stated = libav::is_duration_stated(opened.demuxer());
    let stated_for_all = stated && (!extent.fragmented || extent.of_all);
    // Of fragments libav counts those that it has read.
    let says_nothing = !stated || extent.fragmented && extent.duration_s.is_none();
    Ok(Examined {
        packets: tracks.iter().map(|track| track.packets).sum(),
        decodable: tracks.iter().any(|track| track.seen.as_ref().is_some_and(|seen| seen.frames > 0)),
        encrypted: tracks.iter().any(|track| track.encrypted),
        incomplete: Incomplete::find(opened.demuxer(), extent, &scan, measured_s, size_bytes).filter(|_| !still),
        estimated: !scan.ended && !still && says_nothing && !is_broadcast,
        end_known: scan.ended || still || stated_for_all || is_broadcast,
        info,
    })
}

/// Whether only reading a file of sound to its end tells how long it is.
fn wants_whole(demuxer: &Demuxer, extent: Extent, size_bytes: u64) -> bool {
    let mut streams = demuxer.streams();
    let sound = streams.all(|stream| {
        let attached = stream.disposition().contains(Disposition::ATTACHED_PIC);
        attached || stream.parameters().medium() != media::Type::Video
    });
    // Of samples that are not compressed, bytes are time.
    let plain = |stream: Stream<'_>| {
        libav::codec_name(libav::parameters(&stream)).is_some_and(|codec| codec.starts_with("pcm_"))
    };
    let known = libav::is_duration_stated(demuxer) && extent.state == State::Whole || demuxer.streams().any(plain);
    sound && !known && size_bytes <= WHOLE_SOUND_BYTES
}

fn complete_video(video: &mut VideoStream, demuxer: &Demuxer, scan: &Scan, still: bool) {
    let Some(stream) = demuxer.stream(video.index as usize) else { return };
    let Some(track) = scan.tracks.get(video.index as usize) else { return };
    if let Some(seen) = &track.seen {
        take_seen(video, seen);
    }
    video.hdr = hdr(video, streams::has_dolby_vision(&stream), track.seen.as_ref().is_some_and(|s| s.hdr10_plus));
    if still {
        video.frames = Some(1);
        return;
    }
    let mut cadence = timing::cadence(&track.times, track.time_base);
    let fields = video.interlaced && cadence.is_some_and(|c| is_twice(stream.avg_frame_rate(), c.rate));
    if let Some(cadence) = cadence.as_mut().filter(|_| fields) {
        cadence.rate /= 2.0;
        cadence.mean_rate /= 2.0;
    }
    video.variable_frame_rate = cadence.is_some_and(|c| c.variable);
    video.frame_rate_ratio = timing::frame_rate(stream.avg_frame_rate(), stream.rate(), cadence);
    video.frame_rate = video.frame_rate_ratio.map_or(0.0, reelmill::model::media::Ratio::value);
    video.duration_s = duration(video.index, demuxer, scan);
    if scan.complete {
        video.frames = Some(if fields { track.packets / 2 } else { track.packets });
        video.bit_rate = video.bit_rate.or_else(|| bit_rate(track.bytes, video.duration_s));
    }
}

/// Whether packets come at twice the frame rate, as they do where each holds a single field.
fn is_twice(average: Rational, rate: f64) -> bool {
    (f64::from(average) * 2.0 / rate - 1.0).abs() < 0.02
}

/// Takes over what only decoded frames tell.
fn take_seen(video: &mut VideoStream, seen: &Seen) {
    if seen.frames == 0 {
        return;
    }
    if video.pixel_format.is_none()
        && let Some(format) = seen.pixel_format.and_then(libav::pixel_format)
    {
        video.bit_depth = Some(format.bit_depth);
        video.alpha |= format.alpha;
        video.pixel_format = Some(format.name);
    }
    let color = &seen.color;
    for (stated, shown) in [
        (&mut video.color_range, &color.range),
        (&mut video.color_space, &color.space),
        (&mut video.color_transfer, &color.transfer),
        (&mut video.color_primaries, &color.primaries),
    ] {
        if shown.is_some() {
            stated.clone_from(shown);
        }
    }
    if video.rotation == 0
        && !video.flipped
        && let Some(orientation) = seen.orientation
    {
        streams::orient(video, orientation);
    }
    if video.field_order.is_none() {
        let (top, bottom) = seen.fields;
        video.interlaced = (top + bottom) * 2 > seen.frames;
        let order = if !video.interlaced {
            "progressive"
        } else if top >= bottom {
            "tt"
        } else {
            "bb"
        };
        video.field_order = Some(order.to_owned());
    }
}

fn hdr(video: &VideoStream, dolby_vision: bool, hdr10_plus: bool) -> Option<Hdr> {
    if dolby_vision {
        return Some(Hdr::DolbyVision);
    }
    match video.color_transfer.as_deref() {
        Some("smpte2084") if hdr10_plus => Some(Hdr::Hdr10Plus),
        Some("smpte2084") => Some(Hdr::Hdr10),
        Some("arib-std-b67") => Some(Hdr::Hlg),
        _ => None,
    }
}

fn complete_format(info: &mut MediaInfo, demuxer: &Demuxer, scan: &Scan, still: bool) {
    let start_s = libav::start_time_us(demuxer).map(|us| seconds(us, Rational(1, 1_000_000)));
    info.format.start_time_s = start_s.or_else(|| scan.span_s().map(|(start, _)| start));
    if still {
        return;
    }
    let header_s = libav::known(demuxer.duration()).map(|us| seconds(us, Rational(1, 1_000_000)));
    let measured_s = scan.span_s().filter(|_| scan.ended).map(|(start, end)| end - start);
    info.format.duration_s = timing::believed(header_s, measured_s.or_else(|| longest_indexed(info, scan)));
    info.format.bit_rate = bit_rate(info.format.size_bytes, info.format.duration_s);
}

/// Of a large file that was not read to its end: the longest stream, where all of them have a duration of their own.
fn longest_indexed(info: &MediaInfo, scan: &Scan) -> Option<f64> {
    let durations = info.video.iter().map(|v| v.duration_s).chain(info.audio.iter().map(|a| a.duration_s));
    let durations: Option<Vec<f64>> = durations.filter(|_| !scan.complete).collect();
    durations?.into_iter().reduce(f64::max)
}

fn duration(index: u32, demuxer: &Demuxer, scan: &Scan) -> Option<f64> {
    let stream = demuxer.stream(index as usize)?;
    let header_s = libav::known(stream.duration()).map(|ticks| seconds(ticks, stream.time_base()));
    let track = scan.tracks.get(index as usize)?;
    if scan.complete && track.packets == 0 {
        return None;
    }
    let span_s = track.span_s().filter(|_| scan.ended);
    timing::believed(header_s, span_s.map(|(start, end)| end - start))
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate")]
fn bit_rate(bytes: u64, duration_s: Option<f64>) -> Option<u64> {
    let rate = (bytes as f64 * 8.0 / duration_s.filter(|s| *s > 0.0)?).round();
    (rate >= 1.0).then_some(rate as u64)
}

/// Whether the file is one picture, for which libav makes up a time.
fn is_still(demuxer: &Demuxer, info: &MediaInfo) -> bool {
    let name = libav::demuxer_name(demuxer);
    let brand = info.format.tags.get("major_brand").map(|brand| brand.trim());
    name.ends_with("_pipe") || name == "image2" || matches!(brand, Some("avif" | "mif1" | "heic" | "heix"))
}
