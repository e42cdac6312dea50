#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Apache httpd as docs/apache.md has it, with processes that fork (prefork): the key by its file,
and by its URI."""

import pwd
import re
import signal
import ssl

from provider_case import ProgramTestCase, free_port, main, wait_until

APACHE = "/usr/sbin/apache2"
MODULES = "/usr/lib/apache2/modules"
AROUND = """
ServerRoot %(dir)s
PidFile %(dir)s/pid
DefaultRuntimeDir %(dir)s
ErrorLog %(dir)s/error.log
LogLevel notice
ServerName localhost
LoadModule mpm_prefork_module %(modules)s/mod_mpm_prefork.so
LoadModule authz_core_module %(modules)s/mod_authz_core.so
LoadModule ssl_module %(modules)s/mod_ssl.so
StartServers 4
User www-data
Group www-data
DocumentRoot %(dir)s/www
Listen 127.0.0.1:%(port)d
SSLSessionCache none
SSLSessionTickets off
%(site)s
"""


class ApacheTestCase(ProgramTestCase):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.write("www/index", "hello\n", mode=0o644)

    def page_site(self, name="www"):
        return self.block("apache", "site", {"*:443": "127.0.0.1:%d" % self.port}, name)

    def words(self, site):
        path = self.write("apache.conf", AROUND % {
            "dir": self.directory.dir, "modules": MODULES, "port": self.port, "site": site})
        return (APACHE, "-f", path, "-DFOREGROUND")

    def start_apache(self, site, **more):
        self.apache = self.serve(self.port, *self.words(site),
                                 env=dict(self.unit_env("apache"), **more))
        self.wait_for_start(1)

    def wait_for_start(self, times):
        """Signals that come earlier are lost."""
        wait_until(lambda: self.read("error.log").count(b"resuming normal operations") == times,
                   "it runs")

    def workers_now(self):
        return self.children(self.apache.pid)


class ServerTest(ApacheTestCase):
    def test_https_when_key_file_then_each_process_serves_both_versions(self):
        self.start_apache(self.page_site())
        self.assertEqual(self.curl(self.port, path="/index"), "hello\n")
        for version, name in ((ssl.TLSVersion.TLSv1_2, "TLSv1.2"),
                              (ssl.TLSVersion.TLSv1_3, "TLSv1.3")):
            for _ in range(12):
                self.assertEqual(self.shake_hands(self.port, version=version), name)
        uid = pwd.getpwnam("www-data").pw_uid
        workers = self.workers_now()
        self.assertGreaterEqual(len(workers), 4)
        self.assertEqual({self.user_of(pid) for pid in workers}, {uid})

    def test_https_when_key_is_a_uri_then_no_pin_is_asked(self):
        line = self.block("apache", "uri")
        site = self.page_site().replace("SSLCertificateKeyFile " + self.site("www.key"), line)
        self.assertIn(line, site)
        self.start_apache(site, **dict(re.findall(r"(?m)^Environment=(\w+)=(.*)$",
                                                  self.block("apache", "no engine"))))
        self.assertEqual(self.curl(self.port, path="/index"), "hello\n")

    def test_https_when_rsa_then_works(self):
        self.start_apache(self.page_site("rsa"))
        self.assertEqual(self.curl(self.port, name="rsa", path="/index"), "hello\n")

    def test_reload_when_graceful_then_new_processes_serve(self):
        self.start_apache(self.page_site())
        for times in range(2, 5):
            before = set(self.workers_now())
            self.apache.send_signal(signal.SIGUSR1)
            self.wait_for_start(times)
            wait_until(lambda: not before & set(self.workers_now()) and self.workers_now(),
                       "the old processes end")
            self.assertEqual(self.curl(self.port, path="/index"), "hello\n")

    def test_start_when_certificate_is_anothers_then_refuses(self):
        site = self.page_site().replace(self.site("www.crt"), self.site("rsa.crt"))
        self.must_fail(*self.words(site), env=self.unit_env("apache"))
        self.assertIn(b"AH02565: Certificate and private key", self.read("error.log"))


if __name__ == "__main__":
    main()
