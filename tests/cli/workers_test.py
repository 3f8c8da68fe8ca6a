"""Several processes on one run directory."""

import unittest

from ndcao_program import Program


class WorkersTest(Program):
    def test_sync_digest_is_the_same_for_any_number_of_processes(self):
        alone = self.json(*self.sphere("alone", "40k"), "--threads", "1")
        main = self.start(*self.sphere("shared", "40k"), "--threads", "1", "--delay-ms", "5")
        helpers = []
        # The run directory appears after the first record: the workers wait for it.
        while not (self.dir / "shared" / "journal").exists():
            self.assertIsNone(main.poll(), "the run ended early")
        for delay in ("5", "50"):
            helpers.append(self.start("worker", "--journal", f"file:{self.path('shared')}",
                                      "--threads", "1", "--quiet", "--delay-ms", delay))
        for process in [main, *helpers]:
            _, errors = process.communicate(timeout=120)
            self.assertEqual(process.returncode, 0, errors)
        verified = self.json("verify", self.path("shared"), "--json")
        self.assertEqual(verified["digest"], alone["digest"])
        self.assertGreaterEqual(self.json("inspect", self.path("shared"), "--json")["workers"], 3)

    def test_async_processes_are_late_and_their_journal_replays(self):
        run = [*self.sphere("run", "60k"), "--mode", "async", "--async-periods", "1..10"]
        main = self.start(*run, "--threads", "2", "--delay-ms", "4")
        while not (self.dir / "run" / "journal").exists():
            self.assertIsNone(main.poll(), "the run ended early")
        helper = self.start("worker", "--journal", f"file:{self.path('run')}", "--threads", "2",
                            "--quiet", "--delay-ms", "15")
        for process in (main, helper):
            _, errors = process.communicate(timeout=120)
            self.assertEqual(process.returncode, 0, errors)
        verified = self.json("verify", self.path("run"), "--json")
        self.assertEqual(verified["digest"], self.json("replay", self.path("run"), "--json")["digest"])

    def test_a_worker_without_a_run_is_told(self):
        self.refused("worker", "--journal", "file:" + self.path("none"), says="no run directory")
        self.refused("worker", "--journal", "carrier-pigeon:x", says="file:DIR")


if __name__ == "__main__":
    unittest.main()
