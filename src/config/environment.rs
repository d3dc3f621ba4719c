//! Settings from environment variables: `REELMILL_` and the path of the key, joined by `_`.

use std::path::PathBuf;
use std::str::FromStr;

use super::{
    Config, ConfigError, EventsConfig, Fusion, ObjectsConfig, Scope, SqsConfig, TokenConfig, default_wait, parse_slots,
};
use crate::model::units::{parse_bytes, parse_duration};

/// Sets what the environment names; variables of other programs are passed over.
pub(super) fn apply(
    config: &mut Config,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<(), ConfigError> {
    for (variable, value) in environment {
        set(config, &variable, value).map_err(|reason| ConfigError::Environment { variable, reason })?;
    }
    Ok(())
}

fn set(config: &mut Config, variable: &str, value: String) -> Result<(), String> {
    match variable {
        "REELMILL_STORE" => config.store = value,
        "REELMILL_OBJECTS_LOCAL" => config.objects = ObjectsConfig::Local(PathBuf::from(value)),
        "REELMILL_S3_ENDPOINT" => {
            config.s3_endpoint = if value == "null" { None } else { Some(parse(&value)?) };
        }
        "REELMILL_EVENTS_SQS" => config.events.push(EventsConfig::Sqs(SqsConfig {
            queue: value,
            wait: default_wait(),
            region: None,
            endpoint: None,
        })),
        "REELMILL_WORKFLOWS" => config.workflows = PathBuf::from(value),
        "REELMILL_API_LISTEN" => config.api.listen = parse(&value)?,
        "REELMILL_API_TOKEN" => config.api.tokens.push(TokenConfig {
            name: "environment".to_owned(),
            scope: Scope::Admin,
            // The token itself, or what leads to it: secrets of containers are files.
            token: if ["file:", "sha256:"].iter().any(|kind| value.starts_with(kind)) {
                value
            } else {
                format!("env:{variable}")
            },
        }),
        "REELMILL_WORKER_SLOTS" => config.worker.slots = parse_slots(&value)?,
        "REELMILL_WORKER_FUSION" => {
            config.worker.fusion = match value.as_str() {
                "on" => Fusion::On,
                "off" => Fusion::Off,
                _ => return Err(format!("`{value}` is neither `on` nor `off`")),
            };
        }
        "REELMILL_WORKER_FUSION_MAX" => {
            config.worker.fusion_max = value.parse().map_err(|_| format!("`{value}` is not a whole number"))?;
        }
        "REELMILL_WORKER_SCRATCH" => config.worker.scratch = PathBuf::from(value),
        "REELMILL_WORKER_PROGRAM" => config.worker.program = Some(PathBuf::from(value)),
        "REELMILL_WORKER_MEMORY" if value == "auto" => config.worker.memory = None,
        "REELMILL_WORKER_MEMORY" => config.worker.memory = Some(parse_bytes(&value)?),
        "REELMILL_WORKER_SCRATCH_MAX" => config.worker.scratch_max = parse_bytes(&value)?,
        "REELMILL_WORKER_QUEUES" => {
            config.worker.queues =
                value.split(',').map(str::trim).filter(|queue| !queue.is_empty()).map(str::to_owned).collect();
        }
        "REELMILL_WORKER_LEASE" => config.worker.lease = parse_duration(&value)?,
        "REELMILL_WORKER_DRAIN" => config.worker.drain = parse_duration(&value)?,
        "REELMILL_WORKER_STALL" => config.worker.stall = parse_duration(&value)?,
        "REELMILL_WORKER_INFRASTRUCTURE_WAIT" => config.worker.infrastructure_wait = parse_duration(&value)?,
        "REELMILL_WORKER_GRACE" => config.worker.grace = parse_duration(&value)?,
        "REELMILL_TRACES_OTLP" => config.traces.otlp = Some(value).filter(|url| !url.is_empty()),
        _ => {}
    }
    Ok(())
}

fn parse<T: FromStr>(value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("`{value}` is not an address like 127.0.0.1:8080"))
}
