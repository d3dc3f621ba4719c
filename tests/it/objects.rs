//! What all object storage promises, held against folders, the endpoint over them, and moto's S3.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use reelmill::model::{Class, Failure, ObjectLocation, SystemClock};
use reelmill::objects::aws::AwsOptions;
use reelmill::objects::local::{Layout, LocalBuckets};
use reelmill::objects::s3::S3Buckets;
use reelmill::objects::{BoxError, Incoming, ObjectError, Objects, Revision};

use crate::endpoint::Endpoint;
use crate::moto::Moto;

/// Keys that broke others: field case 5.
const KEYS: &[&str] = &[
    "a b/c d.mp4",
    "100% & more.mp4",
    "1+1=2.mp4",
    "Ärger/naïve café.mp4",
    "[4K] (final) {v2}.mov",
    "what?#;:@,$'!*~.mp4",
    "a%2Fb%20c.mp4",
    "🎬/映画.mp4",
];

struct Suite<'a> {
    objects: &'a dyn Objects,
    bucket: String,
    scratch: tempfile::TempDir,
}

impl<'a> Suite<'a> {
    async fn new(objects: &'a dyn Objects, bucket: &str) -> Self {
        objects.ensure_bucket(bucket).await.unwrap();
        objects.ensure_bucket(bucket).await.unwrap();
        Self { objects, bucket: bucket.to_owned(), scratch: tempfile::tempdir().unwrap() }
    }

