"""Packages in the players of the web: what Reelmill makes, played to the end by hls.js, Shaka Player, dash.js and Video.js.

A frame must be shown at its time, a language must sound like it, every level and every text must be there, and no player may
complain. Skipped without the players (`infra/setup.sh test` installs them by npm) or without a browser.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import unittest
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Dict, List, Sequence

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "console"))

from films import Film, Packages, film  # noqa: E402
from surroundings import IS_HERE, Browser  # noqa: E402

MODULES = HERE / "node_modules"
REASON = "no browser" if not IS_HERE else f"no players in {MODULES}: run `infra/setup.sh test`"

# How far a frame may be from its time, in seconds.
STEP_S = 0.021
SEEKS = [5.0, 1.3, 3.52]

TEXTS = ["One goes on.", "Two."]

# What players say where a track has nothing at first, which is so.
ABOUT_GAPS = ["gap", "without buffered range growth", "bufferAppendNoProgress", "bufferStalledError", "bufferSeekOverHole"]

# What they say where a test had them drop what they were loading.
ABOUT_SWITCHES = ["finished buffering, but was aborted"]

RUNGS = """
large: { transcode: { container: mp4, video: { codec: h264, width: 256, bitrate: 400k, gop: 2s }, audio: { codec: aac, bitrate: 96k, tracks: all }, subtitles: keep, name: large.mp4 } }
small: { transcode: { container: mp4, video: { codec: h264, width: 128, bitrate: 150k, gop: 2s }, audio: { codec: aac, bitrate: 96k, tracks: all }, subtitles: keep, name: small.mp4 } }
"""


class _Answer(SimpleHTTPRequestHandler):
    """Files of two folders, by ranges where they are asked for."""

    extensions_map = {
        **SimpleHTTPRequestHandler.extensions_map,
        ".m3u8": "application/vnd.apple.mpegurl",
        ".mpd": "application/dash+xml",
        ".m4s": "video/iso.segment",
        ".ts": "video/mp2t",
        ".vtt": "text/vtt",
    }

    def __init__(self, *arguments: object, folders: Dict[str, Path], **named: object) -> None:
        self._folders = folders
        super().__init__(*arguments, **named)

    def translate_path(self, path: str) -> str:
        first, _, rest = path.split("?")[0].split("#")[0].lstrip("/").partition("/")
        folder = self._folders.get(first)
        inside = (folder / rest).resolve() if folder else None
        return str(inside if inside and inside.is_relative_to(folder.resolve()) else HERE / "nothing")

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        wanted = self.headers.get("Range", "")
        if not wanted.startswith("bytes=") or not path.is_file():
            super().do_GET()
            return
        body = path.read_bytes()
        first, _, last = wanted[len("bytes=") :].partition("-")
        start, end = int(first), min(int(last or len(body) - 1), len(body) - 1)
        self.send_response(206)
        self.send_header("Content-Type", self.guess_type(str(path)))
        self.send_header("Content-Range", f"bytes {start}-{end}/{len(body)}")
        self.send_header("Content-Length", str(end + 1 - start))
        self.end_headers()
        self.wfile.write(body[start : end + 1])

    def log_message(self, *_: object) -> None:
        pass


@unittest.skipUnless(IS_HERE and (MODULES / ".installed").is_file(), REASON)
class Players(unittest.TestCase):
    """Each test is one film in one kind of package, in every player of that kind."""

    folder: tempfile.TemporaryDirectory
    folders: Dict[str, Path]

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = tempfile.TemporaryDirectory(prefix="reelmill-films-")
        cls.folders = {"players": HERE}
        handler = partial(_Answer, folders=cls.folders)
        cls.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=cls.server.serve_forever, daemon=True).start()
        cls.url = f"http://127.0.0.1:{cls.server.server_address[1]}"
        cls.browser = Browser()
        cls.made: List[Packages] = []

    @classmethod
    def tearDownClass(cls) -> None:
        cls.browser.end()
        cls.server.shutdown()
        cls.server.server_close()
        for made in cls.made:
            made.end()
        cls.folder.cleanup()

    def packages(self, name: str, source: Film, activities: str) -> Film:
        """Makes packages of a film, to be had as `/name/…`."""
        made = Packages(source, activities)
        self.made.append(made)
        self.folders[name] = made.out
        return source

    def film(self, name: str, **how: object) -> Film:
        """A film in the tests' folder."""
        return film(Path(self.folder.name), name, **how)

    def tour(
        self, player: str, manifest: str, source: Film, shift_s: float = 0.0, allowed: Sequence[str] = (), **want: object
    ) -> dict:
        """Has a player play a package, and judges what is the same for all. `shift_s` is by how much the player moves
        everything, `allowed` what it says about that."""
        frames = [source.times.get(number) for number in range(max(source.times) + 1)]
        asked = {"frames": frames, "seeks": SEEKS, "levels": True, "tones": source.tones, "texts": None, **want}
        with self.subTest(player=player, manifest=manifest):
            found = self.play(player, manifest, asked)
            if any("stall" in line for line in found["said"]):
                # A machine that is busy with other tests starves browsers, too: what stalls twice is not the machine.
                found = self.play(player, manifest, asked)
            self.assertNotIn("failed", found, f"{found}")
            known = (*allowed, *ABOUT_SWITCHES)
            self.assertEqual([line for line in found["said"] if not any(text in line for text in known)], [])
            self.assertAlmostEqual(found["duration"], source.length_s + shift_s, delta=0.06)
            self.assertAlmostEqual(found["end"], source.length_s + shift_s, delta=0.06)
            self.watch(source, found, shift_s)
            for language, hertz in found["sounds"].items():
                expected = source.tones.get(language, next(iter(source.tones.values()), 0))
                self.assertAlmostEqual(hertz, expected, delta=15, msg=language)
            return found
        return {}

    def play(self, player: str, manifest: str, asked: dict) -> dict:
        """What a player, in a page of its own, saw and heard of a package."""
        self.browser.get(f"{self.url}/players/page.html")
        script = "window.answer(arguments[0], arguments[1], arguments[2], arguments[3])"
        return self.browser.driver.execute_async_script(script, player, f"{self.url}/{manifest}", asked)

    def watch(self, source: Film, found: dict, shift_s: float) -> None:
        """Every frame is shown at its time. A page may look at a frame when the next one is there already."""
        if not found["shown"]:
            return
        off = [source.times[number] + shift_s - at for at, number in found["shown"] if number != min(source.times)]
        self.assertGreater(len(off), len(source.times) / 8, "too few frames were seen")
        # Never an older frame, and a newer one only where the page was slow to look.
        off.sort()
        self.assertGreater(off[0], -STEP_S, "a frame is shown after its time")
        self.assertLess(abs(off[len(off) // 2]), STEP_S, "most frames are not shown at their time")
        self.assertLess(off[len(off) * 9 // 10], 2 * source.step_s + STEP_S, "frames are shown before their time")
        self.assertGreater(source.times[found["shown"][-1][1]], source.length_s - 0.3, "the last frames are missing")
        for time, number in found["seeks"]:
            expected = max((at for at in source.times.values() if at + shift_s <= time + 0.001), default=0.0)
            gap_s = max(later - at for at, later in pairwise(sorted(source.times.values())))
            self.assertLess(abs(expected - source.times[number]), gap_s + 0.001, f"{time} shows {number}")

    def judge(self, found: dict, levels: List[int], sounds: List[str]) -> None:
        """What was to choose from."""
        if found:
            self.assertEqual(sorted(found["levels"]), levels)
            self.assertEqual(sorted(found["sounds"]), sounds)

    def test_a_ladder_with_two_languages_and_texts(self) -> None:
        """fMP4, transport streams, CMAF for both protocols, ranges of one file, encryption: a film with a tail of 80 ms."""
        source = self.packages(
            "ladder",
            self.film("film.mp4", texts=True),
            RUNGS
            + """
hls: { package: { from: [large, small], protocol: hls, segment: 2s, name: hls/master.m3u8 } }
ts: { package: { from: [large, small], protocol: hls, segments: ts, segment: 2s, name: ts/master.m3u8 } }
locked: { package: { from: [large, small], protocol: hls, segment: 2s, encryption: { method: hls-aes-128 }, name: locked/master.m3u8 } }
cmaf: { package: { from: [large, small], protocol: cmaf, segment: 2s, iframe_playlists: true, name: cmaf/master.m3u8 } }
ranges: { package: { from: [large, small], protocol: cmaf, segment: 2s, byte_range: true, name: ranges/master.m3u8 } }
""",
        )
        manifests = {
            "hls": ["hls/master.m3u8", "locked/master.m3u8", "cmaf/master.m3u8", "ranges/master.m3u8"],
            "shaka": ["hls/master.m3u8", "cmaf/master.mpd", "ranges/master.mpd"],
            "dash": ["cmaf/master.mpd", "ranges/master.mpd"],
            "videojs": ["hls/master.m3u8", "cmaf/master.mpd"],
        }
        for player, manifest in [(player, one) for player, all_of in manifests.items() for one in all_of]:
            found = self.tour(player, f"ladder/{manifest}", source, texts=TEXTS)
            self.judge(found, [72, 144], ["de", "en"])
        # hls.js has the first time of decoding be zero in transport streams, which is earlier than the first frame is shown.
        found = self.tour("hls", "ladder/ts/master.m3u8", source, shift_s=0.08, allowed=ABOUT_GAPS, texts=TEXTS)
        self.judge(found, [72, 144], ["de", "en"])

    def test_tracks_that_begin_late_are_in_step(self) -> None:
        """Copies keep their place, and what is encoded is padded."""
        encoded = 'coded: { transcode: { container: mp4, video: { codec: h264, gop: 2s }, audio: { codec: aac }, name: c.mp4 } }'
        copied = 'copied: { transcode: { container: mp4, video: copy, audio: { codec: aac }, name: copied.mp4 } }'
        packaged = """
copy: { package: { from: [copied], protocol: cmaf, segment: 2s, name: copy/master.m3u8 } }
pack: { package: { from: [coded], protocol: cmaf, segment: 2s, name: pack/master.m3u8 } }
mux: { package: { from: [copied], protocol: hls, segment: 2s, name: mux/master.m3u8 } }
"""
        late = self.film("picture.mp4", count=140, late_picture_s=0.48, tones={"en": 440})
        self.packages("picture", late, f"{encoded}\n{copied}\n{packaged}")
        for player, manifests in {
            "hls": ["copy/master.m3u8", "pack/master.m3u8", "mux/master.m3u8"],
            "shaka": ["copy/master.mpd", "pack/master.mpd"],
            "dash": ["copy/master.mpd"],
            "videojs": ["mux/master.m3u8"],
        }.items():
            for manifest in manifests:
                self.tour(player, f"picture/{manifest}", late)

    def test_sound_that_begins_late_is_in_step(self) -> None:
        """Players skip to where a copied sound begins, and show frames at their times from there on."""
        copied = 'copied: { transcode: { container: mp4, video: copy, audio: copy, name: copied.mp4 } }'
        packaged = """
copy: { package: { from: [copied], protocol: cmaf, segment: 2s, name: copy/master.m3u8 } }
mux: { package: { from: [copied], protocol: hls, segment: 2s, name: mux/master.m3u8 } }
"""
        late = self.film("sound.mp4", late_sound_s=0.48, tones={"en": 440})
        self.packages("sound", late, f"{copied}\n{packaged}")
        for player, manifest in [
            ("hls", "copy/master.m3u8"),
            ("hls", "mux/master.m3u8"),
            ("shaka", "copy/master.mpd"),
            ("dash", "copy/master.mpd"),
        ]:
            self.tour(player, f"sound/{manifest}", late, allowed=ABOUT_GAPS)

    def test_sound_alone_in_two_languages(self) -> None:
        """One level, two languages."""
        source = self.packages(
            "alone",
            self.film("alone.mp4"),
            """
both: { transcode: { container: m4a, video: none, audio: { codec: aac, tracks: all }, name: both.m4a } }
hls: { package: { from: [both], protocol: hls, segment: 2s, name: hls/master.m3u8 } }
cmaf: { package: { from: [both], protocol: cmaf, segment: 2s, name: cmaf/master.m3u8 } }
""",
        )
        for player, manifest in [
            ("hls", "hls/master.m3u8"),
            ("hls", "cmaf/master.m3u8"),
            ("shaka", "hls/master.m3u8"),
            ("shaka", "cmaf/master.mpd"),
            ("dash", "cmaf/master.mpd"),
            ("videojs", "hls/master.m3u8"),
        ]:
            found = self.tour(player, f"alone/{manifest}", source, levels=False)
            self.judge(found, [], ["de", "en"])

    def test_frames_of_a_variable_rate(self) -> None:
        """Frames keep their times over the starts of segments."""
        keep = [number for number in range(180) if number % 7 != 3 and number % 60 not in (1, 59)]
        source = self.packages(
            "uneven",
            self.film("uneven.mp4", count=180, rate=30, keep=keep, tones={"en": 440}),
            """
large: { transcode: { container: mp4, video: copy, audio: { codec: aac }, name: large.mp4 } }
small: { transcode: { container: mp4, video: { codec: h264, width: 128, gop: 2s }, audio: { codec: aac }, name: small.mp4 } }
cmaf: { package: { from: [large, small], protocol: cmaf, segment: 2s, name: cmaf/master.m3u8 } }
""",
        )
        for player, manifest in [("hls", "cmaf/master.m3u8"), ("shaka", "cmaf/master.mpd"), ("dash", "cmaf/master.mpd")]:
            found = self.tour(player, f"uneven/{manifest}", source)
            self.judge(found, [72, 144], ["en"])

    def test_codecs_and_ranges_that_browsers_lack_do_no_harm(self) -> None:
        """AC-3 beside AAC, and HEVC of high dynamic range beside H.264."""
        source = self.packages(
            "mixed",
            self.film("mixed.mp4", tones={"en": 440}),
            """
aac: { transcode: { container: mp4, video: { codec: h264, gop: 2s }, audio: { codec: aac }, name: aac.mp4 } }
ac3: { transcode: { container: mp4, video: none, audio: { codec: ac3 }, name: ac3.mp4 } }
hls: { package: { from: [aac, ac3], protocol: hls, segment: 2s, name: hls/master.m3u8 } }
cmaf: { package: { from: [aac, ac3], protocol: cmaf, segment: 2s, name: cmaf/master.m3u8 } }
""",
        )
        high = self.film("high.mp4", tones={"en": 440}, high_range=True)
        self.packages(
            "high",
            high,
            """
hdr: { transcode: { container: mp4, video: copy, audio: { codec: aac }, name: hdr.mp4 } }
sdr: { transcode: { container: mp4, video: { codec: h264, gop: 2s, width: 256 }, audio: { codec: aac }, name: sdr.mp4 } }
cmaf: { package: { from: [hdr, sdr], protocol: cmaf, segment: 2s, iframe_playlists: true, name: cmaf/master.m3u8 } }
""",
        )
        for player, manifest, of in [
            ("hls", "mixed/hls/master.m3u8", source),
            ("shaka", "mixed/hls/master.m3u8", source),
            ("shaka", "mixed/cmaf/master.mpd", source),
            ("dash", "mixed/cmaf/master.mpd", source),
            ("hls", "high/cmaf/master.m3u8", high),
            ("shaka", "high/cmaf/master.m3u8", high),
            ("shaka", "high/cmaf/master.mpd", high),
            ("dash", "high/cmaf/master.mpd", high),
        ]:
            found = self.tour(player, manifest, of)
            self.judge(found, [144], ["en"])


if __name__ == "__main__":
    unittest.main()
