"""The API of a live daemon against its own OpenAPI document: generated requests, and a generated client."""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import secrets
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PROGRAM = Path(os.environ.get("REELMILL_PROGRAM", ROOT / "target/debug/reelmill"))
BIN = Path(sys.executable).parent
CLIP = ROOT / "tests/fixtures/media/normal/tiny_aac_180p.mp4"

TOKEN = "a token of twenty letters and more"
TOKEN_DIGEST = hashlib.sha256(TOKEN.encode()).hexdigest()

WORKFLOW = """
name: poster
trigger: { bucket: uploads, key: 'in/**' }
output: { bucket: media }
activities:
  poster: { snapshot: { at: 0s, width: 80, name: poster.jpg } }
"""


class Daemon:
    """A daemon over a folder of its own, with one uploaded clip."""

    def __init__(self, folder: Path, config: str = "") -> None:
        (folder / "workflows").mkdir()
        (folder / "reelmill.yaml").write_text(config, encoding="utf-8")
        (folder / "workflows/poster.yaml").write_text(WORKFLOW, encoding="utf-8")
        command = [PROGRAM, "serve", "--json", "--api", "127.0.0.1:0", "--s3-endpoint", "127.0.0.1:0"]
        command += ["--config", folder / "reelmill.yaml"]
        command += ["--data", folder / "data", "--workflows", folder / "workflows"]
        environment = {**os.environ, "REELMILL_LOG": "error"}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, env=environment, text=True
        )
        self.url = json.loads(self.process.stdout.readline())["api"]
        subprocess.run([PROGRAM, "put", CLIP, "s3://uploads/clip.mp4", "--data", folder / "data"], check=True)

    def stop(self) -> int:
        """Asks it to end; answers its exit code."""
        self.process.terminate()
        code = self.process.wait(timeout=60)
        self.process.stdout.close()
        return code


class OpenApi(unittest.TestCase):
    """One daemon for all tests."""

    folder: tempfile.TemporaryDirectory
    daemon: Daemon

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = tempfile.TemporaryDirectory()
        cls.daemon = Daemon(Path(cls.folder.name))

    @classmethod
    def tearDownClass(cls) -> None:
        code = cls.daemon.stop()
        cls.folder.cleanup()
        assert code == 0, f"the daemon ended with {code}"

    def test_generated_requests_meet_only_what_the_document_says(self) -> None:
        """schemathesis finds no failure, also in chains of requests."""
        self.generate_requests(self.daemon)

    def test_generated_requests_meet_only_what_the_document_says_where_tokens_are_needed(self) -> None:
        """The same with tokens, without which nothing but health is told."""
        with tempfile.TemporaryDirectory() as folder:
            daemon = Daemon(Path(folder), f"api: {{ tokens: [{{ name: all, scope: admin, token: 'sha256:{TOKEN_DIGEST}' }}] }}")
            try:
                self.generate_requests(daemon, "--header", f"Authorization: Bearer {TOKEN}")
            finally:
                self.assertEqual(daemon.stop(), 0)

    def generate_requests(self, daemon: Daemon, *more: str) -> None:
        seed = os.environ.get("SCHEMATHESIS_SEED") or str(secrets.randbits(32))
        print(f"schemathesis: SCHEMATHESIS_SEED={seed}", file=sys.stderr)
        command = [BIN / "schemathesis", "--config-file", HERE / "schemathesis.toml", "run", f"{daemon.url}/v1/openapi.json"]
        command += ["--url", daemon.url, "--seed", seed, "--max-examples", os.environ.get("SCHEMATHESIS_EXAMPLES", "12")]
        command += ["--workers", "1", "--request-timeout", "90", "--no-color", "--generation-database", "none"]
        environment = {**os.environ, "PYTHONPATH": str(HERE)}
        done = subprocess.run([*command, *more], capture_output=True, text=True, cwd=self.folder.name, env=environment)
        self.assertEqual(done.returncode, 0, done.stdout[-8000:] + done.stderr[-2000:])

    def test_a_generated_client_submits_polls_and_reads_the_result(self) -> None:
        """openapi-python-client makes a client of the committed document, which does a job."""
        out = Path(self.folder.name) / "generated"
        command = [BIN / "openapi-python-client", "generate", "--path", ROOT / "schemas/openapi.json"]
        command += ["--output-path", out, "--meta", "none", "--overwrite", "--config", ROOT / "tests/api/client.yaml"]
        made = subprocess.run(command, capture_output=True, text=True, timeout=120)
        self.assertEqual(made.returncode, 0, made.stdout + made.stderr)
        self.assertNotIn("WARNING", made.stdout + made.stderr)
        sys.path.insert(0, str(out.parent))
        self.addCleanup(sys.path.remove, str(out.parent))

        def module(name: str) -> Any:
            return importlib.import_module(f"generated.{name}")

        client = module("client").Client(base_url=self.daemon.url, raise_on_unexpected_status=True)
        models = module("models")
        body = models.JobBody.from_dict(
            {"type": "analysis", "input": {"bucket": "uploads", "key": "clip.mp4"}, "user_data": "generated"}
        )
        job = module("api.jobs.submit_job").sync(client=client, body=body, idempotency_key="once")
        again = module("api.jobs.submit_job").sync(client=client, body=body, idempotency_key="once")
        self.assertEqual(job.id, again.id)
        shown = module("api.jobs.show_job").sync(job.id, client=client, wait="60s")
        self.assertEqual(shown.state, models.JobState.SUCCEEDED, shown)
        self.assertEqual(shown.result["video"][0]["codec"], "h264")
        refused = module("api.jobs.show_job").sync("00000000-0000-7000-8000-000000000000", client=client)
        self.assertEqual((refused.status, refused.code), (404, "STORE0006"))


if __name__ == "__main__":
    unittest.main()
