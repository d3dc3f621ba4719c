//! The workflows of a daemon: read from a folder, read again when a file changes.
//!
//! **Invariant**: a file that does not compile leaves its last good version active, and says so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use super::source::{SourceFile, load_templates, template_files, yaml_files};
use crate::intake::Catalog;
use crate::model::Capabilities;
use crate::workflow::{self, Compiled, Workflow};
use crate::yaml::{Diagnostic, Severity};

/// A folder of workflow files, compiled.
#[derive(Debug)]
pub struct WorkflowFolder {
    folder: PathBuf,
    /// What workers can do.
    installed: Option<Capabilities>,
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Every file when it was last read.
    files: Files,
    /// Last good version by file.
    good: BTreeMap<PathBuf, Arc<Workflow>>,
    active: Arc<Vec<Arc<Workflow>>>,
    problems: Arc<Vec<Problem>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Files {
    templates: Vec<SourceFile>,
    workflows: BTreeMap<PathBuf, SourceFile>,
}

impl Files {
    fn read(folder: &Path) -> std::io::Result<Self> {
        let workflows = yaml_files(folder)?.into_iter().map(|path| (path.clone(), SourceFile::read(&path)));
        Ok(Self { templates: template_files(folder)?, workflows: workflows.collect() })
    }

    /// A diagnostic with the text of the file that it is about.
    fn problem(&self, diagnostic: Diagnostic) -> Problem {
        let file = self.templates.iter().chain(self.workflows.values()).find(|file| file.name == diagnostic.file);
        Problem { text: file.map_or("", SourceFile::text).into(), diagnostic }
    }
}

/// Something wrong in a file, with the text it is wrong in.
#[derive(Clone, Debug)]
pub struct Problem {
    /// What is wrong.
    pub diagnostic: Diagnostic,
    /// Text of the file.
    pub text: Arc<str>,
}

impl WorkflowFolder {
    /// Reads the folder. Files that do not compile, or need what is not `installed` where that is known, are among the
    /// [`WorkflowFolder::problems`].
    pub fn open(folder: &Path, installed: Option<Capabilities>) -> std::io::Result<Self> {
        let this = Self { folder: folder.to_owned(), installed, state: RwLock::default() };
        this.reload()?;
        Ok(this)
    }

    /// What was wrong when the files were last read.
    #[must_use]
    pub fn problems(&self) -> Arc<Vec<Problem>> {
        Arc::clone(&self.read_state().problems)
    }

    /// Reads the folder again; answers whether anything had changed.
    pub fn reload(&self) -> std::io::Result<bool> {
        let files = Files::read(&self.folder)?;
        if files == self.read_state().files {
            return Ok(false);
        }
        let mut good = BTreeMap::new();
        let (templates, mut found) = load_templates(&files.templates);
        let before = self.read_state().good.clone();
        for (path, file) in &files.workflows {
            let Compiled { workflow, diagnostics } = file.compile(&templates, self.installed.as_ref());
            found.extend(diagnostics);
            let version = workflow.map(Arc::new).or_else(|| before.get(path).cloned());
            good.extend(version.map(|workflow| (path.clone(), workflow)));
        }
        let everything: Vec<&Workflow> = good.values().map(AsRef::as_ref).collect();
        found.extend(workflow::check_set(&everything));
        let problems = found.into_iter().map(|diagnostic| files.problem(diagnostic)).collect();
        let mut names = BTreeSet::new();
        let active: Vec<_> = good.values().filter(|workflow| names.insert(workflow.name.clone())).cloned().collect();
        let mut state = self.state.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        *state = State { files, active: Arc::new(active), good, problems: Arc::new(problems) };
        Ok(true)
    }

    /// Logs what is active and what is wrong.
    pub fn tell(&self) {
        for problem in self.problems().iter() {
            let diagnostic = &problem.diagnostic;
            match diagnostic.severity {
                Severity::Error => tracing::error!(
                    code = diagnostic.code,
                    "{}:{}:{}: {}; a last good version, where there is one, stays active",
                    diagnostic.file,
                    diagnostic.line,
                    diagnostic.column,
                    diagnostic.message
                ),
                Severity::Warning => tracing::warn!(
                    code = diagnostic.code,
                    "{}:{}:{}: {}",
                    diagnostic.file,
                    diagnostic.line,
                    diagnostic.column,
                    diagnostic.message
                ),
            }
        }
        if self.active().is_empty() {
            let why = if self.folder.is_dir() { "holds no workflow that is right" } else { "does not exist" };
            tracing::warn!("{} {why}; uploads start nothing until one is there", self.folder.display());
            return;
        }
        let names: Vec<String> = self.active().iter().map(|workflow| workflow.name.clone()).collect();
        tracing::info!(workflows = names.join(", "), "workflows loaded");
    }

    fn read_state(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Catalog for WorkflowFolder {
    fn active(&self) -> Arc<Vec<Arc<Workflow>>> {
        Arc::clone(&self.read_state().active)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_text_harms_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("templates")).unwrap();
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        let good = |name: &str, template: &str| {
            let activity = format!("transcode: {{ template: {template}, name: x.mp4 }}");
            format!("name: {name}\noutput: {{ bucket: media }}\nactivities: {{ a: {{ {activity} }} }}\n")
        };
        write("good.yaml", good("good", "h264-360p").as_bytes());
        write("uses.yaml", good("uses", "mine").as_bytes());
        write("torn.yaml", b"name: \xff\n");
        write("templates/mine.yaml", b"name: \xff\n");
        let catalog = WorkflowFolder::open(folder.path(), None).unwrap();
        let names = |catalog: &WorkflowFolder| catalog.active().iter().map(|w| w.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&catalog), ["good"]);
        let told = catalog.problems();
        let codes: Vec<_> = told.iter().map(|problem| problem.diagnostic.code).collect();
        assert_eq!(codes, ["WF0005", "WF0005", "TPL0013"]);

        write("templates/mine.yaml", b"name: mine\nextends: h264-720p\n");
        assert!(catalog.reload().unwrap());
        assert_eq!(names(&catalog), ["good", "uses"]);
        write("templates/mine.yaml", b"\xff");
        assert!(catalog.reload().unwrap());
        assert_eq!(names(&catalog), ["good", "uses"], "the last good version stays");
    }
}
