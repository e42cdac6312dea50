# SPDX-License-Identifier: Apache-2.0
"""Server processes for tests: the Vault double, a real Vault, and a stub of Kubernetes' API.

    with Double() as vault:             # or RealVault(); stopped and removed at the end
        vault.setup_transit("app", signing="rsa-2048")
        vault.fault("status", "/v1/transit/sign/", status=503, body={"errors": ["Vault is sealed"]})

Both share VaultServer and the client under it, so that one test can run on either; faults and
counters are Double's alone. The orders: double/control.py and double/faults.py.
"""

import base64
import json
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from double.tls import LOCAL_NAMES, Authority
from process import PYTHON, Controlled, Directory, Process, die_with_parent
from vault_client import VaultClient

SERVICES = os.path.dirname(os.path.abspath(__file__))

__all__ = ["Directory", "Double", "KubernetesStub", "RealVault", "VaultServer", "die_with_parent"]


class VaultServer(Process, VaultClient):
    """A server process of this test, with a client for setting it up.

    url, port, ca (path), token, unseal_key, pid     of the running server
    authority                                         a tls.Authority; issue() makes more leaves
    """

    def __init__(self, port=0, names=LOCAL_NAMES, plain=False, expired=False, client_cas=(),
                 authority=None):
        """names, expired: of the server's certificate. client_cas: paths of further authorities
        whose client certificates may pass the handshake; the own one's always may. authority:
        another server's, so that one ca_file is good for both."""
        Process.__init__(self)
        VaultClient.__init__(self, None, verifying=not expired and "127.0.0.1" in names)
        self.plain = plain
        self.authority = authority or Authority(self.dir)
        self.ca = None if plain else self.authority.path
        self.leaf = None if plain else self.authority.issue(
            "server-" + os.path.basename(self.dir), tuple(names), expired=expired)
        self.client_cas = [self.authority.path, *client_cas]
        self.start(port)

    def start(self, port=None):
        """Starts the server, on the port that it had before unless another is given."""
        self.launch(self.port if port is None else port)
        self.url, self.token = self.ready["url"], self.ready["token"]
        self.unseal_key = self.ready["unseal_key"]
        self.port = int(self.url.rsplit(":", 1)[1])

    def url_for(self, name):
        """The same server by another name of its certificate."""
        return self.url.replace("127.0.0.1", name)


class Double(Controlled, VaultServer):
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
