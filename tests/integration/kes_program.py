# SPDX-License-Identifier: Apache-2.0
"""The KES-compatible server under test.

    config = self.enter(TempConfig())
    kes = self.enter(KesProgram(config, create="app"))      # options of [kes]
    kes.admin.call("PUT", "/v1/key/generate/app")            # a Caller, see kes_server.py

Keys are kept in a directory, in KES's own form, unless options say otherwise.
"""

import os
import resource
import signal
import socket
import ssl
import subprocess
import time

from double.tls import Authority
from kes_server import Caller, make_certificate
from process import die_with_parent


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def kes_program():
    build = os.environ.get("HSMBRIDGE_BUILD")
    if not build:
        raise RuntimeError("HSMBRIDGE_BUILD must name the build directory")
    return os.path.join(os.path.abspath(build), "tools", "kes", "hsmbridge-kes")


class KesProgram:
    """A server process at .port; .ca, .admin_client and .admin are what clients need."""

    def __init__(self, config, *args, start=True, **options):
        self.config = config
        self.port = free_port()
        self.url = "https://localhost:%d" % self.port
        self.authority = Authority(config.dir, "kes-ca", "KES test CA")
        self.ca = self.authority.path
        self.admin_client = make_certificate(config.dir, "admin")
        self.cert, self.key = self.authority.issue("kes", ("127.0.0.1", "localhost"))
        keys = config.path("keys")
        os.makedirs(keys, 0o700, exist_ok=True)
        self.options = dict({"address": "127.0.0.1:%d" % self.port, "cert_file": self.cert,
                             "key_file": self.key, "admin": self.admin_client.identity,
                             "store": "directory", "store_format": "kes", "directory": keys},
                            **options)
        self.policies = {}
        self.args = list(args)
        self.process = None
        self.write()
        if start:
            self.start()

    def write(self):
        """The configuration, as options and policies are now."""
        lines = ["[kes]"] + ["%s = %s" % item for item in self.options.items() if item[1]]
        for name, policy in self.policies.items():
            lines += ["[kes-policy %s]" % name] + ["%s = %s" % item for item in policy.items()]
        self.config._lines[:] = lines  # pylint: disable=protected-access
        self.config.write()

    def start(self, wait=True, descriptors=None, **options):
        """descriptors: as many as the process may have."""
        def prepare():
            die_with_parent()
            if descriptors:
                resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

        with open(self.config.path("kes.err"), "ab") as err, \
                open(self.config.path("kes.out"), "ab") as out:
            self.process = subprocess.Popen([kes_program(), *self.args], stderr=err, stdout=out,
                                            env=self.config.env(), preexec_fn=prepare, **options)
        if wait:
            self.wait()

    def wait(self, seconds=20):
        """Until it listens."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError("the server ended: " + self.errors())
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.005)
        raise RuntimeError("the server does not listen: " + self.errors())

    def errors(self):
        with open(self.config.path("kes.err"), encoding="utf-8") as err:
            return err.read()

    def output(self):
        """Its two logs: what was done, and what went wrong."""
        with open(self.config.path("kes.out"), encoding="utf-8") as out:
            return out.read()

    @property
    def pid(self):
        return self.process.pid

    @property
    def admin(self):
        return self.caller(self.admin_client)

    def caller(self, client):
        return Caller(self.url, self.ca, client)

    def client_context(self, client="admin", **versions):
        """An ssl.SSLContext; client None: without a certificate."""
        context = ssl.create_default_context(cafile=self.ca)
        client = self.admin_client if client == "admin" else client
        if client:
            context.load_cert_chain(client.cert, client.key)
        for name, value in versions.items():
            setattr(context, name, value)
        return context

    def connect(self, client="admin", timeout=20, **versions):
        """A TLS connection."""
        return self.connect_with(self.client_context(client, **versions), timeout)

    def connect_with(self, context, timeout=20):
        plain = socket.create_connection(("127.0.0.1", self.port), timeout)
        try:
            return context.wrap_socket(plain, server_hostname="localhost")
        except BaseException:
            plain.close()
            raise

    def stop(self, seconds=30):
        """SIGTERM; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Ends it as a manager would: what a sanitizer has to say comes at the end."""
        if self.process is not None and self.process.poll() is None and self.stop() != 0:
            raise RuntimeError("the server ended with %d: %s" % (self.process.returncode,
                                                                 self.errors()))
