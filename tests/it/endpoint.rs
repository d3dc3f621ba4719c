//! The embedded S3 endpoint, seen by its clients.

use std::process::Command;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use reelmill::model::{Failure, ObjectEvent, ObjectLocation};
use reelmill::objects::aws::{AwsOptions, sdk_config};
use reelmill::objects::endpoint::{self, CorsRule, EndpointOptions, KeyPair};
use reelmill::objects::local::LocalBuckets;
use reelmill::objects::s3::S3Buckets;
use reelmill::objects::{EventSink, Objects, Revision};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::moto::Moto;
use crate::objects::local;

/// A running endpoint and what it told.
pub struct Endpoint {
    pub folder: tempfile::TempDir,
    pub keys: KeyPair,
    pub events: Arc<Events>,
    buckets: LocalBuckets,
    url: String,
    _shutdown: DropGuard,
}

/// Remembers events, after refusing as many as it is told to.
#[derive(Default)]
pub struct Events {
    seen: Mutex<Vec<ObjectEvent>>,
    refuse: AtomicU32,
}

impl Events {
    fn seen(&self) -> Vec<ObjectEvent> {
        self.seen.lock().unwrap().clone()
    }
}

#[async_trait]
impl EventSink for Events {
    async fn created(&self, event: ObjectEvent) -> Result<(), Failure> {
        let refused = self.refuse.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
        if refused {
            return Err(Failure::infrastructure("STORE0002", "the disk is full"));
        }
        self.seen.lock().unwrap().push(event);
        Ok(())
    }
}

impl Endpoint {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let buckets = local(&folder.path().join("buckets"));
        let events = Arc::new(Events::default());
        buckets.announce_to(events.clone());
        let (keys, _) = KeyPair::load_or_create(&folder.path().join("s3-credentials.json")).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let (served, key_pair, until) = (buckets.clone(), keys.clone(), shutdown.clone());
        // Pages of one origin, and one host beside `localhost`.
        let rule = CorsRule {
            origins: vec!["https://app.example.org".into()],
            methods: vec!["PUT".into(), "GET".into(), "POST".into()],
            headers: vec!["*".into()],
            expose: vec!["ETag".into()],
            max_age: Duration::from_secs(60),
        };
        let options = EndpointOptions { cors: vec![rule], domains: vec!["s3.test".into()] };
        tokio::spawn(async move { endpoint::serve(listener, served, &key_pair, options, until).await });
        Self { folder, keys, events, buckets, url, _shutdown: shutdown.drop_guard() }
    }

    pub fn options(&self) -> AwsOptions {
        AwsOptions {
            region: Some("us-east-1".into()),
            endpoint: Some(self.url.clone()),
            credentials: Some((self.keys.access_key_id.clone(), self.keys.secret_access_key.clone())),
        }
    }

    pub async fn client(&self) -> S3Buckets {
        S3Buckets::new(&self.options(), true).await
    }

    async fn sdk(&self) -> Client {
        let config = sdk_config(&self.options()).await;
        Client::from_conf(aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build())
    }

    /// An endpoint with the bucket `uploads`, and the SDK's client for it.
    async fn with_bucket() -> (Self, Client) {
        let endpoint = Self::start().await;
        let client = endpoint.sdk().await;
        client.create_bucket().bucket("uploads").send().await.unwrap();
        (endpoint, client)
    }

    async fn exists(&self, key: &str) -> bool {
        let object = ObjectLocation { bucket: "uploads".into(), key: key.into() };
        self.buckets.head(&object, Revision::LATEST).await.is_ok()
    }
}

fn hour() -> PresigningConfig {
    PresigningConfig::expires_in(Duration::from_secs(3_600)).unwrap()
}

