//! Subtitles from a file of their own.

use std::sync::Arc;

use ffmpeg_next::Packet;
use ffmpeg_next::format::stream::Disposition;
use reelmill::model::Code;
use reelmill::model::work::SubtitleFile;

use crate::charset::{self, Decoded};
use crate::error::{MediaError, warning};
use crate::pipeline::flow::{Outlets, Stop};
use crate::pipeline::streams::{Inventory, Track};
use crate::source::Source;
use crate::{probe, raw};

/// Largest file, in bytes.
const MAX_BYTES: u64 = 16 << 20;

/// A file with one stream of text subtitles.
#[derive(Clone)]
pub struct TextFile {
    source: Source,
    /// Its stream.
    pub track: Track,
}

impl TextFile {
    /// Opens input `input` in the encoding `charset`, or where none is said in that of its bytes, of which a language tells
    /// more; `warn` hears where that was guessed.
    pub fn open(
        input: usize,
        inputs: &[Source],
        (charset, language): (Option<&str>, Option<&str>),
        warn: &dyn Fn(Code, String),
    ) -> Result<Self, MediaError> {
        let source = inputs.get(input).ok_or_else(|| MediaError::Job(format!("there is no input {input}")))?;
        let failed = |source| MediaError::Beside { input, what: "subtitle file", source: Box::new(source) };
        let bytes = source.bytes(MAX_BYTES).map_err(failed)?;
        let Decoded { text, encoding, guessed, damaged } =
            charset::decode(&bytes, charset, language).map_err(failed)?;
        if guessed {
            let message = format!(
                "the encoding of input {input} was guessed: it is not UTF-8 and was read as {encoding}; set `charset` to override"
            );
            warn(warning::ENCODING_GUESSED, message);
        } else if damaged {
            warn(
                warning::ENCODING_WRONG,
                format!("some bytes of input {input} are invalid in {encoding}: check `charset`"),
            );
        }
        let source = Source::text(Arc::from(cues_alone(&text).into_bytes()));
        let track = track(&source).map_err(failed)?;
        Ok(Self { source, track })
    }

    /// The stream as `file` labels it.
    #[must_use]
    pub fn labelled(mut self, file: &SubtitleFile) -> Self {
        self.track.language.clone_from(&file.language);
        self.track.title.clone_from(&file.name);
        let flag = |set, disposition| if set { disposition } else { Disposition::empty() };
        self.track.disposition = flag(file.default, Disposition::DEFAULT) | flag(file.forced, Disposition::FORCED);
        self
    }

    /// The file.
    #[must_use]
    pub const fn source(&self) -> &Source {
        &self.source
    }
}

/// A file of WebVTT without its blocks of styles and regions, at the first of which some demuxers stop; other files as they
/// are.
fn cues_alone(text: &str) -> String {
    if !text.starts_with("WEBVTT") {
        return text.to_owned();
    }
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let is_cue = |block: &&str| {
        let first = block.lines().next().unwrap_or_default();
        let word = first.split([' ', '\t']).next().unwrap_or_default();
        block.contains("-->") || !matches!(word, "STYLE" | "REGION" | "NOTE")
    };
    let blocks = text.split("\n\n").map(|block| block.trim_matches('\n')).filter(|block| !block.is_empty());
    blocks.filter(is_cue).collect::<Vec<_>>().join("\n\n") + "\n"
}

fn track(source: &Source) -> Result<Track, MediaError> {
    let info = probe::media_info(&mut source.open()?)?;
    let opened = source.open()?;
    Inventory::new(&opened, info).subtitles.into_iter().next().ok_or(MediaError::NoStreams("subtitles"))
}

/// Sends the packets of one stream of `source`.
pub fn send(source: &Source, index: usize, mut packets: Outlets<Packet>) -> Result<(), Stop> {
    each_packet(source, index, &mut |packet| Ok(packets.send(|| Ok(raw::share_packet(packet)))?))?;
    packets.end();
    Ok(())
}

/// Hands on the packets of one stream of `source` until `take` wants no more.
pub fn each_packet(
    source: &Source,
    index: usize,
    take: &mut dyn FnMut(&Packet) -> Result<bool, Stop>,
) -> Result<(), Stop> {
    let mut opened = source.open()?;
    opened.read_only(&[index]);
    let mut packet = Packet::empty();
    while opened.read(&mut packet)? {
        if packet.stream() == index && !take(&packet)? {
            break;
        }
    }
    Ok(())
}
