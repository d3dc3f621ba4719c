//! Tidiness as a test: what the documents promise about the tree is held against the tree.
//!
//! Each check looks at everything and then says all that is wrong, one line each: where, and what.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use regex::Regex;

const MAX_LINES: usize = 600;
const AREAS: &str = "WF|TPL|ENG|MEDIA|WORKER|STORE|OBJ|EVT|NOTE|CFG|CLI";
/// Folders that are not the project's own: built, downloaded or written at run time.
const SKIPPED: [&str; 5] = ["target", ".git", ".venv", "node_modules", "reelmill-data"];
const ARCHITECTURE: &str = "docs/architecture.md";
const ERRORS: &str = "docs/errors.md";
const FIXTURES: &str = "tests/fixtures/media";

/// A text file of the tree.
struct File {
    /// Relative to the package, with `/`.
    path: String,
    text: String,
}

impl File {
    /// Numbered lines that are not comments.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        numbered(&self.text).filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    fn is_unit_tests(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// The part before the unit tests; nothing for a file of tests.
    fn product(&self) -> File {
        let text = if self.is_unit_tests() { "" } else { self.text.split("#[cfg(test)]").next().unwrap_or_default() };
        File { path: self.path.clone(), text: text.to_owned() }
    }

    /// The part that holds unit tests.
    fn tests(&self) -> impl Iterator<Item = (usize, &str)> {
        let first = self.product().text.lines().count();
        self.code().filter(move |(number, _)| *number > first)
    }

    fn is_under(&self, folder: &str) -> bool {
        Path::new(&self.path).starts_with(folder)
    }

    fn is_rust(&self) -> bool {
        Path::new(&self.path).extension().is_some_and(|ext| ext == "rs")
    }

    /// `src/worker/protocol.rs` is `worker::protocol`; the programs' and the library's roots are no modules.
    fn module(&self) -> Option<String> {
        let path = self.path.strip_prefix("src/")?.strip_suffix(".rs")?;
        if matches!(path, "lib" | "main") {
            return None;
        }
        Some(path.strip_suffix("/mod").unwrap_or(path).replace('/', "::"))
    }

    /// Matches of `pattern` in code, as `path:line: text`.
    fn lines_with(&self, pattern: &Regex) -> Vec<String> {
        self.code()
            .filter(|(_, line)| pattern.is_match(line))
            .map(|(number, line)| self.at(number, line.trim()))
            .collect()
    }

    fn at(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn paths_under(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let entry = entry.expect("the tree can be listed");
            if SKIPPED.iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            if entry.path().is_dir() {
                folders.push(entry.path());
            } else {
                found.push(entry.path());
            }
        }
    }
    found.sort();
    found
}

fn relative(path: &Path) -> String {
    let path = path.strip_prefix(root()).expect("it was found under the root");
    path.to_str().expect("names in the tree are UTF-8").to_owned()
}

/// Every text file; read once.
fn tree() -> &'static [File] {
    static TREE: LazyLock<Vec<File>> = LazyLock::new(|| {
        let text = |path: PathBuf| Some(File { path: relative(&path), text: fs::read_to_string(path).ok()? });
        paths_under(root()).into_iter().filter_map(text).collect()
    });
    &TREE
}

fn rust_under(folder: &str) -> impl Iterator<Item = &'static File> {
    tree().iter().filter(move |file| file.is_under(folder) && file.is_rust())
}

fn document(path: &str) -> &'static File {
    tree().iter().find(|file| file.path == path).unwrap_or_else(|| panic!("there is no {path}"))
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("patterns here are constants")
}

/// Cells of the rows of `document`'s tables, without heads and rules.
fn rows(document: &File) -> impl Iterator<Item = Vec<&str>> {
    let lines = document.text.lines().filter(|line| line.starts_with("| "));
    lines.map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
}

fn report(findings: &[String]) {
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}

/// The level table: module path → level.
fn levels() -> BTreeMap<String, u32> {
    let name = regex("`([a-z_:]+)`");
    let mut levels = BTreeMap::new();
    for cells in rows(document(ARCHITECTURE)) {
        let Ok(level) = cells[0].parse() else { continue };
        for module in name.captures_iter(cells[1]) {
            levels.insert(module[1].to_owned(), level);
        }
    }
    levels
}

