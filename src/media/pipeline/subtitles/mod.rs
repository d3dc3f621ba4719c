//! Text subtitles, from the source's codec to the one that the container holds.

mod burn;
mod file;
mod shade;

use ffmpeg_next::codec::subtitle::Rect;
use ffmpeg_next::codec::{Context, decoder};
use ffmpeg_next::packet::side_data::Type as SideData;
use ffmpeg_next::{Packet, Rational, Rescale, Subtitle, encoder};
use reelmill::model::work::{MediaOutput, Subtitles};

pub use self::burn::{Burn, Drawn, burn};
pub use self::file::{TextFile, send};
pub use self::shade::Transfer;
use super::container::{self, Format};
use super::flow::{Inlet, Stop};
use super::mux::{Port, Spec};
use super::streams::{Inventory, Track};
use super::window::{Placed, Window};
use crate::error::{MediaError, warning};
use crate::source::Source;
use crate::talk::Talk;
use crate::webvtt::{self, Writer, Written};
use crate::{libav, raw, srt};

/// Clock of subtitles: milliseconds.
const BASE: Rational = Rational(1, 1000);

/// libav's name of a codec whose texts are cues already.
const WEBVTT: &str = "webvtt";

/// The cue of WebVTT that a packet of a subtitle codec is, decoded as `subtitle`.
#[must_use]
pub fn cue_of(codec: &str, packet: &Packet, subtitle: &Subtitle, writer: &Writer) -> Written {
    if codec == WEBVTT {
        let settings = packet.side_data().find(|data| data.kind() == SideData::WebVTTSettings);
        let settings = settings.map(|data| String::from_utf8_lossy(data.data()).into_owned()).unwrap_or_default();
        return webvtt::kept(&String::from_utf8_lossy(packet.data().unwrap_or_default()), &settings);
    }
    let texts: Vec<String> = subtitle
        .rects()
        .filter_map(|rect| if let Rect::Ass(ass) = rect { Some(webvtt::in_ass(ass.get(), codec)) } else { None })
        .collect();
    writer.write(texts.iter().map(String::as_str))
}

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

/// What becomes of `track` in a file of `format`; of a `clip`, texts that reach into it are cut, which takes decoding.
#[must_use]
pub fn fate(track: &Track, format: &Format, clip: bool) -> Fate {
    let Some(target) = format.subtitles else { return Fate::LeftOut };
    let holds_more = format.muxer == "matroska" && raw::can_hold(format.muxer, track.parameters.id()) == Some(true);
    let text = libav::is_text_subtitle(raw::parameters(&track.parameters));
    if track.codec == target || holds_more {
        let own = encoder_of(&track.codec).filter(|_| clip && text && decoder::find(track.parameters.id()).is_some());
        return own.map_or(Fate::Copied, Fate::Converted);
    }
    if text && decoder::find(track.parameters.id()).is_some() && encoder::find_by_name(target).is_some() {
        return Fate::Converted(target);
    }
    Fate::LeftOut
}

/// The encoder of a text codec.
fn encoder_of(codec: &str) -> Option<&'static str> {
    ["subrip", "ass", "webvtt", "mov_text"].into_iter().find(|&name| name == codec)
}

/// A subtitle stream that an output takes.
pub struct Text {
    /// Where it comes from.
    pub track: Track,
    /// The encoder that converts it, or absent to copy it.
    pub encoder: Option<&'static str>,
    /// The file that it stands in, where that is not the source.
    pub file: Option<TextFile>,
}

