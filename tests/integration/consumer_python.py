#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Python's two libraries for PKCS#11, python-pkcs11 and PyKCS11, on keys in a real Vault.

They are not in Debian: this program goes on in an environment that has the versions below
(../services/environments.py).
"""

import hashlib
import os
import unittest

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

import python_operations
from consumers import MESSAGE, ConsumerTestCase
from harness import module_path
import environments
from operations import IV, KEY, NONCE, cbc_pad

REQUIREMENTS = ["python-pkcs11==0.10.1", "PyKCS11==1.5.20", "asn1crypto==1.5.1"]
SHA256 = hashes.SHA256()
PSS = padding.PSS(padding.MGF1(SHA256), 32)
PKCS1 = padding.PKCS1v15()


class LibraryTestCase(ConsumerTestCase):
    """The module reads the configuration's name from this process's environment. Each library is
    imported by its own tests: it is there only in the virtual environment."""

    keys = {"rsa": "rsa-2048", "ec": "ecdsa-p256", "p384": "ecdsa-p384", "aes": "aes256-gcm96"}
    certified = ("rsa",)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        os.environ["HSMBRIDGE_CONFIG"] = cls.config.file

    def assert_rsa(self, signature, kind):
        self.vault.public_key("rsa").verify(signature, MESSAGE, kind, SHA256)

    def assert_ecdsa(self, key, signature, algorithm):
        """A signature as PKCS#11 has it, r||s."""
        half = len(signature) // 2
        pair = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
        self.vault.public_key(key).verify(encode_dss_signature(*pair), MESSAGE,
                                          ec.ECDSA(algorithm))

    def assert_random(self, draw):
        """draw(): 32 bytes of the token's."""
        drawn = {draw() for _ in range(4)}
        self.assertEqual({len(data) for data in drawn}, {32})
        self.assertEqual(len(drawn), 4)


class PythonPkcs11Test(LibraryTestCase):
    def setUp(self):
        super().setUp()
        import pkcs11
        self.pkcs11 = pkcs11
        self.lib = pkcs11.lib(module_path())
        self.addCleanup(self.lib.finalize)
        self.lib.reinitialize()
        self.token = self.lib.get_token(token_label="web")
        self.session = self.enter(self.token.open())

    def private(self, name):
        return self.session.get_key(object_class=self.pkcs11.ObjectClass.PRIVATE_KEY, label=name)

    def aes(self):
        """KEY, of this session."""
        attribute = self.pkcs11.Attribute
        return self.session.create_object({
            attribute.CLASS: self.pkcs11.ObjectClass.SECRET_KEY, attribute.VALUE: KEY,
            attribute.KEY_TYPE: self.pkcs11.KeyType.AES, attribute.TOKEN: False,
            attribute.ENCRYPT: True, attribute.DECRYPT: True})

    def test_objects_when_listed_then_each_key_and_certificate(self):
        kinds, label = self.pkcs11.ObjectClass, self.pkcs11.Attribute.LABEL
        self.assertEqual(
            sorted((found.object_class.name, found[label]) for found in self.session.get_objects()),
            sorted([(kind.name, name) for name in ("rsa", "ec", "p384")
                    for kind in (kinds.PRIVATE_KEY, kinds.PUBLIC_KEY)] +
                   [("SECRET_KEY", "aes"), ("CERTIFICATE", "rsa")]))

    def test_ids_when_read_then_as_certificates_have_them(self):
        for name, ident in self.ids.items():
            with self.subTest(name):
                self.assertEqual(self.private(name).id.hex(), ident)

    def test_sign_when_pkcs1_then_cryptography_verifies(self):
        self.assert_rsa(self.private("rsa").sign(
            MESSAGE, mechanism=self.pkcs11.Mechanism.SHA256_RSA_PKCS), PKCS1)

    def test_sign_when_pss_then_cryptography_verifies(self):
        mechanism = self.pkcs11.Mechanism
        self.assert_rsa(self.private("rsa").sign(
            MESSAGE, mechanism=mechanism.SHA256_RSA_PKCS_PSS,
            mechanism_param=(mechanism.SHA256, self.pkcs11.MGF.SHA256, 32)), PSS)

    def test_sign_when_ecdsa_then_cryptography_verifies(self):
        for name, algorithm in (("ec", hashes.SHA256()), ("p384", hashes.SHA384())):
            with self.subTest(name):
                digest = hashlib.new(algorithm.name, MESSAGE).digest()
                self.assert_ecdsa(name, self.private(name).sign(
                    digest, mechanism=self.pkcs11.Mechanism.ECDSA), algorithm)

    def test_aes_when_created_then_same_as_cryptography(self):
        key = self.aes()
        sealed = key.encrypt(MESSAGE, mechanism_param=IV)  # by default AES-CBC, padded
        self.assertEqual(sealed, cbc_pad(MESSAGE))
        self.assertEqual(key.decrypt(sealed, mechanism_param=IV), MESSAGE)

    def test_aes_when_encrypted_in_pieces_then_same_as_cryptography(self):
        pieces = [MESSAGE[at:at + 7] for at in range(0, len(MESSAGE), 7)]
        self.assertEqual(b"".join(self.aes().encrypt(pieces, mechanism_param=IV)),
                         cbc_pad(MESSAGE))

    def test_aes_when_generated_then_decrypts_what_it_encrypted(self):
        key = self.session.generate_key(self.pkcs11.KeyType.AES, 256)
        sealed = key.encrypt(MESSAGE, mechanism_param=IV)
        self.assertNotEqual(sealed, cbc_pad(MESSAGE))
        self.assertEqual(key.decrypt(sealed, mechanism_param=IV), MESSAGE)

    def test_random_when_asked_then_bytes(self):
        self.assert_random(lambda: self.session.generate_random(256))

    def test_key_when_nobody_has_the_name_then_none(self):
        with self.assertRaises(self.pkcs11.NoSuchKey):
            self.private("nobody")


