# SPDX-License-Identifier: Apache-2.0
"""Keys: kinds, versions, what a read shows of them."""

import os
import re
import time
import uuid

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from double.keys import Version as Material

from . import jwt
from .errors import bad
from .versioned import Versioned

CURVES = {"P-256": ec.SECP256R1, "P-256K": ec.SECP256K1, "P-384": ec.SECP384R1,
          "P-521": ec.SECP521R1}
RSA_SIZES = (2048, 3072, 4096)
AES_SIZES = (128, 192, 256)
NAME = re.compile("[0-9a-zA-Z-]{1,127}")
OPERATIONS = {  # by family: what is allowed; the first so many are the default
    "RSA": ("encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey", "import", "export"),
    "EC": ("sign", "verify", "import", "export"),
    "oct": ("encrypt", "decrypt", "wrapKey", "unwrapKey", "sign", "verify", "import", "export"),
}
DEFAULTS = {"RSA": 6, "EC": 2, "oct": 4}
TAGS_MAX = 15
TAG_MAX = 256
PLATFORM_FROM = "7.5"  # the api-version that brought attributes.hsmPlatform
SIZE_FROM = "2026-01-01-preview"  # and attributes.key_size of oct keys


def family(kty):
    """"RSA" of "RSA-HSM" and so on."""
    return kty[:-len("-HSM")] if kty.endswith("-HSM") else kty


def width(curve):
    """Bytes in a coordinate."""
    return (curve.key_size + 7) // 8


def rank(api_version):
    """For comparing api-versions: 2016-10-01 came before 7.0, all other dates later."""
    text, preview, _ = api_version.partition("-preview")
    parts = [int(part) for part in re.split("[.-]", text)]
    return ([0] if parts[0] == 2016 else parts, not preview)


class Spec:
    """What a new version's material is to be."""

    def __init__(self, kty, size=None, crv=None, exponent=65537):
        self.kty = kty
        self.size = size
        self.crv = crv
        self.exponent = exponent

    def material(self):
        """Made when it is first looked at."""
        if family(self.kty) == "RSA":
            return Material(lambda: rsa.generate_private_key(self.exponent, self.size))
        if family(self.kty) == "EC":
            return Material(lambda: ec.generate_private_key(CURVES[self.crv]()))
        return Material(lambda: os.urandom(self.size // 8))


class Attributes:
    def __init__(self, body=None):
        self.enabled, self.nbf, self.exp, self.exportable = True, None, None, False
        self.created = self.updated = int(time.time())
        self.change(body)

    def change(self, body):
        body = body or {}
        for name, kind in (("enabled", bool), ("nbf", int), ("exp", int), ("exportable", bool)):
            value = body.get(name)
            if value is None:
                continue
            if not isinstance(value, kind) or kind is int and isinstance(value, bool):
                raise bad("Property attributes.%s has invalid value" % name)
            setattr(self, name, value)
        if self.nbf is not None and self.exp is not None and self.exp <= self.nbf:
            raise bad("The expiry must be later than the not-before time.")
        self.updated = int(time.time())

    def describe(self, vault):
        shown = {"enabled": self.enabled}
        for name in ("nbf", "exp"):
            if getattr(self, name) is not None:
                shown[name] = getattr(self, name)
        shown.update(created=self.created, updated=self.updated,
                     recoveryLevel=vault.recovery_level, recoverableDays=vault.recoverable_days)
        if vault.hsm:
            shown["exportable"] = self.exportable
        return shown


class KeyVersion:
    def __init__(self, spec, ops=None, attributes=None, tags=None, material=None):
        kind = family(spec.kty)
        self.id = uuid.uuid4().hex
        self.spec = spec
        self.kty = spec.kty
        self.material = material or spec.material()
        self.ops = list(ops) if ops is not None else list(OPERATIONS[kind][:DEFAULTS[kind]])
        self.attributes = Attributes(attributes)
        self.tags = check_tags(tags)

    def change(self, body):
        if body.get("key_ops") is not None:
            self.ops = check_ops(self.kty, body["key_ops"])
        if body.get("tags") is not None:
            self.tags = check_tags(body["tags"])
        self.attributes.change(body.get("attributes"))

    def public_members(self):
        """n, e or crv, x, y; nothing of a symmetric key."""
        if family(self.kty) == "oct":
            return {}
        numbers = self.material.public.public_numbers()
        if family(self.kty) == "RSA":
            size = (self.material.public.key_size + 7) // 8
            return {"n": jwt.encode(numbers.n.to_bytes(size, "big")),
                    "e": jwt.encode(numbers.e.to_bytes((numbers.e.bit_length() + 7) // 8, "big"))}
        size = width(self.material.public.curve)
        return {"crv": self.spec.crv, "x": jwt.encode(numbers.x.to_bytes(size, "big")),
                "y": jwt.encode(numbers.y.to_bytes(size, "big"))}


class Key(Versioned):
    """managed: of a certificate."""

    def __init__(self, name, managed=False):
        super().__init__(name)
        self.managed = managed

    def add(self, version):
        self.versions.append(version)
        return version

    # ---- as the API shows it ----

    def bundle(self, vault, version, api_version):
        key = {"kid": vault.kid(self, version), "kty": version.kty, "key_ops": version.ops,
               **version.public_members()}
        attributes = version.attributes.describe(vault)
        if rank(api_version) >= rank(PLATFORM_FROM):
            attributes["hsmPlatform"] = "2" if version.kty.endswith("-HSM") else "0"
        if family(version.kty) == "oct" and rank(api_version) >= rank(SIZE_FROM):
            attributes["key_size"] = version.spec.size
        shown = {"attributes": attributes, "key": key} if vault.hsm else \
            {"key": key, "attributes": attributes}
        return self._finish(shown, version)

    def item(self, vault, version, with_version):
        kid = vault.kid(self, version if with_version else None)
        return self._finish({"kid": kid, "attributes": version.attributes.describe(vault)},
                            version)

    def _finish(self, shown, version):
        if version.tags:
            shown["tags"] = version.tags
        if self.managed:
            shown["managed"] = True
        return shown


# ---- what a request may say of a key ----

def check_name(name):
    if not NAME.fullmatch(name):
        raise bad("The request URI contains an invalid name: %s" % name)


def check_ops(kty, ops):
    for op in ops:
        if op not in OPERATIONS[family(kty)]:
            raise bad("Property key_ops has invalid value '%s' for a key of type '%s'" % (op, kty))
    return list(ops)


def check_tags(tags):
    tags = dict(tags or {})
    if len(tags) > TAGS_MAX:
        raise bad("Too many tags: there may be %d." % TAGS_MAX)
    for name, value in tags.items():
        if len(name) > TAG_MAX or not isinstance(value, str) or len(value) > TAG_MAX:
            raise bad("Tags may have %d characters in name and value." % TAG_MAX)
    return tags
