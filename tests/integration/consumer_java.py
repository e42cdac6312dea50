#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Java's own provider, SunPKCS11 of Java 17, on keys in a real Vault: java/Pkcs11Client.java."""

import glob
import os
import shutil

from consumers import ConsumerTestCase, main
from harness import module_path

SOURCE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "java", "Pkcs11Client.java")
JDK = "/usr/lib/jvm/java-17-openjdk-*/bin"  # Debian's, whatever the alternatives say


def jdk(program):
    found = glob.glob(os.path.join(JDK, program)) + [shutil.which(program)]
    return found[0] or program


class JavaTestCase(ConsumerTestCase):
    keys = {"rsa": "rsa-2048", "ec": "ecdsa-p256", "p384": "ecdsa-p384", "bare": "ecdsa-p256"}
    certified = ("rsa", "ec", "p384")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.classes = cls.config.path("classes")

    def setUp(self):
        super().setUp()
        if not os.path.exists(self.classes):
            self.must(jdk("javac"), "-Xlint:all", "-Werror", "-d", self.classes, SOURCE)
        self.java_config = self.write("java.cfg", "name = hsmbridge\nlibrary = %s\n"
                                                  "slotListIndex = 0\n" % module_path())

    def words(self, *words):
        return (jdk("java"), "-cp", self.classes, "Pkcs11Client", self.java_config, *words)

    def client(self, *words, **options):
        return self.must(*self.words(*words), **options).decode().splitlines()

    def assert_signs(self, key, algorithm, digest, *sigopts, **options):
        """Java's other providers verify, and so does OpenSSL."""
        signature = self.path("signature")
        self.client("sign", key, algorithm, self.message, signature, **options)
        self.openssl_verify(key, signature, digest, *sigopts)


class KeyStoreTest(JavaTestCase):
    def test_aliases_when_listed_then_keys_with_certificates_only(self):
        self.assertEqual(sorted(self.client("aliases")),
                         sorted(name + " key" for name in self.certified))

    def test_sign_when_ecdsa_then_sunec_and_openssl_verify(self):
        self.assert_signs("ec", "SHA256withECDSA", "-sha256")
        self.assert_signs("p384", "SHA384withECDSA", "-sha384")

    def test_sign_when_pkcs1_then_sunrsasign_and_openssl_verify(self):
        self.assert_signs("rsa", "SHA256withRSA", "-sha256")

    def test_sign_when_pss_then_sunrsasign_and_openssl_verify(self):
        self.assert_signs("rsa", "RSASSA-PSS", "-sha256", "rsa_padding_mode:pss",
                          "rsa_pss_saltlen:32")

    def test_decrypt_when_pkcs1_then_what_sunjce_encrypted(self):
        self.assertEqual(self.client("decrypt", "rsa", "a secret"), ["a secret"])


class TlsTest(JavaTestCase):
    def handshake(self, server, client):
        return sorted(self.client("tls", server, client, self.vault.authority.path))

    def test_tls_when_server_has_ec_and_client_rsa_then_both_see_the_other(self):
        self.assertEqual(self.handshake("ec", "rsa"),
                         ["client TLSv1.3 CN=ec.test", "server TLSv1.3 CN=rsa.test"])

    def test_tls_when_server_has_rsa_and_client_ec_then_both_see_the_other(self):
        self.assertEqual(self.handshake("rsa", "ec"),
                         ["client TLSv1.3 CN=rsa.test", "server TLSv1.3 CN=ec.test"])


class PinTest(JavaTestCase):
    slot_options = {"pin": "token"}

    def test_sign_when_pin_is_right_then_works(self):
        pin = self.vault.make_token(self.vault.setup_signer())
        self.assert_signs("ec", "SHA256withECDSA", "-sha256", env=self.env(PIN=pin))

    def test_open_when_pin_is_wrong_then_java_says_so(self):
        self.assertIn("CKR_PIN_INCORRECT", self.must_fail(*self.words("aliases"),
                                                          env=self.env(PIN="1234")))


if __name__ == "__main__":
    main()
