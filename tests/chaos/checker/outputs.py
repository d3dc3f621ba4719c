"""Outputs: announced, published once, whole; and nothing else in the output buckets."""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from typing import Dict, Iterable, Iterator, List, Tuple

from .executions import histories
from .snapshot import Snapshot
from .violation import Violation

_URI = re.compile(r'URI="([^"]*)"')
# Activities that answer without making an object.
MAKE_NOTHING = ("analysis",)


def check(snapshot: Snapshot) -> Iterator[Violation]:
    """Holds the output buckets against what was said about them."""
    announced = {(row["bucket"], row["key"]) for row in snapshot.rows["outputs"]}
    by_execution = {(row["execution"], row["bucket"], row["key"]) for row in snapshot.rows["outputs"]}
    publishers: Dict[Tuple[str, str], List[str]] = defaultdict(list)
    for execution, history in histories(snapshot):
        for activity, name, kind in zip(history.activities, history.plan.names, history.plan.kinds):
            if activity.state != "succeeded":
                continue
            where = f"{execution['id']}: {name}"
            outputs = activity.end["outputs"]
            if not outputs and kind not in MAKE_NOTHING:
                yield Violation("output_none", where)
            for output in outputs:
                bucket, key = output["bucket"], output["key"]
                publishers[bucket, key].append(where)
                if (execution["seq"], bucket, key) not in by_execution:
                    yield Violation("output_unannounced", f"{where}: s3://{bucket}/{key}")
                stored = snapshot.buckets.get(bucket, {}).get(key)
                if stored is None:
                    yield Violation("output_missing", f"{where}: s3://{bucket}/{key}")
                elif stored.size != output["size_bytes"]:
                    sizes = f"{stored.size} bytes instead of {output['size_bytes']}"
                    yield Violation("output_size", f"{where}: s3://{bucket}/{key}: {sizes}")
    for (bucket, key), names in publishers.items():
        if len(names) > 1:
            yield Violation("output_duplicated", f"s3://{bucket}/{key}: {names}")
    for bucket, objects in snapshot.buckets.items():
        for key, stored in objects.items():
            # What was published without being announced is told above.
            if (bucket, key) not in announced and (bucket, key) not in publishers:
                yield Violation("object_unannounced", f"s3://{bucket}/{key}")
            if stored.text is not None:
                # So is an object that is said to be there and is not.
                missing = [name for name in broken_names(key, stored.text, objects) if (bucket, name) not in publishers]
                if missing:
                    yield Violation("manifest_broken", f"s3://{bucket}/{key}: {missing}")


def broken_names(key: str, text: str, there: Iterable[str]) -> List[str]:
    """Keys that a playlist names and that are not there."""
    folder = posixpath.dirname(key)
    named = []
    for line in text.splitlines():
        if line.startswith("#"):
            named += _URI.findall(line)
        elif line.strip():
            named.append(line.strip())
    found = [posixpath.normpath(posixpath.join(folder, name)) for name in named]
    keys = set(there)
    return [name for name in found if name not in keys]
