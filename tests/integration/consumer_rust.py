#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A Rust program with keys in a real Vault: the cryptoki crate, in rust/."""

import re

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, utils

import operations
from capabilities import code_of
from clients import build_rust
from consumers import MESSAGE, ConsumerTestCase, main
from harness import module_path


class RustTestCase(ConsumerTestCase):
    keys = {"rsa": "rsa-2048", "ec": "ecdsa-p256"}

    @classmethod
    def setUpClass(cls):
        cls.client = build_rust("rust")
        super().setUpClass()

    def rust(self, *words, **options):
        return self.must(self.client, module_path(), "web", *words, **options)

    def sign(self, *words, **options):
        return self.write("signature", self.rust(*words, input=MESSAGE, **options))

    def to_der(self, name):
        """A file of r and s, as OpenSSL wants them."""
        both = self.read(name)
        half = len(both) // 2
        self.write(name, utils.encode_dss_signature(int.from_bytes(both[:half], "big"),
                                                    int.from_bytes(both[half:], "big")))


class ClientTest(RustTestCase):
    def test_list_when_every_object_then_vaults_keys(self):
        classes = {"CKO_PUBLIC_KEY", "CKO_PRIVATE_KEY"}
        self.assertEqual(set(self.rust("list").decode().splitlines()),
                         {"%s %s %s" % (kind, name, self.ids[name])
                          for kind in classes for name in self.keys})

    def test_sign_when_ecdsa_then_openssl_verifies(self):
        signature = self.sign("sign", "ec", "ECDSA-SHA256")
        self.to_der("signature")
        self.openssl_verify("ec", signature, "-sha256")

    def test_sign_when_rsa_then_openssl_verifies(self):
        self.openssl_verify("rsa", self.sign("sign", "rsa", "SHA256-RSA-PKCS"), "-sha256")

    def test_sign_when_pss_then_openssl_verifies(self):
        self.openssl_verify("rsa", self.sign("sign", "rsa", "SHA256-RSA-PKCS-PSS"), "-sha256",
                            "rsa_padding_mode:pss", "rsa_pss_saltlen:32")

    def test_sign_when_many_threads_then_all_make_the_same(self):
        self.openssl_verify("rsa", self.sign("crowd", "rsa", "SHA256-RSA-PKCS"), "-sha256")

    def test_sign_when_nobody_has_the_label_then_not_found(self):
        self.assertIn('no private key "nobody"', self.must_fail(
            self.client, module_path(), "web", "sign", "nobody", "ECDSA", input=MESSAGE))

    def test_sign_when_key_is_of_another_kind_then_the_crate_knows_the_error(self):
        self.assertIn("is not the correct type of key", self.must_fail(
            self.client, module_path(), "web", "sign", "ec", "RSA-PKCS", input=MESSAGE))

    def test_decrypt_when_encrypted_elsewhere_then_opened(self):
        public = self.vault.public_key("rsa")
        oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
        for name, how in (("RSA-PKCS", padding.PKCS1v15()), ("RSA-PKCS-OAEP", oaep)):
            with self.subTest(name):
                self.assertEqual(self.rust("decrypt", "rsa", name,
                                           input=public.encrypt(MESSAGE, how)), MESSAGE)

    def test_gcm_when_session_key_then_opens_what_it_sealed(self):
        self.rust("gcm")


class PinTest(RustTestCase):
    keys = {"rsa": "rsa-2048"}
    slot_options = {"pin": "token"}

    def test_sign_when_pin_is_given_then_works(self):
        pin = self.vault.make_token(self.vault.setup_signer())
        self.openssl_verify("rsa", self.sign("sign", "rsa", "SHA256-RSA-PKCS",
                                             env=self.env(CLIENT_PIN=pin)), "-sha256")


class CapabilityTest(operations.ProgramOperations):
    client = "cryptoki (Rust)"

    @classmethod
    def setUpClass(cls):
        cls.program = (build_rust("rust"),)
        super().setUpClass()

    def described(self, refusal):
        """The crate has its own names of result codes."""
        return re.sub(r"\((\w+)\)$", lambda found: code_of(found.group(1)), str(refusal).strip())

    def crowd(self):
        return self.must(*self.program, self.target.module, "web", "crowd", "rsa",
                         "SHA256-RSA-PKCS", input=MESSAGE)


if __name__ == "__main__":
    main()
