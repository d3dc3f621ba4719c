"""Uploads and what they started: each once, and nothing else."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Dict, Iterator, List, Tuple

from .snapshot import Accepted, Row, Snapshot
from .violation import Violation


def check(snapshot: Snapshot) -> Iterator[Violation]:
    """Holds the ledger and the executions against the uploads."""
    if not snapshot.uploads or not snapshot.rows["executions"]:
        yield Violation("nothing_ran", f"{len(snapshot.uploads)} uploads")
    started: Dict[int, List[Row]] = defaultdict(list)
    for execution in snapshot.rows["executions"]:
        started[execution["event"]].append(execution)
    events: Dict[Tuple[str, str, str], List[Row]] = defaultdict(list)
    for event in snapshot.rows["events"]:
        if event["event"] is not None:
            events[_announced(event)].append(event)
    asked = set()
    for upload in snapshot.uploads:
        names = [(upload.bucket, upload.key, sequencer) for sequencer in upload.sequencers]
        asked.update(names)
        found = [event for name in names for event in events[name]]
        if not found:
            yield Violation("upload_lost", str(upload))
        if len(found) > 1:
            yield Violation("upload_duplicated", f"{upload}: events {[event['seq'] for event in found]}")
        if found:
            yield from _starts(upload, [(event, one) for event in found for one in started[event["seq"]]])
    by_upload = {event["seq"] for name in asked for event in events[name]}
    for name, found in events.items():
        if name not in asked:
            yield from (Violation("event_unasked", f"event {event['seq']}: {name}") for event in found)
    for execution in snapshot.rows["executions"]:
        if execution["event"] not in by_upload:
            yield Violation("execution_unasked", f"{execution['id']} of {execution['workflow']}")


def _starts(upload: Accepted, started: List[Tuple[Row, Row]]) -> Iterator[Violation]:
    times = Counter(execution["workflow"] for _, execution in started)
    for workflow in upload.workflows:
        if times[workflow] == 0:
            yield Violation("execution_lost", f"{upload} did not start {workflow}")
        if times[workflow] > 1:
            yield Violation("execution_duplicated", f"{upload} started {workflow} {times[workflow]} times")
    for event, execution in started:
        if execution["workflow"] not in upload.workflows:
            yield Violation("execution_unasked", f"{upload} started {execution['workflow']}")
        worked_on = tuple(execution["input"].get(part) for part in ("bucket", "key", "etag"))
        announced = tuple(event["event"]["object"].get(part) for part in ("bucket", "key", "etag"))
        if worked_on != announced:
            yield Violation("input_differs", f"{execution['id']} works on {worked_on}, not on {announced}")


def _announced(event: Row) -> Tuple[str, str, str]:
    told = event["event"]
    return told["object"]["bucket"], told["object"]["key"], told.get("sequencer", "")
