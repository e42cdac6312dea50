#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""nginx as docs/nginx.md has it: an HTTPS server with four workers that are not root, reloaded
under load, and a client certificate for an upstream."""

import pwd
import ssl
import threading
import time

from nginx import NginxTestCase
from provider_case import HOST, free_port, main

HELLO = "location / { return 200 'hello by $ssl_protocol'; }\n"


class ServerTest(NginxTestCase):
    def test_https_when_key_is_remote_then_both_versions_and_kinds_of_key(self):
        self.start_nginx(self.site_lines(("www", "rsa"), HELLO))
        self.assertEqual(self.curl(self.port), "hello by TLSv1.3")
        self.assertEqual(self.curl(self.port, "--tls-max", "1.2"), "hello by TLSv1.2")
        self.assertEqual(self.curl(self.port, "--tls-max", "1.2", "--ciphers",
                                   "ECDHE-RSA-AES128-GCM-SHA256", name="rsa"), "hello by TLSv1.2")
        self.assertEqual(self.curl(self.port, "--tls-max", "1.2", "--ciphers",
                                   "AES128-GCM-SHA256", name="rsa"), "hello by TLSv1.2")

    def test_workers_have_no_rights_and_each_has_its_own_connections(self):
        self.start_nginx(self.site_lines())
        for _ in range(40):
            self.shake_hands(self.port)
        workers = self.workers_now()
        self.assertEqual(len(workers), 4)
        uid = pwd.getpwnam("www-data").pw_uid
        self.assertEqual([self.user_of(pid) for pid in workers], [uid] * 4)
        self.readable_by_root_alone(self.config.file)

    def test_configuration_test_names_what_is_wrong(self):
        self.write_nginx(self.site_lines())
        self.must(*self.nginx_words("-t"), env=self.unit_env("nginx"))
        self.write("nobody.key", self.key_file_of("nobody"))
        self.write_nginx(self.site_lines().replace(self.site("www.key"), self.path("nobody.key")))
        text = self.must_fail(*self.nginx_words("-t"), env=self.unit_env("nginx"))
        self.assertIn("no key 'nobody' in slot 'web'", text)

    def key_file_of(self, name):
        """As of a key that has been there once."""
        self.vault.make_key(name)
        text = self.must("hsmbridge", "pem", "--slot", "web", "--key", name, env=self.tool_env())
        self.vault.delete_key(name)
        return text


class LoadTestCase(NginxTestCase):
    """Handshakes by threads; `failures` has what went wrong, `done` when each ended."""

    def start_load(self, threads=4):
        self.failures, self.done, self.stop = [], [], threading.Event()

        def work():
            while not self.stop.is_set():
                try:
                    self.shake_hands(self.port)
                    self.done.append(time.monotonic())
                except (OSError, ssl.SSLError, AssertionError) as error:
                    self.failures.append(error)
        self.threads = [threading.Thread(target=work) for _ in range(threads)]
        for thread in self.threads:
            thread.start()
        self.addCleanup(self.end_load)

    def end_load(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def wait_for_handshakes(self, count):
        want, deadline = len(self.done) + count, time.monotonic() + 30
        while len(self.done) < want and time.monotonic() < deadline:
            time.sleep(0.01)
        self.assertGreaterEqual(len(self.done), want, (self.failures[:3], self.error_log()))


class ReloadTest(LoadTestCase):
    def test_reload_when_under_load_then_no_handshake_fails(self):
        self.start_nginx(self.site_lines())
        self.start_load()
        for _ in range(5):
            self.wait_for_handshakes(40)
            self.reload_nginx()
        self.wait_for_handshakes(40)
        self.end_load()
        self.assertEqual(self.failures, [])


class UpstreamTest(NginxTestCase):
    def test_upstream_when_it_wants_a_certificate_then_gets_the_remote_keys(self):
        backend_port = free_port()
        leaf = self.software_certificate("backend", ("backend.example.com",))
        backend = ("server { listen 127.0.0.1:%d ssl; ssl_certificate %s; ssl_certificate_key %s;"
                   " ssl_client_certificate %s; ssl_verify_client on;"
                   " location / { return 200 'saw $ssl_client_s_dn'; } }" %
                   (backend_port, leaf.cert, leaf.key, self.site("www.crt")))
        location = self.block("nginx", "upstream", {
            "https://backend.example.com": "https://127.0.0.1:%d" % backend_port,
            "/etc/ssl/hsmbridge/backend.crt": self.vault.authority.path,
            "proxy_ssl_verify": "proxy_ssl_name backend.example.com; proxy_ssl_verify"})
        self.start_nginx(self.site_lines(more=location), backend)
        for _ in range(3):
            self.assertEqual(self.curl(self.port), "saw CN=" + HOST)
        bare = location.replace("proxy_ssl_certificate", "#")
        self.write_nginx(self.site_lines(more=bare), backend)
        self.reload_nginx()
        self.assertIn("No required SSL certificate", self.curl(self.port))


class OthersTest(LoadTestCase):
    def test_other_sites_when_beside_a_remote_key_then_send_nothing_to_the_service(self):
        other = free_port()
        self.start_nginx(self.software_site(other), self.site_lines())
        self.config.clear_log()
        for _ in range(20):
            self.shake_hands_with_other(other)
        self.assertNotIn("transit", self.config.log())
        self.shake_hands(self.port)
        self.assertIn("transit", self.config.log())


if __name__ == "__main__":
    main()
