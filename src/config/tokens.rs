//! Tokens of the API, and their scopes.
//!
//! **Invariant**: a token itself stands in no file of the configuration and is kept nowhere: its SHA-256 is.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::ConfigError;

/// Fewest characters of a token that is given as such: what is shorter can be guessed.
const SHORTEST: usize = 20;

/// Scope of a token; each includes those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Read everything.
    Read,
    /// Start, cancel, retry and prioritize work.
    Submit,
    /// Change queues and definitions.
    Admin,
}

/// A token.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TokenConfig {
    /// Name of its holder, for logs.
    pub name: String,
    /// Its scope.
    pub scope: Scope,
    /// `sha256:HEX` of the token; or `env:NAME` or `file:PATH`, where the token itself is.
    pub token: String,
}

/// SHA-256 of a token.
pub type TokenDigest = [u8; 32];

impl TokenConfig {
    /// The digest of the token.
    pub fn digest(&self) -> Result<TokenDigest, ConfigError> {
        let conflict = |reason: &str| ConfigError::Conflict(format!("api.tokens: {}: {reason}", self.name));
        let token = match self.token.split_once(':') {
            Some(("sha256", hex)) => {
                return parse_hex(hex).ok_or_else(|| conflict("`sha256:` must be followed by 64 hex digits"));
            }
            Some(("env", name)) => {
                std::env::var(name).map_err(|_| conflict(&format!("the environment variable {name} is not set")))?
            }
            Some(("file", path)) => {
                std::fs::read_to_string(path).map_err(|error| conflict(&format!("cannot read {path}: {error}")))?
            }
            _ => return Err(conflict("write `sha256:HEX`, `env:NAME` or `file:PATH`, not the token itself")),
        };
        let token = token.trim();
        if token.len() < SHORTEST {
            return Err(conflict(&format!("a token must have at least {SHORTEST} characters")));
        }
        Ok(digest(token))
    }
}

/// SHA-256 of a token as it is presented.
#[must_use]
pub fn digest(token: &str) -> TokenDigest {
    Sha256::digest(token).into()
}

fn parse_hex(hex: &str) -> Option<TokenDigest> {
    let mut digest = TokenDigest::default();
    if hex.len() != digest.len() * 2 || !hex.is_ascii() {
        return None;
    }
    for (byte, at) in digest.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(&hex[at..at + 2], 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(token: &str) -> Result<TokenDigest, ConfigError> {
        TokenConfig { name: "ci".to_owned(), scope: Scope::Read, token: token.to_owned() }.digest()
    }

    #[test]
    fn a_token_is_its_digest_wherever_it_stands() {
        let secret = "a-token-of-some-length";
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, format!("{secret}\n")).unwrap();
        let of_abc = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(token(of_abc).unwrap(), digest("abc"));
        assert_eq!(token(&format!("file:{}", file.display())).unwrap(), digest(secret));
    }

    #[test]
    fn what_is_no_reference_is_refused_and_not_repeated() {
        for bad in ["a-token-of-some-length", "sha256:12", "sha256:zz", "env:NO_SUCH_VARIABLE", "file:/no/such/file"] {
            let error = token(bad).unwrap_err().to_string();
            assert!(!error.contains("a-token-of-some-length"), "{error}");
        }
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        std::fs::write(&file, "short").unwrap();
        assert!(token(&format!("file:{}", file.display())).is_err());
    }
}
