//! Subtitles drawn into the picture: text by libass, pictures as what is laid over.
//!
//! The texts are written into scratch as one ASS file on the output's clock, which the `ass` filter reads. **Invariant**:
//! of what a file says only texts and styles get there; the name in the graph is our own. Over high dynamic range the
//! file is one with other colours.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use ffmpeg_next::codec::Context;
use ffmpeg_next::codec::subtitle::Rect;
use ffmpeg_next::{Rational, Rescale, Subtitle};
use reelmill::model::work::{BurnIn, MediaOutput};

use super::file::{TextFile, each_packet};
use super::shade::{self, Transfer};
use crate::error::{MediaError, warning};
use crate::pipeline::graph;
use crate::pipeline::overlay::Sheets;
use crate::pipeline::streams::{Inventory, Track};
use crate::pipeline::window::{Placed, Window};
use crate::source::Source;
use crate::talk::Talk;
use crate::{libav, raw, scratch, srt, webvtt};

/// The filter.
const FILTER: &str = "ass";

/// Clock of ASS: hundredths of a second.
const BASE: Rational = Rational(1, 100);

/// Fields of a text as libav gives it: its number, its layer, the rest.
const FIELDS: usize = 3;

/// Subtitles to draw.
pub struct Burn {
    /// The ASS file.
    path: PathBuf,
}

impl Burn {
    /// The filter that draws them into a video of this transfer of high dynamic range, or of standard range.
    pub fn filter(&self, transfer: Option<Transfer>) -> Result<String, MediaError> {
        let Some(transfer) = transfer else { return named(&self.path) };
        let path = self.path.with_extension("bright.ass");
        let script = std::fs::read_to_string(&self.path).map_err(|error| scratch::failed(&self.path, error))?;
        std::fs::write(&path, shade::shaded(&script, transfer)).map_err(|error| scratch::failed(&path, error))?;
        named(&path)
    }
}

/// The filter that draws a file.
fn named(path: &Path) -> Result<String, MediaError> {
    let path = path.to_str().ok_or_else(|| MediaError::Parameter("scratch has no plain name".into()))?;
    Ok(format!("{FILTER}=filename={}", escaped(path)))
}

/// What is drawn of subtitles.
pub enum Drawn {
    /// Text, by a filter.
    Text(Burn),
    /// Pictures, which are laid over.
    Pictures(Sheets),
}

/// What `output` asks to be drawn into a video; `None` where it asks for nothing, or there is nothing.
pub fn burn(
    output: &MediaOutput,
    inventory: &Inventory,
    inputs: &[Source],
    window: Window,
    scratch: &Path,
    talk: &Talk,
) -> Result<Option<Drawn>, MediaError> {
    let Some(burn) = &output.burn else { return Ok(None) };
    let none = |why: &str| {
        talk.warn(warning::SUBTITLE_LEFT_OUT, format!("no subtitles were burnt into `{}`: {why}", output.file));
        Ok(None)
    };
    let of_file = |input, charset| {
        let file = TextFile::open(input, inputs, (charset, None), &|code, message| talk.warn(code, message))?;
        Ok::<_, MediaError>((file.source().clone(), file.track, window.on_own_clock(inventory.start_us)))
    };
    let (source, track, window) = match burn {
        BurnIn::Input(input) => of_file(*input, None)?,
        BurnIn::File { input, charset } => of_file(*input, Some(charset.as_str()))?,
        BurnIn::Tracks(tracks) => {
            let source = inputs.first().ok_or_else(|| MediaError::Job("it has no input".into()))?;
            match inventory.subtitles(tracks)?.first() {
                Some(&track) => (source.clone(), track.clone(), window),
                None => return none("the source has no subtitles"),
            }
        }
    };
    if !libav::is_text_subtitle(raw::parameters(&track.parameters)) {
        let Some(video) = inventory.video()? else { return none("the output has no video") };
        return Ok(Some(Drawn::Pictures(Sheets::new(&source, &track, window, video.shown))));
    }
    if !graph::has_filters(&[FILTER]) {
        return Err(MediaError::Missing { kind: "filter", name: FILTER.to_owned() });
    }
    let Some(script) = script(&source, &track, window)? else { return none("none are in this part of the source") };
    let path = scratch::place(scratch, &format!("{}.burn.ass", output.file))?;
    std::fs::write(&path, script).map_err(|error| scratch::failed(&path, error))?;
    Ok(Some(Drawn::Text(Burn { path })))
}

