//! Making what a worker made visible.
//!
//! **Invariant**: only files that the work was to make, regular and inside the attempt's scratch folder, are published,
//! in the order the worker gave (manifests last), after the store confirmed that the attempt still holds its lease.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::Host;
use super::hold::LeaseGuard;
use super::replacing::PendingOutputs;
use crate::model::work::{FileRole, ProducedFile};
use crate::model::{Failure, ObjectLocation, OutputObject};
use crate::store::Claim;
use crate::worker::WorkerError;
use crate::workflow::Resolved;

/// Publishes `files` to the keys in `resolved`, as long as the lease `hold` is valid.
pub(super) async fn publish(
    host: &Host,
    claim: &Claim,
    scratch: &Path,
    resolved: &Resolved,
    mut files: Vec<ProducedFile>,
    hold: &LeaseGuard,
) -> Result<Vec<OutputObject>, Failure> {
    // Stable, so that the worker's order holds within a role; roles are ordered by visibility.
    files.sort_by_key(|file| file.role);
    let planned: Vec<(ObjectLocation, PathBuf)> = files
        .iter()
        .map(|file| {
            let key = format!("{}{}", resolved.prefix, file.file);
            if !resolved.work.makes(&file.file) {
                return Err(refused(&file.file));
            }
            Ok((ObjectLocation { bucket: resolved.bucket.clone(), key }, inside(scratch, &file.file)?))
        })
        .collect::<Result<_, Failure>>()?;
    let locations: Vec<ObjectLocation> = planned.iter().map(|(location, _)| location.clone()).collect();
    // Roles are in order, and segments come first.
    let segments = files.iter().take_while(|file| file.role == FileRole::Segment).count();
    let announcement = PendingOutputs { host, claim, hold, all: &locations, named: &locations[segments..] };
    announcement.make(resolved.if_exists).await?;
    let mut outputs = Vec::with_capacity(files.len());
    for (file, (location, path)) in files.into_iter().zip(planned) {
        if !hold.holds() {
            return Err(Failure::from(&WorkerError::Stopped));
        }
        let published = host.objects.publish(&location, &path, &file.content_type).await.map_err(Failure::from)?;
        outputs.push(OutputObject {
            location,
            size_bytes: published.size_bytes,
            content_type: file.content_type,
            role: file.role,
            media: file.media,
        });
    }
    Ok(outputs)
}

/// The path of a produced file, which must be a regular file in scratch: a worker is not trusted. Whether scratch
/// itself vanished is for the caller to see.
fn inside(scratch: &Path, file: &str) -> Result<PathBuf, Failure> {
    let path = scratch.join(file);
    let real = path.canonicalize().map_err(|_| refused(file))?;
    let alone = path.symlink_metadata().is_ok_and(|metadata| metadata.is_file() && metadata.nlink() == 1);
    if real.starts_with(scratch) && alone { Ok(real) } else { Err(refused(file)) }
}

fn refused(file: &str) -> Failure {
    Failure::bug("WORKER0012", format!("the worker reported a file that it was not asked for or did not make: {file}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_in_scratch_are_published() {
        let folder = tempfile::tempdir().unwrap();
        let scratch = folder.path().canonicalize().unwrap().join("scratch");
        std::fs::create_dir_all(scratch.join("hls")).unwrap();
        std::fs::write(scratch.join("hls/a.m3u8"), "x").unwrap();
        std::fs::write(folder.path().join("secret"), "x").unwrap();
        std::os::unix::fs::symlink(folder.path().join("secret"), scratch.join("link")).unwrap();
        assert!(inside(&scratch, "hls/a.m3u8").is_ok());
        for bad in ["missing", "../secret", "link", "hls", "hls/a.m3u8/b", "/etc/passwd"] {
            assert_eq!(inside(&scratch, bad).unwrap_err().code, "WORKER0012", "{bad}");
        }
    }
}
