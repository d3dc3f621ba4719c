//! Compilation of a workflow, pass by pass.

use std::fmt::Write as _;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::names::NameTable;
use super::{Compiled, Limits, Workflow, activities, definition, expression, installed, keys, link, shapes};
use crate::model::{Capabilities, Code};
use crate::template::Templates;
use crate::yaml::{self, Node, ParseCodes, Sink, Span};

/// Codes of a workflow file that cannot be parsed.
pub(super) const PARSE: ParseCodes =
    ParseCodes { syntax: Code::new("WF0001"), budget: Code::new("WF0002"), duplicate: Code::new("WF0003") };

/// Checks the text of a workflow and makes its plan. `file_name` is for diagnostics. If `installed` is known,
/// activities that need a missing encoder are errors.
#[must_use]
pub fn compile(
    file_name: &str,
    text: &str,
    templates: &Templates,
    limits: &Limits,
    installed: Option<&Capabilities>,
) -> Compiled {
    let around = Around { templates, limits, installed };
    expression::on_large_stack(|| on_this_stack(file_name, text, around)).unwrap_or_else(|| {
        let mut sink = Sink::new(file_name, text);
        sink.error(
            "WF0004",
            Span::default(),
            "Reelmill failed to check this file: an error in Reelmill, please report it",
        );
        Compiled { workflow: None, diagnostics: sink.finish() }
    })
}

/// Parameters of a compilation.
#[derive(Clone, Copy)]
struct Around<'a> {
    templates: &'a Templates,
    limits: &'a Limits,
    installed: Option<&'a Capabilities>,
}

fn on_this_stack(file_name: &str, text: &str, around: Around<'_>) -> Compiled {
    let mut sink = Sink::new(file_name, text);
    let workflow = yaml::parse(&mut sink, around.limits.budget(), PARSE)
        .and_then(|root| passes(&root, text, around, &mut sink))
        .filter(|_| !sink.has_errors());
    Compiled { workflow, diagnostics: sink.finish() }
}

fn passes(root: &Node, text: &str, around: Around<'_>, sink: &mut Sink<'_>) -> Option<Workflow> {
    let Around { templates, limits, installed } = around;
    yaml::check(&activities::without_parameters(root), &shapes::WORKFLOW, sink);
    let header = definition::read(root, limits, sink);
    let declared = activities::declare(root, sink);
    let names = NameTable::new(&declared, root, &header.params);
    let drafts = activities::expand(&declared, &header, &names, templates, limits, sink);
    let digest = digest(text);
    let linked = link::link(&header, &digest, &drafts, sink);
    keys::check(&header, &drafts, sink);
    if let Some(installed) = installed {
        installed::check(&drafts, installed, sink);
    }
    Some(Workflow {
        name: header.name,
        description: header.description,
        enabled: header.enabled,
        trigger: header.trigger,
        plan: Arc::new(linked?),
        digest,
        file: sink.file().to_owned(),
        place: root.get("name").map(|name| sink.place(name.span)).unwrap_or_default(),
    })
}

/// Returns the digest of a text: SHA-256, in hex.
#[must_use]
pub fn digest(text: &str) -> String {
    Sha256::digest(text).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
