"""The console's first visit: no workflow is there, and one to start from is a button away."""

from __future__ import annotations

import shutil
import tempfile
import unittest
from pathlib import Path
from urllib.parse import quote

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

    def test_newcomer_a_narrow_list_stacks_its_rows_and_times_say_their_zone(self) -> None:
        browser, name = self.browser, "a film with quite a long name, as cameras give them.mp4"
        text = "name: look\ntrigger: { bucket: uploads }\nactivities: { info: { analysis: {} } }\n"
        (self.folder / "workflows/look.yaml").write_text(text)
        browser.get(self.daemon.url + "/workflows")
        browser.until(lambda: "look" in browser.text("main"), "the workflow")
        own = {"Sec-Fetch-Site": "same-origin"}
        status, _, _ = self.daemon.send("PUT", f"/uploads/uploads/{quote(name)}", b"this is no film", **own)
        self.assertEqual(status, 201)
        browser.size((390, 844))
        zone = {"timezoneId": "America/New_York"}
        browser.driver.execute_cdp_cmd("Emulation.setTimezoneOverride", zone)
        browser.get(self.daemon.url + "/")
        browser.until(lambda: "failed" in browser.text("#list tbody .state"), "the execution")
        width = "return document.querySelector('#list td.object').getBoundingClientRect().width"
        self.assertGreater(browser.run(width), 300, "the name has the width of the screen")
        below = """const at = (selector) => document.querySelector(selector).getBoundingClientRect();
            return at("#list td .state").top - at("#list td.object").bottom"""
        self.assertGreaterEqual(browser.run(below), 0, "the state stands below the name")
        beyond = "const box = document.querySelector('#list .scroll'); return box.scrollWidth - box.clientWidth"
        self.assertLessEqual(browser.run(beyond), 0, "nothing is cut off")
        self.assertIn("default", browser.text("#list td[data-label=queue]"))
        self.assertEqual(browser.barriers(), [])
        browser.shot("narrow-list")
        browser.click("#list td.object a")
        browser.until(lambda: "look" in browser.text(".crumbs"), "the execution's page")
        zones = "return [...document.querySelectorAll('[data-zone]')].map((one) => one.innerText)"
        self.assertTrue(all(one in ("EST", "EDT", "GMT-5", "GMT-4") for one in browser.run(zones)), browser.run(zones))
        clock = """const time = document.querySelector("#log time");
            return [time.textContent, new Date(time.dateTime).toLocaleTimeString("en-GB", { timeZone: "America/New_York" })]"""
        shown, expected = browser.run(clock)
        self.assertTrue(shown.startswith(expected), f"{shown} is not {expected} in New York")
        browser.scripts(on=False)
        browser.get(browser.driver.current_url)
        self.assertIn("UTC", browser.one("#log-title").text)
        browser.scripts(on=True)


if __name__ == "__main__":
    unittest.main()
