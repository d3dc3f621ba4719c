//! Locks on the folders of a daemon, taken before anything in them is touched, and their holders.
//!
//! **Invariant**: a lock is on the folder itself, by whatever path it is reached, and goes with the process, also when
//! that is killed. Commands beside a daemon take none.

use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::model::{Code, Coded};

/// File that is locked where a file system locks no folder.
const LOCK_FILE: &str = ".reelmill.lock";

/// Error of locking a folder.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another daemon uses the folder.
    #[error("the {what} {} is in use by {holder}; stop it, or give this daemon its own {what}", path.display())]
    InUse {
        /// Role of the folder.
        what: &'static str,
        /// The folder.
        path: PathBuf,
        /// Its holder.
        holder: String,
    },
    /// The folder cannot be created or opened.
    #[error("cannot open the {what} {}", path.display())]
    Open {
        /// Role of the folder.
        what: &'static str,
        /// The folder.
        path: PathBuf,
        /// Cause.
        #[source]
        source: io::Error,
    },
}

impl Coded for LockError {
    fn code(&self) -> Code {
        Code::new(match self {
            Self::InUse { .. } => "CLI0023",
            Self::Open { .. } => "CLI0024",
        })
    }
}

/// Folders of this process; dropping it frees them.
#[derive(Debug, Default)]
pub struct FolderLocks(Vec<Held>);

/// A folder that is locked.
#[derive(Debug)]
struct Held {
    /// Device and number of the folder.
    place: (u64, u64),
    /// The locked file: the folder, or a file in it.
    _locked: File,
}

impl FolderLocks {
    /// Makes the folder where it is missing, and locks it. A folder that is locked already stays so.
    pub fn take(&mut self, what: &'static str, path: &Path) -> Result<(), LockError> {
        self.take_by(File::try_lock, what, path)
    }

    /// As [`FolderLocks::take`], with the way in which the folder itself is locked.
    fn take_by(
        &mut self,
        lock: fn(&File) -> Result<(), TryLockError>,
        what: &'static str,
        path: &Path,
    ) -> Result<(), LockError> {
        let failed = |source| LockError::Open { what, path: path.to_owned(), source };
        std::fs::create_dir_all(path).map_err(failed)?;
        let folder = File::open(path).map_err(failed)?;
        let place = place(&folder).map_err(failed)?;
        if self.0.iter().any(|held| held.place == place) {
            return Ok(());
        }
        let locked = match lock(&folder) {
            Ok(()) => folder,
            Err(TryLockError::WouldBlock) => return Err(in_use(what, path, &folder)),
            // NFS locks files only.
            Err(TryLockError::Error(_)) => lock_file(what, path)?,
        };
        self.0.push(Held { place, _locked: locked });
        Ok(())
    }
}

fn lock_file(what: &'static str, path: &Path) -> Result<File, LockError> {
    let failed = |source| LockError::Open { what, path: path.to_owned(), source };
    let file = path.join(LOCK_FILE);
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(file).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(in_use(what, path, &file)),
        Err(TryLockError::Error(error)) => {
            tracing::warn!(path = %path.display(), %error, "the file system does not support locks: make sure that no other daemon uses this folder");
            Ok(file)
        }
    }
}

fn in_use(what: &'static str, path: &Path, locked: &File) -> LockError {
    LockError::InUse { what, path: path.to_owned(), holder: holder(locked) }
}

/// Device and number of the file.
fn place(file: &File) -> io::Result<(u64, u64)> {
    let metadata = file.metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Holder of the lock on `file`, as far as the system says.
#[must_use]
pub fn holder(file: &File) -> String {
    let locks = std::fs::read_to_string("/proc/locks").unwrap_or_default();
    let pid = file.metadata().ok().and_then(|metadata| pid_of(&locks, metadata.ino()));
    pid.map_or_else(|| "another daemon".to_owned(), |pid| format!("process {pid}"))
}

/// The process that locks the file with this number: `1: FLOCK  ADVISORY  WRITE 709 08:01:1048593 0 EOF`.
fn pid_of(locks: &str, number: u64) -> Option<u32> {
    locks.lines().find_map(|line| {
        let mut words = line.split_whitespace().skip_while(|word| *word != "FLOCK").skip(3);
        let (pid, file) = (words.next()?, words.next()?);
        let (_, inode) = file.rsplit_once(':')?;
        (inode.parse() == Ok(number)).then(|| pid.parse().ok()).flatten().filter(|pid| *pid > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_fault_two_daemons_a_folder_is_locked_once_by_whatever_path() {
        let place = tempfile::tempdir().unwrap();
        let (folder, link) = (place.path().join("scratch"), place.path().join("link"));
        let mut first = FolderLocks::default();
        first.take("scratch folder", &folder).unwrap();
        first.take("data folder", &folder).unwrap();
        assert_eq!(first.0.len(), 1, "one folder may be two things of one daemon");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "a lock leaves nothing in the folder");
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        let error = FolderLocks::default().take("scratch folder", &link).unwrap_err().with_code();
        let own = format!("is in use by process {}", std::process::id());
        assert!(error.starts_with("CLI0023: the scratch folder") && error.contains(&own), "{error}");
        assert!(error.contains(&link.display().to_string()), "{error}");
        drop(first);
        FolderLocks::default().take("scratch folder", &link).unwrap();
    }

    #[test]
    fn field_fault_two_daemons_a_folder_that_cannot_be_locked_may_be_two_things_of_one_daemon() {
        let folder = tempfile::tempdir().unwrap();
        let nfs = |_: &File| Err(TryLockError::Error(io::ErrorKind::Unsupported.into()));
        let mut first = FolderLocks::default();
        first.take_by(nfs, "scratch folder", folder.path()).unwrap();
        first.take_by(nfs, "data folder", folder.path()).unwrap();
        let error = FolderLocks::default().take_by(nfs, "data folder", folder.path()).unwrap_err();
        assert!(matches!(error, LockError::InUse { .. }), "{error}");
        drop(first);
        FolderLocks::default().take_by(nfs, "data folder", folder.path()).unwrap();
    }

    #[test]
    fn holders_are_read_from_what_the_kernel_says() {
        let locks = "1: POSIX  ADVISORY  WRITE 708 08:01:77 0 EOF\n2: -> FLOCK  ADVISORY  WRITE 710 00:2f:77 0 EOF\n\
                     3: FLOCK  ADVISORY  WRITE 709 00:2f:78 0 EOF\n4: FLOCK  ADVISORY  WRITE 0 00:2f:79 0 EOF\n";
        assert_eq!(pid_of(locks, 78), Some(709));
        assert_eq!((pid_of(locks, 79), pid_of(locks, 80), pid_of("nonsense", 1)), (None, None, None));
    }
}
