//! Text subtitles as WebVTT: what a parser of it shows is what the author wrote, where the author put it.
//!
//! libav decodes every text subtitle into events of ASS, and its own encoder of WebVTT neither escapes nor places them.
//! What is WebVTT already stays as it is. **Invariant**: pure; `<`, `>` and `&` of a text are escaped, so that nothing it
//! holds is taken for a tag, an entity or an arrow. Deliberately absent: colours, fonts and positions in pixels.

use std::collections::BTreeMap;

use crate::srt;

/// Fields of an event before its text: number, layer, style, name, three margins, effect.
const FIELDS_BEFORE_TEXT: usize = 8;

/// Place of the style among them.
const STYLE: usize = 2;

/// Settings of a cue that are kept: all but regions, which stand in a header that is not.
const SETTINGS: [&str; 5] = ["line:", "position:", "align:", "size:", "vertical:"];

/// Place of a text on the screen, as on the number pad of a keyboard: 2 is the middle of the bottom.
type Alignment = u8;

/// A text of a cue, and its settings; absent settings are the players' own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// Text with WebVTT's marks; empty where nothing is shown.
    pub text: String,
    /// `line:0 align:left`.
    pub settings: String,
}

/// How a style of ASS looks, as far as WebVTT can say it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Style {
    bold: bool,
    italic: bool,
    underline: bool,
    alignment: Alignment,
}

/// Writes events of a stream whose header names its styles.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    styles: BTreeMap<String, Style>,
}

impl Writer {
    /// Of a stream with that header of ASS.
    #[must_use]
    pub fn new(header: &str) -> Self {
        let mut styles = BTreeMap::new();
        let mut columns: Vec<String> = Vec::new();
        // The first version counts places otherwise: 5 to 7 are the top, 9 to 11 the middle.
        let legacy = header.contains("[V4 Styles]");
        for line in header.lines() {
            let Some((key, rest)) = line.split_once(':') else { continue };
            match key.trim() {
                "Format" if rest.contains("Fontname") => {
                    columns = rest.split(',').map(|name| name.trim().to_owned()).collect();
                }
                "Style" => {
                    let fields: Vec<&str> = rest.split(',').map(str::trim).collect();
                    let field = |name: &str| fields.get(columns.iter().position(|column| column == name)?).copied();
                    let is = |name: &str| field(name).is_some_and(|value| value != "0");
                    let number = field("Alignment").and_then(|value| value.parse().ok()).unwrap_or(2);
                    let style = Style {
                        bold: is("Bold"),
                        italic: is("Italic"),
                        underline: is("Underline"),
                        alignment: if legacy { of_legacy(number) } else { number },
                    };
                    let name = field("Name").unwrap_or_default().trim_start_matches('*');
                    styles.insert(name.to_owned(), style);
                }
                _ => {}
            }
        }
        Self { styles }
    }

    /// The events that are shown at a time, as one cue; its place is that of the first that says one.
    #[must_use]
    pub fn write<'a>(&self, events: impl Iterator<Item = &'a str>) -> Written {
        let mut all = Written::default();
        for event in events {
            let fields: Vec<&str> = event.splitn(FIELDS_BEFORE_TEXT + 1, ',').collect();
            let Some(text) = fields.get(FIELDS_BEFORE_TEXT) else { continue };
            let name = fields[STYLE].trim_start_matches('*');
            let style = self.styles.get(name).or_else(|| self.styles.get("Default")).copied().unwrap_or_default();
            let Written { text, settings } = Line::new(style).write(text);
            if text.is_empty() {
                continue;
            }
            if !all.text.is_empty() {
                all.text.push('\n');
            }
            all.text.push_str(&text);
            if all.settings.is_empty() {
                all.settings = settings;
            }
        }
        all
    }
}

/// One event on its way.
struct Line {
    style: Style,
    out: String,
    /// Tags that are open, the innermost last.
    open: Vec<char>,
    alignment: Alignment,
    /// Whether it draws shapes instead of letters.
    drawing: bool,
}

impl Line {
    fn new(style: Style) -> Self {
        Self { style, out: String::new(), open: Vec::new(), alignment: style.alignment, drawing: false }
    }

