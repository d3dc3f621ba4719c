//! Sets of keys, and tests of whether two of them intersect.
//!
//! Triggers are globs, outputs are names with `${…}`. Both become patterns of literal characters and gaps, in which
//! unknown parts match anything. So "no intersection" is certain, and an intersection is a possibility.

use std::collections::HashSet;

/// A set of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Part>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// This character, in lower case.
    Char(char),
    /// A digit, or a literal `#`.
    Digit,
    /// Any digits.
    Digits,
    /// Any one character but `/`.
    One,
    /// Any characters but `/`.
    Within,
    /// Any characters.
    Any,
}

impl Pattern {
    /// Keys that a glob matches, one pattern for each alternative in its braces.
    #[must_use]
    pub fn of_glob(glob: &str) -> Vec<Self> {
        alternatives(glob).iter().map(|g| Self::of_plain_glob(g)).collect()
    }

    fn of_plain_glob(glob: &str) -> Self {
        let mut parts = Vec::new();
        let mut chars = glob.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '*' if chars.next_if_eq(&'*').is_some() => {
                    // `**/` also matches the empty text.
                    chars.next_if_eq(&'/');
                    parts.push(Part::Any);
                }
                '*' => parts.push(Part::Within),
                '?' => parts.push(Part::One),
                '[' => {
                    parts.push(Part::One);
                    chars.by_ref().take_while(|&c| c != ']').for_each(drop);
                }
                '\\' => parts.extend(chars.next().map(literal)),
                c => parts.push(literal(c)),
            }
        }
        Self(parts)
    }

    /// Keys that a text with `${…}` can become; a run of `#` stands for a number.
    #[must_use]
    pub fn of_text(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            if let Some(after) = rest.strip_prefix("$${") {
                parts.extend([literal('$'), literal('{')]);
                rest = after;
                continue;
            }
            if rest.starts_with("${") {
                parts.push(Part::Any);
                rest = super::expression::skip(rest);
                continue;
            }
            rest = &rest[c.len_utf8()..];
            match c {
                '#' if rest.starts_with('#') => parts.push(Part::Digit),
                '#' => parts.extend([Part::Digit, Part::Digits]),
                c => parts.push(literal(c)),
            }
        }
        Self(parts)
    }

    /// The same keys with anything after them.
    #[must_use]
    pub fn and_below(mut self) -> Self {
        self.0.push(Part::Any);
        self
    }

    /// Returns whether a key can be in both sets.
    #[must_use]
    pub fn meets(&self, other: &Self) -> bool {
        let mut seen = HashSet::new();
        let mut open = vec![(0, 0)];
        while let Some((i, j)) = open.pop() {
            if !seen.insert((i, j)) {
                continue;
            }
            let (a, b) = (self.0.get(i), other.0.get(j));
            if a.is_none() && b.is_none() {
                return true;
            }
            if a.is_some_and(|p| p.is_gap()) {
                open.push((i + 1, j));
            }
            if b.is_some_and(|p| p.is_gap()) {
                open.push((i, j + 1));
            }
            if let (Some(a), Some(b)) = (a, b)
                && a.shares(*b)
            {
                open.push((if a.is_gap() { i } else { i + 1 }, if b.is_gap() { j } else { j + 1 }));
            }
        }
        false
    }
}

impl Part {
    const fn is_gap(self) -> bool {
        matches!(self, Self::Digits | Self::Within | Self::Any)
    }

    /// Returns whether one character can match both.
    fn shares(self, other: Self) -> bool {
        match (self, other) {
            (Self::Char(a), Self::Char(b)) => a == b,
            (Self::Char(c), Self::Digit | Self::Digits) | (Self::Digit | Self::Digits, Self::Char(c)) => {
                c.is_ascii_digit() || c == '#'
            }
            (Self::Char('/'), Self::One | Self::Within) | (Self::One | Self::Within, Self::Char('/')) => false,
            _ => true,
        }
    }
}

fn literal(c: char) -> Part {
    Part::Char(c.to_ascii_lowercase())
}

/// Most patterns that the braces of one glob are spelled out into; beyond that braces may be anything.
const MAX_ALTERNATIVES: usize = 64;

/// A glob with each combination of its braces spelled out.
fn alternatives(glob: &str) -> Vec<String> {
    let mut done = Vec::new();
    let mut open = vec![glob.to_owned()];
    while let Some(next) = open.pop() {
        let Some((before, inner, after)) = braces(&next) else {
            done.push(next);
            continue;
        };
        if open.len() + done.len() > MAX_ALTERNATIVES {
            open.push(format!("{before}**{after}"));
        } else {
            open.extend(split(inner).iter().map(|option| format!("{before}{option}{after}")));
        }
    }
    done
}

/// Returns the text before, in and after the first outermost braces.
fn braces(glob: &str) -> Option<(&str, &str, &str)> {
    let start = glob.find('{')?;
    let mut depth = 0_usize;
    for (i, c) in glob[start..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some((&glob[..start], &glob[start + 1..start + i], &glob[start + i + 1..]));
        }
    }
    None
}

/// The options between the outermost commas.
fn split(inner: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    inner
        .split(|c| {
            match c {
                '{' => depth += 1,
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
            c == ',' && depth == 0
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    fn meet(glob: &str, text: &str) -> bool {
        let text = Pattern::of_text(text);
        Pattern::of_glob(glob).iter().any(|p| p.meets(&text))
    }

    #[test]
    fn outputs_meet_globs_where_a_key_can_be_both() {
        let glob = "incoming/**/*.{mp4,mov}";
        for (text, expected) in [
            ("incoming/${object.stem}.mp4", true),
            ("incoming/a/b/c.MOV", true),
            ("incoming/${object.stem}.jpg", false),
            ("done/${object.stem}.mp4", false),
            ("${object.dir}/out.mp4", true),
            ("${object.dir}/out.vtt", false),
            ("incoming/shot-#####.mp4", true),
            ("incoming/#.mp4", true),
            ("$${incoming}/x.mp4", false),
        ] {
            assert_eq!(meet(glob, text), expected, "{text}");
        }
        assert!(meet("p1.jpg", "p#.jpg") && meet("p12.jpg", "p#.jpg") && meet("p#.jpg", "p#.jpg"));
        assert!(!meet("poster.jpg", "p#.jpg") && !meet("p.jpg", "p#.jpg") && !meet("p1.jpg", "p##.jpg"));
        assert!(meet("*.mp4", "a.mp4") && !meet("*.mp4", "a/b.mp4") && meet("**", "a/b"));
        assert!(meet("a[0-9]/?.{x{1,2},y}", "a5/q.x2") && !meet("a?c", "a/c"));
    }

    #[test]
    fn globs_meet_globs() {
        let [a] = Pattern::of_glob("incoming/**").try_into().unwrap();
        let [b] = Pattern::of_glob("incoming/*/x.mp4").try_into().unwrap();
        let [c] = Pattern::of_glob("*/thumbs/*").try_into().unwrap();
        let [d] = Pattern::of_glob("other/*").try_into().unwrap();
        assert!(a.meets(&b) && a.meets(&c) && !a.meets(&d) && b.meets(&c));
    }

    #[test]
    fn braces_beyond_counting_may_be_anything() {
        let glob = "{a,b,c,d}".repeat(12);
        assert!(Pattern::of_glob(&glob).len() < 200);
    }
}
