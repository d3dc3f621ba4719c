//! What goes wrong inside an operation, before it is known by the name of the operation.

use crate::store::StoreError;

/// Why an operation stopped.
#[derive(Debug)]
pub(super) enum Fault {
    /// The database's word.
    Sql(rusqlite::Error),
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
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// A statement changed another number of rows than one.
#[derive(Debug, thiserror::Error)]
#[error("{changed} rows instead of one")]
struct NotOneRow {
    changed: usize,
}

/// Checks that a statement changed exactly one row.
pub(super) fn one_row(what: &'static str, changed: usize) -> Result<(), Fault> {
    if changed == 1 { Ok(()) } else { Err(Fault::corrupt(what, NotOneRow { changed })) }
}
