//! Idempotency keys: a request that is sent again under its key is not carried out again.
//!
//! What is remembered is written down before anything is done, and says how to find out whether that was done; so a
//! crash between the two loses nothing and doubles nothing.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::{Context, ParameterPlace, Problem};
use crate::store::Request;

/// The header.
const HEADER: &str = "idempotency-key";

/// Longest key.
const LONGEST: usize = 255;

/// The key of a request, where it has one, with what it is a key of.
pub(super) struct Key(Option<String>);

impl<S: Send + Sync> FromRequestParts<S> for Key {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(HEADER) else { return Ok(Self(None)) };
        let key = value.to_str().ok().filter(|key| (1..=LONGEST).contains(&key.len()));
        let Some(key) = key else {
            let detail = format!("expected are 1 to {LONGEST} visible ASCII characters");
            return Err(Problem::invalid(ParameterPlace::Header, "Idempotency-Key", detail));
        };
        Ok(Self(Some(format!("{} {}\n{key}", parts.method, parts.uri.path()))))
    }
}

impl Key {
    /// The note of the request that was made first under this key; `note` where this is the first, or there is no key.
    /// Answers with it whether it is the first.
    pub(super) async fn first(
        self,
        context: &Context,
        digest: [u8; 32],
        note: String,
    ) -> Result<(String, bool), Problem> {
        let Some(key) = self.0 else { return Ok((note, true)) };
        let request = Request { key, digest, note };
        match context.store.remember(&request, context.clock.now()).await? {
            None => Ok((request.note, true)),
            Some(known) if known.digest == digest => Ok((known.note, false)),
            Some(_) => {
                let detail = "the same Idempotency-Key came with another body before";
                Err(Problem::unprocessable("CLI0016", detail))
            }
        }
    }
}
