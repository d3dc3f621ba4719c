"""The checker finds what is wrong: one violation of each name, planted into a run in which nothing is.

Invariant: every name that a violation can have is planted here at least once, and is the only one that is found.
"""

from __future__ import annotations

import copy
import sys
import unittest
from dataclasses import replace
from typing import Any, Callable, Dict, List

sys.dont_write_bytecode = True

import checker  # noqa: E402 (nothing is to be left beside the sources)
import healthy  # noqa: E402
from checker.snapshot import Accepted, Row, Snapshot, Stored  # noqa: E402
from checker.violation import NAMES  # noqa: E402

PLANTED: Dict[str, List[Callable[[Snapshot], None]]] = {}
MASTER = "small/execution-1/hls/master.m3u8"
SEGMENT = "small/execution-1/hls/low/1.m4s"


def plants(name: str) -> Callable[[Callable[[Snapshot], None]], Callable[[Snapshot], None]]:
    """Registers a function that plants a violation of this name."""

    def register(plant: Callable[[Snapshot], None]) -> Callable[[Snapshot], None]:
        PLANTED.setdefault(name, []).append(plant)
        return plant

    return register


def entry(run: Snapshot, execution: int, kind: str, activity: str = None) -> Row:
    """The first entry of this kind."""
    found = (row for row in run.rows["log"] if row["execution"] == execution and row["event"]["type"] == kind)
    return next(row for row in found if activity is None or row["activity"] == activity)


def job(run: Snapshot, execution: int, activity: int) -> Row:
    """A job."""
    return next(row for row in run.rows["jobs"] if (row["execution"], row["activity"]) == (execution, activity))


def remove(run: Snapshot, gone: Row) -> None:
    """Takes an entry out of the log; those after it move up."""
    run.rows["log"] = [row for row in run.rows["log"] if row is not gone]
    for row in run.rows["log"]:
        if row["execution"] == gone["execution"] and row["seq"] > gone["seq"]:
            row["seq"] -= 1


def insert(run: Snapshot, before: Row, event: Dict[str, Any], **fields: Any) -> None:
    """Puts an entry into the log; those after it move down."""
    new = {**copy.deepcopy(before), **fields, "event": event}
    for row in run.rows["log"]:
        if row["execution"] == before["execution"] and row["seq"] >= before["seq"]:
            row["seq"] += 1
    run.rows["log"].insert(run.rows["log"].index(before), new)


def without_execution(run: Snapshot, seq: int) -> None:
    """As if the execution had never been."""
    prefix = f"/execution-{seq}/"
    for table in ("log", "jobs", "outputs", "outbox"):
        run.rows[table] = [row for row in run.rows[table] if row["execution"] != seq]
    run.rows["executions"] = [row for row in run.rows["executions"] if row["seq"] != seq]
    run.received = [one for one in run.received if one.execution != f"execution-{seq}"]
    for objects in run.buckets.values():
        for key in [key for key in objects if prefix in key]:
            del objects[key]


def copied_execution(run: Snapshot, seq: int, event: int) -> None:
    """A second execution like one that is there."""
    new, name = 50, "execution-50"
    for table in ("executions", "log", "jobs", "outputs", "outbox"):
        column = "seq" if table == "executions" else "execution"
        for row in [row for row in run.rows[table] if row[column] == seq]:
            text = {**copy.deepcopy(row), column: new}
            if table == "executions":
                text.update(id=name, event=event)
            if table == "outbox":
                text["id"] += 1000
                told = next(one for one in run.received if one.id == f"execution-{seq}-{row['id']}")
                run.received.append(replace(told, id=f"{name}-{text['id']}", execution=name))
            if table == "outputs":
                text["key"] = text["key"].replace(f"execution-{seq}", name)
            for output in text.get("event", {}).get("outputs", []) if table == "log" else []:
                output["key"] = output["key"].replace(f"execution-{seq}", name)
            run.rows[table].append(text)
    for objects in run.buckets.values():
        for key in [key for key in objects if f"/execution-{seq}/" in key]:
            objects[key.replace(f"execution-{seq}", name)] = objects[key]


