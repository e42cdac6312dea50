# SPDX-License-Identifier: Apache-2.0
"""The Kubernetes KMS plugin under test, and a client of its two interfaces.

    config = self.enter(TempConfig())
    config.slot("kms", vault)
    plugin = self.enter(Plugin(config, "--slot", "kms", "--key", "kek"))
    sealed = plugin.client.encrypt(b"seed")            # v2: Sealed(ciphertext, key_id, annotations)
    plugin.client.decrypt(sealed)                      # b"seed"
    plugin.client.v1_decrypt(plugin.client.v1_encrypt(b"dek"))

Messages are written and read here, by the field numbers of the protocol, not by the plugin's code.
"""

import os
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections import namedtuple

os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "false"  # it would wait for calls before every fork

import grpc  # noqa: E402

from process import die_with_parent  # noqa: E402

Sealed = namedtuple("Sealed", "ciphertext key_id annotations")
Status = namedtuple("Status", "version healthz key_id")


def kms_path():
    build = os.environ.get("HSMBRIDGE_BUILD")
    if not build:
        raise RuntimeError("HSMBRIDGE_BUILD must name the build directory")
    return os.path.join(os.path.abspath(build), "tools", "kms", "hsmbridge-kms")


# ---- protobuf, as much as is needed: length-delimited fields ----

def varint(number):
    out = b""
    while number > 0x7f:
        out += bytes([number & 0x7f | 0x80])
        number >>= 7
    return out + bytes([number])


def field(number, value):
    value = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(value)) + value if value else b""


def read_varint(data, at):
    number = shift = 0
    while True:
        byte = data[at]
        number |= (byte & 0x7f) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at


def fields(data):
    """{number: [values]}"""
    found, at = {}, 0
    while at < len(data):
        tag, at = read_varint(data, at)
        assert tag & 7 == 2, "only length-delimited fields are expected"
        size, at = read_varint(data, at)
        found.setdefault(tag >> 3, []).append(data[at:at + size])
        at += size
    return found


def first(found, number):
    return found.get(number, [b""])[0]


def map_fields(entries):
    return {first(fields(entry), 1).decode(): first(fields(entry), 2) for entry in entries}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class KmsClient:
    """gRPC calls over one connection; raises grpc.RpcError."""

    def __init__(self, path, timeout=20, backoff_ms=100):
        self.timeout = timeout
        self.channel = grpc.insecure_channel("unix:" + path, options=[
            ("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1),
            ("grpc.initial_reconnect_backoff_ms", backoff_ms), ("grpc.max_reconnect_backoff_ms", 1000)])

    def close(self):
        self.channel.close()

    def call(self, path, request=b"", timeout=None):
        return self.channel.unary_unary(path)(request, timeout=timeout or self.timeout,
                                              wait_for_ready=True)

    def status(self, **options):
        found = fields(self.call("/v2.KeyManagementService/Status", **options))
        return Status(*(first(found, i).decode() for i in (1, 2, 3)))

    def encrypt(self, plain, uid="test", **options):
        found = fields(self.call("/v2.KeyManagementService/Encrypt",
                                 field(1, plain) + field(2, uid), **options))
        return Sealed(first(found, 1), first(found, 2).decode(), map_fields(found.get(3, [])))

    def decrypt(self, sealed, uid="test", **options):
        request = field(1, sealed.ciphertext) + field(2, uid) + field(3, sealed.key_id)
        for name, value in sealed.annotations.items():
            request += field(4, field(1, name) + field(2, value))
        return first(fields(self.call("/v2.KeyManagementService/Decrypt", request, **options)), 1)

    def v1_version(self):
        found = fields(self.call("/v1beta1.KeyManagementService/Version", field(1, "v1beta1")))
        return tuple(first(found, i).decode() for i in (1, 2, 3))

    def v1_encrypt(self, plain):
        return first(fields(self.call("/v1beta1.KeyManagementService/Encrypt",
                                      field(1, "v1beta1") + field(2, plain))), 1)

    def v1_decrypt(self, cipher):
        return first(fields(self.call("/v1beta1.KeyManagementService/Decrypt",
                                      field(1, "v1beta1") + field(2, cipher))), 1)


PLAIN = bytes(32)


class Load:
    """Calls without a pause from several threads over one connection, as an API server's are."""

    def __init__(self, path, threads=8, backoff_ms=100):
        self.client = KmsClient(path, backoff_ms=backoff_ms)
        self.calls, self.errors, self.worst = 0, [], 0.0
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def _run(self):
        while not self._stop.is_set():
            began, failed = time.monotonic(), None
            try:
                sealed = self.client.encrypt(PLAIN, timeout=10)
                if self.client.decrypt(sealed, timeout=10) != PLAIN:
                    failed = "another plaintext"
            except grpc.RpcError as error:
                failed = "%s %s" % (error.code(), error.details())
            took = time.monotonic() - began
            with self._lock:
                self.calls += 2
                self.worst = max(self.worst, took)
                if failed:
                    self.errors.append(failed)

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self.client.close()


class Plugin:
    """A plugin process, listening at .path, with health and metrics at .port."""

    def __init__(self, config, *args, listen=True, http=True, path=None):
        self.config = config
        self.path = path or config.path("kms.sock")
        self.port = free_port() if http else None
        self.args = list(args)
        if listen:
            self.args += ["--listen", "unix://" + self.path]
        if http:
            self.args += ["--healthz-port", str(self.port), "--metrics-port", str(self.port)]
        self.process = self._client = None
        self.start()

    def start(self, *more, wait=True, **options):
        with open(self.config.path("kms.err"), "ab") as err:
            self.process = subprocess.Popen([kms_path(), *self.args, *more], stderr=err,
                                            env=self.config.env(), preexec_fn=die_with_parent,
                                            **options)
        if wait:
            self.wait()

    def wait(self, seconds=20):
        """Until it listens."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError("the plugin ended: " + self.errors())
            with socket.socket(socket.AF_UNIX) as probe:
                try:
                    probe.connect(self.path)
                    return
                except OSError:
                    time.sleep(0.02)
        raise RuntimeError("the plugin does not listen: " + self.errors())

    def errors(self):
        with open(self.config.path("kms.err"), encoding="utf-8") as err:
            return err.read()

    @property
    def client(self):
        if self._client is None:
            self._client = KmsClient(self.path)
        return self._client

    def get(self, path, timeout=30):
        """(status, text)"""
        url = "http://127.0.0.1:%d%s" % (self.port, path)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(url, timeout=timeout) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def metric(self, name):
        """The value of a line that begins so."""
        for line in self.get("/metrics")[1].splitlines():
            if line.startswith(name):
                return float(line.rpartition(" ")[2])
        return None

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self, seconds=30):
        """SIGTERM; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._client is not None:
            self._client.close()
        if self.process.poll() is None:
            self.kill()
