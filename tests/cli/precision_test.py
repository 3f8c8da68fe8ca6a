"""train --precision bf16: repeatable, kept in the run, and refused where it has no meaning."""

import unittest

from ndcao_program import Program

NETWORK = ["--model", "cnn11k", "--data", "fashion-mnist", "--train-limit", "2000", "--evaluations",
           "8", "--screening", "2", "--batch", "16", "--seed", "1"]


class PrecisionTest(Program):
    def train(self, name: str, *more: str) -> dict:
        return self.json("train", *NETWORK, "--budget", "12k", "--quiet", "--json", "--out",
                         self.path(name), *more)

    def test_the_digest_is_that_of_one_thread_and_not_that_of_float32(self):
        bf16 = ["--precision", "bf16"]
        alone = self.train("alone", *bf16, "--threads", "1")
        self.assertEqual(self.train("two", *bf16, "--threads", "2")["digest"], alone["digest"])
        self.assertNotEqual(self.train("float32", "--threads", "1")["digest"], alone["digest"])
        spec = (self.dir / "alone" / "spec.toml").read_text()
        self.assertIn("precision = 'bf16'", spec.replace('"', "'"))
        # The first layer's weights are large for bfloat16, so perturbations stay larger.
        self.assertIn("sigma_end = 0.00390625", spec)
        # model.pt and its test are float32: what the run says of itself holds without the flag.
        again = self.json("eval", "--run", self.path("alone"), "--json", "--quiet")
        self.assertEqual(again["test_accuracy"], alone["test_accuracy"])
        self.assertEqual(self.json("verify", self.path("alone"), "--json")["digest"],
                         alone["digest"])

    def test_what_it_does_not_go_with(self):
        def refused(*args: str, says: str) -> None:
            self.refused("train", *args, "--budget", "1M", "--precision", "bf16", "--out",
                         self.path("never"), says=says)

        refused(*NETWORK, "--sigma", "1e-3", says="--sigma 0.001")
        refused(*NETWORK, "--sigma-end", "1e-3", says="--sigma-end 0.001")
        config = self.dir / "narrow.toml"
        config.write_text('[[block]]\npattern = "fc"\nsigma = 0.002\n')
        refused(*NETWORK, "--sigma", "0.02", "--config", str(config), says="--sigma 0.002")
        refused(*NETWORK, "--optimizer", "cao", says="--optimizer cao")
        refused(*NETWORK[:6], "--probe", "activations", says="--probe activations")
        refused("--objective", "function:sphere:9", says="only networks")
        self.refused("train", *NETWORK, "--budget", "1M", "--precision", "fp8", says="--precision")


if __name__ == "__main__":
    unittest.main()
