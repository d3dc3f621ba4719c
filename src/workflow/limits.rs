//! Limits of definitions.

use crate::yaml::Budget;

/// Limits of one workflow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of its file.
    pub file_bytes: usize,
    /// Values and keys in its file, those that aliases repeat included.
    pub nodes: usize,
    /// Lists and mappings within each other.
    pub depth: usize,
    /// Activities, elements of `for_each` counted one by one.
    pub activities: usize,
    /// Bytes of one expression.
    pub expression_bytes: usize,
    /// Brackets within each other in one expression.
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
    /// The part that bounds reading the file.
    #[must_use]
    pub const fn budget(&self) -> Budget {
        Budget { bytes: self.file_bytes, nodes: self.nodes, depth: self.depth }
    }
}
