"""The embedded endpoint against what S3 answers: the parts of a public test suite that an upload endpoint needs."""

from __future__ import annotations

import base64
import datetime
import hashlib
import http.client
import socket
import unittest
import zlib
from typing import Dict, List
from urllib.parse import urlsplit

import requests
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from surroundings import MIB, REGION, Endpoint, refusal


def sha256(data: bytes) -> str:
    return base64.b64encode(hashlib.sha256(data).digest()).decode()


def crc32(data: bytes) -> str:
    return base64.b64encode(zlib.crc32(data).to_bytes(4, "big")).decode()


class S3(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.endpoint = Endpoint()
        cls.s3 = cls.endpoint.client()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.endpoint.end()

    def setUp(self) -> None:
        self.bucket = self.endpoint.bucket()
        self.at: Dict[str, str] = {"Bucket": self.bucket, "Key": "a/clip.mp4"}

    def send(self, method: str, path: str, body: object = b"", **headers: str) -> requests.Response:
        """A signed request as it is, whatever an SDK would make of it."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        headers.setdefault("x-amz-content-sha256", "UNSIGNED-PAYLOAD")
        signed = AWSRequest(method=method, url=self.endpoint.url + path, headers=headers)
        SigV4Auth(Credentials(self.endpoint.key, self.endpoint.secret), "s3", REGION).add_auth(signed)
        return requests.request(method, self.endpoint.url + path, data=body, headers=dict(signed.headers), timeout=60)

    # PUT

    def test_s3_tests_headers_of_an_upload_are_given_back(self) -> None:
        expires = datetime.datetime(2031, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
        kept = {
            "CacheControl": "public, max-age=60",
            "ContentDisposition": 'attachment; filename="a.mp4"',
            "ContentEncoding": "gzip",
            "ContentLanguage": "de-DE",
            "ContentType": "video/mp4",
        }
        self.s3.put_object(**self.at, Body=b"x", Expires=expires, **kept)
        self.s3.copy_object(**{**self.at, "Key": "copy"}, CopySource=self.at)
        self.s3.copy_object(**{**self.at, "Key": "other"}, CopySource=self.at, MetadataDirective="REPLACE", CacheControl="no-store")
        upload = self.s3.create_multipart_upload(**{**self.at, "Key": "parts"}, Expires=expires, **kept)["UploadId"]
        part = self.s3.upload_part(**{**self.at, "Key": "parts"}, UploadId=upload, PartNumber=1, Body=b"x")
        parts = {"Parts": [{"ETag": part["ETag"], "PartNumber": 1}]}
        self.s3.complete_multipart_upload(**{**self.at, "Key": "parts"}, UploadId=upload, MultipartUpload=parts)
        for key in (self.at["Key"], "copy", "parts"):
            for answer in (self.s3.head_object(Bucket=self.bucket, Key=key), self.s3.get_object(Bucket=self.bucket, Key=key)):
                self.assertEqual({name: answer.get(name) for name in kept}, kept, key)
                self.assertEqual(answer["ResponseMetadata"]["HTTPHeaders"]["expires"], "Thu, 02 Jan 2031 03:04:05 GMT")
        other = self.s3.head_object(Bucket=self.bucket, Key="other")
        self.assertEqual((other["CacheControl"], other.get("ContentLanguage")), ("no-store", None))
        changed = self.s3.get_object(**self.at, ResponseCacheControl="private", ResponseContentType="text/plain")
        self.assertEqual((changed["CacheControl"], changed["ContentType"]), ("private", "text/plain"))
        self.assertEqual(changed["ContentLanguage"], "de-DE")

    def test_s3_tests_the_encoding_of_a_signed_body_is_not_kept(self) -> None:
        for sent, kept in (("aws-chunked", None), ("gzip, aws-chunked", "gzip")):
            answer = self.send("PUT", f"/{self.bucket}/k", b"x", Content_Encoding=sent)
            self.assertEqual(answer.status_code, 200, answer.text)
            self.assertEqual(self.s3.head_object(Bucket=self.bucket, Key="k").get("ContentEncoding"), kept)

    def test_s3_tests_metadata_comes_back_as_it_was_sent(self) -> None:
        for value in ("Gr\u00fc\u00dfe \u3042".encode(), b"=?UTF-8?B?w7w=?=", b"plain"):
            url = self.s3.generate_presigned_url("put_object", Params=self.at)
            # The header stands in no signature, so that its bytes are those below.
            parts = urlsplit(url)
            connection = http.client.HTTPConnection(parts.netloc, timeout=60)
            connection.putrequest("PUT", f"{parts.path}?{parts.query}")
            connection.putheader("x-amz-meta-title", value)
            connection.putheader("Content-Length", "1")
            connection.endheaders(b"x")
            self.assertEqual(connection.getresponse().status, 200)
            connection.close()
            connection = http.client.HTTPConnection(parts.netloc, timeout=60)
            parts = urlsplit(self.s3.generate_presigned_url("get_object", Params=self.at))
            connection.request("GET", f"{parts.path}?{parts.query}")
            got = connection.getresponse().getheader("x-amz-meta-title")
            self.assertEqual(got.encode("latin-1"), value)
            connection.close()

    def test_s3_tests_a_body_of_unknown_length_is_taken(self) -> None:
        chunks = [b"one, ", b"two, ", b"three"]
        whole = b"".join(chunks)
        for sha in ("UNSIGNED-PAYLOAD", hashlib.sha256(whole).hexdigest()):
            answer = self.send("PUT", f"/{self.bucket}/chunked", iter(chunks), x_amz_content_sha256=sha)
            self.assertEqual(answer.status_code, 200, answer.text)
            self.assertEqual(self.s3.get_object(Bucket=self.bucket, Key="chunked")["Body"].read(), whole)
        answer = self.send("PUT", f"/{self.bucket}/wrong", iter(chunks), x_amz_content_sha256=hashlib.sha256(b"?").hexdigest())
        self.assertEqual((answer.status_code, "XAmzContentSHA256Mismatch" in answer.text), (400, True), answer.text)
        url = self.s3.generate_presigned_url("put_object", Params={"Bucket": self.bucket, "Key": "presigned"})
        self.assertEqual(requests.put(url, data=iter(chunks), timeout=60).status_code, 200)
        self.assertEqual(self.s3.head_object(Bucket=self.bucket, Key="presigned")["ContentLength"], len(whole))
        unsigned = requests.put(f"{self.endpoint.url}/{self.bucket}/unsigned", data=iter(chunks), timeout=60)
        self.assertEqual(unsigned.status_code, 403)

    def test_s3_tests_what_cannot_be_kept_is_refused(self) -> None:
        day = datetime.datetime(2031, 1, 1)
        wishes: List[Dict[str, object]] = [
            {"ACL": "public-read"},
            {"ACL": "authenticated-read"},
            {"GrantRead": "uri=http://acs.amazonaws.com/groups/global/AllUsers"},
            {"Tagging": "a=b"},
            {"ServerSideEncryption": "AES256"},
            {"ServerSideEncryption": "aws:kms"},
            {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32},
            {"WebsiteRedirectLocation": "/elsewhere"},
            {"ObjectLockMode": "GOVERNANCE", "ObjectLockRetainUntilDate": day},
            {"ObjectLockLegalHoldStatus": "ON"},
            {"ExpectedBucketOwner": "111122223333"},
        ]
        for wish in wishes:
            for call, more in ((self.s3.put_object, {"Body": b"x"}), (self.s3.create_multipart_upload, {})):
                if "SSECustomerAlgorithm" in wish:
                    answer = self.send("PUT", f"/{self.bucket}/k", b"x", x_amz_server_side_encryption_customer_algorithm="AES256")
                    self.assertEqual(answer.status_code, 501)
                    continue
                self.assertEqual(refusal(call, **self.at, **more, **wish), [501, "NotImplemented"], wish)
        self.assertEqual(refusal(self.s3.put_object, **self.at, StorageClass="GLACIER")[1], "InvalidStorageClass")
        self.assertEqual(self.send("PUT", f"/{self.bucket}/k", b"x", x_amz_write_offset_bytes="0").status_code, 501)
        self.assertEqual(refusal(self.s3.create_bucket, Bucket="locked-bucket", ObjectLockEnabledForBucket=True)[0], 501)
        self.assertEqual(refusal(self.s3.create_bucket, Bucket="public-bucket", ACL="public-read")[0], 501)
        self.assertNotIn("Contents", self.s3.list_objects_v2(Bucket=self.bucket))
        for acl in ("private", "bucket-owner-full-control"):
            self.s3.put_object(**self.at, Body=b"x", ACL=acl, StorageClass="STANDARD")
        grants = self.s3.get_object_acl(**self.at)["Grants"]
        self.assertEqual([grant["Permission"] for grant in grants], ["FULL_CONTROL"])
        self.s3.put_object_acl(**self.at, ACL="private")
        self.assertEqual(refusal(self.s3.put_object_acl, **self.at, ACL="public-read")[0], 501)
        self.assertEqual(refusal(self.s3.put_object_tagging, **self.at, Tagging={"TagSet": []})[0], 501)
        self.assertEqual(refusal(self.s3.delete_object, **self.at, VersionId="abc"), [404, "NoSuchVersion"])
        self.assertEqual(self.s3.head_object(**self.at)["ContentLength"], 1)

    def test_field_fault_clients_a_refused_upload_reads_why(self) -> None:
        body = b"x" * 12 * MIB
        connection = http.client.HTTPConnection(self.endpoint.address, timeout=60)
        for path, status in ((f"/{self.bucket}/unsigned", 403), ("/no-such-bucket/unsigned", 404)):
            # On one connection: it is as good as before.
            connection.request("PUT", path, body)
            answer = connection.getresponse()
            self.assertEqual((answer.status, b"<Message>" in answer.read()), (status, True))
        connection.close()
        for _ in range(5):
            self.assertEqual(refusal(self.s3.put_object, **self.at, Body=body, ACL="public-read")[0], 501)
            self.s3.list_objects_v2(Bucket=self.bucket)

    def test_field_fault_clients_one_that_waits_is_not_told_to_send_what_is_refused(self) -> None:
        size = 5 * 1024 * MIB
        for path, status in ((f"/{self.bucket}/unsigned", b"403"), ("/no-such-bucket/unsigned", b"404")):
            with socket.create_connection(("127.0.0.1", self.endpoint.port), timeout=60) as connection:
                head = f"PUT {path} HTTP/1.1\r\nHost: {self.endpoint.address}\r\nContent-Length: {size}\r\n"
                connection.sendall(f"{head}Expect: 100-continue\r\n\r\n".encode())
                # Nothing is sent: the answer comes, and the connection ends.
                answer = b"".join(iter(lambda: connection.recv(65536), b""))
            self.assertTrue(answer.startswith(b"HTTP/1.1 " + status), answer)
            self.assertIn(b"connection: close", answer.lower())
        # One that may send is told so.
        self.s3.put_object(**self.at, Body=b"x" * MIB)
        self.assertEqual(self.s3.head_object(**self.at)["ContentLength"], MIB)

    # Conditions

    def test_s3_tests_conditions_on_uploads(self) -> None:
        self.assertEqual(refusal(self.s3.put_object, **self.at, Body=b"1", IfMatch="*"), [404, "NoSuchKey"])
        first = self.s3.put_object(**self.at, Body=b"1", IfNoneMatch="*")["ETag"]
        failed = [412, "PreconditionFailed"]
        self.assertEqual(refusal(self.s3.put_object, **self.at, Body=b"2", IfNoneMatch="*"), failed)
        self.assertEqual(refusal(self.s3.put_object, **self.at, Body=b"2", IfNoneMatch=first), failed)
        self.assertEqual(refusal(self.s3.put_object, **self.at, Body=b"2", IfMatch='"other"'), failed)
        self.assertEqual(self.s3.get_object(**self.at)["Body"].read(), b"1")
        second = self.s3.put_object(**self.at, Body=b"2", IfMatch=first)["ETag"]
        self.s3.put_object(**self.at, Body=b"3", IfNoneMatch=first)
        for condition, code in (({"IfMatch": second}, 412), ({"IfNoneMatch": "*"}, 412)):
            upload = self.s3.create_multipart_upload(**self.at)["UploadId"]
            part = self.s3.upload_part(**self.at, UploadId=upload, PartNumber=1, Body=b"4")["ETag"]
            done = {"UploadId": upload, "MultipartUpload": {"Parts": [{"ETag": part, "PartNumber": 1}]}}
            self.assertEqual(refusal(self.s3.complete_multipart_upload, **self.at, **done, **condition)[0], code)
            self.assertEqual(self.s3.get_object(**self.at)["Body"].read(), b"3")
        etag = self.s3.head_object(**self.at)["ETag"]
        self.s3.complete_multipart_upload(**self.at, **done, IfMatch=etag)
        self.assertEqual(self.s3.get_object(**self.at)["Body"].read(), b"4")

    def test_s3_tests_conditions_on_copies(self) -> None:
        source = {"Bucket": self.bucket, "Key": "source"}
        self.s3.put_object(**source, Body=b"source")
        copy = {**self.at, "CopySource": source}
        failed = [412, "PreconditionFailed"]
        self.assertEqual(refusal(self.s3.copy_object, **copy, IfMatch="*"), [404, "NoSuchKey"])
        etag = self.s3.copy_object(**copy, IfNoneMatch="*")["CopyObjectResult"]["ETag"]
        self.s3.put_object(**self.at, Body=b"precious")
        for condition in ({"IfNoneMatch": "*"}, {"IfMatch": '"dead"'}, {"IfMatch": etag}):
            self.assertEqual(refusal(self.s3.copy_object, **copy, **condition), failed)
            self.assertEqual(self.s3.get_object(**self.at)["Body"].read(), b"precious")
        self.s3.copy_object(**copy, IfMatch=self.s3.head_object(**self.at)["ETag"])
        self.assertEqual(self.s3.get_object(**self.at)["Body"].read(), b"source")

    def test_s3_tests_conditions_on_deletion(self) -> None:
        etag = self.s3.put_object(**self.at, Body=b"1")["ETag"]
        failed = [412, "PreconditionFailed"]
        self.assertEqual(refusal(self.s3.delete_object, **self.at, IfMatch='"other"'), failed)
        wrong = {"Objects": [{"Key": self.at["Key"], "ETag": '"other"'}, {"Key": self.at["Key"], "Size": 5}]}
        errors = self.s3.delete_objects(Bucket=self.bucket, Delete=wrong)["Errors"]
        self.assertEqual([error["Code"] for error in errors], ["PreconditionFailed"] * 2)
        self.assertEqual(refusal(self.s3.delete_object, **self.at, IfMatchSize=7), failed)
        self.s3.head_object(**self.at)
        self.s3.delete_object(**self.at, IfMatch=etag)
        self.assertEqual(refusal(self.s3.head_object, **self.at)[0], 404)
        self.assertEqual(refusal(self.s3.delete_object, **self.at, IfMatch=etag), [404, "NoSuchKey"])
        self.s3.delete_object(**self.at)

    # GET

    def test_s3_tests_not_modified_carries_the_etag(self) -> None:
        etag = self.s3.put_object(**self.at, Body=b"1")["ETag"]
        url = self.s3.generate_presigned_url("get_object", Params=self.at)
        answer = requests.get(url, headers={"If-None-Match": etag}, timeout=60)
        self.assertEqual((answer.status_code, answer.headers["ETag"], answer.content), (304, etag, b""))

    def test_s3_tests_parts_are_read_by_number_and_attributes_tell_of_them(self) -> None:
        upload = self.s3.create_multipart_upload(**self.at, ChecksumAlgorithm="SHA256")["UploadId"]
        bodies, parts = [b"1" * 5 * MIB, b"22"], []
        for number, body in enumerate(bodies, 1):
            part = self.s3.upload_part(**self.at, UploadId=upload, PartNumber=number, Body=body, ChecksumAlgorithm="SHA256")
            parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]})
        self.s3.complete_multipart_upload(**self.at, UploadId=upload, MultipartUpload={"Parts": parts})
        second = self.s3.get_object(**self.at, PartNumber=2)
        self.assertEqual((second["Body"].read(), second["PartsCount"]), (b"22", 2))
        self.assertEqual(second["ContentRange"], f"bytes {5 * MIB}-{5 * MIB + 1}/{5 * MIB + 2}")
        self.assertEqual(self.s3.head_object(**self.at, PartNumber=1)["ContentLength"], 5 * MIB)
        self.assertEqual(refusal(self.s3.get_object, **self.at, PartNumber=3), [400, "InvalidPart"])
        names = ["ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"]
        told = self.s3.get_object_attributes(**self.at, ObjectAttributes=names)
        self.assertEqual(told["ObjectSize"], 5 * MIB + 2)
        self.assertTrue(told["Checksum"]["ChecksumSHA256"].endswith("-2"))
        self.assertEqual(told["Checksum"]["ChecksumType"], "COMPOSITE")
        self.assertEqual(told["ObjectParts"]["TotalPartsCount"], 2)
        self.assertEqual([part["Size"] for part in told["ObjectParts"]["Parts"]], [5 * MIB, 2])
        self.assertEqual(told["ObjectParts"]["Parts"][1]["ChecksumSHA256"], sha256(b"22"))
        self.s3.put_object(**self.at, Body=b"whole")
        self.assertEqual(self.s3.get_object(**self.at, PartNumber=1)["Body"].read(), b"whole")
        self.assertEqual(refusal(self.s3.get_object, **self.at, PartNumber=2), [400, "InvalidPart"])

    # Parts

    def begun(self, **more: object) -> Dict[str, object]:
        return {**self.at, "UploadId": self.s3.create_multipart_upload(**self.at, **more)["UploadId"]}

    def test_s3_tests_completing_again_gives_the_same_answer(self) -> None:
        upload = self.begun()
        part = self.s3.upload_part(**upload, PartNumber=1, Body=b"x")["ETag"]
        done = {"MultipartUpload": {"Parts": [{"ETag": part, "PartNumber": 1}]}}
        first = self.s3.complete_multipart_upload(**upload, **done)
        again = self.s3.complete_multipart_upload(**upload, **done)
        self.assertEqual(first["ETag"], again["ETag"])
        self.assertNotIn("Uploads", self.s3.list_multipart_uploads(Bucket=self.bucket))
        self.assertEqual(refusal(self.s3.upload_part, **upload, PartNumber=2, Body=b"x"), [404, "NoSuchUpload"])
        other = {"MultipartUpload": {"Parts": [{"ETag": '"0"', "PartNumber": 1}]}}
        self.assertEqual(refusal(self.s3.complete_multipart_upload, **upload, **other), [404, "NoSuchUpload"])

    def test_s3_tests_a_part_that_was_sent_twice(self) -> None:
        upload = self.begun()
        tags = [self.s3.upload_part(**upload, PartNumber=1, Body=body)["ETag"] for body in (b"B" * 8, b"A" * 8)]
        parts = [{"ETag": tag.strip('"'), "PartNumber": 1} for tag in tags]
        self.s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
        self.assertEqual(self.s3.get_object(**self.at)["Body"].read(), b"A" * 8)
        upload = self.begun()
        tags = [self.s3.upload_part(**upload, PartNumber=n, Body=b"x")["ETag"] for n in (1, 2)]
        parts = [{"ETag": tags[1], "PartNumber": 2}, {"ETag": tags[0], "PartNumber": 1}]
        wrong = refusal(self.s3.complete_multipart_upload, **upload, MultipartUpload={"Parts": parts})
        self.assertEqual(wrong, [400, "InvalidPartOrder"])

    def test_s3_tests_a_small_part_is_the_last_one(self) -> None:
        upload = self.begun()
        parts = [
            {"PartNumber": n, "ETag": self.s3.upload_part(**upload, PartNumber=n, Body=b"x" * size)["ETag"]}
            for n, size in ((1, 5 * MIB - 1), (2, 1))
        ]
        small = refusal(self.s3.complete_multipart_upload, **upload, MultipartUpload={"Parts": parts})
        self.assertEqual(small, [400, "EntityTooSmall"])
        self.assertEqual(refusal(self.s3.head_object, **self.at)[0], 404)
        self.s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts[1:]})

    def test_s3_tests_sizes_are_checked_at_completion(self) -> None:
        upload = self.begun()
        part = self.s3.upload_part(**upload, PartNumber=1, Body=b"xyz")["ETag"]
        done = {"MultipartUpload": {"Parts": [{"ETag": part, "PartNumber": 1}]}}
        wrong = refusal(self.s3.complete_multipart_upload, **upload, **done, MpuObjectSize=4)
        self.assertEqual(wrong, [400, "InvalidRequest"])
        self.assertEqual(refusal(self.s3.head_object, **self.at)[0], 404)
        self.s3.complete_multipart_upload(**upload, **done, MpuObjectSize=3)

    def test_s3_tests_parts_and_uploads_are_listed_in_pages(self) -> None:
        upload = self.begun()
        for number in (1, 2, 3):
            self.s3.upload_part(**upload, PartNumber=number, Body=b"x" * number)
        page = self.s3.list_parts(**upload, MaxParts=2)
        self.assertEqual(([p["Size"] for p in page["Parts"]], page["IsTruncated"], page["NextPartNumberMarker"]), ([1, 2], True, 2))
        self.assertTrue(all("LastModified" in part for part in page["Parts"]))
        rest = self.s3.list_parts(**upload, PartNumberMarker=2)
        self.assertEqual([part["Size"] for part in rest["Parts"]], [3])
        for key in ("b/1", "b/2", "c"):
            self.s3.create_multipart_upload(Bucket=self.bucket, Key=key)
        page = self.s3.list_multipart_uploads(Bucket=self.bucket, MaxUploads=2)
        self.assertEqual([found["Key"] for found in page["Uploads"]], ["a/clip.mp4", "b/1"])
        markers = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
        rest = self.s3.list_multipart_uploads(Bucket=self.bucket, **markers)
        self.assertEqual([found["Key"] for found in rest["Uploads"]], ["b/2", "c"])
        rolled = self.s3.list_multipart_uploads(Bucket=self.bucket, Delimiter="/")
        self.assertEqual([found["Prefix"] for found in rolled["CommonPrefixes"]], ["a/", "b/"])
        self.assertEqual([found["Key"] for found in rolled["Uploads"]], ["c"])
        for key in ("a/2", "b/1"):
            self.s3.create_multipart_upload(Bucket=self.bucket, Key=key)
        pages = self.s3.get_paginator("list_multipart_uploads")
        pages = pages.paginate(Bucket=self.bucket, Delimiter="/", PaginationConfig={"PageSize": 1})
        found = [[p["Prefix"] for p in page.get("CommonPrefixes", [])] + [u["Key"] for u in page.get("Uploads", [])] for page in pages]
        self.assertEqual(found, [["a/"], ["b/"], ["c"]])
        self.assertFalse(self.s3.list_multipart_uploads(Bucket=self.bucket, MaxUploads=0)["IsTruncated"])
        self.assertFalse(self.s3.list_parts(**upload, MaxParts=0)["IsTruncated"])

    # Checksums

    def test_s3_tests_checksums_are_stored_and_returned(self) -> None:
        body = b"what it is"
        fields = {"CRC32": "ChecksumCRC32", "SHA1": "ChecksumSHA1", "SHA256": "ChecksumSHA256"}
        known = {"CRC32": crc32(body), "SHA256": sha256(body), "SHA1": base64.b64encode(hashlib.sha1(body).digest()).decode()}
        for name, field in fields.items():
            self.assertEqual(self.s3.put_object(**self.at, Body=body, ChecksumAlgorithm=name)[field], known[name])
            for call in (self.s3.head_object, self.s3.get_object):
                answer = call(**self.at, ChecksumMode="ENABLED")
                self.assertEqual((answer[field], answer["ChecksumType"]), (known[name], "FULL_OBJECT"))
            copied = self.s3.copy_object(**{**self.at, "Key": "copy"}, CopySource=self.at)["CopyObjectResult"]
            self.assertEqual(copied[field], known[name])
        # Not by name: botocore computes these two only with a library of its own.
        for header, value in (("x-amz-checksum-crc32c", "4waSgw=="), ("x-amz-checksum-crc64nvme", "rosUhgp5mIg=")):
            answer = self.send("PUT", f"/{self.bucket}/c", b"123456789", **{header: value})
            self.assertEqual((answer.status_code, answer.headers[header]), (200, value), answer.text)
            url = self.s3.generate_presigned_url("head_object", Params={"Bucket": self.bucket, "Key": "c"})
            again = requests.head(url, headers={"x-amz-checksum-mode": "ENABLED"}, timeout=60)
            self.assertEqual((again.headers[header], again.headers["x-amz-checksum-type"]), (value, "FULL_OBJECT"))
        self.assertNotIn("ChecksumSHA256", self.s3.head_object(**self.at))
        for value, code in (("bad", "InvalidRequest"), (sha256(b"other"), "BadDigest")):
            wrong = refusal(self.s3.put_object, **self.at, Body=body, ChecksumSHA256=value)
            self.assertEqual(wrong, [400, code])
        wrong = self.send("PUT", f"/{self.bucket}/w", b"x", Content_MD5=base64.b64encode(hashlib.md5(b"y").digest()).decode())
        self.assertEqual((wrong.status_code, "BadDigest" in wrong.text), (400, True))

    def test_s3_tests_checksums_of_parts_make_that_of_the_object(self) -> None:
        bodies = [b"1" * 5 * MIB, b"22"]
        digests = b"".join(hashlib.sha256(body).digest() for body in bodies)
        whole = f"{sha256(digests)}-2"
        upload = self.begun(ChecksumAlgorithm="SHA256")
        parts = []
        for number, body in enumerate(bodies, 1):
            part = self.s3.upload_part(**upload, PartNumber=number, Body=body, ChecksumAlgorithm="SHA256")
            self.assertEqual(part["ChecksumSHA256"], sha256(body))
            parts.append({"PartNumber": number, "ETag": part["ETag"], "ChecksumSHA256": part["ChecksumSHA256"]})
        self.assertEqual(self.s3.list_parts(**upload)["Parts"][1]["ChecksumSHA256"], sha256(b"22"))
        complete = self.s3.complete_multipart_upload
        without = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for part in parts]
        wrong = [{**part, "ChecksumSHA256": sha256(b"?")} for part in parts]
        self.assertEqual(refusal(complete, **upload, MultipartUpload={"Parts": without}), [400, "InvalidRequest"])
        self.assertEqual(refusal(complete, **upload, MultipartUpload={"Parts": wrong}), [400, "InvalidPart"])
        for value, code in (("bad", "InvalidRequest"), (f"{sha256(b'?')}-2", "BadDigest")):
            refused = refusal(complete, **upload, MultipartUpload={"Parts": parts}, ChecksumSHA256=value)
            self.assertEqual(refused, [400, code])
        done = complete(**upload, MultipartUpload={"Parts": parts}, ChecksumSHA256=whole, ChecksumType="COMPOSITE")
        self.assertEqual((done["ChecksumSHA256"], done["ChecksumType"]), (whole, "COMPOSITE"))
        self.assertEqual(self.s3.head_object(**self.at, ChecksumMode="ENABLED")["ChecksumSHA256"], whole)

        upload = self.begun(ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
        parts = []
        for number, body in enumerate(bodies, 1):
            part = self.s3.upload_part(**upload, PartNumber=number, Body=body, ChecksumAlgorithm="CRC32")
            parts.append({"PartNumber": number, "ETag": part["ETag"]})
        of_bytes = crc32(b"".join(bodies))
        done = {"MultipartUpload": {"Parts": parts}, "ChecksumType": "FULL_OBJECT"}
        self.assertEqual(refusal(complete, **upload, **done, ChecksumCRC32=crc32(b"?")), [400, "BadDigest"])
        answer = complete(**upload, **done, ChecksumCRC32=of_bytes)
        self.assertEqual((answer["ChecksumCRC32"], answer["ChecksumType"]), (of_bytes, "FULL_OBJECT"))
        self.assertEqual(self.s3.get_object(**self.at, ChecksumMode="ENABLED")["ChecksumCRC32"], of_bytes)
        wrong = refusal(self.s3.create_multipart_upload, **self.at, ChecksumAlgorithm="SHA1", ChecksumType="FULL_OBJECT")
        self.assertEqual(wrong, [400, "InvalidRequest"])

    # Presigned

    def test_s3_tests_presigned_urls_last_a_second_to_seven_days(self) -> None:
        self.s3.put_object(**self.at, Body=b"x")
        for seconds, status in ((1, 200), (604800, 200), (604801, 403), (0, 403), (-1000, 403), (315360000, 403)):
            url = self.s3.generate_presigned_url("get_object", Params=self.at, ExpiresIn=seconds)
            self.assertEqual(requests.get(url, timeout=60).status_code, status, seconds)
        url = self.s3.generate_presigned_url("put_object", Params=self.at, ExpiresIn=-1000)
        self.assertEqual(requests.put(url, data=b"y", timeout=60).status_code, 403)
        url = self.s3.generate_presigned_url("get_object", Params=self.at, ExpiresIn=60)
        for wrong in (url.replace("Expires=60", "Expires=x"), url.replace("clip", "other"), url[:-4] + "0000"):
            self.assertEqual(requests.get(wrong, timeout=60).status_code, 403, wrong)

    # XML

    def test_field_fault_clients_xml_in_every_way_that_it_is_written(self) -> None:
        for key in ("a&b", "c", "d"):
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=b"x")
        delete = (
            "<?xml version='1.0' encoding='UTF-8'?><!-- by hand --><s3:Delete xmlns:s3='http://s3.amazonaws.com/doc/2006-03-01/'>"
            "<s3:Object><s3:Key><![CDATA[a&b]]></s3:Key><Owner><ID>1</ID></Owner></s3:Object>\n"
            "<Object><Key>&#99;</Key><VersionId/></Object><Quiet> true </Quiet></s3:Delete>"
        )
        for body, status in ((delete, 200), ("<Delete>", 400), ("<Other/>", 400), ("", 400)):
            answer = self.send("POST", f"/{self.bucket}?delete", body.encode())
            self.assertEqual(answer.status_code, status, answer.text)
            self.assertNotIn("<Key>", answer.text)
        self.assertEqual([found["Key"] for found in self.s3.list_objects_v2(Bucket=self.bucket)["Contents"]], ["d"])
        upload = self.begun()
        etag = self.s3.upload_part(**upload, PartNumber=1, Body=b"x")["ETag"].strip('"')
        parts = (
            "<CompleteMultipartUpload xmlns='http://s3.amazonaws.com/doc/2006-03-01/'><Part><LastModified>now</LastModified>"
            f"<ETag>&quot;{etag}&quot;</ETag><Size>1</Size><PartNumber>1</PartNumber><ChecksumCRC32/></Part>"
            "</CompleteMultipartUpload>"
        )
        path = f"/{self.bucket}/{self.at['Key']}?uploadId={upload['UploadId']}"
        unsigned = requests.post(self.endpoint.url + path, data=parts, timeout=60)
        self.assertEqual((unsigned.status_code, "AccessDenied" in unsigned.text), (403, True))
        wrong = base64.b64encode(hashlib.md5(b"?").digest()).decode()
        self.assertIn("BadDigest", self.send("POST", path, parts.encode(), Content_MD5=wrong).text)
        self.assertEqual(self.send("POST", path, parts.encode(), x_amz_acl="public-read").status_code, 501)
        url = self.s3.generate_presigned_url("complete_multipart_upload", Params=upload)
        answer = requests.post(url, data=parts, timeout=60)
        self.assertEqual((answer.status_code, "<ETag>" in answer.text), (200, True), answer.text)
        self.s3.head_object(**self.at)

    # Copy

    def test_s3_tests_copies_that_change_nothing_or_reach_beyond_are_refused(self) -> None:
        self.s3.put_object(**self.at, Body=b"12345", Metadata={"a": "1"})
        self.assertEqual(refusal(self.s3.copy_object, **self.at, CopySource=self.at), [400, "InvalidRequest"])
        self.s3.copy_object(**self.at, CopySource=self.at, MetadataDirective="REPLACE", Metadata={"a": "2"})
        self.assertEqual(self.s3.head_object(**self.at)["Metadata"], {"a": "2"})
        upload = self.begun()
        copy = {"CopySource": self.at, "PartNumber": 1}
        for wrong in ("bytes=0-21", "bytes=5-5", "bytes=0-a", "0-1"):
            refused = refusal(self.s3.upload_part_copy, **upload, **copy, CopySourceRange=wrong)
            self.assertEqual(refused, [400, "InvalidArgument"], wrong)
        self.s3.upload_part_copy(**upload, **copy, CopySourceRange="bytes=1-4")

    # Buckets and lists

    def test_s3_tests_buckets_are_named_made_and_found_as_in_s3(self) -> None:
        for name in ("foo-.bar", "foo.-bar", "foo..bar", "192.168.5.123", "Foo", "-foo", "fo"):
            answer = self.send("PUT", f"/{name}")
            self.assertEqual((answer.status_code, "InvalidBucketName" in answer.text), (400, True), f"{name}: {answer.text}")
        self.s3.put_object(**self.at, Body=b"x")
        self.s3.create_bucket(Bucket=self.bucket)
        self.s3.head_object(**self.at)
        self.assertIsNone(self.s3.get_bucket_location(Bucket=self.bucket)["LocationConstraint"])
        other = f"{self.bucket}-eu"
        for _ in range(1):
            self.s3.create_bucket(Bucket=other, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        self.assertEqual(self.s3.get_bucket_location(Bucket=other)["LocationConstraint"], "eu-west-1")
        self.assertEqual(self.s3.head_bucket(Bucket=other)["BucketRegion"], "eu-west-1")
        first = self.s3.list_buckets(MaxBuckets=1, Prefix=self.bucket)
        self.assertEqual([bucket["Name"] for bucket in first["Buckets"]], [self.bucket])
        rest = self.s3.list_buckets(MaxBuckets=1, Prefix=self.bucket, ContinuationToken=first["ContinuationToken"])
        self.assertEqual([bucket["Name"] for bucket in rest["Buckets"]], [other])
        self.assertNotIn("ContinuationToken", rest)
        self.assertEqual(self.s3.get_bucket_acl(Bucket=other)["Grants"][0]["Permission"], "FULL_CONTROL")
        self.s3.delete_bucket(Bucket=other)

    def test_s3_tests_at_most_a_thousand_keys_are_deleted_at_once(self) -> None:
        self.s3.put_object(**self.at, Body=b"x")
        many = {"Objects": [{"Key": self.at["Key"]}] + [{"Key": f"k{n}"} for n in range(1000)]}
        self.assertEqual(refusal(self.s3.delete_objects, Bucket=self.bucket, Delete=many), [400, "MalformedXML"])
        self.s3.head_object(**self.at)
        most = {"Objects": many["Objects"][:1000]}
        self.assertEqual(len(self.s3.delete_objects(Bucket=self.bucket, Delete=most)["Deleted"]), 1000)

    def test_s3_tests_lists_say_what_they_were_asked(self) -> None:
        for key in ("a/1", "b"):
            self.s3.put_object(Bucket=self.bucket, Key=key, Body=b"x")
        for call in (self.s3.list_objects, self.s3.list_objects_v2):
            answer = call(Bucket=self.bucket, Delimiter="")
            self.assertEqual([found["Key"] for found in answer["Contents"]], ["a/1", "b"])
            self.assertNotIn("Delimiter", answer)
        wrong = self.send("GET", f"/{self.bucket}?allow-unordered=true&delimiter=%2F")
        self.assertEqual((wrong.status_code, "InvalidArgument" in wrong.text), (400, True))
        self.assertEqual(self.send("GET", f"/{self.bucket}?allow-unordered=true").status_code, 200)
        owned = self.s3.list_objects_v2(Bucket=self.bucket, FetchOwner=True)["Contents"]
        self.assertTrue(all("Owner" in found for found in owned))

    # Errors

    def test_s3_tests_errors_have_a_text_and_the_identifier_of_the_header(self) -> None:
        self.s3.put_object(**self.at, Body=b"x")
        wrong = self.endpoint.client()
        wrong._request_signer._credentials.secret_key = "wrong"
        url = wrong.generate_presigned_url("get_object", Params=self.at)
        plain = self.endpoint.url
        cases = [
            (url, 403, "SignatureDoesNotMatch"),
            (f"{plain}/{self.bucket}/{self.at['Key']}", 403, "AccessDenied"),
            (f"{plain}/{self.bucket}/never", 403, "AccessDenied"),
            (f"{plain}/{self.bucket}", 403, "AccessDenied"),
            (f"{plain}/no-such-bucket/never", 404, "NoSuchBucket"),
            (f"{plain}/no-such-bucket", 404, "NoSuchBucket"),
            (f"{plain}/", 403, "AccessDenied"),
        ]
        for address, status, code in cases:
            answer = requests.get(address, timeout=60)
            self.assertEqual((answer.status_code, f"<Code>{code}</Code>" in answer.text), (status, True), address)
            self.assertIn(f"<RequestId>{answer.headers['x-amz-request-id']}</RequestId>", answer.text)
            self.assertRegex(answer.text, "<Message>.{20,}</Message>")
        answer = self.send("GET", f"/{self.bucket}?policy")
        self.assertEqual(answer.status_code, 501)
        self.assertRegex(answer.text, "<Message>.{20,}</Message>")
        first, second = (self.s3.head_object(**self.at)["ResponseMetadata"]["RequestId"] for _ in range(2))
        self.assertTrue(first and second and first != second)


if __name__ == "__main__":
    unittest.main()
