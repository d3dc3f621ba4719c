//! "Did you mean": the known name nearest to one that is not known.

/// The name of `known` nearest to `name`, where one is near enough to have been meant.
#[must_use]
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    let tolerance = (wanted.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&wanted, &candidate.to_lowercase()), candidate))
        .filter(|&(distance, candidate)| distance <= tolerance || is_abbreviation(&wanted, candidate))
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
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
}
