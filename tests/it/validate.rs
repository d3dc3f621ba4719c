//! What `validate`, `graph` and `run` say of definitions with mistakes: each once, in the text of its own file.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::support::{last_json, reelmill, run};

const USER: &str = "
name: NAME
trigger: { bucket: uploads, key: 'in/*.NAME' }
output: { bucket: media, prefix: 'NAME/' }
activities:
  a: { transcode: { template: TEMPLATE, name: a.mp4 } }
";

/// A folder `workflows` with workflows `one` and `two` that use a template, and a folder `templates` beside it.
fn folder(template: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for part in ["workflows", "templates"] {
        std::fs::create_dir(folder.path().join(part)).unwrap();
    }
    for name in ["one", "two"] {
        let text = USER.replace("NAME", name).replace("TEMPLATE", template);
        std::fs::write(folder.path().join(format!("workflows/{name}.yaml")), text).unwrap();
    }
    folder
}

fn reelmill_in(folder: &Path, args: &[&str]) -> Output {
    run(reelmill().current_dir(folder).args(args))
}

fn told(report: &Value) -> Vec<String> {
    let diagnostics = report["diagnostics"].as_array().unwrap();
    let line = |d: &Value| format!("{} {}:{}", d["code"].as_str().unwrap(), d["file"].as_str().unwrap(), d["line"]);
    diagnostics.iter().map(line).collect()
}

fn validated(folder: &Path) -> Vec<String> {
    let result = reelmill_in(folder, &["validate", "--json", "workflows"]);
    assert_eq!(result.status.code(), Some(2), "{result:?}");
    told(&last_json(&String::from_utf8(result.stdout).unwrap()))
}

#[test]
fn a_mistake_in_a_template_is_told_once_in_its_own_text() {
    let folder = folder("m");
    std::fs::write(folder.path().join("templates/m.yaml"), "name: m\nvideo: { crff: 26 }\n").unwrap();
    assert_eq!(validated(folder.path()), ["TPL0101 templates/m.yaml:2"]);
    for command in [&["validate", "workflows"][..], &["graph", "workflows/one.yaml"]] {
        let result = reelmill_in(folder.path(), command);
        assert_eq!(result.status.code(), Some(2), "{result:?}");
        let text = String::from_utf8(result.stderr).unwrap();
        assert!(text.contains("templates/m.yaml:2:10") && text.contains("video: { crff: 26 }"), "{text}");
        assert_eq!(text.matches("TPL0101").count(), if command[0] == "graph" { 2 } else { 1 }, "{text}");
        assert!(!text.contains("TPL0006") && !text.contains("TPL0013"), "{text}");
    }
}

#[test]
fn a_path_that_is_not_there_hides_no_mistake() {
    let folder = folder("nothing");
    let result = reelmill_in(folder.path(), &["validate", "--json", "nowhere", "workflows"]);
    assert_eq!(result.status.code(), Some(2), "{result:?}");
    assert_eq!(told(&last_json(&String::from_utf8(result.stdout).unwrap())).len(), 2);
    assert!(String::from_utf8_lossy(&result.stderr).contains("nowhere"));
    std::fs::remove_file(folder.path().join("workflows/two.yaml")).unwrap();
    std::fs::write(
        folder.path().join("workflows/one.yaml"),
        USER.replace("NAME", "one").replace("TEMPLATE", "h264-360p"),
    )
    .unwrap();
    let result = reelmill_in(folder.path(), &["validate", "nowhere", "workflows"]);
    assert_eq!(result.status.code(), Some(4), "{result:?}");
}

#[test]
fn a_template_that_extends_none_is_told_where_it_does() {
    let folder = folder("m");
    std::fs::write(folder.path().join("templates/m.yaml"), "name: m\nextends: h264-72p\n").unwrap();
    assert_eq!(validated(folder.path()), ["TPL0006 templates/m.yaml:2"]);
}

#[test]
fn a_file_that_is_not_text_is_a_mistake_of_that_file_alone() {
    let folder = folder("h264-360p");
    for file in ["templates/m.yaml", "workflows/three.yaml"] {
        std::fs::write(folder.path().join(file), b"name: \xff\xfe\n").unwrap();
    }
    assert_eq!(validated(folder.path()), ["WF0005 templates/m.yaml:1", "WF0005 workflows/three.yaml:1"]);
    let graph = reelmill_in(folder.path(), &["graph", "workflows/one.yaml"]);
    assert_eq!(graph.status.code(), Some(0), "{graph:?}");
    let graph = reelmill_in(folder.path(), &["graph", "workflows/three.yaml"]);
    assert_eq!(graph.status.code(), Some(2), "{graph:?}");
}

#[test]
fn two_workflows_of_one_name_are_told_with_both_places() {
    let folder = folder("h264-360p");
    let text = std::fs::read_to_string(folder.path().join("workflows/one.yaml")).unwrap();
    std::fs::write(folder.path().join("workflows/again.yaml"), text.replace("*.one", "*.other")).unwrap();
    assert_eq!(validated(folder.path()), ["WF0307 workflows/again.yaml:2"]);
    let result = reelmill_in(folder.path(), &["validate", "workflows"]);
    let text = String::from_utf8(result.stderr).unwrap();
    assert!(text.contains("workflows/again.yaml:2:7") && text.contains("workflows/one.yaml:2:7"), "{text}");
}
