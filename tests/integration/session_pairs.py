#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Key pairs and public keys of the session here and in SoftHSM2: as session_keys.py."""

import ctypes
import os
import sys
import unittest

import session_keys
from harness import CK, oaep
from p11_types import Ulong, mechanism_of, template
from session_keys import CREATED, TEXT, flatten, not_a_handle, without

P256 = bytes.fromhex("06082a8648ce3d030107")
RSA = (CK.CKM_RSA_PKCS_KEY_PAIR_GEN, {"CKA_MODULUS_BITS": 2048, "CKA_VERIFY": True,
                                      "CKA_ENCRYPT": True, "CKA_WRAP": True})
EC = (CK.CKM_EC_KEY_PAIR_GEN, {"CKA_EC_PARAMS": P256, "CKA_VERIFY": True})
PRIVATE = {"CKA_TOKEN": False, "CKA_SIGN": True, "CKA_SENSITIVE": False, "CKA_EXTRACTABLE": True}
RSA_PRIVATE = dict(PRIVATE, CKA_DECRYPT=True, CKA_UNWRAP=True)
STORED = """CKA_CLASS CKA_TOKEN CKA_MODIFIABLE CKA_LABEL CKA_COPYABLE CKA_DESTROYABLE CKA_ID
    CKA_KEY_TYPE CKA_START_DATE CKA_END_DATE CKA_DERIVE CKA_LOCAL CKA_KEY_GEN_MECHANISM
    CKA_SUBJECT""".split()
PUBLIC_ONLY = "CKA_ENCRYPT CKA_VERIFY CKA_VERIFY_RECOVER CKA_WRAP CKA_TRUSTED".split()
PRIVATE_ONLY = """CKA_SENSITIVE CKA_EXTRACTABLE CKA_ALWAYS_SENSITIVE CKA_NEVER_EXTRACTABLE
    CKA_DECRYPT CKA_SIGN CKA_SIGN_RECOVER CKA_UNWRAP CKA_WRAP_WITH_TRUSTED
    CKA_ALWAYS_AUTHENTICATE""".split()
NUMBERS = """CKA_MODULUS CKA_PUBLIC_EXPONENT CKA_PRIVATE_EXPONENT CKA_PRIME_1 CKA_PRIME_2
    CKA_EXPONENT_1 CKA_EXPONENT_2 CKA_COEFFICIENT""".split()


class Caller(session_keys.Caller):
    def pair(self, kind, private, **more):
        """(public, private), or the result code."""
        handles = Ulong(), Ulong()
        public = dict(kind[1], CKA_TOKEN=False, **more)
        rv = self.session.call("C_GenerateKeyPair", ctypes.byref(mechanism_of(kind[0])),
                               template(public), len(public), template(private), len(private),
                               ctypes.byref(handles[0]), ctypes.byref(handles[1]))
        return rv or tuple(handle.value for handle in handles)

    def parts(self, key, names):
        return {name: self.get(key, name) for name in names}

    def public_of(self, key, **more):
        """A template of the same public key."""
        rsa = int.from_bytes(self.get(key, "CKA_KEY_TYPE"), sys.byteorder) == CK.CKK_RSA
        names = NUMBERS[:2] if rsa else ["CKA_EC_PARAMS", "CKA_EC_POINT"]
        return dict(self.parts(key, names), CKA_CLASS=CK.CKO_PUBLIC_KEY, CKA_TOKEN=False,
                    CKA_KEY_TYPE=CK.CKK_RSA if rsa else CK.CKK_EC, CKA_VERIFY=True, **more)


CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


@case
def generated_rsa(c):
    public, private = c.pair(RSA, RSA_PRIVATE)
    return {**{("public", name): c.get(public, name) for name in STORED + PUBLIC_ONLY},
            **{("private", name): c.get(private, name) for name in STORED + PRIVATE_ONLY},
            "bits": c.get(public, "CKA_MODULUS_BITS"),
            "modulus": c.get(public, "CKA_MODULUS") == c.get(private, "CKA_MODULUS"),
            "exponent": c.get(public, "CKA_PUBLIC_EXPONENT"),
            "foreign": c.get(public, "CKA_VALUE")}


