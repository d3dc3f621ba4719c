//! Scratch folders: one per attempt, empty at its start, gone after its end.
//!
//! **Invariant**: folders of attempts under the root belong to running attempts; what a killed daemon left is swept at
//! start, and nothing else is touched.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::WorkerError;
use crate::model::JobId;

/// Free space below which a disk counts as full, in bytes.
pub const RESERVE: u64 = 1 << 30;

/// Empty file in each scratch folder: one that vanished and was made anew by whoever writes into it has none. Numbers
/// of files would not do, as some file systems give another one at each look.
const MARKER: &str = ".reelmill-attempt";

/// The folder that holds all scratch folders.
#[derive(Clone, Debug)]
pub struct ScratchRoot(PathBuf);

impl ScratchRoot {
    /// Creates the root if it is missing, and removes folders that attempts left in it. Other files in it stay.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, WorkerError> {
        let root = root.into();
        let error = |source| WorkerError::Scratch { path: root.clone(), source };
        fs::create_dir_all(&root).map_err(error)?;
        // Absolute, so that it means the same to the worker.
        let root = root.canonicalize().map_err(error)?;
        for entry in fs::read_dir(&root).map_err(error)? {
            let entry = entry.map_err(error)?;
            if entry.file_name().to_str().is_some_and(is_attempt) {
                fs::remove_dir_all(entry.path()).map_err(error)?;
            }
        }
        Ok(Self(root))
    }

    /// Free bytes for new files, if they are fewer than a job should find: a twentieth of the disk, at most [`RESERVE`].
    /// `None` if there is enough room, or if the system does not report it.
    #[must_use]
    pub fn shortage(&self) -> Option<u64> {
        let disk = rustix::fs::statvfs(&self.0).ok()?;
        let (free, size) = (disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize);
        (free < RESERVE.min(size / 20)).then_some(free)
    }

    /// A new folder for one attempt, empty but for its marker.
    pub fn create(&self, job: JobId, attempt: u32) -> Result<Scratch, WorkerError> {
        let path = self.0.join(format!("{job}-{attempt}"));
        let error = |source| WorkerError::Scratch { path: path.clone(), source };
        if path.exists() {
            fs::remove_dir_all(&path).map_err(error)?;
        }
        // The root may have vanished with whoever cleans up temporary folders.
        fs::DirBuilder::new().mode(0o700).recursive(true).create(&path).map_err(error)?;
        let scratch = Scratch { path: path.clone() };
        fs::write(path.join(MARKER), []).map_err(error)?;
        Ok(scratch)
    }
}

/// Returns whether `name` is that of an attempt's folder: `<job>-<attempt>`.
fn is_attempt(name: &str) -> bool {
    name.rsplit_once('-').is_some_and(|(job, attempt)| job.parse::<JobId>().is_ok() && attempt.parse::<u32>().is_ok())
}

/// The scratch folder of one attempt; dropping it removes it.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns an error if the folder has been removed since it was created: that is then the cause of any other
    /// failure.
    pub fn check(&self) -> Result<(), WorkerError> {
        let stays = self.path.join(MARKER).is_file();
        if stays { Ok(()) } else { Err(WorkerError::ScratchGone { path: self.path.clone() }) }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                let path = self.path.display();
                tracing::warn!(%path, %error, "cannot remove a scratch folder; the next start removes it");
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Coded;

    #[test]
    fn field_case_25_scratch_is_swept_at_start_and_gone_after_an_attempt() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join(format!("{}-3", uuid::Uuid::nil()));
        let other = folder.path().join("not-ours");
        fs::write(&other, b"stays").unwrap();
        fs::create_dir(&left).unwrap();
        fs::write(left.join("half.mp4"), b"half").unwrap();

        let root = ScratchRoot::open(folder.path()).unwrap();
        let scratch = root.create(JobId(uuid::Uuid::nil()), 1).unwrap();
        fs::write(scratch.path().join("out.mp4"), b"whole").unwrap();
        assert!(!left.exists() && scratch.check().is_ok());
        fs::remove_dir_all(scratch.path()).unwrap();
        fs::create_dir_all(scratch.path().join("hls")).unwrap();
        assert_eq!(scratch.check().unwrap_err().code(), "WORKER0015", "a worker made it anew");
        drop(scratch);
        let kept: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(kept, [other]);
    }
}
