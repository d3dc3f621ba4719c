//! From an upload to an execution: through SQS, and from buckets of our own. The store is the real one.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::types as s3;
use aws_sdk_sqs::types::{QueueAttributeName, SendMessageBatchRequestEntry};
use bytes::Bytes;
use reelmill::intake::backlog::Backlog;
use reelmill::intake::sqs::{Consumer, Settings};
use reelmill::intake::{BrokenFile, Catalog, Intake};
use reelmill::model::{
    Clock, ExecutionState, InputObject, ObjectEvent, ObjectLocation, RandomIds, SystemClock, Timestamp,
};
use reelmill::notify::{self, DeliveryPolicy, Senders, SnsSender, SqsSender, WebhookOptions, WebhookSender};
use reelmill::objects::aws::sdk_config;
use reelmill::objects::s3::S3Buckets;
use reelmill::objects::{Head, Incoming, Listing, ObjectError, Objects, Published, Revision, SharedObjects};
use reelmill::store::sqlite::SqliteStore;
use reelmill::store::{
    Claimant, EventFilter, EventOutcome, EventRecord, ExecutionFilter, ExecutionSummary, SharedStore,
};
use reelmill::template::Templates;
use reelmill::workflow::{self, Evaluator, Limits, Workflow};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::moto::Moto;
use crate::objects::local;

struct Fixed(Arc<Vec<Arc<Workflow>>>);

impl Catalog for Fixed {
    fn active(&self) -> Arc<Vec<Arc<Workflow>>> {
        Arc::clone(&self.0)
    }

    fn broken(&self) -> Arc<Vec<BrokenFile>> {
        Arc::default()
    }
}

fn workflow(text: &str) -> Workflow {
    let compiled = workflow::compile("test.yaml", text, &Templates::presets(), &Limits::default(), None);
    compiled.workflow.unwrap_or_else(|| panic!("{:?}", compiled.diagnostics))
}

/// A workflow `name` for MP4 files under `in/` of `bucket`, with more keys at its top.
pub fn probing(name: &str, bucket: &str, more: &str) -> Workflow {
    workflow(&format!(
        "name: {name}\ntrigger: {{ bucket: {bucket}, key: 'in/**/*.mp4' }}\n\
         output: {{ bucket: media, prefix: '{name}/' }}\nactivities: {{ probe: {{ analysis: {{}} }} }}\n{more}\n"
    ))
}

pub fn store() -> SharedStore {
    Arc::new(SqliteStore::open_in_memory(Arc::new(Evaluator)).unwrap())
}

pub fn intake(store: &SharedStore, objects: SharedObjects, workflows: Vec<Workflow>) -> Intake {
    let catalog = Fixed(Arc::new(workflows.into_iter().map(Arc::new).collect()));
    Intake {
        store: Arc::clone(store),
        catalog: Arc::new(catalog),
        objects,
        backlog: Arc::default(),
        ids: Arc::new(RandomIds),
        clock: Arc::new(SystemClock),
    }
}

pub async fn executions(store: &SharedStore) -> Vec<ExecutionSummary> {
    store.executions(ExecutionFilter { limit: 10_000, ..ExecutionFilter::default() }).await.unwrap()
}

async fn events(store: &SharedStore) -> Vec<EventRecord> {
    store.events(EventFilter { limit: 10_000, ..EventFilter::default() }).await.unwrap()
}

fn at(bucket: &str, key: &str) -> ObjectLocation {
    ObjectLocation { bucket: bucket.to_owned(), key: key.to_owned() }
}

fn put_event(bucket: &str, key: &str, sequencer: &str) -> ObjectEvent {
    ObjectEvent {
        object: InputObject {
            location: at(bucket, key),
            size_bytes: Some(7),
            etag: Some("e".to_owned()),
            version: None,
            metadata: BTreeMap::new(),
        },
        name: "Put".to_owned(),
        sequencer: Some(sequencer.to_owned()),
        time: Some(Timestamp(1)),
        shape: "s3".to_owned(),
    }
}

pub fn message(bucket: &str, keys: &[String]) -> String {
    let record = |key: &String| {
        json!({
            "eventSource": "aws:s3", "eventTime": "2026-11-22T09:00:00.000Z", "eventName": "ObjectCreated:Put",
            "s3": { "bucket": { "name": bucket }, "object": { "key": key, "size": 7, "eTag": "e", "sequencer": key } },
        })
    };
    json!({ "Records": keys.iter().map(record).collect::<Vec<Value>>() }).to_string()
}

