//! Changes of workflow files from outside: create, replace, enable, disable.
//!
//! **Invariant**: only definitions that compile are written; a file is replaced atomically, and a symbolic link is
//! never replaced; a request that names the version to replace never replaces another one.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{MutexGuard, PoisonError};

use super::catalog::{AWAY, Definition, WorkflowFolder};
use crate::model::{Code, Coded};
use crate::workflow::{self, Compiled};
use crate::yaml::Diagnostic;

/// Condition on a definition that is to be changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Condition {
    /// The digests of which the present text must have one; `*` is any.
    pub matches: Option<Vec<String>>,
    /// True if no workflow of that name may exist yet.
    pub new: bool,
}

/// Error of changing a definition.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// The definition has errors.
    #[error("the definition has errors")]
    Wrong(Vec<Diagnostic>),
    /// The definition has another name.
    #[error("the definition is named `{found}`, not `{asked}`")]
    Name {
        /// Its own.
        found: String,
        /// The requested name.
        asked: String,
    },
    /// No workflow has that name.
    #[error("there is no workflow {0}")]
    Missing(String),
    /// The request names another version than the current one.
    #[error("the definition has changed; read it again, then repeat the change")]
    Changed,
    /// The definition cannot be changed where it is.
    #[error("{0} cannot be changed here: {1}")]
    Refused(String, &'static str),
    /// The folder is unavailable: a file written now would hide it, or be hidden by it.
    #[error("the workflow folder is unavailable: {why}; nothing is written until it is available again{way_out}")]
    Away {
        /// Reason.
        why: String,
        /// Hint how to continue without workflows.
        way_out: String,
    },
    /// The file cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: String,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
}

impl Coded for ChangeError {
    fn code(&self) -> Code {
        Code::new(match self {
            Self::Wrong(_) => "WF0006",
            Self::Name { .. } => "CLI0018",
            Self::Missing(_) => "STORE0006",
            Self::Changed => "CLI0019",
            Self::Refused(..) => "CLI0020",
            Self::Away { .. } => return AWAY,
            Self::Write { .. } => "CLI0005",
        })
    }
}

impl WorkflowFolder {
    /// Returns the folder of the files, as an absolute path where possible.
    #[must_use]
    pub fn folder(&self) -> PathBuf {
        std::path::absolute(&self.folder).unwrap_or_else(|_| self.folder.clone())
    }

    /// Writes a workflow; answers whether it is a new one.
    pub fn put(&self, name: &str, text: &str, condition: &Condition) -> Result<bool, ChangeError> {
        let _changing = self.change();
        let Compiled { workflow, diagnostics } = self.compile(&format!("{name}.yaml"), text);
        let Some(workflow) = workflow else { return Err(ChangeError::Wrong(diagnostics)) };
        if workflow.name != name {
            return Err(ChangeError::Name { found: workflow.name, asked: name.to_owned() });
        }
        self.reread()?;
        let present = self.definition(name);
        let present = present.as_ref();
        condition.holds(present)?;
        // The name has passed as one: letters, digits, `-` and `_`.
        let path = present.map_or_else(|| self.folder.join(format!("{name}.yaml")), |present| present.path.clone());
        if present.is_none() && path.exists() {
            return Err(ChangeError::Refused(name.to_owned(), "its file contains another workflow"));
        }
        write(&path, text)?;
        self.reread()?;
        Ok(present.is_none())
    }

    /// Switches a workflow on or off, in its file.
    pub fn switch(&self, name: &str, enabled: bool, condition: &Condition) -> Result<(), ChangeError> {
        let _changing = self.change();
        self.reread()?;
        let present = self.definition(name).ok_or_else(|| ChangeError::Missing(name.to_owned()))?;
        condition.holds(Some(&present))?;
        let refused = |why| ChangeError::Refused(name.to_owned(), why);
        let text = workflow::with_enabled(&present.text, enabled)
            .ok_or_else(|| refused("`name` is not at the beginning of a line of its file"))?;
        match self.compile(&present.path.display().to_string(), &text).workflow {
            Some(workflow) if workflow.enabled == enabled => {}
            _ => return Err(refused("its file has errors; correct them first")),
        }
        if text != present.text {
            write(&present.path, &text)?;
            self.reread()?;
        }
        Ok(())
    }

    fn change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reread(&self) -> Result<(), ChangeError> {
        let write = |source| ChangeError::Write { path: self.folder.display().to_string(), source };
        self.reload().map_err(write)?;
        let away = |why| ChangeError::Away { why, way_out: self.way_out() };
        self.away().map_or(Ok(()), |why| Err(away(why)))
    }
}

impl Condition {
    fn holds(&self, present: Option<&Definition>) -> Result<(), ChangeError> {
        let matches = match (&self.matches, present) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(wanted), Some(present)) => wanted.iter().any(|one| *one == "*" || *one == present.digest()),
        };
        if matches && !(self.new && present.is_some()) { Ok(()) } else { Err(ChangeError::Changed) }
    }
}

