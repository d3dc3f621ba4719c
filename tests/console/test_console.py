"""The console, in a browser: what a person does with it, step by step. Screenshots stay in `target/console/`."""

from __future__ import annotations

import shutil
import tempfile
import unittest
from pathlib import Path
from urllib.parse import quote

from selenium.webdriver.common.keys import Keys
from surroundings import IS_HERE, NARROW, SCREENSHOTS, Browser, Daemon, clip, film

WEB = """\
name: web
description: Two renditions, a poster, preview pictures and HLS for every uploaded video.
trigger: { bucket: uploads, key: "incoming/**/*.{mp4,mov,mkv,webm,avi,mxf,mpg,mpeg,m2ts,mts,wmv,flv,3gp,vob}" }
output: { bucket: media, prefix: "web/${object.stem}/" }
activities:
  probe: { analysis: {} }
  small: { transcode: { template: h264-360p, video: { short_side: 180, gop: 2s }, name: 180p.mp4 } }
  large: { transcode: { template: h264-360p, video: { gop: 2s }, name: 360p.mp4 } }
  huge: { when: probe.video.short_side >= 1080, transcode: { template: h264-1080p, name: 1080p.mp4 } }
  poster: { snapshot: { at: 50%, width: 640, name: poster.jpg } }
  sprites: { snapshot: { every: 1s, sprite: { columns: 4, rows: 2, width: 160 }, vtt: true } }
  hls: { package: { from: [small, large], protocol: hls, segment: 2s } }
"""
STREAM = """\
name: stream
description: HLS in segments of a transport stream.
trigger: { bucket: uploads, key: "stream/*.mp4" }
output: { bucket: media, prefix: "stream/${object.stem}/" }
activities:
  base: { transcode: { template: h264-360p, video: { gop: 2s }, name: 360p.mp4 } }
  hls: { package: { from: base, segments: ts, segment: 2s } }
"""
TONGUES = """\
name: tongues
description: A package with two sounds and subtitles.
trigger: { bucket: uploads, key: "tongues/*.mp4" }
output: { bucket: media, prefix: "tongues/${object.stem}/" }
activities:
  film: { transcode: { template: h264-360p, video: { gop: 2s }, audio: { tracks: all }, subtitles: keep } }
  hls: { package: { from: film, segment: 2s } }
"""
WRONG = """\
name: wrong
trigger: { bucket: uploads, key: "wrong/*" }
output: { bucket: media, prefix: "wrong/" }
activities:
  poster:
    snapshot: { at: 10%, name: b.jpg, widht: 3 }
"""


