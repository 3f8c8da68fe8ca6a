"""Flags that contradict each other, numbers that are none, and verbs that do not exist."""

import pathlib
import unittest

from ndcao_program import Program

SPHERE = ["train", "--objective", "function:sphere:50", "--quiet"]


class NumbersTest(Program):
    def test_numbers_do_not_wrap_around(self):
        for flag in ("--seed", "--batch", "--evaluations", "--staleness-limit"):
            self.refused(*SPHERE, "--budget", "1k", flag, "-1", says=flag)
        self.refused(*SPHERE, "--budget", "1k", "--seed", "99999999999999999999", says="--seed: 9999")
        self.refused(*SPHERE, "--budget", "1k", "--seed", str(2**63), says=f"from 0 to {2**63 - 1}")
        self.run_ndcao(*SPHERE, "--budget", "1k", "--seed", str(2**63 - 1), "--out",
                       self.path("run"))
        self.assertIn(f"seed = {2**63 - 1}", self.run_ndcao("inspect", self.path("run")).stdout)

    def test_numbers_are_finite(self):
        for value in ("nan", "inf"):
            self.refused(*SPHERE, "--budget", "1k", "--sigma", value, says="--sigma")
            self.refused(*SPHERE, "--max-seconds", value, says="--max-seconds")
            self.refused(*SPHERE, "--budget", "1k", "--loss-floor", value, says="--loss-floor")
        self.refused(*SPHERE, "--epochs=-1", says="--epochs: -1: expected 0 or more")
        self.refused(*SPHERE, "--epochs", "1e30", says="--epochs 1e+30")
        self.refused("train", "--model", "mlp:784-4-10", "--train-limit", "200", "--probe",
                     "activations", "--epochs", "1e30", says="--epochs 1e+30")
        self.refused(*SPHERE, "--max-seconds", "1e30", says="--max-seconds 1e+30")
        self.refused(*SPHERE, "--budget", "1k", "--exec-timeout", "0", says="expected more than 0")
        self.refused("bench", "throughput", "--seconds", "nan", says="--seconds")

    def test_what_is_no_number_is_told_what_is(self):
        self.refused(*SPHERE, "--budget", "1k", "--rate", "x", says="x: expected a finite number")
        self.refused(*SPHERE, "--budget", "1k", "--batch", "1e3",
                     says="--batch: 1e3: expected a whole number from 0 to 1844")
        self.refused("bench", "throughput", "--batch", "many", says="expected a whole number")


class PathsTest(Program):
    def test_paths_that_no_file_system_takes(self):
        self.refused("inspect", self.path("x" * 5000), says="no run directory")
        # Without --out the run's name follows from the objective.
        pathlib.Path(self.path("runs")).mkdir()
        program = pathlib.Path(self.path("loss.sh"))
        program.write_text('#!/bin/sh\nwhile read -r line; do echo \'{"loss": 1}\'; done\n')
        program.chmod(0o755)
        self.run_ndcao("train", "--objective", f"exec:{program} {'x' * 300}", "--init-zeros", "3",
                       "--budget", "500", "--quiet", "--no-report")
        names = [path.name for path in (self.dir / "runs").iterdir()]
        self.assertEqual([len(name) for name in names], [200])
        self.assertTrue(names[0].endswith("-seed1"), names)


