//! Identifiers as people type them: whole, their beginning, or the newest one.

use std::str::FromStr;

use serde_json::Value;

use super::client::Client;
use super::{CliError, Exit};

/// Fewest digits of a beginning.
const FEWEST: usize = 4;
/// Pages of 1,000 that are searched for a beginning.
const PAGES: usize = 10;

/// An identifier as it was typed.
#[derive(Clone, Debug)]
pub(super) enum Named<Id> {
    /// The whole identifier.
    Whole(Id),
    /// The first characters of it, in lower case.
    Beginning(String),
    /// The newest one: `@last`.
    Last,
}

impl<Id: FromStr<Err: std::fmt::Display>> FromStr for Named<Id> {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "@last" {
            return Ok(Self::Last);
        }
        match text.parse() {
            Ok(id) => Ok(Self::Whole(id)),
            Err(_) if (FEWEST..36).contains(&text.len()) && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-') => {
                Ok(Self::Beginning(text.to_ascii_lowercase()))
            }
            Err(error) => Err(format!("{error}; its beginning will do where no other has it, and so will @last")),
        }
    }
}

impl<Id: FromStr + Copy> Named<Id> {
    /// The identifier, looked up in the list at `path`, newest first.
    pub(super) async fn find(&self, client: &Client, path: &str) -> Result<Id, CliError> {
        let beginning = match self {
            Self::Whole(id) => return Ok(*id),
            Self::Beginning(text) => text.as_str(),
            Self::Last => "",
        };
        let limit = if beginning.is_empty() { "1" } else { "1000" };
        let mut found: Vec<String> = Vec::new();
        let mut cursor = None;
        for _ in 0..PAGES {
            let mut query = vec![("limit", limit.to_owned())];
            query.extend(cursor.map(|cursor| ("cursor", cursor)));
            let page: Value = client.get(path, &query).await?;
            let ids = page["items"].as_array().into_iter().flatten().filter_map(|item| item["id"].as_str());
            found.extend(ids.filter(|id| id.starts_with(beginning)).map(str::to_owned));
            cursor = page["next"].as_str().map(str::to_owned);
            if cursor.is_none() || beginning.is_empty() || found.len() > 1 {
                break;
            }
        }
        match found.as_slice() {
            [id] => id.parse().map_err(|_| CliError::new(Exit::Storage, "CLI0007", format!("{id} is no identifier"))),
            [] if beginning.is_empty() => Err(CliError::new(Exit::NotFound, "CLI0032", "there is none yet")),
            [] => Err(CliError::new(Exit::NotFound, "CLI0032", format!("no identifier begins with `{beginning}`"))),
            several => {
                let shown: Vec<&str> = several.iter().take(5).map(String::as_str).collect();
                let message = format!("more than one identifier begins with `{beginning}`: {}", shown.join(", "));
                Err(CliError::new(Exit::Usage, "CLI0033", message))
            }
        }
    }
}
