"""What strikes, and what comes too late to."""

from __future__ import annotations

import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True

from agenda import Agenda  # noqa: E402 (nothing is to be left beside the sources)
from faults import Faults  # noqa: E402
from schedule import Fault  # noqa: E402


class _Daemon:
    """One that starts, so that nothing can be stopped yet, and is ready afterwards."""

    name, life, scratch = "daemon-1", 1, Path("/nonexistent")
    is_ready, is_stopped, pid = False, False, 0

    def stop(self) -> None:
        self.is_stopped = True

    def go_on(self) -> None:
        self.is_stopped = False

    def want(self, after: float = 0.0) -> None:
        pass


class Healing(unittest.TestCase):
    """Nobody undoes what strikes after it."""

    def test_a_fault_that_still_waits_strikes_nobody(self) -> None:
        daemon, agenda, notes = _Daemon(), Agenda(), []
        faults = Faults(agenda, [daemon], "/nonexistent", None, False, notes.append)
        faults.strike(Fault(at=0.0, kind="stop_daemon", target=0, duration=4.0))
        daemon.is_ready = True
        faults.heal()
        agenda.run_due(float("inf"))
        self.assertFalse(daemon.is_stopped, notes)
        self.assertEqual((faults.done, dict(faults.missed)), ({}, {"stop_daemon": 1}))


if __name__ == "__main__":
    unittest.main()