    fn write(mut self, text: &str) -> Written {
        self.reset();
        let mut rest = text.trim_end_matches(['\r', '\n', '\0']);
        while let Some(c) = rest.chars().next() {
            let after = &rest[c.len_utf8()..];
            rest = match (c, after.chars().next()) {
                ('{', _) => match after.split_once('}') {
                    Some((overrides, after)) => {
                        self.overrides(overrides);
                        after
                    }
                    None => self.letter(c, after),
                },
                ('\\', Some('N' | 'n')) => self.line_break(&after[1..]),
                ('\\', Some('h')) => self.letter('\u{a0}', &after[1..]),
                ('\\', Some(brace @ ('{' | '}'))) => self.letter(brace, &after[1..]),
                // libav keeps a backslash from meaning something by a joiner behind it.
                ('\\', Some('\u{2060}')) => self.letter(c, &after['\u{2060}'.len_utf8()..]),
                ('\r', _) => after,
                ('\n', _) => self.line_break(after),
                _ => self.letter(c, after),
            };
        }
        self.close_down_to(0);
        Written { text: without_empty_lines(&self.out), settings: settings_of(self.alignment) }
    }

    fn letter<'a>(&mut self, c: char, after: &'a str) -> &'a str {
        if !self.drawing {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                c => self.out.push(c),
            }
        }
        after
    }

    fn line_break<'a>(&mut self, after: &'a str) -> &'a str {
        if !self.drawing {
            self.out.push('\n');
        }
        after
    }

    /// Takes the overrides between two braces: `\b1\an8`. Without a backslash it is a comment.
    fn overrides(&mut self, overrides: &str) {
        for tag in overrides.split('\\').skip(1) {
            let tag = tag.trim();
            let number = |name: &str| tag.strip_prefix(name)?.trim().parse::<u32>().ok();
            if let Some(place) = number("an") {
                self.alignment = u8::try_from(place).unwrap_or(0);
            } else if let Some(place) = number("a") {
                self.alignment = of_legacy(u8::try_from(place).unwrap_or(0));
            } else if let Some(scale) = number("p") {
                self.drawing = scale > 0;
            } else if tag.starts_with('r') {
                self.reset();
            } else {
                for (mark, of_style) in [('b', self.style.bold), ('i', self.style.italic), ('u', self.style.underline)]
                {
                    // A weight of letters is bold from 600 on.
                    let value = tag.strip_prefix(mark);
                    let on = value.and_then(|value| match value {
                        "" => Some(of_style),
                        value => value.parse::<u32>().ok().map(|weight| weight == 1 || weight >= 600),
                    });
                    if let Some(on) = on {
                        self.mark(mark, on);
                    }
                }
            }
        }
    }

    /// Back to the style.
    fn reset(&mut self) {
        let Style { bold, italic, underline, .. } = self.style;
        for (mark, on) in [('b', bold), ('i', italic), ('u', underline)] {
            self.mark(mark, on);
        }
    }

    /// Opens or closes a tag; what was opened after it is closed and opened again.
    fn mark(&mut self, mark: char, on: bool) {
        let place = self.open.iter().position(|&open| open == mark);
        match place {
            None if on => self.open_tag(mark),
            Some(place) if !on => {
                let inner = self.open[place + 1..].to_vec();
                self.close_down_to(place);
                for mark in inner {
                    self.open_tag(mark);
                }
            }
            _ => {}
        }
    }

    fn open_tag(&mut self, mark: char) {
        self.out.extend(['<', mark, '>']);
        self.open.push(mark);
    }

    fn close_down_to(&mut self, depth: usize) {
        for mark in self.open.drain(depth..).rev() {
            // A tag with nothing in it says nothing.
            let opened: String = ['<', mark, '>'].into_iter().collect();
            if self.out.ends_with(&opened) {
                self.out.truncate(self.out.len() - opened.len());
            } else {
                self.out.extend(['<', '/', mark, '>']);
            }
        }
    }
}

/// The place that the first version of ASS means by a number.
const fn of_legacy(number: u8) -> Alignment {
    let column = match number & 3 {
        0 => return 2,
        column => column,
    };
    column
        + if number & 4 != 0 {
            6
        } else if number & 8 != 0 {
            3
        } else {
            0
        }
}

