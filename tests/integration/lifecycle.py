#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Keys made, imported, rotated and destroyed from the command line, in a real Vault."""

import os
import subprocess
import unittest

from harness import HarnessTestCase, RealVault, TempConfig

KINDS = {"ecdsa-p256": "ec P-256", "ecdsa-p384": "ec P-384", "ecdsa-p521": "ec P-521",
         "ed25519": "ed25519", "rsa-2048": "rsa 2048", "aes-128": "aes 128", "aes-256": "aes 256",
         "chacha20": "chacha20 256", "hmac": "hmac 256"}
WIRE = {"aes-128": "aes128-gcm96", "aes-256": "aes256-gcm96", "chacha20": "chacha20-poly1305"}


class LifecycleTest(HarnessTestCase):
    @classmethod
    def setUpClass(cls):
        cls.vault = RealVault()
        cls.vault.__enter__()
        cls.vault.setup_transit("app")

    @classmethod
    def tearDownClass(cls):
        cls.vault.__exit__(None, None, None)

    def setUp(self):
        self.config = self.enter(TempConfig())
        self.config.slot("web", self.vault, allow="generate import rotate destroy")

    def cli(self, *args, code=0, **options):
        done = self.run_cli(self.config, *args, **options)
        text = done.stdout + done.stderr
        self.assertEqual(done.returncode, code, text)
        return text

    def openssl(self, *args, **options):
        return subprocess.run(["openssl", *args], check=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, **options).stdout

    def test_generate_when_name_is_free_makes_the_kind_asked_for(self):
        for kind, shown in KINDS.items():
            with self.subTest(kind=kind):
                self.assertIn("made, version 1, " + shown,
                              self.cli("generate", "--key", "g-" + kind, "--type", kind))
                made = self.vault.read("transit/keys/g-" + kind)
                made = made.get("data", made)
                self.assertEqual(made["type"], WIRE.get(kind, kind))

    def test_generate_when_name_is_taken_leaves_the_key_alone(self):
        before = self.cli("public", "--key", "app")
        self.assertIn("a key 'app' already", self.cli("generate", "--key", "app", "--type",
                                                      "rsa-2048", code=1))
        self.assertEqual(self.cli("public", "--key", "app"), before)

    def test_import_when_file_holds_a_key_pair_then_the_same_key_is_there(self):
        makers = {"ec": ["ecparam", "-name", "secp384r1", "-genkey", "-noout"],
                  "rsa": ["genpkey", "-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:2048"],
                  "traditional": ["ecparam", "-name", "prime256v1", "-genkey"],
                  "ed": ["genpkey", "-algorithm", "ed25519"]}
        for name, maker in makers.items():
            with self.subTest(name=name):
                private = self.openssl(*maker)
                path = self.config.secret(name, private.decode())
                self.cli("import", "--key", "i-" + name, "--in", path)
                self.assertEqual(self.cli("public", "--key", "i-" + name),
                                 self.openssl("pkey", "-pubout", input=private).decode())

    def test_import_when_secret_is_given_then_vault_has_those_bytes(self):
        secret = os.urandom(32)
        path = self.config.path("secret")
        with open(path, "wb") as file:
            file.write(secret)
        self.cli("import", "--key", "i-mac", "--type", "hmac", "--in", path)
        message = self.config.path("message")
        with open(message, "wb") as file:
            file.write(b"hello")
        self.assertEqual(self.cli("sign", "--key", "i-mac", "--in", message, "--hex").strip(),
                         self.openssl("dgst", "-sha256", "-mac", "HMAC", "-macopt",
                                      "hexkey:" + secret.hex(), message).decode().split()[-1])

    def test_import_when_input_is_no_key_then_says_so_and_makes_nothing(self):
        path = self.config.secret("junk", "not a key")
        text = self.cli("import", "--key", "i-junk", "--in", path, code=1)
        self.assertIn(path, text)
        self.assertIn("no private key in it", text)
        self.assertIn("31 bytes", self.cli("import", "--key", "i-short", "--type", "aes-256",
                                           "--in", self.config.secret("short", "x" * 31), code=1))
        for name in ("i-junk", "i-short"):
            self.assertIn("no key '%s'" % name, self.cli("public", "--key", name, code=1))

    def test_import_when_key_has_a_passphrase_then_does_not_ask_for_it(self):
        locked = self.openssl("genpkey", "-algorithm", "ed25519", "-aes256", "-pass", "pass:x")
        path = self.config.secret("locked", locked.decode())
        self.assertIn("without a passphrase", self.cli("import", "--key", "i-locked", "--in", path,
                                                       code=1))

    def test_rotate_gives_a_new_version_and_absent_keys_are_not_made(self):
        self.cli("generate", "--key", "r", "--type", "ecdsa-p256")
        self.assertIn("rotated, version 2", self.cli("rotate", "--key", "r"))
        self.assertIn("there is no key 'absent'", self.cli("rotate", "--key", "absent", code=1))
        self.assertIn("no key 'absent'", self.cli("public", "--key", "absent", code=1))

    def test_label_when_service_cannot_rename_then_says_so(self):
        text = self.cli("label", "--key", "app", "--label", "new", code=1)
        self.assertIn("has no way to rename a key", text)
        self.cli("public", "--key", "app")

    def test_destroy_when_another_name_is_typed_destroys_nothing(self):
        self.cli("generate", "--key", "d", "--type", "ed25519")
        self.assertIn("nothing was destroyed", self.cli("destroy", "--key", "d", code=1,
                                                        input="e\n"))
        self.cli("public", "--key", "d")
        self.assertIn("destroyed", self.cli("destroy", "--key", "d", input="d\n"))
        self.assertIn("no key 'd'", self.cli("public", "--key", "d", code=1))

    def test_each_when_slot_does_not_allow_it_then_names_the_option(self):
        config = self.enter(TempConfig())
        config.slot("web", self.vault)
        self.config = config
        pem = config.secret("ed", self.openssl("genpkey", "-algorithm", "ed25519").decode())
        for word, args in {"generate": ["generate", "--key", "n", "--type", "ed25519"],
                           "import": ["import", "--key", "n", "--in", pem],
                           "rotate": ["rotate", "--key", "app"],
                           "destroy": ["destroy", "--key", "app"]}.items():
            with self.subTest(word=word):
                self.assertIn("allow = " + word, self.cli(*args, code=1, input="app\n"))
        self.cli("public", "--key", "app")


if __name__ == "__main__":
    unittest.main()
