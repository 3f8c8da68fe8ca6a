"""Several processes on one run: the same digest as in a directory, whoever comes and goes."""

import os
import signal
import time
import unittest

from churn import churn
from cluster_program import ClusterProgram
from nats_servers import Client

try:
    import torch
except ImportError:
    torch = None

# How long workers are killed and replaced (120 for the full test), and how large the run is that
# a late worker joins.
CHURN_SECONDS = float(os.environ.get("NDCAO_CHURN_SECONDS", "20"))
LATE_RECORDS = int(os.environ.get("NDCAO_LATE_RECORDS", "10000"))


class SharingTest(ClusterProgram):
    def test_one_and_four_processes_give_the_digest_of_a_directory(self):
        expected = self.file_digest("60k")
        self.assertEqual(self.json(*self.train("alone", "60k"))["digest"], expected)
        main = self.start(*self.train("shared", "60k", "--delay-ms", "4"))
        self.wait_for_records("shared", 1)
        helpers = [self.start(*self.worker("shared", "--delay-ms", "4")) for _ in range(3)]
        self.assertEqual(self.summary(main)["digest"], expected)
        for helper in helpers:
            self.finish(helper)
        verified = self.verify("shared")
        self.assertEqual(verified["digest"], expected)
        self.assertEqual(verified["remarks"], "")
        self.assertGreaterEqual(
            self.json("inspect", *self.at("shared"), "--json")["workers"], 4)

    def test_records_share_messages_under_load(self):
        options = ["--mode", "async", "--threads", "6", "--in-flight", "1", "--batch-ms", "5"]
        self.json(*self.train("batched", "300k", *options))
        records = self.json("inspect", *self.at("batched"), "--json")["records"]
        self.assertLess(self.messages("batched"), 0.6 * records)
        self.verify("batched")

    def churn(self, run: str, budget: str, *more: str) -> dict:
        """The summary of a run of whose three processes one is always just killed or starting."""
        slow = ["--delay-ms", "5"]
        main = self.start(*self.train(run, budget, *slow, *more))
        self.wait_for_records(run, 1)
        killed, helpers = churn(main, lambda: self.start(*self.worker(run, *slow)), 2,
                                CHURN_SECONDS, min(5, CHURN_SECONDS / 8))
        self.assertGreaterEqual(killed, 3)
        summary = self.summary(main, 300)
        for helper in helpers:
            self.finish(helper)
        verified = self.verify(run)
        self.assertEqual(verified["digest"], summary["digest"])
        self.assertEqual(verified["remarks"], "")  # no message was stored twice
        return summary

    def test_workers_are_killed_and_replaced(self):
        budget = f"{int(CHURN_SECONDS * 30)}k"
        self.assertEqual(self.churn("churn", budget)["digest"], self.file_digest(budget))

    def test_workers_of_an_asynchronous_run_are_killed_and_replaced(self):
        budget = f"{int(CHURN_SECONDS * 30)}k"
        quiet = self.json(*self.train("quiet", budget, "--mode", "async"))
        disturbed = self.churn("restless", budget, "--mode", "async")
        self.assertEqual(disturbed["groups"], quiet["groups"])
        # Every group that was acknowledged is in the journal once: what is there twice is what each of
        # the three had under way when the budget was used up, and comes too late.
        self.assertLessEqual(self.verify("restless")["duplicates"], 3)
        self.assertLess(disturbed["test_loss"], 1.1 * quiet["test_loss"] + 0.01)

    def test_a_late_worker_begins_at_the_snapshot(self):
        groups = ["--evaluations", "4", "--mode", "async"]
        main = self.start(*self.train("late", f"{LATE_RECORDS * 100}", *groups, "--threads", "8"))
        self.wait_for_records("late", LATE_RECORDS // 8, 300)  # messages hold up to 8
        while self.json("inspect", *self.at("late"), "--json")["records"] < LATE_RECORDS:
            self.assertIsNone(main.poll(), "the run ended before its time")
            time.sleep(1)
        main.send_signal(signal.SIGTERM)
        _, errors = self.finish(main, code=130)
        self.assertIn(f"ndcao resume --journal {self.url} --run late", errors)
        before = self.server.statistics()["out_bytes"]
        took, joined = self.join_for_a_second("late")
        sent = self.server.statistics()["out_bytes"] - before
        self.assertGreater(joined["images_per_second"], 0)
        # A fresh run shows how long a start takes on this machine just now.
        fresh = self.start(*self.train("fresh", "1M", *groups, "--delay-ms", "50"))
        self.wait_for_records("fresh", 5)
        start, _ = self.join_for_a_second("fresh")
        fresh.kill()
        print(f"late worker: {LATE_RECORDS} records and more, {took:.2f} s until it had worked for "
              f"a second; in a fresh run {start:.2f} s")
        self.assertLess(took, start + 5)
        # It read the snapshot and the tail, not the journal.
        self.assertLess(sent, 0.5 * self.stream_bytes("late") + 500_000)

    def join_for_a_second(self, run: str) -> tuple[float, dict]:
        begin = time.time()
        joined = self.json(*self.worker(run), "--json", "--max-seconds", "1")
        return time.time() - begin, joined

    def test_ctrl_c_leaves_and_resume_goes_on(self):
        expected = self.file_digest("100k")
        main = self.start(*self.train("left", "100k", "--delay-ms", "5"))
        helper = None
        self.wait_for_records("left", 20)
        helper = self.start(*self.worker("left", "--delay-ms", "5"))
        self.wait_for_records("left", 60)
        deadline = time.time() + 20
        while time.time() < deadline:
            run = self.json("runs", "--journal", self.url, "--json")["runs"][0]
            if len(run["workers"]) == 2:
                break
            time.sleep(0.2)
        self.assertEqual((run["run"], len(run["workers"])), ("left", 2))
        for process, verb in ((main, "resume"), (helper, "worker")):
            process.send_signal(signal.SIGINT)
            _, errors = self.finish(process, code=130)
            self.assertIn(f"ndcao {verb} --journal {self.url} --run left", errors)
        run = self.json("runs", "--journal", self.url, "--json")["runs"][0]
        self.assertEqual(run["workers"], [])
        self.assertGreater(run["fraction"], 0)
        resumed = self.json("resume", *self.at("left"), "--json", "--quiet")
        self.assertEqual(resumed["digest"], expected)

    @unittest.skipIf(torch is None, "PyTorch is not installed")
    def test_a_torchscript_file_goes_with_its_run(self):
        nn = torch.nn
        torch.jit.script(nn.Sequential(nn.Flatten(), nn.Linear(784, 4), nn.ReLU(),
                                       nn.Linear(4, 10))).save(self.path("net.pt"))
        flags = ["train", "--model", self.path("net.pt"), "--train-limit", "500", "--budget",
                 "60k", "--threads", "1", "--quiet", "--json"]
        expected = self.json(*flags, "--out", self.path("in-files"))["digest"]
        main = self.start(*flags, *self.at("net"), "--out", self.path("out"), "--delay-ms", "20")
        self.wait_for_records("net", 5)
        main.send_signal(signal.SIGINT)
        self.finish(main, code=130)
        (self.dir / "net.pt").unlink()
        helper = self.start(*self.worker("net", "--delay-ms", "20"))
        resumed = self.json("resume", *self.at("net"), "--json", "--quiet")
        self.assertEqual(resumed["digest"], expected)
        self.finish(helper)
        self.assertTrue((self.dir / "runs/net/model.pt").exists())

    def test_strange_messages_are_dropped_by_every_replica_alike(self):
        expected = self.file_digest("60k")
        self.json(*self.train("other", "20k"))
        slow = ["--delay-ms", "5"]
        main = self.start(*self.train("run", "60k", *slow))
        self.wait_for_records("run", 10)
        helper = self.start(*self.worker("run", *slow))
        client = Client(self.server.port)
        self.addCleanup(client.close)
        subject = "ndcao.run.j.stranger"
        client.publish(subject, b"garbage")
        client.publish(subject, os.urandom(300))
        client.publish(subject, bytes(600 * 1024))  # the server itself refuses it
        client.publish(subject, bytes(512 * 1024 + 1))
        client.publish(subject, client.message("NDCAO_J_other", 5))  # another spec hash
        client.publish(subject, client.message("NDCAO_J_run", 1))    # record 0 again
        client.publish(subject, client.message("NDCAO_J_run", 6))    # a repetition
        self.assertEqual(self.summary(main)["digest"], expected)
        _, errors = self.finish(helper)
        self.assertIn("'stranger' is dropped", errors)
        verified = self.verify("run")
        self.assertEqual(verified["digest"], expected)
        self.assertIn("1 too large, 2 damaged, 1 of another run, 2 repeated", verified["remarks"])


if __name__ == "__main__":
    unittest.main()