/// Waits until `condition` holds; a test that waits in vain has failed.
pub async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    let waited = tokio::time::timeout(Duration::from_secs(120), async {
        while !condition().await {
            tick.tick().await;
        }
    });
    assert!(waited.await.is_ok(), "waited in vain until {what}");
}

/// A bucket of moto's that tells a queue of its uploads.
pub struct Cloud {
    moto: &'static Moto,
    pub s3: aws_sdk_s3::Client,
    sqs: aws_sdk_sqs::Client,
    pub bucket: &'static str,
    queue: String,
    visibility: Duration,
}

impl Cloud {
    pub async fn new(moto: &'static Moto, bucket: &'static str) -> Self {
        let config = sdk_config(&moto.options()).await;
        let s3 =
            aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build());
        let sqs = aws_sdk_sqs::Client::new(&config);
        s3.create_bucket().bucket(bucket).send().await.unwrap();
        let queue = sqs.create_queue().queue_name(bucket).send().await.unwrap().queue_url.unwrap();
        let cloud = Self { moto, s3, sqs, bucket, queue, visibility: Duration::from_secs(60) };
        let arn = cloud.attribute(&cloud.queue, QueueAttributeName::QueueArn).await;
        let to_queue = s3::QueueConfiguration::builder()
            .queue_arn(arn)
            .events(s3::Event::from("s3:ObjectCreated:*"))
            .build()
            .unwrap();
        let told = s3::NotificationConfiguration::builder().queue_configurations(to_queue).build();
        cloud
            .s3
            .put_bucket_notification_configuration()
            .bucket(bucket)
            .notification_configuration(told)
            .send()
            .await
            .unwrap();
        cloud
    }

    /// Messages that a consumer does not delete come again soon.
    pub fn impatient(mut self) -> Self {
        self.visibility = Duration::from_secs(2);
        self
    }

    async fn attribute(&self, queue: &str, name: QueueAttributeName) -> String {
        let asked = self.sqs.get_queue_attributes().queue_url(queue).attribute_names(name.clone()).send().await;
        asked.unwrap().attributes().unwrap()[&name].clone()
    }

    /// A workflow that starts without asking the storage.
    pub fn other(&self) -> Workflow {
        workflow(&format!(
            "name: other\ntrigger: {{ bucket: {}, key: 'other/*.mp4' }}\noutput: {{ bucket: media }}\n\
             activities: {{ probe: {{ analysis: {{}} }} }}\n",
            self.bucket
        ))
    }

    /// Gives the queue a dead-letter queue, for messages that were received so often.
    pub async fn redrive(&self, name: &str, received: u32) -> String {
        let dead = self.sqs.create_queue().queue_name(name).send().await.unwrap().queue_url.unwrap();
        let arn = self.attribute(&dead, QueueAttributeName::QueueArn).await;
        let policy = json!({ "deadLetterTargetArn": arn, "maxReceiveCount": received }).to_string();
        let set = self.sqs.set_queue_attributes().queue_url(&self.queue);
        set.attributes(QueueAttributeName::RedrivePolicy, policy).send().await.unwrap();
        dead
    }

    /// Messages in a queue, also those that somebody works on.
    pub async fn messages(&self, queue: &str) -> u32 {
        let waiting = self.attribute(queue, QueueAttributeName::ApproximateNumberOfMessages).await;
        let taken = self.attribute(queue, QueueAttributeName::ApproximateNumberOfMessagesNotVisible).await;
        waiting.parse::<u32>().unwrap() + taken.parse::<u32>().unwrap()
    }

    pub async fn send(&self, body: &str) {
        self.sqs.send_message().queue_url(&self.queue).message_body(body).send().await.unwrap();
    }

    async fn objects(&self) -> SharedObjects {
        Arc::new(S3Buckets::new(&self.moto.options(), true).await)
    }

    async fn consumer(&self, queue: &str, intake: Intake) -> Consumer {
        let options = self.moto.options();
        let settings = Settings { queue_url: queue.to_owned(), wait: Duration::from_secs(1), options };
        Consumer::new(settings, intake).await.with_visibility(self.visibility)
    }

    /// Consumes until the answer is dropped.
    pub async fn consume(&self, intake: Intake) -> DropGuard {
        self.consume_from(&self.queue, intake).await
    }

    async fn consume_from(&self, queue: &str, intake: Intake) -> DropGuard {
        let consumer = self.consumer(queue, intake).await;
        let stop = CancellationToken::new();
        let until = stop.clone();
        tokio::spawn(async move { consumer.run(until).await });
        stop.drop_guard()
    }

    pub async fn drained(&self) {
        until("the queue is empty", async || self.messages(&self.queue).await == 0).await;
    }
}

