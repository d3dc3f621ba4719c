//! Changes of `enabled` in the text of a workflow, without any other change.

use super::Limits;
use super::compile::PARSE;
use crate::yaml::{self, Sink};

/// Returns the text of a workflow with `enabled` set; `None` if that would need another layout.
#[must_use]
pub fn with_enabled(text: &str, enabled: bool) -> Option<String> {
    let mut sink = Sink::new("", text);
    let root = yaml::parse(&mut sink, Limits::default().budget(), PARSE)?;
    let mut text = text.to_owned();
    if let Some(said) = root.get("enabled") {
        text.replace_range(said.span.start..said.span.end, if enabled { "true" } else { "false" });
        return Some(text);
    }
    let first = root.entry("name")?.key_span.start;
    let begins_its_line = first == 0 || text[..first].ends_with('\n');
    if !begins_its_line {
        return None;
    }
    text.insert_str(first, if enabled { "enabled: true\n" } else { "enabled: false\n" });
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_asked_for_changes() {
        let without = "# mine\nname: a # x\nactivities: {}\n";
        let off = with_enabled(without, false).unwrap();
        assert_eq!(off, "# mine\nenabled: false\nname: a # x\nactivities: {}\n");
        assert_eq!(with_enabled(&off, true).unwrap(), off.replace("false", "true"));
        assert_eq!(
            with_enabled("name: a\nenabled: yes # for now\n", false).unwrap(),
            "name: a\nenabled: false # for now\n"
        );
        assert_eq!(with_enabled("{ name: a }", false), None);
        assert_eq!(with_enabled("activities: {}\n", false), None);
        assert_eq!(with_enabled(": :", false), None);
    }
}
