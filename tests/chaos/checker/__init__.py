"""The checker: holds what a run left behind against what it promised.

Invariant: pure functions over a `snapshot.Snapshot`; it shares no code with the engine and asks nobody anything.

Absent: collecting the snapshot (the driver), deciding what a violation costs (the driver's exit code).
"""

from __future__ import annotations

from typing import List

from . import executions, ledger, notifications, outputs, remains
from .snapshot import Snapshot
from .violation import Violation

PROPERTIES = (ledger.check, executions.check, outputs.check, notifications.check, remains.check)


def check(snapshot: Snapshot) -> List[Violation]:
    """Everything that is wrong."""
    return [violation for holds in PROPERTIES for violation in holds(snapshot)]
