//! WebVTT thumbnails tracks: which picture shows which part of the source.

use std::fmt::Write;

use super::names;
use crate::geometry::Pixels;

/// One picture of a track.
#[derive(Clone, Debug, PartialEq)]
pub struct Cue {
    /// First moment that it stands for, in seconds.
    pub start_s: f64,
    /// File that holds it.
    pub file: String,
    /// Where it is in the file: left, top and size; absent where it is all of it.
    pub cell: Option<(u32, u32, Pixels)>,
}

/// Text of the track called `name` over `cues`, the last of which lasts until `end_s`.
#[must_use]
pub fn track(name: &str, cues: &[Cue], end_s: f64) -> String {
    let mut text = "WEBVTT\n".to_owned();
    for (n, cue) in cues.iter().enumerate() {
        let end_s = cues.get(n + 1).map_or(end_s, |next| next.start_s);
        if end_s <= cue.start_s {
            continue;
        }
        let url = names::relative_url(name, &cue.file);
        let fragment =
            cue.cell.map_or_else(String::new, |(x, y, size)| format!("#xywh={x},{y},{},{}", size.width, size.height));
        // Writing to a string cannot fail.
        let _infallible = write!(text, "\n{} --> {}\n{url}{fragment}\n", clock(cue.start_s), clock(end_s));
    }
    text
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates far beyond any duration")]
fn clock(seconds: f64) -> String {
    let ms = (seconds.max(0.0) * 1000.0).round() as u64;
    let (s, ms) = (ms / 1000, ms % 1000);
    format!("{:02}:{:02}:{:02}.{ms:03}", s / 3600, s / 60 % 60, s % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cues_follow_each_other_to_the_end() {
        let cell = |x| Some((x, 0, Pixels::new(160, 90)));
        let cues = [
            Cue { start_s: 0.0, file: "s 1.jpg".into(), cell: cell(0) },
            Cue { start_s: 5.0, file: "s 1.jpg".into(), cell: cell(160) },
        ];
        let expected = "WEBVTT\n\n00:00:00.000 --> 00:00:05.000\ns%201.jpg#xywh=0,0,160,90\n\n\
            00:00:05.000 --> 01:00:07.250\ns%201.jpg#xywh=160,0,160,90\n";
        assert_eq!(track("t.vtt", &cues, 3607.25), expected);
    }
}
