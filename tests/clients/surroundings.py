"""What the tests with clients of S3 share: a daemon with its embedded endpoint, and clients of it.

Absent: what is tested (`test_*.py`).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Dict, List

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "target/debug/reelmill"
REGION = "us-east-1"
PAGES = "https://app.example.org"

# Nothing takes this long unless it hangs.
HANG_S = 120.0

MIB = 1024 * 1024


class Endpoint:
    """A daemon with an endpoint on a port of its own, and no workflow."""

    def __init__(self, config: str = "") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="reelmill-clients-"))
        (self.folder / "workflows").mkdir()
        settings = self.folder / "reelmill.yaml"
        rules = f"s3_cors: [ {{ origins: ['{PAGES}', 'http://127.0.0.1:*'], expose: [ETag, x-amz-request-id] }} ]"
        settings.write_text(f"workflows: {self.folder / 'workflows'}\n{rules}\n{config}\n", encoding="utf-8")
        command = [str(PROGRAM), "serve", "--json", "--config", str(settings), "--data", str(self.folder / "data")]
        self._log = (self.folder / "log").open("wb")
        self._process = subprocess.Popen(
            [*command, "--api", "127.0.0.1:0", "--s3-endpoint", "127.0.0.1:0"],
            stdout=subprocess.PIPE,
            stderr=self._log,
            stdin=subprocess.DEVNULL,
        )
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(f"the daemon did not start: {(self.folder / 'log').read_text('utf-8')}")
        ready = json.loads(line)
        self.url: str = ready["s3_endpoint"]
        if "://" not in self.url:
            self.url = f"http://{self.url}"
        self.address = self.url.split("://")[1]
        self.port = int(self.address.rsplit(":", 1)[1])
        keys = json.loads((self.folder / "data/s3-credentials.json").read_text("utf-8"))
        self.key, self.secret = keys["access_key_id"], keys["secret_access_key"]

    def client(self, **settings: object):
        """boto3's client; `settings` are botocore's."""
        style = settings.pop("addressing_style", "path")
        settings.setdefault("signature_version", "s3v4")
        config = Config(s3={"addressing_style": style}, retries={"total_max_attempts": 1}, **settings)
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=self.key,
            aws_secret_access_key=self.secret,
            config=config,
        )

    def bucket(self) -> str:
        """A new bucket."""
        name = f"b-{uuid.uuid4().hex[:12]}"
        self.client().create_bucket(Bucket=name)
        return name

    def environment(self) -> Dict[str, str]:
        """What AWS's programs look for, and nothing of the one who runs the tests."""
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.folder),
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": self.secret,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "LC_ALL": "C.UTF-8",
        }

    def run(self, *command: str, ok: bool = True) -> str:
        """What a program says; it has to succeed, or has to fail."""
        own = Path(sys.executable).parent / command[0]
        done = subprocess.run(
            [str(own) if own.exists() else command[0], *command[1:]], env=self.environment(), capture_output=True, text=True, timeout=HANG_S, cwd=self.folder
        )
        said = done.stdout + done.stderr
        if (done.returncode == 0) != ok:
            raise AssertionError(f"{' '.join(command)} ended with {done.returncode}: {said}")
        return said

    def end(self) -> None:
        """Asks it to end, and removes what it kept."""
        self._process.terminate()
        self._process.wait(HANG_S)
        self._process.stdout.close()
        self._log.close()
        shutil.rmtree(self.folder)


def refusal(call, *args: object, **named: object) -> List[object]:
    """Status and code of a request that has to be refused."""
    try:
        call(*args, **named)
    except ClientError as error:
        answer = error.response
        return [answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"]["Code"]]
    raise AssertionError("the request was not refused")
