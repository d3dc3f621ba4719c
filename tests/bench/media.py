"""How long media work takes beside the ffmpeg command line that does the same, and how much memory.

Each case runs `reelmill run` with a workflow of one activity, and ffmpeg with the same codec, options and filters, by
turns: what disturbs the machine disturbs both. Printed and written to `target/bench/media.json` are the medians of wall
time and processor time, the memory (the most that all processes of a side held together), and the ratios. A ratio of 1.05
is the goal for each single output. Reelmill's side also checks what it made; ffmpeg's does not.

Memory is watched in a pair of its own, which also warms the caches: to ask for it so often slows what is asked.

The workflow cases (`workflows.py`) run several activities over one source, beside one ffmpeg command per job and beside
one command that makes everything from one decode.

The source of the single cases is the fixture of 18 s three times over: what a program does once per file weighs as it does in short files, and
no more. `BENCH_MEDIA_PAIRS` (default 3) pairs per case; `BENCH_MEDIA_CASES` (comma-separated) chooses cases;
`BENCH_MEDIA_SOURCE` is another source.
"""

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import workflows
from measuring import measure, medians, ratio

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "target/release/reelmill"
FIXTURE = ROOT / "tests/fixtures/media/sintel_dragon_720p_18s.mp4"
PAIRS = int(os.environ.get("BENCH_MEDIA_PAIRS", "3"))

# Sides of the picture are given, so that both scale to the same size.
SCALE = "scale=854:480:flags=bicubic"
AUDIO = ["-c:a", "aac", "-b:a", "128k"]
MP4 = ["-movflags", "+faststart"]

# Name: the activity, and what ffmpeg is given between source and output.
CASES = {
    "h264": (
        "transcode: { name: out.mp4, video: { codec: h264, preset: medium, crf: 23, width: 854, height: 480, "
        "fit: none }, audio: { codec: aac, bitrate: 128k } }",
        ["-vf", SCALE, "-c:v", "libx264", "-preset", "medium", "-crf", "23", "-pix_fmt", "yuv420p", *AUDIO, *MP4],
        "out.mp4",
    ),
    "h264-veryfast": (
        "transcode: { name: out.mp4, video: { codec: h264, preset: veryfast, crf: 23, width: 854, height: 480, "
        "fit: none }, audio: { codec: aac, bitrate: 128k } }",
        ["-vf", SCALE, "-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-pix_fmt", "yuv420p", *AUDIO, *MP4],
        "out.mp4",
    ),
    "h265": (
        "transcode: { name: out.mp4, video: { codec: h265, preset: fast, crf: 28, width: 854, height: 480, "
        "fit: none }, audio: { codec: aac, bitrate: 128k } }",
        ["-vf", SCALE, "-c:v", "libx265", "-preset", "fast", "-crf", "28", "-pix_fmt", "yuv420p", "-tag:v", "hvc1",
         *AUDIO, *MP4],
        "out.mp4",
    ),
    "av1": (
        "transcode: { name: out.mp4, video: { codec: av1, preset: 10, crf: 35, width: 854, height: 480, fit: none }, "
        "audio: { codec: aac, bitrate: 128k } }",
        ["-vf", SCALE, "-c:v", "libsvtav1", "-preset", "10", "-crf", "35", "-pix_fmt", "yuv420p", *AUDIO, *MP4],
        "out.mp4",
    ),
    "audio": (
        "transcode: { name: out.m4a, video: none, audio: { codec: aac, bitrate: 128k } }",
        ["-vn", *AUDIO, *MP4],
        "out.m4a",
    ),
    "remux": ("remux: { name: out.mkv }", ["-map", "0:v:0", "-map", "0:a", "-c", "copy"], "out.mkv"),
    "snapshot": (
        "snapshot: { at: 10s, width: 1280, name: out.jpg }",
        ["-frames:v", "1", "-update", "1"],
        "out.jpg",
    ),
}
# Options before the source.
SEEK = {"snapshot": ["-ss", "10"]}


def source(folder):
    if chosen := os.environ.get("BENCH_MEDIA_SOURCE"):
        return Path(chosen).resolve()
    file = folder / "source.mp4"
    again = ["ffmpeg", "-v", "error", "-stream_loop", "2", "-i", FIXTURE, "-c", "copy", *MP4, file]
    subprocess.run(again, check=True)
    return file


def case(name, source, folder):
    activity, options, file = CASES[name]
    workflow = folder / "workflow.yaml"
    workflow.write_text(f"name: bench\noutput: {{ bucket: made }}\nactivities:\n  only:\n    {activity}\n")
    ours = [PROGRAM, "run", workflow, source, "--output", folder / "ours"]
    theirs = ["ffmpeg", "-v", "error", "-nostdin", "-y", *SEEK.get(name, []), "-i", source, *options, folder / file]

    def pair(watch=False):
        both = []
        for command in (ours, theirs):
            shutil.rmtree(folder / "ours", ignore_errors=True)
            both.append(measure(command, folder, watch))
        return both

    memory = pair(watch=True)
    pairs = [pair() for _ in range(PAIRS)]
    answer = {side: medians(list(runs)) | held for side, runs, held in zip(("reelmill", "ffmpeg"), zip(*pairs), memory)}
    answer["ratio"] = medians([ratio(*both) for both in pairs]) | ratio(*memory)
    return answer


def main():
    chosen = os.environ.get("BENCH_MEDIA_CASES")
    names = chosen.split(",") if chosen else [*CASES, *workflows.CASES]
    answer = {}
    print(f"{'case':15} {'wall':>16} {'processor':>16} {'memory':>18}   (reelmill / ffmpeg = ratio)")
    for name in (name for name in names if name in CASES):
        with tempfile.TemporaryDirectory(dir=ROOT / "target") as folder:
            figures = answer[name] = case(name, source(Path(folder)), Path(folder))
        ours, theirs, ratio = figures["reelmill"], figures["ffmpeg"], figures["ratio"]
        cells = [
            f"{ours[key]:.{digits}f}/{theirs[key]:.{digits}f}={ratio[key]:.2f}"
            for key, digits in (("wall_s", 2), ("cpu_s", 2), ("memory_mib", 0))
        ]
        print(f"{name:15} {cells[0]:>16} {cells[1]:>16} {cells[2]:>18}", flush=True)
    for name in (name for name in names if name in workflows.CASES):
        with tempfile.TemporaryDirectory(dir=ROOT / "target") as folder:
            answer[name] = workflows.run(name, PROGRAM, FIXTURE, Path(folder), PAIRS)
    file = ROOT / "target/bench/media.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(answer, indent=2) + "\n")
    print(json.dumps({name: figures["ratio"] for name, figures in answer.items()}))


main()
