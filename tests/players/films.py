"""Films whose frames say their numbers, and packages of them.

Every frame is a row of sixteen squares, black or white: its number in binary, the lowest bit first. Every language is a tone.
Absent: what players make of them (`test_players`).
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, List, Optional, Sequence

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "target/debug/reelmill"

WIDTH, HEIGHT, SQUARES = 256, 144, 16
TONES = {"en": 440, "de": 880}
TAGS = {"en": "eng", "de": "deu"}
HIGH_RANGE = "format=yuv420p10le,setparams=range=tv:color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc"
X265 = "log-level=none:keyint=50:min-keyint=50:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"
TEXTS = """\
1
00:00:01,000 --> 00:00:04,500
One goes on.

2
00:00:05,000 --> 00:00:05,900
Two.
"""


def picture(number: int) -> bytes:
    """A frame in grey."""
    step = WIDTH // SQUARES
    row = b"".join((b"\xff" if number >> bit & 1 else b"\x00") * step for bit in range(SQUARES))
    return row * HEIGHT


@dataclass
class Film:
    """What is in a file: when each of its frames is shown, and how long it lasts, in seconds."""

    path: Path
    times: Dict[int, float]
    length_s: float
    step_s: float
    tones: Dict[str, int] = field(default_factory=lambda: dict(TONES))


def film(
    folder: Path,
    name: str,
    count: int = 152,
    rate: int = 25,
    late_picture_s: float = 0.0,
    late_sound_s: float = 0.0,
    keep: Optional[Sequence[int]] = None,
    tones: Optional[Dict[str, int]] = None,
    texts: bool = False,
    high_range: bool = False,
) -> Film:
    """Writes `count` frames at `rate` a second, only those of `keep`, with H.264 and its B frames, and a tone for each
    language. Picture or sound may begin later than the file. With `high_range` it is HEVC and HDR10."""
    path = folder / name
    tones = TONES if tones is None else tones
    length_s = late_picture_s + count / rate
    command = ["ffmpeg", "-v", "error", "-y", "-itsoffset", str(late_picture_s)]
    command += ["-f", "rawvideo", "-pix_fmt", "gray", "-s", f"{WIDTH}x{HEIGHT}", "-framerate", str(rate), "-i", "-"]
    for hertz in tones.values():
        command += ["-itsoffset", str(late_sound_s), "-f", "lavfi"]
        command += ["-i", f"sine=frequency={hertz}:sample_rate=48000:duration={length_s - late_sound_s}"]
    if texts:
        written = folder / f"{name}.srt"
        written.write_text(TEXTS, encoding="utf-8")
        command += ["-i", str(written), "-map", str(len(tones) + 1), "-c:s", "mov_text", "-metadata:s:s:0", "language=eng"]
    command += [part for place in range(len(tones) + 1) for part in ("-map", str(place))]
    command += [part for place, tag in enumerate(tones) for part in (f"-metadata:s:a:{place}", f"language={TAGS[tag]}")]
    kept = list(range(count)) if keep is None else list(keep)
    select = "+".join(f"eq(n\\,{number})" for number in range(count) if number not in set(kept))
    chosen = f"settb=1/90000,select=not({select or 0})" + (f",{HIGH_RANGE}" if high_range else "")
    command += ["-vf", chosen, "-fps_mode", "passthrough", "-enc_time_base", "1/90000"]
    if high_range:
        command += ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", X265, "-tag:v", "hvc1"]
    else:
        command += ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-preset", "fast", "-bf", "2", "-g", "50"]
        command += ["-force_key_frames", "expr:gte(t,n_forced*2)", "-sc_threshold", "0"]
    command += ["-c:a", "aac", str(path)]
    frames = b"".join(picture(number) for number in range(count))
    subprocess.run(command, input=frames, check=True)
    times = {number: late_picture_s + number / rate for number in kept}
    return Film(path, times, length_s, 1 / rate, dict(tones))


class Packages:
    """A workflow over a film, run by the program as its users run it."""

    def __init__(self, film: Film, activities: str) -> None:
        self.film = film
        self.folder = Path(tempfile.mkdtemp(prefix="reelmill-players-"))
        workflow = self.folder / "workflow.yaml"
        lines: List[str] = ["name: films", 'output: { bucket: media, prefix: "" }', "activities:"]
        lines += [f"  {line}" for line in activities.strip().splitlines()]
        workflow.write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.out = self.folder / "out"
        command = [str(PROGRAM), "run", str(workflow), str(film.path), "--output", str(self.out)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode != 0:
            raise AssertionError(f"{workflow.read_text('utf-8')}\n{ran.stdout}\n{ran.stderr}")

    def end(self) -> None:
        """Removes them."""
        shutil.rmtree(self.folder)