/// The row that stands for `path`: the longest one that it begins with.
fn row_of<'a>(levels: &'a BTreeMap<String, u32>, path: &str) -> Option<(&'a str, u32)> {
    let is_prefix = |row: &str| path.strip_prefix(row).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    let found = levels.iter().filter(|(row, _)| is_prefix(row)).max_by_key(|(row, _)| row.len());
    found.map(|(row, level)| (row.as_str(), *level))
}

/// Paths that `text` names after `roots`, with groups written out: `crate::{a::B, c}` gives `a` and `c`.
fn references(text: &str, roots: &str) -> Vec<String> {
    let start = regex(&format!(r"\b(?:{roots})::"));
    start.find_iter(text).flat_map(|found| expand("", &text[found.end()..])).collect()
}

fn expand(prefix: &str, rest: &str) -> Vec<String> {
    if let Some(group) = rest.strip_prefix('{') {
        return group_items(group).into_iter().flat_map(|item| expand(prefix, item)).collect();
    }
    let end = rest.find(|c: char| !c.is_ascii_lowercase() && c != '_' && !c.is_ascii_digit()).unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    if name.is_empty() || name == "self" {
        return vec![prefix.to_owned()];
    }
    let path = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}::{name}") };
    match rest.strip_prefix("::") {
        Some(rest) => expand(&path, rest),
        None => vec![path],
    }
}

/// What stands between the commas of a group, up to its closing brace.
fn group_items(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut items) = (0, 0, Vec::new());
    for (index, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            '}' => {
                items.push(group[start..index].trim());
                break;
            }
            ',' if depth == 0 => {
                items.push(group[start..index].trim());
                start = index + 1;
            }
            _ => {}
        }
    }
    items.retain(|item| !item.is_empty());
    items
}

#[test]
fn grouped_imports_are_written_out() {
    let text = "use crate::{model::{Failure, work}, store::{self, Store},};\nfn f() -> crate::engine::Step {}";
    assert_eq!(references(text, "crate"), ["model", "model::work", "store", "store", "engine"]);
}

#[test]
fn a_module_uses_only_lower_levels() {
    let levels = levels();
    let mut findings = Vec::new();
    for file in rust_under("src") {
        let Some(module) = file.module() else { continue };
        let Some((row, level)) = row_of(&levels, &module) else {
            findings.push(format!("{}: {module} is in no row of {ARCHITECTURE}", file.path));
            continue;
        };
        // The worker is a crate of its own: there, `crate` is `media`.
        let roots = if file.is_under("src/media") { "reelmill" } else { "crate|reelmill" };
        let code = file.code().map(|(_, line)| line).collect::<Vec<_>>().join("\n");
        for path in references(&code, roots).into_iter().collect::<BTreeSet<_>>() {
            let Some((used, used_level)) = row_of(&levels, &path) else { continue };
            if used != row && used_level >= level {
                findings.push(format!("{}: {row} (level {level}) uses {path} (level {used_level})", file.path));
            }
        }
    }
    report(&findings);
}

#[test]
fn the_level_table_names_what_is_there() {
    let modules: BTreeSet<_> = rust_under("src").filter_map(File::module).collect();
    let is_there = |row: &String| {
        let has_children = modules.iter().any(|module| module.starts_with(&format!("{row}::")));
        modules.contains(row) || has_children
    };
    let levels = levels();
    let missing: Vec<_> = levels.keys().filter(|row| !is_there(row)).collect();
    assert!(!levels.is_empty(), "{ARCHITECTURE} has no level table");
    report(&missing.iter().map(|row| format!("{ARCHITECTURE}: there is no module {row}")).collect::<Vec<_>>());
}

#[test]
fn one_file_is_one_thing() {
    let lines = rust_under("src").map(|file| (file, file.text.lines().count()));
    let long = lines.filter(|(_, lines)| *lines > MAX_LINES);
    report(
        &long.map(|(file, lines)| format!("{}: {lines} lines, more than {MAX_LINES}", file.path)).collect::<Vec<_>>(),
    );
}

