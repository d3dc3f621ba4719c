//! "Did you mean": suggestion of a known name for an unknown one.

/// Names that other tools use, each with the name here.
const SYNONYMS: &[(&str, &str)] = &[
    // Codecs and encoders.
    ("avc", "h264"),
    ("avc1", "h264"),
    ("x264", "h264"),
    ("openh264", "h264"),
    ("hevc", "h265"),
    ("hvc1", "h265"),
    ("x265", "h265"),
    ("aom", "av1"),
    ("svtav1", "av1"),
    ("vpx", "vp9"),
    ("vpxvp9", "vp9"),
    ("proresks", "prores"),
    ("mp3lame", "mp3"),
    ("fdkaac", "aac"),
    ("mp4a", "aac"),
    ("ec3", "eac3"),
    ("pcms16le", "pcm"),
    // Containers.
    ("matroska", "mkv"),
    ("mpegts", "ts"),
    ("quicktime", "mov"),
    ("webvtt", "vtt"),
    ("subrip", "srt"),
    ("jpeg", "jpg"),
    // Methods of encryption.
    ("aes128", "hls-aes-128"),
    ("hlsaes", "hls-aes-128"),
    // Keys of other workflow languages.
    ("if", "when"),
    ("condition", "when"),
    ("dependson", "needs"),
    ("depends", "needs"),
    ("after", "needs"),
    ("foreach", "for_each"),
    ("matrix", "for_each"),
    ("input", "from"),
    ("source", "from"),
    ("steps", "activities"),
    ("jobs", "activities"),
    ("tasks", "activities"),
    ("encode", "transcode"),
    ("thumbnail", "snapshot"),
    ("continueonerror", "on_failure"),
];

/// Returns the name in `known` for another tool's word, or else the one with the most similar spelling, if it is similar
/// enough.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(meant) = synonym(name)
        && let Some(found) = known.iter().find(|candidate| **candidate == meant)
    {
        return Some(found);
    }
    let wanted = name.to_lowercase();
    let tolerance = (wanted.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|&(distance, candidate)| distance <= tolerance || is_abbreviation(&wanted, candidate))
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// Returns the name here for a word of other tools: `libx265` and `HEVC` are `h265`.
#[must_use]
pub fn synonym(word: &str) -> Option<&'static str> {
    let bare: String = word.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let of = |word: &str| SYNONYMS.iter().find(|(theirs, _)| *theirs == word).map(|(_, ours)| *ours);
    of(&bare).or_else(|| of(bare.strip_prefix("lib")?))
}

fn is_abbreviation(name: &str, candidate: &str) -> bool {
    name.len() >= 3 && (candidate.starts_with(name) || name.starts_with(candidate) && candidate.len() >= 3)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn slips_of_the_finger_are_seen_and_strangers_are_not() {
        let known = ["transcode", "snapshot", "analysis", "package"];
        assert_eq!(nearest("transcoed", known), Some("transcode"));
        assert_eq!(nearest("Snapshots", known), Some("snapshot"));
        assert_eq!(nearest("pack", known), Some("package"));
        assert_eq!(nearest("webhook", known), None);
        assert_eq!(nearest("", known), None);
    }

    #[test]
    fn newcomer_methods_of_encryption_are_known_by_their_usual_name() {
        for theirs in ["AES-128", "aes128", "hls-aes"] {
            assert_eq!(nearest(theirs, ["hls-aes-128"]), Some("hls-aes-128"), "{theirs}");
        }
    }

    #[test]
    fn words_of_other_tools_are_understood() {
        let codecs = ["h264", "h265", "av1", "vp9", "aac", "mp3"];
        for (theirs, ours) in [
            ("hevc", "h265"),
            ("HEVC", "h265"),
            ("libx265", "h265"),
            ("avc", "h264"),
            ("H.264", "h264"),
            ("libx264", "h264"),
            ("libmp3lame", "mp3"),
            ("libvpx-vp9", "vp9"),
            ("libsvtav1", "av1"),
            ("libfdk_aac", "aac"),
        ] {
            assert_eq!(nearest(theirs, codecs), Some(ours), "{theirs}");
        }
        let keys = ["when", "needs", "for_each", "from"];
        for (theirs, ours) in [("if", "when"), ("depends_on", "needs"), ("forEach", "for_each"), ("input", "from")] {
            assert_eq!(nearest(theirs, keys), Some(ours), "{theirs}");
        }
        // A synonym counts only where its meaning can stand.
        assert_eq!(nearest("hevc", keys), None);
    }
}
