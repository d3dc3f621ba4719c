#!/usr/bin/env python3
"""The chaos test: uploads while daemons and workers are killed and held up, connections cut, the database restarted.

    chaos.py [--store postgres|sqlite|both] [--seconds N] [--seed S] [--schedule] [--keep]

CHAOS_SECONDS and CHAOS_SEED are the defaults; REELMILL_BIN names the program, beside which the worker lies. The seed
is printed; the same seed gives the same schedule, which `--schedule` prints. Logs and rows of a run with findings are
kept, with `--keep` those of every run. The last line is one JSON object with the counts. Ends with 0 where nothing was
lost, duplicated, left running or otherwise wrong, with 1 where something was, and with 2 where there was no run.

Absent: the properties (`checker`), which are shown to catch what they should by `test_checker`.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Dict, List

sys.dont_write_bytecode = True

import checker  # noqa: E402 (nothing is to be left beside the sources)
import rows  # noqa: E402
import schedule  # noqa: E402
import workload  # noqa: E402
from checker.violation import DUPLICATED, LOST, ORPHAN, VIOLATION, Violation  # noqa: E402
from run import LEASE_S, Outcome, Run  # noqa: E402
from surroundings import NoRun  # noqa: E402

REPOSITORY = Path(__file__).resolve().parent.parent.parent
COUNTS = (LOST, DUPLICATED, ORPHAN, VIOLATION)
# So many of one name are printed; all are in the folder.
MOST_PRINTED = 5


def main() -> int:
    """Runs what the arguments say; answers the exit code."""
    arguments = _arguments()
    stores = ["postgres", "sqlite"] if arguments.store == "both" else [arguments.store]
    print(f"chaos: seed {arguments.seed}, {arguments.seconds:g} s on {' and '.join(stores)}", flush=True)
    if arguments.schedule:
        for store in stores:
            _print_schedule(store, arguments.seconds, arguments.seed)
        return 0
    program = Path(os.environ.get("REELMILL_BIN") or REPOSITORY / "target" / "debug" / "reelmill").resolve()
    if not program.is_file() or not program.with_name("reelmill-worker").is_file():
        print(f"chaos: there is no reelmill with its worker at {program}; REELMILL_BIN names it", file=sys.stderr)
        return 2
    try:
        by_store = {store: _run(store, arguments, program) for store in stores}
    except NoRun as error:
        print(f"chaos: {error}", file=sys.stderr)
        return 2
    summed = {name: sum(one[name] for one in by_store.values()) for name in ("kills", "executions", *COUNTS)}
    print(json.dumps({"seed": arguments.seed, "seconds": arguments.seconds, **summed, "by_store": by_store}))
    return 1 if any(summed[name] for name in COUNTS) else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", choices=["postgres", "sqlite", "both"], default="both")
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("CHAOS_SECONDS") or 60))
    seed = os.environ.get("CHAOS_SEED") or random.SystemRandom().randrange(1_000_000)
    parser.add_argument("--seed", type=int, default=int(seed))
    parser.add_argument("--schedule", action="store_true", help="print the schedule and do nothing")
    parser.add_argument("--keep", action="store_true", help="keep logs and rows of a run without findings too")
    return parser.parse_args()


def _print_schedule(store: str, seconds: float, seed: int) -> None:
    faults = schedule.faults(seed, seconds, store, LEASE_S)
    uploads = schedule.uploads(seed, seconds, store, workload.clip_counts())
    for one in sorted([*faults, *uploads], key=lambda one: one.at):
        print(json.dumps({"store": store, **dataclasses.asdict(one)}))


def _run(store: str, arguments: argparse.Namespace, program: Path) -> Dict[str, Any]:
    folder = Path(tempfile.mkdtemp(prefix=f"reelmill-chaos-{store}-"))
    began = time.monotonic()
    try:
        with Run(store, arguments.seconds, arguments.seed, program, folder) as run:
            outcome = run.go()
    except BaseException:
        print(f"chaos: the run did not come to its end; {folder} keeps its logs", file=sys.stderr)
        raise
    violations = checker.check(outcome.snapshot)
    _tell(store, outcome, violations)
    if violations or arguments.keep:
        _keep(folder, outcome, violations)
        print(f"chaos: {store}: {folder} keeps the logs, the rows and the findings", flush=True)
    else:
        shutil.rmtree(folder)
    counts = Counter(violation.counts_as for violation in violations)
    received = outcome.snapshot.received
    return {
        "kills": outcome.kills,
        "uploads": len(outcome.snapshot.uploads),
        **rows.counted(outcome.snapshot.rows),
        "notifications": len(received),
        "repeated_notifications": len(received) - len({(one.queue, one.id) for one in received}),
        **{name: counts[name] for name in COUNTS},
        "findings": dict(Counter(violation.name for violation in violations)),
        "faults": dict(outcome.done),
        "missed_faults": dict(outcome.missed),
        "refused_starts": outcome.refused_starts,
        "healing_s": round(outcome.healing_s, 1),
        "took_s": round(time.monotonic() - began, 1),
    }


def _tell(store: str, outcome: Outcome, violations: List[Violation]) -> None:
    if not outcome.fills:
        print(f"chaos: {store}: no file system could be mounted (that takes root): scratch was never full")
    told = Counter()
    for violation in violations:
        told[violation.name] += 1
        if told[violation.name] <= MOST_PRINTED:
            print(f"chaos: {store}: {violation}")
    for name, count in told.items():
        if count > MOST_PRINTED:
            print(f"chaos: {store}: {name}: {count} in all")


def _keep(folder: Path, outcome: Outcome, violations: List[Violation]) -> None:
    shutil.rmtree(folder / "bin")
    snapshot = json.dumps(dataclasses.asdict(outcome.snapshot), indent=1)
    (folder / "snapshot.json").write_text(snapshot, encoding="utf-8")
    (folder / "findings.txt").write_text("".join(f"{one}\n" for one in violations), encoding="utf-8")


def _end(*_: object) -> None:
    sys.exit(143)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    sys.exit(main())
