"""infra/Dockerfile, .dockerignore, infra/compose.yaml and what the image brings along.

Absent: building the image, which needs a container engine and takes many minutes.
"""

from __future__ import annotations

import json
import platform
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import unittest
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Dict, List

from jsonschema import Draft202012Validator

import stack
from places import INFRA, PROGRAM, ROOT, documents, text

# Debian's base image has them.
IN_BASE = {"libc6", "libgcc-s1"}
HEALTH = INFRA / "container/health.sh"
# Stopped jobs and open requests have so long after the drain.
LAST_WORDS_S = 15


def stages() -> List[List[str]]:
    """The instructions of each stage, continued lines joined, comments left out."""
    lines = [line for line in text("infra/Dockerfile").splitlines() if not line.lstrip().startswith("#")]
    instructions = [line.strip() for line in "\n".join(lines).replace("\\\n", " ").splitlines() if line.strip()]
    found: List[List[str]] = []
    for instruction in instructions:
        if instruction.startswith("FROM "):
            found.append([])
        found[-1].append(re.sub(r"\s+", " ", instruction))
    return found


def installed(stage: List[str]) -> List[str]:
    """Packages that a stage installs."""
    found: List[str] = []
    for instruction in stage:
        for packages in re.findall(r"apt-get install ((?:[^&]|&(?!&))*)", instruction):
            found += [word for word in packages.split() if not word.startswith("-")]
    return found


class Image(unittest.TestCase):
    """The Dockerfile."""

    def test_the_final_stage_runs_as_a_numbered_user_without_what_only_building_needs(self) -> None:
        self.assertEqual(len(stages()), 2)
        final = stages()[-1]
        self.assertEqual([line for line in final if line.startswith("USER ")], ["USER 10001:10001"])
        self.assertFalse([name for name in installed(final) if name.endswith("-dev") or name in ("clang", "ffmpeg")])
        self.assertTrue(any(line.startswith("HEALTHCHECK ") for line in final))
        built = " ".join(stages()[0])
        self.assertTrue("target/release/reelmill " in built and "target/release/reelmill-worker" in built)

    def test_the_final_stage_has_every_library_that_the_programs_load(self) -> None:
        release = platform.freedesktop_os_release()
        if (release.get("ID"), release.get("VERSION_ID")) != ("debian", "12"):
            self.skipTest("the image is Debian 12, this machine is not")
        packages = set(installed(stages()[-1])) | IN_BASE
        for program in (PROGRAM, PROGRAM.with_name("reelmill-worker")):
            dynamic = subprocess.run(["readelf", "-d", program], capture_output=True, text=True, check=True).stdout
            for library in re.findall(r"\(NEEDED\).*\[(.+)\]", dynamic):
                asked = subprocess.run(["dpkg", "-S", f"*/{library}"], capture_output=True, text=True, check=True)
                names = {line.split(":")[0] for line in asked.stdout.splitlines()}
                self.assertTrue(names & packages, f"{program.name} loads {library}, of {names}")

    def test_the_build_context_is_what_cargo_needs_and_no_more(self) -> None:
        lines = text(".dockerignore").split()
        kept = [line[1:] for line in lines if line.startswith("!")]
        self.assertIn("*", lines)
        with tempfile.TemporaryDirectory() as folder:
            for name in kept:
                source, target = ROOT / name, Path(folder) / name
                target.parent.mkdir(parents=True, exist_ok=True)
                copy = shutil.copytree if source.is_dir() else shutil.copy
                copy(source, target)
            command = ["cargo", "metadata", "--no-deps", "--format-version=1", "--offline"]
            known = json.loads(subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout)
            programs = {one["name"]: one for one in known["packages"][0]["targets"] if one["kind"] == ["bin"]}
            self.assertEqual(set(programs), {"reelmill", "reelmill-worker"})
            for program in programs.values():
                self.assertTrue(Path(program["src_path"]).is_file(), program)
            for copied in re.findall(r"COPY (?:--chmod=\S+ )?(infra/\S+)", text("infra/Dockerfile")):
                self.assertTrue((Path(folder) / copied).is_file(), copied)

    def test_its_configuration_is_one(self) -> None:
        schema = json.loads(text("schemas/config.schema.json"))
        (configuration,) = documents(INFRA / "container/aws.yaml")
        Draft202012Validator(schema).validate(configuration)

    def test_health_is_what_the_daemon_says(self) -> None:
        with tempfile.TemporaryDirectory() as name, ExitStack() as undo:
            folder = Path(name)

            def health(path: str) -> int:
                asked = subprocess.run([HEALTH, path, folder / "data"], stderr=subprocess.DEVNULL, check=False)
                return asked.returncode

            self.assertNotEqual(health("/healthz"), 0, "no daemon yet")
            cloud = stack.Cloud(folder)
            undo.callback(cloud.end)
            daemon = stack.Daemon(cloud, "", "", folder)
            undo.callback(daemon.kill)
            self.assertEqual((health("/healthz"), health("/readyz")), (0, 0), daemon.log())
            self.assertNotEqual(health("/nowhere"), 0)
            daemon.kill()
            self.assertNotEqual(health("/healthz"), 0, "it is gone")

    def test_health_knows_addresses_of_ipv6(self) -> None:
        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        class Server(HTTPServer):
            address_family = socket.AF_INET6

        try:
            socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        except OSError:
            self.skipTest("there is no IPv6 here")
        with tempfile.TemporaryDirectory() as name, Server(("::1", 0), Answer) as server:
            running = {"api": f"http://[::1]:{server.server_port}"}
            (Path(name) / "daemon.json").write_text(json.dumps(running), encoding="utf-8")
            answering = threading.Thread(target=server.handle_request)
            answering.start()
            asked = subprocess.run([HEALTH, "/healthz", name], check=False)
            if asked.returncode != 0:
                socket.create_connection(("::1", server.server_port)).close()
            answering.join()
            self.assertEqual(asked.returncode, 0)


