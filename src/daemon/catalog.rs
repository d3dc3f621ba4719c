//! The workflows of a daemon: read from a folder, read again when a file changes.
//!
//! **Invariant**: a file that does not compile is reported, and its last good version stays active; a name stays with the
//! file that has it; a folder that is unavailable keeps its last good set ([`super::last_good`]).

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use super::last_good::{CheckOccasion, Files, Identity, LastGoodFile, Watcher};
use super::source::{SourceFile, load_templates};
use crate::intake::{BrokenFile, Catalog};
use crate::model::plan::NotifyTarget;
use crate::model::{Capabilities, Code};
use crate::template::Templates;
use crate::workflow::{self, Compiled, Limits, Single, Workflow};
use crate::yaml::{Diagnostic, Severity};

/// Code of a folder that cannot be believed.
pub const AWAY: Code = Code::new("CFG0005");

/// A folder of workflow files, compiled.
#[derive(Debug)]
pub struct WorkflowFolder {
    pub(super) folder: PathBuf,
    /// Capabilities of the workers.
    installed: Option<Capabilities>,
    receivers: Receivers,
    /// File of the last good set.
    kept: Option<PathBuf>,
    state: RwLock<State>,
    /// Held while the folder is read.
    watching: Mutex<WatchState>,
    /// Held by a change of files, from reading to writing.
    pub(super) changing: Mutex<()>,
}

#[derive(Debug, Default)]
struct WatchState {
    watcher: Watcher,
    /// The last good set, kept over restarts.
    memory: Option<LastGoodFile>,
}

/// Receivers of notifications about a queue, by its name.
pub type Receivers = BTreeMap<String, Vec<NotifyTarget>>;

#[derive(Clone, Debug, Default)]
struct State {
    /// The files that count, as they were last read.
    files: Files,
    /// Last good version by file: one file for each name.
    good: BTreeMap<PathBuf, GoodVersion>,
    /// By name of the workflow, the file that defined it until the file went missing: a sync may remove a file and
    /// bring it back later.
    gone: BTreeMap<String, PathBuf>,
    active: Arc<Vec<Arc<Workflow>>>,
    templates: Arc<Templates>,
    problems: Arc<Vec<Problem>>,
    broken: Arc<Vec<BrokenFile>>,
    /// Reason why the folder's content is not used, if it is unavailable.
    away: Option<String>,
}

/// A good version of a file.
#[derive(Clone, Debug)]
struct GoodVersion {
    workflow: Arc<Workflow>,
    text: Arc<str>,
}

/// A diagnostic with the text of the file that it is about.
fn problem(files: &Files, diagnostic: Diagnostic) -> Problem {
    let file = files.templates.iter().chain(files.workflows.values()).find(|file| file.name == diagnostic.file);
    Problem { text: file.map_or("", SourceFile::text).into(), diagnostic }
}

/// A file of the folder.
#[derive(Clone, Debug)]
pub struct Definition {
    /// Name of its workflow; that of the file where the name is unknown.
    pub name: String,
    /// The object.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
    /// Its last good version.
    pub active: Option<Arc<Workflow>>,
    /// Its problems.
    pub problems: Vec<Diagnostic>,
}

impl Definition {
    /// Digest of the text: SHA-256, in hex.
    #[must_use]
    pub fn digest(&self) -> String {
        workflow::digest(&self.text)
    }
}

/// Returns the name of the workflow of a file; the name of the file if no version is `active`.
fn name_of(path: &Path, active: Option<&Workflow>) -> String {
    let stem = || path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    active.map_or_else(stem, |workflow| workflow.name.clone())
}

/// Something wrong in a file, with the text it is wrong in.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The problem.
    pub diagnostic: Diagnostic,
    /// Text of the file.
    pub text: Arc<str>,
}

impl WorkflowFolder {
    /// Reads the folder. Files that do not compile, or that need a feature missing in `installed` (if it is known), are
    /// among the [`WorkflowFolder::problems`].
    pub fn open(folder: &Path, installed: Option<Capabilities>) -> std::io::Result<Self> {
        Self::with_receivers(folder, installed, Receivers::new(), None)
    }

