//! Buckets and prefixes as written: slips that no upload and no output would ever forgive.
//!
//! Absent: texts with `${…}`, whose values are checked when they are known.

use super::definition::target;
use crate::yaml::{Node, Sink, is_deferred};

/// Checks the bucket and the prefix under `output`, of a workflow or an activity.
pub fn output(node: &Node, sink: &mut Sink<'_>) {
    let target = target(node);
    if let Some(node) = &target.bucket {
        bucket(node, sink);
    }
    if let Some(node) = &target.prefix {
        prefix(node, sink);
    }
}

/// Checks a bucket's name. A name that S3 only accepts for old buckets is a warning.
pub fn bucket(node: &Node, sink: &mut Sink<'_>) {
    const RULE: &str = "use 3 to 63 lower case letters, digits, `-` and `.`";
    let Some(name) = node.scalar_text().filter(|name| !is_deferred(name)) else { return };
    if let Some(rest) = name.strip_prefix("s3://") {
        let bare = rest.split('/').next().unwrap_or_default();
        sink.error("WF0135", node.span, "expected the name of a bucket, not a URL").hint(format!("write `{bare}`"));
        return;
    }
    let (allowed, modern) = (|b: u8| matches!(b, b'-' | b'.' | b'_'), |b: u8| b != b'_' && !b.is_ascii_uppercase());
    let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || allowed(b));
    // Access points have an ARN for a name, and Ceph's buckets a tenant before it.
    if !is_name && name.contains(':') {
        return;
    }
    if name.is_empty() || !is_name {
        sink.error("WF0135", node.span, format!("`{name}` is not a valid name of a bucket")).hint(RULE);
    } else if !(3..=63).contains(&name.len()) || !name.bytes().all(modern) {
        sink.warning(
            "WF0136",
            node.span,
            format!("`{name}` is a name that only old buckets of AWS can have; new and local buckets cannot"),
        )
        .hint(RULE);
    }
}

/// Warns of a prefix that ends within a word: names follow it without a `/` between.
fn prefix(node: &Node, sink: &mut Sink<'_>) {
    let Some(prefix) = node.as_str() else { return };
    if prefix.ends_with(|c: char| c.is_alphanumeric()) {
        let message = format!("the prefix does not end with `/`: keys will be like `{prefix}name.mp4`");
        sink.warning("WF0137", node.span, message).hint(format!("write `{prefix}/` for a folder"));
    }
}
