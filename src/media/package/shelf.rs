//! Where segments of a track are put: a file each, or one file for all of them; encrypted where that is asked for.
//!
//! **Invariant**: what a piece says about itself is what is on disk.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use reelmill::model::work::{FileRole, ProducedFile};

use super::keys::{Keys, Locked};
use crate::error::MediaError;
use crate::scratch;

/// A segment or an initialisation section on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Name within the track's folder.
    pub name: String,
    /// First byte within the file, where the file holds more than it.
    pub offset: Option<u64>,
    /// Size in bytes.
    pub size_bytes: u64,
    /// What it was encrypted with.
    pub locked: Option<Locked>,
}

/// Puts pieces away.
pub struct Shelf<'a> {
    scratch: &'a Path,
    folder: &'a str,
    keys: Option<&'a Keys>,
    single: Option<Single>,
    files: Vec<ProducedFile>,
}

/// A file that holds all pieces.
struct Single {
    file: File,
    path: PathBuf,
    name: String,
    size_bytes: u64,
    content_type: &'static str,
}

impl<'a> Shelf<'a> {
    /// In `folder` of `scratch`; with `single` everything goes into one file of that name and media type.
    pub fn new(
        scratch: &'a Path,
        folder: &'a str,
        keys: Option<&'a Keys>,
        single: Option<(String, &'static str)>,
    ) -> Result<Self, MediaError> {
        let open = |(name, content_type): (String, &'static str)| {
            let path = scratch::place(scratch, &format!("{folder}/{name}"))?;
            let file = File::create(&path).map_err(|error| scratch::failed(&path, error))?;
            Ok(Single { file, path, name, size_bytes: 0, content_type })
        };
        Ok(Self { scratch, folder, keys, single: single.map(open).transpose()?, files: Vec::new() })
    }

    /// Puts a piece away: into a file called `name`, unless one file holds all. `segment` is its place in the track;
    /// what is no segment is never encrypted.
    pub fn put(
        &mut self,
        name: &str,
        content_type: &'static str,
        bytes: Vec<u8>,
        segment: Option<usize>,
    ) -> Result<Piece, MediaError> {
        let (bytes, locked) = match self.keys.zip(segment) {
            Some((keys, segment)) => {
                let file = format!("{}/{name}", self.folder);
                let (bytes, locked) = keys.lock(keys.number(segment), &file, &bytes)?;
                (bytes, Some(locked))
            }
            None => (bytes, None),
        };
        let size_bytes = bytes.len() as u64;
        let Some(single) = &mut self.single else {
            let file = format!("{}/{name}", self.folder);
            self.files.push(scratch::write(self.scratch, &file, &bytes, content_type, FileRole::Segment)?);
            return Ok(Piece { name: name.to_owned(), offset: None, size_bytes, locked });
        };
        single.file.write_all(&bytes).map_err(|error| scratch::failed(&single.path, error))?;
        let offset = Some(single.size_bytes);
        single.size_bytes += size_bytes;
        Ok(Piece { name: single.name.clone(), offset, size_bytes, locked })
    }

    /// The files that hold the pieces.
    #[must_use]
    pub fn finish(mut self) -> Vec<ProducedFile> {
        self.files.extend(self.single.map(|single| ProducedFile {
            file: format!("{}/{}", self.folder, single.name),
            size_bytes: single.size_bytes,
            content_type: single.content_type.to_owned(),
            role: FileRole::Segment,
            media: None,
        }));
        self.files
    }
}

/// The bytes of a piece in `folder`.
pub fn read(scratch: &Path, folder: &str, piece: &Piece) -> Result<Vec<u8>, MediaError> {
    use std::os::unix::fs::FileExt;
    let path = scratch::place(scratch, &format!("{folder}/{}", piece.name))?;
    let failed = |error| scratch::failed(&path, error);
    let mut bytes = vec![0; usize::try_from(piece.size_bytes).unwrap_or(usize::MAX)];
    File::open(&path).and_then(|file| file.read_exact_at(&mut bytes, piece.offset.unwrap_or(0))).map_err(failed)?;
    Ok(bytes)
}
