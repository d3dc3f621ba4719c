//! One track of a package: a stream of a rendition, or its video and audio together, cut at keyframes into segments.
//!
//! **Invariant**: nothing is re-encoded, no packet is lost, and a segment's duration is the distance between the
//! keyframes it lies between; together they are exactly as long as the media.

use std::path::Path;

use ffmpeg_next::{Packet, Rational};
use reelmill::model::media::{AudioStream, VideoStream};
use reelmill::model::work::ProducedFile;

use super::iframes::{IFrames, KeyFrames};
use super::keys::Keys;
use super::rate;
use super::segmenter::{Form, Segmenter, Stream};
use super::shelf::{Piece, Shelf};
use crate::error::MediaError;
use crate::libav;
use crate::probe::seconds;

/// By how much a keyframe may come before the target length is full and still end a segment, in seconds.
const EARLY_S: f64 = 0.05;

/// Share of a segment's length by which sound must outlast the picture to get a segment of its own.
const LEAST_REST: f64 = 0.5;

/// What ends within this time gets no segment of its own, in seconds.
const LEAST_TAIL_S: f64 = 0.5;

/// How far the video of a rendition is, for the audio beside it.
#[derive(Clone, Copy, Debug)]
pub struct Beside {
    /// Whether more of it comes.
    pub goes_on: bool,
    /// Where it was cut last, in seconds.
    pub cut_s: Option<f64>,
    /// Where it ends so far, in seconds; before everything where there is none.
    pub end_s: f64,
}

impl Default for Beside {
    fn default() -> Self {
        Self { goes_on: false, cut_s: None, end_s: f64::NEG_INFINITY }
    }
}

/// A finished track.
///
/// Times are counted from the start of the package, so the first segment of a track that begins later has a later time.
pub struct Track {
    /// Its folder in scratch.
    pub folder: String,
    /// Names of its files.
    pub names: Names,
    /// Its video stream.
    pub video: Option<VideoStream>,
    /// Its audio stream.
    pub audio: Option<AudioStream>,
    /// How its segments are written.
    pub form: Form,
    /// The initialisation section; transport streams have none.
    pub init: Option<Piece>,
    /// Segments in order.
    pub segments: Vec<Segment>,
    /// Its keyframes alone.
    pub iframes: Option<IFrames>,
    /// All of its files.
    pub files: Vec<ProducedFile>,
    /// Initialisation section and first segment as MP4, as long as they have to be looked at.
    pub beginning: Vec<u8>,
    /// Whether each segment decodes without any other.
    pub independent: bool,
    /// Moment at which all of it has been shown, in seconds.
    pub end_s: f64,
    /// Highest frame rate of its video in frames per second, as measured.
    pub frame_rate: f64,
    /// Where the index of the file that holds all segments is: its first byte and its size in bytes.
    pub index: Option<(u64, u64)>,
    /// How long after the package's start its video began before it was held back to it, and its audio begins, in seconds.
    pub late: Late,
}

/// How late the streams of a track begin, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Late {
    /// Its video.
    pub video_s: f64,
    /// Its audio.
    pub audio_s: f64,
}

/// A segment.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Where it is.
    pub piece: Piece,
    /// First moment, in seconds from the package's start.
    pub start_s: f64,
    /// Duration in seconds.
    pub duration_s: f64,
}

/// Ticks of a second in the timeline of a track with video.
const VIDEO_CLOCK: u32 = 90_000;

/// Ticks of a second in the timeline of a track: samples, where it is sound alone.
#[must_use]
pub fn clock(video: Option<&VideoStream>, audio: Option<&AudioStream>) -> u32 {
    audio.filter(|_| video.is_none()).map_or(VIDEO_CLOCK, |audio| audio.sample_rate.max(1))
}

/// First moments and durations of segments in ticks of `clock`, without a gap.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a media time")]
pub fn ticks(segments: &[Segment], clock: u32) -> impl Iterator<Item = (u64, u64)> {
    let ticks = move |s: f64| (s.max(0.0) * f64::from(clock)).round() as u64;
    segments.iter().map(move |segment| {
        let start = ticks(segment.start_s);
        (start, ticks(segment.start_s + segment.duration_s).saturating_sub(start))
    })
}

/// When segments begin and how long they last in a playlist, in seconds: there the first lasts from zero on.
pub fn spans(segments: &[Segment]) -> impl Iterator<Item = (f64, f64)> {
    segments.iter().enumerate().map(|(place, segment)| match place {
        0 => (0.0, segment.start_s + segment.duration_s),
        _ => (segment.start_s, segment.duration_s),
    })
}

/// Names of a track's files, in its folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// What they begin with: `video-`; nothing where the track is alone in its folder.
    pub prefix: String,
}

