"""A small run in which nothing is wrong, as a snapshot: what the checker's tests plant violations into.

It has an upload in parts, an upload that starts two workflows, a broken one, attempts that were lost, failed and handed
back, and an execution that was cancelled and run again.

Invariant: every call gives a new snapshot, and always the same.
"""

from __future__ import annotations

from typing import Any, Dict, List, Optional

from checker.snapshot import Accepted, Received, Remains, Row, Rows, Snapshot, Stored

UPLOADS, MEDIA, QUEUE, SECOND_QUEUE = "uploads", "media", "http://sqs/told", "http://sqs/ended"
FAILURE = {"code": "OBJ0001", "class": "retry", "blame": "infrastructure", "message": "no connection"}
BAD_INPUT = {"code": "MEDIA0001", "class": "fatal", "blame": "input", "message": "not media"}
ALL_STATES = ["started", "succeeded", "failed", "cancelled"]
SEGMENTS = ("hls/low/init.mp4", "hls/low/1.m4s")
INDEX = '#EXTM3U\n#EXT-X-MAP:URI="init.mp4"\n#EXTINF:2,\n1.m4s\n'
# What entries that do not end an activity make of it.
AFTER = {"claimed": "running", "attempt_lost": "queued", "attempt_failed": "retrying", "handed_back": "queued"}
MASTER = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlow/index.m3u8\n"


def _node(name: str, kind: str, on_failure: str = "fail") -> Dict[str, Any]:
    return {"name": name, "kind": kind, "on_failure": on_failure}


def _plan(number: int, nodes: List[Dict[str, Any]], edges: List[List[Any]], notify: List[Dict[str, Any]]) -> Row:
    graph = {"nodes": nodes, "node_holes": [], "edge_property": "directed", "edges": edges}
    return {"id": number, "body": {"graph": graph, "notify": notify}}


SMALL = _plan(
    1,
    [_node("probe", "analysis"), _node("low", "transcode"), _node("high", "transcode"), _node("hls", "package")],
    [[0, 1, "order"], [0, 2, "order"], [1, 3, "input"], [2, 3, "input"]],
    [
        {"to": {"sqs": QUEUE}, "on": ALL_STATES},
        {"to": {"sqs": SECOND_QUEUE}, "on": ["succeeded", "failed", "cancelled"]},
    ],
)
INSTANT = _plan(
    2,
    [_node("probe", "analysis", "continue"), _node("poster", "snapshot")],
    [],
    [{"to": {"sqs": QUEUE}, "on": ALL_STATES}],
)


class _Builder:
    def __init__(self) -> None:
        self.rows: Rows = {name: [] for name in ("events", "executions", "log", "jobs", "outputs", "outbox")}
        self.rows["plans"] = [SMALL, INSTANT]
        self.bucket: Dict[str, Stored] = {}

    def event(self, key: str, sequencer: str) -> int:
        seq = len(self.rows["events"]) + 1
        told = {"object": {"bucket": UPLOADS, "key": key, "etag": "e"}, "name": "Put", "sequencer": sequencer}
        self.rows["events"].append({"seq": seq, "event": told, "duplicates": 1, "unreadable": None})
        return seq

    def execution(self, event: int, workflow: str) -> "_Execution":
        return _Execution(self, event, workflow, SMALL if workflow == "small" else INSTANT)

    def received(self) -> List[Received]:
        names = {execution["seq"]: execution["id"] for execution in self.rows["executions"]}
        told = []
        for row in self.rows["outbox"]:
            name = names[row["execution"]]
            state = "started" if row["state"] == "running" else row["state"]
            kind = f"reelmill.execution.{state}.v1"
            told.append(Received(row["target"]["to"]["sqs"], f"{name}-{row['id']}", name, row["state"], kind))
        # At least once: somebody was killed before noting a delivery.
        return [told[0], *told]


