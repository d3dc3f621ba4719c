//! Style sheet, scripts and icon, which are part of the program. Their addresses contain a digest of them.

use std::sync::LazyLock;

use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};

use crate::api::extract::Place;
use crate::api::problem::no_such_route;
use crate::workflow::digest;

/// Cache-Control of assets: browsers may keep them, since the address changes with the content.
const KEPT: &str = "public, max-age=31536000, immutable";

const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

/// A file that pages refer to.
struct Asset {
    name: &'static str,
    content_type: &'static str,
    text: &'static str,
}

const ASSETS: [Asset; 7] = [
    Asset { name: "console.css", content_type: CSS, text: include_str!("assets/console.css") },
    Asset { name: "console.js", content_type: JS, text: include_str!("assets/console.js") },
    Asset { name: "player.js", content_type: JS, text: include_str!("assets/player.js") },
    Asset { name: "playlist.js", content_type: JS, text: include_str!("assets/playlist.js") },
    Asset { name: "captions.js", content_type: JS, text: include_str!("assets/captions.js") },
    Asset { name: "upload.js", content_type: JS, text: include_str!("assets/upload.js") },
    Asset { name: "icon.svg", content_type: "image/svg+xml", text: include_str!("assets/icon.svg") },
];

/// Digest of all assets, which are used together.
static DIGEST: LazyLock<String> = LazyLock::new(|| {
    let all: String = ASSETS.iter().map(|asset| asset.text).collect();
    let mut digest = digest(&all);
    digest.truncate(12);
    digest
});

/// Returns the address of an asset.
#[must_use]
pub fn address(name: &str) -> String {
    format!("/assets/{}/{name}", *DIGEST)
}

pub(super) async fn show(Place((_, name)): Place<(String, String)>, uri: Uri, headers: HeaderMap) -> Response {
    let Some(asset) = ASSETS.iter().find(|asset| asset.name == name) else {
        return no_such_route(uri).await.into_response();
    };
    let etag = format!("\"{}\"", *DIGEST);
    let known = headers.get(header::IF_NONE_MATCH).is_some_and(|known| *known == *etag);
    let kept = [(header::ETAG, etag.as_str()), (header::CACHE_CONTROL, KEPT)];
    if known {
        return (StatusCode::NOT_MODIFIED, kept).into_response();
    }
    (kept, [(header::CONTENT_TYPE, asset.content_type)], asset.text).into_response()
}
