#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What `hsmbridge check` says of hsmbridge-kes, and that nothing else minds its sections."""

import os
import unittest

from harness import Double, HarnessTestCase, TempConfig
from kes_program import KesProgram


class CheckTest(HarnessTestCase):
    def setUp(self):
        self.config = self.enter(TempConfig())
        self.kes = KesProgram(self.config, start=False)

    def check(self, code, *words):
        """Its lines for [kes]; each of the words stands in one of them."""
        self.kes.write()
        done = self.run_cli(self.config, "check")
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
        for word in words:
            self.assertTrue(any(word in line for line in lines), (word, done.stdout))
        return [line for line in lines if line.startswith("[kes] ")]

    def test_server_when_all_is_well_then_told_so(self):
        lines = self.check(0, "[kes] configuration ok", "[kes] certificate 127.0.0.1 ok until 20",
                           "[kes] key_file ok", "[kes] directory ok",
                           "[kes] policies ok 0, for 1 identities")
        self.assertEqual(len(lines), 5)

    def test_faults_when_several_then_each_with_what_to_do(self):
        expired = self.kes.authority.issue("old", ("localhost",), expired=True)
        self.kes.options.update(cert_file=expired.cert, key_file=self.config.path("none"),
                                directory=self.config.path("away"), admin="disabled")
        self.check(3, "[kes] certificate localhost FAULT expired on 20",
                   "[kes] key_file FAULT %s: No such file" % self.config.path("none"),
                   "[kes] directory FAULT", "[kes] policies warning nobody may do anything",
                   "[kes], certificate localhost: renew the certificate and replace its file",
                   "[kes], policies: name an admin, or identities in a [kes-policy]")

    def test_sealing_key_when_missing_then_named(self):
        vault = self.enter(Double())
        vault.setup_transit(seal="aes256-gcm96")
        self.config.slot("vault", vault)
        self.kes.options.update(store_format="sealed", slot="vault", sealing_key="seal")
        self.check(0, "[kes] sealing_key ok seal")
        self.kes.options.update(sealing_key="sael")
        self.check(1, "[kes] sealing_key FAULT slot vault has no key 'sael'",
                   "[kes], sealing_key: make the key")

    def test_sections_when_wrong_then_told_here_and_no_application_minds(self):
        vault = self.enter(Double())
        vault.setup_transit(ec="ecdsa-p256")
        self.config.slot("vault", vault)
        self.kes.policies["app"] = {"paths": "/v1/key/*"}
        lines = self.check(3, "[kes-policy app] paths: unknown option; hsmbridge.conf(5) lists "
                              "those of [kes-policy app]")
        self.assertEqual(len(lines), 1)
        p11 = self.open_module(self.config)
        session = self.enter(p11.session(p11.slot("vault")))
        self.assertIsNotNone(session.find_one(CKA_LABEL="ec", CKA_CLASS=3))
        self.assertNotIn("kes", self.config.log())

    def test_slot_when_named_then_the_server_is_not_looked_at(self):
        vault = self.enter(Double())
        self.config.slot("vault", vault)
        self.kes.options.update(directory=self.config.path("away"))
        self.kes.write()
        done = self.run_cli(self.config, "check", "--slot", "vault")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertNotIn("[kes]", done.stdout)


if __name__ == "__main__":
    os.umask(0o077)
    unittest.main(verbosity=2)
