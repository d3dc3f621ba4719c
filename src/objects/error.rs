//! Errors of object storage: code, message, and who can correct them.

use std::borrow::Cow;
use std::path::PathBuf;
use std::{fmt, io};

use crate::model::failure::DAMAGED;
use crate::model::{Blame, Class, Code, Coded, Failure, ObjectLocation};

/// Error of object storage.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    /// No such bucket.
    #[error("there is no bucket {bucket}{}", object.as_ref().map(|object| format!(" for {object}")).unwrap_or_default())]
    NoBucket {
        /// Its name.
        bucket: String,
        /// Object that was wanted in it.
        object: Option<ObjectLocation>,
    },
    /// No such object.
    #[error("there is no object {object}")]
    NoObject {
        /// The object.
        object: ObjectLocation,
    },
    /// The object is not the revision that was requested.
    #[error("{object} was replaced by another upload after its event")]
    Changed {
        /// The object.
        object: ObjectLocation,
    },
    /// The object is in an archive and cannot be read before it is restored.
    #[error("{object} is archived (Glacier or an archive tier): restore it first, then retry")]
    Archived {
        /// The object.
        object: ObjectLocation,
    },
    /// The credentials are good, but do not allow this.
    #[error("not allowed to {operation} {what}")]
    AccessDenied {
        /// The operation.
        operation: &'static str,
        /// Object or path of the operation.
        what: String,
        /// Error of the storage.
        #[source]
        source: BoxError,
    },
    /// Credentials are missing, wrong or expired.
    #[error("the object storage does not accept the credentials")]
    Credentials {
        /// Error of the storage.
        #[source]
        source: BoxError,
    },
    /// No connection, or no answer in time.
    #[error("the object storage is unreachable")]
    Unreachable {
        /// Error of the client library.
        #[source]
        source: BoxError,
    },
    /// The disk or the quota is full.
    #[error("no space left to {operation} {what}")]
    Full {
        /// The operation.
        operation: &'static str,
        /// Object or path of the operation.
        what: String,
    },
    /// A bucket or key that the storage cannot hold.
    #[error("`{name}` is not a valid name: {reason}")]
    InvalidName {
        /// The bucket or key.
        name: String,
        /// Reason.
        reason: Cow<'static, str>,
    },
    /// The operating system refused.
    #[error("cannot {operation} {what}")]
    Io {
        /// The operation.
        operation: &'static str,
        /// Object or path of the operation.
        what: String,
        /// Error of the operating system.
        #[source]
        source: io::Error,
    },
    /// The storage answered with an error of its own.
    #[error("the object storage could not {operation} {what}")]
    Service {
        /// The operation.
        operation: &'static str,
        /// Object or path of the operation.
        what: String,
        /// True if the same request may succeed later: the storage is overloaded or has a fault of its own.
        passing: bool,
        /// Error of the storage.
        #[source]
        source: BoxError,
    },
    /// The key is a folder of other keys, or one of its folders is an object.
    #[error("{object} conflicts with another key: a local bucket cannot hold both `a` and `a/b`")]
    Conflict {
        /// The object.
        object: ObjectLocation,
    },
    /// A file lent for reading.
    #[error("{object} is read-only")]
    ReadOnly {
        /// The object.
        object: ObjectLocation,
    },
    /// The object is whole, but its event could not be persisted.
    #[error("{object} is stored, but its event could not be recorded; upload it again")]
    Event {
        /// The object.
        object: ObjectLocation,
        /// Cause.
        #[source]
        source: Box<Failure>,
    },
    /// Its event would not be recorded now, so it did not become visible.
    #[error("{object} was refused for now; nothing was stored, upload it again later")]
    Refused {
        /// The object.
        object: ObjectLocation,
        /// Cause.
        #[source]
        source: Box<Failure>,
    },
    /// A condition of the request does not hold.
    #[error("{object} does not meet the request's condition")]
    Precondition {
        /// The object.
        object: ObjectLocation,
    },
    /// No such unfinished upload.
    #[error("there is no upload {id}")]
    NoUpload {
        /// Its identifier.
        id: String,
    },
    /// A part that was not uploaded, or not with those bytes.
    #[error("part {number} was not uploaded, or not with that ETag and checksum; upload it again")]
    InvalidPart {
        /// Its number.
        number: u32,
    },
    /// A part that is not the last one is too small.
    #[error("part {number} has {size_bytes} bytes; every part but the last has at least 5 MiB")]
    PartTooSmall {
        /// Its number.
        number: u32,
        /// Its size in bytes.
        size_bytes: u64,
    },
    /// The size of the parts together differs from the one in the request.
    #[error("the parts of {object} have {size_bytes} bytes, and the request says {wanted}")]
    WrongSize {
        /// The object.
        object: ObjectLocation,
        /// Size in the request, in bytes.
        wanted: u64,
        /// Size of the parts in bytes.
        size_bytes: u64,
    },
    /// The received bytes do not have the checksum of the request.
    #[error("the {algorithm} of {object} differs from the one in the request; upload it again")]
    WrongChecksum {
        /// The object.
        object: ObjectLocation,
        /// Checksum algorithm.
        algorithm: &'static str,
    },
    /// A completion without the checksums that its upload was begun with, or with one of another type.
    #[error(
        "the upload of {object} was begun with {algorithm}; its completion must name that checksum of every part, \
         and the same checksum type"
    )]
    NoChecksum {
        /// The object.
        object: ObjectLocation,
        /// Checksum algorithm.
        algorithm: &'static str,
    },
    /// The endpoint's key pair cannot be read or kept.
    #[error("the key pair of the S3 endpoint in {path} cannot be used")]
    KeyPair {
        /// The file.
        path: PathBuf,
        /// Cause.
        #[source]
        source: BoxError,
    },
}

