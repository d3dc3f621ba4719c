//! XML of requests, in whichever way clients write it.
//!
//! s3s takes an element that it does not expect for an error, passes over CDATA, and knows no prefixes of namespaces.
//! So the XML of the operations whose clients write it by hand is written anew before s3s reads it: after the signature
//! was checked, which is of the bytes that came.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::StreamExt;
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING};
use hyper::http::Extensions;
use hyper::{HeaderMap, Method, Request, Uri};
use md5::{Digest, Md5};
use quick_xml::Reader;
use quick_xml::events::Event;
use s3s::path::S3Path;
use s3s::route::S3Route;
use s3s::service::S3Service;
use s3s::{Body, S3Request, S3Response, S3Result, s3_error};

use super::access::{Access, check_headers};
use super::front::escaped;
use super::receive::{CONTENT_SHA256, broken};
use crate::objects::local::LocalBuckets;

/// Most bytes of XML: 10,000 parts with a checksum each are a quarter of it.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// Elements of an operation's XML.
#[derive(Debug, PartialEq, Eq)]
struct Form {
    root: &'static str,
    /// Elements that are read; others are skipped with their content.
    known: &'static [&'static str],
}

const DELETE: Form =
    Form { root: "Delete", known: &["Object", "Key", "VersionId", "ETag", "Size", "LastModifiedTime", "Quiet"] };

const COMPLETE: Form = Form {
    root: "CompleteMultipartUpload",
    known: &[
        "Part",
        "PartNumber",
        "ETag",
        "ChecksumCRC32",
        "ChecksumCRC32C",
        "ChecksumCRC64NVME",
        "ChecksumSHA1",
        "ChecksumSHA256",
    ],
};

/// Headers that describe the original body.
const OF_THE_BODY: [HeaderName; 4] = [AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING];

/// The way of requests with XML.
pub struct XmlRoute {
    /// The service that does not check signatures; only this route reaches it.
    behind: S3Service,
    buckets: LocalBuckets,
}

impl XmlRoute {
    /// A way to `behind`, which checks no signatures.
    pub const fn new(behind: S3Service, buckets: LocalBuckets) -> Self {
        Self { behind, buckets }
    }
}

/// Returns the elements of a request's XML, by its query.
fn form(uri: &Uri) -> Option<Form> {
    let names = uri.query()?.split('&').map(|pair| pair.split_once('=').map_or(pair, |(name, _)| name));
    names.into_iter().find_map(|name| match name {
        "delete" => Some(DELETE),
        "uploadId" => Some(COMPLETE),
        _ => None,
    })
}

#[async_trait::async_trait]
impl S3Route for XmlRoute {
    fn is_match(&self, method: &Method, uri: &Uri, _: &HeaderMap, _: &mut Extensions) -> bool {
        method == Method::POST && form(uri).is_some()
    }

    async fn check_access(&self, request: &mut S3Request<Body>) -> S3Result<()> {
        if request.credentials.is_some() {
            return check_headers(&request.headers);
        }
        let path = s3s::path::parse_path_style(request.uri.path()).ok();
        let bucket = path.as_ref().and_then(S3Path::get_bucket_name);
        Err(Access::unsigned(&self.buckets, bucket).await)
    }

    async fn call(&self, request: S3Request<Body>) -> S3Result<S3Response<Body>> {
        let S3Request { input, method, uri, headers, .. } = request;
        let came = read(input).await?;
        check_md5(&headers, &came)?;
        let form = form(&uri).ok_or_else(|| s3_error!(MethodNotAllowed))?;
        let xml = plain(&came, &form);
        let xml = xml.ok_or_else(|| s3_error!(MalformedXML, "the body is not XML, or not {}", form.root))?;
        let mut behind = Request::new(Body::empty());
        *behind.method_mut() = method;
        *behind.uri_mut() = unsigned(&uri)?;
        *behind.headers_mut() = headers;
        for name in OF_THE_BODY {
            behind.headers_mut().remove(name);
        }
        for name in [CONTENT_SHA256, "x-amz-trailer", "x-amz-decoded-content-length"] {
            behind.headers_mut().remove(name);
        }
        behind.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(xml.len()));
        *behind.body_mut() = Body::from(xml);
        let answer = self.behind.call(behind).await.map_err(|e| s3_error!(InternalError, "{e:?}"))?;
        let (parts, body) = answer.into_parts();
        let mut response = S3Response::with_status(body, parts.status);
        response.headers = parts.headers;
        Ok(response)
    }
}

async fn read(mut body: Body) -> S3Result<Bytes> {
    let mut came = Vec::new();
    while let Some(chunk) = body.next().await {
        came.extend_from_slice(&chunk.map_err(broken)?);
        if came.len() > MAX_BYTES {
            return Err(s3_error!(MaxMessageLengthExceeded, "the XML of a request has at most {MAX_BYTES} bytes"));
        }
    }
    if came.is_empty() {
        return Err(s3_error!(MissingRequestBodyError, "the request needs a body"));
    }
    Ok(came.into())
}

