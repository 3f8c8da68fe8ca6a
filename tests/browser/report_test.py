"""The report page in a headless Chromium: from a file, and served while a run trains."""

import pathlib
import shutil
import signal
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cli"))

from browser import Browser  # noqa: E402
from ndcao_program import Program  # noqa: E402

CURVES = ("accuracy-forwards", "accuracy-seconds", "loss-forwards", "loss-seconds", "steps",
          "staleness", "workers")
# The frame of a chart alone is some thousand pixels of grid and text; a curve adds hundreds. What
# is asserted is that the curves' own colours are there (see `coloured`).
COLOURED = """
const [id, colours] = arguments;
const canvas = document.querySelector('#' + id + ' canvas');
const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
return colours.map((colour) => {
  const want = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  let found = 0;
  for (let i = 0; i < data.length; i += 4) {
    if (want.every((v, c) => Math.abs(v - data[i + c]) < 8) && data[i + 3] > 200) ++found;
  }
  return found;
});
"""


@unittest.skipUnless(shutil.which("chromium") and shutil.which("chromedriver"),
                     "needs the packages chromium and chromium-driver")
class PageTest(Program):
    def train(self, name: str, *more: str) -> None:
        self.json("train", "--budget", "300k", "--threads", "2", "--quiet", "--json", "--out",
                  self.path(name), *more)

    def coloured(self, browser: Browser, chart: str, count: int) -> list[int]:
        colours = browser.run(f"return [...Array({count}).keys()].map(Charts.colour)")
        return browser.run(COLOURED, chart, colours)

    def check(self, browser: Browser, curves: int) -> None:
        """Nothing is complained of, every canvas holds ink, and every run's colour is in it."""
        self.assertEqual(browser.console(), [])
        ink = browser.ink()
        for chart in CURVES:
            self.assertGreater(ink[chart], 500, chart)
        self.assertGreater(ink["activity-canvas"], 20)
        for chart in ("accuracy-forwards", "loss-forwards", "loss-seconds", "steps"):
            for found in self.coloured(browser, chart, curves):
                self.assertGreater(found, 10, chart)
        self.assertEqual(browser.run("return document.documentElement.scrollWidth > innerWidth"),
                         False, "the page is wider than the window")

    def test_three_runs_in_a_file(self) -> None:
        self.train("a")
        self.train("b", "--seed", "2", "--blocks", "random:16", "--mode", "async",
                   "--async-periods", "1..10")
        self.train("c", "--eps", "0.5")
        page = self.path("page.html")
        self.run_ndcao("report", self.path("a"), self.path("b"), self.path("c"), "--out", page)
        for width, dark in ((1280, False), (390, True)):
            with Browser(width, dark=dark) as browser:
                browser.open("file://" + page)
                self.check(browser, curves=3)
                rows = browser.run("return document.querySelectorAll('#comparison tr').length")
                self.assertEqual(rows, 4)
                commands = browser.run(
                    "return [...document.querySelectorAll('.command > pre')].map(e => e.textContent)")
                self.assertEqual(len(commands), 3)
                self.assertIn("--async-periods 1..10", commands[1])

    def test_seeds_become_a_mean_with_a_band(self) -> None:
        for seed in ("1", "2"):
            self.train("s" + seed, "--seed", seed)
        page = self.path("page.html")
        self.run_ndcao("report", self.path("s1"), self.path("s2"), "--out", page)
        with Browser() as browser:
            browser.open("file://" + page)
            self.check(browser, curves=1)
            text = browser.run("return document.getElementById('comparison').innerText")
            self.assertIn("(2 seeds)", text)
            self.assertIn("±", text)

    def test_text_from_a_run_stays_text(self) -> None:
        name = "<img src=x onerror=document.title='taken'></script><b>"
        # A slash cannot stand in a file's name.
        name = name.replace("/", "\N{FRACTION SLASH}")
        self.train(name)
        with Browser() as browser:
            self.run_ndcao("report", self.path(name), "--out", self.path("page.html"))
            browser.open("file://" + self.path("page.html"))
            self.check(browser, curves=1)
            self.assertEqual(browser.run("return document.title"), "ndcao report")
            self.assertEqual(browser.run("return document.images.length"), 0)
            shown = browser.run("return document.querySelector('#commands strong').textContent")
            self.assertEqual(shown, self.path(name))

    def test_a_live_page_moves(self) -> None:
        self.start("train", "--budget", "2M", "--quiet", "--delay-ms", "10", "--out",
                   self.path("run"))
        while not list((self.dir / "run" / "journal").glob("*.log")):
            time.sleep(0.02)
        server = self.start("report", self.path("run"), "--live", "--port", "0")
        address = server.stdout.readline().split()[0]
        self.assertRegex(address, r"^http://127\.0\.0\.1:\d+/$")
        with Browser() as browser:
            browser.open(address)
            read = "return document.getElementById('subtitle').textContent"
            seen = set()
            until = time.monotonic() + 60
            while len(seen) < 4 and time.monotonic() < until:
                seen.add(browser.run(read))
                time.sleep(0.2)
            self.assertGreaterEqual(len(seen), 4, seen)
            self.assertEqual(browser.console(), [])
            self.assertGreater(self.coloured(browser, "loss-forwards", 1)[0], 10)
            self.assertIn("live", browser.run("return document.getElementById('live').innerText"))
        server.send_signal(signal.SIGINT)
        _, errors = server.communicate(timeout=20)
        self.assertEqual(server.returncode, 0, errors)


if __name__ == "__main__":
    unittest.main()
