# SPDX-License-Identifier: Apache-2.0
"""Import of the caller's own keys: RSA-OAEP around an AES key, AES-KWP (RFC 5649) around theirs."""

import threading

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap_with_padding

from .errors import internal
from .go import decode64
from .keys import HMAC_SIZES, RSA_EXPONENT, Version, public_text

HASHES = {"SHA1": hashes.SHA1, "SHA224": hashes.SHA224, "SHA256": hashes.SHA256,
          "SHA384": hashes.SHA384, "SHA512": hashes.SHA512}
SECRET_SIZES = {"aes128-gcm96": [16], "aes256-gcm96": [32], "chacha20-poly1305": [32],
                "hmac": HMAC_SIZES}
WRAPPING_BITS = 4096


class WrappingKey:
    """The wrapping key of every mount, made on first use: it takes a second."""

    def __init__(self):
        self._lock = threading.Lock()
        self._key = None

    def get(self):
        with self._lock:
            if self._key is None:
                self._key = rsa.generate_private_key(RSA_EXPONENT, WRAPPING_BITS)
            return self._key

    def public_text(self):
        return public_text(self.get().public_key())

    def unwrap(self, ciphertext, hash_name):
        if hash_name not in HASHES:
            raise internal("unsupported hash function: " + hash_name)
        chosen = HASHES[hash_name]()
        data = decode64(ciphertext)
        size = WRAPPING_BITS // 8
        if len(data) <= size:
            raise internal("provided ciphertext is too short")
        try:
            aes = self.get().decrypt(data[:size], padding.OAEP(padding.MGF1(chosen), chosen, None))
            return aes_key_unwrap_with_padding(aes, data[size:])
        except (ValueError, InvalidUnwrap):
            raise internal("error importing key: the wrapped key does not open") from None


WRAPPING_KEY = WrappingKey()


def version_of(body, kind):
    """The version that an import request carries: a wrapped key, or only a public one."""
    if body.get("ciphertext"):
        raw = WRAPPING_KEY.unwrap(body["ciphertext"], body.get("hash_function", "SHA256"))
        secret = _secret_of(kind, raw)
        return Version(lambda: secret)
    if not body.get("public_key"):
        raise internal("one of the following fields, ciphertext and public_key, must be set")
    public = serialization.load_pem_public_key(body["public_key"].encode())
    _check_fits(kind, public)
    return Version(None, public)


def _secret_of(kind, raw):
    if kind.name in SECRET_SIZES:
        if len(raw) not in SECRET_SIZES[kind.name]:
            raise internal("error importing key: invalid key size %d bytes for key type %s"
                           % (len(raw), kind.name))
        return raw
    try:
        secret = serialization.load_der_private_key(raw, None)
    except ValueError as problem:
        raise internal("error importing key: error parsing asymmetric key: %s" % problem) from None
    _check_fits(kind, secret.public_key())
    return secret


def _check_fits(kind, public):
    if isinstance(public, rsa.RSAPublicKey):
        name = "rsa-%d" % public.key_size
    elif isinstance(public, ec.EllipticCurvePublicKey):
        name = "ecdsa-p%d" % public.curve.key_size
    else:
        name = "ed25519" if isinstance(public, ed25519.Ed25519PublicKey) else "unknown"
    if name != kind.name:
        raise internal("error importing key: invalid key type: expected %s, got %s"
                       % (kind.name, name))
