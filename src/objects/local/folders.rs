//! The blocking side of local buckets: what becomes of folders and files.

use std::fs::{File, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use rustix::fs::FileType;

use super::attributes::{self, Attributes};
use super::folder::{Folder, is_absent};
use super::staged::{Stage, Staged, Users};
use super::{DeleteCondition, EndpointAttributes, Layout, PlaceCondition, Placement, keys, parts};
use crate::model::{Clock, ObjectLocation, Timestamp};
use crate::objects::{Head, ObjectError};

/// Interval of removing uploads that are too old, in microseconds: an hour.
const TIDY_EVERY_US: i64 = 60 * 60 * 1_000_000;

/// The folders of all buckets, with caches about their files.
pub struct Folders {
    layout: Layout,
    clock: Arc<dyn Clock>,
    /// Time of the last removal of uploads that are too old, in microseconds.
    tidied: AtomicI64,
    /// Last number given out, for sequencers and names of staged files.
    ticks: AtomicI64,
    /// Held for writing while an object and its attributes change, so that readers see both or neither.
    names: RwLock<()>,
    /// Files that are staged in mounts.
    staged_in_mounts: Users,
}

impl Folders {
    /// Opens or creates the folders of `layout`, and removes incomplete files of an earlier run.
    pub fn open(layout: Layout, clock: Arc<dyn Clock>) -> Result<Self, ObjectError> {
        let tidied = AtomicI64::new(clock.now().as_micros());
        let folders = Self {
            layout,
            clock,
            tidied,
            ticks: AtomicI64::new(0),
            names: RwLock::new(()),
            staged_in_mounts: Arc::default(),
        };
        let mounts = folders.layout.mounts.values();
        for stage in mounts.clone().map(|mount| mount_stage(mount)).chain([folders.internal("tmp")]) {
            remove_all(&stage).map_err(|e| ObjectError::io("clear", stage.display(), e))?;
        }
        for folder in mounts.cloned().chain(["tmp", "meta", "multipart"].map(|name| folders.internal(name))) {
            std::fs::create_dir_all(&folder).map_err(|e| ObjectError::io("make", folder.display(), e))?;
        }
        let multipart = folders.internal("multipart");
        parts::remove_old(&multipart, folders.clock.now())
            .map_err(|e| ObjectError::io("clear", multipart.display(), e))?;
        Ok(folders)
    }

    /// Removes expired unfinished uploads, at most once per interval. A failure is logged and does not fail an upload.
    pub fn tidy_uploads(&self) {
        let now = self.clock.now();
        let before = self.tidied.load(Ordering::SeqCst);
        let is_due = now.as_micros().saturating_sub(before) > TIDY_EVERY_US;
        if is_due && self.tidied.compare_exchange(before, now.as_micros(), Ordering::SeqCst, Ordering::SeqCst).is_ok() {
            let folder = self.internal("multipart");
            if let Err(error) = parts::remove_old(&folder, now) {
                tracing::warn!(%error, folder = %folder.display(), "cannot remove unfinished uploads that have expired");
            }
        }
    }

    /// A folder of internal files.
    pub fn internal(&self, name: &str) -> PathBuf {
        self.layout.root.join(keys::INTERNAL).join(name)
    }

    /// A number larger than every one before, also over restarts where the clock does not go back.
    pub fn tick(&self) -> i64 {
        let now = self.clock.now().as_micros();
        let next = |last: i64| now.max(last + 1);
        let last = self.ticks.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |last| Some(next(last)));
        next(last.unwrap_or_else(|unchanged| unchanged))
    }

    /// A new file name on the file system of `bucket`.
    pub fn stage(&self, bucket: &str) -> Result<Stage, ObjectError> {
        let name = format!("{:016x}", self.tick());
        let made = |folder: &Path, e| ObjectError::io("make", folder.display(), e);
        if let Some(mount) = self.layout.mounts.get(bucket) {
            let folder = mount_stage(mount);
            return Stage::passing(&folder, &name, &self.staged_in_mounts).map_err(|e| made(&folder, e));
        }
        let folder = self.internal("tmp");
        std::fs::create_dir_all(&folder).map_err(|e| made(&folder, e))?;
        Ok(Stage::lasting(folder.join(name)))
    }

    /// Makes a staged file visible; answers with its sequencer.
    pub fn place(
        &self,
        staged: &Staged,
        object: &ObjectLocation,
        placement: Placement,
    ) -> Result<(Head, String), ObjectError> {
        let failed = |e| ObjectError::io("write", object, e);
        let path = self.writable(object)?;
        let (name, parents) = path.split_last().ok_or_else(|| failed(io::ErrorKind::InvalidFilename.into()))?;
        let bucket = self.bucket_of(object)?;
        let etag = placement.etag.clone().unwrap_or_else(|| staged.md5().to_owned());
        let file = File::open(staged.path()).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;

        let names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        let before = self.open_object_unlocked(object).ok();
        match (&placement.onto, before) {
            (PlaceCondition::Same, Some((file, Some(old))))
                if old.etag == etag && file.len() == metadata.len() && old.is_of(&placement) =>
            {
                let sequencer = old.sequencer.clone();
                return Ok((attributes::head(&file, Some(old)), sequencer));
            }
            (onto, before) => check_onto(onto, before, object)?,
        }
        let sequencer = format!("{:016X}", self.tick());
        let attributes = Attributes::new(object, &metadata, etag, placement, sequencer.clone());
        let above = self.make_way(bucket, parents, &object.bucket).map_err(|e| conflict_or(object, e))?;
        let (folder, name) =
            if above.has_folder(name) { (above.enter(name).map_err(failed)?, keys::OBJECT) } else { (above, *name) };
        let notes = self.internal("tmp").join(&sequencer);
        let written = attributes.write(&notes).map_err(failed)?;
        folder.place(staged.path(), name).map_err(failed)?;
        let kept = self.keep_attributes(&notes, object).map_err(failed)?;
        drop(names);

        for result in [folder.sync(), written.sync_all(), kept.sync()] {
            result.map_err(failed)?;
        }
        Ok((attributes::head(&metadata, Some(attributes)), sequencer))
    }

    /// Opens the folders of `path`, and creates missing ones. An object with the name of such a folder becomes a file
    /// in it.
    fn make_way(&self, bucket: Folder, path: &[&str], name: &str) -> io::Result<Folder> {
        path.iter().try_fold(bucket, |folder, component| {
            if folder.has_file(component) {
                let stage = self.stage(name).map_err(io::Error::other)?;
                folder.turn_into_folder(component, keys::OBJECT, stage.path())?;
            }
            folder.enter_or_create(component)
        })
    }

    /// The path components of a key that may be written.
    pub fn writable<'a>(&self, object: &'a ObjectLocation) -> Result<Vec<&'a str>, ObjectError> {
        if self.layout.files.contains_key(object) {
            return Err(ObjectError::ReadOnly { object: object.clone() });
        }
        keys::components(object)
    }

    fn bucket_path(&self, bucket: &str) -> Result<PathBuf, ObjectError> {
        if let Some(mount) = self.layout.mounts.get(bucket) {
            return Ok(mount.clone());
        }
        keys::check_bucket(bucket)?;
        Ok(self.layout.root.join(bucket))
    }

    /// A bucket's folder.
    pub fn bucket(&self, bucket: &str) -> Result<Folder, ObjectError> {
        match Folder::open(&self.bucket_path(bucket)?) {
            Err(e) if is_absent(&e) && !self.internal("meta").is_dir() => Err(ObjectError::Unreachable {
                source: format!("{} does not exist: is its disk mounted?", self.layout.root.display()).into(),
            }),
            Err(e) if is_absent(&e) => Err(ObjectError::NoBucket { bucket: bucket.to_owned(), object: None }),
            result => result.map_err(|e| ObjectError::io("open", bucket, e)),
        }
    }

    /// The folder of the bucket of an object, which the error names.
    pub fn bucket_of(&self, object: &ObjectLocation) -> Result<Folder, ObjectError> {
        self.bucket(&object.bucket).map_err(|error| match error {
            ObjectError::NoBucket { bucket, .. } => ObjectError::NoBucket { bucket, object: Some(object.clone()) },
            other => other,
        })
    }

    /// Names of all buckets, in order, and when their folders were last changed.
    pub fn buckets(&self) -> Result<Vec<(String, Timestamp)>, ObjectError> {
        let failed = |e| ObjectError::io("list", self.layout.root.display(), e);
        let root = Folder::open(&self.layout.root).map_err(failed)?;
        let mut names: Vec<String> = root
            .entries()
            .map_err(failed)?
            .into_iter()
            .filter(|(name, kind)| *kind == FileType::Directory && keys::check_bucket(name).is_ok())
            .map(|(name, _)| name)
            .chain(self.layout.mounts.keys().cloned())
            .collect();
        names.sort();
        names.dedup();
        names
            .into_iter()
            .map(|name| {
                let metadata = std::fs::metadata(self.bucket_path(&name)?).map_err(failed)?;
                Ok((name, attributes::head(&metadata, None).last_modified))
            })
            .collect()
    }

    /// Makes a bucket; `false` where it exists.
    pub fn create_bucket(&self, bucket: &str, region: Option<&str>) -> Result<bool, ObjectError> {
        let path = self.bucket_path(bucket)?;
        if !path.exists() {
            keys::check_new_bucket(bucket)?;
        }
        match std::fs::create_dir(&path) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
            Err(e) => return Err(ObjectError::io("make", bucket, e)),
        }
        Folder::open(&self.layout.root).and_then(|root| root.sync()).map_err(|e| ObjectError::io("make", bucket, e))?;
        if let Some(region) = region {
            let path = self.region_path(bucket);
            let written =
                std::fs::create_dir_all(path.parent().unwrap_or(&path)).and_then(|()| std::fs::write(&path, region));
            written.map_err(|e| ObjectError::io("make", bucket, e))?;
        }
        Ok(true)
    }

    /// The region that a bucket was created with, if one was requested.
    pub fn region(&self, bucket: &str) -> Result<Option<String>, ObjectError> {
        self.bucket(bucket)?;
        Ok(std::fs::read_to_string(self.region_path(bucket)).ok())
    }

    fn region_path(&self, bucket: &str) -> PathBuf {
        self.internal("meta").join(bucket).join("region")
    }

    /// Removes an empty bucket; `false` where it is not empty.
    pub fn remove_bucket(&self, bucket: &str) -> Result<bool, ObjectError> {
        self.bucket(bucket)?;
        let _names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        match std::fs::remove_dir(self.bucket_path(bucket)?) {
            Ok(()) => {
                let _ = std::fs::remove_file(self.region_path(bucket));
                Ok(true)
            }
            Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(false),
            Err(e) => Err(ObjectError::io("remove", bucket, e)),
        }
    }

    /// Opens the object at a key: its head, its attributes, and its bytes.
    pub fn open_object(&self, object: &ObjectLocation) -> Result<(Head, EndpointAttributes, File), ObjectError> {
        let (file, metadata, attributes) = {
            let _names = self.names.read().unwrap_or_else(PoisonError::into_inner);
            let file = self.open_file(object)?;
            let metadata = file.metadata().map_err(|e| ObjectError::io("read", object, e))?;
            let attributes = Attributes::load(&self.internal("meta"), object, &metadata);
            (file, metadata, attributes)
        };
        let kept = attributes.as_ref().map(|attributes| attributes.kept.clone()).unwrap_or_default();
        Ok((attributes::head(&metadata, attributes), kept, file))
    }

    /// Returns the object at a key, for callers that hold `names`.
    fn open_object_unlocked(&self, object: &ObjectLocation) -> Result<(Metadata, Option<Attributes>), ObjectError> {
        let metadata = self.open_file(object)?.metadata().map_err(|e| ObjectError::io("read", object, e))?;
        let attributes = Attributes::load(&self.internal("meta"), object, &metadata);
        Ok((metadata, attributes))
    }

    fn open_file(&self, object: &ObjectLocation) -> Result<File, ObjectError> {
        let opened = if let Some(path) = self.layout.files.get(object) {
            File::open(path)
        } else {
            let path = keys::components(object)?;
            let bucket = self.bucket_of(object)?;
            match path.split_last() {
                Some((name, parents)) => bucket.descend(parents).and_then(|folder| match folder.file(name) {
                    Err(e) if is_absent(&e) && folder.has_folder(name) => folder.enter(name)?.file(keys::OBJECT),
                    opened => opened,
                }),
                None => Err(io::ErrorKind::NotFound.into()),
            }
        };
        opened.map_err(|e| match e {
            e if is_absent(&e) => ObjectError::NoObject { object: object.clone() },
            e => ObjectError::io("read", object, e),
        })
    }

    /// Moves written attributes to their final place; returns the folder there, which the caller must sync.
    fn keep_attributes(&self, notes: &Path, object: &ObjectLocation) -> io::Result<Folder> {
        let path = Attributes::path(&self.internal("meta"), object);
        let folder = path.parent().unwrap_or(&path);
        std::fs::create_dir_all(folder)?;
        std::fs::rename(notes, &path)?;
        Folder::open(folder)
    }

    /// Deletes an object if it meets the condition `only`, and the folders that only existed for its key.
    pub fn delete(&self, object: &ObjectLocation, only: &DeleteCondition) -> Result<(), ObjectError> {
        let path = self.writable(object)?;
        let bucket = self.bucket_of(object)?;
        let Some((name, parents)) = path.split_last() else { return Ok(()) };
        let _names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        if !only.is_any() {
            let (metadata, attributes) = self.open_object_unlocked(object)?;
            if !only.allows(&attributes::head(&metadata, attributes)) {
                return Err(ObjectError::Precondition { object: object.clone() });
            }
        }
        let mut emptied = parents;
        let removed = bucket.descend(parents).and_then(|folder| {
            if folder.has_folder(name) {
                emptied = &path;
                let folder = folder.enter(name)?;
                folder.remove_file(keys::OBJECT)?;
                return folder.sync();
            }
            folder.remove_file(name)?;
            folder.sync()
        });
        match removed {
            Err(e) if is_absent(&e) => return Ok(()),
            result => result.map_err(|e| ObjectError::io("delete", object, e))?,
        }
        let _ = std::fs::remove_file(Attributes::path(&self.internal("meta"), object));
        self.remove_empty_folders(&object.bucket, emptied)
    }

    /// Folders exist only for the sake of the keys below them.
    fn remove_empty_folders(&self, bucket: &str, mut parents: &[&str]) -> Result<(), ObjectError> {
        while let Some((name, above)) = parents.split_last() {
            let folder = self.bucket(bucket)?.descend(above).map_err(|e| ObjectError::io("open", bucket, e))?;
            if folder.remove_folder(name).is_err() {
                break;
            }
            parents = above;
        }
        Ok(())
    }
}

