#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""haproxy as docs/haproxy.md has it: certificate and key in one file, master-worker mode, a chroot
and another user, a client certificate for a server."""

import os
import pwd
import signal
import ssl
import time

from provider_case import HOST, ProgramTestCase, free_port, main, wait_until

HAPROXY = "/usr/sbin/haproxy"
AROUND = """
global
    master-worker
    chroot %(chroot)s
    user haproxy
    group haproxy
    tune.ssl.cachesize 0
    log %(log)s local0
defaults
    mode http
    timeout connect 5s
    timeout client 30s
    timeout server 30s
%(sections)s
"""
HELLO = "backend app\n    http-request return status 200 content-type text/plain string hello\n"


class HaproxyTestCase(ProgramTestCase):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        os.mkdir(self.path("empty"), 0o755)
        for name in self.keys:
            self.must("sh", "-ec", self.block("haproxy", "bundle", name=name))

    def frontend(self, name="www"):
        return self.block("haproxy", "frontend", {":443": "127.0.0.1:%d" % self.port}, name)

    def write_haproxy(self, *sections):
        return self.write("haproxy.cfg", AROUND % {
            "chroot": self.path("empty"), "log": "127.0.0.1:9", "sections": "\n".join(sections)})

    def start_haproxy(self, *sections):
        path = self.write_haproxy(*sections)
        self.haproxy = self.serve(self.port, HAPROXY, "-W", "-f", path,
                                  env=self.unit_env("haproxy"))
        return self.haproxy

    def workers_now(self):
        return self.children(self.haproxy.pid)

    def reload_haproxy(self):
        """Until the old worker has ended and the new one serves."""
        before = set(self.workers_now())
        said = self.read("daemon.log").count(b"Reloading HAProxy")

        def told():
            """A signal that comes too early is lost."""
            self.haproxy.send_signal(signal.SIGUSR2)
            time.sleep(0.5)
            return self.read("daemon.log").count(b"Reloading HAProxy") > said
        wait_until(told, "it reloads")
        wait_until(lambda: not before & set(self.workers_now()) and self.workers_now(),
                   lambda: "the old worker ends\n" + self.read("daemon.log").decode())


class ServerTest(HaproxyTestCase):
    def test_https_when_bundle_then_both_versions(self):
        self.start_haproxy(self.frontend(), HELLO)
        self.assertEqual(self.curl(self.port), "hello")
        for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"),
                              (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
            self.assertEqual(self.shake_hands(self.port, version=version), name)

    def test_https_when_key_is_rsa_then_works(self):
        self.start_haproxy(self.frontend("rsa"), HELLO)
        self.assertEqual(self.curl(self.port, name="rsa"), "hello")

    def test_https_when_key_is_in_a_file_beside_then_works(self):
        for suffix, path in ((".crt", "www.crt"), (".crt.key", "www.key")):
            os.symlink(self.site(path), self.path("pair" + suffix))
        self.start_haproxy(self.frontend().replace(self.site("www.pem"), self.path("pair.crt")),
                           HELLO)
        self.assertEqual(self.curl(self.port), "hello")

    def test_worker_is_in_its_chroot_without_rights(self):
        self.start_haproxy(self.frontend(), HELLO)
        self.curl(self.port)
        worker, = self.workers_now()
        self.assertEqual(self.user_of(worker), pwd.getpwnam("haproxy").pw_uid)
        self.assertEqual(os.readlink("/proc/%d/root" % worker), self.path("empty"))

    def test_reload_when_running_then_new_worker_serves(self):
        self.start_haproxy(self.frontend(), HELLO)
        for _ in range(3):
            self.reload_haproxy()
            self.assertEqual(self.curl(self.port), "hello")


class ClientTest(HaproxyTestCase):
    def test_server_when_it_wants_a_certificate_then_gets_the_remote_keys(self):
        other = free_port()
        leaf = self.software_certificate("app")
        both = self.write("app.pem", self.read("app.crt") + self.read("app.key"))
        self.assertTrue(leaf)
        inner = ("frontend inner\n    bind 127.0.0.1:%d ssl crt %s verify required ca-file %s\n"
                 "    http-request return status 200 content-type text/plain lf-string "
                 "saw:%%[ssl_c_s_dn(cn)]\n" % (other, both, self.site("www.crt")))
        backend = self.block("haproxy", "backend", {
            "192.0.2.1:8443": "127.0.0.1:%d" % other,
            "/etc/ssl/hsmbridge/app.crt": self.vault.authority.path})
        self.start_haproxy(self.frontend(), backend, inner)
        self.assertEqual(self.curl(self.port), "saw:" + HOST)
        bare = backend.replace("crt " + self.site("www.pem"), "")
        self.write_haproxy(self.frontend(), bare, inner)
        self.reload_haproxy()
        self.assertNotIn("saw", self.curl(self.port))


if __name__ == "__main__":
    main()
