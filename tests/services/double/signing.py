# SPDX-License-Identifier: Apache-2.0
"""Signatures as transit makes and checks them, over key material of keys.py."""

import base64
import binascii
import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import (Prehashed, decode_dss_signature,
                                                             encode_dss_signature)
from . import pkcs1
from .errors import InternalError, UserError, bad
from .go import encode64

HASHES = {"sha1": hashes.SHA1, "sha2-224": hashes.SHA224, "sha2-256": hashes.SHA256,
          "sha2-384": hashes.SHA384, "sha2-512": hashes.SHA512, "sha3-224": hashes.SHA3_224,
          "sha3-256": hashes.SHA3_256, "sha3-384": hashes.SHA3_384, "sha3-512": hashes.SHA3_512,
          "none": None}
HASH_BY_SIZE = {32: hashes.SHA256(), 48: hashes.SHA384(), 64: hashes.SHA512()}


def digest(name, data):
    return hashlib.new(name.replace("sha2-", "sha").replace("sha3-", "sha3_"), data).digest()


class Options:
    """The parameters that one sign or verify request sets for all of its items."""

    def __init__(self, body, url_hash=None):
        self.hash = (url_hash or body.get("hash_algorithm") or body.get("algorithm") or "sha2-256")
        if self.hash not in HASHES:
            raise bad('invalid hash algorithm "%s"' % self.hash)
        self.marshaling = body.get("marshaling_algorithm", "asn1")
        if self.marshaling not in ("asn1", "jws"):
            raise bad('invalid marshaling type "%s"' % self.marshaling)
        self.prehashed = bool(body.get("prehashed", False))
        self.scheme = body.get("signature_algorithm", "")
        self.salt = self._salt(str(body.get("salt_length", "auto")))
        self.key_version = int(body.get("key_version", 0))

    @staticmethod
    def _salt(text):
        """A length, 0 for the largest possible (so "0" means that too), -1 for the hash's."""
        word = {"auto": 0, "hash": -1}.get(text.lower())
        if word is not None:
            return word
        try:
            length = int(text)
        except ValueError:
            raise bad("salt length neither 'auto', 'hash', nor an int: " + text) from None
        if length < -1:
            raise bad("salt length is invalid: %d" % length)
        return length

    def check(self, key):
        if not key.type.signs:
            raise bad("key type %s does not support signing" % key.type.name)
        if self.hash == "none" and not (self.prehashed and self.scheme == "pkcs1v15"):
            raise bad("hash_algorithm=none requires both prehashed=true and "
                      "signature_algorithm=pkcs1v15")

    def check_item(self, key, item):
        """Ed25519 is signed pure or not at all."""
        if key.type.name != "ed25519":
            return
        problem = ("prehashed must be false" if self.prehashed else
                   "hash_alogithm should not be set" if self.hash == "sha2-512" else
                   "signature_context must be empty" if item.get("signature_context") else None)
        if problem:
            raise UserError("failed to parse batch item: only Pure Ed25519 signatures supported, "
                            + problem)

    def prepare(self, key, message):
        """The bytes that the signature is over."""
        if key.type.name == "ed25519" or self.prehashed:
            return message
        return digest(self.hash, message)


def encode(version, raw, options):
    """"vault:vN:" and the signature, in base64url without padding for jws."""
    text = encode64(raw)
    if options.marshaling == "jws":
        text = base64.urlsafe_b64encode(raw).decode().rstrip("=")
    return "vault:v%d:%s" % (version, text)


def decode(text, options):
    try:
        if options.marshaling == "jws":
            return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise UserError("invalid base64 signature value") from None


def sign(key, number, data, options):
    version = key.version(number)
    if not version.has_secret:
        raise UserError("requested version for signing does not contain a private part")
    if key.rsa:
        return _rsa_sign(version.secret, data, options)
    if key.type.name == "ed25519":
        return version.secret.sign(data)
    return _ecdsa_sign(version.secret, data, options)


def verify(key, number, data, raw, options):
    public = key.version(number).public
    try:
        if key.rsa:
            _rsa_verify(public, data, raw, options)
        elif key.type.name == "ed25519":
            public.verify(raw, data)
        else:
            _ecdsa_verify(public, data, raw, options)
    except (InvalidSignature, ValueError):
        return False
    return True


# ---- ECDSA ----

def _ecdsa_digest(curve, data):
    """ECDSA takes a digest of any length as a number of at most the curve's bits (FIPS 186-4,
    6.4); the library only takes those of a hash, so the number is brought to that length."""
    size = {256: 32, 384: 48, 521: 64}[curve.key_size]
    if len(data) > size and curve.key_size == 521:
        raise InternalError("the double signs at most 64 bytes with P-521")
    return data[:size].rjust(size, b"\0"), ec.ECDSA(Prehashed(HASH_BY_SIZE[size]))


def _ecdsa_sign(secret, data, options):
    value, algorithm = _ecdsa_digest(secret.curve, data)
    der = secret.sign(value, algorithm)
    if options.marshaling == "asn1":
        return der
    size = (secret.curve.key_size + 7) // 8
    return b"".join(half.to_bytes(size, "big") for half in decode_dss_signature(der))


def _ecdsa_verify(public, data, raw, options):
    if options.marshaling == "jws":
        half = len(raw) // 2
        raw = encode_dss_signature(int.from_bytes(raw[:half], "big"),
                                   int.from_bytes(raw[half:], "big"))
    else:
        try:
            decode_dss_signature(raw)
        except ValueError:
            raise UserError("supplied signature is invalid") from None
    value, algorithm = _ecdsa_digest(public.curve, data)
    public.verify(raw, value, algorithm)


# ---- RSA ----

def _rsa_algorithm(options, bits):
    """(padding, hash) for everything but PKCS#1 without a hash."""
    scheme = options.scheme or "pss"
    chosen = HASHES[options.hash]()
    if scheme == "pkcs1v15":
        return padding.PKCS1v15(), chosen
    if scheme != "pss":
        raise InternalError("unsupported rsa signature algorithm " + scheme)
    longest = (bits + 6) // 8 - 2 - chosen.digest_size
    if options.salt > longest:
        raise UserError("requested salt length %d is invalid" % options.salt)
    salt = {0: padding.PSS.MAX_LENGTH, -1: chosen.digest_size}.get(options.salt, options.salt)
    return padding.PSS(padding.MGF1(chosen), salt), chosen


def _unhashed(function, *args):
    try:
        return function(*args)
    except ValueError as problem:
        raise InternalError("crypto/rsa: %s" % problem) from None


def _rsa_sign(secret, data, options):
    if options.hash == "none":
        return _unhashed(pkcs1.sign, secret, data)
    scheme, chosen = _rsa_algorithm(options, secret.key_size)
    if len(data) != chosen.digest_size:
        what = "message" if options.scheme == "pkcs1v15" else "with given hash"
        raise InternalError("crypto/rsa: input must be hashed " + what)
    return secret.sign(data, scheme, Prehashed(chosen))


def _rsa_verify(public, data, raw, options):
    if options.hash == "none":
        size = (public.key_size + 7) // 8
        if len(raw) != size or pkcs1.recover(public, raw) != _unhashed(pkcs1.block, data, size):
            raise InvalidSignature
        return
    scheme, chosen = _rsa_algorithm(options, public.key_size)
    if options.scheme != "pkcs1v15" and options.salt == 0:
        scheme = padding.PSS(padding.MGF1(chosen), padding.PSS.AUTO)
    public.verify(raw, data, scheme, Prehashed(chosen))
