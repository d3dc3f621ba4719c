//! Executions that recorded an object as their output.

use crate::model::{ExecutionId, ObjectLocation};

/// Most executions per object that are returned.
pub(super) const PUBLISHERS: usize = 32;

/// An execution that recorded an object as its output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publisher {
    /// The object.
    pub object: ObjectLocation,
    /// The execution.
    pub execution: ExecutionId,
    /// Its workflow.
    pub workflow: String,
    /// Input object.
    pub input: ObjectLocation,
    /// True if it has ended.
    pub ended: bool,
}
