//! Subtitles of a package: from the renditions and from files beside them, written as WebVTT.
//!
//! **Invariant**: a text that cannot be read is a failure where it was asked for by name, and a warning where it came along.

use std::path::Path;

use reelmill::model::work::{FileRole, ProducedFile, SubtitleFile};
use reelmill::worker::protocol::Message;

use super::menu::{self, Entry};
use super::text::{self, Cue};
use super::track::{Segment, spans};
use crate::error::{MediaError, warning};
use crate::pipeline::subtitles::TextFile;
use crate::scratch;
use crate::source::Source;

/// Media type of texts.
const VTT: &str = "text/vtt";

/// A subtitle track.
pub struct Text {
    /// What the menu says of it.
    pub entry: Entry,
    /// Whether it holds only what must always be shown.
    pub forced: bool,
    /// Its folder in scratch.
    pub folder: String,
    /// What names of its files begin with.
    prefix: String,
    cues: Vec<Cue>,
    /// Its segments: names and durations in seconds.
    pub segments: Vec<(String, f64)>,
    /// Sizes in bytes and durations in seconds of its segments.
    pub sizes: Vec<(u64, f64)>,
    /// Size in bytes of the whole text as one file.
    pub whole_bytes: u64,
    /// All of its files.
    pub files: Vec<ProducedFile>,
}

impl Text {
    /// From a stream of a rendition.
    pub fn of_stream(
        source: &Source,
        stream: (usize, &reelmill::model::media::SubtitleStream),
        folder: &str,
        tell: &dyn Fn(&Message),
    ) -> Result<Option<Self>, MediaError> {
        let (number, stream) = stream;
        let cues = match text::read(source.open()?, stream.index as usize) {
            Ok(cues) => cues,
            Err(error @ (MediaError::SourceUnreadable | MediaError::Missing { .. })) => return Err(error),
            Err(error) => {
                let message = format!("a subtitle stream of the rendition `{folder}` was left out: {error}");
                tell(&Message::Warning { code: warning::SUBTITLE_LEFT_OUT, message });
                return Ok(None);
            }
        };
        let language = menu::language(stream.language.as_deref());
        let name = menu::name(stream.title.as_deref(), language.as_deref(), "Subtitles");
        let entry = Entry { name, language, default: stream.default };
        Ok(Some(Self::new(entry, stream.forced, folder, format!("text{number}-"), cues)))
    }

    /// From a file that was asked for.
    pub fn of_file(
        file: &SubtitleFile,
        number: usize,
        inputs: &[Source],
        folder: &str,
        tell: &dyn Fn(&Message),
    ) -> Result<Self, MediaError> {
        let wrong = |error: MediaError| match error {
            MediaError::Beside { source, .. } => *source,
            error => error,
        };
        let wrong = |error: MediaError| match wrong(error) {
            error @ (MediaError::SourceUnreadable | MediaError::Missing { .. } | MediaError::Job(_)) => error,
            other => MediaError::Parameter(format!("subtitle file {number} cannot be used: {other}")),
        };
        let warn = |code, message| tell(&Message::Warning { code, message });
        let text = TextFile::open(file.input, inputs, (file.charset.as_deref(), file.language.as_deref()), &warn)
            .map_err(wrong)?;
        let cues = text.source().open().and_then(|opened| text::read(opened, text.track.index)).map_err(wrong)?;
        let language = menu::language(file.language.as_deref());
        let name = menu::name(file.name.as_deref(), language.as_deref(), "Subtitles");
        let entry = Entry { name, language, default: file.default };
        Ok(Self::new(entry, file.forced, folder, format!("text{number}-"), cues))
    }

    fn new(entry: Entry, forced: bool, folder: &str, prefix: String, cues: Vec<Cue>) -> Self {
        let (folder, segments, sizes, files) = (folder.to_owned(), Vec::new(), Vec::new(), Vec::new());
        Self { entry, forced, folder, prefix, cues, segments, sizes, whole_bytes: 0, files }
    }

    /// File in scratch of its playlist.
    #[must_use]
    pub fn playlist(&self) -> String {
        format!("{}/{}index.m3u8", self.folder, self.prefix)
    }

    /// File in scratch of the whole text.
    #[must_use]
    pub fn whole(&self) -> String {
        format!("{}/{}whole.vtt", self.folder, self.prefix)
    }

    /// Writes it as one file.
    pub fn write_whole(&mut self, scratch: &Path) -> Result<(), MediaError> {
        let text = text::webvtt(&self.cues, None, None);
        let file = scratch::write(scratch, &self.whole(), text.as_bytes(), VTT, FileRole::Track)?;
        self.whole_bytes = file.size_bytes;
        self.files.push(file);
        Ok(())
    }

    /// Writes it in segments that are cut where `leader` is; `clock` is the time of its start on the tracks' 90 kHz clock.
    pub fn write_segments(&mut self, leader: &[Segment], clock: u64, scratch: &Path) -> Result<(), MediaError> {
        for (number, (start_s, duration_s)) in (1..).zip(spans(leader)) {
            let last = number == leader.len();
            let to_ms = if last { i64::MAX } else { ms(start_s + duration_s) };
            let text = text::webvtt(&self.cues, Some((ms(start_s), to_ms)), Some(clock));
            let name = format!("{}seg-{number:05}.vtt", self.prefix);
            let file = format!("{}/{name}", self.folder);
            self.files.push(scratch::write(scratch, &file, text.as_bytes(), VTT, FileRole::Segment)?);
            self.sizes.push((text.len() as u64, duration_s));
            self.segments.push((name, duration_s));
        }
        Ok(())
    }
}

/// Names that differ, and one default at most.
pub fn settle(texts: &mut [Text]) {
    let mut entries: Vec<Entry> = texts.iter().map(|text| text.entry.clone()).collect();
    menu::distinguish(&mut entries);
    let default = entries.iter().position(|entry| entry.default);
    for (place, (text, entry)) in texts.iter_mut().zip(entries).enumerate() {
        text.entry = Entry { default: Some(place) == default, ..entry };
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a media time")]
fn ms(seconds: f64) -> i64 {
    (seconds * 1000.0).round() as i64
}