impl Names {
    /// Of the initialisation section.
    #[must_use]
    pub fn init(&self) -> String {
        format!("{}init.mp4", self.prefix)
    }

    /// Of the segment of that number, from 1.
    #[must_use]
    pub fn segment(&self, number: usize, form: Form) -> String {
        format!("{}seg-{number:05}.{}", self.prefix, if form == Form::Ts { "ts" } else { "m4s" })
    }

    /// Of the file that holds all segments.
    #[must_use]
    pub fn single(&self, form: Form) -> String {
        format!("{}media.{}", self.prefix, if form == Form::Ts { "ts" } else { "mp4" })
    }

    /// Of the playlist.
    #[must_use]
    pub fn playlist(&self) -> String {
        format!("{}index.m3u8", self.prefix)
    }

    /// Of the file that holds keyframes alone.
    #[must_use]
    pub fn iframes(&self, form: Form) -> String {
        format!("{}iframes.{}", self.prefix, if form == Form::Ts { "ts" } else { "mp4" })
    }

    /// Of the playlist of keyframes.
    #[must_use]
    pub fn iframe_playlist(&self) -> String {
        format!("{}iframes.m3u8", self.prefix)
    }
}

/// How tracks of a package are cut.
#[derive(Clone, Copy)]
pub struct Manner<'a> {
    /// Length of a segment, in seconds.
    pub target_s: f64,
    /// How segments are written.
    pub form: Form,
    /// Whether one file holds all.
    pub byte_range: bool,
    /// Whether that file has an index.
    pub indexed: bool,
    /// Whether keyframes come apart, too.
    pub iframes: bool,
    /// Keys that segments are encrypted with.
    pub keys: Option<&'a Keys>,
    /// Where everything goes.
    pub scratch: &'a Path,
}

/// A stream on its way into a track.
pub struct Source {
    /// Its codec, clock and language.
    pub stream: Stream,
    /// What its file says of it, for video.
    pub video: Option<VideoStream>,
    /// What its file says of it, for audio.
    pub audio: Option<AudioStream>,
    /// Time on its clock that becomes zero.
    pub origin: i64,
}

/// Cuts packets into segments as they come.
pub struct Cutter<'a> {
    manner: Manner<'a>,
    folder: &'a str,
    names: Names,
    segmenter: Segmenter,
    /// The first segment as MP4, where segments are something else.
    beginning: Option<Segmenter>,
    shelf: Shelf<'a>,
    keyframes: Option<KeyFrames<'a>>,
    lanes: Vec<Lane>,
    video: Option<VideoStream>,
    audio: Option<AudioStream>,
    first: Vec<u8>,
    init: Option<Piece>,
    segments: Vec<Segment>,
    /// First moment of everything that has come.
    start_s: f64,
    /// Where the last segment ended.
    cut_s: Option<f64>,
    /// Presentation time of the last keyframe.
    key_s: f64,
    end_s: f64,
    independent: bool,
    filled: bool,
    late: Late,
    /// Times at which frames of video are shown, on the clock of their stream.
    shown: (Vec<i64>, Rational),
}

/// What is known of a stream.
#[derive(Clone, Copy)]
struct Lane {
    time_base: Rational,
    video: bool,
    origin: i64,
    begun: bool,
}

impl<'a> Cutter<'a> {
    /// For a track of `sources` in `folder`; its files' names begin with `prefix`.
    pub fn new(sources: Vec<Source>, folder: &'a str, prefix: String, manner: Manner<'a>) -> Result<Self, MediaError> {
        let failed = |source| mux(folder, source);
        let names = Names { prefix };
        let lanes = sources
            .iter()
            .map(|source| Lane {
                time_base: source.stream.time_base,
                video: source.video.is_some(),
                origin: source.origin,
                begun: false,
            })
            .collect();
        let video = sources.iter().find_map(|source| source.video.clone());
        let audio = sources.iter().find_map(|source| source.audio.clone());
        let leader = sources.iter().find(|source| source.video.is_some()).filter(|_| manner.iframes);
        let keyframes =
            leader.map(|source| KeyFrames::new(copy(&source.stream), folder, &names, manner)).transpose()?;
        let beginning = (manner.form == Form::Ts).then(|| sources.iter().map(|s| copy(&s.stream)).collect());
        let kind = kind(video.is_some(), manner.form);
        let single = manner.byte_range.then(|| (names.single(manner.form), kind.whole));
        Ok(Self {
            shelf: Shelf::new(manner.scratch, folder, manner.keys, single)?,
            beginning: beginning.map(|streams| Segmenter::new(Form::Mp4, streams)).transpose().map_err(failed)?,
            segmenter: Segmenter::new(manner.form, sources.into_iter().map(|s| s.stream).collect()).map_err(failed)?,
            manner,
            folder,
            names,
            keyframes,
            lanes,
            video,
            audio,
            first: Vec::new(),
            init: None,
            segments: Vec::new(),
            start_s: f64::INFINITY,
            cut_s: None,
            key_s: f64::NEG_INFINITY,
            end_s: f64::NEG_INFINITY,
            independent: true,
            filled: false,
            late: Late::default(),
            shown: (Vec::new(), Rational(0, 1)),
        })
    }

