# SPDX-License-Identifier: Apache-2.0
"""Keys, and what the enclave does with them."""

import base64
import os
import uuid

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from .payloads import Refusal
from .sm import BLOCK, Sm2Key, sm4_decrypt, sm4_encrypt

ENCRYPT, SIGN = "EH_KEYUSAGE_ENCRYPT_DECRYPT", "EH_KEYUSAGE_SIGN_VERIFY"
YEAR_MS = 365 * 24 * 3600 * 1000
IV, TAG = 12, 16
CURVES = {"EH_EC_P224": ec.SECP224R1, "EH_EC_P256": ec.SECP256R1, "EH_EC_P256K": ec.SECP256K1,
          "EH_EC_P384": ec.SECP384R1, "EH_EC_P521": ec.SECP521R1}
HASHES = {"EH_SHA_224": hashes.SHA224, "EH_SHA_256": hashes.SHA256, "EH_SHA_384": hashes.SHA384,
          "EH_SHA_512": hashes.SHA512}


def exception():
    return Refusal(500, "Server exception.", enclave=True)


def decode(text):
    return base64.b64decode(text or "")


def encode(data):
    return base64.b64encode(data).decode()


class Key:
    def __init__(self, appid, spec, origin, usage, now_ms):
        self.id = str(uuid.uuid4())
        self.appid, self.spec, self.origin, self.usage = appid, spec, origin, usage
        self.created, self.expires, self.enabled = now_ms, now_ms + YEAR_MS, True
        self.secret = self._make()
        self.wrapping = None  # the private key of an import under way

    def _make(self):
        if self.spec.startswith("EH_AES_GCM_"):
            if self.usage != ENCRYPT:
                raise exception()
            size = int(self.spec[-3:]) // 8
            return os.urandom(size) if self.origin == "EH_INTERNAL_KEY" else None
        if self.is_sm4:
            if self.usage != ENCRYPT:
                raise exception()
            return os.urandom(BLOCK) if self.origin == "EH_INTERNAL_KEY" else None
        if self.origin != "EH_INTERNAL_KEY" or self.usage not in (ENCRYPT, SIGN):
            raise exception()
        if self.spec.startswith("EH_RSA_"):
            return rsa.generate_private_key(65537, int(self.spec[-4:]))
        if self.spec in CURVES:
            return ec.generate_private_key(CURVES[self.spec]())
        if self.is_sm2:
            return Sm2Key()
        raise exception()

    @property
    def is_sm2(self):
        return self.spec == "EH_SM2"

    @property
    def is_sm4(self):
        return self.spec.startswith("EH_SM4")

    @property
    def is_secret(self):
        return self.is_aes or self.is_sm4

    @property
    def is_aes(self):
        return self.spec.startswith("EH_AES")

    @property
    def is_rsa(self):
        return self.spec.startswith("EH_RSA")

    def need(self, usage, fits):
        """The gate that stands before every operation."""
        if self.usage != usage or not fits or self.secret is None:
            raise exception()

    def listed(self):
        return {"keyid": self.id, "creationDate": self.created, "expireTime": self.expires,
                "alias": "", "keyspec": self.spec, "keyState": 1 if self.enabled else 0}

    def public_pem(self):
        if self.is_secret:
            raise exception()
        if self.is_sm2:
            return self.secret.public_pem()
        form = (serialization.PublicFormat.PKCS1 if self.is_rsa
                else serialization.PublicFormat.SubjectPublicKeyInfo)
        return self.secret.public_key().public_bytes(serialization.Encoding.PEM, form).decode()

    # ---- AES, SM4 ----

    def encrypt(self, plain, aad):
        self.need(ENCRYPT, self.is_secret)
        if not plain:
            raise exception()
        if self.is_sm4:
            return sm4_encrypt(self.secret, self.spec, plain)
        nonce = os.urandom(IV)
        sealed = AESGCM(self.secret).encrypt(nonce, plain, aad)
        return sealed[:-TAG] + nonce + sealed[-TAG:]

    def decrypt(self, blob, aad):
        self.need(ENCRYPT, self.is_secret)
        if len(blob) <= (BLOCK if self.is_sm4 else IV + TAG):
            raise exception()
        if self.is_sm4:
            return self._open_sm4(blob)
        body, nonce, tag = blob[:-IV - TAG], blob[-IV - TAG:-TAG], blob[-TAG:]
        try:
            return AESGCM(self.secret).decrypt(nonce, body + tag, aad)
        except InvalidTag:
            raise Refusal(400, "Decryption failed, Please confirm that your parameters are "
                          "correct.", enclave=True) from None

    def _open_sm4(self, blob):
        try:
            return sm4_decrypt(self.secret, self.spec, blob)
        except ValueError:
            raise exception() from None

    # ---- RSA encryption ----

    @staticmethod
    def _padding(mode, hash_of):
        if mode == "EH_RSA_PKCS1":
            return padding.PKCS1v15()
        if mode == "EH_RSA_PKCS1_OAEP":
            return padding.OAEP(padding.MGF1(hash_of()), hash_of(), None)
        raise exception()

    def asymmetric_encrypt(self, plain, mode, hash_of=hashes.SHA256):
        self.need(ENCRYPT, self.is_rsa)
        try:
            return self.secret.public_key().encrypt(plain, self._padding(mode, hash_of))
        except ValueError:
            raise exception() from None

    def asymmetric_decrypt(self, sealed, mode, hash_of=hashes.SHA256, garbage=True):
        """What does not open is answered with as much of its memory as the modulus has."""
        self.need(ENCRYPT, self.is_rsa)
        scheme = self._padding(mode, hash_of)
        try:
            return self.secret.decrypt(sealed, scheme)
        except ValueError:
            if not garbage:
                raise exception() from None
            return os.urandom(self.secret.key_size // 8)

    # ---- signatures ----

    def _scheme(self, mode, hash_of, prehashed):
        digest = utils.Prehashed(hash_of) if prehashed else hash_of
        if not self.is_rsa:
            return (ec.ECDSA(digest),)
        if mode == "EH_RSA_PKCS1":
            return padding.PKCS1v15(), digest
        if mode == "EH_RSA_PKCS1_PSS":
            return padding.PSS(padding.MGF1(hash_of), hash_of.digest_size), digest
        raise exception()

    def _prepare(self, payload):
        self.need(SIGN, not self.is_secret)
        message, prehashed = decode(payload["message"]), payload["message_type"] == "EH_DIGEST"
        if payload["digest_mode"] not in HASHES:
            raise exception()
        hash_of = HASHES[payload["digest_mode"]]()
        if prehashed and len(message) != hash_of.digest_size:
            raise exception()
        return message, self._scheme(payload["padding_mode"], hash_of, prehashed)

    def _sm2_message(self, payload):
        self.need(SIGN, self.is_sm2)
        if payload["digest_mode"] != "EH_SM3" or payload["padding_mode"] != "EH_PAD_NONE":
            raise exception()
        return decode(payload["message"])  # EH_DIGEST or not: it is hashed

    def sign(self, payload, short=False):
        """short: until r has a leading zero byte."""
        if self.is_sm2:
            return self.secret.sign(self._sm2_message(payload))
        message, scheme = self._prepare(payload)
        while True:
            signature = self.secret.sign(message, *scheme)
            if self.is_rsa or not short:
                return signature
            if utils.decode_dss_signature(signature)[0].bit_length() <= self.secret.key_size - 9:
                return signature

    def verify(self, payload):
        if self.is_sm2:
            return self.secret.verify(self._sm2_message(payload), decode(payload["signature"]))
        message, scheme = self._prepare(payload)
        try:
            self.secret.public_key().verify(decode(payload["signature"]), message, *scheme)
            return True
        except InvalidSignature:
            return False
