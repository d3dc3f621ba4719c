//! A file on its way to become an object: on the bucket's file system, but outside of what is visible.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use tokio::io::AsyncWriteExt;

use super::attributes::hex;
use crate::objects::checksum::{Algorithm, Checksum, Hasher};

/// Bytes read at once while digesting.
const CHUNK_BYTES: usize = 1024 * 1024;

/// A staged file; removed when dropped before it was placed.
#[derive(Debug)]
pub struct Staged {
    path: PathBuf,
    md5: String,
}

impl Staged {
    /// Stages a file of the caller's: linked where it is on the same file system, copied where it is not.
    pub fn adopt(file: &Path, stage: PathBuf) -> io::Result<Self> {
        let md5 = digest(File::open(file)?)?;
        let staged = Self { path: stage, md5 };
        if std::fs::hard_link(file, &staged.path).is_err() {
            std::fs::copy(file, &staged.path)?;
        }
        Ok(staged)
    }

    /// Stages a copy of an open file.
    pub fn copy(mut from: File, stage: PathBuf) -> io::Result<Self> {
        let mut staged = Self { path: stage, md5: String::new() };
        io::copy(&mut from, &mut File::create_new(&staged.path)?)?;
        staged.md5 = digest(File::open(&staged.path)?)?;
        Ok(staged)
    }

    /// Stages a copy of some bytes of an open file.
    pub fn copy_range(mut from: File, range: Range<u64>, stage: PathBuf) -> io::Result<Self> {
        from.seek(SeekFrom::Start(range.start))?;
        let mut staged = Self { path: stage, md5: String::new() };
        let wanted = range.end.saturating_sub(range.start);
        let mut file = File::create_new(&staged.path)?;
        if io::copy(&mut from.take(wanted), &mut file)? < wanted {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.sync_all()?;
        staged.md5 = digest(File::open(&staged.path)?)?;
        Ok(staged)
    }

    /// Stages the files of `parts` one after the other; answers with the checksum of the whole where one is wanted.
    pub fn concatenate(
        parts: &[PathBuf],
        stage: PathBuf,
        algorithm: Option<Algorithm>,
    ) -> io::Result<(Self, Option<Checksum>)> {
        let staged = Self { path: stage, md5: String::new() };
        let mut whole = File::create_new(&staged.path)?;
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
        &self.path
    }

    /// MD5 of its bytes in hex; empty after [`Staged::concatenate`], whose entity tag is made from the parts'.
    #[must_use]
    pub fn md5(&self) -> &str {
        &self.md5
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        // Absent once it was placed.
        let _ = std::fs::remove_file(&self.path);
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
    pub async fn create(stage: PathBuf) -> io::Result<Self> {
        let file = tokio::fs::File::create_new(&stage).await?;
        Ok(Self { file, staged: Staged { path: stage, md5: String::new() }, md5: Md5::new(), size_bytes: 0 })
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
