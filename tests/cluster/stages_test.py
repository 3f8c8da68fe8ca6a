"""Partitioned runs: stages in processes of their own, on a real server."""

import math
import pathlib
import shutil
import signal
import time
import unittest

from stage_program import StageProgram

try:
    import torch
except ImportError:
    torch = None

MLP = ["--model", "mlp:784-32-32-16-10", "--data", "fashion-mnist", "--train-limit", "3000"]


class StagesTest(StageProgram):
    def wait_for_groups(self, run: str, count: int) -> None:
        self.wait_for_records(run, count, 120)

    def table(self) -> str:
        """Data of numbers that are no bytes: an mlp then shares nothing among its evaluations, as
        it would with images in one process, so that the losses have the same bits in stages."""
        path = pathlib.Path(self.path("table.csv"))
        rows = []
        for i in range(1200):
            values = [math.sin((i % 10 + 1) * (j + 1)) + math.sin(97 * i + j) for j in range(32)]
            rows.append(",".join(f"{value:.4f}" for value in values) + f",{i % 10}")
        path.write_text("\n".join(rows) + "\n")
        return f"csv:{path}"

    def test_four_stages_have_the_digest_of_one_process(self):
        data = self.table()
        flags = ["--model", "mlp:32-64-64-32-10", "--data", data, "--budget", "100k"]
        split = self.split("cut", 4, *flags)
        self.refused("export", "--stages", self.path("cut"), "--out", self.path("early.pt"), code=1,
                     says="kept nothing yet")
        files = [stage["parameters"] for stage in split["stages"]]
        self.assertEqual(sum(files), split["parameters"])
        results = self.summaries(self.stages("cut", 4, "run"))
        one = self.trained(*flags)
        exported = self.exported("cut")
        self.assertEqual(exported["digest"], one["digest"])
        self.assertEqual(exported["groups"], one["groups"])
        for stage, (result, parameters) in enumerate(zip(results, files)):
            self.assertEqual(result["resident_parameter_bytes"], 4 * parameters)
            self.assertEqual(result["image_forwards"], one["image_forwards"])
            self.assertAlmostEqual(result["test_accuracy"], one["test_accuracy"], 3)
            size = pathlib.Path(self.path(f"cut/stage-{stage + 1}.ndcao")).stat().st_size
            self.assertLess(size, 4 * parameters + 4096)
        for result, stage in zip(results[:-1], split["stages"]):
            sent = result["activation_bytes_sent"] / result["examples_sent"]
            self.assertGreaterEqual(sent, 4 * stage["outputs"])
            self.assertLess(sent, 1.01 * 4 * stage["outputs"])  # 16 rows of 128 bytes and more
        self.assertEqual(results[-1]["activation_bytes_sent"], 0)
        self.check_the_model(data, one["test_accuracy"])
        self.refused("split", "--stages", "4", *flags, "--out", self.path("cut"),
                     says="has been trained there")
        self.assertEqual(self.exported("cut")["digest"], one["digest"])

    def check_the_model(self, data: str, accuracy: float) -> None:
        """What was exported is a network of that accuracy."""
        again = self.json("eval", "--model", self.path("model.pt"), "--data", data, "--json")
        self.assertAlmostEqual(again["test_accuracy"], accuracy, 3)

    def test_each_stage_is_killed_and_the_digest_stays(self):
        flags = [*MLP, "--budget", "100k"]
        self.split("calm", 3, *flags)
        self.summaries(self.stages("calm", 3, "calm"))
        self.split("cut", 3, *flags)
        stages = self.stages("cut", 3, "run", "--snapshot-seconds", "1")
        for i in range(3):
            self.wait_for_groups("run", 10 + 20 * i)
            stages[i].kill()
            stages[i].communicate()
            stages[i] = self.stage("cut", i + 1, "run", "--snapshot-seconds", "1")
            # Until it is at work again: somebody has folded its join.
            self.wait_for_groups("run", self.messages("run") + 3)
        self.summaries(stages)
        self.assertEqual(self.exported("cut")["digest"], self.exported("calm")["digest"])

    def test_a_stage_that_is_starved_for_longer_than_its_claim_lasts_goes_on(self):
        self.split("cut", 2, *MLP, "--budget", "200k")
        stages = self.stages("cut", 2, "run", "--delay-ms", "60")
        self.wait_for_groups("run", 8)
        deadline = time.time() + 20  # they tell of themselves now and then
        while time.time() < deadline:
            listed = self.json("runs", "--journal", self.url, "--json")["runs"][0]
            if len(listed["workers"]) == 2 and listed["fraction"] > 0:
                break
            time.sleep(0.2)
        self.assertEqual((listed["stages"], listed["workers"]), (2, ["stage-1", "stage-2"]))
        self.assertGreater(listed["fraction"], 0)
        stages[1].send_signal(signal.SIGSTOP)
        time.sleep(6)
        stages[1].send_signal(signal.SIGCONT)
        results = self.summaries(stages)
        self.assertEqual(results[0]["groups"], results[1]["groups"])
        self.assertEqual(self.json("runs", "--journal", self.url, "--json")["runs"][0]["workers"], [])

    def test_a_server_that_lost_its_tail_ends_the_stages_and_they_go_on_from_it(self):
        flags = [*MLP, "--budget", "200k"]
        self.split("calm", 2, *flags)
        self.summaries(self.stages("calm", 2, "calm"))
        self.split("cut", 2, *flags)
        # Their snapshots are newer than what the server will have.
        stages = self.stages("cut", 2, "run", "--snapshot-seconds", "0.05")
        self.wait_for_groups("run", 12)
        self.server.kill()
        shutil.copytree(self.server.store, self.dir / "earlier")
        self.server.start()
        self.wait_for_groups("run", self.messages("run") + 20)
        self.server.kill()
        shutil.rmtree(self.server.store)
        shutil.copytree(self.dir / "earlier", self.server.store)
        self.server.start()
        for stage in stages:
            _, errors = self.finish(stage, code=1)
            self.assertIn("lost records that it had acknowledged", errors)
        for stage in self.stages("cut", 2, "run"):
            _, errors = self.finish(stage, timeout=240)
            self.assertIn("does not fit the journal", errors)
        self.assertEqual(self.exported("cut")["digest"], self.exported("calm")["digest"])

    def test_asynchronous_with_a_stage_that_updates_ten_times_more_slowly(self):
        self.split("cut", 2, *MLP, "--budget", "400k", "--mode", "async", "--update-periods", "1,10")
        results = self.summaries(self.stages("cut", 2, "run"))
        self.assertEqual(results[0]["groups"], results[1]["groups"])
        self.assertGreater(results[0]["test_accuracy"], 0.4)  # chance: 0.1
        self.assertEqual(self.exported("cut")["groups"], results[0]["groups"])

    def test_lenet5_is_cut_between_its_layers(self):
        flags = ["--model", "lenet5", "--data", "fashion-mnist", "--train-limit", "500", "--budget",
                 "12k"]
        self.split("lenet", 4, *flags)
        results = self.summaries(self.stages("lenet", 4, "lenet"))
        self.assertEqual(self.exported("lenet")["groups"], results[0]["groups"])

    def scripted(self, name: str, module) -> str:
        torch.jit.script(module).save(self.path(name))
        return self.path(name)

    @unittest.skipIf(torch is None, "PyTorch is not installed")
    def test_a_sequential_file_is_cut_and_another_is_refused(self):
        nn = torch.nn
        model = self.scripted("chain.pt", nn.Sequential(
            nn.Flatten(), nn.Linear(784, 16), nn.ReLU(), nn.Linear(16, 12), nn.Tanh(),
            nn.Linear(12, 10)))
        flags = ["--model", model, *MLP[2:], "--budget", "30k"]
        self.split("cut", 3, *flags)
        self.summaries(self.stages("cut", 3, "run"))
        self.assertEqual(self.exported("cut")["digest"], self.trained(*flags)["digest"])

        class Residual(nn.Module):
            def __init__(self):
                super().__init__()
                self.first, self.second = nn.Linear(784, 784), nn.Linear(784, 10)

            def forward(self, x):
                x = x.flatten(1)
                return self.second(x + self.first(x))

        self.refused("split", "--stages", "2", "--model", self.scripted("branch.pt", Residual()),
                     *MLP[2:], "--budget", "30k", "--out", self.path("x"), says="aten::flatten")

    def test_what_is_refused(self):
        flags = [*MLP, "--budget", "60k"]
        cut = ["split", "--stages"]
        self.refused(*cut, "9", *flags, "--out", self.path("x"), says="2 to 4 stages")
        self.refused(*cut, "1", *flags, "--out", self.path("x"), says="2 to 4 stages")
        self.refused(*cut, "2", "--model", "lstm:28x16", "--data", "fashion-mnist", "--budget",
                     "60k", "--out", self.path("x"), says="cannot be cut")
        self.refused(*cut, "2", *flags, "--update-periods", "1,10", "--out", self.path("x"),
                     says="--mode async")
        self.refused(*cut, "2", *flags, "--mode", "async", "--update-periods", "1,10,1", "--out",
                     self.path("x"), says="--update-periods 1,10,1")
        self.refused(*cut, "2", *flags, "--precision", "bf16", "--out", self.path("x"),
                     says="--precision bf16: the stages")
        self.refused(*cut, "2", *flags, "--audit", "0.25", "--out", self.path("x"),
                     says="--audit 0.25: in a partitioned run")
        self.split("cut", 2, *flags)
        self.split("other", 2, *flags, "--seed", "2")
        first = self.stage("cut", 1, "run", "--patience", "20")
        time.sleep(1.5)
        self.refused("stage", "--file", self.path("other/stage-2.ndcao"), *self.at("run"),
                     says="come from one 'ndcao split'")
        self.refused("stage", "--file", self.path("cut/stage-1.ndcao"), *self.at("run"),
                     says="is held by")
        self.refused("stage", "--file", self.path("one"), *self.at("run"), says="cannot be read")
        self.refused("worker", *self.at("run"), says="partitioned into 2 stages")
        _, errors = self.finish(first, code=1)
        self.assertIn("waiting for stage 2 of 2", errors)
        self.assertIn("stage 2 of 2 has not come for 20 s", errors.splitlines()[-1])

    def test_a_batch_above_the_payload_limit(self):
        self.split("cut", 2, "--model", "mlp:784-4096-10", "--data", "fashion-mnist", "--budget",
                   "1M", "--batch", "128")
        stages = self.stages("cut", 2, "run", "--patience", "5")
        _, errors = self.finish(stages[0], code=2)
        self.assertIn("max_payload", errors)
        self.assertIn("--batch 63 or less", errors)


if __name__ == "__main__":
    unittest.main()
