"""Servers that die, lead no more, or come back with less than they had acknowledged."""

import shutil
import time
import unittest

from cluster_program import ClusterProgram
from nats_servers import cluster


class FaultsTest(ClusterProgram):
    def test_the_server_is_killed_and_comes_back(self):
        expected = self.file_digest("150k")
        main = self.start(*self.train("run", "150k", "--delay-ms", "4"))
        self.wait_for_records("run", 1)
        helper = self.start(*self.worker("run", "--delay-ms", "4"))
        self.wait_for_workers("run", 2)
        for count in (100, 250):
            self.wait_for_records("run", count)
            before = self.messages("run")
            self.server.kill()
            time.sleep(1)
            self.server.start()
            self.assertGreaterEqual(self.messages("run"), before)
        self.assertEqual(self.summary(main)["digest"], expected)
        self.finish(helper)
        verified = self.verify("run")
        self.assertEqual(verified["digest"], expected)
        self.assertEqual(verified["remarks"], "")

    def test_a_server_that_lost_its_tail_is_found_out(self):
        expected = self.file_digest("150k")
        main = self.start(*self.train("run", "150k", "--delay-ms", "4"))
        self.wait_for_records("run", 100)
        self.server.kill()
        shutil.copytree(self.server.store, self.dir / "earlier")
        self.server.start()
        helper = self.start(*self.worker("run", "--delay-ms", "4"))
        self.wait_for_workers("run", 2)
        self.wait_for_records("run", 250)
        self.server.kill()
        shutil.rmtree(self.server.store)
        shutil.copytree(self.dir / "earlier", self.server.store)
        self.server.start()
        output, errors = main.communicate(timeout=120)
        self.assertEqual(main.returncode, 0, errors)
        self.assertIn(expected, output)
        self.assertIn("lost records that it had acknowledged", errors)
        self.assertIn("rolled back to record", errors)
        self.finish(helper)
        self.assertEqual(self.verify("run")["digest"], expected)

    def test_a_server_that_stays_away_ends_the_run_with_a_sentence(self):
        main = self.start(*self.train("run", "150k", "--delay-ms", "4", "--patience", "3"))
        self.wait_for_records("run", 20)
        self.server.kill()
        _, errors = self.finish(main, code=1)
        self.assertIn("has not answered for 3 s", errors.splitlines()[-1])


class LeaderTest(ClusterProgram):
    def setUp(self) -> None:
        super().setUp()
        self.servers = [self.serve(server) for server in cluster(self.dir)]
        self.url = ",".join(server.url for server in self.servers)

    def leader(self) -> int:
        """Which server leads the run's stream."""
        for server in self.servers:
            if server.process.poll() is not None:
                continue
            page = server.statistics("jsz?streams=true")
            for account in page.get("account_details", []):
                for stream in account.get("stream_detail", []):
                    if stream["name"] == "NDCAO_J_run" and stream.get("cluster", {}).get("leader"):
                        return int(stream["cluster"]["leader"][1:])
        self.fail("nobody leads the stream")

    def wait_for_records(self, run: str, count: int, timeout: float = 90) -> None:
        deadline = time.time() + timeout
        while time.time() < deadline:
            alive = [s for s in self.servers if s.process.poll() is None]
            if max(self.messages(run, s) for s in alive) >= count:
                return
            time.sleep(0.1)
        self.fail(f"run {run} does not reach {count} messages")

    def test_the_leader_of_three_is_killed(self):
        expected = self.file_digest("150k")
        main = self.start(*self.train("run", "150k", "--replicas", "3", "--delay-ms", "4"))
        self.wait_for_records("run", 1)
        helper = self.start(*self.worker("run", "--delay-ms", "4"))
        self.wait_for_workers("run", 2)
        self.servers[self.leader()].kill()
        self.assertEqual(self.summary(main, 180)["digest"], expected)
        self.finish(helper, 60)
        verified = self.verify("run")
        self.assertEqual(verified["digest"], expected)
        self.assertEqual(verified["remarks"], "")


if __name__ == "__main__":
    unittest.main()
