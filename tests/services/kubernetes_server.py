# SPDX-License-Identifier: Apache-2.0
"""A real etcd and a real kube-apiserver, on loopback, as root of nothing but their own directory.

    cluster = Cluster(kms_path)                 # builds the programs, which takes minutes, once
    cluster.start(version="v2")                 # an API server that encrypts Secrets by that socket
    cluster.create_secret("s1", "value"); cluster.read_secret("s1")
    cluster.stored("s1")                        # the bytes that etcd has
"""

import base64
import http.client
import json
import os
import socket
import ssl
import subprocess
import time

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from process import Directory, die_with_parent

SERVICES = os.path.dirname(os.path.abspath(__file__))
START_MAX = 120  # seconds, on a loaded machine


def programs():
    """The directory with kube-apiserver and etcd."""
    if programs.found is None:
        built = subprocess.run([os.path.join(SERVICES, "kubernetes", "build.sh")], check=True,
                               stdout=subprocess.PIPE)
        programs.found = built.stdout.decode().strip()
    return programs.found


programs.found = None


def free_ports(count):
    """Ports that nobody listens at; all different."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


class Cluster(Directory):
    token = "test-token"

    def __init__(self, kms_socket):
        super().__init__()
        self.kms_socket = kms_socket
        self.etcd_port, self.etcd_peer, self.port = free_ports(3)
        self._etcd = self._server = None
        self._write("tokens.csv", "%s,admin,admin,system:masters\n" % self.token)
        key = rsa.generate_private_key(65537, 2048)
        self._write("sa.key", key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption()).decode())
        self._start_etcd()

    def _write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as out:
            out.write(text)
        return self.path(name)

    def _launch(self, program, *args):
        with open(self.path(program + ".log"), "ab") as log:
            return subprocess.Popen([os.path.join(programs(), program), *args], stdout=log,
                                    stderr=log, cwd=self.dir, preexec_fn=die_with_parent)

    def _start_etcd(self):
        url, peer = ("http://127.0.0.1:%d" % port for port in (self.etcd_port, self.etcd_peer))
        self._etcd = self._launch(
            "etcd", "--data-dir", self.path("etcd"), "--listen-client-urls", url,
            "--advertise-client-urls", url, "--listen-peer-urls", peer,
            "--initial-advertise-peer-urls", peer, "--initial-cluster", "default=" + peer,
            "--unsafe-no-fsync", "--log-level", "error")

    def encryption(self, version):
        """The API server's configuration. "both": Secrets by v2, ConfigMaps by v1."""
        resources = ([self._provider("secrets", "v2"), self._provider("configmaps", "v1")]
                     if version == "both" else [self._provider("secrets", version)])
        return json.dumps({"apiVersion": "apiserver.config.k8s.io/v1",
                           "kind": "EncryptionConfiguration", "resources": resources})

    def _provider(self, resource, version):
        kms = {"apiVersion": version, "timeout": "3s", "endpoint": "unix://" + self.kms_socket,
               "name": "hsmbridge" if resource == "secrets" else "hsmbridge-" + resource}
        if version == "v1":
            kms["cachesize"] = 100
        return {"resources": [resource], "providers": [{"kms": kms}, {"identity": {}}]}

    def start(self, version="v2", *more):
        """Starts the API server, with more flags; it may not be ready yet."""
        config = self._write("encryption.json", self.encryption(version))
        gates = ["--feature-gates=KMSv1=true"] if version != "v2" else []
        self._server = self._launch(
            "kube-apiserver", "--etcd-servers=http://127.0.0.1:%d" % self.etcd_port,
            "--bind-address=127.0.0.1", "--secure-port=%d" % self.port,
            "--cert-dir=" + self.path("certs"), "--endpoint-reconciler-type=none",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-account-key-file=" + self.path("sa.key"),
            "--service-account-signing-key-file=" + self.path("sa.key"),
            "--authorization-mode=RBAC", "--token-auth-file=" + self.path("tokens.csv"),
            "--encryption-provider-config=" + config, *gates, *more)

    def request(self, method, path, body=None, timeout=30):
        """(status, JSON or text)"""
        context = ssl.create_default_context()  # its certificate is its own
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout,
                                                 context=context)
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None,
                               {"Authorization": "Bearer " + self.token,
                                "Content-Type": "application/json"})
            reply = connection.getresponse()
            text = reply.read().decode()
            return reply.status, json.loads(text) if text.startswith("{") else text
        finally:
            connection.close()

    def is_ready(self):
        try:
            return self.request("GET", "/readyz", timeout=10)[0] == 200
        except OSError:
            return False

    def wait_ready(self, seconds=START_MAX):
        self.wait_for(self.is_ready, "the API server is not ready", seconds)
        self.wait_for(self._has_namespace, "there is no namespace", seconds)

    def _has_namespace(self):
        return self.request("GET", "/api/v1/namespaces/default")[0] == 200

    def wait_for(self, condition, text, seconds=START_MAX):
        deadline = time.monotonic() + seconds
        while not condition():
            if self._server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("%s: %s" % (text, self.log()[-3000:]))
            time.sleep(0.25)

    def log(self):
        with open(self.path("kube-apiserver.log"), encoding="utf-8", errors="replace") as log:
            return log.read()

    # ---- Secrets ----

    SECRETS = "/api/v1/namespaces/default/secrets"

    def create_secret(self, name, value):
        """The answer's status."""
        return self.request("POST", self.SECRETS, {
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
            "stringData": {"value": value}})[0]

    def read_secret(self, name):
        status, secret = self.request("GET", self.SECRETS + "/" + name)
        if status != 200:
            raise RuntimeError("%d %s" % (status, secret))
        return base64.b64decode(secret["data"]["value"]).decode()

    CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"

    def create_config_map(self, name, value):
        """The answer's status."""
        return self.request("POST", self.CONFIG_MAPS, {
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
            "data": {"value": value}})[0]

    def read_config_map(self, name):
        return self.request("GET", self.CONFIG_MAPS + "/" + name)[1]["data"]["value"]

    def rewrite_secret(self, name):
        """What storage migration does: reads, and writes the same."""
        secret = self.request("GET", self.SECRETS + "/" + name)[1]
        return self.request("PUT", self.SECRETS + "/" + name, secret)[0]

    def stored(self, name, resource="secrets"):
        """The bytes that etcd has."""
        key = base64.b64encode(("/registry/%s/default/%s" % (resource, name)).encode()).decode()
        connection = http.client.HTTPConnection("127.0.0.1", self.etcd_port, timeout=30)
        try:
            connection.request("POST", "/v3/kv/range", json.dumps({"key": key}))
            found = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return base64.b64decode(found["kvs"][0]["value"])

    def stop_server(self):
        self._end(self._server)
        self._server = None

    @staticmethod
    def _end(process, seconds=20):
        if process is None or process.poll() is not None:
            return
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._end(self._server)  # first: without etcd its end takes minutes
        self._end(self._etcd)
        self.remove()
