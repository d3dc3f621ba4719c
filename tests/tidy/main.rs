//! Tidiness as a test: what the documents promise about the tree is compared with the tree.
//!
//! Each check reads everything and then reports all findings, one line each: where, and what.

mod documents;
mod examples;
mod tree;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use tree::{File, document, numbered, paths_under, regex, relative, report, root, rows, rust_under, tree};

const MAX_LINES: usize = 600;
const ARCHITECTURE: &str = "docs/architecture.md";
const FIXTURES: &str = "tests/fixtures/media";

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
    for file in tree().iter().filter(|file| !file.is_under(FIXTURES) && file.path != "tests/tidy/main.rs") {
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
