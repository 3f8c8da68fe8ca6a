"""TorchScript files from Python, and the ones that ndcao writes, back in Python."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import torch

import make_models

TOOL = os.environ["NETWORK_TOOL"]
NDCAO = os.environ.get("NDCAO", "")
FASHION = pathlib.Path("/usr/share/datasets/fashion-mnist")
TOLERANCE = 1e-6


class TorchScript(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.holder = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.holder.name)
        make_models.main(cls.folder)

    @classmethod
    def tearDownClass(cls) -> None:
        cls.holder.cleanup()

    def model(self, name: str) -> str:
        return str(self.folder / name) if name.endswith(".pt") else name

    def check(self, name: str, batch_norm: str = "eval", code: int = 0):
        result = subprocess.run([TOOL, "check", self.model(name), batch_norm],
                                capture_output=True, text=True, timeout=120)
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result

    def refused(self, name: str, *says: str, batch_norm: str = "eval") -> None:
        lines = self.check(name, batch_norm, code=2).stderr.strip().splitlines()
        lines = [line for line in lines if "GFLOP" not in line]
        self.assertEqual(len(lines), 1, lines)
        for words in says:
            self.assertIn(words, lines[0])

    def export(self, name: str, batch_norm: str = "eval"):
        """Exports the network; returns it as Python loads it, with its inputs and outputs."""
        folder = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        subprocess.run([TOOL, "export", self.model(name), batch_norm, str(folder)], check=True,
                       timeout=120)
        inputs = torch.frombuffer(bytearray((folder / "inputs.bin").read_bytes()),
                                  dtype=torch.float32).view(-1, 1, 28, 28)
        outputs = torch.frombuffer(bytearray((folder / "outputs.bin").read_bytes()),
                                   dtype=torch.float32).view(inputs.shape[0], -1)
        return torch.jit.load(str(folder / "model.pt")), inputs, outputs

    def same_outputs(self, name: str, batch_norm: str = "eval"):
        module, inputs, outputs = self.export(name, batch_norm)
        with torch.no_grad():
            answer = module(inputs)
        answer = answer[0] if isinstance(answer, tuple) else answer
        self.assertLessEqual((answer - outputs).abs().max().item(), TOLERANCE, name)
        return module

    def test_exports_of_built_in_networks_give_the_same_outputs(self) -> None:
        for name in ["mlp:784-32-10", "lenet5", "cnn11k", "resnet8", "lstm:28x128", "vit-tiny"]:
            with self.subTest(name):
                self.same_outputs(name)

    def test_exports_of_imported_networks_give_the_same_outputs(self) -> None:
        for name in ["scripted_cnn.pt", "traced_cnn.pt", "scripted_lstm.pt", "traced_lstm.pt",
                     "scripted_encoder.pt", "traced_encoder.pt", "tied.pt", "views.pt",
                     "transposed.pt", "tuple.pt"]:
            with self.subTest(name):
                self.same_outputs(name)

    def test_batch_statistics_are_exported_as_such(self) -> None:
        module = self.same_outputs("scripted_cnn.pt", "batch")
        self.assertTrue(getattr(module.body, "1").training)
        self.assertFalse(getattr(module.body, "6").training)  # dropout stays off

    def test_binary_networks_are_exported_with_weights_of_one_and_minus_one(self) -> None:
        module = self.same_outputs("bnn:784-256-10")
        weights = list(module.buffers())
        self.assertEqual(sum(w.numel() for w in weights), 784 * 256 + 256 * 10)
        self.assertEqual(list(module.parameters()), [])
        for weight in weights:
            self.assertEqual(weight.dtype, torch.int8)
            self.assertEqual(set(weight.unique().tolist()), {-1, 1})

    def test_integer_networks_are_exported_with_integer_weights(self) -> None:
        module = self.same_outputs("int8-mlp:784-256-10")
        weights = list(module.buffers())
        self.assertEqual(sum(w.numel() for w in weights), 784 * 256 + 256 + 256 * 10 + 10)
        for weight in weights:
            self.assertEqual(weight.dtype, torch.int8)
            self.assertGreaterEqual(weight.min().item(), -127)

    def test_tied_parameters_are_counted_once(self) -> None:
        out = self.check("tied.pt").stdout.split()
        self.assertEqual(sum(int(n) for n in out[1::2]), 784 * 8 + 8 * 10 + 10)

    def test_parts_of_one_tensor_are_parameters_of_their_own(self) -> None:
        out = self.check("views.pt").stdout.split()
        self.assertEqual(out, ["first", "7840", "second", "7840"])
        self.refused("overlap.pt", "'first'", "'second'", "share a part")

    def test_outputs_that_saturate_are_no_reason_to_refuse(self) -> None:
        self.check("saturated.pt")

    def test_files_that_cannot_be_trained_are_refused_with_one_sentence(self) -> None:
        self.refused("missing.pt", "no such file")
        for name in ["corrupt.pt", "words.pt", "state_dict.pt"]:
            self.refused(name, "not a TorchScript file", name)
        self.refused("bare.pt", "no parameters")
        self.refused("frozen.pt", "no parameters")
        self.refused("half.pt", "'1.weight'", "Half", "float32")
        self.refused("inputs.pt", "[1, 28, 28]", "784", "100")
        self.refused("outputs.pt", "[2, 7]", "[2, 10]")
        self.refused("text.pt", "not a tensor")

    def test_batch_statistics_without_batch_norm_are_refused(self) -> None:
        self.check("scripted_cnn.pt", "batch")
        self.refused("tied.pt", "no BatchNorm", batch_norm="batch")
        self.refused("traced_cnn.pt", "traced in evaluation mode", batch_norm="batch")
        self.refused("tied.pt", "eval, batch", batch_norm="train")

    def loss_of(self, model: str) -> float:
        said = subprocess.run([NDCAO, "eval", "--model", model, "--data", "fashion-mnist", "--json"],
                              check=True, timeout=120, capture_output=True, text=True)
        return json.loads(said.stdout.splitlines()[-1])["test_loss"]

    @unittest.skipUnless(NDCAO and FASHION.exists(), "needs the program and Fashion-MNIST")
    def test_imported_networks_train(self) -> None:
        for name in ["scripted_cnn.pt", "traced_cnn.pt", "scripted_lstm.pt", "traced_lstm.pt",
                     "scripted_encoder.pt", "traced_encoder.pt"]:
            with self.subTest(name):
                run = str(self.folder / f"run-{name}")
                trained = subprocess.run(
                    [NDCAO, "train", "--model", self.model(name), "--budget", "200k", "--data",
                     "fashion-mnist", "--quiet", "--json", "--out", run],
                    check=True, timeout=300, capture_output=True, text=True)
                said = json.loads(trained.stdout.splitlines()[-1])
                self.assertLess(said["test_loss"], self.loss_of(self.model(name)))
                self.assertAlmostEqual(said["test_loss"], self.loss_of(f"{run}/model.pt"), 4)

    @unittest.skipUnless(NDCAO and FASHION.exists(), "needs the program and Fashion-MNIST")
    def test_imported_networks_train_by_their_activations(self) -> None:
        for name, says in [("scripted_cnn.pt", "used by aten::batch_norm"),
                           ("traced_cnn.pt", "re-runs the operations"),
                           ("scripted_lstm.pt", "linear x 28"),
                           ("traced_encoder.pt", "used by aten::embedding")]:
            with self.subTest(name):
                run = str(self.folder / f"activations-{name}")
                result = subprocess.run(
                    [NDCAO, "train", "--model", self.model(name), "--probe", "activations",
                     "--epochs", "1", "--train-limit", "2000", "--data", "fashion-mnist",
                     "--quiet", "--out", run], timeout=300, capture_output=True, text=True)
                self.assertEqual(result.returncode, 0, result.stderr)
                before = torch.jit.load(self.model(name)).state_dict()
                after = torch.jit.load(f"{run}/model.pt").state_dict()
                # What is probed by weights waits for more groups than so short a run has.
                matrices = [key for key in before
                            if before[key].dim() > 1 and "embedding" not in key]
                for key in matrices:
                    self.assertFalse(torch.equal(before[key], after[key]), key)
                shown = subprocess.run([NDCAO, "inspect", run], capture_output=True, text=True)
                self.assertIn(says, shown.stdout)


if __name__ == "__main__":
    sys.exit(unittest.main())
