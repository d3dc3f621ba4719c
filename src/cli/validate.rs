//! `reelmill validate`: reports all errors of all files at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::output::Output;
use super::{CliError, Exit, WorkerArgs, local};
use crate::daemon::source::{SourceFile, load_templates, template_files, yaml_files};
use crate::model::Capabilities;
use crate::template::{BROKEN, Templates};
use crate::workflow::{self, Workflow};
use crate::yaml::{self, Diagnostic, Severity};

/// Check files of workflows and templates, and report all errors at once.
///
/// Exit code 2 if there is an error; warnings do not change it.
#[derive(Debug, Args)]
pub(super) struct ValidateArgs {
    #[command(flatten)]
    worker: WorkerArgs,
    /// Files of workflows or templates, or folders that contain them
    #[arg(required = true)]
    paths: Vec<PathBuf>,
}

/// Folder of workflows, where none is named.
pub(super) const WORKFLOWS: &str = "workflows";

pub(super) async fn validate(args: &ValidateArgs, output: Output) -> Result<Exit, CliError> {
    let (mut files, mut absent) = (Vec::new(), Vec::new());
    for path in &args.paths {
        match files_of(path) {
            Ok(found) => files.extend(found),
            Err(error) => absent.push(error),
        }
    }
    if files.is_empty() && !absent.is_empty() {
        let first = absent.remove(0);
        tell(&absent, output);
        return Err(first);
    }
    // Without a worker, definitions are checked but not whether their encoders are installed.
    let (installed, notes) = match local::pool(&args.worker, 0).await {
        Ok((_, installed)) => (Some(installed), Vec::new()),
        Err(error) => (None, vec![format!("encoders were not checked: {}", error.message)]),
    };
    let mut sources = Vec::new();
    let mut diagnostics = Vec::new();
    let mut workflows: Vec<Workflow> = Vec::new();
    let mut folders: BTreeMap<PathBuf, Templates> = BTreeMap::new();
    for path in &files {
        let folder = folder_of(path)?;
        let file = SourceFile::read(path);
        if file.is_template() {
            let (file, found) = check_template(file, path)?;
            diagnostics.extend(found);
            sources.push(file);
            continue;
        }
        if !folders.contains_key(&folder) {
            let files = template_files(&folder).map_err(|error| CliError::file(&folder, &error))?;
            let (templates, found) = load_templates(&files);
            diagnostics.extend(found);
            sources.extend(files);
            folders.insert(folder.clone(), templates);
        }
        let compiled = file.compile(&folders[&folder], installed.as_ref());
        diagnostics.extend(compiled.diagnostics);
        workflows.extend(compiled.workflow);
        sources.push(file);
    }
    diagnostics.extend(workflow::check_set(&workflows.iter().collect::<Vec<_>>()));
    let diagnostics = once(diagnostics);
    report(&diagnostics, &sources, files.len(), &notes, output);
    tell(&absent, output);
    let wrong = diagnostics.iter().any(Diagnostic::is_error);
    Ok(match absent.first() {
        _ if wrong => Exit::Usage,
        Some(error) => error.exit,
        None => Exit::Done,
    })
}

/// The errors and warnings of a template; the templates that it may extend are read from its folder.
fn check_template(file: SourceFile, path: &Path) -> Result<(SourceFile, Vec<Diagnostic>), CliError> {
    let folder = folder_of(path)?;
    let this = std::fs::canonicalize(path).ok();
    let beside = yaml_files(&folder).map_err(|error| CliError::file(&folder, &error))?;
    let others = beside.iter().filter(|other| std::fs::canonicalize(other).ok() != this);
    let others = others.map(|other| SourceFile::read(other)).filter(SourceFile::is_template);
    let name = file.name.clone();
    let mut files: Vec<SourceFile> = std::iter::once(file).chain(others).collect();
    let (_, found) = load_templates(&files);
    Ok((files.swap_remove(0), found.into_iter().filter(|diagnostic| diagnostic.file == name).collect()))
}

/// Finds a file by its path, or by the name of its workflow in the workflow folder.
pub(super) fn find(named: &Path) -> Result<PathBuf, CliError> {
    let name = named.to_string_lossy();
    if named.exists() || name.contains(['/', '.']) {
        return Ok(named.to_owned());
    }
    let files = yaml_files(Path::new(WORKFLOWS)).unwrap_or_default();
    let mut names = Vec::new();
    for path in files {
        let file = SourceFile::read(&path);
        match file.defines() {
            Some(found) if found == name => return Ok(path),
            found => names.extend(found.map(str::to_owned)),
        }
    }
    let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    let message = format!("there is no file {name}, and no workflow of that name in ./{WORKFLOWS} ({there})");
    Err(CliError::new(Exit::NotFound, "CLI0005", message))
}

