//! Errors inside an operation on PostgreSQL.

/// Error inside an operation.
pub(super) type Fault = crate::store::fault::Fault<sqlx::Error>;

impl Fault {
    /// Returns whether the database gave up this transaction for another one's sake, and the same may succeed now:
    /// deadlock (40P01), serialization failure (40001), a plan that was in memory and has been taken away (23503).
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Sql(sqlx::Error::Database(error)) => {
                error.code().is_some_and(|code| matches!(&*code, "40P01" | "40001" | "23503"))
            }
            _ => false,
        }
    }

    /// Returns whether the connection to the database failed, rather than the statement.
    pub(super) fn is_connection(&self) -> bool {
        matches!(self, Self::Sql(error) if !matches!(error, sqlx::Error::Database(_)))
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Sql(error)
    }
}