#[tokio::test]
async fn field_case_01_uploads_of_every_kind_start_once_through_sqs() {
    let Some(moto) = Moto::get() else { return };
    let cloud = Cloud::new(moto, "intake-uploads").await;
    let store = store();
    let workflows = vec![probing("one", cloud.bucket, ""), probing("two", cloud.bucket, "enabled: false")];
    let _running = cloud.consume(intake(&store, cloud.objects().await, workflows)).await;

    let keys = ["in/a b+c&d%20[é]🎬.mp4", "in/x/y.MP4"];
    for key in keys {
        cloud.s3.put_object().bucket(cloud.bucket).key(key).body(b"x".to_vec().into()).send().await.unwrap();
    }
    cloud
        .s3
        .copy_object()
        .bucket(cloud.bucket)
        .key("in/copy.mp4")
        .copy_source(format!("{}/in/x/y.MP4", cloud.bucket))
        .send()
        .await
        .unwrap();
    let upload = cloud.s3.create_multipart_upload().bucket(cloud.bucket).key("in/parts.mp4").send().await.unwrap();
    let id = upload.upload_id.unwrap();
    let part = cloud.s3.upload_part().bucket(cloud.bucket).key("in/parts.mp4").upload_id(&id).part_number(1);
    let etag = part.body(b"part".to_vec().into()).send().await.unwrap().e_tag;
    let part = s3::CompletedPart::builder().part_number(1).set_e_tag(etag).build();
    cloud
        .s3
        .complete_multipart_upload()
        .bucket(cloud.bucket)
        .key("in/parts.mp4")
        .upload_id(id)
        .multipart_upload(s3::CompletedMultipartUpload::builder().parts(part).build())
        .send()
        .await
        .unwrap();
    cloud.s3.put_object().bucket(cloud.bucket).key("out/not.mp4").body(b"x".to_vec().into()).send().await.unwrap();
    cloud.drained().await;

    let mut started: Vec<_> = executions(&store).await.into_iter().map(|e| e.input.location.key).collect();
    started.sort();
    assert_eq!(started, ["in/a b+c&d%20[é]🎬.mp4", "in/copy.mp4", "in/parts.mp4", "in/x/y.MP4"]);
    let ledger = events(&store).await;
    let parts = ledger.iter().find(|r| r.event.as_ref().unwrap().object.location.key == "in/parts.mp4").unwrap();
    assert_eq!((parts.duplicates, parts.executions.len()), (1, 1), "Put beside CompleteMultipartUpload");
    let objects = cloud.objects().await;
    for execution in executions(&store).await {
        let input = &execution.input;
        objects.head(&input.location, Revision::of(input)).await.unwrap();
    }
}

#[tokio::test]
async fn field_case_02_a_burst_of_messages_loses_none() {
    let Some(moto) = Moto::get() else { return };
    let cloud = Cloud::new(moto, "intake-burst").await;
    let store = store();
    let intake = intake(&store, cloud.objects().await, vec![probing("burst", cloud.bucket, "")]);
    // Over ten queues: moto's time per message grows with the length of its queue.
    let mut queues = vec![cloud.queue.clone()];
    for n in 1..10 {
        let made = cloud.sqs.create_queue().queue_name(format!("intake-burst-{n}")).send().await.unwrap();
        queues.push(made.queue_url.unwrap());
    }
    let ten: Vec<String> = (0..10).map(|n| format!("in/ten/{n}.mp4")).collect();
    cloud.send(&message(cloud.bucket, &ten)).await;
    for batch in 0..100 {
        let entries = (0..10).map(|n| {
            let body = message(cloud.bucket, &[format!("in/{batch}/{n}.mp4")]);
            SendMessageBatchRequestEntry::builder().id(n.to_string()).message_body(body).build().unwrap()
        });
        let sent = cloud.sqs.send_message_batch().queue_url(&queues[batch % 10]).set_entries(Some(entries.collect()));
        sent.send().await.unwrap();
    }
    let mut running = Vec::new();
    for queue in &queues {
        running.push(cloud.consume_from(queue, intake.clone()).await);
    }
    for queue in &queues {
        until("the queue is empty", async || cloud.messages(queue).await == 0).await;
    }
    let mut started: Vec<_> = executions(&store).await.into_iter().map(|e| e.input.location.key).collect();
    started.sort();
    started.dedup();
    assert_eq!(started.len(), 1_010);
    assert_eq!(executions(&store).await.len(), 1_010);
}

