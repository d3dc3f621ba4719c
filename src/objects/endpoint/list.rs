//! Listing buckets' contents in both versions of the protocol.

use hyper::Uri;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use s3s::dto::{
    CommonPrefix, ETag, EncodingType, ListObjectsInput, ListObjectsOutput, ListObjectsV2Input, ListObjectsV2Output,
    Object, ObjectStorageClass,
};
use s3s::{S3Result, s3_error};

use super::answer::{size, time};
use super::service::owner;
use crate::objects::local::{LocalBuckets, Page, Query};

/// Most names of a page.
const MAX_KEYS: i32 = 1_000;

/// Characters of a key that are not percent-encoded.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Encoding of names in a listing: URL-encoded if requested, because XML cannot contain every character of a key.
struct Names(bool);

impl Names {
    fn new(encoding: Option<&EncodingType>) -> Self {
        Self(encoding.is_some_and(|encoding| encoding.as_str() == EncodingType::URL))
    }

    fn write(&self, name: String) -> String {
        if self.0 { utf8_percent_encode(&name, KEPT).to_string() } else { name }
    }

    fn objects(&self, page: &mut Page, owned: bool) -> Vec<Object> {
        let object = |entry: crate::objects::Entry| Object {
            key: Some(self.write(entry.key)),
            size: Some(size(entry.size_bytes)),
            e_tag: Some(ETag::Strong(entry.etag)),
            last_modified: Some(time(entry.last_modified)),
            owner: owned.then(owner),
            storage_class: Some(ObjectStorageClass::from_static(ObjectStorageClass::STANDARD)),
            ..Object::default()
        };
        std::mem::take(&mut page.objects).into_iter().map(object).collect()
    }

    fn prefixes(&self, page: &mut Page) -> Vec<CommonPrefix> {
        let prefixes = std::mem::take(&mut page.prefixes);
        prefixes.into_iter().map(|prefix| CommonPrefix { prefix: Some(self.write(prefix)) }).collect()
    }
}

/// Refuses requests that other servers accept and S3 does not: an unordered listing cannot have common prefixes.
pub fn check(uri: &Uri, delimiter: Option<&str>) -> S3Result<()> {
    let unordered = uri.query().is_some_and(|query| {
        query.split('&').any(|pair| pair.to_ascii_lowercase().starts_with("allow-unordered=true"))
    });
    if unordered && delimiter.is_some_and(|delimiter| !delimiter.is_empty()) {
        return Err(s3_error!(InvalidArgument, "a list with a delimiter has an order; leave allow-unordered out"));
    }
    Ok(())
}

/// Version 1.
pub async fn v1(buckets: &LocalBuckets, input: ListObjectsInput) -> S3Result<ListObjectsOutput> {
    let names = Names::new(input.encoding_type.as_ref());
    let (max_keys, limit) = limit(input.max_keys)?;
    let query = Query {
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: delimiter(input.delimiter.clone()),
        after: input.marker.clone().filter(|marker| !marker.is_empty()),
        limit,
    };
    let mut page = buckets.page(&input.bucket, query).await?;
    Ok(ListObjectsOutput {
        name: Some(input.bucket),
        prefix: input.prefix.map(|p| names.write(p)),
        marker: Some(names.write(input.marker.unwrap_or_default())),
        max_keys: Some(max_keys),
        is_truncated: Some(page.next.is_some()),
        contents: Some(names.objects(&mut page, true)),
        common_prefixes: Some(names.prefixes(&mut page)),
        delimiter: delimiter(input.delimiter).map(|d| names.write(d)),
        next_marker: page.next.map(|next| names.write(next)),
        encoding_type: input.encoding_type,
        ..ListObjectsOutput::default()
    })
}

/// Version 2.
pub async fn v2(buckets: &LocalBuckets, input: ListObjectsV2Input) -> S3Result<ListObjectsV2Output> {
    let names = Names::new(input.encoding_type.as_ref());
    let (max_keys, limit) = limit(input.max_keys)?;
    let query = Query {
        prefix: input.prefix.clone().unwrap_or_default(),
        delimiter: delimiter(input.delimiter.clone()),
        after: input.continuation_token.clone().or_else(|| input.start_after.clone()),
        limit,
    };
    let mut page = buckets.page(&input.bucket, query).await?;
    let count = page.objects.len() + page.prefixes.len();
    Ok(ListObjectsV2Output {
        name: Some(input.bucket),
        prefix: input.prefix.map(|p| names.write(p)),
        max_keys: Some(max_keys),
        key_count: i32::try_from(count).ok(),
        continuation_token: input.continuation_token,
        is_truncated: Some(page.next.is_some()),
        contents: Some(names.objects(&mut page, input.fetch_owner == Some(true))),
        common_prefixes: Some(names.prefixes(&mut page)),
        next_continuation_token: page.next,
        delimiter: delimiter(input.delimiter).map(|d| names.write(d)),
        encoding_type: input.encoding_type,
        start_after: input.start_after.map(|s| names.write(s)),
        ..ListObjectsV2Output::default()
    })
}

fn delimiter(delimiter: Option<String>) -> Option<String> {
    delimiter.filter(|delimiter| !delimiter.is_empty())
}

fn limit(max_keys: Option<i32>) -> S3Result<(i32, usize)> {
    let max_keys = max_keys.unwrap_or(MAX_KEYS).min(MAX_KEYS);
    let limit = usize::try_from(max_keys).map_err(|_| s3_error!(InvalidArgument, "max-keys must not be negative"))?;
    Ok((max_keys, limit))
}
