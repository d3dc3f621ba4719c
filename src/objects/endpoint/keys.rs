//! The key pair that clients of the endpoint sign with.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Result, s3_error};
use serde::{Deserialize, Serialize};

use crate::objects::ObjectError;

/// An access key and its secret.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyPair {
    /// Access key.
    pub access_key_id: String,
    /// Secret key.
    pub secret_access_key: String,
}

impl std::fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyPair").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

impl KeyPair {
    /// Reads the key pair in `path`, or creates it if there is no file. The flag is true if the pair is new and should
    /// be shown to the user. Only the file's owner can read it.
    pub fn load_or_create(path: &Path) -> Result<(Self, bool), ObjectError> {
        let failed =
            |source: Box<dyn std::error::Error + Send + Sync>| ObjectError::KeyPair { path: path.to_owned(), source };
        match File::open(path) {
            Ok(file) => serde_json::from_reader(file).map(|pair| (pair, false)).map_err(|e| failed(e.into())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                let pair = Self::random().map_err(|e| failed(e.into()))?;
                pair.keep(path).map_err(|e| failed(e.into()))?;
                Ok((pair, true))
            }
            Err(e) => Err(failed(e.into())),
        }
    }

    fn random() -> io::Result<Self> {
        let mut bytes = [0; 42];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        let (id, secret) = bytes.split_at(12);
        let id: String = id.iter().map(|byte| char::from(b'A' + byte % 26)).collect();
        Ok(Self { access_key_id: format!("REEL{id}"), secret_access_key: URL_SAFE_NO_PAD.encode(secret) })
    }

    fn keep(&self, path: &Path) -> io::Result<()> {
        // Under its name only when whole: a crash in between must not leave half a pair.
        let staged = path.with_extension("tmp");
        let _ = std::fs::remove_file(&staged);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&staged)?;
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        std::fs::rename(&staged, path)
    }
}

#[async_trait]
impl S3Auth for KeyPair {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == self.access_key_id {
            return Ok(self.secret_access_key.as_str().into());
        }
        Err(s3_error!(InvalidAccessKeyId, "this endpoint does not know the access key; sign with its own key pair"))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_pair_is_made_once_and_only_its_owner_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s3-credentials.json");
        let (first, is_new) = KeyPair::load_or_create(&path).unwrap();
        assert!(is_new);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let (second, is_new) = KeyPair::load_or_create(&path).unwrap();
        assert!(!is_new);
        assert_eq!(first.secret_access_key, second.secret_access_key);
        assert_eq!(first.access_key_id.len(), 16);
        assert!(!format!("{first:?}").contains(&first.secret_access_key));
    }

    #[test]
    fn a_damaged_file_is_an_error_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s3-credentials.json");
        std::fs::write(&path, "{").unwrap();
        assert!(matches!(KeyPair::load_or_create(&path), Err(ObjectError::KeyPair { .. })));
        assert!(path.exists());
    }
}