/// Replaces a file atomically. Of a symbolic link, the target is replaced; the new file is first written beside that.
fn write(path: &Path, text: &str) -> Result<(), ChangeError> {
    let failed = |source| ChangeError::Write { path: path.display().to_string(), source };
    let written = || {
        let path = if path.is_symlink() { path.canonicalize()? } else { path.to_owned() };
        // No workflow file ends so: it is not read before it is whole.
        let part = path.with_extension("yaml.part");
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut file = std::fs::File::create(&part)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&part, path)
    };
    written().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::intake::Catalog;

    const TEXT: &str = "# mine\nname: vod\noutput: { bucket: media }\nactivities: { a: { analysis: {} } }\n";

    #[test]
    fn a_workflow_is_put_replaced_and_switched() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = WorkflowFolder::open(&folder.path().join("workflows"), None).unwrap();
        let new = Condition { new: true, ..Condition::default() };
        assert!(catalog.put("vod", TEXT, &new).unwrap());
        assert_eq!(catalog.active()[0].name, "vod");
        assert!(matches!(catalog.put("vod", TEXT, &new), Err(ChangeError::Changed)));

        let is = |digest: String| Condition { matches: Some(vec![digest]), new: false };
        let changed = TEXT.replace("media", "films");
        assert!(matches!(catalog.put("vod", &changed, &is("0".repeat(64))), Err(ChangeError::Changed)));
        assert!(!catalog.put("vod", &changed, &is(workflow::digest(TEXT))).unwrap());
        assert!(matches!(catalog.put("vod", TEXT, &is(workflow::digest(TEXT))), Err(ChangeError::Changed)));

        catalog.switch("vod", false, &Condition::default()).unwrap();
        assert!(!catalog.active()[0].enabled);
        let text = std::fs::read_to_string(folder.path().join("workflows/vod.yaml")).unwrap();
        assert_eq!(text, changed.replace("name:", "enabled: false\nname:"));
        catalog.switch("vod", true, &is(workflow::digest(&text))).unwrap();
        assert!(catalog.active()[0].enabled);
        assert!(matches!(catalog.switch("dov", true, &Condition::default()), Err(ChangeError::Missing(_))));
    }

    #[test]
    fn newcomer_the_first_workflow_of_an_empty_folder_has_the_presets() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = WorkflowFolder::open(folder.path(), None).unwrap();
        assert!(catalog.put(workflow::STARTER, &workflow::starter("uploads", "media"), &Condition::default()).unwrap());
        assert_eq!(catalog.active()[0].name, workflow::STARTER);
    }

    #[test]
    fn a_link_stays_one_and_what_it_points_to_is_changed() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        // As a ConfigMap is mounted: a link through a link to the folder of a version.
        std::fs::create_dir_all(at("workflows/..2026")).unwrap();
        std::fs::write(at("workflows/..2026/vod.yaml"), TEXT).unwrap();
        symlink("..2026", at("workflows/..data")).unwrap();
        symlink("..data/vod.yaml", at("workflows/vod.yaml")).unwrap();
        symlink(at("gone.yaml"), at("workflows/other.yaml")).unwrap();
        let catalog = WorkflowFolder::open(&at("workflows"), None).unwrap();
        let read = || std::fs::read_to_string(at("workflows/..2026/vod.yaml")).unwrap();
        let always = Condition::default();
        catalog.switch("vod", false, &always).unwrap();
        assert_eq!(read(), TEXT.replace("name:", "enabled: false\nname:"));
        let changed = TEXT.replace("media", "films");
        assert!(!catalog.put("vod", &changed, &always).unwrap());
        assert_eq!(read(), changed);
        let nowhere = catalog.put("other", &TEXT.replace("name: vod", "name: other"), &always);
        assert!(matches!(nowhere, Err(ChangeError::Write { .. })), "{nowhere:?}");
        for link in ["vod.yaml", "..data", "other.yaml"] {
            assert!(at("workflows").join(link).is_symlink(), "{link}");
        }
        assert_eq!(std::fs::read_dir(at("workflows/..2026")).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_cannot_be_used_is_not_written_and_no_name_leaves_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let catalog = WorkflowFolder::open(&folder.path().join("workflows"), None).unwrap();
        let put = |name: &str, text: &str| catalog.put(name, text, &Condition::default());
        assert!(matches!(put("vod", "name: vod\n"), Err(ChangeError::Wrong(_))));
        assert!(matches!(put("other", TEXT), Err(ChangeError::Name { .. })));
        for name in ["../vod", "..", "/etc/vod", "a/b", "a\\b", ".vod", "VOD", "a\u{0}b"] {
            let quoted = serde_json::to_string(name).unwrap();
            let refused = put(name, &TEXT.replace("name: vod", &format!("name: {quoted}")));
            assert!(matches!(refused, Err(ChangeError::Wrong(_))), "{name}: {refused:?}");
        }
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was written");
    }

    #[test]
    fn a_file_of_another_workflow_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("vod.yaml"), TEXT.replace("name: vod", "name: other")).unwrap();
        let catalog = WorkflowFolder::open(folder.path(), None).unwrap();
        assert!(matches!(catalog.put("vod", TEXT, &Condition::default()), Err(ChangeError::Refused(..))));
        assert!(!catalog.put("other", &TEXT.replace("name: vod", "name: other"), &Condition::default()).unwrap());
    }
}
