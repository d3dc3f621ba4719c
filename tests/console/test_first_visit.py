"""The console's first visit: no workflow is there, and one to start from is a button away."""

from __future__ import annotations

import shutil
import tempfile
import unittest
from pathlib import Path

from surroundings import IS_HERE, Browser, Daemon


@unittest.skipUnless(IS_HERE, "there is no Chromium with its driver here")
class FirstVisit(unittest.TestCase):
    """A daemon without workflows."""

    def setUp(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="reelmill-first-visit-test-"))
        self.addCleanup(shutil.rmtree, self.folder)
        (self.folder / "workflows").mkdir()
        self.daemon = Daemon(self.folder / "workflows")
        self.addCleanup(self.daemon.end)
        self.browser = Browser()
        self.addCleanup(self.browser.end)

    def test_newcomer_a_workflow_to_start_from_is_a_button_away(self) -> None:
        browser = self.browser
        for page in ("/upload", "/workflows"):
            browser.get(self.daemon.url + page)
            self.assertIn("No workflow yet", browser.text("main"))
            self.assertIn(str((self.folder / "workflows").resolve()), browser.text("main"))
            self.assertEqual(browser.barriers(), [])
        browser.click(".nothing button")
        browser.until(lambda: "starter" in browser.text("h1"), "the workflow")
        self.assertTrue((self.folder / "workflows/starter.yaml").is_file())
        browser.get(self.daemon.url + "/upload")
        browser.until(lambda: "starter" in browser.text("main"), "somewhere to upload to")
        self.assertEqual(browser.complaints(), [])


if __name__ == "__main__":
    unittest.main()
