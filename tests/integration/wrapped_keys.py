#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Session keys and messages under keys of a real Vault, and keys made, brought and destroyed there
by PKCS#11 calls: what Vault itself says of the result counts."""

import base64
import ctypes
import unittest

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from harness import CK, HarnessTestCase, RealVault, TempConfig, oaep
from p11_types import Struct, Ulong, mechanism_of, template

AEAD = 0x80000000 | 0x48534201
DATA_KEY = 0x80000000 | 0x48534202
SECRET = {"CKA_CLASS": CK.CKO_SECRET_KEY, "CKA_KEY_TYPE": CK.CKK_AES, "CKA_EXTRACTABLE": True,
          "CKA_SENSITIVE": False}
VALUE = b"0123456789abcdef0123456789abcdef"
P256 = bytes.fromhex("06082a8648ce3d030107")
ED25519 = bytes.fromhex("06032b6570")


class MessageParams(Struct):
    _fields_ = [("pIv", ctypes.c_void_p), ("ulIvLen", Ulong), ("ulIvFixedBits", Ulong),
                ("ivGenerator", Ulong), ("pTag", ctypes.c_void_p), ("ulTagBits", Ulong)]


class DataKeyParams(Struct):
    _fields_ = [("hKey", Ulong), ("pSealed", ctypes.c_void_p), ("ulSealedLen", Ulong)]


