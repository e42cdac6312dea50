#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Java's own provider, SunPKCS11 of Java 17, on keys in a real Vault: java/Pkcs11Client.java."""

import glob
import os
import shutil

import capabilities
from clients import build
from consumers import MESSAGE, ConsumerTestCase, main
from harness import module_path
from operations import SESSION_KEYS

JDK = "/usr/lib/jvm/java-17-openjdk-*/bin"  # Debian's, whatever the alternatives say

# To Java a key of the session stays in the token unless it is told otherwise.
EXTRACTABLE = "attributes(*, CKO_SECRET_KEY, CKK_AES) = { CKA_EXTRACTABLE = true }\n"


def jdk(program):
    found = glob.glob(os.path.join(JDK, program)) + [shutil.which(program)]
    return found[0] or program


class JavaProgram:
    """The client compiled, and a configuration for a module."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.classes = build("java", lambda made: [jdk("javac"), "-Xlint:all", "-Werror", "-d", made,
                                                  "Pkcs11Client.java", "Pkcs11Calls.java"])

    def configure_java(self, module, more=""):
        self.java_config = self.write("java.cfg", "name = hsmbridge\nlibrary = %s\n"
                                                  "slotListIndex = 0\n%s" % (module, more))

    def words(self, *words):
        return (jdk("java"), "-XX:TieredStopAtLevel=1", "-cp", self.classes, "Pkcs11Client",
                self.java_config, *words)

    def java(self, *words, **options):
        return self.must(*self.words(*words), **options).decode().splitlines()

    def assert_signs(self, key, algorithm, digest, *sigopts, **options):
        """Java's other providers verify, and so does OpenSSL."""
        signature = self.path("signature")
        self.java("sign", key, algorithm, self.message, signature, **options)
        self.openssl_verify(key, signature, digest, *sigopts)


class JavaTestCase(JavaProgram, ConsumerTestCase):
    keys = {"rsa": "rsa-2048", "ec": "ecdsa-p256", "p384": "ecdsa-p384", "bare": "ecdsa-p256"}
    certified = ("rsa", "ec", "p384")

    def setUp(self):
        super().setUp()
        self.configure_java(module_path())


class KeyStoreTest(JavaTestCase):
    def test_aliases_when_listed_then_keys_with_certificates_only(self):
        self.assertEqual(sorted(self.java("aliases")),
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
        self.assertEqual(self.java("decrypt", "rsa", "a secret"), ["a secret"])


class TlsTest(JavaTestCase):
    def handshake(self, server, client):
        return sorted(self.java("tls", server, client, self.vault.authority.path))

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


class CapabilityTest(JavaProgram, capabilities.CapabilityTestCase):
    client = "SunPKCS11 (Java 17)"

    def prepare(self):
        self.configure_java(self.target.module, EXTRACTABLE)

    def env(self, **more):
        pins = {"PIN": self.target.pin} if self.target else {}
        return super().env(**dict(pins, **more))

    def call(self, *words, data=MESSAGE):
        return self.must(*self.words("call", *words), input=data)

    def can_list(self):
        aliases = self.java("aliases")
        for name in self.certified:
            self.assertIn(name + " key", aliases)

    can_login = can_list

    def can_find_label(self):
        """An alias is the label of a certificate."""
        self.assertEqual(self.call("certificate", "ec"), self.openssl(
            "x509", "-in", self.cert("ec"), "-outform", "DER"))

    can_certificate = can_find_label

    def can_wrong_pin(self):
        self.refuses(*self.words("aliases"), env=self.env(PIN="98765"), says="CKR_PIN_INCORRECT")

    def can_sign_pkcs1(self):
        self.assert_signs("rsa", "SHA256withRSA", "-sha256")

    def can_sign_pss(self):
        self.assert_signs("rsa", "RSASSA-PSS", "-sha256", "rsa_padding_mode:pss",
                          "rsa_pss_saltlen:32")

    def can_sign_ecdsa(self):
        self.assert_signs("ec", "SHA256withECDSA", "-sha256")

    def can_decrypt_pkcs1(self):
        self.assertEqual(self.java("decrypt", "rsa", "a secret"), ["a secret"])

    def can_verify(self):
        self.assertEqual(self.call("verify"), b"true false")

    def can_encrypt_rsa(self):
        self.assertEqual(self.call("encrypt_rsa"), MESSAGE)

    def assert_session_key(self, capability):
        self.assertEqual(self.call(capability), SESSION_KEYS[capability])

    def can_gcm(self):
        self.assert_session_key("gcm")

    def can_cbc(self):
        self.assert_session_key("cbc")

    def can_hmac(self):
        self.assert_session_key("hmac")

    def can_wrap_rsa(self):
        self.assert_session_key("wrap_rsa")

    def can_generate(self):
        both = self.call("generate")
        size = 2 + both[1]  # a short SEQUENCE, with tag and length
        self.write("public.der", both[:size])
        self.write("signature", both[size:])
        self.openssl("dgst", "-sha256", "-keyform", "DER", "-verify", self.path("public.der"),
                     "-signature", self.path("signature"), self.message)

    def import_key(self, label):
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                     "-nodes", "-subj", "/CN=own", "-keyout", self.path("own.pem"), "-out",
                     self.path("own.crt"))
        key = self.openssl("pkcs8", "-topk8", "-nocrypt", "-in", self.path("own.pem"), "-outform",
                           "DER")
        self.call("import", label, self.path("own.crt"), data=key)
        self.assertIn(label + " key", self.java("aliases"))

    def can_import(self):
        self.import_key(self.fresh("own"))

    def can_destroy(self):
        label = self.fresh("gone")
        self.import_key(label)
        self.call("destroy", label)
        self.assertNotIn(label + " key", self.java("aliases"))

    def can_random(self):
        self.assertEqual(len(self.call("random", "32")), 32)

    def assert_handshake(self, server, client):
        self.assertEqual(sorted(self.java("tls", server, client, self.vault.authority.path)),
                         ["client TLSv1.3 CN=%s.test" % server,
                          "server TLSv1.3 CN=%s.test" % client])

    def can_tls(self):
        self.assert_handshake("ec", "rsa")

    def can_tls_client(self):
        self.assert_handshake("rsa", "ec")



if __name__ == "__main__":
    main()
