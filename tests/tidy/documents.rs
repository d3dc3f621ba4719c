//! What the documents say, compared with the program: names of tests, files, templates, activities, keys, codes and links.

use std::collections::BTreeSet;
use std::path::Path;

use reelmill::model::plan::ActivityKind;
use regex::Regex;

use crate::tree::{File, document, numbered, regex, report, root, rust_under, tree};

const AREAS: &str = "WF|TPL|ENG|MEDIA|WORKER|STORE|OBJ|EVT|NOTE|CFG|CLI";
const ERRORS: &str = "docs/errors.md";
const LANGUAGE: &str = "docs/workflow-language.md";

#[test]
fn every_error_code_is_explained_once() {
    let code = regex(&format!(r"\b(?:{AREAS})\d{{4}}\b"));
    let errors = document(ERRORS);
    let mut findings = Vec::new();
    let (mut area, mut explained) = (String::new(), BTreeSet::new());
    for (number, line) in numbered(&errors.text) {
        if let Some(heading) = line.strip_prefix("## ") {
            heading.split(':').next().unwrap_or_default().clone_into(&mut area);
        }
        let Some(heading) = line.strip_prefix("### ") else { continue };
        if heading.trim_end_matches(|c: char| c.is_ascii_digit()) != area || !code.is_match(heading) {
            findings.push(errors.at(number, &format!("{heading} does not belong under {area}")));
        }
        if !explained.insert(heading.to_owned()) {
            findings.push(errors.at(number, &format!("{heading} is explained twice")));
        }
    }
    let mut used = BTreeSet::new();
    let malformed = regex(&format!(r#""(?:{AREAS})(?:\d{{1,3}}|\d{{5,}})""#));
    for file in rust_under("src").map(File::product) {
        findings.extend(file.lines_with(&malformed).into_iter().map(|line| format!("{line}: not a code")));
        for (number, line) in file.code() {
            for found in code.find_iter(line) {
                let is_first = used.insert(found.as_str().to_owned());
                if is_first && !explained.contains(found.as_str()) {
                    findings.push(file.at(number, &format!("{} is not in {ERRORS}", found.as_str())));
                }
            }
        }
    }
    findings.extend(explained.difference(&used).map(|code| format!("{ERRORS}: nothing reports {code}")));
    report(&findings);
}

/// Pages whose tables end in the tests that show a row, the column that says whether it works, and what it begins with
/// where a test must show it.
const SHOWN_BY: [(&str, usize, &str); 2] = [("docs/compatibility.md", 2, "yes"), ("docs/field-faults.md", 2, "")];

/// Names of functions in files that hold tests, in Rust, Python and JavaScript.
fn declared_tests() -> BTreeSet<&'static str> {
    let rust = regex(r"\bfn ([a-z][a-z0-9_]*)\(");
    let scripts = regex(r"(?m)^\s*(?:def|async function|function) (test_[a-z0-9_]*)\(");
    // Behaviours of stores are made tests by a macro elsewhere.
    let holds_tests = |file: &&File| {
        file.text.contains("test]") || file.text.contains("::test(") || file.is_under("tests/store_conformance")
    };
    let in_rust = rust_under("src").chain(rust_under("tests")).filter(holds_tests);
    let in_scripts = tree().iter().filter(|file| file.is_under("tests") && !file.is_rust());
    let names = |pattern: &Regex, file: &'static File| -> Vec<&'static str> {
        pattern.captures_iter(&file.text).filter_map(|found| Some(found.get(1)?.as_str())).collect()
    };
    in_rust.flat_map(|file| names(&rust, file)).chain(in_scripts.flat_map(|file| names(&scripts, file))).collect()
}

#[test]
fn every_test_that_the_documents_name_is_there() {
    let name = regex(r"`([a-z][a-z0-9_]*)`");
    let tests = declared_tests();
    let mut findings = Vec::new();
    for (path, works, shown) in SHOWN_BY {
        let page = document(path);
        for (number, line) in numbered(&page.text).filter(|(_, line)| line.starts_with("| ")) {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            if cells.len() != 4 {
                findings.push(page.at(number, "a row has four cells"));
                continue;
            }
            if cells[3] == "shown by" {
                continue;
            }
            let named: Vec<&str> =
                name.captures_iter(cells[3]).filter_map(|found| Some(found.get(1)?.as_str())).collect();
            if cells[works].starts_with(shown) && !cells[works].starts_with("no:") && named.is_empty() {
                findings.push(page.at(number, "what works needs a test that shows it"));
            }
            findings.extend(
                named
                    .iter()
                    .filter(|name| !tests.contains(**name))
                    .map(|name| page.at(number, &format!("there is no test {name}"))),
            );
        }
    }
    report(&findings);
}

/// Markdown for whoever uses or changes Reelmill.
pub fn pages() -> impl Iterator<Item = &'static File> {
    tree().iter().filter(|file| file.path == "README.md" || file.is_under("docs"))
}

#[test]
fn files_that_the_documents_name_are_there() {
    /// Files that a page has its reader write.
    const WRITTEN_BY_THE_READER: [&str; 3] =
        ["src/model/codec/ffv1.rs", "workflows/poster.yaml", "workflows/starter.yaml"];
    let path = regex(r"`((?:src|docs|tests|infra|workflows|schemas)/[A-Za-z0-9_./-]*)`");
    let mut findings = Vec::new();
    for page in pages() {
        for (number, line) in numbered(&page.text) {
            for named in path.captures_iter(line).filter_map(|found| Some(found.get(1)?.as_str())) {
                if !WRITTEN_BY_THE_READER.contains(&named) && !root().join(named).exists() {
                    findings.push(page.at(number, &format!("there is no {named}")));
                }
            }
        }
    }
    report(&findings);
}

