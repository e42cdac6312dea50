#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A Go program with keys in a real Vault: miekg/pkcs11 and ThalesGroup/crypto11, in go/.

The program judges signatures, plain texts and handshakes with Go's own cryptography and with
public keys that Vault gave, and ends with 1 and a line that says what is wrong.
"""

import capabilities
import operations
from clients import build_go
from consumers import ConsumerTestCase, main
from harness import CK, module_path

SIGNS = ("rsa", "rsa4", "ec", "p384", "p521")


class GoTestCase(ConsumerTestCase):
    keys = {"rsa": "rsa-2048", "rsa4": "rsa-4096", "ec": "ecdsa-p256", "p384": "ecdsa-p384",
            "p521": "ecdsa-p521"}
    certified = ("rsa", "ec")

    @classmethod
    def setUpClass(cls):
        cls.client = build_go("go")
        super().setUpClass()

    def go(self, *words, **options):
        return self.must(self.client, module_path(), "web", *words, **options).decode()

    def go_fails(self, *words, **options):
        return self.must_fail(self.client, module_path(), "web", *words, **options)


class ClientTest(GoTestCase):
    def test_list_when_every_object_then_vaults_keys_and_the_certificates(self):
        classes = {CK.CKO_PUBLIC_KEY: self.keys, CK.CKO_PRIVATE_KEY: self.keys,
                   CK.CKO_CERTIFICATE: self.certified}
        self.assertEqual(sorted(self.go("list").splitlines()),
                         sorted("%d %s %s" % (kind, name, self.ids[name])
                                for kind, names in classes.items() for name in names))

    def test_sign_when_found_by_label_then_go_verifies(self):
        for name in SIGNS:
            with self.subTest(name):
                self.go("sign", name, self.pub(name))

    def test_sign_when_the_public_key_is_anothers_then_the_program_notices(self):
        """What its verdict is worth."""
        self.assertIn("the token's public key is another",
                      self.go_fails("sign", "ec", self.pub("p384")))

    def test_sign_when_nobody_has_the_label_then_not_found(self):
        self.assertIn("was not found", self.go_fails("sign", "nobody", self.pub("ec")))

    def test_sign_when_many_goroutines_then_all_verify(self):
        for name in ("ec", "rsa"):
            with self.subTest(name):
                self.go("crowd", name, self.pub(name))

    def test_decrypt_when_go_encrypted_then_opened(self):
        for name in ("rsa", "rsa4"):
            with self.subTest(name):
                self.go("decrypt", name, self.pub(name))

    def test_gcm_when_session_key_then_go_seals_the_same(self):
        self.go("gcm")

    def test_hmac_when_session_key_then_go_makes_the_same(self):
        self.go("hmac")

    def test_random_when_asked_then_bytes(self):
        self.go("random")

    def test_tls_when_certificates_are_the_slots_then_go_shakes_hands(self):
        self.assertEqual(sorted(self.go("tls", self.vault.ca).split()),
                         sorted(name + ".test" for name in self.certified))

    def test_token_when_nobody_has_the_label_then_not_found(self):
        self.assertIn("could not find PKCS#11 token",
                      self.must_fail(self.client, module_path(), "nothing", "random"))


class PinTest(GoTestCase):
    keys = {"ec": "ecdsa-p256"}
    certified = ()
    slot_options = {"pin": "token"}

    def test_sign_when_pin_is_given_then_works(self):
        pin = self.vault.make_token(self.vault.setup_signer())
        self.go("sign", "ec", self.pub("ec"), env=self.env(CLIENT_PIN=pin))

    def test_sign_when_pin_is_wrong_then_says_so(self):
        self.assertIn("CKR_PIN_INCORRECT", self.go_fails("sign", "ec", self.pub("ec"),
                                                         env=self.env(CLIENT_PIN="1234")))


class MiekgCapabilityTest(operations.ProgramOperations):
    client = "miekg/pkcs11 (Go)"
    can_threads = None  # crypto11's, below

    @classmethod
    def setUpClass(cls):
        cls.program = (build_go("go"),)
        super().setUpClass()


class Crypto11CapabilityTest(capabilities.CapabilityTestCase):
    """What it seals and signs is judged by the program itself, with Go's own cryptography."""

    client = "crypto11 (Go)"
    note = "On tokens without an Ed25519 key: it reads no certificates where there is one."
    keys = capabilities.WITHOUT_ED25519

    @classmethod
    def setUpClass(cls):
        cls.program = build_go("go")
        super().setUpClass()

    def go(self, *words):
        return self.must(self.program, self.target.module, "web", *words,
                         env=self.env(CLIENT_PIN=self.target.pin)).decode()

    def can_find_label(self):
        self.go("pair", "ec", self.pub("ec"))

    def can_login(self):
        self.go("pair", "rsa", self.pub("rsa"))

    def can_wrong_pin(self):
        self.refuses(self.program, self.target.module, "web", "random",
                     env=self.env(CLIENT_PIN="98765"), says="CKR_PIN_INCORRECT")

    def can_sign_pkcs1(self):
        self.go("sign-pkcs1", "rsa", self.pub("rsa"))

    def can_sign_pss(self):
        self.go("sign-pss", "rsa", self.pub("rsa"))

    def can_sign_ecdsa(self):
        self.go("sign", "ec", self.pub("ec"))

    def can_decrypt_pkcs1(self):
        self.go("decrypt-pkcs1", "rsa", self.pub("rsa"))

    def can_oaep_sha1(self):
        self.go("decrypt-oaep-sha1", "rsa", self.pub("rsa"))

    def can_oaep_sha256(self):
        self.go("decrypt-oaep-sha256", "rsa", self.pub("rsa"))

    def can_gcm(self):
        self.go("gcm")

    def can_hmac(self):
        self.go("hmac")

    def can_generate_id(self):
        self.go("generate", self.fresh("crypto11"))

    def can_random(self):
        self.go("random")

    def can_threads(self):
        self.go("crowd", "ec", self.pub("ec"))

    def can_tls(self):
        names = self.go("tls", self.vault.ca).split()
        self.assertEqual(sorted(names), sorted(name + ".test" for name in self.certified))


if __name__ == "__main__":
    main()
