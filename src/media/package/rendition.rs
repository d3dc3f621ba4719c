//! One rendition: a finished media file, cut at keyframes into segments.
//!
//! **Invariant**: nothing is re-encoded, no packet is lost, and a segment's duration is the distance between the
//! keyframes it lies between; together they are exactly as long as the media.

use std::path::Path;

use ffmpeg_next::codec::Parameters;
use ffmpeg_next::{Packet, Rational, Rescale, media, rescale};
use reelmill::model::media::MediaInfo;
use reelmill::model::work::{FileRole, ProducedFile};
use reelmill::worker::protocol::Message;

use super::fragments::Fragments;
use super::interleave::{Interleaved, Next};
use crate::error::{MediaError, warning};
use crate::probe::{self, seconds};
use crate::source::{Opened, Source};
use crate::{codecs_string, libav, scratch};

/// Name of the initialisation section.
pub const INIT: &str = "init.mp4";

/// By how much a keyframe may come before the target length is full and still end a segment, in seconds.
const EARLY_S: f64 = 0.05;

/// A rendition on its way to a playlist.
pub struct Rendition {
    /// Its folder in scratch.
    pub folder: String,
    /// What its source holds.
    pub info: MediaInfo,
    /// Whether it has video.
    pub has_video: bool,
    /// The initialisation section.
    pub init: ProducedFile,
    /// Segments in order.
    pub segments: Vec<Segment>,
    /// Whether each segment decodes without any other.
    pub independent: bool,
    /// Duration of everything in seconds.
    pub duration_s: f64,
}

/// A segment.
pub struct Segment {
    /// Its file.
    pub file: ProducedFile,
    /// Name within the rendition's folder.
    pub name: String,
    /// First moment, in seconds from the rendition's start.
    pub start_s: f64,
    /// Duration in seconds.
    pub duration_s: f64,
}

/// Cuts a source into `folder`.
pub fn make(
    source: &Source,
    folder: &str,
    target_s: f64,
    scratch: &Path,
    tell: &dyn Fn(&Message),
) -> Result<Rendition, MediaError> {
    let info = probe::media_info(&mut source.open()?)?;
    let opened = source.open()?;
    let chosen = choose(&info);
    if chosen.is_empty() {
        return Err(MediaError::NoStreams("video or audio"));
    }
    check_codecs(&opened, &chosen)?;
    if info.video.first().is_some_and(|video| video.rotation != 0 || video.flipped) {
        return Err(MediaError::Parameter(format!(
            "the rendition `{folder}` is only turned by its container, which players of HLS ignore: encode it, do not copy"
        )));
    }
    let left_out = info.video.len() + info.audio.len() + info.subtitles.len() - chosen.len();
    if left_out > 0 {
        let message = format!("{left_out} more streams of the rendition `{folder}` are not part of the package");
        tell(&Message::Warning { code: warning::STREAM_NOT_PACKAGED.to_owned(), message });
    }
    let mut cutter = Cutter::new(&opened, &chosen, folder, target_s, scratch)?;
    let mut packets = Interleaved::new(opened, &chosen)?;
    while let Some(next) = packets.next()? {
        cutter.add(next, &packets)?;
    }
    cutter.finish(info)
}

/// The first video stream and the main audio stream.
fn choose(info: &MediaInfo) -> Vec<usize> {
    let video = info.video.first().map(|video| video.index);
    let audio = info.audio.iter().find(|audio| audio.default).or(info.audio.first()).map(|audio| audio.index);
    video.into_iter().chain(audio).map(|index| index as usize).collect()
}

fn check_codecs(opened: &Opened, chosen: &[usize]) -> Result<(), MediaError> {
    for stream in chosen.iter().filter_map(|index| opened.demuxer().stream(*index)) {
        let parameters = libav::parameters(&stream);
        if !codecs_string::is_packageable(parameters) {
            let kind = if is_video(&stream.parameters()) { "video" } else { "audio" };
            let codec = libav::codec_name(parameters).unwrap_or_else(|| "unknown".to_owned());
            return Err(MediaError::NotInContainer { container: "HLS", kind, codec });
        }
    }
    Ok(())
}

fn is_video(parameters: &Parameters) -> bool {
    parameters.medium() == media::Type::Video
}

/// Cuts packets into segments as they come.
struct Cutter<'a> {
    folder: &'a str,
    scratch: &'a Path,
    target_s: f64,
    fragments: Fragments,
    tracks: Vec<Track>,
    has_video: bool,
    init: Option<ProducedFile>,
    segments: Vec<Segment>,
    /// First moment of everything.
    start_s: f64,
    /// Where the last segment ended.
    cut_s: Option<f64>,
    /// Presentation time of the last keyframe.
    key_s: f64,
    end_s: f64,
    independent: bool,
    filled: bool,
}

