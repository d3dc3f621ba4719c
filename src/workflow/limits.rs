//! Limits of definitions.

use crate::yaml::Budget;

/// Limits of one workflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of its file.
    pub file_bytes: usize,
    /// Values and keys in its file, including those repeated by aliases.
    pub nodes: usize,
    /// Nesting depth of lists and mappings.
    pub depth: usize,
    /// Activities, counting each element of `for_each`.
    pub activities: usize,
    /// Bytes of one expression.
    pub expression_bytes: usize,
    /// Nesting depth of brackets in one expression.
    pub expression_depth: usize,
    /// Receivers of notifications.
    pub notify_targets: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            file_bytes: 256 * 1024,
            nodes: 20_000,
            depth: 24,
            activities: 200,
            expression_bytes: 1024,
            expression_depth: 12,
            notify_targets: 10,
        }
    }
}

impl Limits {
    /// Returns the limits of parsing the file.
    #[must_use]
    pub const fn budget(&self) -> Budget {
        Budget { bytes: self.file_bytes, nodes: self.nodes, depth: self.depth }
    }
}
