//! Uploads in parts: kept until they are completed, aborted, or too old.
//!
//! An upload is a folder with `upload.json` and one file per part, named after its number and MD5; a part's checksum
//! stands beside it (`.sum`). **Invariant**: a part appears whole; completing an upload twice gives one object, and the
//! same answer ([`super::completion`]).

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::completion;
use super::staged::{Stage, Staged};
use super::{LocalBuckets, Writer};
use crate::model::{ObjectLocation, Timestamp};
use crate::objects::ObjectError;
use crate::objects::checksum::{Algorithm, Checksum};

/// Time for which an unfinished upload is kept.
const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

const UPLOAD_FILE: &str = "upload.json";

/// Suffix of the file with a part's checksum.
const SUM: &str = ".sum";

/// Checksum that a multipart upload is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UploadChecksum {
    /// Its kind; every part gets one of it.
    pub algorithm: Algorithm,
    /// True if the object's checksum is computed over the parts' checksums, and not over the bytes.
    pub composite: bool,
}

/// Description of an upload at its beginning.
#[derive(Clone, Debug, Default)]
pub struct UploadStart {
    /// Media type.
    pub content_type: String,
    /// User metadata, names in lower case.
    pub metadata: BTreeMap<String, String>,
    /// Headers to give back, as in [`super::EndpointAttributes`].
    pub headers: BTreeMap<String, String>,
    /// Its checksum, if one was requested.
    pub summed: Option<UploadChecksum>,
}

/// An unfinished upload.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Upload {
    /// Its identifier.
    pub id: String,
    /// Object that it becomes.
    pub object: ObjectLocation,
    /// Media type.
    pub content_type: String,
    /// User metadata, names in lower case.
    pub metadata: BTreeMap<String, String>,
    /// Time when it was begun.
    pub begun_at: Timestamp,
    /// Headers to give back.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Its checksum, if one was requested.
    #[serde(default)]
    pub summed: Option<UploadChecksum>,
}

/// A part of an unfinished upload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its number, from 1.
    pub number: u32,
    /// MD5 of its bytes in hex, its entity tag.
    pub md5: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// Its checksum, if it was sent with one, or if the upload requested one.
    pub checksum: Option<Checksum>,
    /// Time when it was written.
    pub modified_at: Timestamp,
    pub(super) path: PathBuf,
}

impl LocalBuckets {
    /// Begins an upload.
    pub async fn begin_upload(&self, object: &ObjectLocation, beginning: UploadStart) -> Result<Upload, ObjectError> {
        self.check_writable(object).await?;
        let UploadStart { content_type, metadata, headers, summed } = beginning;
        let upload = Upload {
            id: format!("{:016x}", self.tick()),
            object: object.clone(),
            content_type,
            metadata,
            begun_at: self.clock.now(),
            headers,
            summed,
        };
        let folder = self.upload_folder(&upload.id)?;
        let written = upload.clone();
        self.blocking(move |folders| {
            let failed = |e| ObjectError::io("begin the upload of", &written.object, e);
            folders.tidy_uploads();
            std::fs::create_dir(&folder).map_err(failed)?;
            let text = serde_json::to_vec(&written).map_err(|e| failed(e.into()))?;
            std::fs::write(folder.join(UPLOAD_FILE), text).map_err(failed)
        })
        .await?;
        Ok(upload)
    }

    /// The upload of that identifier, if it is one of `object`.
    pub async fn upload(&self, id: &str, object: &ObjectLocation) -> Result<Upload, ObjectError> {
        let folder = self.upload_folder(id)?;
        let upload = self.blocking(move |_| Ok(load(&folder).filter(|_| !completion::is_done(&folder)))).await?;
        upload.filter(|upload| upload.object == *object).ok_or_else(|| ObjectError::NoUpload { id: id.to_owned() })
    }

    /// Starts writing a part.
    pub async fn part_writer(&self, upload: &Upload) -> Result<Writer, ObjectError> {
        let stage = Stage::lasting(self.upload_folder(&upload.id)?.join(format!("{:016x}.tmp", self.tick())));
        Writer::create(stage).await.map_err(|e| ObjectError::io("write a part of", &upload.object, e))
    }

    /// Stages a range of an open file as a part.
    pub async fn copy_part(&self, upload: &Upload, from: File, range: Range<u64>) -> Result<Staged, ObjectError> {
        let stage = Stage::lasting(self.upload_folder(&upload.id)?.join(format!("{:016x}.tmp", self.tick())));
        let object = upload.object.clone();
        let copied = move || Staged::copy_range(from, range, stage);
        self.blocking(move |_| copied().map_err(|e| ObjectError::io("copy a part of", object, e))).await
    }