class Compose(unittest.TestCase):
    """infra/compose.yaml."""

    def setUp(self) -> None:
        (self.file,) = documents(INFRA / "compose.yaml")

    def test_what_it_names_is_there(self) -> None:
        reelmill = self.file["services"]["reelmill"]
        context = (INFRA / reelmill["build"]["context"]).resolve()
        self.assertTrue((context / reelmill["build"]["dockerfile"]).is_file())
        for service in self.file["services"].values():
            for volume in service["volumes"]:
                source = volume.split(":")[0]
                there = (INFRA / source).exists() if source.startswith(".") else source in self.file["volumes"]
                self.assertTrue(there, volume)
            for secret in service["secrets"]:
                self.assertIn(secret, self.file["secrets"])
                named = [value for value in service["environment"].values() if value.endswith(f"/run/secrets/{secret}")]
                self.assertEqual(len(named), 1, secret)

    def test_secrets_are_files_that_git_does_not_see(self) -> None:
        for secret in self.file["secrets"].values():
            self.assertEqual(list(secret), ["file"])
            path = f"infra/{secret['file']}"
            ignored = subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT, check=False)
            self.assertEqual(ignored.returncode, 0, path)

    def test_it_waits_for_a_healthy_database_and_for_the_drain(self) -> None:
        reelmill = self.file["services"]["reelmill"]
        self.assertEqual(reelmill["depends_on"], {"postgres": {"condition": "service_healthy"}})
        self.assertIn("pg_isready", self.file["services"]["postgres"]["healthcheck"]["test"])
        drain = seconds(reelmill["environment"]["REELMILL_WORKER_DRAIN"])
        self.assertGreaterEqual(seconds(reelmill["stop_grace_period"]), drain + LAST_WORDS_S)


class Settings(unittest.TestCase):
    """Environment variables of Reelmill's anywhere in infra/."""

    def test_each_is_documented(self) -> None:
        documented = set(re.findall(r"`(REELMILL_[A-Z0-9_]+)`", text("docs/configuration.md")))
        found: Dict[str, str] = {}
        for path in INFRA.rglob("*"):
            if path.is_file() and path.suffix in (".yaml", ".service", "") and "secrets" not in path.parts:
                found |= {name: path.name for name in re.findall(r"\bREELMILL_[A-Z0-9_]+", path.read_text("utf-8"))}
        self.assertIn("REELMILL_STORE", found)
        self.assertEqual({name: where for name, where in found.items() if name not in documented}, {})


def seconds(text_of_duration: str) -> int:
    """`60s` or `14m`."""
    units = {"s": 1, "m": 60, "h": 3600}
    return int(text_of_duration[:-1]) * units[text_of_duration[-1]]


if __name__ == "__main__":
    unittest.main()
