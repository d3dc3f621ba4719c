"""The picture of the README: the page of an execution that makes renditions, pictures and HLS of the demo's clip.

It stays in `target/console/readme.png`; `docs/images/console.webp` is this picture.
"""

from __future__ import annotations

import shutil
import tempfile
import unittest
from pathlib import Path

from surroundings import IS_HERE, ROOT, SCREENSHOTS, Browser, Daemon

CLIP = ROOT / "tests/fixtures/media/sintel_dragon_720p_18s.mp4"
SIZE = (1264, 1192)
WORKFLOW = """\
name: vod
description: Renditions, a poster, preview pictures and HLS for every uploaded video.
trigger: { bucket: uploads, key: "incoming/**/*.{mp4,mov,mkv}" }
output: { bucket: media, prefix: "vod/${object.key}/" }
activities:
  probe: { analysis: {} }
  base: { transcode: { template: h264-360p, video: { preset: veryfast }, name: 360p.mp4 } }
  rungs:
    for_each: [h264-1080p, h264-240p]
    when: probe.video.short_side >= template(each).short_side
    transcode: { template: "${each}", video: { preset: veryfast }, name: "${each}.mp4" }
  poster: { snapshot: { at: 10%, width: 1280, name: poster.jpg } }
  sprites: { snapshot: { every: 2s, sprite: { columns: 5, rows: 2, width: 160 }, vtt: true } }
  hls: { package: { from: [base, rungs] } }
"""


@unittest.skipUnless(IS_HERE, "there is no Chromium with its driver here")
class Picture(unittest.TestCase):
    """A daemon with one workflow, and the demo's clip."""

    def setUp(self) -> None:
        workflows = Path(tempfile.mkdtemp(prefix="reelmill-picture-test-"))
        self.addCleanup(shutil.rmtree, workflows)
        (workflows / "vod.yaml").write_text(WORKFLOW, encoding="utf-8")
        self.daemon = Daemon(workflows)
        self.addCleanup(self.daemon.end)
        self.browser = Browser()
        self.addCleanup(self.browser.end)

    def test_the_page_of_an_execution_shows_what_came_out(self) -> None:
        browser = self.browser
        browser.emulate(scheme="light")
        browser.get(self.daemon.url + "/upload")
        browser.run("""const select = document.getElementById("target");
            select.selectedIndex = [...select.options].findIndex((one) => one.text.startsWith("vod "));
            select.dispatchEvent(new Event("change"));""")
        browser.one("#file").send_keys(str(CLIP))
        browser.until(lambda: "/executions/" in browser.driver.current_url, "the execution")
        browser.until(lambda: browser.text("h1 .state").endswith("succeeded"), "its end")
        self.assertEqual(len(browser.all("a.node.succeeded")), 6)
        self.assertEqual(len(browser.all("a.node.skipped")), 1)
        browser.size(SIZE)
        browser.driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
        ready = "return document.getElementById('video').readyState >= 2"
        browser.until(lambda: browser.run(ready), "the first picture")
        browser.run("document.getElementById('video').currentTime = 9;")
        seeked = "const video = document.getElementById('video'); return !video.seeking && video.readyState >= 2"
        browser.until(lambda: browser.run(seeked), "a picture from the middle")
        pictures = "return [...document.querySelectorAll('.pictures img')].every((one) => one.complete && one.naturalWidth > 0)"
        browser.until(lambda: browser.run(pictures), "the pictures")
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        browser.driver.save_screenshot(str(SCREENSHOTS / "readme.png"))
        self.assertEqual(browser.complaints(), [])


if __name__ == "__main__":
    unittest.main()