#[tokio::test]
async fn field_case_07_put_copy_and_multipart_uploads_are_told() {
    let (endpoint, client) = Endpoint::with_bucket().await;
    client
        .put_object()
        .bucket("uploads")
        .key("a b+ü.mp4")
        .metadata("Owner", "me")
        .body(ByteStream::from_static(b"put"))
        .send()
        .await
        .unwrap();
    client
        .copy_object()
        .bucket("uploads")
        .key("copy.mp4")
        .copy_source("uploads/a%20b%2B%C3%BC.mp4")
        .send()
        .await
        .unwrap();
    let upload = client.create_multipart_upload().bucket("uploads").key("parts.mp4").send().await.unwrap();
    let id = upload.upload_id.unwrap();
    let mut parts = Vec::new();
    let first = vec![b'1'; 5 * 1024 * 1024];
    for (number, bytes) in [(1, &first[..]), (2, b"part two")] {
        let part = client
            .upload_part()
            .bucket("uploads")
            .key("parts.mp4")
            .upload_id(&id)
            .part_number(number)
            .body(bytes.to_vec().into())
            .send()
            .await
            .unwrap();
        let part = aws_sdk_s3::types::CompletedPart::builder().part_number(number).set_e_tag(part.e_tag).build();
        parts.push(part);
    }
    assert_eq!(endpoint.events.seen().len(), 2, "parts are no objects");
    assert!(!endpoint.exists("parts.mp4").await);
    let parts = aws_sdk_s3::types::CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let done = client
        .complete_multipart_upload()
        .bucket("uploads")
        .key("parts.mp4")
        .upload_id(&id)
        .multipart_upload(parts)
        .send()
        .await
        .unwrap();
    assert!(done.e_tag.unwrap().ends_with("-2\""));
    let whole = client.get_object().bucket("uploads").key("parts.mp4").send().await.unwrap();
    assert_eq!(whole.body.collect().await.unwrap().into_bytes(), [&first[..], b"part two"].concat());

    let events = endpoint.events.seen();
    let told: Vec<_> = events.iter().map(|e| (e.name.as_str(), e.object.location.key.as_str())).collect();
    assert_eq!(told, [("Put", "a b+ü.mp4"), ("Copy", "copy.mp4"), ("CompleteMultipartUpload", "parts.mp4")]);
    assert!(events.is_sorted_by(|a, b| a.sequencer < b.sequencer));
    assert_eq!(events[0].object.metadata["owner"], "me");
    assert_eq!(events[1].object.metadata["owner"], "me", "a copy keeps the metadata");
}

#[tokio::test]
async fn large_objects_are_copied_in_parts_and_told_once() {
    let (endpoint, client) = Endpoint::with_bucket().await;
    let body: Vec<u8> = (0..1_500_000_u32).flat_map(u32::to_le_bytes).collect();
    client.put_object().bucket("uploads").key("a b+ü.bin").body(body.clone().into()).send().await.unwrap();
    let begun = client.create_multipart_upload().bucket("uploads").key("copy.bin").send().await.unwrap();
    let id = begun.upload_id.unwrap();
    let copy = |number: i32, range: &str| {
        let part = client.upload_part_copy().bucket("uploads").key("copy.bin").upload_id(&id).part_number(number);
        part.copy_source("uploads/a%20b%2B%C3%BC.bin").copy_source_range(range).send()
    };
    let mut parts = Vec::new();
    for (number, range) in [(1, "bytes=0-5242879"), (2, "bytes=5242880-5999999")] {
        let etag = copy(number, range).await.unwrap().copy_part_result.unwrap().e_tag;
        parts.push(aws_sdk_s3::types::CompletedPart::builder().part_number(number).set_e_tag(etag).build());
    }
    for wrong in ["bytes=6000000-6000001", "bytes=5999999-6000000", "0-9"] {
        assert!(copy(3, wrong).await.is_err(), "{wrong}");
    }
    let replaced = client.upload_part_copy().bucket("uploads").key("copy.bin").upload_id(&id).part_number(3);
    let replaced = replaced.copy_source("uploads/a%20b%2B%C3%BC.bin").copy_source_if_match("\"other\"").send().await;
    assert!(replaced.is_err(), "the source is another one");
    assert_eq!(endpoint.events.seen().len(), 1, "parts are no objects");
    let parts = aws_sdk_s3::types::CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
    let done = client.complete_multipart_upload().bucket("uploads").key("copy.bin").upload_id(&id);
    done.multipart_upload(parts).send().await.unwrap();
    let whole = client.get_object().bucket("uploads").key("copy.bin").send().await.unwrap();
    assert_eq!(whole.body.collect().await.unwrap().into_bytes(), body);
    let told: Vec<_> = endpoint.events.seen().iter().map(|e| e.name.clone()).collect();
    assert_eq!(told, ["Put", "CompleteMultipartUpload"]);
}

