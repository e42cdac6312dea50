#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Dovecot as docs/dovecot.md has it: login processes of the user dovenull load the key."""

import imaplib
import os
import shutil
import unittest

from provider_case import HOST, ProgramTestCase, free_port, main, wait_until

DOVECOT = "/usr/sbin/dovecot"
AROUND = """protocols = imap
base_dir = %(dir)s/run
state_dir = %(dir)s/state
log_path = %(dir)s/log
listen = 127.0.0.1
mail_location = maildir:%(dir)s/mail
passdb {
  driver = static
  args = nopassword=y
}
userdb {
  driver = static
  args = uid=65534 gid=65534 home=%(dir)s/mail
}
service imap-login {
  inet_listener imap {
    port = %(imap)d
  }
  inet_listener imaps {
    port = %(imaps)d
    ssl = yes
  }
}
ssl = required
%(lines)s
"""


@unittest.skipUnless(os.geteuid() == 0, "Dovecot wants to be started by root")
class ServerTest(ProgramTestCase):
    @classmethod
    def setUpClass(cls):
        """What a login process reads is where it can be read."""
        super().setUpClass()
        os.chmod(cls.config.dir, 0o755)
        shutil.copy(cls.vault.ca, cls.config.path("ca.pem"))
        cls.token = cls.vault.make_token(cls.vault.setup_signer())
        cls.secret = cls.config.secret("secret-id", cls.token)
        cls.config.slot("web", cls.vault, timeout="10s", ca_file=cls.config.path("ca.pem"),
                        auth="token", token_file=cls.secret)
        with open(cls.config.path("log"), "ab"):
            os.chmod(cls.config.path("log"), 0o666)
        for name in cls.keys:
            os.chmod(cls.site(name + ".key"), 0o600)  # Dovecot's master reads this one

    def setUp(self):
        super().setUp()
        self.imap, self.imaps = free_port(), free_port()
        self.must("sh", "-ec", self.block("dovecot", "files", {
            "/etc/hsmbridge/hsmbridge.conf": self.config.file,
            "/etc/hsmbridge/secret-id": self.secret}))

    def start_dovecot(self, name="www", lines=None):
        path = self.write("dovecot.conf", AROUND % {
            "dir": self.directory.dir, "imap": self.imap, "imaps": self.imaps,
            "lines": lines or self.block("dovecot", "local.conf", name=name)})
        env = self.env()
        del env["OPENSSL_CONF"]
        self.serve(self.imaps, DOVECOT, "-F", "-c", path, env=env)

    def log(self):
        return self.read("log").decode()

    def check(self, name):
        self.start_dovecot(name)
        for _ in range(3):
            self.assertEqual(self.shake_hands(self.imaps, name=name), "TLSv1.3", self.log())
        client = imaplib.IMAP4("127.0.0.1", self.imap, timeout=30)
        self.addCleanup(client.shutdown)
        client.host = HOST  # what starttls() verifies
        self.assertEqual(client.starttls(self.context(name))[0], "OK", self.log())
        self.assertEqual(client.sock.getpeercert(True), self.certificate(name))
        self.assertEqual(client.noop()[0], "OK")

    def test_imap_when_key_is_ec_then_both_ports(self):
        self.check("www")

    def test_imap_when_key_is_rsa_then_both_ports(self):
        self.check("rsa")

    def test_imap_when_secret_cannot_be_read_then_the_log_says_so(self):
        os.chown(self.secret, 0, 0)
        self.config.clear_log()
        self.start_dovecot()
        with self.assertRaises(OSError):
            self.shake_hands(self.imaps)
        wait_until(lambda: self.secret + ": Permission denied" in self.config.log() + self.log(),
                   lambda: self.config.log() + self.log())


if __name__ == "__main__":
    main()
