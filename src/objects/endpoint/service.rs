//! The operations that the endpoint has; s3s answers the others with 501.

#[allow(
    clippy::wildcard_imports,
    reason = "tests see it otherwise; every operation is an input and an output type of this module"
)]
use s3s::dto::*;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};

use super::buckets::full_control;
use super::objects::no_version;
use super::{CorsRule, list};
use crate::model::ObjectLocation;
use crate::objects::local::LocalBuckets;
use crate::objects::{Objects, Revision};

/// Owner of everything: the holder of the key pair.
pub(super) const OWNER: &str = "reelmill";

/// The service.
pub struct Service {
    pub(super) buckets: LocalBuckets,
    /// Rules for web pages of other origins.
    pub(super) cors: Vec<CorsRule>,
}

impl Service {
    /// A service over `buckets`.
    pub const fn new(buckets: LocalBuckets, cors: Vec<CorsRule>) -> Self {
        Self { buckets, cors }
    }
}

pub(super) fn location(bucket: &str, key: &str) -> ObjectLocation {
    ObjectLocation { bucket: bucket.to_owned(), key: key.to_owned() }
}

pub(super) fn owner() -> Owner {
    Owner { display_name: Some(OWNER.to_owned()), id: Some(OWNER.to_owned()) }
}

#[async_trait::async_trait]
impl S3 for Service {
    async fn list_buckets(&self, req: S3Request<ListBucketsInput>) -> S3Result<S3Response<ListBucketsOutput>> {
        self.all_buckets(req.input).await.map(S3Response::new)
    }

    async fn create_bucket(&self, req: S3Request<CreateBucketInput>) -> S3Result<S3Response<CreateBucketOutput>> {
        self.make_bucket(req.input).await.map(S3Response::new)
    }

    async fn head_bucket(&self, req: S3Request<HeadBucketInput>) -> S3Result<S3Response<HeadBucketOutput>> {
        self.bucket_head(&req.input.bucket).await.map(S3Response::new)
    }

    async fn get_bucket_location(
        &self,
        req: S3Request<GetBucketLocationInput>,
    ) -> S3Result<S3Response<GetBucketLocationOutput>> {
        self.bucket_location(&req.input.bucket).await.map(S3Response::new)
    }

    async fn get_bucket_acl(&self, req: S3Request<GetBucketAclInput>) -> S3Result<S3Response<GetBucketAclOutput>> {
        self.bucket_acl(&req.input.bucket).await.map(S3Response::new)
    }

    async fn put_bucket_acl(&self, req: S3Request<PutBucketAclInput>) -> S3Result<S3Response<PutBucketAclOutput>> {
        self.buckets.check_bucket(&req.input.bucket).await?;
        only_private(req.input.acl.is_some())?;
        Ok(S3Response::new(PutBucketAclOutput::default()))
    }

    async fn get_object_acl(&self, req: S3Request<GetObjectAclInput>) -> S3Result<S3Response<GetObjectAclOutput>> {
        self.buckets.head(&location(&req.input.bucket, &req.input.key), Revision::LATEST).await?;
        let output = GetObjectAclOutput {
            grants: Some(vec![full_control()]),
            owner: Some(owner()),
            ..GetObjectAclOutput::default()
        };
        Ok(S3Response::new(output))
    }

    async fn put_object_acl(&self, req: S3Request<PutObjectAclInput>) -> S3Result<S3Response<PutObjectAclOutput>> {
        self.buckets.head(&location(&req.input.bucket, &req.input.key), Revision::LATEST).await?;
        only_private(req.input.acl.is_some())?;
        Ok(S3Response::new(PutObjectAclOutput::default()))
    }

    async fn get_bucket_cors(&self, req: S3Request<GetBucketCorsInput>) -> S3Result<S3Response<GetBucketCorsOutput>> {
        self.bucket_cors(&req.input.bucket).await.map(S3Response::new)
    }

