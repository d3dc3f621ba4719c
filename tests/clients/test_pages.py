"""Pages of other origins: what a browser asks before it sends, and a browser itself."""

from __future__ import annotations

import json
import shutil
import threading
import unittest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests

from surroundings import PAGES, Endpoint

IS_HERE = bool(shutil.which("chromium") and shutil.which("chromedriver"))

# What a page does with addresses that somebody else has signed; it tells what became of it.
PAGE = """<!doctype html><title>waiting</title><script>
(async () => {
  const {put, get, form, part, upload} = JSON.parse(decodeURIComponent(location.hash.slice(1)));
  const told = {};
  let answer = await fetch(put, {method: 'PUT', body: 'from a page', headers: {'x-amz-meta-title': 'page'}});
  told.put = answer.status; told.etag = answer.headers.get('ETag');
  answer = await fetch(get);
  told.get = await answer.text();
  const fields = new FormData();
  for (const [name, value] of Object.entries(form.fields)) fields.append(name, value);
  fields.append('file', new File(['a form'], 'form.txt'));
  answer = await fetch(form.url, {method: 'POST', body: fields});
  told.form = answer.status;
  answer = await fetch(part, {method: 'PUT', body: 'a part'});
  told.part = answer.headers.get('ETag');
  document.title = JSON.stringify(told);
})().catch(error => { document.title = JSON.stringify({error: String(error)}); });
</script>"""


class Pages(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.endpoint = Endpoint()
        cls.s3 = cls.endpoint.client()

    @classmethod
    def tearDownClass(cls) -> None:
        cls.endpoint.end()

    def test_field_fault_cors_a_preflight_needs_no_signature(self) -> None:
        bucket = self.endpoint.bucket()
        url = f"{self.endpoint.url}/{bucket}/clip.mp4"
        asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "content-type,x-amz-meta-a"}
        answer = requests.options(url, headers={"Origin": PAGES, **asked}, timeout=60)
        self.assertEqual(answer.status_code, 200)
        self.assertEqual(answer.headers["Access-Control-Allow-Origin"], PAGES)
        self.assertIn("PUT", answer.headers["Access-Control-Allow-Methods"])
        self.assertEqual(answer.headers["Access-Control-Allow-Headers"], "content-type,x-amz-meta-a")
        for origin in ("https://other.example.org", "null"):
            answer = requests.options(url, headers={"Origin": origin, **asked}, timeout=60)
            self.assertEqual((answer.status_code, "AccessForbidden" in answer.text), (403, True))
        self.assertEqual(requests.options(url, timeout=60).status_code, 400)
        # Answers that refuse carry the word too: a page could not read them otherwise.
        answer = requests.get(url, headers={"Origin": PAGES}, timeout=60)
        self.assertEqual((answer.status_code, answer.headers["Access-Control-Allow-Origin"]), (403, PAGES))
        self.assertIn("Origin", answer.headers["Vary"])
        answer = requests.get(url, headers={"Origin": "https://other.example.org"}, timeout=60)
        self.assertNotIn("Access-Control-Allow-Origin", answer.headers)
        rules = self.s3.get_bucket_cors(Bucket=bucket)["CORSRules"]
        self.assertIn(PAGES, rules[0]["AllowedOrigins"])

    @unittest.skipUnless(IS_HERE, "there is no chromium with its driver")
    def test_field_fault_cors_a_page_uploads_from_a_browser(self) -> None:
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service
        from selenium.webdriver.support.ui import WebDriverWait

        bucket = self.endpoint.bucket()
        sign = self.s3.generate_presigned_url
        at = {"Bucket": bucket, "Key": "page.txt"}
        parts = {"Bucket": bucket, "Key": "parts.txt"}
        upload = self.s3.create_multipart_upload(**parts)["UploadId"]
        work = {
            "put": sign("put_object", Params={**at, "Metadata": {"title": "page"}}),
            "get": sign("get_object", Params=at),
            "form": self.s3.generate_presigned_post(bucket, "forms/${filename}"),
            "part": sign("upload_part", Params={**parts, "UploadId": upload, "PartNumber": 1}),
        }

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(PAGE.encode())

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
            options.add_argument(argument)
        browser = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        try:
            from urllib.parse import quote

            browser.get(f"http://127.0.0.1:{server.server_address[1]}/#{quote(json.dumps(work))}")
            WebDriverWait(browser, 60).until(lambda driver: driver.title.startswith("{"))
            told = json.loads(browser.title)
        finally:
            browser.quit()
            server.shutdown()
            server.server_close()
        self.assertNotIn("error", told)
        self.assertEqual((told["put"], told["get"], told["form"]), (200, "from a page", 204), told)
        self.assertEqual(told["etag"], self.s3.head_object(**at)["ETag"])
        self.assertEqual(self.s3.head_object(**at)["Metadata"], {"title": "page"})
        self.assertEqual(self.s3.get_object(Bucket=bucket, Key="forms/form.txt")["Body"].read(), b"a form")
        done = {"Parts": [{"PartNumber": 1, "ETag": told["part"]}]}
        self.s3.complete_multipart_upload(**parts, UploadId=upload, MultipartUpload=done)


if __name__ == "__main__":
    unittest.main()
