//! A file on its way to become an object: on the bucket's file system, but outside of what is visible.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use md5::{Digest, Md5};
use tokio::io::AsyncWriteExt;

use super::attributes::hex;
use crate::objects::checksum::{Algorithm, Checksum, Hasher};

/// Bytes read at once while digesting.
const CHUNK_BYTES: usize = 1024 * 1024;

/// Place of a staged file. The folder of a mount exists only as long as something is staged in it.
#[derive(Debug)]
pub struct Stage {
    path: PathBuf,
    /// Counts of files by folder, where this one is counted.
    users: Option<Users>,
}

/// Counts of staged files by the folder that exists for them.
pub type Users = Arc<Mutex<BTreeMap<PathBuf, usize>>>;

impl Stage {
    /// A place in a folder that stays.
    pub const fn lasting(path: PathBuf) -> Self {
        Self { path, users: None }
    }

    /// The place called `name` in `folder`, which is made, and removed after the last of `users`.
    pub fn passing(folder: &Path, name: &str, users: &Users) -> io::Result<Self> {
        let mut counts = users.lock().unwrap_or_else(PoisonError::into_inner);
        std::fs::create_dir_all(folder)?;
        *counts.entry(folder.to_owned()).or_default() += 1;
        Ok(Self { path: folder.join(name), users: Some(Arc::clone(users)) })
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Absent once it was placed.
        let _ = std::fs::remove_file(&self.path);
        let (Some(users), Some(folder)) = (&self.users, self.path.parent()) else { return };
        let mut counts = users.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(folder) {
            *count -= 1;
            if *count == 0 {
                counts.remove(folder);
                // Not empty where something else lies in it.
                let _ = std::fs::remove_dir(folder);
            }
        }
    }
}

/// A staged file; removed when dropped before it was placed.
#[derive(Debug)]
pub struct Staged {
    stage: Stage,
    md5: String,
}

impl Staged {
    /// Stages a file of the caller's: linked where it is on the same file system, copied where it is not.
    pub fn adopt(file: &Path, stage: Stage) -> io::Result<Self> {
        let md5 = digest(File::open(file)?)?;
        let staged = Self { stage, md5 };
        if std::fs::hard_link(file, staged.path()).is_err() {
            std::fs::copy(file, staged.path())?;
        }
        Ok(staged)
    }

    /// Stages a copy of an open file.
    pub fn copy(mut from: File, stage: Stage) -> io::Result<Self> {
        let mut staged = Self { stage, md5: String::new() };
        io::copy(&mut from, &mut File::create_new(staged.path())?)?;
        staged.md5 = digest(File::open(staged.path())?)?;
        Ok(staged)
    }

    /// Stages a copy of some bytes of an open file.
    pub fn copy_range(mut from: File, range: Range<u64>, stage: Stage) -> io::Result<Self> {
        from.seek(SeekFrom::Start(range.start))?;
        let mut staged = Self { stage, md5: String::new() };
        let wanted = range.end.saturating_sub(range.start);
        let mut file = File::create_new(staged.path())?;
        if io::copy(&mut from.take(wanted), &mut file)? < wanted {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.sync_all()?;
        staged.md5 = digest(File::open(staged.path())?)?;
        Ok(staged)
    }

    /// Stages the files of `parts` one after the other; answers with the checksum of the whole where one is wanted.
    pub fn concatenate(
        parts: &[PathBuf],
        stage: Stage,
        algorithm: Option<Algorithm>,
    ) -> io::Result<(Self, Option<Checksum>)> {
        let staged = Self { stage, md5: String::new() };
        let mut whole = File::create_new(staged.path())?;
        let mut hasher = algorithm.map(Algorithm::hasher);
        for part in parts {
            let mut part = File::open(part)?;
            match &mut hasher {
                // The kernel copies, and on some file systems only refers.
                None => drop(io::copy(&mut part, &mut whole)?),
                Some(hasher) => each_chunk(part, |chunk| {
                    hasher.update(chunk);
                    whole.write_all(chunk)
                })?,
            }
        }
        Ok((staged, hasher.map(Hasher::finish)))
    }

    /// The object.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.stage.path()
    }

    /// MD5 of its bytes in hex; empty after [`Staged::concatenate`], whose entity tag is made from the parts'.
    #[must_use]
    pub fn md5(&self) -> &str {
        &self.md5
    }
}

/// A staged file that is still being written.
#[derive(Debug)]
pub struct Writer {
    file: tokio::fs::File,
    staged: Staged,
    md5: Md5,
    size_bytes: u64,
}

impl Writer {
    /// Starts an empty file at `stage`.
    pub async fn create(stage: Stage) -> io::Result<Self> {
        let file = tokio::fs::File::create_new(stage.path()).await?;
        Ok(Self { file, staged: Staged { stage, md5: String::new() }, md5: Md5::new(), size_bytes: 0 })
    }

    /// Appends bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.md5.update(bytes);
        self.size_bytes += bytes.len() as u64;
        self.file.write_all(bytes).await
    }

    /// Bytes written so far.
    pub const fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// The whole file, on disk.
    pub async fn finish(mut self) -> io::Result<Staged> {
        self.file.flush().await?;
        self.file.sync_all().await?;
        self.staged.md5 = hex(&self.md5.finalize());
        Ok(self.staged)
    }
}

/// The checksum of a file.
pub fn checksum(path: &Path, algorithm: Algorithm) -> io::Result<Checksum> {
    let mut hasher = algorithm.hasher();
    each_chunk(File::open(path)?, |chunk| {
        hasher.update(chunk);
        Ok(())
    })?;
    Ok(hasher.finish())
}

fn digest(file: File) -> io::Result<String> {
    let mut md5 = Md5::new();
    each_chunk(file, |chunk| {
        md5.update(chunk);
        Ok(())
    })?;
    Ok(hex(&md5.finalize()))
}

fn each_chunk(mut file: File, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        match file.read(&mut chunk)? {
            0 => return Ok(()),
            n => each(&chunk[..n])?,
        }
    }
}
