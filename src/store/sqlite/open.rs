//! Opening a database: the lock, the settings, the migrations.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::store::{StoreError, StoreInfo};

/// Migrations in order; the database's `user_version` is how many it has seen. Never edited, only added to.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_first.sql"),
    include_str!("migrations/0002_queues.sql"),
    include_str!("migrations/0003_leaner.sql"),
    include_str!("migrations/0004_requests.sql"),
    include_str!("migrations/0005_warnings.sql"),
    include_str!("migrations/0006_receivers.sql"),
];

/// Statements kept prepared per connection.
const STATEMENTS: usize = 96;

/// Page cache of the writer (negative: KiB). It mostly needs the ends of indexes.
const CACHE_KIB: i32 = -16_384;

/// Pages of log before they are written into the database; with 4 KiB each, 16 MiB. The same page is then written once
/// for many commits.
const CHECKPOINT_PAGES: u32 = 4_096;

/// A connection that one thread uses needs no locks of its own.
const ALONE: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// Longest wait for another program that has the database locked.
const BUSY: Duration = Duration::from_secs(10);

/// Locks the database for this process. The lock goes with the file, also when the process is killed.
pub(super) fn lock(database: &Path) -> Result<File, StoreError> {
    let path = lock_path(database);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|source| cannot_open(&path, source))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            Err(StoreError::InUse { path: database.display().to_string(), holder: crate::lock::holder(&file) })
        }
        Err(TryLockError::Error(source)) => Err(cannot_open(&path, source)),
    }
}

/// The lock file beside the file of `database`, the same for every path to that file.
fn lock_path(database: &Path) -> PathBuf {
    let real = database.canonicalize().or_else(|_| {
        let folder = database.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        Ok::<_, std::io::Error>(folder.canonicalize()?.join(database.file_name().unwrap_or_default()))
    });
    let mut path = real.unwrap_or_else(|_| database.to_owned()).into_os_string();
    path.push(".lock");
    PathBuf::from(path)
}

/// The connection that writes, with an up-to-date schema; in memory without a `path`.
pub(super) fn writer(path: Option<&Path>) -> Result<Connection, StoreError> {
    let name = path.unwrap_or(Path::new(":memory:"));
    let open = || {
        let connection = match path {
            Some(path) => Connection::open_with_flags(path, ALONE | OpenFlags::SQLITE_OPEN_CREATE)?,
            None => Connection::open_in_memory()?,
        };
        connection.busy_timeout(BUSY)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        connection.pragma_update(None, "journal_mode", "wal")?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update(None, "temp_store", "memory")?;
        connection.pragma_update(None, "cache_size", CACHE_KIB)?;
        connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
        Ok(connection)
    };
    let mut connection = open().map_err(|source: rusqlite::Error| cannot_open(name, source))?;
    // A migration may recreate a table, which must not delete the rows that refer to it.
    let enforce = |connection: &Connection, yes: bool| {
        connection.pragma_update(None, "foreign_keys", yes).map_err(|source| cannot_open(name, source))
    };
    enforce(&connection, false)?;
    migrate(&mut connection, name)?;
    enforce(&connection, true)?;
    Ok(connection)
}

/// A connection that only reads.
pub(super) fn reader(path: &Path) -> Result<Connection, StoreError> {
    let open = || {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY)?;
        connection.set_prepared_statement_cache_capacity(STATEMENTS);
        Ok(connection)
    };
    open().map_err(|source: rusqlite::Error| cannot_open(path, source))
}

/// Reads information about the database at `path`, which may be in use, and changes nothing.
pub fn look(path: &Path) -> Result<StoreInfo, StoreError> {
    let known = u32::try_from(MIGRATIONS.len()).unwrap_or(u32::MAX);
    let schema = if path.try_exists().map_err(|source| cannot_open(path, source))? {
        let version = reader(path)?.pragma_query_value(None, "user_version", |row| row.get(0));
        Some(version.map_err(|source| cannot_open(path, source))?)
    } else {
        None
    };
    Ok(StoreInfo { schema, known, now: None })
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let known = MIGRATIONS.len();
    let found: usize = connection
        .pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0))
        .map_err(|source| cannot_open(path, source))?
        .try_into()
        .unwrap_or(usize::MAX);
    if found > known {
        let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        return Err(StoreError::TooNew { found: number(found), known: number(known) });
    }
    for (version, sql) in MIGRATIONS.iter().enumerate().skip(found) {
        let mut apply = || {
            let transaction = connection.transaction()?;
            transaction.execute_batch(sql)?;
            transaction.pragma_update(None, "user_version", u32::try_from(version + 1).unwrap_or(u32::MAX))?;
            transaction.commit()
        };
        apply().map_err(|source| cannot_open(path, source))?;
    }
    Ok(())
}

fn cannot_open(path: &Path, source: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Open { path: path.display().to_string(), source: Box::new(source) }
}
