# SPDX-License-Identifier: Apache-2.0
"""The algorithms on the AES keys of a managed HSM. Each takes (secret, data, options) and returns
(result, what else the answer has); options: iv, aad, tag, as bytes or None."""

import os
from collections import namedtuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hmac, padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import (InvalidUnwrap, aes_key_unwrap,
                                                    aes_key_unwrap_with_padding, aes_key_wrap,
                                                    aes_key_wrap_with_padding)

from .errors import bad, incorrect

Algorithm = namedtuple("Algorithm", "bits since seal open")  # bits: of the key, None: any
BLOCK = 16
NONCE = 12
TAG = 16


def _cbc(secret, options):
    iv = options["iv"]
    if iv is None or len(iv) != BLOCK:
        raise bad("Property iv must have %d bytes." % BLOCK)
    return Cipher(algorithms.AES(secret), modes.CBC(iv))


def cbc_encrypt(secret, data, options):
    if not data or len(data) % BLOCK:
        raise bad("The data must be whole blocks of %d bytes." % BLOCK)
    encryptor = _cbc(secret, options).encryptor()
    return encryptor.update(data) + encryptor.finalize(), {"iv": options["iv"]}


def cbc_decrypt(secret, data, options):
    if not data or len(data) % BLOCK:
        raise incorrect()
    decryptor = _cbc(secret, options).decryptor()
    return decryptor.update(data) + decryptor.finalize(), {}


def cbcpad_encrypt(secret, data, options):
    padder = padding.PKCS7(8 * BLOCK).padder()
    return cbc_encrypt(secret, padder.update(data) + padder.finalize(), options)


def cbcpad_decrypt(secret, data, options):
    padded, more = cbc_decrypt(secret, data, options)
    unpadder = padding.PKCS7(8 * BLOCK).unpadder()
    try:
        return unpadder.update(padded) + unpadder.finalize(), more
    except ValueError:
        raise incorrect() from None


def gcm_encrypt(secret, data, options):
    """The service makes the nonce."""
    if options["iv"] is not None:
        raise bad("Property iv must not be given for AES-GCM: the service generates it.")
    nonce = os.urandom(NONCE)
    sealed = AESGCM(secret).encrypt(nonce, data, options["aad"])
    more = {"iv": nonce, "tag": sealed[-TAG:]}
    if options["aad"] is not None:
        more["aad"] = options["aad"]
    return sealed[:-TAG], more


def gcm_decrypt(secret, data, options):
    if options["iv"] is None or len(options["iv"]) != NONCE:
        raise bad("Property iv must have %d bytes." % NONCE)
    if options["tag"] is None or len(options["tag"]) != TAG:
        raise bad("Property tag must have %d bytes." % TAG)
    try:
        return AESGCM(secret).decrypt(options["iv"], data + options["tag"], options["aad"]), {}
    except InvalidTag:
        raise incorrect() from None


def _wrap(function):
    def wrap(secret, data, options):
        try:
            return function(secret, data), {}
        except ValueError:
            raise bad("The length of the data is not one that can be wrapped.") from None
    return wrap


def _unwrap(function):
    def unwrap(secret, data, options):
        try:
            return function(secret, data), {}
        except (InvalidUnwrap, ValueError):
            raise incorrect() from None
    return unwrap


CIPHERS = {}
for _bits in (128, 192, 256):
    CIPHERS.update({
        "A%dCBC" % _bits: Algorithm(_bits, "7.2", cbc_encrypt, cbc_decrypt),
        "A%dCBCPAD" % _bits: Algorithm(_bits, "7.2", cbcpad_encrypt, cbcpad_decrypt),
        "A%dGCM" % _bits: Algorithm(_bits, "7.2", gcm_encrypt, gcm_decrypt)})
WRAPS = {"A%dKW" % _bits: Algorithm(_bits, "7.2", _wrap(aes_key_wrap), _unwrap(aes_key_unwrap))
         for _bits in (128, 192, 256)}
WRAPS["CKM_AES_KEY_WRAP"] = Algorithm(None, "7.6", _wrap(aes_key_wrap), _unwrap(aes_key_unwrap))
WRAPS["CKM_AES_KEY_WRAP_PAD"] = Algorithm(None, "7.6", _wrap(aes_key_wrap_with_padding),
                                          _unwrap(aes_key_unwrap_with_padding))
MACS = {"HS256": hashes.SHA256(), "HS384": hashes.SHA384(), "HS512": hashes.SHA512()}
MACS_SINCE = "7.6"


def mac(secret, alg, data):
    context = hmac.HMAC(secret, MACS[alg])
    context.update(data)
    return context.finalize()