fn check_md5(headers: &HeaderMap, body: &[u8]) -> S3Result<()> {
    let Some(sent) = headers.get("content-md5") else { return Ok(()) };
    let sent =
        STANDARD.decode(sent.as_bytes()).map_err(|_| s3_error!(InvalidDigest, "Content-MD5 is not in Base64"))?;
    if sent == Md5::digest(body).as_slice() {
        return Ok(());
    }
    Err(s3_error!(BadDigest, "the MD5 of the body differs from the one in the request"))
}

/// An address without the signature of a presigned URL.
fn unsigned(uri: &Uri) -> S3Result<Uri> {
    let of_signature = |pair: &&str| {
        let name = pair.split_once('=').map_or(*pair, |(name, _)| name);
        name.starts_with("X-Amz-") || matches!(name, "Signature" | "AWSAccessKeyId" | "Expires")
    };
    let pairs: Vec<&str> = uri.query().unwrap_or_default().split('&').filter(|pair| !of_signature(pair)).collect();
    format!("{}?{}", uri.path(), pairs.join("&")).parse().map_err(|e| s3_error!(e, InvalidURI))
}

/// Returns the same XML in the form that s3s reads; `None` where it is not XML, or has another root.
fn plain(xml: &[u8], form: &Form) -> Option<Vec<u8>> {
    let mut reader = Reader::from_reader(xml);
    reader.config_mut().expand_empty_elements = true;
    let mut plain = String::new();
    // Names of open elements, and how many of those that are passed over.
    let mut open: Vec<String> = Vec::new();
    let mut skipped = 0_usize;
    loop {
        match reader.read_event().ok()? {
            Event::Start(_) if skipped > 0 => skipped += 1,
            Event::End(_) if skipped > 0 => skipped -= 1,
            Event::Start(start) => {
                let name = std::str::from_utf8(start.local_name().into_inner()).ok()?.to_owned();
                let is_root = open.is_empty();
                if is_root && (name != form.root || !plain.is_empty()) {
                    return None;
                }
                if is_root || form.known.contains(&name.as_str()) {
                    let _ = write!(plain, "<{name}>");
                    open.push(name);
                } else {
                    skipped = 1;
                }
            }
            Event::End(_) => {
                let _ = write!(plain, "</{}>", open.pop()?);
            }
            Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) if skipped > 0 => {}
            Event::CData(_) | Event::GeneralRef(_) if open.is_empty() => return None,
            Event::Text(text) => {
                let text = text.decode().ok()?;
                if open.is_empty() && !text.trim().is_empty() {
                    return None;
                }
                // Only in keys does white space count.
                let is_key = open.last().is_some_and(|name| name == "Key");
                plain.push_str(if is_key { &text } else { text.trim() });
            }
            Event::CData(text) => plain.push_str(&escaped(&text.decode().ok()?)),
            Event::GeneralRef(name) => {
                let _ = write!(plain, "&{};", name.decode().ok()?);
            }
            Event::Eof => break,
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
    (open.is_empty() && !plain.is_empty()).then(|| plain.into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(xml: &str, form: &Form) -> Option<String> {
        plain(xml.as_bytes(), form).map(|xml| String::from_utf8(xml).unwrap())
    }

    #[test]
    fn xml_is_written_anew_as_s3s_reads_it() {
        let parts = "\u{feff}<?xml version='1.0'?><!-- by hand --><s3:CompleteMultipartUpload xmlns:s3='urn:x'>\n \
                     <s3:Part><s3:ETag>&quot;a&#34;</s3:ETag><Size>3</Size><Owner><ID>x</ID>&amp;</Owner>\n\
                     <s3:PartNumber> 1 </s3:PartNumber><ChecksumSHA1/></s3:Part></s3:CompleteMultipartUpload>\n";
        let expected = "<CompleteMultipartUpload><Part><ETag>&quot;a&#34;</ETag><PartNumber>1</PartNumber>\
                        <ChecksumSHA1></ChecksumSHA1></Part></CompleteMultipartUpload>";
        assert_eq!(of(parts, &COMPLETE).as_deref(), Some(expected));
        let delete = "<Delete><Object><Key><![CDATA[a & <b>]]></Key></Object><Object><Key> c </Key></Object></Delete>";
        let expected = "<Delete><Object><Key>a &amp; &lt;b&gt;</Key></Object><Object><Key> c </Key></Object></Delete>";
        assert_eq!(of(delete, &DELETE).as_deref(), Some(expected));
        for wrong in ["", "no xml", "<Delete>", "<Delete></Other>", "<Other/>", "<Delete/><Delete>"] {
            assert_eq!(of(wrong, &DELETE), None, "{wrong}");
        }
    }

    #[test]
    fn the_signature_of_a_presigned_address_is_cut_off() {
        let uri: Uri = "/b/a%20b?uploadId=7&X-Amz-Signature=0&X-Amz-Expires=1".parse().unwrap();
        assert_eq!(unsigned(&uri).unwrap(), "/b/a%20b?uploadId=7");
        assert_eq!(form(&uri), Some(COMPLETE));
    }
}
