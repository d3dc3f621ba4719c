//! Classification of the SDK's errors.

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use crate::model::ObjectLocation;
use crate::objects::{BoxError, ObjectError};

/// Turns an error of the SDK into ours.
pub fn classify<E>(operation: &'static str, object: &ObjectLocation, error: SdkError<E, HttpResponse>) -> ObjectError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
{
    if lacks_credentials(&error) {
        return ObjectError::Credentials { source: error.into() };
    }
    let SdkError::ServiceError(answer) = &error else {
        return match error {
            SdkError::ResponseError(_) => {
                ObjectError::Service { operation, what: object.to_string(), passing: true, source: error.into() }
            }
            _ => ObjectError::Unreachable { source: error.into() },
        };
    };
    let object = object.clone();
    let said = said(answer.err(), answer.raw().status().as_u16());
    // HEAD has no body, hence no code.
    match (answer.err().code().unwrap_or_default(), answer.raw().status().as_u16()) {
        ("NoSuchBucket", _) => {
            let bucket = object.bucket.clone();
            ObjectError::NoBucket { bucket, object: (!object.key.is_empty()).then_some(object) }
        }
        ("NoSuchKey" | "NoSuchVersion" | "NotFound", _) | ("", 404) => ObjectError::NoObject { object },
        ("InvalidObjectState", _) => ObjectError::Archived { object },
        ("PreconditionFailed" | "ConditionalRequestConflict", _) | (_, 412) => ObjectError::Changed { object },
        (
            "InvalidAccessKeyId"
            | "SignatureDoesNotMatch"
            | "ExpiredToken"
            | "InvalidToken"
            | "TokenRefreshRequired"
            | "RequestTimeTooSkewed"
            | "InvalidClientTokenId"
            | "UnrecognizedClientException"
            | "AuthFailure",
            _,
        )
        | (_, 401) => ObjectError::Credentials { source: said },
        ("InvalidBucketName", _) => {
            ObjectError::InvalidName { name: object.bucket, reason: "S3 refuses the bucket's name".into() }
        }
        ("KeyTooLongError" | "InvalidObjectName" | "XMinioInvalidObjectName", _) => {
            ObjectError::InvalidName { name: object.key, reason: "the object storage refuses the key".into() }
        }
        ("InvalidArgument", _) => ObjectError::InvalidName {
            name: object.to_string(),
            reason: format!("the storage answered: {said}").into(),
        },
        ("BadDigest" | "XAmzContentSHA256Mismatch", _) => ObjectError::WrongChecksum { object, algorithm: "checksum" },
        (code, 403) if !is_passing(code, 403) => {
            ObjectError::AccessDenied { operation, what: object.to_string(), source: said }
        }
        (code, status) => {
            let passing = is_passing(code, status);
            ObjectError::Service { operation, what: object.to_string(), passing, source: said }
        }
    }
}

/// Returns whether the same request may succeed later: it was throttled or cut off, is in conflict with another one,
/// its upload was aborted by another client, or the storage has an internal error. Some storages throttle with 400 or
/// 403.
fn is_passing(code: &str, status: u16) -> bool {
    const WORDS: [&str; 9] = [
        "SlowDown",
        "Throttl",
        "RequestTimeout",
        "RequestLimit",
        "TooManyRequests",
        "OperationAborted",
        "Busy",
        "IncompleteBody",
        "NoSuchUpload",
    ];
    matches!(status, 408 | 409 | 425 | 429 | 500..) || WORDS.iter().any(|word| code.contains(word))
}

/// Returns the storage's error code and message.
fn said<E: ProvideErrorMetadata>(error: &E, status: u16) -> BoxError {
    match (error.code(), error.message()) {
        (Some(code), Some(message)) => format!("{code}: {message}").into(),
        (Some(one), None) | (None, Some(one)) => one.into(),
        (None, None) => format!("HTTP status {status}").into(),
    }
}

fn lacks_credentials(error: &(dyn std::error::Error + 'static)) -> bool {
    std::iter::successors(Some(error), |e| e.source()).any(<dyn std::error::Error>::is::<CredentialsError>)
}

#[cfg(test)]
mod tests {
    use aws_sdk_s3::error::ErrorMetadata;
    use aws_sdk_s3::operation::upload_part::UploadPartError;
    use aws_sdk_s3::primitives::SdkBody;

    use super::*;
    use crate::model::{Class, Failure};

    #[test]
    fn field_fault_argo_7349_a_publication_that_was_cut_off_or_damaged_is_tried_again() {
        let object = ObjectLocation { bucket: "media".into(), key: "a".into() };
        for (code, status, waits) in [
            ("IncompleteBody", 400_u16, true),
            ("RequestTimeout", 400, true),
            ("NoSuchUpload", 404, true),
            ("BadDigest", 400, false),
            ("XAmzContentSHA256Mismatch", 400, false),
        ] {
            let answer = HttpResponse::new(status.try_into().unwrap(), SdkBody::empty());
            let said = UploadPartError::generic(ErrorMetadata::builder().code(code).build());
            let error = classify("upload", &object, SdkError::service_error(said, answer));
            assert_eq!(error.is_outage(), waits, "{code}");
            let failure = Failure::from(error);
            assert_eq!((failure.class, failure.is_outage()), (Class::Retry, waits), "{code}");
        }
    }

    #[test]
    fn field_fault_argo_7349_throttling_passes_and_a_refused_request_does_not() {
        for (code, status) in [("SlowDown", 503), ("InternalError", 500), ("", 502), ("RequestTimeout", 400), ("", 429)]
        {
            assert!(is_passing(code, status), "{code} {status}");
        }
        for (code, status) in [("ThrottlingException", 400), ("SlowDown", 403), ("OperationAborted", 409)] {
            assert!(is_passing(code, status), "{code} {status}");
        }
        for (code, status) in [("IncompleteBody", 400), ("NoSuchUpload", 404)] {
            assert!(is_passing(code, status), "{code} {status}");
        }
        for (code, status) in [("EntityTooLarge", 400), ("MethodNotAllowed", 405), ("PermanentRedirect", 301)] {
            assert!(!is_passing(code, status), "{code} {status}");
        }
    }
}
