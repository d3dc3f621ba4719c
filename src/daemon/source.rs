//! Files of definitions, read: one that cannot be read is a diagnostic of its own and stands in nobody's way.

use std::io;
use std::path::{Path, PathBuf};

use crate::model::Capabilities;
use crate::template::Templates;
use crate::workflow::{self, Compiled, Limits};
use crate::yaml::{Diagnostic, Sink, Span};

/// A file of a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Its name, as diagnostics say it.
    pub name: String,
    text: Result<String, String>,
}

impl SourceFile {
    /// Reads a file.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => "it is not text in UTF-8".to_owned(),
            _ => error.to_string(),
        });
        Self { name: path.display().to_string(), text }
    }

    /// Its text; empty where it cannot be read.
    #[must_use]
    pub fn text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }

    /// What a workflow file turns out to be, with these templates and, where that is known, what is `installed`.
    #[must_use]
    pub fn compile(&self, templates: &Templates, installed: Option<&Capabilities>) -> Compiled {
        match &self.text {
            Ok(text) => workflow::compile(&self.name, text, templates, &Limits::default(), installed),
            Err(_) => Compiled { workflow: None, diagnostics: self.unreadable() },
        }
    }

    /// That it cannot be read; nothing where it can.
    fn unreadable(&self) -> Vec<Diagnostic> {
        let mut sink = Sink::new(&self.name, "");
        if let Err(error) = &self.text {
            sink.error("WF0005", Span::default(), format!("the file cannot be read: {error}"));
        }
        sink.finish()
    }
}

/// The templates that stand in `files`, and all that is wrong with them.
#[must_use]
pub fn load_templates(files: &[SourceFile]) -> (Templates, Vec<Diagnostic>) {
    let texts: Vec<_> = files.iter().map(|file| (file.name.as_str(), file.text.as_deref().ok())).collect();
    let (templates, found) = Templates::load(&texts);
    (templates, files.iter().flat_map(SourceFile::unreadable).chain(found).collect())
}

/// The YAML files of a folder, in order of their names; none where it does not exist.
pub fn yaml_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
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
pub fn template_files(folder: &Path) -> io::Result<Vec<SourceFile>> {
    let own = folder.join("templates");
    let beside = folder.parent().map(|parent| parent.join("templates"));
    let folder = if own.is_dir() { Some(own) } else { beside };
    let Some(folder) = folder else { return Ok(Vec::new()) };
    Ok(yaml_files(&folder)?.iter().map(|path| SourceFile::read(path)).collect())
}

/// Whether a file name is one of YAML.
fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|ext| ext.eq_ignore_ascii_case("yaml") || ext.eq_ignore_ascii_case("yml"))
}
