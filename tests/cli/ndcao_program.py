"""Runs the program under test and reads what it says."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

NDCAO = os.environ["NDCAO"]


class Program(unittest.TestCase):
    """A test case with a directory of its own and short ways to run the program."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.dir = pathlib.Path(holder.name)

    def path(self, name: str) -> str:
        return str(self.dir / name)

    def run_ndcao(self, *args: str, code: int = 0, timeout: float = 120):
        result = subprocess.run([NDCAO, *args], capture_output=True, text=True, timeout=timeout,
                                cwd=self.dir)
        self.assertEqual(result.returncode, code,
                         f"ndcao {' '.join(args)}\n{result.stdout}\n{result.stderr}")
        return result

    def json(self, *args: str, timeout: float = 120) -> dict:
        return json.loads(self.run_ndcao(*args, timeout=timeout).stdout.strip().splitlines()[-1])

    def refused(self, *args: str, says: str, code: int = 2) -> None:
        """The program ends with `code` and one sentence that holds `says`; no trace, no result."""
        result = self.run_ndcao(*args, code=code)
        # A busy machine may earn a warning about its speed, which is no part of the answer.
        lines = [line for line in result.stderr.strip().splitlines()
                 if "matrix products run at" not in line]
        self.assertEqual(len(lines), 1, result.stderr)
        message = lines[0]
        self.assertIn(says, message)
        self.assertNotIn("terminate", message)

    def start(self, *args: str) -> subprocess.Popen:
        process = subprocess.Popen([NDCAO, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, cwd=self.dir)
        self.addCleanup(lambda: (process.kill(), process.communicate()))
        return process

    def sphere(self, name: str, budget: str = "20k", *more: str) -> list[str]:
        """A quick run that needs no data: the sphere in 200 dimensions."""
        return ["train", "--objective", "function:sphere:200", "--blocks", "random:8", "--budget",
                budget, "--seed", "3", "--quiet", "--json", "--out", self.path(name), *more]
