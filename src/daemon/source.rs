//! Files of definitions: a file that cannot be read is a diagnostic of its own and does not affect others.

use std::io;
use std::path::{Path, PathBuf};

use crate::model::Capabilities;
use crate::template::{self, Templates};
use crate::workflow::{self, Compiled, Limits};
use crate::yaml::{Diagnostic, Sink, Span};

/// Folder of custom templates.
const TEMPLATES: &str = "templates";

/// A file of a definition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Its name, as diagnostics say it.
    pub name: String,
    text: Result<String, Unreadable>,
}

/// Reason why a file could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Unreadable {
    reason: String,
    /// Set where the file is wrong, and not the way to it.
    is_content: bool,
}

impl SourceFile {
    /// Reads a file.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => Unreadable { reason: "it is not UTF-8".to_owned(), is_content: true },
            _ => Unreadable { reason: error.to_string(), is_content: false },
        });
        Self { name: path.display().to_string(), text }
    }

    /// A file with a known text.
    #[must_use]
    pub(super) const fn of(name: String, text: String) -> Self {
        Self { name, text: Ok(text) }
    }

    /// The name of the workflow or template in it, from its first line that begins with `name:`.
    #[must_use]
    pub fn defines(&self) -> Option<&str> {
        let name = self.text().lines().find_map(|line| line.strip_prefix("name:"))?;
        Some(name.split(" #").next().unwrap_or_default().trim().trim_matches(['"', '\'']))
    }

    /// Returns whether the file has the name of its workflow or template.
    fn is_called_like_its_name(&self) -> bool {
        let name = self.defines();
        name.is_some() && Path::new(&self.name).file_stem().and_then(|stem| stem.to_str()) == name
    }

    /// Returns whether it defines a template: it is in a folder of templates, or has keys that only templates have.
    #[must_use]
    pub fn is_template(&self) -> bool {
        let folder = Path::new(&self.name).parent().and_then(Path::file_name);
        let keys = self.text().lines().filter(|line| !line.starts_with(char::is_whitespace));
        let keys: Vec<&str> = keys.filter_map(|line| line.split_once(':')).map(|(key, _)| key).collect();
        let among_them = folder.is_some_and(|folder| folder == TEMPLATES) && !keys.contains(&"activities");
        among_them || template::is_template(keys)
    }

    /// Reason why it cannot be reached; nothing where its bytes were read, whatever they are.
    #[must_use]
    pub(super) fn out_of_reach(&self) -> Option<&str> {
        self.text.as_ref().err().filter(|error| !error.is_content).map(|error| error.reason.as_str())
    }

    /// Its text; empty where it cannot be read.
    #[must_use]
    pub fn text(&self) -> &str {
        self.text.as_ref().map_or("", String::as_str)
    }

    /// Compiles a workflow file with these templates, and with the `installed` features if they are known.
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
            sink.error("WF0005", Span::default(), format!("the file cannot be read: {}", error.reason));
        }
        sink.finish()
    }
}

/// The templates in `files`, with all their errors and warnings.
#[must_use]
pub fn load_templates(files: &[SourceFile]) -> (Templates, Vec<Diagnostic>) {
    let texts: Vec<_> =
        files.iter().map(|file| (file.name.as_str(), file.text.as_ref().ok().map(String::as_str))).collect();
    let (templates, found) = Templates::load(&texts);
    (templates, files.iter().flat_map(SourceFile::unreadable).chain(found).collect())
}

/// The YAML files of a folder, in order of their names; without hidden files, and backup files of editors.
pub fn yaml_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)?
        .map(|entry| entry.map(|e| e.path()))
        .filter(|path| path.as_ref().is_ok_and(|p| is_yaml(p) && !is_aside(p)))
        .collect::<Result<_, _>>()?;
    files.sort();
    Ok(files)
}

/// Custom templates beside the workflows of `folder`: in its own `templates`, or in that of its parent. Files that are
/// called like their templates come first.
pub fn template_files(folder: &Path) -> io::Result<Vec<SourceFile>> {
    let own = folder.join(TEMPLATES);
    let beside = folder.parent().map(|parent| parent.join(TEMPLATES));
    let folder = if own.is_dir() { Some(own) } else { beside };
    match folder.map(|folder| yaml_files(&folder)) {
        None => Ok(Vec::new()),
        Some(Err(error)) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Some(files) => {
            let mut files: Vec<_> = files?.iter().map(|path| SourceFile::read(path)).collect();
            // Of two templates of one name the first has it.
            files.sort_by_key(|file| !file.is_called_like_its_name());
            Ok(files)
        }
    }
}

/// Returns whether a file name has an extension of YAML.
fn is_yaml(path: &Path) -> bool {
    path.extension().is_some_and(|ext| ext.eq_ignore_ascii_case("yaml") || ext.eq_ignore_ascii_case("yml"))
}

/// Returns whether a file is hidden, or a lock, swap or backup file of an editor.
fn is_aside(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    name.starts_with(['.', '~', '#']) || stem.ends_with('~')
}
