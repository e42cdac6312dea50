# SPDX-License-Identifier: Apache-2.0
"""Routes that use keys, and the rules that come before: key_ops, enabled, nbf and exp, algorithm.
"""

import hmac
import os
import time

from . import asymmetric, jwt, symmetric
from .errors import bad, forbidden
from .keys import family, rank
from .vault import KEY, VERSION, routes

KEY_OPS = {"wrapkey": "wrapKey", "unwrapkey": "unwrapKey"}
# A disabled key still does what needs no secret; one out of its time still reads what it made.
WHEN_DISABLED = ("encrypt", "verify", "wrapkey")
WHEN_OUT_OF_TIME = ("decrypt", "unwrapkey", "verify")
RANDOM_MAX = 128


def use(vault, call, name, ident, operation):
    """The (key, version) for an operation, unless a rule forbids it."""
    vault.allow(call, "keys/" + operation, name)
    key, version = vault.find(name, ident)
    vault.charge(version)
    attributes, now = version.attributes, time.time()
    if KEY_OPS.get(operation, operation) not in version.ops:
        raise forbidden("KeyOperationForbidden", "Operation %s is not permitted on this key."
                        % KEY_OPS.get(operation, operation))
    if not attributes.enabled and operation not in WHEN_DISABLED:
        raise forbidden("KeyDisabled", "Operation %s is not allowed on a disabled key."
                        % operation)
    if operation in WHEN_OUT_OF_TIME:
        return key, version
    if attributes.exp is not None and attributes.exp <= now:
        raise forbidden("KeyExpired", "Operation %s is not allowed on an expired key." % operation)
    if attributes.nbf is not None and attributes.nbf > now:
        raise forbidden("KeyNotYetValid", "Operation %s is not allowed on a key that is not yet "
                        "valid." % operation)
    return key, version


def data_of(call, member, needed=True):
    text = call.body.get(member)
    if text is None and not needed:
        return None
    try:
        return jwt.decode(text)
    except ValueError:
        raise bad("Property %s is missing or not base64url" % member) from None


def incompatible(vault, key, version, alg, what):
    return bad("Key and %s algorithm are incompatible. Key %s is of type '%s', and algorithm '%s' "
               "cannot be used with it." % (what, vault.kid(key, version), version.kty, alg))


def unknown(alg):
    return bad("Property alg has invalid value '%s'" % alg)


# ---- sign, verify ----

def signature_kind(vault, call, key, version):
    """"RSA", "EC" or "oct", after the algorithm was found to go with the key."""
    alg, kind = call.body.get("alg"), family(version.kty)
    fits = {"RSA": asymmetric.RSA_SIGNATURES, "EC": asymmetric.EC_SIGNATURES,
            "oct": symmetric.MACS}
    if not any(alg in algs for algs in fits.values()):
        raise unknown(alg)
    if alg in symmetric.MACS and rank(call.api_version) < rank(symmetric.MACS_SINCE):
        raise unknown(alg)
    if alg not in fits[kind] or alg == "RSNULL" and vault.hsm or \
            kind == "EC" and asymmetric.EC_SIGNATURES[alg].crv != version.spec.crv:
        raise incompatible(vault, key, version, alg, "signing")
    return kind


@routes.on("POST", "keys/" + KEY + VERSION + "/sign")
def sign(vault, call, name, version):
    key, found = use(vault, call, name, version, "sign")
    kind, alg = signature_kind(vault, call, key, found), call.body["alg"]
    digest = data_of(call, "value")
    if kind == "oct":
        value = symmetric.mac(found.material.secret, alg, digest)
    else:
        value = (asymmetric.rsa_sign if kind == "RSA" else asymmetric.ec_sign)(found, alg, digest)
    return result(vault, key, found, call, value)


@routes.on("POST", "keys/" + KEY + VERSION + "/verify")
def verify(vault, call, name, version):
    key, found = use(vault, call, name, version, "verify")
    kind, alg = signature_kind(vault, call, key, found), call.body["alg"]
    digest, signature = data_of(call, "digest"), data_of(call, "value")
    if kind == "oct":
        value = hmac.compare_digest(symmetric.mac(found.material.secret, alg, digest), signature)
    else:
        check = asymmetric.rsa_verify if kind == "RSA" else asymmetric.ec_verify
        value = check(found, alg, digest, signature)
    return {"value": value}


def result(vault, key, version, call, value, more=None):
    """A managed HSM repeats the algorithm; a vault does not."""
    shown = {"kid": vault.kid(key, version), "value": jwt.encode(value)}
    if vault.hsm:
        shown["alg"] = call.body["alg"]
    shown.update({member: jwt.encode(data) for member, data in (more or {}).items()})
    return shown


# ---- encrypt, decrypt, wrapkey, unwrapkey ----

def transform(vault, call, name, ident, operation):
    key, version = use(vault, call, name, ident, operation)
    alg, data = call.body.get("alg"), data_of(call, "value")
    sealing = operation in ("encrypt", "wrapkey")
    if alg in asymmetric.RSA_CIPHERS:
        if family(version.kty) != "RSA":
            raise incompatible(vault, key, version, alg, "encryption")
        function = asymmetric.rsa_encrypt if sealing else asymmetric.rsa_decrypt
        return result(vault, key, version, call, function(version, alg, data))
    row = aes_row(call, operation)
    if family(version.kty) != "oct" or row.bits not in (None, version.spec.size):
        raise incompatible(vault, key, version, alg, "encryption")
    options = {member: data_of(call, member, needed=False) for member in ("iv", "aad", "tag")}
    value, more = (row.seal if sealing else row.open)(version.material.secret, data, options)
    return result(vault, key, version, call, value, more)


def aes_row(call, operation):
    alg = call.body.get("alg")
    rows = symmetric.WRAPS if operation.endswith("wrapkey") else symmetric.CIPHERS
    row = rows.get(alg)
    if row is None or rank(call.api_version) < rank(row.since):
        raise unknown(alg)
    return row


def add_transform(operation):
    @routes.on("POST", "keys/" + KEY + VERSION + "/" + operation)
    def route(vault, call, name, version):
        return transform(vault, call, name, version, operation)


for _operation in ("encrypt", "decrypt", "wrapkey", "unwrapkey"):
    add_transform(_operation)


# ---- read ----

@routes.on("GET", "keys")
def list_keys(vault, call):
    vault.allow(call, "keys/list")
    return vault.page(call, vault.keys.values(),
                      lambda key: key.item(vault, key.latest, False))


@routes.on("GET", "keys/" + KEY + "/versions")
def list_versions(vault, call, name):
    """By id, whatever their age."""
    vault.allow(call, "keys/list", name)
    key, _ = vault.find(name)
    return vault.page_in_order(call, sorted(key.versions, key=lambda version: version.id),
                               lambda version: key.item(vault, version, True))


@routes.on("GET", "keys/" + KEY + VERSION)
def get(vault, call, name, version):
    vault.allow(call, "keys/get", name)
    key, found = vault.find(name, version)
    return key.bundle(vault, found, call.api_version)


@routes.on("POST", "rng")
def random(vault, call):
    if rank(call.api_version) < rank("7.2"):
        raise routes.refusal(False)
    vault.allow(call, "keys/rng")
    count = call.body.get("count")
    if not isinstance(count, int) or not 1 <= count <= RANDOM_MAX:
        raise bad("Property count must be between 1 and %d." % RANDOM_MAX)
    return {"value": jwt.encode(os.urandom(count))}


random.only = "hsm"
