"""What the driver knows of processes, and what becomes of them when it is gone."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path
from typing import Callable

sys.dont_write_bytecode = True

import processes  # noqa: E402 (nothing is to be left beside the sources)

PATIENCE_S = 10.0


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether it comes true in time."""
    until = time.monotonic() + PATIENCE_S
    while not condition() and time.monotonic() < until:
        time.sleep(0.02)
    return condition()


class ProcessesOfARun(unittest.TestCase):
    """Those whose program lies in its folder."""

    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.program = Path(self.folder) / "reelmill-worker"
        shutil.copy2(shutil.which("sleep"), self.program)

    def start(self) -> subprocess.Popen:
        child = subprocess.Popen([str(self.program), "60"], stdin=subprocess.DEVNULL)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        self.assertTrue(eventually(lambda: bool(processes.running_from(self.folder))))
        return child

    def test_are_found_with_their_parent_and_state_until_they_end(self) -> None:
        child = self.start()
        [found] = processes.running_from(self.folder)
        self.assertEqual((found.pid, found.parent, found.name), (child.pid, os.getpid(), "reelmill-worker"))
        self.assertEqual(processes.descriptors(child.pid), 3)
        os.kill(child.pid, signal.SIGSTOP)
        self.assertTrue(eventually(lambda: processes.running_from(self.folder)[0].is_stopped))
        child.kill()
        self.assertTrue(eventually(lambda: not processes.running_from(self.folder)))

    def test_end_when_the_driver_does_stopped_ones_too(self) -> None:
        child = self.start()
        os.kill(child.pid, signal.SIGSTOP)
        script = Path(__file__).with_name("warden.py")
        warden = subprocess.Popen([sys.executable, "-B", str(script), self.folder], stdin=subprocess.PIPE)
        self.assertEqual(len(processes.running_from(self.folder)), 1)
        warden.stdin.close()
        self.assertEqual(warden.wait(timeout=PATIENCE_S), 0)
        self.assertEqual(child.wait(timeout=PATIENCE_S), -signal.SIGKILL)

    def test_are_known_by_their_connections(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            with socket.create_connection(("127.0.0.1", port)) as client:
                self.assertEqual(processes.ports_to(os.getpid(), port), [client.getsockname()[1]])
            self.assertEqual(processes.ports_to(os.getpid(), port + 1), [])


if __name__ == "__main__":
    unittest.main()
