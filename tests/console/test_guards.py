"""Who may do what in the console: tokens and scopes, pages of others, and requests that mean harm."""

from __future__ import annotations

import json
import shutil
import tempfile
import unittest
from pathlib import Path
from typing import List, Optional
from urllib.parse import quote

from surroundings import IS_HERE, Browser, Daemon, Elsewhere, clip

COPY = """\
name: copy
trigger: { bucket: uploads, key: "incoming/**" }
output: { bucket: media, prefix: "copy/${object.stem}/" }
activities:
  copy: { transcode: { template: remux-mp4, name: copy.mp4 } }
"""
TOKENS = {"read": "a-token; that only=reads", "submit": "a-token-that-submits", "admin": "a-token-that-may-do-everything"}
OWN = {"Sec-Fetch-Site": "same-origin"}
FORM = {**OWN, "Content-Type": "application/x-www-form-urlencoded"}
PAGES = ("/", "/upload", "/queues", "/workflows", "/workflows/copy", "/templates", "/events", "/login")


def cookie(scope: str) -> dict[str, str]:
    """The header of somebody who is signed in."""
    return {"Cookie": f"reelmill_token={quote(TOKENS[scope])}"}


@unittest.skipUnless(IS_HERE, "there is no Chromium with its driver here")
class Guards(unittest.TestCase):
    """A daemon that knows tokens, one copied clip, and a browser."""

    daemon: Daemon
    browser: Browser
    folder: Path
    execution: str

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = Path(tempfile.mkdtemp(prefix="reelmill-console-test-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        (cls.folder / "workflows").mkdir()
        cls.workflow = cls.folder / "workflows/copy.yaml"
        cls.workflow.write_text(COPY, encoding="utf-8")
        entries = []
        for scope, token in TOKENS.items():
            (cls.folder / scope).write_text(token, encoding="utf-8")
            entries.append(f"{{ name: {scope}, scope: {scope}, token: 'file:{cls.folder}/{scope}' }}")
        cls.daemon = Daemon(cls.folder / "workflows", f"api: {{ tokens: [{', '.join(entries)}] }}\n")
        cls.addClassCleanup(cls.daemon.end)
        cls.browser = Browser()
        cls.addClassCleanup(cls.browser.end)
        cls.execution = cls.upload("incoming/clip.mp4", clip(cls.folder, "clip.mp4").read_bytes())

    @classmethod
    def upload(cls, key: str, body: bytes) -> str:
        """Uploads as the drop zone does, and waits for the end of the execution; its identifier."""
        address = f"/uploads/uploads/{quote(key)}"
        status, _, answer = cls.daemon.send("PUT", address, body, **OWN, **cookie("submit"))
        assert status == 201, answer
        told = json.loads(answer)
        question = f"{address}?etag={quote(told['etag'])}&since={told['since']}"
        _, _, answer = cls.daemon.ask(question, **cookie("read"))
        [execution] = json.loads(answer)["executions"]
        # Ends with the execution.
        cls.daemon.ask(f"/v1/executions/{execution}/stream", Authorization=f"Bearer {TOKENS['read']}")
        return execution

    def setUp(self) -> None:
        self.browser.driver.delete_all_cookies()

    def sign_in(self, token: str, page: str = "/workflows/copy") -> None:
        self.browser.get(self.daemon.url + page)
        self.browser.one("#token").send_keys(token)
        self.browser.one(".login button").click()

    def assert_problem(self, answer: tuple[int, dict, bytes], status: int, code: str) -> None:
        """Refused with this status, and a problem that says so."""
        found, headers, body = answer
        self.assertEqual((found, headers.get("content-type")), (status, "application/problem+json"), body)
        problem = json.loads(body)
        self.assertEqual((problem["status"], problem["code"]), (status, code), problem)

    def test_a_token_opens_the_console_as_far_as_it_goes(self) -> None:
        browser = self.browser
        self.sign_in("a-token-that-nobody-knows")
        self.assertIn("Unknown token", browser.one(".login .error").text)
        self.assertEqual(browser.barriers(), [])
        browser.shot("login")
        self.sign_in(TOKENS["read"])
        browser.until(lambda: browser.driver.current_url.endswith("/workflows/copy"), "the page that was asked for")
        self.assertFalse(browser.one("input[name=enabled] + button").is_enabled())
        kept: Optional[dict] = browser.driver.get_cookie("reelmill_token")
        self.assertEqual((kept["httpOnly"], kept["sameSite"]), (True, "Strict"))
        self.assertEqual(browser.run("return document.cookie"), "", "scripts see no token")
        browser.get(f"{self.daemon.url}/queues")
        buttons = browser.all("main button")
        self.assertTrue(buttons)
        self.assertFalse(any(button.is_enabled() for button in buttons))
        browser.get(f"{self.daemon.url}/upload")
        self.assertIn("Your token does not permit uploads.", browser.text("main"))
        # A form that is there all the same is answered with a page that says why.
        browser.run("""const form = document.createElement("form");
            form.method = "post"; form.action = "/queues/default"; document.body.append(form); form.submit();""")
        browser.until(lambda: "needs a token with the scope admin" in browser.text("main"), "the refusal")
        self.assertEqual(browser.barriers(), [])
        browser.shot("refused")
        browser.click("form[action='/logout'] button")
        browser.one("#token")
        self.assertIsNone(browser.driver.get_cookie("reelmill_token"))
        self.sign_in(TOKENS["admin"])
        browser.click("input[name=enabled][value=false] + button")
        browser.until(lambda: "disabled" in browser.text("h1"), "the switch")
        self.assertIn("enabled: false", self.workflow.read_text("utf-8"))
        browser.click("input[name=enabled][value=true] + button")
        browser.until(lambda: "enabled" in browser.text("h1"), "the switch")

    def test_nothing_is_shown_without_a_token(self) -> None:
        html = {"Accept": "text/html"}
        for page in (*PAGES[:-1], f"/executions/{self.execution}"):
            self.assert_problem(self.daemon.ask(page), 401, "CLI0014")
            wrong = {"Cookie": "reelmill_token=a-token-that-nobody-knows"}
            self.assert_problem(self.daemon.ask(page, **wrong), 401, "CLI0014")
            status, headers, _ = self.daemon.ask(page, **html)
            self.assertEqual((status, headers["location"]), (303, f"/login?next={quote(page, safe='')}"))
        file = f"/executions/{self.execution}/files/media/copy/clip/copy.mp4"
        for other in ("/live", file, "/uploads/uploads/incoming/clip.mp4?etag=x&since=0", "/nothing"):
            self.assert_problem(self.daemon.ask(other), 401, "CLI0014")
        self.assert_problem(self.daemon.send("PUT", "/uploads/uploads/incoming/x.mp4", b"x", **OWN), 401, "CLI0014")
        self.assert_problem(self.daemon.send("POST", "/queues/default", b"paused=true", **FORM), 401, "CLI0014")

    def test_a_scope_allows_what_it_says(self) -> None:
        retry, pause = f"/executions/{self.execution}/retry", "/queues/default"
        for scope, method, path, allowed in (
            ("read", "POST", retry, False),
            ("read", "POST", f"/executions/{self.execution}/cancel", False),
            ("read", "POST", f"/executions/{self.execution}/priority", False),
            ("read", "PUT", "/uploads/uploads/incoming/no.mp4", False),
            ("read", "POST", pause, False),
            ("submit", "POST", retry, True),
            ("submit", "POST", pause, False),
            ("submit", "POST", "/workflows/copy", False),
            ("admin", "POST", pause, True),
        ):
            answer = self.daemon.send(method, path, b"paused=false", **FORM, **cookie(scope))
            if allowed:
                self.assertNotIn(answer[0], (401, 403), (scope, path))
            else:
                self.assert_problem(answer, 403, "CLI0015")

    def test_a_page_of_others_changes_nothing(self) -> None:
        script = "<script>document.forms[0].submit();</script>"
        action = f"{self.daemon.url}/workflows/copy"
        form = f'<form method="post" action="{action}"><input name="enabled" value="false"></form>'
        elsewhere = Elsewhere(form + script)
        self.addCleanup(elsewhere.end)
        self.sign_in(TOKENS["admin"])
        self.browser.until(lambda: "enabled" in self.browser.text("h1"), "the workflow")
        # Of the same site, to which the cookie is sent, and of another.
        for host in ("127.0.0.1", "localhost"):
            self.browser.get(f"http://{host}:{elsewhere.port}/")
            self.browser.until(lambda: "comes from a page of another site" in self.browser.text("main"), "the refusal")
            self.assertEqual(self.browser.driver.current_url, action)
        self.assertNotIn("enabled: false", self.workflow.read_text("utf-8"))
        own = self.daemon.url
        for foreign in (
            {},
            {"Origin": "http://evil.example"},
            {"Origin": "null"},
            {"Sec-Fetch-Site": "same-site", "Origin": own},
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-origin", "Origin": "http://evil.example"},
        ):
            headers = {"Content-Type": FORM["Content-Type"], **foreign, **cookie("admin")}
            self.assert_problem(self.daemon.send("POST", "/workflows/copy", b"enabled=false", **headers), 403, "CLI0017")
            self.assert_problem(self.daemon.send("POST", "/login", b"token=x", **headers), 403, "CLI0017")

    def test_pages_run_nothing_that_stands_in_them(self) -> None:
        for page in PAGES:
            _, headers, _ = self.daemon.ask(page, **cookie("admin"))
            policy = dict(part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";"))
            self.assertEqual((policy["default-src"], policy["script-src"], policy["style-src"]), ("'none'", "'self'", "'self'"))
            self.assertEqual((policy["frame-ancestors"], policy["form-action"]), ("'none'", "'self'"))
            self.assertEqual(headers["x-content-type-options"], "nosniff")
        name = "<img src=x onerror=alert(1)>"
        execution = self.upload(f"incoming/{name}.mp4", b"this is no film")
        self.sign_in(TOKENS["admin"])
        self.browser.one("header.top")
        for page in ("/", f"/executions/{execution}", "/events"):
            self.browser.get(self.daemon.url + page)
            self.assertIn(name, self.browser.text("main"))
            self.assertEqual(self.browser.all("img[src=x]"), [])
        self.browser.complaints()
        self.browser.run("""const script = document.createElement("script");
            script.textContent = "window.owned = true;";
            document.body.append(script);
            document.body.insertAdjacentHTML("beforeend", "<button id=harm onclick='window.owned = true'></button>");
            document.getElementById("harm").click();""")
        refused: List[str] = []

        def are_refused() -> bool:
            refused.extend(one for one in self.browser.complaints() if "Content Security Policy" in one)
            return len(refused) >= 2

        self.browser.until(are_refused, "the refusal of both scripts")
        self.assertIsNone(self.browser.run("return window.owned ?? null"))

    def test_files_come_in_ranges_and_only_those_that_were_published(self) -> None:
        files = f"/executions/{self.execution}/files"
        file, reader = f"{files}/media/copy/clip/copy.mp4", cookie("read")
        status, headers, whole = self.daemon.ask(file, **reader)
        self.assertEqual((status, headers["content-type"]), (200, "video/mp4"))
        self.assertEqual((headers["x-content-type-options"], headers["accept-ranges"]), ("nosniff", "bytes"))
        self.assertIn("sandbox", headers["content-security-policy"])
        status, headers, part = self.daemon.ask(file, Range="bytes=4-7", **reader)
        self.assertEqual((status, part, headers["content-range"]), (206, b"ftyp", f"bytes 4-7/{len(whole)}"))
        status, _, part = self.daemon.ask(file, Range="bytes=-5", **reader)
        self.assertEqual((status, part), (206, whole[-5:]))
        self.assert_problem(self.daemon.ask(file, Range=f"bytes={len(whole)}-", **reader), 416, "CLI0003")
        status, kept, _ = self.daemon.ask(file, If_None_Match=headers["etag"], **reader)
        self.assertEqual((status, kept["cache-control"]), (304, "private, no-cache"))
        self.assertIn("sandbox", kept["content-security-policy"])
        status, _, changed = self.daemon.ask(file, Range="bytes=4-7", If_Range='"another"', **reader)
        self.assertEqual((status, len(changed)), (200, len(whole)))
        for other in ("uploads/incoming/clip.mp4", "media/copy/clip/none.mp4", "media/..%2Fx", "media/../uploads/x", "nowhere/x"):
            self.assert_problem(self.daemon.ask(f"{files}/{other}", **reader), 404, "OBJ0002")

    def test_what_is_too_large_is_refused_before_it_comes(self) -> None:
        much = {"Content-Length": str(1 << 50)}
        answer = self.daemon.send("PUT", "/uploads/uploads/incoming/much.mp4", b"x", **much, **OWN, **cookie("submit"))
        self.assert_problem(answer, 413, "CLI0003")
        status, _, _ = self.daemon.send("POST", "/login", b"token=" + b"x" * 20_000, **FORM)
        self.assertEqual(status, 413, "whoever is not signed in sends a form, and no more")

    def test_names_that_lead_elsewhere_are_refused(self) -> None:
        for bad in (
            "nowhere/a.mp4",
            "media/a.mp4",
            "uploads/incoming/../a.mp4",
            "uploads/incoming/..%2Fa.mp4",
            "uploads/%2e%2e/%2e%2e/a.mp4",
            "uploads/incoming/..%5Ca.mp4",
            "uploads/incoming/a%00.mp4",
            "uploads/incoming/a%0D%0AX-Harm:%201.mp4",
            "uploads/incoming//a.mp4",
            "..%2Fuploads/a.mp4",
            "uploads/" + "a" * 1_025,
            "uploads/incoming/%FF.mp4",
        ):
            answer = self.daemon.send("PUT", f"/uploads/{bad}", b"x", **OWN, **cookie("submit"))
            self.assert_problem(answer, 400, "CLI0003")
            self.assertNotIn("x-harm", {name.lower() for name in answer[1]})
        for nowhere, status, code in (
            ("/assets/x/..%2F..%2FCargo.toml", 404, "CLI0004"),
            ("/templates/..%2F..%2Fetc%2Fpasswd", 404, "STORE0006"),
            ("/workflows/..%2Fcopy", 404, "STORE0006"),
            ("/executions/..%2F..", 400, "CLI0003"),
            ("/executions/01a20579-0a81-7cb7-ab64-d922ec1f2c27", 404, "STORE0006"),
            ("/nothing", 404, "CLI0004"),
            ("/?state=mad", 400, "CLI0003"),
            ("/?before=x", 400, "CLI0003"),
            ("/events?object=s3://", 400, "CLI0003"),
            ("/live?execution=x", 400, "CLI0003"),
            (f"/executions/{self.execution}/retry", 405, "CLI0004"),
        ):
            self.assert_problem(self.daemon.ask(nowhere, **cookie("admin")), status, code)
        for path, body, status in (
            ("/queues/default", b"concurrency=-1", 422),
            ("/queues/default", b"paused=perhaps", 422),
            ("/queues/none", b"paused=true", 404),
            ("/workflows/none", b"enabled=true", 404),
            (f"/executions/{self.execution}/priority", b"priority=11", 422),
            (f"/executions/{self.execution}/retry", b"", 409),
        ):
            found, headers, answer = self.daemon.send("POST", path, body, **FORM, **cookie("admin"))
            self.assertEqual((found, headers["content-type"]), (status, "application/problem+json"), (path, answer))

    def test_the_login_sets_one_cookie_and_leads_to_pages_of_the_console(self) -> None:
        for next_page, target in (
            ("/queues", "/queues"),
            ("//evil.example", "/"),
            ("https://evil.example/", "/"),
            ("/a\r\nSet-Cookie: harm=1", "/"),
            ("/\\evil.example", "/"),
        ):
            body = f"token={quote(TOKENS['read'])}&next={quote(next_page, safe='')}".encode()
            status, headers, _ = self.daemon.send("POST", "/login", body, **FORM)
            self.assertEqual((status, headers["location"]), (303, target))
            self.assertRegex(headers["set-cookie"], r"^reelmill_token=[^;]+; Path=/; HttpOnly; SameSite=Strict; Max-Age=604800$")
        status, headers, _ = self.daemon.send("POST", "/login", b"token=a-token-that-nobody-knows", **FORM)
        self.assertEqual((status, headers.get("set-cookie")), (403, None))


if __name__ == "__main__":
    unittest.main()
