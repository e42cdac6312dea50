#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A Node program with keys in a real Vault: pkcs11js, in node/.

The program judges signatures and texts with Node's own cryptography and with public keys that
Vault gave, and ends with 1 and a line that says what is wrong.
"""

import os

import operations
from clients import build_node
from consumers import ConsumerTestCase, main
from harness import CK, module_path


class NodeTestCase(ConsumerTestCase):
    keys = {"rsa": "rsa-2048", "ec": "ecdsa-p256", "p384": "ecdsa-p384"}

    @classmethod
    def setUpClass(cls):
        cls.client = os.path.join(build_node("node"), "main.js")
        super().setUpClass()

    def words(self, *words):
        return ("node", self.client, module_path(), "web", *words)

    def node(self, *words, **options):
        return self.must(*self.words(*words), **options).decode()


class ClientTest(NodeTestCase):
    def test_list_when_every_object_then_vaults_keys(self):
        self.assertEqual(sorted(self.node("list").splitlines()),
                         sorted("%d %s %s" % (kind, name, self.ids[name]) for name in self.keys
                                for kind in (CK.CKO_PUBLIC_KEY, CK.CKO_PRIVATE_KEY)))

    def test_sign_when_found_by_label_then_node_verifies(self):
        for name in self.keys:
            with self.subTest(name):
                self.node("sign", name, self.pub(name))

    def test_sign_when_the_public_key_is_anothers_then_the_program_notices(self):
        """What its verdict is worth."""
        self.assertIn("a bad signature", self.must_fail(*self.words("sign", "ec",
                                                                    self.pub("p384"))))

    def test_sign_when_nobody_has_the_label_then_not_found(self):
        self.assertIn("no object of class 3 with nobody", self.must_fail(
            *self.words("sign", "nobody", self.pub("ec"))))

    def test_decrypt_when_node_encrypted_then_opened(self):
        self.node("decrypt", "rsa", self.pub("rsa"))

    def test_gcm_when_session_key_then_node_seals_the_same(self):
        self.node("gcm")


class PinTest(NodeTestCase):
    keys = {"ec": "ecdsa-p256"}
    slot_options = {"pin": "token"}

    def test_sign_when_pin_is_given_then_works(self):
        pin = self.vault.make_token(self.vault.setup_signer())
        self.node("sign", "ec", self.pub("ec"), env=self.env(CLIENT_PIN=pin))


class CapabilityTest(operations.ProgramOperations):
    client = "pkcs11js (Node)"
    can_threads = None  # JavaScript has one

    @classmethod
    def setUpClass(cls):
        cls.program = ("node", os.path.join(build_node("node"), "main.js"))
        super().setUpClass()


if __name__ == "__main__":
    main()