    /// Like [`WorkflowFolder::open`]. `receivers` get notifications about jobs in their queues. `memory` is a file that
    /// keeps the last good set over restarts; it is used if the folder is unavailable at the start.
    pub fn with_receivers(
        folder: &Path,
        installed: Option<Capabilities>,
        receivers: Receivers,
        memory: Option<PathBuf>,
    ) -> std::io::Result<Self> {
        let kept = memory;
        let mut memory = kept.clone().map(|file| LastGoodFile::new(file, folder));
        let last_good = memory.as_mut().and_then(LastGoodFile::load);
        let this = Self {
            folder: folder.to_owned(),
            installed,
            receivers,
            kept,
            state: RwLock::default(),
            watching: Mutex::new(WatchState { watcher: Watcher::default(), memory }),
            changing: Mutex::default(),
        };
        // The presets are there before any file is.
        let state = this.compile_all(last_good.unwrap_or_default(), &State::default(), &BTreeSet::new());
        *this.state.write().unwrap_or_else(PoisonError::into_inner) = state;
        this.read(CheckOccasion::First)?;
        Ok(this)
    }

    /// Returns the problems found when the files were last read.
    #[must_use]
    pub fn problems(&self) -> Arc<Vec<Problem>> {
        Arc::clone(&self.read_state().problems)
    }

    /// Reads the folder again on request; returns whether anything changed. A file that has just gone missing stays
    /// until [`WorkflowFolder::look`] also finds it missing.
    pub fn reload(&self) -> std::io::Result<bool> {
        self.read(CheckOccasion::Asked)
    }

    /// Reads the folder again, some time after the last check; returns whether anything had changed.
    pub fn look(&self) -> std::io::Result<bool> {
        self.read(CheckOccasion::Regular)
    }

    /// Returns the reason why the workflow folder is unavailable; `None` if it is available.
    #[must_use]
    pub fn away(&self) -> Option<String> {
        self.read_state().away.clone()
    }

    /// Returns a hint how to deactivate the last good workflows, as the end of a sentence.
    #[must_use]
    pub fn way_out(&self) -> String {
        let kept = |file: &PathBuf| format!("; to continue without workflows, remove {}", file.display());
        self.kept.as_ref().map(kept).unwrap_or_default()
    }

    fn read(&self, look: CheckOccasion) -> std::io::Result<bool> {
        let mut watching = self.watching.lock().unwrap_or_else(PoisonError::into_inner);
        let WatchState { watcher, memory } = &mut *watching;
        let before = self.read_state().clone();
        let forgotten = memory.as_ref().is_some_and(LastGoodFile::is_forgotten);
        let known = if forgotten { Files::default() } else { before.files.clone() };
        let folder = Identity::of(&self.folder);
        let mut found = Files::read(&self.folder);
        if let Ok(found) = &mut found {
            // A template stays with the file that has its name.
            let place = |file: &SourceFile| before.files.templates.iter().position(|old| old.name == file.name);
            found.templates.sort_by_key(|file| place(file).unwrap_or(usize::MAX));
        }
        let files = watcher.judge(&known, found, folder, look)?;
        let away = watcher.away.clone();
        self.log_availability(self.away().as_deref(), away.as_deref());
        if files == before.files {
            self.state.write().unwrap_or_else(PoisonError::into_inner).away = away;
            return Ok(false);
        }
        let state = State { away, ..self.compile_all(files, &before, &watcher.missing()) };
        if let Some(memory) = memory {
            let good = state.good.iter().map(|(path, good)| (path.clone(), good.text.as_ref().to_owned()));
            memory.save(&state.files.templates, good.collect());
        }
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
        Ok(true)
    }

    /// Notes that a check has lasted for `time`: the folder does not respond.
    pub fn hangs(&self, time: Duration) {
        let why = format!("no response for {} s", time.as_secs());
        self.log_availability(self.away().as_deref(), Some(&why));
        self.state.write().unwrap_or_else(PoisonError::into_inner).away.get_or_insert(why);
    }

    /// Logs that the folder became unavailable, or available again.
    fn log_availability(&self, was: Option<&str>, is: Option<&str>) {
        let folder = self.folder.display();
        match (was, is) {
            (None, Some(why)) => {
                let kept = self.kept.as_ref().map(|file| file.display().to_string()).unwrap_or_default();
                tracing::error!(
                    code = AWAY.as_str(),
                    %folder,
                    why,
                    kept,
                    "the workflow folder is unavailable: the last good workflows stay active; to continue without \
                     workflows, remove the file that `kept` names"
                );
            }
            (Some(_), None) => tracing::info!(%folder, "the workflow folder is available again"),
            (Some(was), Some(why)) if was != why => {
                tracing::warn!(%folder, why, "the workflow folder is still unavailable");
            }
            _ => {}
        }
    }

