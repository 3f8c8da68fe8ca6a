"""train, eval, resume, replay, verify, inspect, export, bench: one after another, and bad inputs."""

import json
import os
import pathlib
import re
import shlex
import signal
import struct
import time
import tomllib
import unittest

from ndcao_program import Program

FASHION = ["--model", "mlp:784-32-10", "--data", "fashion-mnist"]


class TrainTest(Program):
    def fashion(self, name: str, *more: str) -> dict:
        return self.json("train", *FASHION, "--budget", "400k", "--seed", "1", "--quiet", "--json",
                         "--out", self.path(name), *more)

    def test_learns_to_tell_clothes_apart(self):
        summary = self.fashion("a", "--threads", "2")
        # 400k forwards reach about 70 %; 10 % is chance.
        self.assertGreater(summary["test_accuracy"], 0.62)
        self.assertEqual(summary["parameters"], 25450)
        self.assertEqual(summary["blocks"], 2)
        self.assertLessEqual(summary["image_forwards"], 400_000)
        score = self.json("eval", "--run", self.path("a"), "--json", "--quiet")
        self.assertEqual(score["digest"], summary["digest"])
        self.assertAlmostEqual(score["test_accuracy"], summary["test_accuracy"])
        self.assertLess(abs(score["train_loss"] - score["test_loss"]), 0.2)
        self.assertNotEqual(score["train_loss"], score["test_loss"])
        self.assertEqual(score["image_forwards"], 20000)
        for key in ("blocks", "journal_bytes", "run_dir"):
            self.assertEqual(score[key], summary[key])
        for key in ("loss_evaluations", "wall_seconds", "images_per_second"):
            self.assertGreater(score[key], 0)
        pictures = self.run_ndcao("eval", "--run", self.path("a"), "--pictures", "4").stdout
        self.assertIn("▀", pictures)
        self.assertIn("ankle boot", pictures)

    def test_digest_depends_on_the_seed_and_on_nothing_else(self):
        one = self.fashion("one", "--threads", "1")
        two = self.fashion("two", "--threads", "2")
        split = self.fashion("split", "--threads", "2", "--blocks", "random:64")
        other = self.json("train", *FASHION, "--budget", "400k", "--seed", "2", "--quiet",
                          "--json", "--out", self.path("other"))
        self.assertEqual(one["digest"], two["digest"])
        # Blocks of equal options are told the same and do the same, however many there are.
        self.assertEqual(one["digest"], split["digest"])
        self.assertEqual(split["blocks"], 64)
        self.assertNotEqual(one["digest"], other["digest"])

    def test_losses_that_another_split_measured(self):
        first = self.fashion("first", "--threads", "2")
        taken = self.fashion("taken", "--threads", "1", "--blocks", "random:64", "--losses-of",
                             self.path("first"))
        self.assertEqual(taken["digest"], first["digest"])
        self.assertEqual(taken["blocks"], 64)
        self.assertEqual(taken["test_accuracy"], first["test_accuracy"])
        self.assertEqual(taken["loss_evaluations"], first["loss_evaluations"])
        self.assertEqual(taken["images_per_second"], 0)  # nothing was measured
        self.assertGreater(first["images_per_second"], 0)
        self.run_ndcao("verify", self.path("taken"))

        def refused(*flags: str, says: str) -> None:
            self.refused("train", *FASHION, "--budget", "400k", "--quiet", "--out",
                         self.path("no"), "--losses-of", *flags, says=says)
            self.assertFalse(pathlib.Path(self.path("no")).exists())

        refused(self.path("first"), "--seed", "2", says="seed")
        refused(self.path("first"), "--mode", "async", says="mode")
        refused(self.path("none"), says="no run directory")
        log = next(pathlib.Path(self.path("first"), "journal").glob("*.log"))
        whole = log.read_bytes()
        middle = len(whole) // 2
        log.write_bytes(whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1:])
        self.refused("train", *FASHION, "--budget", "400k", "--seed", "1", "--quiet", "--out",
                     self.path("no"), "--blocks", "unit", "--losses-of", self.path("first"),
                     says="--losses-of", code=1)
        self.assertFalse(pathlib.Path(self.path("no")).exists())
        self.fashion("async", "--mode", "async", "--budget", "20k")
        refused(self.path("async"), says="synchronous")
        for name, more, says in [("cao", ["--optimizer", "cao", "--budget", "100"], "cao"),
                                 ("audit", ["--audit", "0.5", "--budget", "4k"], "audits")]:
            sphere = ["train", "--objective", "function:sphere:60", *more, "--quiet"]
            self.run_ndcao(*sphere, "--out", self.path(name))
            self.refused(*sphere, "--blocks", "size:10", "--out", self.path("no"), "--losses-of",
                         self.path(name), says=says)
        self.refused("train", *FASHION, "--budget", "400k", "--journal", "mem:", "--losses-of",
                     self.path("first"), says="directory")

    def test_config_file_and_flags(self):
        config = pathlib.Path(self.path("c.toml"))
        config.write_text('objective = "function:sphere:50"\nbudget = "10k"\nseed = 5\n'
                          'quiet = true\nblocks = "size:10"\n'
                          '[[block]]\npattern = "0|1"\nfrozen = true\n')
        summary = self.json("train", "--config", str(config), "--json", "--out", self.path("a"))
        self.assertEqual(summary["blocks"], 5)
        shown = self.run_ndcao("inspect", self.path("a")).stdout
        self.assertIn("frozen", shown)
        self.assertIn("seed = 5", shown)
        self.json("train", "--config", str(config), "--seed", "6", "--json", "--out",
                  self.path("b"))
        self.assertIn("seed = 6", self.run_ndcao("inspect", self.path("b")).stdout)
        config.write_text('objective = "function:sphere:50"\nbudget = "10k"\n'
                          'blocks = "size:10"\n[[block]]\npattern = "block"\nfrozen = true\n')
        self.refused("train", "--config", str(config), says="matches no block of --blocks size:10")
        config.write_text('objective = "function:sphere:50"\nbudget = "10k"\n'
                          '[[block]]\npattern = ".*"\nsigma = "0.5"\n')
        self.refused("train", "--config", str(config), says="'sigma' is no number")
        config.write_text("colour = 1\n")
        self.refused("train", "--config", str(config), says="c.toml: key 'colour' is unknown")
        # How long to train is one thing, however it is said.
        config.write_text('model = "mlp:784-4-10"\ntrain-limit = 200\nepochs = 900\nquiet = true\n')
        summary = self.json("train", "--config", str(config), "--budget", "10k", "--json", "--out",
                            self.path("c"))
        self.assertLessEqual(summary["image_forwards"], 10000)
        config.write_text("budget = = 1\n")
        self.refused("train", "--config", str(config), says="line 1")

    def test_the_batch_leaves_the_slowest_block_its_moves(self):
        network = ["--model", "mlp:784-4-10", "--data", "fashion-mnist", "--train-limit", "2000",
                   "--evaluations", "8", "--screening", "0", "--budget", "500k", "--quiet"]
        # Groups of 32 cost 288, so there are 1,736 of them: 434 rounds of four, or 173 of ten.
        for name, more, batch in [("sync", [], 32), ("ten", ["--async-periods", "1..10"], 16),
                                  ("four", ["--async-periods", "1..4"], 32)]:
            mode = ["--mode", "async", *more] if more else []
            self.run_ndcao("train", *network, *mode, "--out", self.path(name))
            self.assertIn(f"batch = {batch}\n", (self.dir / name / "spec.toml").read_text())

    def test_how_wide_perturbations_are(self):
        config = self.dir / "blocks.toml"
        config.write_text('[[block]]\npattern = ".*"\nsigma = 0.3\n')
        small = ["--train-limit", "200", "--budget", "40k", "--quiet", "--no-report"]
        runs = [  # of the run; a block's own sigma falls as the run's does
            (["--model", "mlp:784-4-10"], "options", 0.03, 0.003),
            (["--model", "mlp:784-4-10", "--sigma", "0.02"], "options", 0.02, 0),
            (["--model", "mlp:784-4-10", "--config", str(config)], "block", 0.3, 0.03),
            (["--model", "bnn:784-4-10"], "options", 0.2, 0),
            (["--model", "mlp:784-4-10", "--objective", "accuracy"], "options", 0.01, 0)]
        for i, (flags, table, sigma, end) in enumerate(runs):
            self.run_ndcao("train", *flags, *small, "--out", self.path(str(i)))
            spec = tomllib.loads((self.dir / str(i) / "spec.toml").read_text())
            options = spec["block"][0] if table == "block" else spec[table]
            self.assertAlmostEqual(options["sigma"], sigma)
            self.assertAlmostEqual(options["sigma_end"], end)

    def test_a_block_has_the_constants_of_the_problem_too(self):
        config = self.dir / "blocks.toml"
        config.write_text('[[block]]\npattern = "fc1.*"\neps = 3\n'
                          '[[block]]\npattern = "fc2.*"\noptimizer = "noise-budget"\n')
        for i, (flags, sigma, eps) in enumerate([
                (["--model", "int8-mlp:784-4-10"], 4, 2),
                (["--model", "mlp:784-4-10", "--objective", "accuracy"], 0.01, 0.1)]):
            self.run_ndcao("train", *flags, "--train-limit", "200", "--budget", "40k", "--quiet",
                           "--no-report", "--config", str(config), "--out", self.path(str(i)))
            spec = tomllib.loads((self.dir / str(i) / "spec.toml").read_text())
            blocks = spec["block"]
            self.assertEqual([block["sigma"] for block in blocks], [sigma, sigma])
            self.assertEqual([b["noise_budget"]["eps"] for b in blocks], [3, eps])

    def test_losses_without_a_centre_are_train_losses_too(self):
        summary = self.json("train", "--objective", "function:sphere:50", "--optimizer", "mezo",
                            "--budget", "2k", "--quiet", "--json", "--out", self.path("a"))
        self.assertGreater(summary["train_loss"], 0)

    def test_a_run_that_has_ended_keeps_its_end(self):
        first = self.json(*self.sphere("a"))
        again = self.json("resume", self.path("a"), "--json", "--quiet")
        self.assertAlmostEqual(again["train_loss"], first["train_loss"], places=5)
        for key in ("test_loss", "digest", "image_forwards"):
            self.assertEqual(again[key], first[key])
        lines = (self.dir / "a" / "metrics.jsonl").read_text().splitlines()
        marks = [json.loads(line) for line in lines]
        self.assertEqual(sum(m.get("note") == "budget used up" for m in marks), 1)

    def test_outputs_that_no_file_can_be(self):
        self.json(*self.sphere("a"))
        for verb, flag in [("report", "--out"), ("replay", "--params")]:
            self.refused(verb, self.path("a"), flag, self.path("none/x"), says=f"{flag} ")
            self.refused(verb, self.path("a"), flag, self.path("a"), says="it is a directory")

    def test_max_seconds_alone_sets_the_budget(self):
        summary = self.json("train", "--objective", "function:sphere:2000", "--max-seconds", "3",
                            "--quiet", "--json", "--out", self.path("a"))
        self.assertLess(summary["wall_seconds"], 6)
        self.assertGreater(summary["image_forwards"], 0)
        self.json("verify", self.path("a"), "--json")