    fn at(&self, key: &str) -> ObjectLocation {
        ObjectLocation { bucket: self.bucket.clone(), key: key.to_owned() }
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.scratch.path().join(name);
        // A new file: a published one may be linked to its object.
        let _ = std::fs::remove_file(&path);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    async fn put(&self, key: &str, bytes: &[u8]) -> String {
        let file = self.file("upload", bytes);
        self.objects.publish(&self.at(key), &file, "video/mp4").await.unwrap().etag
    }

    async fn run(&self) {
        self.what_is_missing_is_not_found().await;
        self.an_object_reads_as_published().await;
        self.a_revision_is_one_upload().await;
        self.field_case_05_keys_are_taken_as_they_are().await;
        self.pages_follow_each_other().await;
        self.large_files_arrive_whole().await;
        self.what_comes_in_arrives_whole_or_not_at_all().await;
        self.what_is_deleted_is_gone().await;
    }

    async fn what_is_missing_is_not_found(&self) {
        let missing = self.objects.head(&self.at("missing"), Revision::LATEST).await;
        assert!(matches!(missing, Err(ObjectError::NoObject { .. })), "{missing:?}");
        let missing = self.objects.read(&self.at("missing"), Revision::LATEST, 0..1).await;
        assert!(matches!(missing, Err(ObjectError::NoObject { .. })), "{missing:?}");

        let nowhere = ObjectLocation { bucket: "no-such-bucket".into(), key: "x".into() };
        let missing = self.objects.head(&nowhere, Revision::LATEST).await;
        let said = missing.unwrap_err().to_string();
        assert_eq!(said, "there is no bucket no-such-bucket for s3://no-such-bucket/x");
        let missing = self.objects.publish(&nowhere, &self.file("x", b"x"), "text/plain").await;
        assert!(matches!(missing, Err(ObjectError::NoBucket { .. })), "{missing:?}");
        assert_eq!(Failure::from(missing.unwrap_err()).class, Class::Fatal);
    }

    async fn an_object_reads_as_published(&self) {
        let etag = self.put("clips/one.mp4", b"0123456789").await;
        let object = self.at("clips/one.mp4");
        let head = self.objects.head(&object, Revision::LATEST).await.unwrap();
        assert_eq!((head.size_bytes, head.content_type.as_str(), &head.etag), (10, "video/mp4", &etag));
        for (range, expected) in
            [(2..5, "234"), (8..99, "89"), (10..12, ""), (99..100, ""), (3..3, ""), (0..10, "0123456789")]
        {
            let bytes = self.objects.read(&object, Revision::LATEST, range.clone()).await.unwrap();
            assert_eq!(bytes, expected, "{range:?}");
        }
        self.put("empty", b"").await;
        assert_eq!(self.objects.head(&self.at("empty"), Revision::LATEST).await.unwrap().size_bytes, 0);
        assert_eq!(self.objects.read(&self.at("empty"), Revision::LATEST, 0..9).await.unwrap(), "");
    }

    async fn a_revision_is_one_upload(&self) {
        let object = self.at("clips/two.mp4");
        let first = self.put("clips/two.mp4", b"first").await;
        assert_eq!(first, self.put("clips/two.mp4", b"first").await);
        let revision = Revision { version: None, etag: Some(&first) };
        self.objects.head(&object, revision).await.unwrap();
        assert_eq!(self.objects.read(&object, revision, 0..9).await.unwrap(), "first");

        let second = self.put("clips/two.mp4", b"second").await;
        assert_ne!(first, second);
        let replaced = self.objects.read(&object, revision, 0..9).await;
        assert!(matches!(replaced, Err(ObjectError::Changed { .. })), "{replaced:?}");
        let replaced = self.objects.head(&object, revision).await;
        assert!(matches!(replaced, Err(ObjectError::Changed { .. })), "{replaced:?}");
    }

    async fn field_case_05_keys_are_taken_as_they_are(&self) {
        for key in KEYS {
            self.put(key, key.as_bytes()).await;
        }
        for key in KEYS {
            let bytes = self.objects.read(&self.at(key), Revision::LATEST, 0..999).await.unwrap();
            assert_eq!(bytes, key.as_bytes(), "{key}");
        }
        let listed = self.objects.list(&self.bucket, "", None, 1_000).await.unwrap();
        for key in KEYS {
            assert!(listed.objects.iter().any(|o| o.key == *key), "{key} in {listed:?}");
        }
        assert!(listed.objects.is_sorted_by(|a, b| a.key < b.key));
    }

    async fn pages_follow_each_other(&self) {
        for n in 0..5 {
            self.put(&format!("pages/{n}"), b"x").await;
        }
        let (mut after, mut keys, mut pages) = (None, Vec::new(), 0);
        loop {
            let page = self.objects.list(&self.bucket, "pages/", after.as_deref(), 2).await.unwrap();
            keys.extend(page.objects.into_iter().map(|o| o.key));
            pages += 1;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!((keys.len(), pages), (5, 3), "{keys:?}");
    }

    async fn large_files_arrive_whole(&self) {
        let bytes: Vec<u8> =
            (0..16 * 1024 * 1024 + 7_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        self.put("large", &bytes).await;
        let object = self.at("large");
        let head = self.objects.head(&object, Revision::LATEST).await.unwrap();
        assert_eq!(head.size_bytes, bytes.len() as u64);
        assert_eq!(head.content_type, "video/mp4");
        let read = self.objects.read(&object, Revision::LATEST, 0..head.size_bytes).await.unwrap();
        assert!(read == bytes, "the bytes differ");
    }

    async fn what_comes_in_arrives_whole_or_not_at_all(&self) {
        let incoming = |chunks: Vec<Result<Bytes, BoxError>>, size_bytes| Incoming {
            only_new: false,
            content_type: "video/mp4".to_owned(),
            size_bytes,
            bytes: futures::stream::iter(chunks).boxed(),
        };
        let whole = Bytes::from((0_u32..).map(|n| (n % 251) as u8).take(33 * 1024 * 1024 + 7).collect::<Vec<u8>>());
        // One request, one part exactly, and several parts, in chunks that end nowhere in particular.
        for size in [0, 1_000, 16 * 1024 * 1024, whole.len()] {
            let object = self.at(&format!("in/{size}.mp4"));
            let body = whole.slice(..size);
            let chunks = (0..size).step_by(777_777).map(|at| Ok(body.slice(at..size.min(at + 777_777)))).collect();
            let published = self.objects.receive(&object, incoming(chunks, Some(size as u64))).await.unwrap();
            assert_eq!(published.size_bytes, size as u64);
            let head = self.objects.head(&object, Revision::LATEST).await.unwrap();
            assert_eq!((head.size_bytes, head.content_type.as_str()), (size as u64, "video/mp4"));
            assert_eq!(head.etag, published.etag);
            let read = self.objects.read(&object, Revision::LATEST, 0..size as u64 + 1).await.unwrap();
            assert!(read == body, "{size} bytes came out different");
            // Another upload that came between the question and the answer stays.
            let other = Incoming { only_new: true, ..incoming(vec![Ok(whole.slice(..body.len().max(1)))], None) };
            let refused = self.objects.receive(&object, other).await;
            assert!(matches!(refused, Err(ObjectError::Precondition { .. })), "{size}: {refused:?}");
        }
        let object = self.at("in/broken.mp4");
        let broken = || vec![Ok(whole.clone()), Err("the browser went away".into())];
        let short = || vec![Ok(whole.slice(..10))];
        for body in [incoming(broken(), None), incoming(short(), Some(11)), incoming(vec![Ok(whole.clone())], Some(1))]
        {
            assert!(self.objects.receive(&object, body).await.is_err());
            let missing = self.objects.head(&object, Revision::LATEST).await;
            assert!(matches!(missing, Err(ObjectError::NoObject { .. })), "{missing:?}");
        }
    }

    async fn what_is_deleted_is_gone(&self) {
        self.put("gone/soon", b"x").await;
        let object = self.at("gone/soon");
        self.objects.delete(&object).await.unwrap();
        self.objects.delete(&object).await.unwrap();
        let gone = self.objects.head(&object, Revision::LATEST).await;
        assert!(matches!(gone, Err(ObjectError::NoObject { .. })), "{gone:?}");
        assert!(self.objects.list(&self.bucket, "gone/", None, 9).await.unwrap().objects.is_empty());
    }
}

pub fn local(root: &Path) -> LocalBuckets {
    let layout = Layout { root: root.to_owned(), ..Layout::default() };
    LocalBuckets::open(layout, Arc::new(SystemClock)).unwrap()
}

#[tokio::test]
async fn local_buckets_keep_the_promises() {
    let root = tempfile::tempdir().unwrap();
    Suite::new(&local(root.path()), "media").await.run().await;
}

#[tokio::test]
async fn the_endpoint_keeps_the_promises() {
    let endpoint = Endpoint::start().await;
    Suite::new(&endpoint.client().await, "media").await.run().await;
}

#[tokio::test]
async fn moto_keeps_the_promises() {
    let Some(moto) = Moto::get() else { return };
    let objects = S3Buckets::new(&moto.options(), true).await;
    Suite::new(&objects, "conformance").await.run().await;
}

#[tokio::test]
async fn storage_out_of_reach_is_worth_another_try() {
    let nobody = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let options = AwsOptions {
        region: Some("us-east-1".into()),
        endpoint: Some(format!("http://{nobody}")),
        credentials: Some(("id".into(), "secret".into())),
    };
    let objects = S3Buckets::new(&options, true).await;
    let object = ObjectLocation { bucket: "media".into(), key: "x".into() };
    let error = objects.head(&object, Revision::LATEST).await.unwrap_err();
    assert!(matches!(error, ObjectError::Unreachable { .. }), "{error:?}");
    let failure = Failure::from(error);
    assert_eq!((failure.code.as_str(), failure.class), ("OBJ0006", Class::Retry));
    assert!(!failure.chain.is_empty());
}

/// Glacier and its like: what lies there can be seen and not read.
#[tokio::test]
async fn field_fault_an_archived_object_says_that_it_must_be_restored() {
    let Some(moto) = Moto::get() else { return };
    let options = moto.options();
    let client = aws_sdk_s3::Client::from_conf(
        aws_sdk_s3::config::Builder::from(&reelmill::objects::aws::sdk_config(&options).await)
            .force_path_style(true)
            .build(),
    );
    client.create_bucket().bucket("archive").send().await.unwrap();
    for class in ["GLACIER", "DEEP_ARCHIVE"] {
        let put = client.put_object().bucket("archive").key(class).storage_class(class.into());
        put.body(aws_sdk_s3::primitives::ByteStream::from_static(b"film")).send().await.unwrap();
        let objects = S3Buckets::new(&options, true).await;
        let object = ObjectLocation { bucket: "archive".into(), key: class.into() };
        let error = objects.read(&object, Revision::LATEST, 0..4).await.unwrap_err();
        assert!(matches!(error, ObjectError::Archived { .. }), "{error:?}");
        let failure = Failure::from(error);
        assert_eq!((failure.code.as_str(), failure.class), ("OBJ0021", Class::Fatal));
        assert!(failure.message.contains("restore it first"), "{failure}");
    }
}

#[tokio::test]
async fn wrong_credentials_are_named_as_such() {
    let endpoint = Endpoint::start().await;
    endpoint.client().await.ensure_bucket("media").await.unwrap();
    for credentials in [("nobody", endpoint.keys.secret_access_key.as_str()), (&endpoint.keys.access_key_id, "wrong")] {
        let mut options = endpoint.options();
        options.credentials = Some((credentials.0.to_owned(), credentials.1.to_owned()));
        let objects = S3Buckets::new(&options, true).await;
        let file = endpoint.folder.path().join("x");
        std::fs::write(&file, b"x").unwrap();
        let object = ObjectLocation { bucket: "media".into(), key: "x".into() };
        let error = objects.publish(&object, &file, "text/plain").await.unwrap_err();
        assert!(matches!(error, ObjectError::Credentials { .. }), "{error:?}");
    }
}
