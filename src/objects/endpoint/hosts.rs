//! Buckets named by the host of a request: `uploads.localhost:9000` instead of `localhost:9000/uploads`.

use s3s::S3Result;
use s3s::host::{S3Host, VirtualHost};

/// Hosts below which buckets are.
#[derive(Clone, Debug)]
pub struct BucketHosts {
    domains: Vec<String>,
}

impl BucketHosts {
    /// `localhost` and `domains`, without ports.
    pub fn new(domains: &[String]) -> Self {
        let domains = std::iter::once("localhost").chain(domains.iter().map(String::as_str));
        Self { domains: domains.map(|domain| domain.trim_matches('.').to_ascii_lowercase()).collect() }
    }

    /// The bucket that a `Host` header names.
    pub fn bucket<'a>(&self, host: &'a str) -> Option<&'a str> {
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
            _ => host,
        };
        self.domains.iter().find_map(|domain| {
            let at = name.len().checked_sub(domain.len())?;
            let (bucket, rest) = (name.get(..at)?, name.get(at..)?);
            bucket.strip_suffix('.').filter(|bucket| rest.eq_ignore_ascii_case(domain) && !bucket.is_empty())
        })
    }
}

impl S3Host for BucketHosts {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let parsed = VirtualHost::new(host);
        Ok(match self.bucket(host) {
            Some(bucket) => parsed.with_bucket(bucket),
            None => parsed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_below_a_domain_names_a_bucket() {
        let hosts = BucketHosts::new(&["s3.example.org".to_owned()]);
        for (host, bucket) in [
            ("uploads.localhost:9000", Some("uploads")),
            ("uploads.localhost", Some("uploads")),
            ("a.b.S3.example.org", Some("a.b")),
            ("s3.example.org:80", None),
            ("localhost:9000", None),
            (".localhost", None),
            ("127.0.0.1:9000", None),
            ("[::1]:9000", None),
            ("xs3.example.org", None),
            ("other.org", None),
            ("", None),
        ] {
            assert_eq!(hosts.bucket(host), bucket, "{host}");
        }
    }
}