/// All texts of a stream as an ASS file at output times; `None` where there are none.
fn script(source: &Source, track: &Track, window: Window) -> Result<Option<String>, MediaError> {
    let failed = |source| MediaError::Libav { doing: "open a subtitle decoder", source };
    let mut context = Context::from_parameters((*track.parameters).clone()).map_err(failed)?.decoder();
    context.set_packet_time_base(track.time_base);
    let mut decoder = context.subtitle().map_err(failed)?;
    let mut text = raw::subtitle_header(&decoder);
    if !text.contains("[Events]") {
        text.push_str("\n[Events]\n");
    }
    if !text.ends_with('\n') {
        text.push('\n');
    }
    let before = text.len();
    let base = track.time_base;
    let read = each_packet(source, track.index, &mut |packet| {
        let Some(time) = packet.pts() else { return Ok(true) };
        if window.place(time, base) == Placed::After {
            return Ok(true);
        }
        let mut subtitle = Subtitle::new();
        let marked = srt::for_decoder(&track.codec, packet);
        if !decoder.decode(marked.as_ref().unwrap_or(packet), &mut subtitle).unwrap_or(false) {
            return Ok(true);
        }
        let centi = |ms: u32| i64::from(ms / 10);
        let start = window.moved(time, base).rescale(base, BASE) + centi(subtitle.start());
        let known = packet.duration().rescale(base, BASE);
        let shown = if known > 0 { known } else { centi(subtitle.end().saturating_sub(subtitle.start())) };
        if start + shown > 0 {
            for rect in subtitle.rects() {
                if let Rect::Ass(ass) = rect {
                    let shown_text = webvtt::in_ass(ass.get(), &track.codec);
                    dialogue(&mut text, &shown_text, start.max(0), start + shown);
                }
            }
        }
        Ok(true)
    });
    match read {
        Ok(()) | Err(crate::pipeline::flow::Stop::Upstream | crate::pipeline::flow::Stop::Unwanted) => {}
        Err(crate::pipeline::flow::Stop::Failed(error)) => return Err(error),
    }
    Ok((text.len() > before).then_some(text))
}

/// Appends one text, of which libav says its number, its layer and all that follows the times.
fn dialogue(script: &mut String, ass: &str, start: i64, end: i64) {
    let fields: Vec<&str> = ass.splitn(FIELDS, ',').collect();
    let [_, layer, rest] = fields.as_slice() else { return };
    let rest = rest.trim_end_matches(['\r', '\n']).replace("\r\n", "\\N").replace(['\r', '\n'], "\\N");
    let layer: u32 = layer.trim().parse().unwrap_or(0);
    let _ = writeln!(script, "Dialogue: {layer},{},{},{rest}", clock(start), clock(end));
}

/// `1:02:03.45`.
fn clock(centi: i64) -> String {
    let (seconds, hundredths) = (centi / 100, centi % 100);
    format!("{}:{:02}:{:02}.{hundredths:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A text as the value of an option in a graph: read twice, so escaped twice.
fn escaped(text: &str) -> String {
    let escape = |text: &str, special: &str| -> String {
        text.chars()
            .flat_map(|c| {
                let escape = special.contains(c) || c.is_whitespace();
                escape.then_some('\\').into_iter().chain(std::iter::once(c))
            })
            .collect()
    };
    escape(&escape(text, "\\':"), "\\'[],;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_lines_on_the_clock() {
        let mut script = String::new();
        dialogue(&mut script, "7,2,Default,,0,0,0,,Hello, {\\i1}world\nagain\r\n", 12, 366_145);
        assert_eq!(script, "Dialogue: 2,0:00:00.12,1:01:01.45,Default,,0,0,0,,Hello, {\\i1}world\\Nagain\n");
        dialogue(&mut script, "broken", 0, 1);
        assert_eq!(script.lines().count(), 1);
    }

    #[test]
    fn names_are_escaped_for_both_readers() {
        assert_eq!(escaped("/a/b.ass"), "/a/b.ass");
        assert_eq!(escaped("it's"), "it\\\\\\'s");
        assert_eq!(escaped("a:b[c],d;e\\f"), "a\\\\:b\\[c\\]\\,d\\;e\\\\\\\\f");
    }
}
