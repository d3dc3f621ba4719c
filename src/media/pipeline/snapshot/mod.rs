//! Pictures of a video: single ones, series, sheets of small ones (sprites) with a WebVTT track, and animated previews.
//!
//! A moment shows the last frame that starts at or before it. **Invariant**: pictures are upright, of square pixels and
//! standard dynamic range, and never larger than the source.

mod animation;
mod image;
mod measure;
mod moments;
mod names;
mod plan;
mod scenes;
mod sheet;
mod vtt;

use std::path::Path;

use ffmpeg_next::frame::Video as Frame;
use ffmpeg_next::{Packet, Rescale, rescale};
use reelmill::model::work::{FileRole, Fit, FrameType, Produced, ProducedFile, Size, Snapshot};

use self::image::Image;
use self::measure::Measured;
use self::moments::Moments;
pub use self::plan::{ShotPlan, latest_s};
use self::scenes::Scenes;
use self::sheet::{Sheet, Sheets};
use self::vtt::Cue;
use super::decode::Decoder;
use super::flow::{Inlet, Stop};
use super::graph::{self, Graph, Input};
use super::picture::{self as look, Look, Target};
use super::progress::Position;
use super::still;
use super::streams::VideoTrack;
use super::window::Window;
use crate::error::MediaError;
use crate::geometry::{self, Fitted, Pixels};
use crate::raw;
use crate::scratch;
use crate::source::Opened;
use crate::verify;

/// Moments this much before a frame still show the frame, in seconds: times are rounded.
const ROUNDING_S: f64 = 0.001;

/// How far before a moment to seek, in seconds, when a seek lands after it or on damage.
const RUN_UPS_S: [f64; 4] = [0.0, 5.0, 30.0, f64::MAX];

/// How far to look for a picture that is not black, in seconds.
const BLACK_S: f64 = 10.0;

/// Pictures that the best is chosen among.
const CANDIDATES: u32 = 24;

/// Part of a source, from its start and to its end, that covers are not taken of: titles and credits.
const EDGE: f64 = 0.05;

/// Duration from which covers are chosen among keyframes, in seconds.
const LONG_S: f64 = 60.0;

/// One snapshot output.
pub struct Shooting<'a> {
    /// What to take.
    pub snapshot: &'a Snapshot,
    /// Of which moments.
    pub moments: Moments,
    /// Where it comes from.
    pub source: VideoTrack,
    /// The source, whole.
    pub window: Window,
    /// Duration of the source in seconds, where it is known.
    pub duration_s: Option<f64>,
    /// Folder to write to.
    pub scratch: &'a Path,
    /// How far it is.
    pub position: &'a Position,
}

/// What has been taken so far.
struct Taken {
    files: Vec<ProducedFile>,
    cues: Vec<Cue>,
    sheets: Option<Sheets>,
    /// A sheet whose name depends on whether another follows.
    pending: Option<Sheet>,
    sheets_written: usize,
    /// Pictures taken.
    count: usize,
    /// Size of a picture on a sheet, once there is one.
    cell: Option<Pixels>,
}

