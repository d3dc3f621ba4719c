//! The HTTP API from outside: single jobs, idempotency, definitions, bad input, many streams.

use std::path::Path;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::{Value, json};

use crate::support::{Daemon, fixture, last_json, reelmill, run, run_ok};

const VOD: &str = "
# kept as it is
name: vod
trigger: { bucket: uploads, key: 'in/**' }
output: { bucket: media, prefix: 'vod/' }
params: { width: { type: int, default: 160 } }
activities:
  poster: { snapshot: { at: 0s, width: '${params.width}', name: '${object.stem}.jpg' } }
";

/// A daemon with one workflow and one uploaded clip, `s3://uploads/clip.mp4`.
struct Place {
    daemon: Daemon,
    http: Client,
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self::with("")
    }

    fn with(more: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("workflows")).unwrap();
        std::fs::write(at("workflows/vod.yaml"), VOD).unwrap();
        let config = format!("s3_endpoint: 127.0.0.1:0\nworkflows: {}\n{more}\n", at("workflows").display());
        std::fs::write(at("reelmill.yaml"), config).unwrap();
        let daemon = Daemon::with_config(&at("reelmill.yaml"), &at("data"), &std::collections::HashMap::new());
        daemon.put(&fixture("normal/tiny_aac_180p.mp4"), "s3://uploads/clip.mp4");
        Self { daemon, http: Client::new(), folder }
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Response {
        self.http.request(method, format!("{}{path}", self.daemon.api)).json(body).send().await.unwrap()
    }

    async fn get(&self, path: &str) -> Value {
        json_of(self.http.get(format!("{}{path}", self.daemon.api)).send().await.unwrap()).await
    }

    fn cli(&self, args: &[&str]) -> Value {
        last_json(&run_ok(&mut self.daemon.cli(args)))
    }
}