/// Object storage that never answers.
struct Silent(Arc<Notify>);

#[async_trait]
impl Objects for Silent {
    async fn head(&self, _: &ObjectLocation, _: Revision<'_>) -> Result<Head, ObjectError> {
        self.0.notify_one();
        std::future::pending().await
    }
    async fn read(&self, _: &ObjectLocation, _: Revision<'_>, _: Range<u64>) -> Result<Bytes, ObjectError> {
        std::future::pending().await
    }
    async fn open_local(&self, _: &ObjectLocation, _: Revision<'_>) -> Result<Option<std::fs::File>, ObjectError> {
        std::future::pending().await
    }
    async fn publish(&self, _: &ObjectLocation, _: &Path, _: &str) -> Result<Published, ObjectError> {
        std::future::pending().await
    }
    async fn receive(&self, _: &ObjectLocation, _: Incoming) -> Result<Published, ObjectError> {
        std::future::pending().await
    }
    async fn delete(&self, _: &ObjectLocation) -> Result<(), ObjectError> {
        std::future::pending().await
    }
    async fn list(&self, _: &str, _: &str, _: Option<&str>, _: usize) -> Result<Listing, ObjectError> {
        std::future::pending().await
    }
    async fn ensure_bucket(&self, _: &str) -> Result<(), ObjectError> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn field_case_03_killed_between_receive_and_commit_it_runs_once() {
    let Some(moto) = Moto::get() else { return };
    let cloud = Cloud::new(moto, "intake-killed").await.impatient();
    let store = store();
    let mut put = cloud.s3.put_object().bucket(cloud.bucket).key("in/a.mp4").body(b"x".to_vec().into());
    put = put.metadata("title", "From the object");
    put.send().await.unwrap();
    // A parameter makes intake ask the storage, between receiving and writing down.
    let workflows = || vec![probing("killed", cloud.bucket, "params: { title: { type: string, default: none } }")];

    let asked = Arc::new(Notify::new());
    let doomed = cloud.consumer(&cloud.queue, intake(&store, Arc::new(Silent(Arc::clone(&asked))), workflows())).await;
    let doomed = tokio::spawn(async move { doomed.run(CancellationToken::new()).await });
    asked.notified().await;
    doomed.abort();
    assert!(executions(&store).await.is_empty());
    assert_eq!(cloud.messages(&cloud.queue).await, 2, "the upload's, and the test event of the storage");

    let _running = cloud.consume(intake(&store, cloud.objects().await, workflows())).await;
    cloud.drained().await;
    let started = executions(&store).await;
    assert_eq!(started.len(), 1);
    let execution = store.execution(started[0].id).await.unwrap().unwrap();
    assert_eq!(execution.params["title"], "From the object");
}

#[tokio::test]
async fn a_message_that_no_shape_fits_is_kept_and_deleted() {
    let Some(moto) = Moto::get() else { return };
    let cloud = Cloud::new(moto, "intake-unreadable").await;
    let store = store();
    cloud.send("no shape").await;
    cloud.send(&message(cloud.bucket, &["in/a.mp4".to_owned()])).await;
    cloud.send(&message(cloud.bucket, &["in/%FF.mp4".to_owned(), "in/b.mp4".to_owned()])).await;
    let _running = cloud.consume(intake(&store, cloud.objects().await, vec![probing("w", cloud.bucket, "")])).await;
    cloud.drained().await;
    assert_eq!(executions(&store).await.len(), 2, "what can be read starts");
    let unreadable: Vec<_> = events(&store).await.into_iter().filter(|r| r.unreadable.is_some()).collect();
    assert_eq!(unreadable.len(), 2);
    assert!(unreadable.iter().any(|r| r.body.as_deref() == Some("no shape")));
}

#[tokio::test]
async fn a_message_that_no_shape_fits_is_left_for_the_dead_letter_queue() {
    let Some(moto) = Moto::get() else { return };
    let cloud = Cloud::new(moto, "intake-redrive").await.impatient();
    let dead = cloud.redrive("intake-redrive-dead", 1).await;

    let store = store();
    cloud.send("no shape").await;
    cloud.send(&message(cloud.bucket, &["in/a.mp4".to_owned()])).await;
    let _running = cloud.consume(intake(&store, cloud.objects().await, vec![probing("w", cloud.bucket, "")])).await;
    until("it is in the dead-letter queue", async || cloud.messages(&dead).await == 1).await;
    cloud.drained().await;
    assert_eq!(executions(&store).await.len(), 1);
    assert_eq!(events(&store).await.iter().filter(|r| r.unreadable.is_some()).count(), 1, "kept once");
}

#[tokio::test]
async fn an_upload_to_a_local_bucket_has_started_its_workflow_when_it_is_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let buckets = local(&folder.path().join("buckets"));
    buckets.ensure_bucket("uploads").await.unwrap();
    let store = store();
    let workflows = vec![probing("w", "uploads", "")];
    buckets.announce_to(Arc::new(intake(&store, Arc::new(buckets.clone()), workflows)));
    let file = folder.path().join("clip");
    std::fs::write(&file, b"clip").unwrap();
    for key in ["in/a.mp4", "in/a.txt", "in/a.mp4"] {
        buckets.publish(&at("uploads", key), &file, "video/mp4").await.unwrap();
    }
    buckets.ensure_bucket("unwatched").await.unwrap();
    buckets.publish(&at("unwatched", "in/a.mp4"), &file, "video/mp4").await.unwrap();
    let started = executions(&store).await;
    assert_eq!(started.len(), 1);
    assert_eq!(started[0].input.size_bytes, Some(4));
    assert_eq!(events(&store).await.len(), 2, "also what starts nothing is in the ledger");
}

