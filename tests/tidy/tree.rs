//! Files of the tree, read once, and what the checks share.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

/// Folders that are not the project's own: built, downloaded or written at run time.
const SKIPPED: [&str; 5] = ["target", ".git", ".venv", "node_modules", "reelmill-data"];

/// A text file of the tree.
pub struct File {
    /// Relative to the package, with `/`.
    pub path: String,
    pub text: String,
}

impl File {
    /// Numbered lines that are not comments.
    pub fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        numbered(&self.text).filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    pub fn is_unit_tests(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// The part before the unit tests; nothing for a file of tests.
    pub fn product(&self) -> File {
        let text = if self.is_unit_tests() { "" } else { self.text.split("#[cfg(test)]").next().unwrap_or_default() };
        File { path: self.path.clone(), text: text.to_owned() }
    }

    /// The part that holds unit tests.
    pub fn tests(&self) -> impl Iterator<Item = (usize, &str)> {
        let first = self.product().text.lines().count();
        self.code().filter(move |(number, _)| *number > first)
    }

    pub fn is_under(&self, folder: &str) -> bool {
        Path::new(&self.path).starts_with(folder)
    }

    pub fn is_rust(&self) -> bool {
        Path::new(&self.path).extension().is_some_and(|ext| ext == "rs")
    }

    /// `src/worker/protocol.rs` is `worker::protocol`; the programs' and the library's roots are no modules.
    pub fn module(&self) -> Option<String> {
        let path = self.path.strip_prefix("src/")?.strip_suffix(".rs")?;
        if matches!(path, "lib" | "main") {
            return None;
        }
        Some(path.strip_suffix("/mod").unwrap_or(path).replace('/', "::"))
    }

    /// Matches of `pattern` in code, as `path:line: text`.
    pub fn lines_with(&self, pattern: &Regex) -> Vec<String> {
        self.code()
            .filter(|(_, line)| pattern.is_match(line))
            .map(|(number, line)| self.at(number, line.trim()))
            .collect()
    }

    pub fn at(&self, line: usize, what: &str) -> String {
        format!("{}:{line}: {what}", self.path)
    }
}

pub fn numbered(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line))
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub fn paths_under(folder: &Path) -> Vec<PathBuf> {
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

pub fn relative(path: &Path) -> String {
    let path = path.strip_prefix(root()).expect("it was found under the root");
    path.to_str().expect("names in the tree are UTF-8").to_owned()
}

/// Every text file; read once.
pub fn tree() -> &'static [File] {
    static TREE: LazyLock<Vec<File>> = LazyLock::new(|| {
        let text = |path: PathBuf| Some(File { path: relative(&path), text: fs::read_to_string(path).ok()? });
        paths_under(root()).into_iter().filter_map(text).collect()
    });
    &TREE
}

pub fn rust_under(folder: &str) -> impl Iterator<Item = &'static File> {
    tree().iter().filter(move |file| file.is_under(folder) && file.is_rust())
}

pub fn document(path: &str) -> &'static File {
    tree().iter().find(|file| file.path == path).unwrap_or_else(|| panic!("there is no {path}"))
}

pub fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("patterns here are constants")
}

/// Cells of the rows of `document`'s tables, without heads and rules.
pub fn rows(document: &File) -> impl Iterator<Item = Vec<&str>> {
    let lines = document.text.lines().filter(|line| line.starts_with("| "));
    lines.map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
}

pub fn report(findings: &[String]) {
    assert!(findings.is_empty(), "{} findings:\n{}", findings.len(), findings.join("\n"));
}