class AgreementTest(Program):
    def refused_run(self, *flags: str, says: str) -> None:
        self.refused(*SPHERE, *flags, "--out", self.path("no"), says=says)
        self.assertFalse((self.dir / "no").exists())

    def test_only_one_flag_says_a_thing(self):
        self.refused_run("--budget", "1k", "--epochs", "2", says="--budget and --epochs")
        pathlib.Path(self.path("theta.bin")).write_bytes(bytes(200))
        self.refused_run("--budget", "1k", "--init", self.path("theta.bin"), "--init-zeros", "50",
                         says="--init and --init-zeros")
        pathlib.Path(self.path("two.toml")).write_text('config = "one.toml"\n')
        self.refused_run("--config", self.path("two.toml"), says="key 'config' is unknown")
        pathlib.Path(self.path("one.toml")).write_text("seed = 1\n")
        self.refused_run("--config", self.path("one.toml"), "--config", self.path("one.toml"),
                         says="only one file")

    def test_flags_of_another_mode_probe_or_optimizer(self):
        budget = ["--budget", "1k"]
        for flags in (["--async-clock", "poisson"], ["--staleness-limit", "8"]):
            self.refused_run(*budget, *flags, says="--mode async")
        self.refused_run(*budget, "--rate", "0.1", says="noise-budget and cao find their own")
        self.refused_run(*budget, "--optimizer", "cao", "--rate", "0.1", says="--rate 0.1")
        self.refused_run(*budget, "--optimizer", "spsa", "--eps", "1", says="--eps 1")
        self.refused_run(*budget, "--optimizer", "spsa", "--loss-floor", "1", says="--loss-floor 1")
        self.refused_run(*budget, "--optimizer", "random-search", "--sigma", "1",
                         says="takes the radius as its --rate")
        self.refused_run(*budget, "--optimizer", "spsa", "--sigma-end", "1",
                         says="--sigma-end 1: it belongs to --optimizer noise-budget")
        blocks = pathlib.Path(self.path("own.toml"))
        blocks.write_text('[[block]]\npattern = ".*"\noptimizer = "noise-budget"\n')
        self.refused_run(*budget, "--optimizer", "spsa", "--sigma-end", "1", "--config",
                         str(blocks), says="--sigma-end 1: it belongs to --optimizer noise-budget")
        self.refused_run("--probe", "activations", *budget, "--sigma-end", "1",
                         says="--sigma-end 1: it belongs to --probe weights")
        self.refused_run(*budget, "--cao-estimator", "monomial", says="--optimizer cao")
        self.refused_run(*budget, "--cao-coordinate", says="--optimizer cao")
        for flags in (["--cao-window", "9"], ["--cao-candidates", "9"], ["--cao-ridge", "9"],
                      ["--cao-centre", "current"], ["--cao-schedule", "constant"]):
            self.refused_run(*budget, *flags,
                             says=f"{' '.join(flags)}: it belongs to --optimizer cao")
        for flags in (["--cao-monomials", "9"], ["--cao-keep-largest"]):
            self.refused_run(*budget, "--optimizer", "cao", *flags,
                             says=f"{' '.join(flags)}: it belongs to --cao-estimator monomial")
        self.refused_run(*budget, "--optimizer", "cao", "--cao-window", "4",
                         says="Value 4 not in range 5 to 1000")
        self.refused_run(*budget, "--estimator", "strict", says="--probe activations")
        self.refused_run(*budget, "--optimizer", "cao", "--cao-coordinate", "--evaluations", "7",
                         says="--cao-coordinate and --evaluations")
        for flags in (["--in-flight", "3"], ["--keep-every", "5"]):
            self.refused("split", "--stages", "2", "--out", self.path("cut"), *budget, *flags,
                         says=f"{flags[0]}: it belongs to --probe activations")
        self.refused("export", "--stages", self.path("cut"), "--until", "5", "--out",
                     self.path("x.pt"), says="--until")
        for flags in (["--screening", "4"], ["--evaluations", "8"]):
            self.refused_run("--probe", "activations", *budget, *flags, says="--probe weights")

    def test_every_choice_of_cao_changes_the_run(self):
        linear = [["--cao-window", "20"], ["--cao-candidates", "99"], ["--cao-centre", "current"],
                  ["--cao-schedule", "constant"], ["--cao-schedule", "decaying"],
                  ["--cao-ridge", "5"], ["--cao-coordinate"]]
        monomial = [["--cao-monomials", "60"], ["--cao-keep-largest"]]
        runs = [[], *linear, *(["--cao-estimator", "monomial", *more] for more in [[], *monomial])]
        digests = [self.json(*SPHERE, "--budget", "300", "--optimizer", "cao", *flags,
                             "--json", "--no-report", "--out", self.path(f"cao{i}"))
                   ["digest"] for i, flags in enumerate(runs)]
        self.assertEqual(len(set(digests)), len(runs), list(zip(runs, digests)))

    def test_a_function_has_no_network(self):
        for flags in (["--model", "lenet5"], ["--data", "mnist"], ["--data-dir", "there"],
                      ["--train-limit", "100"], ["--hold-out", "100"], ["--batch", "8"],
                      ["--screening", "8"], ["--batch-norm", "batch"]):
            self.refused_run("--budget", "1k", *flags,
                             says=f"{' '.join(flags)}: it belongs to a network, and function:")
        for flags in (["--replicas", "3"], ["--worker-name", "ann"], ["--creds", "ann.creds"]):
            self.refused_run("--budget", "1k", *flags,
                             says=f"{' '.join(flags)}: it belongs to --journal nats://")
        self.refused_run("--budget", "1k", "--exec-timeout", "5", says="--objective exec:PROGRAM")
        self.refused("train", "--objective", "function:sphare:5", "--budget", "1k",
                     says="--objective function:sphare:5")

    def test_a_block_of_another_optimizer_may_need_them(self):
        pathlib.Path(self.path("blocks.toml")).write_text(
            '[[block]]\npattern = ".*"\noptimizer = "spsa"\n')
        self.run_ndcao(*SPHERE, "--budget", "1k", "--rate", "0.001", "--config",
                       self.path("blocks.toml"), "--out", self.path("run"))


class VerbsTest(Program):
    def test_a_verb_that_is_none_is_named(self):
        self.refused("trian", "--budget", "1k", says="'trian' is no verb; there are: train, resume")

    def test_verbs_of_a_verb_are_named_too(self):
        self.refused("bench", "trian", says="'trian' is no verb; there are: journal, memory")
        self.refused("--quite", "train", says="'--quite' is no verb")
        self.refused("train", "--bugdet", "20k", says="not expected: --bugdet 20k")

    def test_verbs_of_a_verb_read_their_flags_from_a_file(self):
        config = pathlib.Path(self.path("bench.toml"))
        config.write_text('model = "mlp:784-4-10"\nbatch = -1\n')
        self.refused("bench", "throughput", "--config", str(config), says="--batch: -1")
        config.write_text("speed = 3\n")
        self.refused("bench", "throughput", "--config", str(config),
                     says="'ndcao bench throughput --help'")

    def test_verbs_that_end_no_run_write_no_report(self):
        self.refused("worker", "--journal", "file:run", "--no-report", says="--no-report")


class PastTest(Program):
    def setUp(self) -> None:
        super().setUp()
        self.json(*self.sphere("run", "2k"))

    def test_verify_says_when_there_was_no_digest_to_compare(self):
        self.assertIn("none is journaled yet", self.run_ndcao("verify", self.path("run")).stdout)
        self.json(*self.sphere("long"))
        self.assertNotIn("none is", self.run_ndcao("verify", self.path("long")).stdout)

    def test_partitions_are_no_json(self):
        self.refused("inspect", self.path("run"), "--partition", "--json", says="--partition")

    def test_a_run_has_its_own_seed(self):
        self.refused("eval", "--run", self.path("run"), "--seed", "2", says="--seed")


if __name__ == "__main__":
    unittest.main()
