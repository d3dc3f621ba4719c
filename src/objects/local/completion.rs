//! Completing an upload in parts: the named parts are checked against those received, and become one object.
//!
//! **Invariant**: nothing becomes visible unless the parts, their sizes and their checksums are what the request says;
//! a completion that is asked for again gets the answer of the first (`completed.json`, kept as long as an unfinished
//! upload).
//!
//! Parts stay in [`super::parts`] until then.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::Path;

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use super::attributes::{EndpointAttributes, KeptPart, hex, unhex};
use super::parts::{self, Part, Upload};
use super::staged::{self, Stage, Staged};
use super::{LocalBuckets, PlaceCondition, Placement};
use crate::model::ObjectLocation;
use crate::objects::ObjectError;
use crate::objects::checksum::{Algorithm, Checksum, plain};

/// Smallest part that is not the last one, in bytes.
const MIN_PART_BYTES: u64 = 5 * 1024 * 1024;

const COMPLETED_FILE: &str = "completed.json";

/// A part as a completion names it.
#[derive(Clone, Debug)]
pub struct NamedPart {
    /// Its number.
    pub number: u32,
    /// Entity tag without quotes.
    pub etag: String,
    /// Checksums in Base64.
    pub checksums: Vec<(Algorithm, String)>,
}

/// Object that a client asks for.
#[derive(Clone, Debug)]
pub struct CompletionRequest {
    /// The parts, by number; if a number occurs twice, the last one is used.
    pub parts: Vec<NamedPart>,
    /// Checksums of the object in Base64.
    pub checksums: Vec<(Algorithm, String)>,
    /// True if its checksum is computed over the parts' checksums; `None` if the request leaves that open.
    pub composite: Option<bool>,
    /// Its size in bytes, if the request gives it.
    pub size_bytes: Option<u64>,
    /// Condition on the object that is at the key before.
    pub onto: PlaceCondition,
}

/// Outcome of an upload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Completed {
    /// Numbers and entity tags of its parts.
    parts: Vec<(u32, String)>,
    /// Entity tag of the object, without quotes.
    pub etag: String,
    /// Checksum of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checksum: Option<Checksum>,
}

impl LocalBuckets {
    /// Joins the parts that are named, and makes them visible as one object, where `onto` allows it.
    pub async fn complete_upload(
        &self,
        id: &str,
        object: &ObjectLocation,
        mut completion: CompletionRequest,
    ) -> Result<Completed, ObjectError> {
        let folder = self.upload_folder(id)?;
        // The last one of a number: the one before was sent again.
        let named: BTreeMap<u32, NamedPart> = completion.parts.drain(..).map(|part| (part.number, part)).collect();
        let parts: Vec<(u32, String)> = named.values().map(|part| (part.number, part.etag.clone())).collect();
        let found = {
            let folder = folder.clone();
            self.blocking(move |_| Ok((parts::load(&folder), done(&folder)))).await?
        };
        let gone = || ObjectError::NoUpload { id: id.to_owned() };
        let upload = match found {
            (Some(upload), Some(done)) if upload.object == *object && done.parts == parts => return Ok(done),
            (Some(upload), None) if upload.object == *object => upload,
            _ => return Err(gone()),
        };
        let stage = self.folders.stage(&object.bucket)?;
        let (asked, onto, joined) = (upload.clone(), completion.onto.clone(), folder.clone());
        let Joined { staged, etag, checksum, kept_parts } =
            self.blocking(move |_| join(&asked, &joined, &named, &completion, stage)).await?;
        let placement = Placement {
            event: "CompleteMultipartUpload",
            etag: Some(etag),
            content_type: upload.content_type,
            metadata: upload.metadata,
            kept: EndpointAttributes { headers: upload.headers, checksum: checksum.clone(), parts: kept_parts },
            onto,
        };
        let head = self.place(staged, object, placement).await?;
        let completed = Completed { parts, etag: head.etag, checksum };
        let (done, object) = (completed.clone(), object.clone());
        self.blocking(move |_| finish(&folder, &done).map_err(|e| ObjectError::io("finish the upload of", object, e)))
            .await?;
        Ok(completed)
    }
}

/// Returns whether the upload in `folder` has become an object.
pub fn is_done(folder: &Path) -> bool {
    folder.join(COMPLETED_FILE).exists()
}

fn done(folder: &Path) -> Option<Completed> {
    serde_json::from_reader(File::open(folder.join(COMPLETED_FILE)).ok()?).ok()
}

