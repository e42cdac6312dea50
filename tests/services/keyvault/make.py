# SPDX-License-Identifier: Apache-2.0
"""Routes that make, change and end keys."""

import time
import uuid

from cryptography.hazmat.primitives.asymmetric import ec, rsa

from double.keys import Version as Material

from . import jwt
from .errors import bad, conflict, refused
from .keys import (AES_SIZES, CURVES, RSA_SIZES, Key, KeyVersion, Spec, check_name, check_ops,
                   family)
from .vault import KEY, NOTHING, VERSION, routes

KINDS = ("RSA", "RSA-HSM", "EC", "EC-HSM", "oct", "oct-HSM")


def spec_of(vault, body):
    kty = body.get("kty")
    if kty not in KINDS:
        raise bad("Property kty has invalid value '%s'" % kty)
    if vault.hsm and not kty.endswith("-HSM"):
        kty += "-HSM"
    if family(kty) == "oct" and not vault.hsm:
        raise bad("Key type '%s' is not supported." % kty)
    if family(kty) == "EC":
        crv = body.get("crv", "P-256")
        if crv not in CURVES:
            raise bad("Property crv has invalid value '%s'" % crv)
        return Spec(kty, crv=crv)
    sizes = RSA_SIZES if family(kty) == "RSA" else AES_SIZES
    size = body.get("key_size", 2048 if family(kty) == "RSA" else 256)
    if size not in sizes:
        raise bad("Property key_size has invalid value '%s'" % size)
    return Spec(kty, size=size, exponent=exponent_of(body.get("public_exponent", 65537)))


def exponent_of(value):
    if value not in (3, 65537):
        raise bad("Property public_exponent has invalid value '%s'" % value)
    return value


def add(vault, name, version):
    """A new key or, of a name that is there, a new version of it."""
    check_name(name)
    with vault.lock:
        vault.refuse_deleted(name, "Key", vault.deleted)
        key = vault.keys.get(name.lower()) or Key(name)
        key.add(version)
        vault.keys[name.lower()] = key
    return key


@routes.on("POST", "keys/" + KEY + "/create")
def create(vault, call, name):
    vault.allow(call, "keys/create", name)
    spec = spec_of(vault, call.body)
    ops = call.body.get("key_ops")
    version = KeyVersion(spec, ops if ops is None else check_ops(spec.kty, ops),
                         call.body.get("attributes"), call.body.get("tags"))
    vault.charge(version, making=True)
    return add(vault, name, version).bundle(vault, version, call.api_version)


# ---- import ----

def number(jwk, member):
    try:
        return int.from_bytes(jwt.decode(jwk[member]), "big")
    except (KeyError, ValueError):
        raise bad("Property key.%s is missing or not base64url" % member) from None


def imported(jwk):
    """(Spec, secret) of a JSON web key (RFC 7518, 6)."""
    kind = family(jwk.get("kty", ""))
    try:
        if kind == "RSA":
            secret = imported_rsa(jwk)
            return Spec(jwk["kty"], size=secret.key_size), secret
        if kind == "EC":
            crv = jwk.get("crv")
            public = ec.EllipticCurvePublicNumbers(number(jwk, "x"), number(jwk, "y"),
                                                   CURVES[crv]())
            return Spec(jwk["kty"], crv=crv), ec.EllipticCurvePrivateNumbers(
                number(jwk, "d"), public).private_key()
        if kind == "oct":
            secret = jwt.decode(jwk.get("k"))
            return Spec(jwk["kty"], size=8 * len(secret)), secret
    except (ValueError, KeyError) as problem:
        raise bad("The key is invalid: %s" % problem) from None
    raise bad("Property key.kty has invalid value '%s'" % jwk.get("kty"))


def imported_rsa(jwk):
    public = rsa.RSAPublicNumbers(number(jwk, "e"), number(jwk, "n"))
    p, q, d, dp, dq, qi = (number(jwk, member) for member in ("p", "q", "d", "dp", "dq", "qi"))
    return rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, public).private_key()


@routes.on("PUT", "keys/" + KEY)
def import_key(vault, call, name):
    vault.allow(call, "keys/import", name)
    jwk = call.body.get("key") or {}
    spec, secret = imported(jwk)
    if call.body.get("Hsm") and not spec.kty.endswith("-HSM"):
        spec.kty += "-HSM"
    spec = spec_of(vault, {"kty": spec.kty, "key_size": spec.size, "crv": spec.crv})
    ops = jwk.get("key_ops")
    version = KeyVersion(spec, ops if ops is None else check_ops(spec.kty, ops),
                         call.body.get("attributes"), call.body.get("tags"),
                         Material(lambda: secret))
    return add(vault, name, version).bundle(vault, version, call.api_version)


