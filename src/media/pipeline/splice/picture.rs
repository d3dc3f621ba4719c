//! Pictures of a splice at one constant rate.
//!
//! Time is cut into slots of one frame each. A slot shows the last picture that began by its middle; a picture that
//! would share a slot with an earlier one is left out.

use ffmpeg_next::format::Pixel;
use ffmpeg_next::{Frame, Rational, Rescale, frame, rescale};

use super::{Kind, Take};
use crate::error::MediaError;
use crate::geometry::Pixels;
use crate::libav::Orientation;
use crate::pipeline::flow::Stop;
use crate::pipeline::picture::own_aspect;
use crate::pipeline::streams::VideoTrack;
use crate::pipeline::window::{Placed, Window};
use crate::raw;

/// Levels of black, and of no colour.
const BLACK: u8 = 16;
const NEUTRAL: u8 = 128;

/// The slots of an output.
pub struct Slots {
    rate: Rational,
    /// Start of the piece in microseconds of output time.
    start_us: i64,
    /// End of its last picture, from its start.
    end_us: i64,
    /// The first slot of the piece.
    first: i64,
    /// The picture that is shown, and from which slot on.
    held: Option<(Frame, i64)>,
    /// Whether nobody wants more.
    pub refused: bool,
}

impl Slots {
    /// At that many frames a second.
    pub const fn new(rate: Rational) -> Self {
        Self { rate, start_us: 0, end_us: 0, first: 0, held: None, refused: false }
    }

    /// A piece begins.
    pub fn begin(&mut self, start_us: i64) {
        self.start_us = start_us;
        self.end_us = 0;
        self.first = self.slot(start_us);
        self.held = None;
    }

    /// How long the pictures of the piece are, in microseconds.
    pub const fn length_us(&self) -> i64 {
        self.end_us
    }

    /// Takes a decoded picture; false when no more are wanted.
    pub fn take(
        &mut self,
        mut frame: Frame,
        video: &VideoTrack,
        window: Window,
        take: &mut Take<'_>,
    ) -> Result<bool, Stop> {
        let base = video.track.time_base;
        let time = match window.place(frame.pts().unwrap_or(0), base) {
            Placed::Before => return Ok(true),
            Placed::After => return Ok(false),
            Placed::At(time) => time.rescale(base, rescale::TIME_BASE),
        };
        let own = raw::duration(&frame).rescale(base, rescale::TIME_BASE);
        let usual = 1.rescale(video.track.frame_rate.invert(), rescale::TIME_BASE);
        // Some containers give the last picture a single tick.
        let end = time + if own > usual / 2 { own } else { usual };
        self.end_us = window.length_us().map_or(end, |length| end.min(length)).max(self.end_us);
        label(&mut frame, video);
        let slot = if self.held.is_none() { self.first } else { self.slot(self.start_us + time) };
        if let Some((held, from)) = &self.held {
            if slot <= *from {
                return Ok(true);
            }
            self.refused |= !show(held, *from, slot, take)?;
        }
        self.held = Some((frame, slot));
        Ok(!self.refused)
    }

    /// Shows black for the piece.
    pub fn black(&mut self, size: Pixels) -> Result<(), MediaError> {
        let even = |side: u32| side.next_multiple_of(2).max(2);
        let mut picture = frame::Video::new(Pixel::YUV420P, even(size.width), even(size.height));
        picture.data_mut(0).fill(BLACK);
        picture.data_mut(1).fill(NEUTRAL);
        picture.data_mut(2).fill(NEUTRAL);
        let shared = raw::share(&picture).map_err(|source| MediaError::Libav { doing: "share a frame", source })?;
        self.held = Some((shared, self.first));
        Ok(())
    }

    /// The piece ends there; its last picture is shown until then.
    pub fn end(&mut self, end_us: i64, take: &mut Take<'_>) -> Result<(), Stop> {
        let end = self.slot(end_us);
        if let Some((held, from)) = self.held.take()
            && !self.refused
        {
            self.refused |= !show(&held, from, end, take)?;
        }
        Ok(())
    }

    /// The slot whose middle a time is nearest to.
    fn slot(&self, time_us: i64) -> i64 {
        time_us.rescale(rescale::TIME_BASE, self.rate.invert())
    }
}

/// Shows a picture in slots; false when no more are wanted.
fn show(picture: &Frame, from: i64, until: i64, take: &mut Take<'_>) -> Result<bool, Stop> {
    for slot in from..until {
        let mut shared = raw::share(picture).map_err(|source| MediaError::Libav { doing: "share a frame", source })?;
        shared.set_pts(Some(slot));
        raw::set_duration(&mut shared, 1);
        if !take(Kind::Video, shared)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Has a picture say itself what its stream says about all of them.
fn label(frame: &mut Frame, video: &VideoTrack) {
    let Orientation { rotation, flipped } = video.look.orientation;
    let own = own_aspect(&frame::Video::from(raw::share(frame).unwrap_or_else(|_| raw::blank())));
    if let Some(aspect) = video.look.aspect_of(own) {
        let stored = if rotation % 180 == 90 { 1.0 / aspect } else { aspect };
        raw::set_aspect(frame, stored.into());
    }
    // As a photograph says it.
    let exif = match (rotation, flipped) {
        (180, true) => "2",
        (180, false) => "3",
        (0, true) => "4",
        (90, true) => "5",
        (90, false) => "6",
        (270, true) => "7",
        (270, false) => "8",
        _ => return,
    };
    raw::tag_frame(frame, "Orientation", exif);
}
