"""Reelmill's store as rows: read with SQL of the checker's own, not through the engine.

Invariant: both stores give the same tables with the same columns; identifiers are text, JSON is decoded.

Absent: what the rows mean (`checker`).
"""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections import Counter
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

import psycopg

from checker.snapshot import Row, Rows

# The columns that the checker knows, and the order in which it reads them.
TABLES = {
    "plans": ("id, body", "id"),
    "events": ("seq, identity, bucket, key, event, decisions, duplicates, unreadable", "seq"),
    "executions": ("seq, id, event, plan, workflow, state, input, created_at, ended_at", "seq"),
    "log": ("execution, seq, at, activity, attempt, mark, event", "execution, seq"),
    "jobs": ("execution, activity, id, state, attempt, worker, due_at, ended_at", "execution, activity"),
    "outputs": ("bucket, key, execution", "execution, bucket, key"),
    "outbox": ("id, execution, run, position, target, state, delivery, attempts, error", "id"),
}
_JSON = {("plans", "body"), ("events", "event"), ("events", "decisions"), ("executions", "input"), ("log", "event")}
_JSON |= {("outbox", "target")}
_OPEN = "SELECT count(*) FROM executions WHERE state IN ('pending', 'running')"
_UNTOLD = "SELECT count(*) FROM outbox WHERE delivery = 'pending'"

# Runs one statement and answers its rows.
Ask = Callable[[str], Sequence[Tuple[Any, ...]]]


class Store:
    """A store that the driver looks into."""

    def __init__(self, kind: str, place: str) -> None:
        self._kind, self._place = kind, place

    def open_work(self) -> Optional[Tuple[int, int]]:
        """Executions that have not ended and notifications not delivered; nothing where the store does not answer."""
        try:
            return self._with(lambda ask: (ask(_OPEN)[0][0], ask(_UNTOLD)[0][0]))
        except (sqlite3.Error, psycopg.Error):
            return None

    def read(self) -> Rows:
        """Everything, as it was at one moment."""
        return self._with(lambda ask: {table: _table(ask, table) for table in TABLES})

    def _with(self, use: Callable[[Ask], Any]) -> Any:
        if self._kind == "sqlite":
            db = sqlite3.connect(f"file:{self._place}?mode=ro", uri=True, timeout=2, isolation_level=None)
            try:
                db.execute("BEGIN")
                return use(lambda sql: db.execute(sql).fetchall())
            finally:
                db.close()
        with psycopg.connect(self._place, connect_timeout=2) as db:
            db.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            return use(lambda sql: db.execute(sql).fetchall())


def _table(ask: Ask, table: str) -> List[Row]:
    columns, order = TABLES[table]
    names = columns.split(", ")
    rows = ask(f"SELECT {columns} FROM {table} ORDER BY {order}")
    return [{name: _value(table, name, value) for name, value in zip(names, row)} for row in rows]


def _value(table: str, column: str, value: Any) -> Any:
    if value is not None and (table, column) in _JSON:
        return json.loads(value)
    if isinstance(value, bytes):
        return str(uuid.UUID(bytes=value))
    if isinstance(value, uuid.UUID):
        return str(value)
    return value


def counted(rows: Rows) -> Dict[str, Any]:
    """What a run came to, for people."""
    states = [row["state"] for row in rows["executions"]]
    kinds = [row["event"]["type"] for row in rows["log"]]
    failures = [row["event"]["failure"]["code"] for row in rows["log"] if row["event"]["type"] == "failed"]
    retried = [row["event"]["failure"]["code"] for row in rows["log"] if row["event"]["type"] == "attempt_failed"]
    return {
        "executions": len(states),
        "succeeded": states.count("succeeded"),
        "failed": states.count("failed"),
        "attempts": kinds.count("claimed"),
        "lost_attempts": kinds.count("attempt_lost"),
        "retried": dict(Counter(retried)),
        "failures": dict(Counter(failures)),
        "handed_back": kinds.count("handed_back"),
        "repeated_events": sum(row["duplicates"] for row in rows["events"]),
    }