@case
def generated_ec(c):
    public, private = c.pair(EC, PRIVATE)
    return {"params": c.get(public, "CKA_EC_PARAMS"), "same": c.get(private, "CKA_EC_PARAMS"),
            "point": len(c.get(public, "CKA_EC_POINT")),
            "local": c.get(private, "CKA_LOCAL"),
            "made by": c.get(private, "CKA_KEY_GEN_MECHANISM")}


@case
def generations(c):
    tries = {
        "no size": (without(RSA[1], "CKA_MODULUS_BITS"), {}),
        "local": (RSA[1], {"CKA_LOCAL": True}),
        "type": (dict(RSA[1], CKA_KEY_TYPE=CK.CKK_EC), {}),
        "class": (dict(RSA[1], CKA_CLASS=CK.CKO_PRIVATE_KEY), {}),
        "modulus": (dict(RSA[1], CKA_MODULUS=b"x" * 256), {}),
        "number": (RSA[1], {"CKA_PRIME_1": b"x" * 128})}
    answers = {name: c.pair((RSA[0], public), dict(RSA_PRIVATE, **private))
               for name, (public, private) in tries.items()}
    return {name: "made" if isinstance(answer, tuple) else answer
            for name, answer in answers.items()}


@case
def sensitive(c):
    _, private = c.pair(RSA, dict(RSA_PRIVATE, CKA_SENSITIVE=True, CKA_EXTRACTABLE=False))
    return c.parts(private, NUMBERS[2:] + ["CKA_ALWAYS_SENSITIVE", "CKA_NEVER_EXTRACTABLE"])


@case
def signatures(c):
    answers = {}
    for kind, secret, mechanism in ((RSA, RSA_PRIVATE, CK.CKM_SHA256_RSA_PKCS),
                                    (EC, PRIVATE, CK.CKM_ECDSA)):
        public, private = c.pair(kind, secret)
        data = TEXT[:32]
        sig = c.whole("Sign", mechanism, private, data)
        ours = c.create(c.public_of(public))
        for name, key in (("generated", public), ("created", ours)):
            answers[mechanism, name] = [len(sig), c.verify(mechanism, key, data, sig),
                                        c.verify(mechanism, key, data[1:] + b"x", sig)]
        answers[mechanism, "by the public half"] = c.init("Sign", mechanism, public)
    return answers


@case
def created_public(c):
    public, _ = c.pair(EC, PRIVATE)
    key = c.create(c.public_of(public, CKA_LABEL="brought", CKA_ID=b"\x07"))
    good = c.public_of(public)
    rsa = c.public_of(c.pair(RSA, RSA_PRIVATE)[0])
    return {**c.parts(key, STORED + PUBLIC_ONLY),
            "point": c.get(key, "CKA_EC_POINT") == c.get(public, "CKA_EC_POINT"),
            "no point": not_a_handle(c.create(without(good, "CKA_EC_POINT"))),
            "no modulus": not_a_handle(c.create(without(rsa, "CKA_MODULUS"))),
            "no type": not_a_handle(c.create(without(good, "CKA_KEY_TYPE"))),
            "bits": not_a_handle(c.create(dict(rsa, CKA_MODULUS_BITS=2048))),
            "foreign": not_a_handle(c.create(dict(good, CKA_SENSITIVE=True)))}


