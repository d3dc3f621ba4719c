"""The CloudFormation template on moto, and a daemon that runs on what it made.

Moto knows no alarms, secrets and scaling, so a part of the template is deployed: buckets, queues, notification, role and
what these refer to, word for word.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple
from urllib.parse import unquote

import boto3
from botocore.config import Config
from cfnlint.decode import decode

from places import INFRA, PROGRAM

TEMPLATE = INFRA / "cloudformation.yaml"
ACCOUNT, REGION = "123456789012", "us-east-1"
UPLOADS, MEDIA = "acme-uploads", "acme-media"
PARAMETERS = {"UploadBucketName": UPLOADS, "MediaBucketName": MEDIA}
DEPLOYED = ["UploadBucket", "MediaBucket", "EventQueue", "DeadLetterQueue", "EventQueuePolicy", "TaskRole", "MetricLogs"]
OUTPUTS = ["UploadBucket", "MediaBucket", "EventQueueUrl", "DeadLetterQueueUrl"]
DAEMONS_KEY = "DAEMON"
HOST = Path(__file__).with_name("moto_host.py")
HANG_S = 120.0


def template() -> Dict[str, Any]:
    """The template with its short forms written out."""
    read, _ = decode(str(TEMPLATE))
    return json.loads(json.dumps(read))


def part_for_moto() -> Dict[str, Any]:
    """What of the template moto can make."""
    whole = template()
    resources = {name: whole["Resources"][name] for name in DEPLOYED}
    outputs = {name: whole["Outputs"][name] for name in OUTPUTS}
    parameters = {name: whole["Parameters"][name] for name in PARAMETERS}
    return {"Parameters": parameters, "Resources": resources, "Outputs": outputs}


class Cloud:
    """Moto's server in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "requests.jsonl"
        with (folder / "moto.log").open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-B", str(HOST), str(self._log)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
        self.url = self._process.stdout.readline().decode().strip()
        if not self.url:
            raise RuntimeError(f"moto did not start: {(folder / 'moto.log').read_text()}")

    def client(self, service: str) -> Any:
        """A client with keys that are not the daemon's."""
        config = Config(s3={"addressing_style": "path"}) if service == "s3" else None
        keys = {"aws_access_key_id": "TEST", "aws_secret_access_key": "test"}
        return boto3.client(service, endpoint_url=self.url, region_name=REGION, config=config, **keys)

    def deploy(self) -> Dict[str, str]:
        """Makes the stack; answers its outputs."""
        client = self.client("cloudformation")
        parameters = [{"ParameterKey": name, "ParameterValue": value} for name, value in PARAMETERS.items()]
        body = json.dumps(part_for_moto())
        client.create_stack(StackName="media", TemplateBody=body, Parameters=parameters, Capabilities=["CAPABILITY_IAM"])
        stack = client.describe_stacks(StackName="media")["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}

    def asked_by_daemon(self) -> Iterator[Tuple[str, str]]:
        """Actions and resources, as a policy names them, of all that the daemon asked for."""
        for line in self._log.read_text(encoding="utf-8").splitlines():
            request = json.loads(line)
            if f"Credential={DAEMONS_KEY}/" not in request["authorization"]:
                continue
            if request["target"]:
                service, operation = request["target"].split(".")
                assert service == "AmazonSQS", request
                yield f"sqs:{operation.removesuffix('Batch')}", "queue"
            else:
                yield _s3_action(request)

    def end(self) -> None:
        """Ends the server."""
        self._process.stdin.close()
        self._process.wait(timeout=20)
        self._process.stdout.close()


def _s3_action(request: Dict[str, str]) -> Tuple[str, str]:
    bucket, _, key = unquote(request["path"]).lstrip("/").partition("/")
    where = f"arn:aws:s3:::{bucket}" + (f"/{key}" if key else "")
    aborts = "uploadId=" in request["query"]
    if not key:
        return {"GET": "s3:ListBucket", "HEAD": "s3:ListBucket", "PUT": "s3:CreateBucket"}[request["method"]], where
    actions = {"GET": "s3:GetObject", "HEAD": "s3:GetObject", "PUT": "s3:PutObject", "POST": "s3:PutObject"}
    actions["DELETE"] = "s3:AbortMultipartUpload" if aborts else "s3:DeleteObject"
    return actions[request["method"]], where


class Daemon:
    """A daemon with the environment that the template gives its container."""

    def __init__(self, cloud: Cloud, event_queue: str, workflow: str, folder: Path) -> None:
        workflows = folder / "workflows"
        workflows.mkdir()
        (workflows / "workflow.yaml").write_text(workflow, encoding="utf-8")
        environment = {
            **self._environment(event_queue),
            # What is elsewhere on this machine.
            "REELMILL_CONFIG": str(INFRA / "container/aws.yaml"),
            "REELMILL_STORE": os.environ.get("REELMILL_POSTGRES", f"sqlite:{folder}/reelmill.db"),
            "REELMILL_WORKFLOWS": str(workflows),
            "AWS_ENDPOINT_URL": cloud.url,
            "AWS_ACCESS_KEY_ID": DAEMONS_KEY,
            "AWS_SECRET_ACCESS_KEY": "secret",
            "PATH": os.environ["PATH"],
        }
        self._log = folder / "daemon.log"
        command = [str(PROGRAM), "serve", "--json", "--api", "127.0.0.1:0", "--data", str(folder / "data")]
        with self._log.open("wb") as errors:
            self._process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors
            )
        first = self._process.stdout.readline()
        if not first:
            raise RuntimeError(f"the daemon did not start: {self._log.read_text()}")
        self.api = json.loads(first)["api"]

    @staticmethod
    def _environment(event_queue: str) -> Dict[str, str]:
        resolved = {"EventQueue": event_queue, "AWS::Region": REGION}
        found: Dict[str, str] = {}
        for variable in container()["Environment"]:
            value = variable["Value"]
            if isinstance(value, str):
                found[variable["Name"]] = value
            elif value.get("Ref") in resolved:
                found[variable["Name"]] = resolved[value["Ref"]]
        return found

    def log(self) -> str:
        """What it said."""
        return self._log.read_text(encoding="utf-8")

    def end(self) -> int:
        """Asks it to end; its exit code."""
        self._process.terminate()
        return self._process.wait(timeout=HANG_S)

    def kill(self) -> None:
        """Leaves nothing behind, whatever became of the test."""
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


def container(name: str = "reelmill") -> Dict[str, Any]:
    """A container of the task."""
    definitions = template()["Resources"]["Task"]["Properties"]["ContainerDefinitions"]
    return next(definition for definition in definitions if definition["Name"] == name)


def keys(s3: Any, bucket: str) -> List[str]:
    """Keys in a bucket."""
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def wait_for(what: str, ask: Any) -> Any:
    """Asks until there is an answer."""
    deadline = time.monotonic() + HANG_S
    while time.monotonic() < deadline:
        answer: Optional[Any] = ask()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"waited too long for {what}")


def started(folder: Path, workflow: str, undo: ExitStack) -> Tuple[Cloud, Dict[str, str], Daemon]:
    """A stack and a daemon on it."""
    cloud = Cloud(folder)
    undo.callback(cloud.end)
    outputs = cloud.deploy()
    daemon = Daemon(cloud, outputs["EventQueueUrl"], workflow, folder)
    undo.callback(daemon.kill)
    return cloud, outputs, daemon
