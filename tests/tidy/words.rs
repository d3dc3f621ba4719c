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

#[test]
fn documents_use_the_words_of_the_glossary() {
    let phrases = phrases();
    let folders = ["docs", "infra", "workflows"];
    let documents = tree().iter().filter(|file| file.path == "README.md" || folders.iter().any(|f| file.is_under(f)));
    report(
        &documents.filter(|file| file.path != GLOSSARY).flat_map(|file| findings(file, &phrases)).collect::<Vec<_>>(),
    );
}

/// Parts of the program whose doc comments have been revised. The worker's are not among them.
const REVISED: [&str; 7] =
    ["src/http.rs", "src/lock.rs", "src/model/codec", "src/model/media", "src/model/work", "src/template", "src/yaml"];

#[test]
fn doc_comments_begin_with_a_noun_or_a_verb() {
    let (comment, clause) = (regex(r"^\s*//[/!]"), regex(r"^\s*//[/!] (?:What|Whether|Who|Where|How|Which|When)\b"));
    let mut findings = Vec::new();
    for file in rust_under("src").filter(|file| REVISED.iter().any(|part| file.is_under(part))) {
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
