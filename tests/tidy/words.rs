//! Phrases that are not used, and what to write instead: those of `docs/glossary.md` that a pattern can find.

use regex::Regex;

use crate::tree::{File, numbered, regex, report, rust_under, tree};

/// The page that lists words which are not used.
const GLOSSARY: &str = "docs/glossary.md";

/// Patterns, and what to write instead.
const PHRASES: [(&str, &str); 22] = [
    (r"set aside", "dead-lettered; failed for good"),
    (r"being old", "pruned; expired"),
    (r"at hand", "cached; available"),
    (r"surroundings", "context; environment"),
    (r"is none", "invalid; missing"),
    (r"is no whole", "invalid: a whole number is expected"),
    (r"ha(?:s|ve) no place here", "unsupported"),
    (r"where nothing (?:is|else is) (?:said|set)", "by default; if it is not set"),
    (r"(?:is|was|were) not awaited", "was not waited for"),
    (r"earlier life", "an earlier run; before the restart"),
    (r"looks? twice", "two-pass encoding"),
    (r"put up with", "allowed"),
    (r"h(?:eld|olds?) (?:[\w`']+ ){0,4}against", "compared with; checked against"),
    (r"says? so", "reports it; names it"),
    (r"without a word", "without a warning"),
    (r"who(?:ever)? (?:is|are) told", "receivers"),
    (r"what runs", "running jobs"),
    (r"what waits", "waiting jobs"),
    (r"what is made", "output"),
    (r"was announced|were announced|is announced", "whose event came"),
    (r"are taken away|is taken away", "pruned; removed"),
    (r"(?:it|that) goes on", "continues"),
];

/// Phrases that may stand although a pattern finds them.
const ALLOWED: [&str; 2] = ["there is none", "there are none"];

fn phrases() -> Vec<(Regex, &'static str)> {
    PHRASES.iter().map(|(pattern, instead)| (regex(&format!(r"(?i)\b(?:{pattern})\b")), *instead)).collect()
}

/// Lines of `file` in which a phrase stands.
fn findings(file: &File, phrases: &[(Regex, &str)]) -> Vec<String> {
    let mut found = Vec::new();
    // Lists that tests write hold the program's texts.
    let (mut generated, generated_part) = (false, regex("<!-- (begin|end) "));
    for (number, line) in numbered(&file.text) {
        generated = generated_part.captures(line).map_or(generated, |mark| &mark[1] == "begin");
        let line = if generated { "" } else { line };
        let line = ALLOWED.iter().fold(line.to_owned(), |line, allowed| line.replace(allowed, ""));
        for (phrase, instead) in phrases {
            if let Some(phrase) = phrase.find(&line) {
                found.push(file.at(number, &format!("“{}”: write {instead}", phrase.as_str())));
            }
        }
    }
    found
}

/// Returns whether the phrases are looked for in `file`. Migrations never change, not even their comments.
fn is_searched(file: &File) -> bool {
    let is_migration = file.is_under("src/store") && file.path.contains("/migrations/");
    let is_in = |folder: &&str| file.is_under(folder);
    let is_ours = file.path == "README.md" || ["docs", "infra", "schemas", "src", "workflows"].iter().any(is_in);
    is_ours && !is_migration && file.path != GLOSSARY
}

#[test]
fn program_and_documents_use_the_words_of_the_glossary() {
    let phrases = phrases();
    let searched = tree().iter().filter(|file| is_searched(file));
    report(&searched.flat_map(|file| findings(file, &phrases)).collect::<Vec<_>>());
}

/// The part of the program whose doc comments have not been revised yet.
const UNREVISED: &str = "src/media";

#[test]
fn doc_comments_begin_with_a_noun_or_a_verb() {
    let (comment, clause) = (regex(r"^\s*//[/!]"), regex(r"^\s*//[/!] (?:What|Whether|Who|Where|How|Which|When)\b"));
    let mut findings = Vec::new();
    for file in rust_under("src").filter(|file| !file.is_under(UNREVISED)) {
        let mut before = "";
        for (number, line) in numbered(&file.text) {
            let is_first = !comment.is_match(before) || matches!(before.trim(), "///" | "//!");
            if is_first && clause.is_match(line) {
                findings.push(file.at(number, line.trim()));
            }
            before = line;
        }
    }
    report(&findings);
}
