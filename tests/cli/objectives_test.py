"""Objectives without a gradient, on real data, from a network that is half trained."""

import unittest

from ndcao_program import Program


class ObjectivesTest(Program):
    def test_accuracy_and_f1_improve_a_half_trained_network(self):
        common = ["train", "--model", "mlp:784-32-10", "--data", "fashion-mnist", "--seed", "1",
                  "--quiet", "--json"]
        half = self.json(*common, "--budget", "150k", "--out", self.path("half"))
        self.run_ndcao("replay", self.path("half"), "--params", self.path("half.bin"))
        for objective, budget in (("accuracy", "2M"), ("macro-f1", "2M")):
            with self.subTest(objective):
                ended = self.json(*common, "--objective", objective, "--init",
                                  self.path("half.bin"), "--budget", budget, "--out",
                                  self.path(objective))
                # The test set's own error is 0.4 points; a run gains two to three.
                self.assertGreater(ended["test_accuracy"], half["test_accuracy"] + 0.01)


if __name__ == "__main__":
    unittest.main()