    /// Takes a packet of its stream `lane`, which goes on for `left_s` from it on, where that is known; `beside` is how far
    /// the rendition's video is.
    pub fn add(
        &mut self,
        lane: usize,
        mut packet: Packet,
        left_s: Option<f64>,
        beside: &mut Beside,
    ) -> Result<(), MediaError> {
        let Lane { time_base, video, origin, begun } = self.lanes[lane];
        packet.set_pts(packet.pts().map(|pts| pts - origin));
        packet.set_dts(packet.dts().map(|dts| dts - origin));
        if !begun {
            self.begin(lane, &mut packet);
        }
        let time_s = seconds(packet.pts().unwrap_or_default(), time_base);
        let end_s = time_s + seconds(packet.duration(), time_base);
        if (video || !self.has_video() || !beside.goes_on) && packet.is_key() {
            let delay_s = time_s - seconds(packet.dts().unwrap_or_default(), time_base);
            let alone = !self.has_video() && !beside.goes_on;
            let tail = left_s.is_some_and(|left_s| left_s < self.least_tail_s(delay_s)) && (video || alone);
            if self.filled && !tail && self.is_due((time_s, end_s), video, beside) {
                self.close(time_s)?;
                if video {
                    beside.cut_s = Some(time_s);
                }
            }
            self.key_s = time_s;
        }
        if video {
            beside.end_s = beside.end_s.max(end_s);
            self.shown.1 = time_base;
            self.shown.0.extend(packet.pts());
        }
        self.independent &= !video || time_s >= self.key_s;
        // Without an edit, which late tracks have none of, what starts a decoder is played, too.
        let played = self.manner.form != Form::Ts && self.start_s.is_infinite() && time_s >= 0.0;
        if played || !libav::is_discarded(&packet) {
            self.start_s = self.start_s.min(time_s);
            self.end_s = self.end_s.max(end_s);
        }
        self.filled = true;
        if let Some(keyframes) = self.keyframes.as_mut().filter(|_| video && packet.is_key()) {
            keyframes.add(&packet, time_base)?;
        }
        if let Some(beginning) = self.beginning.as_mut().filter(|_| self.segments.is_empty()) {
            beginning.write(lane, packet.clone()).map_err(|source| mux(self.folder, source))?;
        }
        self.segmenter.write(lane, packet).map_err(|source| mux(self.folder, source))
    }

    /// Sees to the first packet of a stream: video that begins late is held back to the start, in what browsers play as it is.
    fn begin(&mut self, lane: usize, packet: &mut Packet) {
        let Lane { time_base, video, begun, .. } = &mut self.lanes[lane];
        *begun = true;
        let late_s = seconds(packet.pts().unwrap_or_default().max(0), *time_base);
        if *video {
            self.late.video_s = late_s;
        } else {
            self.late.audio_s = late_s;
        }
        if *video && self.manner.form != Form::Ts {
            hold(packet);
        }
    }

    /// Whether a packet that can begin a segment does. Video does where the length is full; audio beside video where the
    /// video did; audio alone at each multiple of the length. What is left after the video's end is no segment of its own
    /// unless it is worth one.
    fn is_due(&self, (time_s, end_s): (f64, f64), video: bool, beside: &Beside) -> bool {
        let (since_s, target_s) = (self.segment_start_s(), self.manner.target_s);
        if video {
            return time_s - since_s >= target_s - EARLY_S;
        }
        // The packet whose middle comes after the boundary is the first beyond it.
        let middle_s = f64::midpoint(time_s, end_s);
        if beside.goes_on {
            return beside.cut_s.is_some_and(|cut_s| cut_s > since_s + EARLY_S && middle_s >= cut_s);
        }
        let worth = time_s - beside.end_s >= target_s * LEAST_REST;
        if self.has_video() {
            return worth && time_s - since_s >= target_s - EARLY_S;
        }
        let passed = |s: f64| (s / target_s).floor();
        worth && passed(middle_s) > passed(since_s + EARLY_S)
    }

    /// Length of what is worth a segment of its own at the end, in seconds. Players wait for ever for the end of a segment
    /// of video that is over before its first frame would be shown: it must last longer than frames are reordered by.
    fn least_tail_s(&self, reordered_s: f64) -> f64 {
        LEAST_TAIL_S.min(self.manner.target_s * LEAST_REST).max(reordered_s + EARLY_S)
    }

