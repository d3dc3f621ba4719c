//! `reelmill validate`: every error of every file at once.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::output::Output;
use super::{CliError, Exit};
use crate::daemon::catalog::template_files;
use crate::template::Templates;
use crate::workflow::{self, Limits, Workflow};
use crate::yaml::{self, Diagnostic, Severity};

/// Check workflow files: every error at once.
///
/// Exit code 2 where there is an error; warnings do not count.
#[derive(Debug, Args)]
pub(super) struct ValidateArgs {
    /// Workflow files, or folders of them
    #[arg(required = true)]
    paths: Vec<PathBuf>,
}

pub(super) fn validate(args: &ValidateArgs, output: Output) -> Result<Exit, CliError> {
    let mut files = Vec::new();
    for path in &args.paths {
        files.extend(files_of(path)?);
    }
    let mut texts = Vec::new();
    let mut diagnostics = Vec::new();
    let mut workflows: Vec<Workflow> = Vec::new();
    for file in &files {
        let (templates, found) = templates_beside(file)?;
        diagnostics.extend(found);
        let text = std::fs::read_to_string(file).map_err(|error| CliError::file(file, &error))?;
        let name = file.display().to_string();
        let compiled = workflow::compile(&name, &text, &templates, &Limits::default());
        diagnostics.extend(compiled.diagnostics);
        workflows.extend(compiled.workflow);
        texts.push((name, text));
    }
    diagnostics.extend(workflow::check_set(&workflows.iter().collect::<Vec<_>>()));
    report(&diagnostics, &texts, files.len(), output);
    let wrong = diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
    Ok(if wrong { Exit::Usage } else { Exit::Done })
}

/// The templates that workflow file `file` may name, and what is wrong in them.
pub(super) fn templates_beside(file: &Path) -> Result<(Templates, Vec<Diagnostic>), CliError> {
    let folder = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let folder = folder.canonicalize().map_err(|error| CliError::file(folder, &error))?;
    let texts = template_files(&folder).map_err(|error| CliError::file(&folder, &error))?;
    Ok(Templates::load(&texts))
}

/// Compiles one file or fails with all that is wrong in it, printed.
pub(super) fn load(file: &Path, output: Output) -> Result<Workflow, CliError> {
    let text = std::fs::read_to_string(file).map_err(|error| CliError::file(file, &error))?;
    let (templates, mut diagnostics) = templates_beside(file)?;
    let name = file.display().to_string();
    let compiled = workflow::compile(&name, &text, &templates, &Limits::default());
    diagnostics.extend(compiled.diagnostics);
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
    match compiled.workflow {
        Some(workflow) if errors == 0 => Ok(workflow),
        _ => {
            if !output.json {
                output.note(yaml::render(&diagnostics, &text, output.live));
            }
            let mut error = CliError::usage(format!("{name} has {errors} error{}", plural(errors)));
            error.chain = diagnostics.iter().map(sentence).collect();
            if let Some(first) = diagnostics.iter().find(|diagnostic| diagnostic.severity == Severity::Error) {
                error.code = first.code.to_string();
            }
            if !output.json {
                error.chain.clear();
            }
            Err(error)
        }
    }
}

fn sentence(diagnostic: &Diagnostic) -> String {
    format!(
        "{}:{}:{}: {}: {}",
        diagnostic.file, diagnostic.line, diagnostic.column, diagnostic.code, diagnostic.message
    )
}

const fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}

fn files_of(path: &Path) -> Result<Vec<PathBuf>, CliError> {
    let metadata = std::fs::metadata(path).map_err(|error| CliError::file(path, &error))?;
    if !metadata.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let files = crate::daemon::catalog::yaml_files(path).map_err(|error| CliError::file(path, &error))?;
    if files.is_empty() {
        return Err(CliError::new(
            Exit::NotFound,
            "CLI0006",
            format!("there are no workflow files (*.yaml) in {}", path.display()),
        ));
    }
    Ok(files)
}

fn report(diagnostics: &[Diagnostic], texts: &[(String, String)], files: usize, output: Output) {
    if output.json {
        output.json_line(&json!({ "type": "validation", "files": files, "diagnostics": diagnostics }));
        return;
    }
    let mut by_file: Vec<(&str, Vec<Diagnostic>)> = Vec::new();
    for diagnostic in diagnostics {
        match by_file.iter_mut().find(|(file, _)| *file == diagnostic.file) {
            Some((_, list)) => list.push(diagnostic.clone()),
            None => by_file.push((&diagnostic.file, vec![diagnostic.clone()])),
        }
    }
    for (file, list) in by_file {
        let text = texts.iter().find(|(name, _)| name == file).map_or("", |(_, text)| text);
        output.note(yaml::render(&list, text, output.live));
    }
    let count = |severity| diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    output.line(format_args!(
        "{files} file{}: {errors} error{}, {warnings} warning{}",
        plural(files),
        plural(errors),
        plural(warnings)
    ));
}