class _Execution:
    def __init__(self, builder: _Builder, event: int, workflow: str, plan: Row) -> None:
        self._builder, self._plan, self._run = builder, plan["body"], 0
        seq = len(builder.rows["executions"]) + 1
        told = builder.rows["events"][event - 1]["event"]
        self.row = {"seq": seq, "id": f"execution-{seq}", "event": event, "plan": plan["id"], "workflow": workflow}
        self.row.update(state="pending", input=dict(told["object"]))
        builder.rows["executions"].append(self.row)
        self._jobs: Dict[str, Row] = {}
        for index, node in enumerate(self._plan["graph"]["nodes"]):
            job = {"execution": seq, "activity": index, "state": "waiting", "attempt": 0, "worker": None}
            self._jobs[node["name"]] = job
            builder.rows["jobs"].append(job)
        self._entries = 0

    def log(self, activity: Optional[str], kind: str, **said: Any) -> None:
        """An entry, and what it makes of the rows."""
        self._entries += 1
        attempt = None
        if activity is not None:
            job = self._jobs[activity]
            job["attempt"] += kind == "claimed"
            attempt = job["attempt"] or None
            if kind != "progress":
                job["state"] = AFTER.get(kind, kind)
        entry = {"execution": self.row["seq"], "seq": self._entries, "activity": activity, "attempt": attempt}
        self._builder.rows["log"].append({**entry, "event": {"type": kind, **said}})
        if kind in ("started", "restarted"):
            self._run += 1
            self.row["state"] = "running"
            for name in said.get("activities", []):
                self._jobs[name]["state"] = "waiting"
            self._tell("running", "started")
        if kind == "ended":
            self.row["state"] = said["state"]
            self._tell(said["state"], said["state"])

    def attempt(self, activity: str, end: str, **said: Any) -> None:
        """A claim and its end."""
        self.log(activity, "claimed", worker="host-1")
        self.log(activity, end, **said)

    def succeed(self, activity: str, *files: str) -> None:
        """A last attempt that publishes these files."""
        outputs = []
        for file in files:
            key = f"{self.row['workflow']}/{self.row['id']}/{file}"
            text = {"hls/master.m3u8": MASTER, "hls/low/index.m3u8": INDEX}.get(file)
            self._builder.bucket[key] = Stored(len(file), text)
            self._builder.rows["outputs"].append({"bucket": MEDIA, "key": key, "execution": self.row["seq"]})
            outputs.append({"bucket": MEDIA, "key": key, "size_bytes": len(file)})
        self.attempt(activity, "succeeded", result=None, outputs=outputs)

    def _tell(self, state: str, name: str) -> None:
        for position, target in enumerate(self._plan["notify"]):
            if name in target["on"]:
                row = {"id": len(self._builder.rows["outbox"]) + 1, "execution": self.row["seq"], "run": self._run}
                row.update(position=position, target=target, state=state, delivery="delivered", error=None)
                self._builder.rows["outbox"].append(row)


def _small(execution: _Execution) -> None:
    execution.log(None, "started", cause="event Put (s3)")
    execution.log("probe", "queued")
    execution.succeed("probe")
    execution.log("low", "queued")
    execution.log("high", "skipped", reason={"because": "when"})
    execution.attempt("low", "attempt_lost", reason="its lease expired")
    execution.attempt("low", "attempt_failed", failure=FAILURE, retry_at=1)
    execution.log("low", "queued")
    execution.attempt("low", "handed_back", reason="the daemon shuts down")
    execution.log("low", "progress", fraction=0.5)
    execution.succeed("low", "low.mp4")
    execution.log("hls", "queued")
    execution.succeed("hls", *SEGMENTS, "hls/low/index.m3u8", "hls/master.m3u8")
    execution.log(None, "ended", state="succeeded")


def _broken(execution: _Execution) -> None:
    execution.log(None, "started", cause="event Put (s3)")
    execution.log("probe", "queued")
    execution.attempt("probe", "failed", failure=BAD_INPUT)
    for name in ("low", "high", "hls"):
        execution.log(name, "skipped", reason={"because": "need_failed", "activity": "probe"})
    execution.log(None, "ended", state="failed")


def _instant_again(execution: _Execution) -> None:
    execution.log(None, "started", cause="event Put (s3)")
    execution.log("probe", "queued")
    execution.log("poster", "queued")
    # May fail without failing the whole.
    execution.attempt("probe", "failed", failure=FAILURE)
    execution.log("poster", "claimed", worker="host-1")
    execution.log(None, "cancel_requested", reason="a mistake", by="somebody")
    execution.log("poster", "stopping")
    execution.log("poster", "cancelled")
    execution.log(None, "ended", state="cancelled")
    execution.log(None, "restarted", activities=["poster"], by="somebody")
    execution.log("poster", "queued")
    execution.succeed("poster", "poster.jpg")
    execution.log(None, "ended", state="succeeded")


def snapshot() -> Snapshot:
    """The run. Executions 1 and 2 are of one upload (`small`, `instant`), 3 of a broken one, 4 of one in parts."""
    builder = _Builder()
    both = builder.event("both/a b.mp4", "01")
    _small(builder.execution(both, "small"))
    _instant_again(builder.execution(both, "instant"))
    _broken(builder.execution(builder.event("small/broken.mp4", "02"), "small"))
    _small(builder.execution(builder.event("small/parts.mp4", "04"), "small"))
    builder.rows["events"].append({"seq": 4, "event": None, "duplicates": 0, "unreadable": "not JSON"})
    uploads = [
        Accepted(UPLOADS, "both/a b.mp4", ("01",), ("instant", "small"), True),
        Accepted(UPLOADS, "small/broken.mp4", ("02",), ("small",), False),
        Accepted(UPLOADS, "small/parts.mp4", ("03", "04"), ("small",), True),
    ]
    remains = Remains(exits={"daemon-1": 0})
    return Snapshot(uploads, builder.rows, {MEDIA: builder.bucket}, builder.received(), remains)
