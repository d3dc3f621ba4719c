"""What can only be seen while a run lasts: workers that outlive their daemon, playlists that come too early.

Invariant: what is seen is kept once, as a line of text; looking changes nothing.

Absent: what can be seen after the end as well (`checker`).
"""

from __future__ import annotations

import time
from typing import Dict, List, Set, Tuple

import processes
from aws import Aws
from checker.outputs import broken_names
from daemon import Daemon
from workload import MEDIA

# How long a worker may take to notice that its daemon is gone; this machine may be very busy.
NOTICES_S = 6.0


class Watch:
    """Looks now and then."""

    def __init__(self, aws: Aws, daemons: List[Daemon], programs: str) -> None:
        self._aws, self._daemons, self._programs = aws, daemons, programs
        self._alone: Dict[Tuple[int, int], float] = {}
        self._read: Set[str] = set()
        self.orphans: Set[str] = set()
        self.early_manifests: List[str] = []

    def look_at_processes(self) -> None:
        """Notes workers whose daemon is gone."""
        daemons = {daemon.pid for daemon in self._daemons}
        alone = {}
        for one in processes.running_from(self._programs):
            # One that is held up cannot notice anything.
            if one.parent in daemons or one.pid in daemons or one.is_stopped:
                continue
            name = (one.pid, one.started)
            alone[name] = self._alone.get(name, time.monotonic())
            if time.monotonic() - alone[name] > NOTICES_S:
                self.orphans.add(f"{one.name} {one.pid}, alone for {NOTICES_S} s")
        self._alone = alone

    def look_at_manifests(self) -> None:
        """Notes playlists that name what is not there yet."""
        new = [key for key in self._aws.listed(MEDIA) if key.endswith(".m3u8") and key not in self._read]
        texts = {key: self._aws.text(MEDIA, key) for key in new}
        # Listed after the playlists were read: what they name was there before them.
        there = self._aws.listed(MEDIA) if new else {}
        for key, text in texts.items():
            missing = broken_names(key, text, there)
            if missing:
                self.early_manifests.append(f"{key}: {missing}")
        self._read.update(new)