impl Shooting<'_> {
    /// Takes pictures as frames come by.
    pub fn run(&self, frames: Inlet<ffmpeg_next::Frame>) -> Result<Produced, Stop> {
        if let Moments::Scenes { threshold, most } = self.moments {
            return self.run_scenes(frames, threshold, most);
        }
        let mut taken = self.begin();
        let mut next = 0;
        let mut last: Option<(f64, Frame)> = None;
        while self.moments.get(next).is_some()
            && let Some(frame) = self.next(&frames)?
        {
            let time = self.time(&frame);
            while let Some((place, moment)) = self.moments.get(next).filter(|(_, moment)| moment + ROUNDING_S < time) {
                self.take(&mut taken, last.as_ref().map_or(&frame, |(_, last)| last), place, moment)?;
                next += 1;
            }
            last = Some((time, frame));
        }
        drop(frames);
        let (end, frame) = last.ok_or_else(nothing_decoded)?;
        let end = end + self.frame_duration_s(&frame);
        while let Some((place, moment)) = self.moments.get(next).filter(|&(n, moment)| self.is_due(n, moment, end)) {
            self.take(&mut taken, &frame, place, moment)?;
            next += 1;
        }
        Ok(self.finish(taken, end)?)
    }

    /// The next frame, as long as somebody wants the pictures.
    fn next(&self, frames: &Inlet<ffmpeg_next::Frame>) -> Result<Option<Frame>, Stop> {
        if self.position.is_stopped() {
            return Err(Stop::Unwanted);
        }
        Ok(frames.next()?.map(Frame::from))
    }

    /// Takes the first picture of each scene, or its first that is not black.
    fn run_scenes(&self, frames: Inlet<ffmpeg_next::Frame>, threshold: f64, most: u32) -> Result<Produced, Stop> {
        let mut taken = self.begin();
        let mut scenes = Scenes::new(threshold, self.source.track.time_base);
        let (mut due, mut place, mut end) = (false, 0, 0.0);
        while let Some(frame) = self.next(&frames)? {
            let time = self.time(&frame);
            end = time + self.frame_duration_s(&frame);
            due |= scenes.begins(&frame)?;
            if due && place < most as usize && !self.is_black(&frame)? {
                self.take(&mut taken, &frame, place, time)?;
                place += 1;
                due = false;
            }
        }
        drop(frames);
        if place == 0 {
            return Err(nothing_decoded().into());
        }
        Ok(self.finish(taken, end)?)
    }

    /// Takes pictures by seeking to each moment.
    pub fn seek(&self, opened: &mut Opened, decoder: &mut Decoder) -> Result<Produced, MediaError> {
        if let Some(animation) = &self.snapshot.animation {
            let file = self.animate(animation, opened, decoder)?;
            self.position.finish();
            return Ok(Produced::files(vec![file]));
        }
        let mut taken = self.begin();
        let duration = self.duration_s.unwrap_or_default();
        if self.moments == Moments::Best {
            let (moment, frame) = self.best(opened, decoder, duration)?;
            self.take(&mut taken, &frame, 0, moment)?;
            return self.finish(taken, duration);
        }
        let moments = self.moments.all(duration);
        for (n, &(place, moment)) in moments.iter().enumerate() {
            let mut frame = self.frame_at(opened, decoder, moment)?;
            if self.is_black(&frame)? {
                let next = moments.get(n + 1).map_or(f64::INFINITY, |(_, next)| *next);
                frame = self.bright(opened, decoder, next.min(moment + BLACK_S))?.unwrap_or(frame);
            }
            self.take(&mut taken, &frame, place, moment)?;
        }
        self.finish(taken, duration)
    }

    /// The picture that scores best among some that are spread over the source, and its moment.
    fn best(&self, opened: &mut Opened, decoder: &mut Decoder, duration: f64) -> Result<(f64, Frame), MediaError> {
        let mut best: Option<(f64, f64, Frame)> = None;
        for n in 0..CANDIDATES {
            let share = EDGE + (1.0 - 2.0 * EDGE) * f64::from(n) / f64::from(CANDIDATES - 1);
            let Ok(frame) = self.frame_at(opened, decoder, duration * share) else { continue };
            let score = Measured::of(&frame, self.source.track.time_base)?.score();
            if best.as_ref().is_none_or(|(least, ..)| score > *least) {
                best = Some((score, self.time(&frame).max(0.0), frame));
            }
            self.position.reach(0, microseconds(duration * share));
        }
        best.map(|(_, moment, frame)| (moment, frame)).ok_or_else(nothing_decoded)
    }

    /// Whether a frame is too black to be taken.
    fn is_black(&self, frame: &Frame) -> Result<bool, MediaError> {
        let Some(percent) = self.snapshot.black_level else { return Ok(false) };
        Ok(Measured::of(frame, self.source.track.time_base)?.is_black(percent))
    }

    /// The next frame from here on that is not black, up to `until`.
    fn bright(&self, opened: &mut Opened, decoder: &mut Decoder, until: f64) -> Result<Option<Frame>, MediaError> {
        let (mut found, mut failed) = (None, None);
        self.frames_until(opened, decoder, until, &mut |frame| match self.is_black(&frame) {
            Ok(true) => true,
            Ok(false) => {
                found = Some(frame);
                false
            }
            Err(error) => {
                failed = Some(error);
                false
            }
        })?;
        failed.map_or(Ok(found), Err)
    }

    /// Hands over the frames from here on that begin before `until`, as long as `take` wants more.
    fn frames_until(
        &self,
        opened: &mut Opened,
        decoder: &mut Decoder,
        until: f64,
        take: &mut dyn FnMut(Frame) -> bool,
    ) -> Result<(), MediaError> {
        let mut packet = Packet::empty();
        loop {
            let more = opened.read(&mut packet)?;
            if more && !self.wants(&packet) {
                continue;
            }
            let going = decoder.feed(more.then_some(&packet), |frame| {
                let frame = Frame::from(raw::share(frame).map_err(shared)?);
                Ok(self.time(&frame) + ROUNDING_S < until && take(frame))
            })?;
            if !more || !going {
                return Ok(());
            }
        }
    }

    /// Whether a packet is of the video, and of the frames that count.
    fn wants(&self, packet: &Packet) -> bool {
        let long = self.duration_s.is_some_and(|duration| duration > LONG_S);
        let keys = self.snapshot.frame_type == FrameType::Intra || self.moments == Moments::Best && long;
        packet.stream() == self.source.track.index && (!keys || packet.is_key())
    }

    fn frame_at(&self, opened: &mut Opened, decoder: &mut Decoder, moment: f64) -> Result<Frame, MediaError> {
        for run_up in RUN_UPS_S {
            let from = moment - run_up;
            let sought = if from > 0.0 {
                opened.seek(self.window.start_us().saturating_add(microseconds(from)))
            } else {
                opened.rewind(self.window.start_us())
            };
            if sought.is_err() {
                // What cannot seek starts over.
                *opened = opened.source().open()?;
            }
            decoder.flush();
            if let Some(frame) = self.decode_until(opened, decoder, moment, from <= 0.0)? {
                return Ok(frame);
            }
        }
        // A decoder that has been in the middle of a stream may wait for a keyframe that a short file has not; a new one
        // takes what comes first.
        *opened = opened.source().open()?;
        *decoder = Decoder::open(&self.source.track, 1)?;
        self.decode_until(opened, decoder, moment, true)?.ok_or_else(nothing_decoded)
    }

    /// The last frame at or before `moment`. Where the first frame already lies after it: that one if it is the
    /// source's first, else none.
    fn decode_until(
        &self,
        opened: &mut Opened,
        decoder: &mut Decoder,
        moment: f64,
        from_start: bool,
    ) -> Result<Option<Frame>, MediaError> {
        let mut last: Option<Frame> = None;
        let mut packet = Packet::empty();
        loop {
            let more = opened.read(&mut packet)?;
            if more && !self.wants(&packet) {
                continue;
            }
            let going = decoder.feed(more.then_some(&packet), |frame| {
                let frame = Frame::from(raw::share(frame).map_err(shared)?);
                if self.time(&frame) > moment + ROUNDING_S {
                    if last.is_none() && from_start {
                        last = Some(frame);
                    }
                    return Ok(false);
                }
                last = Some(frame);
                Ok(true)
            })?;
            if !more || !going {
                return Ok(last);
            }
        }
    }

    fn begin(&self) -> Taken {
        let sheets = self.snapshot.sprite.map(Sheets::new);
        Taken { files: Vec::new(), cues: Vec::new(), sheets, pending: None, sheets_written: 0, count: 0, cell: None }
    }

    fn take(&self, taken: &mut Taken, frame: &Frame, place: usize, moment: f64) -> Result<(), MediaError> {
        let picture = self.develop(frame, taken.cell)?;
        if self.snapshot.sprite.is_some() {
            taken.cell = Some(Pixels::new(picture.width(), picture.height()));
        }
        self.position.reach(0, microseconds(moment));
        let Some(sheets) = &mut taken.sheets else {
            let file = names::numbered(&self.snapshot.file, place + 1, self.moments.are_many());
            taken.cues.push(Cue { start_s: moment, file: file.clone(), cell: None });
            taken.files.push(self.write(&file, &picture)?);
            return Ok(());
        };
        let step = self.snapshot.sprite.map_or(1, |sprite| sprite.step.max(1)) as usize;
        let laid_out = taken.count.is_multiple_of(step);
        taken.count += 1;
        if let Some(cells) = &self.snapshot.cells {
            taken.files.push(self.write(&names::numbered(cells, place + 1, true), &picture)?);
        }
        if !laid_out {
            return Ok(());
        }
        match sheets.add(picture, moment)? {
            Some(sheet) => self.write_sheet(taken, Some(sheet), true),
            None => Ok(()),
        }
    }

    /// Writes the sheet before `next`, which takes its place.
    fn write_sheet(&self, taken: &mut Taken, next: Option<Sheet>, many: bool) -> Result<(), MediaError> {
        let Some(sheet) = std::mem::replace(&mut taken.pending, next) else { return Ok(()) };
        taken.sheets_written += 1;
        let file = names::numbered(&self.snapshot.file, taken.sheets_written, many);
        for (n, &start_s) in (0..).zip(&sheet.moments) {
            let (x, y) = sheet.corner(n);
            taken.cues.push(Cue { start_s, file: file.clone(), cell: Some((x, y, sheet.cell)) });
        }
        taken.files.push(self.write(&file, &sheet.frame)?);
        Ok(())
    }

    /// Scales a frame and brings it into the format's pixels.
    fn develop(&self, frame: &Frame, cell: Option<Pixels>) -> Result<Frame, MediaError> {
        let look = Look::of(frame, self.source.look, false);
        let Image { pixels, full_range, matrix, .. } = image::image(self.snapshot.format);
        let tone_mapping = graph::has_filters(look::TONE_MAPPING);
        let target = Target { format: pixels, matrix, full_range, tone_mapping, ..Target::default() };
        let chain = look::whole_chain(&look, self.fitted(&look, cell), target);
        let base = self.source.track.time_base;
        let mut graph = Graph::new(&[Input::video("in", frame, base)], &format!("[in]{chain}[out]"))?;
        graph.push("in", &raw::share(frame).map_err(shared)?)?;
        graph.finish("in")?;
        let picture = graph.pull()?.ok_or_else(nothing_decoded)?;
        Ok(Frame::from(picture))
    }

    /// How a picture is fitted; those of sheets into the `cell` that the first one made.
    fn fitted(&self, look: &Look, cell: Option<Pixels>) -> Fitted {
        let (pixels, aspect) = (look.upright(), look.sample_aspect);
        if let Some(Pixels { width, height }) = cell {
            let size = Size::Box { width: Some(width), height: Some(height) };
            return geometry::fit(pixels, aspect, size, Fit::Pad, true);
        }
        match self.snapshot.sprite {
            None => geometry::fit(pixels, aspect, self.snapshot.size, Fit::Rescale, false),
            Some(sprite) => {
                let size = Size::Box { width: Some(sprite.width), height: sprite.height };
                geometry::fit(pixels, aspect, size, Fit::Pad, false)
            }
        }
    }

    fn finish(&self, mut taken: Taken, end_s: f64) -> Result<Produced, MediaError> {
        if let Some(sheet) = taken.sheets.as_mut().map(Sheets::rest).transpose()?.flatten() {
            self.write_sheet(&mut taken, Some(sheet), true)?;
        }
        let many = taken.sheets_written > 0;
        self.write_sheet(&mut taken, None, many)?;
        if let Some(name) = &self.snapshot.vtt {
            let mut cues = taken.cues;
            cues.sort_by(|one, other| one.start_s.total_cmp(&other.start_s));
            let text = vtt::track(name, &cues, end_s);
            taken.files.push(scratch::write(self.scratch, name, text.as_bytes(), "text/vtt", FileRole::Track)?);
        }
        self.position.finish();
        Ok(Produced::files(taken.files))
    }

    fn write(&self, file: &str, picture: &Frame) -> Result<ProducedFile, MediaError> {
        let format = self.snapshot.format;
        let bytes = image::encode(picture, format, self.snapshot.quality)?;
        let content_type = image::image(format).content_type;
        let produced = scratch::write(self.scratch, file, &bytes, content_type, FileRole::Image)?;
        let written = still::first_frame(&verify::source(&scratch::place(self.scratch, file)?)?)
            .map_err(|error| MediaError::WrongOutput { file: file.to_owned(), problem: error.to_string() })?;
        if (written.width(), written.height()) != (picture.width(), picture.height()) {
            let problem = format!(
                "the picture is {}x{} instead of {}x{}",
                written.width(),
                written.height(),
                picture.width(),
                picture.height()
            );
            return Err(MediaError::WrongOutput { file: file.to_owned(), problem });
        }
        Ok(produced)
    }

    fn time(&self, frame: &Frame) -> f64 {
        let base = self.source.track.time_base;
        as_seconds(self.window.moved(frame.pts().unwrap_or(0), base).rescale(base, rescale::TIME_BASE))
    }

    fn frame_duration_s(&self, frame: &Frame) -> f64 {
        let own = raw::duration(frame).rescale(self.source.track.time_base, rescale::TIME_BASE);
        if own > 0 { as_seconds(own) } else { f64::from(self.source.track.frame_rate.invert()) }
    }

    /// Whether a moment still counts when the source ends at `end`: listed ones show the last frame.
    fn is_due(&self, place: usize, moment: f64, end: f64) -> bool {
        matches!(self.moments, Moments::Listed(_)) || moment + ROUNDING_S < end || place == 0
    }
}

fn nothing_decoded() -> MediaError {
    MediaError::Damaged { kind: "video", detail: "no picture of it could be decoded".into() }
}

fn shared(source: ffmpeg_next::Error) -> MediaError {
    MediaError::Libav { doing: "share a frame", source }
}

#[expect(clippy::cast_possible_truncation, reason = "saturates, and media are shorter than 292,000 years")]
fn microseconds(seconds: f64) -> i64 {
    (seconds * 1e6).round() as i64
}

#[expect(clippy::cast_precision_loss, reason = "media times are far below 2^52 microseconds")]
fn as_seconds(us: i64) -> f64 {
    us as f64 / 1e6
}
