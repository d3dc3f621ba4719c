"""What the tests of the console share: a daemon over a folder of its own, clips, and a browser without a window.

Absent: what is tested (`test_console`, `test_guards`).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Callable, List, Optional, TypeVar

import axe_core_python
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException, TimeoutException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "target/debug/reelmill"
SCREENSHOTS = ROOT / "target/console"
IS_HERE = bool(shutil.which("chromium") and shutil.which("chromedriver"))
AXE = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text("utf-8")

# Nothing takes this long unless it hangs.
HANG_S = 180.0
WIDE, NARROW = (1280, 900), (390, 844)

Found = TypeVar("Found")


def clip(folder: Path, name: str) -> Path:
    """Eight seconds of a picture that moves and a tone, in H.264 and AAC."""
    path = folder / name
    picture = ["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25:duration=8"]
    sound = ["-f", "lavfi", "-i", "sine=frequency=440:duration=8"]
    codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    subprocess.run(["ffmpeg", "-v", "error", *picture, *sound, *codecs, str(path)], check=True)
    return path


SUBTITLES = """\
1
00:00:01,000 --> 00:00:05,000
One goes on & on.

2
00:00:06,000 --> 00:00:07,000
Two.
"""


def film(folder: Path, name: str) -> Path:
    """The same with two tones in two languages, and subtitles of which one reaches over segments."""
    path, texts = folder / name, folder / f"{name}.srt"
    texts.write_text(SUBTITLES, encoding="utf-8")
    picture = ["-f", "lavfi", "-i", "testsrc2=size=640x360:rate=25:duration=8"]
    tones = [part for hz in (440, 880) for part in ("-f", "lavfi", "-i", f"sine=frequency={hz}:duration=8")]
    maps = ["-i", str(texts), "-map", "0", "-map", "1", "-map", "2", "-map", "3"]
    codecs = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-c:s", "mov_text"]
    languages = ["-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger", "-metadata:s:s:0", "language=eng"]
    default = ["-disposition:a:0", "default", "-disposition:a:1", "0"]
    command = ["ffmpeg", "-v", "error", *picture, *tones, *maps, *codecs, *languages, *default, str(path)]
    subprocess.run(command, check=True)
    return path


class Daemon:
    """A daemon with local buckets, on ports of its own."""

    def __init__(self, workflows: Path, config: str = "") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="reelmill-console-"))
        settings = self.folder / "reelmill.yaml"
        settings.write_text(f"s3_endpoint: null\nworkflows: {workflows}\n{config}", encoding="utf-8")
        command = [str(PROGRAM), "serve", "--json", "--config", str(settings), "--data", str(self.folder / "data")]
        self._log = (self.folder / "log").open("wb")
        self._process = subprocess.Popen(
            [*command, "--api", "127.0.0.1:0"], stdout=subprocess.PIPE, stderr=self._log, stdin=subprocess.DEVNULL
        )
        line = self._process.stdout.readline()
        if not line:
            raise AssertionError(f"the daemon did not start: {(self.folder / 'log').read_text('utf-8')}")
        self.url: str = json.loads(line)["api"]

    def ask(self, path: str, **headers: str) -> tuple[int, dict, bytes]:
        """Status, headers and body of a GET."""
        return self.send("GET", path, None, **headers)

    def send(self, method: str, path: str, body: Optional[bytes], **headers: str) -> tuple[int, dict, bytes]:
        """Status, headers and body of a request; redirects are not followed."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = urllib.request.Request(self.url + path, data=body, headers=named, method=method)
        try:
            with urllib.request.build_opener(_Stay).open(request, timeout=HANG_S) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as answer:
            return answer.code, dict(answer.headers), answer.read()

    def end(self) -> None:
        """Asks it to end, and removes what it kept."""
        self._process.terminate()
        self._process.wait(HANG_S)
        self._process.stdout.close()
        self._log.close()
        shutil.rmtree(self.folder)


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


class Elsewhere:
    """A page of somebody else, at another port of this machine: to browsers another origin of the same site."""

    def __init__(self, page: str) -> None:
        body = page.encode()

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.port: int = self._server.server_address[1]

    def end(self) -> None:
        """Closes it."""
        self._server.shutdown()
        self._server.server_close()


class Browser:
    """Chromium without a window. It finds nothing but this machine."""

    def __init__(self) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        # Containers have neither the user namespaces of the browser's own sandbox nor much shared memory.
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--mute-audio", "--disable-gpu"):
            options.add_argument(argument)
        for argument in ("--disable-background-networking", "--disable-component-update", "--no-first-run"):
            options.add_argument(argument)
        options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost")
        options.add_argument("--autoplay-policy=no-user-gesture-required")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        self.driver.set_script_timeout(HANG_S)
        self.driver.set_window_size(*WIDE)

    def emulate(self, scheme: str) -> None:
        """The colours that people prefer."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    def size(self, size: tuple[int, int]) -> None:
        """The size of the screen, narrower than a window can be."""
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def scripts(self, on: bool) -> None:
        """Whether pages may run scripts."""
        self.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": not on})

    def get(self, url: str) -> None:
        """Opens a page."""
        self.driver.get(url)

    def all(self, selector: str) -> List[WebElement]:
        """Elements of a page."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def one(self, selector: str) -> WebElement:
        """The first such element, once it is there."""
        return self.until(lambda: next(iter(self.all(selector)), None), selector)

    def text(self, selector: str) -> str:
        """What stands in an element, read at once: pages replace their parts."""
        script = "return document.querySelector(arguments[0])?.innerText ?? ''"
        return self.driver.execute_script(script, selector)

    def press(self, keys: str) -> None:
        """Presses keys, whatever has the focus."""
        ActionChains(self.driver).send_keys(keys).perform()

    def click(self, selector: str) -> None:
        """Clicks an element as it is at that moment."""
        script = "const e = document.querySelector(arguments[0]); e?.click(); return Boolean(e)"
        self.until(lambda: self.run(script, selector), selector)

    def run(self, script: str, *arguments: object) -> object:
        """What a script answers."""
        return self.driver.execute_script(script, *arguments)

    def until(self, ask: Callable[[], Found], what: str) -> Found:
        """Asks until there is an answer."""
        # A page that was just left, or a part that was just replaced, is asked again.
        stale = [StaleElementReferenceException]
        try:
            return WebDriverWait(self.driver, HANG_S, 0.1, ignored_exceptions=stale).until(lambda _: ask())
        except TimeoutException:
            raise AssertionError(f"waited too long for {what}; there is:\n{self.text('body')}") from None

    def shot(self, name: str) -> None:
        """Keeps a picture of the whole page."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        height = min(6_000, max(self.run("return document.documentElement.scrollHeight"), 700))
        width = self.run("return window.innerWidth")
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        self.driver.save_screenshot(str(SCREENSHOTS / f"{name}.png"))
        self.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

    def barriers(self) -> List[str]:
        """What axe finds that keeps people out, seriously or worse."""
        self.run(AXE)
        script = "const done = arguments[0]; axe.run().then((found) => done(found), (error) => done(String(error)));"
        found = self.driver.execute_async_script(script)
        serious = [one for one in found["violations"] if one["impact"] in ("serious", "critical")]
        nodes = [(one["id"], node) for one in serious for node in one["nodes"]]
        return [f"{name}: {node['html'][:160]} {node['failureSummary'][:300]}" for name, node in nodes]

    def complaints(self) -> List[str]:
        """What the browser's console holds: errors of scripts, violations of the policy."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"]

    def end(self) -> None:
        """Closes it."""
        self.driver.quit()
