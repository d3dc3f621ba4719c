//! Uploads in parts: kept until they are completed, aborted, or too old.
//!
//! An upload is a folder with `upload.json` and one file per part, named after its number and MD5. **Invariant**: a part
//! appears whole; completing an upload twice gives one object.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use super::attributes::hex;
use super::staged::Staged;
use super::{LocalBuckets, Onto, Placement, Writer};
use crate::model::{ObjectLocation, Timestamp};
use crate::objects::{Head, ObjectError};

/// How long an unfinished upload is kept.
const KEPT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

const UPLOAD_FILE: &str = "upload.json";

/// An unfinished upload.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Upload {
    /// Its identifier.
    pub id: String,
    /// What it will become.
    pub object: ObjectLocation,
    /// Media type.
    pub content_type: String,
    /// User metadata, names in lower case.
    pub metadata: BTreeMap<String, String>,
    /// When it was begun.
    pub begun_at: Timestamp,
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
    path: PathBuf,
}

impl LocalBuckets {
    /// Begins an upload.
    pub async fn begin_upload(
        &self,
        object: &ObjectLocation,
        content_type: String,
        metadata: BTreeMap<String, String>,
    ) -> Result<Upload, ObjectError> {
        self.check_writable(object).await?;
        let id = format!("{:016x}", self.tick());
        let upload = Upload { id, object: object.clone(), content_type, metadata, begun_at: self.clock.now() };
        let folder = self.upload_folder(&upload.id)?;
        let written = upload.clone();
        self.blocking(move |_| {
            let failed = |e| ObjectError::io("begin the upload of", &written.object, e);
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
        let upload = self.blocking(move |_| Ok(load(&folder))).await?;
        upload.filter(|upload| upload.object == *object).ok_or_else(|| ObjectError::NoUpload { id: id.to_owned() })
    }

    /// Starts writing a part.
    pub async fn part_writer(&self, upload: &Upload) -> Result<Writer, ObjectError> {
        let stage = self.upload_folder(&upload.id)?.join(format!("{:016x}.tmp", self.tick()));
        Writer::create(stage).await.map_err(|e| ObjectError::io("write a part of", &upload.object, e))
    }

    /// Stages a range of an open file as a part.
    pub async fn copy_part(&self, upload: &Upload, from: File, range: Range<u64>) -> Result<Staged, ObjectError> {
        let stage = self.upload_folder(&upload.id)?.join(format!("{:016x}.tmp", self.tick()));
        let object = upload.object.clone();
        let copied = move || Staged::copy_range(from, range, stage);
        self.blocking(move |_| copied().map_err(|e| ObjectError::io("copy a part of", object, e))).await
    }

    /// Keeps a written part, in place of an earlier one of its number.
    pub async fn keep_part(&self, upload: &Upload, number: u32, staged: Staged) -> Result<(), ObjectError> {
        let folder = self.upload_folder(&upload.id)?;
        let failed = {
            let object = upload.object.clone();
            move |e| ObjectError::io("write a part of", &object, e)
        };
        self.blocking(move |_| {
            let path = folder.join(format!("{number:05}-{}", staged.md5()));
            std::fs::rename(staged.path(), &path).map_err(&failed)?;
            for earlier in list(&folder).map_err(&failed)? {
                if earlier.number == number && earlier.path != path {
                    std::fs::remove_file(&earlier.path).map_err(&failed)?;
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

    /// Joins the parts that are named, and makes them visible as one object, where `onto` allows it.
    pub async fn complete_upload(
        &self,
        upload: &Upload,
        named: &[(u32, String)],
        onto: Onto,
    ) -> Result<Head, ObjectError> {
        let there: BTreeMap<u32, Part> = self.parts(upload).await?.into_iter().map(|p| (p.number, p)).collect();
        let mut paths = Vec::with_capacity(named.len());
        let mut digest = Md5::new();
        for (number, md5) in named {
            let part = there.get(number).filter(|part| part.md5 == *md5);
            let part = part.ok_or(ObjectError::InvalidPart { number: *number })?;
            digest.update(bytes_of(&part.md5));
            paths.push(part.path.clone());
        }
        let stage = self.folders.stage(&upload.object.bucket)?;
        let object = upload.object.clone();
        let staged = self
            .blocking(move |_| Staged::concatenate(&paths, stage).map_err(|e| ObjectError::io("write", object, e)))
            .await?;
        let placement = Placement {
            event: "CompleteMultipartUpload",
            etag: Some(format!("{}-{}", hex(&digest.finalize()), named.len())),
            content_type: upload.content_type.clone(),
            metadata: upload.metadata.clone(),
            onto,
        };
        let head = self.place(staged, &upload.object, placement).await?;
        self.abort_upload(upload).await?;
        Ok(head)
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
            Ok(all.into_iter().map(|(upload, _)| upload).filter(|upload| upload.object.bucket == bucket).collect())
        })
        .await
    }

    fn multipart_folder(&self) -> PathBuf {
        self.folders.internal("multipart")
    }

    fn upload_folder(&self, id: &str) -> Result<PathBuf, ObjectError> {
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

fn load(folder: &Path) -> Option<Upload> {
    serde_json::from_reader(File::open(folder.join(UPLOAD_FILE)).ok()?).ok()
}

fn list(folder: &Path) -> io::Result<Vec<Part>> {
    let mut parts = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some((number, md5)) = name.to_str().and_then(|name| name.split_once('-')) else { continue };
        let Ok(number) = number.parse() else { continue };
        parts.push(Part { number, md5: md5.to_owned(), size_bytes: entry.metadata()?.len(), path: entry.path() });
    }
    parts.sort_by_key(|part| part.number);
    Ok(parts)
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks_exact(2);
    digits.filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
