"""Processes, as /proc tells of them.

Invariant: processes of a run are known by the file that they run, which lies in the run's own folder. Workers have no
environment and change their parent when it dies, so neither would do.

Absent: processes that have ended and only wait for somebody to ask how.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import List, Optional, Set


@dataclass(frozen=True)
class Process:
    """A process: `started` tells it from a later one with the same number."""

    pid: int
    parent: int
    state: str
    started: int
    program: str

    @property
    def is_stopped(self) -> bool:
        """Whether a signal stopped it."""
        return self.state == "T"

    @property
    def name(self) -> str:
        """File name of its program."""
        return os.path.basename(self.program)


def running_from(folder: str) -> List[Process]:
    """Processes whose program lies below `folder`."""
    below = os.path.join(os.path.realpath(folder), "")
    found = (_read(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return [process for process in found if process is not None and process.program.startswith(below)]


def _read(pid: int) -> Optional[Process]:
    try:
        # Of a deleted program the kernel says so after its name.
        program = os.readlink(f"/proc/{pid}/exe").replace(" (deleted)", "")
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            # The name in brackets may hold anything.
            fields = file.read().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return Process(pid, int(fields[1]), fields[0], int(fields[19]), program)


def descriptors(pid: int) -> int:
    """How many files and sockets process `pid` has open."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def ports_to(pid: int, port: int) -> List[int]:
    """Local ports of the TCP connections that process `pid` has to `port`."""
    sockets: Set[str] = set()
    try:
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            try:
                target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
            except OSError:
                continue
            if target.startswith("socket:["):
                sockets.add(target[len("socket:[") : -1])
        with open(f"/proc/{pid}/net/tcp", encoding="ascii") as file:
            rows = [line.split() for line in file][1:]
    except OSError:
        return []
    to_port = [row for row in rows if int(row[2].rpartition(":")[2], 16) == port and row[9] in sockets]
    return [int(row[1].rpartition(":")[2], 16) for row in to_port]
