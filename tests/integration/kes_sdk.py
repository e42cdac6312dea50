#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""MinIO's own Go SDK for KES beside the module, on one KES: each opens what the other sealed. The
SDK also shows that the stand-in answers as its clients expect, down to their error values."""

import base64
import os
import subprocess
import unittest

from clients import build_go
from harness import CK, HarnessTestCase, TempConfig
from kes_server import KesDouble, api_key_identity, new_api_key

AEAD = 0x80000000 | 0x48534201


class SdkTest(HarnessTestCase):
    @classmethod
    def setUpClass(cls):
        cls.client = build_go("kes_go")
        cls.kes = KesDouble()
        cls.addClassCleanup(cls.kes.__exit__)
        cls.api_key = new_api_key()
        cls.kes.allow("sdk", cls.api_key, "/v1/key/*", deny=["/v1/key/create/denied"])

    def run_sdk(self, *words):
        return subprocess.run([self.client, self.kes.url, self.kes.ca, *words], text=True,
                              env=dict(os.environ, KES_API_KEY=self.api_key), check=False,
                              capture_output=True, timeout=60)

    def sdk(self, command, name, data=b"", context=""):
        """The lines that it prints; bytes as bytes."""
        done = self.run_sdk(command, name, base64.b64encode(data).decode(), context)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.split()

    def sdk_bytes(self, *args):
        return [base64.b64decode(line) for line in self.sdk(*args)]

    def test_keys_when_made_by_either_then_the_other_uses_them(self):
        config = self.enter(TempConfig())
        config.slot("kes", None, backend="kes", url=self.kes.url, ca_file=self.kes.ca,
                    api_key_file=config.secret("api-key", self.api_key), allow="generate")
        self.sdk("create", "theirs")
        made = self.run_cli(config, "generate", "--key", "ours", "--type", "aes-256")
        self.assertEqual(made.returncode, 0, made.stderr)
        self.assertEqual(self.sdk("describe", "ours"),
                         ["ours", "AES256", api_key_identity(self.api_key)])
        p11 = self.open_module(config)
        session = self.enter(p11.session(p11.slot("kes")))
        for name in ("theirs", "ours"):
            with self.subTest(name=name):
                key = session.find_one(CKA_LABEL=name, CKA_KEY_TYPE=CK.CKK_AES)
                self.assertEqual(self.sdk_bytes("decrypt", name,
                                                session.encrypt(key, AEAD, b"hello")), [b"hello"])
                [sealed] = self.sdk_bytes("encrypt", name, b"hello")
                self.assertEqual(session.decrypt(key, AEAD, sealed), b"hello")
                clear, sealed = self.sdk_bytes("generate", name)
                self.assertEqual(session.decrypt(key, AEAD, sealed), clear)
                mac = session.find_one(CKA_LABEL=name, CKA_KEY_TYPE=CK.CKK_GENERIC_SECRET)
                self.assertEqual(self.sdk_bytes("hmac", name, b"msg"),
                                 [session.sign(mac, CK.CKM_SHA256_HMAC, b"msg")])

    def test_errors_when_kes_refuses_then_the_sdk_knows_them(self):
        self.sdk("create", "once")
        for words, error in {("create", "once"): "ErrKeyExists",
                             ("describe", "absent"): "ErrKeyNotFound",
                             ("create", "denied"): "ErrNotAllowed",
                             ("decrypt", "once", "AAAA"): "ErrDecrypt"}.items():
            done = self.run_sdk(*words)
            self.assertEqual((done.returncode, done.stderr.strip()), (1, error))

    def test_listing_when_through_the_redirect_then_complete(self):
        self.sdk("import", "list-a", bytes(range(32)))
        self.assertIn("list-a", self.sdk("list", ""))
        self.sdk("delete", "list-a")
        self.assertNotIn("list-a", self.sdk("list", "list"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
