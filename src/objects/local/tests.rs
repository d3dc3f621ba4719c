//! Behaviour of local buckets alone; the behaviour of all object storage is in `tests/it_objects.rs`.

use std::sync::Mutex;

use super::*;
use crate::model::{Failure, ManualClock};

struct Fixture {
    folder: tempfile::TempDir,
    buckets: LocalBuckets,
}

#[derive(Default)]
struct Recorded(Mutex<Vec<ObjectEvent>>);

#[async_trait]
impl EventSink for Recorded {
    async fn created(&self, event: ObjectEvent) -> Result<(), Failure> {
        self.0.lock().unwrap().push(event);
        Ok(())
    }
}

fn at(bucket: &str, key: &str) -> ObjectLocation {
    ObjectLocation { bucket: bucket.into(), key: key.into() }
}

fn open(layout: Layout) -> LocalBuckets {
    LocalBuckets::open(layout, Arc::new(ManualClock::new(Timestamp(1_000)))).unwrap()
}

async fn fixture() -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let buckets = open(Layout { root: folder.path().join("buckets"), ..Layout::default() });
    buckets.ensure_bucket("media").await.unwrap();
    Fixture { folder, buckets }
}

impl Fixture {
    fn file(&self, bytes: &[u8]) -> PathBuf {
        let path = self.folder.path().join(format!("scratch-{}", self.buckets.tick()));
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

#[tokio::test]
async fn publishing_again_keeps_the_object_and_tells_the_same_event() {
    let f = fixture().await;
    let sink = Arc::new(Recorded::default());
    f.buckets.announce_to(sink.clone());
    let object = at("media", "a/b.txt");
    for bytes in [&b"one"[..], b"one", b"two"] {
        f.buckets.publish(&object, &f.file(bytes), "text/plain").await.unwrap();
    }
    let events = sink.0.lock().unwrap();
    assert_eq!((&events[0].object, &events[0].sequencer), (&events[1].object, &events[1].sequencer));
    assert!(events[1].sequencer < events[2].sequencer);
}

#[tokio::test]
async fn a_file_put_by_hand_is_an_object_and_loses_the_attributes_of_the_one_before() {
    let f = fixture().await;
    let object = at("media", "clip.mp4");
    f.buckets.publish(&object, &f.file(b"first"), "video/mp4").await.unwrap();
    let path = f.folder.path().join("buckets/media/clip.mp4");
    std::fs::remove_file(&path).unwrap();
    std::fs::write(&path, b"by hand").unwrap();
    let head = f.buckets.head(&object, Revision::LATEST).await.unwrap();
    assert_eq!((head.size_bytes, head.content_type.as_str()), (7, OCTET_STREAM));
}

#[tokio::test]
async fn links_out_of_the_bucket_are_not_followed() {
    let f = fixture().await;
    let outside = f.folder.path().join("outside");
    std::fs::create_dir(&outside).unwrap();
    std::fs::write(outside.join("secret"), b"secret").unwrap();
    let bucket = f.folder.path().join("buckets/media");
    std::os::unix::fs::symlink(&outside, bucket.join("folder")).unwrap();
    std::os::unix::fs::symlink(outside.join("secret"), bucket.join("file")).unwrap();

    for key in ["folder/secret", "file"] {
        let result = f.buckets.head(&at("media", key), Revision::LATEST).await;
        assert!(matches!(result, Err(ObjectError::NoObject { .. })), "{key}");
    }
    let written = f.buckets.publish(&at("media", "folder/new"), &f.file(b"x"), OCTET_STREAM).await;
    assert!(matches!(written, Err(ObjectError::Conflict { .. })), "{written:?}");
    assert!(!outside.join("new").exists());
    assert!(f.buckets.list("media", "", None, 10).await.unwrap().objects.is_empty());
    f.buckets.publish(&at("media", "file"), &f.file(b"mine"), OCTET_STREAM).await.unwrap();
    assert_eq!(std::fs::read(outside.join("secret")).unwrap(), b"secret");
}

/// Every order of keys that no path can be beside each other.
#[tokio::test]
async fn s3_tests_keys_that_are_no_paths_are_held_beside_each_other() {
    let keys = ["/", "/a", "a", "a-b", "a/", "a//", "a//b", "a/b", "a/b/c", "a/b/c/"];
    for turn in 0..keys.len() {
        let f = fixture().await;
        let mut order = keys;
        order.rotate_left(turn);
        for key in order {
            let object = at("media", key);
            let published = f.buckets.publish(&object, &f.file(key.as_bytes()), "text/plain").await.unwrap();
            assert_eq!(f.buckets.head(&object, Revision::LATEST).await.unwrap().etag, published.etag, "{key}");
        }
        let mut after = None;
        let mut listed = Vec::new();
        loop {
            let page = f.buckets.list("media", "", after.as_deref(), 3).await.unwrap();
            listed.extend(page.objects.into_iter().map(|object| object.key));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(listed, keys);
        let query = Query { prefix: "a/".into(), delimiter: Some("/".into()), after: None, limit: 10 };
        let page = f.buckets.page("media", query).await.unwrap();
        let found: Vec<_> = page.objects.iter().map(|object| object.key.as_str()).collect();
        assert_eq!((found, page.prefixes), (vec!["a/", "a/b"], vec!["a//".to_owned(), "a/b/".to_owned()]));
        for (n, key) in order.iter().enumerate() {
            let object = at("media", key);
            let head = f.buckets.head(&object, Revision::LATEST).await.unwrap();
            assert_eq!(head.content_type, "text/plain", "{key}: it kept its attributes");
            assert_eq!(f.buckets.read(&object, Revision::LATEST, 0..99).await.unwrap(), *key);
            f.buckets.delete(&object).await.unwrap();
            let left = f.buckets.list("media", "", None, 99).await.unwrap().objects.len();
            assert_eq!(left, keys.len() - n - 1, "{key}");
        }
        assert!(f.buckets.remove_bucket("media").await.unwrap(), "nothing is left behind");
    }
}

#[tokio::test]
async fn what_an_earlier_version_has_written_still_loads() {
    let f = fixture().await;
    let object = at("media", "clip.mp4");
    let upload = f.folder.path().join("buckets/.reelmill/multipart/00ab");
    std::fs::create_dir(&upload).unwrap();
    let text = r#"{"id":"00ab","object":{"bucket":"media","key":"clip.mp4"},"content_type":"video/mp4",
        "metadata":{"owner":"me"},"begun_at":1000}"#;
    std::fs::write(upload.join("upload.json"), text).unwrap();
    std::fs::write(upload.join("00001-9dd4e461268c8034f5c8564e155c67a6"), b"x").unwrap();
    let part = NamedPart { number: 1, etag: "9dd4e461268c8034f5c8564e155c67a6".into(), checksums: Vec::new() };
    let completion = CompletionRequest {
        parts: vec![part],
        checksums: Vec::new(),
        composite: None,
        size_bytes: Some(1),
        onto: PlaceCondition::Same,
    };
    let done = f.buckets.complete_upload("00ab", &object, completion.clone()).await.unwrap();
    assert_eq!(f.buckets.complete_upload("00ab", &object, completion).await.unwrap(), done);
    assert_eq!(f.buckets.head(&object, Revision::LATEST).await.unwrap().metadata["owner"], "me");

    // Attributes without what is kept since.
    let attributes = attributes::Attributes::path(&f.folder.path().join("buckets/.reelmill/meta"), &object);
    let mut old: serde_json::Value = serde_json::from_slice(&std::fs::read(&attributes).unwrap()).unwrap();
    assert!(old.as_object_mut().unwrap().remove("kept").is_some());
    std::fs::write(&attributes, old.to_string()).unwrap();
    let head = f.buckets.head(&object, Revision::LATEST).await.unwrap();
    assert_eq!((head.etag, head.content_type.as_str()), (done.etag, "video/mp4"));
}

#[tokio::test]
async fn uploads_that_are_too_old_are_removed_while_the_daemon_runs() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(Timestamp(1_000)));
    let layout = Layout { root: folder.path().join("buckets"), ..Layout::default() };
    let buckets = LocalBuckets::open(layout, clock.clone()).unwrap();
    buckets.ensure_bucket("media").await.unwrap();
    let object = at("media", "clip.mp4");
    let begin = || buckets.begin_upload(&object, UploadStart::default());
    let count = || std::fs::read_dir(folder.path().join("buckets/.reelmill/multipart")).unwrap().count();
    begin().await.unwrap();
    clock.advance(std::time::Duration::from_secs(6 * 86_400));
    begin().await.unwrap();
    assert_eq!(count(), 2);
    clock.advance(std::time::Duration::from_secs(2 * 86_400));
    begin().await.unwrap();
    assert_eq!(count(), 2, "the first was begun eight days ago");
}

