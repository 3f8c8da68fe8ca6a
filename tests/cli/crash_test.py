"""kill -9 at random moments: nothing acknowledged is lost, and the end is the same.

NDCAO_KILLS sets how many times (default 12; tests/crash.sh 100 does it a hundred times).
"""

import os
import random
import subprocess
import time
import unittest

from ndcao_program import NDCAO, Program

KILLS = int(os.environ.get("NDCAO_KILLS", "12"))


class CrashTest(Program):
    def records(self, run: str) -> int:
        return self.json("inspect", self.path(run), "--json")["records"]

    def journal_bytes(self, run: str) -> int:
        return sum(f.stat().st_size for f in (self.dir / run / "journal").glob("*.log"))

    def kill_after(self, command: list[str], run: str, grown: int) -> None:
        """Starts the command and kills it once the journal has grown by so many bytes."""
        before = self.journal_bytes(run)
        process = subprocess.Popen([NDCAO, *command], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, cwd=self.dir)
        while process.poll() is None and self.journal_bytes(run) <= before + grown:
            time.sleep(0.001)
        process.kill()
        process.wait()

    def kill_until_done(self, first: list[str], run: str, kills: int) -> dict:
        rng = random.Random(kills)
        self.kill_after(first, run, 2000)
        seen = 0
        for _ in range(kills):
            records = self.records(run)
            self.assertGreaterEqual(records, seen, "a record was lost")
            seen = records
            self.kill_after(["resume", self.path(run), "--quiet", "--delay-ms", "3"], run,
                            rng.randrange(0, 4000))
        return self.json("resume", self.path(run), "--json", "--quiet")

    def test_sync_ends_with_the_same_digest(self):
        whole = self.json(*self.sphere("whole", "200k"))
        ended = self.kill_until_done([*self.sphere("killed", "200k"), "--delay-ms", "3"], "killed",
                                     KILLS)
        self.assertEqual(ended["digest"], whole["digest"])
        self.json("verify", self.path("killed"), "--json")

    def test_async_stays_sound(self):
        first = [*self.sphere("killed", "200k"), "--mode", "async", "--async-periods", "1..10",
                 "--delay-ms", "3"]
        self.kill_until_done(first, "killed", KILLS)
        self.json("verify", self.path("killed"), "--json")


if __name__ == "__main__":
    unittest.main()
