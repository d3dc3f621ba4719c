"""What is left on the machine: nothing."""

from __future__ import annotations

from typing import Iterator

from .snapshot import Snapshot
from .violation import Violation


def check(snapshot: Snapshot) -> Iterator[Violation]:
    """Queue and scratch are empty, no process is left, daemons ended as they should."""
    remains = snapshot.remains
    if remains.unread:
        yield Violation("message_left", f"{remains.unread} messages")
    yield from (Violation("scratch_left", path) for path in remains.scratch)
    yield from (Violation("process_left", process) for process in remains.processes)
    yield from (Violation("daemon_died", death) for death in remains.deaths)
    for name, code in remains.exits.items():
        if code != 0:
            yield Violation("daemon_exit", f"{name}: {'it had to be killed' if code is None else code}")
    yield from (Violation("manifest_early", seen) for seen in remains.early_manifests)
