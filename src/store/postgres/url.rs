//! Parameters of the database's URL: none is passed over in silence.

use crate::store::StoreError;
use crate::yaml::nearest;

/// Parameters that are understood. `options[NAME]` is, too.
const KNOWN: [&str; 18] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "statement-cache-capacity",
    "user",
];

/// Parameters of libpq that are ignored. Managed databases put some of them into their URLs.
const IGNORED: [&str; 42] = [
    "channel_binding",
    "client_encoding",
    "connect_timeout",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "gsslib",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "krbsrvname",
    "load_balance_hosts",
    "max_protocol_version",
    "min_protocol_version",
    "oauth_client_id",
    "oauth_client_secret",
    "oauth_issuer",
    "oauth_scope",
    "passfile",
    "replication",
    "require_auth",
    "requirepeer",
    "requiressl",
    "scram_client_key",
    "scram_server_key",
    "service",
    "servicefile",
    "ssl_max_protocol_version",
    "ssl_min_protocol_version",
    "sslcertmode",
    "sslcompression",
    "sslcrl",
    "sslcrldir",
    "sslkeylogfile",
    "sslnegotiation",
    "sslpassword",
    "sslsni",
    "target_session_attrs",
    "tcp_user_timeout",
    // Of a pooler in front of the database.
    "pgbouncer",
    "pool_mode",
];

/// The URL without the parameters that are not carried out, which are logged. Refuses a parameter that is unknown.
pub(super) fn checked(url: &str) -> Result<String, StoreError> {
    let (url, ignored) = split(url)?;
    if !ignored.is_empty() {
        // Their names only: a value may be a secret.
        tracing::warn!(
            code = "STORE0018",
            parameters = ignored.join(", "),
            "parameters of the store's URL are ignored"
        );
    }
    Ok(url)
}

/// The URL without the parameters that are not carried out, and their names.
fn split(url: &str) -> Result<(String, Vec<&'static str>), StoreError> {
    let Some((before, query)) = url.split_once('?') else { return Ok((url.to_owned(), Vec::new())) };
    let query = query.split('#').next().unwrap_or_default();
    let (mut kept, mut ignored) = (Vec::new(), Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let name = pair.split('=').next().unwrap_or_default();
        let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
        if KNOWN.contains(&name.as_ref()) || (name.starts_with("options[") && name.ends_with(']')) {
            kept.push(pair);
        } else if let Some(known) = IGNORED.iter().find(|known| **known == name) {
            ignored.push(*known);
        } else {
            let hint = match nearest(&name, KNOWN.into_iter().chain(IGNORED)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "leave it out".to_owned(),
            };
            return Err(StoreError::Parameter { name: name.into_owned(), hint });
        }
    }
    let url = if kept.is_empty() { before.to_owned() } else { format!("{before}?{}", kept.join("&")) };
    Ok((url, ignored))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Coded;

    fn said(url: &str) -> String {
        split(url).map_or_else(|error| error.with_code(), |_| String::new())
    }

    #[test]
    fn field_fault_misspelt_parameters_of_the_url_are_refused() {
        for good in [
            "postgres://u:p@h/db",
            "postgres://h/db?",
            "postgres://h/db?sslmode=require&application_name=x&options=-c%20search_path%3Dx",
            "postgres://h/db?options%5Bsearch_path%5D=x&options[jit]=off",
        ] {
            assert_eq!(said(good), "", "{good}");
        }
        assert!(said("postgres://h/db?sslmod=require").contains("did you mean `sslmode`?"));
        assert!(said("postgres://h/db?application-name=x").contains("`application_name`"));
        assert!(said("postgres://h/db?ssl_mode=require").contains("did you mean"));
        let strange = said("postgres://u:secret@h/db?schema=any&password=secret");
        assert!(strange.starts_with("STORE0015: ") && strange.contains("`schema`"), "{strange}");
        assert!(!strange.contains("secret"), "{strange}");
        assert!(said("postgres://h/db?chanel_binding=require").contains("did you mean `channel_binding`?"));
    }

    #[test]
    fn field_fault_urls_of_managed_databases_are_taken_and_what_is_ignored_is_told() {
        let url = "postgres://u:p@h/db?sslmode=require&channel_binding=require&target_session_attrs=read-write\
                   &options=endpoint%3Dx&connect_timeout=10";
        let (kept, ignored) = split(url).unwrap();
        assert_eq!(kept, "postgres://u:p@h/db?sslmode=require&options=endpoint%3Dx");
        assert_eq!(ignored, ["channel_binding", "target_session_attrs", "connect_timeout"]);
        assert_eq!(split("postgres://h/db?keepalives=1").unwrap().0, "postgres://h/db");
    }
}
