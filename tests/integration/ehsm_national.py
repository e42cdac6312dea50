#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""SM2 and SM4 keys of an eHSM-KMS: libcrypto agrees with what the service signs and encrypts."""

import subprocess
import sys
import unittest

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.asymmetric import utils
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from ehsm_case import EhsmTestCase
from ehsm.enclave import ENCRYPT, SIGN
from harness import CK

SM2_SM3 = 0x80000000 | 0x48534230
SM4 = 0x80000000 | 0x48534231
SM2_KEY_GEN = 0x80000000 | 0x48534232
CKK_SM2 = 0x80000000 | 0x48534230
CKK_SM4 = 0x80000000 | 0x48534231
CURVE = bytes.fromhex("06082a811ccf5501822d")
BLOCK = 16


class Sm2Test(EhsmTestCase):
    def open_pair(self):
        self.keyid = self.make("seal", "EH_SM2", SIGN)
        session = self.open()
        return session, session.private_key("seal"), session.public_key("seal")

    def openssl_verifies(self, message, signature):
        pem = self.config.secret("public.pem", self.app.public_key(self.keyid).decode())
        der = self.config.path("signature")
        with open(der, "wb") as out:
            out.write(utils.encode_dss_signature(int.from_bytes(signature[:32], "big"),
                                                 int.from_bytes(signature[32:], "big")))
        return subprocess.run(
            ["openssl", "dgst", "-sm3", "-sigopt", "distid:1234567812345678", "-verify", pem,
             "-signature", der], input=message, capture_output=True, check=False).returncode == 0

    def test_key_when_shown_then_of_our_type_with_curve_and_point(self):
        session, private, public = self.open_pair()
        for key in (private, public):
            self.assertEqual(session.number(key, "CKA_KEY_TYPE"), CKK_SM2)
            self.assertEqual(session.attribute(key, "CKA_EC_PARAMS"), CURVE)
        self.assertEqual(len(session.attribute(public, "CKA_EC_POINT")), 2 + 65)
        self.assertTrue(session.number(private, "CKA_SIGN"))
        self.assertFalse(session.number(private, "CKA_DECRYPT"))

    def test_message_when_signed_then_openssl_verifies_and_so_do_we(self):
        session, private, public = self.open_pair()
        for message in (b"x", bytes(32), b"a longer one " * 400):
            signature = session.sign(private, SM2_SM3, message)
            self.assertEqual(len(signature), 64)
            self.assertTrue(self.openssl_verifies(message, signature))
            self.ehsm.reset()
            session.verify(public, SM2_SM3, message, signature)
            self.assertEqual(self.ehsm.actions(), [])
            self.assert_rv(CK.CKR_SIGNATURE_INVALID, session.verify, public, SM2_SM3,
                           message + b"!", signature)
        self.assert_rv(CK.CKR_SIGNATURE_LEN_RANGE, session.verify, public, SM2_SM3, b"x",
                       signature[:-1])

    def test_message_when_empty_or_too_long_then_refused_here(self):
        session, private, _ = self.open_pair()
        self.ehsm.reset()
        for message in (b"", bytes(6145)):
            self.assert_rv(CK.CKR_DATA_LEN_RANGE, session.sign, private, SM2_SM3, message)
        self.assertEqual(self.ehsm.actions().count("Sign"), 0)

    def test_other_mechanisms_when_asked_of_it_then_refused(self):
        session, private, public = self.open_pair()
        for mechanism in (CK.CKM_ECDSA, CK.CKM_ECDSA_SHA256):
            self.assert_rv(CK.CKR_KEY_TYPE_INCONSISTENT, session.sign, private, mechanism,
                           bytes(32))
        self.assertIn(SM2_SM3, self.p11.mechanisms(self.p11.slot("sgx")))

    def test_key_when_for_encryption_then_it_does_nothing(self):
        """A decryption that failed could not be told from one that did not."""
        self.make("opens", "EH_SM2", ENCRYPT)
        session = self.open()
        private = session.private_key("opens")
        for use in ("CKA_SIGN", "CKA_DECRYPT", "CKA_UNWRAP"):
            self.assertFalse(session.number(private, use), use)
        self.assert_rv(CK.CKR_KEY_FUNCTION_NOT_PERMITTED, session.sign, private, SM2_SM3, b"x")

    def test_pair_when_generated_then_signs(self):
        session = self.open()
        private = self.pair(session, SM2_KEY_GEN, {}, {"CKA_LABEL": "made"})
        signature = session.sign(private, SM2_SM3, b"made")
        session.verify(session.public_key("made"), SM2_SM3, b"made", signature)

    def test_tool_when_it_signs_then_der_which_openssl_verifies(self):
        self.slot()
        self.cli("generate", "--slot", "sgx", "--key", "t", "--type", "sm2")
        message, signature = self.config.secret("m", "hello"), self.config.path("s")
        self.cli("sign", "--slot", "sgx", "--key", "t", "--in", message, "--out", signature)
        self.cli("verify", "--slot", "sgx", "--key", "t", "--in", message, "--signature", signature)
        pem = self.config.secret("p", self.cli("public", "--slot", "sgx", "--key", "t"))
        done = subprocess.run(
            ["openssl", "dgst", "-sm3", "-sigopt", "distid:1234567812345678", "-verify", pem,
             "-signature", signature, message], capture_output=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(self.cli("list", "--slot", "sgx"), r"t +.*sm2")


class Sm4Test(EhsmTestCase):
    def open_key(self, spec):
        keyid = self.make("box", spec, ENCRYPT)
        session = self.open()
        return session, session.secret_key("box"), self.ehsm.secret(keyid)

    @staticmethod
    def local(spec, secret, iv):
        mode = modes.CBC if spec == "EH_SM4_CBC" else modes.CTR
        return Cipher(algorithms.SM4(secret), mode(iv))

    def test_text_when_encrypted_by_ctr_then_libcrypto_opens_it_and_we_too(self):
        self.check_text("EH_SM4_CTR")

    def test_text_when_encrypted_by_cbc_then_libcrypto_opens_it_and_we_too(self):
        self.check_text("EH_SM4_CBC")

    def check_text(self, spec):
        session, key, secret = self.open_key(spec)
        self.assertEqual(session.number(key, "CKA_KEY_TYPE"), CKK_SM4)
        self.assertFalse(session.number(key, "CKA_WRAP"))
        for text in (b"x", bytes(16), b"seventeen bytes .", bytes(6143)):
            sealed = session.encrypt(key, SM4, text)
            decryptor = self.local(spec, secret, sealed[-BLOCK:]).decryptor()
            plain = decryptor.update(sealed[:-BLOCK]) + decryptor.finalize()
            if spec == "EH_SM4_CBC":
                unpadder = padding.PKCS7(8 * BLOCK).unpadder()
                plain = unpadder.update(plain) + unpadder.finalize()
            self.assertEqual(plain, text)
            self.assertEqual(session.decrypt(key, SM4, sealed), text)

    def test_text_when_longer_than_the_service_takes_back_then_refused_here(self):
        session, key, _ = self.open_key("EH_SM4_CBC")
        self.assert_rv(CK.CKR_DATA_LEN_RANGE, session.encrypt, key, SM4, bytes(6144))

    def test_ciphertext_when_too_short_or_badly_padded_then_refused(self):
        session, key, _ = self.open_key("EH_SM4_CBC")
        sealed = session.encrypt(key, SM4, b"text")
        self.assert_rv(CK.CKR_ENCRYPTED_DATA_LEN_RANGE, session.decrypt, key, SM4, sealed[:-1][:31])
        broken = bytes([sealed[0]]) + bytes(15) + sealed[BLOCK:]
        self.assert_rv(CK.CKR_ENCRYPTED_DATA_INVALID, session.decrypt, key, SM4, broken)

    def test_tool_when_it_generates_and_imports_then_both_serve(self):
        self.slot()
        self.cli("generate", "--slot", "sgx", "--key", "g", "--type", "sm4-ctr")
        value = self.config.path("value")
        with open(value, "wb") as out:
            out.write(bytes(range(16)))
        self.cli("import", "--slot", "sgx", "--key", "i", "--type", "sm4-cbc", "--in", value)
        for name in "gi":
            text, sealed = self.config.secret("text", "text"), self.config.path("sealed")
            self.cli("encrypt", "--slot", "sgx", "--key", name, "--in", text, "--out", sealed)
            self.assertEqual(self.cli("decrypt", "--slot", "sgx", "--key", name, "--in", sealed),
                             "text")


if __name__ == "__main__":
    unittest.main(argv=sys.argv)
