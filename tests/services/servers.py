# SPDX-License-Identifier: Apache-2.0
"""Server processes for tests: the Vault double, a real Vault, and a stub of Kubernetes' API.

    with Double() as vault:             # or RealVault(); stopped and removed at the end
        vault.setup_transit("app", signing="rsa-2048")
        vault.fault("status", "/v1/transit/sign/", status=503, body={"errors": ["Vault is sealed"]})

Both share VaultServer and the client under it, so that one test can run on either; faults and
counters are Double's alone. The orders: double/control.py and double/faults.py.
"""

import base64
import ctypes
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from double.tls import LOCAL_NAMES, Authority
from vault_client import ServerError, VaultClient

SERVICES = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"  # Debian's own, which has python3-cryptography
START_MAX = 30  # seconds
PR_SET_PDEATHSIG = 1


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class Directory:
    """A temporary directory that only its owner can read; gone at the end of the `with`."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="hsmbridge-test-")

    def path(self, name):
        return os.path.join(self.dir, name)

    def remove(self):
        shutil.rmtree(self.dir, ignore_errors=True)


class VaultServer(VaultClient):
    """A server process of this test, with a client for setting it up.

    url, port, ca (path), token, unseal_key, pid     of the running server
    authority                                         a tls.Authority; issue() makes more leaves
    """

    def __init__(self, port=0, names=LOCAL_NAMES, plain=False, expired=False, client_cas=(),
                 authority=None):
        """names, expired: of the server's certificate. client_cas: paths of further authorities
        whose client certificates may pass the handshake; the own one's always may. authority:
        another server's, so that one ca_file is good for both."""
        super().__init__(None, verifying=not expired and "127.0.0.1" in names)
        self._directory = Directory()
        self.dir = self._directory.dir
        self.plain = plain
        self.authority = authority or Authority(self.dir)
        self.ca = None if plain else self.authority.path
        self.leaf = None if plain else self.authority.issue(
            "server-" + os.path.basename(self.dir), tuple(names), expired=expired)
        self.client_cas = [self.authority.path, *client_cas]
        self._process = None
        self.start(port)

    def _command(self, port):
        raise NotImplementedError

    def start(self, port=None):
        """Starts the server, on the port that it had before unless another is given."""
        port = self.port if port is None else port
        with open(self._directory.path("server.log"), "ab") as log:
            self._process = subprocess.Popen(self._command(port), stdin=subprocess.PIPE,
                                             stdout=subprocess.PIPE, stderr=log,
                                             preexec_fn=die_with_parent)
        line = self._first_line()
        self.ready = json.loads(line)
        self.url, self.token = self.ready["url"], self.ready["token"]
        self.unseal_key, self.pid = self.ready["unseal_key"], self.ready["pid"]
        self.port = int(self.url.rsplit(":", 1)[1])

    def _first_line(self):
        """The ready line; kills a server that does not print it in time."""
        timer = threading.Timer(START_MAX, self._process.kill)
        timer.start()
        try:
            line = self._process.stdout.readline()
        finally:
            timer.cancel()
        if not line:
            self._process.wait()
            with open(self._directory.path("server.log"), encoding="utf-8") as log:
                raise RuntimeError("the server did not start: " + log.read()[-2000:])
        return line

    def stop(self):
        """Ends this server, and nothing else. start() brings it back, with nothing in it."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()
        self._process = None

    def freeze(self):
        """SIGSTOP: accepts connections (the kernel does), answers nothing."""
        self._process.send_signal(signal.SIGSTOP)
        while not self._is_stopped():  # its threads stop one after the other
            time.sleep(0.001)

    def _is_stopped(self):
        tasks = "/proc/%d/task" % self.pid
        states = []
        for task in os.listdir(tasks):
            with open(os.path.join(tasks, task, "stat"), encoding="ascii") as stat:
                states.append(stat.read().rpartition(")")[2].split()[0])
        return all(state in "Tt" for state in states)

    def thaw(self):
        self._process.send_signal(signal.SIGCONT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self._directory.remove()

    def url_for(self, name):
        """The same server by another name of its certificate."""
        return self.url.replace("127.0.0.1", name)


class Double(VaultServer):
    """The stand-in, with its faults and counters.

    options: more words of the command line, e.g. "--standby", "--leader", url
    """

    def __init__(self, *options, keys=None, **common):
        """keys: a transit mount with so many ECDSA keys, key-00000 and on."""
        self._options = list(options) + (["--keys", str(keys)] if keys is not None else [])
        super().__init__(**common)

    def _command(self, port):
        command = [PYTHON, os.path.join(SERVICES, "vault_double.py"), "--dir", self.dir,
                   "--port", str(port), *self._options]
        if self.plain:
            return command + ["--plain"]
        for path in self.client_cas:
            command += ["--client-ca", path]
        return command + ["--cert", self.leaf.cert, "--key", self.leaf.key]

    def control(self, method, path, body=None):
        """The side door: plain HTTP on a port of its own, so nothing of it is counted."""
        answer = self._exchange(self.ready["control"], method, "/_double/" + path,
                                json.dumps(body or {}), {})
        if answer.status != 200:
            raise ServerError("%s %s: %s" % (method, path, answer.text))
        return answer.json

    def fault(self, action, path="/v1/", count=1, **order):
        """Orders a fault; count 0: until clear(). Returns its id."""
        return self.control("POST", "faults", dict(order, action=action, path=path,
                                                   count=count))["id"]

    def connect_fault(self, action, count=1, **order):
        """hang, close, reset or delay, before TLS."""
        return self.fault(action, count=count, stage="connect", **order)

    def clear(self, ident=None):
        self.control("DELETE", "faults" if ident is None else "faults/%d" % ident)

    def hits(self, ident):
        """How many requests or connections a fault has met."""
        for fault in self.control("GET", "faults")["faults"]:
            if fault["id"] == ident:
                return fault["hits"]
        raise LookupError("fault %d is not in force" % ident)

    def stats(self):
        return self.control("GET", "stats")

    def count(self, prefix=""):
        """Requests since reset() whose "METHOD /path" begins like this."""
        return sum(number for name, number in self.stats()["by_path"].items()
                   if name.startswith(prefix))

    def requests(self):
        return self.control("GET", "requests")["requests"]

    def reset(self):
        """Forgets faults and counters: the line between a test's set-up and its body."""
        self.control("POST", "reset")

    def state(self, **state):
        """sealed=True, standby="standby", leader=url"""
        return self.control("POST", "state", state)

    def expire_tokens(self, token=None, after=0):
        """All but the root's unless one is named; `after` seconds from now."""
        self.control("POST", "tokens/expire", {"token": token, "in": after})

    def revoke_tokens(self, token=None):
        self.control("POST", "tokens/revoke", {"token": token})

    def delete_behind(self, name, mount="transit"):
        self.control("POST", "keys/delete", {"name": name, "mount": mount})

    def rotate_behind(self, name, mount="transit"):
        return self.control("POST", "keys/rotate", {"name": name, "mount": mount})["latest_version"]

    def refuse_connections(self):
        """Nothing listens on the port any more; what is open stays open."""
        self.control("POST", "listener", {"open": False})

    def accept_connections(self):
        self.control("POST", "listener", {"open": True})

    def drop_connections(self, reset=False):
        return self.control("POST", "connections/drop", {"reset": reset})["dropped"]


