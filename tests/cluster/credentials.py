"""An operator, an account and a user of a NATS server as JWTs, and the user's .creds file."""

import base64
import importlib.machinery
import importlib.util
import json
import pathlib
import tempfile
import time

MAKE_KEYS = pathlib.Path(__file__).resolve().parent.parent.parent / "deploy" / "nats" / "make_keys"
loader = importlib.machinery.SourceFileLoader("make_keys", str(MAKE_KEYS))
make_keys = importlib.util.module_from_spec(importlib.util.spec_from_loader("make_keys", loader))
loader.exec_module(make_keys)

# Prefix bytes of nkeys.
OPERATOR, ACCOUNT, USER = 14 << 3, 0, 20 << 3
UNLIMITED = {key: -1 for key in ("subs", "data", "payload", "imports", "exports", "conn", "leaf")}
JETSTREAM = {key: -1 for key in ("mem_storage", "disk_storage", "streams", "consumer")}


class Identity:
    """An ed25519 key with its names as an nkey."""

    def __init__(self, kind: int):
        self.pem = make_keys.openssl("genpkey", "-algorithm", "ed25519")
        secret = make_keys.openssl("pkey", "-outform", "DER", stdin=self.pem)[-32:]
        public = make_keys.openssl("pkey", "-pubout", "-outform", "DER", stdin=self.pem)[-32:]
        self.seed = make_keys.nkey_text(
            bytes([make_keys.SEED | kind >> 5, (kind & 31) << 3]), secret)
        self.public = make_keys.nkey_text(bytes([kind]), public)

    def sign(self, text: bytes) -> bytes:
        return sign(self.pem, text)

    def vouch(self, subject: "Identity", name: str, claims: dict) -> str:
        """A JWT in which this identity says what `subject` is."""
        body = {"jti": subject.public, "iat": int(time.time()), "iss": self.public, "name": name,
                "sub": subject.public, "nats": {"version": 2, **claims}}
        text = ".".join(plain(json.dumps(part).encode())
                        for part in ({"typ": "JWT", "alg": "ed25519-nkey"}, body))
        return f"{text}.{plain(self.sign(text.encode()))}"


def sign(pem: bytes, text: bytes) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        key, message = pathlib.Path(folder, "key"), pathlib.Path(folder, "message")
        key.write_bytes(pem)
        message.write_bytes(text)
        return make_keys.openssl("pkeyutl", "-sign", "-rawin", "-inkey", str(key), "-in",
                                 str(message))


def pem_of_seed(seed: str) -> bytes:
    """An nkey seed as OpenSSL takes it: RFC 8410's form of the 32 bytes behind the prefix."""
    secret = base64.b32decode(seed + "=" * (-len(seed) % 8))[2:34]
    der = bytes.fromhex("302e020100300506032b657004220420") + secret
    return make_keys.openssl("pkey", "-inform", "DER", stdin=der)


def plain(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Authority:
    """Who the server trusts, with one account for runs."""

    def __init__(self):
        self.operator, self.system, self.account = (
            Identity(OPERATOR), Identity(ACCOUNT), Identity(ACCOUNT))

    def server_config(self) -> str:
        def account(identity: Identity, name: str, limits: dict) -> str:
            return self.operator.vouch(
                identity, name, {"type": "account", "limits": {**limits, "wildcards": True}})

        accounts = {self.system.public: account(self.system, "SYS", UNLIMITED),
                    self.account.public: account(self.account, "NDCAO", UNLIMITED | JETSTREAM)}
        preload = "".join(f"  {key}: {jwt}\n" for key, jwt in accounts.items())
        operator = self.operator.vouch(
            self.operator, "O", {"type": "operator", "system_account": self.system.public})
        return (f"operator: {operator}\nsystem_account: {self.system.public}\n"
                f"resolver: MEMORY\nresolver_preload: {{\n{preload}}}\n")

    def credentials(self, name: str) -> str:
        """The text of a user's .creds file."""
        user = Identity(USER)
        jwt = self.account.vouch(
            user, name, {"type": "user", "subs": -1, "data": -1, "payload": -1})
        return (f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
                f"-----BEGIN USER NKEY SEED-----\n{user.seed}\n------END USER NKEY SEED------\n")
