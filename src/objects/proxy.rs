//! Choice of requests that go through a proxy of the environment (`HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`).
//!
//! **Invariant**: none to this machine or its own link, such as an embedded endpoint, a collector beside the daemon or
//! the metadata service of a cloud, and none that `NO_PROXY` names: a proxy elsewhere cannot reach them.

use std::net::{IpAddr, Ipv4Addr};

use aws_sdk_s3::config::{HttpClient, SharedHttpClient};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use reqwest::Url;

/// Returns whether a request to this URL must bypass proxies of the environment.
#[must_use]
pub fn is_direct(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else { return false };
    let host = url.host_str().unwrap_or_default();
    let near = |address: Ipv4Addr| address.is_loopback() || address.is_unspecified() || address.is_link_local();
    match host.trim_matches(['[', ']']).parse() {
        Ok(IpAddr::V4(address)) => near(address),
        Ok(IpAddr::V6(address)) => match address.to_ipv4_mapped() {
            Some(address) => near(address),
            None => address.is_loopback() || address.is_unspecified() || address.is_unicast_link_local(),
        },
        Err(_) => {
            let name = host.trim_end_matches('.').to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
    }
}

/// The HTTP client of the AWS SDK.
pub(super) fn http_client() -> SharedHttpClient {
    let direct = through(ProxyConfig::disabled);
    let proxied = through(ProxyConfig::from_env);
    http_client_fn(move |settings, components| {
        SharedHttpConnector::new(ProxyByHost {
            direct: direct.http_connector(settings, components),
            proxied: proxied.http_connector(settings, components),
        })
    })
}

fn through(proxy: fn() -> ProxyConfig) -> SharedHttpClient {
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector =
            Connector::builder().tls_provider(Provider::Rustls(CryptoMode::AwsLc)).proxy_config(proxy());
        connector.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            connector.set_sleep_impl(components.sleep_impl());
        }
        connector.build()
    })
}

/// Sends each request one way or the other.
#[derive(Debug)]
struct ProxyByHost {
    direct: SharedHttpConnector,
    proxied: SharedHttpConnector,
}

impl HttpConnector for ProxyByHost {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let way = if is_direct(request.uri()) { &self.direct } else { &self.proxied };
        way.call(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_fault_no_proxy_is_asked_for_this_machine() {
        for direct in [
            "http://127.0.0.1:9000/b/k?x=1",
            "http://127.8.8.8",
            "http://localhost:8080/",
            "http://s3.LOCALHOST/",
            "http://[::1]:9000/",
            "http://[::ffff:127.0.0.1]/",
            "http://0.0.0.0:9000/",
            "http://169.254.169.254/latest/meta-data/",
            "http://[fe80::1]/",
        ] {
            assert!(is_direct(direct), "{direct}");
        }
        for proxied in [
            "https://s3.eu-west-1.amazonaws.com/b/k",
            "http://10.0.0.1:9000/",
            "http://localhost.example.com/",
            "http://notlocalhost/",
            "http://[2001:db8::1]/",
            "127.0.0.1:9000",
        ] {
            assert!(!is_direct(proxied), "{proxied}");
        }
    }
}