@plants("upload_lost")
def _(run: Snapshot) -> None:
    without_execution(run, 3)
    run.rows["events"] = [row for row in run.rows["events"] if row["seq"] != 2]


@plants("upload_duplicated")
def _(run: Snapshot) -> None:
    second = copy.deepcopy(run.rows["events"][2])
    second["seq"], second["event"]["sequencer"] = 9, "03"
    run.rows["events"].append(second)


@plants("execution_lost")
def _(run: Snapshot) -> None:
    without_execution(run, 2)


@plants("execution_duplicated")
def _(run: Snapshot) -> None:
    copied_execution(run, 4, event=3)


@plants("event_unasked")
def _(run: Snapshot) -> None:
    stray = copy.deepcopy(run.rows["events"][0])
    stray["seq"], stray["event"]["sequencer"] = 9, "99"
    run.rows["events"].append(stray)


@plants("execution_unasked")
def _(run: Snapshot) -> None:
    copied_execution(run, 4, event=4)


@plants("execution_unasked")
def _(run: Snapshot) -> None:
    run.uploads[0] = replace(run.uploads[0], workflows=("small",))


@plants("input_differs")
def _(run: Snapshot) -> None:
    run.rows["executions"][0]["input"]["etag"] = "another"


@plants("execution_open")
def _(run: Snapshot) -> None:
    remove(run, entry(run, 4, "ended"))
    run.rows["executions"][3]["state"] = "running"
    gone = {row["id"] for row in run.rows["outbox"] if row["execution"] == 4 and row["state"] == "succeeded"}
    run.rows["outbox"] = [row for row in run.rows["outbox"] if row["id"] not in gone]
    run.received = [one for one in run.received if int(one.id.rpartition("-")[2]) not in gone]


@plants("execution_differs")
def _(run: Snapshot) -> None:
    run.rows["executions"][3]["state"] = "failed"


@plants("verdict_wrong")
def _(run: Snapshot) -> None:
    plan = copy.deepcopy(healthy.INSTANT)
    plan["body"]["graph"]["nodes"][0]["on_failure"] = "fail"
    run.rows["plans"][1] = plan


@plants("outcome_wrong")
def _(run: Snapshot) -> None:
    run.uploads[1] = replace(run.uploads[1], intact=True)


@plants("outcome_wrong")
def _(run: Snapshot) -> None:
    run.uploads[2] = replace(run.uploads[2], intact=False)


@plants("outcome_wrong")
def _(run: Snapshot) -> None:
    # As if every attempt had to fail so.
    entry(run, 2, "failed", "probe")["event"]["failure"] = {**healthy.FAILURE, "class": "fatal"}


@plants("log_gap")
def _(run: Snapshot) -> None:
    run.rows["log"].remove(entry(run, 1, "progress"))


@plants("log_gap")
def _(run: Snapshot) -> None:
    for row in run.rows["log"]:
        row["seq"] += row["execution"] == 1


@plants("log_illegal")
def _(run: Snapshot) -> None:
    # Nobody asked for it.
    insert(run, entry(run, 1, "attempt_lost"), {"type": "stopping"})


@plants("log_illegal")
def _(run: Snapshot) -> None:
    last = run.rows["log"][-1]
    insert(run, last, {"type": "queued"}, activity="nobody")


@plants("claimed_too_early")
def _(run: Snapshot) -> None:
    remove(run, entry(run, 1, "attempt_lost"))


@plants("attempt_order")
def _(run: Snapshot) -> None:
    last = [row for row in run.rows["log"] if row["execution"] == 1 and row["activity"] == "low"][-2:]
    for row in last:
        row["attempt"] = 9
    job(run, 1, 1)["attempt"] = 9


@plants("late_word")
def _(run: Snapshot) -> None:
    entry(run, 1, "succeeded", "low")["attempt"] = 2


@plants("late_word")
def _(run: Snapshot) -> None:
    entry(run, 1, "attempt_failed")["attempt"] = 1


@plants("ended_twice")
def _(run: Snapshot) -> None:
    again = copy.deepcopy(entry(run, 1, "succeeded", "probe")["event"])
    insert(run, entry(run, 1, "queued", "low"), again, activity="probe", attempt=1)


