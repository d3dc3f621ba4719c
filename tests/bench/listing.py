"""How long a page of 1,000 executions takes with 1,000,000 in the store: answers of a live daemon, median and longest.

Rows are written by SQL into a database that the daemon has made, so that filling it takes seconds. Nothing is decided here:
the figures are for people.
"""

from __future__ import annotations

import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from pathlib import Path
from typing import Any, Iterator, List, Tuple

import psycopg

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("REELMILL_PROGRAM", ROOT / "target/release/reelmill"))
EXECUTIONS = int(os.environ.get("EXECUTIONS", "1000000"))
ROUNDS = 20
BEGIN_US = 1_700_000_000_000_000
INPUT = json.dumps({"bucket": "uploads", "key": "incoming/clip.mp4", "size_bytes": 380803, "etag": "1062beaa"})
QUERIES = ["", "&workflow=vod-7", "&state=failed", "&since=2023-11-14T22:13:20Z"]


def rows() -> Iterator[Tuple[Any, ...]]:
    """Executions of ten workflows, one in a hundred of which failed."""
    for seq in range(1, EXECUTIONS + 1):
        state = "failed" if seq % 100 == 0 else "succeeded"
        at = BEGIN_US + seq * 1_000
        yield (seq, uuid.UUID(int=seq), 1, f"vod-{seq % 10}", state, INPUT, "{}", at, at + 500)


def start(folder: Path, store: str) -> Tuple[subprocess.Popen, str]:
    """A daemon, and where it answers."""
    config = folder / "reelmill.yaml"
    config.write_text(f"store: {store}\ns3_endpoint: null\nretention: {{ executions: 36500d }}\n", encoding="utf-8")
    command = [PROGRAM, "serve", "--json", "--config", config, "--data", folder / "data", "--api", "127.0.0.1:0"]
    daemon = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env={**os.environ, "REELMILL_LOG": "error"})
    return daemon, json.loads(daemon.stdout.readline())["api"]


def stop(daemon: subprocess.Popen) -> None:
    """Asks it to end."""
    daemon.terminate()
    daemon.wait()


def fill_sqlite(path: Path) -> None:
    """Writes all rows."""
    with sqlite3.connect(path) as database:
        database.execute("INSERT INTO plans (id, digest, body) VALUES (1, '', '{}')")
        database.executemany(
            "INSERT INTO executions (seq, id, plan, workflow, state, input, params, created_at, ended_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            ((row[0], row[1].bytes, *row[2:]) for row in rows()),
        )
    database.close()


def fill_postgres(url: str) -> None:
    """Writes all rows."""
    with psycopg.connect(url) as database, database.cursor() as cursor:
        cursor.execute("INSERT INTO plans (id, hash, body) VALUES (1, sha256('1'), '{}')")
        columns = "seq, id, plan, workflow, state, input, params, created_at, ended_at"
        with cursor.copy(f"COPY executions ({columns}) FROM STDIN") as copy:
            for row in rows():
                copy.write_row(row)
    with psycopg.connect(url, autocommit=True) as database:
        database.execute("VACUUM ANALYZE executions")


def measure(what: str, api: str) -> None:
    """Prints how long pages take."""
    for query in QUERIES:
        times: List[float] = []
        for _ in range(ROUNDS):
            begin = time.perf_counter()
            with urllib.request.urlopen(f"{api}/v1/executions?limit=1000{query}") as answer:
                page = json.load(answer)
            times.append((time.perf_counter() - begin) * 1_000)
            assert len(page["items"]) == 1_000, len(page["items"])
        median, longest = statistics.median(times), max(times)
        print(f"{what:10}  {query or '(all)':32}  median {median:6.1f} ms  longest {longest:6.1f} ms")


def main() -> int:
    """SQLite always; PostgreSQL where `infra/postgres.sh` started one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stores = [("SQLite", f"sqlite:{folder / 'reelmill.db'}", lambda: fill_sqlite(folder / "reelmill.db"))]
        server = os.environ.get("REELMILL_POSTGRES")
        if server:
            database = f"listing_{uuid.uuid4().hex}"
            with psycopg.connect(server, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {database}")
            url = f"{server.rsplit('/', 1)[0]}/{database}"
            stores.append(("PostgreSQL", url, lambda: fill_postgres(url)))
        for what, store, fill in stores:
            # The daemon makes the tables.
            stop(start(folder, store)[0])
            fill()
            daemon, api = start(folder, store)
            try:
                measure(what, api)
            finally:
                stop(daemon)
    return 0


if __name__ == "__main__":
    sys.exit(main())
