"""Activation probing in stages: processes of their own, on a real server."""

import pathlib
import shutil
import unittest

from stage_program import StageProgram

try:
    import torch
except ImportError:
    torch = None

DATA = ["--data", "fashion-mnist", "--probe", "activations"]
MLP = ["--model", "mlp:784-32-32-16-10", *DATA, "--train-limit", "2560"]


class ActivationStagesTest(StageProgram):
    def check_against_one_process(self, stages: int, *flags: str) -> tuple[dict, list[dict]]:
        """With one batch in flight the parameters are those of one process, bit for bit."""
        split = self.split("cut", stages, *flags)
        results = self.summaries(self.stages("cut", stages, "run"))
        one = self.trained(*flags)
        self.assertEqual(self.exported("cut")["digest"], one["digest"])
        for result in results:
            self.assertEqual(result["image_forwards"], one["image_forwards"])
            self.assertAlmostEqual(result["test_accuracy"], one["test_accuracy"], 3)
        return split, results

    def test_four_stages_have_the_digest_of_one_process(self):
        split, results = self.check_against_one_process(4, *MLP, "--epochs", "2")
        for i, (result, stage) in enumerate(zip(results, split["stages"])):
            self.assertEqual(result["resident_parameter_bytes"], 4 * stage["parameters"])
            size = pathlib.Path(self.path(f"cut/stage-{i + 1}.ndcao")).stat().st_size
            self.assertLess(size, 4 * stage["parameters"] + 4096)
        # A clean row, and one for each copy of the sites up to here; the header is below 1 %.
        for i, (result, stage) in enumerate(zip(results[:-1], split["stages"])):
            test = 10000
            self.assertEqual(result["examples_sent"], 40 * 128 * (2 + i) + test)
            sent = result["activation_bytes_sent"] / result["examples_sent"]
            self.assertGreaterEqual(sent, 4 * stage["outputs"])
            self.assertLess(sent, 1.01 * 4 * stage["outputs"])
        # To each of three stages: 1 clean loss, 3 copies, 10 perturbed outputs.
        self.assertEqual(results[-1]["other_bytes_sent"], 3 * 40 * (4 * 128 * 14 + 2 * 20))

    def test_lenet5_strict(self):
        self.check_against_one_process(2, "--model", "lenet5", *DATA, "--estimator", "strict",
                                       "--train-limit", "256", "--epochs", "1")

    @unittest.skipIf(torch is None, "PyTorch is not installed")
    def test_a_sequential_file_and_one_with_a_normalisation(self):
        nn = torch.nn

        def scripted(name: str, *modules) -> list[str]:
            torch.jit.script(nn.Sequential(nn.Flatten(), *modules)).save(self.path(name))
            return ["--model", self.path(name), *MLP[2:], "--epochs", "1"]

        self.check_against_one_process(2, *scripted(
            "chain.pt", nn.Linear(784, 16), nn.ReLU(), nn.Linear(16, 12), nn.Tanh(),
            nn.Linear(12, 10)))
        normed = scripted("normed.pt", nn.Linear(784, 16), nn.LayerNorm(16), nn.ReLU(),
                          nn.Linear(16, 10))
        self.refused("split", "--stages", "2", *normed, "--out", self.path("x"),
                     says="has no place to be probed")

    def test_stages_and_server_die_and_the_digest_stays(self):
        flags = [*MLP, "--epochs", "8", "--keep-every", "10", "--in-flight", "2"]
        self.split("calm", 3, *flags)
        self.summaries(self.stages("calm", 3, "calm"))
        self.split("cut", 3, *flags)
        slowly = ["--delay-ms", "15"]
        stages = self.stages("cut", 3, "run", *slowly)
        for i in range(3):
            # Joins and first states, and then two states of each.
            self.wait_for_records("run", self.messages("run") + 9, 120)
            stages[i].kill()
            stages[i].communicate()
            stages[i] = self.stage("cut", i + 1, "run", *slowly)
        self.wait_for_records("run", self.messages("run") + 9, 120)
        # The server forgets all that it had acknowledged: the journal only points to the states.
        self.server.kill()
        for stage in stages:
            stage.kill()
            stage.communicate()
        shutil.rmtree(self.server.store)
        self.server.start()
        results = self.summaries(self.stages("cut", 3, "run"))
        self.assertEqual(self.exported("cut")["digest"], self.exported("calm")["digest"])
        # They went on from what they had kept: less was sent than a whole run takes.
        self.assertLess(results[0]["examples_sent"], 160 * 128 * 2)

    def test_asynchronous_with_a_slow_stage(self):
        self.split("cut", 2, *MLP, "--epochs", "4", "--mode", "async", "--update-periods", "1,10")
        stages = [self.stage("cut", 1, "run"), self.stage("cut", 2, "run", "--delay-ms", "30")]
        results = self.summaries(stages)
        self.assertEqual(results[0]["steps"], 80)
        self.assertGreater(results[0]["test_accuracy"], 0.4)  # chance: 0.1

    def test_what_is_refused(self):
        cut = ["split", "--stages", "2", "--out", self.path("x")]
        self.refused(*cut, *MLP, "--epochs", "1", "--in-flight", "0", says="--in-flight")
        self.refused(*cut, *MLP, "--epochs", "1", "--objective", "macro-f1",
                     says="--objective macro-f1")
        self.split("cut", 2, *MLP, "--train-limit", "256", "--epochs", "1")
        self.summaries(self.stages("cut", 2, "run"))
        self.refused("stage", "--file", self.path("cut/stage-1.ndcao"), *self.at("another"),
                     says="it has states of another run")


if __name__ == "__main__":
    unittest.main()
