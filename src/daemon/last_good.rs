//! Files of the workflow folder that count: those that are there, and those that may be missing only for a moment.
//!
//! A mount that is missing and a sync that failed look like a folder whose files were removed. So a folder that cannot be
//! read, that lost all its files at once or that is another, empty one keeps the last good set until it is back; a single
//! file that is missing is believed to be removed when it is missing in two checks in succession.
//!
//! **Invariant**: judging is pure; the set is kept on disk ([`LastGoodFile`]) as it was when it was last good, so that
//! a start without the folder goes on with it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::source::{SourceFile, template_files, yaml_files};

/// Number of checks in which a missing file still counts as present.
const PATIENCE: u32 = 1;
/// The same after the folder was unavailable: a sync may bring its files back one by one.
const PATIENCE_AFTER_AWAY: u32 = 30;

/// The files of a workflow folder as they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Files {
    /// Custom templates.
    pub(super) templates: Vec<SourceFile>,
    /// Workflow files by path.
    pub(super) workflows: BTreeMap<PathBuf, SourceFile>,
}

impl Files {
    /// Reads `folder`.
    pub(super) fn read(folder: &Path) -> io::Result<Self> {
        let workflows = yaml_files(folder)?.into_iter().map(|path| (path.clone(), SourceFile::read(&path)));
        Ok(Self { templates: template_files(folder)?, workflows: workflows.collect() })
    }

    fn any_readable(&self) -> bool {
        self.workflows.values().any(|file| file.out_of_reach().is_none())
    }
}

/// Identity of a folder, to distinguish it from another one at the same path. Inode numbers are reused, so it includes
/// the time of creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    /// Inode number.
    number: u64,
    /// Time of its creation, where that is known.
    made: Option<SystemTime>,
}

impl Identity {
    /// Of the folder that is now at `folder`; `None` if it cannot be read.
    pub(super) fn of(folder: &Path) -> Option<Self> {
        let found = std::fs::metadata(folder).ok()?;
        Some(Self { device: found.dev(), number: found.ino(), made: found.created().ok() })
    }
}

/// Occasion of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CheckOccasion {
    /// The daemon starts: files removed while it did not run are gone, unless all of them are.
    First,
    /// Time has passed since the last check.
    Regular,
    /// Requested by a user: new and changed files are used at once, and missing files do not count as removed yet.
    Asked,
}

/// State of the folder between two checks.
#[derive(Debug, Default)]
pub(super) struct Watcher {
    /// Number of successive checks in which a file has been missing.
    missing: BTreeMap<PathBuf, u32>,
    /// Set where the last change was the removal of a single file from this folder.
    shrinking: bool,
    /// Set where the folder was unavailable, and some of its files are still missing.
    returning: bool,
    /// The folder of the last check.
    folder: Option<Identity>,
    /// Reason why the folder's content is not used, if it is unavailable.
    pub(super) away: Option<String>,
}

impl Watcher {
    /// Files that count though they are missing.
    pub(super) fn missing(&self) -> BTreeSet<PathBuf> {
        self.missing.keys().cloned().collect()
    }

