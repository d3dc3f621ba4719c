//! Errors inside an operation, before the name of the operation is added.

use super::StoreError;

/// Error inside an operation; `E` is the database's own error.
#[derive(Debug)]
pub(super) enum Fault<E> {
    /// Error of the database.
    Sql(E),
    /// Error for the caller.
    Store(StoreError),
}

impl<E: std::error::Error + Send + Sync + 'static> Fault<E> {
    /// Returns the error with the name of the operation.
    pub(super) fn during(self, operation: &'static str) -> StoreError {
        match self {
            Self::Sql(source) => StoreError::Database { operation, source: Box::new(source) },
            Self::Store(error) => error,
        }
    }

    /// A stored value cannot be read.
    pub(super) fn corrupt(what: &'static str, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Store(StoreError::Corrupt { what, source: Box::new(source) })
    }

    /// Makes the error of a record that does not exist.
    pub(super) fn not_found(what: &'static str, id: impl std::fmt::Display) -> Self {
        Self::Store(StoreError::NotFound { what, id: id.to_string() })
    }
}

impl<E> From<StoreError> for Fault<E> {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A statement did not change as many rows as expected.
#[derive(Debug, thiserror::Error)]
#[error("the statement changed {changed} rows instead of {expected}")]
struct RowCount {
    changed: u64,
    expected: usize,
}

/// Checks that a statement changed every row that it was given.
pub(super) fn all_rows(what: &'static str, changed: u64, expected: usize) -> Result<(), StoreError> {
    if changed == expected as u64 {
        return Ok(());
    }
    Err(StoreError::Corrupt { what, source: Box::new(RowCount { changed, expected }) })
}