/// Settings for a place; none for the middle of the bottom, where players show texts anyway.
fn settings_of(alignment: Alignment) -> String {
    let line = match alignment {
        7..=9 => "line:0",
        4..=6 => "line:50%",
        _ => "",
    };
    let side = match alignment {
        1 | 4 | 7 => "position:0% align:left",
        3 | 6 | 9 => "position:100% align:right",
        _ => "",
    };
    [line, side].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A text that is WebVTT already, and the settings that came with it.
#[must_use]
pub fn kept(text: &str, settings: &str) -> Written {
    let good = |setting: &&str| {
        let plain = setting.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":%.,-".contains(&byte));
        plain && SETTINGS.iter().any(|name| setting.starts_with(name))
    };
    let settings: Vec<&str> = settings.split_ascii_whitespace().filter(good).collect();
    Written { text: without_empty_lines(&text.replace("-->", "--&gt;")), settings: settings.join(" ") }
}

/// An empty line would end the text.
fn without_empty_lines(text: &str) -> String {
    let lines = text.trim_matches('\0').lines().map(str::trim_end).filter(|line| !line.is_empty());
    lines.collect::<Vec<_>>().join("\n")
}

/// An event of ASS without lines that show nothing: an empty line would end a text of SRT. Overrides in them stay.
#[must_use]
pub fn without_empty_lines_of_event(event: &str) -> String {
    let at = event.match_indices(',').nth(FIELDS_BEFORE_TEXT - 1).map_or(0, |(at, _)| at + 1);
    let (fields, text) = event.split_at(at);
    let text = text.trim_end_matches(['\r', '\n']).replace("\\n", "\\N").replace("\r\n", "\\N").replace('\n', "\\N");
    let (mut out, mut shown) = (fields.to_owned(), false);
    for line in text.split("\\N") {
        if shows(line) {
            if std::mem::replace(&mut shown, true) {
                out.push_str("\\N");
            }
            out.push_str(line);
        } else {
            let overrides = line.split_inclusive('}').filter_map(|part| Some(&part[part.find('{')?..]));
            out.extend(overrides);
        }
    }
    out
}

/// Whether a line of an event of ASS has anything but spaces and overrides.
fn shows(line: &str) -> bool {
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((_, after)) = after.split_once('}') else { return true };
        if !before.replace("\\h", "").trim().is_empty() {
            return true;
        }
        rest = after;
    }
    !rest.replace("\\h", "").trim().is_empty()
}

/// A text of SRT with its entities decoded: authors who know HTML write `&amp;`, and the others `&`.
#[must_use]
pub fn without_entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        let from = &rest[at..];
        let (c, length) = entity(from).unwrap_or(('&', 1));
        out.push(c);
        rest = &from[length..];
    }
    out.push_str(rest);
    out
}

