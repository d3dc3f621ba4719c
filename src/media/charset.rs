//! Text of any encoding as UTF-8.
//!
//! Byte order marks are believed before anything else, then the encoding that was asked for. Without either, what is valid
//! UTF-8 is UTF-8, what has a zero in every second byte UTF-16, and anything else what its letters say, by the detector of
//! Firefox; a language narrows that down.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use crate::error::MediaError;
use crate::language;

/// Top-level domains by which the detector weighs encodings, for languages whose own code is not a top-level domain or
/// belongs to another country.
const DOMAINS: [(&str, &str); 15] = [
    ("ar", "eg"),
    ("cs", "cz"),
    ("da", "dk"),
    ("el", "gr"),
    ("et", "ee"),
    ("fa", "ir"),
    ("he", "il"),
    ("ja", "jp"),
    ("ko", "kr"),
    ("sl", "si"),
    ("sr", "rs"),
    ("sv", "se"),
    ("uk", "ua"),
    ("vi", "vn"),
    ("zh", "cn"),
];

/// A text, and how it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decoded {
    /// The text.
    pub text: String,
    /// Name of its encoding: `windows-1252`.
    pub encoding: &'static str,
    /// Whether that was guessed.
    pub guessed: bool,
    /// Whether some bytes mean nothing in it.
    pub damaged: bool,
}

/// Decodes a text: as `asked` (an encoding's name; `auto` and nothing: as it looks) where it does not say otherwise itself.
pub fn decode(bytes: &[u8], asked: Option<&str>, language: Option<&str>) -> Result<Decoded, MediaError> {
    let (encoding, guessed) = match asked.filter(|name| !name.eq_ignore_ascii_case("auto")) {
        Some(name) => (named(name)?, false),
        None if Encoding::for_bom(bytes).is_some() || std::str::from_utf8(bytes).is_ok() && !bytes.contains(&0) => {
            (UTF_8, false)
        }
        None => utf_16(bytes).map_or_else(|| (guess(bytes, language), true), |encoding| (encoding, false)),
    };
    let (text, encoding, damaged) = encoding.decode(bytes);
    Ok(Decoded { text: text.into_owned(), encoding: encoding.name(), guessed, damaged })
}

fn named(name: &str) -> Result<&'static Encoding, MediaError> {
    let unknown = || MediaError::Parameter(format!("unknown text encoding `{name}`"));
    Encoding::for_label(name.as_bytes()).ok_or_else(unknown)
}

/// UTF-16 without a mark, where every second byte of half the characters is zero.
fn utf_16(bytes: &[u8]) -> Option<&'static Encoding> {
    let zeros = |from: usize| bytes.iter().skip(from).step_by(2).filter(|&&byte| byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    match bytes.len() / 4 {
        0 => None,
        enough if odd > enough && even == 0 => Some(UTF_16LE),
        enough if even > enough && odd == 0 => Some(UTF_16BE),
        _ => None,
    }
}

fn guess(bytes: &[u8], tag: Option<&str>) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(bytes, true);
    detector.guess(tag.and_then(domain).as_deref().map(str::as_bytes), Utf8Detection::Allow)
}

