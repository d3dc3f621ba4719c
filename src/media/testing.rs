//! What tests of media share: clips made by the `ffmpeg` command, and opening them the way the worker does.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use reelmill::worker::protocol::{Input, Source as Kind};

use crate::source::Source;

/// A generated clip in a folder that goes with it.
#[derive(Debug)]
pub struct Clip {
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl std::ops::Deref for Clip {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.path
    }
}

/// Runs `ffmpeg` with `arguments` to make a file called `name`.
pub fn generate(arguments: &[&str], name: &str) -> Clip {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    let output = Command::new("ffmpeg").args(["-v", "error", "-y"]).args(arguments).arg(&path).output().unwrap();
    assert!(output.status.success(), "ffmpeg {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    Clip { path, _folder: folder }
}

/// A file as the worker gets it: a descriptor and what the protocol says about it.
pub fn source_of(path: &Path) -> Source {
    let file = File::open(path).unwrap();
    let size_bytes = file.metadata().unwrap().len();
    Source::new(file.into(), &Input { source: Kind::File, size_bytes, ext: String::new() })
}
