"""Scratch folders that can be full: a small file system in memory under each.

Invariant: a file that fills one is not named like an attempt's folder, so no daemon takes it away.

Absent: filling where nothing can be mounted; the run then goes without that fault and says so.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

SIZE = "64m"
FILLER = "filler"
_CHUNK = b"\0" * (1 << 20)


def mount(folder: Path) -> bool:
    """Makes the folder one that can be full; false where that is not possible."""
    if os.geteuid() != 0:
        return False
    command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0755", "reelmill-chaos", str(folder)]
    return subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode == 0


def unmount(folder: Path) -> None:
    """Takes it away."""
    if os.path.ismount(folder):
        subprocess.run(["umount", "--lazy", str(folder)], check=False)


def fill(folder: Path) -> None:
    """Takes all the room that is left."""
    with open(folder / FILLER, "ab", buffering=0) as file:
        for size in (len(_CHUNK), 4096):
            try:
                while file.write(_CHUNK[:size]) == size:
                    pass
            except OSError:
                continue


def free(folder: Path) -> None:
    """Gives the room back."""
    (folder / FILLER).unlink(missing_ok=True)
