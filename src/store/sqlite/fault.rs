//! Errors inside an operation on SQLite.

use crate::store::StoreError;
use crate::store::fault::all_rows;

/// Error inside an operation.
pub(super) type Fault = crate::store::fault::Fault<rusqlite::Error>;

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

/// Checks that a statement changed exactly one row.
pub(super) fn one_row(what: &'static str, changed: usize) -> Result<(), StoreError> {
    all_rows(what, changed as u64, 1)
}