fn tell(errors: &[CliError], output: Output) {
    for error in errors {
        output.error(error);
    }
}

/// Returns the folder of a workflow file, relative to the current folder if it is inside.
fn folder_of(file: &Path) -> Result<PathBuf, CliError> {
    let folder = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let whole = folder.canonicalize().map_err(|error| CliError::file(folder, &error))?;
    let here = std::env::current_dir().and_then(|here| here.canonicalize());
    let near = here.ok().and_then(|here| whole.strip_prefix(here).ok().map(Path::to_owned));
    Ok(near.filter(|near| !near.as_os_str().is_empty()).unwrap_or(whole))
}

/// Removes duplicates. An invalid template is reported in its own file, not again at each use; two folders may share their
/// templates.
fn once(diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut kept: Vec<Diagnostic> = Vec::new();
    for diagnostic in diagnostics {
        if diagnostic.code != BROKEN && !kept.contains(&diagnostic) {
            kept.push(diagnostic);
        }
    }
    kept
}

/// Compiles one file. Prints all errors of the file and its templates, and fails if there are some. With `installed`, it is
/// an error if an encoder is missing.
pub(super) fn load(path: &Path, installed: Option<&Capabilities>, output: Output) -> Result<Workflow, CliError> {
    let metadata = std::fs::metadata(path).map_err(|error| CliError::file(path, &error))?;
    if !metadata.is_file() {
        return Err(CliError::usage(format!("{} is not a file", path.display())));
    }
    let folder = folder_of(path)?;
    let mut sources = template_files(&folder).map_err(|error| CliError::file(&folder, &error))?;
    let (templates, mut diagnostics) = load_templates(&sources);
    let file = SourceFile::read(path);
    if file.is_template() {
        let message = format!("{} is a template; a workflow has `activities` that use it", file.name);
        return Err(CliError::usage(message));
    }
    let compiled = file.compile(&templates, installed);
    if let Some(workflow) = compiled.workflow {
        return Ok(workflow);
    }
    let name = file.name.clone();
    sources.push(file);
    diagnostics.extend(compiled.diagnostics);
    let diagnostics = once(diagnostics);
    let mut error = CliError::usage(format!("{name} cannot be used: {}", count(&diagnostics, Severity::Error)));
    if let Some(first) = diagnostics.iter().find(|diagnostic| diagnostic.is_error()) {
        error.code = first.code;
    }
    if output.json {
        error.chain = diagnostics.iter().map(Diagnostic::sentence).collect();
    } else {
        draw(&diagnostics, &sources, output);
    }
    Err(error)
}

/// `1 error`, `2 errors`.
fn count(diagnostics: &[Diagnostic], severity: Severity) -> String {
    let count = diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count();
    let what = match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    format!("{count} {what}{}", plural(count))
}

const fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn files_of(path: &Path) -> Result<Vec<PathBuf>, CliError> {
    let metadata = std::fs::metadata(path).map_err(|error| CliError::file(path, &error))?;
    if !metadata.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let files = yaml_files(path).map_err(|error| CliError::file(path, &error))?;
    if files.is_empty() {
        return Err(CliError::new(
            Exit::NotFound,
            "CLI0006",
            format!("no workflow files (*.yaml) in {}", path.display()),
        ));
    }
    Ok(files)
}

fn report(diagnostics: &[Diagnostic], sources: &[SourceFile], files: usize, notes: &[String], output: Output) {
    if output.json {
        output.json_line(&json!({
            "type": "validation", "files": files, "diagnostics": diagnostics, "notes": notes,
        }));
        return;
    }
    draw(diagnostics, sources, output);
    for note in notes {
        output.note(format_args!("note: {note}"));
    }
    output.line(format_args!(
        "{files} file{}: {}, {}",
        plural(files),
        count(diagnostics, Severity::Error),
        count(diagnostics, Severity::Warning)
    ));
}

/// Prints diagnostics by file, each with the text that it is about.
pub(super) fn draw(diagnostics: &[Diagnostic], sources: &[SourceFile], output: Output) {
    let mut by_file: Vec<(&str, Vec<Diagnostic>)> = Vec::new();
    for diagnostic in diagnostics {
        match by_file.iter_mut().find(|(file, _)| *file == diagnostic.file) {
            Some((_, list)) => list.push(diagnostic.clone()),
            None => by_file.push((&diagnostic.file, vec![diagnostic.clone()])),
        }
    }
    for (name, list) in by_file {
        let text = sources.iter().find(|file| file.name == name).map_or("", SourceFile::text);
        output.note_block(yaml::render(&list, text, output.live));
    }
}
