//! `reelmill templates`: lists templates, shows one, and finds those that suit a file.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::output::Output;
use super::{CliError, Exit, FileArgs, WorkerArgs, probe, validate};
use crate::daemon::source::{load_templates, template_files};
use crate::template::{Fits, Template, Templates, fits};
use crate::yaml::Diagnostic;

/// List and show templates, and find those that suit a file.
#[derive(Debug, Args)]
pub(super) struct TemplatesArgs {
    /// Workflow folder whose templates are included
    #[arg(long, global = true, default_value = validate::WORKFLOWS, value_name = "DIR")]
    workflows: PathBuf,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List all templates
    List,
    /// Show the parameters of a template, including those it extends
    Show {
        /// Name of the template
        name: String,
    },
    /// List the templates that suit a file, best first
    Fit {
        #[command(flatten)]
        worker: WorkerArgs,
        #[command(flatten)]
        file: FileArgs,
        /// List templates that do not suit too, with the reason
        #[arg(long)]
        all: bool,
    },
}

pub(super) async fn templates(args: TemplatesArgs, output: Output) -> Result<Exit, CliError> {
    let (templates, diagnostics) = load(&args, output)?;
    match args.action {
        Action::List if output.json => {
            let list: Vec<Value> = templates.iter().map(view).collect();
            output.json_line(&json!({ "type": "templates", "templates": list, "diagnostics": diagnostics }));
        }
        Action::List => list(&templates, output),
        Action::Show { name } => {
            let template = templates.lookup(&name).map_err(|missing| {
                let exit = if missing.code == crate::template::BROKEN { Exit::Usage } else { Exit::NotFound };
                CliError::new(exit, missing.code, format!("{}: {}", missing.message, missing.hint))
            })?;
            show(template, output);
        }
        Action::Fit { worker, file, all } => {
            let info = probe::look(&worker, &file, false).await?;
            let mut fits = fits(&info, &templates);
            if !all {
                fits.left_out.clear();
            }
            if output.json {
                let mut answer = json!({ "type": "template_fits", "file": file.file });
                if let (Some(answer), Ok(Value::Object(fits))) = (answer.as_object_mut(), serde_json::to_value(&fits)) {
                    answer.extend(fits);
                }
                output.json_line(&answer);
            } else {
                fitting(&fits, output);
            }
        }
    }
    // Templates with errors are missing from the result.
    Ok(if diagnostics.iter().any(Diagnostic::is_error) { Exit::Usage } else { Exit::Done })
}

/// Loads the templates; prints the errors in their files.
fn load(args: &TemplatesArgs, output: Output) -> Result<(Templates, Vec<Diagnostic>), CliError> {
    let folder = &args.workflows;
    // The default is a folder that need not be there.
    if folder == Path::new(validate::WORKFLOWS) && !folder.exists() {
        return Ok((Templates::presets(), Vec::new()));
    }
    let error = |error| CliError::file(folder, &error);
    let whole = folder.canonicalize().map_err(error)?;
    let files = template_files(&whole).map_err(error)?;
    let (templates, diagnostics) = load_templates(&files);
    if !output.json && !diagnostics.is_empty() {
        validate::draw(&diagnostics, &files, output);
    }
    Ok((templates, diagnostics))
}

fn view(template: &Template) -> Value {
    let facts = (!template.is_watermark()).then(|| template.facts());
    json!({
        "name": template.name,
        "description": template.description,
        "preset": template.preset,
        "locked": template.locked,
        "watermark": template.is_watermark(),
        "facts": facts,
    })
}

fn list(templates: &Templates, output: Output) {
    let rows: Vec<[String; 3]> = templates
        .iter()
        .map(|template| {
            let from = match (template.preset, template.locked) {
                (true, _) => "built in",
                (false, true) => "locked",
                (false, false) => "custom",
            };
            [template.name.clone(), from.to_owned(), template.description.clone().unwrap_or_default()]
        })
        .collect();
    output.table(["TEMPLATE", "FROM", "DESCRIPTION"], &rows);
}

fn show(template: &Template, output: Output) {
    let parameters = template.parameters.to_json();
    if output.json {
        let mut view = view(template);
        if let Some(view) = view.as_object_mut() {
            view.insert("type".to_owned(), json!("template"));
            view.insert("parameters".to_owned(), parameters);
        }
        output.json_line(&view);
        return;
    }
    output.line(format_args!("name: {}", template.name));
    if let Some(description) = &template.description {
        output.line(format_args!("description: {}", json!(description)));
    }
    if template.locked {
        output.line("locked: true");
    }
    for line in yaml_lines(&parameters) {
        output.line(line);
    }
}

/// A mapping as YAML: nested mappings indented, everything else in the flow style that JSON is.
fn yaml_lines(value: &Value) -> Vec<String> {
    let Value::Object(map) = value else { return vec![scalar(value)] };
    let mut lines = Vec::new();
    for (key, value) in map {
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                lines.push(format!("{key}:"));
                lines.extend(yaml_lines(value).into_iter().map(|line| format!("  {line}")));
            }
            _ => lines.push(format!("{key}: {}", scalar(value))),
        }
    }
    lines
}

/// A value on one line; plain where YAML reads it back as the same text.
fn scalar(value: &Value) -> String {
    let plain = |text: &str| {
        let word = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/'));
        let starts = text.starts_with(|c: char| c.is_ascii_alphabetic());
        let reserved = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"];
        word && starts && !reserved.contains(&text.to_ascii_lowercase().as_str())
    };
    match value {
        Value::String(text) if plain(text) => text.clone(),
        other => other.to_string(),
    }
}

fn fitting(fits: &Fits, output: Output) {
    if fits.fits.is_empty() {
        output.line("no template suits the file");
    }
    let rows: Vec<[String; 2]> = fits.fits.iter().map(|fit| [fit.template.clone(), fit.reason.clone()]).collect();
    if !rows.is_empty() {
        output.table(["TEMPLATE", "WHY"], &rows);
    }
    if !fits.left_out.is_empty() {
        output.line("");
        let rows: Vec<[String; 2]> = fits.left_out.iter().map(|o| [o.template.clone(), o.reason.clone()]).collect();
        output.table(["LEFT OUT", "WHY"], &rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read_back_as_the_same_template() {
        for template in Templates::presets().iter() {
            let text = format!("name: again\n{}\n", yaml_lines(&template.parameters.to_json()).join("\n"));
            let (again, wrong) = Templates::load(&[("again.yaml", Some(&text))]);
            assert!(wrong.is_empty(), "{}: {wrong:?}\n{text}", template.name);
            let read = again.get("again").unwrap();
            assert_eq!(read.parameters.to_json(), template.parameters.to_json(), "{}", template.name);
        }
    }
}
