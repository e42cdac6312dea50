#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Processes that lose what they had: root, the file system, the resolver."""

import os
import socket
import time
import unittest

from harness import CK
from hosts import HostTestCase

NAME = "vault.test"  # in the double's certificate
HOSTS = "127.0.0.1 %s\n" % NAME
SECONDS = 12  # six lives of the token


class ConfinedTest(HostTestCase):
    def test_sign_when_root_and_files_are_given_up_then_outlives_many_tokens(self):
        """nginx, haproxy and BIND log in again long after they gave up root."""
        self.need_mounts()
        self.vault.setup_signer()
        role_id, secret_id = self.vault.setup_approle("signer", ttl="2s", token_max_ttl="4s")
        self.config.slot("web", self.vault, url=self.vault.url_for(NAME), auth="approle",
                         role_id_file=self.config.secret("role-id", role_id),
                         secret_id_file=self.config.secret("secret-id", secret_id))
        root = self.config.path("root")
        os.mkdir(root)
        signer = self.signer(self.mounted({"/etc/hosts": self.config.secret("hosts", HOSTS)}))
        signer.begin()
        self.vault.reset()
        self.assertEqual(signer.do("confine", root).rv, CK.CKR_OK)
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            self.assertEqual(signer.do("sign").rv, CK.CKR_OK, self.config.log()[-2000:])
            time.sleep(0.2)
        self.assertGreaterEqual(self.vault.count("POST /v1/auth/approle/login"), SECONDS // 4 - 1)
        # The connection is lost as well: there is no resolver in there.
        self.vault.drop_connections()
        self.assertEqual(signer.do("sign").rv, CK.CKR_OK, self.config.log()[-2000:])
        self.assertEqual(signer.do("finalize").rv, CK.CKR_OK)
        self.assert_quiet_end(signer)
        # One line for each file that cannot be read again, not one for each signature.
        stale = [line for line in self.config.log().splitlines() if "stays in use" in line]
        self.assertEqual(len(stale), len({line.split(" ", 2)[2] for line in stale}), stale)


class SilentResolver:
    """A name server that takes every question and answers none."""

    ADDRESS = "127.53.53.53"

    def __enter__(self):
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((self.ADDRESS, 53))
        self._socket.setblocking(False)
        return self

    def asked(self):
        """Whether any question has come since the last time."""
        count = 0
        try:
            while self._socket.recv(2048):
                count += 1
        except BlockingIOError:
            return count > 0

    def __exit__(self, *_):
        self._socket.close()


class ResolverTest(HostTestCase):
    def setUp(self):
        super().setUp()
        self.need_mounts()
        self.resolver = self.enter(SilentResolver())
        self.config.slot("web", self.vault, url=self.vault.url_for(NAME), timeout="2s")
        self.hosts = self.config.secret("hosts", "")
        resolv = self.config.secret("resolv.conf", "nameserver %s\n" % SilentResolver.ADDRESS)
        switch = self.config.secret("nsswitch.conf", "hosts: files dns\n")
        self.prefix = self.mounted({"/etc/hosts": self.hosts, "/etc/resolv.conf": resolv,
                                    "/etc/nsswitch.conf": switch})

    def write_hosts(self, text):
        with open(self.hosts, "w", encoding="ascii") as out:
            out.write(text)

    def test_call_when_resolver_is_silent_then_ends_within_its_deadline(self):
        signer = self.signer(self.prefix)
        signer.do("initialize")
        for _ in range(2):
            outcome = signer.do("find")
            self.assertEqual(outcome.rv, CK.CKR_DEVICE_ERROR)
            self.assertLess(outcome.ms, 2500)
        self.assertTrue(self.resolver.asked())
        self.assertIn("resolving the host name", self.config.log())
        outcome = signer.do("finalize")  # does not wait for the question either
        self.assertEqual(outcome.rv, CK.CKR_OK)
        self.assertLess(outcome.ms, 500)
        began = time.monotonic()
        self.assert_quiet_end(signer)
        self.assertLess(time.monotonic() - began, 1)

    def test_call_when_resolver_falls_silent_then_known_addresses_serve(self):
        self.write_hosts(HOSTS)
        signer = self.signer(self.prefix)
        signer.begin()
        self.write_hosts("")
        self.vault.refuse_connections()
        self.vault.drop_connections()
        self.assertEqual(signer.do("sign").rv, CK.CKR_DEVICE_ERROR)  # addresses are in doubt now
        self.vault.accept_connections()
        outcome = signer.do("sign")
        self.assertEqual(outcome.rv, CK.CKR_OK, self.config.log()[-2000:])
        self.assertTrue(self.resolver.asked())
        self.assertLess(signer.do("sign").ms, 500)
        signer.do("finalize")
        self.assert_quiet_end(signer)


if __name__ == "__main__":
    unittest.main()