class PyKcs11Test(LibraryTestCase):
    def setUp(self):
        super().setUp()
        import PyKCS11
        self.py = PyKCS11
        self.lib = PyKCS11.PyKCS11Lib()
        self.lib.load(module_path())
        self.addCleanup(self.lib.unload)
        slot, = self.lib.getSlotList(tokenPresent=True)
        self.session = self.lib.openSession(slot)
        self.addCleanup(self.session.closeSession)

    def private(self, name):
        found, = self.session.findObjects([(self.py.CKA_CLASS, self.py.CKO_PRIVATE_KEY),
                                           (self.py.CKA_LABEL, name)])
        return found

    def sign(self, name, data, mechanism):
        return bytes(self.session.sign(self.private(name), data, mechanism))

    def test_objects_when_listed_then_each_key_and_certificate(self):
        found = [(item.to_dict()["CKA_CLASS"], item.to_dict()["CKA_LABEL"])
                 for item in self.session.findObjects()]
        self.assertEqual(sorted(found), sorted(
            [(kind, name) for name in ("rsa", "ec", "p384")
             for kind in ("CKO_PRIVATE_KEY", "CKO_PUBLIC_KEY")] +
            [("CKO_SECRET_KEY", "aes"), ("CKO_CERTIFICATE", "rsa")]))

    def test_token_when_asked_then_named_after_the_slot(self):
        slot, = self.lib.getSlotList(tokenPresent=True)
        self.assertEqual(self.lib.getTokenInfo(slot).label.strip(), "web")

    def test_sign_when_pkcs1_then_cryptography_verifies(self):
        self.assert_rsa(self.sign("rsa", MESSAGE, self.py.Mechanism(self.py.CKM_SHA256_RSA_PKCS)),
                        PKCS1)

    def test_sign_when_pss_then_cryptography_verifies(self):
        self.assert_rsa(self.sign("rsa", MESSAGE, self.py.RSA_PSS_Mechanism(
            self.py.CKM_SHA256_RSA_PKCS_PSS, self.py.CKM_SHA256, self.py.CKG_MGF1_SHA256, 32)),
            PSS)

    def test_sign_when_ecdsa_then_cryptography_verifies(self):
        for name, kind, algorithm in (("ec", self.py.CKM_ECDSA_SHA256, hashes.SHA256()),
                                      ("p384", self.py.CKM_ECDSA_SHA384, hashes.SHA384())):
            with self.subTest(name):
                self.assert_ecdsa(name, self.sign(name, MESSAGE, self.py.Mechanism(kind)),
                                  algorithm)

    def test_decrypt_when_oaep_then_what_cryptography_encrypted(self):
        sealed = self.vault.public_key("rsa").encrypt(MESSAGE, padding.OAEP(
            padding.MGF1(SHA256), SHA256, None))
        self.assertEqual(bytes(self.session.decrypt(
            self.private("rsa"), sealed, self.py.RSAOAEPMechanism(
                self.py.CKM_SHA256, self.py.CKG_MGF1_SHA256))), MESSAGE)

    def test_aes_when_created_then_gcm_is_the_same_as_cryptographys(self):
        key = self.session.createObject([
            (self.py.CKA_CLASS, self.py.CKO_SECRET_KEY), (self.py.CKA_KEY_TYPE, self.py.CKK_AES),
            (self.py.CKA_TOKEN, self.py.CK_FALSE), (self.py.CKA_VALUE, list(KEY)),
            (self.py.CKA_ENCRYPT, self.py.CK_TRUE), (self.py.CKA_DECRYPT, self.py.CK_TRUE)])
        sealed = bytes(self.session.encrypt(key, MESSAGE, self.gcm(b"aad")))
        self.assertEqual(sealed, AESGCM(KEY).encrypt(NONCE, MESSAGE, b"aad"))
        self.assertEqual(bytes(self.session.decrypt(key, sealed, self.gcm(b"aad"))), MESSAGE)

    def gcm(self, aad):
        return self.py.AES_GCM_Mechanism(NONCE, aad, 128)

    def test_aes_when_generated_then_only_its_own_data_decrypts(self):
        key = self.session.generateKey([
            (self.py.CKA_CLASS, self.py.CKO_SECRET_KEY), (self.py.CKA_KEY_TYPE, self.py.CKK_AES),
            (self.py.CKA_TOKEN, self.py.CK_FALSE), (self.py.CKA_VALUE_LEN, 32),
            (self.py.CKA_ENCRYPT, self.py.CK_TRUE), (self.py.CKA_DECRYPT, self.py.CK_TRUE)])
        sealed = bytes(self.session.encrypt(key, MESSAGE, self.gcm(b"aad")))
        with self.assertRaises(InvalidTag):
            AESGCM(KEY).decrypt(NONCE, sealed, b"aad")
        self.assertEqual(bytes(self.session.decrypt(key, sealed, self.gcm(b"aad"))), MESSAGE)
        with self.assertRaisesRegex(self.py.PyKCS11Error, "CKR_ENCRYPTED_DATA_INVALID"):
            self.session.decrypt(key, sealed, self.gcm(b"bad"))

    def test_random_when_asked_then_bytes(self):
        self.assert_random(lambda: bytes(self.session.generateRandom(32)))


class PythonPkcs11CapabilityTest(python_operations.PythonPkcs11Operations):
    pass


class PyKcs11CapabilityTest(python_operations.PyKcs11Operations):
    pass


if __name__ == "__main__":
    environments.enter("pkcs11", REQUIREMENTS)
    unittest.main(verbosity=2)
