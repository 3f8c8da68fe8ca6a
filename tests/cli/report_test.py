"""report and cases without a browser: what the page is told, commands that repeat runs, bad input."""

import http.client
import json
import pathlib
import re
import shlex
import signal
import time
import unittest

from ndcao_program import Program

RUNS = [
    ["--objective", "function:sphere:60", "--budget", "6k", "--blocks", "random:4"],
    ["--objective", "function:sphere:60", "--budget", "6k", "--seed", "4", "--eps", "0.7",
     "--sigma", "0.01", "--sigma-end", "0.002", "--slots", "2", "--evaluations", "32",
     "--loss-floor=-1"],
    ["--objective", "function:sphere:60", "--budget", "3k", "--optimizer", "openai-es", "--rate",
     "0.01"],
    ["--objective", "function:sphere:60", "--budget", "500", "--optimizer", "cao",
     "--cao-estimator", "monomial"],
    ["--objective", "function:sphere:60", "--budget", "500", "--optimizer", "cao", "--blocks",
     "random:3", "--cao-coordinate"],
    ["--objective", "function:sphere:60", "--budget", "500", "--optimizer", "cao", "--cao-window",
     "20", "--cao-candidates", "99", "--cao-centre", "current", "--cao-schedule", "decaying",
     "--cao-ridge", "0.5", "--cao-estimator", "monomial", "--cao-monomials", "60",
     "--cao-keep-largest"],
    ["--objective", "function:sphere:60", "--budget", "500", "--optimizer", "cao", "--cao-schedule",
     "constant"],
    ["--objective", "function:sphere:60", "--budget", "6k", "--sigma", "0.03"],
    ["--model", "mlp:784-8-10", "--budget", "40k", "--train-limit", "500", "--precision", "bf16"],
    ["--objective", "accuracy", "--budget", "100k", "--train-limit", "2000", "--screening", "4"],
]


