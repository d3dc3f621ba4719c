//! Traces as a collector gets them.

use std::collections::{BTreeMap, HashMap};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as JobMessage;
use opentelemetry_proto::tonic::trace::v1::{Span, status::StatusCode};
use prost::Message;

use crate::receiver::Receiver;
use crate::support::{Daemon, fixture, wait_for};

fn words(span: &Span) -> BTreeMap<&str, String> {
    let words = span.attributes.iter().filter_map(|attribute| {
        let word = match attribute.value.as_ref()?.value.as_ref()? {
            JobMessage::StringValue(text) => text.clone(),
            JobMessage::IntValue(number) => number.to_string(),
            _ => return None,
        };
        Some((attribute.key.as_str(), word))
    });
    words.collect()
}

fn spans(receiver: &Receiver) -> Vec<Span> {
    let requests = receiver.at("/v1/traces").into_iter().map(|delivery| {
        assert_eq!(delivery.header("content-type"), "application/x-protobuf");
        ExportTraceServiceRequest::decode(delivery.body.as_slice()).unwrap()
    });
    let resources = requests.flat_map(|request| request.resource_spans).inspect(|resource| {
        let service = resource.resource.as_ref().unwrap().attributes.iter().find(|known| known.key == "service.name");
        assert_eq!(
            service.unwrap().value.as_ref().unwrap().value,
            Some(JobMessage::StringValue("reelmill".to_owned()))
        );
    });
    resources.flat_map(|resource| resource.scope_spans).flat_map(|scope| scope.spans).collect()
}

#[test]
fn an_execution_is_one_trace_from_event_to_notification() {
    let receiver = Receiver::new("");
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    std::fs::create_dir(at("workflows")).unwrap();
    let workflow = format!(
        "name: traced\ntrigger: {{ bucket: uploads, key: 'in/**' }}\noutput: {{ bucket: media }}\nactivities:\n  \
         probe: {{ analysis: {{}} }}\n  \
         large: {{ transcode: {{ template: h264-720p, name: a.mp4, if_source_lower: {{ resolution: fail }} }}, \
         needs: [probe] }}\n\
         notify: [ {{ webhook: '{}/flaky', on: [failed] }} ]\n",
        receiver.url
    );
    std::fs::write(at("workflows/traced.yaml"), workflow).unwrap();
    let config = format!(
        "s3_endpoint: 127.0.0.1:0\nworkflows: {}\ntraces: {{ otlp: '{}/' }}\nnotifications: {{ backoff: 10ms, max: 10ms }}\n\
         webhooks: {{ secret: 'env:HOOK_SECRET', allow_private: ['127.0.0.0/8'] }}\n",
        at("workflows").display(),
        receiver.url
    );
    std::fs::write(at("reelmill.yaml"), config).unwrap();
    let environment = HashMap::from([("HOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned())]);
    let daemon = Daemon::with_config(&at("reelmill.yaml"), &at("data"), &environment);
    daemon.put(&fixture("normal/tiny_aac_180p.mp4"), "s3://uploads/in/a.mp4");
    let id: uuid::Uuid = daemon.ended(1)[0]["id"].as_str().unwrap().parse().unwrap();

    let spans = wait_for("the whole trace", || {
        let spans = spans(&receiver);
        let count = |name: &str| spans.iter().filter(|span| span.name == name).count();
        (count("execution traced") == 1 && count("notify webhook") == 2).then_some(spans)
    });
    assert!(spans.iter().all(|span| span.trace_id == id.as_bytes()), "{spans:#?}");
    let find = |name: &str| spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name}: {spans:#?}"));
    let root = find("execution traced");
    assert!(root.parent_span_id.is_empty(), "{root:#?}");
    assert_eq!(words(root)["reelmill.state"], "failed");
    assert_eq!(words(root)["aws.s3.key"], "in/a.mp4");
    assert_eq!(root.status.as_ref().unwrap().code(), StatusCode::Error);
    for name in ["event", "analysis probe", "transcode large", "notify webhook"] {
        assert_eq!(find(name).parent_span_id, root.span_id, "{name}");
        assert!(find(name).start_time_unix_nano >= root.start_time_unix_nano, "{name}");
    }
    let (probe, large) = (find("analysis probe"), find("transcode large"));
    assert_eq!(words(probe)["reelmill.state"], "succeeded");
    assert_eq!(probe.status.as_ref().unwrap().code(), StatusCode::Unset);
    assert!(
        probe.end_time_unix_nano <= large.start_time_unix_nano && large.end_time_unix_nano <= root.end_time_unix_nano
    );
    assert!(words(large)["error.type"].starts_with("TPL0301"), "{large:#?}");
    let attempts: Vec<_> =
        spans.iter().filter(|span| span.name == "attempt 1").map(|span| &span.parent_span_id).collect();
    assert_eq!(attempts.len(), 2);
    assert!(attempts.contains(&&probe.span_id) && attempts.contains(&&large.span_id));
    let told: Vec<_> = spans.iter().filter(|span| span.name == "notify webhook").collect();
    let errors = told.iter().filter(|span| span.status.as_ref().unwrap().code() == StatusCode::Error).count();
    assert_eq!(errors, 1, "the receiver refused once, and took it then: {told:#?}");
    let unique: std::collections::BTreeSet<_> = spans.iter().map(|span| &span.span_id).collect();
    assert_eq!(unique.len(), spans.len(), "{spans:#?}");
}

#[test]
fn a_collector_that_is_not_there_harms_nothing() {
    let place = tempfile::tempdir().unwrap();
    let at = |name: &str| place.path().join(name);
    std::fs::create_dir(at("workflows")).unwrap();
    let workflow = "name: traced\ntrigger: { bucket: uploads, key: 'in/**' }\noutput: { bucket: media }\nactivities:\n  \
                    poster: { snapshot: { at: 0s, width: 160, name: '${object.stem}.jpg' } }\n";
    std::fs::write(at("workflows/traced.yaml"), workflow).unwrap();
    // Nobody listens on the port of a listener that has gone.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = format!(
        "s3_endpoint: 127.0.0.1:0\nworkflows: {}\ntraces: {{ otlp: 'http://{closed}' }}\n",
        at("workflows").display()
    );
    std::fs::write(at("reelmill.yaml"), config).unwrap();
    let daemon = Daemon::with_config(&at("reelmill.yaml"), &at("data"), &HashMap::new());
    for number in 0..3 {
        daemon.put(&fixture("normal/tiny_aac_180p.mp4"), &format!("s3://uploads/in/{number}.mp4"));
    }
    assert!(daemon.ended(3).iter().all(|execution| execution["state"] == "succeeded"));
}