#[test]
fn every_module_says_what_it_is() {
    let modules = rust_under("src").filter(|file| !file.is_unit_tests()).chain(rust_under("tests"));
    let silent = modules.filter(|file| !file.text.starts_with("//!"));
    report(&silent.map(|file| format!("{}:1: does not begin with `//!`", file.path)).collect::<Vec<_>>());
}

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

#[test]
fn libav_is_named_only_under_media() {
    let libav = regex(r"\bffmpeg_(?:next|sys_next)\b");
    report(
        &rust_under("src")
            .filter(|file| !file.is_under("src/media"))
            .flat_map(|f| f.lines_with(&libav))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn a_codec_is_one_file_and_one_line_of_a_registry() {
    let registry = document("src/model/codec/mod.rs");
    let line = regex(r"(?m)^\s+([A-Z][A-Za-z0-9]*) = ([a-z0-9_]+),$");
    let registered: BTreeMap<&str, &str> = line
        .captures_iter(&registry.text)
        .filter_map(|found| Some((found.get(2)?.as_str(), found.get(1)?.as_str())))
        .collect();
    let table = regex(r"(?m)^pub const CODEC: (?:Video|Audio)Info = ");
    let mut findings = Vec::new();
    for file in rust_under("src/model/codec").filter(|file| table.is_match(&file.text)) {
        let module = file.path.trim_start_matches("src/model/codec/").trim_end_matches(".rs");
        if !registered.contains_key(module) {
            findings.push(format!("{}: is in no registry", file.path));
        }
    }
    assert!(registered.len() > 10, "{registered:?}");
    let variants: Vec<&str> = registered.values().copied().collect();
    let named = regex(&format!(r"\b(?:Video|Audio)Codec::(?:{})\b", variants.join("|")));
    let elsewhere =
        rust_under("src").filter(|file| !file.is_under("src/model/codec") && file.path != "src/media/testing.rs");
    findings.extend(elsewhere.map(File::product).flat_map(|file| file.lines_with(&named)));
    report(&findings);
}

#[test]
fn sql_stands_only_under_store() {
    let sql =
        regex(r"\brusqlite\b|\b(?:SELECT\s.*\bFROM|INSERT\s+INTO|UPDATE\s+\w+\s+SET|DELETE\s+FROM|CREATE\s+TABLE)\b");
    report(
        &rust_under("src")
            .filter(|file| !file.is_under("src/store"))
            .flat_map(|f| f.lines_with(&sql))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn pure_modules_do_no_io_and_read_no_clock() {
    let impure = regex(
        r"\b(?:std::fs|std::net|std::process|std::env|tokio|reqwest|aws_\w+|rusqlite)\b|\b(?:Instant|SystemTime)::now\b",
    );
    let pure = ["src/engine", "src/workflow", "src/template"];
    let files = rust_under("src").filter(|file| pure.iter().any(|folder| file.is_under(folder))).map(File::product);
    report(&files.flat_map(|file| file.lines_with(&impure)).collect::<Vec<_>>());
}

#[test]
fn tests_wait_on_conditions() {
    let sleep = regex(r"\bsleep\(");
    let unit = rust_under("src").flat_map(|file| file.tests().map(move |(number, line)| (file, number, line)));
    let own = rust_under("tests").flat_map(|file| file.code().map(move |(number, line)| (file, number, line)));
    let sleeping = unit.chain(own).filter(|(_, _, line)| sleep.is_match(line));
    let found = sleeping.filter(|(_, _, line)| !line.contains("regex("));
    report(&found.map(|(file, number, line)| file.at(number, line.trim())).collect::<Vec<_>>());
}

#[test]
fn nothing_is_left_for_later() {
    let later = regex(r"\b(?:TODO|FIXME|XXX)\b");
    let mut findings = Vec::new();
    for file in tree().iter().filter(|file| !file.is_under(FIXTURES) && file.path != "tests/tidy.rs") {
        let lines = numbered(&file.text).filter(|(_, line)| later.is_match(line));
        findings.extend(lines.map(|(number, line)| file.at(number, line.trim())));
    }
    report(&findings);
}

#[test]
fn no_path_of_one_machine_is_in_the_tree() {
    let private = regex(r#"(?:^|[\s"'`=(:<])/(?:home|root|work|Users)/\w"#);
    let mut findings = Vec::new();
    for file in tree() {
        let lines = numbered(&file.text).filter(|(_, line)| private.is_match(line));
        findings.extend(lines.map(|(number, line)| file.at(number, line.trim())));
    }
    report(&findings);
}

#[test]
fn every_fixture_has_a_source_and_a_licence() {
    let free = regex(r"^(?:CC0-1\.0|MIT|Apache-2\.0|BSD-[23]-Clause|CC-BY-[34]\.0)\b");
    let readme = format!("{FIXTURES}/README.md");
    let mut findings = Vec::new();
    let mut listed = BTreeSet::new();
    for cells in rows(document(&readme)).filter(|cells| cells[0].starts_with('`')) {
        let file = cells[0].trim_matches('`');
        listed.insert(format!("{FIXTURES}/{file}"));
        if cells.len() != 4 || cells.iter().any(|cell| cell.is_empty()) {
            findings.push(format!("{readme}: {file} needs a source, a licence and a purpose"));
        } else if !free.is_match(cells[2]) {
            findings.push(format!("{readme}: {file} has the licence {}", cells[2]));
        }
    }
    let mut there: BTreeSet<_> = paths_under(&root().join(FIXTURES)).iter().map(|path| relative(path)).collect();
    there.remove(&readme);
    findings.extend(there.difference(&listed).map(|file| format!("{file}: not in {readme}")));
    findings.extend(listed.difference(&there).map(|file| format!("{readme}: there is no {file}")));
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
fn pages() -> impl Iterator<Item = &'static File> {
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

/// Names of properties anywhere in a JSON Schema.
fn properties(schema: &serde_json::Value, found: &mut BTreeSet<String>) {
    match schema {
        serde_json::Value::Object(map) => {
            if let Some(serde_json::Value::Object(own)) = map.get("properties") {
                found.extend(own.keys().cloned());
            }
            map.values().for_each(|value| properties(value, found));
        }
        serde_json::Value::Array(values) => values.iter().for_each(|value| properties(value, found)),
        _ => {}
    }
}

#[test]
fn every_key_of_the_language_is_documented() {
    let text = [document("docs/workflow-language.md"), document("docs/templates.md")].map(|page| page.text.as_str());
    let words: BTreeSet<&str> =
        text.iter().flat_map(|text| text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-')).collect();
    let mut keys = BTreeSet::new();
    for schema in ["schemas/workflow.schema.json", "schemas/template.schema.json"] {
        let schema = serde_json::from_str(&document(schema).text).expect("schemas are JSON");
        properties(&schema, &mut keys);
    }
    let missing = keys.iter().filter(|key| !words.contains(key.as_str()));
    report(&missing.map(|key| format!("docs/workflow-language.md does not name the key `{key}`")).collect::<Vec<_>>());
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

fn libav_libraries_of(program: &str) -> Vec<String> {
    let libav = regex(r"\b(?:libav(?:codec|device|filter|format|util)|libsw(?:scale|resample)|libpostproc)\.so\S*");
    let ldd = Command::new("ldd").arg(program).output().expect("ldd runs");
    assert!(ldd.status.success(), "ldd {program}: {}", String::from_utf8_lossy(&ldd.stderr));
    libav.find_iter(&String::from_utf8_lossy(&ldd.stdout)).map(|found| found.as_str().to_owned()).collect()
}

#[test]
fn only_the_worker_links_libav() {
    assert_eq!(libav_libraries_of(env!("CARGO_BIN_EXE_reelmill")), [""; 0], "the daemon links libav");
    assert_ne!(libav_libraries_of(env!("CARGO_BIN_EXE_reelmill-worker")), [""; 0], "the worker does not link libav");
}