/// The subtitle streams that `output` takes.
pub fn streams(
    output: &MediaOutput,
    inventory: &Inventory,
    inputs: &[Source],
    format: &Format,
    talk: &Talk,
) -> Result<Vec<Text>, MediaError> {
    let tracks: Vec<&Track> = match &output.subtitles {
        Subtitles::None => Vec::new(),
        Subtitles::Keep => inventory.subtitles.iter().collect(),
        Subtitles::Only(tracks) => inventory.subtitles(tracks)?,
    };
    let mut taken = Vec::new();
    for track in tracks {
        let encoder = match fate(track, format, output.clip.is_some()) {
            Fate::Copied => None,
            Fate::Converted(encoder) => Some(encoder),
            Fate::LeftOut if container::subtitles_only(output.container) => {
                let codec = track.codec.clone();
                return Err(MediaError::NotInContainer { container: format.name, kind: "subtitle", codec });
            }
            Fate::LeftOut => {
                let message = format!(
                    "subtitle stream {} ({}) was left out of `{}`: {} files cannot contain it",
                    track.index, track.codec, output.file, format.name
                );
                talk.warn(warning::SUBTITLE_LEFT_OUT, message);
                continue;
            }
        };
        taken.push(Text { track: track.clone(), encoder, file: None });
    }
    for listed in &output.subtitle_files {
        let file = TextFile::open(
            listed.input,
            inputs,
            (listed.charset.as_deref(), listed.language.as_deref()),
            &|code, message| talk.warn(code, message),
        )?
        .labelled(listed);
        // A text of the source's own codec is cut to the clip as well.
        let Fate::Converted(encoder) = fate(&file.track, format, true) else {
            let codec = file.track.codec.clone();
            return Err(MediaError::NotInContainer { container: format.name, kind: "subtitle", codec });
        };
        taken.push(Text { track: file.track.clone(), encoder: Some(encoder), file: Some(file) });
    }
    Ok(taken)
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
        let mut context = Context::from_parameters((*self.track.parameters).clone()).map_err(failed)?.decoder();
        context.set_packet_time_base(self.track.time_base);
        let mut decoder = context.subtitle().map_err(failed)?;
        let found = encoder::find_by_name(self.encoder).ok_or_else(missing)?;
        let mut context = Context::new_with_codec(found);
        raw::copy_subtitle_header(&decoder, &mut context);
        let writer = (self.encoder == WEBVTT).then(|| Writer::new(&raw::subtitle_header(&decoder)));
        let mut target = context.encoder().subtitle().map_err(failed)?;
        target.set_time_base(BASE);
        let mut encoder = target.open().map_err(failed)?;
        port.ready(&Spec {
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
            let marked = srt::for_decoder(&self.track.codec, &packet);
            if !decoder.decode(marked.as_ref().unwrap_or(&packet), &mut subtitle).unwrap_or(false) {
                continue;
            }
            if let Some(packet) = self.encode(&mut encoder, writer.as_ref(), &packet, &mut subtitle)? {
                port.packet(&packet)?;
            }
        }
        port.end()
    }

    /// One text at its output time: by our own writer of WebVTT, or by libav's encoder.
    fn encode(
        &self,
        encoder: &mut Context,
        writer: Option<&Writer>,
        from: &Packet,
        subtitle: &mut Subtitle,
    ) -> Result<Option<Packet>, Stop> {
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
        let packet = if let Some(writer) = writer {
            let Written { text, settings } = cue_of(&self.track.codec, from, subtitle, writer);
            let packet = (!text.is_empty()).then(|| Packet::copy(text.as_bytes()));
            packet.map(|mut packet| {
                if !settings.is_empty() {
                    raw::set_cue_settings(&mut packet, &settings);
                }
                packet
            })
        } else {
            let to_srt = self.encoder == srt::CODEC;
            if self.track.codec == srt::CODEC {
                raw::change_texts(subtitle, if to_srt { &srt::as_written } else { &srt::as_meant });
            }
            if to_srt {
                raw::change_texts(subtitle, &webvtt::without_empty_lines_of_event);
            }
            raw::encode_subtitle(encoder, subtitle)
                .map_err(|source| MediaError::Encode { encoder: self.encoder.to_owned(), source })?
        };
        Ok(packet.map(|mut packet| {
            packet.set_pts(Some(start.max(0)));
            packet.set_dts(Some(start.max(0)));
            packet.set_duration(duration + start.min(0));
            packet
        }))
    }
}
