"""One daemon of a run: its folder, its configuration, and its lives.

Invariant: a life that ends without being asked to, or otherwise than asked, is remembered (`deaths`), unless it never
became ready: a daemon that cannot reach its database at the start says so and ends, and whoever started it tries again.

Absent: deciding when it is killed (`faults`).
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Dict, List, Optional

# Between two starts, where the first came to nothing.
TRY_AGAIN_S = 0.5
# A drain, the last words of jobs, and a busy machine.
ENDS_WITHIN_S = 40.0


class Daemon:
    """A daemon that is started again and again."""

    def __init__(self, name: str, folder: Path, program: Path, config: str, environment: Dict[str, str]) -> None:
        self.name, self.folder, self._program = name, folder, program
        self.scratch = folder / "scratch"
        self.scratch.mkdir(parents=True)
        (folder / "reelmill.yaml").write_text(config, encoding="utf-8")
        self._environment = {"PATH": os.environ.get("PATH", ""), "NO_COLOR": "1", "REELMILL_LOG": "info", **environment}
        self._process: Optional[subprocess.Popen] = None
        self._lives = 0
        self._ready = False
        self._wanted = False
        self._start_at = 0.0
        self._asked_at: Optional[float] = None
        self.is_stopped = False
        self.refused = 0
        self.deaths: List[str] = []

    @property
    def pid(self) -> Optional[int]:
        """Its process, while there is one."""
        return self._process.pid if self._process else None

    @property
    def is_ready(self) -> bool:
        """Whether it works, is not held up and not about to end."""
        return self._process is not None and self._ready and not self.is_stopped and self._asked_at is None

    @property
    def life(self) -> int:
        """Which of its lives this is."""
        return self._lives

    def want(self, after: float = 0.0) -> None:
        """It shall run, from `after` seconds on."""
        self._wanted, self._start_at = True, time.monotonic() + after

    def look(self) -> None:
        """Starts it where it shall run, and sees what became of it."""
        if self._process is None:
            if self._wanted and time.monotonic() >= self._start_at:
                self._start()
            return
        if not self._ready:
            self._ready = self._has_said_so()
        code = self._process.poll()
        if code is not None:
            self._has_ended(code)
        elif self._asked_at is not None and time.monotonic() > self._asked_at + ENDS_WITHIN_S:
            self.deaths.append(f"{self.name} did not end when asked to; its log is {self._log()}")
            self._process.kill()
            self._process.wait()
            self._forget()

    def _has_ended(self, code: int) -> None:
        if self._asked_at is not None and code != 0:
            self.deaths.append(f"{self.name} was asked to end and did so with {code}; its log is {self._log()}")
        elif self._asked_at is None and self._ready:
            self.deaths.append(f"{self.name} ended by itself with {code}; its log is {self._log()}")
        if not self._ready:
            self.refused += 1
            self._start_at = time.monotonic() + TRY_AGAIN_S
        self._forget()

    def kill(self) -> None:
        """Kills it without warning; it stays down until it is wanted."""
        self._wanted = False
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        self._forget()

    def stop(self) -> None:
        """Holds it up."""
        self._process.send_signal(signal.SIGSTOP)
        self.is_stopped = True

    def go_on(self) -> None:
        """Lets it go on."""
        if self._process is not None and self.is_stopped:
            self._process.send_signal(signal.SIGCONT)
            self.is_stopped = False

    def ask_to_end(self) -> None:
        """Sends SIGTERM; it stays down until it is wanted."""
        self._wanted = False
        if self._process is not None:
            self._process.terminate()
            self._asked_at = time.monotonic()

    def ended(self) -> Optional[int]:
        """Its exit code, once it has ended; nothing where it does not."""
        if self._process is None:
            return None
        try:
            code = self._process.wait(timeout=ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            self.kill()
            return None
        self._forget()
        return code

    def _start(self) -> None:
        self._lives += 1
        command = [str(self._program), "serve", "--json", "--api", "127.0.0.1:0"]
        command += ["--config", str(self.folder / "reelmill.yaml"), "--data", str(self.folder)]
        with open(self._log(), "wb") as errors, open(self._said(), "wb") as said:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=errors,
                env=self._environment,
                start_new_session=True,
            )

    def _has_said_so(self) -> bool:
        lines = self._said().read_text(encoding="utf-8").splitlines(keepends=True)
        return bool(lines) and lines[0].endswith("\n") and json.loads(lines[0])["type"] == "ready"

    def _log(self) -> Path:
        return self.folder / f"life-{self._lives:03}.log"

    def _said(self) -> Path:
        return self.folder / f"life-{self._lives:03}.out"

    def _forget(self) -> None:
        self._process, self._ready, self.is_stopped, self._asked_at = None, False, False, None