#[tokio::test]
async fn what_the_endpoint_does_not_do_is_refused_with_a_word() {
    use aws_sdk_s3::error::ProvideErrorMetadata;
    use aws_sdk_s3::types::{ServerSideEncryption, StorageClass};
    let (endpoint, client) = Endpoint::with_bucket().await;
    let put = || client.put_object().bucket("uploads").key("x").body(ByteStream::from_static(b"x"));
    let refused = [
        put().server_side_encryption(ServerSideEncryption::Aes256).send().await,
        put().tagging("a=b").send().await,
        put().storage_class(StorageClass::Glacier).send().await,
    ];
    for answer in refused {
        let error = answer.unwrap_err();
        assert!(error.message().is_some_and(|message| message.contains("this endpoint")), "{error:?}");
    }
    assert!(endpoint.events.seen().is_empty());
    put().storage_class(StorageClass::Standard).send().await.unwrap();
    let beyond = client.get_object().bucket("uploads").key("x").range("bytes=9-").send().await.unwrap_err();
    assert_eq!(beyond.code(), Some("InvalidRange"));
    assert!(beyond.message().is_some_and(|message| message.contains("1 bytes")), "{beyond:?}");
    let full = client.delete_bucket().bucket("uploads").send().await.unwrap_err();
    assert!(full.code() == Some("BucketNotEmpty") && full.message().is_some(), "{full:?}");
}

