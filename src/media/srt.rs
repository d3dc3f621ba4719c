//! Texts of SRT on their way through libav's decoder, which takes whatever stands between `<` and `>` for a tag.
//!
//! **Invariant**: what is no tag of SubRip or of WebVTT is shown as the author wrote it: its `<` goes through the decoder
//! as [`MARK`]. Tags of WebVTT that libav does not know are left out before. Deliberately absent: braces (`webvtt`).

use ffmpeg_next::Packet;

use crate::raw;
use crate::webvtt::without_entities;

/// libav's name of the codec.
pub const CODEC: &str = "subrip";

/// Stands for a `<` that begins no tag. No text contains this code point: Unicode defines it as a noncharacter.
const MARK: char = '\u{fdd0}';

/// What begins with `<`.
enum Tag<'a> {
    /// A tag that libav knows, as it is to be written.
    Known(&'a str),
    /// The same, without the classes that WebVTT adds.
    Plain { name: &'a str, closes: bool },
    /// A tag that shows nothing.
    Silent,
}

/// A packet of SRT as the decoder is to read it; `None` where that is the packet itself.
#[must_use]
pub fn for_decoder(codec: &str, packet: &Packet) -> Option<Packet> {
    let text = std::str::from_utf8(packet.data()?).ok().filter(|_| codec == CODEC)?;
    let marked = marked(text);
    (marked != text).then(|| raw::with_data(packet, marked.as_bytes()))
}

/// A decoded text of SRT as it was written.
#[must_use]
pub fn as_written(event: &str) -> String {
    event.replace(MARK, "<")
}

/// A decoded text of SRT as it is meant, with its entities decoded.
#[must_use]
pub fn as_meant(event: &str) -> String {
    as_written(&without_entities(event))
}

/// The text with every `<` that begins no tag marked.
fn marked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('<') {
        out.push_str(&rest[..at]);
        let from = &rest[at..];
        let Some((tag, length)) = tag(from) else {
            out.push(MARK);
            rest = &from[1..];
            continue;
        };
        match tag {
            Tag::Known(tag) => out.push_str(tag),
            Tag::Plain { name, closes } => out.extend([if closes { "</" } else { "<" }, name, ">"]),
            Tag::Silent => {}
        }
        rest = &from[length..];
    }
    out.push_str(rest);
    out
}

/// The tag at the start of a text, and its length.
fn tag(text: &str) -> Option<(Tag<'_>, usize)> {
    let end = text.find('>')?;
    let whole = &text[..=end];
    let inside = text.get(1..end).filter(|inside| !inside.contains('<'))?;
    if is_time(inside) {
        return Some((Tag::Silent, whole.len()));
    }
    let closing = inside.strip_prefix('/');
    let inner = closing.unwrap_or(inside);
    let (name, more) = inner.split_at(inner.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(inner.len()));
    let closes = closing.is_some();
    let bare = more.trim_end().is_empty() || !closes && more.trim_end() == "/";
    let classes = !closes && more.starts_with('.') && !more[1..].starts_with(char::is_whitespace);
    // `<b and c>` is no tag, `<b class="x">` is one.
    let attributes = !closes && more.starts_with(char::is_whitespace) && more.contains('=');
    let words = !closes && more.starts_with(char::is_whitespace);
    let tag = match name.to_ascii_lowercase().as_str() {
        "b" | "i" | "u" | "s" if bare || classes || attributes => Tag::Plain { name, closes },
        "br" if bare => Tag::Known(whole),
        "font" if bare || attributes => Tag::Known(whole),
        "c" | "ruby" | "rt" if bare || classes => Tag::Silent,
        "v" | "lang" if bare || classes || words => Tag::Silent,
        _ => return None,
    };
    Some((tag, whole.len()))
}

/// Whether it is a time of WebVTT: `00:01.500`, `01:00:01.500`.
fn is_time(text: &str) -> bool {
    let Some((clock, ms)) = text.split_once('.') else { return false };
    let digits = |text: &str, most| (2..=most).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts: Vec<&str> = clock.split(':').collect();
    ms.len() == 3 && digits(ms, 3) && (2..=3).contains(&parts.len()) && parts.iter().all(|part| digits(part, 4))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_fault_03_only_tags_of_srt_and_webvtt_are_tags() {
        for kept in [
            "1 <2 & 5> 4 end",
            "values <10 or 20> are bad",
            "A <3 & B > C",
            "<> < b> <b and c> </b or not>",
            "<http://example.org> <p>par</p> <12:30> <1.500>",
            "I <3 you",
            "111 <<",
            "<i open",
        ] {
            let through_libav = marked(kept);
            assert!(!through_libav.contains('<'), "{through_libav}");
            assert_eq!(as_written(&through_libav), kept);
        }
        for (srt, for_libav) in [
            ("<i>friends</i> <B >x</B >", "<i>friends</i> <B>x</B>"),
            ("<i.loud>a</i> <b class=\"x\">c</b><br/>", "<i>a</i> <b>c</b><br/>"),
            ("<font color=\"#ff0000\">red</font>", "<font color=\"#ff0000\">red</font>"),
            ("<v Bob>hi</v> <c.yellow>x</c><lang en>y</lang>", "hi xy"),
            ("<00:00:01.500>a<00:02.000>b", "ab"),
            ("<ruby>a<rt>b</rt></ruby>", "ab"),
        ] {
            assert_eq!(marked(srt), for_libav, "{srt}");
        }
        assert_eq!(as_meant(&marked("a <3 &lt;b&gt; 5> c")), "a <3 <b> 5> c");
    }
}
