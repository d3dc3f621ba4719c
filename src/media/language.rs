//! Languages as files and people write them: `en`, `eng`, `en-GB`.
//!
//! Deliberately absent: everything but telling whether two tags mean one language.

/// ISO 639-1 codes with their ISO 639-2 ones, bibliographic and terminological.
const CODES: &[(&str, &[&str])] = &[
    ("ar", &["ara"]),
    ("bg", &["bul"]),
    ("bn", &["ben"]),
    ("bo", &["tib", "bod"]),
    ("ca", &["cat"]),
    ("cs", &["cze", "ces"]),
    ("cy", &["wel", "cym"]),
    ("da", &["dan"]),
    ("de", &["ger", "deu"]),
    ("el", &["gre", "ell"]),
    ("en", &["eng"]),
    ("es", &["spa"]),
    ("et", &["est"]),
    ("eu", &["baq", "eus"]),
    ("fa", &["per", "fas"]),
    ("fi", &["fin"]),
    ("fo", &["fao"]),
    ("fr", &["fre", "fra"]),
    ("ga", &["gle"]),
    ("gl", &["glg"]),
    ("he", &["heb"]),
    ("hi", &["hin"]),
    ("hr", &["hrv"]),
    ("hu", &["hun"]),
    ("hy", &["arm", "hye"]),
    ("id", &["ind"]),
    ("is", &["ice", "isl"]),
    ("it", &["ita"]),
    ("ja", &["jpn"]),
    ("ka", &["geo", "kat"]),
    ("ko", &["kor"]),
    ("lt", &["lit"]),
    ("lv", &["lav"]),
    ("mk", &["mac", "mkd"]),
    ("ms", &["may", "msa"]),
    ("my", &["bur", "mya"]),
    ("nl", &["dut", "nld"]),
    ("no", &["nor", "nob", "nno"]),
    ("pa", &["pan"]),
    ("pl", &["pol"]),
    ("pt", &["por"]),
    ("ro", &["rum", "ron"]),
    ("ru", &["rus"]),
    ("sk", &["slo", "slk"]),
    ("sl", &["slv"]),
    ("sq", &["alb", "sqi"]),
    ("sr", &["srp"]),
    ("sv", &["swe"]),
    ("th", &["tha"]),
    ("tr", &["tur"]),
    ("uk", &["ukr"]),
    ("ur", &["urd"]),
    ("vi", &["vie"]),
    ("zh", &["chi", "zho"]),
];

/// What libav calls the languages that QuickTime numbers, where that is not the terminological code.
const IN_QUICKTIME: &[(&str, &str)] = &[
    ("bo", "tib"),
    ("cy", "wel"),
    ("de", "ger"),
    ("el", "gre"),
    ("eu", "baq"),
    ("fo", "fo "),
    ("ga", "iri"),
    ("hr", "hr "),
    ("hy", "arm"),
    ("is", "ice"),
    ("ka", "geo"),
    ("mk", "mac"),
    ("ms", "may"),
    ("my", "bur"),
    ("nl", "dut"),
    ("pa", "pa "),
    ("sq", "alb"),
    ("sr", "sr "),
    ("sv", "sve"),
    ("zh", "chi"),
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

/// The name under which libav's muxer of QuickTime knows the language of a tag, whatever code it is written with.
#[must_use]
pub fn in_quicktime(tag: &str) -> String {
    let primary = primary(tag);
    let own = IN_QUICKTIME.iter().find(|(short, _)| *short == primary);
    own.map_or_else(|| three_letters(&primary, false), |(_, name)| (*name).to_owned())
}

/// The tag of a stream; where it is a name that libav alone gives a language of QuickTime, the terminological code.
#[must_use]
pub fn read(tag: &str) -> String {
    let is_code = |name: &str| CODES.iter().any(|(_, codes)| codes.contains(&name));
    let own = IN_QUICKTIME.iter().find(|(_, name)| *name == tag && !is_code(name));
    own.map_or_else(|| tag.to_owned(), |(short, _)| three_letters(short, false))
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
    use super::{IN_QUICKTIME, in_quicktime, read, same, tag, three_letters};

    #[test]
    fn quicktime_has_names_of_its_own() {
        assert_eq!(["fre", "deu", "zh-TW", "nob", "srp"].map(in_quicktime), ["fra", "ger", "chi", "nor", "sr "]);
        assert_eq!(["sve", "hr ", "ger", "eng", "und"].map(read), ["swe", "hrv", "ger", "eng", "und"]);
        for (short, name) in IN_QUICKTIME {
            assert!(same(&read(name), short), "{name:?} is not read as {short}");
        }
    }

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