@plants("activity_open")
def _(run: Snapshot) -> None:
    remove(run, entry(run, 3, "skipped", "low"))
    job(run, 3, 1)["state"] = "waiting"


@plants("need_ignored")
def _(run: Snapshot) -> None:
    queued = entry(run, 1, "queued", "hls")
    remove(run, queued)
    insert(run, entry(run, 1, "attempt_lost"), {"type": "queued"}, activity="hls", attempt=None)


@plants("reason_missing")
def _(run: Snapshot) -> None:
    entry(run, 3, "failed", "probe")["event"]["failure"] = {**healthy.BAD_INPUT, "message": ""}


@plants("reason_missing")
def _(run: Snapshot) -> None:
    del entry(run, 1, "skipped")["event"]["reason"]


@plants("reason_missing")
def _(run: Snapshot) -> None:
    remove(run, entry(run, 2, "stopping"))
    remove(run, entry(run, 2, "cancel_requested"))


@plants("job_differs")
def _(run: Snapshot) -> None:
    job(run, 1, 1)["attempt"] = 1


@plants("job_differs")
def _(run: Snapshot) -> None:
    job(run, 3, 0)["state"] = "succeeded"


@plants("job_differs")
def _(run: Snapshot) -> None:
    run.rows["jobs"].remove(job(run, 4, 2))


@plants("job_differs")
def _(run: Snapshot) -> None:
    job(run, 1, 0)["worker"] = "host-1"


@plants("output_none")
def _(run: Snapshot) -> None:
    entry(run, 1, "succeeded", "low")["event"]["outputs"] = []


@plants("output_missing")
def _(run: Snapshot) -> None:
    del run.buckets[healthy.MEDIA][SEGMENT]


@plants("output_size")
def _(run: Snapshot) -> None:
    run.buckets[healthy.MEDIA][SEGMENT] = Stored(1)


@plants("output_duplicated")
def _(run: Snapshot) -> None:
    outputs = entry(run, 1, "succeeded", "low")["event"]["outputs"]
    entry(run, 1, "succeeded", "hls")["event"]["outputs"] += outputs


@plants("output_unannounced")
def _(run: Snapshot) -> None:
    run.rows["outputs"] = [row for row in run.rows["outputs"] if row["key"] != SEGMENT]


@plants("object_unannounced")
def _(run: Snapshot) -> None:
    run.buckets[healthy.MEDIA]["small/execution-1/hls/half.tmp"] = Stored(7)


@plants("manifest_broken")
def _(run: Snapshot) -> None:
    run.buckets[healthy.MEDIA][MASTER] = Stored(len("hls/master.m3u8"), healthy.MASTER + "high/index.m3u8\n")


@plants("manifest_early")
def _(run: Snapshot) -> None:
    run.remains.early_manifests.append(f"{MASTER}: ['low/index.m3u8']")


def outbox(run: Snapshot, execution: int, state: str, position: int = 0) -> Row:
    """The first row of this state."""
    wanted = (execution, state, position)
    return next(row for row in run.rows["outbox"] if (row["execution"], row["state"], row["position"]) == wanted)


def unheard(run: Snapshot, row: Row) -> None:
    """As if it had never been received."""
    run.received = [one for one in run.received if one.id.rpartition("-")[2] != str(row["id"])]


@plants("notification_lost")
def _(run: Snapshot) -> None:
    row = outbox(run, 1, "succeeded", position=1)
    run.rows["outbox"].remove(row)
    unheard(run, row)


@plants("notification_duplicated")
def _(run: Snapshot) -> None:
    row = {**outbox(run, 4, "succeeded"), "id": 1000}
    run.rows["outbox"].append(row)
    told = next(one for one in run.received if one.execution == "execution-4" and one.state == "succeeded")
    run.received.append(replace(told, id="execution-4-1000"))


