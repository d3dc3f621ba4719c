"""infra/systemd: what systemd itself says about the unit."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from places import INFRA, PROGRAM, text

UNIT = INFRA / "systemd/reelmill.service"
INSTALLED = "/usr/local/bin/reelmill"
# Of systemd-analyze, 0 to 100: 20 is "2.0 OK".
EXPOSURE = 20
# The default of `worker.drain`, and what stopped jobs and open requests have after it.
DRAIN_S, LAST_WORDS_S = 20, 15


class Unit(unittest.TestCase):
    """reelmill.service."""

    def judge(self, *command: str) -> None:
        """Runs systemd-analyze on the unit, with the program where it was built."""
        if not shutil.which("systemd-analyze"):
            self.skipTest("there is no systemd here")
        with tempfile.TemporaryDirectory() as folder:
            unit = Path(folder) / UNIT.name
            unit.write_text(UNIT.read_text("utf-8").replace(INSTALLED, str(PROGRAM)), encoding="utf-8")
            run = ["systemd-analyze", *command, str(unit)]
            judged = subprocess.run(run, capture_output=True, text=True, check=False)
        self.assertEqual((judged.returncode, judged.stderr), (0, ""), judged.stdout)

    def test_systemd_understands_all_of_it(self) -> None:
        self.judge("verify", "--man=no")

    def test_it_exposes_little(self) -> None:
        self.judge("security", "--offline=yes", "--no-pager", f"--threshold={EXPOSURE}")

    def test_it_is_killed_after_its_drain(self) -> None:
        unit = configparser.RawConfigParser(strict=False)
        unit.optionxform = str
        unit.read_string(UNIT.read_text("utf-8"))
        service = unit["Service"]
        self.assertEqual(service["KillMode"], "mixed")
        self.assertGreaterEqual(int(service["TimeoutStopSec"]), DRAIN_S + LAST_WORDS_S)
        self.assertRegex(text("docs/configuration.md"), re.escape(f"| `worker.drain` | `{DRAIN_S}s` |"))

    def test_its_user_is_made(self) -> None:
        self.assertIn("User=reelmill", UNIT.read_text("utf-8"))
        if not shutil.which("systemd-sysusers"):
            self.skipTest("there is no systemd here")
        snippet = INFRA / "systemd/reelmill.sysusers"
        made = subprocess.run(["systemd-sysusers", "--dry-run", snippet], capture_output=True, text=True, check=False)
        self.assertEqual(made.returncode, 0, made.stderr)


if __name__ == "__main__":
    unittest.main()
