//! Where segments of a track are put: a file each, or one file for all of them; encrypted where that is asked for.
//!
//! **Invariant**: what a piece says about itself is what is on disk.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use reelmill::model::work::{FileRole, ProducedFile};

use super::boxes::{self, Reference};
use super::keys::{Keys, Locked};
use super::track::{self, Segment};
use crate::error::MediaError;
use crate::scratch;

/// Number of the track that an index is about: the only one.
const FIRST_TRACK: u32 = 1;

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

    /// Puts an index of `segments` into the file that holds them all, right before the first, and answers with its first byte
    /// and its size in bytes. Times in it are in ticks of `clock`. Nothing where every piece has a file.
    pub fn index(&mut self, clock: u32, segments: &mut [Segment]) -> Result<Option<(u64, u64)>, MediaError> {
        let (Some(single), Some(first)) = (&mut self.single, segments.first()) else { return Ok(None) };
        let at = first.piece.offset.unwrap_or(0);
        let references: Vec<Reference> = track::ticks(segments, clock)
            .zip(segments.iter())
            .map(|((_, ticks), segment)| Reference { size_bytes: segment.piece.size_bytes, ticks })
            .collect();
        let start = track::ticks(segments, clock).next().map_or(0, |(start, _)| start);
        let index = boxes::index(FIRST_TRACK, clock, start, &references);
        let whole = single.path.with_extension("indexed");
        insert(&single.path, &whole, at, &index).map_err(|error| scratch::failed(&whole, error))?;
        std::fs::rename(&whole, &single.path).map_err(|error| scratch::failed(&single.path, error))?;
        let size_bytes = index.len() as u64;
        single.size_bytes += size_bytes;
        for segment in segments {
            segment.piece.offset = segment.piece.offset.map(|offset| offset + size_bytes);
        }
        Ok(Some((at, size_bytes)))
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

/// Copies a file with `more` at a place in it.
fn insert(from: &Path, to: &Path, at: u64, more: &[u8]) -> io::Result<()> {
    let (mut from, mut to) = (File::open(from)?, File::create(to)?);
    io::copy(&mut (&mut from).take(at), &mut to)?;
    to.write_all(more)?;
    io::copy(&mut from, &mut to).map(|_| ())
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
