//! Listing a folder as S3 lists a bucket: by key, with prefix, delimiter and pages.
//!
//! **Invariant**: names come in the order of their UTF-8 bytes, and a page begins right behind the last name of the
//! page before it, whatever was added or removed between the two.

use std::ops::ControlFlow;

use rustix::fs::FileType;

use super::folder::{Folder, is_absent};
use super::keys::{EMPTY, INTERNAL, MARKER, OBJECT};
use crate::objects::{Entry, Head, ObjectError};

/// Query of a list.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Prefix of the keys.
    pub prefix: String,
    /// Keys that are equal up to the first delimiter after the prefix are listed as one common prefix.
    pub delimiter: Option<String>,
    /// Only names behind this one.
    pub after: Option<String>,
    /// At most so many names.
    pub limit: usize,
}

/// Result of a list.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Objects.
    pub objects: Vec<Entry>,
    /// Rolled-up names, each ending with the delimiter.
    pub prefixes: Vec<String>,
    /// `after` of the next page; absent on the last one.
    pub next: Option<String>,
}

/// Lists `bucket`; `head` reads the head of an object.
pub fn page(
    bucket: &Folder,
    query: &Query,
    head: impl Fn(&str) -> Result<Head, ObjectError>,
) -> Result<Page, ObjectError> {
    let mut walk = FolderWalk { query, head, page: Page::default(), last: None };
    if query.limit > 0 {
        // Breaking off only means that the page is full.
        let _ = walk.folder(bucket, "")?;
    }
    Ok(walk.page)
}

struct FolderWalk<'a, H> {
    query: &'a Query,
    head: H,
    page: Page,
    last: Option<String>,
}

impl<H: Fn(&str) -> Result<Head, ObjectError>> FolderWalk<'_, H> {
    fn folder(&mut self, folder: &Folder, at: &str) -> Result<ControlFlow<()>, ObjectError> {
        for FolderEntry { path, name, is_folder } in sorted(folder, at)? {
            if !self.may_match(&path, is_folder) {
                continue;
            }
            let flow = match (self.group(&path), is_folder) {
                (Some(group), true) => self.rolled_up(folder, &name, &path, group)?,
                (Some(group), false) => self.emit_group(group),
                (None, true) => match enter(folder, &name, &path)? {
                    Some(below) => self.folder(&below, &path)?,
                    None => ControlFlow::Continue(()),
                },
                (None, false) => self.emit_key(path)?,
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Returns whether `path`, or something below it, can belong on this page.
    fn may_match(&self, path: &str, is_folder: bool) -> bool {
        let prefix = self.query.prefix.as_str();
        let in_prefix = path.starts_with(prefix) || (is_folder && prefix.starts_with(path));
        let behind = match self.query.after.as_deref() {
            None => true,
            Some(after) => path > after || (is_folder && after.starts_with(path)),
        };
        in_prefix && behind
    }

    /// The name that `path` is rolled up into.
    fn group(&self, path: &str) -> Option<String> {
        let delimiter = self.query.delimiter.as_deref()?;
        let rest = path.strip_prefix(self.query.prefix.as_str())?;
        let end = rest.find(delimiter)? + delimiter.len();
        Some(path[..self.query.prefix.len() + end].to_owned())
    }

    fn rolled_up(
        &mut self,
        folder: &Folder,
        name: &str,
        path: &str,
        group: String,
    ) -> Result<ControlFlow<()>, ObjectError> {
        match enter(folder, name, path)? {
            Some(below) if has_file(&below, path)? => Ok(self.emit_group(group)),
            _ => Ok(ControlFlow::Continue(())),
        }
    }

    fn emit_group(&mut self, group: String) -> ControlFlow<()> {
        let seen = self.last.as_deref().max(self.query.after.as_deref());
        if seen.is_some_and(|seen| group.as_str() <= seen) {
            return ControlFlow::Continue(());
        }
        self.take_place(&group)?;
        self.page.prefixes.push(group);
        ControlFlow::Continue(())
    }

    fn emit_key(&mut self, key: String) -> Result<ControlFlow<()>, ObjectError> {
        let head = match (self.head)(&key) {
            // Removed meanwhile, or a name that is no key.
            Err(ObjectError::NoObject { .. } | ObjectError::InvalidName { .. }) => {
                return Ok(ControlFlow::Continue(()));
            }
            head => head?,
        };
        if self.take_place(&key).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let Head { size_bytes, etag, last_modified, .. } = head;
        self.page.objects.push(Entry { key, size_bytes, etag, last_modified });
        Ok(ControlFlow::Continue(()))
    }

    /// Counts a name, or breaks off where the page is full.
    fn take_place(&mut self, name: &str) -> ControlFlow<()> {
        if self.page.objects.len() + self.page.prefixes.len() == self.query.limit {
            self.page.next = self.last.take();
            return ControlFlow::Break(());
        }
        self.last = Some(name.to_owned());
        ControlFlow::Continue(())
    }
}

/// Something in a folder.
struct FolderEntry {
    /// The key; of a folder, the common beginning of the keys below it, with the slash.
    path: String,
    /// Name of the file or folder.
    name: String,
    is_folder: bool,
}

/// Returns the entries of `folder`, in the order of their keys.
fn sorted(folder: &Folder, at: &str) -> Result<Vec<FolderEntry>, ObjectError> {
    let mut found = Vec::new();
    for (name, kind) in folder.entries().map_err(|e| ObjectError::io("list", at, e))? {
        let is_folder = kind == FileType::Directory;
        let shown = match name.as_str() {
            // The key of the folder that it is in, which its parent lists.
            OBJECT => continue,
            INTERNAL if at.is_empty() => continue,
            MARKER | EMPTY => "",
            name => name,
        };
        if is_folder && folder.has_file(&format!("{name}/{OBJECT}")) {
            found.push(FolderEntry { path: format!("{at}{shown}"), name: name.clone(), is_folder: false });
        }
        let path = if is_folder { format!("{at}{shown}/") } else { format!("{at}{shown}") };
        found.push(FolderEntry { path, name, is_folder });
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// Opens the folder at `path`; nothing where it is gone.
fn enter(folder: &Folder, name: &str, path: &str) -> Result<Option<Folder>, ObjectError> {
    match folder.enter(name) {
        Ok(below) => Ok(Some(below)),
        Err(e) if is_absent(&e) => Ok(None),
        Err(e) => Err(ObjectError::io("list", path, e)),
    }
}

fn has_file(folder: &Folder, at: &str) -> Result<bool, ObjectError> {
    for FolderEntry { path, name, is_folder } in sorted(folder, at)? {
        if !is_folder {
            return Ok(true);
        }
        if let Some(below) = enter(folder, &name, &path)?
            && has_file(&below, &path)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}
