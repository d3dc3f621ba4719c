"""POST forms: what a page lets its visitor upload, signed by somebody else."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import unittest
from typing import Dict, List, Optional
from urllib.parse import parse_qs, urlsplit

import requests

from surroundings import MIB, Endpoint

LATER = "2037-01-31T12:00:00.000Z"


class Forms(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.endpoint = Endpoint()
        cls.s3 = cls.endpoint.client()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.endpoint.end()

    def setUp(self) -> None:
        self.bucket = self.endpoint.bucket()

    def send(self, fields: Dict[str, str], body: bytes = b"bar", name: str = "clip.mp4", bucket: Optional[str] = None) -> requests.Response:
        url = f"{self.endpoint.url}/{bucket or self.bucket}"
        # Fields first, as browsers have them; the file is the last of the form.
        return requests.post(url, data=fields, files={"file": (name, body)}, timeout=60, allow_redirects=False)

    def signed(self, conditions: List[object], fields: Dict[str, str], expiration: str = LATER, document: Optional[object] = None) -> Dict[str, str]:
        """A form signed as by AWS's first signature: an HMAC of the policy."""
        policy = base64.b64encode(json.dumps(document or {"expiration": expiration, "conditions": conditions}).encode())
        signature = base64.b64encode(hmac.new(self.endpoint.secret.encode(), policy, hashlib.sha1).digest())
        return {**fields, "AWSAccessKeyId": self.endpoint.key, "policy": policy.decode(), "signature": signature.decode()}

    def plain(self) -> List[object]:
        return [{"bucket": self.bucket}, ["starts-with", "$key", "foo"], ["content-length-range", 0, 1024]]

    def test_s3_tests_forms_of_an_sdk_are_taken(self) -> None:
        post = self.s3.generate_presigned_post(self.bucket, "in/${filename}", ExpiresIn=3600)
        self.assertEqual(self.send(post["fields"], b"video", r"C:\films\clip one.mp4").status_code, 204)
        found = self.s3.get_object(Bucket=self.bucket, Key="in/clip one.mp4")
        self.assertEqual(found["Body"].read(), b"video")
        fields = self.signed(self.plain(), {"key": "${filename}"})
        self.assertEqual(self.send(fields, b"x", "foo.txt").status_code, 204)
        self.assertEqual(self.send(fields, b"x", "bar.txt").status_code, 403, "its name is not what the policy allows")
        large = bytes(range(256)) * 4096 * 70
        self.assertEqual(self.send(post["fields"], large, "large.bin").status_code, 204)
        head = self.s3.head_object(Bucket=self.bucket, Key="in/large.bin")
        self.assertEqual((head["ContentLength"], head["ETag"]), (len(large), f'"{hashlib.md5(large).hexdigest()}"'))

    def test_s3_tests_a_form_says_how_it_is_answered(self) -> None:
        for status, expected in (("200", 200), ("201", 201), ("204", 204), ("404", 204)):
            fields = {"key": "foo.txt", "success_action_status": status}
            answer = self.send(self.signed([*self.plain(), {"success_action_status": status}], fields))
            self.assertEqual(answer.status_code, expected)
            self.assertTrue(answer.headers["ETag"] and answer.headers["Location"].endswith(f"/{self.bucket}/foo.txt"))
            self.assertEqual("<Key>foo.txt</Key>" in answer.text, status == "201")
        page = "https://app.example.org/done?id=7"
        for name in ("success_action_redirect", "redirect"):
            fields = {"key": "foo/${filename}", name: page}
            answer = self.send(self.signed([*self.plain(), ["eq", f"${name}", page]], fields))
            self.assertEqual(answer.status_code, 303)
            target = parse_qs(urlsplit(answer.headers["Location"]).query)
            etag = f'"{hashlib.md5(b"bar").hexdigest()}"'
            self.assertEqual(target, {"id": ["7"], "bucket": [self.bucket], "key": ["foo/clip.mp4"], "etag": [etag]})
        fields = {"key": "foo.txt", "success_action_redirect": "not an address"}
        answer = self.send(self.signed([*self.plain(), ["starts-with", "$success_action_redirect", ""]], fields))
        self.assertEqual(answer.status_code, 204)

    def test_s3_tests_fields_are_kept_with_the_object(self) -> None:
        fields = {
            "key": "foo.txt",
            "Content-Type": "text/plain",
            "Cache-Control": "no-store",
            "Content-Disposition": "inline",
            "x-amz-meta-Title": "Gr\u00fc\u00dfe",
            "x-amz-checksum-sha256": base64.b64encode(hashlib.sha256(b"bar").digest()).decode(),
            "x-ignore-this": "1",
        }
        conditions = [*self.plain(), *[["starts-with", f"${name}", ""] for name in fields if name != "key"]]
        self.assertEqual(self.send(self.signed(conditions, fields)).status_code, 204)
        head = self.s3.head_object(Bucket=self.bucket, Key="foo.txt", ChecksumMode="ENABLED")
        self.assertEqual((head["ContentType"], head["CacheControl"], head["ContentDisposition"]), ("text/plain", "no-store", "inline"))
        self.assertEqual(head["ChecksumSHA256"], fields["x-amz-checksum-sha256"])
        self.assertEqual(head["Metadata"]["title"].encode("latin-1").decode(), "Gr\u00fc\u00dfe")
        for value in ("sailor", base64.b64encode(hashlib.sha256(b"?").digest()).decode()):
            answer = self.send(self.signed(conditions, {**fields, "x-amz-checksum-sha256": value}))
            self.assertEqual(answer.status_code, 400, answer.text)

    def test_s3_tests_a_form_that_breaks_its_policy_is_forbidden(self) -> None:
        good = {"key": "foo.txt"}
        cases = {
            "another bucket in the policy": self.signed([{"bucket": "other"}, ["starts-with", "$key", "foo"]], good),
            "a key that the policy does not allow": self.signed(self.plain(), {"key": "bar.txt"}),
            "a field that the policy does not name": self.signed(self.plain(), {**good, "x-amz-meta-a": "b"}),
            "a field that the policy names is missing": self.signed([*self.plain(), {"x-amz-meta-a": "b"}], good),
            "another value": self.signed([*self.plain(), {"x-amz-meta-a": "b"}], {**good, "x-amz-meta-a": "c"}),
            "expired": self.signed(self.plain(), good, expiration="2020-01-31T12:00:00Z"),
            "another bucket in the form": self.signed(self.plain(), {**good, "bucket": "other"}),
            "another signature": {**self.signed(self.plain(), good), "signature": "AAAA"},
            "another key pair": {**self.signed(self.plain(), good), "AWSAccessKeyId": "OTHER"},
            "no signature at all": good,
        }
        for what, fields in cases.items():
            answer = self.send(fields)
            self.assertEqual(answer.status_code, 403, f"{what}: {answer.text}")
        post = self.s3.generate_presigned_post(self.bucket, "foo")["fields"]
        self.assertEqual(self.send({**post, "x-amz-signature": "0" * 64}).status_code, 403)
        self.assertEqual(self.send({**post, "key": "other"}).status_code, 403)
        self.assertNotIn("Contents", self.s3.list_objects_v2(Bucket=self.bucket))

    def test_s3_tests_a_form_that_cannot_be_read_is_a_bad_request(self) -> None:
        good = {"key": "foo.txt"}
        plain = self.plain()
        cases = {
            "no key": self.signed([{"bucket": self.bucket}], {}),
            "no signature": {name: value for name, value in self.signed(plain, good).items() if name != "signature"},
            "no policy": {name: value for name, value in self.signed(plain, good).items() if name != "policy"},
            "a date as people write it": self.signed(plain, good, expiration="2037-01-31 12:00:00+00:00"),
            "no expiration": self.signed([], good, document={"conditions": plain}),
            "no conditions": self.signed([], good, document={"expiration": LATER}),
            "an empty condition": self.signed([{}], good),
            "half a range": self.signed([["content-length-range", 0]], good),
            "a negative range": self.signed([*plain[:2], ["content-length-range", -1, 0]], good),
            "too large": self.signed([*plain[:2], ["content-length-range", 0, 2]], good),
            "too small": self.signed([*plain[:2], ["content-length-range", 4, 20]], good),
            "no JSON": {**self.signed(plain, good), "policy": "e30"},
        }
        for what, fields in cases.items():
            answer = self.send(fields)
            # Whoever changed the policy has another signature first.
            expected = 403 if what == "no JSON" else 400
            self.assertEqual(answer.status_code, expected, f"{what}: {answer.text}")
            self.assertRegex(answer.text, "<Message>.{15,}</Message>")
        answer = requests.post(f"{self.endpoint.url}/{self.bucket}", data=self.signed(plain, good), timeout=60)
        self.assertGreaterEqual(answer.status_code, 400)
        twice = requests.post(f"{self.endpoint.url}/{self.bucket}/key", files={"file": b"x"}, timeout=60)
        self.assertEqual(twice.status_code, 405)
        self.assertNotIn("Contents", self.s3.list_objects_v2(Bucket=self.bucket))

    def test_s3_tests_names_of_fields_are_read_in_any_case(self) -> None:
        conditions = [{"bUcKeT": self.bucket}, ["StArTs-WiTh", "$KeY", "foo"], {"AcL": "private"}]
        self.assertEqual(self.send(self.signed(conditions, {"kEy": "foo.txt", "aCl": "private"})).status_code, 204)
        public = self.signed([*conditions[:2], {"acl": "public-read"}], {"key": "foo.txt", "acl": "public-read"})
        self.assertEqual(self.send(public).status_code, 501, "what would not be done is refused")

    def test_s3_tests_an_unsigned_form_is_not_read_to_its_end(self) -> None:
        endless = requests.post(
            f"{self.endpoint.url}/{self.bucket}",
            data=b"--b\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\n" + b"x" * 3 * MIB,
            headers={"Content-Type": "multipart/form-data; boundary=b"},
            timeout=60,
        )
        self.assertEqual((endless.status_code, "MaxPostPreDataLengthExceeded" in endless.text), (400, True), endless.text)
        unsigned = self.send({"key": "foo"}, b"x" * 3 * MIB)
        self.assertEqual(unsigned.status_code, 403)


if __name__ == "__main__":
    unittest.main()
