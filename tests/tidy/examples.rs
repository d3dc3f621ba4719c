//! Examples in the documents, taken by the program: workflows, templates and configurations, and the defaults of settings.

use std::collections::BTreeSet;

use reelmill::config::Config;
use reelmill::template::Templates;
use reelmill::workflow::{Limits, compile};
use reelmill::yaml::Diagnostic;

use crate::documents::pages;
use crate::tree::{File, document, report, rows};

const CONFIGURATION: &str = "docs/configuration.md";

/// A block of YAML, and the line that it begins in.
struct Example {
    page: &'static File,
    line: usize,
    text: String,
}

impl Example {
    fn has_key(&self, key: &str) -> bool {
        self.text.lines().any(|line| line.starts_with(&format!("{key}:")))
    }

    fn errors(&self, diagnostics: &[Diagnostic]) -> Vec<String> {
        let errors = diagnostics.iter().filter(|diagnostic| diagnostic.is_error());
        errors.map(|error| self.page.at(self.line, &format!("{} {}", error.code, error.message))).collect()
    }
}

fn examples() -> Vec<Example> {
    let mut found = Vec::new();
    for page in pages() {
        let mut open: Option<Example> = None;
        for (number, line) in (1..).zip(page.text.lines()) {
            match (&mut open, line.trim_start().starts_with("```")) {
                (None, true) if line == "```yaml" => {
                    open = Some(Example { page, line: number, text: String::new() });
                }
                (Some(_), true) => found.extend(open.take()),
                (Some(example), false) => example.text.extend([line, "\n"]),
                (None, _) => {}
            }
        }
    }
    found
}

#[test]
fn workflows_and_templates_in_the_documents_are_valid() {
    let (mut findings, mut checked) = (Vec::new(), 0);
    for example in examples().iter().filter(|example| example.has_key("name")) {
        checked += 1;
        let diagnostics = if example.has_key("activities") {
            compile("example.yaml", &example.text, &Templates::presets(), &Limits::default(), None).diagnostics
        } else {
            Templates::load(&[("example.yaml", Some(&example.text))]).1
        };
        findings.extend(example.errors(&diagnostics));
    }
    assert!(checked >= 3, "{checked} examples");
    report(&findings);
}

fn load(text: &str) -> Result<Config, String> {
    let file = tempfile::NamedTempFile::new().map_err(|error| error.to_string())?;
    std::fs::write(file.path(), text).map_err(|error| error.to_string())?;
    Config::load(Some(file.path()), None, []).map_err(|error| error.to_string())
}

#[test]
fn configurations_in_the_documents_are_valid() {
    let default = serde_json::to_value(Config::default()).expect("settings are JSON");
    let keys: BTreeSet<&String> = default.as_object().expect("a mapping").keys().collect();
    // `workflows` and `events` alone are settings, too; a workflow has a name.
    let is_configuration = |example: &&Example| {
        let own = example.text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
        let mut keys_of = own.filter_map(|line| line.split_once(':')).map(|(key, _)| key.to_owned()).peekable();
        keys_of.peek().is_some() && keys_of.all(|key| keys.contains(&key))
    };
    let (mut findings, mut checked) = (Vec::new(), 0);
    for example in examples().iter().filter(is_configuration) {
        checked += 1;
        findings.extend(load(&example.text).err().map(|error| example.page.at(example.line, &error)));
    }
    assert!(checked >= 4, "{checked} examples");
    report(&findings);
}

/// A setting as a file has it: `worker: { lease: 30s }` of `worker.lease`; of lists and names of queues one element.
fn setting(key: &str, value: &str) -> String {
    let parts: Vec<&str> = key.split('.').collect();
    parts.iter().rev().fold(value.to_owned(), |inner, part| match *part {
        "NAME" => format!("{{ example: {inner} }}"),
        part => format!("{{ {part}: {inner} }}"),
    })
}

#[test]
fn documented_defaults_are_the_defaults() {
    let (mut findings, mut checked) = (Vec::new(), 0);
    for cells in rows(document(CONFIGURATION)).filter(|cells| cells.len() == 4 && cells[0].starts_with('`')) {
        let key = cells[0].trim_matches('`');
        // They are not set by default; DATA is a folder.
        let is_optional =
            ["objects.", "s3_cors.", "events.", "api.tokens.", "queues."].iter().any(|part| key.starts_with(part));
        let Some(default) = cells[1].strip_prefix('`').and_then(|cell| cell.strip_suffix('`')) else { continue };
        if is_optional || default.contains("DATA") || default.contains('`') {
            continue;
        }
        checked += 1;
        match load(&setting(key, default)) {
            Ok(config) if config == Config::default() => {}
            Ok(_) => findings.push(format!("{CONFIGURATION}: {default} is not the default of {key}")),
            Err(error) => findings.push(format!("{CONFIGURATION}: {key}: {error}")),
        }
    }
    assert!(checked > 15, "{checked} defaults");
    report(&findings);
}

/// Paths of keys in a JSON Schema, with `NAME` for keys that people choose.
fn paths(schema: &serde_json::Value, root: &serde_json::Value, path: &str, found: &mut BTreeSet<String>) {
    found.insert(path.to_owned());
    if let Some(name) = schema["$ref"].as_str().and_then(|name| name.strip_prefix("#/$defs/")) {
        paths(&root["$defs"][name], root, path, found);
    }
    let inner = [&schema["items"]].into_iter().filter(|inner| inner.is_object());
    let choices = ["oneOf", "anyOf"].iter().filter_map(|key| schema[*key].as_array()).flatten();
    inner.chain(choices).for_each(|inner| paths(inner, root, path, found));
    if schema["additionalProperties"].is_object() {
        paths(&schema["additionalProperties"], root, &format!("{path}.NAME"), found);
    }
    for (key, value) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        paths(value, root, &path, found);
    }
}

#[test]
fn every_documented_setting_exists() {
    let schema = serde_json::from_str(&document("schemas/config.schema.json").text).expect("schemas are JSON");
    let mut known = BTreeSet::new();
    paths(&schema, &schema, "", &mut known);
    let documented = rows(document(CONFIGURATION)).filter(|cells| cells.len() == 4 && cells[0].starts_with('`'));
    let keys: Vec<&str> = documented.map(|cells| cells[0].trim_matches('`')).collect();
    assert!(keys.len() > 20, "{keys:?}");
    let unknown = keys.iter().filter(|key| !known.contains(**key));
    report(&unknown.map(|key| format!("{CONFIGURATION}: there is no setting {key}")).collect::<Vec<_>>());
}
