"""Bytes per evaluation on the wire, by the server's own counters: at most 32, for any network."""

import unittest

from cluster_program import ClusterProgram

M = 64


class WireTest(ClusterProgram):
    def totals(self, run: str) -> tuple[int, int]:
        """Messages in the run's stream, and bytes in and out of the server."""
        page = self.server.statistics()
        return self.messages(run), page["in_bytes"] + page["out_bytes"]

    def bytes_per_evaluation(self, run: str, model: str, window: int) -> float:
        """With two workers, while they do nothing but evaluate, over so many messages."""
        common = ["--threads", "1", "--quiet", "--snapshot-seconds", "0"]
        workers = [self.start("train", "--model", model, "--data", "fashion-mnist", "--budget",
                              "1G", "--batch", "16", "--seed", "1", *self.at(run), *common,
                              "--out", self.path(run))]
        self.wait_for_records(run, 2)
        workers.append(self.start("worker", *self.at(run), *common))
        self.wait_for_workers(run, 2)
        self.wait_for_records(run, self.messages(run) + 8, 120)
        messages_before, bytes_before = self.totals(run)
        self.wait_for_records(run, messages_before + window, 120)
        messages, total = self.totals(run)
        for worker in workers:
            worker.kill()
            worker.wait()
        verified = self.verify(run)
        # All but a few messages are groups; one process's thread sends one at a time.
        groups = verified["groups"] + verified["duplicates"]
        share = groups / self.messages(run)
        self.assertGreater(share, 0.8)
        return (total - bytes_before) / ((messages - messages_before) * share * M)

    def test_any_size_of_network_costs_the_same(self):
        small = self.bytes_per_evaluation("small", "mlp:784-32-10", 300)
        large = self.bytes_per_evaluation("large", "mlp:784-2048-410-10", 40)
        print(f"bytes per evaluation, 2 workers: 25 k parameters {small:.1f}, 2.5 M {large:.1f}")
        for measured in (small, large):
            self.assertLessEqual(measured, 32)
        # What differs is the line that an idle consumer gets every second.
        self.assertAlmostEqual(small, large, delta=8)


if __name__ == "__main__":
    unittest.main()
