# SPDX-License-Identifier: Apache-2.0
"""What tests of programs that use OpenSSL stand on: keys in a real Vault behind the provider, and
the lines that docs/PROGRAM.md tells people to write.

    class ServerTest(ProgramTestCase):
        keys = {"www": "ecdsa-p256", "rsa": "rsa-2048"}    # each with www.key, www.crt in the site

        def test_x(self):
            site = self.block("nginx", "site", {"443": "127.0.0.1:%d" % port})
            self.start("nginx", ...)
            self.assertEqual(self.shake_hands(port), "TLSv1.3")

A block of a page is fenced and has a language and a title. The pages' /etc/ssl/hsmbridge is
site(), and www.example.com's certificate is what the page has `openssl req` make. openssl()
is a program without the provider: the referee.
"""

import http.server
import os
import re
import socket
import ssl
import stat
import subprocess
import threading
import time
from pathlib import Path

from consumers import ConsumerTestCase, main
from harness import cli_path, module_path
from openssl_conf import OpensslConf
from servers import Directory

__all__ = ["HOST", "ClientCertificateServer", "ProgramTestCase", "fill", "free_port", "main",
           "page_blocks", "wait_until"]

HOST = "www.example.com"
SITE = "/etc/ssl/hsmbridge/"
CONFIG = "/etc/hsmbridge/hsmbridge.conf"
START_MAX = 30  # seconds
DOCS = Path(os.environ["HSMBRIDGE_SOURCE"], "docs")
FENCED = re.compile(r"(?ms)^```\w+ ([^\n]+)\n(.*?)^```$")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def wait_until(condition, what, seconds=START_MAX):
    """Returns the condition's first true value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError("not within %d s: %s" % (seconds, what() if callable(what) else
                                                          what))
        time.sleep(0.02)


def fill(text, values):
    """The text with other values in the places of its own; each has to be there."""
    for old, new in values.items():
        if old not in text:
            raise AssertionError("no '%s' in:\n%s" % (old, text))
        text = text.replace(old, str(new))
    return text


def page_blocks(page):
    return dict(FENCED.findall((DOCS / (page + ".md")).read_text(encoding="utf-8")))


class PageConf(OpensslConf):
    """openssl.cnf as docs/openssl.md has it; the module is not installed, so it is named too."""

    def __init__(self, config, path, **options):
        self._config = config
        self.file = path
        self.write(**options)

    def write(self, default_properties="", providers=("default", "hsmbridge"), more=""):
        if default_properties or more or len(providers) != 2:
            return super().write(default_properties, providers, more)
        text = fill(page_blocks("openssl")["openssl.cnf"], {
            "config = " + CONFIG: "module = %s\nconfig = %s" % (module_path(),
                                                                self._config.write())})
        with open(self.file, "w", encoding="utf-8") as out:
            out.write(text)
        return self.file


class SubjectHandler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        subject = dict(item[0] for item in self.connection.getpeercert()["subject"])
        text = "%s by %s" % (subject["commonName"], self.connection.version())
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


class ClientCertificateServer:
    """HTTPS that says whose certificate it saw; trusted: a file of certificates."""

    def __init__(self, leaf, trusted):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*leaf)
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(trusted)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), SubjectHandler)
        self._server.daemon_threads = True
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True,
                                                  do_handshake_on_connect=False)
        self.port = self._server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


class ProgramTestCase(ConsumerTestCase):
    keys = {"www": "ecdsa-p256", "rsa": "rsa-2048"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.directory_of_site = Directory()
        cls.addClassCleanup(cls.directory_of_site.remove)
        os.chmod(cls.directory_of_site.dir, 0o755)
        cls.conf = PageConf(cls.config, cls.site("openssl.cnf"))
        os.mkdir(cls.site("bin"))
        os.symlink(cli_path(), cls.site("bin/hsmbridge"))
        for name in cls.keys:
            cls.make_site(name)

    @classmethod
    def make_site(cls, name, steps=("key", "certificate")):
        """NAME.key and NAME.crt, as docs/openssl.md makes them."""
        for step in steps:
            script = cls.block("openssl", step, name=name).replace("--key www", "--key " + name)
            subprocess.run(["sh", "-ec", script], check=True, stdin=subprocess.DEVNULL,
                           env=cls.tool_env(), timeout=60)

    @classmethod
    def site(cls, name):
        return os.path.join(cls.directory_of_site.dir, name)

    @classmethod
    def tool_env(cls, **more):
        """The slot's configuration for the command line tool, too."""
        path = cls.site("bin") + ":" + os.environ["PATH"]
        return dict(cls.conf.env(PATH=path, LC_ALL="C"), HSMBRIDGE_CONFIG=cls.config.file, **more)

    def setUp(self):
        super().setUp()
        os.chmod(self.directory.dir, 0o755)  # for programs that drop their rights

    def env(self, **more):
        return self.conf.env(**dict({"HOME": self.directory.dir, "LC_ALL": "C"}, **more))

    def openssl(self, *words, **options):
        return super().openssl(*words, env=super().env(), **options)

    # ---- pages ----

    @classmethod
    def block(cls, page, title, values=None, name="www"):
        """The lines of a page with this test's paths, and the files of the key of this name."""
        text = fill(page_blocks(page)[title], values or {})
        return text.replace(SITE + "www.", cls.site(name + ".")).replace(SITE, cls.site(""))

    def unit_env(self, page):
        """The environment of a service whose unit has the page's lines."""
        lines = dict(re.findall(r"(?m)^Environment=(\w+)=(.*)$", self.block(page, "unit")))
        self.assertIn("OPENSSL_CONF", lines)
        return dict(self.env(), **lines)

    # ---- what clients see ----

    def context(self, name="www", client=None, version=None):
        """A TLS client's; client: the name of its own certificate, a software key's."""
        context = ssl.create_default_context(cafile=self.site(name + ".crt"))
        if client:
            context.load_cert_chain(*client)
        if version:
            context.minimum_version = context.maximum_version = version
        return context

    def shake_hands(self, port, timeout=30, host=HOST, **options):
        """A full handshake with a server that has one of our certificates."""
        name = options.get("name", "www")
        context = self.context(**options)
        with socket.create_connection(("127.0.0.1", port), timeout=timeout) as plain:
            with context.wrap_socket(plain, server_hostname=host) as tls:
                self.assertEqual(tls.getpeercert(True), self.certificate(name))
                return tls.version()

    def certificate(self, name):
        with open(self.site(name + ".crt"), encoding="ascii") as file:
            return ssl.PEM_cert_to_DER_cert(file.read())

    def curl(self, port, *words, name="www", path="/", host=HOST, **options):
        """The body of https://HOST/ by a curl that has no provider."""
        return self.must("curl", "--silent", "--show-error", "--max-time", "30", "--cacert",
                         self.site(name + ".crt"), "--resolve", "%s:%d:127.0.0.1" % (host, port),
                         *words, "https://%s:%d%s" % (host, port, path), env=super().env(),
                         **options).decode()

    def software_certificate(self, stem, names=(HOST,), **options):
        """A Leaf of the server's authority, a key that is in a file; its authority in the site."""
        leaf = self.vault.authority.issue(stem + "-" + os.path.basename(self.directory.dir),
                                          names, **options)
        for path, suffix in ((leaf.cert, ".crt"), (leaf.key, ".key")):
            with open(path, "rb") as file:
                self.write(stem + suffix, file.read(), mode=0o644)
        return type(leaf)(self.path(stem + ".crt"), self.path(stem + ".key"))

    # ---- processes ----

    def listens(self, port):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    def serve(self, port, *words, log=None, **options):
        """A daemon in the foreground, once it listens on the port; in a group of its own, because
        some end by a signal to all of theirs."""
        log = log or self.path("daemon.log")
        with open(log, "ab") as out:
            process = self.start(*words, **dict({"stdout": out, "stderr": out,
                                                 "start_new_session": True}, **options))

        def ready():
            if process.poll() is not None:
                with open(log, encoding="utf-8", errors="replace") as said:
                    self.fail("%s: %d\n%s\n%s" % (" ".join(words), process.returncode,
                                                  said.read()[-4000:], self.config.log()[-1000:]))
            return self.listens(port)
        wait_until(ready, "%s listens on %d" % (words[0], port))
        return process

    @staticmethod
    def children(pid):
        with open("/proc/%d/task/%d/children" % (pid, pid), encoding="ascii") as file:
            return list(map(int, file.read().split()))

    @staticmethod
    def user_of(pid):
        return os.stat("/proc/%d" % pid).st_uid

    def readable_by_root_alone(self, path):
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode) & 0o077, 0)