@case
def created_private(c):
    public, private = c.pair(RSA, RSA_PRIVATE)
    attributes = dict(c.parts(private, NUMBERS), CKA_CLASS=CK.CKO_PRIVATE_KEY,
                      CKA_KEY_TYPE=CK.CKK_RSA, **RSA_PRIVATE)
    key = c.create(attributes)
    sig = c.whole("Sign", CK.CKM_SHA256_RSA_PKCS, key, TEXT)
    return {"verify": c.verify(CK.CKM_SHA256_RSA_PKCS, public, TEXT, sig),
            "local": c.get(key, "CKA_LOCAL"), "always": c.get(key, "CKA_ALWAYS_SENSITIVE"),
            "no modulus": not_a_handle(c.create(without(attributes, "CKA_MODULUS")))}


@case
def sealed(c):
    public, private = c.pair(RSA, RSA_PRIVATE)
    key = c.create(CREATED)
    wrapped = c.wrap(oaep("SHA1"), public, key)
    back = c.unwrap(oaep("SHA1"), private, wrapped, without(CREATED, "CKA_VALUE"))
    opened = [c.whole("Decrypt", mechanism, private, c.whole("Encrypt", mechanism, public, TEXT))
              for mechanism in (CK.CKM_RSA_PKCS, oaep("SHA1"))]
    return opened + [c.get(back, "CKA_VALUE"), len(wrapped),
                     not_a_handle(c.wrap(oaep("SHA1"), private, key))]


@case
def wrapped_private(c):
    public, private = c.pair(RSA, RSA_PRIVATE)
    kek = c.create(CREATED)
    kwp = CK.CKM_AES_KEY_WRAP_KWP if c.wrap(CK.CKM_AES_KEY_WRAP_KWP, kek, private, size=4096) \
        != CK.CKR_MECHANISM_INVALID else CK.CKM_AES_KEY_WRAP_PAD
    wrapped = c.wrap(kwp, kek, private, size=4096)
    opened = {"CKA_CLASS": CK.CKO_PRIVATE_KEY, "CKA_KEY_TYPE": CK.CKK_RSA, **RSA_PRIVATE}
    back = c.unwrap(kwp, kek, wrapped, opened)
    sig = c.whole("Sign", CK.CKM_SHA256_RSA_PKCS, back, TEXT)
    fixed = c.pair(EC, dict(PRIVATE, CKA_EXTRACTABLE=False))[1]
    return {"verify": c.verify(CK.CKM_SHA256_RSA_PKCS, public, TEXT, sig),
            "local": c.get(back, "CKA_LOCAL"),
            "prime": c.get(back, "CKA_PRIME_1") == c.get(private, "CKA_PRIME_1"),
            "unextractable": c.wrap(kwp, kek, fixed), "public": c.wrap(kwp, kek, public)}


# As in session_keys.py.
RECOVER = (b"\x01", b"\x00", "there is no mechanism here that recovers")
NO_RSA = (b"\x01", b"\x00", "a key on a curve has no mechanism here that seals")
DIFFERENCES = {
    ("generated_rsa", ("public", "CKA_VERIFY_RECOVER")): RECOVER,
    ("generated_rsa", ("private", "CKA_SIGN_RECOVER")): RECOVER,
    ("created_public", "CKA_VERIFY_RECOVER"): RECOVER,
    ("created_public", "CKA_ENCRYPT"): NO_RSA,
    ("created_public", "CKA_WRAP"): NO_RSA,
    ("generations", "class"): (CK.CKR_ATTRIBUTE_VALUE_INVALID, CK.CKR_TEMPLATE_INCONSISTENT,
                               "a class that exists, but not for this half"),
    ("sealed", 4): (CK.CKR_WRAPPING_KEY_TYPE_INCONSISTENT, CK.CKR_KEY_FUNCTION_NOT_PERMITTED,
                    "the type is right, what its private half may do is not"),
}


class SessionPairsTest(session_keys.SessionKeysTest):
    caller, cases, differences = Caller, CASES, DIFFERENCES


if __name__ == "__main__":
    if not os.path.exists(session_keys.SOFTHSM):
        sys.exit(77)
    unittest.main()
