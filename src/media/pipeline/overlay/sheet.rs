//! Subtitles that are pictures (PGS, DVD, DVB): a transparent sheet as wide as the video, on which they come and go.

use std::collections::VecDeque;

use ffmpeg_next::codec::Context;
use ffmpeg_next::codec::decoder::Subtitle as Decoder;
use ffmpeg_next::codec::subtitle::Rect;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video as Frame;
use ffmpeg_next::{Packet, Rescale, Subtitle};

use super::player::Moving;
use super::{BASE, share};
use crate::error::MediaError;
use crate::geometry::Pixels;
use crate::libav::{self, Painted};
use crate::pipeline::streams::Track;
use crate::pipeline::window::Window;
use crate::raw;
use crate::source::{Opened, Source};

/// Bytes of a pixel.
const PIXEL: usize = 4;

/// Longest side of a sheet.
const MAX_SIDE: u32 = 4_096;

/// A stream of subtitles that are pictures.
#[derive(Clone)]
pub struct Sheets {
    source: Source,
    track: Track,
    window: Window,
    size: Pixels,
}

impl Sheets {
    /// Of a track of `source`, drawn for a picture of `shown` pixels where the track itself does not say for what.
    #[must_use]
    pub fn new(source: &Source, track: &Track, window: Window, shown: Pixels) -> Self {
        let parameters = raw::parameters(&track.parameters);
        let side = |own: i32, shown: u32| u32::try_from(own).ok().filter(|&own| own > 0).unwrap_or(shown).min(MAX_SIDE);
        let size = Pixels::new(side(parameters.width, shown.width), side(parameters.height, shown.height));
        Self { source: source.clone(), track: track.clone(), window, size }
    }
}

/// Sheets that are being shown.
pub struct Turning {
    sheets: Sheets,
    /// The sheet with nothing on it.
    blank: Frame,
    reading: Option<Reading>,
    /// Frames at their output times.
    waiting: VecDeque<Frame>,
    /// When what is shown ends by itself.
    end_us: Option<i64>,
}

struct Reading {
    opened: Opened,
    decoder: Decoder,
    packet: Packet,
    ended: bool,
}

impl Turning {
    /// Of these, from their beginning.
    pub fn new(sheets: &Sheets) -> Result<Self, MediaError> {
        let mut blank = Frame::new(Pixel::RGBA, sheets.size.width, sheets.size.height);
        if blank.planes() == 0 {
            return Err(MediaError::Parameter("not enough memory for a subtitle picture".to_owned()));
        }
        blank.data_mut(0).fill(0);
        Ok(Self { sheets: sheets.clone(), blank, reading: None, waiting: VecDeque::new(), end_us: None })
    }

    /// Reads on until there is something to show; whether there is.
    fn read(&mut self) -> Result<bool, MediaError> {
        let track = &self.sheets.track;
        let reading = match &mut self.reading {
            Some(reading) => reading,
            None => self.reading.insert(Reading::new(&self.sheets)?),
        };
        while !reading.ended {
            reading.ended = !reading.opened.read(&mut reading.packet)?;
            if reading.ended || reading.packet.stream() != track.index {
                continue;
            }
            let Some(time) = reading.packet.pts() else { continue };
            let mut subtitle = Subtitle::new();
            // What is damaged is passed over, as a player does.
            if !reading.decoder.decode(&reading.packet, &mut subtitle).unwrap_or(false) {
                continue;
            }
            let moved_us = self.sheets.window.moved(time, track.time_base).rescale(track.time_base, BASE);
            let at_us = |ms: u32| moved_us.saturating_add(i64::from(ms) * 1_000);
            let (start_us, end_us) = (at_us(subtitle.start()).max(0), at_us(subtitle.end()));
            // What shows until something else comes has the highest number there is.
            let known = subtitle.end() > subtitle.start() && subtitle.end() != u32::MAX;
            let mut frame = share(&self.blank)?;
            let painted: Vec<Painted> = subtitle
                .rects()
                .filter_map(|rect| if let Rect::Bitmap(bitmap) = rect { libav::painted(&bitmap) } else { None })
                .collect();
            if !painted.is_empty() {
                frame = Frame::new(Pixel::RGBA, self.sheets.size.width, self.sheets.size.height);
                if frame.planes() == 0 {
                    continue;
                }
                frame.data_mut(0).fill(0);
                for painted in &painted {
                    lay(&mut frame, painted);
                }
            }
            if let Some(end_us) = self.end_us.take().filter(|&end_us| end_us < start_us) {
                self.waiting.push_back(at(&self.blank, end_us)?);
            }
            frame.set_pts(Some(start_us));
            self.waiting.push_back(frame);
            self.end_us = known.then_some(end_us);
            return Ok(true);
        }
        let end_us = self.end_us.take();
        self.waiting.extend(end_us.map(|end_us| at(&self.blank, end_us.max(0))).transpose()?);
        Ok(end_us.is_some())
    }
}

impl Reading {
    fn new(sheets: &Sheets) -> Result<Self, MediaError> {
        let failed = |source| MediaError::Libav { doing: "open a subtitle decoder", source };
        let mut opened = sheets.source.open()?;
        opened.read_only(&[sheets.track.index]);
        let mut context = Context::from_parameters((*sheets.track.parameters).clone()).map_err(failed)?.decoder();
        context.set_packet_time_base(sheets.track.time_base);
        let decoder = context.subtitle().map_err(failed)?;
        Ok(Self { opened, decoder, packet: Packet::empty(), ended: false })
    }
}

impl Moving for Turning {
    fn first(&self) -> &Frame {
        &self.blank
    }

    fn next(&mut self, _time_us: i64) -> Result<Option<Frame>, MediaError> {
        if self.waiting.is_empty() && !self.read()? {
            return Ok(None);
        }
        Ok(self.waiting.pop_front())
    }
}

/// A second handle to a frame, at a time.
fn at(frame: &Frame, time_us: i64) -> Result<Frame, MediaError> {
    let mut shared = share(frame)?;
    shared.set_pts(Some(time_us));
    Ok(shared)
}

/// Lays a rectangle on the sheet; what is beyond its edges is cut off.
fn lay(sheet: &mut Frame, painted: &Painted) {
    let (stride, (x, y)) = (sheet.stride(0), painted.at);
    let width = (sheet.width() as usize).saturating_sub(x).min(painted.width) * PIXEL;
    let rows = sheet.data_mut(0).chunks_mut(stride).skip(y);
    for (row, from) in rows.zip(painted.rgba.chunks(painted.width * PIXEL)) {
        if width > 0 {
            row[x * PIXEL..x * PIXEL + width].copy_from_slice(&from[..width]);
        }
    }
}