#[tokio::test]
async fn half_written_files_of_an_earlier_life_are_removed() {
    let f = fixture().await;
    let mut writer = f.buckets.writer(&at("media", "clip.mp4")).await.unwrap();
    writer.write(b"half").await.unwrap();
    std::mem::forget(writer);
    let tmp = f.folder.path().join("buckets/.reelmill/tmp");
    assert_eq!(std::fs::read_dir(&tmp).unwrap().count(), 1);
    open(Layout { root: f.folder.path().join("buckets"), ..Layout::default() });
    assert_eq!(std::fs::read_dir(&tmp).unwrap().count(), 0);
}

#[tokio::test]
async fn mounts_hold_published_files_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let (output, input) = (folder.path().join("out"), folder.path().join("clip.mov"));
    std::fs::write(&input, b"moov").unwrap();
    let buckets = open(Layout {
        root: folder.path().join("root"),
        mounts: BTreeMap::from([("media".to_owned(), output.clone())]),
        files: BTreeMap::from([(at("uploads", "clip.mov"), input.clone())]),
    });
    let source = at("uploads", "clip.mov");
    assert_eq!(buckets.read(&source, Revision::LATEST, 1..9).await.unwrap(), "oov");
    assert!(matches!(buckets.delete(&source).await, Err(ObjectError::ReadOnly { .. })));

    buckets.publish(&at("media", "a/clip.mp4"), &input, "video/mp4").await.unwrap();
    assert_eq!(std::fs::read(output.join("a/clip.mp4")).unwrap(), b"moov");
    let names: Vec<_> = std::fs::read_dir(&output).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["a"]);
    assert_eq!(buckets.head(&at("media", "a/clip.mp4"), Revision::LATEST).await.unwrap().content_type, "video/mp4");
}

#[tokio::test]
async fn pages_with_a_delimiter_roll_up_folders() {
    let f = fixture().await;
    for key in ["a.txt", "a/1", "a/2", "b/c/3", "z"] {
        f.buckets.publish(&at("media", key), &f.file(key.as_bytes()), OCTET_STREAM).await.unwrap();
    }
    std::fs::create_dir(f.folder.path().join("buckets/media/empty")).unwrap();
    let mut after = None;
    let mut names = Vec::new();
    loop {
        let query = Query { delimiter: Some("/".into()), after: after.clone(), limit: 1, ..Query::default() };
        let page = f.buckets.page("media", query).await.unwrap();
        names.extend(page.objects.into_iter().map(|o| o.key).chain(page.prefixes));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(names, ["a.txt", "a/", "b/", "z"]);
    let query = Query { prefix: "b/".into(), delimiter: Some("/".into()), after: None, limit: 10 };
    assert_eq!(f.buckets.page("media", query).await.unwrap().prefixes, ["b/c/"]);
}