/// Error of a client library.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

impl ObjectError {
    /// Makes the error of the operating system while doing `operation` to `what`.
    pub(crate) fn io(operation: &'static str, what: impl fmt::Display, source: io::Error) -> Self {
        let what = what.to_string();
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
                Self::Full { operation, what }
            }
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Self::AccessDenied { operation, what, source: source.into() }
            }
            _ => Self::Io { operation, what, source },
        }
    }

    /// Returns whether the bucket or the object is not there.
    #[must_use]
    pub const fn is_not_found(&self) -> bool {
        matches!(self, Self::NoBucket { .. } | Self::NoObject { .. })
    }
}

impl Coded for ObjectError {
    fn code(&self) -> Code {
        Code::new(match self {
            Self::NoBucket { .. } => "OBJ0001",
            Self::NoObject { .. } => "OBJ0002",
            Self::Changed { .. } => "OBJ0003",
            Self::AccessDenied { .. } => "OBJ0004",
            Self::Credentials { .. } => "OBJ0005",
            Self::Unreachable { .. } => "OBJ0006",
            Self::Full { .. } => "OBJ0007",
            Self::InvalidName { .. } => "OBJ0008",
            Self::Io { .. } => "OBJ0009",
            Self::Service { .. } => "OBJ0010",
            Self::Conflict { .. } => "OBJ0011",
            Self::ReadOnly { .. } => "OBJ0012",
            Self::Event { .. } => "OBJ0013",
            Self::Precondition { .. } => "OBJ0014",
            Self::NoUpload { .. } => "OBJ0015",
            Self::InvalidPart { .. } => "OBJ0016",
            Self::KeyPair { .. } => "OBJ0017",
            Self::Refused { .. } => "OBJ0018",
            Self::Archived { .. } => "OBJ0021",
            Self::PartTooSmall { .. } => "OBJ0023",
            Self::WrongSize { .. } => "OBJ0024",
            Self::WrongChecksum { .. } => return DAMAGED,
            Self::NoChecksum { .. } => "OBJ0026",
        })
    }
}

impl ObjectError {
    /// Returns whether the same may succeed later by itself, as [`Failure::is_outage`] has it.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        self.kind() == (Class::Retry, Blame::Infrastructure) && self.code() != DAMAGED
    }

    /// Returns whether another attempt can help, and who can correct the error.
    const fn kind(&self) -> (Class, Blame) {
        use ObjectError as E;
        match self {
            E::NoObject { .. } | E::Changed { .. } => (Class::Fatal, Blame::Input),
            E::NoBucket { .. }
            | E::InvalidName { .. }
            | E::Conflict { .. }
            | E::ReadOnly { .. }
            | E::Precondition { .. }
            | E::NoUpload { .. }
            | E::InvalidPart { .. }
            | E::PartTooSmall { .. }
            | E::WrongSize { .. }
            | E::NoChecksum { .. } => (Class::Fatal, Blame::Definition),
            E::AccessDenied { .. }
            | E::Credentials { .. }
            | E::KeyPair { .. }
            | E::Archived { .. }
            | E::Service { passing: false, .. } => (Class::Fatal, Blame::Infrastructure),
            E::Unreachable { .. }
            | E::Full { .. }
            | E::Io { .. }
            | E::Service { passing: true, .. }
            | E::Event { .. }
            | E::Refused { .. }
            | E::WrongChecksum { .. } => (Class::Retry, Blame::Infrastructure),
        }
    }
}

impl From<ObjectError> for Failure {
    fn from(error: ObjectError) -> Self {
        let (class, blame) = error.kind();
        Self::of(&error, class, blame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn field_fault_a_full_disk_passes_and_is_answered_so() {
        let object = ObjectLocation { bucket: "media".into(), key: "a".into() };
        // ENOSPC, EDQUOT, EFBIG.
        for errno in [28, 122, 27] {
            let full = || ObjectError::io("write", &object, io::Error::from_raw_os_error(errno));
            assert!(matches!(full(), ObjectError::Full { .. }), "{errno}");
            assert_eq!(Failure::from(full()).class, Class::Retry);
            let answer = s3s::S3Error::from(full());
            assert_eq!(answer.code().status_code().map(|status| status.as_u16()), Some(503), "{errno}");
        }
    }

    #[test]
    fn field_fault_buckets_on_a_disk_that_is_not_mounted_are_answered_503() {
        let answer = s3s::S3Error::from(ObjectError::Unreachable { source: "is its disk mounted?".into() });
        assert_eq!(answer.code().status_code().map(|status| status.as_u16()), Some(503));
    }

    #[test]
    fn field_fault_argo_7349_bytes_that_arrive_damaged_use_up_attempts() {
        let object = ObjectLocation { bucket: "media".into(), key: "a".into() };
        let error = ObjectError::WrongChecksum { object, algorithm: "checksum" };
        assert!(!error.is_outage());
        let failure = Failure::from(error);
        assert_eq!((failure.class, failure.is_outage()), (Class::Retry, false));
    }
}
