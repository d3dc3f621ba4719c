//! What the SDK's errors mean.

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
                ObjectError::Service { operation, what: object.to_string(), source: error.into() }
            }
            _ => ObjectError::Unreachable { source: error.into() },
        };
    };
    let object = object.clone();
    let said = said(answer.err(), answer.raw().status().as_u16());
    // HEAD has no body, hence no code.
    match (answer.err().code().unwrap_or_default(), answer.raw().status().as_u16()) {
        ("NoSuchBucket", _) => ObjectError::NoBucket { bucket: object.bucket },
        ("NoSuchKey" | "NoSuchVersion" | "NotFound", _) | ("", 404) => ObjectError::NoObject { object },
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
        ("InvalidArgument", _) => {
            ObjectError::InvalidName { name: object.to_string(), reason: format!("the storage says {said}").into() }
        }
        (_, 403) => ObjectError::AccessDenied { operation, what: object.to_string(), source: said },
        _ => ObjectError::Service { operation, what: object.to_string(), source: said },
    }
}

/// What the storage said, for people: its code and its words.
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
