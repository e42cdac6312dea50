# SPDX-License-Identifier: Apache-2.0
"""JSON web tokens (RFC 7519), signed and checked; base64url as they and Key Vault use it."""

import base64
import binascii
import json
import re
from collections import namedtuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

Jwt = namedtuple("Jwt", "header claims signed signature")
SHA256 = hashes.SHA256()
PADDINGS = {"RS256": padding.PKCS1v15(), "PS256": padding.PSS(padding.MGF1(SHA256), 32)}


def encode(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decode(text):
    """ValueError unless it is base64url, without padding and without anything else."""
    if not isinstance(text, str) or not re.fullmatch(r"[A-Za-z0-9_-]*", text):
        raise ValueError("not base64url")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as problem:
        raise ValueError(str(problem)) from None


def sign(key, claims, **header):
    """RS256"""
    parts = [encode(json.dumps(part).encode())
             for part in (dict({"typ": "JWT", "alg": "RS256"}, **header), claims)]
    signed = ".".join(parts)
    return "%s.%s" % (signed, encode(key.sign(signed.encode(), PADDINGS["RS256"], SHA256)))


def parse(text):
    """ValueError unless it is three parts of the right kinds."""
    parts = text.split(".")
    if len(parts) != 3:
        raise ValueError("not three parts")
    header, claims = (json.loads(decode(part)) for part in parts[:2])
    if not isinstance(header, dict) or not isinstance(claims, dict):
        raise ValueError("not objects")
    return Jwt(header, claims, ".".join(parts[:2]).encode(), decode(parts[2]))


def verifies(jwt, public_key):
    try:
        public_key.verify(jwt.signature, jwt.signed, PADDINGS[jwt.header["alg"]], SHA256)
        return True
    except (InvalidSignature, KeyError):
        return False
