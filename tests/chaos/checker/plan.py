"""The parts of a frozen plan that properties ask about, as they stand in the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Tuple

# What each end of an execution is called in `on`.
TOLD_AS = {"running": "started", "succeeded": "succeeded", "failed": "failed", "cancelled": "cancelled"}


@dataclass(frozen=True)
class Plan:
    """Activities by index, what each needs, and who is told of what."""

    names: Tuple[str, ...]
    kinds: Tuple[str, ...]
    tolerated: Tuple[bool, ...]
    needs: Dict[int, List[int]]
    # Queue and states, by position.
    targets: Tuple[Tuple[str, Tuple[str, ...]], ...]

    def index(self, name: str) -> int:
        """Index of an activity; -1 where there is none."""
        return self.names.index(name) if name in self.names else -1


def read(body: Dict[str, Any]) -> Plan:
    """A plan out of its stored form."""
    nodes, edges = body["graph"]["nodes"], body["graph"]["edges"]
    needs: Dict[int, List[int]] = {index: [] for index in range(len(nodes))}
    for before, after, _ in edges:
        needs[after].append(before)
    return Plan(
        names=tuple(node["name"] for node in nodes),
        kinds=tuple(node["kind"] for node in nodes),
        tolerated=tuple(node["on_failure"] == "continue" for node in nodes),
        needs=needs,
        targets=tuple((target["to"]["sqs"], tuple(target["on"])) for target in body["notify"]),
    )
