//! Languages as files and people write them: `en`, `eng`, `en-GB`.
//!
//! Deliberately absent: everything but telling whether two tags mean one language.

/// ISO 639-1 codes with their ISO 639-2 ones, bibliographic and terminological.
const CODES: &[(&str, &[&str])] = &[
    ("ar", &["ara"]),
    ("bg", &["bul"]),
    ("bn", &["ben"]),
    ("ca", &["cat"]),
    ("cs", &["cze", "ces"]),
    ("da", &["dan"]),
    ("de", &["ger", "deu"]),
    ("el", &["gre", "ell"]),
    ("en", &["eng"]),
    ("es", &["spa"]),
    ("et", &["est"]),
    ("eu", &["baq", "eus"]),
    ("fa", &["per", "fas"]),
    ("fi", &["fin"]),
    ("fr", &["fre", "fra"]),
    ("ga", &["gle"]),
    ("gl", &["glg"]),
    ("he", &["heb"]),
    ("hi", &["hin"]),
    ("hr", &["hrv"]),
    ("hu", &["hun"]),
    ("id", &["ind"]),
    ("is", &["ice", "isl"]),
    ("it", &["ita"]),
    ("ja", &["jpn"]),
    ("ko", &["kor"]),
    ("lt", &["lit"]),
    ("lv", &["lav"]),
    ("ms", &["may", "msa"]),
    ("nl", &["dut", "nld"]),
    ("no", &["nor", "nob", "nno"]),
    ("pl", &["pol"]),
    ("pt", &["por"]),
    ("ro", &["rum", "ron"]),
    ("ru", &["rus"]),
    ("sk", &["slo", "slk"]),
    ("sl", &["slv"]),
    ("sr", &["srp"]),
    ("sv", &["swe"]),
    ("th", &["tha"]),
    ("tr", &["tur"]),
    ("uk", &["ukr"]),
    ("ur", &["urd"]),
    ("vi", &["vie"]),
    ("zh", &["chi", "zho"]),
];

/// Whether two tags mean one language; regions and scripts do not count.
#[must_use]
pub fn same(one: &str, other: &str) -> bool {
    primary(one) == primary(other)
}

/// The tag as playlists want it, with the shortest code there is: `en` for `eng`, `pt-BR` as it is.
#[must_use]
pub fn tag(tag: &str) -> String {
    let (_, rest) = tag.split_once(['-', '_']).unwrap_or((tag, ""));
    let primary = primary(tag);
    if rest.is_empty() { primary } else { format!("{primary}-{rest}") }
}

fn primary(tag: &str) -> String {
    let primary = tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
    let short = CODES.iter().find(|(_, long)| long.contains(&primary.as_str())).map(|(short, _)| (*short).to_owned());
    short.unwrap_or(primary)
}

/// The code of three letters that files want for a tag of two, with or without a region: the terminological one of
/// ISO 639-2, or the bibliographic one. Other tags stay as they are.
#[must_use]
pub fn three_letters(tag: &str, bibliographic: bool) -> String {
    let primary = tag.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
    let codes = CODES.iter().find(|(short, _)| *short == primary).map(|(_, codes)| *codes);
    // Norwegian has codes of its parts behind its own.
    let found = codes.and_then(|codes| if bibliographic || primary == "no" { codes.first() } else { codes.last() });
    found.map_or_else(|| tag.to_owned(), |&code| code.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{same, tag, three_letters};

    #[test]
    fn two_letters_become_three() {
        assert_eq!((three_letters("de", false), three_letters("de-AT", true)), ("deu".to_owned(), "ger".to_owned()));
        assert_eq!((three_letters("eng", false), three_letters("x-klingon", true)), ("eng".into(), "x-klingon".into()));
        assert_eq!(three_letters("no", false), "nor");
    }

    #[test]
    fn tags_of_one_language_are_the_same() {
        for (one, other) in
            [("en", "eng"), ("de", "ger"), ("deu", "ger"), ("pt-BR", "por"), ("EN", "en_GB"), ("x", "x")]
        {
            assert!(same(one, other), "{one} {other}");
        }
        assert!(!same("en", "de"));
        assert!(!same("und", "en"));
    }

    #[test]
    fn tags_become_short() {
        assert_eq!(["eng", "ger", "pt-BR", "zxx"].map(tag), ["en", "de", "pt-BR", "zxx"]);
    }
}
