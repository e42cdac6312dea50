#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""client_key_file = pkcs11:...: the TLS client key of one slot is a key of another slot, here of a
real Vault. The server that asks for it is the KES double, which knows clients by their keys."""

import subprocess
import threading
import unittest

from cryptography import x509

from harness import CK, HarnessTestCase, RealVault, TempConfig
from kes.rights import identity_of
from kes_server import KesDouble
from openssl_conf import OpensslConf

THREADS = 8
EACH = 10
AEAD = 0x80000000 | 0x48534201


class ClientKeyTest(HarnessTestCase):
    @classmethod
    def setUpClass(cls):
        cls.vault = RealVault()
        cls.addClassCleanup(cls.vault.__exit__)
        cls.vault.setup_transit("ec")
        cls.vault.make_key("rsa", "rsa-2048")
        cls.vault.make_key("other", "rsa-2048")
        cls.kes = KesDouble()
        cls.addClassCleanup(cls.kes.__exit__)
        cls.kes.admin.create("app")

    def setUp(self):
        self.config = self.enter(TempConfig())
        self.config.slot("ids", self.vault)

    def certificate(self, key):
        """A self-signed one of a key in the slot, made by openssl with our provider."""
        path = self.config.path(key + ".crt")
        made = OpensslConf(self.config).openssl(
            "req", "-x509", "-new", "-key", "pkcs11:token=ids;object=" + key, "-subj", "/CN=app",
            "-addext", "basicConstraints=critical,CA:FALSE", "-days", "3", "-out", path)
        self.assertEqual(made.returncode, 0, made.stderr)
        with open(path, "rb") as pem:
            return path, identity_of(x509.load_pem_x509_certificate(pem.read()))

    def kes_slot(self, cert, key, name="kes"):
        self.config.slot(name, backend="kes", url=self.kes.url, ca_file=self.kes.ca,
                         client_cert_file=cert, client_key_file=key)

    def allowed(self, key):
        cert, identity = self.certificate(key)
        self.kes.allow("app-" + key, identity, "/v1/key/*", "/v1/ready")
        return cert

    def encrypt(self, slot="kes"):
        source = self.config.secret("plain", "plain")
        return self.run_cli(self.config, "encrypt", "--slot", slot, "--key", "app", "--in", source,
                            "--out", self.config.path("sealed"))

    def test_handshake_when_key_is_another_slots_then_kes_knows_us(self):
        for key in ("ec", "rsa"):
            with self.subTest(key=key):
                self.kes_slot(self.allowed(key), "pkcs11:token=ids;object=" + key)
                done = self.encrypt()
                self.assertEqual(done.returncode, 0, done.stderr)
                with open(self.config.path("sealed"), "rb") as sealed:
                    self.assertEqual(self.kes.admin.decrypt("app", sealed.read()), b"plain")

    def test_handshake_when_other_scheme_and_no_object_then_the_certificate_says_which(self):
        self.kes_slot(self.allowed("ec"), "hsmbridge:slot=ids")
        self.assertEqual(self.encrypt().returncode, 0)

    def test_module_when_many_threads_then_each_signs_through_the_other_slot(self):
        self.kes_slot(self.allowed("ec"), "pkcs11:token=ids;object=ec")
        p11 = self.open_module(self.config)
        failures = []

        def work():
            try:
                with p11.session(p11.slot("kes")) as session:
                    key = session.find_one(CKA_LABEL="app", CKA_KEY_TYPE=CK.CKK_AES)
                    for _ in range(EACH):
                        sealed = session.encrypt(key, AEAD, b"x" * 16)
                        if session.decrypt(key, AEAD, sealed) != b"x" * 16:
                            failures.append("another plaintext")
            except Exception as fault:  # a thread's exception is lost otherwise
                failures.append(repr(fault))

        threads = [threading.Thread(target=work) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])

    def test_handshake_when_certificate_is_of_another_key_then_it_is_said(self):
        self.kes_slot(self.allowed("rsa"), "pkcs11:token=ids;object=other")
        done = self.encrypt()
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("slot 'ids' has no key 'other' with the public key that is in "
                      "client_cert_file", self.config.log())

    def test_key_when_rotated_then_the_certificates_version_goes_on(self):
        self.vault.make_key("turned", "ecdsa-p256")
        cert = self.allowed("turned")
        self.vault.write("transit/keys/turned/rotate", {})
        self.kes_slot(cert, "pkcs11:token=ids;object=turned")
        done = self.encrypt()
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_configuration_when_it_goes_round_in_circles_then_the_slot_is_refused(self):
        cert = self.allowed("ec")
        self.kes_slot(cert, "pkcs11:token=second;object=app", name="first")
        self.kes_slot(cert, "pkcs11:token=first;object=app", name="second")
        done = self.run_cli(self.config, "check")
        self.assertIn("slots must not go round in circles", done.stdout)

    def test_configuration_when_slot_or_uri_is_wrong_then_one_line_says_what_is_right(self):
        cert = self.allowed("ec")
        for uri, text in (("pkcs11:token=nowhere;object=ec", "there is no slot 'nowhere'"),
                          ("pkcs11:object=ec", "the URI names no slot; add token=SLOT"),
                          ("pkcs11:token=ids;token=ids", "client_key_file")):
            with self.subTest(uri=uri):
                self.kes_slot(cert, uri)
                done = self.run_cli(self.config, "check", "--slot", "kes")
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(text, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
