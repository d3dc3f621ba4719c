//! A daemon on moto's S3 and SQS: bucket notification → queue → outputs in the output bucket, message gone.

use std::collections::HashMap;
use std::path::Path;

use aws_sdk_s3::types::{
    CompletedMultipartUpload, CompletedPart, Event, NotificationConfiguration, QueueConfiguration,
};
use aws_sdk_sqs::types::QueueAttributeName;
use reelmill::objects::aws::sdk_config;

use crate::moto::Moto;
use crate::support::{Daemon, fixture, last_json, reelmill, run, wait_for};

const WORKFLOW: &str = "
name: fleet
trigger: { bucket: BUCKET-in, key: 'in/**/*.mp4' }
output: { bucket: BUCKET-out, prefix: 'made/${object.stem}/' }
activities:
  probe:
    analysis: {}
  small:
    transcode: { template: h264-240p, video: { preset: ultrafast }, name: small.mp4 }
notify:
  - sqs: NOTIFY
    on: [started, succeeded, failed]
";

/// Buckets, queues and a daemon's folder, all of one name.
pub struct Fleet {
    moto: &'static Moto,
    name: String,
    s3: aws_sdk_s3::Client,
    sqs: aws_sdk_sqs::Client,
    events: String,
    told: String,
    folder: tempfile::TempDir,
}

impl Fleet {
    async fn new(name: &str) -> Option<Self> {
        let fleet = Self::with(name, WORKFLOW).await?;
        let store = format!("sqlite:{}/reelmill.db", fleet.folder.path().display());
        std::fs::write(fleet.folder.path().join("reelmill.yaml"), fleet.config(&store, "scratch", "")).unwrap();
        Some(fleet)
    }

    /// One with this workflow, in which `BUCKET` and `NOTIFY` stand for its own.
    pub async fn with(name: &str, workflow: &str) -> Option<Self> {
        let moto = Moto::get()?;
        let sdk = sdk_config(&moto.options()).await;
        let s3 = aws_sdk_s3::Client::from_conf(aws_sdk_s3::config::Builder::from(&sdk).force_path_style(true).build());
        let sqs = aws_sdk_sqs::Client::new(&sdk);
        for bucket in ["in", "out"] {
            s3.create_bucket().bucket(format!("{name}-{bucket}")).send().await.unwrap();
        }
        let queue = |what: &str| sqs.create_queue().queue_name(format!("{name}-{what}")).send();
        let events = queue("events").await.unwrap().queue_url.unwrap();
        let told = queue("told").await.unwrap().queue_url.unwrap();
        let arn = sqs.get_queue_attributes().queue_url(&events).attribute_names(QueueAttributeName::QueueArn);
        let arn = arn.send().await.unwrap().attributes.unwrap().remove(&QueueAttributeName::QueueArn).unwrap();
        let to_queue = QueueConfiguration::builder().queue_arn(arn).events(Event::from("s3:ObjectCreated:*")).build();
        s3.put_bucket_notification_configuration()
            .bucket(format!("{name}-in"))
            .notification_configuration(
                NotificationConfiguration::builder().queue_configurations(to_queue.unwrap()).build(),
            )
            .send()
            .await
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let workflows = folder.path().join("workflows");
        std::fs::create_dir(&workflows).unwrap();
        let workflow = workflow.replace("BUCKET", name).replace("NOTIFY", &told);
        std::fs::write(workflows.join("fleet.yaml"), workflow).unwrap();
        Some(Self { moto, name: name.to_owned(), s3, sqs, events, told, folder })
    }

    /// Configuration of a daemon with this store, folder for scratch and settings of its workers.
    fn config(&self, store: &str, scratch: &str, worker: &str) -> String {
        format!(
            "store: {store}\nobjects: {{ s3: {{ endpoint: '{1}', region: us-east-1, path_style: true }} }}\n\
             s3_endpoint: null\nevents: [ {{ sqs: {{ queue: '{2}', wait: 1s, endpoint: '{1}', region: us-east-1 }} }} ]\n\
             workflows: {0}/workflows\nworker: {{ scratch: {0}/{scratch}, {worker} }}\n",
            self.folder.path().display(),
            self.moto.url,
            self.events
        )
    }

    /// Starts one of several daemons over the same store: `n` tells their folders apart.
    pub fn start_beside(&self, n: usize, store: &str, worker: &str) -> Daemon {
        let at = |name: String| self.folder.path().join(name);
        let file = at(format!("reelmill-{n}.yaml"));
        std::fs::write(&file, self.config(store, &format!("scratch-{n}"), worker)).unwrap();
        Daemon::with_config(&file, &at(format!("data-{n}")), &self.environment())
    }

