"""Bytes per evaluation on the wire, by the server's own counters: at most 32, for any network."""

import signal
import time
import unittest

from cluster_program import ClusterProgram

M = 64
# The window that is measured, in messages.
MESSAGES = 40


class WireTest(ClusterProgram):
    def bytes_per_evaluation(self, run: str, model: str) -> float:
        """With two workers, while they do nothing but evaluate."""
        common = ["--threads", "1", "--quiet", "--snapshot-seconds", "0"]
        workers = [self.start("train", "--model", model, "--data", "fashion-mnist", "--budget",
                              "1G", "--batch", "16", "--seed", "1", *self.at(run), *common,
                              "--out", self.path(run))]
        self.wait_for_records(run, 2)
        workers.append(self.start("worker", *self.at(run), *common))
        self.wait_for_records(run, 30, 120)  # both are at it

        def total() -> int:
            page = self.server.statistics()
            return page["in_bytes"] + page["out_bytes"]

        def counts() -> tuple[int, int, int]:
            """Bytes, groups and bytes again, since asking for the groups costs some. The workers
            stand still meanwhile."""
            for worker in workers:
                worker.send_signal(signal.SIGSTOP)
            time.sleep(0.3)
            before = total()
            groups = self.json("inspect", *self.at(run), "--json")["groups"]
            return before, groups, total()

        _, groups_before, bytes_before = counts()
        for worker in workers:
            worker.send_signal(signal.SIGCONT)
        self.wait_for_records(run, self.messages(run) + MESSAGES, 120)
        bytes_after, groups_after, _ = counts()
        for worker in workers:
            worker.send_signal(signal.SIGCONT)
            worker.kill()
        groups = groups_after - groups_before
        self.assertGreaterEqual(groups, MESSAGES // 2)
        return (bytes_after - bytes_before) / (groups * M)

    def test_any_size_of_network_costs_the_same(self):
        small = self.bytes_per_evaluation("small", "mlp:784-32-10")
        large = self.bytes_per_evaluation("large", "mlp:784-2048-410-10")
        print(f"bytes per evaluation, 2 workers: 25 k parameters {small:.1f}, 2.5 M {large:.1f}")
        for measured in (small, large):
            self.assertLessEqual(measured, 32)
        # What little differs is the line that an idle consumer gets every second.
        self.assertAlmostEqual(small, large, delta=6)


if __name__ == "__main__":
    unittest.main()
