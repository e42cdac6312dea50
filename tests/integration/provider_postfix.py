#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Postfix as docs/postfix.md has it: STARTTLS by an smtpd that has dropped its rights and sits in
its chroot."""

import os
import pwd
import smtplib
import unittest

from provider_case import HOST, ProgramTestCase, free_port, main, wait_until

MASTER = "/usr/lib/postfix/sbin/master"
QUEUE = ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming",
         "maildrop", "pid", "private", "public", "saved", "trace")
MAIN = """compatibility_level = 3.6
queue_directory = %(dir)s/queue
data_directory = %(dir)s/data
maillog_file_prefixes = %(dir)s
maillog_file = %(dir)s/log
myhostname = mail.example.com
inet_interfaces = loopback-only
inet_protocols = ipv4
mydestination =
local_recipient_maps =
alias_maps =
smtpd_tls_loglevel = 1
%(tls)s
"""
MASTER_CF = """127.0.0.1:%d inet n - y - - smtpd
tlsmgr unix - - n 1000? 1 tlsmgr
anvil unix - - n - 1 anvil
rewrite unix - - n - - trivial-rewrite
postlog unix-dgram n - n - 1 postlogd
"""


@unittest.skipUnless(os.geteuid() == 0, "Postfix wants to be started by root")
class ServerTest(ProgramTestCase):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        user = pwd.getpwnam("postfix")
        os.mkdir(self.path("queue"), 0o755)
        for name in ("data", *(os.path.join("queue", name) for name in QUEUE)):
            os.mkdir(self.path(name), 0o700)
            if not name.endswith("pid"):
                os.chown(self.path(name), user.pw_uid, -1)
        os.chmod(self.path("queue/public"), 0o710)

    def tls_lines(self, name="www"):
        """Here `import_environment` also lets the test's processes find each other."""
        return self.block("postfix", "main.cf", {
            "import_environment =": "import_environment = MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG"},
            name)

    def start_postfix(self, tls):
        self.write("main.cf", MAIN % {"dir": self.directory.dir, "tls": tls}, mode=0o644)
        self.write("master.cf", MASTER_CF % self.port, mode=0o644)
        env = self.env()
        del env["OPENSSL_CONF"]
        self.serve(self.port, MASTER, "-c", self.directory.dir, "-d", env=env)

    def log(self):
        return self.read("log").decode() if os.path.exists(self.path("log")) else ""

    def start_tls(self, name="www"):
        with smtplib.SMTP("127.0.0.1", self.port, local_hostname="client.example.com",
                          timeout=30) as client:
            client._host = HOST  # what starttls() verifies
            self.assertEqual(client.starttls(context=self.context(name))[0], 220, self.log())
            self.assertEqual(client.sock.getpeercert(True), self.certificate(name))
            self.assertEqual(client.ehlo()[0], 250)
            return client.sock.version()

    def check_starttls(self, name):
        self.start_postfix(self.tls_lines(name))
        for _ in range(3):
            self.assertEqual(self.start_tls(name), "TLSv1.3")

    def test_starttls_when_key_is_ec_then_works_in_the_chroot(self):
        self.check_starttls("www")

    def test_starttls_when_key_is_rsa_then_works_in_the_chroot(self):
        self.check_starttls("rsa")

    def test_starttls_when_chain_files_then_the_pages_warning(self):
        both = self.path("both.pem")
        self.must("sh", "-ec", "cat %s %s >%s" % (self.site("www.key"), self.site("www.crt"), both))
        lines = self.tls_lines()
        chain = lines.replace("smtpd_tls_chain_files =", "smtpd_tls_chain_files = " + both)
        self.assertNotEqual(lines, chain)
        self.start_postfix(chain)
        wait_until(lambda: "disabling TLS support" in self.log(), self.log)
        self.assertIn("ignoring PEM type: HSMBRIDGE KEY URI", self.log())


if __name__ == "__main__":
    main()
