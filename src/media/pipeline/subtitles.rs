//! Text subtitles, from the source's codec to the one that the container holds.

use ffmpeg_next::codec::{Context, decoder};
use ffmpeg_next::{Packet, Rational, Rescale, Subtitle, encoder};

use super::container::Format;
use super::flow::{Inlet, Stop};
use super::mux::{Port, Spec};
use super::streams::Track;
use super::window::{Placed, Window};
use crate::error::MediaError;
use crate::{libav, raw};

/// Clock of subtitles: milliseconds.
const BASE: Rational = Rational(1, 1000);

/// What becomes of a subtitle stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// Taken as it is.
    Copied,
    /// Decoded and encoded by libav's encoder of that name.
    Converted(&'static str),
    /// Left out: the container cannot hold it.
    LeftOut,
}

/// What becomes of `track` in a file of `format`.
#[must_use]
pub fn fate(track: &Track, format: &Format) -> Fate {
    let Some(target) = format.subtitles else { return Fate::LeftOut };
    let holds_more = format.muxer == "matroska" && raw::can_hold(format.muxer, track.parameters.id()) == Some(true);
    if track.codec == target || holds_more {
        return Fate::Copied;
    }
    let text = libav::is_text_subtitle(raw::parameters(&track.parameters));
    if text && decoder::find(track.parameters.id()).is_some() && encoder::find_by_name(target).is_some() {
        return Fate::Converted(target);
    }
    Fate::LeftOut
}

/// One subtitle stream of one output.
pub struct SubtitleBranch {
    /// Where it comes from.
    pub track: Track,
    /// Part of the source.
    pub window: Window,
    /// libav's encoder.
    pub encoder: &'static str,
}

impl SubtitleBranch {
    /// Works until the packets end.
    pub fn run(self, packets: &Inlet<Packet>, port: Port) -> Result<(), Stop> {
        let failed = |source| MediaError::Encode { encoder: self.encoder.to_owned(), source };
        let missing = || MediaError::Missing { kind: "encoder", name: self.encoder.to_owned() };
        let mut context = Context::from_parameters(self.track.parameters.clone()).map_err(failed)?.decoder();
        context.set_packet_time_base(self.track.time_base);
        let mut decoder = context.subtitle().map_err(failed)?;
        let found = encoder::find_by_name(self.encoder).ok_or_else(missing)?;
        let mut context = Context::new_with_codec(found);
        raw::copy_subtitle_header(&decoder, &mut context);
        let mut target = context.encoder().subtitle().map_err(failed)?;
        target.set_time_base(BASE);
        let mut encoder = target.open().map_err(failed)?;
        port.ready(Spec {
            parameters: raw::parameters_of(&encoder),
            time_base: BASE,
            side_data: Vec::new(),
            frame_rate: None,
            size: None,
            language: self.track.language.clone(),
            title: self.track.title.clone(),
            disposition: self.track.disposition,
        })?;
        while let Some(packet) = packets.next()? {
            let mut subtitle = Subtitle::new();
            // A text that does not decode is one text less, not a failed output.
            if !decoder.decode(&packet, &mut subtitle).unwrap_or(false) {
                continue;
            }
            if let Some(packet) = self.encode(&mut encoder, &packet, &mut subtitle)? {
                port.packet(packet)?;
            }
        }
        port.end()
    }

    fn encode(&self, encoder: &mut Context, from: &Packet, subtitle: &mut Subtitle) -> Result<Option<Packet>, Stop> {
        let Some(time) = from.pts() else { return Ok(None) };
        let base = self.track.time_base;
        let shown_ms = i64::from(subtitle.end().saturating_sub(subtitle.start()));
        let known_ms = from.duration().rescale(base, BASE);
        let duration = if known_ms > 0 { known_ms } else { shown_ms };
        let start = self.window.moved(time, base).rescale(base, BASE) + i64::from(subtitle.start());
        if start + duration <= 0 || self.window.place(time, base) == Placed::After {
            return Ok(None);
        }
        subtitle.set_start(0);
        subtitle.set_end(u32::try_from(duration).unwrap_or(0));
        let packet = raw::encode_subtitle(encoder, subtitle)
            .map_err(|source| MediaError::Encode { encoder: self.encoder.to_owned(), source })?;
        Ok(packet.map(|mut packet| {
            packet.set_pts(Some(start.max(0)));
            packet.set_dts(Some(start.max(0)));
            packet.set_duration(duration + start.min(0));
            packet
        }))
    }
}