    /// The state that `files` give after `before`; those that are `missing` stay where they are active and no new file
    /// has their names.
    fn compile_all(&self, files: Files, before: &State, missing: &BTreeSet<PathBuf>) -> State {
        let (templates, mut found) = load_templates(&files.templates);
        let mut versions = BTreeMap::new();
        for (path, file) in &files.workflows {
            let compiled = file.compile(&templates, self.installed.as_ref());
            let Compiled { workflow, diagnostics } = self.told(compiled);
            found.extend(diagnostics);
            let new = workflow.map(|workflow| GoodVersion { workflow: Arc::new(workflow), text: file.text().into() });
            versions.extend(new.or_else(|| before.good.get(path).cloned()).map(|good| (path.clone(), good)));
        }
        let has_its_name = |path: &PathBuf, good: &GoodVersion| {
            before.good.get(path).is_some_and(|old| old.workflow.name == good.workflow.name)
        };
        let takes = |(path, good): &(&PathBuf, &GoodVersion)| {
            let is_new = !before.files.workflows.contains_key(*path);
            !missing.contains(*path) && (is_new || has_its_name(path, good))
        };
        let taken: BTreeSet<String> =
            versions.iter().filter(takes).map(|(_, good)| good.workflow.name.clone()).collect();
        versions.retain(|path, good| {
            !missing.contains(path) || has_its_name(path, good) && !taken.contains(&good.workflow.name)
        });
        let (good, twice) = one_for_each_name(versions, before);
        found.extend(twice);
        let is_there = |path: &PathBuf| files.workflows.contains_key(path) && !missing.contains(path);
        let gone = names_of_gone(&good, before, is_there);
        let everything: Vec<&Workflow> = good.values().map(|good| good.workflow.as_ref()).collect();
        found.extend(workflow::check_set(&everything));
        let broken = Arc::new(self.broken_files(&files, &good, &found));
        let problems = found.into_iter().map(|diagnostic| problem(&files, diagnostic)).collect();
        let active = good.values().map(|good| Arc::clone(&good.workflow)).collect();
        let (active, templates, problems) = (Arc::new(active), Arc::new(templates), Arc::new(problems));
        State { files, good, gone, active, templates, problems, broken, away: None }
    }

    /// Returns the files that have errors among `found`.
    fn broken_files(
        &self,
        files: &Files,
        good: &BTreeMap<PathBuf, GoodVersion>,
        found: &[Diagnostic],
    ) -> Vec<BrokenFile> {
        let broken = |(path, file): (&PathBuf, &SourceFile)| {
            let errors = found.iter().filter(|one| one.is_error() && one.file == file.name).count();
            let active = good.get(path).map(|good| good.workflow.as_ref());
            let (workflow, folder) = (name_of(path, active), self.folder.display().to_string());
            (errors > 0).then_some(BrokenFile { workflow, errors, is_active: active.is_some(), folder })
        };
        files.workflows.iter().filter_map(broken).collect()
    }

    /// The templates that workflows may use.
    #[must_use]
    pub fn templates(&self) -> Arc<Templates> {
        Arc::clone(&self.read_state().templates)
    }

    /// The file of the workflow `name`: the active one, else the first of that name.
    #[must_use]
    pub fn definition(&self, name: &str) -> Option<Definition> {
        let mut named: Vec<_> = self.definitions().into_iter().filter(|one| one.name == name).collect();
        let at = named.iter().position(|one| one.active.is_some()).unwrap_or(0);
        (at < named.len()).then(|| named.swap_remove(at))
    }

    /// Every file that counts, as it was last read.
    #[must_use]
    pub fn definitions(&self) -> Vec<Definition> {
        let state = self.read_state();
        let definition = |(path, file): (&PathBuf, &SourceFile)| {
            let active = state.good.get(path).map(|good| Arc::clone(&good.workflow));
            let problems = state.problems.iter().filter(|problem| problem.diagnostic.file == file.name);
            Definition {
                name: name_of(path, active.as_deref()),
                path: path.clone(),
                text: file.text().to_owned(),
                active,
                problems: problems.map(|problem| problem.diagnostic.clone()).collect(),
            }
        };
        state.files.workflows.iter().map(definition).collect()
    }

    /// Compiles the text of a workflow as if it were in the folder. `name` is for diagnostics.
    #[must_use]
    pub fn compile(&self, name: &str, text: &str) -> Compiled {
        workflow::compile(name, text, &self.templates(), &Limits::default(), self.installed.as_ref())
    }