/// Refuses where something else is at a key than an upload expects.
fn check_onto(
    onto: &PlaceCondition,
    before: Option<(Metadata, Option<Attributes>)>,
    object: &ObjectLocation,
) -> Result<(), ObjectError> {
    let etag = before.map(|(file, attributes)| attributes::head(&file, attributes).etag);
    match (onto, etag) {
        (PlaceCondition::Object(_), None) => Err(ObjectError::NoObject { object: object.clone() }),
        (PlaceCondition::Nothing, Some(_)) => Err(ObjectError::Precondition { object: object.clone() }),
        (PlaceCondition::Object(tag), Some(etag)) if !tag.is(&etag) => {
            Err(ObjectError::Precondition { object: object.clone() })
        }
        (PlaceCondition::Other(tag), Some(etag)) if *tag == etag => {
            Err(ObjectError::Precondition { object: object.clone() })
        }
        _ => Ok(()),
    }
}

fn mount_stage(mount: &Path) -> PathBuf {
    mount.join(keys::INTERNAL)
}

fn remove_all(folder: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// A component that is a file or a link where a folder is needed.
fn conflict_or(object: &ObjectLocation, error: io::Error) -> ObjectError {
    match error {
        e if is_absent(&e) => ObjectError::Conflict { object: object.clone() },
        e => ObjectError::io("write", object, e),
    }
}
