"""deploy/nats as it is: keys made by its script, its configurations, and strangers in front."""

import json
import pathlib
import re
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import time
import unittest

from cluster_program import SPHERE, ClusterProgram
from credentials import Authority, pem_of_seed, plain, sign
from nats_servers import NATS_SERVER, Server, WrongNonceOnce, free_port

DEPLOY = pathlib.Path(__file__).resolve().parent.parent.parent / "deploy" / "nats"


class DeployedServer:
    """nats-server with a configuration of deploy/nats, on ports of its own."""

    def __init__(self, folder: pathlib.Path, config: str, environment: dict[str, str] | None = None):
        self.port, self.monitor = free_port(), free_port()
        self.url = f"tls://127.0.0.1:{self.port}"
        self.store = folder / f"store-{self.port}"
        self.folder, self.config, self.environment = folder, config, environment
        self.process = None

    def start(self) -> None:
        log = open(self.folder / f"log-{self.port}", "a")
        self.process = subprocess.Popen(
            [NATS_SERVER, "-c", self.config, "-a", "127.0.0.1", "-p", str(self.port), "-m",
             str(self.monitor), "-sd", str(self.store)],
            cwd=self.folder, stdout=log, stderr=log, env=self.environment)
        log.close()
        time.sleep(1)
        if self.process.poll() is not None:
            raise RuntimeError((self.folder / f"log-{self.port}").read_text())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class SecuredTest(ClusterProgram):
    def setUp(self) -> None:
        super().setUp()
        self.deploy = self.dir / "deploy"
        shutil.copytree(DEPLOY, self.deploy)
        self.keys = self.deploy / "keys"
        self.make_keys(self.keys)
        self.secured = DeployedServer(self.deploy, "server.conf")
        self.addCleanup(self.secured.kill)
        self.secured.start()
        self.url = self.secured.url

    def make_keys(self, folder: pathlib.Path) -> None:
        subprocess.run([self.deploy / "make_keys", "--out", folder, "--run", "demo", "--owner",
                        "olga", "--worker", "ann", "--worker", "bob"], check=True)

    def tls(self, name: str, keys: pathlib.Path | None = None) -> list[str]:
        keys = keys or self.keys
        return ["--tls-ca", f"{self.keys}/ca.pem", "--tls-cert", f"{keys}/{name}.pem", "--tls-key",
                f"{keys}/{name}.key"]

    def nkey(self, name: str, keys: pathlib.Path | None = None) -> list[str]:
        return ["--nkey", f"{keys or self.keys}/{name}.nk", "--inbox-prefix", f"_INBOX_{name}"]

    def identity(self, name: str) -> list[str]:
        return ["--worker-name", name, *self.tls(name), *self.nkey(name)]

    def answer(self, name: str, subject: str) -> str:
        """What the server says to this user's request, in the protocol's own words."""
        seed, public = (self.keys / f"{name}.nk").read_text().split()
        inbox = f"_INBOX_{name}.raw"
        context = ssl.create_default_context(cafile=self.keys / "ca.pem")
        context.load_cert_chain(self.keys / f"{name}.pem", self.keys / f"{name}.key")
        with socket.create_connection(("127.0.0.1", self.secured.port), 10) as link:
            nonce = json.loads(link.recv(8192).removeprefix(b"INFO "))["nonce"]
            login = {"verbose": False, "tls_required": True, "nkey": public,
                     "sig": plain(sign(pem_of_seed(seed), nonce.encode()))}
            with context.wrap_socket(link, server_hostname="127.0.0.1") as server:
                server.sendall(f"CONNECT {json.dumps(login)}\r\nSUB {inbox} 1\r\n"
                               f"PUB {subject} {inbox} 0\r\n\r\n".encode())
                said = ""
                while "MSG " not in said and "-ERR" not in said:
                    said += server.recv(8192).decode()
                return said

    def begin(self, *more: str):
        main = self.start("train", *SPHERE, "--budget", "60k", "--threads", "1", "--quiet",
                          "--json", *self.at("demo"), "--out", self.path("out"),
                          *self.identity("olga"), *more)
        deadline = time.time() + 60
        while not (self.secured.store / "jetstream/NDCAO/streams/NDCAO_J_demo").exists():
            self.assertIsNone(main.poll(), "the run ended early")
            self.assertLess(time.time(), deadline)
            time.sleep(0.1)
        return main

    def test_the_command_that_goes_on_knows_how_to_get_in(self):
        main = self.begin()
        main.send_signal(signal.SIGINT)
        _, errors = main.communicate(timeout=60)
        self.assertEqual(main.returncode, 130, errors)
        command = shlex.split(re.search("Go on with: ndcao (.*)", errors).group(1))
        summary = self.json(*command, "--budget", "62k", "--quiet", "--json")  # the owner's to change
        self.assertGreater(summary["image_forwards"], 60000)

    def test_everybody_with_a_key_works_together(self):
        expected = self.file_digest("60k")
        main = self.begin("--delay-ms", "5")
        helpers = [self.start(*self.worker("demo", "--delay-ms", "5", "--snapshot-seconds", "1"),
                              *self.identity(name)) for name in ("ann", "bob")]
        self.assertEqual(self.summary(main)["digest"], expected)
        for helper in helpers:
            self.finish(helper)
        shown = self.json("inspect", *self.at("demo"), "--json", *self.identity("ann"))
        self.assertEqual(shown["workers"], 3)

    def test_strangers_are_refused(self):
        self.finish(self.begin())
        other = self.dir / "other"
        self.make_keys(other)
        ann = self.worker("demo", "--patience", "5")
        name = ["--worker-name", "ann"]
        # No certificate; one of another authority; no key; a key that nobody knows.
        self.refused(*ann, *name, *self.nkey("ann"), "--tls-ca", f"{self.keys}/ca.pem",
                     says="tls-cert")
        self.refused(*ann, *name, *self.nkey("ann"), *self.tls("ann", other), says="TLS")
        self.refused(*ann, *name, *self.tls("ann"), says="does not let us in")
        self.refused(*ann, *name, *self.tls("ann"), *self.nkey("ann", other),
                     says="does not let us in")

    def test_nobody_writes_under_another_name_or_deletes(self):
        main = self.begin("--delay-ms", "20")
        forger = ["--worker-name", "bob", *self.tls("ann"), *self.nkey("ann")]
        self.refused(*self.worker("demo", "--patience", "5"), *forger, code=1,
                     says="does not let 'bob'")
        # Ann may not begin a run: its stream would be hers.
        result = self.run_ndcao("train", *SPHERE, "--budget", "20k", *self.at("mine"),
                                "--patience", "5", *self.identity("ann"), code=1)
        self.assertIn("does not let 'ann'", result.stderr)
        stream = "NDCAO_J_demo"
        self.assertIn("MSG ", self.answer("ann", f"$JS.API.STREAM.INFO.{stream}"))
        for request in ("DELETE", "PURGE", "UPDATE", "MSG.DELETE"):
            subject = f"$JS.API.STREAM.{request}.{stream}"
            self.assertIn(f"Permissions Violation for Publish to \"{subject}\"",
                          self.answer("ann", subject))
        main.kill()
        users = (self.keys / "users.conf").read_text()
        ann = users[users.index("# ann"):users.index("# bob")]
        for forbidden in ("DELETE.NDCAO", "PURGE", "STREAM.CREATE", "STREAM.UPDATE", ".b.>"):
            self.assertNotIn(forbidden, ann)

    def test_the_three_servers_of_the_cluster(self):
        self.secured.kill()
        routes = [free_port() for _ in range(3)]
        nodes = []
        for i, port in enumerate(routes):
            environment = {"NDCAO_NODE": f"n{i + 1}", "NDCAO_CLUSTER_PORT": str(port)}
            for k, other in enumerate(routes):
                environment[f"NDCAO_ROUTE_{k + 1}"] = f'"nats://127.0.0.1:{other}"'
            nodes.append(DeployedServer(self.deploy, "cluster.conf", environment))
            self.addCleanup(nodes[-1].kill)
            nodes[-1].start()
        self.url = ",".join(node.url for node in nodes)
        expected = self.file_digest("20k")
        summary = self.json("train", *SPHERE, "--budget", "20k", "--threads", "1", "--quiet",
                            "--json", "--replicas", "3", *self.at("demo"), "--out",
                            self.path("out"), *self.identity("olga"))
        self.assertEqual(summary["digest"], expected)
        nodes[0].kill()
        shown = self.json("verify", *self.at("demo"), "--json", *self.identity("olga"))
        self.assertEqual(shown["digest"], expected)

    def test_a_context_of_the_nats_program(self):
        self.finish(self.begin())
        folder = self.dir / "config" / "nats" / "context"
        folder.mkdir(parents=True)
        keys = self.keys
        (folder / "ann.json").write_text(
            f'{{"nkey": "{keys}/ann.nk", "cert": "{keys}/ann.pem", "key": "{keys}/ann.key",'
            f' "ca": "{keys}/ca.pem", "inbox_prefix": "_INBOX_ann"}}')
        result = subprocess.run(
            [self.program(), "inspect", *self.at("demo"), "--json", "--context", "ann"],
            capture_output=True, text=True, timeout=60, cwd=self.dir,
            env={"XDG_CONFIG_HOME": str(self.dir / "config"), "HOME": str(self.dir)})
        self.assertEqual(result.returncode, 0, result.stderr)