class ReportTest(Program):
    def train(self, name: str, *more: str) -> dict:
        return self.json("train", "--quiet", "--json", "--threads", "1", "--out", self.path(name),
                         *more)

    def described(self, *names: str) -> list[dict]:
        shown = self.json("report", *map(self.path, names), "--out", self.path("page.html"),
                          "--json")
        return shown["runs"]

    def test_the_command_on_the_page_repeats_the_run(self):
        for i, flags in enumerate(RUNS):
            first = self.train(f"run{i}", *flags)
            words = shlex.split(self.described(f"run{i}")[0]["command"])
            self.assertEqual(words[:2], ["ndcao", "train"])
            for flag in flags:
                if flag.startswith("--"):
                    self.assertIn(flag, words)
            again = self.train(f"again{i}", *words[2:])
            self.assertEqual(again["digest"], first["digest"], flags)
            self.assertEqual((self.dir / f"again{i}/spec.toml").read_text(),
                             (self.dir / f"run{i}/spec.toml").read_text())

    def test_what_the_page_is_told(self):
        summary = self.train("a", "--objective", "function:sphere:60", "--budget", "20k",
                             "--blocks", "size:20", "--seed", "2")
        self.train("b", "--objective", "function:sphere:60", "--budget", "20k", "--blocks",
                   "size:20", "--mode", "async", "--seed", "2")
        self.train("c", "--objective", "function:sphere:60", "--budget", "20k", "--blocks",
                   "size:20")
        a, b, c = self.described("a", "b", "c")
        self.assertEqual(a["totals"]["image_forwards"], summary["image_forwards"])
        self.assertEqual(a["totals"]["test_loss"], float(f"{a['marks'][-1]['test_loss']}"))
        self.assertAlmostEqual(a["totals"]["test_loss"], summary["test_loss"], places=5)
        self.assertEqual(a["curve"]["forwards"][-1], summary["image_forwards"])
        self.assertLess(a["curve"]["loss"][-1], a["totals"]["initial_loss"])
        self.assertEqual(a["series"], c["series"], "these differ in their seed alone")
        self.assertNotEqual(a["series"], b["series"])
        self.assertEqual(a["staleness"], [[0, summary["groups"]]])
        self.assertEqual(sum(groups for _, groups in b["staleness"]), b["totals"]["groups"])
        self.assertEqual(a["fold"]["blocks_in_run"], 3)
        eta = a["fold"]["cohorts"][0]["statistics"]["eta"]
        self.assertEqual(len(eta), len(a["fold"]["forwards"]))
        self.assertEqual(eta[0], 0, "nothing moves in the first groups")
        self.assertGreater(max(eta), 0)
        self.assertGreater(max(map(max, a["fold"]["moved"])), 0)

    def test_a_kept_history_is_the_fold(self):
        self.train("run", "--objective", "function:sphere:60", "--budget", "20k", "--mode",
                   "async", "--async-periods", "1..10", "--blocks", "random:6")
        kept = self.described("run")[0]["fold"]
        (self.dir / "run/metrics.jsonl").unlink()
        self.assertEqual(self.described("run")[0]["fold"], kept)

    def test_train_writes_the_page_unless_told_not_to(self):
        self.train("with", "--objective", "function:sphere:60", "--budget", "6k")
        self.train("without", "--objective", "function:sphere:60", "--budget", "6k", "--no-report")
        page = (self.dir / "with/report.html").read_text()
        self.assertFalse((self.dir / "without/report.html").exists())
        self.assertNotIn("connect-src", page)
        data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S)
        self.assertEqual(len(json.loads(data.group(1))), 1)
        # Nothing is loaded from anywhere. (A link in the charts' licence comment is no request.)
        self.assertIsNone(re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", page))

    def test_a_resumed_run_counts_its_time_on(self):
        self.train("run", "--objective", "function:sphere:60", "--budget", "6k")
        before = self.described("run")[0]["totals"]["seconds"]
        self.json("resume", self.path("run"), "--budget", "12k", "--quiet", "--json")
        after = self.described("run")[0]
        self.assertGreater(after["totals"]["seconds"], before)
        self.assertGreaterEqual(len(after["marks"]), 2)

    def test_a_live_page_is_served_to_this_machine_s_own_names(self):
        self.train("run", "--objective", "function:sphere:60", "--budget", "6k")
        server = self.start("report", self.path("run"), "--live", "--port", "0")
        address = server.stdout.readline().split()[0]
        port = int(re.search(r":(\d+)/$", address).group(1))
        for path in ("/", "/data.json"):
            for host, status in ((f"127.0.0.1:{port}", 200), (f"localhost:{port}", 200),
                                 (f"[::1]:{port}", 200), ("localhost", 200),
                                 (f"elsewhere.example:{port}", 403), ("", 403),
                                 (f"127.elsewhere.example:{port}", 403),
                                 (f"localhost.elsewhere.example:{port}", 403)):
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
                connection.request("GET", path, headers={"Host": host})
                response = connection.getresponse()
                body = response.read().decode()
                connection.close()
                self.assertEqual(response.status, status, (path, host))
                if status == 403:
                    self.assertIn("localhost", body)
                    self.assertNotIn("sphere", body)

    def test_optimizers_without_a_centre_have_a_curve(self):
        self.train("peer", "--objective", "function:sphere:60", "--budget", "6k", "--optimizer",
                   "mezo", "--rate", "0.01")
        run = self.described("peer")[0]
        self.assertNotIn(None, run["curve"]["loss"])
        self.assertLess(run["curve"]["loss"][-1], run["totals"]["initial_loss"])

    def test_bad_input(self):
        self.refused("report", self.path("nothing"), says="no run directory")
        (self.dir / "empty/journal").mkdir(parents=True)
        self.refused("report", self.path("empty"), says="empty")
        self.train("old", "--objective", "function:sphere:60", "--budget", "6k")
        segment = next((self.dir / "old/journal").glob("*.log"))
        data = bytearray(segment.read_bytes())
        data[8] = 9
        segment.write_bytes(data)
        self.refused("report", self.path("old"), says="format version 9", code=1)
        self.train("good", "--objective", "function:sphere:60", "--budget", "6k")
        self.refused("report", self.path("good"), "--out", self.path("none/page.html"),
                     says="none/page.html")
        self.refused("report", self.path("good"), "--live", "--host", "192.0.2.1",
                     says="192.0.2.1")


def catches_interrupts(pid: int) -> bool:
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    caught = int(re.search(r"SigCgt:\s*([0-9a-f]+)", status).group(1), 16)
    return caught >> (signal.SIGINT - 1) & 1 == 1


class CasesTest(Program):
    def test_cases_are_refused_without_data(self):
        (self.dir / "empty").mkdir()
        self.refused("cases", "--quick", "--case", "1", "--data-dir", self.path("empty"),
                     says="fetch_mnist")
        self.refused("cases", "--case", "5", says="--case")
        self.refused("cases", "--case", "2", "--probe", "weights", says="--full")
        self.refused("cases", "--probe", "gradients", says="--probe")

    def test_cases_go_on_by_the_command_they_print(self):
        words = ["cases", "--full", "--case", "2", "--probe", "activations", "--out",
                 self.path("cells")]
        cell = self.dir / "cells" / "case2-activations-sync-layer-2700k-seed1"
        steps = []
        while len(steps) < 2:
            process = self.start(*words)
            while not ((cell / "journal").exists() and catches_interrupts(process.pid)):
                self.assertIsNone(process.poll(), "the cells ended early")
                time.sleep(0.05)
            time.sleep(3)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=60)
            self.assertEqual(process.returncode, 130, errors)
            self.assertIn("0 of 18 cells are done", errors)
            again = shlex.split(re.search("Go on with: (ndcao cases .*)", errors).group(1))
            self.assertEqual(sorted(again[1:]), sorted(words))
            words = again[1:]
            newest = max((int(f.stem) for f in cell.glob("snapshots/*.snap")), default=0)
            if newest > max(steps, default=0):  # a slow machine may not have come to train
                steps.append(newest)


if __name__ == "__main__":
    unittest.main()