class PastTest(Program):
    def setUp(self) -> None:
        super().setUp()
        self.summary = self.json(*self.sphere("run"))

    def test_replay_verify_inspect(self):
        replay = self.json("replay", self.path("run"), "--json", "--params", self.path("p.bin"))
        self.assertEqual(replay["digest"], self.summary["digest"])
        whole = pathlib.Path(self.path("p.bin")).read_bytes()
        self.assertEqual(len(whole), 4 * 200)
        verified = self.json("verify", self.path("run"), "--json")
        self.assertEqual(verified["digest"], self.summary["digest"])
        shown = self.json("inspect", self.path("run"), "--json")
        self.assertEqual(shown["blocks"], 8)

    def test_nothing_is_written_over_what_the_run_is_read_from(self):
        for name in ("initial.bin", "spec.toml", "journal/00000000000000000000.log",
                     "snapshots/1.snap"):
            for verb, flag in (("replay", "--params"), ("export", "--out"), ("report", "--out")):
                self.refused(verb, self.path("run"), flag, self.path(f"run/{name}"),
                             says="write to another one")
        pathlib.Path(self.path("journal")).mkdir()  # of no run
        self.json("replay", self.path("run"), "--params", self.path("journal/p.bin"), "--json")
        self.json("replay", self.path("run"), "--params", self.path("run/again.bin"), "--json")

    def test_one_block_alone(self):
        self.json("replay", self.path("run"), "--json", "--params", self.path("whole.bin"))
        whole = struct.unpack("<200f", pathlib.Path(self.path("whole.bin")).read_bytes())
        partition = self.run_ndcao("inspect", self.path("run"), "--partition").stdout.splitlines()
        indices = []
        for word in partition[3].split(":")[1].split():
            begin, end = map(int, word.split("-"))
            indices += range(begin, end)
        self.json("replay", self.path("run"), "--block", "3", "--json", "--params",
                  self.path("block.bin"))
        block = pathlib.Path(self.path("block.bin")).read_bytes()
        self.assertEqual(len(block), 4 * len(indices))
        alone = struct.unpack(f"<{len(indices)}f", block)
        self.assertEqual(list(alone), [whole[i] for i in indices])
        self.refused("replay", self.path("run"), "--block", "8", says="blocks 0 to 7")

    def test_partition_file_comes_back(self):
        text = self.run_ndcao("inspect", self.path("run"), "--partition").stdout
        pathlib.Path(self.path("blocks.txt")).write_text(text)
        again = self.json(*self.sphere("again"), "--blocks", f"file:{self.path('blocks.txt')}")
        self.assertEqual(again["digest"], self.summary["digest"])
        self.assertEqual(again["blocks"], 8)

    def test_resume_with_a_larger_budget(self):
        self.refused("resume", self.path("run"), "--budget", "1k", says="used")
        more = self.json("resume", self.path("run"), "--budget", "40k", "--json", "--quiet")
        self.assertGreater(more["image_forwards"], 35_000)
        self.json("verify", self.path("run"), "--json")

    def test_snapshots_are_only_a_cache(self):
        for snapshot in pathlib.Path(self.path("run/snapshots")).iterdir():
            snapshot.write_bytes(b"not a snapshot")
        self.assertEqual(self.json("resume", self.path("run"), "--json", "--quiet")["digest"],
                         self.summary["digest"])

    def test_a_changed_journal_is_refused(self):
        segment = sorted(pathlib.Path(self.path("run/journal")).glob("*.log"))[0]
        data = bytearray(segment.read_bytes())
        data[len(data) // 2] ^= 1
        segment.write_bytes(data)
        result = self.run_ndcao("verify", self.path("run"), code=1)
        self.assertIn(".log", result.stderr)


class BadInputTest(Program):
    def test_what_reads_a_damaged_run_says_so(self):
        """What lies behind the damage is not taken for records that were never there."""
        self.json(*self.sphere("run"))
        journal = next((self.dir / "run/journal").glob("*.log"))
        damaged = bytearray(journal.read_bytes())
        damaged[len(damaged) // 2] ^= 1
        journal.write_bytes(damaged)
        for verb in (["replay"], ["verify"], ["inspect"], ["eval", "--run"], ["resume"]):
            refused = self.run_ndcao(*verb, self.path("run"), code=1)
            self.assertIn("damaged at byte", refused.stderr)
            self.assertEqual(refused.stdout, "")
        self.refused(*self.sphere("other"), "--losses-of", self.path("run"), says="damaged at byte",
                     code=1)
        self.assertFalse((self.dir / "other").exists())

    def test_arguments(self):
        out = ["--out", self.path("x")]
        self.refused("train", "--budget", "0", *out, says="--budget 0")
        self.refused("train", "--budget", "many", *out, says="--budget many")
        self.refused("train", *out, says="--budget 2M")
        self.refused("train", "--model", "mlp:12", "--budget", "1M", *out, says="784-256-10")
        self.refused("train", "--model", "alexnet", "--budget", "1M", *out, says="lenet5")
        self.refused("train", "--objective", "beauty", "--budget", "1M", *out, says="macro-f1")
        self.refused("train", "--data", "imagenet", "--budget", "1M", *out, says="fashion-mnist")
        self.refused("train", "--blocks", "columns", "--budget", "1M", *out, says="random:N")
        self.refused("train", "--mode", "eventually", "--budget", "1M", *out, says="async")
        self.refused("train", "--optimizer", "adam", "--budget", "1M", *out, says="openai-es")
        self.refused("train", "--async-periods", "1..5", "--budget", "1M", *out,
                     says="--mode async")
        self.refused("train", "--mode", "async", "--async-periods", "5..1", "--budget", "1M", *out,
                     says="5..1")
        self.refused("train", "--flag-that-is-not", *out, says="--flag-that-is-not")
        self.assertFalse(os.path.exists(self.path("x")))

    def test_data_that_is_missing_or_damaged(self):
        empty = self.dir / "empty"
        empty.mkdir()
        self.refused("train", "--data", f"idx:{empty}", "--budget", "1M", says="train-images")
        self.refused("train", "--data", "mnist", "--data-dir", str(empty), "--budget", "1M",
                     says="fetch_mnist")
        for name in ("train-images-idx3-ubyte", "train-labels-idx1-ubyte",
                     "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
            (empty / name).write_bytes(b"\x00\x00\x08\x03\x00\x00\x00\x10 cut short")
        self.refused("train", "--data", f"idx:{empty}", "--budget", "1M", says="idx3")

    def test_directories(self):
        blocked = self.dir / "file"
        blocked.write_text("in the way")
        self.refused("train", "--objective", "function:sphere:5", "--budget", "10k", "--out",
                     str(blocked / "run"), says="--out")
        self.refused("resume", self.path("nothing"), says="no run directory")
        self.refused("verify", self.path("nothing"), says="no run directory")
        self.json(*self.sphere("taken"))
        self.refused(*self.sphere("taken"), says="ndcao resume")

    def test_a_network_that_answers_nan_ends_with_a_sentence(self):
        init = pathlib.Path(self.path("nan.bin"))
        init.write_bytes(struct.pack("<f", float("nan")) * 25450)
        result = self.run_ndcao("train", *FASHION, "--budget", "1M", "--quiet", "--init",
                                str(init), "--out", self.path("x"), code=1)
        self.assertIn("NaN or infinite", result.stderr)

    def test_ctrl_c_loses_nothing(self):
        process = self.start(*self.sphere("run", "30k"), "--delay-ms", "20")
        journal = self.dir / "run" / "journal"
        while sum(f.stat().st_size for f in journal.glob("*.log")) < 3000:
            self.assertIsNone(process.poll(), "the run ended early")
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 130, errors)
        self.assertIn("ndcao resume", errors)
        resumed = self.json("resume", self.path("run"), "--json", "--quiet")
        whole = self.json(*self.sphere("whole", "30k"))
        self.assertEqual(resumed["digest"], whole["digest"])


class HelpTest(Program):
    def test_the_command_that_goes_on_is_whole(self):
        """With the directory of the data, and quotes where a shell needs them."""
        source = pathlib.Path(self.path("tables"))
        source.mkdir()
        rows = [f"{i % 7},{i % 5},{i % 2}" for i in range(200)]
        (source / "t.csv").write_text("\n".join(rows) + "\n")
        process = self.start("train", "--model", "mlp:2-4-2", "--data", "csv:t.csv", "--data-dir",
                             str(source), "--budget", "10M", "--threads", "1", "--delay-ms", "20",
                             "--out", self.path("a run"))
        deadline = time.time() + 60
        while not (self.dir / "a run/journal").exists() and time.time() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130, errors)
        command = shlex.split(re.search("Go on with: ndcao (.*)", errors).group(1))
        self.json(*command, "--budget", "500k", "--quiet", "--json")

    def test_every_verb_explains_itself(self):
        shown = self.run_ndcao("--help").stdout
        for verb in ("train", "resume", "replay", "verify", "inspect", "export", "eval", "worker",
                     "runs", "bench", "report", "cases"):
            self.assertIn(verb, shown)
            self.assertIn("Usage", self.run_ndcao(verb, "--help").stdout)
        self.assertIn("noise-budget", self.run_ndcao("train", "--help").stdout)

    def test_throughput_prints_both_sides(self):
        shown = self.json("bench", "throughput", "--model", "mlp:784-32-10", "--batch", "64",
                          "--repeats", "1", "--seconds", "0.3", "--json")
        for key in ("ratio", "training_images_per_second", "inference_images_per_second"):
            self.assertGreater(shown[key], 0)


if __name__ == "__main__":
    unittest.main()