#[test]
fn templates_that_the_documents_name_are_there() {
    /// A mistake that the API's page shows the answer to.
    const MISSPELT: &str = "h264-36p";
    let presets = reelmill::template::Templates::presets();
    let known: BTreeSet<&str> = presets.iter().map(|template| template.name.as_str()).collect();
    let families: BTreeSet<&str> = known.iter().filter_map(|name| Some(name.split_once('-')?.0)).collect();
    let name = regex(&format!(r"\b(?:{})-[0-9]+[pk]\b", families.iter().copied().collect::<Vec<_>>().join("|")));
    let mut findings = Vec::new();
    for page in pages() {
        for (number, line) in numbered(&page.text) {
            findings.extend(
                name.find_iter(line)
                    .filter(|found| !known.contains(found.as_str()) && found.as_str() != MISSPELT)
                    .map(|found| page.at(number, &format!("there is no template {}", found.as_str()))),
            );
        }
    }
    report(&findings);
}

/// Names of properties, and words to choose from, anywhere in a JSON Schema.
fn vocabulary(schema: &serde_json::Value, found: &mut BTreeSet<String>) {
    match schema {
        serde_json::Value::Object(map) => {
            if let Some(serde_json::Value::Object(own)) = map.get("properties") {
                found.extend(own.keys().cloned());
            }
            for choice in map.get("enum").and_then(serde_json::Value::as_array).into_iter().flatten() {
                found.extend(choice.as_str().map(str::to_owned));
            }
            map.values().for_each(|value| vocabulary(value, found));
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| vocabulary(value, found)),
        _ => {}
    }
}

/// Words of spans and blocks of code, and of cells of tables.
fn code_words(page: &str) -> BTreeSet<&str> {
    let span = regex("`[^`\n]+`|(?s:```.*?```)|(?m:^\\|.*$)");
    let is_between = |c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '-' | '.');
    span.find_iter(page).flat_map(|code| code.as_str().split(is_between)).collect()
}

#[test]
fn every_key_and_word_of_the_language_is_documented() {
    let mut words = code_words(&document(LANGUAGE).text);
    words.extend(code_words(&document("docs/templates.md").text));
    let mut vocabulary_of_schemas = BTreeSet::new();
    for schema in ["schemas/workflow.schema.json", "schemas/template.schema.json"] {
        let schema = serde_json::from_str(&document(schema).text).expect("schemas are JSON");
        vocabulary(&schema, &mut vocabulary_of_schemas);
    }
    // Levels and presets that are numbers are given as ranges.
    let is_number = |word: &&String| word.chars().all(|c| c.is_ascii_digit() || c == '.');
    let missing = vocabulary_of_schemas.iter().filter(|word| !words.contains(word.as_str()) && !is_number(word));
    report(&missing.map(|word| format!("{LANGUAGE} does not have `{word}`")).collect::<Vec<_>>());
}

#[test]
fn every_activity_has_a_place_and_an_example() {
    let page = document(LANGUAGE);
    let examples: String =
        tree().iter().filter(|file| file.is_under("workflows")).map(|file| file.text.as_str()).collect();
    let mut findings = Vec::new();
    for kind in ActivityKind::ALL {
        let key = kind.as_str();
        let described = regex(&format!(r"(?i)\b(?:keys? of|an?|activity) `{key}`"));
        if !described.is_match(&page.text) {
            findings.push(format!("{LANGUAGE} does not describe the activity `{key}`"));
        }
        if !regex(&format!(r"(?m)^\s+{key}:")).is_match(&examples) {
            findings.push(format!("workflows/ has no example of the activity `{key}`"));
        }
    }
    report(&findings);
}

/// The anchor that a heading gets: lower case, without marks, `-` for a space.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

#[test]
fn links_of_the_documents_lead_somewhere() {
    let link = regex(r"\]\(([^)\s]+)\)");
    let mut findings = Vec::new();
    for page in pages() {
        let folder = Path::new(&page.path).parent().unwrap_or(Path::new(""));
        for (number, line) in numbered(&page.text) {
            for target in link.captures_iter(line).filter_map(|found| Some(found.get(1)?.as_str())) {
                let (path, fragment) = target.split_once('#').unwrap_or((target, ""));
                if path.contains("://") {
                    continue;
                }
                let file = if path.is_empty() { root().join(&page.path) } else { root().join(folder).join(path) };
                let headings = std::fs::read_to_string(&file).unwrap_or_default();
                let mut anchors =
                    headings.lines().filter(|line| line.starts_with('#')).map(|l| anchor(l.trim_start_matches('#')));
                if !file.exists() || !fragment.is_empty() && !anchors.any(|anchor| anchor == fragment) {
                    findings.push(page.at(number, &format!("nothing is at {target}")));
                }
            }
        }
    }
    report(&findings);
}

#[test]
fn the_two_commands_are_in_makefile_and_readme() {
    let (makefile, readme) = (document("Makefile"), document("README.md"));
    let mut findings = Vec::new();
    for command in ["demo", "test"] {
        if !makefile.text.lines().any(|line| line.starts_with(&format!("{command}:"))) {
            findings.push(format!("Makefile: no target {command}"));
        }
        if !readme.text.contains(&format!("make {command}")) {
            findings.push(format!("README.md: no word of `make {command}`"));
        }
    }
    report(&findings);
}
