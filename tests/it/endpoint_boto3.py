"""What Python's users do with an S3: run by `endpoint.rs` with the endpoint's address."""

import hashlib
import sys
from io import BytesIO

import boto3
import requests
from boto3.s3.transfer import TransferConfig
from botocore.config import Config

s3 = boto3.client("s3", endpoint_url=sys.argv[1], config=Config(s3={"addressing_style": "path"}))
key = "put/ä +&%🎬.mp4"

s3.put_object(Bucket="uploads", Key=key, Body=b"put", ContentType="video/mp4", Metadata={"title": "one"})
head = s3.head_object(Bucket="uploads", Key=key)
assert head["ContentType"] == "video/mp4" and head["Metadata"] == {"title": "one"}, head
assert head["ETag"] == '"%s"' % hashlib.md5(b"put").hexdigest(), head

post = s3.generate_presigned_post("uploads", "post/form.mp4")
answer = requests.post(post["url"], data=post["fields"], files={"file": b"a form"}, timeout=30)
assert answer.status_code == 204, answer.text

body = bytes(range(256)) * 4096 * 11
s3.upload_fileobj(BytesIO(body), "uploads", "multi.mp4", Config=TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20))
assert s3.get_object(Bucket="uploads", Key="multi.mp4")["Body"].read() == body
assert s3.head_object(Bucket="uploads", Key="multi.mp4")["ETag"].endswith('-3"')

keys = [o["Key"] for page in s3.get_paginator("list_objects_v2").paginate(Bucket="uploads", PaginationConfig={"PageSize": 2}) for o in page["Contents"]]
assert keys == ["multi.mp4", "post/form.mp4", key], keys
keys = [o["Key"] for page in s3.get_paginator("list_objects").paginate(Bucket="uploads", PaginationConfig={"PageSize": 1}) for o in page["Contents"]]
assert keys == ["multi.mp4", "post/form.mp4", key], keys

url = s3.generate_presigned_url("get_object", Params={"Bucket": "uploads", "Key": key})
assert requests.get(url, timeout=30).content == b"put"

upload = s3.create_multipart_upload(Bucket="uploads", Key="never.mp4")["UploadId"]
s3.upload_part(Bucket="uploads", Key="never.mp4", UploadId=upload, PartNumber=1, Body=b"x")
assert len(s3.list_parts(Bucket="uploads", Key="never.mp4", UploadId=upload)["Parts"]) == 1
assert len(s3.list_multipart_uploads(Bucket="uploads")["Uploads"]) == 1
s3.abort_multipart_upload(Bucket="uploads", Key="never.mp4", UploadId=upload)
assert "Uploads" not in s3.list_multipart_uploads(Bucket="uploads")

try:
    s3.put_object(Bucket="uploads", Key=key, Body=b"again", IfNoneMatch="*")
    raise AssertionError("an existing object was replaced")
except s3.exceptions.ClientError as error:
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 412, error
