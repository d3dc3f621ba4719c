//! Folders entered one component at a time, by descriptor.
//!
//! **Invariant**: no symbolic link below the opened folder is followed, so nothing outside of it is read or written.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RenameFlags};

/// An open folder.
#[derive(Debug)]
pub struct Folder(OwnedFd);

const FOLDER: OFlags = OFlags::DIRECTORY.union(OFlags::RDONLY).union(OFlags::CLOEXEC);

impl Folder {
    /// Opens the folder at `path`; links in `path` itself are its owner's choice and are followed.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(rustix::fs::open(path, FOLDER, Mode::empty())?))
    }

    /// Opens a folder directly below.
    pub fn enter(&self, name: &str) -> io::Result<Self> {
        Ok(Self(rustix::fs::openat(&self.0, name, FOLDER | OFlags::NOFOLLOW, Mode::empty())?))
    }

    /// Opens a folder directly below, and creates it if it does not exist.
    pub fn enter_or_create(&self, name: &str) -> io::Result<Self> {
        match rustix::fs::mkdirat(&self.0, name, Mode::from_raw_mode(0o777)) {
            Ok(()) => self.sync()?,
            Err(rustix::io::Errno::EXIST) => {}
            Err(e) => return Err(e.into()),
        }
        self.enter(name)
    }

    /// Opens the folders of `path` one below the other.
    pub fn descend(self, path: &[&str]) -> io::Result<Self> {
        path.iter().try_fold(self, |folder, name| folder.enter(name))
    }

    /// Opens a regular file for reading.
    pub fn file(&self, name: &str) -> io::Result<File> {
        // NONBLOCK: opening a named pipe must not block until a process writes to it.
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let fd = rustix::fs::openat(&self.0, name, flags, Mode::empty())?;
        if FileType::from_raw_mode(rustix::fs::fstat(&fd)?.st_mode) != FileType::RegularFile {
            return Err(io::Error::from(io::ErrorKind::NotFound));
        }
        Ok(File::from(fd))
    }

    /// Returns whether `name` is a folder.
    pub fn has_folder(&self, name: &str) -> bool {
        rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
    }

    /// Returns whether `name` is a file.
    pub fn has_file(&self, name: &str) -> bool {
        rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)
            .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
    }

    /// Puts a folder in place of the file `name`, all at once: the folder holds the file as `inner`. `stage` is a free
    /// path on the same file system.
    pub fn turn_into_folder(&self, name: &str, inner: &str, stage: &Path) -> io::Result<()> {
        std::fs::create_dir(stage)?;
        let made = Self::open(stage)?;
        let turned = rustix::fs::linkat(&self.0, name, &made.0, inner, AtFlags::empty())
            .and_then(|()| rustix::fs::fsync(&made.0))
            .and_then(|()| rustix::fs::renameat_with(rustix::fs::CWD, stage, &self.0, name, RenameFlags::EXCHANGE));
        // The file's other name; the folder, where it did not come to that.
        let _ = std::fs::remove_file(stage).or_else(|_| std::fs::remove_dir_all(stage));
        turned?;
        self.sync()
    }

    /// Moves the file at `from` into this folder, and replaces a file of that name.
    pub fn place(&self, from: &Path, name: &str) -> io::Result<()> {
        Ok(rustix::fs::renameat(rustix::fs::CWD, from, &self.0, name)?)
    }

    /// Removes a file.
    pub fn remove_file(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.0, name, AtFlags::empty())?)
    }

    /// Removes an empty folder.
    pub fn remove_folder(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR)?)
    }

    /// Makes the moves into and out of it durable.
    pub fn sync(&self) -> io::Result<()> {
        Ok(rustix::fs::fsync(&self.0)?)
    }

    /// Names and types of the files and folders directly in it. Links are left out, and so are names that are not
    /// UTF-8, which cannot be keys.
    pub fn entries(&self) -> io::Result<Vec<(String, FileType)>> {
        let mut entries = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.0)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            if matches!(name, "." | "..") {
                continue;
            }
            let kind = match entry.file_type() {
                // Some file systems do not report the type in listings.
                FileType::Unknown => {
                    FileType::from_raw_mode(rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode)
                }
                kind => kind,
            };
            if matches!(kind, FileType::RegularFile | FileType::Directory) {
                entries.push((name.to_owned(), kind));
            }
        }
        Ok(entries)
    }
}

/// Returns whether an error means that there is no such file or folder; links count as missing.
pub fn is_absent(error: &io::Error) -> bool {
    use io::ErrorKind::{IsADirectory, NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory | IsADirectory)
        || error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}