    /// Where its daemons keep their folders.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn start(&self) -> Daemon {
        Daemon::with_config(&self.folder.path().join("reelmill.yaml"), self.folder.path(), &self.environment())
    }

    fn environment(&self) -> HashMap<&'static str, String> {
        HashMap::from([
            ("AWS_ACCESS_KEY_ID", "moto".to_owned()),
            ("AWS_SECRET_ACCESS_KEY", "moto".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ENDPOINT_URL", self.moto.url.clone()),
        ])
    }

    /// What `doctor` finds in the surroundings that `config` names: exit code, and the states and messages of a check.
    fn examined(&self, config: &str, check: &str) -> (Option<i32>, Vec<(String, String)>) {
        let file = self.folder.path().join("examined.yaml");
        std::fs::write(&file, config).unwrap();
        let mut command = reelmill();
        command.args(["doctor", "--json", "--config"]).arg(&file).envs(self.environment());
        let result = run(command.env("REELMILL_API_LISTEN", "127.0.0.1:0"));
        let report = last_json(&String::from_utf8(result.stdout).unwrap());
        let checks = report["checks"].as_array().unwrap().iter().filter(|found| found["name"] == check);
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        (result.status.code(), checks.map(|found| (text(&found["state"]), text(&found["message"]))).collect())
    }

    /// Uploads a file.
    pub async fn put(&self, file: &Path, key: &str) {
        let body = std::fs::read(file).unwrap();
        let bucket = format!("{}-in", self.name);
        self.s3.put_object().bucket(bucket).key(key).body(body.into()).send().await.unwrap();
    }

    async fn put_in_parts(&self, file: &Path, key: &str) {
        let bucket = format!("{}-in", self.name);
        let id = self.s3.create_multipart_upload().bucket(&bucket).key(key).send().await.unwrap().upload_id.unwrap();
        let body = std::fs::read(file).unwrap();
        let part = self.s3.upload_part().bucket(&bucket).key(key).upload_id(&id).part_number(1).body(body.into());
        let etag = part.send().await.unwrap().e_tag.unwrap();
        let parts = CompletedPart::builder().part_number(1).e_tag(etag).build();
        self.s3
            .complete_multipart_upload()
            .bucket(&bucket)
            .key(key)
            .upload_id(&id)
            .multipart_upload(CompletedMultipartUpload::builder().parts(parts).build())
            .send()
            .await
            .unwrap();
    }

    /// What lies in the bucket of outputs.
    pub async fn outputs(&self) -> Vec<String> {
        let listed = self.s3.list_objects_v2().bucket(format!("{}-out", self.name)).send().await.unwrap();
        listed.contents().iter().filter_map(|object| object.key().map(str::to_owned)).collect()
    }

    /// The bytes of an output.
    pub async fn output(&self, key: &str) -> Vec<u8> {
        let object = self.s3.get_object().bucket(format!("{}-out", self.name)).key(key).send().await.unwrap();
        object.body.collect().await.unwrap().to_vec()
    }

    /// Messages in the queue of events, hidden ones too.
    async fn waiting(&self) -> u32 {
        let names = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let request = self.sqs.get_queue_attributes().queue_url(&self.events);
        let answer = request.set_attribute_names(Some(names.to_vec())).send().await.unwrap();
        names.iter().filter_map(|name| answer.attributes()?.get(name)?.parse::<u32>().ok()).sum()
    }

    /// What the messages in the queue of events say; they stay.
    async fn peek(&self) -> Vec<String> {
        let received = self.sqs.receive_message().queue_url(&self.events).max_number_of_messages(10);
        let received = received.visibility_timeout(0).send().await.unwrap();
        received.messages().iter().filter_map(|message| message.body().map(str::to_owned)).collect()
    }

    /// Ends after a long poll that a killed daemon left behind, which would take and hide what comes next.
    async fn outlast_a_poll(&self) {
        let received = self.sqs.receive_message().queue_url(&self.events).wait_time_seconds(2).send().await.unwrap();
        assert!(received.messages().is_empty());
    }

    pub async fn until_no_message_waits(&self) {
        while self.waiting().await > 0 {
            tokio::task::yield_now().await;
        }
    }

    /// What the receivers of notifications got, in order.
    pub async fn told(&self, count: usize) -> Vec<serde_json::Value> {
        let mut told = Vec::new();
        while told.len() < count {
            let received = self.sqs.receive_message().queue_url(&self.told).max_number_of_messages(10);
            for message in received.wait_time_seconds(1).send().await.unwrap().messages() {
                told.push(serde_json::from_str(message.body().unwrap()).unwrap());
                let receipt = message.receipt_handle().unwrap();
                self.sqs.delete_message().queue_url(&self.told).receipt_handle(receipt).send().await.unwrap();
            }
        }
        told
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_asks_buckets_and_the_queue_and_takes_nothing() {
    let Some(fleet) = Fleet::new("doctor").await else { return };
    let config = std::fs::read_to_string(fleet.folder.path().join("reelmill.yaml")).unwrap();
    fleet.sqs.send_message().queue_url(&fleet.events).message_body("one that stays").send().await.unwrap();
    // With what S3 sends to try the queue.
    let waiting = fleet.waiting().await;
    let (code, events) = fleet.examined(&config, "events");
    assert_eq!((code, events.len(), events[0].0.as_str()), (Some(0), 1, "ok"), "{events:?}");
    assert!(events[0].1.ends_with(&format!("about {waiting} messages waiting")), "{events:?}");
    let (_, buckets) = fleet.examined(&config, "buckets");
    assert_eq!(buckets.iter().filter(|(state, _)| state == "ok").count(), 2, "{buckets:?}");
    assert_eq!(fleet.waiting().await, waiting);

    let (code, events) = fleet.examined(&config.replace("doctor-events", "no-such-queue"), "events");
    assert_eq!((code, events[0].0.as_str()), (Some(1), "fail"));
    assert!(events[0].1.starts_with("EVT0003"), "{events:?}");
    let workflow = fleet.folder.path().join("workflows/fleet.yaml");
    let text = std::fs::read_to_string(&workflow).unwrap();
    std::fs::write(&workflow, text.replace("doctor-out", "doctor-nowhere")).unwrap();
    let (code, buckets) = fleet.examined(&config, "buckets");
    let wrong: Vec<_> = buckets.iter().filter(|(state, _)| state == "fail").collect();
    assert!(code == Some(1) && wrong.len() == 1 && wrong[0].1.contains("OBJ0001"), "{buckets:?}");
}

fn tiny() -> std::path::PathBuf {
    fixture("normal/tiny_aac_180p.mp4")
}

#[tokio::test(flavor = "multi_thread")]
async fn field_case_01_put_beside_complete_twice_the_message_and_a_restart_start_one_execution() {
    let Some(fleet) = Fleet::new("once").await else { return };
    fleet.put_in_parts(&tiny(), "in/a b/ümläut 中+1.mp4").await;
    let announced = fleet.peek().await;
    assert!(announced.iter().any(|body| body.contains("CompleteMultipartUpload")), "{announced:?}");
    assert!(announced.iter().any(|body| body.contains("ObjectCreated:Put")), "{announced:?}");
    let daemon = fleet.start();
    let ended = daemon.ended(1);
    assert_eq!(ended[0]["state"], "succeeded", "{:#}", ended[0]);
    fleet.until_no_message_waits().await;
    daemon.kill();
    fleet.outlast_a_poll().await;

    // The same messages again, as S3 may send them at any time.
    for body in announced.iter().chain(&announced) {
        fleet.sqs.send_message().queue_url(&fleet.events).message_body(body).send().await.unwrap();
    }
    let daemon = fleet.start();
    fleet.until_no_message_waits().await;
    assert_eq!(daemon.ended(1).len(), 1, "one upload, one execution");
    assert_eq!(fleet.outputs().await, ["made/ümläut 中+1/small.mp4"]);

    let told = fleet.told(2).await;
    let types: Vec<&str> = told.iter().filter_map(|event| event["type"].as_str()).collect();
    assert_eq!(types, ["reelmill.execution.started.v1", "reelmill.execution.succeeded.v1"]);
    assert_eq!(told[1]["data"]["outputs"][0]["key"], "made/ümläut 中+1/small.mp4");
    assert_eq!(daemon.end(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn field_case_03_killed_between_receive_and_commit_the_event_comes_again() {
    let Some(fleet) = Fleet::new("again").await else { return };
    fleet.put(&tiny(), "in/tiny.mp4").await;
    // Received by somebody who dies before anything is written down: it is hidden, then visible again.
    let taken = fleet.sqs.receive_message().queue_url(&fleet.events).visibility_timeout(1).send().await.unwrap();
    assert_eq!(taken.messages().len(), 1);
    let daemon = fleet.start();
    let ended = daemon.ended(1);
    assert_eq!(ended[0]["state"], "succeeded", "{:#}", ended[0]);
    assert_eq!(fleet.outputs().await, ["made/tiny/small.mp4"]);
    assert_eq!(daemon.end(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_bucket_and_a_message_of_no_shape_block_nobody() {
    let Some(fleet) = Fleet::new("odd").await else { return };
    for body in ["nonsense", "{\"Records\":[{\"eventName\":\"ObjectCreated:Put\"}]}"] {
        fleet.sqs.send_message().queue_url(&fleet.events).message_body(body).send().await.unwrap();
    }
    let gone = r#"{"Records":[{"eventName":"ObjectCreated:Put","eventTime":"2026-11-22T09:00:00Z",
        "s3":{"bucket":{"name":"odd-in"},"object":{"key":"in/gone.mp4","size":1,"eTag":"0","sequencer":"1"}}}]}"#;
    fleet.sqs.send_message().queue_url(&fleet.events).message_body(gone).send().await.unwrap();
    let daemon = fleet.start();
    fleet.put(&tiny(), "in/tiny.mp4").await;
    let ended = daemon.ended(2);
    let state = |key: &str| {
        let execution = ended.iter().find(|execution| execution["input"]["key"] == key).unwrap();
        (execution["state"].as_str().unwrap().to_owned(), execution["activities"]["probe"]["error"]["code"].clone())
    };
    assert_eq!(state("in/tiny.mp4").0, "succeeded");
    let (gone, code) = state("in/gone.mp4");
    assert_eq!(gone, "failed");
    assert!(code.as_str().is_some_and(|code| code.starts_with("OBJ")), "{code}");
    fleet.until_no_message_waits().await;
    assert_eq!(daemon.end(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn field_fault_airflow_42111_messages_stay_while_there_is_no_workflow() {
    let Some(fleet) = Fleet::new("nowf").await else { return };
    let (file, aside) = (fleet.folder.path().join("workflows/fleet.yaml"), fleet.folder.path().join("aside"));
    std::fs::rename(&file, &aside).unwrap();
    fleet.put(&tiny(), "in/tiny.mp4").await;
    let daemon = fleet.start();
    // Comes after the daemon began to look, and has to be announced as well.
    fleet.put(&tiny(), "in/again.mp4").await;
    std::fs::rename(&aside, &file).unwrap();
    let ended = daemon.ended(2);
    assert!(ended.iter().all(|execution| execution["state"] == "succeeded"), "{ended:#?}");
    fleet.until_no_message_waits().await;
    assert_eq!(daemon.end(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn field_fault_argo_7349_s3_that_hangs_up_is_waited_for() {
    let Some(fleet) = Fleet::new("outage").await else { return };
    let gate = fleet.moto.gate();
    let (config, workflow) =
        (fleet.folder.path().join("reelmill.yaml"), fleet.folder.path().join("workflows/fleet.yaml"));
    let text = std::fs::read_to_string(&config).unwrap();
    let objects = format!("objects: {{ s3: {{ endpoint: '{}'", fleet.moto.url);
    std::fs::write(&config, text.replace(&objects, &objects.replace(&fleet.moto.url, &gate.url))).unwrap();
    let text = std::fs::read_to_string(&workflow).unwrap() + "retry: { attempts: 1, backoff: 50ms }\n";
    std::fs::write(&workflow, text).unwrap();
    let daemon = fleet.start();
    gate.set_open(false);
    fleet.put(&tiny(), "in/tiny.mp4").await;
    let waits = |daemon: &Daemon| {
        wait_for("the job to wait", || {
            let id = daemon.executions().first()?["id"].as_str()?.to_owned();
            let probe = daemon.show(&id)["activities"]["probe"].clone();
            probe["retrying"]["away_since"].as_str().map(str::to_owned)
        })
    };
    let since = waits(&daemon);
    daemon.kill();
    let daemon = fleet.start();
    assert_eq!(waits(&daemon), since, "it is still the same outage");
    gate.set_open(true);
    let ended = daemon.ended(1);
    assert_eq!(ended[0]["state"], "succeeded", "{:#}", ended[0]);
    assert_eq!(daemon.end(), Some(0));
}
