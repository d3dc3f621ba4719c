//! `docs/commands.md`, run from top to bottom. `UPDATE_DOCS=1` writes down what is printed.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use regex::Regex;

use crate::support::{Daemon, fixture, reelmill, repository, run, wait_for};

static ID: LazyLock<Regex> = LazyLock::new(|| Regex::new("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}").unwrap());
static TIME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?:\d{4}-\d\d-\d\d[T ])?\d\d:\d\d:\d\d(?:\.\d+)?(?:Z| UTC)?").unwrap());
static WORKER: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"running on \S+-\d+").unwrap());
static SPACES: LazyLock<Regex> = LazyLock::new(|| Regex::new(" {2,}").unwrap());

/// Stands for any lines.
const ELISION: &str = "…";

/// A command of the page and what it prints there.
struct Shown {
    command: String,
    printed: Vec<String>,
}

/// Identifiers of the page, and those that stand for them here.
#[derive(Default)]
struct Ids(Vec<(String, String)>);

impl Ids {
    /// Pairs those of both texts that are new, in order of appearance.
    fn pair(&mut self, page: &str, here: &str) {
        let fresh = |text: &str, known: &dyn Fn(&str) -> bool| {
            let mut fresh: Vec<String> = Vec::new();
            for id in ID.find_iter(text).map(|found| found.as_str().to_owned()) {
                if !known(&id) && !fresh.contains(&id) {
                    fresh.push(id);
                }
            }
            fresh
        };
        let page = fresh(page, &|id| self.0.iter().any(|(known, _)| known == id));
        let here = fresh(here, &|id| self.0.iter().any(|(_, known)| known == id));
        self.0.extend(page.into_iter().zip(here));
    }

    /// A command of the page as it is given here.
    fn here(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (page, here)| text.replace(page, here))
    }

    /// What was printed here, as the page has it.
    fn page(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, (page, here)| text.replace(here, page))
    }
}

/// Without what differs from run to run.
fn plain(line: &str) -> String {
    let line = TIME.replace_all(line, "TIME");
    let line = WORKER.replace_all(&line, "running on WORKER");
    SPACES.replace_all(&line, "  ").trim_end().to_owned()
}

/// Whether lines are what the page has, in which [`ELISION`] stands for any of them.
fn matches(page: &[String], printed: &[String]) -> bool {
    match page {
        [] => printed.is_empty(),
        [first, rest @ ..] if first == ELISION => (0..=printed.len()).any(|skip| matches(rest, &printed[skip..])),
        [first, rest @ ..] => printed.first().is_some_and(|line| line == first) && matches(rest, &printed[1..]),
    }
}

/// Words as a shell would make them of a line without quotes.
fn execute(command: &str, folder: &Path, daemon: &Daemon) -> String {
    let mut words = command.split_whitespace();
    assert_eq!(words.next(), Some("reelmill"), "{command}");
    let mut program: Command = reelmill();
    let output = run(program.args(words).current_dir(folder).env("REELMILL_URL", &daemon.api));
    // A terminal shows the progress of `run`, which is in standard error, before its answer.
    let printed = [output.stderr, output.stdout].map(|text| String::from_utf8(text).unwrap()).concat();
    printed.replace(&daemon.api, "http://127.0.0.1:8080")
}

#[test]
fn the_page_of_commands_shows_what_they_print() {
    let file = repository("docs/commands.md");
    let page = std::fs::read_to_string(&file).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (_, workflow) = page.split_once("```yaml\n").unwrap();
    std::fs::create_dir(folder.path().join("workflows")).unwrap();
    std::fs::write(folder.path().join("workflows/poster.yaml"), workflow.split_once("```").unwrap().0).unwrap();
    std::fs::copy(fixture("normal/tiny_aac_180p.mp4"), folder.path().join("clip.mp4")).unwrap();
    let daemon = Daemon::start(&folder.path().join("reelmill-data"), &folder.path().join("workflows"));

    let update = std::env::var_os("UPDATE_DOCS").is_some();
    let (mut ids, mut written, mut differences) = (Ids::default(), String::new(), Vec::new());
    for (index, part) in page.split("```").enumerate() {
        let shown = part.strip_prefix("console\n").filter(|_| index % 2 == 1);
        written.push_str(if index == 0 { "" } else { "```" });
        let Some(shown) = shown else {
            written.push_str(part);
            continue;
        };
        written.push_str("console\n");
        for Shown { command, printed } in commands(shown) {
            let here = execute(&ids.here(&command), folder.path(), &daemon);
            ids.pair(&printed.join("\n"), &here);
            let here: Vec<String> = ids.page(&here).lines().map(str::to_owned).collect();
            if command.contains(" put ") || command.contains(" resume ") {
                wait_for("what was started to end", || {
                    let busy = |one: &serde_json::Value| {
                        matches!(one["state"].as_str(), Some("pending" | "queued" | "running"))
                    };
                    (!daemon.executions().iter().any(busy)).then_some(())
                });
            }
            let plainly = |lines: &[String]| lines.iter().map(|line| plain(line)).collect::<Vec<_>>();
            let elided = printed.iter().any(|line| line == ELISION);
            if !matches(&plainly(&printed), &plainly(&here)) {
                differences.push(format!("$ {command}\n{}", here.join("\n")));
            }
            let kept = if elided || !update { &printed } else { &here };
            let _ = writeln!(written, "$ {command}");
            for line in kept {
                let _ = writeln!(written, "{}", WORKER.replace_all(line, "running on media-1-4711").trim_end());
            }
        }
    }
    if update {
        std::fs::write(&file, written).unwrap();
    } else {
        assert!(differences.is_empty(), "UPDATE_DOCS=1 writes docs/commands.md anew:\n{}", differences.join("\n\n"));
    }
}

fn commands(shown: &str) -> Vec<Shown> {
    let mut commands: Vec<Shown> = Vec::new();
    for line in shown.lines() {
        match (line.strip_prefix("$ "), commands.last_mut()) {
            (Some(command), _) => commands.push(Shown { command: command.to_owned(), printed: Vec::new() }),
            (None, Some(last)) => last.printed.push(line.to_owned()),
            (None, None) => panic!("nothing printed this: {line}"),
        }
    }
    commands
}