#[tokio::test]
async fn field_case_27_what_an_execution_publishes_does_not_start_its_workflow_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = store();
    let workflows = vec![probing("loops", "uploads", ""), probing("follows", "uploads", "")];
    let intake = intake(&store, Arc::new(local(folder.path())), workflows);
    let EventOutcome::Recorded(first) = intake.accept(put_event("uploads", "in/a.mp4", "1")).await.unwrap() else {
        panic!("it is new")
    };
    assert_eq!(first.len(), 2);
    let now = SystemClock.now();
    let claim = store.claim(&Claimant::of_all("test"), Duration::from_secs(60), now).await.unwrap().unwrap();
    let output = at("uploads", "in/made.mp4");
    store.begin_publish(claim.job, claim.attempt, std::slice::from_ref(&output), now).await.unwrap();

    let EventOutcome::Recorded(second) = intake.accept(put_event("uploads", "in/made.mp4", "2")).await.unwrap() else {
        panic!("it is new")
    };
    assert_eq!(second.len(), 1, "only the other workflow");
    let started = store.execution(second[0]).await.unwrap().unwrap().summary.workflow;
    assert_ne!(started, claim.plan.workflow);
    let record = &store.events(EventFilter { object: Some(output), before: None, limit: 1 }).await.unwrap()[0];
    let refused = record.decisions.iter().find(|d| d.workflow == claim.plan.workflow).unwrap();
    assert!(!refused.matched && refused.reason.contains("this workflow made the object"), "{}", refused.reason);
}

