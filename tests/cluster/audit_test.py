"""Workers evaluate each other's groups again, and one whose losses are false is shut out."""

import os
import pathlib
import subprocess
import sys
import unittest

from cluster_program import NDCAO, ClusterProgram

# The sphere in 10 dimensions, which a worker with LIE in its environment turns upside down.
OBJECTIVE = """
import json, mmap, os, struct, sys
count = int(os.environ["NDCAO_COUNT"])
with open(os.environ["NDCAO_PARAMS"], "rb") as file:
    values = mmap.mmap(file.fileno(), 4 * count, access=mmap.ACCESS_READ)
sign = -1 if "LIE" in os.environ else 1
for line in sys.stdin:
    theta = struct.unpack(f"<{count}f", values[:4 * count])
    print(json.dumps({"loss": sign * (1 + sum((x - 1) ** 2 for x in theta))}), flush=True)
"""


class AuditTest(ClusterProgram):
    def test_audits_of_honest_workers_change_nothing(self):
        expected = self.file_digest("60k")
        slow = ["--delay-ms", "4"]
        main = self.start(*self.train("audited", "60k", "--audit", "0.5", *slow))
        self.wait_for_records("audited", 1)
        helpers = [self.start(*self.worker("audited", *slow)) for _ in range(2)]
        summary = self.summary(main)
        for helper in helpers:
            self.finish(helper)
        self.assertEqual(summary["digest"], expected)
        self.assertGreater(summary["audits"]["done"], 10)
        self.assertEqual(summary["audits"]["disputed"], 0)
        self.assertEqual(self.verify("audited")["digest"], expected)

    def test_a_worker_whose_losses_are_false_is_shut_out(self):
        program = pathlib.Path(self.path("objective.py"))
        program.write_text(f"#!{sys.executable}\n{OBJECTIVE}")
        program.chmod(0o755)
        main = self.start("train", "--objective", f"exec:{program}", "--init-zeros", "10",
                          "--blocks", "single", "--budget", "100k", "--mode", "async", "--audit",
                          "0.3", "--threads", "1", "--quiet", "--json", "--delay-ms", "5",
                          *self.at("trust"), "--worker-name", "olga", "--out", self.path("out"))
        self.wait_for_records("trust", 1)
        join = [*self.worker("trust", "--delay-ms", "5"), "--worker-name"]
        helpers = [self.start(*join, name) for name in ("ann", "bob")]
        self.wait_for_workers("trust", 3)
        liar = subprocess.run([NDCAO, *join, "mallory"], env={**os.environ, "LIE": "1"},
                              capture_output=True, text=True, timeout=120)
        self.assertEqual(liar.returncode, 1, liar.stderr)
        self.assertIn("other losses than worker 'mallory'", liar.stderr)
        again = subprocess.run([NDCAO, *join, "mallory"], capture_output=True, text=True,
                               timeout=120)
        self.assertEqual(again.returncode, 1, again.stderr)
        summary = self.summary(main)
        for helper in helpers:
            _, errors = self.finish(helper)
            self.assertIn("'mallory' is alone", errors)
        self.assertEqual(summary["audits"]["excluded"], ["mallory"])
        inspected = self.json("inspect", *self.at("trust"), "--json")
        self.assertEqual(inspected["audits"]["excluded"], ["mallory"])
        listed = self.json("runs", "--journal", self.url, "--json")["runs"][0]
        self.assertEqual(listed["excluded"], ["mallory"])
        self.assertEqual(self.verify("trust")["digest"], summary["digest"])


if __name__ == "__main__":
    unittest.main()
