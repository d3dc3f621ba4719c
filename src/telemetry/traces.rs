//! Traces: spans to an OpenTelemetry collector, by OTLP over HTTP.
//!
//! A trace is an execution, over all daemons that had to do with it: its identifier is the execution's, and those of
//! its spans follow from what they are about, so daemons need not exchange them. Where nothing [connected](connect) a
//! collector, recording does nothing.
//!
//! **Invariant**: nothing waits for a collector. What it does not take in time is dropped, and that is said.
//!
//! Deliberately absent: sampling, which is the collector's; spans of the program's own functions, which are for
//! profilers.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{ExporterBuildError, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::EnvResourceDetector;
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanExporter, SpanLinks};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Path of traces in OTLP over HTTP, below the address of a collector.
const PATH: &str = "/v1/traces";
/// Spans that wait for the collector.
const WAITING: usize = 8_192;
/// Spans sent at once.
const BATCH: usize = 512;
/// Longest time of one request, with its retries.
const PATIENCE: Duration = Duration::from_secs(10);

static COLLECTOR: OnceLock<mpsc::Sender<SpanData>> = OnceLock::new();
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Subject of a span, as a path from its execution: `run 1`, `run 1/poster`, `run 1/poster/2`.
#[must_use]
pub fn span_id(execution: Uuid, about: &str) -> SpanId {
    let digest = Sha256::new().chain_update(execution.as_bytes()).chain_update(about).finalize();
    let mut id = [0; 8];
    id.copy_from_slice(&digest[..8]);
    SpanId::from_bytes(id)
}

/// Returns the subject of a run of an execution.
#[must_use]
pub fn run(number: u32) -> String {
    format!("run {number}")
}

/// A span of `execution` about `about`, below the one about `above`.
#[must_use]
pub fn span(
    execution: Uuid,
    (about, above): (&str, Option<&str>),
    (name, kind): (String, SpanKind),
    (start_time, end_time): (SystemTime, SystemTime),
    attributes: Vec<KeyValue>,
    error: Option<String>,
) -> SpanData {
    SpanData {
        span_context: SpanContext::new(
            TraceId::from_bytes(execution.into_bytes()),
            span_id(execution, about),
            TraceFlags::SAMPLED,
            false,
            TraceState::NONE,
        ),
        parent_span_id: above.map_or(SpanId::INVALID, |above| span_id(execution, above)),
        parent_span_is_remote: false,
        span_kind: kind,
        name: name.into(),
        start_time,
        end_time: end_time.max(start_time),
        attributes,
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: SpanLinks::default(),
        status: error.map_or(Status::Unset, Status::error),
        instrumentation_scope: InstrumentationScope::builder("reelmill").build(),
    }
}

/// Returns whether there is a collector, so that spans are worth making.
#[must_use]
pub fn wanted() -> bool {
    COLLECTOR.get().is_some()
}

/// Hands a span over.
pub fn record(span: SpanData) {
    if COLLECTOR.get().is_some_and(|collector| collector.try_send(span).is_err()) {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

/// Sends to a collector what is [recorded](record).
#[derive(Debug)]
pub struct Exporter {
    otlp: opentelemetry_otlp::SpanExporter,
    spans: mpsc::Receiver<SpanData>,
}

/// Connects the collector at `url`, as in `http://127.0.0.1:4318`; the environment can name headers
/// (`OTEL_EXPORTER_OTLP_HEADERS`) and attributes (`OTEL_RESOURCE_ATTRIBUTES`). `direct`: no proxy of the environment is
/// asked. `None` where there is one already.
pub fn connect(url: &str, instance: &str, direct: bool) -> Result<Option<Exporter>, ExporterBuildError> {
    let mut builder = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{}{PATH}", url.trim_end_matches('/')))
        .with_timeout(PATIENCE);
    if direct && let Ok(client) = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build() {
        builder = builder.with_http_client(client);
    }
    let mut otlp = builder.build()?;
    let resource = Resource::builder_empty()
        .with_service_name("reelmill")
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_attribute(KeyValue::new("service.instance.id", instance.to_owned()))
        .with_detector(Box::new(EnvResourceDetector::new()))
        .build();
    otlp.set_resource(&resource);
    let (collector, spans) = mpsc::channel(WAITING);
    Ok(COLLECTOR.set(collector).is_ok().then_some(Exporter { otlp, spans }))
}

impl Exporter {
    /// Sends until told to stop, and then what is left.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut reachable = true;
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                biased;
                received = self.spans.recv_many(&mut batch, BATCH) => if received == 0 { return },
                () = stop.cancelled() => self.spans.close(),
            }
            if batch.is_empty() {
                continue;
            }
            let sent = self.otlp.export(std::mem::take(&mut batch)).await;
            match &sent {
                Err(error) if reachable => tracing::warn!(%error, "cannot send traces to the collector"),
                Ok(()) if !reachable => tracing::info!("sending traces to the collector again"),
                _ => {}
            }
            reachable = sent.is_ok();
            match DROPPED.swap(0, Ordering::Relaxed) {
                0 => {}
                spans => tracing::warn!(spans, "the collector is too slow: spans were dropped"),
            }
            if !reachable && stop.is_cancelled() {
                return;
            }
        }
    }
}