@plants("notification_unasked")
def _(run: Snapshot) -> None:
    row = {**outbox(run, 4, "succeeded"), "id": 1000, "state": "failed"}
    run.rows["outbox"].append(row)
    told = next(one for one in run.received if one.execution == "execution-4" and one.state == "succeeded")
    failed = replace(told, id="execution-4-1000", state="failed", type="reelmill.execution.failed.v1")
    run.received.append(failed)


@plants("notification_undelivered")
def _(run: Snapshot) -> None:
    row = outbox(run, 3, "failed")
    row["delivery"], row["error"] = "set_aside", "NOTE0001"
    unheard(run, row)


@plants("notification_undelivered")
def _(run: Snapshot) -> None:
    outbox(run, 3, "failed")["delivery"] = "pending"


def exchange_ids(run: Snapshot) -> None:
    """The end of execution 4 was queued before its start."""
    start, end = outbox(run, 4, "running"), outbox(run, 4, "succeeded")
    start["id"], end["id"] = end["id"], start["id"]
    names = {"running": f"execution-4-{start['id']}", "succeeded": f"execution-4-{end['id']}"}
    mine = [one for one in run.received if one.execution == "execution-4" and one.queue == healthy.QUEUE]
    others = [one for one in run.received if one not in mine]
    # Received as they were queued.
    run.received = others + [replace(one, id=names[one.state]) for one in reversed(mine)]


PLANTED["notification_order"] = [exchange_ids]


@plants("reception_lost")
def _(run: Snapshot) -> None:
    unheard(run, outbox(run, 3, "failed"))


@plants("reception_order")
def _(run: Snapshot) -> None:
    mine = [one for one in run.received if one.execution == "execution-4" and one.queue == healthy.QUEUE]
    others = [one for one in run.received if one not in mine]
    run.received = others + list(reversed(mine))


@plants("reception_unasked")
def _(run: Snapshot) -> None:
    run.received.append(replace(run.received[-1], id="execution-4-1000"))


@plants("reception_unasked")
def _(run: Snapshot) -> None:
    run.received.append(replace(run.received[-1], state="failed"))


@plants("message_left")
def _(run: Snapshot) -> None:
    run.remains.unread = 1


@plants("scratch_left")
def _(run: Snapshot) -> None:
    run.remains.scratch.append("daemon-1/scratch/job-1/half.mp4")


@plants("daemon_died")
def _(run: Snapshot) -> None:
    run.remains.deaths.append("daemon-1 ended by itself with 1")


@plants("daemon_exit")
def _(run: Snapshot) -> None:
    run.remains.exits["daemon-1"] = 1


@plants("daemon_exit")
def _(run: Snapshot) -> None:
    run.remains.exits["daemon-1"] = None


@plants("process_left")
def _(run: Snapshot) -> None:
    run.remains.processes.append("reelmill-worker 4711")


@plants("nothing_ran")
def _(run: Snapshot) -> None:
    for seq in (1, 2, 3, 4):
        without_execution(run, seq)
    run.rows["events"], run.uploads = [], []


class CheckerFinds(unittest.TestCase):
    """What is wrong, and nothing else."""

    def test_nothing_in_a_healthy_run(self) -> None:
        self.assertEqual(checker.check(healthy.snapshot()), [])

    def test_exactly_what_was_planted(self) -> None:
        for name, planted in PLANTED.items():
            for number, plant in enumerate(planted):
                with self.subTest(name=name, number=number):
                    run = copy.deepcopy(healthy.snapshot())
                    plant(run)
                    found = checker.check(run)
                    self.assertEqual([one.name for one in found], [name], [str(one) for one in found])

    def test_every_name_is_planted(self) -> None:
        self.assertEqual(set(PLANTED), set(NAMES))

    def test_an_upload_in_parts_may_be_known_by_either_announcement(self) -> None:
        run = copy.deepcopy(healthy.snapshot())
        run.rows["events"][2]["event"]["sequencer"] = "03"
        self.assertEqual(checker.check(run), [])

    def test_accepted_uploads_say_where_they_are(self) -> None:
        self.assertEqual(str(Accepted("b", "k", ("1", "2"), (), True)), "s3://b/k (1, 2)")


if __name__ == "__main__":
    unittest.main()
