//! Telemetry: how the program speaks of itself while it runs.
//!
//! Lines for people on a terminal, JSON otherwise; `REELMILL_LOG` filters (`info` by default). The execution log that
//! users read is not this: it is kept with the execution, in the store. What is counted is in [`metrics`], and what took how
//! long goes to a collector by [`traces`].

pub mod metrics;
pub mod traces;

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::FmtSpan;

/// Filter where `REELMILL_LOG` sets none. The S3 library reports each request that it refuses as an error; the client is
/// told, and what fails on our side the endpoint reports itself.
const DEFAULT_FILTER: &str = "info,s3s=off";

/// Sends what the program says of itself to standard error. Only the first call counts.
pub fn start() {
    let filter = EnvFilter::try_from_env("REELMILL_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    let builder =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_span_events(FmtSpan::NONE);
    let _ = if std::io::stderr().is_terminal() {
        builder.with_target(false).try_init()
    } else {
        builder.json().flatten_event(true).with_ansi(false).try_init()
    };
}
