"""Folding the log of one execution, entry by entry, and saying what does not follow.

Invariant: a rule of its own for each kind of entry, written from what the log promises; the engine is not asked. What
is found does not stop the fold: the entry is taken at its word, so that one fault is told once.

Absent: what the rows and the plan say about it (`executions`).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, List, Optional

from .plan import Plan
from .snapshot import Row
from .violation import Violation

ENDS = ("succeeded", "failed", "skipped", "cancelled")
MARKS = ("progress", "priority", "warning", "note")
# What an attempt's end leads to.
AFTER_ATTEMPT = {"attempt_failed": "retrying", "attempt_lost": "queued", "handed_back": "queued"}
# From where an activity ends in each way.
ENDS_FROM = {
    "succeeded": ("running",),
    "failed": ("running", "waiting"),
    "skipped": ("waiting",),
    "cancelled": ("waiting", "queued", "running", "retrying"),
}


@dataclass
class Activity:
    """An activity, as far as the log has come."""

    state: str = "waiting"
    attempt: int = 0
    # The entry that ended it.
    end: Optional[Dict[str, Any]] = None


@dataclass
class Reached:
    """A state of the execution that somebody may want to be told of."""

    run: int
    state: str


@dataclass
class History:
    """An execution, folded."""

    plan: Plan
    activities: List[Activity]
    state: str = "pending"
    run: int = 0
    stop_asked: bool = False
    expired: bool = False
    reached: List[Reached] = field(default_factory=list)
    violations: List[Violation] = field(default_factory=list)


def fold(execution: Row, plan: Plan, log: List[Row]) -> History:
    """The history of one execution."""
    history = History(plan, [Activity() for _ in plan.names])
    for position, entry in enumerate(log, 1):
        name = execution["id"]
        if entry["seq"] != position and not any(found.name == "log_gap" for found in history.violations):
            history.violations.append(Violation("log_gap", f"{name}: entry {position} has sequence {entry['seq']}"))
        where = f"{name}: entry {entry['seq']}: {entry['activity'] or ''} {entry['event']['type']}"
        if entry["event"]["type"] in MARKS:
            continue
        index = -1 if entry["activity"] is None else plan.index(entry["activity"])
        if entry["activity"] is None:
            found = _execution(history, entry["event"])
        elif index < 0:
            found = iter(["log_illegal"])
        else:
            found = _activity(history, index, entry)
        history.violations += [Violation(what, where) for what in found]
    return history


def _execution(history: History, event: Dict[str, Any]) -> Iterator[str]:
    kind = event["type"]
    if kind == "started":
        if history.state != "pending":
            yield "log_illegal"
        history.state, history.run = "running", 1
        history.reached.append(Reached(1, "running"))
    elif kind == "restarted":
        if history.state not in ("failed", "cancelled"):
            yield "log_illegal"
        history.state, history.run = "running", history.run + 1
        history.stop_asked = history.expired = False
        history.reached.append(Reached(history.run, "running"))
        for name in event["activities"]:
            activity = history.activities[history.plan.index(name)]
            activity.state, activity.end = "waiting", None
    elif kind in ("cancel_requested", "expired"):
        if history.state != "running":
            yield "log_illegal"
        history.stop_asked, history.expired = True, kind == "expired"
    elif kind == "ended":
        if history.state != "running":
            yield "log_illegal"
        if any(activity.end is None for activity in history.activities):
            yield "activity_open"
        history.state = event["state"]
        history.reached.append(Reached(history.run, event["state"]))
    else:
        yield "log_illegal"


def _activity(history: History, index: int, entry: Row) -> Iterator[str]:
    activity, kind = history.activities[index], entry["event"]["type"]
    if history.state != "running":
        yield "log_illegal"
    if kind == "queued":
        if activity.state not in ("waiting", "retrying"):
            yield "log_illegal"
        elif any(history.activities[need].end is None for need in history.plan.needs[index]):
            yield "need_ignored"
        activity.state = "queued"
    elif kind == "claimed":
        if activity.state in ("running", "retrying"):
            yield "claimed_too_early"
        elif activity.state != "queued":
            yield "log_illegal"
        elif entry["attempt"] != activity.attempt + 1:
            yield "attempt_order"
        activity.state, activity.attempt = "running", entry["attempt"]
    elif kind == "stopping":
        if activity.state != "running" or not history.stop_asked:
            yield "log_illegal"
    elif kind in AFTER_ATTEMPT:
        if activity.state != "running":
            yield "log_illegal"
        elif entry["attempt"] != activity.attempt:
            yield "late_word"
        activity.state = AFTER_ATTEMPT[kind]
    elif kind in ENDS:
        if activity.end is not None:
            yield "ended_twice"
        elif activity.state not in ENDS_FROM[kind]:
            yield "log_illegal"
        elif activity.state == "running" and entry["attempt"] != activity.attempt:
            yield "late_word"
        if not _has_reason(history, entry["event"]):
            yield "reason_missing"
        activity.state, activity.end = kind, entry["event"]
    else:
        yield "log_illegal"


def _has_reason(history: History, event: Dict[str, Any]) -> bool:
    if event["type"] == "failed":
        failure = event.get("failure") or {}
        return all(failure.get(part) for part in ("code", "class", "blame", "message"))
    if event["type"] == "skipped":
        return bool((event.get("reason") or {}).get("because"))
    return event["type"] == "succeeded" or history.stop_asked
