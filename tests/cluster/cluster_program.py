"""What the cluster tests share: a server, and runs on it."""

import json
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "cli"))
from nats_servers import Server  # noqa: E402
from ndcao_program import NDCAO, Program  # noqa: E402

# A quick run that needs no data: the sphere in 200 dimensions.
SPHERE = ["--objective", "function:sphere:200", "--blocks", "random:8", "--seed", "3"]


class ClusterProgram(Program):
    """A test case with one server and short ways to work on a run there."""

    def setUp(self) -> None:
        super().setUp()
        self.server = self.serve(Server(self.dir))
        self.url = self.server.url

    def program(self) -> str:
        return NDCAO

    def serve(self, server: Server) -> Server:
        self.addCleanup(server.kill)
        server.start()
        return server

    def at(self, run: str) -> list[str]:
        return ["--journal", self.url, "--run", run]

    def train(self, run: str, budget: str, *more: str) -> list[str]:
        return ["train", *SPHERE, "--budget", budget, "--threads", "1", "--quiet", "--json",
                *self.at(run), "--out", self.path(f"products-{run}"), *more]

    def worker(self, run: str, *more: str) -> list[str]:
        return ["worker", *self.at(run), "--threads", "1", "--quiet", *more]

    def file_digest(self, budget: str, *more: str) -> str:
        """The digest that the same run has in a directory, in one thread."""
        return self.json("train", *SPHERE, "--budget", budget, "--threads", "1", "--quiet",
                         "--json", "--out", self.path("in-files"), *more)["digest"]

    def verify(self, run: str) -> dict:
        return self.json("verify", *self.at(run), "--json")

    def wait_for_records(self, run: str, count: int, timeout: float = 60) -> None:
        """Until the run's stream has so many messages."""
        deadline = time.time() + timeout
        while time.time() < deadline:
            if self.messages(run) >= count:
                return
            time.sleep(0.05)
        self.fail(f"run {run} has {self.messages(run)} messages after {timeout} s, not {count}")

    def wait_for_workers(self, run: str, count: int, timeout: float = 60) -> None:
        """Until so many threads have joined the run."""
        deadline = time.time() + timeout
        while self.json("inspect", *self.at(run), "--json")["workers"] < count:
            self.assertLess(time.time(), deadline)

    def messages(self, run: str, server: Server | None = None) -> int:
        return self.state(run, server or self.server).get("messages", 0)

    def stream_bytes(self, run: str) -> int:
        return self.state(run, self.server)["bytes"]

    def state(self, run: str, server: Server) -> dict:
        """What the server says of the run's journal; empty if it has none."""
        for account in server.statistics("jsz?streams=true").get("account_details", []):
            for stream in account.get("stream_detail", []):
                if stream["name"] == f"NDCAO_J_{run}":
                    return stream["state"]
        return {}

    def finish(self, process: subprocess.Popen, timeout: float = 120, code: int = 0):
        """Output and errors of a process that ends well."""
        output, errors = process.communicate(timeout=timeout)
        self.assertEqual(process.returncode, code, errors)
        return output, errors

    def summary(self, process: subprocess.Popen, timeout: float = 120) -> dict:
        return json.loads(self.finish(process, timeout)[0].strip().splitlines()[-1])


__all__ = ["NDCAO", "SPHERE", "ClusterProgram"]
