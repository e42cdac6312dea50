#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What BigDL's own clients leave behind, read by a BigDL user through the module: data keys made with
eHSM, with Azure and with BigDL's own KMS, and the files that were encrypted with them. For each the
same requests are sent that the client sends, and a file is made as BigDLEncrypt makes it."""

import base64
import ctypes
import hashlib
import hmac
import os
import unittest

from cryptography.hazmat.primitives import hashes, padding as block_padding
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from harness import CK, AzureDouble, HarnessTestCase, TempConfig, oaep
from azure_server import WEB
from bigdl_case import NAME
from bigdl_server import BigdlDouble
from ehsm.enclave import ENCRYPT
from ehsm_server import EhsmDouble
from p11_types import Ulong, mechanism_of, template

AEAD = 0x80000000 | 0x48534201
AAD = bytes.fromhex("b5eb2d")  # what eHSM makes of BigDL's aad "test": it is read as base64
TEXT = b"a line of a table\n" * 20
OPEN = {"CKA_CLASS": CK.CKO_SECRET_KEY, "CKA_KEY_TYPE": CK.CKK_GENERIC_SECRET,
        "CKA_EXTRACTABLE": True, "CKA_SENSITIVE": False}


def file_keys(data_key):
    """(HMAC key, AES key): BigDLEncrypt takes the letters of the base64, not what they stand for;
    24 letters are filled up with zeroes."""
    letters = base64.b64encode(data_key).ljust(32, b"\0")
    return letters[:16], letters[16:32]


def encrypt_file(data_key, text):
    """IV, ciphertext, HMAC-SHA-256 of both."""
    mac_key, key = file_keys(data_key)
    iv, padder = os.urandom(16), block_padding.PKCS7(128).padder()
    cipher = Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor()
    body = iv + cipher.update(padder.update(text) + padder.finalize()) + cipher.finalize()
    return body + hmac.new(mac_key, body, hashlib.sha256).digest()


class ClientsTest(HarnessTestCase):
    def setUp(self):
        self.config = self.enter(TempConfig())

    def open(self, name, **section):
        self.config.slot(name, None, **section)
        p11 = self.open_module(self.config)
        return self.enter(p11.session(p11.slot(name), read_write=True))

    def secret(self, name, text):
        return self.config.secret(name, text + "\n")

    @staticmethod
    def make(session, name, *args):
        handle = Ulong()
        session.must(name, *args, ctypes.byref(handle))
        return handle.value

    def unwrap(self, session, mechanism, key, wrapped, **more):
        wanted = dict(OPEN, **more)
        return self.make(session, "C_UnwrapKey", ctypes.byref(mechanism_of(mechanism)), key,
                         wrapped, len(wrapped), template(wanted), len(wanted))

    def create(self, session, kind, value):
        wanted = dict(OPEN, CKA_KEY_TYPE=kind, CKA_VALUE=value)
        return self.make(session, "C_CreateObject", template(wanted), len(wanted))

    def read_file(self, session, data_key, sealed):
        """With the module's keys alone, from the data key's CKA_VALUE."""
        mac_value, value = file_keys(session.attribute(data_key, "CKA_VALUE"))
        mac_key = self.create(session, CK.CKK_GENERIC_SECRET, mac_value)
        session.verify(mac_key, CK.CKM_SHA256_HMAC, sealed[:-32], sealed[-32:])
        iv = ctypes.create_string_buffer(sealed[:16], 16)
        return session.decrypt(self.create(session, CK.CKK_AES, value),
                               (CK.CKM_AES_CBC_PAD, iv), sealed[16:-32])

    def assert_reads(self, session, data_key, plain):
        self.assertEqual(session.attribute(data_key, "CKA_VALUE"), plain)
        self.assertEqual(self.read_file(session, data_key, encrypt_file(plain, TEXT)), TEXT)
        self.assertNotIn(base64.b64encode(plain).decode(), self.config.log())
        self.assertNotIn(plain.hex(), self.config.log())

    def test_ehsm_data_key_when_of_bigdls_client_then_read(self):
        ehsm = self.enter(EhsmDouble())
        app = ehsm.app()
        # EHSMKeyManagementService: retrievePrimaryKey, retrieveDataKey, retrieveDataKeyPlainText.
        # It names no key usage, without which servers since 0.4.0 make no key.
        primary = app.result("CreateKey", keyspec="EH_AES_GCM_128", origin="EH_INTERNAL_KEY",
                             keyusage=ENCRYPT)["keyid"]
        line = app.result("GenerateDataKeyWithoutPlaintext", keyid=primary, keylen=32,
                          aad="test")["ciphertext"] + "\n"
        plain = base64.b64decode(app.result("Decrypt", keyid=primary, ciphertext=line.strip(),
                                            aad="test")["plaintext"])
        names = self.secret("names", "%s bigdl-primary" % primary)
        session = self.open("sgx", backend="ehsm", url=ehsm.url, ca_file=ehsm.ca,
                            appid=app.appid, apikey_file=self.secret("apikey", app.apikey),
                            names_file=names)
        key = session.find_one(CKA_CLASS=CK.CKO_SECRET_KEY, CKA_LABEL="bigdl-primary")
        aad = (AEAD, ctypes.create_string_buffer(AAD, len(AAD)))
        self.assert_reads(session, self.unwrap(session, aad, key, base64.b64decode(line)), plain)
        for wrong in (AEAD, (AEAD, ctypes.create_string_buffer(b"test", 4))):
            self.assert_rv(CK.CKR_WRAPPED_KEY_INVALID, self.unwrap, session, wrong, key,
                           base64.b64decode(line))

    def test_azure_data_key_when_of_bigdls_client_then_read(self):
        azure = self.enter(AzureDouble())
        # AzureKeyManagementService: an RSA key, 32 bytes of its own, RSA-OAEP with SHA-1
        azure.make_key("key-4711", "RSA", key_size=2048)
        plain = os.urandom(32)
        line = base64.b64encode(azure.public_key("key-4711").encrypt(
            plain, padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None))) + b"\n"
        session = self.open("kv", backend="azure", url="https://" + WEB, ca_file=azure.ca,
                            connect_to="::" + azure.connect_to, auth="client_secret",
                            tenant_id=azure.tenant, client_id=azure.client_id,
                            client_secret_file=self.secret("secret", azure.client_secret))
        key = session.private_key("key-4711")
        self.assert_reads(session, self.unwrap(session, oaep("SHA1"), key,
                                               base64.b64decode(line)), plain)

    def test_bigdl_data_key_when_of_bigdls_client_then_read(self):
        kms = self.enter(BigdlDouble())
        user = kms.enroll("alice", "a token")
        # BigDLKeyManagementService: names are all that it keeps
        user.primary("primary")
        user.data("6c2a4c54", "primary")
        plain = user.get("6c2a4c54", "primary")
        session = self.open("ppml", backend="bigdl", url=kms.url, ca_file=kms.ca, user="alice",
                            user_token_file=self.secret("token", "a token"),
                            primary_keys="primary", data_keys="6c2a4c54")
        key = session.find_one(CKA_CLASS=CK.CKO_SECRET_KEY, CKA_LABEL="primary")
        self.assert_reads(session, self.unwrap(session, NAME, key, b"6c2a4c54",
                                               CKA_KEY_TYPE=CK.CKK_AES), plain)
        self.assert_reads(session, session.find_one(CKA_LABEL="6c2a4c54"), plain)


if __name__ == "__main__":
    unittest.main(verbosity=2)
