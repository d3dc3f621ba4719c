"""The PostgreSQL server of a run, and what can be done to it.

Invariant: a restart loses nothing that was committed. Commits are written to the log file before they are answered
(`synchronous_commit` stays on), and the operating system keeps what was written when the server is killed; only
flushing to disk is left out.

Absent: reading Reelmill's tables (`rows`).
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import List, Optional
from urllib.parse import urlsplit

import psycopg

from surroundings import NoRun

SCRIPT = Path(__file__).resolve().parent.parent.parent / "infra" / "postgres.sh"
SETTINGS = "fsync=off"
CUT = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = 'reelmill' AND client_port = ANY(%s)
"""


class Postgres:
    """A throwaway server. It ends with the driver: it watches its standard input."""

    def __init__(self, log: Path) -> None:
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [str(SCRIPT)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env={**os.environ, "POSTGRES_SETTINGS": SETTINGS},
                start_new_session=True,
            )
        told = self._process.stdout.readline().decode().split()
        if len(told) != 3:
            raise NoRun(f"PostgreSQL did not start; see {log}")
        self.url, self._keeper = told[0], int(told[2])
        self.port = urlsplit(self.url).port
        self._connection: Optional[psycopg.Connection] = None

    def restart(self) -> None:
        """Restarts the server at once, as after a crash; does not wait for it."""
        os.kill(self._keeper, signal.SIGHUP)

    def cut(self, ports: List[int]) -> int:
        """Ends the connections that come from these ports; answers how many."""
        try:
            if self._connection is None or self._connection.closed:
                self._connection = psycopg.connect(self.url, autocommit=True, connect_timeout=2)
            return len(self._connection.execute(CUT, [ports]).fetchall())
        except psycopg.Error:
            # The server is on its way down or up: there is nothing to cut.
            self._connection = None
            return 0

    def end(self) -> None:
        """Ends the server."""
        if self._connection is not None:
            self._connection.close()
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._process.stdout.close()