    /// There are none, and clients ask before they upload.
    async fn get_bucket_versioning(
        &self,
        req: S3Request<GetBucketVersioningInput>,
    ) -> S3Result<S3Response<GetBucketVersioningOutput>> {
        self.buckets.check_bucket(&req.input.bucket).await?;
        Ok(S3Response::new(GetBucketVersioningOutput::default()))
    }

    async fn delete_bucket(&self, req: S3Request<DeleteBucketInput>) -> S3Result<S3Response<DeleteBucketOutput>> {
        if !self.buckets.remove_bucket(&req.input.bucket).await? {
            return Err(s3_error!(BucketNotEmpty, "the bucket holds objects; delete them first"));
        }
        Ok(S3Response::new(DeleteBucketOutput::default()))
    }

    async fn list_objects(&self, req: S3Request<ListObjectsInput>) -> S3Result<S3Response<ListObjectsOutput>> {
        list::check(&req.uri, req.input.delimiter.as_deref())?;
        list::v1(&self.buckets, req.input).await.map(S3Response::new)
    }

    async fn list_objects_v2(&self, req: S3Request<ListObjectsV2Input>) -> S3Result<S3Response<ListObjectsV2Output>> {
        list::check(&req.uri, req.input.delimiter.as_deref())?;
        list::v2(&self.buckets, req.input).await.map(S3Response::new)
    }

    async fn head_object(&self, req: S3Request<HeadObjectInput>) -> S3Result<S3Response<HeadObjectOutput>> {
        self.head(req).await
    }

    async fn get_object(&self, req: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        self.get(req).await
    }

    async fn get_object_attributes(
        &self,
        req: S3Request<GetObjectAttributesInput>,
    ) -> S3Result<S3Response<GetObjectAttributesOutput>> {
        self.attributes(req).await
    }

    async fn put_object(&self, req: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        self.put(req).await
    }

    async fn copy_object(&self, req: S3Request<CopyObjectInput>) -> S3Result<S3Response<CopyObjectOutput>> {
        self.copy(req).await
    }

    async fn delete_object(&self, req: S3Request<DeleteObjectInput>) -> S3Result<S3Response<DeleteObjectOutput>> {
        no_version(req.input.version_id.as_deref())?;
        self.delete(req.input).await?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(&self, req: S3Request<DeleteObjectsInput>) -> S3Result<S3Response<DeleteObjectsOutput>> {
        self.delete_many(req.input).await.map(S3Response::new)
    }

    async fn create_multipart_upload(
        &self,
        req: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        self.begin(req).await.map(S3Response::new)
    }

    async fn upload_part(&self, req: S3Request<UploadPartInput>) -> S3Result<S3Response<UploadPartOutput>> {
        self.part(req).await.map(S3Response::new)
    }

    async fn upload_part_copy(
        &self,
        req: S3Request<UploadPartCopyInput>,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        self.part_copy(req).await.map(S3Response::new)
    }

    async fn list_parts(&self, req: S3Request<ListPartsInput>) -> S3Result<S3Response<ListPartsOutput>> {
        self.parts(req.input).await.map(S3Response::new)
    }

    async fn list_multipart_uploads(
        &self,
        req: S3Request<ListMultipartUploadsInput>,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        self.uploads(req.input).await.map(S3Response::new)
    }

    async fn complete_multipart_upload(
        &self,
        req: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        self.complete(req).await.map(S3Response::new)
    }

    async fn abort_multipart_upload(
        &self,
        req: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        let object = location(&req.input.bucket, &req.input.key);
        let upload = self.buckets.upload(&req.input.upload_id, &object).await?;
        self.buckets.abort_upload(&upload).await?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }
}

/// Access lists say `private`, in the header: others, and lists of grants, would not be done.
fn only_private(has_header: bool) -> S3Result<()> {
    if has_header {
        // Others were refused with the header.
        return Ok(());
    }
    Err(s3_error!(NotImplemented, "this endpoint has no access lists; every object and bucket is private"))
}
