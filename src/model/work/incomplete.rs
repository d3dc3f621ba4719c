//! Policy for sources that have less than their container declares.

use serde::{Deserialize, Serialize};

/// Policy for an incomplete source, such as an upload that was cut short.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IfIncomplete {
    /// Uses the existing part, with a warning.
    #[default]
    Warn,
    /// The activity fails.
    Fail,
}

impl IfIncomplete {
    /// Returns whether it is the default; serialised work says nothing then.
    #[must_use]
    pub const fn is_warn(&self) -> bool {
        matches!(self, Self::Warn)
    }
}
