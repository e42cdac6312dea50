# SPDX-License-Identifier: Apache-2.0
"""The algorithms on RSA and EC keys (RFC 7518; RSNULL and RSA1_5 as Key Vault has them)."""

from collections import namedtuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric.utils import (Prehashed, decode_dss_signature,
                                                             encode_dss_signature)

from double import pkcs1

from .errors import bad, incorrect
from .keys import width

Ecdsa = namedtuple("Ecdsa", "crv hash")
HASHES = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}
RSA_SIGNATURES = {letters + bits: (letters, hash_)
                  for letters in ("RS", "PS") for bits, hash_ in HASHES.items()}
RSA_SIGNATURES["RSNULL"] = ("RSNULL", None)
EC_SIGNATURES = {"ES256": Ecdsa("P-256", HASHES["256"]), "ES256K": Ecdsa("P-256K", HASHES["256"]),
                 "ES384": Ecdsa("P-384", HASHES["384"]), "ES512": Ecdsa("P-521", HASHES["512"])}
RSA_CIPHERS = {
    "RSA1_5": padding.PKCS1v15(),
    "RSA-OAEP": padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None),
    "RSA-OAEP-256": padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)}


def _check_digest(digest, hash_):
    if len(digest) != hash_.digest_size:
        raise bad("Invalid length of 'value': %d bytes, the algorithm needs %d."
                  % (len(digest), hash_.digest_size))


def _rsa_padding(letters, hash_):
    if letters == "RS":
        return padding.PKCS1v15()
    return padding.PSS(padding.MGF1(hash_), hash_.digest_size)


def rsa_sign(version, alg, digest):
    letters, hash_ = RSA_SIGNATURES[alg]
    if letters == "RSNULL":
        try:
            return pkcs1.sign(version.material.secret, digest)
        except ValueError as problem:
            raise bad("Invalid length of 'value': %s" % problem) from None
    _check_digest(digest, hash_)
    return version.material.secret.sign(digest, _rsa_padding(letters, hash_), Prehashed(hash_))


def rsa_verify(version, alg, digest, signature):
    letters, hash_ = RSA_SIGNATURES[alg]
    public = version.material.public
    if letters == "RSNULL":
        size = (public.key_size + 7) // 8
        return len(signature) == size and \
            pkcs1.recover(public, signature) == pkcs1.block(digest, size)
    _check_digest(digest, hash_)
    try:
        public.verify(signature, digest, _rsa_padding(letters, hash_), Prehashed(hash_))
        return True
    except InvalidSignature:
        return False


def ec_sign(version, alg, digest):
    """r||s, each as wide as the curve."""
    row = EC_SIGNATURES[alg]
    _check_digest(digest, row.hash)
    secret = version.material.secret
    der = secret.sign(digest, ec.ECDSA(Prehashed(row.hash)))
    return b"".join(half.to_bytes(width(secret.curve), "big")
                    for half in decode_dss_signature(der))


def ec_verify(version, alg, digest, signature):
    row = EC_SIGNATURES[alg]
    _check_digest(digest, row.hash)
    public = version.material.public
    half = width(public.curve)
    if len(signature) != 2 * half:
        return False
    der = encode_dss_signature(int.from_bytes(signature[:half], "big"),
                               int.from_bytes(signature[half:], "big"))
    try:
        public.verify(der, digest, ec.ECDSA(Prehashed(row.hash)))
        return True
    except InvalidSignature:
        return False


def rsa_encrypt(version, alg, data):
    try:
        return version.material.public.encrypt(data, RSA_CIPHERS[alg])
    except ValueError:
        raise bad("The data is too long for the key and the algorithm.") from None


def rsa_decrypt(version, alg, data):
    try:
        return version.material.secret.decrypt(data, RSA_CIPHERS[alg])
    except ValueError:
        raise incorrect() from None
