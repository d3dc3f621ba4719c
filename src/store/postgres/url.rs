//! Parameters of the database's URL: none that would be passed over in silence.

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

/// Refuses a parameter that is not understood.
pub(super) fn check(url: &str) -> Result<(), StoreError> {
    let Some((_, query)) = url.split_once('?') else { return Ok(()) };
    let query = query.split('#').next().unwrap_or_default();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let name = pair.split('=').next().unwrap_or_default();
        let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
        let known = KNOWN.contains(&name.as_ref()) || (name.starts_with("options[") && name.ends_with(']'));
        if !known {
            let hint = match nearest(&name, KNOWN) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "leave it out".to_owned(),
            };
            return Err(StoreError::Parameter { name: name.into_owned(), hint });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(url: &str) -> String {
        check(url).map_or_else(|error| error.to_string(), |()| String::new())
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
        let strange = said("postgres://u:secret@h/db?target_session_attrs=any&password=secret");
        assert!(strange.starts_with("STORE0015: ") && strange.contains("`target_session_attrs`"), "{strange}");
        assert!(!strange.contains("secret"), "{strange}");
    }
}
