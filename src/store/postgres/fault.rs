//! What goes wrong inside an operation, before it is known by the name of the operation.

use crate::store::StoreError;

/// Why an operation stopped.
#[derive(Debug)]
pub(super) enum Fault {
    /// The database's word.
    Sql(sqlx::Error),
    /// Already what the caller shall see.
    Store(StoreError),
}

impl Fault {
    /// As the caller shall see it.
    pub(super) fn during(self, operation: &'static str) -> StoreError {
        match self {
            Self::Sql(source) => StoreError::Database { operation, source: Box::new(source) },
            Self::Store(error) => error,
        }
    }

    /// A stored value does not decode.
    pub(super) fn corrupt(what: &'static str, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Store(StoreError::Corrupt { what, source: Box::new(source) })
    }

    /// There is no such thing.
    pub(super) fn not_found(what: &'static str, id: impl std::fmt::Display) -> Self {
        Self::Store(StoreError::NotFound { what, id: id.to_string() })
    }

    /// Whether the database gave up this transaction for another one's sake, and the same may succeed now: deadlock
    /// (40P01), serialization failure (40001).
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Sql(sqlx::Error::Database(error)) => {
                error.code().is_some_and(|code| matches!(&*code, "40P01" | "40001"))
            }
            _ => false,
        }
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A statement changed another number of rows than it was given.
#[derive(Debug, thiserror::Error)]
#[error("{changed} rows instead of {expected}")]
struct RowCount {
    changed: u64,
    expected: usize,
}

/// Checks that a statement changed every row that it was given.
pub(super) fn all_rows(what: &'static str, changed: u64, expected: usize) -> Result<(), Fault> {
    if changed == expected as u64 { Ok(()) } else { Err(Fault::corrupt(what, RowCount { changed, expected })) }
}