def number(value):
    return value.to_bytes((value.bit_length() + 7) // 8, "big")


class VaultKeysTest(HarnessTestCase):
    @classmethod
    def setUpClass(cls):
        cls.vault = RealVault()
        cls.addClassCleanup(cls.vault.__exit__)
        cls.vault.setup_transit()
        cls.vault.make_key("box", "aes256-gcm96")
        cls.vault.make_key("stream", "chacha20-poly1305")
        cls.vault.make_key("pair", "rsa-2048")

    def setUp(self):
        config = self.enter(TempConfig())
        config.slot("web", self.vault, allow="generate import destroy")
        self.p11 = self.open_module(config)
        self.p11.use_interface_3_0()
        self.session = self.enter(self.p11.session(self.p11.slot("web"), read_write=True))

    def make(self, name, *args):
        handle = Ulong()
        self.session.must(name, *args, ctypes.byref(handle))
        return handle.value

    def create(self, attributes):
        return self.make("C_CreateObject", template(attributes), len(attributes))

    def wrap(self, mechanism, wrapping, key):
        return self.session._output("C_WrapKey", ctypes.byref(mechanism_of(mechanism)), wrapping,
                                    key)

    def unwrap(self, mechanism, unwrapping, wrapped, attributes):
        return self.make("C_UnwrapKey", ctypes.byref(mechanism_of(mechanism)), unwrapping, wrapped,
                         len(wrapped), template(attributes), len(attributes))

    def decrypt_there(self, name, ciphertext):
        answer = self.vault.write("transit/decrypt/" + name, {"ciphertext": ciphertext.decode()})
        return base64.b64decode(answer["plaintext"])

    # ---- session keys on their way ----

    def test_wrap_when_under_vaults_aead_then_vault_opens_it_and_so_do_we(self):
        key = self.create(dict(SECRET, CKA_VALUE=VALUE))
        for name in ("box", "stream"):
            with self.subTest(name=name):
                box = self.session.secret_key(name)
                wrapped = self.wrap(AEAD, box, key)
                self.assertTrue(wrapped.startswith(b"vault:v1:"))
                self.assertEqual(self.decrypt_there(name, wrapped), VALUE)
                back = self.unwrap(AEAD, box, wrapped, SECRET)
                self.assertEqual(self.session.attribute(back, "CKA_VALUE"), VALUE)
                other = b"AAAA" if wrapped[-6:-2] != b"AAAA" else b"BBBB"
                bad = wrapped[:-6] + other + wrapped[-2:]
                self.assert_rv(CK.CKR_WRAPPED_KEY_INVALID, self.unwrap, AEAD, box, bad, SECRET)

    def test_wrap_when_under_rsa_then_vault_opens_it_and_so_do_we(self):
        key = self.create(dict(SECRET, CKA_VALUE=VALUE))
        public, private = self.session.public_key("pair"), self.session.private_key("pair")
        for mechanism in (oaep(), CK.CKM_RSA_PKCS):
            back = self.unwrap(mechanism, private, self.wrap(mechanism, public, key), SECRET)
            self.assertEqual(self.session.attribute(back, "CKA_VALUE"), VALUE)
        sealed = self.wrap(oaep(), public, key)
        text = b"vault:v1:" + base64.b64encode(sealed)
        self.assertEqual(self.decrypt_there("pair", text), VALUE)

    def test_data_key_when_made_then_both_parts_are_the_same_key(self):
        sealed = ctypes.create_string_buffer(256)
        params = DataKeyParams(self.session.secret_key("box"), ctypes.addressof(sealed), 256)
        wanted = {"CKA_KEY_TYPE": CK.CKK_AES, "CKA_VALUE_LEN": 32, "CKA_EXTRACTABLE": True,
                  "CKA_SENSITIVE": False}
        key = self.make("C_GenerateKey", ctypes.byref(mechanism_of((DATA_KEY, params))),
                        template(wanted), len(wanted))
        self.assertEqual(self.decrypt_there("box", sealed.raw[:params.ulSealedLen]),
                         self.session.attribute(key, "CKA_VALUE"))

    # ---- messages ----

    def test_message_when_encrypted_then_vault_opens_it(self):
        iv, tag = ctypes.create_string_buffer(12), ctypes.create_string_buffer(16)
        params = MessageParams(ctypes.addressof(iv), 12, 0, 1, ctypes.addressof(tag), 128)
        size = ctypes.sizeof(params)
        box = self.session.secret_key("box")
        out, length = ctypes.create_string_buffer(99), Ulong(99)
        gcm = ctypes.byref(mechanism_of(CK.CKM_AES_GCM))
        self.session.must("C_MessageEncryptInit", gcm, box)
        self.session.must("C_EncryptMessage", ctypes.byref(params), size, None, 0, b"hello", 5, out,
                          ctypes.byref(length))
        sealed = base64.b64encode(iv.raw + out.raw[:length.value] + tag.raw)
        self.assertEqual(self.decrypt_there("box", b"vault:v1:" + sealed), b"hello")
        back, room = ctypes.create_string_buffer(99), Ulong(99)
        self.session.must("C_MessageDecryptInit", gcm, box)
        self.session.must("C_DecryptMessage", ctypes.byref(params), size, None, 0, out,
                          length.value, back, ctypes.byref(room))
        self.assertEqual(back.raw[:room.value], b"hello")

    # ---- keys of the service ----

    def type_there(self, name):
        return self.vault.read("transit/keys/" + name)["type"]

    def test_key_when_generated_and_destroyed_then_vault_follows(self):
        wanted = {"CKA_TOKEN": True, "CKA_LABEL": "made-aes", "CKA_VALUE_LEN": 32}
        aes = self.make("C_GenerateKey", ctypes.byref(mechanism_of(CK.CKM_AES_KEY_GEN)),
                        template(wanted), len(wanted))
        self.assertEqual(self.type_there("made-aes"), "aes256-gcm96")
        public = {"CKA_TOKEN": True, "CKA_EC_PARAMS": P256}
        private = {"CKA_TOKEN": True, "CKA_LABEL": "made-ec", "CKA_SIGN": True}
        handles = Ulong(), Ulong()
        self.session.must("C_GenerateKeyPair", ctypes.byref(mechanism_of(CK.CKM_EC_KEY_PAIR_GEN)),
                          template(public), len(public), template(private), len(private),
                          *[ctypes.byref(handle) for handle in handles])
        self.assertEqual(self.type_there("made-ec"), "ecdsa-p256")
        signature = self.session.sign(handles[1].value, CK.CKM_ECDSA, bytes(32))
        self.session.verify(handles[0].value, CK.CKM_ECDSA, bytes(32), signature)
        for handle in (aes, handles[1].value):
            self.session.destroy(handle)
        self.assertEqual(self.session.find(CKA_LABEL="made-aes"), [])

    def test_pair_when_brought_in_parts_then_signs_there(self):
        own = rsa.generate_private_key(65537, 2048).private_numbers()
        both = own.public_numbers
        curve = ec.generate_private_key(ec.SECP256R1()).private_numbers().private_value
        seed = ed25519.Ed25519PrivateKey.generate().private_bytes_raw() if hasattr(
            ed25519.Ed25519PrivateKey, "private_bytes_raw") else bytes(range(32))
        keys = {
            "own-rsa": (CK.CKK_RSA, CK.CKM_SHA256_RSA_PKCS, {
                "CKA_MODULUS": number(both.n), "CKA_PUBLIC_EXPONENT": number(both.e),
                "CKA_PRIVATE_EXPONENT": number(own.d), "CKA_PRIME_1": number(own.p),
                "CKA_PRIME_2": number(own.q), "CKA_EXPONENT_1": number(own.dmp1),
                "CKA_EXPONENT_2": number(own.dmq1), "CKA_COEFFICIENT": number(own.iqmp)}),
            "own-ec": (CK.CKK_EC, CK.CKM_ECDSA_SHA256, {"CKA_EC_PARAMS": P256,
                                                        "CKA_VALUE": curve.to_bytes(32, "big")}),
            "own-ed": (CK.CKK_EC_EDWARDS, CK.CKM_EDDSA, {"CKA_EC_PARAMS": ED25519,
                                                         "CKA_VALUE": seed})}
        for name, (kind, mechanism, parts) in keys.items():
            with self.subTest(name=name):
                key = self.create(dict({"CKA_CLASS": CK.CKO_PRIVATE_KEY, "CKA_KEY_TYPE": kind,
                                        "CKA_TOKEN": True, "CKA_LABEL": name}, **parts))
                self.assertEqual(key, self.session.private_key(name))
                signature = self.session.sign(key, mechanism, b"message")
                self.session.verify(self.session.public_key(name), mechanism, b"message", signature)
                self.session.destroy(key)

    def test_secret_when_brought_then_vault_uses_it(self):
        key = self.create({"CKA_CLASS": CK.CKO_SECRET_KEY, "CKA_KEY_TYPE": CK.CKK_AES,
                           "CKA_VALUE": VALUE, "CKA_TOKEN": True, "CKA_LABEL": "own-aes"})
        sealed = self.session.encrypt(key, AEAD, b"hello")
        self.assertEqual(self.decrypt_there("own-aes", sealed), b"hello")
        self.session.destroy(key)


if __name__ == "__main__":
    unittest.main()
