"""What the checker is given: plain data, no connection to anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Tuple

Row = Dict[str, Any]
# By table, each in the order of its key.
Rows = Dict[str, List[Row]]


@dataclass(frozen=True)
class Accepted:
    """An upload that was accepted: one of `sequencers` is in the ledger, and each of `workflows` is started."""

    bucket: str
    key: str
    sequencers: Tuple[str, ...]
    workflows: Tuple[str, ...]
    intact: bool

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key} ({', '.join(self.sequencers)})"


@dataclass(frozen=True)
class Stored:
    """An object of an output bucket; `text` is given for playlists."""

    size: int
    text: Optional[str] = None


@dataclass(frozen=True)
class Received:
    """A notification that a receiver got."""

    queue: str
    id: str
    execution: str
    state: str
    type: str


@dataclass
class Remains:
    """What is left on the machine, and what was seen while the run lasted."""

    scratch: List[str] = field(default_factory=list)
    processes: List[str] = field(default_factory=list)
    deaths: List[str] = field(default_factory=list)
    # Exit codes of the daemons that were asked to end, by name; nothing for one that had to be killed.
    exits: Dict[str, Optional[int]] = field(default_factory=dict)
    early_manifests: List[str] = field(default_factory=list)
    # Messages in the queue of events.
    unread: int = 0


@dataclass
class Snapshot:
    """A run, after its end."""

    uploads: List[Accepted]
    rows: Rows
    # Objects by output bucket and key.
    buckets: Dict[str, Dict[str, Stored]]
    # In the order of reception, per queue.
    received: List[Received]
    remains: Remains