#[tokio::test]
async fn field_case_08_a_half_written_upload_is_no_object() {
    let (endpoint, client) = Endpoint::with_bucket().await;
    let url = client.put_object().bucket("uploads").key("half.mp4").presigned(hour()).await.unwrap();
    let uri: reqwest::Url = url.uri().parse().unwrap();
    let address = (uri.host_str().unwrap(), uri.port().unwrap());
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let head = format!(
        "PUT {}?{} HTTP/1.1\r\nHost: {}:{}\r\nContent-Length: 1000\r\n\r\n",
        uri.path(),
        uri.query().unwrap(),
        address.0,
        address.1
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    socket.write_all(&[0; 500]).await.unwrap();
    socket.flush().await.unwrap();
    assert!(!endpoint.exists("half.mp4").await);
    socket.shutdown().await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");

    let wrong = reqwest::Client::new()
        .put(url.uri())
        .header("Content-MD5", "1B2M2Y8AsgTpgAmY7PhCfg==")
        .body("not what the MD5 says")
        .send()
        .await
        .unwrap();
    assert_eq!(wrong.status(), 400);
    assert!(wrong.text().await.unwrap().contains("BadDigest"));

    assert!(!endpoint.exists("half.mp4").await);
    assert!(endpoint.events.seen().is_empty());
    let staged = endpoint.folder.path().join("buckets/.reelmill/tmp");
    assert_eq!(std::fs::read_dir(staged).unwrap().count(), 0, "nothing is left behind");
}

#[tokio::test]
async fn an_upload_is_acknowledged_when_its_event_is_persisted() {
    let (endpoint, client) = Endpoint::with_bucket().await;
    let url = client.put_object().bucket("uploads").key("clip.mp4").presigned(hour()).await.unwrap();
    endpoint.events.refuse.store(1, Ordering::SeqCst);
    let refused = reqwest::Client::new().put(url.uri()).body("clip").send().await.unwrap();
    assert_eq!(refused.status(), 503);
    assert!(endpoint.events.seen().is_empty());

    // SDKs try again by themselves.
    endpoint.events.refuse.store(1, Ordering::SeqCst);
    client.put_object().bucket("uploads").key("clip.mp4").body(ByteStream::from_static(b"clip")).send().await.unwrap();
    assert_eq!(endpoint.events.seen().len(), 1);
}

#[tokio::test]
async fn requests_are_signed_or_refused() {
    let (endpoint, client) = Endpoint::with_bucket().await;
    client.put_object().bucket("uploads").key("x").body(ByteStream::from_static(b"secret")).send().await.unwrap();
    let http = reqwest::Client::new();
    let plain = format!("{}/uploads/x", endpoint.url);
    assert_eq!(http.get(&plain).send().await.unwrap().status(), 403);
    assert_eq!(http.get(&endpoint.url).send().await.unwrap().status(), 403);
    assert_eq!(http.put(&plain).body("mine").send().await.unwrap().status(), 403);

    let signed = client.get_object().bucket("uploads").key("x").presigned(hour()).await.unwrap();
    let answer = http.get(signed.uri()).header("Range", "bytes=1-3").send().await.unwrap();
    assert_eq!(answer.status(), 206);
    assert_eq!(answer.headers()["content-range"], "bytes 1-3/6");
    let etag = answer.headers()["etag"].clone();
    assert_eq!(answer.text().await.unwrap(), "ecr");
    let known = http.get(signed.uri()).header("If-None-Match", etag).send().await.unwrap();
    assert_eq!(known.status(), 304);
    assert_eq!(endpoint.events.seen().len(), 1);
}

#[tokio::test]
async fn lists_roll_up_folders_and_say_what_is_deleted() {
    let (_endpoint, client) = Endpoint::with_bucket().await;
    for key in ["a/1.mp4", "a/2.mp4", "b.mp4", "ü &+%.mp4"] {
        client.put_object().bucket("uploads").key(key).body(ByteStream::from_static(b"x")).send().await.unwrap();
    }
    let list = client.list_objects_v2().bucket("uploads").delimiter("/").send().await.unwrap();
    let prefixes: Vec<_> = list.common_prefixes().iter().filter_map(|p| p.prefix()).collect();
    let keys: Vec<_> = list.contents().iter().filter_map(|o| o.key()).collect();
    assert_eq!((prefixes, keys), (vec!["a/"], vec!["b.mp4", "ü &+%.mp4"]));

    assert!(client.delete_bucket().bucket("uploads").send().await.is_err(), "it is not empty");
    let objects = ["a/1.mp4", "a/2.mp4", "b.mp4", "ü &+%.mp4", "never-there"]
        .map(|key| aws_sdk_s3::types::ObjectIdentifier::builder().key(key).build().unwrap());
    let delete = aws_sdk_s3::types::Delete::builder().set_objects(Some(objects.to_vec())).build().unwrap();
    let deleted = client.delete_objects().bucket("uploads").delete(delete).send().await.unwrap();
    assert_eq!((deleted.deleted().len(), deleted.errors().len()), (5, 0));
    client.delete_bucket().bucket("uploads").send().await.unwrap();
    assert!(client.list_buckets().send().await.unwrap().buckets().is_empty());
}

#[tokio::test]
async fn boto3_finds_what_it_expects() {
    let Some(moto) = Moto::get() else { return };
    let (endpoint, _client) = Endpoint::with_bucket().await;
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/endpoint_boto3.py");
    let mut command = Command::new(&moto.python);
    command
        .args([script, &endpoint.url])
        .env("AWS_ACCESS_KEY_ID", &endpoint.keys.access_key_id)
        .env("AWS_SECRET_ACCESS_KEY", &endpoint.keys.secret_access_key)
        .env("AWS_DEFAULT_REGION", "us-east-1");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told: Vec<_> = endpoint.events.seen().into_iter().map(|e| (e.name, e.object.location.key)).collect();
    let expected = [("Put", "put/ä +&%🎬.mp4"), ("Post", "post/form.mp4"), ("CompleteMultipartUpload", "multi.mp4")];
    assert_eq!(told, expected.map(|(name, key)| (name.to_owned(), key.to_owned())));
}
