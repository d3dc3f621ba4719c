//! The workflows of a daemon: read from a folder, read again when a file changes.
//!
//! **Invariant**: a file that does not compile leaves its last good version active, and says so.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use crate::intake::Catalog;
use crate::template::Templates;
use crate::workflow::{self, Compiled, Limits, Workflow};
use crate::yaml::{Diagnostic, Severity, Sink, Span};

/// A folder of workflow files, compiled.
#[derive(Debug)]
pub struct WorkflowFolder {
    folder: PathBuf,
    state: RwLock<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Text of every file when it was last read: templates first, then workflows.
    texts: Texts,
    /// Last good version by file.
    good: BTreeMap<PathBuf, Arc<Workflow>>,
    active: Arc<Vec<Arc<Workflow>>>,
    problems: Arc<Vec<Problem>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Texts {
    templates: Vec<(String, String)>,
    /// Or why a file could not be read.
    workflows: BTreeMap<PathBuf, Result<String, String>>,
}

/// Something wrong in a file, with the text it is wrong in.
#[derive(Clone, Debug)]
pub struct Problem {
    /// What is wrong.
    pub diagnostic: Diagnostic,
    /// Text of the file.
    pub text: Arc<str>,
}

/// Whether a file name is one of YAML.
fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|ext| ext.eq_ignore_ascii_case("yaml") || ext.eq_ignore_ascii_case("yml"))
}

/// The YAML files of a folder, in order of their names; none where it does not exist.
pub fn yaml_files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.map(|e| e.path()))
        .filter(|path| path.as_ref().is_ok_and(|p| is_yaml(p)))
        .collect::<Result<_, _>>()?;
    files.sort();
    Ok(files)
}

/// Custom templates beside the workflows of `folder`: in its own `templates`, or in that of its parent.
pub fn template_files(folder: &Path) -> std::io::Result<Vec<(String, String)>> {
    let own = folder.join("templates");
    let beside = folder.parent().map(|parent| parent.join("templates"));
    let folder = if own.is_dir() { Some(own) } else { beside };
    let Some(folder) = folder else { return Ok(Vec::new()) };
    yaml_files(&folder)?
        .into_iter()
        .map(|path| Ok((path.display().to_string(), std::fs::read_to_string(&path)?)))
        .collect()
}

fn unreadable(file: &str, error: &str) -> Vec<Diagnostic> {
    let mut sink = Sink::new(file, "");
    sink.error("WF0005", Span::default(), format!("the file cannot be read: {error}"));
    sink.finish()
}

impl WorkflowFolder {
    /// Reads the folder. Files that do not compile are among the [`WorkflowFolder::problems`].
    pub fn open(folder: &Path) -> std::io::Result<Self> {
        let this = Self { folder: folder.to_owned(), state: RwLock::default() };
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
        let texts = Texts {
            templates: template_files(&self.folder)?,
            workflows: yaml_files(&self.folder)?
                .into_iter()
                .map(|path| {
                    let text = std::fs::read_to_string(&path).map_err(|error| error.to_string());
                    (path, text)
                })
                .collect(),
        };
        if texts == self.read_state().texts {
            return Ok(false);
        }
        let mut problems = Vec::new();
        let mut good = BTreeMap::new();
        let (templates, found) = Templates::load(&texts.templates);
        for diagnostic in found {
            let text = texts.templates.iter().find(|(name, _)| *name == diagnostic.file).map_or("", |(_, text)| text);
            problems.push(Problem { text: text.into(), diagnostic });
        }
        let before = self.read_state().good.clone();
        for (path, text) in &texts.workflows {
            let file = path.display().to_string();
            let Compiled { workflow, diagnostics } = match text {
                Ok(text) => workflow::compile(&file, text, &templates, &Limits::default()),
                Err(error) => Compiled { workflow: None, diagnostics: unreadable(&file, error) },
            };
            let text: Arc<str> = text.as_deref().unwrap_or_default().into();
            problems.extend(diagnostics.into_iter().map(|diagnostic| Problem { diagnostic, text: Arc::clone(&text) }));
            let version = workflow.map(Arc::new).or_else(|| before.get(path).cloned());
            good.extend(version.map(|workflow| (path.clone(), workflow)));
        }
        let everything: Vec<&Workflow> = good.values().map(AsRef::as_ref).collect();
        for diagnostic in workflow::check_set(&everything) {
            let text = texts.workflows.get(Path::new(&diagnostic.file)).and_then(|text| text.as_deref().ok());
            problems.push(Problem { text: text.unwrap_or_default().into(), diagnostic });
        }
        let mut names = BTreeSet::new();
        let active: Vec<_> = good.values().filter(|workflow| names.insert(workflow.name.clone())).cloned().collect();
        let mut state = self.state.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        *state = State { texts, active: Arc::new(active), good, problems: Arc::new(problems) };
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
