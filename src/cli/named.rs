//! Identifiers as typed: whole, abbreviated, or `@last` for the newest.

use std::str::FromStr;

use serde_json::Value;

use super::client::Client;
use super::{CliError, Exit};

/// Fewest characters of an abbreviation.
const FEWEST: usize = 4;
/// Most pages of 1,000 entries that are searched for an abbreviation.
const PAGES: usize = 10;

/// An identifier as it was typed.
#[derive(Clone, Debug)]
pub(super) enum Named<Id> {
    /// Whole identifier.
    Whole(Id),
    /// First characters of the identifier, in lower case.
    Beginning(String),
    /// Newest one: `@last`.
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
            Err(error) => Err(format!(
                "{error}; its first characters (at least 4) are enough if they are unique, or @last for the newest"
            )),
        }
    }
}

impl<Id: FromStr + Copy> Named<Id> {
    /// Returns the identifier, looked up in the list at `path`.
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
            [id] => id.parse().map_err(|_| {
                CliError::new(Exit::Storage, "CLI0007", format!("the daemon returned an invalid identifier: {id}"))
            }),
            [] if beginning.is_empty() => Err(CliError::new(Exit::NotFound, "CLI0032", "@last: there is no entry yet")),
            [] => Err(CliError::new(Exit::NotFound, "CLI0032", format!("no identifier begins with `{beginning}`"))),
            several => {
                let shown: Vec<&str> = several.iter().take(5).map(String::as_str).collect();
                let message = format!("more than one identifier begins with `{beginning}`: {}", shown.join(", "));
                Err(CliError::new(Exit::Usage, "CLI0033", message))
            }
        }
    }
}
