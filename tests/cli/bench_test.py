"""bench throughput, bench memory and simulate: their JSON, and what they refuse."""

import os
import shutil
import unittest
from unittest import mock

from ndcao_program import Program

SMALL = ["--model", "mlp:784-32-10", "--data", "fashion-mnist"]


class BenchTest(Program):
    def test_phases_add_up_and_the_limit_is_below_one(self):
        result = self.json("bench", "throughput", *SMALL, "--batch", "64", "--repeats", "1",
                           "--seconds", "0.3", "--limit", "--json")
        self.assertAlmostEqual(sum(result["phases"].values()), result["phases_sum"])
        # On a busy machine threads start late: the document's 3 % are for a quiet one.
        self.assertGreater(result["phases_sum"], 0.8)
        self.assertLess(result["phases_sum"], 1.03)
        self.assertGreater(result["phases"]["forward"], 0.3)
        self.assertGreater(result["limit"], 0)
        self.assertLess(result["limit"], 1)

    def test_activations_are_measured_against_passes_and_products(self):
        result = self.json("bench", "throughput", *SMALL, "--probe", "activations", "--batch", "64",
                           "--repeats", "1", "--seconds", "0.2", "--json")
        # Two passes and one product for each image of a step.
        bare = (2 / result["inference_images_per_second"]
                + 1 / result["products_images_per_second"])
        self.assertAlmostEqual(result["ratio"],
                               bare / (2 / result["training_images_per_second"]), places=6)

    def test_only_networks_are_measured(self):
        self.refused("bench", "throughput", "--objective", "function:sphere:3",
                     says="only networks are measured")
        self.refused("simulate", "--seconds", "1", "--probe", "activations", says="--probe")

    def test_the_limit_is_for_mlps(self):
        refused = self.run_ndcao("bench", "throughput", "--model", "lenet5", "--limit", code=2)
        self.assertIn("--limit", refused.stderr)

    def test_memory_of_training_is_near_that_of_inference(self):
        result = self.json("bench", "memory", "--model", "lenet5", "--batch", "256", "--adam", "",
                           "--json")
        self.assertGreater(result["inference_bytes"], 5 << 20)
        self.assertLess(result["training_bytes"], 2 * result["inference_bytes"])

    def test_workers_come_to_the_parameters_of_one(self):
        for journal in ("file", "nats") if shutil.which("nats-server") else ("file",):
            with self.subTest(journal):
                self.check_workers(journal)

    def check_workers(self, journal: str) -> None:
        result = self.json("bench", "workers", *SMALL, "--batch", "32", "--evaluations", "8",
                           "--screening", "2", "--repeats", "1", "--seconds", "0.2", "--dir",
                           str(self.dir), "--journal", journal, "--json")
        self.assertTrue(result["same_digest"])
        self.assertEqual(len(result["digest"]), 32)
        self.assertGreater(result["inference_images_per_second"], 0)
        self.assertAlmostEqual(result["ratio"], result["training_images_per_second"]
                               / result["inference_images_per_second"])
        self.assertEqual(list(self.dir.iterdir()), [])  # it leaves nothing behind

    def test_a_server_that_does_not_come_up_is_said_to(self):
        programs = self.dir / "bin"
        programs.mkdir()
        (programs / "nats-server").write_text("#!/bin/sh\nexit 3\n")
        (programs / "nats-server").chmod(0o755)
        with mock.patch.dict(os.environ, PATH=f"{programs}:{os.environ['PATH']}"):
            self.refused("bench", "workers", *SMALL, "--dir", str(self.dir), "--journal", "nats",
                         code=1, says="nats-server ends at once")

    def test_workers_are_refused_where_digests_mean_nothing(self):
        for flags, says in ((["--mode", "async"], "--mode sync"),
                            (["--journal", "mem:"], "--journal mem:")):
            self.refused("bench", "workers", *SMALL, *flags, says=says)


class SimulateTest(Program):
    def simulate(self, *more: str) -> dict:
        return self.json("simulate", "--model", "mlp:784-2-10", "--group-ms", "50", "--fold-us",
                         "500", "--seconds", "10", "--json", *more)

    def test_more_workers_do_more_until_they_only_fold(self):
        one, some, many = (self.simulate("--mode", "async", "--workers", n, "--staleness-limit",
                                         "4096") for n in ("1", "20", "500"))
        self.assertGreater(some["groups_per_second"], 15 * one["groups_per_second"])
        self.assertLess(many["groups_per_second"], 2000)  # 1 / fold
        self.assertGreater(many["folding"], many["evaluating"])

    def test_the_same_seed_is_the_same_run(self):
        self.assertEqual(self.simulate("--workers", "9"), self.simulate("--workers", "9"))

    def test_workers_are_bounded(self):
        refused = self.run_ndcao("simulate", "--workers", "10001", code=2)
        self.assertIn("--workers", refused.stderr)


if __name__ == "__main__":
    unittest.main()
