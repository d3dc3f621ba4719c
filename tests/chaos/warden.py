"""A program: when its standard input closes, ends every process that runs a program of the given folder.

    warden.py FOLDER [MOUNT...]

The driver keeps the other end open. However the driver ends, also by SIGKILL, nothing that it started lives on: daemons
and workers run from the folder, stopped ones too, and mounts below it are taken away. After a tidy end there is nothing
left to do.

Absent: servers, which watch their own standard input.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import processes


def main() -> None:
    folder, mounts = sys.argv[1], sys.argv[2:]
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sys.stdin.read()
    # Again, for what was started in between.
    while True:
        left = processes.running_from(folder)
        if not left:
            break
        for process in left:
            try:
                os.kill(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.05)
    for mount in mounts:
        if os.path.ismount(mount):
            subprocess.run(["umount", "--lazy", mount], check=False)


if __name__ == "__main__":
    main()