@unittest.skipUnless(IS_HERE, "there is no Chromium with its driver here")
class Console(unittest.TestCase):
    """A daemon without tokens, a browser, and two clips."""

    folder: Path
    uploads = 0
    daemon: Daemon
    browser: Browser

    @classmethod
    def setUpClass(cls) -> None:
        shutil.rmtree(SCREENSHOTS, ignore_errors=True)
        cls.folder = Path(tempfile.mkdtemp(prefix="reelmill-console-test-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        workflows = cls.folder / "workflows"
        workflows.mkdir()
        for name, text in (("web", WEB), ("stream", STREAM), ("tongues", TONGUES), ("wrong", WRONG)):
            (workflows / f"{name}.yaml").write_text(text, encoding="utf-8")
        cls.clip = clip(cls.folder, "clip & <friends>.mp4")
        cls.film = film(cls.folder, "film.mp4")
        cls.broken = cls.folder / "broken.mp4"
        cls.broken.write_text("this is no film", encoding="utf-8")
        cls.daemon = Daemon(workflows)
        cls.addClassCleanup(cls.daemon.end)
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.end)

    def setUp(self) -> None:
        self.browser.emulate(scheme="light")
        self.addCleanup(lambda: self.assertEqual(self.browser.complaints(), []))

    def open(self, path: str) -> None:
        self.browser.get(self.daemon.url + path)

    def upload(self, file: Path, workflow: str) -> str:
        """Uploads a file of a new name in the drop zone and is led to the execution; its path."""
        Console.uploads += 1
        file = Path(shutil.copy(file, self.folder / f"{self.uploads} {file.name}"))
        self.open("/upload")
        script = """const select = document.getElementById("target");
            select.selectedIndex = [...select.options].findIndex((one) => one.text.startsWith(arguments[0] + " "));
            select.dispatchEvent(new Event("change"));"""
        self.browser.run(script, workflow)
        self.browser.one("#file").send_keys(str(file))
        self.browser.until(lambda: "/executions/" in self.browser.driver.current_url, "the execution")
        return self.browser.driver.current_url.removeprefix(self.daemon.url)

    def wait_for_state(self, state: str) -> None:
        """Waits on an open page, which follows by itself."""
        self.browser.until(lambda: self.browser.text("h1 .state").endswith(state), f"state {state}")

    def look(self, name: str) -> None:
        """Keeps pictures of a page, light, dark and narrow, and lets axe judge it."""
        for scheme in ("light", "dark"):
            self.browser.emulate(scheme=scheme)
            self.assertEqual(self.browser.barriers(), [], f"{name}, {scheme}")
            self.browser.shot(f"{name}-{scheme}")
        self.browser.emulate(scheme="light")
        self.browser.size(NARROW)
        self.assertEqual(self.browser.barriers(), [], f"{name}, narrow")
        wider = self.browser.run("return document.documentElement.scrollWidth - window.innerWidth")
        self.assertLessEqual(wider, 0, f"{name} does not fit a narrow screen")
        self.browser.shot(f"{name}-narrow")

    def plays(self) -> None:
        """Plays what is on the page until pictures have gone by."""
        self.browser.until(lambda: self.browser.run("return document.getElementById('video').readyState >= 2"), "data")
        start = "const video = document.getElementById('video'); video.muted = true; return video.play().then(() => 1);"
        self.browser.run(start)
        state = """const video = document.getElementById('video');
            return [video.currentTime, video.getVideoPlaybackQuality().totalVideoFrames, video.error?.message ?? ""];"""

        def played() -> bool:
            seconds, frames, error = self.browser.run(state)
            self.assertEqual(error, "")
            return seconds > 1 and frames > 20

        self.browser.until(played, "pictures")

    def test_a_clip_is_uploaded_watched_and_played(self) -> None:
        self.upload(self.clip, "web")
        self.browser.run("window.first = true;")
        self.browser.shot("running")
        self.wait_for_state("succeeded")
        self.assertTrue(self.browser.run("return window.first"), "the page was loaded again")
        self.assertEqual(len(self.browser.all("a.node.succeeded")), 6)
        self.assertEqual(len(self.browser.all("a.node.skipped")), 1)
        self.assertIn("its condition is false", self.browser.text("#timeline"))
        self.browser.until(lambda: self.browser.run("return document.getElementById('video').dataset.by") == "script", "a player")
        self.plays()
        # Another rendition, and a place that is not loaded yet.
        self.browser.run("""const select = document.getElementById("quality");
            select.value = "1"; select.dispatchEvent(new Event("change"));""")
        self.browser.until(lambda: "320×180" in self.browser.text("#player-status"), "the smaller rendition")
        self.browser.run("document.getElementById('video').currentTime = 6.5;")
        self.browser.until(lambda: self.browser.run("return document.getElementById('video').currentTime > 7"), "the end")
        self.browser.until(lambda: self.browser.run("return document.getElementById('video').videoHeight") == 180, "180 lines")
        pictures = "return [...document.querySelectorAll('.pictures img')].every((one) => one.complete && one.naturalWidth > 0)"
        self.browser.until(lambda: self.browser.run(pictures), "the pictures")
        self.assertEqual(len(self.browser.all(".pictures img")), 2)
        self.look("execution")
        # A rendition by itself.
        self.browser.click(".renditions a:nth-child(2)")
        self.browser.until(lambda: "play=" in self.browser.driver.current_url, "the rendition")
        self.plays()
        self.open("/?q=FRIENDS")
        self.assertIn("clip & <friends>.mp4", self.browser.text("#list"))
        self.look("executions")

    def test_segments_of_a_transport_stream_are_the_browsers_to_play(self) -> None:
        self.upload(self.clip, "stream")
        self.wait_for_state("succeeded")
        self.browser.until(lambda: self.browser.run("return document.getElementById('video').dataset.by") == "browser", "a player")
        self.plays()

    def test_sound_and_subtitles_can_be_chosen(self) -> None:
        self.upload(self.film, "tongues")
        self.wait_for_state("succeeded")
        names = "return [...document.querySelectorAll('#sound option')].map((one) => one.text)"
        self.browser.until(lambda: self.browser.run(names) == ["English", "Deutsch"], "the sounds")
        self.plays()
        self.browser.run("""const select = document.getElementById("sound");
            select.value = "1"; select.dispatchEvent(new Event("change"));""")
        self.browser.until(lambda: self.browser.run("return document.getElementById('video').dataset.sound") == "Deutsch", "it")
        decoded = "return document.getElementById('video').webkitAudioDecodedByteCount"
        before = self.browser.run(decoded)
        self.plays()
        self.browser.until(lambda: self.browser.run(decoded) > before, "the other sound")
        self.browser.run("document.getElementById('video').textTracks[0].mode = 'showing';")
        cues = "return [...document.getElementById('video').textTracks[0].cues].map((one) => [one.startTime, one.getCueAsHTML().textContent])"
        self.browser.until(lambda: len(self.browser.run(cues)) >= 2, "the subtitles")
        self.assertEqual(self.browser.run(cues), [[1, "One goes on & on."], [6, "Two."]])
        self.browser.shot("subtitles")

    def test_a_failed_execution_says_why_and_is_retried(self) -> None:
        self.upload(self.broken, "web")
        self.wait_for_state("failed")
        self.assertRegex(self.browser.text("#failures .reason"), r"^MEDIA\d{4} ")
        self.look("failed")
        self.browser.click(".actions form[action$='/retry'] button")
        self.browser.until(lambda: "started again" in self.browser.text("#log"), "the second run")
        self.assertIn("(by console)", self.browser.text("#log"))
        self.wait_for_state("failed")

    def test_a_retry_goes_on_where_it_failed(self) -> None:
        own = {"Sec-Fetch-Site": "same-origin"}
        form = {**own, "Content-Type": "application/x-www-form-urlencoded"}
        self.upload(self.broken, "web")
        self.wait_for_state("failed")
        # While nothing is claimed, the upload goes away: what reads it later fails.
        self.assertEqual(self.daemon.send("POST", "/queues/default", b"paused=true", **form)[0], 303)
        path = self.upload(self.clip, "stream")
        name = f"{self.uploads} {self.clip.name}"
        (self.daemon.folder / "data/buckets/uploads/stream" / name).unlink()
        self.assertEqual(self.daemon.send("POST", "/queues/default", b"paused=false", **form)[0], 303)
        self.wait_for_state("failed")
        self.assertIn("base", self.browser.text("#failures"))
        address = f"/uploads/uploads/stream/{quote(name)}"
        self.assertEqual(self.daemon.send("PUT", address, self.clip.read_bytes(), **own)[0], 201)
        self.browser.click(".actions form[action$='/retry'] button")
        self.wait_for_state("succeeded")
        self.assertTrue(self.browser.driver.current_url.endswith(path))
        self.plays()

    def test_a_queue_is_paused_and_resumed(self) -> None:
        self.upload(self.broken, "web")
        self.wait_for_state("failed")
        self.open("/queues")
        self.browser.click("[data-queue=default] input[name=paused][value=true] + button")
        self.browser.until(lambda: "paused" in self.browser.text("[data-queue=default] h2"), "the pause")
        execution = self.upload(self.broken, "web")
        self.assertIn("queued", self.browser.text("h1"))
        self.assertIn("paused", self.browser.text("h1"))
        self.assertIn("Queue default is paused", self.browser.text("#head"))
        self.open("/queues")
        waiting = "return Number(document.querySelector('[data-queue=default] .figures dd').innerText)"
        self.browser.until(lambda: self.browser.run(waiting) >= 5, "jobs that wait")
        self.assertIn("broken.mp4", self.browser.text("#running"))
        self.look("queues")
        # What waits is put before everything else.
        self.browser.run("document.querySelector('#running select').value = '10';")
        self.browser.click("#running form button")
        self.browser.until(lambda: "priority 10" in self.browser.text("#log"), "the priority")
        chosen = "return document.querySelector('.actions select').value"
        self.assertEqual(self.browser.run(chosen), "10")
        self.open("/queues")
        self.browser.click("[data-queue=default] input[name=paused][value=false] + button")
        self.browser.until(lambda: "paused" not in self.browser.text("[data-queue=default] h2"), "the end of the pause")
        self.open(execution)
        self.wait_for_state("failed")

    def test_workflows_show_what_is_wrong_and_are_switched(self) -> None:
        self.open("/workflows/wrong")
        self.assertEqual(self.browser.text("#text mark"), "widht")
        self.assertIn("did you mean `width`?", self.browser.text("#problems"))
        self.look("workflow-wrong")
        self.open("/workflows/stream")
        self.browser.click("input[name=enabled][value=false] + button")
        self.browser.until(lambda: "disabled" in self.browser.text("h1"), "the switch")
        self.open("/upload")
        self.assertNotIn("stream", self.browser.text("#target"), "what is disabled waits for no upload")
        self.open("/workflows/stream")
        self.browser.click("input[name=enabled][value=true] + button")
        self.browser.until(lambda: "enabled" in self.browser.text("h1"), "the switch")
        self.look("workflow")
        for name in ("workflows", "templates", "templates/h264-720p", "upload"):
            self.open(f"/{name}")
            self.look(name.replace("/", "-"))

    def test_the_list_follows_by_itself(self) -> None:
        self.open("/?q=by+itself")
        self.browser.run("window.first = true;")
        self.assertIn("No execution matches the filter", self.browser.text("#list"))
        own = {"Sec-Fetch-Site": "same-origin"}
        status, _, _ = self.daemon.send("PUT", "/uploads/uploads/incoming/by%20itself.mp4", b"this is no film", **own)
        self.assertEqual(status, 201)
        self.browser.until(lambda: "failed" in self.browser.text("#list tbody .state"), "the failed execution")
        self.assertTrue(self.browser.run("return window.first"), "the page was loaded again")

    def test_what_is_dropped_goes_up_and_events_say_why_nothing_started(self) -> None:
        drop = """document.getElementById("prefix").value = "elsewhere";
            const dropped = new DataTransfer();
            dropped.items.add(new File(["this is no film"], "dropped.mp4"));
            const event = { dataTransfer: dropped, bubbles: true, cancelable: true };
            document.getElementById("drop").dispatchEvent(new DragEvent("drop", event));"""
        self.open("/upload")
        self.browser.run(drop)
        self.browser.until(lambda: "no workflow was started" in self.browser.text("#uploads"), "the event")
        self.browser.run(drop)
        self.browser.until(lambda: "Replace it" in self.browser.text("#uploads"), "the question")
        [conflict] = self.browser.complaints()
        self.assertIn("409", conflict)
        self.look("uploads")
        self.browser.click("#uploads button")
        self.browser.until(lambda: "Replace it" not in self.browser.text("#uploads"), "the replacement")
        self.browser.click("#uploads li:last-child a")
        self.browser.until(lambda: "/events" in self.browser.driver.current_url, "the event")
        self.assertIn("the key does not match", self.browser.text("#list"))
        self.open("/events")
        self.look("events")

    def test_keys_lead_around(self) -> None:
        path = self.upload(self.broken, "web")
        self.wait_for_state("failed")
        self.open("/")
        focused = "return document.activeElement.id || document.activeElement.getAttribute('href')"
        # The first stop leads past the navigation, and can be seen there.
        self.browser.press(Keys.TAB)
        self.assertEqual(self.browser.run(focused), "#content")
        seen = "return document.activeElement.getBoundingClientRect().top >= 0"
        self.browser.until(lambda: self.browser.run(seen), "the link past the navigation")
        self.browser.press(Keys.ENTER)
        self.browser.until(lambda: self.browser.run(focused) == "content", "the content")
        self.browser.press("/")
        self.assertEqual(self.browser.run(focused), "search")
        self.browser.press("j" + Keys.TAB)
        self.assertEqual(self.browser.run("return document.getElementById('search').value"), "j", "keys are text there")
        self.open("/")
        self.browser.press("j")
        self.assertEqual(self.browser.run(focused), path)
        outline = "return getComputedStyle(document.activeElement).outlineStyle"
        self.assertEqual(self.browser.run(outline), "solid", "the focus can be seen")
        self.browser.press(Keys.ENTER)
        self.browser.until(lambda: self.browser.driver.current_url.endswith(path), "the execution")
        self.browser.press("gq")
        self.browser.until(lambda: self.browser.driver.current_url.endswith("/queues"), "the queues")
        self.browser.press("?")
        is_open = "return document.getElementById('help').open"
        self.browser.until(lambda: self.browser.run(is_open), "the list of keys")
        self.assertEqual(self.browser.barriers(), [])
        self.browser.shot("keys")
        self.browser.press(Keys.ESCAPE)
        self.browser.until(lambda: not self.browser.run(is_open), "the end of the list")

    def test_without_tokens_only_names_of_this_machine_are_answered_to(self) -> None:
        status, headers, body = self.daemon.ask("/", Host="evil.example")
        self.assertEqual((status, headers["content-type"]), (403, "application/problem+json"))
        self.assertIn(b"CLI0017", body)
        host = self.daemon.url.removeprefix("http://").replace("127.0.0.1", "localhost")
        self.assertEqual(self.daemon.ask("/", Host=host)[0], 200)

    def test_pages_are_whole_without_scripts(self) -> None:
        path = self.upload(self.broken, "web")
        self.wait_for_state("failed")
        self.browser.scripts(on=False)
        self.addCleanup(self.browser.scripts, on=True)
        for page in ("/", path, "/queues", "/workflows", "/workflows/web", "/templates", "/events"):
            status, _, body = self.daemon.ask(page)
            self.assertEqual(status, 200, page)
            self.assertNotRegex(body.decode(), r"<script>|<script [^>]*>[^<]|style=|<style| on[a-z]+=")
        self.open(path)
        self.assertEqual(len(self.browser.all("#graph a.node")), 7)
        self.browser.one(".actions form[action$='/retry'] button").click()
        self.browser.until(lambda: "started again" in self.browser.one("#log").text, "the second run")


if __name__ == "__main__":
    unittest.main()
