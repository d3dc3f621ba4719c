//! What is left of a body whose request was refused.
//!
//! A client that is still sending finds its connection closed and never reads why it was refused; one that keeps the
//! connection finds it closed at its next request. So the rest of a body is read, up to a limit, and forgotten.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::StreamExt;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use s3s::Body;

/// Most bytes that are read of a request that was refused.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Where a body leaves what nobody read of it.
#[derive(Clone, Default)]
pub struct Rest(Arc<Mutex<Option<Incoming>>>);

impl Rest {
    /// A body that leaves its rest here.
    pub fn of(&self, body: Incoming) -> Body {
        Body::http_body_unsync(Lent { body: Some(body), rest: self.clone() })
    }

    /// Reads what was left.
    pub async fn drain(&self) {
        let left = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(mut body) = left.map(Body::from) else { return };
        let mut limit = MAX_BYTES;
        while let Some(Ok(chunk)) = body.next().await {
            limit = limit.saturating_sub(chunk.len());
            if limit == 0 {
                break;
            }
        }
    }
}

/// A body that comes back when it is dropped.
struct Lent {
    body: Option<Incoming>,
    rest: Rest,
}

impl HttpBody for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Incoming::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) {
            *self.rest.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(body);
        }
    }
}