/// An event that libav decoded from a text of `codec`, as ASS has it: entities of SRT decoded, and braces of formats that
/// have none of ASS's overrides in theirs shown.
#[must_use]
pub fn in_ass(event: &str, codec: &str) -> String {
    let text = match codec {
        srt::CODEC => srt::as_meant(event),
        "mov_text" | "text" => event.to_owned(),
        _ => return event.to_owned(),
    };
    let mut out = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find('{') {
        out.push_str(&rest[..at]);
        out.push_str(if rest[at + 1..].starts_with('\\') { "{" } else { "\\{" });
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out
}

/// The character that an entity at the start of a text means, and the length of the entity.
fn entity(text: &str) -> Option<(char, usize)> {
    // The longest there is: `&#x10ffff;`.
    let end = text.bytes().take(10).position(|byte| byte == b';')?;
    let c = match text.get(1..end)? {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        "lrm" => '\u{200e}',
        "rlm" => '\u{200f}',
        name => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code).filter(|c| !c.is_control())?
        }
    };
    Some((c, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> (String, String) {
        let event = format!("0,0,Default,,0,0,0,,{text}");
        let Written { text, settings } = Writer::default().write(std::iter::once(event.as_str()));
        (text, settings)
    }

    #[test]
    fn field_fault_03_signs_of_webvtt_are_escaped_and_marks_are_kept() {
        for (ass, vtt) in [
            ("if x < 3 and y > 2 then stop", "if x &lt; 3 and y &gt; 2 then stop"),
            ("I <3 you & R&D", "I &lt;3 you &amp; R&amp;D"),
            ("111 <<", "111 &lt;&lt;"),
            ("{\\i1}friends{\\i0}, all", "<i>friends</i>, all"),
            ("{\\b1}a{\\i1}b{\\b0}c", "<b>a<i>b</i></b><i>c</i>"),
            ("{\\b700}a{\\b400}b{\\u1}{\\u0}c", "<b>a</b>bc"),
            ("a\\Nb\\n\\N c\\hd", "a\nb\n c\u{a0}d"),
            ("00:01 --> 00:02", "00:01 --&gt; 00:02"),
            ("{a comment}x{\\pos(3,4)\\c&H00FF00&}y", "xy"),
            ("{\\p1}m 0 0 l 9 9{\\p0}text", "text"),
            ("\\{{}curly\\} back\\\u{2060}N", "{curly} back\\N"),
            ("{\\i1}unclosed\r\n", "<i>unclosed</i>"),
            ("open { brace", "open { brace"),
        ] {
            assert_eq!(written(ass).0, vtt, "{ass}");
        }
    }

    #[test]
    fn places_of_ass_become_settings() {
        for (ass, settings) in [
            ("x", ""),
            ("{\\an2}x", ""),
            ("{\\an8}x", "line:0"),
            ("{\\a6}x", "line:0"),
            ("{\\an5}x", "line:50%"),
            ("{\\an1}x", "position:0% align:left"),
            ("{\\an9}x", "line:0 position:100% align:right"),
        ] {
            assert_eq!(written(ass).1, settings, "{ass}");
        }
        let header = "[V4+ Styles]\nFormat: Name, Fontname, Bold, Italic, Alignment\nStyle: Sign,Arial,0,-1,8\n";
        let Written { text, settings } = Writer::new(header).write(["0,0,Sign,,0,0,0,,EXIT{\\i0} now"].into_iter());
        assert_eq!((text.as_str(), settings.as_str()), ("<i>EXIT</i> now", "line:0"));
        let legacy = header.replace("V4+", "V4").replace(",8\n", ",6\n");
        assert_eq!(Writer::new(&legacy).write(["0,0,Sign,,0,0,0,,x"].into_iter()).settings, "line:0");
    }

    #[test]
    fn events_of_one_time_are_one_cue_and_what_is_webvtt_stays() {
        let events = ["0,0,Default,,0,0,0,,a", "1,0,Default,,0,0,0,,{\\an8}b", "2,0,Default,,0,0,0,,"];
        let expected = Written { text: "a\nb".into(), settings: "line:0".into() };
        assert_eq!(Writer::default().write(events.into_iter()), expected);
        let Written { text, settings } =
            kept("<v Bob>Hi &amp; <i>you</i>\n\n&lt;3", "line:10% region:fred position:20%,start align:start x:\n9");
        assert_eq!(text, "<v Bob>Hi &amp; <i>you</i>\n&lt;3");
        assert_eq!(settings, "line:10% position:20%,start align:start");
    }

    #[test]
    fn entities_of_srt_are_what_they_mean() {
        for (srt, text) in [
            ("R&D; AT&T &amp; friends", "R&D; AT&T & friends"),
            ("&lt;x&gt; &quot;&#233;&#xE9;&apos; &nbsp;", "<x> \"éé' \u{a0}"),
            ("&amp;lt; & &; &unknown; &#0; &", "&lt; & &; &unknown; &#0; &"),
        ] {
            assert_eq!(without_entities(srt), text, "{srt}");
        }
        assert_eq!(in_ass("{x} &lt;{\\an8}", "subrip"), "\\{x} <{\\an8}");
        assert_eq!(in_ass("{x} &lt;", "mov_text"), "\\{x} &lt;");
        assert_eq!(in_ass("{x} &lt;", "ass"), "{x} &lt;");
    }
}
