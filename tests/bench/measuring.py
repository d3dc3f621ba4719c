"""Time and memory of commands, for benches that compare programs side by side."""

import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path


class Memory(threading.Thread):
    """Watches what a process and all that it started hold together."""

    def __init__(self, process):
        super().__init__(daemon=True)
        self.process, self.most, self.over = process, 0, threading.Event()

    def run(self):
        while not self.over.wait(0.01):
            self.most = max(self.most, sum(resident(p) for p in tree(self.process)))


def tree(root):
    found, todo = [], [root]
    while todo:
        process = todo.pop()
        found.append(process)
        for thread in glob_of(f"/proc/{process}/task"):
            try:
                todo += [int(p) for p in Path(f"/proc/{process}/task/{thread}/children").read_text().split()]
            except OSError:
                pass
    return found


def glob_of(folder):
    try:
        return os.listdir(folder)
    except OSError:
        return []


def resident(process):
    """Bytes of its own: pages that are shared with others, as those of libraries are, count in part."""
    try:
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    except (OSError, IndexError):
        pass
    return 0


def measure(command, cwd, watch):
    """Of one run its memory, where it is to be watched, else its times."""
    begin = time.monotonic()
    process = subprocess.Popen(command, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    memory = Memory(process.pid)
    if watch:
        memory.start()
    errors = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - begin
    memory.over.set()
    if watch:
        memory.join()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{errors.decode(errors='replace')}")
    if watch:
        return {"memory_mib": memory.most / 2**20}
    return {"wall_s": wall, "cpu_s": usage.ru_utime + usage.ru_stime}


def medians(runs):
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def ratio(ours, theirs):
    return {key: ours[key] / theirs[key] for key in ours if theirs[key] > 0}
