"""What is due when, in one thread.

Invariant: actions run in the order of their times, those of one time in the order in which they were put down.

Absent: waiting. Whoever owns the agenda looks at it often enough.
"""

from __future__ import annotations

import heapq
import itertools
from typing import Callable, List, Tuple

Action = Callable[[], None]


class Agenda:
    """Actions with times."""

    def __init__(self) -> None:
        self._heap: List[Tuple[float, int, Action]] = []
        self._count = itertools.count()

    def put(self, at: float, action: Action) -> None:
        """`action` is due at `at`."""
        heapq.heappush(self._heap, (at, next(self._count), action))

    def run_due(self, now: float) -> None:
        """Does what is due. What that puts down is done the next time."""
        due = []
        while self._heap and self._heap[0][0] <= now:
            due.append(heapq.heappop(self._heap)[2])
        for action in due:
            action()
