//! Text subtitles as WebVTT: whole for DASH, in segments for HLS.
//!
//! **Invariant**: a text stands in every segment that it is shown in, with the times it is shown from and to; times count
//! from the start of the media, as those of the other tracks do.

use std::fmt::Write;

use ffmpeg_next::codec::Context;
use ffmpeg_next::{Packet, Rational, Rescale, Subtitle};

use crate::error::MediaError;
use crate::pipeline::subtitles::cue_of;
use crate::source::Opened;
use crate::webvtt::{Writer, Written};
use crate::{libav, raw, srt};

/// Clock of texts: milliseconds.
const BASE: Rational = Rational(1, 1000);

/// Most texts of a track.
const MAX_CUES: usize = 100_000;

/// A text, and when it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cue {
    /// First moment, in milliseconds.
    pub start_ms: i64,
    /// Moment of its end, in milliseconds.
    pub end_ms: i64,
    /// Text with WebVTT's marks.
    pub text: String,
    /// Where it is shown, as WebVTT says it; empty where players choose.
    pub settings: String,
}

/// The texts of a subtitle stream of a freshly opened file.
pub fn read(mut opened: Opened, index: usize) -> Result<Vec<Cue>, MediaError> {
    let failed = |source| MediaError::Libav { doing: "decode subtitles", source };
    let stream = opened.demuxer().stream(index).ok_or(MediaError::NoStreams("subtitles"))?;
    let (base, parameters) = (stream.time_base(), stream.parameters().clone());
    let start_us = libav::start_time_us(opened.demuxer()).filter(|_| opened.demuxer().nb_streams() > 1);
    let origin = start_us.unwrap_or(0).max(0).rescale(ffmpeg_next::rescale::TIME_BASE, base);
    let codec = libav::codec_name(libav::parameters(&stream)).unwrap_or_else(|| "unknown".to_owned());
    let unsupported = |_| MediaError::UnsupportedCodec { kind: "subtitle", codec: codec.clone() };
    let mut context = Context::from_parameters(parameters).map_err(failed)?.decoder();
    context.set_packet_time_base(base);
    let mut decoder = context.subtitle().map_err(unsupported)?;
    let writer = Writer::new(&raw::subtitle_header(&decoder));
    opened.read_only(&[index]);
    let mut cues = Vec::new();
    let (mut packets, mut damaged) = (0_u32, 0_u32);
    let mut packet = Packet::empty();
    while cues.len() < MAX_CUES && opened.read(&mut packet)? {
        let Some(time) = packet.pts().filter(|_| packet.stream() == index) else { continue };
        packets += 1;
        let mut subtitle = Subtitle::new();
        let marked = srt::for_decoder(&codec, &packet);
        match decoder.decode(marked.as_ref().unwrap_or(&packet), &mut subtitle) {
            Ok(true) => {}
            Ok(false) => continue,
            Err(_) => {
                damaged += 1;
                continue;
            }
        }
        let shown_ms = i64::from(subtitle.end().saturating_sub(subtitle.start()));
        let known_ms = packet.duration().rescale(base, BASE);
        let start_ms = (time - origin).rescale(base, BASE) + i64::from(subtitle.start());
        let end_ms = start_ms + if known_ms > 0 { known_ms } else { shown_ms };
        let Written { text, settings } = cue_of(&codec, &packet, &subtitle, &writer);
        if end_ms > start_ms.max(0) && !text.trim().is_empty() {
            cues.push(Cue { start_ms: start_ms.max(0), end_ms, text, settings });
        }
    }
    if cues.is_empty() && packets > 0 && damaged == packets {
        let detail = "none of its cues could be decoded; they must be UTF-8".to_owned();
        return Err(MediaError::Damaged { kind: "subtitles", detail });
    }
    cues.sort_by_key(|cue| (cue.start_ms, cue.end_ms));
    Ok(cues)
}

/// WebVTT of the texts that are shown between two moments; all of them without. `clock` is the time on the 90 kHz clock of
/// the other tracks at which the texts' clock is zero.
#[must_use]
pub fn webvtt(cues: &[Cue], between_ms: Option<(i64, i64)>, clock: Option<u64>) -> String {
    let mut text = "WEBVTT\n".to_owned();
    if let Some(clock) = clock {
        // Writing to a string cannot fail.
        let _infallible = writeln!(text, "X-TIMESTAMP-MAP=MPEGTS:{clock},LOCAL:00:00:00.000");
    }
    let shown = |cue: &&Cue| between_ms.is_none_or(|(from, to)| cue.start_ms < to && cue.end_ms > from);
    for cue in cues.iter().filter(shown) {
        let settings = if cue.settings.is_empty() { String::new() } else { format!(" {}", cue.settings) };
        let _infallible = write!(text, "\n{} --> {}{settings}\n{}\n", time(cue.start_ms), time(cue.end_ms), cue.text);
    }
    text
}

fn time(ms: i64) -> String {
    let (s, ms) = (ms / 1000, ms % 1000);
    format!("{:02}:{:02}:{:02}.{ms:03}", s / 3600, s / 60 % 60, s % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_stands_in_every_segment_that_it_is_shown_in() {
        let cue = |start_ms, end_ms, text: &str| Cue { start_ms, end_ms, text: text.into(), settings: String::new() };
        let cues = [cue(500, 2_500, "one"), cue(5_900, 6_100, "two"), cue(3_600_000, 3_601_000, "late")];
        let first = webvtt(&cues, Some((0, 6_000)), Some(126_000));
        let expected = "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:126000,LOCAL:00:00:00.000\n\n\
            00:00:00.500 --> 00:00:02.500\none\n\n00:00:05.900 --> 00:00:06.100\ntwo\n";
        assert_eq!(first, expected);
        assert!(webvtt(&cues, Some((6_000, 12_000)), None).contains("\n00:00:05.900 --> 00:00:06.100\ntwo\n"));
        assert_eq!(webvtt(&cues, Some((12_000, 18_000)), None), "WEBVTT\n");
        assert!(webvtt(&cues, None, None).ends_with("01:00:00.000 --> 01:00:01.000\nlate\n"));
    }
}
