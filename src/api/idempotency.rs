//! Idempotency keys: a request that is sent again with its key is not carried out again.
//!
//! The key is stored before the request is carried out, with the identifier that the request will create. After a crash
//! in between, a repeated request finds the identifier and checks whether it exists: nothing is lost or done twice.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::{Context, ParameterPlace, Problem};
use crate::store::Request;

/// Name of the header.
const HEADER: &str = "idempotency-key";

/// Longest key, in characters.
const LONGEST: usize = 255;

/// The idempotency key of a request with its method and path; `None` if it has none.
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
    /// Returns the note of the first request with this key, and whether this request is the first. Without a key, this
    /// request is the first.
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
                let detail = "this Idempotency-Key was used before with another body: use a new key for a new request";
                Err(Problem::unprocessable("CLI0016", detail))
            }
        }
    }
}
