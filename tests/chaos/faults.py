"""Doing to a fleet what the schedule says, and undoing it.

Invariant: everything that is done has its end in the agenda, and `heal` undoes whatever is still going on. A fault that
finds nothing to hit is counted as missed. Those that want a worker wait for one that is at work, and every second one
that wants a daemon waits for one whose workers are: most moments are quiet, and nothing much happens in them.

Absent: starting killed daemons again before their pause is over, whatever that means for the rest.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from typing import Callable, Dict, List, Optional

import processes
import scratch
from agenda import Agenda
from daemon import Daemon
from postgres import Postgres
from schedule import Fault

# How often a cut is repeated while it lasts, and how often a scratch folder is filled up.
AGAIN_S = 0.1
# How long a fault waits for somebody who is at work.
WAITS_S = 3.0
# What a worker has open that waits for its job; a job brings its inputs.
IDLE_DESCRIPTORS = 3


class Faults:
    """The hands of the schedule."""

    def __init__(
        self,
        agenda: Agenda,
        daemons: List[Daemon],
        programs: str,
        postgres: Optional[Postgres],
        fills: bool,
        note: Callable[[str], None],
    ) -> None:
        self._agenda, self._daemons, self._programs = agenda, daemons, programs
        self._postgres, self._fills = postgres, fills
        self._stopped_workers: List[processes.Process] = []
        self._healed = False
        self._note = note
        self.done: Counter = Counter()
        self.missed: Counter = Counter()

    @property
    def kills(self) -> int:
        """Processes that were killed."""
        return self.done["kill_daemon"] + self.done["kill_worker"]

    def strike(self, fault: Fault) -> None:
        """Does it."""
        self._try(fault, time.monotonic() + WAITS_S)

    def _try(self, fault: Fault, until: float) -> None:
        kinds: Dict[str, Callable[[Fault], Optional[str]]] = {
            "kill_daemon": self._kill_daemon,
            "kill_worker": self._kill_worker,
            "end_daemon": self._end_daemon,
            "stop_daemon": self._stop_daemon,
            "stop_worker": self._stop_worker,
            "cut_connections": self._cut_connections,
            "restart_postgres": self._restart_postgres,
            "fill_scratch": self._fill_scratch,
        }
        # One that still waits for somebody to hit comes too late: nobody would undo it.
        hit = None if self._healed else kinds[fault.kind](fault)
        if hit is None and not self._healed and time.monotonic() < until:
            self._later(0.0, lambda: self._try(fault, until))
            return
        (self.missed if hit is None else self.done)[fault.kind] += 1
        self._note(f"{fault.kind} for {fault.duration} s hit {hit or 'nothing'}")

    def heal(self) -> None:
        """Undoes what is still going on."""
        self._healed = True
        for worker in self._stopped_workers:
            self._go_on(worker)
        for daemon in self._daemons:
            daemon.go_on()
            scratch.free(daemon.scratch)
            daemon.want()

    def _kill_daemon(self, fault: Fault) -> Optional[str]:
        # One that is starting or held up may be hit as well.
        daemon = self._daemon([one for one in self._daemons if one.pid], fault)
        if daemon is None:
            return None
        daemon.kill()
        daemon.want(after=fault.duration)
        return daemon.name

    def _kill_worker(self, fault: Fault) -> Optional[str]:
        worker = self._busy_worker(fault)
        if worker is None:
            return None
        os.kill(worker.pid, signal.SIGKILL)
        return f"worker {worker.pid}"

    def _end_daemon(self, fault: Fault) -> Optional[str]:
        daemon = self._daemon([one for one in self._daemons if one.is_ready], fault)
        if daemon is None:
            return None
        daemon.ask_to_end()
        daemon.want(after=fault.duration)
        return daemon.name

    def _stop_daemon(self, fault: Fault) -> Optional[str]:
        daemon = self._daemon([one for one in self._daemons if one.is_ready], fault)
        if daemon is None:
            return None
        daemon.stop()
        life = daemon.life
        self._later(fault.duration, lambda: daemon.go_on() if daemon.life == life else None)
        return daemon.name

    def _stop_worker(self, fault: Fault) -> Optional[str]:
        worker = self._busy_worker(fault)
        if worker is None:
            return None
        os.kill(worker.pid, signal.SIGSTOP)
        self._stopped_workers.append(worker)
        self._later(fault.duration, lambda: self._go_on(worker))
        return f"worker {worker.pid}"

    def _go_on(self, worker: processes.Process) -> None:
        if worker in self._stopped_workers:
            self._stopped_workers.remove(worker)
            # Its number may be somebody else's by now.
            if any(one.pid == worker.pid and one.started == worker.started for one in self._workers()):
                os.kill(worker.pid, signal.SIGCONT)

    def _cut_connections(self, fault: Fault) -> Optional[str]:
        daemon = self._daemon([one for one in self._daemons if one.pid], fault) if self._postgres else None
        if daemon is None:
            return None
        until = time.monotonic() + fault.duration

        def cut() -> None:
            if daemon.pid is not None:
                self._postgres.cut(processes.ports_to(daemon.pid, self._postgres.port))
            if not self._healed and time.monotonic() < until:
                self._later(AGAIN_S, cut)

        cut()
        return daemon.name

    def _restart_postgres(self, _: Fault) -> Optional[str]:
        if self._postgres is None:
            return None
        self._postgres.restart()
        return "the server"

    def _fill_scratch(self, fault: Fault) -> Optional[str]:
        if not self._fills:
            return None
        daemon = _one_of(self._daemons, fault)
        until = time.monotonic() + fault.duration

        def fill() -> None:
            if self._healed or time.monotonic() >= until:
                scratch.free(daemon.scratch)
                return
            # What attempts leave behind is room again.
            scratch.fill(daemon.scratch)
            self._later(AGAIN_S, fill)

        fill()
        return daemon.name

    def _daemon(self, candidates: List[Daemon], fault: Fault) -> Optional[Daemon]:
        """The one that the fault is aimed at; with every second target one that is at work."""
        if fault.target % 2:
            at_work = {worker.parent for worker in self._busy_workers()}
            candidates = [daemon for daemon in candidates if daemon.pid in at_work]
        return _one_of(candidates, fault)

    def _busy_worker(self, fault: Fault) -> Optional[processes.Process]:
        return _one_of(sorted(self._busy_workers(), key=lambda one: one.pid), fault)

    def _busy_workers(self) -> List[processes.Process]:
        running = (one for one in self._workers() if not one.is_stopped)
        return [one for one in running if processes.descriptors(one.pid) > IDLE_DESCRIPTORS]

    def _workers(self) -> List[processes.Process]:
        return [one for one in processes.running_from(self._programs) if one.name == "reelmill-worker"]

    def _later(self, seconds: float, action: Callable[[], None]) -> None:
        self._agenda.put(time.monotonic() + seconds, action)


def _one_of(candidates: list, fault: Fault):
    # Halved, because whether it is even has a meaning of its own.
    return candidates[fault.target // 2 % len(candidates)] if candidates else None