class CredentialsTest(ClusterProgram):
    """A server that trusts an operator, and people with .creds files."""

    def setUp(self) -> None:
        super().setUp()
        self.authority = Authority()
        self.operated = self.serve(
            Server(self.dir, "operated", self.authority.server_config()))
        self.url = self.operated.url

    def creds(self, authority: Authority) -> list[str]:
        path = pathlib.Path(self.path(f"{id(authority)}.creds"))
        path.write_text(authority.credentials("ann"))
        return ["--creds", str(path)]

    def test_a_credentials_file_lets_in_and_others_do_not(self):
        ann = self.creds(self.authority)
        self.assertEqual(self.json(*self.train("demo", "20k"), *ann)["digest"],
                         self.file_digest("20k"))
        self.refused("inspect", *self.at("demo"), *self.creds(Authority()),
                     says="does not let us in")

    def test_a_refused_signature_is_not_the_last_word(self):
        between = WrongNonceOnce(self.operated)
        self.addCleanup(between.close)
        self.url = between.url
        self.json(*self.train("demo", "20k"), *self.creds(self.authority))
        self.assertGreater(between.connections, 1)
        self.refused("inspect", *self.at("demo"), says="does not let us in")
        self.refused("inspect", *self.at("demo"), "--creds", self.path("none"),
                     says="cannot be read")


class FilesTest(unittest.TestCase):
    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze")
    def test_units(self):
        for unit in DEPLOY.glob("*.service"):
            name = unit.name.replace("@", "@demo")
            result = subprocess.run(["systemd-analyze", "verify", "--man=no", f"{unit}:{name}"],
                                    capture_output=True, text=True)
            self.assertEqual((result.returncode, result.stderr), (0, ""), unit.name)

    def test_shell(self):
        subprocess.run(["bash", "-n", DEPLOY / "workers.sbatch"], check=True)


if __name__ == "__main__":
    unittest.main()
