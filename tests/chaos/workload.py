"""What is uploaded, which workflows it starts, and how it is announced.

Invariant: outputs lie under the identifier of their execution, so that a second execution of one upload would show. No
two uploads are announced with the same sequencer, and each upload is announced at least once.

Absent: when (`schedule`), and sending it (`aws`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Sequence, Tuple
from urllib.parse import quote_plus

from checker.snapshot import Accepted
from schedule import Announcement, Upload

UPLOADS, MEDIA = "uploads", "media"
EVENTS, TOLD, ENDED = "events", "told", "ended"
EVENT_NAMES = ("ObjectCreated:Put", "ObjectCreated:CompleteMultipartUpload")

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures" / "media"
TINY = ["normal/tiny_aac_180p.mp4", "oddsize/h264_444_321x241.mp4", "vpx/alpha_vp9_200.webm"]
SMALL = ["normal/tiny_aac_180p.mp4", "vfr/iphone_awesome_480p.mov", "sintel_dragon_720p_18s.mp4"]
CLIPS = {
    "instant": TINY,
    "small": SMALL,
    "both": ["normal/tiny_aac_180p.mp4"],
    "broken": ["zero/zero.mp4", "nonmedia/html.mp4", "nonmedia/random.mp4", "corrupt/broken.mp4"],
}
# Which workflows an upload of a kind starts.
STARTS = {
    "instant": ("instant",),
    "small": ("small",),
    "both": ("instant", "small"),
    "broken": ("broken",),
}

INSTANT = """
name: instant
trigger: {{ bucket: uploads, key: ["instant/**", "both/**"] }}
output: {{ bucket: media, prefix: "instant/${{object.stem}}/${{execution.id}}/" }}
priority: 8
retry: {{ attempts: 10, backoff: 100ms, max: 1s }}
activities:
  probe:
    analysis: {{}}
  poster:
    snapshot: {{ at: 10%, width: 160, name: poster.jpg }}
notify:
  - sqs: {told}
    on: [started, succeeded, failed, cancelled]
"""

SMALL_WORKFLOW = """
name: small
trigger: {{ bucket: uploads, key: ["small/**", "both/**"] }}
output: {{ bucket: media, prefix: "small/${{object.stem}}/${{execution.id}}/" }}
retry: {{ attempts: 10, backoff: 100ms, max: 1s }}
activities:
  probe:
    analysis: {{}}
  low:
    needs: [probe]
    transcode: {{ template: h264-240p, video: {{ preset: ultrafast }}, clip: {{ duration: 8s }}, name: low.mp4 }}
  high:
    when: probe.video.short_side >= 2000
    transcode: {{ template: h264-1080p, name: high.mp4 }}
  poster:
    snapshot: {{ at: 10%, width: 160, name: poster.jpg }}
  hls:
    package: {{ from: [low, high], protocol: hls, segment: 2s }}
notify:
  - sqs: {told}
    on: [started, succeeded, failed, cancelled]
  - sqs: {ended}
"""

BROKEN = """
name: broken
trigger: {{ bucket: uploads, key: "broken/**" }}
output: {{ bucket: media, prefix: "broken/${{object.stem}}/${{execution.id}}/" }}
retry: {{ attempts: 10, backoff: 100ms, max: 1s }}
activities:
  probe:
    analysis: {{}}
  low:
    needs: [probe]
    transcode: {{ template: h264-240p, video: {{ preset: ultrafast }}, name: low.mp4 }}
notify:
  - sqs: {told}
    on: [started, failed]
"""


def write_workflows(folder: Path, told: str, ended: str) -> None:
    """Writes the workflow files, which tell the queues with these URLs."""
    for name, text in (("instant", INSTANT), ("small", SMALL_WORKFLOW), ("broken", BROKEN)):
        (folder / f"{name}.yaml").write_text(text.format(told=told, ended=ended), encoding="utf-8")


@dataclass(frozen=True)
class Clip:
    """A file to upload."""

    name: str
    body: bytes


class Clips:
    """The files, read once."""

    def __init__(self) -> None:
        files = sorted({name for names in CLIPS.values() for name in names})
        self._clips = {name: Clip(name, (FIXTURES / name).read_bytes()) for name in files}

    def of(self, upload: Upload) -> Clip:
        """The file of an upload."""
        return self._clips[CLIPS[upload.kind][upload.clip]]


def key(upload: Upload) -> str:
    """Where an upload goes; names that need escaping among them."""
    number = upload.number if upload.again is None else upload.again
    clip = CLIPS[upload.kind][upload.clip]
    stem, _, ext = clip.rpartition("/")[2].rpartition(".")
    odd = " ü+" if number % 5 == 0 else "-"
    return f"{upload.kind}/{stem}{odd}{number:04}.{ext}"


def sequencers(upload: Upload) -> List[str]:
    """One for each event of an upload."""
    return [f"{upload.number:012X}{event:04X}" for event in range(2 if upload.parts else 1)]


def accepted(upload: Upload) -> Accepted:
    """What the checker is told of an upload."""
    intact = upload.kind != "broken"
    return Accepted(UPLOADS, key(upload), tuple(sequencers(upload)), STARTS[upload.kind], intact)


def message(upload: Upload, announcement: Announcement, etag: str, size: int, time: str) -> str:
    """A message as S3 sends it."""
    named = list(zip(EVENT_NAMES if upload.parts else EVENT_NAMES[:1], sequencers(upload)))
    records = [_record(upload, named[event], etag, size, time) for event in announcement.events]
    return json.dumps({"Records": records})


def _record(upload: Upload, named: Tuple[str, str], etag: str, size: int, time: str) -> Dict[str, object]:
    name, sequencer = named
    told = {"key": quote_plus(key(upload), safe="/"), "size": size, "eTag": etag, "sequencer": sequencer}
    bucket = {"name": UPLOADS, "arn": f"arn:aws:s3:::{UPLOADS}"}
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": time,
        "eventName": name,
        "s3": {"s3SchemaVersion": "1.0", "bucket": bucket, "object": told},
    }


def clip_counts() -> Dict[str, int]:
    """How many files there are for each kind of upload."""
    return {kind: len(names) for kind, names in CLIPS.items()}


def parts_of(body: bytes) -> Sequence[bytes]:
    """A file in two parts, the first of which is not smaller than storages want."""
    middle = max(2048, len(body) // 2)
    return [body[:middle], body[middle:]] if len(body) > middle else [body]