/// The domain of a language, where the detector knows one.
fn domain(tag: &str) -> Option<String> {
    let lower = tag.to_ascii_lowercase();
    if lower.starts_with("zh") && ["tw", "hk", "mo", "hant"].iter().any(|part| lower.split('-').any(|p| p == *part)) {
        return Some("tw".to_owned());
    }
    let known = DOMAINS.iter().find(|(language, _)| language::same(language, tag)).map(|(_, domain)| *domain);
    let primary = lower.split(['-', '_']).next().unwrap_or_default();
    let own = || (primary.len() == 2 && primary.bytes().all(|byte| byte.is_ascii_lowercase())).then_some(primary);
    known.or_else(own).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use reelmill::model::Coded;

    fn read(bytes: &[u8], language: Option<&str>) -> (String, &'static str, bool) {
        let Decoded { text, encoding, guessed, .. } = decode(bytes, None, language).unwrap();
        (text, encoding, guessed)
    }

    #[test]
    fn marks_are_believed_and_the_rest_is_told_apart() {
        assert_eq!(read("Grüße".as_bytes(), None), ("Grüße".to_owned(), "UTF-8", false));
        assert_eq!(read(b"\xef\xbb\xbfabc", None), ("abc".to_owned(), "UTF-8", false));
        assert_eq!(read(b"\xff\xfea\0\xfc\0", None), ("aü".to_owned(), "UTF-16LE", false));
        assert_eq!(read(b"\xfe\xff\0a\0\xfc", None), ("aü".to_owned(), "UTF-16BE", false));
        assert_eq!(read(b"H\0e\0l\0l\0o\0", None), ("Hello".to_owned(), "UTF-16LE", false));
        assert_eq!(read(b"Gr\xfc\xdfe \x80 \x93\x94", None), ("Grüße € “”".to_owned(), "windows-1252", true));
    }

    #[test]
    fn newcomer_texts_in_the_encodings_of_other_scripts_are_told_by_their_letters() {
        for (label, language, text) in [
            ("windows-1251", "ru", "Привет, как дела? Это всего лишь тест субтитров.\nДо свидания!"),
            ("koi8-r", "ru", "Привет, как дела? Это всего лишь тест субтитров.\nДо свидания!"),
            ("shift_jis", "ja", "これは日本語の字幕です。\nありがとうございました。"),
            ("euc-jp", "ja", "これは日本語の字幕です。\nありがとうございました。"),
            ("gbk", "zh", "这是中文字幕的一个例子。\n非常感谢你的帮助。"),
            ("big5", "zh-TW", "這是中文字幕的一個例子。\n非常感謝你的幫助。"),
            ("euc-kr", "ko", "이것은 한국어 자막의 예입니다.\n감사합니다."),
            ("iso-8859-2", "pl", "Zażółć gęślą jaźń, proszę państwa.\nDziękuję bardzo."),
            ("windows-1250", "cs", "Příliš žluťoučký kůň úpěl ďábelské ódy.\nDěkuji vám."),
            ("windows-1253", "el", "Αυτοί είναι ελληνικοί υπότιτλοι.\nΕυχαριστώ πολύ."),
            ("windows-1255", "he", "אלה הן כתוביות בעברית.\nתודה רבה לכולם."),
            ("windows-1256", "ar", "هذه ترجمة عربية للفيلم.\nشكرا جزيلا لكم."),
            ("windows-1254", "tr", "Bu bir Türkçe altyazı örneğidir, şöyle böyle.\nÇok teşekkür ederim."),
        ] {
            let encoding = Encoding::for_label(label.as_bytes()).unwrap();
            let (bytes, _, unmappable) = encoding.encode(text);
            assert!(!unmappable, "{label}");
            assert_eq!(read(&bytes, Some(language)).0, text, "{label}, in {language}");
            // And where it is said, whatever the letters.
            let asked = decode(&bytes, Some(label), None).unwrap();
            assert_eq!((asked.text.as_str(), asked.guessed, asked.damaged), (text, false, false), "{label}");
        }
    }

    #[test]
    fn what_is_asked_for_counts_but_over_a_mark() {
        let damaged = decode(b"a\xffb", Some("utf-8"), None).unwrap();
        assert_eq!((damaged.text.as_str(), damaged.damaged), ("a\u{fffd}b", true));
        assert_eq!(decode(b"\xef\xbb\xbf\xc3\xbc", Some("gbk"), None).unwrap().text, "ü");
        assert_eq!(decode(b"\xfc", Some("auto"), None).unwrap().encoding, "windows-1252");
        assert_eq!(decode(b"x", Some("klingon"), None).unwrap_err().code(), "MEDIA0017");
    }
}