# ---- change ----

@routes.on("PATCH", "keys/" + KEY + VERSION)
def update(vault, call, name, version):
    vault.allow(call, "keys/update", name)
    key, found = vault.find(name, version)
    found.change(call.body)
    return key.bundle(vault, found, call.api_version)


@routes.on("POST", "keys/" + KEY + "/rotate")
def rotate(vault, call, name):
    vault.allow(call, "keys/rotate", name)
    key, old = vault.find(name)
    version = key.add(KeyVersion(old.spec, old.ops, None, old.tags))
    return key.bundle(vault, version, call.api_version)


# ---- soft delete ----

def recovery(vault, key, api_version):
    shown = key.bundle(vault, key.latest, api_version)
    shown["recoveryId"] = vault.base + "/deletedkeys/" + key.name
    shown["deletedDate"] = int(key.deleted)
    shown["scheduledPurgeDate"] = int(key.deleted) + vault.recoverable_days * 86400
    return shown


@routes.on("DELETE", "keys/" + KEY)
def delete(vault, call, name):
    vault.allow(call, "keys/delete", name)
    key, _ = vault.find(name)
    if key.managed and not call.internal:
        raise refused(403, "Forbidden", "Operation delete is not allowed on a key that belongs to "
                      "a certificate.", "KeyManaged")
    del vault.keys[name.lower()]
    key.deleted = time.time()
    vault.deleted[name.lower()] = key
    return recovery(vault, key, call.api_version)


def find_deleted(vault, name):
    """Not there until some time after the deletion (state deletion_delay)."""
    key = vault.deleted.get(name.lower())
    if key is None or vault.is_being_deleted(key):
        raise refused(404, "KeyNotFound", "Deleted Key not found: %s" % name)
    return key


@routes.on("GET", "deletedkeys")
def list_deleted(vault, call):
    vault.allow(call, "keys/list")
    there = [key for key in vault.deleted.values() if not vault.is_being_deleted(key)]
    return vault.page(call, there, lambda key: dict(
        key.item(vault, key.latest, False), recoveryId=vault.base + "/deletedkeys/" + key.name,
        deletedDate=int(key.deleted),
        scheduledPurgeDate=int(key.deleted) + vault.recoverable_days * 86400))


@routes.on("GET", "deletedkeys/" + KEY)
def get_deleted(vault, call, name):
    vault.allow(call, "keys/get", name)
    return recovery(vault, find_deleted(vault, name), call.api_version)


@routes.on("POST", "deletedkeys/" + KEY + "/recover")
def recover(vault, call, name):
    vault.allow(call, "keys/recover", name)
    key = find_deleted(vault, name)
    if name.lower() in vault.keys:
        raise conflict("ObjectAlreadyExists", "A key with this name is there: %s" % name)
    key.deleted = None
    vault.keys[name.lower()] = vault.deleted.pop(name.lower())
    return key.bundle(vault, key.latest, call.api_version)


@routes.on("DELETE", "deletedkeys/" + KEY)
def purge(vault, call, name):
    vault.allow(call, "keys/purge", name)
    find_deleted(vault, name)
    del vault.deleted[name.lower()]
    return NOTHING


# ---- backup: the blob only names what is kept here ----

@routes.on("POST", "keys/" + KEY + "/backup")
def backup(vault, call, name):
    vault.allow(call, "keys/backup", name)
    key, _ = vault.find(name)
    blob = jwt.encode(b"backup" + uuid.uuid4().bytes)
    vault.backups[blob] = key
    return {"value": blob}


@routes.on("POST", "keys/restore")
def restore(vault, call):
    vault.allow(call, "keys/restore")
    key = vault.backups.get(call.body.get("value"))
    if key is None:
        raise bad("The backup blob is not valid.")
    vault.refuse_deleted(key.name, "Key", vault.deleted)
    if key.name.lower() in vault.keys:
        raise conflict("ObjectAlreadyExists", "Key %s already exists." % key.name)
    key.deleted = None
    vault.keys[key.name.lower()] = key
    return key.bundle(vault, key.latest, call.api_version)
