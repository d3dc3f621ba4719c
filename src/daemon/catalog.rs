//! The workflows of a daemon: read from a folder, read again when a file changes.
//!
//! **Invariant**: a file that does not compile leaves its last good version active, and says so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock};

use super::source::{SourceFile, load_templates, template_files, yaml_files};
use crate::intake::Catalog;
use crate::model::Capabilities;
use crate::model::plan::NotifyTarget;
use crate::template::Templates;
use crate::workflow::{self, Compiled, Limits, Single, Workflow};
use crate::yaml::{Diagnostic, Severity};

/// A folder of workflow files, compiled.
#[derive(Debug)]
pub struct WorkflowFolder {
    pub(super) folder: PathBuf,
    /// What workers can do.
    installed: Option<Capabilities>,
    receivers: Receivers,
    state: RwLock<State>,
    /// Held by who changes files, from what was looked at to what is written.
    pub(super) changing: Mutex<()>,
}

/// Who is told of whatever has to do with a queue, by its name.
pub type Receivers = BTreeMap<String, Vec<NotifyTarget>>;

#[derive(Debug, Default)]
struct State {
    /// Every file when it was last read.
    files: Files,
    /// Last good version by file.
    good: BTreeMap<PathBuf, Arc<Workflow>>,
    active: Arc<Vec<Arc<Workflow>>>,
    templates: Arc<Templates>,
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

/// A file of the folder.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Name of its workflow; that of the file where that cannot be told.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// What stands in it.
    pub text: String,
    /// Its last good version.
    pub active: Option<Arc<Workflow>>,
    /// What is wrong with it.
    pub problems: Vec<Diagnostic>,
}

impl Definition {
    /// Digest of the text: SHA-256, in hex.
    #[must_use]
    pub fn digest(&self) -> String {
        workflow::digest(&self.text)
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
        Self::with_receivers(folder, installed, Receivers::new())
    }

    /// The same, where `receivers` are told of what has to do with their queues.
    pub fn with_receivers(
        folder: &Path,
        installed: Option<Capabilities>,
        receivers: Receivers,
    ) -> std::io::Result<Self> {
        let this = Self {
            folder: folder.to_owned(),
            installed,
            receivers,
            state: RwLock::default(),
            changing: Mutex::default(),
        };
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
            let compiled = file.compile(&templates, self.installed.as_ref());
            let Compiled { workflow, diagnostics } = self.told(compiled);
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
        let (active, templates, problems) = (Arc::new(active), Arc::new(templates), Arc::new(problems));
        *state = State { files, good, active, templates, problems };
        Ok(true)
    }

    /// The templates that workflows may use.
    #[must_use]
    pub fn templates(&self) -> Arc<Templates> {
        Arc::clone(&self.read_state().templates)
    }

    /// Every file, as it was last read.
    #[must_use]
    pub fn definitions(&self) -> Vec<Definition> {
        let state = self.read_state();
        let definition = |(path, file): (&PathBuf, &SourceFile)| {
            let active = state.good.get(path).cloned();
            let stem = || path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let problems = state.problems.iter().filter(|problem| problem.diagnostic.file == file.name);
            Definition {
                name: active.as_ref().map_or_else(stem, |workflow| workflow.name.clone()),
                path: path.clone(),
                text: file.text().to_owned(),
                active,
                problems: problems.map(|problem| problem.diagnostic.clone()).collect(),
            }
        };
        state.files.workflows.iter().map(definition).collect()
    }

    /// What the text of a workflow would be here. `name` is for diagnostics.
    #[must_use]
    pub fn compile(&self, name: &str, text: &str) -> Compiled {
        workflow::compile(name, text, &self.templates(), &Limits::default(), self.installed.as_ref())
    }

    /// What a single activity would be here.
    #[must_use]
    pub fn compile_single(&self, single: &Single) -> Compiled {
        self.told(workflow::compile_single(single, &self.templates(), &Limits::default(), self.installed.as_ref()))
    }

    /// The same with the receivers of its queues behind its own.
    fn told(&self, mut compiled: Compiled) -> Compiled {
        let Some(workflow) = &mut compiled.workflow else { return compiled };
        let queues: BTreeSet<_> = workflow.plan.graph.node_weights().map(|activity| activity.queue.as_str()).collect();
        let more: Vec<_> = queues.iter().filter_map(|queue| self.receivers.get(*queue)).flatten().cloned().collect();
        if more.is_empty() {
            return compiled;
        }
        let notify = &mut Arc::make_mut(&mut workflow.plan).notify;
        for target in more {
            match notify.iter_mut().find(|known| known.to == target.to) {
                None => notify.push(target),
                // Nobody is told the same twice.
                Some(known) => {
                    let new: Vec<_> = target.on.into_iter().filter(|on| !known.on.contains(on)).collect();
                    known.on.extend(new);
                }
            }
        }
        compiled
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