    /// Keeps a written part, in place of an earlier one of its number.
    pub async fn keep_part(
        &self,
        upload: &Upload,
        number: u32,
        staged: Staged,
        checksum: Option<Checksum>,
    ) -> Result<(), ObjectError> {
        let folder = self.upload_folder(&upload.id)?;
        let failed = {
            let object = upload.object.clone();
            move |e| ObjectError::io("write a part of", &object, e)
        };
        self.blocking(move |_| {
            let path = folder.join(format!("{number:05}-{}", staged.md5()));
            if let Some(checksum) = checksum {
                let text = serde_json::to_vec(&checksum).map_err(|e| failed(e.into()))?;
                // Under its name only when whole, as the part: a crash must not leave half of it.
                let written = staged.path().with_extension("sum.tmp");
                std::fs::write(&written, text)
                    .and_then(|()| std::fs::rename(&written, sum_of(&path)))
                    .map_err(&failed)?;
            }
            std::fs::rename(staged.path(), &path).map_err(&failed)?;
            for earlier in list(&folder).map_err(&failed)? {
                if earlier.number == number && earlier.path != path {
                    std::fs::remove_file(&earlier.path).map_err(&failed)?;
                    let _ = std::fs::remove_file(sum_of(&earlier.path));
                }
            }
            Ok(())
        })
        .await
    }

    /// Parts of an upload, by number.
    pub async fn parts(&self, upload: &Upload) -> Result<Vec<Part>, ObjectError> {
        let folder = self.upload_folder(&upload.id)?;
        let object = upload.object.clone();
        self.blocking(move |_| list(&folder).map_err(|e| ObjectError::io("list the parts of", object, e))).await
    }

    /// Forgets an upload and its parts.
    pub async fn abort_upload(&self, upload: &Upload) -> Result<(), ObjectError> {
        let folder = self.upload_folder(&upload.id)?;
        let object = upload.object.clone();
        self.blocking(move |_| match std::fs::remove_dir_all(&folder) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(ObjectError::io("abort the upload of", object, e)),
            _ => Ok(()),
        })
        .await
    }

    /// Unfinished uploads to a bucket, in the order in which they were begun.
    pub async fn uploads(&self, bucket: &str) -> Result<Vec<Upload>, ObjectError> {
        self.check_bucket(bucket).await?;
        let (folder, bucket) = (self.multipart_folder(), bucket.to_owned());
        self.blocking(move |_| {
            let all = all(&folder).map_err(|e| ObjectError::io("list the uploads to", &bucket, e))?;
            let unfinished = all.into_iter().filter(|(_, folder)| !completion::is_done(folder));
            Ok(unfinished.map(|(upload, _)| upload).filter(|upload| upload.object.bucket == bucket).collect())
        })
        .await
    }

    pub(super) fn multipart_folder(&self) -> PathBuf {
        self.folders.internal("multipart")
    }

    pub(super) fn upload_folder(&self, id: &str) -> Result<PathBuf, ObjectError> {
        if id.is_empty() || !id.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(ObjectError::NoUpload { id: id.to_owned() });
        }
        Ok(self.multipart_folder().join(id))
    }
}

/// Removes uploads that were begun too long ago.
pub fn remove_old(folder: &Path, now: Timestamp) -> io::Result<()> {
    for (upload, path) in all(folder)? {
        if now.since(upload.begun_at) > KEPT {
            std::fs::remove_dir_all(path)?;
        }
    }
    Ok(())
}

fn all(folder: &Path) -> io::Result<Vec<(Upload, PathBuf)>> {
    let mut uploads = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        uploads.extend(load(&path).map(|upload| (upload, path)));
    }
    uploads.sort_by(|(a, _), (b, _)| a.id.cmp(&b.id));
    Ok(uploads)
}

pub(super) fn load(folder: &Path) -> Option<Upload> {
    serde_json::from_reader(File::open(folder.join(UPLOAD_FILE)).ok()?).ok()
}

pub(super) fn list(folder: &Path) -> io::Result<Vec<Part>> {
    let mut parts = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some((number, md5)) = name.to_str().and_then(|name| name.split_once('-')) else { continue };
        if !md5.bytes().all(|b| b.is_ascii_hexdigit()) {
            continue;
        }
        let Ok(number) = number.parse() else { continue };
        let (file, path) = (entry.metadata()?, entry.path());
        let checksum = std::fs::read(sum_of(&path)).ok().and_then(|text| serde_json::from_slice(&text).ok());
        parts.push(Part {
            number,
            md5: md5.to_owned(),
            size_bytes: file.len(),
            checksum,
            modified_at: Timestamp(file.mtime().saturating_mul(1_000_000).saturating_add(file.mtime_nsec() / 1_000)),
            path,
        });
    }
    parts.sort_by_key(|part| part.number);
    Ok(parts)
}

/// Returns the path of the checksum of the part at `path`.
fn sum_of(path: &Path) -> PathBuf {
    let mut path = path.as_os_str().to_owned();
    path.push(SUM);
    path.into()
}