#[tokio::test]
async fn field_case_32_a_notification_comes_after_the_end_and_once_it_is_taken() {
    let Some(moto) = Moto::get() else { return };
    let cloud = Cloud::new(moto, "notify").await;
    let folder = tempfile::tempdir().unwrap();
    let store = store();
    // The topic passes on to the queue, so that both are read in one place.
    let sns = aws_sdk_sns::Client::new(&sdk_config(&moto.options()).await);
    let topic = sns.create_topic().name("notify").send().await.unwrap().topic_arn.unwrap();
    let queue = cloud.attribute(&cloud.queue, QueueAttributeName::QueueArn).await;
    let subscription = sns.subscribe().topic_arn(&topic).protocol("sqs").endpoint(queue);
    subscription.attributes("RawMessageDelivery", "true").send().await.unwrap();
    let on = "on: [started, succeeded]";
    let notify = format!("notify: [{{ sqs: '{}', {on} }}, {{ sns: '{topic}', {on} }}]", cloud.queue);
    let intake = intake(&store, Arc::new(local(folder.path())), vec![probing("told", "uploads", &notify)]);
    intake.accept(put_event("uploads", "in/a.mp4", "1")).await.unwrap();
    let now = SystemClock.now();
    let claim = store.claim(&Claimant::of_all("test"), Duration::from_secs(60), now).await.unwrap().unwrap();
    store.succeed(claim.job, claim.attempt, json!({ "duration_s": 1.0 }), Vec::new(), now).await.unwrap();

    let stop = CancellationToken::new();
    let sender = Arc::new(Senders {
        sqs: SqsSender::new(moto.options()),
        sns: SnsSender::new(moto.options()),
        webhook: WebhookSender::new(WebhookOptions::default(), Arc::new(SystemClock)),
    });
    let (timeout, backoff, max) = (Duration::from_secs(10), Duration::from_secs(1), Duration::from_secs(1));
    let patience = DeliveryPolicy { timeout, backoff, max, attempts: 20 };
    tokio::spawn(notify::run(Arc::clone(&store), Arc::new(SystemClock), sender, patience, stop.clone()));
    let mut told: Vec<Value> = Vec::new();
    until("all were taken", async || {
        let received = cloud.sqs.receive_message().queue_url(&cloud.queue).max_number_of_messages(10).send().await;
        for message in received.unwrap().messages.unwrap_or_default() {
            let body = serde_json::from_str::<Value>(message.body().unwrap()).unwrap();
            told.extend(body.get("specversion").is_some().then_some(body));
        }
        told.len() == 4
    })
    .await;
    stop.cancel();
    let mut types: Vec<_> = told.iter().map(|event| event["type"].as_str().unwrap()).collect();
    types.sort_unstable();
    let (started, succeeded) = ("reelmill.execution.started.v1", "reelmill.execution.succeeded.v1");
    assert_eq!(types, [started, started, succeeded, succeeded]);
    assert!(told.iter().all(|event| event["subject"] == claim.execution.to_string()), "{told:#?}");
    let last = told.iter().find(|event| event["type"] == succeeded).unwrap();
    assert_eq!(last["data"]["activities"]["probe"]["result"]["duration_s"], 1.0, "{last:#}");
    let state = store.execution(claim.execution).await.unwrap().unwrap().summary.state;
    assert_eq!(state, ExecutionState::Succeeded);
    until("the outbox is empty", async || store.is_idle().await.unwrap()).await;
}

#[tokio::test]
async fn field_fault_conductor_3541_a_full_queue_holds_up_its_own_messages_only() {
    let Some(moto) = Moto::get() else { return };
    let cloud = Cloud::new(moto, "intake-full").await.impatient();
    let dead = cloud.redrive("intake-full-dead", 2).await;
    let store = store();
    let slow = probing("slow", cloud.bucket, "queue: narrow");
    let mut intake = intake(&store, cloud.objects().await, vec![slow, cloud.other()]);
    intake.backlog = Arc::new(Backlog::new(BTreeMap::from([("narrow".to_owned(), 2)])));
    for index in 0..6 {
        cloud.send(&message(cloud.bucket, &[format!("in/{index}.mp4")])).await;
    }
    let running = cloud.consume(intake).await;
    let started = async |workflow: &str| {
        executions(&store).await.iter().filter(|execution| execution.workflow == workflow).count()
    };
    until("the queue is full", async || started("slow").await == 2).await;
    // More than one batch, and behind those that wait.
    for index in 0..15 {
        cloud.send(&message(cloud.bucket, &[format!("other/{index}.mp4")])).await;
    }
    until("the others", async || started("other").await == 15).await;
    assert_eq!(started("slow").await, 2);
    // Longer than messages are hidden without being kept so.
    let began = std::time::Instant::now();
    until("time to pass", async || began.elapsed() > Duration::from_secs(10)).await;
    assert_eq!((cloud.messages(&cloud.queue).await, cloud.messages(&dead).await), (4, 0), "none is driven away");
    for claimed in 1..=6 {
        until("a job of the queue", async || {
            let claimant = Claimant { name: "w".to_owned(), queues: vec!["narrow".to_owned()] };
            store.claim(&claimant, Duration::from_secs(60), SystemClock.now()).await.unwrap().is_some()
        })
        .await;
        assert!(started("slow").await >= claimed);
    }
    cloud.drained().await;
    assert_eq!((started("slow").await, cloud.messages(&dead).await), (6, 0));
    drop(running);
}
