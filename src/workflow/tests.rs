//! Whole files: good ones become plans, bad ones tell everything that is wrong.

mod bad;
mod drawing;
mod good;
mod installed;
mod pictures;
mod resolving;
mod schemas;

use super::*;
use crate::template::Templates;

/// Compiles with the presets and the default limits.
fn compiled(text: &str) -> Compiled {
    compile("test.yaml", text, &Templates::presets(), &Limits::default(), None)
}

/// The workflow of a text that has nothing wrong with it.
fn workflow(text: &str) -> Workflow {
    let compiled = compiled(text);
    let drawn = yaml::render(&compiled.diagnostics, text, false);
    assert!(compiled.diagnostics.is_empty(), "{drawn}");
    compiled.workflow.expect("no diagnostics")
}

/// A workflow around these activities, indented by two.
fn with(activities: &str) -> String {
    format!(
        "name: test\ntrigger: {{ bucket: uploads, key: \"in/**\" }}\n\
         output: {{ bucket: media, prefix: \"out/${{object.stem}}/\" }}\nactivities:\n{activities}\n"
    )
}
