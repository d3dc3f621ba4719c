"""Notifications: queued once for each state and receiver, in order, delivered, received."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Dict, Iterator, List, Tuple

from .executions import histories
from .plan import TOLD_AS
from .snapshot import Received, Row, Snapshot
from .violation import Violation

# Of one execution, receiver and run: the state that was told.
Told = Tuple[int, int, int, str]


def check(snapshot: Snapshot) -> Iterator[Violation]:
    """Holds the outbox against the logs, and what was received against the outbox."""
    rows: Dict[Told, List[Row]] = defaultdict(list)
    for row in snapshot.rows["outbox"]:
        rows[row["execution"], row["position"], row["run"], row["state"]].append(row)
    expected = set()
    for execution, history in histories(snapshot):
        for position, (queue, wanted) in enumerate(history.plan.targets):
            order = []
            for reached in history.reached:
                if TOLD_AS[reached.state] in wanted:
                    told = (execution["seq"], position, reached.run, reached.state)
                    expected.add(told)
                    order.append(told)
                    if not rows[told]:
                        where = f"{execution['id']}: {reached.state} in run {reached.run} to {queue}"
                        yield Violation("notification_lost", where)
            ids = [rows[told][0]["id"] for told in order if rows[told]]
            if ids != sorted(ids):
                yield Violation("notification_order", f"{execution['id']} to {queue}: {ids}")
    for told, found in rows.items():
        if told not in expected:
            yield from (Violation("notification_unasked", f"{row['id']}: {told}") for row in found)
        elif len(found) > 1:
            yield Violation("notification_duplicated", f"{told}: {[row['id'] for row in found]}")
        else:
            for row in found:
                if row["delivery"] != "delivered":
                    yield Violation("notification_undelivered", f"{row['id']}: {row['delivery']}: {row['error']}")
    yield from _received(snapshot)


def _received(snapshot: Snapshot) -> Iterator[Violation]:
    names = {execution["seq"]: execution["id"] for execution in snapshot.rows["executions"]}
    queued: Dict[Tuple[str, str], Row] = {}
    for row in snapshot.rows["outbox"]:
        queued[row["target"]["to"]["sqs"], f"{names[row['execution']]}-{row['id']}"] = row
    times = Counter((received.queue, received.id) for received in snapshot.received)
    for (queue, name), row in queued.items():
        # What was not delivered is told of the outbox.
        if row["delivery"] == "delivered" and times[queue, name] == 0:
            yield Violation("reception_lost", f"{name} by {queue}")
    first: Dict[Tuple[str, str], List[int]] = defaultdict(list)
    seen = set()
    for received in snapshot.received:
        row = queued.get((received.queue, received.id))
        if row is None or not _tells(received, row, names[row["execution"]]):
            yield Violation("reception_unasked", f"{received}")
        elif (received.queue, received.id) not in seen:
            seen.add((received.queue, received.id))
            first[received.queue, received.execution].append(row["id"])
    for (queue, execution), ids in first.items():
        if ids != sorted(ids):
            yield Violation("reception_order", f"{execution} by {queue}: {ids}")


def _tells(received: Received, row: Row, execution: str) -> bool:
    kind = f"reelmill.execution.{TOLD_AS[row['state']]}.v1"
    return (received.execution, received.state, received.type) == (execution, row["state"], kind)
