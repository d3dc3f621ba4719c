//! Packets taken as they are.
//!
//! **Invariant**: times only move. Video starts at a keyframe: where a clip starts between two, at the one before, with
//! times below zero that the container hides (by an edit list) or shifts.

use ffmpeg_next::format::stream::Disposition;
use ffmpeg_next::{Packet, media};

use super::flow::Stop;
use super::headers::Headers;
use super::mux::{Port, Spec};
use super::streams::Track;
use super::window::{Placed, Window};
use crate::error::MediaError;
use crate::raw;

/// A stream on its way from the demuxer to a muxer.
pub struct Copying {
    track: Track,
    window: Window,
    video: bool,
    /// Whether it is one attached picture, which belongs to no time.
    attached: bool,
    port: Port,
    started: bool,
    /// Video since the last keyframe, until the window starts.
    held: Vec<Packet>,
    headers: Option<Headers>,
    /// Name of the output.
    file: String,
    /// Whether the muxer knows of the stream: a clip may lie where it has nothing.
    announced: bool,
}

impl Copying {
    /// Announces the stream to the muxer, unless a clip may lie after its end.
    pub fn start(track: Track, window: Window, port: Port, file: &str) -> Result<Self, Stop> {
        let attached = track.disposition.contains(Disposition::ATTACHED_PIC);
        let video = !attached && track.parameters.medium() == media::Type::Video;
        let headers = Headers::follow(&track.parameters, track.time_base, track.start).filter(|_| !attached);
        let (file, started, held) = (file.to_owned(), false, Vec::new());
        let mut copying = Self { track, window, video, attached, port, started, held, headers, file, announced: false };
        if attached || !window.is_clip() {
            copying.announce()?;
        }
        Ok(copying)
    }

    /// Hands on a packet of the stream; false when the window has ended.
    pub fn feed(&mut self, packet: &Packet) -> Result<bool, Stop> {
        if raw::is_encrypted(packet) {
            return Err(MediaError::Encrypted.into());
        }
        if self.attached {
            let mut packet = raw::share_packet(packet);
            packet.set_pts(Some(0));
            packet.set_dts(Some(0));
            self.port.packet(&packet)?;
            return Ok(false);
        }
        if let Some(headers) = &mut self.headers {
            headers.see(packet);
            if let Some(change) = headers.change().filter(|_| headers.is_replaced()) {
                return Err(MediaError::Changes(change, self.file.clone()).into());
            }
        }
        let base = self.track.time_base;
        let Some(time) = packet.pts().or(packet.dts()) else {
            let kind = if self.video { "video" } else { "audio" };
            let detail = "its packets have no timestamps, so it cannot be copied: encode it".to_owned();
            return Err(MediaError::Damaged { kind, detail }.into());
        };
        match self.window.place(time, base) {
            Placed::After => {
                let decoded = packet.dts().unwrap_or(time);
                return Ok(self.window.place(decoded, base) != Placed::After);
            }
            // The priming of codecs lies before the start of a source, and belongs to it.
            Placed::Before if !self.window.is_clip() => {
                self.started |= !self.video || packet.is_key();
                if self.started {
                    self.forward(packet)?;
                }
            }
            Placed::Before if self.video && !self.started => {
                if packet.is_key() {
                    self.held.clear();
                }
                if packet.is_key() || !self.held.is_empty() {
                    self.held.push(raw::share_packet(packet));
                }
            }
            Placed::Before if self.video => self.forward(packet)?,
            Placed::Before => {}
            Placed::At(_) => {
                if packet.is_key() {
                    self.held.clear();
                }
                for held in std::mem::take(&mut self.held) {
                    self.started = true;
                    self.forward(&held)?;
                }
                self.started |= !self.video || packet.is_key();
                if self.started {
                    self.forward(packet)?;
                }
            }
        }
        Ok(true)
    }

    /// What the stream has changed under way, in words.
    pub fn change(&self) -> Option<String> {
        self.headers.as_ref()?.change()
    }

    /// The same of a change that has only just begun.
    pub fn begun(&self) -> Option<String> {
        self.headers.as_ref()?.begun()
    }

    /// Whether it is video.
    pub const fn is_video(&self) -> bool {
        self.video
    }

    /// The stream has ended.
    pub fn finish(self) -> Result<(), Stop> {
        self.port.end()
    }

    /// Whether the stream has nothing in the part that the output takes.
    pub const fn is_left_out(&self) -> bool {
        !self.announced
    }

    fn announce(&mut self) -> Result<(), Stop> {
        if std::mem::replace(&mut self.announced, true) {
            return Ok(());
        }
        let Self { track, video, .. } = self;
        self.port.ready(&Spec {
            parameters: (*track.parameters).clone(),
            time_base: track.time_base,
            side_data: track.side_data.clone(),
            frame_rate: video.then_some(track.frame_rate),
            size: None,
            language: track.language.clone(),
            title: track.title.clone(),
            disposition: if *video { Disposition::DEFAULT } else { track.disposition },
        })
    }

    fn forward(&mut self, packet: &Packet) -> Result<(), Stop> {
        self.announce()?;
        let base = self.track.time_base;
        let mut packet = raw::share_packet(packet);
        packet.set_pts(packet.pts().map(|time| self.window.moved(time, base)));
        packet.set_dts(packet.dts().map(|time| self.window.moved(time, base)));
        self.port.packet(&packet)
    }
}
