//! The store that a configuration names.

use std::path::PathBuf;

use super::{Config, ConfigError};

/// The store that a configuration names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreTarget {
    /// A file.
    Sqlite(PathBuf),
    /// A server's URL, which may hold a password.
    Postgres(String),
}

impl Config {
    /// The store; a value that stands elsewhere is looked up.
    pub fn store_target(&self) -> Result<StoreTarget, ConfigError> {
        let conflict = |reason: String| ConfigError::Conflict(format!("store: {reason}"));
        let store = match self.store.split_once(':') {
            Some(("env", name)) => {
                std::env::var(name).map_err(|_| conflict(format!("the environment variable {name} is not set")))?
            }
            Some(("file", path)) => std::fs::read_to_string(path)
                .map_err(|error| conflict(format!("cannot read {path}: {error}")))?
                .trim()
                .to_owned(),
            _ => self.store.clone(),
        };
        match store.split_once(':') {
            Some(("sqlite", path)) if !path.is_empty() => Ok(StoreTarget::Sqlite(PathBuf::from(path))),
            Some(("postgres" | "postgresql", rest)) if rest.starts_with("//") => Ok(StoreTarget::Postgres(store)),
            Some((scheme, _)) => {
                Err(conflict(format!("`{scheme}:` is not a kind of store; write sqlite:PATH or postgres://…")))
            }
            None => Err(conflict("write sqlite:PATH or postgres://…".to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Coded;

    #[test]
    fn a_store_is_named_here_or_elsewhere_and_anything_else_is_refused() {
        let target = |store: &str| Config { store: store.to_owned(), ..Config::default() }.store_target();
        assert_eq!(target("sqlite:x.db").unwrap(), StoreTarget::Sqlite("x.db".into()));
        let url = "postgres://u:secret@host/db";
        assert_eq!(target(url).unwrap(), StoreTarget::Postgres(url.to_owned()));
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("url");
        std::fs::write(&file, format!("{url}\n")).unwrap();
        assert_eq!(target(&format!("file:{}", file.display())).unwrap(), StoreTarget::Postgres(url.to_owned()));
        for bad in ["", "x.db", "mysql://u:secret@host/db", "sqlite:", "env:NO_SUCH_VARIABLE", "file:/no/such/file"] {
            let error = target(bad).unwrap_err().with_code();
            assert!(error.starts_with("CFG0004: store:") && !error.contains("secret"), "{error}");
        }
    }
}
