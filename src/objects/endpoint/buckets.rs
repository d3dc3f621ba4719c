//! Buckets: made, found, listed, and what clients ask of them beside.

use s3s::dto::{
    Bucket, BucketLocationConstraint, CORSRule, CreateBucketInput, CreateBucketOutput, GetBucketAclOutput,
    GetBucketCorsOutput, GetBucketLocationOutput, Grant, Grantee, HeadBucketOutput, ListBucketsInput,
    ListBucketsOutput, Permission, Type,
};
use s3s::{S3Result, s3_error};

use super::answer::time;
use super::service::{OWNER, Service, owner};

/// The region of buckets that were made without one.
const DEFAULT_REGION: &str = "us-east-1";

/// Most buckets in a list.
const MAX_BUCKETS: i32 = 10_000;

impl Service {
    pub(super) async fn all_buckets(&self, input: ListBucketsInput) -> S3Result<ListBucketsOutput> {
        let limit = input.max_buckets.unwrap_or(MAX_BUCKETS);
        let limit = usize::try_from(limit).ok().filter(|limit| (1..=10_000).contains(limit));
        let limit = limit.ok_or_else(|| s3_error!(InvalidArgument, "max-buckets must be from 1 to 10000"))?;
        let prefix = input.prefix.clone().unwrap_or_default();
        let mut buckets = self.buckets.buckets().await?;
        buckets.retain(|(name, _)| {
            name.starts_with(&prefix) && input.continuation_token.as_ref().is_none_or(|after| name > after)
        });
        let more = buckets.len() > limit;
        buckets.truncate(limit);
        let next = buckets.last().filter(|_| more).map(|(name, _)| name.clone());
        let bucket =
            |(name, made_at)| Bucket { name: Some(name), creation_date: Some(time(made_at)), ..Bucket::default() };
        Ok(ListBucketsOutput {
            buckets: Some(buckets.into_iter().map(bucket).collect()),
            owner: Some(owner()),
            continuation_token: next,
            prefix: input.prefix,
        })
    }

    pub(super) async fn make_bucket(&self, input: CreateBucketInput) -> S3Result<CreateBucketOutput> {
        let bucket = input.bucket;
        let region = input.create_bucket_configuration.and_then(|c| c.location_constraint);
        let region = region.map(|region| region.as_str().to_owned()).filter(|region| !region.is_empty());
        let plain = region.as_ref().is_none_or(|region| region == DEFAULT_REGION);
        if !self.buckets.create_bucket(&bucket, region).await? && !plain {
            // Without a region it is the same bucket, and there is nothing to do.
            return Err(s3_error!(BucketAlreadyOwnedByYou, "the bucket {bucket} exists already; nothing was changed"));
        }
        Ok(CreateBucketOutput { location: Some(format!("/{bucket}")) })
    }

    pub(super) async fn bucket_head(&self, bucket: &str) -> S3Result<HeadBucketOutput> {
        let region = self.buckets.region(bucket).await?.unwrap_or_else(|| DEFAULT_REGION.to_owned());
        Ok(HeadBucketOutput { bucket_region: Some(region), ..HeadBucketOutput::default() })
    }

    pub(super) async fn bucket_location(&self, bucket: &str) -> S3Result<GetBucketLocationOutput> {
        let region = self.buckets.region(bucket).await?.filter(|region| region != DEFAULT_REGION);
        Ok(GetBucketLocationOutput { location_constraint: region.map(BucketLocationConstraint::from) })
    }

    /// Always the owner's full control; clients request it before they show an object.
    pub(super) async fn bucket_acl(&self, bucket: &str) -> S3Result<GetBucketAclOutput> {
        self.buckets.check_bucket(bucket).await?;
        Ok(GetBucketAclOutput { grants: Some(vec![full_control()]), owner: Some(owner()) })
    }

    pub(super) async fn bucket_cors(&self, bucket: &str) -> S3Result<GetBucketCorsOutput> {
        self.buckets.check_bucket(bucket).await?;
        if self.cors.is_empty() {
            return Err(s3_error!(NoSuchCORSConfiguration, "the configuration of the daemon has no s3_cors"));
        }
        let rule = |rule: &super::CorsRule| CORSRule {
            allowed_headers: Some(rule.headers.clone()),
            allowed_methods: rule.methods.clone(),
            allowed_origins: rule.origins.clone(),
            expose_headers: Some(rule.expose.clone()),
            id: None,
            max_age_seconds: i32::try_from(rule.max_age.as_secs()).ok(),
        };
        Ok(GetBucketCorsOutput { cors_rules: Some(self.cors.iter().map(rule).collect()) })
    }
}

/// The one grant that there is.
pub(super) fn full_control() -> Grant {
    Grant {
        grantee: Some(Grantee {
            display_name: Some(OWNER.to_owned()),
            email_address: None,
            id: Some(OWNER.to_owned()),
            type_: Type::from_static(Type::CANONICAL_USER),
            uri: None,
        }),
        permission: Some(Permission::from_static(Permission::FULL_CONTROL)),
    }
}