    const fn has_video(&self) -> bool {
        self.video.is_some()
    }

    /// Decoders are started by what lies before zero; it is not shown.
    fn segment_start_s(&self) -> f64 {
        self.cut_s.unwrap_or(self.start_s).max(0.0)
    }

    /// Ends the segment that is being filled at `end_s`, where the next one begins.
    fn close(&mut self, end_s: f64) -> Result<(), MediaError> {
        let failed = |source| mux(self.folder, source);
        let segment_s = self.segment_start_s();
        let kind = kind(self.has_video(), self.manner.form);
        if self.segments.is_empty() {
            if let Some(beginning) = &mut self.beginning {
                self.first = beginning.cut().map_err(failed)?;
                self.first.extend(beginning.cut().map_err(failed)?);
            }
            if self.manner.form != Form::Ts {
                let bytes = self.segmenter.cut().map_err(failed)?;
                self.first.clone_from(&bytes);
                self.init = Some(self.shelf.put(&self.names.init(), kind.whole, bytes, None)?);
            }
        }
        let bytes = self.segmenter.cut().map_err(failed)?;
        let place = self.segments.len();
        if place == 0 && self.manner.form != Form::Ts {
            self.first.extend(&bytes);
        }
        let name = self.names.segment(place + 1, self.manner.form);
        let piece = self.shelf.put(&name, kind.segment, bytes, Some(place))?;
        let duration_s = end_s - segment_s;
        self.segments.push(Segment { piece, start_s: segment_s, duration_s });
        self.cut_s = Some(end_s);
        self.filled = false;
        Ok(())
    }

    /// Ends the track; `None` where nothing came.
    pub fn finish(mut self) -> Result<Option<Track>, MediaError> {
        if self.filled && self.start_s.is_finite() {
            self.close(self.end_s)?;
        }
        if self.segments.is_empty() {
            return Ok(None);
        }
        let clock = clock(self.video.as_ref(), self.audio.as_ref());
        let index = if self.manner.indexed { self.shelf.index(clock, &mut self.segments)? } else { None };
        let mut files = self.shelf.finish();
        let average = self.video.as_ref().map_or(0.0, |video| video.frame_rate);
        let iframes = match self.keyframes {
            Some(keyframes) => {
                let (iframes, more) = keyframes.finish(self.end_s)?;
                files.extend(more);
                Some(iframes)
            }
            None => None,
        };
        Ok(Some(Track {
            folder: self.folder.to_owned(),
            names: self.names,
            video: self.video,
            audio: self.audio,
            form: self.manner.form,
            init: self.init,
            segments: self.segments,
            iframes,
            files,
            beginning: self.first,
            independent: self.independent,
            end_s: self.end_s,
            frame_rate: rate::highest(self.shown.0, self.shown.1, average),
            index,
            late: self.late,
        }))
    }
}

impl Track {
    /// Sizes and durations of its segments.
    #[must_use]
    pub fn sizes(&self) -> Vec<(u64, f64)> {
        self.segments.iter().map(|segment| (segment.piece.size_bytes, segment.duration_s)).collect()
    }

    /// Its playlist's file in scratch.
    #[must_use]
    pub fn playlist(&self) -> String {
        format!("{}/{}", self.folder, self.names.playlist())
    }
}

/// Has the first frame of a video that begins late be shown from zero on, as if it had been held: players begin with what
/// all of their tracks have.
fn hold(packet: &mut Packet) {
    let Some(late) = packet.pts().filter(|pts| *pts > 0) else { return };
    packet.set_pts(Some(0));
    packet.set_dts(packet.dts().map(|dts| dts - late));
    packet.set_duration(packet.duration() + late);
}

/// Media types of a track's files.
pub struct ContentTypes {
    /// Of a whole file, or an initialisation section.
    pub whole: &'static str,
    /// Of a segment.
    pub segment: &'static str,
}

/// Media types of tracks with or without video.
pub const fn kind(video: bool, form: Form) -> ContentTypes {
    match (form, video) {
        (Form::Ts, _) => ContentTypes { whole: "video/mp2t", segment: "video/mp2t" },
        (_, true) => ContentTypes { whole: "video/mp4", segment: "video/iso.segment" },
        (_, false) => ContentTypes { whole: "audio/mp4", segment: "audio/iso.segment" },
    }
}

fn copy(stream: &Stream) -> Stream {
    Stream { parameters: stream.parameters.clone(), time_base: stream.time_base, language: stream.language.clone() }
}

pub fn mux(folder: &str, source: ffmpeg_next::Error) -> MediaError {
    MediaError::Mux { file: folder.to_owned(), source }
}