/// What is known of a chosen stream.
#[derive(Clone, Copy)]
struct Track {
    time_base: Rational,
    video: bool,
    /// Start of the file's clock, which becomes zero.
    origin: i64,
}

impl<'a> Cutter<'a> {
    fn new(
        opened: &Opened,
        chosen: &[usize],
        folder: &'a str,
        target_s: f64,
        scratch: &'a Path,
    ) -> Result<Self, MediaError> {
        let streams = || chosen.iter().filter_map(|index| opened.demuxer().stream(*index));
        let origin_us = libav::start_time_us(opened.demuxer()).unwrap_or(0).max(0);
        let track = |stream: ffmpeg_next::Stream<'_>| Track {
            time_base: stream.time_base(),
            video: is_video(&stream.parameters()),
            origin: origin_us.rescale(rescale::TIME_BASE, stream.time_base()),
        };
        let tracks: Vec<Track> = streams().map(track).collect();
        let streams = streams().map(|stream| (stream.parameters().clone(), stream.time_base())).collect();
        let fragments = Fragments::new(streams).map_err(|source| mux(folder, source))?;
        Ok(Self {
            folder,
            scratch,
            target_s,
            has_video: tracks.iter().any(|track| track.video),
            fragments,
            tracks,
            init: None,
            segments: Vec::new(),
            start_s: f64::INFINITY,
            cut_s: None,
            key_s: f64::NEG_INFINITY,
            end_s: f64::NEG_INFINITY,
            independent: true,
            filled: false,
        })
    }

    fn add(&mut self, next: Next, packets: &Interleaved) -> Result<(), MediaError> {
        let Next { slot, mut packet } = next;
        let Track { time_base, video, origin } = self.tracks[slot];
        packet.set_pts(packet.pts().map(|pts| pts - origin));
        packet.set_dts(packet.dts().map(|dts| dts - origin));
        let time_s = seconds(packet.pts().unwrap_or_default(), time_base);
        // Video leads; where it is over before the audio, the audio leads on.
        let leads = video || !self.has_video || packets.has_ended(0);
        if leads && packet.is_key() {
            if self.filled && time_s - self.segment_start_s() >= self.target_s - EARLY_S {
                self.close(time_s)?;
            }
            self.key_s = time_s;
        }
        self.independent &= !video || time_s >= self.key_s;
        if !libav::is_discarded(&packet) {
            self.start_s = self.start_s.min(time_s);
            self.end_s = self.end_s.max(time_s + seconds(packet.duration(), time_base));
        }
        self.filled = true;
        self.write(slot, packet)
    }

    fn segment_start_s(&self) -> f64 {
        self.cut_s.unwrap_or(self.start_s)
    }

    fn write(&mut self, slot: usize, packet: Packet) -> Result<(), MediaError> {
        self.fragments.write(slot, packet).map_err(|source| mux(self.folder, source))
    }

    /// Ends the segment that is being filled at `end_s`, where the next one begins.
    fn close(&mut self, end_s: f64) -> Result<(), MediaError> {
        let failed = |source| mux(self.folder, source);
        let segment_s = self.segment_start_s();
        let kind = if self.has_video { "video" } else { "audio" };
        if self.init.is_none() {
            let bytes = self.fragments.cut().map_err(failed)?;
            let file = format!("{}/{INIT}", self.folder);
            self.init = Some(scratch::write(self.scratch, &file, &bytes, &format!("{kind}/mp4"), FileRole::Segment)?);
        }
        let bytes = self.fragments.cut().map_err(failed)?;
        let name = format!("seg-{:05}.m4s", self.segments.len() + 1);
        let file = format!("{}/{name}", self.folder);
        let file = scratch::write(self.scratch, &file, &bytes, &format!("{kind}/iso.segment"), FileRole::Segment)?;
        let duration_s = end_s - segment_s;
        self.segments.push(Segment { file, name, start_s: segment_s - self.start_s, duration_s });
        self.cut_s = Some(end_s);
        self.filled = false;
        Ok(())
    }

    fn finish(mut self, info: MediaInfo) -> Result<Rendition, MediaError> {
        if self.filled && self.start_s.is_finite() {
            self.close(self.end_s)?;
        }
        let Some(init) = self.init else { return Err(MediaError::NoStreams("media data")) };
        Ok(Rendition {
            folder: self.folder.to_owned(),
            info,
            has_video: self.has_video,
            init,
            segments: self.segments,
            independent: self.independent,
            duration_s: self.end_s - self.start_s,
        })
    }
}

fn mux(folder: &str, source: ffmpeg_next::Error) -> MediaError {
    MediaError::Mux { file: folder.to_owned(), source }
}
