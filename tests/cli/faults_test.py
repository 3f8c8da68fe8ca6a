"""What surrounds the program breaks: the disk is full or read-only, the objective dies."""

import json
import os
import pathlib
import subprocess
import sys
import time
import unittest

from ndcao_program import Program

# A quadratic without noise: losses are the same whoever asks, and however often.
OBJECTIVE = """
import array, json, mmap, os, pathlib, sys
count = int(os.environ["NDCAO_COUNT"])
pathlib.Path(sys.argv[1], str(os.getpid())).touch()
with open(os.environ["NDCAO_PARAMS"], "rb") as file:
    memory = mmap.mmap(file.fileno(), 4 * count, access=mmap.ACCESS_READ)
for line in sys.stdin:
    parameters = array.array("f", memory[:])
    print(json.dumps({"loss": sum((x - 1) ** 2 for x in parameters)}), flush=True)
"""


class FullDiskTest(Program):
    def mount(self, size: str) -> pathlib.Path:
        folder = self.dir / "disk"
        folder.mkdir()
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder],
                                 capture_output=True)
        if mounted.returncode != 0:
            self.skipTest("no right to mount a small disk")
        self.addCleanup(lambda: subprocess.run(["umount", "-l", folder], check=True))
        return folder

    def remount(self, folder: pathlib.Path, options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)

    def test_a_full_disk_is_told_and_the_run_goes_on_when_there_is_space(self):
        whole = self.json(*self.sphere("whole", "300k"))
        self.mount("200k")
        self.refused(*self.sphere("disk/run", "300k"), says="No space left", code=1)
        self.refused("resume", self.path("disk/run"), "--quiet", says="No space left", code=1)
        self.remount(self.dir / "disk", "size=8M")
        ended = self.json("resume", self.path("disk/run"), "--quiet", "--json")
        self.assertEqual(ended["digest"], whole["digest"])

    def test_an_export_to_a_full_disk_leaves_no_file(self):
        self.json("train", "--model", "mlp:784-8-10", "--data", "fashion-mnist", "--budget", "20k",
                  "--quiet", "--json", "--out", self.path("run"))
        folder = self.mount("16k")
        self.refused("export", self.path("run"), "--out", self.path("disk/model.pt"),
                     says="No space left", code=1)
        self.assertEqual(list(folder.iterdir()), [])

    def test_a_read_only_run_is_looked_at_but_not_resumed(self):
        folder = self.mount("8M")
        whole = self.json(*self.sphere("disk/run", "20k"))
        self.remount(folder, "ro")
        self.assertEqual(self.json("verify", self.path("disk/run"), "--json")["digest"],
                         whole["digest"])
        self.refused("resume", self.path("disk/run"), "--budget", "40k", says="Read-only")
        self.refused(*self.sphere("disk/other", "20k"), says="disk/other")


class ExecTest(Program):
    def setUp(self) -> None:
        super().setUp()
        (self.dir / "objective.py").write_text(OBJECTIVE)
        self.pids = self.dir / "pids"
        self.pids.mkdir()

    def train(self, name: str) -> list[str]:
        program = f"exec:{sys.executable} {self.path('objective.py')} {self.pids}"
        return ["train", "--objective", program, "--init-zeros", "20", "--budget", "30k",
                "--threads", "1", "--quiet", "--json", "--out", self.path(name)]

    def test_a_program_that_gives_no_losses_leaves_no_run(self):
        for program in ("/nonexistent", "echo hello"):
            said = self.run_ndcao("train", "--objective", f"exec:{program}", "--init-zeros", "3",
                                  "--budget", "1k", "--out", self.path("run"), code=1).stderr
            self.assertIn(f"ndcao: exec:{program}: ", said)
            self.assertFalse((self.dir / "run").exists())

    def test_an_objective_that_is_killed_is_told_and_the_run_resumed(self):
        whole = self.json(*self.train("whole"))
        self.assertLess(whole["train_loss"], 1)  # from 20
        self.assertEqual(len(list(self.pids.iterdir())), 1)  # one worker, one program
        for pid in self.pids.iterdir():
            pid.unlink()
        process = self.start(*self.train("run"))
        while not list(self.pids.iterdir()):
            self.assertIsNone(process.poll())
        time.sleep(0.3)
        for pid in self.pids.iterdir():
            try:
                os.kill(int(pid.name), 9)
            except ProcessLookupError:
                pass  # one that only looked whether the program answers
        _, errors = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 1, errors)
        self.assertIn("ended by signal 9", errors)
        ended = self.json("resume", self.path("run"), "--quiet", "--json")
        self.assertEqual(ended["digest"], whole["digest"])


if __name__ == "__main__":
    unittest.main()
