"""One run over one store: start, faults and uploads, healing, the end, the snapshot.

Invariant: one thread. Nothing here waits for a daemon while the run lasts; a killed driver leaves no process behind.

Absent: judging (`checker`).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Dict, List, Optional

import processes
import rows
import schedule
import scratch
import workload
from agenda import Agenda
from aws import Aws
from checker.snapshot import Accepted, Remains, Snapshot
from daemon import Daemon
from faults import Faults
from postgres import Postgres
from schedule import Announcement, Upload
from surroundings import NoRun
from watch import Watch

LEASE_S = 3
WORKER = {"slots": 2, "lease": f"{LEASE_S}s", "drain": "1s", "grace": "1s", "stall": "10s"}
DAEMONS = {"postgres": 3, "sqlite": 1}
# Uploads wait while so many executions are open: a slow machine then has fewer, not a backlog.
MOST_OPEN = 30
TICK_S = 0.02
# How often the store and the buckets are looked at while the run lasts.
LOOK_S = 1.0
# A claimed notification of a killed daemon comes back after a minute; the rest of the work takes less.
HEALED_WITHIN_S = 240.0
EMPTY_WITHIN_S = 10.0


@dataclass
class Outcome:
    """What a run gave."""

    snapshot: Snapshot
    kills: int
    done: Counter
    missed: Counter
    refused_starts: int
    fills: bool
    healing_s: float


class Run:
    """A fleet, its surroundings, and what happens to it."""

    def __init__(self, store: str, seconds: float, seed: int, program: Path, folder: Path) -> None:
        self._kind, self._seconds, self._folder = store, seconds, folder
        self._faults_due = schedule.faults(seed, seconds, store, LEASE_S)
        self._uploads_due = schedule.uploads(seed, seconds, store, workload.clip_counts())
        self._clips = workload.Clips()
        self._uploads: List[Accepted] = []
        self._agenda = Agenda()
        self._stack = ExitStack()
        self._log = (folder / "driver.log").open("w", encoding="utf-8", buffering=1)
        self._stack.callback(self._log.close)
        self._open = 0
        try:
            self._prepare(program)
        except BaseException:
            self._stack.close()
            raise

    def __enter__(self) -> "Run":
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _prepare(self, program: Path) -> None:
        self._programs = self._folder / "bin"
        self._programs.mkdir()
        for name in ("reelmill", "reelmill-worker"):
            shutil.copy2(program.with_name(name) if name != "reelmill" else program, self._programs / name)
        names = [f"daemon-{number}" for number in range(1, DAEMONS[self._kind] + 1)]
        self._start_warden([self._folder / name / "scratch" for name in names])
        self._aws = Aws(self._folder / "moto.log")
        self._stack.callback(self._aws.end)
        self._postgres: Optional[Postgres] = None
        place = str(self._folder / "reelmill.db")
        if self._kind == "postgres":
            self._postgres = Postgres(self._folder / "postgres.log")
            self._stack.callback(self._postgres.end)
            place = self._postgres.url
        self._store = rows.Store(self._kind, place)
        workflows = self._folder / "workflows"
        workflows.mkdir()
        queues = self._aws.queues
        workload.write_workflows(workflows, queues[workload.TOLD], queues[workload.ENDED])
        self._daemons: List[Daemon] = []
        for name in names:
            folder = self._folder / name
            config = self._config(place, workflows, folder / "scratch")
            self._daemons.append(Daemon(name, folder, self._programs / "reelmill", config, self._aws.environment()))
        self._stack.callback(self._kill_daemons)
        self._fills = True
        for daemon in self._daemons:
            self._stack.callback(scratch.unmount, daemon.scratch)
            self._fills = scratch.mount(daemon.scratch) and self._fills
        self._faults = Faults(
            self._agenda, self._daemons, str(self._programs), self._postgres, self._fills, self._note
        )
        self._watch = Watch(self._aws, self._daemons, str(self._programs))

    def _start_warden(self, mounts: List[Path]) -> None:
        script = Path(__file__).with_name("warden.py")
        command = [sys.executable, "-B", str(script), str(self._programs), *map(str, mounts)]
        warden = subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True)

        def dismiss() -> None:
            warden.stdin.close()
            warden.wait()

        self._stack.callback(dismiss)

    def _config(self, place: str, workflows: Path, folder: Path) -> str:
        aws = {"region": "us-east-1", "endpoint": self._aws.url}
        queue = {"queue": self._aws.queues[workload.EVENTS], "wait": "1s", **aws}
        config = {
            "store": place if self._kind == "postgres" else f"sqlite:{place}",
            "objects": {"s3": {"path_style": True, **aws}},
            "s3_endpoint": None,
            "events": [{"sqs": queue}],
            "workflows": str(workflows),
            "worker": {**WORKER, "scratch": str(folder)},
        }
        # JSON is YAML.
        return json.dumps(config, indent=2)

    def _kill_daemons(self) -> None:
        for daemon in self._daemons:
            daemon.kill()

    def go(self) -> Outcome:
        """From the first daemon's start to the last one's end."""
        self._start_all()
        self._hurt()
        began = time.monotonic()
        self._heal()
        remains = self._end()
        healing = time.monotonic() - began
        snapshot = Snapshot(
            uploads=self._uploads,
            rows=self._store.read(),
            buckets={workload.MEDIA: self._aws.stored(workload.MEDIA)},
            received=self._aws.received(),
            remains=remains,
        )
        faults = self._faults
        refused = sum(daemon.refused for daemon in self._daemons)
        return Outcome(snapshot, faults.kills, faults.done, faults.missed, refused, self._fills, healing)

    def _start_all(self) -> None:
        for daemon in self._daemons:
            daemon.want()
        deadline = time.monotonic() + 60
        while not all(daemon.is_ready for daemon in self._daemons):
            self._look_after_daemons()
            if time.monotonic() > deadline or sum(daemon.refused for daemon in self._daemons) > 5:
                raise NoRun(f"the daemons do not start; see their logs in {self._folder}")
            time.sleep(TICK_S)

    def _hurt(self) -> None:
        """Uploads and faults until the time is up."""
        self._began = time.monotonic()
        for fault in self._faults_due:
            self._agenda.put(self._began + fault.at, lambda fault=fault: self._faults.strike(fault))
        due = list(reversed(self._uploads_due))
        look_at = told_at = self._began
        while (now := time.monotonic()) < self._began + self._seconds:
            self._agenda.run_due(now)
            self._look_after_daemons()
            if now >= look_at:
                self._look()
                look_at = time.monotonic() + LOOK_S
            if now >= told_at:
                self._say(f"{len(self._uploads)} uploads, {self._open} executions open, {self._faults.kills} kills")
                told_at = now + 10
            if due and self._began + due[-1].at <= now and self._open < MOST_OPEN:
                self._upload(due.pop())
            time.sleep(TICK_S)
        self._note(f"{len(due)} uploads were left out")

    def _look(self) -> None:
        work = self._store.open_work()
        if work is not None:
            self._open = work[0]
        self._watch.look_at_processes()
        self._watch.look_at_manifests()

    def _look_after_daemons(self) -> None:
        for daemon in self._daemons:
            daemon.look()

    def _upload(self, upload: Upload) -> None:
        clip, key = self._clips.of(upload), workload.key(upload)
        etag = (self._aws.put_in_parts if upload.parts else self._aws.put)(key, clip.body)
        when = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        self._open += 1

        def announce(announcement: Announcement) -> None:
            self._aws.announce(workload.message(upload, announcement, etag, len(clip.body), when))

        now = time.monotonic()
        for announcement in upload.announcements:
            self._agenda.put(now + announcement.after, lambda announcement=announcement: announce(announcement))
        self._uploads.append(workload.accepted(upload))
        self._note(f"uploaded {key}")

    def _heal(self) -> None:
        """Ends all faults, sends what is still to be announced, and waits until there is nothing left to do."""
        self._note("healing")
        self._faults.heal()
        self._agenda.run_due(float("inf"))
        deadline, idle, told_at = time.monotonic() + HEALED_WITHIN_S, 0, 0.0
        while idle < 2 and time.monotonic() < deadline:
            self._look_after_daemons()
            self._watch.look_at_processes()
            unread, work = self._aws.unread(), self._store.open_work()
            is_idle = unread == 0 and work == (0, 0) and all(daemon.is_ready for daemon in self._daemons)
            idle = idle + 1 if is_idle else 0
            if time.monotonic() >= told_at:
                left = "no answer" if work is None else "{} executions open, {} notifications to deliver".format(*work)
                self._say(f"healing: {unread} messages unread, {left}")
                told_at = time.monotonic() + 5
            time.sleep(0.4)
        self._note("idle" if idle else "gave up waiting")

    def _end(self) -> Remains:
        """Asks the daemons to end; answers what they leave."""
        until = time.monotonic() + EMPTY_WITHIN_S
        while self._in_scratch() and time.monotonic() < until:
            time.sleep(0.1)
        left = self._in_scratch()
        for daemon in self._daemons:
            daemon.look()
            daemon.ask_to_end()
        exits: Dict[str, Optional[int]] = {daemon.name: daemon.ended() for daemon in self._daemons}
        until = time.monotonic() + EMPTY_WITHIN_S
        while processes.running_from(str(self._programs)) and time.monotonic() < until:
            time.sleep(0.1)
        last = {f"{one.name} {one.pid}, after the end" for one in processes.running_from(str(self._programs))}
        return Remains(
            scratch=sorted(set(left) | set(self._in_scratch())),
            processes=sorted(self._watch.orphans | last),
            deaths=[death for daemon in self._daemons for death in daemon.deaths],
            exits=exits,
            early_manifests=self._watch.early_manifests,
            unread=self._aws.unread(),
        )

    def _in_scratch(self) -> List[str]:
        return [str(path) for daemon in self._daemons for path in daemon.scratch.rglob("*")]

    def _say(self, text: str) -> None:
        self._note(text)
        print(f"chaos: {self._kind}: {text}", flush=True)

    def _note(self, text: str) -> None:
        self._log.write(f"{datetime.now(timezone.utc).isoformat()} {text}\n")
