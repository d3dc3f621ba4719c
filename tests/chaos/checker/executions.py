"""Executions: ended, with a log that folds, and rows that say the same."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Dict, Iterator, List, Tuple

from . import plan as plans
from .history import ENDS, History, fold
from .snapshot import Row, Snapshot
from .violation import Violation

# What comes of killing a worker or a daemon again and again.
KILLED = ("WORKER0004", "ENG0001", "ENG0002")


def histories(snapshot: Snapshot) -> Iterator[Tuple[Row, History]]:
    """Each execution with its folded log."""
    read = {row["id"]: plans.read(row["body"]) for row in snapshot.rows["plans"]}
    logs: Dict[int, List[Row]] = defaultdict(list)
    for entry in snapshot.rows["log"]:
        logs[entry["execution"]].append(entry)
    for execution in snapshot.rows["executions"]:
        yield execution, fold(execution, read[execution["plan"]], logs[execution["seq"]])


def check(snapshot: Snapshot) -> Iterator[Violation]:
    """Holds logs, executions and jobs against each other."""
    jobs: Dict[int, List[Row]] = defaultdict(list)
    for job in snapshot.rows["jobs"]:
        jobs[job["execution"]].append(job)
    broken = {(upload.bucket, upload.key) for upload in snapshot.uploads if not upload.intact}
    for execution, history in histories(snapshot):
        yield from history.violations
        yield from _end(execution, history)
        yield from _jobs(execution, history, jobs[execution["seq"]])
        is_broken = (execution["input"]["bucket"], execution["input"]["key"]) in broken
        yield from _outcome(execution, history, is_broken)


def _end(execution: Row, history: History) -> Iterator[Violation]:
    name = execution["id"]
    if execution["state"] != history.state:
        yield Violation("execution_differs", f"{name} is {execution['state']}, by its log {history.state}")
    elif execution["state"] not in ENDS:
        yield Violation("execution_open", f"{name} of {execution['workflow']} is {execution['state']}")
    elif history.state != _verdict(history):
        yield Violation("verdict_wrong", f"{name} is {history.state}, by its activities {_verdict(history)}")


def _verdict(history: History) -> str:
    states = [activity.state for activity in history.activities]
    if history.expired:
        return "failed"
    if "cancelled" in states:
        return "cancelled"
    failed = [state == "failed" and not tolerated for state, tolerated in zip(states, history.plan.tolerated)]
    return "failed" if any(failed) else "succeeded"


def _jobs(execution: Row, history: History, jobs: List[Row]) -> Iterator[Violation]:
    found = {job["activity"]: (job["state"], job["attempt"], job["worker"]) for job in jobs}
    for index, activity in enumerate(history.activities):
        # Nobody holds the job of an execution that has ended.
        told = (activity.state, activity.attempt, None)
        if history.state in ENDS and found.pop(index, None) != told:
            where = f"{execution['id']}: {history.plan.names[index]}: by its log {told}"
            yield Violation("job_differs", where)
    if history.state in ENDS and found:
        yield Violation("job_differs", f"{execution['id']}: jobs of no activity: {found}")


def _outcome(execution: Row, history: History, is_broken: bool) -> Iterator[Violation]:
    if is_broken:
        if history.state == "succeeded":
            yield Violation("outcome_wrong", f"{execution['id']}: a broken upload succeeded")
        return
    for activity, name in zip(history.activities, history.plan.names):
        failure = (activity.end or {}).get("failure")
        if failure and not _is_of_the_surroundings(failure):
            yield Violation("outcome_wrong", f"{execution['id']}: {name}: {failure}")


def _is_of_the_surroundings(failure: Dict[str, Any]) -> bool:
    """Whether an intact upload may fail so: for what another attempt may mend, when there are no more attempts."""
    passes = failure.get("blame") == "infrastructure" and failure.get("class") == "retry"
    return passes or failure.get("code") in KILLED
