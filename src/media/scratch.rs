//! Files in the scratch folder.
//!
//! **Invariant**: nothing is written outside it, whatever a name says.

use std::io;
use std::path::{Component, Path, PathBuf};

use reelmill::model::work::{FileRole, ProducedFile};

use crate::error::MediaError;

/// Path of `file` in `scratch`, with the folders on the way made.
pub fn place(scratch: &Path, file: &str) -> Result<PathBuf, MediaError> {
    let name = Path::new(file);
    let plain = name.components().all(|part| matches!(part, Component::Normal(_)));
    if !plain || name.file_name().is_none() || file.contains('\0') || file.ends_with('/') {
        return Err(MediaError::Parameter(format!("`{file}` is not a valid name for an output")));
    }
    let path = scratch.join(name);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(|error| failed(&path, error))?;
    }
    Ok(path)
}

/// Writes a whole file.
pub fn write(
    scratch: &Path,
    file: &str,
    bytes: &[u8],
    content_type: &str,
    role: FileRole,
) -> Result<ProducedFile, MediaError> {
    let path = place(scratch, file)?;
    std::fs::write(&path, bytes).map_err(|error| failed(&path, error))?;
    Ok(ProducedFile {
        file: file.to_owned(),
        size_bytes: bytes.len() as u64,
        content_type: content_type.to_owned(),
        role,
        media: None,
    })
}

/// A failure to write to `path`.
#[must_use]
pub fn failed(path: &Path, error: io::Error) -> MediaError {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            MediaError::ScratchFull
        }
        _ => MediaError::Scratch { path: path.to_owned(), source: error },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside() {
        let folder = tempfile::tempdir().unwrap();
        for bad in ["", "..", "../x", "/etc/passwd", "a/../../x", ".", "a/", "a\0b"] {
            assert!(place(folder.path(), bad).is_err(), "{bad:?}");
        }
        for good in ["a.mp4", "-vf.mp4", "file:name.mp4", "$(touch x);.mp4", "img%05d.mp4", "ü/b 中.mp4", "a\nb"] {
            assert!(place(folder.path(), good).unwrap().starts_with(folder.path()), "{good:?}");
        }
    }
}
