"""Real NATS servers on loopback with directories of their own, and a client of a few lines."""

import base64
import contextlib
import json
import pathlib
import random
import re
import shutil
import socket
import subprocess
import threading
import time
import urllib.request

NATS_SERVER = shutil.which("nats-server") or "/usr/sbin/nats-server"


# Below the ports that the system gives to outgoing connections, of which one could take a port
# between here and its server's start; and no port twice.
PORTS = iter(random.sample(range(12000, 32000), 5000))


def free_port() -> int:
    """A port that is free, and stays so, for a server that may start again on it."""
    for port in PORTS:
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("", port))
            return port
    raise RuntimeError("no port is free")


class Server:
    """One nats-server process. Its port stays the same when it is started again."""

    def __init__(self, directory: pathlib.Path, name: str = "s", config: str = "",
                 jetstream: bool = True):
        self.directory = directory / name
        self.directory.mkdir(parents=True, exist_ok=True)
        self.store = self.directory / "store"
        self.port, self.monitor = free_port(), free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self.config = self.directory / "server.conf"
        text = f'server_name: {name}\nlisten: "127.0.0.1:{self.port}"\nhttp: {self.monitor}\n'
        if jetstream:
            text += f'jetstream {{ store_dir: "{self.store}" }}\n'
        self.config.write_text(text + config)
        self.process = None

    def start(self) -> None:
        with open(self.directory / "log", "a") as log:
            self.process = subprocess.Popen([NATS_SERVER, "-c", str(self.config)], stdout=log,
                                            stderr=log)
        deadline = time.time() + 20
        while time.time() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self.process.poll() is not None:
                    raise RuntimeError((self.directory / "log").read_text()) from None
                time.sleep(0.05)
        raise RuntimeError("nats-server does not come up")

    def kill(self) -> None:
        """As by a crash: no chance to write anything."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def statistics(self, page: str = "varz") -> dict:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.monitor}/{page}", timeout=10) as page:
            return json.load(page)


def cluster(directory: pathlib.Path, size: int = 3) -> list[Server]:
    """Servers that form one cluster, not started."""
    routes = [free_port() for _ in range(size)]
    urls = ", ".join(f'"nats://127.0.0.1:{port}"' for port in routes)
    return [
        Server(directory, f"n{i}",
               f'cluster {{ name: test, listen: "127.0.0.1:{route}", routes: [{urls}] }}\n')
        for i, route in enumerate(routes)
    ]


class WrongNonceOnce:
    """Stands before a server, and gives the first connection another nonce to sign than it did."""

    def __init__(self, server: Server):
        self.server, self.port, self.connections = server, free_port(), 0
        self.url = f"nats://127.0.0.1:{self.port}"
        self.listener = socket.create_server(("127.0.0.1", self.port))
        self.ends = []
        threading.Thread(target=self.accept, daemon=True).start()

    def close(self) -> None:
        for opened in (self.listener, *self.ends):
            with contextlib.suppress(OSError):  # the other side may have closed it already
                opened.shutdown(socket.SHUT_RDWR)
            opened.close()

    def accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client = self.listener.accept()[0]
                server = socket.create_connection(("127.0.0.1", self.server.port))
                self.ends += client, server
                self.connections += 1
                greeting = server.recv(65536)
                if self.connections == 1:
                    greeting = re.sub(rb'("nonce":")...', rb"\g<1>xyz", greeting)
                client.sendall(greeting)
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=self.forward, args=ends, daemon=True).start()

    @staticmethod
    def forward(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)


class Client:
    """Publishes raw bytes and asks the server, as a stranger's program might."""

    def __init__(self, port: int):
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self.file = self.socket.makefile("rb")
        self.file.readline()  # INFO
        self.send(b'CONNECT {"verbose":false,"pedantic":false}\r\nSUB answers 1\r\nPING\r\n')
        self.file.readline()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def publish(self, subject: str, payload: bytes, reply: str = "") -> None:
        self.send(f"PUB {subject} {reply} {len(payload)}\r\n".encode() + payload + b"\r\n")

    def request(self, subject: str, payload: bytes) -> dict:
        """The JSON that the server answers."""
        self.publish(subject, payload, "answers")
        while True:
            line = self.file.readline()
            if line.startswith(b"MSG"):
                answer = self.file.read(int(line.split()[-1]) + 2)
                return json.loads(answer)
            if line.startswith(b"PING"):
                self.send(b"PONG\r\n")
            elif line.startswith(b"-ERR") or not line:
                raise RuntimeError(line.decode())

    def message(self, stream: str, sequence: int) -> bytes:
        """What is stored there."""
        answer = self.request(f"$JS.API.STREAM.MSG.GET.{stream}",
                              json.dumps({"seq": sequence}).encode())
        return base64.b64decode(answer["message"]["data"])

    def last(self, stream: str, subject: str) -> bytes:
        """The newest message of a subject: a bucket's value."""
        answer = self.request(f"$JS.API.STREAM.MSG.GET.{stream}",
                              json.dumps({"last_by_subj": subject}).encode())
        return base64.b64decode(answer["message"]["data"])

    def close(self) -> None:
        self.file.close()
        self.socket.close()
