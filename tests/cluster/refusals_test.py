"""Each bad input gets one sentence that says what to do."""

import json
import pathlib
import unittest

from cluster_program import SPHERE, ClusterProgram
from nats_servers import Client, Server, free_port


class RefusalsTest(ClusterProgram):
    def test_servers(self):
        nobody = f"nats://127.0.0.1:{free_port()}"
        self.refused("worker", "--journal", nobody, "--run", "a", says="nats-server -js")
        self.refused("worker", "--journal", f"nats://127.0.0.1:{self.server.monitor}", "--run", "a",
                     says="correct host and port")
        self.refused("runs", "--journal", self.url.replace("nats://", "tls://"),
                     says="no TLS connection")
        plain = self.serve(Server(self.dir, "plain", jetstream=False))
        self.refused("train", *SPHERE, "--budget", "20k", "--journal", plain.url, "--run", "a",
                     says="no JetStream")
        self.refused("train", *SPHERE, "--budget", "20k", *self.at("a"), "--replicas", "3",
                     says="--replicas 3")

    def test_runs(self):
        self.refused("worker", *self.at("none"), says="there is no such run")
        self.refused("worker", "--journal", self.url, says="--run ''")
        self.refused("train", *SPHERE, "--budget", "20k", *self.at("a.b"), says="--run 'a.b'")
        self.refused("train", *SPHERE, "--budget", "20k", *self.at("a"), "--creds", "/nowhere",
                     says="--creds /nowhere")
        self.json(*self.train("a", "20k"))
        self.refused(*self.train("a", "30k"), says="the run has '20000', this worker has '30000'")
        self.refused("train", "--objective", "function:sphere:50", "--budget", "20k",
                     *self.at("a"), says="function:sphere:50")
        self.assertEqual(self.json(*self.train("a", "20k"))["digest"], self.verify("a")["digest"])

    def test_the_model_of_another_run_is_not_written_over(self):
        local = self.path("local")
        self.json("train", *SPHERE, "--budget", "20k", "--quiet", "--json", "--out", local)
        before = pathlib.Path(local, "metrics.jsonl").read_bytes()
        self.refused("train", *SPHERE, "--budget", "20k", *self.at("b"), "--out", local,
                     says="a run is kept there")
        self.assertEqual(pathlib.Path(local, "metrics.jsonl").read_bytes(), before)
        self.refused("worker", *self.at("b"), says="there is no such run")

    def test_a_worker_with_other_data(self):
        data = pathlib.Path(self.path("data.csv"))
        rows = [f"{i % 7},{i % 5},{i % 2}" for i in range(200)]
        data.write_text("\n".join(rows) + "\n")
        self.json("train", "--model", "mlp:2-4-2", "--data", f"csv:{data}", "--budget", "100k",
                  "--quiet", "--json", *self.at("tables"), "--out", self.path("out"))
        data.write_text("\n".join(rows[:-1] + ["3,3,1"]) + "\n")
        self.refused("worker", *self.at("tables"), says="is not the one this run began with")

    def test_a_key_that_is_not_its_journal_s(self):
        """Whoever deletes a run's key and begins it anew still has the old journal."""
        self.json(*self.train("old", "20k"))
        self.json(*self.train("other", "20k", "--sigma", "0.01"))
        client = Client(self.server.port)
        self.addCleanup(client.close)
        other = client.last("KV_ndcao", "$KV.ndcao.other.spec")
        client.publish("$KV.ndcao.old.spec", other)
        for verb in (self.worker("old"), self.train("old", "20k", "--sigma", "0.01"),
                     ["resume", *self.at("old")]):
            refused = self.run_ndcao(*verb, code=1)
            self.assertIn("its journal begins with another spec", refused.stderr)

    def test_what_others_write_may_make_no_sense(self):
        self.json(*self.train("a", "20k"))
        client = Client(self.server.port)
        self.addCleanup(client.close)
        for text in (b'{"fraction":"x"}', b"[", b'{"excluded":[1]}'):
            client.publish("$KV.ndcao_alive.a.w.bob", text)
            listed = self.run_ndcao("runs", "--journal", self.url, "--json")
            self.assertIn("is no progress", listed.stderr)
            self.assertEqual(json.loads(listed.stdout)["runs"][0]["workers"], ["bob"])

    def test_a_budget_is_set_by_who_began_the_run(self):
        self.json(*self.train("mine", "20k", "--worker-name", "ann"))
        more = ["resume", *self.at("mine"), "--budget", "30k", "--quiet", "--json"]
        refused = self.run_ndcao(*more, code=2)
        self.assertIn("add --worker-name ann", refused.stderr)
        self.assertGreater(self.json(*more, "--worker-name", "ann")["image_forwards"], 20000)

    def test_other_journals(self):
        in_memory = self.json("train", *SPHERE, "--budget", "20k", "--quiet", "--json",
                              "--journal", "mem:")
        named = self.json("train", *SPHERE, "--budget", "20k", "--quiet", "--json", "--journal",
                          f"file:{self.path('named')}")
        self.assertEqual(in_memory["digest"], named["digest"])
        self.assertEqual(self.json("verify", "--journal", f"file:{self.path('named')}",
                                   "--json")["digest"], named["digest"])
        self.refused("train", *SPHERE, "--budget", "20k", "--journal", "tape:1", says="tape:1")
        self.refused("verify", says="which run is missing")


if __name__ == "__main__":
    unittest.main()
