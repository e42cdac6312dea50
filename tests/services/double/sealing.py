# SPDX-License-Identifier: Apache-2.0
"""Encryption and decryption as transit does them, over key material of keys.py."""

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

from .errors import InternalError, UserError
from .go import decode64, encode64

NONCE_SIZE = 12
TAG_SIZE = 16


def check_key(key, verb):
    if not key.type.encrypts:
        raise UserError("message %s not supported for key type %s" % (verb, key.type.name))


def rsa_padding(item, index, field="padding_scheme"):
    scheme = item.get(field) or "oaep"
    if scheme == "pkcs1v15":
        return padding.PKCS1v15()
    if scheme != "oaep":
        raise UserError("'[%d].%s' invalid: unknown padding scheme: %s" % (index, field, scheme))
    return padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)


def associated_data(key, item, index):
    text = item.get("associated_data") or ""
    if text and not key.symmetric:
        raise UserError("'[%d].associated_data' provided for non-AEAD cipher suite %s"
                        % (index, key.type.name))
    return decode64(text) or None


def _cipher(key, version, item):
    """(AEAD, nonce maker) for a version and the item's context."""
    size = 16 if key.type.name == "aes128-gcm96" else 32
    context = decode64(item.get("context") or "")
    secret = key.symmetric_secret(version, context, size + 32 if key.convergent else size)
    aead = ChaCha20Poly1305 if key.type.name == "chacha20-poly1305" else AESGCM
    if not key.convergent:
        return aead(secret), lambda plain: os.urandom(NONCE_SIZE)
    nonce_key = secret[size:]
    return aead(secret[:size]), lambda plain: hmac.new(nonce_key, plain,
                                                       hashlib.sha256).digest()[:NONCE_SIZE]


def encrypt(key, item, index):
    """The answer to a request, or to one item of its batch."""
    plain = decode64(item.get("plaintext") or "")
    if item.get("nonce"):
        raise UserError("provided nonce not allowed for this key")
    scheme = rsa_padding(item, index)
    extra = associated_data(key, item, index)
    check_key(key, "encryption")
    version = key.writing_version(int(item.get("key_version") or 0), "encryption")
    if key.rsa:
        sealed = _rsa_encrypt(key.version(version).public, plain, scheme)
    else:
        aead, nonce_for = _cipher(key, version, item)
        nonce = nonce_for(plain)
        sealed = nonce + aead.encrypt(nonce, plain, extra)
    return {"ciphertext": "vault:v%d:%s" % (version, encode64(sealed)), "key_version": version}


def _rsa_encrypt(public, plain, scheme):
    size = (public.key_size + 7) // 8
    overhead = 11 if isinstance(scheme, padding.PKCS1v15) else 2 * 32 + 2
    if len(plain) > size - overhead:
        raise InternalError("failed to RSA encrypt the plaintext: crypto/rsa: message too long "
                            "for RSA key size")
    return public.encrypt(plain, scheme)


def decrypt(key, item, index):
    """The plaintext's bytes."""
    text = item.get("ciphertext") or ""
    if not text:
        raise UserError("missing ciphertext to decrypt")
    scheme = rsa_padding(item, index)
    extra = associated_data(key, item, index)
    check_key(key, "decryption")
    version, rest = key.reading_version(text, "ciphertext")
    try:
        sealed = decode64(rest)
    except UserError:
        raise UserError("invalid ciphertext: could not decode base64") from None
    if key.rsa:
        return _rsa_decrypt(key.version(version), sealed, scheme)
    return _aead_decrypt(key, version, item, sealed, extra)


def _rsa_decrypt(version, sealed, scheme):
    if not version.has_secret:
        raise InternalError("requested version for decryption does not contain a private part")
    try:
        return version.secret.decrypt(sealed, scheme)
    except ValueError:
        raise InternalError("failed to RSA decrypt the ciphertext: crypto/rsa: decryption "
                            "error") from None


def _aead_decrypt(key, version, item, sealed, extra):
    aead, _ = _cipher(key, version, item)
    if len(sealed) < NONCE_SIZE:
        raise UserError("invalid ciphertext length")
    try:
        if len(sealed) < NONCE_SIZE + TAG_SIZE:
            raise InvalidTag
        return aead.decrypt(sealed[:NONCE_SIZE], sealed[NONCE_SIZE:], extra)
    except InvalidTag:
        name = "chacha20poly1305" if key.type.name == "chacha20-poly1305" else "cipher"
        raise UserError(name + ": message authentication failed") from None
