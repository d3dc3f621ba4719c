//! Settings of the embedded S3 endpoint: which web pages may use it, and under which hosts it is found.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::forms::duration;
use super::{Config, ConfigError, ObjectsConfig};
use crate::objects::endpoint::{CorsRule, EndpointOptions};

/// Rule for web pages of some origins.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CorsConfig {
    /// Origins: `https://app.example.org`; each may have one `*`.
    pub origins: Vec<String>,
    /// Methods of requests.
    pub methods: Vec<String>,
    /// Headers of requests; each may have one `*`.
    pub headers: Vec<String>,
    /// Headers of answers that pages may read.
    pub expose: Vec<String>,
    /// Time for which a browser may cache the answer to a preflight.
    #[serde(with = "duration")]
    #[schemars(with = "String")]
    pub max_age: Duration,
}

/// Methods that a rule may name.
const METHODS: [&str; 5] = ["GET", "HEAD", "PUT", "POST", "DELETE"];

impl Default for CorsConfig {
    fn default() -> Self {
        let own = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Self {
            origins: Vec::new(),
            methods: own(&METHODS),
            headers: own(&["*"]),
            // Uploads in parts need the entity tag of each.
            expose: own(&["ETag", "Location", "x-amz-request-id"]),
            max_age: Duration::from_secs(3_600),
        }
    }
}

impl Config {
    /// Returns the settings of the embedded S3 endpoint.
    #[must_use]
    pub fn endpoint_options(&self) -> EndpointOptions {
        let rule = |rule: &CorsConfig| {
            let CorsConfig { origins, methods, headers, expose, max_age } = rule.clone();
            CorsRule { origins, methods, headers, expose, max_age }
        };
        EndpointOptions { cors: self.s3_cors.iter().map(rule).collect(), domains: self.s3_domains.clone() }
    }

    pub(super) fn check_endpoint(&self) -> Result<(), ConfigError> {
        if self.s3_endpoint.is_some() && matches!(self.objects, ObjectsConfig::S3(_)) {
            return Err(ConfigError::Conflict(
                "s3_endpoint: the embedded endpoint serves local buckets; set it to null beside objects: { s3: … }"
                    .to_owned(),
            ));
        }
        let fault = |setting: String, reason: String| Err(ConfigError::Endpoint { setting, reason });
        for (n, rule) in self.s3_cors.iter().enumerate() {
            if rule.origins.is_empty() {
                return fault(format!("s3_cors[{n}].origins"), "name at least one, or `*` for every page".to_owned());
            }
            if let Some(origin) = rule.origins.iter().find(|origin| !is_origin(origin)) {
                let reason = format!("`{origin}` is not an origin like https://app.example.org, without a path");
                return fault(format!("s3_cors[{n}].origins"), reason);
            }
            if let Some(method) = rule.methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
                return fault(
                    format!("s3_cors[{n}].methods"),
                    format!("`{method}` is not one of {}", METHODS.join(", ")),
                );
            }
            let names = rule.headers.iter().chain(&rule.expose);
            if let Some(name) = names.into_iter().find(|name| !is_header(name)) {
                return fault(format!("s3_cors[{n}]"), format!("`{name}` is not the name of a header"));
            }
        }
        match self.s3_domains.iter().find(|domain| !is_host(domain)) {
            Some(domain) => {
                fault("s3_domains".to_owned(), format!("`{domain}` is not a host like s3.example.org, without a port"))
            }
            None => Ok(()),
        }
    }
}

fn is_origin(text: &str) -> bool {
    let has_host = |(scheme, host): (&str, &str)| !scheme.is_empty() && !host.is_empty() && !host.contains('/');
    text.matches('*').count() <= 1 && (text == "*" || text == "null" || text.split_once("://").is_some_and(has_host))
}

fn is_header(name: &str) -> bool {
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'*');
    !name.is_empty() && name.bytes().all(is_name) && name.matches('*').count() <= 1
}

fn is_host(name: &str) -> bool {
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    name.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Coded;

    fn check(text: &str) -> Result<(), String> {
        let config: Config = serde_yaml::from_str(text).unwrap();
        config.check().map_err(|error| error.with_code())
    }

    #[test]
    fn rules_for_pages_are_checked_at_the_start() {
        assert_eq!(check("s3_cors: [ { origins: ['https://*.example.org', 'null'], max_age: 10m } ]"), Ok(()));
        assert_eq!(
            check("s3_cors: [ { origins: ['*'], methods: [PUT], headers: [x-amz-*] } ]\ns3_domains: [s3.local]"),
            Ok(())
        );
        for (text, setting) in [
            ("s3_cors: [ { methods: [PUT] } ]", "s3_cors[0].origins"),
            ("s3_cors: [ { origins: [example.org] } ]", "s3_cors[0].origins"),
            ("s3_cors: [ { origins: ['https://a/b'] } ]", "s3_cors[0].origins"),
            ("s3_cors: [ { origins: ['*'] }, { origins: ['*'], methods: [put] } ]", "s3_cors[1].methods"),
            ("s3_cors: [ { origins: ['*'], headers: ['a b'] } ]", "s3_cors[0]"),
            ("s3_domains: ['s3.local:9000']", "s3_domains"),
        ] {
            let error = check(text).unwrap_err();
            assert!(error.starts_with("CFG0010") && error.contains(setting), "{text}: {error}");
        }
    }
}
