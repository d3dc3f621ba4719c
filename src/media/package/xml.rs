//! Writing XML.
//!
//! **Invariant**: what is written is well-formed, whatever texts are given. Deliberately absent: reading it.

use std::fmt::{Display, Write};

/// An element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    name: &'static str,
    attributes: Vec<(&'static str, String)>,
    children: Vec<Element>,
    text: String,
}

impl Element {
    /// Without anything in it.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name, attributes: Vec::new(), children: Vec::new(), text: String::new() }
    }

    /// With an attribute.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Display) -> Self {
        self.attributes.push((name, value.to_string()));
        self
    }

    /// With an attribute where there is a value.
    #[must_use]
    pub fn with_some(self, name: &'static str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// With text.
    #[must_use]
    pub fn saying(mut self, text: impl Into<String>) -> Self {
        self.text = text.into();
        self
    }

    /// With children.
    #[must_use]
    pub fn holding(mut self, children: impl IntoIterator<Item = Self>) -> Self {
        self.children.extend(children);
        self
    }

    /// The document whose root it is.
    #[must_use]
    pub fn document(&self) -> String {
        let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
        self.write(&mut text, 0);
        text
    }

    fn write(&self, to: &mut String, depth: usize) {
        let indent = "  ".repeat(depth);
        // Writing to a string cannot fail.
        let _infallible = write!(to, "{indent}<{}", self.name);
        for (name, value) in &self.attributes {
            let _infallible = write!(to, " {name}=\"{}\"", escaped(value));
        }
        if self.children.is_empty() && self.text.is_empty() {
            to.push_str("/>\n");
            return;
        }
        to.push('>');
        to.push_str(&escaped(&self.text));
        if !self.children.is_empty() {
            to.push('\n');
            self.children.iter().for_each(|child| child.write(to, depth + 1));
            to.push_str(&indent);
        }
        let _infallible = writeln!(to, "</{}>", self.name);
    }
}

/// Text without what means something in XML, or has no place in it at all.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::Element;

    #[test]
    fn documents_are_well_formed_whatever_stands_in_them() {
        let label = Element::new("Label").with("lang", "\"<&\u{1}").saying("a < b");
        let document =
            Element::new("MPD").with_some("none", None::<u8>).holding([label, Element::new("Role")]).document();
        let expected = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<MPD>\n  \
            <Label lang=\"&quot;&lt;&amp; \">a &lt; b</Label>\n  <Role/>\n</MPD>\n";
        assert_eq!(document, expected);
    }
}
