#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What a process that uses the provider must not notice: forks, library contexts of its own, being
unloaded and loaded again, our PKCS#11 module in the same process, its end; and valgrind's opinion.
"""

import glob
import shutil
import signal
import socket
import ssl
import subprocess
import unittest

from harness import module_path
from hosts import HostTestCase, host_path
from openssl_conf import OpensslConf

WAYS = {"forks", "unloads", "loads-again", "contexts", "default-context", "engine-beside"}
PROPERTIES = ("", "?provider=hsmbridge")
URI = "pkcs11:token=web;object=app"
ENGINE = glob.glob("/usr/lib/*/engines-3/pkcs11.so")
ENGINE_SECTIONS = """
[engines]
pkcs11 = pkcs11
[pkcs11]
engine_id = pkcs11
MODULE_PATH = %s
init = 0
"""


class LifecycleTestCase(HostTestCase):
    def setUp(self):
        super().setUp()
        self.conf = OpensslConf(self.config)

    def provider_env(self, **more):
        return dict(self.conf.env(HOST_OPENSSL_CNF=self.conf.file, HSMBRIDGE_MODULE=module_path()),
                    **more)

    def check_way(self, way, **more):
        self.check_host("provider", way, env=self.provider_env(**more))


class WayTest(LifecycleTestCase):
    def test_every_way_is_tested(self):
        ways = set(self.run_host("provider").stdout.split())
        self.assertEqual({way for way in ways if not way.startswith("end-")}, WAYS)

    def test_parent_and_children_sign_with_one_key(self):
        for properties in PROPERTIES:
            with self.subTest(properties=properties):
                self.conf.write(default_properties=properties)
                self.check_way("forks")

    def test_contexts_of_the_hosts_own(self):
        """The default context has another configuration, without us."""
        for way in ("contexts", "default-context"):
            for properties in PROPERTIES:
                with self.subTest(way=way, properties=properties):
                    self.conf.write(default_properties=properties)
                    self.check_way(way, OPENSSL_CONF="/dev/null")

    def test_unloaded_and_loaded_again(self):
        for way in ("unloads", "loads-again"):
            with self.subTest(way=way):
                self.check_way(way, OPENSSL_CONF="/dev/null")

    def test_connections_serve_every_load(self):
        """What is open is shared by whoever loads the same configuration again."""
        self.vault.reset()
        self.check_way("loads-again", OPENSSL_CONF="/dev/null")
        self.assertLessEqual(self.vault.stats()["connections"], 2)

    @unittest.skipUnless(ENGINE, "needs libengine-pkcs11-openssl")
    def test_module_in_libp11s_engine_beside_the_provider(self):
        for properties in PROPERTIES:
            with self.subTest(properties=properties):
                self.conf.write(default_properties=properties)
                self.check_way("engine-beside", HSMBRIDGE_CONFIG=self.config.file)

    @unittest.skipUnless(ENGINE, "needs libengine-pkcs11-openssl")
    def test_module_in_an_engine_that_openssl_cnf_names(self):
        self.conf.write(more=ENGINE_SECTIONS % module_path())
        with open(self.conf.file, "r+", encoding="utf-8") as file:
            text = file.read().replace("providers = providers\n",
                                       "providers = providers\nengines = engines\n", 1)
            file.seek(0)
            file.write(text)
        self.check_way("engine-beside", HSMBRIDGE_CONFIG=self.config.file)


class EndTest(LifecycleTestCase):
    def test_process_when_it_ends_in_any_way_then_ends_well(self):
        ways = [way for way in self.run_host("provider").stdout.split() if way.startswith("end-")]
        self.assertGreater(len(ways), 5)
        for way in ways:
            with self.subTest(way=way):
                self.check_way(way)

    def test_program_when_the_provider_is_loaded_and_not_used_then_sends_nothing(self):
        self.vault.reset()
        self.assertEqual(self.conf.openssl("dgst", "-sha256", "/dev/null").returncode, 0)
        self.assertEqual(self.vault.stats()["connections"], 0)


@unittest.skipUnless(shutil.which("valgrind"), "needs valgrind")
class MemoryTest(LifecycleTestCase):
    """Programs of others under valgrind: no invalid access anywhere, and nothing that we have lost.
    What is still reachable at the end is the price of no atexit."""

    def setUp(self):
        super().setUp()
        self.config.slot("web", self.vault, timeout="60s", connect_timeout="20s")  # it is slow
        self.conf.write()
        self.report = self.config.path("valgrind")
        self.cert, self.key = self.config.path("app.crt"), self.config.path("app.key")
        self.vault.authority.certify(self.cert, self.vault.public_key("app"), "app.test")
        done = self.run_cli(self.config, "pem", "--key", "app", "--out", self.key)
        self.assertEqual(done.returncode, 0, done.stderr)

    def words(self, *words):
        return ["valgrind", "--quiet", "--error-exitcode=99", "--leak-check=full",
                "--show-leak-kinds=definite,indirect", "--errors-for-leak-kinds=definite,indirect",
                "--log-file=" + self.report, *words]

    def check(self, *words):
        done = subprocess.run(self.words(*words), env=self.provider_env(), capture_output=True,
                              text=True, timeout=200, check=False, stdin=subprocess.DEVNULL)
        self.assert_clean(done.returncode, done.stderr)

    def assert_clean(self, status, text):
        with open(self.report, encoding="utf-8") as found:
            self.assertEqual((status, found.read()), (0, ""), text)

    def test_dgst(self):
        self.check("openssl", "dgst", "-sha256", "-sign", URI, "-out", self.config.path("sig"),
                   "/dev/null")

    def test_req(self):
        self.check("openssl", "req", "-x509", "-new", "-key", self.key, "-subj", "/CN=x", "-out",
                   self.config.path("made.crt"))

    def test_host_that_unloads(self):
        self.check(host_path("provider"), "end-cleans-up")

    def test_error_path(self):
        done = subprocess.run(
            self.words("openssl", "dgst", "-sha256", "-sign", URI + "x", "/dev/null"),
            env=self.provider_env(), capture_output=True, text=True, timeout=200, check=False)
        self.assertIn("no key 'appx'", done.stderr)
        self.assert_clean(done.returncode - 1, done.stderr)

    def test_s_server(self):
        server = subprocess.Popen(
            self.words("openssl", "s_server", "-accept", "127.0.0.1:0", "-key", self.key, "-cert",
                       self.cert, "-naccept", "3", "-www"), env=self.provider_env(), text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(self.end, server)
        port = next(int(line.rsplit(":", 1)[1]) for line in server.stdout
                    if line.startswith("ACCEPT 127.0.0.1:"))
        context = ssl.create_default_context(cafile=self.vault.authority.path)
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", port), timeout=60) as plain:
                with context.wrap_socket(plain, server_hostname="app.test") as tls:
                    tls.sendall(b"GET / HTTP/1.0\r\n\r\n")
                    self.assertTrue(tls.read())
        text, _ = server.communicate(timeout=60)
        self.assert_clean(server.returncode, text)

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.communicate()


if __name__ == "__main__":
    unittest.main(verbosity=2)
