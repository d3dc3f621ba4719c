//! Scratch folders: one per attempt, empty at its start, gone after its end.
//!
//! **Invariant**: everything under the root belongs to running attempts; what a killed daemon left is swept at start.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::WorkerError;
use crate::model::JobId;

/// The folder that holds all scratch folders.
#[derive(Clone, Debug)]
pub struct ScratchRoot(PathBuf);

impl ScratchRoot {
    /// Makes the root where it is missing and removes everything in it.
    pub fn open(root: impl Into<PathBuf>) -> Result<Self, WorkerError> {
        let root = root.into();
        let error = |source| WorkerError::Scratch { path: root.clone(), source };
        fs::create_dir_all(&root).map_err(error)?;
        // Absolute, so that it means the same to the worker.
        let root = root.canonicalize().map_err(error)?;
        for entry in fs::read_dir(&root).map_err(error)? {
            let path = entry.map_err(error)?.path();
            if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) }.map_err(error)?;
        }
        Ok(Self(root))
    }

    /// A new, empty folder for one attempt.
    pub fn create(&self, job: JobId, attempt: u32) -> Result<Scratch, WorkerError> {
        let path = self.0.join(format!("{job}-{attempt}"));
        let error = |source| WorkerError::Scratch { path: path.clone(), source };
        if path.exists() {
            fs::remove_dir_all(&path).map_err(error)?;
        }
        fs::DirBuilder::new().mode(0o700).create(&path).map_err(error)?;
        Ok(Scratch(path))
    }
}

/// The scratch folder of one attempt; dropping it removes it.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "cannot remove a scratch folder; it goes at the next start");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_case_25_scratch_is_swept_at_start_and_gone_after_an_attempt() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join("left-by-a-killed-daemon");
        fs::create_dir(&left).unwrap();
        fs::write(left.join("half.mp4"), b"half").unwrap();

        let root = ScratchRoot::open(folder.path()).unwrap();
        let scratch = root.create(JobId(uuid::Uuid::nil()), 1).unwrap();
        fs::write(scratch.path().join("out.mp4"), b"whole").unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        drop(scratch);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