async fn json_of(response: Response) -> Value {
    let text = response.text().await.unwrap();
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// Method, path, media type and body of a request, and the status and beginning of the code that refuse it.
type Bad = (&'static str, String, Option<&'static str>, String, u16, &'static str);

fn analysis() -> Value {
    json!({ "type": "analysis", "input": { "bucket": "uploads", "key": "clip.mp4" }, "user_data": "mine" })
}

fn snapshot() -> Value {
    json!({
        "type": "snapshot", "input": { "bucket": "uploads", "key": "clip.mp4" },
        "parameters": { "at": "0s", "width": 160, "name": "${object.stem}.jpg" },
        "output": { "bucket": "media", "prefix": "jobs/" }, "queue": "bulk", "priority": 9,
    })
}

#[tokio::test]
async fn a_job_answers_with_its_result_when_it_is_waited_for() {
    let place = Place::new();
    let answer = place.send(Method::POST, "/v1/jobs?wait=60s", &analysis()).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let location = answer.headers()["location"].to_str().unwrap().to_owned();
    let job = json_of(answer).await;
    assert_eq!((&job["state"], &job["user_data"]), (&json!("succeeded"), &json!("mine")), "{job:#}");
    assert_eq!(job["result"]["video"][0]["codec"], "h264", "{job:#}");
    assert_eq!(location, format!("/v1/jobs/{}", job["id"].as_str().unwrap()));
    assert_eq!(place.get(&location).await, job);

    let made = json_of(place.send(Method::POST, "/v1/jobs?wait=60s", &snapshot()).await).await;
    assert_eq!((&made["queue"], &made["priority"], &made["type"]), (&json!("bulk"), &json!(9), &json!("snapshot")));
    assert_eq!(made["outputs"][0]["key"], "jobs/clip.jpg", "{made:#}");
    assert_eq!(place.daemon.bucket("media"), ["jobs/clip.jpg"]);
    let id = made["id"].as_str().unwrap();
    let execution = place.get(&format!("/v1/executions/{id}")).await;
    assert_eq!(execution["workflow"], "job:snapshot", "a job is an execution");
    let package = json!({
        "type": "package", "input": { "bucket": "uploads", "key": "clip.mp4" }, "parameters": { "protocol": "hls" },
        "output": { "bucket": "media", "prefix": "hls/" },
    });
    let package = json_of(place.send(Method::POST, "/v1/jobs?wait=60s", &package).await).await;
    assert_eq!(package["state"], "succeeded", "{package:#}");
    assert!(package["outputs"].to_string().contains("hls/clip/source/index.m3u8"), "{package:#}");
    let jobs = place.get("/v1/jobs?limit=3").await;
    let ids: Vec<_> = jobs["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
    assert_eq!(ids, [package["id"].clone(), made["id"].clone(), job["id"].clone()]);
    let only = place.get("/v1/jobs?type=analysis&state=succeeded&limit=1").await;
    assert_eq!(only["items"][0]["id"], job["id"]);
    assert_eq!(run_ok(&mut place.daemon.cli(&["logs", id])).lines().count(), 5);
}

#[tokio::test]
async fn the_ledger_is_read_to_its_end_page_by_page() {
    const UPLOADS: usize = 101;
    let place = Place::new();
    for n in 0..UPLOADS {
        let url = format!("{}/uploads/uploads/clip-{n}", place.daemon.api);
        let request = place.http.put(url).header("sec-fetch-site", "same-origin").body("x");
        assert_eq!(request.send().await.unwrap().status(), StatusCode::CREATED);
    }
    let mut keys = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = place.get(&format!("/v1/events?limit=40{cursor}")).await;
        let items = page["items"].as_array().unwrap();
        keys.extend(items.iter().map(|item| item["object"]["key"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_i64() else { break };
        assert_eq!(items.len(), 40, "only the last page is shorter");
        cursor = format!("&cursor={next}");
    }
    let expected: Vec<_> = (0..UPLOADS).rev().map(|n| format!("clip-{n}")).chain(["clip.mp4".to_owned()]).collect();
    assert_eq!(keys, expected);
    let one = place.get("/v1/events?bucket=uploads&key=clip-7&limit=1").await;
    assert_eq!((&one["items"][0]["object"]["key"], &one["next"]), (&json!("clip-7"), &Value::Null), "{one}");

    let page = async |path: &str| {
        let answer = place.http.get(format!("{}{path}", place.daemon.api)).send().await.unwrap();
        answer.text().await.unwrap()
    };
    let newest = page("/events").await;
    let (_, older) = newest.split_once("href=\"/events?object=&amp;before=").expect("a link to older entries");
    let older = page(&format!("/events?before={}", older.split('"').next().unwrap())).await;
    assert!(older.contains("uploads/clip-0<") && older.contains("uploads/clip.mp4<"), "{older}");
    assert!(!older.contains("uploads/clip-1<") && !older.contains("rel=\"next\""), "{older}");
}

#[tokio::test]
async fn jobs_are_submitted_stopped_and_prioritized_from_the_command_line() {
    let place = Place::new();
    let first = place.cli(&["jobs", "submit", "analysis", "s3://uploads/clip.mp4", "--queue", "bulk", "--wait", "60s"]);
    assert_eq!(first["state"], "succeeded", "{first:#}");
    place.cli(&["queues", "pause", "bulk"]);
    let submit = ["jobs", "submit", "snapshot", "s3://uploads/clip.mp4", "--set", "at=0s", "--set", "name=x.jpg"];
    let more = ["--output", "s3://media/x/", "--queue", "bulk", "--priority", "3"];
    let job = place.cli(&[&submit[..], &more[..]].concat());
    assert_eq!((&job["state"], &job["priority"]), (&json!("queued"), &json!(3)), "{job:#}");
    let id = job["id"].as_str().unwrap();
    assert_eq!(place.cli(&["jobs", "priority", id, "10"])["priority"], 10);
    let listed = place.cli(&["jobs", "list", "--type", "snapshot"]);
    assert_eq!((&listed["items"][0]["id"], listed["items"].as_array().unwrap().len()), (&job["id"], 1));
    assert_eq!(place.cli(&["jobs", "cancel", id])["state"], "cancelled");
    let shown = run(&mut place.daemon.cli(&["jobs", "show", id, "--wait", "1s"]));
    assert_eq!(shown.status.code(), Some(1), "it did not succeed");
    let text = run_ok(reelmill().args(["jobs", "list", "--url", &place.daemon.api]));
    assert!(text.starts_with("JOB ") && text.contains("cancelled"), "{text}");
}

#[tokio::test]
async fn what_is_sent_again_under_its_key_is_done_once() {
    let place = Place::new();
    let send = async |path: &str, key: &str, body: Value| {
        let request = place.http.post(format!("{}{path}", place.daemon.api)).header("idempotency-key", key).json(&body);
        request.send().await.unwrap()
    };
    let first = json_of(send("/v1/jobs?wait=60s", "one", analysis()).await).await;
    let again = json_of(send("/v1/jobs?wait=60s", "one", analysis()).await).await;
    assert_eq!(first, again);
    let other = send("/v1/jobs", "one", snapshot()).await;
    assert_eq!(other.status(), StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(json_of(other).await["code"], "CLI0016");
    let together = futures::future::join_all((0..8).map(|_| send("/v1/jobs?wait=60s", "race", analysis()))).await;
    let mut ids = Vec::new();
    for answer in together {
        ids.push(json_of(answer).await["id"].clone());
    }
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    assert_eq!(place.get("/v1/jobs").await["items"].as_array().unwrap().len(), 2);
    for key in ["", &"k".repeat(256)] {
        assert_eq!(send("/v1/jobs", key, analysis()).await.status(), StatusCode::BAD_REQUEST);
    }

    let body =
        json!({ "workflow": "vod", "input": { "bucket": "uploads", "key": "clip.mp4" }, "params": { "width": "0" } });
    let failed = json_of(send("/v1/executions?wait=60s", "start", body.clone()).await).await;
    assert_eq!(failed["state"], "failed", "a width of 0 is none: {failed:#}");
    assert_eq!(json_of(send("/v1/executions?wait=60s", "start", body).await).await["id"], failed["id"]);
    let retry = format!("/v1/executions/{}/retry", failed["id"].as_str().unwrap());
    for _ in 0..3 {
        assert_eq!(send(&retry, "again", json!({})).await.status(), StatusCode::ACCEPTED);
    }
    let ended = json_of(send("/v1/executions?wait=60s", "start", json!({})).await).await;
    assert_eq!(ended["code"], "CLI0003", "another body: {ended:#}");
    let log = run_ok(&mut place.daemon.cli(&["logs", failed["id"].as_str().unwrap()]));
    assert_eq!(log.matches("\"restarted\"").count(), 1, "{log}");
}

#[tokio::test]
async fn definitions_are_put_switched_and_checked() {
    let place = Place::new();
    let url = |name: &str| format!("{}/v1/workflows/{name}", place.daemon.api);
    let put = |name: &str, text: &str| {
        place.http.put(url(name)).header("content-type", "application/yaml").body(text.to_owned())
    };
    let shown = place.http.get(url("vod")).send().await.unwrap();
    let tag = shown.headers()["etag"].to_str().unwrap().to_owned();
    assert_eq!(json_of(shown).await["yaml"], VOD);
    let same = place.http.get(url("vod")).header("if-none-match", &tag).send().await.unwrap();
    assert_eq!(same.status(), StatusCode::NOT_MODIFIED);

    let changed = VOD.replace("vod/", "films/");
    let replaced = put("vod", &changed).header("if-match", &tag).send().await.unwrap();
    assert_eq!(replaced.status(), StatusCode::OK);
    let late = put("vod", VOD).header("if-match", &tag).send().await.unwrap();
    assert_eq!(late.status(), StatusCode::PRECONDITION_FAILED);
    assert_eq!(json_of(late).await["code"], "CLI0019");
    let new = put("other", &VOD.replace("name: vod", "name: other")).header("if-none-match", "*").send().await.unwrap();
    assert_eq!(new.status(), StatusCode::CREATED);
    let wrong = put("other", "name: other\nactivities: { a: { transcode: { vidoe: {} } } }\n").send().await.unwrap();
    assert_eq!(wrong.status(), StatusCode::UNPROCESSABLE_ENTITY);
    let problem = json_of(wrong).await;
    assert!(problem["errors"][0]["line"].is_u64() && problem["errors"].to_string().contains("video"), "{problem:#}");

    assert_eq!(place.cli(&["workflows", "disable", "other"])["enabled"], false);
    place.daemon.put(&fixture("normal/tiny_aac_180p.mp4"), "s3://uploads/in/a.mp4");
    assert_eq!(place.daemon.ended(1)[0]["workflow"], "vod");
    assert_eq!(place.daemon.bucket("media"), ["films/a.jpg"]);
    let started = place.cli(&["executions", "start", "other", "s3://uploads/clip.mp4", "--set", "width=80"]);
    assert_eq!((&started["workflow"], &started["params"]["width"]), (&json!("other"), &json!(80)), "{started:#}");
    assert_eq!(place.cli(&["workflows", "enable", "other"])["enabled"], true);
    let file = std::fs::read_to_string(place.folder.path().join("workflows/other.yaml")).unwrap();
    assert!(file.contains("# kept as it is") && file.contains("enabled: true"), "{file}");
    let names: Vec<_> = place.cli(&["workflows", "list"])["items"].as_array().unwrap().clone();
    assert_eq!(names.len(), 2, "{names:#?}");

    let checked = place.http.post(url("validate")).header("content-type", "text/yaml").body("name: x\n");
    let checked = json_of(checked.send().await.unwrap()).await;
    assert!(checked["valid"] == false && checked["problems"].as_array().is_some_and(|list| !list.is_empty()));
    let template = place.get("/v1/templates/h264-360p").await;
    assert!(template["preset"] == true && template["parameters"]["video"].is_object(), "{template:#}");
}

#[tokio::test]
async fn what_cannot_be_is_refused_with_a_problem() {
    let place = Place::new();
    let id = "01a2030d-0eaf-73c5-a66c-34bb69010b60";
    let job = |change: fn(&mut Value)| {
        let mut body = snapshot();
        change(&mut body);
        body.to_string()
    };
    let json = Some("application/json");
    let yaml = Some("application/yaml");
    let huge = format!("{{\"type\": \"{}\"}}", "x".repeat(600 * 1024));
    let cases: Vec<Bad> = [
        // JSON that is none, of the wrong types, too much of it, and what is no JSON by its name.
        ("POST", "/v1/jobs", json, "{".to_owned(), 400, "CLI0003"),
        ("POST", "/v1/jobs", json, "[]".to_owned(), 422, "CLI0003"),
        ("POST", "/v1/jobs", json, "null".to_owned(), 422, "CLI0003"),
        ("POST", "/v1/jobs", json, "\u{feff}{}".to_owned(), 400, "CLI0003"),
        ("POST", "/v1/jobs", json, "[".repeat(100_000), 400, "CLI0003"),
        ("POST", "/v1/jobs", json, huge, 413, "CLI0003"),
        ("POST", "/v1/jobs", json, String::new(), 400, "CLI0003"),
        ("POST", "/v1/jobs", Some("text/plain"), snapshot().to_string(), 415, "CLI0003"),
        ("POST", "/v1/jobs", None, snapshot().to_string(), 415, "CLI0003"),
        ("POST", "/v1/jobs", json, job(|job| job["priority"] = json!("high")), 422, "CLI0003"),
        ("POST", "/v1/jobs", json, job(|job| job["priority"] = json!(11)), 422, "CLI0003"),
        ("POST", "/v1/jobs", json, job(|job| job["priority"] = json!(-1)), 422, "CLI0003"),
        ("POST", "/v1/jobs", json, job(|job| job["unknown"] = json!(1)), 422, "CLI0003"),
        ("POST", "/v1/jobs", json, job(|job| job["type"] = json!("shell")), 422, "CLI0003"),
        ("POST", "/v1/jobs", json, job(|job| job["parameters"]["wdith"] = json!(1)), 422, "WF0|TPL0"),
        ("POST", "/v1/jobs", json, job(|job| job["template"] = json!("no-such")), 422, "TPL"),
        ("POST", "/v1/jobs", json, job(|job| job["user_data"] = json!("x".repeat(1025))), 422, "CLI0003"),
        ("POST", "/v1/jobs", json, job(|job| job["timeout"] = json!("soon")), 422, "WF0|TPL0"),
        ("POST", "/v1/jobs?wait=2h", json, snapshot().to_string(), 400, "CLI0003"),
        ("POST", "/v1/jobs?wiat=2s", json, snapshot().to_string(), 400, "CLI0003"),
        // Names and keys that lead elsewhere.
        ("POST", "/v1/jobs", json, job(|job| job["input"]["key"] = json!("../../etc/passwd")), 422, "OBJ0008"),
        ("POST", "/v1/jobs", json, job(|job| job["input"]["key"] = json!("/etc/passwd")), 422, "OBJ0002"),
        ("POST", "/v1/jobs", json, job(|job| job["input"]["key"] = json!("a\u{0}b")), 422, "OBJ0008"),
        ("POST", "/v1/jobs", json, job(|job| job["input"]["bucket"] = json!("..")), 422, "OBJ0008"),
        ("POST", "/v1/jobs", json, job(|job| job["input"]["key"] = json!("not-there.mp4")), 422, "OBJ"),
        ("POST", "/v1/jobs", json, job(|job| job["output"]["prefix"] = json!("../up/")), 422, "WF0|TPL0"),
        ("POST", "/v1/jobs", json, job(|job| job["parameters"]["name"] = json!("../x.jpg")), 422, "WF0|TPL0"),
        ("POST", "/v1/jobs", json, job(|job| job["parameters"]["name"] = json!("")), 422, "WF0303"),
        ("POST", "/v1/jobs", json, job(|job| job["queue"] = json!("../q")), 422, "WF0111"),
        ("POST", "/v1/jobs", json, job(|job| job["queue"] = json!("a\r\nx: y")), 422, "WF0|TPL0"),
        ("PUT", "/v1/workflows/..%2F..%2Fvod", yaml, VOD.to_owned(), 422, "CLI0018"),
        ("PUT", "/v1/workflows/vod%0d%0ax", yaml, VOD.to_owned(), 422, "CLI0018"),
        ("PUT", "/v1/workflows/vod", json, VOD.to_owned(), 415, "CLI0003"),
        ("PUT", "/v1/workflows/vod", yaml, "a: &a [*a]".to_owned(), 422, "WF0|TPL0"),
        ("POST", "/v1/workflows/..%2fvod/enable", None, String::new(), 404, "STORE0006"),
        ("GET", "/v1/templates/..%2f..%2fetc", None, String::new(), 404, "TPL"),
        // What is not there, and identifiers that are none.
        ("GET", "/v1/jobs/x", None, String::new(), 400, "CLI0003"),
        ("GET", "/v1/executions/../healthz%00", None, String::new(), 404, "CLI0004"),
        ("GET", "/v1/nothing", None, String::new(), 404, "CLI0004"),
        ("DELETE", "/v1/jobs", None, String::new(), 405, "CLI0004"),
        ("GET", "/v1/executions?limit=0", None, String::new(), 400, "CLI0003"),
        ("GET", "/v1/executions?limit=99999999999", None, String::new(), 400, "CLI0003"),
        ("GET", "/v1/executions?state=lost", None, String::new(), 400, "CLI0003"),
        ("GET", "/v1/executions?since=yesterday", None, String::new(), 400, "CLI0003"),
        ("GET", "/v1/events?bucket=a", None, String::new(), 400, "CLI0003"),
        ("GET", "/v1/notifications?cursor=x", None, String::new(), 400, "CLI0003"),
        ("POST", "/v1/notifications/99/resend", None, String::new(), 404, "STORE0006"),
        ("PATCH", "/v1/queues/none", json, "{\"paused\": true}".to_owned(), 404, "STORE0006"),
        ("PATCH", "/v1/queues/default", json, "{\"paused\": 1}".to_owned(), 422, "CLI0003"),
        ("POST", "/v1/executions", json, "{\"workflow\": \"vod\"}".to_owned(), 422, "CLI0003"),
    ]
    .map(|(method, path, kind, body, status, code)| (method, path.to_owned(), kind, body, status, code))
    .into_iter()
    .chain(["jobs", "executions"].into_iter().flat_map(|kind| {
        let base = format!("/v1/{kind}/{id}");
        [
            ("GET", base.clone(), None, String::new(), 404, "STORE0006"),
            ("GET", format!("{base}?colour=red"), None, String::new(), 400, "CLI0003"),
            ("POST", format!("{base}/cancel"), None, String::new(), 404, "STORE0006"),
            ("PATCH", base, Some("application/json"), "{\"priority\": 3}".to_owned(), 404, "STORE0006"),
        ]
    }))
    .collect();
    for (method, path, kind, body, status, code) in cases {
        let url = format!("{}{path}", place.daemon.api);
        let mut request = place.http.request(method.parse().unwrap(), url).body(body.clone());
        if let Some(kind) = kind {
            request = request.header("content-type", kind);
        }
        let answer = request.send().await.unwrap();
        let what = format!("{method} {path} {}", &body[..body.floor_char_boundary(100)]);
        assert_eq!(answer.status().as_u16(), status, "{what}: {}", answer.text().await.unwrap());
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{what}");
        let problem = json_of(answer).await;
        assert_eq!(problem["status"], status, "{what}");
        let found = problem["code"].as_str().unwrap();
        assert!(code.split('|').any(|code| found.starts_with(code)), "{what}: {problem:#}");
    }
    assert_eq!(place.get("/v1/jobs").await["items"], json!([]), "nothing was submitted");
    assert!(!place.folder.path().join("vod.yaml").exists());
}

#[tokio::test]
async fn an_invalid_parameter_is_named_with_what_is_expected() {
    /// Method, path, body; then where the parameter is, its name and what is said of it.
    type Case<'a> = (&'a str, &'a str, Option<Value>, &'a str, &'a str, &'a str);

    let place = Place::new();
    let id = "01a2030d-0eaf-73c5-a66c-34bb69010b60";
    let job = |change: fn(&mut Value)| {
        let mut body = snapshot();
        change(&mut body);
        Some(body)
    };
    let cases: [Case<'_>; 21] = [
        ("GET", "/v1/executions?limit=0", None, "query", "limit", "`0` is not a whole number from 1 to 1000"),
        ("GET", "/v1/events?limit=many", None, "query", "limit", "`many` is not a whole number from 1 to 1000"),
        ("GET", "/v1/jobs?state=lost", None, "query", "state", "`lost` is not one of pending, queued"),
        ("GET", "/v1/jobs?warnings=1", None, "query", "warnings", "`1` is not `true` or `false`"),
        ("GET", "/v1/jobs?cursor=x", None, "query", "cursor", "`x` is not an identifier, a UUID like 01"),
        ("GET", "/v1/executions?since=yesterday", None, "query", "since", "`yesterday` is not a time like 20"),
        ("GET", "/v1/notifications?cursor=1.5", None, "query", "cursor", "`1.5` is not a whole number"),
        ("GET", "/v1/executions?colour=red", None, "query", "colour", "unknown; known are `workflow`, `state`"),
        ("GET", "/v1/executions?limit=1&limit=2", None, "query", "limit", "given more than once"),
        ("GET", "/v1/events?key=a", None, "query", "bucket", "missing; an object is named by both"),
        ("POST", "/v1/jobs?wait=2h", Some(analysis()), "query", "wait", "`2h` is more than 60s"),
        ("POST", "/v1/jobs?wait=soon", Some(analysis()), "query", "wait", "`soon` is not a duration"),
        ("GET", "/v1/jobs/x", None, "path", "id", "`x` is not an identifier, a UUID like 01"),
        ("GET", "/v1/executions/x/activities/y/reproducer", None, "path", "id", "`x` is not an identifier"),
        ("POST", "/v1/notifications/x/resend", None, "path", "id", "`x` is not a whole number"),
        ("GET", "/executions/x", None, "path", "id", "`x` is not an identifier, a UUID like 01"),
        ("GET", "/?state=lost", None, "query", "state", "`lost` is not one of pending"),
        ("POST", "/v1/jobs", job(|job| job["priority"] = json!(11)), "body", "priority", "from 1 to 10"),
        ("POST", "/v1/jobs", job(|job| job["input"]["key"] = json!(1)), "body", "input.key", "expected a string"),
        ("POST", "/v1/jobs", job(|job| job["type"] = json!("shell")), "body", "type", "expected one of `analysis`"),
        ("PATCH", &format!("/v1/jobs/{id}"), Some(json!({ "priority": "high" })), "body", "priority", "from 1 to 10"),
    ];
    for (method, path, body, place_of, name, expected) in cases {
        let request = place.http.request(method.parse().unwrap(), format!("{}{path}", place.daemon.api));
        let request = body.iter().fold(request, reqwest::RequestBuilder::json);
        let problem = json_of(request.send().await.unwrap()).await;
        let detail = problem["detail"].as_str().unwrap();
        assert_eq!(problem["parameter"], json!({ "in": place_of, "name": name }), "{method} {path}: {problem:#}");
        assert!(detail.contains(&format!("`{name}`: ")) && detail.contains(expected), "{method} {path}: {detail}");
        assert_eq!(problem["code"], "CLI0003", "{method} {path}");
    }
    for (header, path) in [("idempotency-key", "jobs"), ("last-event-id", &format!("executions/{id}/stream"))] {
        let method = if path == "jobs" { Method::POST } else { Method::GET };
        let request = place.http.request(method, format!("{}/v1/{path}", place.daemon.api)).header(header, "ä");
        let problem = json_of(request.json(&analysis()).send().await.unwrap()).await;
        assert_eq!((&problem["parameter"]["in"], &problem["status"]), (&json!("header"), &json!(400)), "{problem:#}");
        assert!(problem["parameter"]["name"].as_str().unwrap().eq_ignore_ascii_case(header), "{problem:#}");
    }
    let whole = place.send(Method::POST, "/v1/jobs", &job(|job| job["priority"] = json!(3.0)).unwrap()).await;
    assert_eq!(json_of(whole).await["priority"], 3, "3.0 is a whole number");
    assert!(place.get("/v1/jobs?limit=1.0").await["items"].is_array());
}

#[tokio::test]
async fn who_follows_an_execution_goes_on_where_the_connection_broke() {
    let place = Place::new();
    let job = json_of(place.send(Method::POST, "/v1/jobs?wait=60s", &analysis()).await).await;
    let id = job["id"].as_str().unwrap();
    let follow = async |last: Option<&str>| {
        let request = place.http.get(format!("{}/v1/executions/{id}/stream", place.daemon.api));
        let request = last.iter().fold(request, |request, last| request.header("last-event-id", *last));
        let answer = request.send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    };
    let numbers = |text: &str| -> Vec<u64> {
        text.lines().filter_map(|line| line.strip_prefix("id:")?.trim().parse().ok()).collect()
    };
    let (_, whole) = follow(None).await;
    let all = numbers(&whole);
    assert!(all.len() > 2 && all[0] == 1 && all.is_sorted(), "{whole}");
    let (_, rest) = follow(Some(&all[1].to_string())).await;
    assert_eq!(numbers(&rest), all[2..]);
    let (_, nothing) = follow(Some(&all[all.len() - 1].to_string())).await;
    assert!(numbers(&nothing).is_empty() && nothing.contains("event: end"), "{nothing}");
    assert_eq!(follow(Some("x")).await.0, StatusCode::BAD_REQUEST);

    let page = async |path: String| {
        let answer = place.http.get(format!("{}{path}", place.daemon.api)).send().await.unwrap();
        answer.text().await.unwrap()
    };
    for shown in [page("/".to_owned()).await, page(format!("/executions/{id}")).await] {
        assert!(shown.contains("job:analysis") && !shown.contains("/workflows/job"), "a job has no page: {shown}");
    }
}

#[tokio::test]
async fn a_page_of_another_address_changes_nothing() {
    let place = Place::new();
    let url = format!("{}/v1/jobs", place.daemon.api);
    let host = place.daemon.api.strip_prefix("http://").unwrap().to_owned();
    let submit = |origin: &str, host: &str| {
        let request = place.http.post(&url).json(&analysis()).header("host", host);
        if origin.is_empty() { request } else { request.header("origin", origin) }
    };
    for (origin, to) in [
        ("https://evil.example", host.as_str()),
        ("null", &host),
        ("http://127.0.0.1:1", &host),
        ("", "evil.example"),
        ("http://evil.example", "evil.example"),
    ] {
        let answer = submit(origin, to).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{origin} {to}");
        assert_eq!(json_of(answer).await["code"], "CLI0017");
    }
    assert_eq!(
        place.http.get(&url).header("host", "evil.example").send().await.unwrap().status(),
        StatusCode::FORBIDDEN
    );
    assert_eq!(submit(&place.daemon.api, &host).send().await.unwrap().status(), StatusCode::ACCEPTED);
    assert_eq!(submit("", &host).send().await.unwrap().status(), StatusCode::ACCEPTED);
}

#[tokio::test]
async fn a_queue_that_holds_enough_refuses_jobs_for_now() {
    let place = Place::with("queues: { bulk: { waiting: 1 } }");
    place.cli(&["queues", "pause", "bulk"]);
    let submit = || place.send(Method::POST, "/v1/jobs", Box::leak(Box::new(snapshot())));
    assert_eq!(submit().await.status(), StatusCode::ACCEPTED);
    let refused = submit().await;
    assert_eq!(
        (refused.status(), refused.headers()["retry-after"].to_str().unwrap()),
        (StatusCode::TOO_MANY_REQUESTS, "5")
    );
    assert_eq!(json_of(refused).await["code"], "EVT0005");
}

#[tokio::test]
async fn field_case_35_many_follow_and_a_slow_one_harms_nobody() {
    const CLIENTS: usize = 500;
    let place = Place::with("queues: { bulk: { concurrency: 1 } }");
    place.cli(&["queues", "pause", "bulk"]);
    let job = json_of(place.send(Method::POST, "/v1/jobs", &snapshot()).await).await;
    let stream = format!("{}/v1/executions/{}/stream", place.daemon.api, job["id"].as_str().unwrap());
    let follow = |_| place.http.get(&stream).send();
    // All of them are there before anything happens; the last ones never read what they are sent.
    let open: Vec<Response> =
        futures::stream::iter(0..CLIENTS).map(follow).buffer_unordered(64).try_collect().await.unwrap();
    let mut open = open.into_iter();
    let slow: Vec<Response> = open.by_ref().take(20).collect();
    place.cli(&["queues", "resume", "bulk"]);
    let ends = futures::future::join_all(open.map(|response| async { response.text().await.unwrap() }));
    let texts = tokio::time::timeout(Duration::from_secs(120), ends).await.expect("they come to an end");
    assert_eq!(texts.len(), CLIENTS - slow.len());
    for text in texts {
        assert!(text.contains("event: end") && text.contains("\"state\":\"succeeded\""), "{text}");
    }
    assert_eq!(place.get("/v1/jobs").await["items"][0]["state"], "succeeded", "and it answers as ever");
    drop(slow);
}

#[test]
fn the_document_and_completions_are_printed() {
    let document: Value = serde_json::from_str(&run_ok(reelmill().arg("openapi"))).unwrap();
    let committed =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/openapi.json")).unwrap();
    assert!(document == serde_json::from_str::<Value>(&committed).unwrap(), "schemas/openapi.json is out of step");
    for shell in ["bash", "zsh", "fish"] {
        let script = run_ok(reelmill().args(["completions", shell]));
        assert!(script.contains("notifications"), "{shell}");
    }
}
