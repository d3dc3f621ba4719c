//! Rest of a body whose request was refused.
//!
//! A client that is still sending finds its connection closed and never reads why it was refused; one that keeps the
//! connection finds it closed at its next request. So the rest of a body is read, up to a limit, and forgotten. A
//! client that waits to be told to send (`Expect: 100-continue`) is not told so: it gets its answer, and the connection
//! ends.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::StreamExt;
use hyper::HeaderMap;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use hyper::header::EXPECT;
use s3s::Body;

/// Most bytes that are read of a request that was refused.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Place for the unread rest of a body.
#[derive(Clone)]
pub struct UnreadBody {
    left: Arc<Mutex<UnreadRest>>,
    /// True if the client waits for `100 Continue` before it sends the body.
    waits: bool,
}

/// Rest of a body.
#[derive(Default)]
enum UnreadRest {
    #[default]
    Nothing,
    Some(Incoming),
    /// The whole body, which the client has not begun to send. Reading it would send `100 Continue`.
    Unsent,
}

impl UnreadBody {
    /// Of a request with those headers.
    pub fn new(headers: &HeaderMap) -> Self {
        let waits =
            headers.get(EXPECT).is_some_and(|expected| expected.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        Self { left: Arc::default(), waits }
    }

    /// A body that leaves its rest here.
    pub fn of(&self, body: Incoming) -> Body {
        Body::http_body_unsync(LentBody { body: Some(body), polled: false, rest: self.clone() })
    }

    /// Reads the rest of the body, and returns whether the connection can be used for another request.
    pub async fn drain(&self) -> bool {
        let left = std::mem::take(&mut *self.left.lock().unwrap_or_else(PoisonError::into_inner));
        let mut body = match left {
            UnreadRest::Nothing => return true,
            UnreadRest::Unsent => return false,
            UnreadRest::Some(body) => Body::from(body),
        };
        let mut limit = MAX_BYTES;
        while let Some(Ok(chunk)) = body.next().await {
            limit = limit.saturating_sub(chunk.len());
            if limit == 0 {
                return false;
            }
        }
        true
    }
}

/// A body whose rest is given to [`UnreadBody`] when it is dropped.
struct LentBody {
    body: Option<Incoming>,
    /// True if the body was read, which asks the client to send it.
    polled: bool,
    rest: UnreadBody,
}

impl HttpBody for LentBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.polled = true;
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

impl Drop for LentBody {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) {
            let left = if self.rest.waits && !self.polled { UnreadRest::Unsent } else { UnreadRest::Some(body) };
            *self.rest.left.lock().unwrap_or_else(PoisonError::into_inner) = left;
        }
    }
}
