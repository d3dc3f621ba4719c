//! Encoding in two passes: the first only looks, and what it saw guides the second.
//!
//! Encoders leave what they saw in a file of their own (x264, x265) or as text (libvpx). **Invariant**: the file is
//! gone when the output is done, whatever came of it.

use std::ffi::CString;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use reelmill::model::codec::Pass;

use super::progress::Position;

/// What the first pass over an output's video left for the second.
pub struct Notes {
    folder: PathBuf,
    name: String,
    path: String,
    text: OnceLock<CString>,
}

impl Notes {
    /// Of output `index`, in `scratch`.
    #[must_use]
    pub fn new(scratch: &Path, index: usize) -> Self {
        let name = format!(".first-pass-{index}.log");
        let path = scratch.join(&name).to_string_lossy().into_owned();
        Self { folder: scratch.to_owned(), name, path, text: OnceLock::new() }
    }

    /// What the encoder itself does not keep in a file.
    #[must_use]
    pub fn text(&self) -> Option<&CString> {
        self.text.get()
    }
}

impl Drop for Notes {
    fn drop(&mut self) {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return };
        // Encoders make more than one file of one name.
        for entry in entries.flatten().filter(|e| e.file_name().to_string_lossy().starts_with(&self.name)) {
            // What cannot be removed goes with the scratch folder.
            let _left = std::fs::remove_file(entry.path());
        }
    }
}

/// One of two passes over an output's video.
#[derive(Clone, Copy)]
pub struct Round<'a> {
    /// Whether it only looks.
    pub first: bool,
    /// What the first leaves for the second.
    pub notes: &'a Notes,
    /// How far the output is; the first pass has no muxer that would say it.
    pub position: &'a Position,
}

impl<'a> Round<'a> {
    /// As encoders are told.
    #[must_use]
    pub fn pass(&self) -> Pass<'a> {
        Pass { first: self.first, stats: &self.notes.path }
    }

    /// Keeps what the encoder said at its end.
    pub fn note(&self, text: Option<CString>) {
        if let Some(text) = text {
            // There is one first pass.
            let _set = self.notes.text.set(text);
        }
    }
}