/// Records the outcome of an upload, and removes its parts.
fn finish(folder: &Path, completed: &Completed) -> io::Result<()> {
    let written = folder.join("completed.tmp");
    std::fs::write(&written, serde_json::to_vec(completed)?)?;
    std::fs::rename(&written, folder.join(COMPLETED_FILE))?;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.as_bytes().first().is_some_and(u8::is_ascii_digit)) {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

struct Joined {
    staged: Staged,
    etag: String,
    checksum: Option<Checksum>,
    kept_parts: Vec<KeptPart>,
}

/// Checks the named parts against those in `folder`, and writes them one after the other to `stage`.
fn join(
    upload: &Upload,
    folder: &Path,
    named: &BTreeMap<u32, NamedPart>,
    completion: &CompletionRequest,
    stage: Stage,
) -> Result<Joined, ObjectError> {
    let object = &upload.object;
    let there = parts::list(folder).map_err(|e| ObjectError::io("list the parts of", object, e))?;
    let there: BTreeMap<u32, Part> = there.into_iter().map(|part| (part.number, part)).collect();
    let last = named.keys().next_back().copied();
    let mut chosen = Vec::with_capacity(named.len());
    let mut digest = Md5::new();
    for (number, part) in named {
        let found = there.get(number).filter(|found| found.md5 == part.etag);
        let found = found.ok_or(ObjectError::InvalidPart { number: *number })?;
        if Some(*number) != last && found.size_bytes < MIN_PART_BYTES {
            return Err(ObjectError::PartTooSmall { number: *number, size_bytes: found.size_bytes });
        }
        check_part(upload, part, found)?;
        digest.update(unhex(&found.md5));
        chosen.push(found);
    }
    let size_bytes: u64 = chosen.iter().map(|part| part.size_bytes).sum();
    if let Some(wanted) = completion.size_bytes.filter(|wanted| *wanted != size_bytes) {
        return Err(ObjectError::WrongSize { object: object.clone(), wanted, size_bytes });
    }
    let summed = summed(upload, completion)?;
    let whole = summed.filter(|(_, composite)| !composite).map(|(algorithm, _)| algorithm);
    let paths: Vec<_> = chosen.iter().map(|part| part.path.clone()).collect();
    let (staged, checksum) =
        Staged::concatenate(&paths, stage, whole).map_err(|e| ObjectError::io("write", object, e))?;
    let checksum = match summed {
        Some((algorithm, true)) => {
            let values =
                chosen.iter().filter_map(|part| part.checksum.as_ref()).filter(|sum| sum.algorithm == algorithm);
            Checksum::of_parts(algorithm, values.map(|sum| sum.value.as_str()))
        }
        _ => checksum,
    };
    for (algorithm, value) in &completion.checksums {
        let same =
            checksum.as_ref().is_some_and(|sum| sum.algorithm == *algorithm && plain(&sum.value) == plain(value));
        if !same {
            return Err(ObjectError::WrongChecksum { object: object.clone(), algorithm: algorithm.name() });
        }
    }
    let kept_parts = chosen
        .iter()
        .map(|part| KeptPart { number: part.number, size_bytes: part.size_bytes, checksum: part.checksum.clone() })
        .collect();
    let etag = format!("{}-{}", hex(&digest.finalize()), chosen.len());
    Ok(Joined { staged, etag, checksum, kept_parts })
}

/// Returns the checksum of the object: the one that its upload began with, else the one of its completion.
fn summed(upload: &Upload, completion: &CompletionRequest) -> Result<Option<(Algorithm, bool)>, ObjectError> {
    let Some(summed) = upload.summed else {
        return Ok(completion.checksums.first().map(|(algorithm, _)| (*algorithm, false)));
    };
    if completion.composite.is_some_and(|composite| composite != summed.composite) {
        return Err(ObjectError::NoChecksum { object: upload.object.clone(), algorithm: summed.algorithm.name() });
    }
    Ok(Some((summed.algorithm, summed.composite)))
}

/// Holds the checksums that a part is named with against its own.
fn check_part(upload: &Upload, named: &NamedPart, part: &Part) -> Result<(), ObjectError> {
    if let Some(summed) = upload.summed.filter(|summed| summed.composite)
        && !named.checksums.iter().any(|(algorithm, _)| *algorithm == summed.algorithm)
    {
        return Err(ObjectError::NoChecksum { object: upload.object.clone(), algorithm: summed.algorithm.name() });
    }
    for (algorithm, value) in &named.checksums {
        let same = if let Some(sum) = part.checksum.as_ref().filter(|sum| sum.algorithm == *algorithm) {
            sum.value == *value
        } else {
            let computed = staged::checksum(&part.path, *algorithm);
            computed.map_err(|e| ObjectError::io("read a part of", &upload.object, e))?.value == *value
        };
        if !same {
            return Err(ObjectError::InvalidPart { number: named.number });
        }
    }
    Ok(())
}