    /// The files that count, where those of `before` counted until now and `found` is what is in `folder`.
    ///
    /// # Errors
    /// The folder cannot be read, and nothing is known of it.
    pub(super) fn judge(
        &mut self,
        before: &Files,
        found: io::Result<Files>,
        folder: Option<Identity>,
        look: CheckOccasion,
    ) -> io::Result<Files> {
        let known = before.any_readable();
        // Files that are missing in another folder were not removed from this one.
        let is_another = self.folder != folder;
        self.folder = folder;
        let mut found = match found {
            Ok(found) => found,
            Err(error) if known => return Ok(self.keep(before, format!("it cannot be read: {error}"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Files::default(),
            Err(error) => return Err(error),
        };
        let patience = match (look, self.returning) {
            (CheckOccasion::First, _) => 0,
            (_, true) => PATIENCE_AFTER_AWAY,
            (_, false) => PATIENCE,
        };
        let absent = before.workflows.keys().filter(|path| !found.workflows.contains_key(*path));
        let counted: BTreeMap<PathBuf, u32> = absent
            .map(|path| {
                let looks = self.missing.get(path).copied().unwrap_or(0);
                (path.clone(), looks + u32::from(look != CheckOccasion::Asked))
            })
            .collect();
        let gone = counted.values().filter(|looks| **looks > patience).count();
        let grown = found.workflows.keys().any(|path| !before.workflows.contains_key(path));
        let shrinking = !grown && !is_another && (gone == 1 || gone == 0 && self.shrinking);
        let all = look == CheckOccasion::First || is_another;
        let left = if all { before.workflows.len() } else { before.workflows.len() - gone };
        let one_by_one = left == 1 && shrinking && found.workflows.is_empty() && look != CheckOccasion::First;
        if known && left > 0 && !found.any_readable() && !one_by_one {
            return Ok(self.keep(before, lost(&found, before.workflows.len())));
        }
        self.missing = counted.into_iter().filter(|(_, looks)| *looks <= patience).collect();
        self.returning &= !self.missing.is_empty();
        let away = self.returning.then(|| self.not_yet_back(before.workflows.len()));
        (self.shrinking, self.away) = (shrinking, away);
        let pending = self.missing.keys().filter_map(|path| before.workflows.get_key_value(path));
        found.workflows.extend(pending.map(|(path, file)| (path.clone(), file.clone())));
        Ok(found)
    }

    fn keep(&mut self, before: &Files, why: String) -> Files {
        self.missing.clear();
        (self.returning, self.shrinking, self.away) = (true, false, Some(why));
        before.clone()
    }

    /// Reason to treat the folder as unavailable while some of its files are still missing after an outage: workflows
    /// whose files may be gone for good stay active, and somebody must see it.
    fn not_yet_back(&self, of: usize) -> String {
        let names: Vec<_> = self.missing.keys().map(|path| path.display().to_string()).collect();
        format!(
            "{} of {of} workflow files have not come back ({}); what is missing for {PATIENCE_AFTER_AWAY} s counts as \
             removed",
            names.len(),
            names.join(", ")
        )
    }
}

/// Reason to treat the folder as unavailable if none of its files can be read.
fn lost(found: &Files, before: usize) -> String {
    match found.workflows.values().find_map(SourceFile::out_of_reach) {
        Some(error) => format!("none of its files can be read any more: {error}"),
        None if before == 1 => "its only workflow file is gone".to_owned(),
        None => format!("all {before} workflow files are gone at once"),
    }
}

/// The last good set, kept over restarts in a file of the data folder.
#[derive(Debug)]
pub(super) struct LastGoodFile {
    file: PathBuf,
    folder: PathBuf,
    saved: bool,
}

/// Texts of definitions in it.
#[derive(Debug, Serialize, Deserialize)]
struct StoredSet {
    /// The folder that they are of.
    folder: PathBuf,
    /// Templates: name of the file, text.
    templates: Vec<(String, String)>,
    /// Last good version of each workflow file: path, text.
    workflows: Vec<(PathBuf, String)>,
}

impl LastGoodFile {
    /// Of `folder`, in `file`.
    pub(super) fn new(file: PathBuf, folder: &Path) -> Self {
        let folder = std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned());
        Self { file, folder, saved: false }
    }

    /// The saved files of this folder; `None` if there are none, or they cannot be read.
    pub(super) fn load(&mut self) -> Option<Files> {
        let bytes = std::fs::read(&self.file).ok()?;
        let kept: StoredSet = serde_json::from_slice(&bytes).ok()?;
        if kept.folder != self.folder {
            return None;
        }
        self.saved = true;
        let templates = kept.templates.into_iter().map(|(name, text)| SourceFile::of(name, text)).collect();
        let file = |(path, text): (PathBuf, String)| (path.clone(), SourceFile::of(path.display().to_string(), text));
        Some(Files { templates, workflows: kept.workflows.into_iter().map(file).collect() })
    }

    /// Returns whether a user removed the kept set because there should be no workflows.
    pub(super) fn is_forgotten(&self) -> bool {
        self.saved && matches!(self.file.try_exists(), Ok(false))
    }

    /// Keeps texts of templates and workflows; without workflows nothing is kept.
    pub(super) fn save(&mut self, templates: &[SourceFile], workflows: Vec<(PathBuf, String)>) {
        let templates = templates.iter().filter(|file| file.out_of_reach().is_none());
        let kept = StoredSet {
            folder: self.folder.clone(),
            templates: templates.map(|file| (file.name.clone(), file.text().to_owned())).collect(),
            workflows,
        };
        match self.write(&kept) {
            Ok(saved) => self.saved = saved,
            Err(error) => tracing::warn!(
                file = %self.file.display(), %error,
                "cannot save the last valid workflows; a start while their folder is unavailable would have none"
            ),
        }
    }

    fn write(&self, kept: &StoredSet) -> io::Result<bool> {
        if kept.workflows.is_empty() {
            return match std::fs::remove_file(&self.file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(false),
            };
        }
        let part = self.file.with_extension("part");
        let mut file = std::fs::File::create(&part)?;
        file.write_all(&serde_json::to_vec(kept)?)?;
        file.sync_all()?;
        std::fs::rename(&part, &self.file)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Option<Identity> = Some(Identity { device: 1, number: 2, made: None });

    fn files(names: &[&str]) -> Files {
        let file = |name: &&str| (PathBuf::from(name), SourceFile::of((*name).to_owned(), format!("name: {name}")));
        Files { templates: Vec::new(), workflows: names.iter().map(file).collect() }
    }

    /// Checks one folder after the other; returns what counts after each, and whether the folder is unavailable.
    fn looks(folders: &[&[&str]]) -> Vec<(Vec<String>, bool)> {
        let mut watcher = Watcher::default();
        let mut before = Files::default();
        let look = |folder: &&[&str]| {
            before = watcher.judge(&before, Ok(files(folder)), HERE, CheckOccasion::Regular).unwrap();
            let names = before.workflows.keys().map(|path| path.display().to_string());
            (names.collect(), watcher.away.is_some())
        };
        folders.iter().map(look).collect()
    }

    fn last(folders: &[&[&str]]) -> (String, bool) {
        let (names, away) = looks(folders).pop().unwrap();
        (names.join(" "), away)
    }

    #[test]
    fn one_by_one_is_removed_and_all_at_once_is_kept() {
        assert_eq!(last(&[&["a", "b"], &["b"]]), ("a b".into(), false), "missing once may be a file being replaced");
        assert_eq!(last(&[&["a", "b"], &["b"], &["b"]]), ("b".into(), false));
        assert_eq!(last(&[&["a", "b"], &["b"], &["b"], &[], &[]]), (String::new(), false));
        assert_eq!(last(&[&["a", "b", "c"], &["b", "c"], &["c"], &[], &[]]), (String::new(), false));
        assert_eq!(last(&[&["a", "b"], &[], &[], &[]]), ("a b".into(), true));
        assert_eq!(last(&[&["a"], &[], &[], &[]]), ("a".into(), true));
        assert_eq!(last(&[&["a", "b", "c", "d"], &["a", "b"], &[], &[]]), ("a b c d".into(), true), "seen in between");
        assert_eq!(last(&[&["a", "b"], &["b"], &["b"], &["b", "c"], &[], &[]]), ("b c".into(), true));
    }

    #[test]
    fn what_comes_back_slowly_is_not_taken_away_meanwhile() {
        let mut folders: Vec<&[&str]> = vec![&["a", "b"], &[], &[]];
        folders.extend([["a"].as_slice(); 10]);
        assert_eq!(last(&folders), ("a b".into(), true), "not yet back");
        folders.extend([["a"].as_slice(); 30]);
        assert_eq!(last(&folders), ("a".into(), false), "and what does not come back goes at last");
    }

    #[test]
    fn field_fault_airflow_42111_a_folder_is_unavailable_until_all_of_its_files_are_back_or_gone() {
        let mut watcher = Watcher::default();
        let mut before = files(&["a", "b"]);
        let mut look = |names: &[&str]| {
            before = watcher.judge(&before, Ok(files(names)), HERE, CheckOccasion::Regular).unwrap();
            watcher.away.clone()
        };
        assert!(look(&[]).is_some());
        let why = look(&["a"]).unwrap();
        assert!(why.contains("1 of 2") && why.contains("(b)"), "{why}");
        assert_eq!(look(&["a", "b"]), None);
    }

    #[test]
    fn a_start_knows_what_was_there_before() {
        let judge = |found: io::Result<Files>| {
            let mut watcher = Watcher::default();
            let judged = watcher.judge(&files(&["a", "b"]), found, HERE, CheckOccasion::First).unwrap();
            (judged.workflows.len(), watcher.away.is_some())
        };
        assert_eq!(judge(Ok(files(&["b"]))), (1, false), "what was removed meanwhile is gone at once");
        assert_eq!(judge(Ok(files(&[]))), (2, true));
        assert_eq!(judge(Err(io::ErrorKind::NotFound.into())), (2, true));
        let mut newcomer = Watcher::default();
        let nothing =
            newcomer.judge(&Files::default(), Err(io::ErrorKind::NotFound.into()), None, CheckOccasion::First).unwrap();
        assert!(nothing.workflows.is_empty() && newcomer.away.is_none());
        assert!(
            newcomer
                .judge(&Files::default(), Err(io::ErrorKind::PermissionDenied.into()), None, CheckOccasion::First)
                .is_err()
        );
    }
}
