"""What a run does, and when: faults and uploads, made from a seed and nothing else.

Invariant: the same seed, length, store and number of daemons give the same plan on every machine and every Python 3.
Times are seconds from the start of the run. A target is a number; what it points at is decided when the fault is due,
among those that it can hit at that moment.

Absent: doing any of it (`faults`, `workload`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

# Shares of the kinds of faults. The first round has one of each, so that a short run has them all.
POSTGRES_FAULTS = {
    "kill_daemon": 3,
    "kill_worker": 3,
    "end_daemon": 1,
    "stop_daemon": 2,
    "stop_worker": 1,
    "cut_connections": 2,
    "restart_postgres": 1,
    "fill_scratch": 1,
}
SQLITE_FAULTS = {
    "kill_daemon": 3,
    "kill_worker": 3,
    "end_daemon": 1,
    "stop_daemon": 1,
    "stop_worker": 1,
    "fill_scratch": 1,
}
FAULTS = {"postgres": POSTGRES_FAULTS, "sqlite": SQLITE_FAULTS}

# Seconds between two faults.
PAUSE = {"postgres": (0.6, 2.0), "sqlite": (1.2, 3.2)}
FIRST_FAULT = 2.0

# Seconds between two uploads: what two processors carry while daemons die and start again.
UPLOADS_APART = (0.25, 0.95)
# Shares of the kinds of uploads.
UPLOADS = {"instant": 8, "small": 3, "both": 1, "broken": 2}
# How often an upload is a second one of the same key, comes in parts, is announced again, or late.
AGAIN, PARTS, REPEATED, LATE = 0.06, 0.15, 0.35, 0.3


@dataclass(frozen=True)
class Fault:
    """A fault: when, what, to whom, for how long."""

    at: float
    kind: str
    target: int
    duration: float


@dataclass(frozen=True)
class Announcement:
    """A message about an upload: how long after it, and which of its events it carries."""

    after: float
    events: Tuple[int, ...]


@dataclass(frozen=True)
class Upload:
    """An upload: when, what, how, and who is told of it."""

    at: float
    number: int
    kind: str
    clip: int
    # The number of the upload whose key it takes again.
    again: Optional[int]
    # In parts: announced as `Put` (event 0) and as `CompleteMultipartUpload` (event 1).
    parts: bool
    announcements: Tuple[Announcement, ...]


def faults(seed: int, seconds: float, store: str, lease: float) -> List[Fault]:
    """The faults of a run."""
    dice = random.Random(f"{seed} {store} faults")
    # How long each lasts; for daemons that are killed or asked to end: until they are started again.
    durations = {
        "kill_daemon": (0.1, 3.0),
        "end_daemon": (0.1, 3.0),
        "kill_worker": (0.0, 0.0),
        # Of several: also longer than the database lets a transaction wait for its daemon.
        "stop_daemon": (lease + 0.5, 4 * lease if store == "postgres" else 2 * lease),
        "stop_worker": (lease + 0.5, 3 * lease + 1.0),
        "cut_connections": (0.0, 2 * lease),
        "restart_postgres": (0.0, 0.0),
        "fill_scratch": (1.0, 4.0),
    }
    shares = FAULTS[store]
    made: List[Fault] = []
    deck = _shuffled(dice, list(shares))
    at = FIRST_FAULT
    while at < seconds:
        if not deck:
            deck = _shuffled(dice, [kind for kind, share in shares.items() for _ in range(share)])
        kind = deck.pop()
        target, duration = int(dice.random() * 1000), _between(dice, durations[kind])
        made.append(Fault(round(at, 3), kind, target, round(duration, 3)))
        at += _between(dice, PAUSE[store])
    return made


def uploads(seed: int, seconds: float, store: str, clips: Dict[str, int]) -> List[Upload]:
    """The uploads of a run. `clips` says how many files there are for each kind."""
    dice = random.Random(f"{seed} {store} uploads")
    kinds = [kind for kind, share in UPLOADS.items() for _ in range(share)]
    made: List[Upload] = []
    at = 0.0
    while at < seconds:
        number = len(made)
        earlier = made[int(dice.random() * number)] if number and dice.random() < AGAIN else None
        if earlier is None:
            kind = kinds[int(dice.random() * len(kinds))]
            clip, parts = int(dice.random() * clips[kind]), dice.random() < PARTS
            again = None
        else:
            # Announced like the first: a storage does not change its ways from one upload to the next.
            kind, clip, parts = earlier.kind, earlier.clip, earlier.parts
            again = earlier.number if earlier.again is None else earlier.again
        made.append(Upload(round(at, 3), number, kind, clip, again, parts, _announcements(dice, parts)))
        at += _between(dice, UPLOADS_APART)
    return made


def _announcements(dice: random.Random, parts: bool) -> Tuple[Announcement, ...]:
    """Each event at least once; some late, some again, some in one message."""
    if parts and dice.random() < 0.3:
        told = [(0, 1)]
    else:
        told = [(0,), (1,)] if parts else [(0,)]
    made = []
    for events in _shuffled(dice, told):
        delay = _between(dice, (0.5, 6.0)) if dice.random() < LATE else 0.0
        made.append(Announcement(round(delay, 3), events))
        if dice.random() < REPEATED:
            made.append(Announcement(round(delay + _between(dice, (0.0, 8.0)), 3), events))
    return tuple(made)


def _between(dice: random.Random, limits: Tuple[float, float]) -> float:
    low, high = limits
    return low + dice.random() * (high - low)


def _shuffled(dice: random.Random, items: list) -> list:
    """In any order. By `random()` alone, whose values no version of Python changes."""
    return [item for _, _, item in sorted((dice.random(), index, item) for index, item in enumerate(items))]