    /// Compiles a single activity as if it were a workflow of the folder.
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
                // No receiver gets an event twice.
                Some(known) => {
                    let new: Vec<_> = target.on.into_iter().filter(|on| !known.on.contains(on)).collect();
                    known.on.extend(new);
                }
            }
        }
        compiled
    }

    /// Logs the active workflows, and the problems of files.
    pub fn tell(&self) {
        for problem in self.problems().iter() {
            let diagnostic = &problem.diagnostic;
            match diagnostic.severity {
                Severity::Error => tracing::error!(
                    code = diagnostic.code.as_str(),
                    "{}:{}:{}: {}; its last valid version, if there is one, stays active",
                    diagnostic.file,
                    diagnostic.line,
                    diagnostic.column,
                    diagnostic.message
                ),
                Severity::Warning => tracing::warn!(
                    code = diagnostic.code.as_str(),
                    "{}:{}:{}: {}",
                    diagnostic.file,
                    diagnostic.line,
                    diagnostic.column,
                    diagnostic.message
                ),
            }
        }
        if self.active().is_empty() {
            let why = if self.folder.is_dir() { "has no valid workflow" } else { "does not exist" };
            tracing::warn!("{} {why}; uploads start no execution until it has one", self.folder.display());
            return;
        }
        let names: Vec<String> = self.active().iter().map(|workflow| workflow.name.clone()).collect();
        tracing::info!(workflows = names.join(", "), "workflows loaded");
    }

    fn read_state(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Selects one file for each name. In this order: the file that defined it before it went missing, if it is back; the
/// file that defines it now, also if it was renamed; [`workflow::holder`]. The other files get an error, and keep the
/// version that was active for them before.
fn one_for_each_name(
    versions: BTreeMap<PathBuf, GoodVersion>,
    before: &State,
) -> (BTreeMap<PathBuf, GoodVersion>, Vec<Diagnostic>) {
    let mut by_name: BTreeMap<String, Vec<(PathBuf, GoodVersion)>> = BTreeMap::new();
    for (path, good) in versions {
        by_name.entry(good.workflow.name.clone()).or_default().push((path, good));
    }
    let names: BTreeSet<String> = by_name.keys().cloned().collect();
    let (mut kept, mut found) = (BTreeMap::new(), Vec::new());
    for (name, mut files) in by_name {
        let old = before.good.iter().find(|(_, old)| old.workflow.name == name);
        let at =
            |wanted: &dyn Fn(&PathBuf, &GoodVersion) -> bool| files.iter().position(|(path, good)| wanted(path, good));
        let back = at(&|path, _| before.gone.get(&name) == Some(path));
        let has_it = || at(&|path, _| old.is_some_and(|(old, _)| old == path));
        let renamed = || at(&|_, good| old.is_some_and(|(_, old)| old.text == good.text));
        let called_so = || {
            let first = workflow::holder(files.iter().map(|(_, good)| good.workflow.as_ref()))?;
            at(&|_, good| std::ptr::eq(good.workflow.as_ref(), first))
        };
        let holder = back.or_else(has_it).or_else(renamed).or_else(called_so);
        let (path, holder) = files.swap_remove(holder.unwrap_or(0));
        for (path, other) in files {
            found.push(workflow::same_name(&other.workflow, &holder.workflow));
            let old = before.good.get(&path).filter(|old| !names.contains(&old.workflow.name));
            kept.extend(old.map(|old| (path, old.clone())));
        }
        kept.insert(path, holder);
    }
    (kept, found)
}

/// Names whose file has gone missing, in `good` after `before`, each with the first such file. Names whose file was
/// renamed, or came back, are not among them.
fn names_of_gone(
    good: &BTreeMap<PathBuf, GoodVersion>,
    before: &State,
    is_there: impl Fn(&PathBuf) -> bool,
) -> BTreeMap<String, PathBuf> {
    let mut gone = before.gone.clone();
    for (path, old) in before.good.iter().filter(|(path, _)| !is_there(path)) {
        let is_new = |path: &PathBuf| !before.files.workflows.contains_key(path);
        if !good.iter().any(|(path, good)| good.text == old.text && is_new(path)) {
            gone.entry(old.workflow.name.clone()).or_insert_with(|| path.clone());
        }
    }
    gone.retain(|name, path| !(is_there(path) && good.get(path).is_some_and(|good| good.workflow.name == *name)));
    gone
}

impl Catalog for WorkflowFolder {
    fn active(&self) -> Arc<Vec<Arc<Workflow>>> {
        Arc::clone(&self.read_state().active)
    }

    fn broken(&self) -> Arc<Vec<BrokenFile>> {
        Arc::clone(&self.read_state().broken)
    }
}

#[cfg(test)]
mod tests;
