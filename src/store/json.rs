//! Values that both stores keep as text.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StoreError;

/// A value as JSON.
pub(super) fn to_json<T: Serialize + ?Sized>(value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| corrupt("value", error))
}

/// Parses a value from JSON; `what` names it in the error.
pub(super) fn from_json<T: DeserializeOwned>(what: &'static str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| corrupt(what, error))
}

/// A column that holds one of a set of names.
pub(super) fn named<T>(what: &'static str, text: &str, parse: impl Fn(&str) -> Option<T>) -> Result<T, StoreError> {
    parse(text).ok_or_else(|| corrupt(what, UnknownName { name: text.to_owned() }))
}

fn corrupt(what: &'static str, source: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::Corrupt { what, source: Box::new(source) }
}

#[derive(Debug, thiserror::Error)]
#[error("unknown name {name}")]
struct UnknownName {
    name: String,
}