class RealVault(VaultServer):
    """A real Vault core. The first one builds it, which takes minutes (services/vault)."""

    binary = None

    def _command(self, port):
        if RealVault.binary is None:
            built = subprocess.run([os.path.join(SERVICES, "vault", "build.sh")], check=True,
                                   stdout=subprocess.PIPE)
            RealVault.binary = built.stdout.decode().strip()
        command = [RealVault.binary, "-listen", "127.0.0.1:%d" % port, "-log", "error"]
        return command if self.plain else command + ["-cert", self.leaf.cert,
                                                     "-key", self.leaf.key]


class KubernetesStub:
    """The one API of a cluster that Vault's login asks: TokenReview, plain HTTP on loopback.
    `jwt` is the good token of service account `namespace`/`account`."""

    def __init__(self, namespace="default", account="app"):
        self.namespace, self.account = namespace, account
        self.uid = "8c0eae4d-6cb3-4a4c-8e5e-1c5a4f4a7c02"
        self.jwt = self.make_jwt()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = "http://127.0.0.1:%d" % self._server.server_port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def make_jwt(self, **claims):
        """A service account token; its signature is nobody's business but the stub's."""
        body = {"iss": "https://kubernetes.default.svc", "aud": ["vault"],
                "sub": "system:serviceaccount:%s:%s" % (self.namespace, self.account),
                "kubernetes.io": {"namespace": self.namespace,
                                  "serviceaccount": {"name": self.account, "uid": self.uid}}}
        parts = [json.dumps(part).encode() for part in ({"alg": "RS256"}, dict(body, **claims))]
        return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=")
                        for part in parts + [os.urandom(256)])

    def review(self, token):
        if token != self.jwt:
            return {"authenticated": False, "error": "invalid bearer token"}
        name = "system:serviceaccount:%s:%s" % (self.namespace, self.account)
        return {"authenticated": True, "audiences": ["vault"],
                "user": {"username": name, "uid": self.uid}}

    def _handler(self):
        stub = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                body["status"] = stub.review(body["spec"]["token"])
                data = json.dumps(body).encode()
                self.send_response(201)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        return Handler

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
