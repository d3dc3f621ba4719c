"""S3 and SQS for a run: moto in a process of its own, and what the driver does with them.

Invariant: an upload counts as accepted once the object is stored and its first message is sent.

Absent: deciding what is uploaded when (`schedule`), judging what comes out (`checker`).
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Dict, List, Tuple

import boto3
from botocore.config import Config

from checker.snapshot import Received, Stored
from surroundings import NoRun
from workload import ENDED, EVENTS, MEDIA, TOLD, UPLOADS, parts_of

KEYS = {"AWS_ACCESS_KEY_ID": "moto", "AWS_SECRET_ACCESS_KEY": "moto", "AWS_REGION": "us-east-1"}
HOST = Path(__file__).with_name("moto_host.py")


class Aws:
    """The server, two buckets and three queues."""

    def __init__(self, log: Path) -> None:
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-B", str(HOST)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                start_new_session=True,
            )
        self.url = self._process.stdout.readline().decode().strip()
        if not self.url:
            raise NoRun(f"moto did not start; see {log}")
        named = {
            "endpoint_url": self.url,
            "region_name": KEYS["AWS_REGION"],
            "aws_access_key_id": KEYS["AWS_ACCESS_KEY_ID"],
            "aws_secret_access_key": KEYS["AWS_SECRET_ACCESS_KEY"],
        }
        patient = {"retries": {"max_attempts": 10, "mode": "standard"}}
        self._s3 = boto3.client("s3", config=Config(s3={"addressing_style": "path"}, **patient), **named)
        self._sqs = boto3.client("sqs", config=Config(**patient), **named)
        for bucket in (UPLOADS, MEDIA):
            self._s3.create_bucket(Bucket=bucket)
        self.queues = {name: self._sqs.create_queue(QueueName=name)["QueueUrl"] for name in (EVENTS, TOLD, ENDED)}

    def environment(self) -> Dict[str, str]:
        """What a daemon needs to reach both."""
        return {**KEYS, "AWS_ENDPOINT_URL": self.url}

    def put(self, key: str, body: bytes) -> str:
        """Uploads in one request; answers the entity tag."""
        return self._s3.put_object(Bucket=UPLOADS, Key=key, Body=body)["ETag"].strip('"')

    def put_in_parts(self, key: str, body: bytes) -> str:
        """Uploads in parts; answers the entity tag."""
        where = {"Bucket": UPLOADS, "Key": key}
        upload = self._s3.create_multipart_upload(**where)["UploadId"]
        done = []
        for number, part in enumerate(parts_of(body), 1):
            answer = self._s3.upload_part(Body=part, PartNumber=number, UploadId=upload, **where)
            done.append({"PartNumber": number, "ETag": answer["ETag"]})
        whole = self._s3.complete_multipart_upload(UploadId=upload, MultipartUpload={"Parts": done}, **where)
        return whole["ETag"].strip('"')

    def announce(self, message: str) -> None:
        """Sends a message to the queue of events."""
        self._sqs.send_message(QueueUrl=self.queues[EVENTS], MessageBody=message)

    def unread(self) -> int:
        """Messages in the queue of events, hidden ones too."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        told = self._sqs.get_queue_attributes(QueueUrl=self.queues[EVENTS], AttributeNames=names)["Attributes"]
        return sum(int(told[name]) for name in names)

    def listed(self, bucket: str) -> Dict[str, int]:
        """Keys and sizes."""
        found: Dict[str, int] = {}
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
            found.update({entry["Key"]: entry["Size"] for entry in page.get("Contents", [])})
        return found

    def text(self, bucket: str, key: str) -> str:
        """What an object holds."""
        return self._s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode("utf-8", "replace")

    def stored(self, bucket: str) -> Dict[str, Stored]:
        """Everything in a bucket, with what its playlists say."""
        return {
            key: Stored(size, self.text(bucket, key) if key.endswith(".m3u8") else None)
            for key, size in self.listed(bucket).items()
        }

    def received(self) -> List[Received]:
        """What the receivers of notifications got, in the order in which it was sent."""
        return [received for name in (TOLD, ENDED) for received in self._drained(self.queues[name])]

    def _drained(self, url: str) -> List[Received]:
        told: List[Tuple[str, str]] = []
        while True:
            batch = self._sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
            if not batch:
                return [_received(url, body) for _, body in told]
            told += [(message["MessageId"], message["Body"]) for message in batch]
            entries = [{"Id": str(n), "ReceiptHandle": m["ReceiptHandle"]} for n, m in enumerate(batch)]
            self._sqs.delete_message_batch(QueueUrl=url, Entries=entries)

    def end(self) -> None:
        """Ends the server."""
        self._process.stdin.close()
        self._process.wait(timeout=20)
        self._process.stdout.close()


def _received(url: str, body: str) -> Received:
    event = json.loads(body)
    return Received(url, event["id"], event["subject"], event["data"]["state"], event["type"])
